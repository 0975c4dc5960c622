"""Boards: one TOML file each, read into one frozen dataclass; unknown keys are errors.

Files lie in the package and in the user's own folder (:func:`user_folder`), which wins.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
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

# The id of a board's stand-in is the board's with this at its end.
STAND_IN = "-qemu"


@dataclass(frozen=True)
class Ram:
    """One contiguous RAM. The first one listed holds .data, .bss and the stack.

    Attributes:
        linked: whether models may lie there: the linker script puts arrays there when asked.
            A framework's own script knows the first RAM only.
    """

    name: str
    start: int
    size_bytes: int
    linked: bool = True


@dataclass(frozen=True)
class Flash:
    """The flash that an image may fill.

    Attributes:
        chip_bytes: all of the chip's, boot loaders and what else is taken included; None where
            an image may have all of it.
    """

    start: int
    size_bytes: int
    chip_bytes: int | None = None


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
class PlatformIO:
    """What PlatformIO calls the board.

    Attributes:
        platform: with its version, for example ``ststm32@19.6.0``, or the URL of one that
            PlatformIO's registry does not have.
        board: its id there.
        framework: None where our own port runs on the bare chip.
        options: further lines of the board's environment in ``platformio.ini``.
    """

    platform: str
    board: str
    framework: str | None = None
    options: tuple[str, ...] = ()


class Reset(str, Enum):
    """How the host starts the board anew."""

    PROBE = "probe"  # by the debug probe, through the upload tool
    DTR_RTS = "dtr-rts"  # by DTR and RTS of the serial port
    DTR = "dtr"  # by opening the serial port
    BUTTON = "button"  # not at all: a person presses it


@dataclass(frozen=True)
class Upload:
    """How an image gets onto the board.

    Attributes:
        protocol: PlatformIO's ``upload_protocol``, or "uf2" where a file is copied.
        touch_1200_baud: opening the serial port at 1200 baud enters the boot loader.
        port_survives_reset: whether the serial port (a probe's, or a converter's) stays there
            while the board restarts; else it comes back later, perhaps under another name.
        openocd: OpenOCD's configuration files (and commands between them) for the board, in
            order; none where unknown.
        pyocd: pyOCD's name of the chip; None where it has none of its own.
        esptool: esptool's name of the chip.
    """

    protocol: str
    touch_1200_baud: bool = False
    reset: Reset = Reset.PROBE
    port_survives_reset: bool = True
    openocd: tuple[str, ...] = ()
    pyocd: str | None = None
    esptool: str | None = None


@dataclass(frozen=True)
class Usb:
    """How a board shows on USB.

    Attributes:
        vid: vendor's id; None with ``pid`` never occurs.
        shared: whether other boards have the same (a common probe or serial converter).
        bootloader: whether it is the boot loader's, which runs no model.
    """

    vid: int
    pid: int
    shared: bool = False
    bootloader: bool = False


class Verified(str, Enum):
    """What of a board has been seen to work, without one on the desk."""

    EMULATED = "emulated"
    CORE = "core emulated"
    COMPILED = "compiled"
    UNTRIED = "not tried"
    HOST = "runs here"

    @property
    def meaning(self) -> str:
        """In words."""
        return _MEANING[self]


_MEANING = {
    Verified.EMULATED: "the image runs, bit-exact, in an emulator with the chip's memory and UART",
    Verified.CORE: "model and harness run on an emulated core of its kind, as ID-qemu; the "
    "framework's start-up, serial port and upload are untried",
    Verified.COMPILED: "a compiler for such a core takes the model; nothing runs",
    Verified.UNTRIED: "nothing was compiled for it",
    Verified.HOST: "a program of this computer, for tests",
}


@dataclass(frozen=True)
class Board:
    """A board, real or emulated.

    Attributes:
        id: the name on the command line, and of the file.
        core: id of its core (``tinyaiot.cores``).
        clock_hz: of the core, as its port or framework sets it; 0 where it is unknown.
        port: the folder of ``firmware/ports`` with its UART and counter.
        defines: C macros that the port is compiled with (base addresses, divisors).
        counter: what the counter counts: "cycles" on a chip, "instructions" on a board that
            exists in an emulator only; None where nothing does. Firmware probes it.
        stack_bytes: reserved for the stack by the linker script.
        reserved_bytes: of the first RAM, what a framework takes: an estimate, for the planner;
            the linker has the last word.
        stand_in: the emulated board whose machine runs code for this board's core; see
            :func:`stand_in_of`.
        platformio: None where PlatformIO has no such board.
        upload: None where nothing is to be uploaded.
        compiled: whether a test compiles the model for a core of this kind, where neither an
            emulator nor a stand-in runs it.
    """

    id: str
    name: str
    core: str
    clock_hz: int
    port: str
    ram: tuple[Ram, ...]
    flash: Flash
    stack_bytes: int = 2048
    reserved_bytes: int = 0
    counter: str | None = None
    emulator: Emulator | None = None
    stand_in: str | None = None
    platformio: PlatformIO | None = None
    upload: Upload | None = None
    usb: tuple[Usb, ...] = ()
    compiled: bool = False
    defines: tuple[str, ...] = ()
    notes: str = ""

    @property
    def processor(self) -> Core:
        return core_by_id(self.core)

    @property
    def is_bare(self) -> bool:
        """Whether our start-up code and linker script make the image; else a framework's do."""
        return self.port != "arduino"

    @property
    def runs_here(self) -> bool:
        """Whether this computer can run its image: emulated, or the host itself."""
        return self.emulator is not None or self.processor.arch == "host"

    @property
    def verified(self) -> Verified:
        if self.processor.arch == "host":
            return Verified.HOST
        if self.emulator is not None:
            return Verified.EMULATED
        if self.stand_in is not None:
            return Verified.CORE
        return Verified.COMPILED if self.compiled else Verified.UNTRIED


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


