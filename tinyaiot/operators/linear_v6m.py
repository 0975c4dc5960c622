"""Kernels of linear operators for Armv6-M.

``firmware/operators/linear/ta_linear_v6m.h`` reads what is laid out here.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tinyaiot.cores import Core
from tinyaiot.graph import Node
from tinyaiot.operators import linear_rv32
from tinyaiot.operators.convolution import row_pixels
from tinyaiot.operators.linear import CLAMP_SOURCE, Constants, as_stored, settled_linear
from tinyaiot.operators.linear_c import floors_by_11

_OUTPUTS_SOURCES = ("linear/ta_outputs_v6m.c", CLAMP_SOURCE)
SHARED_SOURCES = ("linear/ta_linear_s8_v6m.c", *_OUTPUTS_SOURCES)
PIECES_SOURCES = ("linear/ta_pieces_s8_v6m.c", CLAMP_SOURCE)
SHARED_SOURCES_OF_DEPTHWISE = _OUTPUTS_SOURCES
# Of a tile; by four with less scratch, in parts where taps are many.
PIXELS = (5, 4)

_PART_TAPS = 32
_STATE_BYTES = 184
_LEAST_FILTERS = 8
# Instructions of tiles and of single pixels: of a product, of a tap and of an output beside them.
_TILE_COSTS = (2.6, 4.2, 38)
_PIECE_COSTS = (3.5, 2.75, 60)


def has_thumb1(node: Node, core: Core) -> bool:
    """Whether the core is an Armv6-M; nothing is asked of the node."""
    return core.arch == "cortex-m" and "thumb2" not in core.features


def takes_tiles(node: Node, core: Core) -> bool:
    """Whether tiles are worth widening taps and computing pixels that are missing, on one of these
    cores."""
    filters, taps = settled_linear(node).filters.shape
    pixels = row_pixels(node)
    tiled, single = (
        taps * (product + tap / filters) + output
        for product, tap, output in (_TILE_COSTS, _PIECE_COSTS)
    )
    is_worth_it = filters >= _LEAST_FILTERS and tiled * _tiled(pixels) <= single * pixels
    return is_worth_it and has_thumb1(node, core)


def _tiled(pixels: int) -> int:
    """Pixels of the tiles that a row of so many takes: of four, then of five where these fit."""
    fours = next((k for k in range(5) if (pixels - 4 * k) % 5 == 0 and pixels >= 4 * k), None)
    return pixels if fours is not None else -(-pixels // 4) * 4


def part_taps(node: Node, pixels: int) -> int:
    """Taps of a tile that are widened at once."""
    taps: int = settled_linear(node).filters.shape[1]
    is_in_parts: bool = pixels < PIXELS[0] and taps > _PART_TAPS + node.output.channels
    return _PART_TAPS if is_in_parts else taps


def tile_bytes(node: Node, pixels: int) -> int:
    """Scratch of a tile: what is widened at once, and sums where that is not all."""
    widened = part_taps(node, pixels)
    kept = node.output.channels if widened < settled_linear(node).filters.shape[1] else 0
    return _STATE_BYTES + 4 * pixels * (widened + kept)


def one_by_one(node: Node) -> Constants:
    """Filters one by one, [channels, taps]; slopes of floors behind their biases."""
    linear, stored, found = settled_linear(node), as_stored(node), floors_by_11(node)
    constants = replace(stored, weights=np.ascontiguousarray(linear.filters))
    if found is None:
        return constants
    pairs = np.stack((found.biases(linear), found.slope.astype(np.int32)), axis=1)
    return replace(constants, bias=pairs, requant=None, floors=True)


def unsigned(node: Node) -> Constants:
    """The same, weights being 128 more than they are."""
    constants = one_by_one(node)
    return replace(constants, weights=(constants.weights.view(np.uint8) ^ 128).view(np.int8))


by_fours = linear_rv32.by_fours(unsigned)
"""The same by fours, [ceil(channels / 4), taps, 4]."""
