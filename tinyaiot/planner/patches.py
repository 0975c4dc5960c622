"""Patches: the first layers of a graph in strips of columns, as another graph.

The graph of a patched plan has a node for each layer in each strip, one strip after the other,
then the layers behind. Nodes of a strip are as wide as what the strip's part of the boundary (the
one tensor that leaves the first layers) needs of them; those parts are views of the boundary.
What two strips need of a layer is computed in both.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tinyaiot.graph import Graph, Node, Tensor, View
from tinyaiot.operators import operator_of
from tinyaiot.operators.base import Columns, Narrowed
from tinyaiot.plan import Patches, Plan
from tinyaiot.planner.liveness import is_alias


class NoSuchStripsError(ValueError):
    """Layers cannot run in the strips that were asked for."""


@dataclass(frozen=True)
class Part:
    """Of which layer of the model, and from which column on, a node's output is."""

    layer: int
    column: int


@dataclass(frozen=True)
class InputPart:
    """Of which input of the model, and from which column on, an input of the plan is."""

    input: int
    column: int


@dataclass(frozen=True, eq=False)
class PlannedGraph:
    """The graph whose nodes and tensors a plan means.

    Attributes:
        parts: by node.
        inputs: by input.
    """

    graph: Graph
    parts: tuple[Part, ...]
    inputs: tuple[InputPart, ...]


def planned_graph(graph: Graph, plan: Plan) -> PlannedGraph:
    """The graph that ``plan`` is about: ``graph`` itself, or its strips."""
    if plan.patches is None:
        return PlannedGraph(
            graph,
            tuple(Part(node.index, 0) for node in graph.nodes),
            tuple(InputPart(k, 0) for k in range(len(graph.inputs))),
        )
    return patched(graph, plan.patches, feed=plan.is_fed)


def boundaries(graph: Graph) -> Iterator[tuple[int, Tensor]]:
    """Where the first layers may end, and the one tensor that leaves them, in ascending order."""
    for count in range(1, len(graph.nodes) + 1):
        first = graph.nodes[:count]
        if not _can_be_narrowed(first[-1]):
            return
        boundary = _boundary(graph, count)
        if boundary is not None:
            yield count, boundary


def _can_be_narrowed(node: Node) -> bool:
    four_axes = all(len(t.shape) == 4 for t in (*node.activations, *node.outputs))
    if not four_axes or len(node.outputs) > 1 or is_alias(node) or not node.activations:
        return False
    return operator_of(node).narrowed(node, Columns(0, node.output.width)) is not None


def _boundary(graph: Graph, count: int) -> Tensor | None:
    """What leaves the first ``count`` layers, if it is one tensor, that of the last of them."""
    later = {t.index for node in graph.nodes[count:] for t in node.activations}
    later.update(tensor.index for tensor in graph.outputs)
    *inner, last = (node.output for node in graph.nodes[:count])
    leaves = last.index in later and not any(tensor.index in later for tensor in inner)
    return last if leaves else None


def patched(graph: Graph, patches: Patches, *, feed: bool) -> PlannedGraph:
    """``graph`` with its first layers in strips.

    Args:
        feed: whether the rows of the inputs arrive, those of each strip by themselves.

    Raises:
        NoSuchStripsError: these layers cannot run in such strips.
    """
    return _Patching(graph, patches, feed).run()


def columns_needed(graph: Graph, layers: int, columns: Columns) -> dict[int, Columns]:
    """By tensor, what the first ``layers`` layers make and read where the last makes ``columns``.

    Raises:
        NoSuchStripsError: an operator cannot do that.
    """
    needed = {graph.nodes[layers - 1].output.index: columns}
    for node in reversed(graph.nodes[:layers]):
        _narrow(node, needed)
    return needed


def _narrow(node: Node, needed: dict[int, Columns]) -> Narrowed:
    """The node as a strip has it; adds to ``needed``, which has its output, what it reads."""
    wanted = needed.get(node.output.index)
    found = None if wanted is None else operator_of(node).narrowed(node, wanted)
    if found is None:
        raise NoSuchStripsError(f"layer {node.index} cannot make columns {wanted}")
    for k, columns in found.reads.items():
        before = needed.setdefault(node.input(k).index, columns)
        needed[node.input(k).index] = Columns(
            min(before.start, columns.start), max(before.stop, columns.stop)
        )
    return found


