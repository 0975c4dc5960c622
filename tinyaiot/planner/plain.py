"""The plain strategy: every tensor whole, every node one step over all its rows."""

from __future__ import annotations

from collections.abc import Sequence

from tinyaiot.cores import Core
from tinyaiot.errors import DoesNotFitError
from tinyaiot.graph import Graph, Node
from tinyaiot.plan import Memory, Plan, Scratch, Slot, Step
from tinyaiot.planner.liveness import (
    LiveRange,
    alias_roots,
    in_place_choices,
    live_ranges,
    planning_problem,
    stepped,
)
from tinyaiot.planner.problem import Buffer, Location, Problem, Solution, live_bytes, solve


def plain(graph: Graph, core: Core, memories: Sequence[Memory], keep_input: bool) -> Plan:
    """Nodes in the graph's order, each whole; raises DoesNotFitError."""
    order = graph.nodes
    choices = in_place_choices(graph, order, keep_input=keep_input)
    ranges = live_ranges(graph, order, choices, keep_input=keep_input)
    problem = planning_problem(graph, order, ranges, core, memories)
    solution = solve(problem)
    if solution is None:
        raise DoesNotFitError("the model does not fit", "use a board with more RAM")
    return _plan(graph, order, ranges, problem, solution)


def _plan(
    graph: Graph,
    order: Sequence[Node],
    ranges: Sequence[LiveRange],
    problem: Problem,
    solution: Solution,
) -> Plan:
    steps = stepped(order)
    slots = {
        tensor.index: Slot(where.memory, where.offset_bytes, tensor.row_bytes, tensor.height)
        for live, where in zip(ranges, solution.locations, strict=False)
        for tensor in live.tensors
    }
    scratch = {
        node.index: Scratch(where.memory, where.offset_bytes, buffer.size_bytes)
        for node, buffer, where in zip(
            steps,
            problem.buffers[len(ranges) :],
            solution.locations[len(ranges) :],
            strict=True,
        )
        if buffer.size_bytes
    }
    return Plan(
        strategy="plain",
        steps=tuple(
            Step(node.index, 0, node.output.height, live_bytes(problem.buffers, time))
            for time, node in enumerate(steps)
        ),
        slots=slots,
        scratch=scratch,
        arena_bytes=solution.used_bytes,
        lower_bound_bytes=solution.lower_bound_bytes,
        extra_macs=0,
        input_preserved=_input_preserved(graph, ranges, problem, solution),
    )


def _input_preserved(
    graph: Graph, ranges: Sequence[LiveRange], problem: Problem, solution: Solution
) -> bool:
    """Whether nothing is ever written to the bytes of an input."""
    roots = alias_roots(graph)
    placed = tuple(zip(problem.buffers, solution.locations, strict=True))
    for i, live in enumerate(ranges):
        if live.tensors[0] not in graph.inputs:
            continue
        if any(roots[tensor.index] not in graph.inputs for tensor in live.tensors):
            return False
        if any(_share_bytes(placed[i], other) for other in placed[:i] + placed[i + 1 :]):
            return False
    return True


def _share_bytes(a: tuple[Buffer, Location], b: tuple[Buffer, Location]) -> bool:
    (buffer, at), (other, other_at) = a, b
    return (
        at.memory == other_at.memory
        and at.offset_bytes < other_at.offset_bytes + other.size_bytes
        and other_at.offset_bytes < at.offset_bytes + buffer.size_bytes
    )
