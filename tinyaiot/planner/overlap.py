"""Addresses where a result may be written over the part of an input that is done with.

Beside two buffers that must not touch there are pairs of which the lower may reach into the
upper: each pair has its *clearance*, the bytes from the start of the lower to that of the upper.
Greedy placement, improved by moving what is on top to the front of the order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tinyaiot.planner.problem import Buffer, align

_ROUNDS = 300


@dataclass(frozen=True)
class Arrangement:
    """Offsets of buffers in one memory, and where the last one ends."""

    offsets: tuple[int, ...]
    used_bytes: int


@dataclass(frozen=True)
class _Neighbour:
    """Another buffer in use at the same time, with the clearances either way."""

    number: int
    when_above: int
    when_below: int


def arrange(
    buffers: Sequence[Buffer],
    clearances: Mapping[tuple[int, int], int],
    turns: Collection[tuple[int, int]],
    goal_bytes: int,
    rounds: int = _ROUNDS,
) -> Arrangement:
    """A placement in few bytes.

    Args:
        clearances: by (lower, upper), where that is less than the lower's size.
        turns: pairs that may lie in the same bytes, though both are in use.
        goal_bytes: to stop at.
        rounds: orders to try at most from each of the first ones.
    """
    neighbours = _neighbours(buffers, clearances, turns)
    everything = sum(align(b.size_bytes, b.alignment) for b in buffers)
    best = Arrangement((), max(everything, goal_bytes) + 1)
    for order in _first_orders(buffers):
        if best.used_bytes > goal_bytes:
            best = _climb(buffers, neighbours, order, goal_bytes, rounds, best)
    return best


def _neighbours(
    buffers: Sequence[Buffer],
    clearances: Mapping[tuple[int, int], int],
    turns: Collection[tuple[int, int]],
) -> list[list[_Neighbour]]:
    def clearance(lower: int, upper: int) -> int:
        return clearances.get((lower, upper), buffers[lower].size_bytes)

    return [
        [
            _Neighbour(j, clearance(j, i), clearance(i, j))
            for j in range(len(buffers))
            if j != i
            and buffers[i].overlaps(buffers[j])
            and (i, j) not in turns
            and (j, i) not in turns
        ]
        for i in range(len(buffers))
    ]


def _first_orders(buffers: Sequence[Buffer]) -> Iterable[list[int]]:
    numbers = range(len(buffers))
    yield sorted(numbers, key=lambda i: (-buffers[i].size_bytes, i))
    yield sorted(numbers, key=lambda i: (buffers[i].start - buffers[i].stop, i))
    yield sorted(numbers, key=lambda i: (buffers[i].start, -buffers[i].size_bytes, i))
    # Results lie below the inputs that they are written over: the last ones lowest.
    yield sorted(numbers, key=lambda i: (-buffers[i].stop, -buffers[i].size_bytes, i))
    yield sorted(numbers, key=lambda i: (-buffers[i].start, -buffers[i].size_bytes, i))


def _climb(
    buffers: Sequence[Buffer],
    neighbours: Sequence[Sequence[_Neighbour]],
    order: list[int],
    goal_bytes: int,
    rounds: int,
    best: Arrangement,
) -> Arrangement:
    """Places in ``order``; then again and again with a buffer at the top moved forward."""
    state = 1
    current: int | None = None
    for _ in range(rounds):
        offsets = _place(buffers, neighbours, order)
        used = _used(buffers, offsets)
        if used < best.used_bytes:
            best = Arrangement(tuple(offsets), used)
        if best.used_bytes <= goal_bytes:
            break
        if current is None or used <= current:
            current, kept = used, list(order)
        else:
            order = list(kept)
        top = [i for i, b in enumerate(buffers) if offsets[i] + b.size_bytes == used]
        # A linear congruential generator: the same plan on every machine.
        state = (state * 1103515245 + 12345) % (1 << 31)
        blamed = _blame(neighbours, offsets, top[state % len(top)], state >> 8)
        order.remove(blamed)
        order.insert((state >> 12) % (len(order) + 1) if state & 64 else 0, blamed)
    return best


def _blame(
    neighbours: Sequence[Sequence[_Neighbour]], offsets: Sequence[int], top: int, choice: int
) -> int:
    """The topmost buffer, or one of those below it."""
    below = [n.number for n in neighbours[top] if offsets[n.number] < offsets[top]]
    candidates = [top, *below]
    return candidates[choice % len(candidates)]


def _place(
    buffers: Sequence[Buffer], neighbours: Sequence[Sequence[_Neighbour]], order: Sequence[int]
) -> list[int]:
    """Each buffer in turn at the lowest offset that clears those placed before it."""
    offsets = [-1] * len(buffers)
    for i in order:
        forbidden = sorted(
            (offsets[n.number] - n.when_below, offsets[n.number] + n.when_above)
            for n in neighbours[i]
            if offsets[n.number] >= 0
        )
        offset = 0
        for low, high in forbidden:
            # Offsets strictly between low and high touch.
            if offset <= low:
                break
            if offset < high:
                offset = align(high, buffers[i].alignment)
        offsets[i] = offset
    return offsets


def _used(buffers: Sequence[Buffer], offsets: Sequence[int]) -> int:
    return max((o + b.size_bytes for o, b in zip(offsets, buffers, strict=True)), default=0)
