"""CONV_2D: int8, one filter for each output channel, weights OHWI, groups by channel count."""

from __future__ import annotations

import numpy as np
from tflite.Conv2DOptions import Conv2DOptions

from tinyaiot.cores import Core
from tinyaiot.graph import Node
from tinyaiot.operators import linear_c, linear_mve, linear_rv32
from tinyaiot.operators.base import PORTABLE, TUNED, AnyArray, Kernel
from tinyaiot.operators.convolution import (
    Convolution,
    convolution_windows,
    tensors_have_four_axes,
)
from tinyaiot.operators.convolution_kernels import (
    dsp_columns,
    dsp_groups,
    dsp_row_tiles,
    dsp_tiles,
    dsp_tiles_of_groups,
    helium_columns,
    portable_columns,
    riscv_columns,
    riscv_pairs,
    thumb_windows,
    wide_groups,
)
from tinyaiot.operators.linear import Linear, LinearKernel, as_stored
from tinyaiot.operators.windows import taps


def channels_form_groups(node: Node) -> bool:
    """Input channels are a multiple of the filters', output channels of that many groups."""
    if not tensors_have_four_axes(node):
        return True
    filters, _, _, filter_channels = node.input(1).shape
    groups, rest = divmod(node.input(0).channels, filter_channels)
    return rest == 0 and groups > 0 and filters % groups == 0 and filters == node.output.channels


def _is_1x1(node: Node, core: Core) -> bool:
    _, kernel_h, kernel_w, filter_channels = node.input(1).shape
    return kernel_h == kernel_w == 1 and filter_channels == node.input(0).channels


def _taps(node: Node) -> int:
    _, kernel_h, kernel_w, filter_channels = node.input(1).shape
    return kernel_h * kernel_w * filter_channels


def _has_one_group(node: Node) -> bool:
    return node.input(1).shape[3] == node.input(0).channels


def _is_1x1_for_helium(node: Node, core: Core) -> bool:
    return _is_1x1(node, core) and linear_mve.has_helium(node, core)


def _is_1x1_on_riscv(node: Node, core: Core) -> bool:
    return _is_1x1(node, core) and linear_rv32.is_riscv(node, core)


class Conv2D(Convolution):
    """TFLM's reference_integer_ops::ConvPerChannel."""

    name = "CONV_2D"
    options = Conv2DOptions
    rules = (*Convolution.rules, channels_form_groups)
    kernels = (
        LinearKernel(
            "ta_conv_2d_s8_1x1_mve",
            "conv_2d/ta_conv_2d_s8_1x1_mve.c",
            applies=_is_1x1_for_helium,
            shared=linear_mve.SHARED_SOURCES,
            layout=linear_mve.by_fours(as_stored),
            tier=TUNED,
        ),
        helium_columns(_has_one_group),
        dsp_tiles(_has_one_group),
        *dsp_tiles_of_groups(_has_one_group),
        *dsp_row_tiles(_has_one_group),
        wide_groups(_has_one_group),
        dsp_columns(_has_one_group),
        *dsp_groups(_has_one_group),
        *thumb_windows(_has_one_group),
        riscv_pairs(_has_one_group),
        LinearKernel(
            "ta_conv_2d_s8_1x1_rv32",
            "conv_2d/ta_conv_2d_s8_1x1_rv32.c",
            applies=_is_1x1_on_riscv,
            shared=linear_rv32.SHARED_SOURCES,
            layout=linear_rv32.by_fours(linear_c.floored),
            tier=PORTABLE,
        ),
        riscv_columns(_has_one_group),
        LinearKernel(
            "ta_conv_2d_s8_1x1_c",
            "conv_2d/ta_conv_2d_s8_1x1_c.c",
            applies=_is_1x1,
            shared=linear_c.SHARED_SOURCES,
            layout=linear_c.floored,
            tier=PORTABLE,
        ),
        portable_columns(_has_one_group),
        portable_columns(_has_one_group, stretch_bytes=0),
        Kernel("ta_conv_2d_s8_c", "conv_2d/ta_conv_2d_s8_c.c"),
    )

    def macs(self, node: Node) -> int:
        return node.output.size * _taps(node)

    def filter_channels(self, node: Node) -> int:
        return node.input(1).shape[3]

    def evaluate(self, node: Node, inputs: list[AnyArray | None]) -> list[AnyArray]:
        x, weights = inputs[0], inputs[1]
        if x is None or weights is None:
            raise ValueError(f"node {node.index} lacks an input")
        groups = node.input(0).channels // self.filter_channels(node)
        # Products of doubles: exact below 2^53, and much faster in numpy than integers.
        filters = weights.reshape(groups, -1, *weights.shape[1:]).astype(np.float64)
        linear = Linear.of(node)
        sums = np.zeros((groups, *node.output.shape[1:3], filters.shape[1]))
        centred = x[0].astype(np.float64) - linear.in_zero_point
        for ky, kx, tap in taps(centred, *convolution_windows(node), padding=0):
            for group, part in enumerate(np.split(tap, groups, axis=-1)):
                sums[group] += part @ filters[group, :, ky, kx, :].T
        return [linear.outputs(np.concatenate(sums, axis=-1).astype(np.int64))[np.newaxis]]


OPERATORS = (Conv2D(),)
