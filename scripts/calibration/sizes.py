"""Measures sizes of code: of every kernel for every core, and of what every image has."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection
from scipy.optimize import nnls

from scripts.calibration.measure import Batch, draw_small_batches
from tinyaiot.boards import Board, board_by_id, board_ids
from tinyaiot.build import build
from tinyaiot.calibrations import family_of
from tinyaiot.codegen import flags
from tinyaiot.codegen.model import lower_model, model_sources
from tinyaiot.codegen.project import generate_project
from tinyaiot.paths import data_dir
from tinyaiot.sizes import (
    BoardSizes,
    CoreSizes,
    Section,
    code_features,
    variable_bytes,
)

_SEED = 7
_BATCHES = 36
# Sections that the linker kept, of archives and of the port's own objects.
_MEMBER = re.compile(
    r"^ (\.\S+)\s+0x(?!0+\s)[0-9a-f]+\s+0x([0-9a-f]+)\s+(?:\S*/)?(lib\w+\.a\([^)]+\)|ta_\w+\.o)$",
    re.M,
)


def core_sizes(board: Board, sources: Iterable[str]) -> CoreSizes:
    """Of kernels from ``sources`` and of model code, as the board's compiler makes them."""
    with tempfile.TemporaryDirectory(prefix="tinyaiot-") as name:
        folder = Path(name)
        objects = {
            source: _sections(_compiled(board, source, folder)) for source in sorted(sources)
        }
        structs, code = _model_code(board, folder)
        library, members = _library(board, objects, folder)
    return CoreSizes(objects, structs, library, members, code)


def board_sizes(board: Board, core: CoreSizes) -> BoardSizes:
    """Of an image for the board, less what depends on its model."""
    batch = next(iter(draw_small_batches(board.processor, board, _SEED, 1)))
    sources = model_sources(batch.graph, batch.plan, board.processor, batch.graph.name)
    with tempfile.TemporaryDirectory(prefix="tinyaiot-") as folder:
        project = Path(folder) / "project"
        generate_project([sources], board).write(project)
        image = build(project, board)
        members = tuple(sorted(core.members.keys() & _members(project / "firmware.map").keys()))
    lowered = lower_model(batch.graph, batch.plan, board.processor, batch.graph.name)
    variable = variable_bytes([lowered], core, members)
    if variable is None:
        raise ValueError(f"{board.id}: a kernel of the drawn model was not calibrated")
    return BoardSizes(
        flash_bytes=image.flash_bytes - variable,
        ram_bytes=image.ram_bytes - sum(batch.plan.arena_bytes.values()),
        members=members,
    )


def emulated_boards(cores: Iterable[str]) -> list[Board]:
    """All that can be built and whose cores are among those calibrated."""
    boards = (board_by_id(board_id) for board_id in board_ids())
    return [b for b in boards if b.emulator is not None and family_of(b.core) in set(cores)]


def _compile(
    board: Board,
    source: Path,
    includes: Iterable[Path],
    target: Path,
    optimize: Sequence[str] = flags.FAST,
) -> Path:
    command = [
        f"{board.processor.toolchain}gcc",
        "-std=c99",
        *flags.core_flags(board),
        *flags.COMMON,
        *optimize,
        *(f"-I{folder}" for folder in includes),
        *("-c", str(source), "-o", str(target)),
    ]
    subprocess.run(command, check=True)
    return target


def _compiled(board: Board, source: str, folder: Path) -> Path:
    root = data_dir("firmware")
    includes = [root / "include", *(p for p in (root / "operators").iterdir() if p.is_dir())]
    target = folder / f"{Path(source).stem}.o"
    return _compile(board, root / "operators" / source, includes, target)


def _sections(path: Path) -> tuple[Section, ...]:
    """Of code and constants; a section's own name stands for what is local to the object."""
    with path.open("rb") as file:
        elf = ELFFile(file)
        symbols = elf.get_section_by_name(".symtab")
        found = {k: s for k, s in enumerate(elf.iter_sections()) if _is_constant(s)}
        defines: dict[int, list[str]] = {k: [_local(path, s.name)] for k, s in found.items()}
        for symbol in symbols.iter_symbols():
            if symbol["st_shndx"] in found and symbol["st_info"]["bind"] == "STB_GLOBAL":
                defines[symbol["st_shndx"]].append(symbol.name)
        needs: dict[int, set[str]] = {k: set() for k in found}
        for relocations in elf.iter_sections():
            if isinstance(relocations, RelocationSection) and relocations["sh_info"] in found:
                wanted = needs[relocations["sh_info"]]
                for relocation in relocations.iter_relocations():
                    wanted.add(_needed(path, elf, symbols, relocation["r_info_sym"]))
        return tuple(
            Section(s["sh_size"], tuple(defines[k]), tuple(sorted(needs[k] - {""})))
            for k, s in found.items()
        )


def _is_constant(section: Any) -> bool:
    kinds = SH_FLAGS.SHF_ALLOC | SH_FLAGS.SHF_WRITE
    return bool(section["sh_size"]) and section["sh_flags"] & kinds == SH_FLAGS.SHF_ALLOC


def _local(path: Path, section: str) -> str:
    return f"{path.stem}:{section}"


