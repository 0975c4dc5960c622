"""A sum of two quantized operands as one affine form, proved on every pair of values.

TFLM rescales both operands, adds them and rescales the sum: three multiplies of 64 bits and
as many rounding shifts for each element. Nearly always there are integers with which

    saturate((a_weight · a + b_weight · b + bias) >> right_shift)

is the same for all 65,536 pairs. They are searched for here, near the real ratios of scales.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyaiot.fixed_point import INT32_MAX, IntArray

_VALUES = np.arange(-128, 128, dtype=np.int64)
# More digits only help; below the most that int32 holds, a second try rarely does.
_SHIFTS_TRIED = 2
_FIRST_STEP = 64


@dataclass(frozen=True)
class Affine:
    """The integers of the form; int32 holds every sum, from left to right or otherwise."""

    a_weight: int
    b_weight: int
    bias: int
    right_shift: int


@dataclass(frozen=True, eq=False)
class _Bounds:
    """Bounds on the bias, one for each pair of values that has any.

    bias ≥ bound − da · a − db · b (a lower bound; ≤ for an upper one), where da and db are
    what is added to the weights.
    """

    bound: IntArray
    a: IntArray
    b: IntArray

    def at(self, da: int, db: int) -> IntArray:
        moved: IntArray = self.bound - da * self.a - db * self.b
        return moved

    def where(self, mask: npt.NDArray[np.bool_]) -> _Bounds:
        return _Bounds(self.bound[mask], self.a[mask], self.b[mask])


@functools.lru_cache(maxsize=64)
def affine_form(
    outputs: bytes, a_slope: float, b_slope: float, shift: int | None = None
) -> Affine | None:
    """The form that makes ``outputs``, or None where the search finds none.

    Args:
        outputs: int8 [256, 256], by a and b from −128 on.
        a_slope, b_slope: what a unit of an operand is worth in units of the output.
        shift: the right shift, where it is given.
    """
    table = np.frombuffer(outputs, np.int8).reshape(256, 256).astype(np.int64)
    reach = 255 * (abs(a_slope) + abs(b_slope)) + 256
    most = math.floor(31 - math.log2(reach))
    tried = range(most, most - _SHIFTS_TRIED, -1) if shift is None else (shift,)
    for right_shift in tried:
        if 0 < right_shift <= most:
            form = _search(table, a_slope, b_slope, right_shift)
            if form is not None and _is_exact(form, table):
                return form
    return None


def _search(table: IntArray, a_slope: float, b_slope: float, right_shift: int) -> Affine | None:
    """Moves the weights about the slopes for as long as their bounds on the bias get wider."""
    a_weight, b_weight = (round(slope * 2**right_shift) for slope in (a_slope, b_slope))
    a, b = (x.reshape(-1) for x in np.meshgrid(_VALUES, _VALUES, indexing="ij"))
    value, weighted = table.reshape(-1), a_weight * a + b_weight * b
    lower = _Bounds((value << right_shift) - weighted, a, b).where(value > -128)
    upper = _Bounds(((value + 1) << right_shift) - 1 - weighted, a, b).where(value < 127)
    if not (len(lower.bound) and len(upper.bound)):
        return None
    # Only bounds near the tightest can matter to small moves; the result is checked on all.
    near = 1 << max(right_shift - 3, 0)
    lower = lower.where(lower.bound > lower.bound.max() - near)
    upper = upper.where(upper.bound < upper.bound.min() + near)

    def width(move: tuple[int, int]) -> int:
        return int(upper.at(*move).min() - lower.at(*move).max())

    move, step = (0, 0), _FIRST_STEP
    while width(move) < 0 and step:
        around = [(move[0] + i * step, move[1] + j * step) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        best = max(around, key=width)
        if width(best) > width(move):
            move = best
        else:
            step //= 2
    if width(move) < 0:
        return None
    bias = int(lower.at(*move).max())
    return Affine(a_weight + move[0], b_weight + move[1], bias, right_shift)


def _is_exact(form: Affine, table: IntArray) -> bool:
    sums = form.a_weight * _VALUES[:, None] + form.b_weight * _VALUES + form.bias
    if np.abs(sums).max() > INT32_MAX:
        return False
    return bool(np.array_equal(np.clip(sums >> form.right_shift, -128, 127), table))
