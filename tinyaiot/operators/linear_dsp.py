"""Kernels of linear operators for cores with the DSP extension: layout, proofs, constants.

``firmware/operators/dsp/ta_linear_dsp.h`` reads what is laid out here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tinyaiot.cores import Core
from tinyaiot.fixed_point import IntArray
from tinyaiot.graph import Node
from tinyaiot.operators.convolution import convolution_windows, row_pixels
from tinyaiot.operators.floors import (
    RIGHT_SHIFTS,
    Floors,
    accumulators_are_short,
    floors_of,
    mantissas_and_shifts,
    packed_multipliers,
)
from tinyaiot.operators.linear import CLAMP_SOURCE, Constants, Linear, settled_linear

SHARED_SOURCES = (CLAMP_SOURCE, "dsp/ta_linear_dsp.c", "dsp/ta_linear_s8_dsp.c")

# Of kernels whose code is unrolled.
UNROLLED = "dsp/ta_linear_s8_unrolled_dsp.c"
UNROLLED_SOURCES = (CLAMP_SOURCE, "dsp/ta_linear_dsp.c", UNROLLED)

# Of kernels whose filters are widened in flash.
WIDE_SOURCES = (CLAMP_SOURCE, "dsp/ta_linear_dsp.c", "dsp/ta_linear_s8_wide_dsp.c")

# Of kernels that take filters four at a time.
QUADS_SOURCES = (CLAMP_SOURCE, "dsp/ta_linear_dsp.c", "dsp/ta_quads_s8_dsp.c")

# The same of filters widened in flash.
QUADS_WIDE_SOURCES = (CLAMP_SOURCE, "dsp/ta_linear_dsp.c", "dsp/ta_quads_wide_s8_dsp.c")

# Of kernels that read pixels as bytes, where they lie.
PIECES_SOURCES = (CLAMP_SOURCE, "dsp/ta_pieces_s8_dsp.c")
QUADS_PIECES_SOURCES = (CLAMP_SOURCE, "dsp/ta_quads_pieces_s8_dsp.c")
QUADS_WIDE_PIECES_SOURCES = (CLAMP_SOURCE, "dsp/ta_quads_wide_pieces_s8_dsp.c")

# The order of four taps in memory; SXTB16 takes bytes 0 and 2 of a word, then 1 and 3.
_TAP_ORDER = (0, 2, 1, 3)
_FLOOR_SHIFT = 11
_MIN_FOURS = 2
MOST_PIXELS = 3
WIDE_PIXELS = 2
_PIXEL_COST, _WINDOW_COST = 20, 45
_Words = npt.NDArray[np.uint32]


def takes_pairs(node: Node, core: Core) -> bool:
    """Whether ``ta_linear_s8_dsp`` is exact: pairs are int16, accumulators and shifts bounded."""
    if "dsp" not in core.features:
        return False
    linear = settled_linear(node)
    return (
        len(linear.filters) > 1
        and bool((_joined(linear) >= -(1 << 15)).all())
        and accumulators_are_short(linear)
        and requantizes(linear)
    )


def takes_quads(node: Node, core: Core) -> bool:
    """Whether ``ta_quads_s8_dsp`` is exact: as pairs are, channels being a multiple of four."""
    return node.output.channels % 4 == 0 and takes_pairs(node, core)


def takes_quads_in_pieces(node: Node, core: Core) -> bool:
    """The same of ``ta_quads_pieces_s8_dsp``, whose pixels are not padded."""
    return not _has_padding(node) and takes_quads(node, core)


def _has_padding(node: Node) -> bool:
    return bool(settled_linear(node).filters.shape[1] < 4 * _MIN_FOURS)


def requantizes(linear: Linear) -> bool:
    """Whether ``ta_dsp_requant.h`` takes the multipliers, and accumulators are short of 2^30."""
    low, high = linear.accumulator_range
    return bool((np.maximum(-low, high) < 1 << 30).all()) and all(
        -m.shift in RIGHT_SHIFTS for m in packed_multipliers(linear)
    )


def takes_wide_pairs(node: Node, core: Core) -> bool:
    """Whether ``ta_linear_s8_wide_dsp`` is exact, on a core whose other kernels are not faster."""
    linear = settled_linear(node)
    return core.has_dsp_alone and len(linear.filters) > 1 and requantizes(linear)


def takes_wide_quads(node: Node, core: Core) -> bool:
    """The same of ``ta_quads_wide_s8_dsp``, where there are pixels to spread its flash over."""
    pixels, channels = node.output.height * node.output.width, node.output.channels
    return pixels > 1 and channels % 4 == 0 and takes_wide_pairs(node, core)


def takes_wide_quads_in_pieces(node: Node, core: Core) -> bool:
    """The same of ``ta_quads_wide_pieces_s8_dsp``, whose pixels are not padded."""
    return not _has_padding(node) and takes_wide_quads(node, core)


def gains_by_wide_groups(node: Node) -> bool:
    """Whether a convolution's groups of two under widened filters take fewer instructions than
    groups of three: each group has its own, which are spread over fewer pixels, unless it is known
    how to widen them fast. A single pixel stays small."""
    linear = settled_linear(node)
    saved = len(linear.filters) * (0.4 * fours(linear.filters.shape[1]) + 0.5)
    cost = _PIXEL_COST if node.input(1).shape[1:3] == (1, 1) else _WINDOW_COST
    return row_pixels(node) > 1 and (_widens_fast(node) or saved > cost)


def _widens_fast(node: Node) -> bool:
    """Whether ``ta_conv_2d_s8_wide_dsp`` knows how to widen one group after another."""
    _, height, width, _ = node.input(1).shape
    row_taps = width * node.input(0).channels
    known = row_taps % 4 == 0 if height == 1 else height == 3 and row_taps in (3, 9)
    return known and convolution_windows(node)[1].dilation == 1


def wide_flash_bytes(node: Node) -> int:
    """What filters take more where each tap is an int16."""
    return int(settled_linear(node).filters.size)


def pairs(node: Node) -> Constants:
    """Filters in pairs, with their biases and requantization around each."""
    return _pairs(node, np.arange(settled_linear(node).filters.shape[1]))


def window_pairs(node: Node) -> Constants:
    """The same of a convolution: what does not fill the last word of a row goes behind all rows."""
    return _pairs(node, _window_order(node))


def quads(node: Node) -> Constants:
    """Filters in pairs, two of them side by side, with their constants around both."""
    return _by_quads(pairs(node), node)


def window_quads(node: Node) -> Constants:
    """The same of a convolution, its taps as those of ``window_pairs``."""
    return _by_quads(window_pairs(node), node)


def wide_pairs(node: Node) -> Constants:
    """Filters in pairs, each tap widened, with their biases and requantization around each."""
    return _wide(node, np.arange(settled_linear(node).filters.shape[1]), _halves)


def wide_window_pairs(node: Node) -> Constants:
    """The same of a convolution, its taps as those of ``window_pairs``."""
    return _wide(node, _window_order(node), _halves)


def wide_window_quads(node: Node) -> Constants:
    """The same of a convolution, filters being taken four at a time."""
    return _wide(node, _window_order(node), _quarters)


def _window_order(node: Node) -> IntArray:
    taps = np.arange(settled_linear(node).filters.shape[1]).reshape(node.input(1).shape[1], -1)
    whole = taps.shape[1] // 4 * 4
    return np.concatenate((taps[:, :whole].reshape(-1), taps[:, whole:].reshape(-1)))


def shares_columns(node: Node) -> bool:
    """Whether ``ta_conv_2d_s8_w3_dsp`` takes a convolution whose filters are taken in pairs."""
    horizontal = convolution_windows(node)[1]
    return (
        (horizontal.kernel, horizontal.stride, horizontal.dilation) == (3, 1, 1)
        and node.input(0).channels % 4 == 0
        and node.output.width >= MOST_PIXELS
    )


def joins_rows(node: Node) -> bool:
    """Whether ``ta_conv_2d_s8_joined_dsp`` takes a convolution; its rows leave groups unfilled."""
    horizontal = convolution_windows(node)[1]
    row_bytes = horizontal.kernel * node.input(0).channels
    return (
        row_bytes == 4
        and horizontal.kernel > 1
        and horizontal.dilation == 1
        and node.input(0).row_bytes >= row_bytes
        and node.output.width > MOST_PIXELS
        and node.output.width % MOST_PIXELS != 0
    )


def column_pairs(node: Node) -> Constants:
    """Pairs of a convolution whose taps go row by row, four channels at a time, by column."""
    height, channels = node.input(1).shape[1], node.input(0).channels
    taps = np.arange(height * 3 * channels).reshape(height, 3, channels // 4, 4)
    return _pairs(node, taps.swapaxes(1, 2).reshape(-1))


def _pairs(node: Node, order: IntArray) -> Constants:
    linear, found = settled_linear(node), floors_of(node, _FLOOR_SHIFT)
    ahead, behind = _exact(linear) if found is None else _by_floors(linear, found)
    words = (ahead, _packed(_joined(linear)[:, order]).view(np.uint32), behind)
    return Constants(
        weights=np.ascontiguousarray(np.concatenate(words, axis=1)),
        requant=None,
        floors=found is not None,
    )


def _by_quads(constants: Constants, node: Node) -> Constants:
    """Pairs two by two: their words in turn, but for requantization, which is each pair's own."""
    taps = 1 + 2 * fours(settled_linear(node).filters.shape[1])
    words = constants.weights.reshape(-1, 2, constants.weights.shape[1])
    in_turn = words[:, :, :taps].swapaxes(1, 2).reshape(len(words), -1)
    behind = words[:, :, taps:].reshape(len(words), -1)
    return replace(
        constants, weights=np.ascontiguousarray(np.concatenate((in_turn, behind), axis=1))
    )


