"""Kernels of DEPTHWISE_CONV_2D for cores with the DSP extension: layouts, choice, constants.

``firmware/operators/depthwise_conv_2d/ta_depthwise_conv_2d.h`` reads what is laid out here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tinyaiot.cores import Core
from tinyaiot.graph import Node
from tinyaiot.operators import linear_dsp
from tinyaiot.operators.convolution import convolution_windows
from tinyaiot.operators.floors import accumulators_are_short, floors_of, mantissas_and_shifts
from tinyaiot.operators.linear import Constants, Linear, settled_linear
from tinyaiot.operators.windows import Window

_CHANNELS = 4
_MAX_COLUMNS = 32
_BAND_WORDS = 8
_LEAST_BAND = 4
_NARROW_BYTES = 768
_NARROW_PLANES = range(3, 6)
_FIVE = 5
_FLOOR_SHIFT = 8
_TAP_ORDER = (0, 1, 3, 4, 2, 6, 5, 7, 8)
# Taps that share a word where weights are widened, and what that takes more, of a channel.
_WIDE_PAIRS = ((0, 3), (1, 4), (2, 5), (6, 7), (7, 8))
_WIDE_BYTES = 13
_PLANES_FLOOR_SHIFT = 9
_PLANES_WIDTH = 7
# Instructions for a row of a window, by stride: of four outputs and of two.
_PLANES_ROWS = {1: (24, 15), 2: (23, 15)}
# A kernel more is not worth its flash where it takes but somewhat less.
_WORTH = 1.4
_PLANES_ORDER = (0, 2, 1, 3, 4, 6, 5)


def takes_strips(node: Node, core: Core) -> bool:
    """Whether ``ta_depthwise_conv_2d_s8_3x3_dsp`` is exact, and not slower than the other."""
    return _takes_columns(node, core) and (
        not takes_taps(node, core) or strips_count(node) < taps_count(node)
    )


def _takes_columns(node: Node, core: Core) -> bool:
    """Whether ``ta_depthwise_conv_2d_s8_3x3_dsp`` is exact."""
    return (
        _takes_fours(node, core)
        and node.input(1).shape[1:3] == (3, 3)
        and node.attributes.dilation_w == 1
        and node.attributes.stride_w in (1, 2)
        and accumulators_are_short(settled_linear(node))
        and floors_of(node, _FLOOR_SHIFT) is not None
    )


def takes_taps(node: Node, core: Core) -> bool:
    """Whether ``ta_depthwise_conv_2d_s8_m1_dsp`` is exact and every window meets the input."""
    return (
        _takes_fours(node, core)
        and node.attributes.dilation_h == node.attributes.dilation_w == 1
        and linear_dsp.requantizes(settled_linear(node))
    )


def takes_pairs_of_taps(node: Node, core: Core) -> bool:
    """Whether ``ta_depthwise_conv_2d_s8_3x3_taps_dsp`` is exact."""
    return (
        _takes_fours(node, core)
        and node.output.channels % _CHANNELS == 0
        and node.input(1).shape[1:3] == (3, 3)
        and accumulators_are_short(settled_linear(node))
        and floors_of(node, _FLOOR_SHIFT) is not None
    )


def _takes_fours(node: Node, core: Core) -> bool:
    return (
        "dsp" in core.features
        and node.output.channels == node.input(0).channels
        and node.output.channels >= _CHANNELS
    )


def strips_count(node: Node) -> float:
    """About how many instructions an output takes in strips."""
    outputs, channels = stretch(node), node.output.channels
    columns = _columns(node, outputs)
    if row_pairs(node):
        total = 12 * outputs + 18 * (outputs % 2) + 3.25 * columns + 24 + 130 / channels
    else:
        total = 29 * -(-outputs // 2) + 5 * columns + 47 + 190 / channels
    return total / outputs


def taps_count(node: Node) -> float:
    """About how many instructions an output takes by its taps, one by one."""
    rows, columns = (_taps_inside(window) for window in convolution_windows(node))
    return 13 + rows * (2.75 + 3 * columns) + 100 / node.output.channels


def _taps_inside(window: Window) -> float:
    """Taps that lie in the input, of an output on average."""
    return float(np.mean(_inside(window)))


def _inside(window: Window) -> npt.NDArray[np.int64]:
    """Taps that lie in the input, of each output."""
    starts = np.arange(window.out_size) * window.stride - window.pad_before
    taps = starts[:, np.newaxis] + np.arange(window.kernel) * window.dilation
    inside: npt.NDArray[np.int64] = ((taps >= 0) & (taps < window.size)).sum(axis=1)
    return inside


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
    """Whether ``ta_depthwise_conv_2d_s8_3x3_dsp_bands`` is exact, and not slower than strips."""
    a = node.attributes
    return (
        takes_strips(node, core)
        and a.dilation_h == 1
        and a.stride_h == a.stride_w
        and node.output.height >= _LEAST_BAND
        and node.output.width > 1
    )


def takes_narrow(node: Node, core: Core, most: int) -> bool:
    """Whether what makes rows of ``most`` columns, or one less, is exact for the node's."""
    keeps_size = all(
        window.stride == window.dilation == window.pad_before == 1
        and window.out_size == window.size
        for window in convolution_windows(node)
    )
    output = node.output
    return (
        output.width in (most - 1, most)
        and output.height > 1
        and keeps_size
        and _takes_columns(node, core)
    )


