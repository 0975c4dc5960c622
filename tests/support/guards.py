"""Models on the host with protected pages around each tensor, array of constants and scratch.

A program has them either right before a protected page or right behind one, so that the processor
stops what is read or written there. Sanitizers see a model's arena as one array; this also finds
what strays from a tensor in it to the next.
"""

from __future__ import annotations

import enum
import mmap
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import canaries, differential
from tinyaiot.codegen.model import ModelSources
from tinyaiot.graph import Graph
from tinyaiot.plan import Plan

_ARENA = re.compile(rb"__attribute__\(\(aligned\(\d+\)\)\)\nstatic (int8_t (\w+)\[)")
# An array of constants, as GCC's assembly has it; its values follow.
_ARRAY = re.compile(r"(?:\t\.align \d+\n)?\t\.type\t(\w+), @object\n\t\.size\t\1, (\d+)\n\1:\n")
_SECTION = re.compile(r"\t\.(?:section\t(\.\S+?),|(data|bss)\n)")
_HERE = Path(__file__).parent


class Side(enum.Enum):
    """Where the protected page lies that each item touches."""

    BEHIND = "behind"
    BEFORE = "before"


@dataclass(frozen=True)
class Item:
    """What nothing may be read or written beside.

    Attributes:
        place: its address in C.
    """

    name: str
    place: str
    nbytes: int


@dataclass
class _Pages(canaries.Arenas):
    """Hands out ranges of whole pages with a page before and behind them."""

    side: Side = Side.BEHIND
    taken: list[tuple[str, str, int, int]] = field(default_factory=list)

    def take(self, memory: str, what: str, size_bytes: int, misalignment: int = 0) -> int:
        guard = self.ends.get(memory, 0)
        start = guard + mmap.PAGESIZE + _fill(size_bytes, self.side)
        self.ends[memory] = start + size_bytes + -(start + size_bytes) % mmap.PAGESIZE
        self.taken.append((memory, what, start, size_bytes))
        return start

    def close(self) -> dict[str, int]:
        return {memory: end + mmap.PAGESIZE for memory, end in self.ends.items()}


def _fill(nbytes: int, side: Side) -> int:
    """Bytes from the start of a page to an item."""
    return -nbytes % mmap.PAGESIZE if side is Side.BEHIND else 0


def apart(graph: Graph, plan: Plan, side: Side) -> tuple[Plan, list[tuple[str, str, int, int]]]:
    """The plan with everything on pages of its own; and (memory, what, offset, bytes) of each."""
    pages = _Pages(side=side)
    moved, _ = canaries.spread(graph, plan, pages)
    return moved, pages.taken


def compile_guarded(
    sources: ModelSources,
    taken: Sequence[tuple[str, str, int, int]],
    side: Side,
    folder: Path,
) -> Path:
    """The program of a model whose plan was moved ``apart``."""
    kernels = differential.write_sources(sources, folder)
    rest, items = [_HERE / "run_model.c", _HERE / "guards.c"], []
    for path in sources.c_sources:
        if path.endswith("_data.c"):
            text, arrays = _constants_apart(differential.assembly(folder / path, folder), side)
            (folder / path).with_suffix(".s").write_text(text, encoding="ascii")
            rest.append((folder / path).with_suffix(".s"))
            items += arrays
        elif path.startswith("model/"):
            text_of_c, count = _ARENA.subn(_public_arena, sources.files[path])
            assert count == len(sources.arenas)
            (folder / path).write_bytes(text_of_c)
            rest.append(folder / path)
    items += [
        Item(what, f"{sources.arenas[memory]} + {offset}", nbytes)
        for memory, what, offset, nbytes in taken
    ]
    table = folder / "model" / "guarded.c"
    table.write_text(_table(items), encoding="ascii")
    return differential.link(kernels, [*rest, table], folder, sanitized=False, includes=[_HERE])


def _public_arena(match: re.Match[bytes]) -> bytes:
    """An arena that starts a page, and that the table of items may name."""
    return b"__attribute__((aligned(%d)))\n%s" % (mmap.PAGESIZE, match[1])


def _constants_apart(text: str, side: Side) -> tuple[str, list[Item]]:
    """Assembly whose arrays have pages of their own, and the arrays."""
    sections = {match[1] or match[2] for match in _SECTION.finditer(text)}
    assert sections <= {".rodata", ".note.GNU-stack", ".note.gnu.property"}, sections

    def guarded(match: re.Match[str]) -> str:
        fill = mmap.PAGESIZE + _fill(int(match[2]), side)
        space = f"\t.balign {mmap.PAGESIZE}\n\t.zero {fill}\n"
        return (
            space + f"\t.type\t{match[1]}, @object\n\t.size\t{match[1]}, {match[2]}\n{match[1]}:\n"
        )

    items = [Item(m[1], m[1], int(m[2])) for m in _ARRAY.finditer(text)]
    assert len(items) == text.count("@object")
    end = f"\t.section\t.rodata\n\t.balign {mmap.PAGESIZE}\n\t.zero {mmap.PAGESIZE}\n"
    return _ARRAY.sub(guarded, text) + end, items


def _table(items: Sequence[Item]) -> str:
    """C of what guards.h declares."""
    return "\n".join(_lines(items)) + "\n"


def _lines(items: Sequence[Item]) -> Iterator[str]:
    yield '#include "guards.h"'
    for name in sorted({item.place.split(" ")[0] for item in items}):
        yield f"extern const char {name}[];"
    yield f"const size_t ta_guard_page = {mmap.PAGESIZE};"
    yield f"const size_t ta_guarded_count = {len(items)};"
    yield "const ta_guarded ta_guarded_items[] = {"
    for item in items:
        yield f'    {{ "{item.name}", {item.place}, {item.nbytes} }},'
    yield "};"
