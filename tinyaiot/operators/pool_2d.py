"""AVERAGE_POOL_2D and MAX_POOL_2D: int8, one quantization for input and output."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from tflite.Pool2DOptions import Pool2DOptions

from tinyaiot.cores import Core
from tinyaiot.csource import Call, Lowered, Ref
from tinyaiot.graph import Node, Tensor
from tinyaiot.operators.base import (
    TUNED,
    AnyArray,
    Columns,
    Kernel,
    LowerContext,
    Narrowed,
    Operator,
    Rows,
    batch_is_one,
    int8_in_and_out,
)
from tinyaiot.operators.common import Activation, activation_clamps, clamp_range
from tinyaiot.operators.sums import Sums, lower_sums, sums_bytes
from tinyaiot.operators.windows import Padding, Window, narrowed_window, taps, windows

_INT16_MAX = 32767
_DSP_CHANNELS = 4
_MVE_CHANNELS = 16
_INT16_MAX_PIXELS = 255


@dataclass(frozen=True)
class PoolAttributes:
    """Filter, strides and padding of the window, and the fused activation.

    Attributes:
        pad_columns: padding on the left and on the right, where ``padding`` does not say it.
    """

    padding: Padding
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    activation: Activation
    pad_columns: tuple[int, int] | None = None


def tensors_have_four_axes(node: Node) -> bool:
    """Input and output have four axes and the same channels."""
    shapes = (node.input(0).shape, node.output.shape)
    return all(len(shape) == 4 for shape in shapes) and shapes[0][3] == shapes[1][3]


def quantization_is_kept(node: Node) -> bool:
    """Input and output have the same zero point and scales no further apart than 1e-6."""
    if not int8_in_and_out(node):
        return True
    source, output = node.input(0), node.output
    same_zero_point = source.zero_point == output.zero_point
    return same_zero_point and abs(source.scale - output.scale) <= 1e-6


def output_size_follows_from_window(node: Node) -> bool:
    """The output is as high and wide as input, window and padding make it, and not empty."""
    vertical, horizontal = _windows(node)
    size = (vertical.out_size, horizontal.out_size)
    return min(size) > 0 and size == (node.output.height, node.output.width)


def sizes_fit_their_fields(node: Node) -> bool:
    """Widths, channels, kernel and stride are at most 32767."""
    sizes = (*node.input(0).shape[-2:], *node.output.shape[-2:])
    steps = (step for window in _windows(node) for step in (window.kernel, window.stride))
    return max(*sizes, *steps) <= _INT16_MAX


class Pool2D(Operator[PoolAttributes]):
    """A pool; subclasses say what becomes of the pixels in a window."""

    rules = (
        int8_in_and_out,
        batch_is_one,
        tensors_have_four_axes,
        quantization_is_kept,
        activation_clamps,
        output_size_follows_from_window,
        sizes_fit_their_fields,
    )

    def parse(self, options: Any, inputs: tuple[Tensor | None, ...]) -> PoolAttributes:
        o = Pool2DOptions()
        o.Init(options.Bytes, options.Pos)
        return PoolAttributes(
            padding=Padding(o.Padding()),
            kernel_h=o.FilterHeight(),
            kernel_w=o.FilterWidth(),
            stride_h=o.StrideH(),
            stride_w=o.StrideW(),
            activation=Activation(o.FusedActivationFunction()),
        )

    def input_rows(self, node: Node, k: int, rows: Rows) -> Rows:
        return _windows(node)[0].rows(rows)

    def narrowed(self, node: Node, columns: Columns) -> Narrowed | None:
        return narrowed_window(node, _windows(node)[1], columns)

    def evaluate(self, node: Node, inputs: list[AnyArray | None]) -> list[AnyArray]:
        x = inputs[0]
        if x is None:
            raise ValueError(f"node {node.index} lacks an input")
        low, high = clamp_range(node.attributes.activation, node.output)
        pooled = self.pool(x[0].astype(np.int64), *_windows(node))
        return [np.clip(pooled, low, high).astype(np.int8)[np.newaxis]]

    @abstractmethod
    def pool(self, x: AnyArray, vertical: Window, horizontal: Window) -> AnyArray:
        """Pools [height, width, channels]."""

    def scratch_bytes(self, node: Node, core: Core) -> int:
        row_pointers: int = node.attributes.kernel_h * core.pointer_bytes
        return row_pointers + self.kernel(node, core).scratch_bytes(node, core)

    def lower(self, node: Node, context: LowerContext) -> Lowered:
        source, output = node.input(0), node.output
        vertical, horizontal = _windows(node)
        kernel = self.kernel(node, context.core)
        low, high = clamp_range(node.attributes.activation, output)
        call = Call(
            function="ta_pool_2d_rows",
            struct_type="ta_pool_2d",
            fields={
                "kernel": Ref(kernel.function),
                "in": context.source(source),
                "out": context.sink(output),
                "scratch": context.scratch(),
                "in_width": source.width,
                "channels": source.channels,
                "out_width": output.width,
                "kernel_h": vertical.kernel,
                "kernel_w": horizontal.kernel,
                "stride_h": vertical.stride,
                "stride_w": horizontal.stride,
                "pad_top": vertical.pad_before,
                "pad_left": horizontal.pad_before,
                "lowest": low,
                "highest": high,
            },
        )
        return Lowered((call,), (), ("pool_2d/ta_pool_2d.c", kernel.source))


def _sums_fit_int16(node: Node) -> bool:
    a = node.attributes
    return bool(a.kernel_h * a.kernel_w <= _INT16_MAX_PIXELS)


def _takes_fours(node: Node, core: Core) -> bool:
    has_channels = node.input(0).channels >= _DSP_CHANNELS
    return "dsp" in core.features and has_channels and _sums_fit_int16(node)


def _has_sixteens(node: Node, core: Core) -> bool:
    return "mve" in core.features and node.input(0).channels >= _MVE_CHANNELS


def _averages_sixteens(node: Node, core: Core) -> bool:
    return _has_sixteens(node, core) and _sums_fit_int16(node)


class AveragePool2D(Pool2D):
    """TFLM's reference_integer_ops::AveragePool: padding does not count."""

    name = "AVERAGE_POOL_2D"
    kernels = (
        Kernel(
            "ta_average_pool_2d_s8_mve",
            "pool_2d/ta_average_pool_2d_s8_mve.c",
            applies=_averages_sixteens,
            tier=TUNED,
        ),
        Kernel(
            "ta_average_pool_2d_s8_dsp",
            "pool_2d/ta_average_pool_2d_s8_dsp.c",
            applies=_takes_fours,
            tier=TUNED,
        ),
        Kernel("ta_average_pool_2d_s8_c", "pool_2d/ta_average_pool_2d_s8_c.c"),
    )

    def pool(self, x: AnyArray, vertical: Window, horizontal: Window) -> AnyArray:
        sums = sum(tap for _, _, tap in taps(x, vertical, horizontal, padding=0))
        inside = np.ones_like(x)
        counts = sum(tap for _, _, tap in taps(inside, vertical, horizontal, padding=0))
        # Rounded to nearest, halves away from zero.
        return np.sign(sums) * ((np.abs(sums) + counts // 2) // counts)

    def sums_bytes(self, node: Node) -> int:
        everything = all(
            w.out_size == 1 and w.rows(Rows(0, 1)) == Rows(0, w.size) for w in _windows(node)
        )
        return sums_bytes(node) if everything else 0

    def lower_sums(self, node: Node, context: LowerContext) -> Lowered:
        low, high = clamp_range(node.attributes.activation, node.output)
        return lower_sums(node, context, Sums("ta_average_sums_s8_c", low, high))


class MaxPool2D(Pool2D):
    """TFLM's reference_integer_ops::MaxPool."""

    name = "MAX_POOL_2D"
    kernels = (
        Kernel(
            "ta_max_pool_2d_s8_mve",
            "pool_2d/ta_max_pool_2d_s8_mve.c",
            applies=_has_sixteens,
            tier=TUNED,
        ),
        Kernel("ta_max_pool_2d_s8_c", "pool_2d/ta_max_pool_2d_s8_c.c"),
    )

    def pool(self, x: AnyArray, vertical: Window, horizontal: Window) -> AnyArray:
        read = [tap for _, _, tap in taps(x, vertical, horizontal, padding=-128)]
        highest: AnyArray = np.max(read, axis=0)
        return highest


def _windows(node: Node) -> tuple[Window, Window]:
    return windows(node, node.attributes.kernel_h, node.attributes.kernel_w)


OPERATORS = (AveragePool2D(), MaxPool2D())