def narrow_bytes(node: Node, core: Core) -> int:
    """Scratch of narrow rows, of which row pointers are part, or of a strip."""
    return max(strip_bytes(node, core), _NARROW_BYTES)


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


def takes_planes(node: Node, core: Core) -> bool:
    """Whether ``ta_depthwise_conv_2d_s8_planes_dsp`` is exact, and not slower than the others."""
    a, kernel_w = node.attributes, node.input(1).shape[2]
    return (
        _takes_fours(node, core)
        and kernel_w <= _PLANES_WIDTH
        and a.dilation_w == 1
        and a.stride_w in (1, 2)
        and _every_window_meets_input(node)
        and accumulators_are_short(settled_linear(node))
        and floors_of(node, _PLANES_FLOOR_SHIFT) is not None
        and (not takes_taps(node, core) or planes_count(node) < _WORTH * taps_count(node))
        and (not _takes_columns(node, core) or planes_count(node) < strips_count(node))
    )


def takes_narrow_planes(node: Node, core: Core) -> bool:
    """Whether ``ta_depthwise_conv_2d_s8_planes_narrow_dsp_strips`` is exact for the node's rows."""
    horizontal = convolution_windows(node)[1]
    return (
        takes_planes(node, core)
        and _has_rows_in_strips(node)
        and (horizontal.stride, horizontal.pad_before) == (1, 3)
        and horizontal.out_size == horizontal.size
        and horizontal.size in _NARROW_PLANES
    )


def narrow_planes(node: Node) -> str:
    """What makes rows of narrow images in strips."""
    return "ta_depthwise_conv_2d_s8_planes_narrow_dsp_strips"


def takes_five_planes(node: Node, core: Core) -> bool:
    """Whether ``ta_depthwise_conv_2d_s8_planes_five_dsp_strips`` is exact for the node's rows."""
    return (
        takes_planes(node, core)
        and _has_rows_in_strips(node)
        and node.attributes.stride_w == 1
        and node.input(1).shape[2] <= _FIVE
    )


def five_planes(node: Node) -> str:
    """What makes rows by windows of five columns in strips."""
    return "ta_depthwise_conv_2d_s8_planes_five_dsp_strips"


