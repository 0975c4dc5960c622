"""The plain strategy: every tensor whole, every node one step over all its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tinyaiot.cores import Core
from tinyaiot.graph import Graph, Node
from tinyaiot.operators import operator_of
from tinyaiot.operators.base import PORTABLE
from tinyaiot.plan import Memory, Plan, Scratch, Slot, Step
from tinyaiot.planner.liveness import (
    SCRATCH_ALIGNMENT,
    LiveRange,
    in_place_choices,
    live_ranges,
    stepped,
)
from tinyaiot.planner.order import Order, best_order
from tinyaiot.planner.problem import Buffer, Problem, Solution, live_bytes, lower_bound
from tinyaiot.planner.solver import solve

# Beyond this many in-place results they are not left out one by one.
_VARIED_CHOICES = 16


@dataclass(frozen=True)
class _Layout:
    """Order and in-place results chosen, and what they leave to be placed.

    Attributes:
        steps: the nodes that compute; the i-th runs at time i.
        ranges: live ranges of tensors.
        buffers: of the ranges, then the scratch of each step.
    """

    steps: tuple[Node, ...]
    ranges: tuple[LiveRange, ...]
    buffers: tuple[Buffer, ...]


def plain(graph: Graph, core: Core, memories: Sequence[Memory], keep_input: bool) -> Plan | None:
    """Whole nodes in the best order found, results over dying inputs where that is safe; with the
    fastest kernels, or where their scratch does not fit, with those whose scratch finds room."""
    order = best_order(graph, core, keep_input=keep_input)
    plan = _best_plan(graph, core, memories, keep_input, order, {})
    if plan is not None:
        return plan
    limits = _scratch_limits(graph, core, memories, keep_input, order)
    return None if limits is None else _best_plan(graph, core, memories, keep_input, order, limits)


def with_room(graph: Graph, core: Core, memory: Memory, keep_input: bool) -> Plan | None:
    """The same in one memory, where kernels that need room have what others leave them of it; None
    where there is none for any, or addresses cannot be met."""
    order = best_order(graph, core, keep_input=keep_input)
    limits = {
        node.index: room
        for node, room in _rooms(graph, core, memory.capacity_bytes, keep_input, order)
        if operator_of(node).fits_in_room(node, core, room)
    }
    return _best_plan(graph, core, (memory,), keep_input, order, limits) if limits else None


def _scratch_limits(
    graph: Graph, core: Core, memories: Sequence[Memory], keep_input: bool, order: Order
) -> dict[int, int] | None:
    """By index of a node, what tensors leave for its kernel; None where some kernel needs more."""
    capacity = sum(memory.capacity_bytes for memory in memories)
    limits = {}
    for node, room in _rooms(graph, core, capacity, keep_input, order):
        op = operator_of(node)
        kernel_bytes = op.kernel(node, core).scratch_bytes(node, core) if op.kernels else 0
        if room < kernel_bytes:
            if room < op.least_scratch(node, core, PORTABLE):
                return None
            limits[node.index] = room
    return limits


def _rooms(
    graph: Graph, core: Core, capacity: int, keep_input: bool, order: Order
) -> Iterator[tuple[Node, int]]:
    """Nodes, and what tensors and row pointers leave of so many bytes while each runs."""
    choices = in_place_choices(graph, order.nodes, keep_input=keep_input)
    ranges = live_ranges(graph, order.nodes, choices, keep_input=keep_input)
    tensors = _buffers((), ranges, core, {})
    for time, node in enumerate(order.nodes):
        op = operator_of(node)
        kernel_bytes = op.kernel(node, core).scratch_bytes(node, core) if op.kernels else 0
        pointer_bytes = op.scratch_bytes(node, core) - kernel_bytes
        yield node, capacity - live_bytes(tensors, time) - pointer_bytes


def _best_plan(
    graph: Graph,
    core: Core,
    memories: Sequence[Memory],
    keep_input: bool,
    order: Order,
    limits: Mapping[int, int],
) -> Plan | None:
    """Of all layouts, with limits to the scratch of kernels by index of a node."""
    best: tuple[_Layout, Solution] | None = None
    for layout in _layouts(graph, core, order, keep_input, limits):
        if best is not None and lower_bound(layout.buffers) >= best[1].total_bytes:
            continue
        solution = solve(Problem(layout.buffers, tuple(memories)))
        if solution is not None and (best is None or solution.total_bytes < best[1].total_bytes):
            best = (layout, solution)
    return None if best is None else _plan(*best, order, keep_input, limits)


def _layouts(
    graph: Graph, core: Core, order: Order, keep_input: bool, limits: Mapping[int, int]
) -> Iterator[_Layout]:
    """Layouts worth trying, the most promising first.

    Sharing memory never raises what is live at once, but it ties a result to its input's
    address; so results are also tried without.
    """
    for nodes in dict.fromkeys((order.nodes, stepped(graph.nodes))):
        choices = in_place_choices(graph, nodes, keep_input=keep_input)
        variants = [choices]
        if len(choices) <= _VARIED_CHOICES:
            variants += [choices[:k] + choices[k + 1 :] for k in range(len(choices))]
        for variant in dict.fromkeys((*variants, ())):
            ranges = live_ranges(graph, nodes, variant, keep_input=keep_input)
            yield _Layout(nodes, ranges, _buffers(nodes, ranges, core, limits))


def _buffers(
    nodes: Sequence[Node], ranges: Sequence[LiveRange], core: Core, limits: Mapping[int, int]
) -> tuple[Buffer, ...]:
    tensors = [Buffer(r.size_bytes, r.alignment, r.start, r.stop) for r in ranges]
    scratch = [
        Buffer(
            operator_of(node).scratch_bytes(node, core.with_scratch_limit(limits.get(node.index))),
            SCRATCH_ALIGNMENT,
            time,
            time + 1,
        )
        for time, node in enumerate(nodes)
    ]
    return (*tensors, *scratch)


def _plan(
    layout: _Layout,
    solution: Solution,
    order: Order,
    keep_input: bool,
    limits: Mapping[int, int],
) -> Plan:
    count = len(layout.ranges)
    slots = {
        tensor.index: Slot(at.memory, at.offset_bytes, tensor.row_bytes, tensor.height)
        for live, at in zip(layout.ranges, solution.locations[:count], strict=True)
        for tensor in live.tensors
    }
    placed = zip(layout.steps, layout.buffers[count:], solution.locations[count:], strict=True)
    return Plan(
        strategy="plain",
        steps=tuple(
            Step(node.index, 0, node.output.height, live_bytes(layout.buffers, time))
            for time, node in enumerate(layout.steps)
        ),
        slots=slots,
        scratch={
            node.index: Scratch(at.memory, at.offset_bytes, buffer.size_bytes)
            for node, buffer, at in placed
            if buffer.size_bytes
        },
        arena_bytes=solution.used_bytes,
        lower_bound_bytes=lower_bound(layout.buffers) if limits else order.lower_bound_bytes,
        extra_macs=0,
        input_preserved=keep_input,
        scratch_limits=limits,
    )
