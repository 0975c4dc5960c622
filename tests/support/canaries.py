"""Memory of an emulated board around what a plan uses: filled before an inference, read after.

QEMU's stub for debuggers reads and writes it, so the firmware is the one that users build.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tinyaiot.boards import Board
from tinyaiot.build import Image
from tinyaiot.graph import Graph
from tinyaiot.plan import Plan, Scratch, Slot
from tinyaiot.planner.liveness import alias_roots
from tinyaiot.planner.patches import planned_graph

Bytes = npt.NDArray[np.uint8]
# By memory, the ranges [start, stop) of its arena that a plan gives to nothing.
Gaps = Mapping[str, list[tuple[int, int]]]

_GAP_BYTES = 32
_ALIGNMENT = 8
# No more than plans promise: a kernel must not count on 8.
_TENSOR_OFFSET = 4
_TIMEOUT_S = 30.0
# Of a packet to the stub, which takes 4,096 characters.
_PACKET_BYTES = 1024


@dataclass
class Arenas:
    """Hands out ranges with gaps before, between and behind them.

    Attributes:
        ends: by memory, where the next gap begins.
        gaps: by memory.
    """

    ends: dict[str, int] = field(default_factory=dict)
    gaps: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def take(self, memory: str, what: str, size_bytes: int, misalignment: int = 0) -> int:
        """The offset of ``size_bytes`` bytes that nothing else has.

        Args:
            what: they are for.
        """
        end = self.ends.get(memory, 0)
        aligned = -(-(end + _GAP_BYTES) // _ALIGNMENT) * _ALIGNMENT
        start = aligned + misalignment
        self.gaps.setdefault(memory, []).append((end, start))
        self.ends[memory] = start + size_bytes
        return start

    def close(self) -> dict[str, int]:
        """Bytes of each arena, with its last gap."""
        for memory, end in self.ends.items():
            self.gaps[memory].append((end, end + _GAP_BYTES))
        return {memory: end + _GAP_BYTES for memory, end in self.ends.items()}


def spread(graph: Graph, plan: Plan, arenas: Arenas | None = None) -> tuple[Plan, Gaps]:
    """The plan with everything at addresses of its own, apart from each other, and the gaps.

    Args:
        arenas: what hands out the addresses; by default, to the alignment that plans promise.
    """
    roots = alias_roots(planned_graph(graph, plan).graph)
    arenas = arenas or Arenas()
    moved: dict[int, int] = {}
    for index in sorted({root.index for root in roots.values()}):
        slot = plan.slots[index]
        moved[index] = arenas.take(slot.memory, f"tensor {index}", slot.size_bytes, _TENSOR_OFFSET)

    def slot_of(index: int, slot: Slot) -> Slot:
        root = roots[index].index
        into = slot.offset_bytes - plan.slots[root].offset_bytes
        return replace(slot, offset_bytes=moved[root] + into)

    def moved_scratch(what: str, given: Mapping[int, Scratch]) -> dict[int, Scratch]:
        return {
            node: replace(
                scratch,
                offset_bytes=arenas.take(
                    scratch.memory, f"{what} of layer {node}", scratch.size_bytes
                ),
            )
            for node, scratch in given.items()
        }

    changed = replace(
        plan,
        slots={index: slot_of(index, slot) for index, slot in plan.slots.items()},
        scratch=moved_scratch("scratch", plan.scratch),
        sums=moved_scratch("sums", plan.sums),
    )
    return replace(changed, arena_bytes=arenas.close()), arenas.gaps


def patterns(size_bytes: int) -> tuple[Bytes, Bytes]:
    """Two fillings of which no byte is alike."""
    first = np.random.default_rng(size_bytes).integers(0, 256, size_bytes).astype(np.uint8)
    return first, ~first


@dataclass(frozen=True)
class Arena:
    """The array that a model's arena is.

    Attributes:
        address: of its first byte on the board.
    """

    memory: str
    address: int
    size_bytes: int


def arenas_of(image: Image, symbols: Mapping[str, str], plan: Plan) -> list[Arena]:
    """The arenas of a model.

    Args:
        symbols: names of their arrays, by memory.
    """
    with image.elf.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        addresses = {symbol.name: symbol["st_value"] for symbol in table.iter_symbols()}
    return [
        Arena(memory, addresses[symbols[memory]], nbytes)
        for memory, nbytes in plan.arena_bytes.items()
    ]


@contextlib.contextmanager
def debuggable(board: Board) -> Iterator[tuple[Board, Path]]:
    """The board with a stub for debuggers, and the socket on which that will listen."""
    machine = board.emulator
    assert machine is not None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stub"
        chardev = f"socket,id=stub,path={path},server=on,wait=off"
        arguments = (*machine.arguments, "-chardev", chardev, "-gdb", "chardev:stub")
        yield replace(board, emulator=replace(machine, arguments=arguments)), path


class Stub:
    """A connection to the stub of an emulator, whose board stands still while it is open.

    The protocol is GDB's: https://sourceware.org/gdb/current/onlinedocs/gdb.html/Packets.html.
    """

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_TIMEOUT_S)
        self._socket.connect(str(path))
        self._received = b""

    def __enter__(self) -> Stub:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._socket:
            self._ask(b"D")

    def read(self, arena: Arena) -> Bytes:
        """All its bytes."""
        parts = (
            bytes.fromhex(self._ask(b"m%x,%x" % (arena.address + first, size)).decode())
            for first, size in _packets(arena.size_bytes)
        )
        return np.frombuffer(b"".join(parts), np.uint8)

    def write(self, arena: Arena, data: Bytes) -> None:
        """Sets all its bytes."""
        for first, size in _packets(arena.size_bytes):
            text = data[first : first + size].tobytes().hex().encode()
            answer = self._ask(b"M%x,%x:%s" % (arena.address + first, size, text))
            assert answer == b"OK", answer

    def _ask(self, request: bytes) -> bytes:
        self._socket.sendall(b"$%s#%02x" % (request, sum(request) % 256))
        while (answer := self._packet())[:1] in (b"T", b"S"):
            pass  # It tells that the board stands still.
        return answer

    def _packet(self) -> bytes:
        while True:
            head, found, tail = self._received.partition(b"#")
            if found and len(tail) >= 2:
                self._received = tail[2:]
                self._socket.sendall(b"+")
                return head.partition(b"$")[2]
            data = self._socket.recv(65536)
            assert data, "the emulator has ended"
            self._received += data


def _packets(size_bytes: int) -> Iterator[tuple[int, int]]:
    for first in range(0, size_bytes, _PACKET_BYTES):
        yield first, min(_PACKET_BYTES, size_bytes - first)


def assert_gaps_hold(before: Bytes, after: Bytes, gaps: list[tuple[int, int]], where: Any) -> None:
    """Asserts that no byte of a gap was written."""
    for start, stop in gaps:
        changed = np.flatnonzero(before[start:stop] != after[start:stop])
        assert not len(changed), f"{where}: byte {start + changed[0]} of gap {start}:{stop}"
