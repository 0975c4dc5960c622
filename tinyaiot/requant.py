"""Per-channel requantization constants, packed into one word a channel.

Layout of a word (``ta_requant.h`` reads it): bits 0-29 are the mantissa less 2^30, bits 30-31
are added to the layer's smallest right shift. Four bytes a channel instead of five or eight:
on depthwise-separable networks these constants outweigh the code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyaiot.fixed_point import IntArray, Multiplier, requantize

_SPREAD = 3
_MANTISSA_MIN = 1 << 30


@dataclass(frozen=True, eq=False)
class PackedRequant:
    """Constants of one layer.

    Attributes:
        words: uint32, one a channel.
        right_shift: the smallest right shift; negative shifts left.
        right_shifts: int8, one a channel, where two bits cannot hold the spread; else None.
    """

    words: npt.NDArray[np.uint32]
    right_shift: int
    right_shifts: npt.NDArray[np.int8] | None


def pack(multipliers: Sequence[Multiplier], lowest: IntArray, highest: IntArray) -> PackedRequant:
    """Packs multipliers, given the range of accumulators that each channel can reach.

    A channel whose whole range requantizes to one value (a dead channel, often with an
    extreme shift) may take any multiplier that gives this value too: requantization is
    monotonic, so its two ends prove it.
    """
    constant = [_constant_value(m, lo, hi) for m, lo, hi in zip(multipliers, lowest, highest)]
    live = [-m.shift for m, value in zip(multipliers, constant) if value is None]
    base = min(live, default=0)
    packed = [
        m if value is None else _substitute(m, value, int(lo), int(hi), base)
        for m, value, lo, hi in zip(multipliers, constant, lowest, highest)
    ]
    spread = max((-m.shift - base for m in packed), default=0)
    fractions = np.array([m.mantissa - _MANTISSA_MIN for m in packed], dtype=np.uint32)
    shifts = np.array([-m.shift for m in packed], dtype=np.int8)
    if spread > _SPREAD or (packed and int(shifts.min()) < base):
        return PackedRequant(fractions, 0, shifts)
    deltas = (shifts - base).astype(np.uint32)
    return PackedRequant(fractions | (deltas << np.uint32(30)), base, None)


def _constant_value(multiplier: Multiplier, lowest: int, highest: int) -> int | None:
    """What the channel always requantizes to, or None where it is not constant."""
    ends = requantize(np.array([lowest, highest]), multiplier.mantissa, multiplier.shift)
    return int(ends[0]) if ends[0] == ends[1] else None


def _substitute(
    multiplier: Multiplier, value: int, lowest: int, highest: int, base: int
) -> Multiplier:
    """A multiplier near the layer's others under which the channel is still ``value``."""
    ends = np.array([lowest, highest])
    for right_shift in (*range(base, base + _SPREAD + 1), 31):
        candidate = Multiplier(_MANTISSA_MIN, -right_shift)
        if bool(np.all(requantize(ends, candidate.mantissa, candidate.shift) == value)):
            return candidate
    return multiplier
