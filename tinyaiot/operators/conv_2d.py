"""CONV_2D: int8, one filter for each output channel, weights OHWI, groups by channel count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tflite.Conv2DOptions import Conv2DOptions

from tinyaiot import requant
from tinyaiot.cores import Core
from tinyaiot.csource import Array, Call, Lowered, Ref, Role
from tinyaiot.fixed_point import requantize, wrap_int32
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
from tinyaiot.operators.common import (
    CLAMPING,
    Activation,
    Padding,
    Window,
    accumulator_range,
    channel_multipliers,
    clamp_range,
)


@dataclass(frozen=True)
class Conv2DAttributes:
    """Strides, dilations and padding of the window, and the fused activation."""

    padding: Padding
    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    activation: Activation


def weights_are_constant_int8(node: Node) -> bool:
    """The weights are constant int8, OHWI, quantized symmetrically (zero point 0)."""
    weights = node.input(1)
    return (
        weights.is_constant
        and weights.dtype is DType.INT8
        and len(weights.shape) == 4
        and weights.quantization is not None
        and set(weights.quantization.zero_points) == {0}
        and weights.shape[3] == node.input(0).channels
    )


def bias_is_constant_int32(node: Node) -> bool:
    """The bias, where there is one, is constant int32."""
    bias = node.optional(2)
    return bias is None or (bias.is_constant and bias.dtype is DType.INT32)


def activation_clamps(node: Node) -> bool:
    """The fused activation is NONE, RELU, RELU6 or RELU_N1_TO_1."""
    return node.attributes.activation in CLAMPING


class Conv2D(Operator[Conv2DAttributes]):
    """TFLM's reference_integer_ops::ConvPerChannel."""

    name = "CONV_2D"
    rules = (
        int8_in_and_out,
        batch_is_one,
        weights_are_constant_int8,
        bias_is_constant_int32,
        activation_clamps,
    )
    kernels = (Kernel("ta_conv_2d_s8_c", "conv_2d/ta_conv_2d_s8_c.c"),)

    def parse(self, options: Any, inputs: tuple[Tensor | None, ...]) -> Conv2DAttributes:
        o = Conv2DOptions()
        o.Init(options.Bytes, options.Pos)
        return Conv2DAttributes(
            padding=Padding(o.Padding()),
            stride_h=o.StrideH(),
            stride_w=o.StrideW(),
            dilation_h=o.DilationHFactor(),
            dilation_w=o.DilationWFactor(),
            activation=Activation(o.FusedActivationFunction()),
        )

    def macs(self, node: Node) -> int:
        _, kernel_h, kernel_w, channels = node.input(1).shape
        return node.output.size * kernel_h * kernel_w * channels

    def input_rows(self, node: Node, k: int, rows: Rows) -> Rows:
        return windows(node)[0].rows(rows, node.input(0).height)

    def evaluate(self, node: Node, inputs: list[AnyArray | None]) -> list[AnyArray]:
        x, weights = inputs[0], inputs[1]
        assert x is not None and weights is not None
        vertical, horizontal = windows(node)
        _, out_h, out_w, out_c = node.output.shape
        padded = _pad(x[0].astype(np.int64) - node.input(0).zero_point, node, vertical, horizontal)
        acc = np.zeros((out_h, out_w, out_c), dtype=np.int64)
        for ky in range(vertical.kernel):
            for kx in range(horizontal.kernel):
                top, left = ky * vertical.dilation, kx * horizontal.dilation
                taps = padded[
                    top : top + (out_h - 1) * vertical.stride + 1 : vertical.stride,
                    left : left + (out_w - 1) * horizontal.stride + 1 : horizontal.stride,
                ]
                acc += taps @ weights[:, ky, kx, :].astype(np.int64).T
        bias = inputs[2] if len(inputs) > 2 else None
        acc = wrap_int32(acc if bias is None else acc + bias)
        multipliers = channel_multipliers(node.input(0), node.input(1), node.output)
        scaled = requantize(
            acc,
            np.array([m.mantissa for m in multipliers]),
            np.array([m.shift for m in multipliers]),
        )
        low, high = clamp_range(node.attributes.activation, node.output)
        out = np.clip(scaled + node.output.zero_point, low, high)
        return [out.astype(np.int8)[np.newaxis]]

    def scratch_bytes(self, node: Node, core: Core) -> int:
        row_pointers = windows(node)[0].kernel * core.pointer_bytes
        return row_pointers + self.kernel(node, core).scratch_bytes(node, core)

    def lower(self, node: Node, context: LowerContext) -> Lowered:
        source, weights, output = node.input(0), node.input(1), node.output
        assert weights.data is not None
        vertical, horizontal = windows(node)
        kernel = self.kernel(node, context.core)
        filters = weights.data.reshape(weights.shape[0], -1)
        bias_tensor = node.optional(2)
        bias = (
            np.zeros(len(filters), dtype=np.int64)
            if bias_tensor is None or bias_tensor.data is None
            else bias_tensor.data.astype(np.int64)
        )
        multipliers = channel_multipliers(source, weights, output)
        if len(multipliers) == 1:
            multipliers = multipliers * len(filters)
        packed = requant.pack(multipliers, *accumulator_range(filters, bias, source.zero_point))
        # acc = bias + Σ w·(x − zero_point): the constant part of the sum goes into the bias.
        folded = bias - source.zero_point * filters.astype(np.int64).sum(axis=1)
        arrays = [
            Array(f"{context.prefix}_weights", weights.data, Role.WEIGHTS),
            Array(f"{context.prefix}_bias", wrap_int32(folded).astype(np.int32), Role.BIAS),
            Array(f"{context.prefix}_requant", packed.words, Role.REQUANT),
        ]
        if packed.right_shifts is not None:
            arrays.append(Array(f"{context.prefix}_shifts", packed.right_shifts, Role.REQUANT))
        low, high = clamp_range(node.attributes.activation, output)
        call = Call(
            function="ta_conv_2d_rows",
            struct_type="ta_conv_2d",
            fields={
                "kernel": Ref(kernel.function),
                "in": context.source(source),
                "out": context.sink(output),
                "scratch": context.scratch(),
                "zero_row": context.filled_row(source.zero_point, source.row_bytes),
                "weights": Ref(arrays[0].name),
                "bias": Ref(arrays[1].name),
                "requant": {
                    "words": Ref(arrays[2].name),
                    "right_shifts": Ref(arrays[3].name if len(arrays) > 3 else "NULL"),
                    "right_shift": packed.right_shift,
                    "zero_point": output.zero_point,
                    "lowest": low,
                    "highest": high,
                },
                "in_width": source.width,
                "in_channels": source.channels,
                "out_width": output.width,
                "out_channels": output.channels,
                "kernel_h": vertical.kernel,
                "kernel_w": horizontal.kernel,
                "stride_h": vertical.stride,
                "stride_w": horizontal.stride,
                "dilation_h": vertical.dilation,
                "dilation_w": horizontal.dilation,
                "pad_top": vertical.pad_before,
                "pad_left": horizontal.pad_before,
            },
        )
        return Lowered((call,), tuple(arrays), ("conv_2d/ta_conv_2d.c", kernel.source))


def windows(node: Node) -> tuple[Window, Window]:
    """The vertical and the horizontal window of a convolution."""
    a, source, weights, output = node.attributes, node.input(0), node.input(1), node.output
    return (
        Window.of(
            a.padding, source.height, output.height, weights.shape[1], a.stride_h, a.dilation_h
        ),
        Window.of(
            a.padding, source.width, output.width, weights.shape[2], a.stride_w, a.dilation_w
        ),
    )


def _pad(x: AnyArray, node: Node, vertical: Window, horizontal: Window) -> AnyArray:
    """Zero-pads [H, W, C] (already less its zero point) so that every tap exists."""

    def after(window: Window, size: int, out: int) -> int:
        reach = (window.kernel - 1) * window.dilation + 1
        return max((out - 1) * window.stride + reach - size - window.pad_before, 0)

    bottom = after(vertical, x.shape[0], node.output.height)
    right = after(horizontal, x.shape[1], node.output.width)
    return np.pad(x, ((vertical.pad_before, bottom), (horizontal.pad_before, right), (0, 0)))


OPERATORS = (Conv2D(),)
