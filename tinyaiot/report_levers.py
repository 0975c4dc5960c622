"""What a model lacks in RAM, and what would help."""

from __future__ import annotations

import textwrap

from tinyaiot.budgets import Overrun, Resource
from tinyaiot.levers import Lever, Shortage
from tinyaiot.report import Report, new_table
from tinyaiot.summary import Layer, ModelSummary

_BASIS_INDENT = " " * 15
_BASIS_WIDTH = 63


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


def report_overrun(report: Report, overrun: Overrun) -> None:
    """What is needed, where that number comes from, and each way to need less."""
    unit = overrun.resource.value
    report.heading(f"Does not fit: {unit}")
    report.line("allowed", format_amount(overrun.allowed))
    least = "at least " if overrun.need.is_least else ""
    report.line("needed", least + format_amount(overrun.need.amount))
    report.line("basis", _basis(overrun.need.basis))
    if overrun.largest:
        report.line("largest", "layers " + ", ".join(map(_weights, overrun.largest)))
    if overrun.ways:
        report.heading("What would help, each worked out")
        table = new_table("change", f"#{unit}", "fits")
        for way in overrun.ways:
            over = f"{format_amount(way.amount - overrun.allowed)} over"
            table.add_row(way.change, format_amount(way.amount), "yes" if way.fits else over)
        report.table(table)
        for way in overrun.ways:
            if way.basis != overrun.need.basis:
                report.line("other basis", f"{way.change}:\n{_BASIS_INDENT}{_basis(way.basis)}")


def _basis(text: str) -> str:
    return textwrap.fill(text, _BASIS_WIDTH, subsequent_indent=_BASIS_INDENT)


def problem_of(overrun: Overrun) -> str:
    """What does not fit, one line."""
    needed, allowed = format_amount(overrun.need.amount), format_amount(overrun.allowed)
    verb = "takes an estimated" if overrun.resource is Resource.TIME else "needs"
    least = "at least " if overrun.need.is_least else ""
    return f"the model {verb} {least}{needed} {overrun.resource.value}, of {allowed} allowed"


def overrun_hint(overrun: Overrun) -> str:
    """What to do, one line."""
    best = overrun.best
    if best is not None:
        return f"{best.change} makes it fit: {format_amount(best.amount)} {overrun.resource.value}"
    smaller = "take a smaller model: nothing that was tried makes this one fit"
    return f"{smaller}" if not overrun.largest else f"{smaller}; its weights are most of it"


def format_amount(amount: float) -> str:
    """Bytes whole, milliseconds by three digits."""
    return f"{amount:,}" if isinstance(amount, int) else f"{amount:,.3g}"


def _weights(layer: Layer) -> str:
    return f"{layer.index} {layer.op} {layer.weights_bytes:,}"


def hint_of(shortage: Shortage) -> str:
    """What to do, one line."""
    ways = [] if shortage.best is None else [_way(shortage.best)]
    if shortage.board is not None:
        ways.append(f"--board {shortage.board.id} takes it as it is")
    return "; ".join(ways) or "take a smaller model: nothing that was tried makes this one fit"


def _way(lever: Lever) -> str:
    return f"{lever.change} makes it fit: {lever.arena_bytes:,} bytes"
