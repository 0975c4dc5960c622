"""The placement problem, apart from any neural network: Problem → solve → Solution → validate.

``tinyaiot.planner.solver`` solves it. Intervals are half-open, sizes and offsets are bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tinyaiot.plan import Memory


@dataclass(frozen=True)
class Buffer:
    """Bytes that are in use in the half-open time [start, stop).

    Attributes:
        alignment: its offset must be a multiple of this.
        memories: names of the memories that it may lie in; None for all.
    """

    size_bytes: int
    alignment: int
    start: int
    stop: int
    memories: frozenset[str] | None = None

    def overlaps(self, other: Buffer) -> bool:
        """Whether both are in use at some time."""
        return self.start < other.stop and other.start < self.stop

    def allows(self, memory: Memory) -> bool:
        """Whether it may lie in ``memory``."""
        return self.memories is None or memory.name in self.memories


@dataclass(frozen=True)
class Problem:
    """Buffers to place so that no two share bytes and time.

    Attributes:
        memories: in order of preference; a later one is used where the earlier do not do.
    """

    buffers: tuple[Buffer, ...]
    memories: tuple[Memory, ...]


@dataclass(frozen=True)
class Location:
    """Where a buffer lies."""

    memory: str
    offset_bytes: int


@dataclass(frozen=True)
class Solution:
    """A placement.

    Attributes:
        locations: one for each buffer of the problem, in its order.
        used_bytes: by memory, up to the last byte in use; unused memories are left out.
        lower_bound_bytes: what no placement can go below, summed over the memories.
        optimal: whether it is proven that no placement uses fewer bytes in all.
    """

    locations: tuple[Location, ...]
    used_bytes: Mapping[str, int]
    lower_bound_bytes: int
    optimal: bool

    @property
    def total_bytes(self) -> int:
        return sum(self.used_bytes.values())


def align(offset: int, alignment: int) -> int:
    """The first multiple of ``alignment`` at or after ``offset``."""
    return -(-offset // alignment) * alignment


def granularity(buffers: Iterable[Buffer]) -> int:
    """What every offset is a multiple of."""
    return math.gcd(*(buffer.alignment for buffer in buffers)) or 1


def live_bytes(buffers: Iterable[Buffer], time: int) -> int:
    """Sizes, summed, of what is in use at ``time``."""
    return sum(b.size_bytes for b in buffers if b.start <= time < b.stop)


def lower_bound(buffers: Sequence[Buffer]) -> int:
    """The most bytes that must lie side by side at any one time.

    Offsets being multiples of their granularity, every buffer but the topmost takes its size
    rounded up.
    """
    unit = granularity(buffers)
    used = [buffer for buffer in buffers if buffer.size_bytes]
    return max((_stack_bytes(used, time, unit) for time in {b.start for b in used}), default=0)


def _stack_bytes(buffers: Sequence[Buffer], time: int, unit: int) -> int:
    sizes = [b.size_bytes for b in buffers if b.start <= time < b.stop]
    return sum(align(size, unit) for size in sizes) - max(align(s, unit) - s for s in sizes)


def validate(problem: Problem, solution: Solution) -> None:
    """Raises ValueError where a solution breaks a rule; quadratic, to stay obvious."""
    placed = list(zip(problem.buffers, solution.locations, strict=True))
    memories = {memory.name: memory for memory in problem.memories}
    for i, (buffer, at) in enumerate(placed):
        end = at.offset_bytes + buffer.size_bytes
        if not buffer.allows(memories[at.memory]):
            raise ValueError(f"buffer {i} may not lie in {at.memory}")
        if at.offset_bytes < 0 or at.offset_bytes % buffer.alignment:
            raise ValueError(f"buffer {i} is misaligned at {at.offset_bytes}")
        if buffer.size_bytes and end > solution.used_bytes[at.memory]:
            raise ValueError(f"buffer {i} ends at {end}, beyond what {at.memory} uses")
        for j, other in enumerate(placed[:i]):
            if buffer.overlaps(other[0]) and _share_bytes((buffer, at), other):
                raise ValueError(f"buffers {j} and {i} overlap")
    for name, used in solution.used_bytes.items():
        if used > memories[name].capacity_bytes:
            raise ValueError(f"{used} bytes exceed the capacity of {name}")


def _share_bytes(a: tuple[Buffer, Location], b: tuple[Buffer, Location]) -> bool:
    (buffer, at), (other, other_at) = a, b
    return (
        at.memory == other_at.memory
        and at.offset_bytes < other_at.offset_bytes + other.size_bytes
        and other_at.offset_bytes < at.offset_bytes + buffer.size_bytes
    )
