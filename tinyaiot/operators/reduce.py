"""MEAN and SUM: int8, over any axes of a tensor of up to four."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from tflite.ReducerOptions import ReducerOptions

from tinyaiot.cores import Core
from tinyaiot.csource import Call, Lowered, Ref
from tinyaiot.fixed_point import INT32_MAX, Multiplier, requantize
from tinyaiot.graph import DType, Node, Tensor
from tinyaiot.operators.base import (
    AnyArray,
    Kernel,
    LowerContext,
    Operator,
    Rows,
    batch_is_one,
    int8_in_and_out,
)
from tinyaiot.operators.sums import Sums, lower_sums, sums_bytes

_INT16_MAX = 32767


@dataclass(frozen=True)
class ReduceAttributes:
    """Whether reduced axes stay, with length 1."""

    keep_dims: bool


def axes_are_constant(node: Node) -> bool:
    """The axes are constant int32 and exist; the input has one to four."""
    axes, rank = node.optional(1), len(node.input(0).shape)
    return (
        axes is not None
        and axes.data is not None
        and axes.dtype is DType.INT32
        and 1 <= rank <= 4
        and all(-rank <= axis < rank for axis in axes.data.reshape(-1).tolist())
    )


def output_shape_follows_from_axes(node: Node) -> bool:
    """The output's shape is the input's with the reduced axes 1 or left out."""
    if not axes_are_constant(node):
        return True
    axes, shape = reduced_axes(node), node.input(0).shape
    if node.attributes.keep_dims:
        return node.output.shape == tuple(1 if k in axes else n for k, n in enumerate(shape))
    return node.output.shape == tuple(n for k, n in enumerate(shape) if k not in axes)


def sizes_fit_their_fields(node: Node) -> bool:
    """Axes of the input are at most 32767 long."""
    return max(node.input(0).shape) <= _INT16_MAX


def sums_fit_int32(node: Node) -> bool:
    """No sum can leave 32 bits, whatever the input: lengths and scales bound it."""
    if not (axes_are_constant(node) and int8_in_and_out(node)):
        return True
    left = max(_multiplier(node).shift, 0)
    return left <= 30 and _count(node) * 255 << left <= INT32_MAX - 256


class Reduce(Operator[ReduceAttributes]):
    """A sum over axes, scaled; :func:`_multiplier` tells the two apart."""

    rules = (
        int8_in_and_out,
        batch_is_one,
        axes_are_constant,
        output_shape_follows_from_axes,
        sizes_fit_their_fields,
        sums_fit_int32,
    )
    kernels = (Kernel("ta_reduce_s8_c", "reduce/ta_reduce_s8_c.c"),)

    def parse(self, options: Any, inputs: tuple[Tensor | None, ...]) -> ReduceAttributes:
        o = ReducerOptions()
        o.Init(options.Bytes, options.Pos)
        return ReduceAttributes(bool(o.KeepDims()))

    def input_rows(self, node: Node, k: int, rows: Rows) -> Rows:
        if k == 1:
            return Rows(0, node.input(1).height)
        height = node.input(0).height
        if _Layout.of(node).rows_a_sum > 1:
            return Rows(0, height)
        parts = _Layout.of(node).parts
        return Rows(rows.start * parts, rows.stop * parts)

    def evaluate(self, node: Node, inputs: list[AnyArray | None]) -> list[AnyArray]:
        x = inputs[0]
        if x is None:
            raise ValueError(f"node {node.index} lacks an input")
        centred = x.astype(np.int64) - node.input(0).zero_point
        multiplier = _multiplier(node)
        sums = centred.sum(axis=reduced_axes(node))
        scaled = requantize(sums, multiplier.mantissa, multiplier.shift)
        out = np.clip(scaled + node.output.zero_point, -128, 127).astype(np.int8)
        return [out.reshape(node.output.shape)]

    def scratch_bytes(self, node: Node, core: Core) -> int:
        row_pointers = _Layout.of(node).rows_a_sum * core.pointer_bytes
        return row_pointers + self.kernel(node, core).scratch_bytes(node, core)

    def lower(self, node: Node, context: LowerContext) -> Lowered:
        source, output = node.input(0), node.output
        kernel = self.kernel(node, context.core)
        layout, multiplier = _Layout.of(node), _multiplier(node)
        call = Call(
            function="ta_reduce_rows",
            struct_type="ta_reduce",
            fields={
                "kernel": Ref(kernel.function),
                "in": context.source(source),
                "out": context.sink(output),
                "scratch": context.scratch(),
                "multiplier": {"mantissa": multiplier.mantissa, "right_shift": -multiplier.shift},
                "offset": -source.zero_point * _count(node),
                "zero_point": output.zero_point,
                "rows_a_sum": layout.rows_a_sum,
                "parts": layout.parts,
                "width": source.width,
                "channels": source.channels,
                "out_width": layout.out_width,
                "out_channels": layout.out_channels,
            },
        )
        return Lowered((call,), (), ("reduce/ta_reduce.c", kernel.source))

    def sums_bytes(self, node: Node) -> int:
        source, layout = node.input(0), _Layout.of(node)
        everything = (layout.rows_a_sum, layout.out_width) == (source.height, 1)
        return sums_bytes(node) if everything and layout.out_channels == source.channels else 0

    def lower_sums(self, node: Node, context: LowerContext) -> Lowered:
        offset, multiplier = -node.input(0).zero_point * _count(node), _multiplier(node)
        sums = Sums("ta_scale_sums_s8_c", -128, 127, offset, multiplier)
        return lower_sums(node, context, sums)


class Mean(Reduce):
    """TFLM's reference_ops::QuantizedMeanOrSum, the count divided into the multiplier."""

    name = "MEAN"


class Sum(Reduce):
    """TFLM's reference_ops::QuantizedMeanOrSum."""

    name = "SUM"


@dataclass(frozen=True)
class _Layout:
    """How sums lie in rows.

    Attributes:
        rows_a_sum: input rows in each sum.
        parts: rows of sums in a row of the output, which has fewer rows where axes are left out.
        out_width, out_channels: pixels in a row of sums, and sums in a pixel.
    """

    rows_a_sum: int
    parts: int
    out_width: int
    out_channels: int

    @staticmethod
    def of(node: Node) -> _Layout:
        source, axes, rank = node.input(0), reduced_axes(node), len(node.input(0).shape)
        rows_a_sum = source.height if rank > 1 and max(rank - 3, 0) in axes else 1
        return _Layout(
            rows_a_sum=rows_a_sum,
            parts=source.height // rows_a_sum // node.output.height,
            out_width=1 if rank > 2 and rank - 2 in axes else source.width,
            out_channels=1 if rank - 1 in axes else source.channels,
        )


def reduced_axes(node: Node) -> tuple[int, ...]:
    """The reduced axes, in ascending order."""
    axes, rank = node.input(1).data, len(node.input(0).shape)
    if axes is None:
        raise ValueError(f"node {node.index} has axes that are not constant")
    return tuple(sorted({axis % rank for axis in axes.reshape(-1).tolist()}))


def _count(node: Node) -> int:
    """Inputs in one sum."""
    return math.prod(node.input(0).shape[axis] for axis in reduced_axes(node))


def _multiplier(node: Node) -> Multiplier:
    """What a sum of inputs, less their zero points, is multiplied by."""
    real = Multiplier.of(node.input(0).scale / node.output.scale)
    if node.op == Sum.name:
        return real
    count = _count(node)
    shift = min(count.bit_length() - 1, 31 + real.shift)
    return Multiplier((real.mantissa << shift) // count, real.shift - shift)


OPERATORS = (Mean(), Sum())
