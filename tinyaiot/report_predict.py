"""What is predicted of a model on a board, as tables and lines."""

from __future__ import annotations

import textwrap

from tinyaiot.predict import LayerPrediction, Prediction
from tinyaiot.report import Report, new_table
from tinyaiot.summary import ModelSummary

_WIDTH = 78
_INDENT = 15


def report_prediction(report: Report, summary: ModelSummary, prediction: Prediction) -> None:
    """Instructions layer by layer, and the time that they are estimated to take."""
    report.heading(f"Predicted on {prediction.board}, not measured")
    _memory(report, prediction)
    if not any(layer.kernels and layer.instructions for layer in prediction.layers):
        report.line("instructions", _wrapped(f"unknown: {prediction.basis}"))
        return
    table = new_table("", "kernel", "#instructions", "#/MAC")
    for layer in prediction.layers:
        macs = summary.layers[layer.index].macs
        table.add_row(
            f"{layer.index}", _kernels(layer), _count(layer.instructions), _each(layer, macs)
        )
    table.add_section()
    total = prediction.instructions
    ratio = "-" if total is None or not summary.macs else f"{total / summary.macs:.2f}"
    table.add_row("", "total", _count(total), ratio)
    report.table(table)
    report.line("basis", _wrapped(prediction.basis))
    time = prediction.milliseconds
    text = "unknown" if time is None else f"about {time:.3g} ms"
    report.line("estimate", _wrapped(f"{text}: {prediction.milliseconds_basis}"))
    if prediction.unknown:
        report.line("unknown", _wrapped(f"{_indices(prediction.unknown)}: not calibrated kernels"))
    if prediction.stale:
        what = "kernels changed since they were measured: renew by make calibrate"
        report.line("stale", _wrapped(f"{_indices(prediction.stale)}: {what}"))
    if prediction.out_of_range:
        what = "larger or smaller than any layer that was measured for the prediction"
        report.line("less certain", _wrapped(f"{_indices(prediction.out_of_range)}: {what}"))


def _memory(report: Report, prediction: Prediction) -> None:
    flash, ram = prediction.flash_bytes, prediction.ram_bytes
    if flash is not None:
        report.line("flash", f"{flash:,} bytes, code and harness included")
    if ram is not None:
        report.line("RAM", f"{ram:,} bytes of .data and .bss, the arena included")


def _kernels(layer: LayerPrediction) -> str:
    return ", ".join(layer.kernels) or f"{layer.op}: no work"


def _count(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def _each(layer: LayerPrediction, macs: int) -> str:
    return "-" if layer.instructions is None or not macs else f"{layer.instructions / macs:.2f}"


def _indices(layers: tuple[LayerPrediction, ...]) -> str:
    word = "layer" if len(layers) == 1 else "layers"
    return f"{word} {', '.join(str(layer.index) for layer in layers)}"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH - _INDENT, subsequent_indent=" " * _INDENT)
