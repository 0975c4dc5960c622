"""Kernels of DEPTHWISE_CONV_2D that make a few outputs of a channel side by side, of 3x3 windows.

``firmware/operators/depthwise_conv_2d/ta_depthwise_conv_2d.h`` says what they read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from tinyaiot.cores import Core
from tinyaiot.graph import Node
from tinyaiot.operators import linear_c, linear_rv32, linear_v7m
from tinyaiot.operators.base import PORTABLE
from tinyaiot.operators.linear import CLAMP_SOURCE, Constants, LinearKernel, settled_linear

_KERNEL = (3, 3)
# The most outputs that are side by side, by the stride.
_OUTPUTS_V7M = {1: 5, 2: 4}
_OUTPUTS_RV32 = {1: 4, 2: 4}


def tile_kernels() -> tuple[LinearKernel, ...]:
    """For cores with Thumb-2, by floors and exact, and for RV32IM."""
    return (
        _kernel(
            "3x3_v7m", linear_v7m.takes_floors, _OUTPUTS_V7M, linear_v7m.one_by_one, (CLAMP_SOURCE,)
        ),
        _kernel(
            "3x3_exact_v7m",
            linear_v7m.requantizes_on_thumb2,
            _OUTPUTS_V7M,
            linear_v7m.one_by_one,
            (CLAMP_SOURCE,),
        ),
        _kernel(
            "3x3_rv32", _takes_fours_on_riscv, _OUTPUTS_RV32, _by_channel, linear_c.SHARED_SOURCES
        ),
    )


def _takes_fours_on_riscv(node: Node, core: Core) -> bool:
    """Where few outputs of a row's last tile are missing: an output in a tile takes some seven
    tenths of what one by its taps takes."""
    width = node.output.width
    return -(-width // 4) * 4 * 0.7 < width and linear_rv32.takes_floors(node, core)


def _kernel(
    variant: str,
    requantizes: Callable[[Node, Core], bool],
    outputs: Mapping[int, int],
    layout: Callable[[Node], Constants],
    shared: tuple[str, ...],
) -> LinearKernel:
    function = f"ta_depthwise_conv_2d_s8_{variant}"
    return LinearKernel(
        function,
        f"depthwise_conv_2d/{function}.c",
        applies=lambda node, core: _has_tiles(node) and requantizes(node, core),
        scratch_bytes=lambda node, core: _columns_bytes(node, outputs),
        shared=shared,
        layout=layout,
        tier=PORTABLE,
    )


def _has_tiles(node: Node) -> bool:
    return (
        node.output.channels == node.input(0).channels
        and node.input(1).shape[1:3] == _KERNEL
        and node.attributes.dilation_w == 1
        and node.attributes.stride_w in _OUTPUTS_V7M
    )


def _columns_bytes(node: Node, outputs: Mapping[int, int]) -> int:
    """The columns of a tile: some may lie beside the input, also where an output is missing."""
    stride = int(node.attributes.stride_w)
    columns = (outputs[stride] - 1) * stride + _KERNEL[1]
    return _KERNEL[0] * columns * node.input(0).channels


def _by_channel(node: Node) -> Constants:
    """Filters one by one, [channels, 9]."""
    filters = np.ascontiguousarray(settled_linear(node).filters)
    return replace(linear_c.floored(node), weights=filters)