def _needed(path: Path, elf: Any, symbols: SymbolTableSection, index: int) -> str:
    symbol = symbols.get_symbol(index)
    if symbol["st_info"]["bind"] == "STB_LOCAL" and isinstance(symbol["st_shndx"], int):
        return _local(path, elf.get_section(symbol["st_shndx"]).name)
    return str(symbol.name)


def _model_code(board: Board, folder: Path) -> tuple[dict[str, int], dict[str, float]]:
    """Sizes of structs, and a fit of what is left of the model's own object."""
    structs: dict[str, int] = {}
    rows: list[Mapping[str, float]] = []
    rests: list[int] = []
    for batch in _several_batches(board):
        core, name = board.processor, batch.graph.name
        sizes = _model_sections(board, batch, folder)
        lowered = lower_model(batch.graph, batch.plan, core, name)
        rest = sum(sizes.values())
        for node in batch.graph.nodes:
            for call in lowered.nodes[node.index].calls:
                suffix = f"_{call.suffix}" if call.suffix else ""
                symbol = f".rodata.{name}_l{node.index:02d}{suffix}"
                structs[call.struct_type] = sizes[symbol]
                rest -= sizes[symbol]
        rest -= sum(nbytes for s, nbytes in sizes.items() if f"{name}_program_" in s)
        rows.append(code_features(lowered) | {"1": 1.0})
        rests.append(rest)
    names = sorted({key for row in rows for key in row})
    matrix = np.array([[row.get(key, 0.0) for key in names] for row in rows])
    solution, _ = nnls(matrix, np.array(rests, float))
    code = {n: float(f"{x:.4g}") for n, x in zip(names, solution, strict=True) if x and n != "1"}
    return structs, code


def _several_batches(board: Board) -> list[Batch]:
    return list(draw_small_batches(board.processor, board, _SEED, _BATCHES))


def _model_sections(board: Board, batch: Batch, folder: Path) -> dict[str, int]:
    """Bytes of the constant sections of the model's own object, by name."""
    sources = model_sources(batch.graph, batch.plan, board.processor, batch.graph.name)
    for path, content in sources.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    source = folder / "model" / f"{batch.graph.name}.c"
    target = _compile(board, source, [folder / "model", folder / "kernels"], folder / "model.o")
    with target.open("rb") as file:
        found: dict[str, int] = {}
        for section in ELFFile(file).iter_sections():
            if _is_constant(section) and not section.name.startswith((".ARM", ".ta_marks")):
                nbytes = -(-section["sh_size"] // 4) * 4
                found[section.name] = found.get(section.name, 0) + nbytes
        return found


def _library(
    board: Board, objects: Mapping[str, Sequence[Section]], folder: Path
) -> tuple[dict[str, tuple[str, ...]], dict[str, int]]:
    """What symbols that no kernel defines bring with them from the C library."""
    sections = [section for found in objects.values() for section in found]
    defined = {symbol for section in sections for symbol in section.defines}
    needed = sorted({symbol for section in sections for symbol in section.needs} - defined)
    port = _port_objects(board, folder)
    library: dict[str, tuple[str, ...]] = {}
    members: dict[str, int] = {}
    for symbol in needed:
        found = _closure(board, symbol, port, folder)
        library[symbol] = tuple(sorted(found))
        members.update(found)
    return library, dict(sorted(members.items()))


def _port_objects(board: Board, folder: Path) -> list[Path]:
    """What the port has instead of the C library, or beside it."""
    arch = data_dir("firmware") / "arch"
    folders = [arch / "common", arch / board.processor.arch, data_dir("firmware") / "include"]
    sources = sorted((arch / board.processor.arch).glob("*.c"))
    targets = [folder / f"{source.stem}.o" for source in sources]
    for source, target in zip(sources, targets, strict=True):
        _compile(board, source, folders, target, flags.SMALL)
    return targets


def _closure(board: Board, symbol: str, port: Sequence[Path], folder: Path) -> dict[str, int]:
    """What a program gets that needs the symbol, with its bytes."""
    source, map_file = folder / "empty.c", folder / "empty.map"
    source.write_text("int ta_nothing;\n", encoding="ascii")
    command = [
        f"{board.processor.toolchain}gcc",
        *flags.core_flags(board),
        *("-nostartfiles", str(source), *map(str, port), "-o", str(folder / "empty.elf")),
        f"-Wl,--undefined={symbol},--entry=0,--gc-sections,-Map={map_file}",
    ]
    subprocess.run(command, check=True, capture_output=True)
    return _members(map_file)


def _members(map_file: Path) -> dict[str, int]:
    """Members of archives that the linker kept, with their bytes."""
    text = map_file.read_text(encoding="utf-8", errors="replace")
    text = text[text.index("Linker script and memory map") :]
    # A long name of a section has a line of its own; debugging sections are not loaded.
    text = re.sub(r"^( \.\S+)\n\s+", r"\1 ", text, flags=re.M)
    kept: dict[str, int] = {}
    for section, nbytes, member in _MEMBER.findall(text):
        if section.startswith((".text", ".rodata", ".data", ".srodata")):
            name = member if member.startswith("lib") else f"{member}:{section}"
            kept[name] = kept.get(name, 0) + int(nbytes, 16)
    return {member: nbytes for member, nbytes in kept.items() if nbytes}
