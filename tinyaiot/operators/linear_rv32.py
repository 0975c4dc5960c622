"""Kernels of linear operators for RV32IM.

``firmware/operators/linear/ta_linear_rv32.h`` reads what is laid out here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tinyaiot.cores import Core
from tinyaiot.fixed_point import IntArray
from tinyaiot.graph import Node
from tinyaiot.operators.base import AnyArray
from tinyaiot.operators.convolution import row_pixels
from tinyaiot.operators.floors import mantissas_and_shifts
from tinyaiot.operators.linear import Constants, Linear, settled_linear
from tinyaiot.operators.linear_c import floored, floors_by_11
from tinyaiot.operators.linear_dsp import requantizes

SHARED_SOURCES_OF_1 = ("linear/ta_linear_s8_1_rv32.c",)
PAIRS_SOURCES = ("linear/ta_linear_s8_pairs_rv32.c",)
SHARED_SOURCES = ("linear/ta_linear_s8_rv32.c", *SHARED_SOURCES_OF_1)
STRETCH_BYTES = 1024

PAIRS_PIXELS = 6

_FOUR = 4
_MAX_BLOCK = 255  # times 128 is short of 2^15
_MAX_TWOS = 255
_LEAST_PIXELS = 3
_LEAST_FILTERS = 8
# Without floors the other kernel requantizes in C.
_LEAST_WEIGHTS = 512
_LEAST_EXACT_WEIGHTS = 128


def is_riscv(node: Node, core: Core) -> bool:
    """Whether the core is one of these; nothing is asked of the node."""
    return core.arch == "riscv"


def takes_floors(node: Node, core: Core) -> bool:
    """Whether floors requantize every channel, on a core that these kernels are for."""
    return is_riscv(node, core) and floored(node).floors


def requantizes_on_riscv(node: Node, core: Core) -> bool:
    """Whether multipliers are in the range of exact requantization, on one of these cores."""
    return is_riscv(node, core) and requantizes(settled_linear(node))


def words_by_channel(node: Node) -> Constants:
    """Each filter's taps, a right shift less 1, zeros to whole words, then two words of
    requantization: [channels, words]."""
    linear = settled_linear(node)
    biases, slopes, shifts, floors = requantization(node)
    channels, taps = linear.filters.shape
    filters = np.zeros((channels, -(-(taps + 1) // 4) * 4), np.int8)
    filters[:, :taps] = linear.filters
    filters[:, taps] = shifts
    words = (
        filters.view("<u4"),
        *(w.astype("<i4").view("<u4")[:, np.newaxis] for w in (biases, slopes)),
    )
    return Constants(weights=np.concatenate(words, axis=1).astype(np.uint32), floors=floors)


def requantization(node: Node) -> tuple[IntArray, IntArray, IntArray, bool]:
    """Biases, slopes and zeros of floors, [channels] each; where there are none twice the biases,
    mantissas and right shifts less 1. And whether they are of floors."""
    linear, found = settled_linear(node), floors_by_11(node)
    if found is not None:
        return found.biases(linear).astype(np.int64), found.slope, np.zeros_like(found.slope), True
    mantissas, shifts = mantissas_and_shifts(linear)
    return 2 * linear.folded_bias, mantissas, shifts - 1, False


def by_fours(layout: Callable[[Node], Constants]) -> Callable[[Node], Constants]:
    """Filters of ``layout`` by fours, [channels / 4, taps, 4]."""

    def laid(node: Node) -> Constants:
        constants = layout(node)
        filters = constants.weights.reshape(len(constants.weights), -1)
        fours = np.zeros((-(-len(filters) // _FOUR) * _FOUR, filters.shape[1]), np.int8)
        fours[: len(filters)] = filters
        ordered = fours.reshape(-1, _FOUR, filters.shape[1]).swapaxes(1, 2)
        return replace(constants, weights=np.ascontiguousarray(ordered))

    return laid


def takes_pairs(node: Node, core: Core) -> bool:
    """Whether ``ta_linear_s8_pairs_rv32`` is exact, and enough pixels, filters and taps share what
    joining pixels and taking sums apart costs."""
    if not is_riscv(node, core) or row_pixels(node) < _LEAST_PIXELS:
        return False
    linear = settled_linear(node)
    is_floored = floors_by_11(node) is not None
    return (
        len(linear.filters) >= _LEAST_FILTERS
        and linear.filters.size >= (_LEAST_WEIGHTS if is_floored else _LEAST_EXACT_WEIGHTS)
        and (is_floored or requantizes(linear))
        and bool((_twos(linear) <= _MAX_BLOCK).all())
    )


def pairs_bytes(node: Node) -> int:
    """Scratch of a tile of pixels, two to a word."""
    taps: int = settled_linear(node).filters.shape[1]
    return 4 * PAIRS_PIXELS * -(-taps // 2)


def pairs(node: Node) -> Constants:
    """Filters by twos as ``ta_linear_s8_pairs_rv32`` reads them, one after the other, [words]."""
    linear = settled_linear(node)
    biases, slopes, shifts, floors = requantization(node)
    twos = _by_twos(linear.filters)
    words: list[AnyArray] = []
    for both, ends in zip(_both(linear), _block_ends(linear), strict=True):
        starts = np.concatenate(([0], ends[:-1]))
        taps = twos[both].transpose(1, 2, 0).reshape(-1, 4).view(np.uint8)
        blocks = [
            np.concatenate(([stop - start], taps[start:stop].reshape(-1)))
            for start, stop in zip(starts, ends, strict=True)
        ]
        behind = np.stack((biases[both], slopes[both]), axis=1).reshape(-1)
        last = behind if floors else np.append(behind, shifts[both] @ (1, 256))
        words += [_words(np.array([-len(ends) << 15])), _filled(blocks), _words(last)]
    return Constants(weights=np.concatenate(words), floors=floors)


def block_count(node: Node) -> int:
    """Blocks of ``pairs``, of all pairs of filters: sums are taken apart behind each."""
    return sum(len(ends) for ends in _block_ends(settled_linear(node)))


def _both(linear: Linear) -> IntArray:
    """The filters that are taken together, [pairs, 2]; an odd last one with the one before it."""
    first = np.minimum(np.arange(0, len(linear.filters), 2), len(linear.filters) - 2)
    return np.stack((first, first + 1), axis=1)


def _block_ends(linear: Linear) -> list[IntArray]:
    """Of each pair of filters, behind which two taps blocks end."""
    twos = _twos(linear)
    ends = np.zeros(twos.shape[::2], np.bool_)
    ends[:, -1] = True
    sums, counts = np.zeros(twos.shape[:2], np.int64), np.zeros(len(twos), np.int64)
    for k in range(twos.shape[2]):
        sums += twos[:, :, k]
        full = (sums > _MAX_BLOCK).any(axis=1) | (counts == _MAX_TWOS)
        ends[full, k - 1] = True
        sums[full], counts[full] = twos[full, :, k], 0
        counts += 1
    return [np.flatnonzero(row) + 1 for row in ends]


def _filled(blocks: list[AnyArray]) -> npt.NDArray[np.uint32]:
    """Bytes one behind the other, with a zero or a few up to a whole word."""
    data = np.concatenate(blocks).astype(np.uint8)
    return np.append(data, np.zeros(4 - len(data) % 4, np.uint8)).view("<u4").astype(np.uint32)


def _twos(linear: Linear) -> IntArray:
    """What the weights of two taps come to, [pairs, 2 filters, twos]."""
    sums = np.abs(_by_twos(linear.filters).astype(np.int64)).sum(axis=2)
    found: IntArray = sums[_both(linear)]
    return found


def _by_twos(filters: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """[channels, twos, 2 taps], of odd taps the last with a zero."""
    channels, taps = filters.shape
    even = np.zeros((channels, -(-taps // 2) * 2), np.int8)
    even[:, :taps] = filters
    return even.reshape(channels, -1, 2)


def _words(values: IntArray) -> npt.NDArray[np.uint32]:
    return values.astype(np.uint32)
