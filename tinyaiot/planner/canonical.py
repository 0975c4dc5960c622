"""Exact placement in one memory: depth-first search over canonical placements.

The method is that of MiniMalloc (Moffitt, "MiniMalloc: A Lightweight Memory Allocator for
Hardware-Accelerated Machine Learning", ASPLOS 2023). Any placement can be pushed down until each
buffer rests on another one or on the ground; placing buffers in the order of their offsets then
fixes every offset, so the search is over orders only. Three rules cut it short:

- a *section* (a time between two events) must have room for what is still to be placed there;
- offsets never decrease along an order, and equal ones come in the order of priority;
- no buffer is placed where another unplaced one would fit entirely below it, since that one
  could be pushed down.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tinyaiot.planner.problem import Buffer, align, granularity


class Outcome(enum.Enum):
    """How a search ended."""

    FOUND = "found"
    IMPOSSIBLE = "impossible"
    OUT_OF_BUDGET = "out of budget"


@dataclass(frozen=True)
class Search:
    """The end of a search.

    Attributes:
        offsets: by buffer, where FOUND.
        visits: search nodes visited.
    """

    outcome: Outcome
    offsets: tuple[int, ...]
    visits: int


def search(
    buffers: Sequence[Buffer],
    limit_bytes: int,
    budget: int,
    priority: Callable[[Buffer], int],
) -> Search:
    """Looks for a placement that ends at or below ``limit_bytes``.

    Args:
        budget: search nodes to visit at most; the answer does not depend on the clock.
        priority: of buffers at equal offsets, those of the highest are tried first.
    """
    ranked = sorted(range(len(buffers)), key=lambda i: (-priority(buffers[i]), i))
    found = _CanonicalSearch([buffers[i] for i in ranked], limit_bytes, budget).run()
    offsets = [0] * len(buffers)
    for i, offset in zip(ranked, found.offsets, strict=False):
        offsets[i] = offset
    return replace(found, offsets=tuple(offsets))


class _OutOfBudgetError(Exception):
    """Unwinds the search."""


class _CanonicalSearch:
    """The search over ``buffers``, which come in the order of priority."""

    def __init__(self, buffers: Sequence[Buffer], limit_bytes: int, budget: int) -> None:
        self._buffers = buffers
        self._limit = limit_bytes
        self._budget = budget
        self._visits = 0
        self._offsets = [0] * len(buffers)
        used = [i for i, buffer in enumerate(buffers) if buffer.size_bytes]
        self._sections = _sections([buffers[i] for i in used])
        self._spans = [_span(buffer, self._sections) for buffer in buffers]
        unit = granularity(buffers)
        # Sections are compared in whole units: only a topmost buffer may end within one.
        self._limit_up = align(limit_bytes, unit)
        self._rounded = [align(buffer.size_bytes, unit) for buffer in buffers]
        self._floors = [0] * len(self._sections)
        self._remaining = [0] * len(self._sections)
        for i in used:
            for s in self._spans[i]:
                self._remaining[s] += self._rounded[i]
        self._unplaced = used

    def run(self) -> Search:
        try:
            found = self._has_room(0) and self._place(0, -1)
        except _OutOfBudgetError:
            return Search(Outcome.OUT_OF_BUDGET, (), self._visits)
        outcome = Outcome.FOUND if found else Outcome.IMPOSSIBLE
        return Search(outcome, tuple(self._offsets) if found else (), self._visits)

    def _place(self, last_offset: int, last: int) -> bool:
        """Places what is left at or above ``last_offset``, where ``last`` was placed."""
        if not self._unplaced:
            return True
        self._visits += 1
        if self._visits > self._budget:
            raise _OutOfBudgetError
        return any(self._try(i, offset) for offset, i in self._candidates(last_offset, last))

    def _candidates(self, last_offset: int, last: int) -> list[tuple[int, int]]:
        offsets = [(self._lowest(i), i) for i in self._unplaced]
        lowest_top = min(offset + self._buffers[i].size_bytes for offset, i in offsets)
        candidates: list[tuple[int, int]] = []
        seen: set[Buffer] = set()
        for offset, i in offsets:
            if (offset, i) < (last_offset, last) or offset >= lowest_top:
                continue
            if self._buffers[i] not in seen:
                seen.add(self._buffers[i])
                candidates.append((offset, i))
        # Stable: within an offset the order of priority stays.
        candidates.sort(key=lambda candidate: candidate[0])
        return candidates

    def _lowest(self, i: int) -> int:
        ground = max(self._floors[s] for s in self._spans[i])
        return align(ground, self._buffers[i].alignment)

    def _try(self, i: int, offset: int) -> bool:
        top = offset + self._buffers[i].size_bytes
        if top > self._limit:
            return False
        span = self._spans[i]
        floors = [self._floors[s] for s in span]
        position = self._unplaced.index(i)
        del self._unplaced[position]
        for s in span:
            self._floors[s] = offset + self._rounded[i]
            self._remaining[s] -= self._rounded[i]
        if self._has_room(offset) and self._place(offset, i):
            self._offsets[i] = offset
            return True
        for s, floor in zip(span, floors, strict=True):
            self._floors[s] = floor
            self._remaining[s] += self._rounded[i]
        self._unplaced.insert(position, i)
        return False

    def _has_room(self, last_offset: int) -> bool:
        limit = self._limit_up
        return all(
            max(floor, last_offset) + remaining <= limit
            for floor, remaining in zip(self._floors, self._remaining, strict=True)
            if remaining
        )


def _sections(buffers: Sequence[Buffer]) -> list[int]:
    """Times at which the set of live buffers is largest: each holds no other time's set.

    These are the last start before each stop; two buffers that overlap meet in one of them.
    """
    events = sorted({(b.start, True) for b in buffers} | {(b.stop, False) for b in buffers})
    return [
        time
        for (time, starts), (_, starts_next) in itertools.pairwise(events)
        if starts and not starts_next
    ]


def _span(buffer: Buffer, sections: Sequence[int]) -> range:
    """Numbers of the sections in which a buffer is live; they are neighbours."""
    live = [s for s, time in enumerate(sections) if buffer.start <= time < buffer.stop]
    return range(live[0], live[-1] + 1) if live else range(0)
