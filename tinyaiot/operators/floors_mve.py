"""Requantization by one floor on cores with Helium, proved channel by channel.

``firmware/operators/depthwise_conv_2d/ta_depthwise_conv_2d.h`` says what kernels make of it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from tinyaiot.fixed_point import INT32_MAX, IntArray
from tinyaiot.graph import Node
from tinyaiot.operators.floors import first_accumulators, mantissas_and_shifts
from tinyaiot.operators.linear import Linear, settled_linear

# The product of accumulator, factor and slope is shifted right by as much, its doubling aside.
_SHIFT = 47
_RIGHT_SHIFTS = range(1, 23)
_FACTOR_BITS = 16
# Slopes have at least as many bits, or accuracy would be lost; factors take the rest.
_LEAST_SLOPE_BITS = 26
_SLOPE_STEPS = (0, 1, -1, 2, -2, 4, -4, 8, -8)


@dataclass(frozen=True, eq=False)
class WideFloors:
    """out = saturate((acc · factor + bias) · slope >> 47), the zero point in the bias.

    Attributes:
        factor, bias, slope: int64 [channels], in int32's range as acc · factor + bias is for every
            accumulator that can be; factors are powers of 2.
    """

    factor: IntArray
    bias: IntArray
    slope: IntArray


@functools.lru_cache(maxsize=512)
def wide_floors_of(node: Node) -> WideFloors | None:
    """``wide_floors`` of the node's arithmetic."""
    return wide_floors(settled_linear(node))


def wide_floors(linear: Linear) -> WideFloors | None:
    """Floors that equal the requantization for every accumulator that can be, or None.

    Both sides grow with the accumulator, so they are equal when every output value is first
    reached by the same one. That leaves an interval for the bias, given factor and slope.
    """
    mantissas, shifts = mantissas_and_shifts(linear)
    if not all(shift in _RIGHT_SHIFTS for shift in shifts):
        return None
    outputs = np.arange(linear.lowest + 1, linear.highest + 1, dtype=np.int64)
    low, high = (end[:, np.newaxis] for end in linear.accumulator_range)
    first = first_accumulators(mantissas, shifts, outputs - linear.out_zero_point)
    first = np.clip(first, low, high + 1)
    reach = outputs << _SHIFT
    channels = len(mantissas)
    factor, bias, slope = (np.zeros(channels, np.int64) for _ in range(3))
    left = np.arange(channels)
    # A multiplier is mantissa · 2^-(31 + shift): bits that the slope lacks are the factor's.
    for bits in range(31 - _LEAST_SLOPE_BITS, -1, -1):
        factors = np.int64(1) << np.maximum(_FACTOR_BITS - shifts + bits, 0)
        slopes = mantissas >> np.maximum(bits, shifts - _FACTOR_BITS)
        for step in _SLOPE_STEPS:
            tried = np.clip(slopes[left] + step, 1, INT32_MAX)
            lowest, highest = _bias_interval(
                factors[left], tried, reach, first[left], low[left], high[left]
            )
            found = lowest <= highest
            done = left[found]
            factor[done], slope[done], bias[done] = factors[done], tried[found], lowest[found]
            left = left[~found]
            if not len(left):
                return WideFloors(factor, bias, slope)
    return None


def _bias_interval(
    factor: IntArray,
    slope: IntArray,
    reach: IntArray,
    first: IntArray,
    low: IntArray,
    high: IntArray,
) -> tuple[IntArray, IntArray]:
    """The least and the most bias, [channels], with which ``first`` are the accumulators in
    [low, high] that first reach the outputs; high + 1 stands for none. With none of them a term
    leaves int32."""
    wide = factor[:, np.newaxis]
    needed = -(-reach // slope[:, np.newaxis])
    least = -INT32_MAX - wide * low
    most = INT32_MAX - wide * high
    reaching = np.where(first <= high, needed - wide * first, least)
    before = np.where(first > low, needed - wide * (first - 1) - 1, most)
    return (
        np.concatenate((reaching, least), axis=1).max(axis=1),
        np.concatenate((before, most), axis=1).min(axis=1),
    )
