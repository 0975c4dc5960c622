"""The fixed-point arithmetic of TensorFlow Lite Micro, bit for bit, in numpy.

Source: gemmlowp's ``fixedpoint.h`` and TFLite's ``common.h`` and ``quantization_util.cc``.
TFLM rounds twice (a rounding doubling high multiply, then a rounding shift); every kernel
in ``firmware`` computes the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[Any]

INT32_MIN = -(2**31)
INT32_MAX = 2**31 - 1


@dataclass(frozen=True)
class Multiplier:
    """A positive real as ``mantissa · 2^(shift − 31)``, the mantissa in [2^30, 2^31) or 0.

    ``shift`` is positive to the left, as in TFLite.
    """

    mantissa: int
    shift: int

    @staticmethod
    def of(real: float) -> Multiplier:
        """TFLite's QuantizeMultiplier."""
        if real == 0.0:
            return Multiplier(0, 0)
        fraction, shift = math.frexp(real)
        # TfLiteRound rounds halves away from zero; fraction is never negative here.
        mantissa = math.floor(fraction * 2**31 + 0.5)
        if mantissa == 2**31:
            mantissa //= 2
            shift += 1
        if shift < -31:
            return Multiplier(0, 0)
        if shift > 30:
            return Multiplier(INT32_MAX, 30)
        return Multiplier(mantissa, shift)


def doubling_high_multiply(a: IntArray, b: IntArray | int) -> IntArray:
    """gemmlowp's SaturatingRoundingDoublingHighMul of int32 values."""
    a64 = np.asarray(a, dtype=np.int64)
    b64 = np.asarray(b, dtype=np.int64)
    product = a64 * b64
    nudge = np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    total = product + nudge
    # C++ divides towards zero where numpy's >> would floor.
    high = np.where(total >= 0, total >> 31, -((-total) >> 31))
    saturated = (a64 == INT32_MIN) & (b64 == INT32_MIN)
    return np.where(saturated, INT32_MAX, high)


def rounding_shift_right(x: IntArray, exponent: IntArray | int) -> IntArray:
    """gemmlowp's RoundingDivideByPOT: halves away from zero."""
    x64 = np.asarray(x, dtype=np.int64)
    mask = (np.int64(1) << np.asarray(exponent, dtype=np.int64)) - 1
    remainder = x64 & mask
    threshold = (mask >> 1) + (x64 < 0)
    return (x64 >> np.asarray(exponent, dtype=np.int64)) + (remainder > threshold)


def requantize(x: IntArray, mantissa: IntArray | int, shift: IntArray | int) -> IntArray:
    """TFLite's MultiplyByQuantizedMultiplier: int32 in, int32 out (held as int64)."""
    shift_array = np.asarray(shift, dtype=np.int64)
    left = np.maximum(shift_array, 0)
    right = np.maximum(-shift_array, 0)
    shifted = wrap_int32(np.asarray(x, dtype=np.int64) << left)
    return rounding_shift_right(doubling_high_multiply(shifted, mantissa), right)


def wrap_int32(x: IntArray) -> IntArray:
    """``x`` as 32-bit two's complement arithmetic would leave it, held as int64."""
    return np.asarray(x, dtype=np.int64).astype(np.int32).astype(np.int64)
