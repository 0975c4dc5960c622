"""fixed_point.py and ta_requant.h against exact rationals and gemmlowp's definitions."""

from __future__ import annotations

import math
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.differential import compile_c
from tinyaiot.fixed_point import (
    INT32_MAX,
    INT32_MIN,
    Multiplier,
    doubling_high_multiply,
    exp_on_negative_values,
    reciprocal_of_one_plus,
    requantize,
    rounding_shift_right,
)
from tinyaiot.paths import data_dir

_ENDS = (INT32_MIN, INT32_MIN + 1, -(2**30), -1, 0, 1, 2**30, INT32_MAX - 1, INT32_MAX)
int32 = st.one_of(st.sampled_from(_ENDS), st.integers(INT32_MIN, INT32_MAX))
mantissas = st.one_of(st.sampled_from((0, 2**30, INT32_MAX)), st.integers(2**30, INT32_MAX))


def _half_away(x: Fraction) -> int:
    return int(math.copysign(math.floor(abs(x) + Fraction(1, 2)), x))


def _gemmlowp_product(a: int, b: int) -> int:
    """The definition: a nudge by the product's sign, then division towards zero."""
    if a == b == INT32_MIN:
        return INT32_MAX
    nudged = a * b + (2**30 if a * b >= 0 else 1 - 2**30)
    return math.trunc(Fraction(nudged, 2**31))


@given(st.floats(2.0**-31, 2.0**31, exclude_max=True))
def test_multiplier_is_the_nearest_of_31_bits(real: float) -> None:
    m = Multiplier.of(real)
    assert 2**30 <= m.mantissa < 2**31
    unit = Fraction(2) ** (m.shift - 31)
    assert abs(m.mantissa * unit - Fraction(real)) <= unit / 2


def test_multiplier_of_nothing_is_nothing() -> None:
    assert Multiplier.of(0.0) == Multiplier.of(2.0**-33) == Multiplier(0, 0)
    assert Multiplier.of(1 - 2.0**-40) == Multiplier(2**30, 1)


@given(int32, int32)
def test_product_is_gemmlowps(a: int, b: int) -> None:
    assert int(doubling_high_multiply(np.array(a), b)) == _gemmlowp_product(a, b)


@pytest.mark.parametrize("exponent", range(32))
def test_shift_rounds_halves_away_from_zero(exponent: int) -> None:
    # Around every kind of halfway point, and at the ends of the range.
    half = 1 << exponent >> 1
    x = np.array([k * half + d for k in range(-9, 10) for d in (-1, 0, 1)] + list(_ENDS))
    x = x[(x >= INT32_MIN) & (x <= INT32_MAX)]
    expected = [_half_away(Fraction(int(v), 2**exponent)) for v in x]
    assert rounding_shift_right(x, exponent).tolist() == expected


@given(int32, mantissas, st.integers(-31, 30))
def test_requantize_rounds_twice(x: int, mantissa: int, shift: int) -> None:
    shifted = (x << max(shift, 0)) + 2**31 & 0xFFFFFFFF
    product = _gemmlowp_product(shifted - 2**31, mantissa)
    expected = _half_away(Fraction(product, 2 ** max(-shift, 0)))
    assert int(requantize(np.array(x), mantissa, shift)) == expected


def test_exp_is_near_the_real_one() -> None:
    x = np.linspace(-(2**31) + 1, 0, 10001).astype(np.int64)
    error = exp_on_negative_values(x, 5) / 2**31 - np.exp(x / 2**26)
    # The series around -1/8 ends before its fifth power; a few units more by rounding.
    assert np.max(np.abs(error)) < (1 / 8) ** 5 / math.factorial(5) + 4 / 2**31
    assert exp_on_negative_values(np.array(0), 5) == INT32_MAX


def test_reciprocal_is_near_the_real_one() -> None:
    x = np.linspace(0, INT32_MAX, 10001).astype(np.int64)
    error = reciprocal_of_one_plus(x) / 2**31 - 1 / (1 + x / 2**31)
    assert np.max(np.abs(error)) < 1e-8


def test_c_equals_numpy(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x = rng.choice(_ENDS, 20000)
    x = np.where(rng.random(20000) < 0.8, rng.integers(INT32_MIN, INT32_MAX, 20000), x)
    mantissa = rng.integers(2**30, 2**31, 20000)
    shift = rng.integers(-31, 31, 20000)
    program = tmp_path / "scale.c"
    program.write_text(
        '#include <stdio.h>\n#include "ta_requant.h"\n'
        "int main(void) {\n"
        "    int x, m, s;\n"
        '    while (scanf("%d %d %d", &x, &m, &s) == 3) {\n'
        '        printf("%d\\n", (int)ta_scale(x, m, s));\n'
        "    }\n"
        "    return 0;\n"
        "}\n"
    )
    executable = compile_c(program, tmp_path / "scale", data_dir("firmware") / "include")
    triples = np.stack([x, mantissa, -shift], axis=1)
    text = "\n".join(" ".join(map(str, triple)) for triple in triples.tolist())
    run = subprocess.run([executable], input=text, capture_output=True, text=True, check=True)
    expected = requantize(x, mantissa, shift)
    assert [int(line) for line in run.stdout.split()] == expected.tolist()
