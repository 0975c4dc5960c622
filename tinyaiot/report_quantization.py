"""What quantization cost, as a person sees it."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from tinyaiot.quantization import Comparison, LayerError, Quantized, Remedy
from tinyaiot.report import Report
from tinyaiot.summary import format_shape


def report_quantized(report: Report, quantized: Quantized, path: Path) -> None:
    """The file that was written, and what was tried for it."""
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
    report.line("output", f"SQNR {decibels(comparison.sqnr_db)} dB")
    if comparison.cosine is not None:
        report.line("", f"cosine {comparison.cosine:.5f}")
    report.line("", f"largest error {comparison.largest_error:.3g}")
    report.heading("layers: SQNR of each in dB, then the output's with it alone int8 or spared")
    report.table(_layers(comparison))
    if comparison.remedies:
        report.heading(f"worst layers, simulated on {comparison.simulated} samples: output's gain")
        report.table(_remedies(comparison))


def decibels(value: float | None, sign: bool = False) -> str:
    """A number of decibels for people; a dash where there is none."""
    if value is None:
        return "-"
    return f"{value:+.1f}" if sign else f"{value:.1f}"


def gain_of(value: float | None, base: float | None) -> str:
    """What one SQNR is more than another."""
    return "-" if value is None or base is None else decibels(value - base, sign=True)


def layer_of(comparison: Comparison, remedy: Remedy) -> LayerError:
    """The layer that a remedy is for."""
    return next(layer for layer in comparison.layers if layer.index == remedy.index)


def _new_table(*headings: str) -> Table:
    """A table whose columns are numbers where the heading begins with ``#``."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(
            heading.lstrip("#"),
            justify="right" if heading.startswith("#") else "left",
            overflow="ellipsis",
            no_wrap=True,
        )
    return table


def _trials(quantized: Quantized) -> Table:
    """The recipes in the order in which they were tried; * marks the one that was taken."""
    table = _new_table("recipe", "#SQNR dB", "#gain", "#same class", "")
    for trial in quantized.trials:
        table.add_row(
            str(trial.recipe),
            decibels(trial.sqnr_db),
            gain_of(trial.sqnr_db, quantized.trials[0].sqnr_db),
            f"{trial.agreement:.2%}",
            "*" if trial.recipe == quantized.recipe else "",
        )
    return table


def _layers(comparison: Comparison) -> Table:
    """The layers in the model's order; * marks the one to spare first."""
    worst = comparison.ranked[:1]
    table = _new_table("", "layer", "#up to here", "#lost here", "#it alone", "#if spared", "")
    for layer in comparison.layers:
        table.add_row(
            str(layer.index),
            layer.op,
            decibels(layer.sqnr_db),
            decibels(layer.lost_db),
            decibels(layer.added_db),
            decibels(layer.gain_db, sign=True),
            "*" if layer in worst else "",
        )
    return table


def _remedies(comparison: Comparison) -> Table:
    """The worst layers: in floating point, with 16 bits, with other ranges."""
    table = _new_table("", "layer", "#in float", "#at int16", "#by ranges", "method")
    for remedy in comparison.remedies:
        layer = layer_of(comparison, remedy)
        table.add_row(
            str(layer.index),
            layer.op,
            decibels(layer.gain_db, sign=True),
            decibels(remedy.int16_db, sign=True),
            decibels(remedy.method_db, sign=True),
            remedy.method or "fixed by the format",
        )
    return table
