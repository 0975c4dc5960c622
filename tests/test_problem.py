"""Placement: exact against brute force, never worse than greedy by size, over several RAMs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyaiot.plan import Memory
from tinyaiot.planner.canonical import Outcome, search
from tinyaiot.planner.problem import (
    Buffer,
    Location,
    Problem,
    align,
    live_bytes,
    lower_bound,
    validate,
)
from tinyaiot.planner.solver import greedy, place, solve

AMPLE = Memory("ram", 1 << 20)


@st.composite
def buffers(draw: st.DrawFn, largest: int = 9, alignments: tuple[int, ...] = (1,)) -> Buffer:
    start = draw(st.integers(0, 7))
    stop = start + draw(st.integers(1, 5))
    return Buffer(draw(st.integers(0, largest)), draw(st.sampled_from(alignments)), start, stop)


small = st.lists(buffers(), max_size=8)
small_aligned = st.lists(buffers(alignments=(1, 2, 4)), max_size=6)
# Sizes as in a plan: multiples of four but for few, scratch aligned more strictly.
large = st.lists(buffers(largest=400, alignments=(4, 4, 4, 8)), max_size=30)


def fits(items: Sequence[Buffer], limit: int) -> bool:
    """Whether any choice of offsets at all keeps within ``limit``: all of them are tried."""

    def place_from(i: int, offsets: list[int]) -> bool:
        if i == len(items):
            return True
        item = items[i]
        for offset in range(0, limit - item.size_bytes + 1, item.alignment):
            clear = all(
                not item.overlaps(other)
                or offset >= at + other.size_bytes
                or at >= offset + item.size_bytes
                for other, at in zip(items, offsets, strict=False)
            )
            if clear and place_from(i + 1, [*offsets, offset]):
                return True
        return False

    return place_from(0, [])


def fewest_bytes(items: Sequence[Buffer]) -> int:
    """By brute force; zero-sized buffers take no bytes."""
    items = sorted((b for b in items if b.size_bytes), key=lambda b: -b.size_bytes)
    limit = max((live_bytes(items, b.start) for b in items), default=0)
    while not fits(items, limit):
        limit += 1
    return limit


@settings(max_examples=150, deadline=None)
@given(st.one_of(small, small_aligned))
def test_small_problems_equal_brute_force(items: list[Buffer]) -> None:
    placement = place(items)
    assert placement.optimal
    assert placement.used_bytes == fewest_bytes(items)


@settings(max_examples=150, deadline=None)
@given(large)
def test_solutions_are_valid_and_never_worse_than_greedy_by_size(items: list[Buffer]) -> None:
    problem = Problem(tuple(items), (AMPLE,))
    solution = solve(problem)
    assert solution is not None
    validate(problem, solution)
    by_size = sorted(range(len(items)), key=lambda i: -items[i].size_bytes)
    ends = [o + b.size_bytes for o, b in zip(greedy(items, by_size), items, strict=True)]
    assert lower_bound(items) <= solution.lower_bound_bytes
    assert solution.lower_bound_bytes <= solution.total_bytes <= max(ends, default=0)
    assert solution.optimal == (solution.total_bytes == solution.lower_bound_bytes)
    assert solve(problem) == solution


@settings(max_examples=100, deadline=None)
@given(small_aligned)
def test_lower_bound_is_one(items: list[Buffer]) -> None:
    most = max((live_bytes(items, b.start) for b in items), default=0)
    assert most <= lower_bound(items) <= fewest_bytes(items)


def can_spread(items: Sequence[Buffer], memories: Sequence[Memory]) -> bool:
    """By brute force, over all assignments of buffers to memories."""

    def assign(i: int, groups: list[list[Buffer]]) -> bool:
        if i == len(items):
            return all(fits(g, m.capacity_bytes) for g, m in zip(groups, memories, strict=True))
        return any(
            items[i].allows(memory)
            and assign(i + 1, [g + [items[i]] * (k == n) for n, g in enumerate(groups)])
            for k, memory in enumerate(memories)
        )

    return assign(0, [[] for _ in memories])


@settings(max_examples=150, deadline=None)
@given(st.lists(buffers(largest=6), max_size=5), st.integers(0, 12), st.integers(0, 8), st.data())
def test_spreading_over_memories_equals_brute_force(
    items: list[Buffer], first: int, second: int, data: st.DataObject
) -> None:
    only = st.sampled_from((None, None, frozenset({"a"}), frozenset({"b"})))
    items = [replace(item, memories=data.draw(only)) for item in items if item.size_bytes]
    memories = (Memory("a", first), Memory("b", second))
    problem = Problem(tuple(items), memories)
    solution = solve(problem)
    assert (solution is not None) == can_spread(items, memories)
    if solution is not None:
        validate(problem, solution)


def test_the_first_memory_that_holds_everything_is_taken() -> None:
    items = (Buffer(8, 4, 0, 2), Buffer(8, 4, 1, 3))
    memories = (Memory("small", 12), Memory("large", 16), Memory("larger", 99))
    solution = solve(Problem(items, memories))
    assert solution is not None
    assert solution.used_bytes == {"large": 16}


def test_what_no_memory_holds_is_not_placed() -> None:
    items = (Buffer(20, 4, 0, 1), Buffer(8, 4, 0, 1))
    assert solve(Problem(items, (Memory("a", 16), Memory("b", 16)))) is None


def test_intervals_are_half_open() -> None:
    # The second starts when the first stops: they may share every byte.
    assert place([Buffer(8, 4, 0, 1), Buffer(8, 4, 1, 2)]).used_bytes == 8
    assert place([Buffer(8, 4, 0, 2), Buffer(8, 4, 1, 2)]).used_bytes == 16


def test_search_reaches_what_greedy_misses() -> None:
    items = [
        Buffer(6, 1, 5, 8),
        Buffer(2, 1, 2, 5),
        Buffer(5, 1, 4, 6),
        Buffer(2, 1, 1, 2),
        Buffer(5, 1, 1, 4),
        Buffer(1, 1, 3, 6),
    ]
    by_size = greedy(items, sorted(range(6), key=lambda i: -items[i].size_bytes))
    assert max(o + b.size_bytes for o, b in zip(by_size, items, strict=True)) == 14
    assert place(items).used_bytes == 12
    impossible = search(items, 11, 10_000, lambda b: b.size_bytes)
    assert impossible.outcome is Outcome.IMPOSSIBLE


def test_budget_ends_a_search_with_the_best_so_far() -> None:
    items = [Buffer(37 + 11 * k % 53, 1, k * 7 % 19, k * 7 % 19 + 1 + k % 6) for k in range(24)]
    hurried, patient = place(items, budget=1), place(items)
    assert patient.used_bytes <= hurried.used_bytes
    assert hurried.lower_bound_bytes <= patient.used_bytes


@pytest.mark.parametrize(
    "break_it",
    [
        lambda at: Location(at.memory, at.offset_bytes + 4),
        lambda at: Location(at.memory, at.offset_bytes + 1),
        lambda at: Location(at.memory, -4),
        lambda at: Location("other", at.offset_bytes),
    ],
)
def test_validate_refuses_broken_solutions(break_it) -> None:  # type: ignore[no-untyped-def]
    items = (Buffer(8, 4, 0, 2), Buffer(8, 4, 1, 3, frozenset({"ram"})))
    problem = Problem(items, (AMPLE, Memory("other", 99)))
    solution = solve(problem)
    assert solution is not None
    validate(problem, solution)
    for i in range(len(items)):
        locations = list(solution.locations)
        locations[i] = break_it(locations[i])
        used = {**solution.used_bytes, "other": 0}
        with pytest.raises(ValueError, match=r"overlap|misaligned|beyond|may not"):
            validate(problem, replace(solution, locations=tuple(locations), used_bytes=used))


def test_align_rounds_up() -> None:
    assert [align(n, 8) for n in (0, 1, 8, 9)] == [0, 8, 8, 16]
