"""Channels that no output depends on, left out of the graph: the outputs stay what they are.

Training leaves channels that a later layer reads with weights of zero only, and channels that are
the same whatever the input is. What makes the former need not be computed; what the latter add to
a sum goes to the bias of the layer that reads them. Both follow from the weights alone: intervals
of what each channel can be go forward through the graph, what is read goes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tinyaiot.fixed_point import IntArray
from tinyaiot.graph import Graph, LeftOut, Node, Tensor
from tinyaiot.operators.base import AnyArray
from tinyaiot.operators.check import violations
from tinyaiot.operators.common import clamp_range
from tinyaiot.operators.convolution import convolution_windows
from tinyaiot.operators.linear import Linear
from tinyaiot.operators.pool_2d import PoolAttributes
from tinyaiot.operators.reduce import reduced_axes
from tinyaiot.summary import summarize

_Mask = npt.NDArray[np.bool_]

# Kernels read four channels as a word: as many stay as make a multiple of these.
_TOGETHER = 4
# What gives each channel of its output from that channel of its inputs.
_BY_CHANNEL = frozenset(
    {
        *("AVERAGE_POOL_2D", "MAX_POOL_2D", "DEPTHWISE_CONV_2D"),
        *("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "MEAN", "SUM"),
        *("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM"),
        *("RELU", "RELU6", "LEAKY_RELU", "LOGISTIC", "TANH", "HARD_SWISH", "ABS"),
    }
)
_SAME_VALUES = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS"})
_INT8 = np.iinfo(np.int8)
_INT32 = np.iinfo(np.int32)


@dataclass(frozen=True, eq=False)
class _Range:
    """What the elements of each channel of a tensor can be, both ends included.

    Attributes:
        low, high: int64 [channels].
    """

    low: IntArray
    high: IntArray

    @property
    def is_constant(self) -> _Mask:
        return np.equal(self.low, self.high)


def leave_out_dead_channels(graph: Graph) -> Graph:
    """``graph`` without the channels that none of its outputs depends on.

    Nodes and tensors keep their numbers; ``Tensor.taken`` says which channels are left. A graph
    without such channels is returned itself.
    """
    ranges = _ranges(graph)
    kept = _kept(graph, ranges)
    if all(mask.all() for mask in kept.values()):
        return graph
    smaller = _Rewriting(graph, ranges, kept).graph()
    if smaller is None or any(rule for node in smaller.nodes for rule in violations(node)):
        return graph
    before, after = summarize(graph), summarize(smaller)
    left_out = LeftOut(
        channels=sum(int((~kept[node.output]).sum()) for node in graph.nodes if _has_filters(node)),
        macs=before.macs - after.macs,
        weights_bytes=before.weights_bytes - after.weights_bytes,
    )
    return replace(smaller, left_out=left_out)


def _kept(graph: Graph, ranges: Mapping[Tensor, _Range]) -> Mapping[Tensor, _Mask]:
    """Of each activation, which channels stay; tensors that share their channels share the mask."""
    shared = _SharedChannels(graph)
    kept: dict[Tensor, _Mask] = {}
    for group in shared.groups:
        mask = np.full(next(iter(group)).channels, not group.isdisjoint(shared.whole))
        kept.update(dict.fromkeys(group, mask))
    before = -1
    while before != (before := _count(kept)):
        _keep_what_is_read(graph, ranges, kept)
        for group in shared.groups:
            _round_up(graph, group, kept[next(iter(group))])
    return kept


def _keep_what_is_read(
    graph: Graph, ranges: Mapping[Tensor, _Range], kept: Mapping[Tensor, _Mask]
) -> None:
    """Adds to what is kept all that it depends on."""
    before = -1
    while before != (before := _count(kept)):
        for node in filter(_reads_filters, reversed(graph.nodes)):
            source = node.input(0)
            kept[source][:] |= _nonzero(node, kept[node.output]) & ~_foldable(node, ranges[source])


def _count(kept: Mapping[Tensor, _Mask]) -> int:
    return sum(int(mask.sum()) for mask in kept.values())


def _round_up(graph: Graph, group: frozenset[Tensor], mask: _Mask) -> None:
    """To a multiple of ``_TOGETHER``: of channels that nothing reads, those of fewest taps stay."""
    wanted = max(-(-int(mask.sum()) // _TOGETHER), 1) * _TOGETHER
    missing, spare = wanted - int(mask.sum()), np.flatnonzero(~mask)
    if missing and len(spare):
        by_taps = np.argsort(_taps(graph, group)[spare], kind="stable")
        mask[spare[by_taps][:missing]] = True


def _taps(graph: Graph, group: frozenset[Tensor]) -> IntArray:
    """How many weights each channel of the group's tensors is made with."""
    taps = np.zeros(next(iter(group)).channels, np.int64)
    for node in filter(_reads_filters, graph.nodes):
        if node.output in group:
            taps += np.count_nonzero(_by_input_channel(node), axis=(1, 2))
    return taps


