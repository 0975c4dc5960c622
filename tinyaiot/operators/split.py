"""SPLIT: equal parts of the input along one axis; the axis is input 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyaiot.csource import Lowered
from tinyaiot.graph import DType, Node, Tensor
from tinyaiot.operators.base import AnyArray, LowerContext, Operator, Rows
from tinyaiot.operators.strided_copy import StridedCopy, elements_can_be_moved, lower_copies


def only_input_1_is_computed(node: Node) -> bool:
    """The axis, input 0, is a constant int32; input 1 is computed at run time."""
    return node.activations == (node.input(1),) and node.input(0).dtype is DType.INT32


def outputs_are_equal_parts(node: Node) -> bool:
    """The outputs are equal parts of the input along the axis."""
    parts = list(node.input(1).shape)
    parts[_axis(node)] //= len(node.outputs)
    covered = sum(output.size for output in node.outputs) == node.input(1).size
    return covered and all(output.shape == tuple(parts) for output in node.outputs)


class Split(Operator[None]):
    """TFLM's SPLIT."""

    name = "SPLIT"
    rules = (only_input_1_is_computed, elements_can_be_moved, outputs_are_equal_parts)

    def parse(self, options: Any, inputs: tuple[Tensor | None, ...]) -> None:
        return None

    def input_rows(self, node: Node, k: int, rows: Rows) -> Rows:
        if k == 0:
            return Rows(0, node.input(0).height)
        parts = [copy.rows(rows) for copy in _copies(node)]
        return Rows(parts[0].start, parts[-1].stop)

    def evaluate(self, node: Node, inputs: list[AnyArray | None]) -> list[AnyArray]:
        return list(np.split(np.asarray(inputs[1]), len(node.outputs), axis=_axis(node)))

    def lower(self, node: Node, context: LowerContext) -> Lowered:
        return lower_copies(
            [copy.call(context, output=k, suffix=f"o{k}") for k, copy in enumerate(_copies(node))]
        )


def _axis(node: Node) -> int:
    values = node.input(0).data
    rank = len(node.input(1).shape)
    if values is None or not -rank <= values.item() < rank:
        raise ValueError(f"node {node.index} has no such axis")
    return int(values.item()) % rank


def _copies(node: Node) -> list[StridedCopy]:
    """The copy to each output."""
    source, axis = node.input(1), _axis(node)
    copies = []
    for k, output in enumerate(node.outputs):
        starts = [0] * len(source.shape)
        starts[axis] = k * output.shape[axis]
        copies.append(StridedCopy.of(source, output, starts=starts))
    return copies


OPERATORS = (Split(),)
