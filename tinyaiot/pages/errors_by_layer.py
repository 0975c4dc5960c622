"""What quantization cost, layer by layer."""

from __future__ import annotations

from tinyaiot.pages.charts import Bar, bars
from tinyaiot.pages.page import Facts, Figure, Section, Table
from tinyaiot.pages.svg import Picture
from tinyaiot.quantization import Comparison


def quantization_section(comparison: Comparison) -> Section:
    """Accuracy, and the error of each layer as bars and as a table."""
    rows = tuple(
        (f"{layer.index} {layer.op}", _db(layer.sqnr_db), _db(layer.lost_db))
        for layer in comparison.layers
    )
    table = Table(("layer", "#SQNR, dB", "#lost here, dB"), rows)
    caption = (
        "Signal over error in power, up to this layer, against the float network; a bar that is "
        "much shorter than the one before shows where precision is lost."
    )
    figure = Figure(quantization_picture(comparison), caption)
    return Section("Quantization error", (Facts(_facts(comparison)), figure, table))


def quantization_picture(comparison: Comparison) -> Picture:
    """The signal-to-error ratio after each layer."""
    lost = [layer.lost_db for layer in comparison.layers if layer.lost_db is not None]
    most = max(lost, default=None)
    rows = [
        Bar(
            f"{layer.index} {layer.op}",
            None if layer.sqnr_db is None else max(layer.sqnr_db, 0.0),
            _db(layer.sqnr_db),
            f"{layer.index} {layer.op}: {_db(layer.sqnr_db)} dB, {_db(layer.lost_db)} dB lost here",
            "marked" if layer.lost_db is not None and layer.lost_db == most else "tensor",
        )
        for layer in comparison.layers
    ]
    return bars("Quantization error by layer", "SQNR, dB: more is better", rows, name="errors")


def _facts(comparison: Comparison) -> tuple[tuple[str, str], ...]:
    pairs = [("samples", f"{comparison.count:,}")]
    if comparison.float_accuracy is not None and comparison.int8_accuracy is not None:
        pairs.append(("float, right", f"{comparison.float_accuracy:.2%}"))
        pairs.append(("int8, right", f"{comparison.int8_accuracy:.2%}"))
    pairs.append(("same class in both", f"{comparison.agreement:.2%}"))
    pairs.append(("output, SQNR", f"{_db(comparison.sqnr_db)} dB"))
    return tuple(pairs)


def _db(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
