"""What quantization cost, as a person sees it."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from tinyaiot.quantization import Comparison, Quantized
from tinyaiot.report import Report
from tinyaiot.summary import format_shape


def report_quantized(report: Report, quantized: Quantized, path: Path) -> None:
    """The file that was written, and what was done to the channels."""
    report.heading(str(path))
    report.line("int8", f"{len(quantized.model.data):,} bytes")
    report.line("float", f"{len(quantized.float_data):,} bytes as .tflite")
    if quantized.original_shape is not None:
        shape = quantized.model.graph.inputs[0].shape[1:]
        report.line("input", f"{format_shape(shape)}, the channels last")
        report.line("", f"the original takes {format_shape(quantized.original_shape)}")
    if quantized.equalized:
        report.line("equalized", f"the channels of {quantized.equalized} tensors")
    if quantized.trials:
        report.line("by", str(quantized.recipe))
        report.heading(f"tried, on {quantized.held_out} samples held out of the calibration")
        report.table(_trials(quantized))


def report_comparison(report: Report, comparison: Comparison, title: str = "int8") -> None:
    """Accuracy, agreement and errors of the outputs, then the error of each layer."""
    report.heading(f"{title} beside float, {comparison.count} samples")
    if comparison.float_accuracy is not None and comparison.int8_accuracy is not None:
        points = 100 * (comparison.int8_accuracy - comparison.float_accuracy)
        report.line("float", f"{comparison.float_accuracy:.2%} right")
        report.line("int8", f"{comparison.int8_accuracy:.2%} right, {points:+.2f} points")
    report.line("agreement", f"{comparison.agreement:.2%} have the same class in both")
    report.line("output", f"SQNR {_db(comparison.sqnr_db)} dB")
    report.line("", f"largest error {comparison.largest_error:.3g}")
    report.table(_layers(comparison))


def _trials(quantized: Quantized) -> Table:
    """The recipes in the order in which they were tried; * marks the one that was taken."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("recipe")
    table.add_column("SQNR dB", justify="right")
    table.add_column("gain", justify="right")
    table.add_column("same class", justify="right")
    table.add_column("")
    plain = quantized.trials[0].sqnr_db
    for trial in quantized.trials:
        known = plain is not None and trial.sqnr_db is not None
        table.add_row(
            str(trial.recipe),
            _db(trial.sqnr_db),
            f"{(trial.sqnr_db or 0) - (plain or 0):+.1f}" if known else "-",
            f"{trial.agreement:.2%}",
            "*" if trial.recipe == quantized.recipe else "",
        )
    return table


def _layers(comparison: Comparison) -> Table:
    """The layers in the model's order; * marks the one where most is lost."""
    known = [layer for layer in comparison.layers if layer.lost_db is not None]
    worst = max(known, key=lambda layer: layer.lost_db or 0.0, default=None)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    table.add_column("layer", overflow="ellipsis", no_wrap=True)
    table.add_column("SQNR dB", justify="right")
    table.add_column("lost here", justify="right")
    table.add_column("")
    for layer in comparison.layers:
        table.add_row(
            str(layer.index),
            layer.op,
            _db(layer.sqnr_db),
            _db(layer.lost_db),
            "*" if layer is worst else "",
        )
    return table


def _db(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
