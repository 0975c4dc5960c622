"""Project → Image: by the project's Makefile or by PlatformIO; sizes are read from the ELF file."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from tinyaiot import pio
from tinyaiot.boards import STAND_IN, Board
from tinyaiot.codegen.platformio import emulated_environment_name
from tinyaiot.codegen.project import MANIFEST
from tinyaiot.csource import Role
from tinyaiot.errors import BuildError, DoesNotFitError, UsageError

_TIMEOUT_S = 600
_LAST_LINES = 15
_PACKAGES = {
    "arm-none-eabi-": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "riscv64-unknown-elf-": "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
    "": "gcc libc6-dev",
}
# Flags of sections, as the ELF specification has them.
_SHF_WRITE, _SHF_ALLOC = 1, 2
_OVERFLOW = re.compile(r"region `(\w+)' overflowed by (\d+) bytes")


class Builder(str, Enum):
    """What runs the compiler; the image is the same."""

    MAKE = "make"
    PLATFORMIO = "platformio"


@dataclass(frozen=True)
class Image:
    """A built firmware, all of it read from its ELF file.

    Attributes:
        project: folder of the generated project.
        elf: path of the ELF file; of the program itself on the host.
        binary: path of the bytes to flash; None on the host, or where a framework makes none.
        flash_bytes: all that lies in flash, initial values of .data included.
        ram_bytes: .data and .bss, the models' arenas included, the stack not.
        array_bytes: of the models' constant arrays, by what they are.
        arena_bytes: of the models' arenas, by C symbol.
        layers: by address of a TA_LAYER mark, the layer that it opens.
    """

    project: Path
    elf: Path
    binary: Path | None
    flash_bytes: int
    ram_bytes: int
    array_bytes: Mapping[Role, int]
    arena_bytes: Mapping[str, int]
    layers: Mapping[int, int]

    @property
    def weights_bytes(self) -> int:
        """Weights and biases."""
        return self.array_bytes[Role.WEIGHTS] + self.array_bytes[Role.BIAS]

    @property
    def code_bytes(self) -> int:
        """What is no array of a model: code, parameters of the layers, harness, start-up."""
        return self.flash_bytes - sum(self.array_bytes.values())


def build(project: Path, board: Board, builder: Builder | None = None) -> Image:
    """Builds a generated project in its folder; the compiler's words go to a log there.

    Args:
        builder: None for the board's own: make, or PlatformIO where a framework is to be fetched.

    Raises:
        UsageError: the folder is no generated project, or make cannot build it.
        BuildError: make, PlatformIO or the compiler is missing, or the build failed.
        DoesNotFitError: the image exceeds a memory of the board.
    """
    manifest = read_manifest(project)
    if builder is None:
        builder = Builder.MAKE if board.is_bare else Builder.PLATFORMIO
    if builder is Builder.PLATFORMIO:
        folder = _build_by_platformio(project, board)
    else:
        folder = _build_by_make(project, board)
    native = board.processor.arch == "host"
    elf = folder / ("firmware" if native else "firmware.elf")
    return _read_image(project, elf, None if native else folder / "firmware.bin", manifest, board)


def _build_by_make(project: Path, board: Board) -> Path:
    if not board.is_bare:
        raise UsageError(
            f"make cannot build the firmware of {board.id}: PlatformIO fetches its framework",
            f"leave out --builder, or name {board.id}{STAND_IN} to run it emulated",
        )
    _require_tools(("make", "make"), _compiler(board))
    log = project / "build.log"
    if _run_make(project, log) != 0:
        _raise_failure(log, board)
    return project


def _build_by_platformio(project: Path, board: Board) -> Path:
    """The emulated board's environment where the board is emulated, else its own."""
    if board.runs_here:
        _require_tools(_compiler(board))
        name = emulated_environment_name(board)
    elif board.platformio is not None:
        name = board.id
    else:
        raise UsageError(
            f"PlatformIO has no board {board.id}",
            f"use the model as a library (see {project / 'README.md'}), or {board.id}{STAND_IN}",
        )
    try:
        return pio.build(project, name)
    except BuildError as error:
        _raise_overflow(project / pio.LOG, board)
        raise error


