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
# Most channels take the slope as it is; with 256 biases to one accumulator some do not, and take
# one of these next to it.
_SLOPE_STEPS = np.array(
    sorted({sign * k << j for sign in (1, -1) for k in range(16) for j in range(8)} - {0}, key=abs)
)
_STEPS_AT_ONCE = 16


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
    reach = ((values << shift) - (1 << (shift - 1))) << 32
    thresholds = _Thresholds(reach, first, low, high)
    # A multiplier is mantissa · 2^-(31 + shifts); the floor divides by 2^(24 + shift).
    slope = np.maximum((mantissas << 8) >> (shifts + 15 - shift), 1)
    if (slope > INT32_MAX).any():
        return None
    least, most = thresholds.biases(np.arange(len(slope)), slope[:, np.newaxis])
    bias, lack = least[:, 0], (least - most)[:, 0]
    left = np.flatnonzero(lack > 0)
    # Where there is none at all, the channel that is furthest from one is likely to tell.
    furthest = left[np.argsort(-lack[left])][:1]
    least, most = thresholds.biases(furthest, _near(slope[furthest], _SLOPE_STEPS))
    if (least > most).all(axis=1).any():
        return None
    for steps in np.split(_SLOPE_STEPS, range(_STEPS_AT_ONCE, len(_SLOPE_STEPS), _STEPS_AT_ONCE)):
        if not len(left):
            break
        tried = _near(slope[left], steps)
        least, most = thresholds.biases(left, tried)
        fits = least <= most
        found = np.flatnonzero(fits.any(axis=1))
        chosen = found, fits.argmax(axis=1)[found]
        slope[left[found]], bias[left[found]] = tried[chosen], least[chosen]
        left = np.delete(left, found)
    return None if len(left) else Floors(slope, bias)


def _near(slope: IntArray, steps: IntArray) -> IntArray:
    """Slopes some steps away from each, [channels, steps]."""
    near: IntArray = np.clip(slope[:, np.newaxis] + steps, 1, INT32_MAX)
    return near


@dataclass(frozen=True, eq=False)
class _Thresholds:
    """Where accumulators reach each value of the output.

    Attributes:
        reach: [values]: the least product, in units of 2^-32, that is requantized to the value.
        first: [channels, values]: the least accumulator that is to reach it; high + 1 for none.
        low, high: [channels, 1]: the accumulators that can be.
    """

    reach: IntArray
    first: IntArray
    low: IntArray
    high: IntArray

    def biases(self, channels: IntArray, slopes: IntArray) -> tuple[IntArray, IntArray]:
        """The least and the most bias with which ``first`` are the first ones for slopes of some
        channels; all are [channels, slopes]."""
        needed = -(-self.reach // slopes[:, :, np.newaxis])
        first = self.first[channels, np.newaxis]
        exists = first <= self.high[channels, np.newaxis]
        is_lowest = first <= self.low[channels, np.newaxis]
        reaching = np.where(exists, needed - 256 * first, -_MAX_FLOOR_BIAS)
        before = np.where(is_lowest, _MAX_FLOOR_BIAS - 1, needed - 256 * (first - 1) - 1)
        return (
            reaching.max(axis=2, initial=-_MAX_FLOOR_BIAS),
            before.min(axis=2, initial=_MAX_FLOOR_BIAS - 1),
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
