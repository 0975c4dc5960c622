"""Plans: every one passes the checker and runs right; the order and the arena are the best."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.fake import (
    CORE,
    GraphBuilder,
    fake,  # noqa: F401
    fake_operators,  # noqa: F401
    graphs,
    reference,
    runs_right,
)
from tinyaiot.cores import CORES
from tinyaiot.errors import DoesNotFitError
from tinyaiot.frontends import tflite
from tinyaiot.graph import DType, Graph, Node, Tensor
from tinyaiot.plan import Memory, Plan
from tinyaiot.planner import STRATEGIES, plan_model
from tinyaiot.planner.checker import check
from tinyaiot.planner.explain import live_buffers, moments
from tinyaiot.planner.order import best_order

pytestmark = pytest.mark.usefixtures("fake_operators")
AMPLE = (Memory("ram", 1 << 24),)
MODELS = Path(__file__).parents[2] / "shared" / "models"


@settings(max_examples=120, deadline=None)
@given(graphs(max_nodes=8), st.booleans(), st.sampled_from(sorted(STRATEGIES)))
def test_every_plan_passes_the_checker_and_runs_right(
    graph: Graph, keep_input: bool, strategy: str
) -> None:
    plan = plan_model(graph, CORE, AMPLE, keep_input=keep_input, strategy=strategy)
    check(graph, plan, CORE, AMPLE)
    assert runs_right(graph, plan, reference(graph))
    assert plan.input_preserved == keep_input
    assert plan.lower_bound_bytes <= plan.total_arena_bytes
    assert all(0 < step.live_bytes <= plan.total_arena_bytes for step in plan.steps)
    assert plan == plan_model(graph, CORE, AMPLE, keep_input=keep_input, strategy=strategy)


@settings(max_examples=100, deadline=None)
@given(graphs(max_nodes=6))
def test_plans_spread_over_several_memories(graph: Graph) -> None:
    whole = plan_model(graph, CORE, AMPLE).total_arena_bytes
    # Each holds the largest buffer, neither holds everything.
    largest = max(slot.size_bytes for slot in plan_model(graph, CORE, AMPLE).slots.values())
    memories = (Memory("a", max(whole - 4, largest)), Memory("b", whole))
    plan = plan_model(graph, CORE, memories)
    check(graph, plan, CORE, memories)
    assert runs_right(graph, plan, reference(graph))


def sort_topologically(graph: Graph) -> Iterator[list[Node]]:
    """All orders of the nodes that are no alias."""
    producer = {t.index: n for n in graph.nodes for t in n.outputs}

    def computed(tensor: Tensor) -> int | None:
        node = producer.get(tensor.index)
        if node is None:
            return None
        return computed(node.input(0)) if node.attributes.alias else node.index

    nodes = [node for node in graph.nodes if not node.attributes.alias]
    needs = {n.index: {computed(t) for t in n.activations} - {None} for n in nodes}
    for order in itertools.permutations(nodes):
        done: set[int | None] = set()
        for node in order:
            if not needs[node.index] <= done:
                break
            done.add(node.index)
        else:
            yield list(order)


def peak(graph: Graph, order: list[Node], keep_input: bool) -> int:
    """The most bytes in use when whole nodes run in ``order``, written down naively."""
    memory_of: dict[int, int] = {}
    for tensor in graph.inputs:
        memory_of[tensor.index] = tensor.index
    for node in graph.nodes:
        for tensor in node.outputs:
            alias = node.attributes.alias
            memory_of[tensor.index] = memory_of[node.input(0).index] if alias else tensor.index
    sizes = {memory_of[t.index]: t.nbytes for t in (*graph.inputs, *made(graph))}
    kept = {memory_of[t.index] for t in graph.outputs}
    kept |= {t.index for t in graph.inputs} if keep_input else set()
    live = {t.index for t in graph.inputs}
    most = sum(sizes[m] for m in live)
    for k, node in enumerate(order):
        still_read = {memory_of[t.index] for later in order[k + 1 :] for t in later.activations}
        born = {t.index for t in node.outputs}
        over = [
            memory_of[node.input(i).index]
            for i in node.attributes.in_place
            if memory_of[node.input(i).index] not in still_read | kept
            and all(
                j in node.attributes.in_place
                and (t.height, t.row_bytes) == (node.output.height, node.output.row_bytes)
                for j, t in enumerate(node.activations)
                if memory_of[t.index] == memory_of[node.input(i).index]
            )
        ]
        most = max(
            most,
            sum(sizes[m] for m in live | born)
            - (node.output.nbytes if over else 0)
            + node.attributes.scratch_bytes,
        )
        live = {m for m in live | born if m in still_read | kept}
    return most


def made(graph: Graph) -> list[Tensor]:
    return [t for node in graph.nodes if not node.attributes.alias for t in node.outputs]


@settings(max_examples=120, deadline=None)
@given(graphs(max_nodes=6), st.booleans())
def test_order_equals_brute_force(graph: Graph, keep_input: bool) -> None:
    order = best_order(graph, CORE, keep_input=keep_input)
    peaks = [peak(graph, nodes, keep_input) for nodes in sort_topologically(graph)]
    given_order = [node for node in graph.nodes if not node.attributes.alias]
    assert order.peak_bytes == peak(graph, list(order.nodes), keep_input) == min(peaks)
    assert order.optimal
    if peak(graph, given_order, keep_input) == min(peaks):
        assert list(order.nodes) == given_order


def bush() -> Graph:
    """Two branches, each with a large moment: to finish one before the other is best."""
    b = GraphBuilder()
    x = b.tensor(4, 4)
    large = [b.node([x], [(16, 20)], kernel=0)[0] for _ in range(3)]
    small = [b.node([t], [(1, 4)], kernel=0)[0] for t in large]
    y = b.node(small, [(1, 4)], kernel=0)[0]
    return b.graph([x], [y])


def test_branches_are_finished_one_after_the_other() -> None:
    graph = bush()
    given_order = [0, 1, 2, 3, 4, 5, 6]
    plan = plan_model(graph, CORE, AMPLE)
    assert [step.node for step in plan.steps] == [0, 3, 1, 4, 2, 5, 6]
    # One large tensor beside the input and the two small results.
    assert plan.total_arena_bytes == plan.lower_bound_bytes == 16 + 320 + 4 + 4
    assert peak(graph, [graph.nodes[k] for k in given_order], False) == 16 + 3 * 320


def test_a_node_that_reads_two_results_of_another_runs_after_it() -> None:
    b = GraphBuilder()
    x = b.tensor(1, 1)
    left, right = b.node([x], [(1, 1), (1, 4)])
    small = b.node([b.node([x], [(1, 1)])[0]], [(1, 1)])[0]
    large = b.node([left, right], [(1, 5)])[0]
    graph = b.graph([x], [x, small, b.node([large], [(1, 1)])[0]])
    check(graph, plan_model(graph, CORE, AMPLE), CORE, AMPLE)


def test_a_budget_leaves_the_given_order_and_an_honest_bound() -> None:
    graph = bush()
    hurried, best = best_order(graph, CORE, budget=2), best_order(graph, CORE)
    assert hurried.nodes == graph.nodes
    assert hurried.lower_bound_bytes <= best.peak_bytes < hurried.peak_bytes
    assert not hurried.optimal
    assert best.optimal


def sizes_of(graph: Graph, plan: Plan) -> tuple[int, bool]:
    check(graph, plan, CORE, AMPLE)
    return plan.total_arena_bytes, plan.input_preserved


def test_a_dying_operand_is_overwritten_and_a_kept_one_is_not() -> None:
    b = GraphBuilder()
    x = b.tensor(4, 8)
    y = b.node([x], [(4, 8)], in_place=(0,))[0]
    graph = b.graph([x], [y])
    assert sizes_of(graph, plan_model(graph, CORE, AMPLE)) == (32, False)
    assert sizes_of(graph, plan_model(graph, CORE, AMPLE, keep_input=True)) == (64, True)
    both = b.graph([x], [x, y])
    assert sizes_of(both, plan_model(both, CORE, AMPLE)) == (64, False)


def test_one_tensor_consumed_twice_by_a_node() -> None:
    for in_place, size in (((0, 1), 32), ((0,), 64), ((1,), 64), ((), 64)):
        b = GraphBuilder()
        x = b.tensor(4, 8)
        y = b.node([x, x], [(4, 8)], in_place=in_place)[0]
        graph = b.graph([x], [y])
        assert sizes_of(graph, plan_model(graph, CORE, AMPLE))[0] == size


def test_an_output_that_is_an_alias_of_an_input() -> None:
    b = GraphBuilder()
    x = b.tensor(4, 8)
    y = b.node([x], [(1, 32)], alias=True)[0]
    graph = b.graph([x], [y])
    plan = plan_model(graph, CORE, AMPLE, keep_input=True)
    assert sizes_of(graph, plan) == (32, True)
    assert plan.steps == ()
    assert plan.slots[y.index].offset_bytes == plan.slots[x.index].offset_bytes


def test_an_output_that_is_used_later_outlives_its_reader() -> None:
    b = GraphBuilder()
    x = b.tensor(4, 8)
    y = b.node([x], [(4, 8)], in_place=(0,))[0]
    z = b.node([y], [(4, 8)], in_place=(0,))[0]
    w = b.node([z], [(4, 8)], in_place=(0,))[0]
    graph = b.graph([x], [y, w])
    assert sizes_of(graph, plan_model(graph, CORE, AMPLE)) == (64, False)


def test_unread_inputs_and_unused_outputs_have_their_place() -> None:
    b = GraphBuilder()
    x, unread = b.tensor(4, 8), b.tensor(4, 4)
    y, unused = b.node([x], [(4, 8), (4, 4)])
    graph = b.graph([x, unread], [y])
    plan = plan_model(graph, CORE, AMPLE)
    check(graph, plan, CORE, AMPLE)
    assert {unread.index, unused.index} <= set(plan.slots)


def test_wide_elements_are_aligned() -> None:
    b = GraphBuilder()
    x = b.tensor(1, 3)
    y = b.node([x], [(2, 16)], dtype=DType.INT64)[0]
    z = b.node([y], [(1, 1)], kernel=0, scratch_bytes=5)[0]
    graph = b.graph([x], [z])
    plan = plan_model(graph, CORE, AMPLE)
    assert plan.slots[y.index].offset_bytes % 8 == 0
    assert plan.scratch[1].offset_bytes % 8 == 0


def test_what_does_not_fit_says_why() -> None:
    b = GraphBuilder()
    x = b.tensor(10, 100)
    y = b.window(x, 3, pad=1, row_bytes=200, scratch_bytes=12)
    z = b.node([y], [(1, 10)], kernel=0)[0]
    graph = b.graph([x], [z])
    memories = (Memory("sram", 2000), Memory("ccm", 500))
    # Where row y of t1 is made, rows from y - 1 on of t0 are still needed: at most 200 bytes more
    # than t1 alone, and the scratch.
    with pytest.raises(DoesNotFitError, match="2,212 bytes"):
        plan_model(graph, CORE, memories)
    with pytest.raises(DoesNotFitError) as error:
        plan_model(graph, CORE, memories, strategy="plain")
    assert "3,012 bytes" in error.value.what
    assert "1,012 more than the 2,000 left in sram" in error.value.what
    assert "ccm" in error.value.what
    details = "\n".join(error.value.details)
    assert "layer 0 FAKE: 3,012 bytes" in details
    assert "2,000 bytes: t1" in details
    assert "1,000 bytes: t0 (input)" in details
    assert "12 bytes: layer 0 FAKE (scratch)" in details
    assert "(plain) need at least 3,012 bytes, more than there is" in details
    assert error.value.exit_code == 5
    assert "--feed rows" in error.value.hint


def test_a_plain_plan_takes_kernels_whose_scratch_finds_room() -> None:
    """For each of ever smaller memories, until nothing plain fits."""
    path = Path(__file__).parents[1] / "examples" / "digits" / "digits.tflite"
    graph, core = tflite.read(path.read_bytes(), "digits"), CORES["cortex-m3"]
    capacity, limited = 1 << 20, 0
    while True:
        memories = (Memory("ram", capacity),)
        plan = STRATEGIES["plain"](graph, core, memories, False)
        if plan is None:
            break
        check(graph, plan, core, memories)
        assert plan.lower_bound_bytes <= plan.total_arena_bytes <= capacity
        limited += bool(plan.scratch_limits)
        capacity = plan.total_arena_bytes - 4
    assert limited


@settings(max_examples=50, deadline=None)
@given(graphs(max_nodes=6))
def test_live_buffers_explain_live_bytes(graph: Graph) -> None:
    plan = plan_model(graph, CORE, AMPLE)
    for step, buffers in zip(plan.steps, live_buffers(graph, plan), strict=True):
        assert sum(b.size_bytes for b in buffers if not b.in_place) == step.live_bytes
    timeline = moments(graph, plan)
    assert [m.start for m in timeline] == [0, *(m.stop for m in timeline)][: len(timeline)]
    assume(plan.steps)
    assert timeline[-1].stop == len(plan.steps)


# Bytes of activations, layer by layer, without scratch.
ACTIVATIONS = {
    "ad": 768,
    "ic": 49_152,
    "kws": 16_000,
    "mbv2-w0.35": None,
    "mcunet-in1": None,
    "mcunet-vww1": None,
    "person_detect": 55_296,
    "str_ww": 6_656,
    "vww": 55_296,
}


def load(name: str) -> Graph:
    path = MODELS / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"there is no {path.name} in {MODELS.name}/")
    return tflite.read(path.read_bytes(), name)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_real_models_need_their_activations_and_scratch(name: str) -> None:
    graph = load(name)
    plan = plan_model(graph, CORE, AMPLE)
    scratch = max(s.size_bytes for s in plan.scratch.values())
    known = ACTIVATIONS[name]
    if known is not None:
        # Neighbours must be aligned for scratch, hence the last few bytes.
        assert plan.total_arena_bytes <= known + scratch + 8
    assert plan.total_arena_bytes - plan.lower_bound_bytes < 8
    assert plan.worst_step.live_bytes <= plan.total_arena_bytes


def test_plans_do_not_depend_on_the_hash_seed() -> None:
    program = (
        "from tests.test_planner import *\nwith fake():\n    print(plan_model(bush(), CORE, AMPLE))"
    )
    prints = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert prints[0] == prints[1]
    assert "Plan(" in prints[0]