def _wide(
    node: Node, order: IntArray, apart: Callable[[Linear, IntArray], tuple[IntArray, ...]]
) -> Constants:
    """Filters side by side, as many as ``apart`` takes values of channels apart into."""
    linear, found = settled_linear(node), floors_of(node, _FLOOR_SHIFT)
    behind: tuple[IntArray, ...]
    if found is not None and accumulators_are_short(linear):
        scale, biases, behind = 256, found.biases(linear).astype(np.int64), (found.slope,)
    else:
        found, scale, biases = None, 2, 2 * linear.folded_bias
        mantissas, shifts = mantissas_and_shifts(linear)
        rounding = (1 << (shifts - 1)) + (linear.out_zero_point << shifts)
        behind = (mantissas, rounding, shifts)
    filters = apart(linear, scale * linear.filters[:, order].astype(np.int64))
    taps = np.stack([_packed(part).view(np.uint32) for part in filters], axis=2)
    constants = zip(*(apart(linear, values) for values in behind), strict=True)
    words = (
        _words(*apart(linear, biases)),
        taps.reshape(len(taps), -1),
        _words(*(values for channel in constants for values in channel)),
    )
    return Constants(
        weights=np.ascontiguousarray(np.concatenate(words, axis=1)),
        requant=None,
        floors=found is not None,
    )


