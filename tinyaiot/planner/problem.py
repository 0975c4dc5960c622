"""Placing live ranges in memory: Problem → solve → Solution, apart from any neural network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tinyaiot.plan import Memory


@dataclass(frozen=True)
class Buffer:
    """Bytes that are in use in the half-open time [start, stop).

    Attributes:
        alignment: its address must be a multiple of this.
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
    """A placement that breaks no rule and no capacity.

    Attributes:
        locations: one for each buffer of the problem, in its order.
        used_bytes: by memory, up to the last byte in use; unused memories are left out.
        lower_bound_bytes: what no placement can go below, summed over the memories.
        optimal: whether no placement can use fewer bytes in all.
    """

    locations: tuple[Location, ...]
    used_bytes: dict[str, int]
    lower_bound_bytes: int
    optimal: bool


def align(offset: int, alignment: int) -> int:
    """The first multiple of ``alignment`` at or after ``offset``."""
    return -(-offset // alignment) * alignment


def live_bytes(buffers: Iterable[Buffer], time: int) -> int:
    """Sizes, summed, of what is in use at ``time``."""
    return sum(b.size_bytes for b in buffers if b.start <= time < b.stop)


def solve(problem: Problem) -> Solution | None:
    """A placement of all buffers, or None where none was found."""
    for memory in problem.memories:
        offsets = _greedy(problem.buffers, _by_size(problem.buffers))
        used = _used(problem.buffers, offsets)
        if used <= memory.capacity_bytes:
            bound = lower_bound(problem.buffers)
            locations = tuple(Location(memory.name, offset) for offset in offsets)
            return Solution(locations, {memory.name: used}, bound, used == bound)
    return None


def lower_bound(buffers: Sequence[Buffer]) -> int:
    """The most bytes in use at any one time: no placement in one memory needs fewer."""
    return max((live_bytes(buffers, b.start) for b in buffers), default=0)


def _by_size(buffers: Sequence[Buffer]) -> list[int]:
    return sorted(range(len(buffers)), key=lambda i: (-buffers[i].size_bytes, buffers[i].start, i))


def _greedy(buffers: Sequence[Buffer], order: Iterable[int]) -> list[int]:
    """Each buffer in turn at the lowest offset that those before it leave free."""
    offsets = [0] * len(buffers)
    placed: list[int] = []
    for i in order:
        offsets[i] = _lowest_gap(buffers, offsets, placed, i)
        placed.append(i)
    return offsets


def _lowest_gap(
    buffers: Sequence[Buffer], offsets: Sequence[int], placed: Iterable[int], i: int
) -> int:
    taken = sorted(
        (offsets[j], offsets[j] + buffers[j].size_bytes)
        for j in placed
        if buffers[i].overlaps(buffers[j])
    )
    offset = 0
    for start, stop in taken:
        if start >= offset + buffers[i].size_bytes:
            break
        offset = max(offset, align(stop, buffers[i].alignment))
    return offset


def _used(buffers: Sequence[Buffer], offsets: Sequence[int]) -> int:
    return max((o + b.size_bytes for b, o in zip(buffers, offsets, strict=True)), default=0)
