"""Floors: equal to TFLM's requantization for every accumulator."""

from __future__ import annotations

import numpy as np
import pytest

from tinyaiot.fixed_point import Multiplier, requantize
from tinyaiot.operators.floors import first_accumulators, floors
from tinyaiot.operators.floors_mve import wide_floors
from tinyaiot.operators.linear import Linear


def _linear(rng: np.random.Generator, shift: int, zero_point: int, lowest: int) -> Linear:
    channels = 6
    filters = rng.integers(-127, 128, (channels, 5)).astype(np.int8)
    return Linear(
        filters=filters,
        bias=rng.integers(-20000, 20000, channels),
        in_zero_point=int(rng.integers(-128, 128)),
        multipliers=tuple(
            Multiplier(int(m), -shift) for m in rng.integers(1 << 30, 1 << 31, channels)
        ),
        out_zero_point=zero_point,
        lowest=lowest,
        highest=127,
    )


@pytest.mark.parametrize("floor_shift", [8, 11])
@pytest.mark.parametrize("shift", range(1, 18))
@pytest.mark.parametrize(("zero_point", "lowest"), [(-128, -128), (-5, -5), (-5, -128)])
def test_floors_equal_requantization(
    shift: int, floor_shift: int, zero_point: int, lowest: int
) -> None:
    linear = _linear(np.random.default_rng(shift), shift, zero_point, lowest)
    found = floors(linear, floor_shift)
    if found is None:
        return
    low, high = linear.accumulator_range
    offset = (zero_point << floor_shift) + (1 << (floor_shift - 1))
    for c, multiplier in enumerate(linear.multipliers):
        acc = np.arange(low[c], high[c] + 1)
        expected = requantize(acc, multiplier.mantissa, multiplier.shift) + zero_point
        x = 256 * acc + found.bias[c]
        assert np.abs(x).max() < 2**31
        assert 0 < found.slope[c] < 2**31
        actual = (offset + ((x * found.slope[c]) >> 32)) >> floor_shift
        assert np.array_equal(np.clip(expected, lowest, 127), np.clip(actual, lowest, 127))


@pytest.mark.parametrize("shift", range(1, 20))
@pytest.mark.parametrize(("zero_point", "lowest"), [(-128, -128), (-5, -5), (-5, -128), (9, 127)])
def test_wide_floors_equal_requantization(shift: int, zero_point: int, lowest: int) -> None:
    linear = _linear(np.random.default_rng(shift), shift, zero_point, lowest)
    found = wide_floors(linear)
    if found is None:
        return
    low, high = linear.accumulator_range
    for c, multiplier in enumerate(linear.multipliers):
        acc = np.arange(low[c], high[c] + 1)
        expected = requantize(acc, multiplier.mantissa, multiplier.shift) + zero_point
        x = acc * found.factor[c] + found.bias[c]
        assert np.abs(x).max() < 2**31
        assert 0 < found.slope[c] < 2**31
        actual = (x * found.slope[c]) >> 47
        assert np.array_equal(np.clip(expected, lowest, 127), np.clip(actual, lowest, 127))


def test_most_layers_with_relu_have_wide_floors() -> None:
    found = [
        wide_floors(_linear(np.random.default_rng(s), shift, -128, -128)) is not None
        for s in range(10)
        for shift in range(5, 12)
    ]
    assert np.mean(found) > 0.9


@pytest.mark.parametrize("floor_shift", [8, 11])
def test_most_layers_with_relu_have_floors(floor_shift: int) -> None:
    found = [
        floors(_linear(np.random.default_rng(s), shift, -128, -128), floor_shift) is not None
        for s in range(10)
        for shift in range(5, 10)
    ]
    assert np.mean(found) > 0.9


@pytest.mark.parametrize("shift", range(1, 23))
def test_first_accumulators_reach_their_values(shift: int) -> None:
    rng = np.random.default_rng(shift)
    mantissas = rng.integers(1 << 30, 1 << 31, 5)
    values = np.arange(-255, 256)
    first = first_accumulators(mantissas, np.full(5, shift), values)
    for row, mantissa in zip(first, mantissas, strict=True):
        small = np.abs(row) < 2**31 - 1
        assert (requantize(row, mantissa, -shift) >= values)[small].all()
        assert (requantize(row - 1, mantissa, -shift) < values)[small].all()
