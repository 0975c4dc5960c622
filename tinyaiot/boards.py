"""Boards: one TOML file each, read into one frozen dataclass; unknown keys are errors."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cattrs
from cattrs import transform_error

from tinyaiot.cores import Core, core_by_id
from tinyaiot.errors import UsageError
from tinyaiot.paths import data_dir

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Ram:
    """One contiguous RAM. The first one listed holds .data, .bss and the stack."""

    name: str
    start: int
    size_bytes: int


@dataclass(frozen=True)
class Flash:
    """The flash that an image may fill."""

    start: int
    size_bytes: int


@dataclass(frozen=True)
class Emulator:
    """The QEMU machine that stands in for the board.

    Attributes:
        qemu: the command, for example ``qemu-system-arm``.
        machine: its ``-machine``.
        arguments: further arguments.
    """

    qemu: str
    machine: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Board:
    """A board, real or emulated.

    Attributes:
        id: the name on the command line, and of the file.
        core: id of its core (``tinyaiot.cores``).
        port: the folder of ``firmware/ports`` with its UART and counter.
        defines: C macros that the port is compiled with (base addresses, divisors).
        counter: what the counter counts, "instructions" or "cycles"; None where nothing does.
        stack_bytes: reserved for the stack by the linker script.
    """

    id: str
    name: str
    core: str
    clock_hz: int
    port: str
    ram: tuple[Ram, ...]
    flash: Flash
    stack_bytes: int = 2048
    counter: str | None = None
    emulator: Emulator | None = None
    defines: tuple[str, ...] = ()
    notes: str = ""

    @property
    def processor(self) -> Core:
        return core_by_id(self.core)


_CONVERTER = cattrs.Converter(forbid_extra_keys=True)


def load_board(path: Path) -> Board:
    """Reads one board file; raises UsageError with every mistake in it."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot read board file {path}: {error}", "mend the file") from error
    return _structure(document, path)


def _structure(document: dict[str, Any], path: Path) -> Board:
    try:
        return _CONVERTER.structure({"id": path.stem, **document}, Board)
    except cattrs.BaseValidationError as error:
        raise UsageError(
            f"board file {path} is not valid",
            "compare it with the files that ship with tinyaiot",
            tuple(transform_error(error)),
        ) from error


def board_ids() -> tuple[str, ...]:
    """The ids of all boards, in alphabetical order."""
    return tuple(sorted(path.stem for path in data_dir("boards").glob("*.toml")))


def board_by_id(board_id: str) -> Board:
    """The board of that id; raises UsageError naming the known ones."""
    if board_id not in board_ids():
        raise UsageError(f"unknown board {board_id!r}", f"use one of: {', '.join(board_ids())}")
    return load_board(data_dir("boards") / f"{board_id}.toml")
