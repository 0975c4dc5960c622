"""Kernels of linear operators for cores with the DSP extension: layout, proofs, constants.

``firmware/operators/dsp/ta_linear_dsp.h`` reads what is laid out here.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyaiot import requant
from tinyaiot.cores import Core
from tinyaiot.fixed_point import INT32_MAX, IntArray, Multiplier
from tinyaiot.graph import Node
from tinyaiot.operators.convolution import row_pixels
from tinyaiot.operators.linear import Constants, Linear, settled_linear

SHARED_SOURCES = ("dsp/ta_dsp_requant.c", "dsp/ta_linear_dsp.c", "dsp/ta_linear_s8_dsp.c")

# The order of four taps in memory; SXTB16 takes bytes 0 and 2 of a word, then 1 and 3.
_TAP_ORDER = (0, 2, 1, 3)
_MAX_ACCUMULATOR = 1 << 23  # 256 times it is an int32
_MAX_FLOOR_BIAS = 1 << 16
_RIGHT_SHIFTS = range(1, 23)
# Most channels take the slope as it is; with 256 biases to one accumulator some do not.
_SLOPE_STEPS = sorted(
    {sign * k << j for sign in (1, -1) for k in range(16) for j in range(8)}, key=abs
)
_FLOOR_SHIFT = 11
_GROUP = 3
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


def requantizes(linear: Linear) -> bool:
    """Whether ``ta_dsp_requant.h`` takes the multipliers, and accumulators are short of 2^30."""
    low, high = linear.accumulator_range
    return bool((np.maximum(-low, high) < 1 << 30).all()) and all(
        -m.shift in _RIGHT_SHIFTS for m in packed_multipliers(linear)
    )


def accumulators_are_short(linear: Linear) -> bool:
    """Whether int32 holds 256 times every accumulator and the bias of a floor."""
    low, high = linear.accumulator_range
    return bool((np.maximum(-low, high) < _MAX_ACCUMULATOR - _MAX_FLOOR_BIAS // 256).all())


def pairs(node: Node) -> Constants:
    """Filters in pairs, with their biases and requantization around each."""
    linear, found = settled_linear(node), floors_of(node, _FLOOR_SHIFT)
    ahead, behind = _exact(linear) if found is None else _by_floors(linear, found)
    words = (ahead, _packed(linear).view(np.uint32), behind)
    return Constants(
        weights=np.ascontiguousarray(np.concatenate(words, axis=1)),
        requant=None,
        floors=found is not None,
    )


def eights(taps: int) -> int:
    """Taps in eights, as filters are padded."""
    return -(-taps // 8)


def group(node: Node) -> int:
    """How many windows of a convolution are widened at a time."""
    return min(row_pixels(node), _GROUP)


def group_bytes(node: Node, core: Core) -> int:
    """Scratch of a convolution's group; where channels are no multiple of four, as bytes too."""
    taps = settled_linear(node).filters.shape[1]
    return scratch_bytes(taps, group(node), node.input(0).channels % 4 != 0)


