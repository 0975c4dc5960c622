"""Bytes of flash and RAM that an image will have, from sizes of its parts.

Constants are the generator's own, to the byte. Code is what the linker would keep of the kernels'
objects: sections that the model's calls reach, each of a size that was calibrated for the core.
What is always there (harness, port, start-up, the C library's part of them) is calibrated for
each board.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import cattrs

from tinyaiot.boards import Board
from tinyaiot.calibrations import FOLDER, calibration_of, family_of
from tinyaiot.codegen.model import LoweredModel
from tinyaiot.codegen.program import RowProgram
from tinyaiot.cores import Core
from tinyaiot.csource import Call, Ref, Value
from tinyaiot.loops import Features
from tinyaiot.plan import Plan

SIZES = FOLDER / "sizes.json"

_ALIGNMENT = 4
_POINTER_BYTES = 4
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
# By how many rows loops of inlined drivers are unrolled.
_UNROLLED_ROWS = 3


@dataclass(frozen=True)
class Section:
    """A section of a kernel's object.

    Attributes:
        defines: symbols that others may name.
        needs: symbols that it names.
    """

    nbytes: int
    defines: tuple[str, ...]
    needs: tuple[str, ...]


@dataclass(frozen=True)
class CoreSizes:
    """Of one family of cores.

    Attributes:
        objects: by C file under ``firmware/operators``.
        structs: bytes of a call's parameters, by their C type.
        library: by symbol that a kernel may need of the C library, the archive's members, or the
            port's sections, that come with it.
        members: bytes of those members.
        model_code: bytes of the model's own functions for each of ``code_features``.
    """

    objects: Mapping[str, tuple[Section, ...]]
    structs: Mapping[str, int]
    library: Mapping[str, tuple[str, ...]]
    members: Mapping[str, int]
    model_code: Mapping[str, float]


@dataclass(frozen=True)
class BoardSizes:
    """What every image of a board has.

    Attributes:
        flash_bytes: beside what ``variable_bytes`` says.
        ram_bytes: beside arenas.
        members: of the C library's archives that are there anyway.
    """

    flash_bytes: int
    ram_bytes: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class Sizes:
    """What was calibrated, by core and by board."""

    cores: Mapping[str, CoreSizes]
    boards: Mapping[str, BoardSizes]


@functools.cache
def calibrated_sizes() -> Sizes:
    """What was calibrated; nothing where the file is missing."""
    if not SIZES.is_file():
        return Sizes({}, {})
    return cattrs.structure(json.loads(SIZES.read_text(encoding="utf-8")), Sizes)


def flash_bytes(model: LoweredModel, board: Board) -> int | None:
    """The whole image; None where the core or the board was not calibrated."""
    sizes = calibrated_sizes()
    core, fixed = sizes.cores.get(family_of(board.core)), sizes.boards.get(board.id)
    if core is None or fixed is None:
        return None
    variable = variable_bytes([model], core, fixed.members)
    return None if variable is None else fixed.flash_bytes + variable


def ram_bytes(plan: Plan, board: Board, model: LoweredModel) -> int | None:
    """Static RAM, arenas and copied weights included; None where the board was not calibrated."""
    fixed = calibrated_sizes().boards.get(board.id)
    if fixed is None:
        return None
    arenas = sum(plan.arena_bytes.values())
    # Empty, .bss is what it takes to pad the first memory's arena to words.
    first = plan.arena_bytes.get(board.ram[0].name, 0)
    padding = 0 if fixed.ram_bytes else _aligned(first) - first
    copied = parameter_bytes(model) if plan.copies_parameters else 0
    return fixed.ram_bytes + arenas + padding + copied


def beyond_parameters(
    models: Sequence[LoweredModel], core: Core, board: Board | None
) -> int | None:
    """Of a firmware of all these models, what there is beside weights, biases and scales of
    channels; None where the core was not calibrated.

    A board that was not calibrated is taken for the one on which its core was.
    """
    calibration = calibration_of(core.id)
    sizes, of_core = calibrated_sizes(), family_of(core.id)
    if calibration is None or of_core not in sizes.cores:
        return None
    known = None if board is None else sizes.boards.get(board.id)
    fixed = sizes.boards[calibration.board] if known is None else known
    variable = variable_bytes(models, sizes.cores[of_core], fixed.members)
    if variable is None:
        return None
    parameters = sum(parameter_bytes(model) for model in models)
    return fixed.flash_bytes + variable - parameters


def file_bytes(sources: Iterable[str], core: Core) -> int:
    """Code of kernels' files, as far as it was calibrated."""
    known = calibrated_sizes().cores.get(family_of(core.id))
    objects = {} if known is None else known.objects
    sections = (section for source in sources for section in objects.get(source, ()))
    return sum(_aligned(section.nbytes) for section in sections)


