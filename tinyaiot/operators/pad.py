"""PAD and PADV2: constants around the input, along any axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyaiot.csource import Lowered
from tinyaiot.graph import DType, Node, Tensor
from tinyaiot.operators.base import AnyArray, Columns, LowerContext, Narrowed, Operator, Rows
from tinyaiot.operators.strided_copy import (
    StridedCopy,
    elements_can_be_moved,
    lower_copies,
    only_input_0_is_computed,
)

_MAX_AXES = 5

# (before, after) along the rows and along the columns.
Around = tuple[tuple[int, int], tuple[int, int]]


def paddings_are_constant(node: Node) -> bool:
    """The paddings are constant int32, none negative, and make the output's shape."""
    source, paddings = node.input(0), node.input(1)
    if paddings.data is None or paddings.dtype is not DType.INT32:
        return False
    around = _paddings(node)
    shape = tuple(b + n + a for n, (b, a) in zip(source.shape, around, strict=True))
    return min(min(pair) for pair in around) >= 0 and shape == node.output.shape


def at_most_five_axes(node: Node) -> bool:
    """The input has at most five axes."""
    return len(node.input(0).shape) <= _MAX_AXES


def value_is_constant(node: Node) -> bool:
    """The value, where there is one, is a constant of the output's type and quantization."""
    value, output = node.optional(2), node.output
    if value is None:
        return True
    same = value.dtype is output.dtype and value.quantization == output.quantization
    return value.size == 1 and value.is_constant and same


def value_repeats_one_byte(node: Node) -> bool:
    """The padding's value is int8, or made of equal bytes, as 0 is."""
    return len(set(_value(node).tobytes())) == 1


class Pad(Operator[None]):
    """TFLM's reference_ops::Pad; int8 is padded with the output's zero point."""

    name = "PAD"
    rules = (
        only_input_0_is_computed,
        elements_can_be_moved,
        at_most_five_axes,
        paddings_are_constant,
        value_is_constant,
        value_repeats_one_byte,
    )

    def parse(self, options: Any, inputs: tuple[Tensor | None, ...]) -> None:
        return None

    def is_alias(self, node: Node) -> bool:
        return _copy(node).is_identity

    def input_rows(self, node: Node, k: int, rows: Rows) -> Rows:
        return _copy(node).rows(rows)

    def narrowed(self, node: Node, columns: Columns) -> Narrowed | None:
        around = _paddings(node)
        before, _ = around[-2]
        width = node.input(0).shape[-2]
        start, stop = columns.start - before, columns.stop - before
        read = Columns(max(start, 0), min(stop, width))
        around[-2] = (read.start - start, stop - read.stop)
        if read.count <= 0:
            return None
        shape = node.input(1).shape
        paddings = np.array(around, np.int32).reshape(shape)
        return Narrowed({0: read}, node.attributes, {1: paddings})

    def evaluate(self, node: Node, inputs: list[AnyArray | None]) -> list[AnyArray]:
        x = inputs[0]
        if x is None:
            raise ValueError(f"node {node.index} lacks an input")
        return [np.pad(x, _paddings(node), constant_values=_value(node).item())]

    def lower(self, node: Node, context: LowerContext) -> Lowered:
        if self.is_alias(node):
            return lower_copies(())
        fill = int(_value(node).reshape(-1).view(np.int8)[0])
        return lower_copies((_copy(node).call(context, fill=fill),))


class PadV2(Pad):
    """TFLM's PADV2: the value is input 2."""

    name = "PADV2"


def zero_points_around(node: Node) -> Around | None:
    """Rows and columns that are put around an int8 picture; None where it is anything else that
    is padded, along another axis, or with another value than the zero point."""
    output = node.output
    if len(output.shape) != 4 or output.dtype is not DType.INT8:
        return None
    batch, rows, columns, channels = _paddings(node)
    beside = batch != (0, 0) or channels != (0, 0)
    return None if beside or int(_value(node)[0]) != output.zero_point else (rows, columns)


def _paddings(node: Node) -> list[tuple[int, int]]:
    """Elements before and after the input along each axis."""
    values = node.input(1).data
    if values is None:
        raise ValueError(f"node {node.index} has paddings that are not constant")
    return [(int(before), int(after)) for before, after in values.reshape(-1, 2)]


def _value(node: Node) -> AnyArray:
    """The value of the padding, one element of the output's type."""
    value, output = node.optional(2), node.output
    if value is not None and value.data is not None:
        return value.data.reshape(1)
    zero = output.zero_point if output.dtype is DType.INT8 else 0
    return np.full(1, zero, output.dtype.numpy)


def _copy(node: Node) -> StridedCopy:
    source = node.input(0)
    box = [
        Rows(before, before + size)
        for size, (before, _) in zip(source.shape, _paddings(node), strict=True)
    ]
    return StridedCopy.of(source, node.output, box=box)


OPERATORS = (Pad(), PadV2())
