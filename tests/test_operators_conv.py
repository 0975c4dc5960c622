"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED against TFLM, numpy and C alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import differential, draw
from tests.support.builder import ModelBuilder
from tinyaiot.operators.windows import Padding, Window

_CASES = settings(deadline=None, max_examples=60, derandomize=True)


@st.composite
def window_of(draw_from: st.DrawFn) -> dict[str, int]:
    """Kernel, stride and dilation of one axis, and an input size that yields an output."""
    kernel = draw_from(st.integers(1, 5))
    dilation = draw_from(st.sampled_from((1, 1, 1, 2, 3)))
    stride = draw_from(st.integers(1, 3))
    same = draw_from(st.booleans())
    lowest = 1 if same else (kernel - 1) * dilation + 1
    size = draw_from(st.integers(lowest, lowest + 6))
    return {"kernel": kernel, "dilation": dilation, "stride": stride, "same": same, "size": size}


@st.composite
def convolution(draw_from: st.DrawFn, op: str) -> tuple[bytes, np.ndarray]:
    """A model of one convolution, and an input."""
    v, h = draw_from(window_of()), draw_from(window_of())
    if v["same"] != h["same"]:
        # One scheme holds for both axes; sizes that VALID needs do for SAME.
        v["same"] = h["same"] = True
    groups, group_channels = draw_from(st.sampled_from(((1, 1), (1, 3), (1, 4), (1, 7), (2, 3))))
    multiplier = draw_from(st.integers(1, 3))
    channels = groups * group_channels
    depthwise = op == "DEPTHWISE_CONV_2D"
    out_channels = channels * multiplier if depthwise else groups * draw_from(st.integers(1, 5))
    taps = v["kernel"] * h["kernel"] * (1 if depthwise else group_channels)
    per_channel = draw_from(st.booleans())
    filters = draw_from(draw.filters(out_channels, taps, per_channel, depthwise))
    b = ModelBuilder("m")
    x = b.input((1, v["size"], h["size"], channels), filters.in_scale, draw_from(draw.zero_points))
    if depthwise:
        weights = filters.weights.T.reshape(1, v["kernel"], h["kernel"], out_channels)
    else:
        weights = filters.weights.reshape(out_channels, v["kernel"], h["kernel"], group_channels)
    w = b.constant(weights, filters.scales, axis=3 if depthwise else 0)
    bias = -1 if filters.bias is None else b.constant(filters.bias, [1.0])
    scheme = Padding.SAME if v["same"] else Padding.VALID
    out_h, out_w = (
        Window.of(scheme, a["size"], a["kernel"], a["stride"], a["dilation"]).out_size
        for a in (v, h)
    )
    y = b.tensor((1, out_h, out_w, out_channels), filters.out_scale, draw_from(draw.zero_points))
    options = {"depthMultiplier": multiplier} if depthwise else {}
    b.op(
        op,
        [x, w, bias],
        [y],
        padding=scheme.value,
        strideH=v["stride"],
        strideW=h["stride"],
        dilationHFactor=v["dilation"],
        dilationWFactor=h["dilation"],
        fusedActivationFunction=draw_from(draw.activations),
        **options,
    )
    rng = np.random.default_rng(draw_from(draw.seeds))
    return b.build([y]), draw.int8_values(rng, (1, v["size"], h["size"], channels))


@pytest.mark.parametrize("op", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_convolutions_equal_tflm(op: str) -> None:
    @_CASES
    @given(convolution(op))
    def check(case: tuple[bytes, np.ndarray]) -> None:
        model, x = case
        differential.check(model, [x])

    check()


@st.composite
def fully_connected(draw_from: st.DrawFn) -> tuple[bytes, np.ndarray]:
    """A model of one FULLY_CONNECTED on inputs of any rank, and an input."""
    shape, depth, kept = draw_from(
        st.sampled_from(
            (
                ((1, 5), 5, False),
                ((3, 16), 16, False),
                ((1, 2, 3, 4), 24, False),
                ((1, 4, 2, 3), 12, False),
                ((1, 2, 3, 4), 4, False),
                ((1, 2, 3, 4), 4, True),
                ((2, 3, 9), 9, True),
                ((2, 3, 9), 27, False),
                ((7,), 7, False),
            )
        )
    )
    channels = draw_from(st.integers(1, 9))
    per_channel = draw_from(st.booleans())
    filters = draw_from(draw.filters(channels, depth, per_channel))
    b = ModelBuilder("m")
    x = b.input(shape, filters.in_scale, draw_from(draw.zero_points))
    w = b.constant(filters.weights, filters.scales)
    bias = -1
    if filters.bias is not None:
        product = float(np.float32(filters.in_scale) * np.float32(filters.scales[0]))
        bias = b.constant(filters.bias, [product])
    out_shape = (*shape[:-1], channels) if kept else (int(np.prod(shape)) // depth, channels)
    y = b.tensor(out_shape, filters.out_scale, draw_from(draw.zero_points))
    activation = draw_from(draw.activations)
    b.op("FULLY_CONNECTED", [x, w, bias], [y], keepNumDims=kept, fusedActivationFunction=activation)
    rng = np.random.default_rng(draw_from(draw.seeds))
    return b.build([y]), draw.int8_values(rng, shape)


@_CASES
@given(fully_connected())
def test_fully_connected_equals_tflm(case: tuple[bytes, np.ndarray]) -> None:
    model, x = case
    differential.check(model, [x])
