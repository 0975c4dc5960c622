"""Project → Image: runs the project's own Makefile, and reads the sizes from the ELF file."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tinyaiot.boards import STAND_IN, Board
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
_OVERFLOW = re.compile(r"region `(\w+)' overflowed by (\d+) bytes")


@dataclass(frozen=True)
class Image:
    """A built firmware, all of it read from its ELF file.

    Attributes:
        elf: path of the ELF file; of the program itself on the host.
        binary: path of the bytes to flash; None on the host.
        flash_bytes: all that lies in flash, initial values of .data included.
        ram_bytes: .data and .bss, the models' arenas included, the stack not.
        array_bytes: of the models' constant arrays, by what they are.
        arena_bytes: of the models' arenas, by C symbol.
        layers: by address of a TA_LAYER mark, the layer that it opens.
    """

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


def build(project: Path, board: Board) -> Image:
    """Builds a generated project in its folder; the compiler's words go to ``build.log`` there.

    Raises:
        UsageError: the folder is no generated project.
        BuildError: make or the compiler is missing, or the build failed.
        DoesNotFitError: the image exceeds a memory of the board.
    """
    manifest = read_manifest(project)
    if not board.is_bare:
        raise BuildError(
            f"the firmware of {board.id} needs its framework, which PlatformIO fetches and builds",
            f"run `pio run` in {project}, or name {board.id}{STAND_IN} to run it emulated",
        )
    _require_tools(board)
    log = project / "build.log"
    if _run_make(project, log) != 0:
        _raise_failure(log, board)
    native = board.processor.arch == "host"
    elf = project / ("firmware" if native else "firmware.elf")
    return _read_image(elf, None if native else project / "firmware.bin", manifest)


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


def _require_tools(board: Board) -> None:
    toolchain = board.processor.toolchain
    compiler = os.environ.get("CROSS", toolchain) + "gcc"
    for tool, packages in (("make", "make"), (compiler, _PACKAGES.get(toolchain, "a C compiler"))):
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


def _raise_failure(log: Path, board: Board) -> None:
    text = log.read_text(encoding="utf-8", errors="replace")
    overflows = [(region, int(excess)) for region, excess in _OVERFLOW.findall(text)]
    if overflows:
        excesses = ", ".join(f"{region} by {excess} bytes" for region, excess in overflows)
        raise DoesNotFitError(
            f"the image exceeds {board.id}'s {excesses}",
            "take a smaller model or a board with more memory",
            tuple(_memory_line(board, region) for region, _ in overflows),
        )
    raise BuildError(
        "the generated project did not build",
        f"see {log}; if the sources are as generated, this is a bug of tinyaiot",
        tuple(text.splitlines()[-_LAST_LINES:]),
    )


def _memory_line(board: Board, region: str) -> str:
    sizes = {"flash": board.flash.size_bytes} | {ram.name: ram.size_bytes for ram in board.ram}
    stack = f", {board.stack_bytes} of them for the stack" if region == board.ram[0].name else ""
    return f"{region} has {sizes[region]} bytes{stack}"


def _read_image(elf_path: Path, binary: Path | None, manifest: Mapping[str, Any]) -> Image:
    with elf_path.open("rb") as file:
        elf = ELFFile(file)
        sizes = _symbol_sizes(elf)
        models = manifest["models"]
        return Image(
            elf=elf_path,
            binary=binary,
            flash_bytes=_flash_bytes(elf),
            ram_bytes=_ram_bytes(elf),
            array_bytes={
                role: _total(sizes, (n for model in models for n in model["arrays"][role.value]))
                for role in Role
            },
            arena_bytes={
                symbol: sizes.get(symbol, 0)
                for model in models
                for symbol in model["arenas"].values()
            },
            layers=_marks(elf),
        )


def _symbol_sizes(elf: Any) -> dict[str, int]:
    table = elf.get_section_by_name(".symtab")
    if not isinstance(table, SymbolTableSection):
        raise BuildError("the image has no symbols", "build it without stripping")
    return {symbol.name: symbol["st_size"] for symbol in table.iter_symbols() if symbol["st_size"]}


def _total(sizes: Mapping[str, int], names: Iterable[str]) -> int:
    # What the linker left out as unused has no symbol.
    return sum(sizes.get(name, 0) for name in names)


def _flash_bytes(elf: Any) -> int:
    """Bytes that the image occupies from its first to its last in flash, gaps included."""
    loaded = [s for s in elf.iter_segments("PT_LOAD") if s["p_filesz"]]
    start = min(s["p_paddr"] for s in loaded)
    return int(max(s["p_paddr"] + s["p_filesz"] for s in loaded) - start)


def _ram_bytes(elf: Any) -> int:
    wanted = SH_FLAGS.SHF_ALLOC | SH_FLAGS.SHF_WRITE
    return sum(s["sh_size"] for s in elf.iter_sections() if s["sh_flags"] & wanted == wanted)


def _marks(elf: Any) -> dict[int, int]:
    section = elf.get_section_by_name(".ta_marks")
    return dict(struct.iter_unpack("<II", section.data())) if section is not None else {}
