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

from tinyaiot.fixed_point import Multiplier

_SPREAD = 3
_MANTISSA_MIN = 1 << 30


@dataclass(frozen=True, eq=False)
class PackedRequant:
    """Constants of one layer.

    Attributes:
        words: uint32, one a channel, or one for all.
        right_shift: the smallest right shift; negative shifts left.
        right_shifts: int8, one a channel, where two bits cannot hold the spread; else None.
    """

    words: npt.NDArray[np.uint32]
    right_shift: int
    right_shifts: npt.NDArray[np.int8] | None


def pack(multipliers: Sequence[Multiplier]) -> PackedRequant:
    """Packs the multipliers of a layer, one a channel or one for all."""
    normal = [_normalized(m) for m in multipliers]
    fractions = np.array([m.mantissa - _MANTISSA_MIN for m in normal], dtype=np.uint32)
    shifts = np.array([-m.shift for m in normal], dtype=np.int8)
    base = int(shifts.min())
    if int(shifts.max()) - base > _SPREAD:
        return PackedRequant(fractions, 0, shifts)
    deltas = (shifts - base).astype(np.uint32)
    return PackedRequant(fractions | (deltas << np.uint32(30)), base, None)


def _normalized(multiplier: Multiplier) -> Multiplier:
    # A word holds no mantissa of 0. The smallest multiplier that it holds takes every
    # accumulator short of int32's ends to 0 as well.
    return multiplier if multiplier.mantissa else Multiplier(_MANTISSA_MIN, -31)
