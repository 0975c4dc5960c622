"""Tables of boards: all that there are, and those that are plugged in."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from tinyaiot.boards import Board, Verified, user_folder
from tinyaiot.devices.connected import Connected
from tinyaiot.report import Report, new_table

_WIDTH = 78


def report_boards(report: Report, boards: Sequence[Board]) -> None:
    """All boards, one a line, with what was seen to work and what that means."""
    table = new_table("board", "core", "#MHz", "#RAM", "#flash", "verified")
    for board in boards:
        table.add_row(
            board.id,
            board.core,
            f"{board.clock_hz / 1e6:g}" if board.clock_hz else "-",
            "+".join(_kib(ram.size_bytes) for ram in board.ram if ram.linked),
            _kib(board.flash.size_bytes),
            board.verified.value,
        )
    report.table(table)
    report.text("")
    seen = {board.verified for board in boards}
    for verified in Verified:
        if verified in seen:
            report.text(_wrapped(f"  {verified.value:<14}", verified.meaning))
    report.text("")
    report.text(
        _wrapped("", "No board has been tried on silicon yet. RAM is what models may have.")
    )
    if report.verbose:
        for board in boards:
            report.text(_wrapped(f"{board.id}: ", " ".join(f"{board.name}. {board.notes}".split())))
        report.text("")
    report.text(f"Boards of your own: one TOML file each in {_from_home(user_folder())}")


def report_connected(report: Report, connected: Sequence[Connected]) -> None:
    """The serial ports on USB, and which boards they may be."""
    if not connected:
        report.text("No serial port on USB: is the board plugged in, with a cable that has data?")
    for found in connected:
        port = found.port
        report.text(f"{port.device}  {port.vid:04X}:{port.pid:04X}  {port.description}")
        report.text(_wrapped("  ", _candidates(found)))


def _candidates(found: Connected) -> str:
    if not found.boards:
        return "no board file has this USB id"
    names = ", ".join(found.boards)
    if found.bootloader:
        return f"{names}: in its boot loader, which runs no model"
    return names if found.certain else f"perhaps {names}: others share this USB id"


def _from_home(path: Path) -> str:
    home = Path.home()
    return f"~/{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else str(path)


def _wrapped(label: str, text: str) -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=label,
        subsequent_indent=" " * len(label),
        break_on_hyphens=False,
    )


def _kib(nbytes: int) -> str:
    return f"{nbytes / 1024:.4g} K" if nbytes < 1 << 20 else f"{nbytes / (1 << 20):.4g} M"
