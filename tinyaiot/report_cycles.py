"""Estimated cycles, beside what was counted."""

from __future__ import annotations

import textwrap

from tinyaiot.boards import Board
from tinyaiot.cycles import CycleEstimate
from tinyaiot.measure import Measurement
from tinyaiot.report import Report

# Of what stands beside a label, so that lines end at 80 columns.
_WIDTH = 65


def report_cycles(
    report: Report, estimate: CycleEstimate, measurement: Measurement, board: Board
) -> None:
    """An estimate that is called one, with what it assumes."""
    report.heading("Estimated, not measured")
    ends = (estimate.lowest, estimate.highest)
    if estimate.is_documented:
        count = measurement.count
        ratio = f", {estimate.total / count:.2f} an instruction" if count else ""
        report.line("cycles", f"about {estimate.total:,}{ratio}")
        report.line("", f"{ends[0]:,} to {ends[1]:,} with the ends of each range")
    else:
        report.line("cycles", f"{ends[0]:,} to {ends[1]:,}")
        report.line("", f"{estimate.total:,} as compilers describe the core")
    if board.clock_hz:
        clock = f"{board.clock_hz / 1e6:g} MHz"
        low, middle, high = (
            f"{1e3 * cycles / board.clock_hz:.3g}" for cycles in (ends[0], estimate.total, ends[1])
        )
        time = f"about {middle}" if estimate.is_documented else f"{low} to {high}"
        report.line("time", f"{time} ms at {clock}")
    for k, line in enumerate(textwrap.wrap(estimate.assumptions, _WIDTH)):
        report.line("" if k else "assumes", line)
