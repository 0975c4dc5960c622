"""Kernels of DEPTHWISE_CONV_2D for cores with Thumb-2: choice and scratch.

``firmware/operators/depthwise_conv_2d/ta_depthwise_conv_2d.h`` reads what is laid out here.
"""

from __future__ import annotations

from tinyaiot.cores import Core
from tinyaiot.graph import Node
from tinyaiot.operators import linear_v7m
from tinyaiot.operators.convolution import convolution_windows

_KERNEL = (3, 3)
# The most outputs that are taken at a time, by the stride.
_OUTPUTS = {1: 5, 2: 4}
# The fewest: with a stride of 1 any more are taken without one too many.
_LEAST_OUTPUTS = 3


def takes_tiles_of_floors(node: Node, core: Core) -> bool:
    """Whether ``ta_depthwise_conv_2d_s8_3x3_v7m`` is exact."""
    return linear_v7m.takes_floors(node, core) and takes_tiles(node, core)


def takes_tiles(node: Node, core: Core) -> bool:
    """Whether ``ta_depthwise_conv_2d_s8_3x3_exact_v7m`` is exact, if there are no floors."""
    return (
        linear_v7m.requantizes_on_thumb2(node, core)
        and node.output.channels == node.input(0).channels
        and node.input(1).shape[1:3] == _KERNEL
        and node.attributes.dilation_w == 1
        and node.attributes.stride_w in _OUTPUTS
    )


def columns_bytes(node: Node, core: Core) -> int:
    """Scratch of the columns of a tile, where it may reach beyond the input."""
    stride = int(node.attributes.stride_w)
    _, horizontal = convolution_windows(node)
    if not horizontal.is_padded and stride == 1 and node.output.width >= _LEAST_OUTPUTS:
        return 0
    columns = (_OUTPUTS[stride] - 1) * stride + _KERNEL[1]
    return _KERNEL[0] * columns * node.input(0).channels
