"""What a model is, in numbers: one row for each layer, and the totals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tinyaiot.graph import Graph, LeftOut, Node, Tensor
from tinyaiot.operators import operator_of


@dataclass(frozen=True)
class Layer:
    """One node of the graph.

    Attributes:
        name: of its first output, as in the file.
        shape: of its first output.
        macs: multiply-accumulates of one inference.
        weights_bytes: its quantized constants, biases included, as stored in the file.
    """

    index: int
    name: str
    op: str
    shape: tuple[int, ...]
    dtype: str
    macs: int
    weights_bytes: int


@dataclass(frozen=True)
class ModelSummary:
    """The whole graph; ``weights_bytes`` counts what layers share once.

    Attributes:
        left_out: what the model's file has beside these layers.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    layers: tuple[Layer, ...]
    macs: int
    weights_bytes: int
    left_out: LeftOut

    @property
    def ops(self) -> tuple[str, ...]:
        """The different operators, in alphabetical order."""
        return tuple(sorted({layer.op for layer in self.layers}))


def summarize(graph: Graph) -> ModelSummary:
    """The summary of a graph that a frontend has read."""
    layers = tuple(_layer(node) for node in graph.nodes)
    return ModelSummary(
        name=graph.name,
        inputs=tuple(describe(tensor) for tensor in graph.inputs),
        outputs=tuple(describe(tensor) for tensor in graph.outputs),
        layers=layers,
        macs=sum(layer.macs for layer in layers),
        weights_bytes=_weights_bytes(t for node in graph.nodes for t in node.inputs),
        left_out=graph.left_out,
    )


def describe_left_out(left_out: LeftOut) -> tuple[str, str]:
    """What was left out, and how much that was, each a line."""
    return (
        f"{left_out.channels:,} channels that no output depends on:",
        f"{left_out.macs:,} MACs, {left_out.weights_bytes:,} bytes of weights",
    )


def describe(tensor: Tensor) -> str:
    """A tensor's type and shape, for example ``int8 1x49x10x1``."""
    return f"{tensor.dtype.value} {format_shape(tensor.shape)}"


def format_shape(shape: tuple[int, ...]) -> str:
    """A shape as ``1x49x10x1``."""
    return "x".join(str(axis) for axis in shape) or "scalar"


def _layer(node: Node) -> Layer:
    output = node.output
    return Layer(
        index=node.index,
        name=output.name,
        op=node.op,
        shape=output.shape,
        dtype=output.dtype.value,
        macs=operator_of(node).macs(node),
        weights_bytes=_weights_bytes(node.inputs),
    )


def _weights_bytes(operands: Iterable[Tensor | None]) -> int:
    # Constants without a scale are shapes, axes and paddings, which the generator resolves.
    constants = {t for t in operands if t is not None and t.is_constant and t.quantization}
    return sum(tensor.nbytes for tensor in constants)