def parameter_bytes(model: LoweredModel) -> int:
    """Weights, biases and scales of channels, padding between them included."""
    return sum(_aligned(a.data.nbytes) for a in model.arrays if a.role.is_parameter)


def variable_bytes(
    models: Sequence[LoweredModel], core: CoreSizes, members: Iterable[str]
) -> int | None:
    """What depends on the models of a firmware; None where a kernel was not calibrated.

    Args:
        members: of the C library's archives that are there anyway.
    """
    nodes = [node for model in models for node in model.nodes.values()]
    sources = {source for node in nodes for source in node.sources}
    calls = [call for node in nodes for call in node.calls]
    if not sources <= core.objects.keys():
        return None
    if not {call.struct_type for call in calls} <= core.structs.keys():
        return None
    structs = sum(core.structs[call.struct_type] for call in calls)
    names = {name for call in calls for name in _names((call.function, call.fields))}
    code = kernel_bytes(names, sources, core, frozenset(members))
    return structs + code + sum(_own_bytes(model, core) for model in models)


def _own_bytes(model: LoweredModel, core: CoreSizes) -> int:
    """Constants, programs and functions of a model."""
    arrays = sum(_aligned(array.data.nbytes) for array in model.arrays)
    code = sum(core.model_code.get(name, 0.0) * n for name, n in code_features(model).items())
    return arrays + _program_bytes(model) + round(code)


def kernel_bytes(
    names: Iterable[str], sources: Iterable[str], core: CoreSizes, present: frozenset[str]
) -> int:
    """Of all sections of the objects that ``names`` reach, and of library members they bring."""
    sections = [section for source in sources for section in core.objects[source]]
    defining = {symbol: section for section in sections for symbol in section.defines}
    reached: dict[int, Section] = {}
    members: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        section = defining.get(name)
        if section is None:
            members.update(core.library.get(name, ()))
        elif id(section) not in reached:
            reached[id(section)] = section
            left += section.needs
    code = sum(_aligned(section.nbytes) for section in reached.values())
    return code + sum(core.members[member] for member in members - present)


def code_features(model: LoweredModel) -> Features:
    """What the size of the model's own functions depends on."""
    streamed = {node for part in _programs(model) for node in part.nodes}
    calls = {index: node.calls for index, node in model.nodes.items() if node.calls}
    found: Features = {
        "folded program" if model.is_folded else "program": sum(1 for _ in _programs(model)),
        "streamed layer": sum(1 for index in calls if index in streamed),
        "streamed call": sum(len(calls[index]) for index in calls if index in streamed),
        "whole layer": sum(1 for index in calls if index not in streamed),
        "whole call": sum(len(calls[index]) for index in calls if index not in streamed),
        "inlined call": sum(call.inlined is not None for found in calls.values() for call in found),
        "inlined row": sum(_inlined_rows(call) for found in calls.values() for call in found),
        "final call": sum(call.final for found in calls.values() for call in found),
        "row axes": sum(
            int(str(call.fields.get("row_axis_count", 0)))
            for found in calls.values()
            for call in found
        ),
    }
    return {name: float(n) for name, n in found.items() if n}


def _inlined_rows(call: Call) -> int:
    """Rows that an inlined driver finds in code of their own; rings' may be in two parts."""
    if call.inlined is None:
        return 0
    rows = min(int(str(call.fields["kernel_h"])), _UNROLLED_ROWS)
    return rows * (2 if call.function.endswith("_ring") else 1)


def _programs(model: LoweredModel) -> Iterator[RowProgram]:
    return (part for part in model.parts if isinstance(part, RowProgram))


def _program_bytes(model: LoweredModel) -> int:
    return sum(
        _aligned(len(part.folded() if model.is_folded else part.entries))
        + _POINTER_BYTES * len(part.nodes)
        for part in _programs(model)
    )


def _names(value: Value | tuple[str, Mapping[str, Value]]) -> Iterator[str]:
    """Identifiers in a function's name or in an initialiser."""
    if isinstance(value, (str, Ref)):
        yield from _IDENTIFIER.findall(value if isinstance(value, str) else value.text)
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _names(member)
    elif isinstance(value, (list, tuple)):
        for member in value:
            yield from _names(member)


def _aligned(nbytes: int) -> int:
    return -(-nbytes // _ALIGNMENT) * _ALIGNMENT