def scratch_bytes(taps: int, pixels: int, as_bytes: bool) -> int:
    """Scratch of a group of widened pixels, and of the group as bytes where it needs that."""
    return pixels * (16 * eights(taps) + as_bytes * -(-taps // 4) * 4)


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


def _packed(linear: Linear) -> npt.NDArray[np.int16]:
    """Taps of pairs, [pairs, 8 * eights], in the order of memory."""
    joined = _joined(linear)
    count, taps = joined.shape
    padded = np.zeros((count, eights(taps) * 8), np.int16)
    padded[:, :taps] = joined
    ordered = padded.reshape(count, -1, 4)[:, :, _TAP_ORDER]
    return np.ascontiguousarray(ordered.reshape(count, -1))


@dataclass(frozen=True, eq=False)
class Floors:
    """out = saturate((offset + ((256 · acc + bias) · slope >> 32)) >> shift),
    the offset being half an output and the zero point, shifted left.

    Attributes:
        slope, bias: int64 [channels].
    """

    slope: IntArray
    bias: IntArray

    def biases(self, linear: Linear) -> npt.NDArray[np.int32]:
        """What is added to 256 times the sums of filters and inputs."""
        return _int32(256 * linear.folded_bias + self.bias)

    @property
    def packed(self) -> requant.PackedRequant:
        """The slopes as words."""
        return requant.PackedRequant(self.slope.astype(np.uint32), 0, None)


@functools.lru_cache(maxsize=512)
def floors_of(node: Node, shift: int) -> Floors | None:
    """``floors`` of the node's arithmetic."""
    return floors(settled_linear(node), shift)


def floors(linear: Linear, shift: int) -> Floors | None:
    """Floors that equal the requantization for every accumulator that can be, or None.

    Both sides grow with the accumulator, so they are equal when every output value is first
    reached by the same one. That leaves an interval for the bias, given a slope.
    """
    multipliers = packed_multipliers(linear)
    if not all(-m.shift in _RIGHT_SHIFTS for m in multipliers):
        return None
    mantissas, shifts = mantissas_and_shifts(linear)
    values = np.arange(linear.lowest + 1, linear.highest + 1, dtype=np.int64)
    values -= linear.out_zero_point
    low, high = (end[:, np.newaxis] for end in linear.accumulator_range)
    first = np.clip(first_accumulators(mantissas, shifts, values), low, high + 1)
    # A multiplier is mantissa · 2^-(31 + shifts); the floor divides by 2^(24 + shift).
    slope = (mantissas << 8) >> (shifts + 15 - shift)
    if (slope > INT32_MAX).any():
        return None
    bias = np.zeros_like(slope)
    reach = ((values << shift) - (1 << (shift - 1))) << 32
    left = np.arange(len(slope))
    for step in _SLOPE_STEPS:
        tried = np.clip(slope[left] + step, 1, INT32_MAX)
        lowest, highest = _bias_interval(tried, reach, first[left], low[left], high[left])
        found = lowest <= highest
        slope[left[found]], bias[left[found]] = tried[found], lowest[found]
        left = left[~found]
    return None if len(left) else Floors(slope, bias)


def _bias_interval(
    slope: IntArray, reach: IntArray, first: IntArray, low: IntArray, high: IntArray
) -> tuple[IntArray, IntArray]:
    """The least and the most bias, [channels], with which ``first`` are the accumulators in
    [low, high] whose products first are ``reach``; high + 1 stands for none."""
    needed = -(-reach // slope[:, np.newaxis])
    reaching = np.where(first <= high, needed - 256 * first, -_MAX_FLOOR_BIAS)
    before = np.where(first > low, needed - 256 * (first - 1) - 1, _MAX_FLOOR_BIAS - 1)
    return (
        reaching.max(axis=1, initial=-_MAX_FLOOR_BIAS),
        before.min(axis=1, initial=_MAX_FLOOR_BIAS - 1),
    )


def first_accumulators(mantissas: IntArray, shifts: IntArray, values: IntArray) -> IntArray:
    """The least accumulators that requantize to ``values`` or more, [channels, values].

    Args:
        mantissas, shifts: [channels]; shifts to the right, at least 1.
        values: without the zero point.
    """
    mantissa, shift = mantissas[:, np.newaxis], shifts[:, np.newaxis]
    # Halves go away from zero: up to positive values, down from zero and below.
    high = (values << shift) - (np.int64(1) << (shift - 1)) + (values <= 0)
    least: IntArray = -(-((high << 31) - (1 << 30)) // mantissa)
    return least


def packed_multipliers(linear: Linear) -> tuple[Multiplier, ...]:
    """The multipliers as requantization words hold them, without a mantissa of 0."""
    return tuple(m if m.mantissa else Multiplier(1 << 30, -31) for m in linear.multipliers)


def mantissas_and_shifts(linear: Linear) -> tuple[IntArray, IntArray]:
    """Of each channel's multiplier; shifts to the right."""
    multipliers = packed_multipliers(linear)
    return (
        _a_channel(linear, [m.mantissa for m in multipliers]),
        _a_channel(linear, [-m.shift for m in multipliers]),
    )


def _a_channel(linear: Linear, values: list[int]) -> IntArray:
    """``values`` of all channels, [channels], from one each or one for all."""
    spread: IntArray = np.broadcast_to(np.array(values, np.int64), len(linear.filters))
    return spread


def _int32(values: IntArray) -> npt.NDArray[np.int32]:
    narrow: npt.NDArray[np.int32] = values.astype(np.int32)
    return narrow
