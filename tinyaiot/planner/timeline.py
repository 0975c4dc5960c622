"""A plan over time: from when to when each buffer is in use, and which layers take turns.

Times are indexes of the plan's steps; ranges are half-open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinyaiot.graph import Graph
from tinyaiot.plan import Plan
from tinyaiot.planner.explain import LiveBuffer, live_buffers


@dataclass(frozen=True)
class Life:
    """A buffer in use over steps [start, stop).

    Attributes:
        steps: in how many of them; fewer than all where short gaps were closed.
    """

    buffer: LiveBuffer
    start: int
    stop: int
    steps: int


@dataclass(frozen=True)
class Region:
    """Steps [start, stop) of layers that take turns, streamed through each other.

    A layer that runs by itself, all its rows in a go, is a region of its own.

    Attributes:
        nodes: indexes of the plan's nodes that run, in the order of their first step; −1 − k for
            the arrival of input k.
        layers: of the model, in ascending order; none where input arrives.
        fullest: the step in which most is in use, the first of such.
        live_bytes: how much that is.
    """

    start: int
    stop: int
    nodes: tuple[int, ...]
    layers: tuple[int, ...]
    fullest: int
    live_bytes: int

    @property
    def numbers(self) -> str:
        """The first and the last layer: "12-19", or "12"."""
        return "-".join(map(str, dict.fromkeys((*self.layers[:1], *self.layers[-1:]))))


def lives(graph: Graph, plan: Plan) -> tuple[Life, ...]:
    """When each buffer is in use, in the order of their starts, then addresses."""
    found: dict[tuple[object, ...], list[Life]] = {}
    for time, buffers in enumerate(live_buffers(graph, plan)):
        for buffer in buffers:
            _add(found.setdefault(_identity(buffer), []), Life(buffer, time, time + 1, 1), 0)
    return _sorted(found)


def without_gaps(exact: Sequence[Life], longest_gap: int) -> tuple[Life, ...]:
    """Lives, with the uses of one scratch taken together where they are that close.

    A streamed layer has as many uses of its scratch as rows; a picture cannot show them all.
    """
    found: dict[tuple[object, ...], list[Life]] = {}
    for life in exact:
        gap = longest_gap if life.buffer.tensor is None else 0
        _add(found.setdefault(_identity(life.buffer), []), life, gap)
    return _sorted(found)


def regions(plan: Plan) -> tuple[Region, ...]:
    """The regions of ``plan``: between two of them no layer is half done."""
    last = {step.node: time for time, step in enumerate(plan.steps)}
    found: list[Region] = []
    start = stop = 0
    for time, step in enumerate(plan.steps):
        stop = max(stop, last[step.node] + 1)
        if stop == time + 1:
            found.append(_region(plan, start, stop))
            start = stop
    return tuple(found)


def _region(plan: Plan, start: int, stop: int) -> Region:
    steps = plan.steps[start:stop]
    fullest = max(range(start, stop), key=lambda time: plan.steps[time].live_bytes)
    nodes = tuple(dict.fromkeys(step.node for step in steps))
    layers = tuple(sorted({plan.layer_of(node) for node in nodes if node >= 0}))
    return Region(start, stop, nodes, layers, fullest, plan.steps[fullest].live_bytes)


def _identity(buffer: LiveBuffer) -> tuple[object, ...]:
    return buffer.tensor, buffer.name, buffer.memory, buffer.offset_bytes, buffer.size_bytes


def _add(spans: list[Life], life: Life, longest_gap: int) -> None:
    """Appends a life of the same buffer, or makes the last one longer by it."""
    if spans and life.start - spans[-1].stop <= longest_gap:
        last = spans.pop()
        life = Life(last.buffer, last.start, life.stop, last.steps + life.steps)
    spans.append(life)


def _sorted(found: Mapping[tuple[object, ...], Sequence[Life]]) -> tuple[Life, ...]:
    return tuple(sorted((life for spans in found.values() for life in spans), key=_order))


def _order(life: Life) -> tuple[int, str, int, int]:
    return life.start, life.buffer.memory, life.buffer.offset_bytes, life.stop
