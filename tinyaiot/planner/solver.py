"""Solves placement problems: heuristics first, then exact search, then several memories.

Deterministic: work is bounded by counts of search nodes, never by the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tinyaiot.plan import Memory
from tinyaiot.planner.canonical import Outcome, search
from tinyaiot.planner.problem import (
    Buffer,
    Location,
    Problem,
    Solution,
    align,
    live_bytes,
    lower_bound,
)

_BUDGET = 4000
# The search recurses once for each buffer.
_EXACT_BUFFERS = 200

_Priority = Callable[[Buffer], int]


def _size(buffer: Buffer) -> int:
    return buffer.size_bytes


def _lifetime(buffer: Buffer) -> int:
    return buffer.stop - buffer.start


def _area(buffer: Buffer) -> int:
    return buffer.size_bytes * (buffer.stop - buffer.start)


_PRIORITIES: tuple[_Priority, ...] = (_size, _lifetime, _area)


def solve(problem: Problem, budget: int = _BUDGET) -> Solution | None:
    """A placement in the first memory that can hold everything, else spread over several.

    In one memory the fewest bytes are sought. None where no placement was found.

    Args:
        budget: search nodes that each exact search may visit.
    """
    placement = place(problem.buffers, budget)
    for memory in problem.memories:
        fits = placement.used_bytes <= memory.capacity_bytes
        if fits and all(buffer.allows(memory) for buffer in problem.buffers):
            locations = tuple(Location(memory.name, offset) for offset in placement.offsets)
            used = {memory.name: placement.used_bytes} if placement.used_bytes else {}
            return Solution(locations, used, placement.lower_bound_bytes, placement.optimal)
    return _spread(problem, budget) if problem.memories else None


@dataclass(frozen=True)
class Placement:
    """Offsets in one memory of any capacity; ``used_bytes`` and bound as in Solution."""

    offsets: tuple[int, ...]
    used_bytes: int
    lower_bound_bytes: int

    @property
    def optimal(self) -> bool:
        return self.used_bytes == self.lower_bound_bytes


def place(buffers: Sequence[Buffer], budget: int = _BUDGET) -> Placement:
    """The placement in one memory that uses the fewest bytes, as far as ``budget`` goes.

    Never worse than greedy by size.
    """
    bound = lower_bound(buffers)
    heuristics = [greedy(buffers, order) for order in _orders(buffers)]
    best = min(
        (Placement(offsets, _used(buffers, offsets), bound) for offsets in heuristics),
        key=lambda placement: placement.used_bytes,
    )
    if sum(buffer.size_bytes > 0 for buffer in buffers) <= _EXACT_BUFFERS:
        for priority in _PRIORITIES:
            if not best.optimal:
                best = _search(buffers, best, budget, priority)
    return best


def greedy(buffers: Sequence[Buffer], order: Iterable[int]) -> tuple[int, ...]:
    """Offsets when each buffer in turn takes the lowest gap that those before it leave."""
    offsets = [0] * len(buffers)
    placed: list[int] = []
    for i in order:
        offsets[i] = _lowest_gap(buffers[i], [(offsets[j], buffers[j]) for j in placed])
        placed.append(i)
    return tuple(offsets)


def _orders(buffers: Sequence[Buffer]) -> list[list[int]]:
    """Orders for the greedy placement; by size comes first and so wins where all are equal."""
    numbers = range(len(buffers))
    orders = [
        sorted(numbers, key=lambda i: (-priority(buffers[i]), buffers[i].start, i))
        for priority in _PRIORITIES
    ]
    # What is live beside the most bytes leaves the least choice.
    load = {time: live_bytes(buffers, time) for time in {buffer.start for buffer in buffers}}
    busiest = [
        max(bytes_ for time, bytes_ in load.items() if time == b.start or b.start < time < b.stop)
        for b in buffers
    ]
    orders.append(sorted(numbers, key=lambda i: (-busiest[i], -buffers[i].size_bytes, i)))
    orders.append(sorted(numbers, key=lambda i: (buffers[i].start, -buffers[i].size_bytes, i)))
    return orders


def _lowest_gap(buffer: Buffer, placed: Iterable[tuple[int, Buffer]]) -> int:
    offset = 0
    taken = sorted(
        (start, start + other.size_bytes) for start, other in placed if other.overlaps(buffer)
    )
    for start, stop in taken:
        if start >= offset + buffer.size_bytes:
            break
        offset = max(offset, align(stop, buffer.alignment))
    return offset


def _used(buffers: Sequence[Buffer], offsets: Sequence[int]) -> int:
    ends = (offset + b.size_bytes for b, offset in zip(buffers, offsets, strict=True))
    return max((end for end, b in zip(ends, buffers, strict=True) if b.size_bytes), default=0)


def _search(
    buffers: Sequence[Buffer], best: Placement, budget: int, priority: _Priority
) -> Placement:
    """Improves ``best`` until nothing is better, or a search runs out of its budget."""
    bound = best.lower_bound_bytes
    # The bound is reached more often than not, so it is tried before anything between.
    found = search(buffers, bound, budget, priority)
    if found.outcome is Outcome.FOUND:
        return Placement(found.offsets, _used(buffers, found.offsets), bound)
    if found.outcome is Outcome.IMPOSSIBLE:
        best = replace(best, lower_bound_bytes=bound + 1)
    while not best.optimal:
        found = search(buffers, best.used_bytes - 1, budget, priority)
        if found.outcome is Outcome.IMPOSSIBLE:
            return replace(best, lower_bound_bytes=best.used_bytes)
        if found.outcome is Outcome.OUT_OF_BUDGET:
            break
        used = _used(buffers, found.offsets)
        best = replace(best, offsets=found.offsets, used_bytes=used)
    return best


def _spread(problem: Problem, budget: int) -> Solution | None:
    """A placement over several memories, each within its capacity."""
    candidates = [
        solution
        for order in _orders(problem.buffers)
        if (solution := _greedy_spread(problem, order)) is not None
    ]
    if candidates:
        return min(candidates, key=lambda solution: solution.total_bytes)
    return _Assignment(problem, budget).run()


def _greedy_spread(problem: Problem, order: Iterable[int]) -> Solution | None:
    """Each buffer in turn in the first memory that has a gap for it."""
    placed: dict[int, Location] = {}
    for i in order:
        location = _first_fit(problem, i, placed)
        if location is None:
            return None
        placed[i] = location
    return _solution(problem, [placed[i] for i in range(len(problem.buffers))])


def _first_fit(problem: Problem, i: int, placed: Mapping[int, Location]) -> Location | None:
    buffer = problem.buffers[i]
    for memory in problem.memories:
        others = [
            (at.offset_bytes, problem.buffers[j])
            for j, at in placed.items()
            if at.memory == memory.name
        ]
        offset = _lowest_gap(buffer, others)
        if buffer.allows(memory) and offset + buffer.size_bytes <= memory.capacity_bytes:
            return Location(memory.name, offset)
    return None


def _solution(problem: Problem, locations: Sequence[Location]) -> Solution:
    used: dict[str, int] = {}
    for memory in problem.memories:
        pairs = zip(problem.buffers, locations, strict=True)
        ends = [
            at.offset_bytes + buffer.size_bytes
            for buffer, at in pairs
            if at.memory == memory.name and buffer.size_bytes
        ]
        if ends:
            used[memory.name] = max(ends)
    times = {buffer.start for buffer in problem.buffers}
    bound = max((live_bytes(problem.buffers, time) for time in times), default=0)
    return Solution(tuple(locations), used, bound, sum(used.values()) == bound)


class _Assignment:
    """Depth-first search for the memory of each buffer, largest first, earlier memories first."""

    def __init__(self, problem: Problem, budget: int) -> None:
        self._problem = problem
        self._budget = budget
        self._visits = 0
        self._order = sorted(
            range(len(problem.buffers)), key=lambda i: (-problem.buffers[i].size_bytes, i)
        )
        self._members: dict[str, list[int]] = {memory.name: [] for memory in problem.memories}

    def run(self) -> Solution | None:
        return self._assign(0)

    def _assign(self, depth: int) -> Solution | None:
        self._visits += 1
        if depth == len(self._order):
            return self._place()
        i = self._order[depth]
        for memory in self._problem.memories:
            members = self._members[memory.name]
            members.append(i)
            if self._problem.buffers[i].allows(memory) and self._may_fit(memory, i):
                solution = self._assign(depth + 1)
                if solution is not None:
                    return solution
            members.pop()
            if self._visits > self._budget:
                break
        return None

    def _may_fit(self, memory: Memory, i: int) -> bool:
        """Whether no time at which buffer ``i`` is live asks for more than there is."""
        members = [self._problem.buffers[j] for j in self._members[memory.name]]
        beside = [b for b in members if b.overlaps(self._problem.buffers[i])]
        return lower_bound(beside) <= memory.capacity_bytes

    def _place(self) -> Solution | None:
        locations: dict[int, Location] = {}
        for memory in self._problem.memories:
            members = self._members[memory.name]
            placement = place([self._problem.buffers[i] for i in members], self._budget)
            self._visits += len(members)
            if placement.used_bytes > memory.capacity_bytes:
                return None
            for i, offset in zip(members, placement.offsets, strict=True):
                locations[i] = Location(memory.name, offset)
        return _solution(self._problem, [locations[i] for i in range(len(locations))])
