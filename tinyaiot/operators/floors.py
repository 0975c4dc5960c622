"""Requantization by one floor of a linear function of the accumulator, proved channel by channel.

``ta_floor`` in ``firmware/include/ta_requant.h`` is what kernels make of it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyaiot import requant
from tinyaiot.fixed_point import INT32_MAX, IntArray, Multiplier
from tinyaiot.graph import Node
from tinyaiot.operators.linear import Linear, settled_linear

# Shifts of multipliers, to the right, that floors and exact requantization on DSP cores take.
RIGHT_SHIFTS = range(1, 23)

_MAX_ACCUMULATOR = 1 << 23  # 256 times it is an int32
_MAX_FLOOR_BIAS = 1 << 16
# Most channels take the slope as it is; with 256 biases to one accumulator some do not.
_SLOPE_STEPS = sorted(
    {sign * k << j for sign in (1, -1) for k in range(16) for j in range(8)}, key=abs
)


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


def accumulators_are_short(linear: Linear) -> bool:
    """Whether int32 holds 256 times every accumulator and the bias of a floor."""
    low, high = linear.accumulator_range
    return bool((np.maximum(-low, high) < _MAX_ACCUMULATOR - _MAX_FLOOR_BIAS // 256).all())


def floors(linear: Linear, shift: int) -> Floors | None:
    """Floors that equal the requantization for every accumulator that can be, or None.

    Both sides grow with the accumulator, so they are equal when every output value is first
    reached by the same one. That leaves an interval for the bias, given a slope.
    """
    multipliers = packed_multipliers(linear)
    if not all(-m.shift in RIGHT_SHIFTS for m in multipliers):
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
