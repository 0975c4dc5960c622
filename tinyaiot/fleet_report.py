"""One model on many boards as a table, for people and in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.table import Table

from tinyaiot.fleet import FleetResult, Outcome
from tinyaiot.markdown import markdown_table
from tinyaiot.measure import Measurement
from tinyaiot.report import Report


@dataclass(frozen=True)
class _Column:
    """A number of a result; None where there is none."""

    heading: str
    value: Callable[[FleetResult], int | None]


def _measured(value: Callable[[Measurement], int | None]) -> Callable[[FleetResult], int | None]:
    return lambda result: None if result.measurement is None else value(result.measurement)


def _counted(counter: str) -> Callable[[FleetResult], int | None]:
    return _measured(lambda m: m.count if m.counter == counter else None)


_COLUMNS = (
    _Column("instructions", _counted("instructions")),
    _Column("cycles", _counted("cycles")),
    _Column("us", _measured(lambda m: m.latency_us)),
    _Column("RAM", lambda result: result.ram_bytes),
    _Column("stack", _measured(lambda m: m.stack_bytes)),
    _Column("flash", lambda result: result.flash_bytes),
)
_OUTPUTS = {
    Outcome.MEASURED: "exact",
    Outcome.NOT_RUN: "not run",
    Outcome.DOES_NOT_FIT: "does not fit",
    Outcome.FAILED: "failed",
}


def print_fleet(report: Report, model: str, results: Sequence[FleetResult]) -> None:
    """The table, and below it why a board is missing from it."""
    columns = _shown(results)
    gap = 2 if len(columns) < len(_COLUMNS) else 1
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    table.add_column("board", overflow="fold")
    for column in columns:
        table.add_column(column.heading, justify="right", no_wrap=True)
    table.add_column("outputs", no_wrap=True)
    for result in results:
        table.add_row(
            result.station.id,
            *(_number(column.value(result)) for column in columns),
            _OUTPUTS[result.outcome],
        )
    report.heading(f"{model} on {len(results)} boards, one inference; sizes in bytes")
    report.table(table)
    _print_reasons(report, results)


def _print_reasons(report: Report, results: Sequence[FleetResult]) -> None:
    without = [result for result in results if result.reason is not None]
    if without:
        report.heading("Without a measurement")
    width = max((len(result.station.id) for result in without), default=0)
    for result in without:
        report.line(f"{result.station.id:<{width}}", f"  {result.reason}")


def fleet_markdown(model: str, results: Sequence[FleetResult]) -> list[str]:
    """The lines of the table in Markdown, with the reasons in it."""
    columns = _shown(results)
    headings = ["board", "core", *(f"#{column.heading}" for column in columns), "outputs"]
    rows = [
        [
            result.station.id,
            result.station.board.core,
            *(_number(column.value(result)) for column in columns),
            _with_reason(result),
        ]
        for result in results
    ]
    return [
        f"### {model} on {len(results)} boards\n",
        "One inference; RAM is .data and .bss, the stack comes on top; sizes in bytes.\n",
        *markdown_table(headings, rows),
    ]


def _shown(results: Sequence[FleetResult]) -> list[_Column]:
    """The columns in which there is a number."""
    return [
        column for column in _COLUMNS if any(column.value(result) is not None for result in results)
    ]


def _with_reason(result: FleetResult) -> str:
    outputs = _OUTPUTS[result.outcome]
    return outputs if result.reason is None else f"{outputs}: {result.reason}"


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