def user_folder() -> Path:
    """Where a user's own board files lie; it need not exist.

    ``$TINYAIOT_BOARDS``, or ``tinyaiot/boards`` in ``$XDG_CONFIG_HOME`` (``~/.config``).
    """
    named = os.environ.get("TINYAIOT_BOARDS")
    if named:
        return Path(named)
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "tinyaiot" / "boards"


def _board_files() -> dict[str, Path]:
    folders = (data_dir("boards"), user_folder())
    return {path.stem: path for folder in folders for path in folder.glob("*.toml")}


def board_ids() -> tuple[str, ...]:
    """The ids of all boards, in alphabetical order; stand-ins are not among them."""
    return tuple(sorted(_board_files()))


def board_by_id(board_id: str) -> Board:
    """The board of that id, or its stand-in; raises UsageError naming the known ones."""
    files = _board_files()
    if board_id in files:
        return load_board(files[board_id])
    real = files.get(board_id.removesuffix(STAND_IN))
    if real is not None:
        return stand_in_of(load_board(real))
    raise UsageError(
        f"unknown board {board_id!r}",
        f"use one of: {', '.join(sorted(files))}; a file in {user_folder()} adds one",
    )


def stand_in_of(board: Board) -> Board:
    """An emulated board with the core and the memory sizes of a real one.

    Its machine is that of ``board.stand_in``; the real board's RAMs lie side by side in that
    machine's largest. It runs the same model code, at other addresses, with another port.

    Raises:
        UsageError: no emulated machine runs the board's core.
    """
    if board.stand_in is None:
        raise UsageError(
            f"no emulated machine stands in for {board.id}",
            "build it for the board itself, or name an emulated board",
        )
    machine = board_by_id(board.stand_in)
    memory = max(machine.ram, key=lambda ram: ram.size_bytes)
    return replace(
        machine,
        id=board.id + STAND_IN,
        name=f"{board.name}, as {machine.id}",
        core=board.core,
        ram=tuple(_side_by_side(board, memory.start)),
        flash=replace(
            machine.flash, size_bytes=min(board.flash.size_bytes, machine.flash.size_bytes)
        ),
        stack_bytes=board.stack_bytes,
        reserved_bytes=board.reserved_bytes,
        notes=f"The core of {board.id} on the machine of {machine.id}: {machine.notes}",
    )


def _side_by_side(board: Board, start: int) -> Iterator[Ram]:
    for ram in board.ram:
        if ram.linked:
            yield replace(ram, start=start)
            start += ram.size_bytes