def planes_count(node: Node) -> float:
    """About how many instructions an output takes in planes."""
    kernel_h, stride = node.input(1).shape[1], int(node.attributes.stride_w)
    rows = _taps_inside(convolution_windows(node)[0])
    outputs = node.output.width
    fours, rest = divmod(outputs, 4)
    fours, twos = (fours + 1, 0) if rest == 3 else (fours, -(-rest // 2))
    a_row_of_four, a_row_of_two = _PLANES_ROWS[stride]
    made = fours * (a_row_of_four * rows + 29) + twos * (a_row_of_two * rows + 22) + 22
    height = node.output.height
    columns = outputs * node.input(0).width / node.output.width
    laid = node.input(0).height / height * (2.1 * columns + 14)
    widened = (18 * kernel_h + 30) / height
    return (made + laid + widened) / outputs


def _every_window_meets_input(node: Node) -> bool:
    return bool((_inside(convolution_windows(node)[0]) > 0).all())


def _has_strips(node: Node) -> bool:
    """Whether the input under several output rows is rows side by side."""
    a = node.attributes
    return bool(a.dilation_h == 1 and a.stride_h <= node.input(1).shape[1])


def planes_rows(node: Node, most_bytes: int) -> int:
    """Output rows of a strip: few strips, evenly filled, whose planes take ``most_bytes``."""
    height = node.output.height
    if not _has_strips(node):
        return 1
    most = height
    while most > 1 and _plane_words(node, most) * _CHANNELS * 4 > most_bytes:
        most -= 1
    return -(-height // -(-height // most))


def _plane_words(node: Node, rows: int) -> int:
    """Of a channel's input under some output rows."""
    a, kernel_h = node.attributes, node.input(1).shape[1]
    outputs = -(-node.output.width // 2) * 2
    columns = (outputs - 1) * int(a.stride_w) + _PLANES_WIDTH
    inside = min((rows - 1) * int(a.stride_h) + kernel_h, node.input(0).height)
    return int(inside * -(-columns // 2))


def planes_bytes(node: Node, rows: int) -> int:
    """Scratch of planes and a word, of weights, and of some output rows: pointers to the input rows
    beyond the first window, and windows."""
    row_words = 7 if node.attributes.stride_w == 1 else 4
    weights = _CHANNELS * node.input(1).shape[1] * row_words
    pointers = (rows - 1) * int(node.attributes.stride_h)
    return 4 * (pointers + _CHANNELS * _plane_words(node, rows) + 1 + weights + 3 * rows)


def planes_strips(node: Node) -> str | None:
    """What makes rows in strips, where the node lets it."""
    return "ta_depthwise_conv_2d_s8_planes_dsp_strips" if _has_rows_in_strips(node) else None


def _has_rows_in_strips(node: Node) -> bool:
    return _has_strips(node) and node.output.height > 1


def by_planes(node: Node) -> Constants:
    """Weights, as ``ta_depthwise_conv_2d_s8_planes_dsp`` reads them, and floors."""
    linear, floors = settled_linear(node), floors_of(node, _PLANES_FLOOR_SHIFT)
    if floors is None:
        raise ValueError(f"node {node.index} has a channel that one floor does not requantize")
    kernel_w = node.input(1).shape[2]
    filters = linear.filters.reshape(len(linear.filters), -1, kernel_w)
    filters = np.pad(filters, ((0, 0), (0, 0), (0, _PLANES_WIDTH - kernel_w)))
    ordered = filters[:, :, _PLANES_ORDER].reshape(-1)
    zero_point = np.array([linear.in_zero_point], np.int8)
    bias = (256 * linear.bias + floors.bias).astype(np.int32)
    words = np.stack((bias, floors.slope.astype(np.int32)), axis=1)
    return Constants(np.concatenate((zero_point, ordered)), bias=words, floors=True)


def by_channel(node: Node) -> Constants:
    """Weights by channel, as ``ta_depthwise_conv_2d_s8_3x3_dsp`` reads them, and floors."""
    linear, floors = settled_linear(node), floors_of(node, _FLOOR_SHIFT)
    if floors is None:
        raise ValueError(f"node {node.index} has a channel that one floor does not requantize")
    words = np.stack((floors.biases(linear), floors.slope.astype(np.int32)), axis=1)
    return Constants(np.ascontiguousarray(linear.filters[:, _TAP_ORDER]), bias=words, floors=True)


def by_pairs_of_taps(node: Node) -> Constants:
    """Weights, biases and floors as ``ta_depthwise_conv_2d_s8_3x3_taps_dsp`` reads them."""
    linear, floors = settled_linear(node), floors_of(node, _FLOOR_SHIFT)
    if floors is None:
        raise ValueError(f"node {node.index} has a channel that one floor does not requantize")
    # By fours of channels: [four, tap, channel].
    taps = linear.filters.reshape(-1, _CHANNELS, 9).swapaxes(1, 2)
    pairs = taps[:, :8].reshape(-1, 4, 2, 2, 2).swapaxes(2, 3)
    bytes_of_taps = np.concatenate((pairs.reshape(-1, 32), taps[:, 8]), axis=1)
    biases = 256 * linear.bias + floors.bias
    constants = np.stack((biases, floors.slope), axis=1).reshape(-1, 2 * _CHANNELS)
    words = (np.ascontiguousarray(bytes_of_taps).view(np.uint32), constants.astype(np.uint32))
    return Constants(_behind_zero_point(np.concatenate(words, axis=1), linear), floors=True)


def by_wide_taps(node: Node) -> Constants:
    """Weights, biases and floors as ``ta_depthwise_conv_2d_s8_3x3_wide_dsp`` reads them."""
    linear, floors = settled_linear(node), floors_of(node, _FLOOR_SHIFT)
    if floors is None:
        raise ValueError(f"node {node.index} has a channel that one floor does not requantize")
    wide = 256 * linear.filters.astype(np.int16)
    # By twos of channels: [two, pair, channel, tap].
    pairs = wide[:, _WIDE_PAIRS].reshape(-1, 2, len(_WIDE_PAIRS), 2).swapaxes(1, 2)
    words = np.ascontiguousarray(pairs).view(np.uint32).reshape(-1, 2 * len(_WIDE_PAIRS))
    offset = (2 * linear.out_zero_point + 1) << (_FLOOR_SHIFT - 1)
    parts = (
        floors.biases(linear).reshape(-1, 2).astype(np.uint32),
        words,
        floors.slope.reshape(-1, 2).astype(np.uint32),
        np.full((len(words), 1), offset & 0xFFFFFFFF, np.uint32),
    )
    return Constants(np.concatenate(parts, axis=1), floors=True)


def wide_taps_flash(node: Node) -> int:
    """What its weights take beyond those of ``ta_depthwise_conv_2d_s8_3x3_taps_dsp``."""
    return _WIDE_BYTES * node.output.channels


def _behind_zero_point(words: npt.NDArray[np.uint32], linear: Linear) -> npt.NDArray[np.uint32]:
    """``words`` in a row, and before them less the input's zero point, in both halves."""
    zero = (-linear.in_zero_point & 0xFFFF) * 0x10001
    return np.concatenate(([zero], words.reshape(-1))).astype(np.uint32)


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
    return Constants(_behind_zero_point(groups, linear))
