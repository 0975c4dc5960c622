"""What a model lacks in RAM, and what would help."""

from __future__ import annotations

from tinyaiot.levers import Lever, Shortage
from tinyaiot.report import Report, new_table
from tinyaiot.summary import ModelSummary


def report_shortage(report: Report, summary: ModelSummary, shortage: Shortage) -> None:
    """What is missing, and each lever in the order of its effect."""
    closest = shortage.closest
    excess = closest.total_arena_bytes - shortage.allowed_bytes
    report.heading("Does not fit: bytes of RAM")
    report.line("allowed", f"{shortage.allowed_bytes:,}")
    report.line("as asked", f"{shortage.asked_bytes:,}, were there RAM without end")
    report.line(
        "closest", f"{closest.total_arena_bytes:,} by {closest.strategy}: {excess:,} too many"
    )
    if shortage.levers:
        report.heading("What would help, each planned")
        table = new_table("change", "#arena", "#saves", "#MACs", "fits")
        for lever in shortage.levers:
            table.add_row(
                lever.change,
                f"{lever.arena_bytes:,}",
                f"{lever.saved_bytes:,}",
                f"×{lever.macs / summary.macs:.2f}" if summary.macs else "-",
                "yes" if lever.fits else f"{lever.arena_bytes - shortage.allowed_bytes:,} over",
            )
        report.table(table)
        if any(lever.is_smaller_input for lever in shortage.levers):
            report.line("input", "another size of picture is to be trained for")
    if shortage.board is not None:
        state = shortage.board.verified.value
        report.line("board", f"{shortage.board.id} ({state}): of those that take it, the least RAM")


def hint_of(shortage: Shortage) -> str:
    """What to do, one line."""
    ways = [] if shortage.best is None else [_way(shortage.best)]
    if shortage.board is not None:
        ways.append(f"--board {shortage.board.id} takes it as it is")
    return "; ".join(ways) or "take a smaller model: nothing that was tried makes this one fit"


def _way(lever: Lever) -> str:
    return f"{lever.change} makes it fit: {lever.arena_bytes:,} bytes"
