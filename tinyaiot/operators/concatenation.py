"""CONCATENATION: inputs side by side along one axis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from tflite.ConcatenationOptions import ConcatenationOptions

from tinyaiot.csource import Lowered
from tinyaiot.graph import DType, Node, Tensor
from tinyaiot.operators.base import AnyArray, Columns, LowerContext, Narrowed, Operator, Rows
from tinyaiot.operators.common import Activation
from tinyaiot.operators.strided_copy import StridedCopy, elements_can_be_moved, lower_copies

_MAX_AXES = 4
_MAX_INPUTS = 10


@dataclass(frozen=True)
class ConcatenationAttributes:
    """The axis, counted from the last where negative, and the fused activation."""

    axis: int
    activation: Activation


def no_activation(node: Node) -> bool:
    """The fused activation is NONE."""
    return node.attributes.activation is Activation.NONE


def at_most_ten_inputs(node: Node) -> bool:
    """There are at most 10 inputs, of at most 4 axes."""
    return len(node.inputs) <= _MAX_INPUTS and len(node.output.shape) <= _MAX_AXES


def inputs_lie_side_by_side(node: Node) -> bool:
    """Along the axis, the inputs make up the output; along all others they have its size."""
    axis = _axis(node)
    shapes = [list(tensor.shape) for tensor in _inputs(node)]
    total = sum(shape.pop(axis) for shape in shapes)
    others = list(node.output.shape)
    return total == others.pop(axis) and all(shape == others for shape in shapes)


def quantization_is_the_outputs(node: Node) -> bool:
    """Inputs have the output's type and, where int8, its scale and zero point.

    TFLite demands that the scales are equal; convert the model again.
    """
    output = node.output
    same_type = all(tensor.dtype is output.dtype for tensor in _inputs(node))
    return same_type and (
        output.dtype is not DType.INT8
        or all(
            (tensor.scale, tensor.zero_point) == (output.scale, output.zero_point)
            for tensor in _inputs(node)
        )
    )


class Concatenation(Operator[ConcatenationAttributes]):
    """TFLM's reference_ops::Concatenation: bytes are copied as they are."""

    name = "CONCATENATION"
    rules = (
        elements_can_be_moved,
        no_activation,
        at_most_ten_inputs,
        inputs_lie_side_by_side,
        quantization_is_the_outputs,
    )

    def parse(self, options: Any, inputs: tuple[Tensor | None, ...]) -> ConcatenationAttributes:
        o = ConcatenationOptions()
        o.Init(options.Bytes, options.Pos)
        return ConcatenationAttributes(o.Axis(), Activation(o.FusedActivationFunction()))

    def is_alias(self, node: Node) -> bool:
        return len(node.inputs) == 1 and not node.input(0).is_constant

    def input_rows(self, node: Node, k: int, rows: Rows) -> Rows:
        return list(_copies(node))[k].rows(rows)

    def narrowed(self, node: Node, columns: Columns) -> Narrowed | None:
        last = len(node.output.shape) - 1
        if _axis(node) != last or any(tensor.is_constant for tensor in _inputs(node)):
            return None
        return Narrowed(dict.fromkeys(range(len(node.inputs)), columns), node.attributes)

    def evaluate(self, node: Node, inputs: list[AnyArray | None]) -> list[AnyArray]:
        return [np.concatenate([np.asarray(x) for x in inputs], axis=_axis(node))]

    def lower(self, node: Node, context: LowerContext) -> Lowered:
        if self.is_alias(node):
            return lower_copies(())
        last = len(node.inputs) - 1
        return lower_copies(
            [
                copy.call(context, suffix=f"i{k}", final=k == last)
                for k, copy in enumerate(_copies(node))
            ]
        )


def _axis(node: Node) -> int:
    axis: int = node.attributes.axis
    rank = len(node.output.shape)
    if not -rank <= axis < rank:
        raise ValueError(f"node {node.index} has {rank} axes, none of them {axis}")
    return axis % rank


def _inputs(node: Node) -> list[Tensor]:
    return [node.input(k) for k in range(len(node.inputs))]


def _copies(node: Node) -> Iterator[StridedCopy]:
    """The copy of each input."""
    axis, start = _axis(node), 0
    for tensor in _inputs(node):
        box = [Rows(0, size) for size in node.output.shape]
        box[axis] = Rows(start, start + tensor.shape[axis])
        start = box[axis].stop
        yield StridedCopy.of(tensor, node.output, box=box)


OPERATORS = (Concatenation(),)
