"""The table of boards that a model was planned for."""

from __future__ import annotations

from collections.abc import Sequence

from tinyaiot.fit import Fit, smallest_fit
from tinyaiot.report import Report, new_table
from tinyaiot.summary import ModelSummary


def report_fits(report: Report, summary: ModelSummary, fits: Sequence[Fit]) -> None:
    """One line a board: what the model takes of its RAM and flash, and the smallest that fits."""
    report.heading("Boards: bytes of RAM that models may have, and of flash for the weights")
    table = new_table("board", "#arena", "#RAM left", "#flash left", "verdict")
    for fit in fits:
        arena = None if fit.plan is None else fit.plan.total_arena_bytes
        left = None if arena is None else fit.ram_bytes - arena
        flash_left = fit.board.flash.size_bytes - summary.weights_bytes
        table.add_row(
            fit.board.id, _bytes(arena), _bytes(left), f"{flash_left:,}", fit.verdict.value
        )
    report.table(table)
    smallest = smallest_fit(fits)
    if smallest is not None:
        state = smallest.board.verified.value
        report.line("smallest", f"{smallest.board.id} ({state}): of those that fit, the least RAM")
    report.line("not counted", "code in flash, of which only the linker knows the size")
    if report.verbose:
        for fit in fits:
            if fit.problem is not None:
                report.line(fit.board.id, fit.problem)


def _bytes(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
