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
        return Multiplier(mantissa, shift)


def doubling_high_multiply(a: IntArray, b: IntArray | int) -> IntArray:
    """gemmlowp's SaturatingRoundingDoublingHighMul of int32 values.

    gemmlowp adds a nudge that depends on the product's sign and divides towards zero; for
    every product that is the floor taken here.
    """
    a64 = np.asarray(a, dtype=np.int64)
    b64 = np.asarray(b, dtype=np.int64)
    high: IntArray = np.minimum((a64 * b64 + (1 << 30)) >> 31, INT32_MAX)
    return high


def rounding_shift_right(x: IntArray, exponent: IntArray | int) -> IntArray:
    """gemmlowp's RoundingDivideByPOT: halves away from zero."""
    x64 = np.asarray(x, dtype=np.int64)
    mask = (np.int64(1) << np.asarray(exponent, dtype=np.int64)) - 1
    remainder = x64 & mask
    threshold = (mask >> 1) + (x64 < 0)
    shifted: IntArray = (x64 >> np.asarray(exponent, dtype=np.int64)) + (remainder > threshold)
    return shifted


def requantize(x: IntArray, mantissa: IntArray | int, shift: IntArray | int) -> IntArray:
    """TFLite's MultiplyByQuantizedMultiplier: int32 in, int32 out (held as int64)."""
    shift_array = np.asarray(shift, dtype=np.int64)
    left = np.maximum(shift_array, 0)
    right = np.maximum(-shift_array, 0)
    shifted = wrap_int32(np.asarray(x, dtype=np.int64) << left)
    return rounding_shift_right(doubling_high_multiply(shifted, mantissa), right)


def exp_on_negative_values(x: IntArray, integer_bits: int) -> IntArray:
    """gemmlowp's exp_on_negative_values.

    Args:
        x: int32 ≤ 0 with ``integer_bits`` integer bits (at most 5).

    Returns:
        e^x, int32 without integer bits.
    """
    x64 = np.asarray(x, dtype=np.int64)
    fractional_bits = 31 - integer_bits
    quarter = 1 << (fractional_bits - 2)
    # x = −remainder + fraction, the fraction in [−1/4, 0) and the remainder in quarters.
    fraction = (x64 & (quarter - 1)) - quarter
    remainder = fraction - x64
    result = _exp_between_minus_quarter_and_0(fraction << integer_bits)
    for exponent, factor in _EXP_OF_MINUS_POWERS:
        if exponent < integer_bits:
            present = (remainder >> (fractional_bits + exponent)) & 1
            result = np.where(present, doubling_high_multiply(result, factor), result)
    return np.where(x64 == 0, INT32_MAX, result)


# exp(−2^exponent) without integer bits.
_EXP_OF_MINUS_POWERS = (
    (-2, 1672461947),
    (-1, 1302514674),
    (0, 790015084),
    (1, 290630308),
    (2, 39332535),
    (3, 720401),
    (4, 242),
)
_EXP_OF_MINUS_EIGHTH = 1895147668
_ONE_THIRD = 715827883


def _exp_between_minus_quarter_and_0(x: IntArray) -> IntArray:
    """e^x by its Taylor series around −1/8; no integer bits."""
    x1 = x + (1 << 28)
    x2 = doubling_high_multiply(x1, x1)
    x3 = doubling_high_multiply(x2, x1)
    x4 = doubling_high_multiply(x2, x2)
    cubic = doubling_high_multiply(rounding_shift_right(x4, 2) + x3, _ONE_THIRD)
    series = x1 + rounding_shift_right(cubic + x2, 1)
    return _EXP_OF_MINUS_EIGHTH + doubling_high_multiply(series, _EXP_OF_MINUS_EIGHTH)


def reciprocal_of_one_plus(x: IntArray) -> IntArray:
    """gemmlowp's one_over_one_plus_x_for_x_in_0_1: 1 / (1 + x), no integer bits."""
    reciprocal: IntArray = np.minimum(_two_over_one_plus(x) << 1, INT32_MAX)
    return reciprocal


def one_minus_over_one_plus(x: IntArray) -> IntArray:
    """gemmlowp's one_minus_x_over_one_plus_x_for_x_in_0_1: (1 − x) / (1 + x), no integer bits."""
    # 2 / (1 + x) − 1 is the same; 2^29 is 1 with two integer bits.
    quotient: IntArray = np.minimum((_two_over_one_plus(x) - (1 << 29)) << 2, INT32_MAX)
    return quotient


def _two_over_one_plus(x: IntArray) -> IntArray:
    """2 / (1 + x) with two integer bits, for x without."""
    # Three steps of Newton and Raphson from 48/17 − 32/17·d, for d = (1 + x) / 2 in [1/2, 1].
    half_denominator = (np.asarray(x, dtype=np.int64) + INT32_MAX + 1) // 2
    estimate = 1515870810 + doubling_high_multiply(half_denominator, -1010580540)
    for _ in range(3):
        error = (1 << 29) - doubling_high_multiply(half_denominator, estimate)
        estimate = estimate + (doubling_high_multiply(estimate, error) << 2)
    return estimate


def wrap_int32(x: IntArray) -> IntArray:
    """``x`` as 32-bit two's complement arithmetic would leave it, held as int64."""
    return np.asarray(x, dtype=np.int64).astype(np.int32).astype(np.int64)
