"""Estimated cycles, beside what was counted."""

from __future__ import annotations

from tinyaiot.boards import Board
from tinyaiot.cycles import CycleEstimate
from tinyaiot.measure import Measurement
from tinyaiot.report import Report


def report_cycles(
    report: Report, estimate: CycleEstimate, measurement: Measurement, board: Board
) -> None:
    """An estimate that is called one, with what it assumes."""
    report.heading("Estimated, not measured")
    ratio = (
        f", {estimate.total / measurement.count:.2f} an instruction" if measurement.count else ""
    )
    report.line("cycles", f"about {estimate.total:,}{ratio}")
    report.line("", f"{estimate.lowest:,} to {estimate.highest:,} with the ends of each range")
    if board.clock_hz:
        milliseconds = 1e3 * estimate.total / board.clock_hz
        report.line("time", f"about {milliseconds:.3g} ms at {board.clock_hz / 1e6:g} MHz")
    report.line("assumes", estimate.assumptions)
