"""Which float tensor stands for which int8 one, where names do not say it.

Files that one converter made of one network give their tensors like names. Those of two tools do
not, so that the rest is found by structure: convolutions and dense layers by their weights, which
quantizing changes by no more than a level; and what is between them by what it reads. Operators
that only rename or reshape are looked through, and an activation function is the same fused into
its layer or apart from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tinyaiot.graph import DType, Graph, Node, Tensor
from tinyaiot.operators.common import Activation

# What computes nothing: the values stay, in another shape or type.
_TRANSPARENT = frozenset({"QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS"})
_LINEAR = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"})
# Weights as close as this, as the cosine between them, are the same weights rounded.
_ALIKE = 0.99

# A tensor's name, as far as it is the same in both models, and its shape.
_Key = tuple[str, tuple[int, ...]]


def match(graph: Graph, original: Graph) -> dict[int, int]:
    """The float tensor for each quantized activation of the int8 graph that has one, by index.

    Args:
        graph: the int8 model.
        original: the float model; tensors that stand for each other have one shape, but for what
            reshaping does, which keeps the order of elements.
    """
    pairs = _Pairs(_Structure(graph), _Structure(original))
    by_name = _by_name(graph, original)
    by_structure = {
        int8.index: real.index for tensor in _quantized(graph) for int8, real in pairs.of(tensor)
    }
    return by_structure | by_name


def _quantized(graph: Graph) -> Iterator[Tensor]:
    for tensor in (*graph.inputs, *(node.output for node in graph.nodes)):
        if tensor.quantization is not None:
            yield tensor


def _by_name(graph: Graph, original: Graph) -> dict[int, int]:
    computed = (*original.inputs, *(t for node in original.nodes for t in node.outputs))
    found = {
        _key(tensor): tensor.index
        for tensor in computed
        if tensor.dtype is DType.FLOAT32 and len(tensor.shape) > 1
    }
    return {t.index: found[_key(t)] for t in _quantized(graph) if _key(t) in found}


def _key(tensor: Tensor) -> _Key:
    # The converter strings together the names of all operations that it fused, the last one first;
    # which of the others follow differs between float and int8.
    return tensor.name.split(";")[0], tensor.shape


class _Structure:
    """A graph with a root for each tensor: what it is but for shape and type.

    Attributes:
        nodes: those that compute.
        same: tensors by their root's index, in the order in which they are computed.
    """

    def __init__(self, graph: Graph) -> None:
        self.inputs = graph.inputs
        self.nodes = [node for node in graph.nodes if node.op not in _TRANSPARENT]
        self._roots: dict[int, Tensor] = {}
        self.same: dict[int, list[Tensor]] = {t.index: [t] for t in graph.inputs}
        self.readers: dict[int, list[Node]] = {}
        for node in graph.nodes:
            if node.op in _TRANSPARENT and node.activations:
                self._roots[node.output.index] = self.root(node.activations[0])
            self.same.setdefault(self.root(node.output).index, []).append(node.output)
        for node in self.nodes:
            for tensor in node.activations:
                self.readers.setdefault(self.root(tensor).index, []).append(node)

    def root(self, tensor: Tensor) -> Tensor:
        """The tensor that others only rename or reshape."""
        return self._roots.get(tensor.index, tensor)

    def activated(self, node: Node) -> tuple[Activation, Tensor]:
        """The activation function of a node, fused or apart, and what is after it."""
        fused: Activation = getattr(node.attributes, "activation", Activation.NONE)
        readers = self.readers.get(node.output.index, [])
        if fused is Activation.NONE and len(readers) == 1 and readers[0].op in _APART:
            return _APART[readers[0].op], readers[0].output
        return fused, node.output


# Operators that can be fused into the one before.
_APART = {"RELU": Activation.RELU, "RELU6": Activation.RELU6}


@dataclass
class _Pairs:
    """Roots of the int8 model that stand for roots of the float one."""

    int8: _Structure
    real: _Structure
    _found: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for a, b in zip(self.int8.inputs, self.real.inputs, strict=False):
            self._found[a.index] = b.index
        taken: set[int] = set()
        for node in self.int8.nodes:
            partner = self._partner(node, taken)
            if partner is not None:
                taken.add(partner.index)
                self._pair(node, partner)

    def of(self, tensor: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """The tensor with its float one, if there is one: of the same shape, or else reshaped."""
        root = self._found.get(self.int8.root(tensor).index)
        same = [] if root is None else self.real.same[root]
        fitting = [t for t in same if t.dtype is DType.FLOAT32 and t.size == tensor.size]
        if fitting:
            yield tensor, next((t for t in fitting if t.shape == tensor.shape), fitting[0])

    def _pair(self, node: Node, partner: Node) -> None:
        (int8, after), (real, before) = self.int8.activated(node), self.real.activated(partner)
        if int8 is real:
            self._found[after.index] = before.index
        if after is not node.output and before is not partner.output:
            self._found[node.output.index] = partner.output.index

    def _partner(self, node: Node, taken: set[int]) -> Node | None:
        free = [
            other
            for other in self.real.nodes
            if other.index not in taken
            and _kind(other) == _kind(node)
            and other.output.shape == node.output.shape
        ]
        if node.op in _LINEAR:
            return self._by_weights(node, free)
        read = [self._found.get(self.int8.root(tensor).index) for tensor in node.activations]
        reading = [other for other in free if self._reads(other) == read]
        return reading[0] if reading and None not in read else None

    def _reads(self, node: Node) -> list[int]:
        return [self.real.root(tensor).index for tensor in node.activations]

    def _by_weights(self, node: Node, free: list[Node]) -> Node | None:
        weights = _weights(node)
        if weights is None:
            return None
        best, closest = None, _ALIKE
        for other in free:
            theirs = _weights(other)
            if theirs is not None and theirs.shape == weights.shape:
                product = np.linalg.norm(weights) * np.linalg.norm(theirs)
                cosine = float(np.vdot(weights, theirs) / product) if product else 0.0
                if cosine > closest:
                    best, closest = other, cosine
        return best


def _kind(node: Node) -> str:
    """The operator; of one channel, a depthwise convolution is like any other."""
    one = node.op == "DEPTHWISE_CONV_2D" and node.activations[0].shape[-1] == 1
    return "CONV_2D" if one else node.op


def _weights(node: Node) -> npt.NDArray[np.float64] | None:
    """The weights of a layer as real numbers, filters first; None where they are computed."""
    tensor = node.optional(1)
    if tensor is None or tensor.data is None:
        return None
    values: npt.NDArray[np.float64] = tensor.data.astype(np.float64)
    if tensor.quantization is not None:
        axes = [1] * values.ndim
        axes[tensor.quantization.axis] = len(tensor.quantization.scales)
        values *= np.reshape(tensor.quantization.scales, axes)
    return np.swapaxes(values, 0, -1) if node.op == "DEPTHWISE_CONV_2D" else values
