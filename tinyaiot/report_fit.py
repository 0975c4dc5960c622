"""The table of boards that a model was planned for."""

from __future__ import annotations

from collections.abc import Sequence

from tinyaiot.fit import Fit, Verdict, smallest_fit
from tinyaiot.report import Report, new_table
from tinyaiot.summary import ModelSummary

_BASES = {
    "flash left": "beside the predicted image; beside weights if not emulated",
    "instr.": "predicted from layers measured on such cores; -: none emulated",
    "est. ms": "documented cycles, zero wait states; -: none are documented",
}
_WHOLE_MS = 10
_FITS = {Verdict.FITS: "yes", Verdict.FITS_FED: "fed", Verdict.TOO_LARGE: "no"}


def report_fits(report: Report, summary: ModelSummary, fits: Sequence[Fit]) -> None:
    """One line a board: what the model takes of its RAM, flash and time, and the smallest that
    fits."""
    report.heading("Boards: bytes of RAM that models may have and of flash; what is predicted")
    table = new_table("board", "#arena", "#RAM left", "#flash left", "#instr.", "#est. ms", "fits")
    for fit in fits:
        arena = None if fit.plan is None else fit.plan.total_arena_bytes
        left = None if arena is None else fit.ram_bytes - arena
        image = summary.weights_bytes if fit.image_bytes is None else fit.image_bytes
        flash_left = fit.board.flash.size_bytes - image
        cells = (_bytes(arena), _bytes(left), f"{flash_left:,}", _millions(fit), _milliseconds(fit))
        table.add_row(fit.board.id, *cells, _FITS[fit.verdict])
    report.table(table)
    smallest = smallest_fit(fits)
    if smallest is not None:
        state = smallest.board.verified.value
        report.line("smallest", f"{smallest.board.id} ({state}): of those that fit, the least RAM")
    if any(fit.verdict is Verdict.FITS_FED for fit in fits):
        report.line("fed", "fits with --feed rows only; its numbers are of that plan")
    for heading, basis in _BASES.items():
        report.line(heading, basis)
    if report.verbose:
        for fit in fits:
            if fit.problem is not None:
                report.line(fit.board.id, fit.problem)


def _millions(fit: Fit) -> str:
    """Predicted instructions of an inference."""
    count = None if fit.prediction is None else fit.prediction.instructions
    return "-" if count is None else f"{count / 1e6:,.2f}M"


def _milliseconds(fit: Fit) -> str:
    """The estimate of an inference's time."""
    time = None if fit.prediction is None else fit.prediction.milliseconds
    return "-" if time is None else f"{time:,.0f}" if time >= _WHOLE_MS else f"{time:.2g}"


def _bytes(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
