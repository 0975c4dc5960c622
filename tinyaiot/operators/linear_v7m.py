"""Kernels of linear operators for cores with Thumb-2 and no instructions for pairs of bytes.

``firmware/operators/linear/ta_linear_v7m.h`` reads what is laid out here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tinyaiot.cores import Core
from tinyaiot.fixed_point import IntArray
from tinyaiot.graph import Node
from tinyaiot.operators.floors import (
    Floors,
    accumulators_are_short,
    floors_of,
    mantissas_and_shifts,
)
from tinyaiot.operators.linear import CLAMP_SOURCE, Constants, settled_linear
from tinyaiot.operators.linear_dsp import requantizes

SHARED_SOURCES = ("linear/ta_linear_s8_v7m.c", CLAMP_SOURCE)
SHARED_SOURCES_OF_1 = ("linear/ta_linear_s8_1_v7m.c", CLAMP_SOURCE)
PIXELS = 5

_FLOOR_SHIFT = 11
_FOUR = 4
_Bytes = npt.NDArray[np.int8]


def _has_thumb2(core: Core) -> bool:
    """Whether the core has these instructions, and none better."""
    return "thumb2" in core.features and "dsp" not in core.features


def requantizes_on_thumb2(node: Node, core: Core) -> bool:
    """Whether ``ta_linear_s8_v7m`` is exact, on a core that it is for."""
    return _has_thumb2(core) and requantizes(settled_linear(node))


def widened_bytes_of_1(node: Node) -> int:
    """Scratch of one pixel, widened."""
    return 4 * _FOUR * -(-_taps(node) // _FOUR)


def takes_floors(node: Node, core: Core) -> bool:
    """Whether floors requantize every channel, on a core that these kernels are for."""
    return _has_thumb2(core) and _floors(node) is not None


def one_by_one(node: Node) -> Constants:
    """Filters, each with its bias and requantization behind its taps."""
    behind, floors = _behind(node)
    filters = settled_linear(node).filters
    return Constants(weights=np.concatenate((filters, *behind), axis=1), floors=floors)


def by_fours(node: Node) -> Constants:
    """Filters by fours, four taps at a time, [taps / 4, 4 filters, 4 taps]; behind them those
    fours' biases and requantization."""
    behind, floors = _behind(node)
    filters = settled_linear(node).filters
    channels, taps = (-(-n // _FOUR) for n in filters.shape)
    padded = np.zeros((channels * _FOUR, taps * _FOUR), np.int8)
    padded[: filters.shape[0], : filters.shape[1]] = filters
    ordered = padded.reshape(channels, _FOUR, taps, _FOUR).swapaxes(1, 2)
    parts = [ordered.reshape(channels, -1)]
    for column in behind:
        values = np.zeros((channels * _FOUR, column.shape[1]), np.int8)
        values[: len(column)] = column
        parts.append(values.reshape(channels, -1))
    words = np.concatenate(parts, axis=1).view("<u4").astype(np.uint32)
    return Constants(weights=words, floors=floors)


def _floors(node: Node) -> Floors | None:
    is_short = accumulators_are_short(settled_linear(node))
    return floors_of(node, _FLOOR_SHIFT) if is_short else None


def _taps(node: Node) -> int:
    return int(settled_linear(node).filters.shape[1])


def _behind(node: Node) -> tuple[tuple[_Bytes, ...], bool]:
    """Bytes behind each filter's taps, [channels, 4 or 1], and whether they are of floors."""
    linear = settled_linear(node)
    found = _floors(node)
    if found is not None:
        return (_as_bytes(found.biases(linear)), _as_bytes(found.slope)), True
    mantissas, shifts = mantissas_and_shifts(linear)
    last = (shifts - 1).astype(np.int8)[:, np.newaxis]
    return (_as_bytes(2 * linear.folded_bias), _as_bytes(mantissas), last), False


def _as_bytes(words: IntArray | npt.NDArray[np.int32]) -> _Bytes:
    """[words, 4], the lowest byte first."""
    return words.astype("<i4").view(np.int8).reshape(-1, 4)
