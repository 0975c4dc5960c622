"""QUANTIZE and DEQUANTIZE against TFLM, numpy and C alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import differential, draw
from tests.support.builder import ModelBuilder
from tinyaiot.errors import UnsupportedModelError
from tinyaiot.frontends import tflite
from tinyaiot.operators import operator_of
from tinyaiot.plan import Memory
from tinyaiot.planner import plan_model

_CASES = settings(deadline=None, max_examples=25, derandomize=True)

_bytes = np.arange(256).astype(np.uint8).reshape(4, 8, 8)
_exponents = st.one_of(st.floats(-9, 1), st.floats(-60, 20))
_uint8_zero_points = st.integers(0, 255)


def _scale(exponent: float) -> float:
    return float(np.float32(2.0**exponent))


@pytest.mark.parametrize(
    ("source", "target"), [("int8", "int8"), ("uint8", "int8"), ("int8", "uint8")]
)
def test_every_byte_is_requantized_as_in_tflm(source: str, target: str) -> None:
    zero_points = {"int8": draw.zero_points, "uint8": _uint8_zero_points}

    @_CASES
    @given(_exponents, st.floats(-33, 21), zero_points[source], zero_points[target])
    def check(exponent, ratio, zero_in, zero_out) -> None:
        b = ModelBuilder("m")
        x = b.input(_bytes.shape, _scale(exponent + ratio), zero_in, source)
        y = b.tensor(_bytes.shape, _scale(exponent), zero_out, target)
        b.op("QUANTIZE", [x], [y])
        differential.check(b.build([y]), [_bytes.view(source)])

    check()


def _near_ties(rng: np.random.Generator, scale: float) -> np.ndarray:
    """Reals within a few units of the last place of (k + 1/2) · scale."""
    ties = (np.arange(-300, 300) + 0.5).astype(np.float32) * np.float32(scale)
    steps = rng.integers(-3, 4, ties.shape).astype(np.int32)
    return (ties.view(np.int32) + steps).view(np.float32)


@_CASES
@given(st.one_of(st.sampled_from((0.0, -7.0)), _exponents), draw.zero_points, draw.seeds)
def test_reals_are_quantized_as_in_tflm(exponent, zero_point, seed) -> None:
    rng = np.random.default_rng(seed)
    scale = _scale(exponent)
    anything = rng.integers(0, 2**32, 4000, dtype=np.uint32).view(np.float32)
    # TFLM's conversion to int32 is undefined beyond these.
    with np.errstate(all="ignore"):
        defined = np.abs(anything / np.float32(scale)) < 2.0**31 - 512
    special = np.float32([0.0, -0.0, 0.49999997, -0.49999997, 1e-45, -1e-45, 8388609.0, 1.5])
    reals = np.concatenate([_near_ties(rng, scale), anything[defined], special * scale])
    reals = reals.astype(np.float32)[: len(reals) // 8 * 8].reshape(1, -1, 2, 4)
    b = ModelBuilder("m")
    x = b.input(reals.shape, dtype="float32")
    y = b.tensor(reals.shape, scale, zero_point)
    b.op("QUANTIZE", [x], [y])
    differential.check(b.build([y]), [reals])


def test_reals_out_of_range_saturate_alike_in_numpy_and_c() -> None:
    reals = np.float32([[np.inf, 3e38, 2.0**31, -np.inf, -3e38, -(2.0**33), np.nan, -np.nan]])
    b = ModelBuilder("m")
    x = b.input(reals.shape, dtype="float32")
    y = b.tensor(reals.shape, 0.5, -3)
    b.op("QUANTIZE", [x], [y])
    graph = tflite.read(b.build([y]), "m")
    node = graph.nodes[0]
    expected = np.int8([[127, 127, 127, -128, -128, -128, -128, -128]])
    assert np.array_equal(operator_of(node).evaluate(node, [reals])[0], expected)
    plan = plan_model(graph, differential.HOST, (Memory("ram", 1 << 16),))
    *_, (layer, _, _, _, output) = differential.run_c(graph, plan, [reals])
    assert layer < 0
    assert np.array_equal(output.view(np.int8), expected.reshape(-1))


@pytest.mark.parametrize("source", ["int8", "uint8"])
def test_every_byte_is_dequantized_as_in_tflm(source: str) -> None:
    zero_points = draw.zero_points if source == "int8" else _uint8_zero_points

    @_CASES
    @given(st.one_of(_exponents, st.floats(-149, 120)), zero_points)
    def check(exponent, zero_point) -> None:
        b = ModelBuilder("m")
        x = b.input(_bytes.shape, _scale(exponent), zero_point, source)
        y = b.tensor(_bytes.shape, dtype="float32")
        b.op("DEQUANTIZE", [x], [y])
        differential.check(b.build([y]), [_bytes.view(source)])

    check()


@pytest.mark.parametrize(
    ("op", "source", "target", "rule"),
    [
        ("QUANTIZE", "float32", "uint8", "float32, int8 or uint8"),
        ("QUANTIZE", "int8", "int16", "float32, int8 or uint8"),
        ("DEQUANTIZE", "int16", "float32", "float32 from int8 or uint8"),
    ],
)
def test_other_types_are_refused(op: str, source: str, target: str, rule: str) -> None:
    b = ModelBuilder("m")
    x = b.input((1, 8), None if source == "float32" else 0.5, 0, source)
    y = b.tensor((1, 8), None if target == "float32" else 0.5, 0, target)
    b.op(op, [x], [y])
    with pytest.raises(UnsupportedModelError) as refused:
        tflite.read(b.build([y]), "m")
    assert any(rule in line for line in refused.value.details)
