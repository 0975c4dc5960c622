"""Pools, MEAN, SUM and SOFTMAX against TFLM, numpy and C alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import strategies as st

from tests.support import differential, draw
from tests.support.builder import ModelBuilder
from tests.support.differential import HOST
from tinyaiot.frontends import tflite
from tinyaiot.operators.windows import Padding, Window
from tinyaiot.plan import Memory
from tinyaiot.planner import plan_model


@st.composite
def pool(
    draw_from: st.DrawFn, op: str, channels_range: tuple[int, int] = (1, 6)
) -> tuple[bytes, np.ndarray]:
    """A model of one pool, and an input."""
    scheme = draw_from(st.sampled_from(Padding))
    axes = []
    for _ in range(2):
        kernel, stride = draw_from(st.integers(1, 6)), draw_from(st.integers(1, 4))
        lowest = 1 if scheme is Padding.SAME else kernel
        size = draw_from(st.integers(lowest, lowest + 6))
        axes.append(Window.of(scheme, size, kernel, stride))
    vertical, horizontal = axes
    channels = draw_from(st.integers(*channels_range))
    scale = draw_from(st.sampled_from((1.0, 0.0235, 0.25)))
    zero_point = draw_from(draw.zero_points)
    b = ModelBuilder("m")
    x = b.input((1, vertical.size, horizontal.size, channels), scale, zero_point)
    y = b.tensor((1, vertical.out_size, horizontal.out_size, channels), scale, zero_point)
    b.op(
        op,
        [x],
        [y],
        padding=scheme.value,
        filterHeight=vertical.kernel,
        filterWidth=horizontal.kernel,
        strideH=vertical.stride,
        strideW=horizontal.stride,
        fusedActivationFunction=draw_from(draw.activations),
    )
    rng = np.random.default_rng(draw_from(draw.seeds))
    return b.build([y]), draw.int8_values(rng, (1, vertical.size, horizontal.size, channels))


@st.composite
def reduction(draw_from: st.DrawFn, op: str) -> tuple[bytes, np.ndarray]:
    """A model of one MEAN or SUM, and an input."""
    rank = draw_from(st.integers(1, 4))
    shape = tuple(draw_from(st.integers(1, 7)) for _ in range(rank))
    if rank == 4:
        shape = (1, *shape[1:])
    axes = draw_from(st.sets(st.integers(0, rank - 1)))
    signed = [axis - rank if draw_from(st.booleans()) else axis for axis in sorted(axes)]
    keep_dims = draw_from(st.booleans())
    out_shape = [1 if k in axes else n for k, n in enumerate(shape) if keep_dims or k not in axes]
    in_scale = draw_from(st.sampled_from((1.0, 0.0235, 1e-3)))
    ratio = 2.0 ** draw_from(st.floats(-34, 12))
    b = ModelBuilder("m")
    x = b.input(shape, in_scale, draw_from(draw.zero_points))
    y = b.tensor(out_shape, float(np.float32(in_scale / ratio)), draw_from(draw.zero_points))
    b.op(op, [x, b.constant(np.array(signed, np.int32))], [y], keepDims=keep_dims)
    rng = np.random.default_rng(draw_from(draw.seeds))
    return b.build([y]), draw.int8_values(rng, shape)


@st.composite
def softmax(draw_from: st.DrawFn) -> tuple[bytes, np.ndarray]:
    """A model of one SOFTMAX, and an input."""
    shape = draw_from(
        st.sampled_from(((1, 2), (1, 10), (4, 3), (1, 1), (1, 3, 2, 5), (2, 3, 7), (9,), (1, 300)))
    )
    scale = float(np.float32(2.0 ** draw_from(st.floats(-25, 10))))
    beta = draw_from(st.sampled_from((1.0, 1.0, 1.0, 0.73, 4.0)))
    b = ModelBuilder("m")
    x = b.input(shape, scale, draw_from(draw.zero_points))
    y = b.tensor(shape, 1 / 256, -128)
    b.op("SOFTMAX", [x], [y], beta=beta)
    rng = np.random.default_rng(draw_from(draw.seeds))
    return b.build([y]), draw.int8_values(rng, shape)


_CASES = {
    "AVERAGE_POOL_2D": pool("AVERAGE_POOL_2D"),
    "MAX_POOL_2D": pool("MAX_POOL_2D"),
    "MEAN": reduction("MEAN"),
    "SUM": reduction("SUM"),
    "SOFTMAX": softmax(),
}


@pytest.mark.parametrize("op", _CASES)
def test_numpy_equals_tflm(op: str) -> None:
    draw.check_numpy(_CASES[op], max_examples=200)


@pytest.mark.parametrize("op", _CASES)
def test_c_equals_tflm(op: str) -> None:
    draw.check_c(_CASES[op], max_examples=20)


@pytest.mark.parametrize("op", ["AVERAGE_POOL_2D", "MEAN", "SUM"])
@pytest.mark.parametrize("channels", [1, 6, 8])
def test_rows_that_are_added_up_equal_tflm(op: str, channels: int) -> None:
    rng = np.random.default_rng(channels)
    shape = (1, 5, 3, channels)
    b = ModelBuilder("m")
    x = b.input(shape, 0.0235, -7)
    first = b.tensor(shape, 0.0235, -7)
    y = b.tensor((1, 1, 1, channels), 0.0235, -7)
    window = {"filterHeight": 3, "filterWidth": 3, "strideH": 1, "strideW": 1}
    b.op("MAX_POOL_2D", [x], [first], padding=Padding.SAME.value, **window)
    if op == "AVERAGE_POOL_2D":
        window = {"filterHeight": 5, "filterWidth": 3, "strideH": 5, "strideW": 3}
        b.op(op, [first], [y], padding=Padding.VALID.value, **window)
    else:
        b.op(op, [first, b.constant(np.array([1, 2], np.int32))], [y], keepDims=True)
    model = b.build([y])
    graph = tflite.read(model, "m")
    for feed in (False, True):
        plan = plan_model(graph, HOST, (Memory("ram", 1 << 20),), strategy="rows", feed=feed)
        assert set(plan.sums) == {1}
        differential.check(model, [draw.int8_values(rng, shape)], plan)