class _SharedChannels:
    """Which tensors have to have the same channels.

    Attributes:
        groups: of all activations.
        whole: tensors that keep all their channels: the model's own, and those of operators of
            which nothing is known here.
    """

    def __init__(self, graph: Graph) -> None:
        self._group = {tensor: frozenset({tensor}) for tensor in _activations(graph)}
        self.whole: set[Tensor] = {*graph.inputs, *graph.outputs}
        for node in graph.nodes:
            tensors = (*node.activations, *node.outputs)
            if _works_by_channel(node):
                self._join(tensors)
            elif not _reads_filters(node):
                self.whole.update(tensors)
        self.groups = list(dict.fromkeys(self._group.values()))

    def _join(self, tensors: Iterable[Tensor]) -> None:
        joined = frozenset().union(*(self._group[tensor] for tensor in tensors))
        for tensor in joined:
            self._group[tensor] = joined


def _activations(graph: Graph) -> list[Tensor]:
    made = (tensor for node in graph.nodes for tensor in (*node.activations, *node.outputs))
    return list(dict.fromkeys((*graph.inputs, *made)))


def _has_filters(node: Node) -> bool:
    return node.op in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def _reads_filters(node: Node) -> bool:
    """Whether each output channel is a sum over whole pixels of input 0."""
    if node.op not in ("CONV_2D", "FULLY_CONNECTED") or node.input(0).is_constant:
        return False
    return node.input(1).shape[-1] == node.input(0).channels


def _works_by_channel(node: Node) -> bool:
    """Whether a channel of the output is made of that channel of all inputs that are computed."""
    if node.op not in _BY_CHANNEL or len(node.outputs) != 1:
        return False
    output = node.output
    if node.op == "DEPTHWISE_CONV_2D":
        return node.input(0).channels == output.channels
    if node.op in ("MEAN", "SUM"):
        return len(node.input(0).shape) - 1 not in reduced_axes(node)
    constants = [t for t in node.inputs[1:] if t is not None and t.is_constant]
    is_reshape = node.op in _SAME_VALUES
    return (is_reshape or all(t.size == 1 for t in constants)) and all(
        t.channels == output.channels and (is_reshape or len(t.shape) == len(output.shape))
        for t in node.activations
    )


def _by_input_channel(node: Node) -> npt.NDArray[np.int8]:
    """Filters as [channels, taps of a channel, input channels]."""
    filters = _constant(node.input(1))
    return filters.reshape(len(filters), -1, filters.shape[-1])


def _nonzero(node: Node, outputs: _Mask) -> _Mask:
    """Which input channels some of these outputs have a weight for."""
    read: _Mask = np.any(_by_input_channel(node)[outputs] != 0, axis=(0, 1))
    return read


def _foldable(node: Node, source: _Range) -> _Mask:
    """Which input channels add the same to every sum, whatever the input and wherever the window.

    Padding is of zero points, and without a bias there is nothing to add to.
    """
    adds_nothing = np.equal(source.low, node.input(0).zero_point)
    if node.optional(2) is not None and not _is_padded(node):
        adds_nothing = np.ones_like(adds_nothing)
    return source.is_constant & adds_nothing


def _is_padded(node: Node) -> bool:
    if node.op == "FULLY_CONNECTED":
        return False
    return any(window.is_padded for window in convolution_windows(node))


def _ranges(graph: Graph) -> dict[Tensor, _Range]:
    ranges = {tensor: _any_value(tensor) for tensor in _activations(graph)}
    for node in graph.nodes:
        if _reads_filters(node) or (_works_by_channel(node) and _has_filters(node)):
            ranges[node.output] = _range_of_sums(node, ranges[node.input(0)])
        elif _works_by_channel(node) and isinstance(node.attributes, PoolAttributes):
            ranges[node.output] = _clamped(node, ranges[node.input(0)])
        elif _works_by_channel(node) and node.op in _SAME_VALUES:
            ranges[node.output] = ranges[node.input(0)]
    return ranges


def _any_value(tensor: Tensor) -> _Range:
    ends = np.ones(tensor.channels, np.int64)
    return _Range(ends * int(_INT8.min), ends * int(_INT8.max))


