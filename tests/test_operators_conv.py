"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED against TFLM, numpy and C alike."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import strategies as st

from tests.support import draw
from tests.support.builder import ModelBuilder
from tinyaiot.errors import UnsupportedModelError
from tinyaiot.frontends import tflite
from tinyaiot.operators.linear import Linear
from tinyaiot.operators.windows import Padding, Window
from tinyaiot.requant import pack


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


_CASES = {
    "CONV_2D": convolution("CONV_2D"),
    "DEPTHWISE_CONV_2D": convolution("DEPTHWISE_CONV_2D"),
    "FULLY_CONNECTED": fully_connected(),
}


@pytest.mark.parametrize("op", _CASES)
def test_numpy_equals_tflm(op: str) -> None:
    draw.check_numpy(_CASES[op], max_examples=200)


@pytest.mark.parametrize("op", _CASES)
def test_c_equals_tflm(op: str) -> None:
    draw.check_c(_CASES[op], max_examples=30)


def _one_convolution(op: str = "CONV_2D", bias: int | None = 0, **changes: object) -> bytes:
    """A 3x3 convolution of four channels that keeps all rules, but for ``changes``."""
    depthwise = op == "DEPTHWISE_CONV_2D"
    given = {"scales": [0.1] * 4, "axis": 3 if depthwise else 0, "zero_points": [0] * 4}
    given |= {"out": (1, 5, 5, 4), "out_scale": 50.0}
    options = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    options |= {name: value for name, value in changes.items() if name not in given}
    given |= {name: value for name, value in changes.items() if name in given}
    b = ModelBuilder("m")
    x = b.input((1, 5, 5, 4), 0.5, 3)
    shape = (1, 3, 3, 4) if depthwise else (4, 3, 3, 4)
    w = b.constant(np.ones(shape, np.int8), given["scales"], given["zero_points"], given["axis"])
    values = -1 if bias is None else b.constant(np.full(4, bias, np.int32), [0.05])
    y = b.tensor(given["out"], given["out_scale"], 0)
    b.op(op, [x, w, values], [y], **options)
    return b.build([y])


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("No accumulator can leave 32 bits", {"bias": 2**31 - 1000}),
        ("No accumulator can leave 32 bits", {"out_scale": 1e-9}),
        (
            "one scale, or one an output channel",
            {"scales": [0.1] * 3, "zero_points": [0] * 3, "axis": 1},
        ),
        ("zero point 0", {"zero_points": [0, 0, 1, 0]}),
        ("The fused activation is", {"fusedActivationFunction": 4}),
        ("kernel, stride, dilation and padding at most 255", {"strideH": 256, "out": (1, 1, 5, 4)}),
        ("as high and wide as", {"out": (1, 5, 4, 4)}),
        ("Output channels are", {"op": "DEPTHWISE_CONV_2D", "out": (1, 5, 5, 8)}),
        ("There is a bias", {"op": "DEPTHWISE_CONV_2D", "bias": None}),
    ],
)
def test_rules_refuse(rule: str, changes: dict[str, object]) -> None:
    tflite.read(_one_convolution(), "m")
    tflite.read(_one_convolution("DEPTHWISE_CONV_2D"), "m")
    with pytest.raises(UnsupportedModelError) as refused:
        tflite.read(_one_convolution(**changes), "m")
    assert any(rule in line for line in refused.value.details), refused.value.details


def test_a_dead_channel_takes_no_shift_of_its_own() -> None:
    """Filters of zeros with extreme biases and scales are common in trained models."""
    model = _one_convolution(scales=[0.1, 0.1, 1e-9, 0.1])
    graph = tflite.read(model, "m")
    linear = Linear.of(graph.nodes[0])
    dead = dataclasses.replace(
        linear,
        filters=np.where(np.arange(4)[:, np.newaxis] == 2, np.int8(0), linear.filters),
        bias=np.array([0, 0, 2**30, 0]),
    )
    assert pack(dead.multipliers).right_shifts is not None
    assert pack(dead.settled().multipliers).right_shifts is None
