"""When each piece of memory is in use: live ranges, not tensors, get addresses.

Time counts steps. Everything is half-open: a range that is written in step 3 and read last in
step 5 lives in [3, 6).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tinyaiot.graph import Graph, Node, Tensor
from tinyaiot.operators import operator_of

SCRATCH_ALIGNMENT = 8
_TENSOR_ALIGNMENT = 4


@dataclass(frozen=True)
class LiveRange:
    """Memory that one or several tensors (aliases, in-place results) share.

    Attributes:
        tensors: those that lie there, all at its first byte.
    """

    tensors: tuple[Tensor, ...]
    size_bytes: int
    alignment: int
    start: int
    stop: int


@dataclass(frozen=True)
class InPlace:
    """Output 0 of a node is written over one of its inputs."""

    node: int
    input: int


def is_alias(node: Node) -> bool:
    """Whether output 0 is the memory of input 0, so that the node has no step."""
    return operator_of(node).is_alias(node) and not node.input(0).is_constant


def stepped(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """The nodes that compute, in order; the i-th of them runs at time i."""
    return tuple(node for node in nodes if not is_alias(node))


def activations(graph: Graph) -> tuple[Tensor, ...]:
    """Every tensor that needs memory, in the order in which it is made."""
    found = {tensor.index: tensor for tensor in graph.inputs}
    for node in graph.nodes:
        found.update((tensor.index, tensor) for tensor in (*node.activations, *node.outputs))
        views = (graph.views[t.index] for t in node.outputs if t.index in graph.views)
        found.update((view.of.index, view.of) for view in views)
    return tuple(found.values())


def alias_roots(graph: Graph) -> dict[int, Tensor]:
    """By tensor index, the tensor whose memory an activation is: itself, if no alias or view."""
    roots: dict[int, Tensor] = {tensor.index: tensor for tensor in graph.inputs}
    for index, view in graph.views.items():
        roots[view.of.index] = view.of
        roots[index] = view.of
    for node in graph.nodes:
        for k, tensor in enumerate(node.outputs):
            aliased = k == 0 and is_alias(node)
            root = roots[node.input(0).index] if aliased else tensor
            roots.setdefault(tensor.index, root)
    return roots


def bytes_into_row(graph: Graph, tensor: Tensor) -> int:
    """How far from the start of a row of its root a row of an activation begins."""
    view = graph.views.get(tensor.index)
    return 0 if view is None else view.column * tensor.row_bytes // tensor.width


def replaceable_inputs(node: Node, roots: Mapping[int, Tensor]) -> tuple[int, ...]:
    """Inputs whose memory output 0 may take over row by row, if they die in the step.

    Every operand that lies in that memory must be one that the operator may overwrite, and
    have its rows where the output's will be.
    """
    over = operator_of(node).in_place(node) if len(node.outputs) == 1 else ()
    spoilt = {
        roots[tensor.index].index
        for k, tensor in enumerate(node.inputs)
        if tensor is not None and not tensor.is_constant
        if k not in over or not _rows_lie_alike(tensor, node.output)
    }
    return tuple(
        k
        for k in over
        if (source := node.optional(k)) is not None
        and not source.is_constant
        and roots[source.index].index not in spoilt
    )


def _rows_lie_alike(source: Tensor, output: Tensor) -> bool:
    return source.height == output.height and source.row_bytes == output.row_bytes


def live_ranges(
    graph: Graph,
    order: Sequence[Node],
    in_place: Collection[InPlace] = (),
    *,
    keep_input: bool = False,
) -> tuple[LiveRange, ...]:
    """The live ranges of all activations when whole nodes run in ``order``.

    Args:
        order: nodes of the graph, topologically sorted; those that are aliases may be left out.
        in_place: results to be written over an input that dies.
        keep_input: whether the graph's inputs must outlive the inference.
    """
    roots = alias_roots(graph)
    shared = _shared_roots(graph, roots, in_place)
    starts, stops = _lifetimes(graph, order, roots, keep_input)
    members: dict[int, list[Tensor]] = {}
    for tensor in activations(graph):
        members.setdefault(shared[roots[tensor.index].index], []).append(tensor)
    return tuple(_range(tensors, roots, starts, stops) for tensors in members.values())


def in_place_choices(
    graph: Graph, order: Sequence[Node], *, keep_input: bool = False
) -> tuple[InPlace, ...]:
    """The results that may be written over an input that dies, at most one for each node."""
    roots = alias_roots(graph)
    _, stops = _lifetimes(graph, order, roots, keep_input)
    choices = []
    for time, node in enumerate(stepped(order)):
        for k in replaceable_inputs(node, roots):
            if stops[roots[node.input(k).index].index] == time + 1:
                choices.append(InPlace(node.index, k))
                break
    return tuple(choices)


def _shared_roots(
    graph: Graph, roots: dict[int, Tensor], in_place: Collection[InPlace]
) -> dict[int, int]:
    """By root index, the index of the root whose memory it takes over."""
    by_node = {choice.node: choice.input for choice in in_place}
    shared = {root.index: root.index for root in roots.values()}
    for node in graph.nodes:
        if node.index in by_node:
            source = roots[node.input(by_node[node.index]).index]
            shared[node.output.index] = shared[source.index]
    return shared


def _lifetimes(
    graph: Graph, order: Sequence[Node], roots: dict[int, Tensor], keep_input: bool
) -> tuple[dict[int, int], dict[int, int]]:
    """Start and stop of each root.

    The host writes all inputs before the first step, even those that nobody reads, and reads
    the outputs at the time after the last.
    """
    steps = stepped(order)
    kept = len(steps) + 1
    starts = {tensor.index: 0 for tensor in graph.inputs}
    stops = {tensor.index: kept if keep_input else 1 for tensor in graph.inputs}
    for time, node in enumerate(steps):
        for tensor in node.outputs:
            starts[tensor.index], stops[tensor.index] = time, time + 1
        for tensor in node.activations:
            root = roots[tensor.index].index
            stops[root] = max(stops[root], time + 1)
    for tensor in graph.outputs:
        if tensor.index in roots:
            stops[roots[tensor.index].index] = kept
    return starts, stops


def _range(
    tensors: list[Tensor],
    roots: dict[int, Tensor],
    starts: dict[int, int],
    stops: dict[int, int],
) -> LiveRange:
    indexes = {roots[tensor.index].index for tensor in tensors}
    return LiveRange(
        tensors=tuple(tensors),
        size_bytes=max(tensor.nbytes for tensor in tensors),
        alignment=math.lcm(_TENSOR_ALIGNMENT, *(tensor.dtype.nbytes for tensor in tensors)),
        start=min(starts[index] for index in indexes),
        stop=max(stops[index] for index in indexes),
    )
