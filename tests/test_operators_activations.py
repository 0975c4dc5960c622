"""Functions of one int8 element against TFLM, numpy and C alike, on all 256 inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import differential, draw
from tests.support.builder import ModelBuilder
from tinyaiot import oracle
from tinyaiot.errors import UnsupportedModelError
from tinyaiot.frontends import tflite

_CASES = settings(deadline=None, max_examples=300, derandomize=True)
_EVERY = np.arange(-128, 128).astype(np.int8).reshape(1, 4, 8, 8)

# Input scale and output scale over it, as powers of two, within the rules.
_ordinary = st.tuples(st.floats(-9, 0), st.floats(-3, 3))
_OPERATORS = {
    "RELU": st.one_of(_ordinary, st.tuples(st.floats(-20, 20), st.floats(-22, 40))),
    "RELU6": st.one_of(_ordinary, st.tuples(st.floats(-20, 20), st.floats(-22, 40))),
    "ABS": st.one_of(
        _ordinary,
        st.tuples(st.floats(-20, 20), st.just(0.0)),
        st.tuples(st.floats(-20, 20), st.floats(-22, 40)),
    ),
    "LEAKY_RELU": st.one_of(_ordinary, st.tuples(st.floats(-20, 20), st.floats(-19, 40))),
    "HARD_SWISH": st.one_of(_ordinary, st.tuples(st.floats(-20, 12), st.floats(-6.9, 24))),
    "LOGISTIC": st.one_of(_ordinary, st.tuples(st.floats(-28, 12), st.just(0.0))),
    "TANH": st.one_of(_ordinary, st.tuples(st.floats(-28, 12), st.just(0.0))),
}


def _model(op: str, exponents: tuple[float, float], zeros: tuple[int, int], alpha: float) -> bytes:
    scale = float(np.float32(2.0 ** exponents[0]))
    out_scale = scale if exponents[1] == 0 else float(np.float32(2.0 ** sum(exponents)))
    b = ModelBuilder("m")
    x = b.input(_EVERY.shape, scale, zeros[0])
    y = b.tensor(_EVERY.shape, out_scale, -128 if op == "LOGISTIC" else zeros[1])
    options: dict[str, Any] = {"alpha": alpha} if op == "LEAKY_RELU" else {}
    b.op(op, [x], [y], **options)
    return b.build([y])


_alphas = st.one_of(st.sampled_from((0.1, 0.0, 1.0, -0.25)), st.floats(-7, 7, width=32))


@pytest.mark.parametrize("op", _OPERATORS)
def test_every_input_equals_tflm(op: str) -> None:
    @_CASES
    @given(_OPERATORS[op], st.tuples(draw.zero_points, draw.zero_points), _alphas)
    def check(exponents, zeros, alpha) -> None:
        data = _model(op, exponents, zeros, alpha)
        graph = tflite.read(data, "m")
        differential.check_numpy(graph, oracle.run(data, graph, [_EVERY]))

    check()


@pytest.mark.parametrize("op", _OPERATORS)
def test_c_equals_tflm(op: str) -> None:
    differential.check(_model(op, (-4.3, 0.7), (5, -9), 0.2), [_EVERY])


@pytest.mark.parametrize(
    ("op", "exponents", "rule"),
    [
        ("RELU", (0.0, -23.5), "2^22 times the output's"),
        ("LEAKY_RELU", (0.0, -20.5), "alpha times it"),
        ("HARD_SWISH", (0.0, -7.5), "at most 128 times the output's"),
        ("TANH", (-29.0, 0.5), "at least 2^-28"),
    ],
)
def test_scales_that_tflm_cannot_hold_are_refused(op, exponents, rule) -> None:
    with pytest.raises(UnsupportedModelError) as refused:
        tflite.read(_model(op, exponents, (0, 0), 7.0), "m")
    assert any(rule in line for line in refused.value.details)