def _range_of_sums(node: Node, source: _Range) -> _Range:
    """Of a node with filters: requantization never decreases."""
    linear = Linear.of(node)
    zero_point, low, high = linear.in_zero_point, source.low, source.high
    if _is_padded(node):
        low, high = np.minimum(low, zero_point), np.maximum(high, zero_point)
    if node.op == "DEPTHWISE_CONV_2D":
        weights = linear.filters.astype(np.int64)
        low, high = low[:, np.newaxis], high[:, np.newaxis]
    else:
        weights = _by_input_channel(node).astype(np.int64)
    at_ends = weights * (low - zero_point), weights * (high - zero_point)
    axes = tuple(range(1, weights.ndim))
    return _Range(
        linear.outputs(np.minimum(*at_ends).sum(axis=axes)).astype(np.int64),
        linear.outputs(np.maximum(*at_ends).sum(axis=axes)).astype(np.int64),
    )


def _clamped(node: Node, source: _Range) -> _Range:
    """Of a pool: what it makes of elements lies between them."""
    low, high = clamp_range(node.attributes.activation, node.output)
    return _Range(np.clip(source.low, low, high), np.clip(source.high, low, high))


class _Rewriting:
    """Makes the smaller graph."""

    def __init__(
        self, graph: Graph, ranges: Mapping[Tensor, _Range], kept: Mapping[Tensor, _Mask]
    ) -> None:
        self._graph = graph
        self._ranges = ranges
        self._kept = kept
        self._made = {tensor: _narrowed(tensor, mask) for tensor, mask in kept.items()}

    def graph(self) -> Graph | None:
        """None where a bias would leave its type."""
        nodes = [self._node(node) for node in self._graph.nodes]
        if any(node is None for node in nodes):
            return None
        return replace(self._graph, nodes=tuple(node for node in nodes if node is not None))

    def _node(self, node: Node) -> Node | None:
        constants: dict[int, Tensor | None] = {}
        if _reads_filters(node):
            constants = {1: self._weights(node, self._kept[node.input(0)]), 2: self._bias(node)}
            if node.optional(2) is not None and constants[2] is None:
                return None
        elif _has_filters(node) and _works_by_channel(node):
            constants = {1: self._weights(node, None), 2: self._bias(node)}
        inputs = [
            constants.get(k, None if t is None else self._made.get(t, t))
            for k, t in enumerate(node.inputs)
        ]
        outputs = tuple(self._made[tensor] for tensor in node.outputs)
        return replace(node, inputs=tuple(inputs), outputs=outputs)

    def _weights(self, node: Node, inputs: _Mask | None) -> Tensor:
        """Of the filters that stay; and of each the input channels that do, if it has several."""
        weights, outputs = node.input(1), self._kept[node.output]
        data = _constant(weights)
        axis = 0 if inputs is not None else data.ndim - 1
        data = np.compress(outputs, data, axis=axis)
        if inputs is not None:
            data = np.compress(inputs, data, axis=data.ndim - 1)
        return _with_data(weights, data, outputs)

    def _bias(self, node: Node) -> Tensor | None:
        """With what constant channels that are left out would add; None where there is none, or
        it would leave its type."""
        bias = node.optional(2)
        if bias is None:
            return None
        sums = _constant(bias).astype(np.int64).reshape(-1)
        if _reads_filters(node):
            source, known = node.input(0), self._ranges[node.input(0)]
            gone = ~self._kept[source]
            taps = _by_input_channel(node).sum(axis=1, dtype=np.int64)
            added = taps * (known.low - source.zero_point)
            sums = sums + added[:, gone].sum(axis=1)
        sums = sums[self._kept[node.output]]
        if sums.min() < _INT32.min or sums.max() > _INT32.max:
            return None
        return _with_data(bias, sums.astype(np.int32), self._kept[node.output])


def _constant(tensor: Tensor) -> AnyArray:
    if tensor.data is None:
        raise ValueError(f"{tensor.name!r} is not constant")
    return tensor.data


def _with_data(tensor: Tensor, data: AnyArray, channels: _Mask) -> Tensor:
    """A constant with other values, and the scales of the channels that it still has."""
    quantization = tensor.quantization
    if quantization is not None and quantization.per_channel:
        quantization = replace(
            quantization,
            scales=tuple(np.compress(channels, quantization.scales).tolist()),
            zero_points=tuple(np.compress(channels, quantization.zero_points).tolist()),
        )
    return replace(tensor, shape=data.shape, data=data, quantization=quantization)


def _narrowed(tensor: Tensor, mask: _Mask) -> Tensor:
    if mask.all():
        return tensor
    taken = tuple(np.flatnonzero(mask).tolist())
    return replace(tensor, shape=(*tensor.shape[:-1], len(taken)), taken=taken)