class _Patching:
    """Collects nodes, views and inputs, strip by strip."""

    def __init__(self, graph: Graph, patches: Patches, feed: bool) -> None:
        self._graph = graph
        self._patches = patches
        self._feed = feed
        boundary = _boundary(graph, patches.layers)
        if boundary is None or not all(map(_can_be_narrowed, graph.nodes[: patches.layers])):
            raise NoSuchStripsError(f"the first {patches.layers} layers cannot run in strips")
        if patches.columns[0] != 0 or patches.columns[-1] != boundary.width:
            raise NoSuchStripsError(f"{patches.columns} are not the columns of {boundary.name!r}")
        if feed and (len(graph.inputs) > 1 or self._inputs_are_read_later()):
            raise NoSuchStripsError("the rows of the input are needed behind the strips, too")
        self._boundary = boundary
        self._next_tensor = 1 + max(t.index for t in _tensors(graph))
        self._nodes: list[Node] = []
        self._parts: list[Part] = []
        self._views: dict[int, View] = {}
        self._inputs: list[tuple[Tensor, InputPart]] = []

    def run(self) -> PlannedGraph:
        graph, layers = self._graph, self._patches.layers
        for start, stop in itertools.pairwise(self._patches.columns):
            self._add_strip(Columns(start, stop))
        for node in graph.nodes[layers:]:
            self._nodes.append(replace(node, index=len(self._nodes)))
            self._parts.append(Part(node.index, 0))
        inputs = self._inputs
        if not self._feed:
            inputs = [(tensor, InputPart(k, 0)) for k, tensor in enumerate(graph.inputs)]
        strips = Graph(
            graph.name,
            tuple(self._nodes),
            tuple(tensor for tensor, _ in inputs),
            graph.outputs,
            self._views,
        )
        return PlannedGraph(strips, tuple(self._parts), tuple(part for _, part in inputs))

    def _inputs_are_read_later(self) -> bool:
        later = self._graph.nodes[self._patches.layers :]
        return any(t in node.activations for node in later for t in self._graph.inputs)

    def _add_strip(self, columns: Columns) -> None:
        layers = self._graph.nodes[: self._patches.layers]
        needed = {self._boundary.index: columns}
        narrowed: dict[int, Narrowed] = {}
        for node in reversed(layers):
            narrowed[node.index] = _narrow(node, needed)
        made: dict[int, tuple[Tensor, Columns]] = {}
        for k, tensor in enumerate(self._graph.inputs):
            if tensor.index in needed:
                made[tensor.index] = self._input(k, tensor, needed[tensor.index])
        for node in layers:
            self._add_node(node, narrowed[node.index], needed[node.output.index], made)

    def _input(self, number: int, tensor: Tensor, columns: Columns) -> tuple[Tensor, Columns]:
        if not self._feed:
            return tensor, Columns(0, tensor.width)
        part = self._narrower(tensor, columns)
        self._inputs.append((part, InputPart(number, columns.start)))
        return part, columns

    def _add_node(
        self,
        node: Node,
        narrowed: Narrowed,
        columns: Columns,
        made: dict[int, tuple[Tensor, Columns]],
    ) -> None:
        operands = list(node.inputs)
        for k, read in narrowed.reads.items():
            operands[k] = self._read(*made[node.input(k).index], read)
        for k, values in narrowed.constants.items():
            operands[k] = replace(node.input(k), index=self._take_index(), data=values)
        output = self._narrower(node.output, columns)
        made[node.output.index] = (output, columns)
        if node.output is self._boundary:
            self._views[output.index] = View(self._boundary, columns.start)
        new = replace(
            node,
            index=len(self._nodes),
            inputs=tuple(operands),
            outputs=(output,),
            attributes=narrowed.attributes,
        )
        if is_alias(new):
            raise NoSuchStripsError(f"layer {node.index} does nothing in one of the strips")
        self._nodes.append(new)
        self._parts.append(Part(node.index, columns.start))

    def _read(self, tensor: Tensor, there: Columns, read: Columns) -> Tensor:
        """Columns of a tensor that has more of them, perhaps."""
        if read == there:
            return tensor
        view = self._narrower(tensor, read)
        self._views[view.index] = View(tensor, read.start - there.start)
        return view

    def _narrower(self, tensor: Tensor, columns: Columns) -> Tensor:
        shape = (*tensor.shape[:-2], columns.count, tensor.shape[-1])
        name = f"{tensor.name}, columns {columns.start}:{columns.stop}"
        return replace(tensor, index=self._take_index(), name=name, shape=shape)

    def _take_index(self) -> int:
        self._next_tensor += 1
        return self._next_tensor - 1


def _tensors(graph: Graph) -> Iterator[Tensor]:
    yield from graph.inputs
    for node in graph.nodes:
        yield from (tensor for tensor in node.inputs if tensor is not None)
        yield from node.outputs
