"""The checker against real execution: what it accepts runs right, what runs wrong it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings

from tests.support.fake import (
    CORE,
    Fake,
    GraphBuilder,
    fake_operators,  # noqa: F401
    graphs,
    reference,
    runs_right,
)
from tinyaiot.graph import Graph, Tensor
from tinyaiot.operators.base import Rows
from tinyaiot.plan import Memory, Plan, Scratch, Slot, Step
from tinyaiot.planner import plan_model
from tinyaiot.planner.checker import InvalidPlanError, check

pytestmark = pytest.mark.usefixtures("fake_operators")
MEMORIES = (Memory("ram", 1 << 16), Memory("fast", 1 << 16))


def accepted(graph: Graph, plan: Plan) -> bool:
    try:
        check(graph, plan, CORE, MEMORIES)
    except InvalidPlanError:
        return False
    return True


def mutations(plan: Plan) -> Iterator[Plan]:
    """Plans with one thing changed; some of them happen to be right all the same."""
    for index, slot in plan.slots.items():
        for shift in (-8, -4, 1, 4, 8, 12):
            moved = replace(slot, offset_bytes=slot.offset_bytes + shift)
            yield replace(plan, slots={**plan.slots, index: moved})
        for other in plan.slots.values():
            moved = replace(slot, offset_bytes=other.offset_bytes)
            yield replace(plan, slots={**plan.slots, index: moved})
        yield replace(plan, slots={**plan.slots, index: replace(slot, memory="fast")})
        if slot.ring_rows > 1:
            shrunk = replace(slot, ring_rows=slot.ring_rows - 1)
            yield replace(plan, slots={**plan.slots, index: shrunk})
        narrowed = replace(slot, pitch_bytes=slot.pitch_bytes - 1)
        yield replace(plan, slots={**plan.slots, index: narrowed})
    for node, scratch in plan.scratch.items():
        for slot in plan.slots.values():
            moved_scratch = replace(scratch, offset_bytes=slot.offset_bytes // 8 * 8)
            yield replace(plan, scratch={**plan.scratch, node: moved_scratch})
        shrunk_scratch = replace(scratch, size_bytes=scratch.size_bytes - 1)
        yield replace(plan, scratch={**plan.scratch, node: shrunk_scratch})
    for node, sums in plan.sums.items():
        for other in (*plan.slots.values(), *plan.scratch.values()):
            moved_sums = replace(sums, offset_bytes=other.offset_bytes)
            yield replace(plan, sums={**plan.sums, node: moved_sums})
        yield replace(plan, sums={k: v for k, v in plan.sums.items() if k != node})
    steps = plan.steps
    for k, step in enumerate(steps):
        yield replace(plan, steps=steps[:k] + steps[k + 1 :])
        yield replace(plan, steps=(*steps[: k + 1], *steps[k:]))
        for later in range(k + 1, len(steps)):
            swapped = list(steps)
            swapped[k], swapped[later] = swapped[later], swapped[k]
            yield replace(plan, steps=tuple(swapped))
        if step.y_stop - step.y_start > 1:
            shorter = replace(step, y_stop=step.y_stop - 1)
            yield replace(plan, steps=(*steps[:k], shorter, *steps[k + 1 :]))
    yield replace(plan, arena_bytes={name: size - 4 for name, size in plan.arena_bytes.items()})
    yield replace(plan, input_preserved=not plan.input_preserved)


def compare_with_execution(graph: Graph, plan: Plan) -> tuple[int, int, int]:
    """Mutates ``plan``; returns how many mutants run wrong, how many of these are refused, and
    how many mutants there are."""
    expected = reference(graph)
    assert accepted(graph, plan)
    assert runs_right(graph, plan, expected)
    wrong = refused = total = 0
    for mutant in mutations(plan):
        total += 1
        if not runs_right(graph, mutant, expected):
            wrong += 1
            refused += not accepted(graph, mutant)
    return wrong, refused, total


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_what_runs_wrong_is_refused(graph: Graph) -> None:
    wrong, refused, _ = compare_with_execution(graph, plan_model(graph, CORE, MEMORIES))
    assert refused == wrong


def residual() -> Graph:
    """Two windows beside a shortcut, an addition in place, a reduction; scratch in places."""
    b = GraphBuilder()
    x = b.tensor(8, 12)
    first = b.window(x, 3, pad=1, row_bytes=12, scratch_bytes=12)
    second = b.window(first, 3, pad=1, row_bytes=12, scratch_bytes=20)
    added = b.node([x, second], [(8, 12)], in_place=(0, 1))[0]
    down = b.window(added, 2, stride=2, row_bytes=8, scratch_bytes=8)
    flat = b.node([down], [(1, down.nbytes)], alias=True)[0]
    logits = b.node([flat], [(1, 10)], kernel=0, scratch_bytes=4)[0]
    return b.graph([x], [logits])


def test_mutants_of_a_residual_block_are_refused() -> None:
    graph = residual()
    wrong, refused, total = compare_with_execution(graph, plan_model(graph, CORE, MEMORIES))
    # Of the others some are right all the same: moved to bytes that happen to be free.
    assert (wrong, refused) == (wrong, wrong)
    assert refused >= 0.7 * total


def streamed(graph: Graph, rings: dict[int, int], fed: bool = False) -> Plan:
    """A chain made row by row on demand, each tensor in a ring of its own, side by side.

    Args:
        rings: rows held, by tensor index; of the others, all.
        fed: whether the input's rows arrive one by one.
    """
    slots: dict[int, Slot] = {}
    offset = 0
    for tensor in (*graph.inputs, *(node.output for node in graph.nodes)):
        pitch = tensor.row_bytes
        slots[tensor.index] = Slot("ram", offset, pitch, rings.get(tensor.index, tensor.height))
        offset = -(-(offset + slots[tensor.index].size_bytes) // 8) * 8
    scratch = {}
    for node in graph.nodes:
        size = Fake().scratch_bytes(node, CORE)
        if size:
            scratch[node.index] = Scratch("ram", offset, size)
    arena = offset + max((s.size_bytes for s in scratch.values()), default=0)
    steps: list[Step] = []
    made = dict.fromkeys(slots, 0)
    producer = {node.output.index: node for node in graph.nodes}

    def ensure(tensor: Tensor, rows: int) -> None:
        while made[tensor.index] < rows:
            y = made[tensor.index]
            node = producer.get(tensor.index)
            if node is not None:
                for k, source in enumerate(node.activations):
                    ensure(source, Fake().input_rows(node, k, Rows(y, y + 1)).stop)
            elif not fed:
                return
            made[tensor.index] += 1
            steps.append(Step(-1 if node is None else node.index, y, y + 1, arena))

    ensure(graph.outputs[0], graph.outputs[0].height)
    # Rows that no later row needs are still the graph's to make.
    for node in graph.nodes:
        ensure(node.output, node.output.height)
    return Plan("streamed", tuple(steps), slots, scratch, {"ram": arena}, 0, 0, not fed)


def chain() -> Graph:
    b = GraphBuilder()
    x = b.tensor(12, 8)
    first = b.window(x, 3, pad=1, row_bytes=12, scratch_bytes=12)
    second = b.window(first, 3, stride=2, pad=1, row_bytes=8, scratch_bytes=12)
    third = b.window(second, 2, row_bytes=4)
    return b.graph([x], [third])


@pytest.mark.parametrize("fed", [False, True])
def test_streamed_plans_with_rings_are_accepted(fed: bool) -> None:
    graph = chain()
    rings = {1: 3, 2: 2} | ({0: 3} if fed else {})
    plan = streamed(graph, rings, fed)
    check(graph, plan, CORE, MEMORIES)
    assert runs_right(graph, plan, reference(graph))
    wrong, refused, total = compare_with_execution(graph, plan)
    assert refused == wrong > 0.7 * total


@pytest.mark.parametrize("tensor", [0, 1, 2])
def test_a_ring_that_is_one_row_short_is_refused(tensor: int) -> None:
    rings = {0: 3, 1: 3, 2: 2}
    rings[tensor] -= 1
    with pytest.raises(InvalidPlanError, match=r"of 't\d' is not there"):
        check(chain(), streamed(chain(), rings, fed=True), CORE, MEMORIES)


def refusal(graph: Graph, plan: Plan) -> str:
    with pytest.raises(InvalidPlanError) as error:
        check(graph, plan, CORE, MEMORIES)
    return str(error.value)


def one_node(**attributes: object) -> tuple[Graph, Plan]:
    b = GraphBuilder()
    x = b.tensor(4, 8)
    y = b.node([x], [(4, 8)], **attributes)[0]
    graph = b.graph([x], [y])
    return graph, plan_model(graph, CORE, MEMORIES, keep_input=True)


def test_each_rule_refuses() -> None:
    graph, plan = one_node(scratch_bytes=16)
    slots, step = plan.slots, plan.steps[0]
    scratch = plan.scratch[0]

    def with_slot(index: int, **change: int) -> Plan:
        return replace(plan, slots={**slots, index: replace(slots[index], **change)})

    def with_scratch(**change: int) -> Plan:
        return replace(plan, scratch={0: replace(scratch, **change)})

    over_input = with_slot(1, offset_bytes=slots[0].offset_bytes)
    assert "'t1' overwrites 't0'" in refusal(graph, over_input)
    assert "leave the arena" in refusal(graph, with_slot(1, offset_bytes=1 << 12))
    assert "misaligned" in refusal(graph, with_slot(1, offset_bytes=slots[1].offset_bytes + 2))
    assert "does not lie whole" in refusal(graph, with_slot(1, ring_rows=3))
    assert "rows of 't0' overlap" in refusal(graph, with_slot(0, pitch_bytes=7))
    assert "has no slot" in refusal(graph, replace(plan, slots={0: slots[0]}))
    assert "needs 16 bytes of scratch" in refusal(graph, with_scratch(size_bytes=15))
    on_output = with_scratch(offset_bytes=slots[1].offset_bytes)
    assert "scratch overlaps 't1'" in refusal(graph, on_output)
    on_input = with_scratch(offset_bytes=slots[0].offset_bytes)
    assert "of 't0' is not there" in refusal(graph, on_input)
    assert "has no scratch" in refusal(graph, replace(plan, scratch={}))
    assert "never made" in refusal(graph, replace(plan, steps=()))
    assert "made twice" in refusal(graph, replace(plan, steps=(step, step)))
    assert "no such rows" in refusal(graph, replace(plan, steps=(replace(step, y_stop=5),)))
    assert "no such node" in refusal(graph, replace(plan, steps=(replace(step, node=1),)))
    assert "no such input" in refusal(graph, replace(plan, steps=(replace(step, node=-2), step)))
    assert "exceed the capacity" in refusal(graph, replace(plan, arena_bytes={"ram": 1 << 17}))
    assert "no memory 'rom'" in refusal(graph, replace(plan, arena_bytes={"rom": 100}))


def test_only_operators_that_say_so_work_in_place() -> None:
    graph, plan = one_node(in_place=(0,))
    same = replace(plan, slots={0: plan.slots[0], 1: plan.slots[0]}, input_preserved=False)
    check(graph, same, CORE, MEMORIES)
    assert "arrives" not in refusal(graph, replace(same, input_preserved=True))
    # Rows that do not lie alike are not replaced one by one.
    shifted = replace(plan.slots[0], offset_bytes=plan.slots[0].offset_bytes + 4)
    plan = replace(same, slots={0: plan.slots[0], 1: shifted})
    assert "overwrites" in refusal(graph, plan)


def test_rows_that_arrive_come_in_order_and_are_not_kept() -> None:
    graph = chain()
    plan = streamed(graph, {0: 3, 1: 3, 2: 2}, fed=True)
    first, second = (k for k, step in enumerate(plan.steps[:3]) if step.node < 0)
    steps = list(plan.steps)
    steps[first], steps[second] = steps[second], steps[first]
    assert "row 0 of 't0' comes next" in refusal(graph, replace(plan, steps=tuple(steps)))
    whole = replace(plan, slots={**plan.slots, 0: Slot("fast", 0, 8, 12)}, input_preserved=True)
    whole = replace(whole, arena_bytes={**plan.arena_bytes, "fast": 96})
    assert "cannot stay" in refusal(graph, whole)
