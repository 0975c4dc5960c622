"""Two models, plans or measurements side by side, for people and in Markdown."""

from __future__ import annotations

from tinyaiot.compare import Layer, SideBySide
from tinyaiot.diff_report import format_percent
from tinyaiot.markdown import markdown_table
from tinyaiot.report import Report, new_table
from tinyaiot.summary import format_shape

_UNITS = {"_bytes": ", bytes", "_us": ", us"}
_NAMES = {"macs": "MACs", "extra_macs": "extra MACs", "lower_bound_bytes": "lower bound, bytes"}
# What layers differ in, the most telling first.
_ASPECTS = {"count": "count", "live_bytes": "RAM", "macs": "MACs"}


def print_comparison(report: Report, found: SideBySide) -> None:
    """What the sides are, their numbers, and layer by layer what differs."""
    report.heading("Side by side")
    for letter, side in zip("AB", found.sides, strict=True):
        report.line(letter, f"{side.name}; plan {side.strategy}")
    report.heading("Totals")
    table = new_table("", "#A", "#B", "#change")
    for cells in _totals(found):
        table.add_row(*cells)
    report.table(table)
    headings, rows = _layers(found)
    if rows:
        report.heading("Layers that differ")
        layers = new_table(*headings)
        for cells in rows:
            layers.add_row(*cells)
        report.table(layers)


def comparison_markdown(found: SideBySide) -> list[str]:
    """The lines of the same in Markdown."""
    a, b = found.sides
    lines = [f"### {a.name} → {b.name}", "", f"Plans: {a.strategy} → {b.strategy}.", ""]
    lines += markdown_table(["", "#A", "#B", "#change"], _totals(found))
    headings, rows = _layers(found)
    if rows:
        lines += ["", *markdown_table(headings, rows)]
    return lines


def _totals(found: SideBySide) -> list[list[str]]:
    return [
        [_label(c.name), _number(c.before), _number(c.after), format_percent(c)]
        for c in found.changes
    ]


def _label(name: str) -> str:
    if name in _NAMES:
        return _NAMES[name]
    for suffix, unit in _UNITS.items():
        if name.endswith(suffix):
            return name.removesuffix(suffix).replace("_", " ") + unit
    return name.replace("_", " ")


def _layers(found: SideBySide) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of the layers that differ; no rows where all are alike."""
    differ = [
        name
        for name in _ASPECTS
        if any(_value(a, name) != _value(b, name) for a, b in found.layers)
    ]
    # Where outputs differ too, a terminal has no room for more than one.
    outputs = [_output(pair) for pair in found.layers]
    aspects = differ[: 1 if any("/" in output for output in outputs) else 2]
    headings = ["#A", "#B", "operator", "output"]
    headings += [f"#{_ASPECTS[name]} {side}" for name in aspects for side in "AB"]
    rows = []
    places = [0, 0]
    for pair, output in zip(found.layers, outputs, strict=True):
        numbers = [f"{places[k]}" if layer else "" for k, layer in enumerate(pair)]
        places = [place + (layer is not None) for place, layer in zip(places, pair, strict=True)]
        if any(_value(pair[0], name) != _value(pair[1], name) for name in aspects):
            values = [_number(_value(layer, name)) for name in aspects for layer in pair]
            [op, *_] = [layer.op for layer in pair if layer is not None]
            rows.append([*numbers, op, output, *values])
    return headings, rows


def _output(pair: tuple[Layer | None, Layer | None]) -> str:
    """The shape, or both where they differ."""
    shapes = [format_shape(layer.shape[1:] or layer.shape) for layer in pair if layer is not None]
    return " / ".join(dict.fromkeys(shapes))


def _value(layer: Layer | None, name: str) -> int | None:
    value: int | None = None if layer is None else getattr(layer, name)
    return value


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
