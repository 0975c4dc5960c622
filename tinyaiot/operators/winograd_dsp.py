"""Exact Winograd F(2x2, 3x3) for cores with the DSP extension: choice, proof, layout, scratch.

``ta_winograd_dsp.c`` under ``firmware/operators/conv_2d`` reads what is laid out here; its header
says how. Its products take 16-bit operands and its sums wrap around 32 bits, so what it needs is
that filters fit the former and four times the convolution the latter. Filters are transformed here;
or at run time, from int8, in groups by ``ta_conv_2d_s8_winograd_ram_dsp.c``, where halves of words
may wrap around on the way, too.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tinyaiot.cores import Core
from tinyaiot.fixed_point import IntArray
from tinyaiot.graph import Node
from tinyaiot.operators import linear_dsp
from tinyaiot.operators.convolution import convolution_windows
from tinyaiot.operators.floors import (
    accumulators_are_short,
    floors_of,
    mantissas_and_shifts,
)
from tinyaiot.operators.linear import CLAMP_SOURCE, Constants, Linear, settled_linear

SHARED_SOURCES = (CLAMP_SOURCE, "conv_2d/ta_winograd_dsp.c")

# Output pixels of two tiles side by side.
OUT_COLUMNS = 4

# Groups of filters that are transformed at run time, as many of them as there may be.
GROUPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)

_FOUR = 4
_POSITIONS = 16
_MOST_FOURS = 16
_COLUMNS = 6
_MOST_REQUANT_WORDS = 6
_INT8_MAX_ABS = 128
_FLOOR_SHIFT = 11
# About how many instructions a filter's four channels take.
_FILTER_COST = 170

# 2G, and the signs of filters by row or column of a tile.
_DOUBLED_G = np.array(((2, 0, 0), (1, 1, 1), (1, -1, 1), (0, 0, 2)), np.int64)
_SIGNS = np.array((1, 1, -1, -1), np.int64)
# Channels of a four in the order of memory: words hold channels 0 and 2, 1 and 3.
_ORDER = (0, 2, 1, 3)


def takes_tiles(node: Node, core: Core) -> bool:
    """Whether ``ta_conv_2d_s8_winograd_dsp`` is exact for the node, and pays."""
    return _is_exact(node, core) and _count(node, rows=2) < direct_count(node)


def takes_groups(node: Node, core: Core, groups: int) -> bool:
    """Whether ``ta_conv_2d_s8_winograd_ram_dsp`` is, by so many groups of filters."""
    pairs = _pairs(node)
    return (
        _is_exact(node, core)
        and node.input(0).channels % _FOUR == 0
        and -(-pairs // -(-pairs // groups)) == groups
        and _count(node, 2, groups) + _FILTER_COST * 2 * pairs * _fours(node) < direct_count(node)
    )


def _is_exact(node: Node, core: Core) -> bool:
    """Where there is Helium, tiles never pay. All tiles must meet the input."""
    if not core.has_dsp_alone or node.input(1).shape[1:3] != (3, 3):
        return False
    windows = convolution_windows(node)
    linear = settled_linear(node)
    return (
        all((w.stride, w.dilation) == (1, 1) for w in windows)
        and max(windows[1].pad_before, windows[1].pad_after) < _COLUMNS
        and node.output.width >= OUT_COLUMNS
        and node.input(0).channels >= _FOUR
        and node.output.channels > 1
        and _sums_fit(linear)
        and linear_dsp.requantizes(linear)
    )


def pays_by_rows(node: Node) -> bool:
    """Whether it is faster than other kernels also where rows are made one by one, and what tiles
    have of the next is thrown away."""
    return _count(node, rows=1) < direct_count(node)


def _count(node: Node, rows: int, groups: int = 1) -> int:
    """About how many instructions the node takes in tiles, of which ``rows`` rows are kept, and
    which are transformed for each group of filters."""
    fours, pairs = _fours(node), _pairs(node)
    tiles = -(-node.output.height // rows) * -(-node.output.width // OUT_COLUMNS)
    made = pairs * (_POSITIONS * 10 * fours + 280)
    return tiles * (groups * (220 + 290 * fours) + made)


def direct_count(node: Node) -> float:
    """The same of kernels that multiply all taps of every window, at their best."""
    return (0.67 * 9 * node.input(0).channels + 6.5) * node.output.size


def _sums_fit(linear: Linear) -> bool:
    """Whether four times every sum of filter and inputs is an int32. Transformed inputs are at
    most 512, transformed filters 9 · 128: both fit 16 bits whatever the weights."""
    reach = np.abs(linear.filters.astype(np.int64)).sum(axis=1) * _INT8_MAX_ABS
    return bool((reach < 1 << 29).all())


def tile_filters(node: Node) -> Constants:
    """Transformed filters in pairs, requantization behind each pair."""
    filters = _by_fours(transformed(_as_windows(node)))
    positions = filters.reshape(len(filters), _POSITIONS, -1, 2, 2)
    first = _first_of_pairs(node)
    pairs = np.stack((positions[first], positions[first + 1]), axis=3)
    return _with_requantization(node, pairs.astype(np.int16))


def byte_filters(node: Node) -> Constants:
    """The same of int8, by fours of channels."""
    filters = _as_windows(node).astype(np.int8)
    fours = filters.reshape(len(filters), 9, -1, _FOUR).swapaxes(1, 2)
    first = _first_of_pairs(node)
    return _with_requantization(node, np.stack((fours[first], fours[first + 1]), axis=2))


def _first_of_pairs(node: Node) -> IntArray:
    """The first filter of each pair; the last two are one."""
    filters = node.output.channels
    return np.minimum(np.arange(0, filters, 2), filters - 2)


def _with_requantization(node: Node, pairs: npt.NDArray[np.integer]) -> Constants:
    """What is behind each pair, [pairs, ...], of filters, too."""
    words = np.ascontiguousarray(pairs).reshape(len(pairs), -1).view(np.uint32)
    constants, floors = requantization(node)
    first = _first_of_pairs(node)
    behind = np.concatenate((constants[first], constants[first + 1]), axis=1)
    laid = (words, behind.astype(np.uint32))
    return Constants(np.concatenate(laid, axis=1), floors=floors)


def requantization(node: Node) -> tuple[npt.NDArray[np.int64], bool]:
    """What lies behind each filter, [filters, words], and whether these are floors."""
    linear = settled_linear(node)
    floors = floors_of(node, _FLOOR_SHIFT) if accumulators_are_short(linear) else None
    if floors is not None:
        biases = floors.biases(linear).astype(np.int64)
        return np.stack((floors.slope, biases), axis=1), True
    mantissas, shifts = mantissas_and_shifts(linear)
    return np.stack((2 * linear.folded_bias, mantissas, shifts - 1), axis=1), False


def transformed(filters: IntArray) -> npt.NDArray[np.int64]:
    """(2G) g (2G)^T of each channel, with signs, [filters, 4, 4, channels].

    Args:
        filters: [filters, 3, 3, channels].
    """
    g = _DOUBLED_G * _SIGNS[:, np.newaxis]
    tiles: npt.NDArray[np.int64] = np.einsum("iy,fyxc,jx->fijc", g, filters, g)
    return tiles


def _as_windows(node: Node) -> IntArray:
    filters: IntArray = settled_linear(node).filters.astype(np.int64)
    return filters.reshape(len(filters), 3, 3, -1)


def _by_fours(tiles: IntArray) -> IntArray:
    """Channels in fours, [filters, 4, 4, fours, 4]. The last four are the last channels, and those
    of them that have been before are zero."""
    channels = tiles.shape[3]
    whole = channels // _FOUR * _FOUR
    fours = [tiles[..., :whole].reshape(*tiles.shape[:3], -1, _FOUR)]
    if whole < channels:
        last = tiles[..., np.newaxis, channels - _FOUR :].copy()
        last[..., : _FOUR - (channels - whole)] = 0
        fours.append(last)
    return np.concatenate(fours, axis=3)[..., _ORDER]


def flash_bytes(node: Node) -> int:
    """What transformed filters take beyond int8 ones."""
    laid = 2 * _pairs(node) * _POSITIONS * 2 * _FOUR * _fours(node)
    return laid - node.input(1).size


def scratch_bytes(node: Node, core: Core) -> int:
    """A fourth row pointer, two transformed tiles, and where in the code their products start."""
    fours = _fours(node)
    addresses = _POSITIONS * -(-fours // _MOST_FOURS) + 1
    return core.pointer_bytes + _POSITIONS * 16 * fours + 4 * addresses


def groups_scratch_bytes(node: Node, core: Core, groups: int) -> int:
    """The same and a group of transformed filters, with their requantization."""
    pair_bytes = _POSITIONS * 16 * _fours(node) + 4 * _MOST_REQUANT_WORDS
    return scratch_bytes(node, core) + filters_of_group(node, groups) // 2 * pair_bytes


def filters_of_group(node: Node, groups: int) -> int:
    """How many filters are transformed at a time; an even number."""
    return 2 * -(-_pairs(node) // groups)


def row_pairs(node: Node) -> str:
    """What makes rows in pairs: the second row of tiles on its own would be thrown away."""
    return "ta_conv_2d_s8_winograd_dsp_pairs"


def group_row_pairs(node: Node) -> str:
    """The same with filters of int8."""
    return "ta_conv_2d_s8_winograd_ram_dsp_pairs"


def _fours(node: Node) -> int:
    return -(-node.input(0).channels // _FOUR)


def _pairs(node: Node) -> int:
    return -(-node.output.channels // 2)
