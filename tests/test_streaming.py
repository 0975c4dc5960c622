"""Streaming by rows: rings and overlaps are exact, cuts are the best, plans run right."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fake import (
    CORE,
    GraphBuilder,
    fake_operators,  # noqa: F401
    graphs,
    reference,
    runs_right,
)
from tinyaiot.cores import Core, core_by_id
from tinyaiot.folding import fold_padding
from tinyaiot.frontends import tflite
from tinyaiot.graph import Graph
from tinyaiot.operators import operator_of
from tinyaiot.operators.base import REFERENCE, Kernel
from tinyaiot.plan import Memory, Plan
from tinyaiot.planner import Objective, plan_model
from tinyaiot.planner.checker import InvalidPlanError, check
from tinyaiot.planner.flow import Flow, flow_of
from tinyaiot.planner.overlap import arrange
from tinyaiot.planner.problem import Buffer
from tinyaiot.planner.region import Event, Region, Regions, measure, ring_bytes, row_order
from tinyaiot.planner.streaming import Search, rows

pytestmark = pytest.mark.usefixtures("fake_operators")
AMPLE = (Memory("ram", 1 << 24),)
MODELS = Path(__file__).parents[2] / "shared" / "models"
DIGITS = Path(__file__).parents[1] / "examples" / "digits" / "digits.tflite"


@settings(max_examples=150, deadline=None)
@given(graphs(max_nodes=8), st.sampled_from(((False, False), (True, False), (False, True))))
def test_streamed_plans_pass_the_checker_and_run_right(
    graph: Graph, keep_or_feed: tuple[bool, bool]
) -> None:
    keep_input, feed = keep_or_feed
    plan = rows(graph, CORE, AMPLE, keep_input, feed)
    assert plan is not None
    check(graph, plan, CORE, AMPLE)
    assert runs_right(graph, plan, reference(graph))
    assert plan.lower_bound_bytes <= plan.total_arena_bytes
    assert all(step.live_bytes <= plan.total_arena_bytes for step in plan.steps)
    assert plan == rows(graph, CORE, AMPLE, keep_input, feed)


@settings(max_examples=60, deadline=None)
@given(graphs(max_nodes=8), st.booleans())
def test_no_ring_is_a_row_too_large(graph: Graph, feed: bool) -> None:
    plan = rows(graph, CORE, AMPLE, False, feed)
    assert plan is not None
    heights = {t.index: t.height for t in graph.inputs}
    heights.update({t.index: t.height for node in graph.nodes for t in node.outputs})
    for index, slot in plan.slots.items():
        if 1 < slot.ring_rows < heights[index]:
            shrunk = replace(slot, ring_rows=slot.ring_rows - 1)
            with pytest.raises(InvalidPlanError):
                check(graph, replace(plan, slots={**plan.slots, index: shrunk}), CORE, AMPLE)


def overwrites(flow: Flow, region: Region, output: int, source: int, distance: int) -> bool:
    """Whether a byte of ``source`` is read after ``output`` was written over it.

    The output starts at 0 and the input at ``distance``; every byte is looked at.
    """
    made, read = flow.tensors[output], flow.tensors[source]

    def row_made(event: Event) -> set[int]:
        if event.position in flow.sums:
            last = event.y == flow.steps(event.position) - 1
            return set(range(made.row_bytes if last else 0))
        return set(range(event.y * made.row_bytes, (event.y + 1) * made.row_bytes))

    intact = set(range(distance, distance + read.nbytes))
    for event in region.events:
        for use in flow.uses[event.position] if event.position >= 0 else ():
            if use.source == source:
                window = range(int(use.first[event.y]), int(use.stop[event.y]))
                needed = range(
                    distance + window.start * read.row_bytes,
                    distance + window.stop * read.row_bytes,
                )
                if not intact.issuperset(needed):
                    return True
                if event.position == flow.maker[output] and row_made(event) & set(needed):
                    return True
        if event.position == flow.maker[output]:
            intact -= row_made(event)
    return False


@settings(max_examples=100, deadline=None)
@given(graphs(max_nodes=6))
def test_distances_are_safe_and_least(graph: Graph) -> None:
    flow = flow_of(graph)
    count = len(flow.nodes)
    for start, stop in itertools.combinations(range(count + 1), 2):
        region = measure(flow, start, stop)
        for (output, source), distance in region.distances.items():
            size = flow.tensors[output].nbytes
            for more in (0, 1, 3):
                assert not overwrites(flow, region, output, source, distance + more)
            if -flow.tensors[source].nbytes < distance < size:
                assert overwrites(flow, region, output, source, distance - 1)


@settings(max_examples=60, deadline=None)
@given(graphs(max_nodes=8), st.booleans())
def test_regions_measured_in_longer_runs_are_as_measured_alone(graph: Graph, feed: bool) -> None:
    flow = flow_of(graph, feed=feed)
    regions = Regions(flow)
    for stop in range(1, len(flow.nodes) + 1):
        for start in reversed(range(stop)):
            region, alone = regions.region(start, stop), measure(flow, start, stop)
            assert region.events == alone.events
            assert (region.rings, region.ring_bytes) == (alone.rings, alone.ring_bytes)
            assert region.apart == alone.apart
            assert region.distances == alone.distances


@settings(max_examples=60, deadline=None)
@given(graphs(max_nodes=6), st.booleans())
def test_rows_are_made_once_and_after_what_they_read(graph: Graph, feed: bool) -> None:
    flow = flow_of(graph, feed=feed)
    count = len(flow.nodes)
    for start, stop in itertools.combinations(range(count + 1), 2):
        made: dict[int, int] = {}
        added = dict.fromkeys(flow.sums, 0)
        for event in measure(flow, start, stop).events:
            tensors = flow.made_by(event.position) if event.position >= 0 else (event.tensor,)
            for use in flow.uses[event.position] if event.position >= 0 else ():
                if flow.maker[use.source] >= start:
                    assert made.get(use.source, 0) >= use.stop[event.y]
            if event.position in flow.sums:
                assert event.y == added[event.position]
                added[event.position] += 1
                made[tensors[0]] = int(event.y + 1 == flow.steps(event.position))
                continue
            for tensor in tensors:
                assert event.y == made.get(tensor, 0)
                made[tensor] = event.y + 1
        for position in range(start, stop):
            made_here = flow.made_by(position)[0]
            assert made[made_here] == flow.lines(made_here)


def events_in_use(flow: Flow, region: Region, tensor: int) -> set[int]:
    """Numbers of the events in which a line of a tensor is made, or there and still to be read."""
    made = [k for k, e in enumerate(region.events) if e.position == flow.maker[tensor]]
    if flow.maker[tensor] in flow.sums:
        made = made[-1:]
    last = dict(enumerate(made))
    for number, event in enumerate(region.events):
        for use in flow.uses[event.position] if event.position >= 0 else ():
            if use.source == tensor:
                for line in range(int(use.first[event.y]), int(use.stop[event.y])):
                    last[line] = number
    return {n for line, first in enumerate(made) for n in range(first, last[line] + 1)}


@settings(max_examples=60, deadline=None)
@given(graphs(max_nodes=6), st.booleans())
def test_tensors_that_take_turns_are_never_in_use_together(graph: Graph, feed: bool) -> None:
    flow = flow_of(graph, feed=feed)
    count = len(flow.nodes)
    for start, stop in itertools.combinations(range(count + 1), 2):
        region = measure(flow, start, stop)
        sizes = {t: ring_bytes(flow, t, lines) for t, lines in region.rings.items()}
        in_use = {t: events_in_use(flow, region, t) for t in region.rings if t not in flow.fed}
        for one, other in region.apart:
            assert not in_use[one] & in_use[other]
        turning = {t for pair in region.apart for t in pair}
        kept = sum(size for t, size in sizes.items() if t not in turning)
        most = max(
            (
                sum(sizes[t] for t in turning if number in in_use[t])
                for number in range(len(region.events))
            ),
            default=0,
        )
        assert kept + most <= region.ring_bytes <= sum(sizes.values())


def test_rows_that_are_passed_on_share_their_bytes() -> None:
    b = GraphBuilder()
    y = x = b.tensor(32, 16)
    for _ in range(3):
        y = b.window(y, 3, pad=1, row_bytes=16)
        y = b.window(y, 1, row_bytes=64)
    graph = b.graph([x], [b.node([y], [(1, 8)], kernel=0)[0]])
    region = measure(flow_of(graph), 0, 6)
    # Three rows of what windows read; of what is passed on, one row in all.
    assert region.rings == {1: 1, 2: 3, 3: 1, 4: 3, 5: 1}
    assert region.apart == {(1, 3), (1, 5), (3, 5)}
    assert region.ring_bytes == 2 * 3 * 64 + 16


@settings(max_examples=60, deadline=None)
@given(graphs(max_nodes=6), st.booleans())
def test_cuts_equal_brute_force(graph: Graph, feed: bool) -> None:
    search = Search(flow_of(graph, feed=feed), CORE)
    count = len(search.flow.nodes)

    def need(cuts: tuple[int, ...]) -> int:
        return max((search.need(a, b) for a, b in itertools.pairwise(cuts)), default=0)

    def allowed(cuts: tuple[int, ...]) -> bool:
        alone = (b - a == 1 for a, b in itertools.pairwise(cuts))
        whole = (
            any(search.flow.is_whole(p) for p in range(a, b)) for a, b in itertools.pairwise(cuts)
        )
        return all(single or not w for single, w in zip(alone, whole, strict=True))

    inner = range(1, count)
    everywhere = [
        (0, *chosen, count) if count else (0,)
        for size in range(count or 1)
        for chosen in itertools.combinations(inner, size)
    ]
    assert need(search.cuts()) == min(need(cuts) for cuts in everywhere if allowed(cuts))
    assert search.lower_bound() <= need(search.cuts())

    least = need(search.cuts())
    largest = max((need(cuts) for cuts in everywhere if allowed(cuts)), default=0)
    for budget in (least, (least + largest) // 2, largest):
        within = [cuts for cuts in everywhere if allowed(cuts) and need(cuts) <= budget]
        fewest = search.fewest_cuts(budget)
        assert fewest in within
        assert len(fewest) == min(map(len, within))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_arrangements_keep_every_clearance(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 7))
    buffers = []
    for _ in range(count):
        start = data.draw(st.integers(0, 4))
        size = 4 * data.draw(st.integers(0, 6))
        buffers.append(Buffer(size, 4, start, start + data.draw(st.integers(1, 3))))
    pairs = [(i, j) for i in range(count) for j in range(count) if i != j]
    chosen = data.draw(st.lists(st.sampled_from(pairs), max_size=3)) if pairs else []
    clearances = {
        (i, j): data.draw(st.integers(-buffers[j].size_bytes, buffers[i].size_bytes))
        for i, j in chosen
    }
    turns = set(data.draw(st.lists(st.sampled_from(pairs), max_size=2)) if pairs else [])
    found = arrange(buffers, clearances, turns, 0)
    for i, j in pairs:
        if buffers[i].overlaps(buffers[j]) and not turns & {(i, j), (j, i)}:
            below = clearances.get((i, j), buffers[i].size_bytes)
            above = clearances.get((j, i), buffers[j].size_bytes)
            distance = found.offsets[j] - found.offsets[i]
            assert distance >= below or -distance >= above
    assert all(offset % 4 == 0 for offset in found.offsets)
    ends = (o + b.size_bytes for o, b in zip(found.offsets, buffers, strict=True))
    assert found.used_bytes == max(ends)


def test_a_chain_of_windows_needs_a_ring_each() -> None:
    b = GraphBuilder()
    x = b.tensor(64, 32)
    y = x
    for stride in (1, 2, 1):
        y = b.window(y, 3, stride=stride, pad=1, row_bytes=32)
    y = b.node([y], [(1, 8)], kernel=0)[0]
    graph = b.graph([x], [y])
    rings = measure(flow_of(graph, feed=True), 0, 4).rings
    # What reads all of it holds all of it.
    assert rings == {0: 3, 1: 3, 2: 3, 3: 32}


def test_an_input_that_a_later_region_reads_arrives_whole() -> None:
    b = GraphBuilder()
    x = b.tensor(2, 1)
    y = b.window(x, 1, stride=2, row_bytes=1)  # never asks for row 1
    z = b.node([b.node([x, x], [(2, 1)])[0], x], [(2, 1)])[0]
    graph = b.graph([x], [y, z])
    for stop in (1, 2, 3):
        order = row_order(flow_of(graph, feed=True), 0, stop)
        assert [number for number in order if number < 0] == [-1 - x.index] * 2


# Bytes reached with the kernels of least scratch: input resident and fed, scratch included. A plan
# may only become smaller.
REACHED = {
    "ad": (772, 772),
    "ic": (15_628, 12_908),
    "kws": (6_236, 5_908),
    "mbv2-w0.35": (66_864, 28_992),
    "mcunet-in1": (30_768, 18_960),
    "mcunet-vww1": (21_808, 16_768),
    "person_detect": (14_640, 14_544),
    "str_ww": (3_752, 3_752),
    "vww": (28_044, 14_640),
}


@pytest.mark.parametrize("name", sorted(REACHED))
def test_real_models_stream(name: str) -> None:
    path = MODELS / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"there is no {path.name} in {MODELS.name}/")
    graph = fold_padding(tflite.read(path.read_bytes(), name))
    for feed, reached in zip((False, True), REACHED[name], strict=True):
        plan = rows(graph, CORE, AMPLE, False, feed, slowest_tier=REFERENCE)
        assert plan is not None
        check(graph, plan, CORE, AMPLE)
        assert plan.lower_bound_bytes <= plan.total_arena_bytes <= reached


def test_fewer_regions_are_cut_where_tied_addresses_miss_the_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Addresses are tied where the input of the pool lies whole.
    monkeypatch.setattr("tinyaiot.planner.flow._sums_bytes", lambda node, roots: 0)
    path = MODELS / "kws.tflite"
    if not path.exists():
        pytest.skip(f"there is no {path.name} in {MODELS.name}/")
    core = core_by_id("cortex-m4")
    graph = tflite.read(path.read_bytes(), "kws")
    plan = rows(graph, core, AMPLE, False)
    assert plan is not None
    check(graph, plan, core, AMPLE)
    assert plan.total_arena_bytes <= 9_280
    fastest, taken = kernels(graph, core), kernels(graph, core, plan)
    assert [kernel.tier for kernel in taken] == [kernel.tier for kernel in fastest]


def test_kernels_take_scratch_where_it_is_free_and_less_where_it_is_not() -> None:
    core = core_by_id("cortex-m4")
    graph = tflite.read(DIGITS.read_bytes(), "digits")
    plan = rows(graph, core, AMPLE, False)
    assert plan is not None
    fastest, taken = kernels(graph, core), kernels(graph, core, plan)
    assert [kernel.tier for kernel in taken] == [kernel.tier for kernel in fastest]

    tight = rows(graph, core, AMPLE, False, slowest_tier=REFERENCE)
    assert tight is not None
    assert tight.total_arena_bytes < plan.total_arena_bytes
    only = (Memory("ram", tight.total_arena_bytes),)
    found = plan_model(graph, core, only, objective=Objective.RAM)
    kept = [a is b for a, b in zip(kernels(graph, core, found), fastest, strict=True)]
    # Where memory is not short, layers keep their kernels.
    assert any(kept)
    assert not all(kept)


def kernels(graph: Graph, core: Core, plan: Plan | None = None) -> list[Kernel]:
    """Of all nodes that have a table of kernels, in order; the fastest, where there is no plan."""
    return [
        operator_of(node).kernel(node, core if plan is None else plan.core_of(node.index, core))
        for node in graph.nodes
        if operator_of(node).kernels
    ]


# Bytes reached with single pixels on a Cortex-M4: input resident and fed. Only ever smaller.
PIXELS_REACHED = {
    "ad": (772, 772),
    "ic": (12_320, 9_600),
    "kws": (4_728, 4_400),
    "person_detect": (12_620, 10_700),
    "vww": (28_143, 11_279),
}


SLOW = ("person_detect", "vww")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name in sorted(PIXELS_REACHED)
    ],
)
def test_real_models_stream_by_pixels(name: str) -> None:
    path = MODELS / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"there is no {path.name} in {MODELS.name}/")
    core = core_by_id("cortex-m4")
    graph = fold_padding(tflite.read(path.read_bytes(), name))
    for feed, reached in zip((False, True), PIXELS_REACHED[name], strict=True):
        plan = rows(graph, core, AMPLE, False, feed, pixels=1)
        coarse = rows(graph, core, AMPLE, False, feed, pixels=8)
        assert plan is not None
        assert coarse is not None
        check(graph, plan, core, AMPLE)
        check(graph, coarse, core, AMPLE)
        assert plan.total_arena_bytes <= min(reached, coarse.total_arena_bytes)


def test_plans_in_blocks_with_one_thing_changed_are_refused() -> None:
    core = core_by_id("cortex-m3")
    graph = tflite.read(DIGITS.read_bytes(), "digits")
    plan = rows(graph, core, AMPLE, False, True, pixels=1)
    assert plan is not None
    assert plan.blocks
    check(graph, plan, core, AMPLE)
    fine = [graph.nodes[node].output for node in plan.blocks if node not in plan.sums]
    rings = [t.index for t in fine if plan.slots[t.index].size_bytes < t.nbytes]
    assert rings
    for index in rings:
        slot = plan.slots[index]
        for change in ({"ring_rows": slot.ring_rows - 1}, {"blocks": slot.blocks + 1}):
            slots = {**plan.slots, index: replace(slot, **change)}
            with pytest.raises(InvalidPlanError):
                check(graph, replace(plan, slots=slots), core, AMPLE)
    for node in plan.blocks:
        for number in (1, plan.blocks[node] + 1):
            blocks = {**plan.blocks, node: number}
            with pytest.raises(InvalidPlanError):
                check(graph, replace(plan, blocks=blocks), core, AMPLE)
    broken = [t.index for t in fine if plan.slots[t.index].blocks > 1]
    joining = [n for n in plan.blocks if graph.nodes[n].op == "DEPTHWISE_CONV_2D"]
    assert joining
    for node in (n for n in joining if graph.nodes[n].input(0).index in broken):
        scratch = replace(plan.scratch[node], size_bytes=plan.scratch[node].size_bytes - 4)
        with pytest.raises(InvalidPlanError):
            check(graph, replace(plan, scratch={**plan.scratch, node: scratch}), core, AMPLE)
    # The first pixel behind a window is made when the last that it needs is.
    time = next(k for k, step in enumerate(plan.steps) if step.node == 1)
    steps = plan.steps
    swapped = (*steps[: time - 1], steps[time], steps[time - 1], *steps[time + 1 :])
    with pytest.raises(InvalidPlanError):
        check(graph, replace(plan, steps=swapped), core, AMPLE)


def test_two_hundred_operators_are_planned_in_a_minute() -> None:
    b = GraphBuilder()
    x = y = b.tensor(48, 64)
    for k in range(66):
        wide = b.window(y, 1, row_bytes=128, scratch_bytes=16)
        z = b.window(wide, 3, pad=1, row_bytes=64, scratch_bytes=16)
        y = b.node([y, z], [(z.height, 64)], in_place=(0, 1))[0] if k % 8 else z
        y = b.window(y, 2, stride=2, row_bytes=64) if k % 22 == 0 else y
    graph = b.graph([x], [y])
    assert len(graph.nodes) >= 190
    start = time.process_time()
    plan = rows(graph, CORE, AMPLE, False)
    assert plan is not None
    check(graph, plan, CORE, AMPLE)
    assert time.process_time() - start < 60
