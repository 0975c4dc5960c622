"""Kernels of DEPTHWISE_CONV_2D for cores with the DSP extension: layouts, choice, constants.

``firmware/operators/depthwise_conv_2d/ta_depthwise_conv_2d.h`` reads what is laid out here.
"""

from __future__ import annotations

import numpy as np

from tinyaiot.cores import Core
from tinyaiot.graph import Node
from tinyaiot.operators import linear_dsp
from tinyaiot.operators.convolution import convolution_windows
from tinyaiot.operators.floors import accumulators_are_short, floors_of, mantissas_and_shifts
from tinyaiot.operators.linear import Constants, settled_linear
from tinyaiot.operators.windows import Window

_CHANNELS = 4
_MAX_COLUMNS = 32
_BAND_WORDS = 8
_LEAST_BAND = 12
# Of the code of bands, beside that of strips.
BAND_FLASH_BYTES = 900
_FLOOR_SHIFT = 8
_TAP_ORDER = (0, 1, 3, 4, 2, 6, 5, 7, 8)


def takes_strips(node: Node, core: Core) -> bool:
    """Whether ``ta_depthwise_conv_2d_s8_3x3_dsp`` is exact, and not slower than the other."""
    return (
        _takes_fours(node, core)
        and node.input(1).shape[1:3] == (3, 3)
        and node.attributes.dilation_w == 1
        and node.attributes.stride_w in (1, 2)
        and accumulators_are_short(settled_linear(node))
        and floors_of(node, _FLOOR_SHIFT) is not None
        and (not takes_taps(node, core) or strips_count(node) < taps_count(node))
    )


def takes_taps(node: Node, core: Core) -> bool:
    """Whether ``ta_depthwise_conv_2d_s8_m1_dsp`` is exact and every window meets the input."""
    return (
        _takes_fours(node, core)
        and node.attributes.dilation_h == node.attributes.dilation_w == 1
        and linear_dsp.requantizes(settled_linear(node))
    )


def _takes_fours(node: Node, core: Core) -> bool:
    return (
        "dsp" in core.features
        and node.output.channels == node.input(0).channels
        and node.output.channels >= _CHANNELS
    )


def strips_count(node: Node) -> float:
    """About how many instructions an output takes in strips."""
    outputs = stretch(node)
    pairs = -(-outputs // 2)
    return (27 * pairs + 6 * _columns(node, outputs) + 45) / outputs


def taps_count(node: Node) -> float:
    """About how many instructions an output takes by its taps."""
    rows, columns = (_taps_inside(window) for window in convolution_windows(node))
    return 13 + rows * (2.75 + 3 * columns) + 100 / node.output.channels


def _taps_inside(window: Window) -> float:
    """Taps that lie in the input, of an output on average."""
    starts = np.arange(window.out_size) * window.stride - window.pad_before
    first, stop = np.maximum(starts, 0), np.minimum(starts + window.kernel, window.size)
    return float(np.mean(stop - first))


def stretch(node: Node) -> int:
    """Output pixels whose strips lie in scratch at a time: few stretches, evenly filled."""
    width = node.output.width
    most = (_MAX_COLUMNS - 3) // int(node.attributes.stride_w) + 1
    return -(-width // -(-width // most))


def strip_bytes(node: Node, core: Core) -> int:
    """Scratch of the strips, and of the pointer to a fourth row."""
    columns = _columns(node, -(-stretch(node) // 2) * 2)
    return core.pointer_bytes + _CHANNELS * 8 * columns


def takes_bands(node: Node, core: Core) -> bool:
    """Whether ``ta_depthwise_conv_2d_s8_3x3_dsp_bands`` is exact, and not slower than pairs."""
    return (
        takes_strips(node, core)
        and row_pairs(node) is not None
        and node.output.height >= _LEAST_BAND
    )


def band_bytes(node: Node, core: Core) -> int:
    """Scratch of a band, of which row pointers are part, or of a strip."""
    return max(strip_bytes(node, core), _CHANNELS * _BAND_WORDS * 4 * _columns(node, stretch(node)))


def bands(node: Node) -> str:
    """What makes rows in bands."""
    return "ta_depthwise_conv_2d_s8_3x3_dsp_bands"


def row_pairs(node: Node) -> str | None:
    """What makes rows in strips in pairs, where the node lets it."""
    a = node.attributes
    if (a.stride_h, a.stride_w, a.dilation_h) != (1, 1, 1) or node.output.height == 1:
        return None
    return "ta_depthwise_conv_2d_s8_3x3_dsp_pairs"


def _columns(node: Node, outputs: int) -> int:
    """Input columns that some outputs side by side need."""
    return (outputs - 1) * int(node.attributes.stride_w) + 3


def by_channel(node: Node) -> Constants:
    """Weights by channel, as ``ta_depthwise_conv_2d_s8_3x3_dsp`` reads them, and floors."""
    linear, floors = settled_linear(node), floors_of(node, _FLOOR_SHIFT)
    if floors is None:
        raise ValueError(f"node {node.index} has a channel that one floor does not requantize")
    words = np.stack((floors.biases(linear), floors.slope.astype(np.int32)), axis=1)
    return Constants(np.ascontiguousarray(linear.filters[:, _TAP_ORDER]), bias=words, floors=True)


def by_fours(node: Node) -> Constants:
    """Weights, biases and requantization as ``ta_depthwise_conv_2d_s8_m1_dsp`` reads them."""
    linear = settled_linear(node)
    channels = len(linear.filters)
    starts = [*range(0, channels - _CHANNELS + 1, _CHANNELS)]
    starts += [channels - _CHANNELS] if channels % _CHANNELS else []
    fours = np.array(starts)[:, np.newaxis] + np.arange(_CHANNELS)
    mantissas, shifts = mantissas_and_shifts(linear)
    taps = np.ascontiguousarray(linear.filters[fours].swapaxes(1, 2))
    words = (
        linear.bias[fours].astype(np.uint32),
        taps.view(np.uint32)[:, :, 0],
        (shifts[fours] - 1).astype(np.uint8).view(np.uint32),
        mantissas[fours],
    )
    groups = np.concatenate([part.astype(np.uint32) for part in words], axis=1)
    zero = -linear.in_zero_point & 0xFFFF
    return Constants(np.concatenate(([zero * 0x10001], groups.reshape(-1))).astype(np.uint32))