def read_manifest(project: Path) -> dict[str, Any]:
    """What a generated project says of itself: its board and its models.

    Raises:
        UsageError: the folder is no generated project.
    """
    try:
        document: dict[str, Any] = json.loads((project / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{project} is not a generated project: {error}", "generate one with tinyaiot generate"
        ) from error
    return document


def _compiler(board: Board) -> tuple[str, str]:
    """The compiler's command, and the Debian packages that have it."""
    toolchain = board.processor.toolchain
    return os.environ.get("CROSS", toolchain) + "gcc", _PACKAGES.get(toolchain, "a C compiler")


def _require_tools(*tools: tuple[str, str]) -> None:
    for tool, packages in tools:
        if shutil.which(tool) is None:
            raise BuildError(f"{tool} is not on PATH", f"install it (Debian: {packages})")


def _run_make(project: Path, log: Path) -> int:
    # An outer make's settings are not for this one; messages are read below.
    outer = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")
    environment = {k: v for k, v in os.environ.items() if k not in outer} | {"LC_ALL": "C"}
    with log.open("wb") as output:
        try:
            return subprocess.run(
                ["make", f"-j{os.cpu_count() or 1}"],
                cwd=project,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_TIMEOUT_S,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired as error:
            raise BuildError(
                f"the build took longer than {_TIMEOUT_S} s", f"look at {log}"
            ) from error


def _raise_overflow(log: Path, board: Board) -> None:
    """Raises DoesNotFitError if the linker says so."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    overflows = [(region, int(excess)) for region, excess in _OVERFLOW.findall(text)]
    if overflows:
        excesses = ", ".join(f"{region} by {excess} bytes" for region, excess in overflows)
        raise DoesNotFitError(
            f"the image exceeds {board.id}'s {excesses}",
            "take a smaller model or a board with more memory",
            tuple(_memory_line(board, region) for region, _ in overflows),
        )


def _raise_failure(log: Path, board: Board) -> None:
    _raise_overflow(log, board)
    text = log.read_text(encoding="utf-8", errors="replace")
    raise BuildError(
        "the generated project did not build",
        f"see {log}; if the sources are as generated, this is a bug of tinyaiot",
        tuple(text.splitlines()[-_LAST_LINES:]),
    )


def _memory_line(board: Board, region: str) -> str:
    sizes = {"flash": board.flash.size_bytes} | {ram.name: ram.size_bytes for ram in board.ram}
    if region not in sizes:  # a framework's name for one of its own
        return f"{region} is what the framework's linker script calls it"
    stack = f", {board.stack_bytes} of them for the stack" if region == board.ram[0].name else ""
    return f"{region} has {sizes[region]} bytes{stack}"


def _read_image(
    project: Path, elf_path: Path, binary: Path | None, manifest: Mapping[str, Any], board: Board
) -> Image:
    from elftools.elf.elffile import ELFFile  # not needed before something is built

    with elf_path.open("rb") as file:
        elf = ELFFile(file)
        sizes = _symbol_sizes(elf)
        models = manifest["models"]
        return Image(
            project=project,
            elf=elf_path,
            binary=binary if binary is not None and binary.is_file() else None,
            flash_bytes=_flash_bytes(elf, board),
            ram_bytes=_ram_bytes(elf),
            array_bytes=_array_bytes(sizes, models),
            arena_bytes={
                symbol: sizes.get(symbol, 0)
                for model in models
                for symbol in model["arenas"].values()
            },
            layers=_marks(elf),
        )


def _array_bytes(sizes: Mapping[str, int], models: Sequence[Mapping[str, Any]]) -> dict[Role, int]:
    """Of the constant arrays; what kernels have laid among the weights counts as what it is."""
    found = {
        role: _total(sizes, (n for model in models for n in model["arrays"][role.value]))
        for role in Role
    }
    for name, nbytes in (item for model in models for item in model["inlaid"].items()):
        found[Role(name)] += nbytes
    return found


def _symbol_sizes(elf: Any) -> dict[str, int]:
    table = elf.get_section_by_name(".symtab")
    if table is None:
        raise BuildError("the image has no symbols", "build it without stripping")
    return {symbol.name: symbol["st_size"] for symbol in table.iter_symbols() if symbol["st_size"]}


def _total(sizes: Mapping[str, int], names: Iterable[str]) -> int:
    # What the linker left out as unused has no symbol.
    return sum(sizes.get(name, 0) for name in names)


def _flash_bytes(elf: Any, board: Board) -> int:
    """Bytes that the image occupies from its first to its last in flash, gaps included.

    A framework may load parts to addresses far apart: then the sum of its parts.
    """
    loaded = [s for s in elf.iter_segments("PT_LOAD") if s["p_filesz"]]
    if not board.is_bare:
        return sum(int(s["p_filesz"]) for s in loaded)
    start = min(s["p_paddr"] for s in loaded)
    return int(max(s["p_paddr"] + s["p_filesz"] for s in loaded) - start)


def _ram_bytes(elf: Any) -> int:
    wanted = _SHF_ALLOC | _SHF_WRITE
    return sum(s["sh_size"] for s in elf.iter_sections() if s["sh_flags"] & wanted == wanted)


def _marks(elf: Any) -> dict[int, int]:
    section = elf.get_section_by_name(".ta_marks")
    return dict(struct.iter_unpack("<II", section.data())) if section is not None else {}
