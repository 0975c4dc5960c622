"""Exact Winograd F(2, 3) along rows for cores with the DSP extension: proof, layout, scratch.

``ta_winograd_1d_dsp.h`` under ``firmware/operators/conv_2d`` says how what is laid out here is
read, of a tile at once or position by position. A tile needs a third of the scratch of one with two
rows of outputs, and no second row; its products are half as many again.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tinyaiot.cores import Core
from tinyaiot.fixed_point import IntArray
from tinyaiot.graph import Node
from tinyaiot.operators import linear_dsp
from tinyaiot.operators.convolution import convolution_windows
from tinyaiot.operators.linear import Constants, settled_linear
from tinyaiot.operators.winograd_dsp import direct_count, requantization

OUT_COLUMNS = 2

_POSITIONS = 4
_FOUR = 4
_EIGHT = 8
_MOST_CHANNELS = 64
_MOST_PADDING = 2
# About how many instructions a tile takes, each four channels of a row, and each four filters.
_TILE_COSTS = (260, 25, 70)
_POSITION_COSTS = (600, 42, 130)
# Transformed filters by position, from those of three columns.
_POSITION_FILTERS = np.array(((0, 0, 2), (1, -1, 1), (1, 1, 1), (2, 0, 0)), np.int64)
# Channels of a four in the order of memory: words hold channels 0 and 2, 1 and 3.
_ORDER = (0, 2, 1, 3)


def takes_tiles(node: Node, core: Core) -> bool:
    """Whether ``ta_conv_2d_s8_winograd_1d_dsp`` is exact and pays, which it never does where there
    is Helium."""
    return core.has_dsp_alone and _is_exact(node) and _pays_at_once(node)


def takes_positions(node: Node, core: Core) -> bool:
    """Whether ``ta_conv_2d_s8_winograd_1d_sums_dsp`` is exact and pays."""
    return core.has_dsp_alone and _is_exact(node) and _pays(node, *_POSITION_COSTS)


def outdoes_pairs_of_rows(node: Node) -> bool:
    """Whether either takes the node where tiles of two rows do, and is faster by single rows."""
    return _is_exact(node) and (_pays_at_once(node) or _pays(node, *_POSITION_COSTS))


def _is_exact(node: Node) -> bool:
    """Transformed inputs are at most 256, transformed filters 3 · 128: both fit 16 bits whatever
    the weights. Twice an accumulator is an int32, wherever sums wrap around."""
    if node.input(1).shape[1:3] != (3, 3):
        return False
    windows = convolution_windows(node)
    return (
        all((w.stride, w.dilation) == (1, 1) for w in windows)
        and max(windows[1].pad_before, windows[1].pad_after) <= _MOST_PADDING
        and node.output.width >= OUT_COLUMNS
        and node.input(0).channels % _FOUR == 0
        and node.output.channels % _FOUR == 0
        and linear_dsp.requantizes(settled_linear(node))
    )


def _pays_at_once(node: Node) -> bool:
    """The kernel has code for all products of a position of so many channels."""
    return node.input(0).channels <= _MOST_CHANNELS and _pays(node, *_TILE_COSTS)


def _pays(node: Node, tile: int, four: int, quad: int) -> bool:
    """Whether so many instructions of a tile, of each four channels of a row of it, and of each
    four filters beside products make fewer than other kernels take at their best."""
    eights, quads = _POSITIONS * _eights(node), node.output.channels // _FOUR
    made = tile + 3 * four * node.input(0).channels // _FOUR + quads * (21 * eights + quad)
    tiles = node.output.height * -(-node.output.width // OUT_COLUMNS)
    return tiles * made < direct_count(node)


def transformed(filters: IntArray) -> npt.NDArray[np.int64]:
    """Filters by position, [filters, 4, 3, channels].

    Args:
        filters: [filters, 3, 3, channels].
    """
    positions: npt.NDArray[np.int64] = np.einsum("px,fyxc->fpyc", _POSITION_FILTERS, filters)
    return positions


def tile_filters(node: Node) -> Constants:
    """Transformed filters in fours, requantization behind each four."""
    filters: IntArray = settled_linear(node).filters.astype(np.int64)
    tiles = transformed(filters.reshape(len(filters), 3, 3, -1))
    taps = tiles.reshape(len(filters), _POSITIONS, -1, _FOUR)[..., _ORDER]
    padded = np.zeros((len(filters), _POSITIONS, _eights(node) * _EIGHT), np.int16)
    padded[:, :, : 3 * node.input(0).channels] = taps.reshape(len(filters), _POSITIONS, -1)
    fours = padded.reshape(-1, _FOUR, _POSITIONS, _eights(node), _EIGHT).transpose(0, 2, 3, 1, 4)
    words = np.ascontiguousarray(fours).reshape(len(fours), -1).view(np.uint32)
    constants, floors = requantization(node)
    behind = constants.astype(np.uint32).reshape(len(fours), -1)
    return Constants(np.concatenate((words, behind), axis=1), floors=floors)


def flash_bytes(node: Node) -> int:
    """What transformed filters take beyond int8 ones."""
    return 2 * node.output.channels * _POSITIONS * _eights(node) * _EIGHT - node.input(1).size


def tile_bytes(node: Node) -> int:
    """Scratch of a transformed tile, where in the code its positions' products start, and where
    outputs are made."""
    return _POSITIONS * (2 * _EIGHT * _eights(node) + 4) + 4


def position_bytes(node: Node) -> int:
    """Scratch of one position, and of the sums of both pixels."""
    return 2 * _EIGHT * _eights(node) + 2 * 4 * node.output.channels


def _eights(node: Node) -> int:
    """Of taps of a position."""
    return -(-3 * node.input(0).channels // _EIGHT)
