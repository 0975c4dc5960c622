"""What changed between measurements, for people and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from tinyaiot.diff import Change, Comparison
from tinyaiot.markdown import markdown_table
from tinyaiot.report import Report

_LAYERS_SHOWN = 5
_LOST = "it was measured before, and is not any more"


def print_diff(report: Report, comparisons: Sequence[Comparison]) -> None:
    """Each comparison: the metrics, and the layers that changed most."""
    for comparison in comparisons:
        report.heading(comparison.name)
        if comparison.lost:
            report.line("lost", _LOST)
            continue
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for heading in ("", "before", "after", "change", "limit"):
            table.add_column(heading, justify="right" if heading else "left", no_wrap=bool(heading))
        for change in comparison.metrics:
            style = "bold red" if change.exceeds else ""
            table.add_row(*(Text(cell, style) for cell in _cells(change, comparison)))
        changed = comparison.layers if report.verbose else comparison.layers[:_LAYERS_SHOWN]
        if changed:
            table.add_section()
        for change in changed:
            table.add_row(*_cells(change, comparison))
        report.table(table)


def diff_markdown(comparisons: Sequence[Comparison]) -> list[str]:
    """The lines of the same in Markdown, without the layers."""
    lines: list[str] = []
    for comparison in comparisons:
        lines += [f"### {comparison.name}", ""]
        if comparison.lost:
            lines += [f"**Lost:** {_LOST}.", ""]
            continue
        headings = ["", "#before", "#after", "#change", "#limit"]
        rows = [
            [
                f"**{cell}**" if change.exceeds and cell else cell
                for cell in _cells(change, comparison)
            ]
            for change in comparison.metrics
        ]
        lines += [*markdown_table(headings, rows), ""]
    return lines


def _cells(change: Change, comparison: Comparison) -> list[str]:
    name = change.name
    if name == "count" and comparison.counter is not None:
        name = comparison.counter
    limit = "" if change.limit_percent is None else f"{change.limit_percent:+g} %"
    return [name, _number(change.before), _number(change.after), format_percent(change), limit]


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def format_percent(change: Change) -> str:
    """By how much it grew, for a table."""
    if change.percent is None:
        return "-"
    return "=" if change.percent == 0 else f"{change.percent:+.2f} %"
