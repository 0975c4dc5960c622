"""PAD folded into the convolutions behind it: their windows then reach beyond the input.

PyTorch's exporters, among others, write a convolution's padding as an operator of its own. A
window reads zero points beyond its input at no cost, so that the padded copy need not exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tinyaiot.graph import Graph, Node, Tensor
from tinyaiot.operators.check import violations
from tinyaiot.operators.convolution import ConvolutionAttributes, convolution_windows
from tinyaiot.operators.pad import Around, zero_points_around

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


def fold_padding(graph: Graph) -> Graph:
    """``graph`` without each PAD of zero points that only convolutions read, if all can pad so.

    Nodes are numbered anew; tensors keep their indexes. A graph without such a PAD is returned
    itself.
    """
    nodes = list(graph.nodes)
    for pad in graph.nodes:
        folded = None if pad.output in graph.outputs else _folded(pad, nodes)
        if folded is not None:
            nodes = folded
    if len(nodes) == len(graph.nodes):
        return graph
    return replace(graph, nodes=tuple(replace(node, index=k) for k, node in enumerate(nodes)))


def _folded(pad: Node, nodes: Sequence[Node]) -> list[Node] | None:
    """The nodes without ``pad``; None where some reader needs what it makes."""
    around = zero_points_around(pad) if pad.op in ("PAD", "PADV2") else None
    if around is None:
        return None
    without: list[Node] = []
    for node in nodes:
        reader: Node | None = node
        if any(tensor is pad.output for tensor in node.inputs):
            reader = _padding_itself(node, pad.input(0), around)
        if reader is None:
            return None
        if node is not pad:
            without.append(reader)
    return without


def _padding_itself(node: Node, source: Tensor, around: Around) -> Node | None:
    """A convolution of ``source`` with that padding more; None where it cannot be one.

    A window that lies beside its input altogether is none that kernels have to take.
    """
    attributes = node.attributes
    if node.op not in _CONVOLUTIONS or not isinstance(attributes, ConvolutionAttributes):
        return None
    sides = []
    for window, (before, after) in zip(convolution_windows(node), around, strict=True):
        sides.append((window.pad_before + before, window.pad_after + after))
        if max(sides[-1]) >= window.reach:
            return None
    padded = replace(
        node,
        inputs=(source, *node.inputs[1:]),
        attributes=replace(attributes, pad_rows=sides[0], pad_columns=sides[1]),
    )
    return None if any(violations(padded)) else padded
