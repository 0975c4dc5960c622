"""What would make the layers of a plan faster, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from tinyaiot.report import Report, new_table
from tinyaiot.speedups import Price, Speedup

# Lines that are printed without -v.
_MOST = 8


def report_speedups(report: Report, speedups: Sequence[Speedup]) -> None:
    """The largest savings, in the order of layers; all of them with -v."""
    if not speedups:
        return
    report.heading("What would make it faster, predicted")
    by_effect = sorted(speedups, key=lambda speedup: -speedup.saved)
    shown = set(by_effect if report.verbose else by_effect[:_MOST])
    table = new_table("", "kernel", "#instructions", "#saves", "#flash", "RAM")
    for speedup in speedups:
        if speedup in shown:
            table.add_row(
                f"{speedup.layer}",
                speedup.kernel,
                f"{speedup.instructions:,}",
                f"{speedup.saved:,}",
                f"{speedup.flash_bytes:+,}" if speedup.flash_bytes else "-",
                "-" if speedup.price is Price.FLASH else "more",
            )
    report.table(table)
    hidden = len(speedups) - len(shown)
    if hidden:
        report.line("", f"and {hidden} of less effect: -v lists them")
    if any(speedup.price is not Price.RAM for speedup in speedups):
        report.line("more flash", "--objective speed")
    if any(speedup.price is not Price.FLASH for speedup in speedups):
        report.line("more RAM", "--objective speed, a larger --ram, a board with more")
