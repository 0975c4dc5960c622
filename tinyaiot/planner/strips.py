"""Plans whose first layers run in strips of columns: less RAM for more multiply-accumulates.

Which strips are worth planning is settled by what they need at least: the candidates come in the
order of their extra MACs, and one that promises no less than a cheaper one has is left out.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tinyaiot.cores import Core
from tinyaiot.graph import Graph
from tinyaiot.operators import operator_of
from tinyaiot.operators.base import Columns
from tinyaiot.plan import Memory, Patches, Plan
from tinyaiot.planner.flow import Flow, flow_of
from tinyaiot.planner.patches import NoSuchStripsError, boundaries, columns_needed, patched
from tinyaiot.planner.streaming import Search, rows

_MOST_STRIPS = 8
# Beyond, a smaller model is the better choice.
_MOST_EXTRA = 0.5
# Larger graphs, and strips that do not help by whole rows, are not tried by pixels: for the time.
_MOST_NODES_IN_PIXELS = 64

# (graph, core, memories, keep_input, feed) -> a plan that streams, or None where none fits.
Streaming = Callable[[Graph, Core, Sequence[Memory], bool, bool], Plan | None]

# What may be in strips, the cheapest in instructions first.
STREAMING: tuple[Streaming, ...] = (rows, functools.partial(rows, pixels=1))

UNLIMITED = Memory("unlimited", 1 << 40)


@dataclass(frozen=True)
class Candidate:
    """Strips that may be worth a plan.

    Attributes:
        least_bytes: what a strip as one region, and the layers behind, need by whole rows, at
            least.
    """

    patches: Patches
    extra_macs: int
    least_bytes: int


def candidates(graph: Graph, core: Core, *, feed: bool, below_bytes: int) -> tuple[Candidate, ...]:
    """Strips whose plans may be smaller than ``below_bytes``, the fewest extra MACs first."""
    if feed and len(graph.inputs) != 1:
        return ()
    search = Search(flow_of(graph, feed=feed), core)
    behind = search.lower_bounds_behind()
    most = int(_MOST_EXTRA * sum(operator_of(node).macs(node) for node in graph.nodes))
    found = []
    for layers, boundary in boundaries(graph):
        if max(boundary.nbytes, behind[layers]) >= below_bytes:
            continue
        for count in range(2, min(boundary.width, _MOST_STRIPS) + 1):
            patches = Patches(layers, even_columns(boundary.width, count))
            candidate = _candidate(graph, search.flow, patches, behind[layers])
            if candidate is None or candidate.extra_macs > most:
                break
            if candidate.least_bytes < below_bytes:
                found.append(candidate)
            if candidate.least_bytes == behind[layers]:
                break  # narrower strips need less, but the layers behind do not
    return tuple(sorted(found, key=lambda c: (c.extra_macs, c.least_bytes, c.patches.layers)))


def even_columns(width: int, strips: int) -> tuple[int, ...]:
    """Bounds of ``strips`` strips whose widths differ by one at most, the wider ones first."""
    narrow, wider = divmod(width, strips)
    widths = [narrow + (k < wider) for k in range(strips)]
    return (0, *itertools.accumulate(widths))


def in_strips(
    make: Streaming,
    graph: Graph,
    core: Core,
    memories: Sequence[Memory],
    keep_input: bool,
    feed: bool,
    candidate: Candidate,
) -> Plan | None:
    """The plan that ``make`` finds with these strips; None where there is none.

    Raises:
        NoSuchStripsError: the layers cannot run in such strips.
    """
    planned = patched(graph, candidate.patches, feed=feed)
    plan = make(planned.graph, core, memories, keep_input, feed)
    if plan is None:
        return None
    return replace(plan, patches=candidate.patches, extra_macs=candidate.extra_macs)


class StripPlans:
    """Plans in strips in one RAM without end, each made when it is asked for, and then kept.

    They come by ascending extra MACs, each smaller than the one before, and the first smaller
    than what streaming by rows does without strips.
    """

    def __init__(self, graph: Graph, core: Core, keep_input: bool, feed: bool) -> None:
        self._made: list[Plan] = []
        self._rest = _strip_plans(graph, core, keep_input, feed)

    def __iter__(self) -> Iterator[Plan]:
        for k in itertools.count():
            if k == len(self._made):
                plan = next(self._rest, None)
                if plan is None:
                    return
                self._made.append(plan)
            yield self._made[k]


@functools.lru_cache(maxsize=16)
def strip_plans(graph: Graph, core: Core, keep_input: bool, feed: bool) -> StripPlans:
    """The plans of a graph in strips; the same object for the same arguments."""
    return StripPlans(graph, core, keep_input, feed)


def cheapest_in_strips(
    graph: Graph, core: Core, memories: Sequence[Memory], keep_input: bool, feed: bool
) -> Plan | None:
    """The plan in strips that fits one of the memories with the fewest extra MACs."""
    for plan in strip_plans(graph, core, keep_input, feed):
        for memory in memories:
            if plan.total_arena_bytes <= memory.capacity_bytes:
                return _moved(plan, memory.name)
    return None


def _strip_plans(graph: Graph, core: Core, keep_input: bool, feed: bool) -> Iterator[Plan]:
    def used(plan: Plan | None) -> int:
        return UNLIMITED.capacity_bytes if plan is None else plan.total_arena_bytes

    def made(make: Streaming, candidate: Candidate) -> Plan | None:
        try:
            return in_strips(make, graph, core, (UNLIMITED,), keep_input, feed, candidate)
        except NoSuchStripsError:
            return None  # a PAD that has nothing to do in an inner strip, for example

    coarse, *finer = STREAMING
    smallest = smallest_coarse = used(coarse(graph, core, (UNLIMITED,), keep_input, feed))
    for candidate in candidates(graph, core, feed=feed, below_bytes=smallest):
        if candidate.least_bytes >= smallest:
            continue
        plans = [made(coarse, candidate)]
        nodes = len(graph.nodes) + candidate.patches.layers * (candidate.patches.strips - 1)
        if used(plans[0]) < smallest_coarse and nodes <= _MOST_NODES_IN_PIXELS:
            plans += [made(make, candidate) for make in finer]
        smallest_coarse = min(smallest_coarse, used(plans[0]))
        for plan in plans:
            if plan is not None and used(plan) < smallest:
                smallest = used(plan)
                yield plan


def _moved(plan: Plan, memory: str) -> Plan:
    """A plan of one memory in another."""
    return replace(
        plan,
        slots={k: replace(slot, memory=memory) for k, slot in plan.slots.items()},
        scratch={k: replace(place, memory=memory) for k, place in plan.scratch.items()},
        sums={k: replace(place, memory=memory) for k, place in plan.sums.items()},
        arena_bytes={memory: plan.total_arena_bytes},
    )


def _candidate(graph: Graph, flow: Flow, patches: Patches, behind: int) -> Candidate | None:
    """None where an operator cannot make such strips.

    Args:
        behind: bytes that the layers behind the strips need, at least.
    """
    bounds = itertools.starmap(Columns, itertools.pairwise(patches.columns))
    try:
        needs = [columns_needed(graph, patches.layers, columns) for columns in bounds]
    except NoSuchStripsError:
        return None
    extra = 0
    for node in graph.nodes[: patches.layers]:
        columns = sum(needed[node.output.index].count for needed in needs)
        # Columns may be left out, too, where the next layer's window does not reach the edge.
        extra += operator_of(node).macs(node) * (columns - node.output.width) // node.output.width
    boundary = graph.nodes[patches.layers - 1].output
    strips = max(_strip_bytes(flow, patches.layers, needed) for needed in needs)
    return Candidate(patches, extra, max(boundary.nbytes + strips, behind))


def _strip_bytes(flow: Flow, layers: int, needed: Mapping[int, Columns]) -> int:
    """What lies beside the boundary while a strip runs, at least, without scratch."""
    total = 0
    for tensor, columns in needed.items():
        uses = [use for use in flow.readers[tensor] if use.reader < layers]
        whole = flow.tensors[tensor]
        pixel = whole.row_bytes // whole.width
        if not uses:
            continue  # the boundary
        if tensor not in flow.fed and flow.maker[tensor] < 0:
            total += whole.nbytes
            continue
        rows = max(int((use.stop - use.first).max()) for use in uses)
        total += rows * columns.count * pixel
    return total