def fours(taps: int) -> int:
    """Taps in fours, as filters are padded."""
    return max(-(-taps // 4), _MIN_FOURS)


def group(node: Node, most: int = MOST_PIXELS) -> int:
    """How many windows of a convolution are widened at a time."""
    return min(row_pixels(node), most)


def group_bytes(node: Node, core: Core, most: int = MOST_PIXELS) -> int:
    """Scratch of a convolution's group; where channels are no multiple of four, of its strip."""
    channels, pixels = node.input(0).channels, group(node, most)
    taps: int = settled_linear(node).filters.shape[1]
    height = node.input(1).shape[1]
    widened = widened_bytes(taps, pixels)
    if channels % 4 == 0:
        return widened
    lines = -(-(taps // height % 4 * height) // 4) * 4 * pixels
    horizontal = convolution_windows(node)[1]
    if not horizontal.is_padded and horizontal.dilation == 1:
        return widened + lines
    return widened + lines + height * core.pointer_bytes + taps * pixels


def line_bytes(node: Node) -> int:
    """Scratch of a window's bytes, in whole words."""
    taps: int = settled_linear(node).filters.shape[1]
    return -(-taps // 4) * 4


def columns_bytes(node: Node, core: Core) -> int:
    """Scratch of a group of windows that share columns."""
    return widened_bytes(settled_linear(node).filters.shape[1], MOST_PIXELS)


def widened_bytes(taps: int, pixels: int) -> int:
    """Scratch of a group of widened pixels."""
    return pixels * 8 * fours(taps)


def _joined(linear: Linear) -> IntArray:
    """256 · filter 1 + filter 0 of each pair, [pairs, taps]; an odd last filter with the one
    before it."""
    first, second = _halves(linear, linear.filters.astype(np.int64))
    joined: IntArray = 256 * second + first
    return joined


def _halves(linear: Linear, values: IntArray) -> tuple[IntArray, IntArray]:
    """Values of channels, [channels, ...]: of each pair's first, and of its second."""
    first = np.arange(0, len(linear.filters), 2)
    first = np.minimum(first, len(linear.filters) - 2)
    return values[first], values[first + 1]


def _quarters(linear: Linear, values: IntArray) -> tuple[IntArray, ...]:
    """The same of each quad's first, second, third and last."""
    return tuple(values[k::4] for k in range(4))


def _exact(linear: Linear) -> tuple[_Words, _Words]:
    """Words before and behind the taps of each pair, where requantization is exact."""
    mantissas, shifts = (_halves(linear, values) for values in mantissas_and_shifts(linear))
    biases = _halves(linear, linear.folded_bias)
    both = shifts[0] - 1 + 256 * (shifts[1] - 1)
    behind = (mantissas[0], 2 * biases[0], both, mantissas[1])
    return _words(256 * biases[1]), _words(*behind)


def _by_floors(linear: Linear, found: Floors) -> tuple[_Words, _Words]:
    """The same, of floors."""
    biases = _halves(linear, found.biases(linear).astype(np.int64))
    slopes = _halves(linear, found.slope)
    return _words(biases[1]), _words(slopes[0], biases[0], slopes[1])


def _words(*columns: IntArray) -> _Words:
    """32 bits of each, [pairs, columns]."""
    return np.stack(columns, axis=1).astype(np.uint32)


def _packed(joined: IntArray) -> npt.NDArray[np.int16]:
    """Taps of pairs, [pairs, 4 * fours], in the order of memory."""
    count, taps = joined.shape
    padded = np.zeros((count, fours(taps) * 4), np.int16)
    padded[:, :taps] = joined
    ordered = padded.reshape(count, -1, 4)[:, :, _TAP_ORDER]
    return np.ascontiguousarray(ordered.reshape(count, -1))
