"""MobileNetV2: inverted residuals with linear bottlenecks."""

from __future__ import annotations

from typing import Any

from tinyaiot.zoo.blocks import Tensor, convolution, depthwise, keras, rounded

_RELU6 = 6.0

# Expansion, output channels at width 1, number of blocks, stride of the first of them.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v2(
    size: int = 96,
    width: float = 0.35,
    classes: int = 1000,
    last_channels: int | None = None,
    color_channels: int = 3,
) -> Any:
    """Seven stages of inverted residuals between a convolution of stride 2 and a 1x1 one.

    Published: 300 M MACs and 3.47 M parameters at width 1 and 224x224, 59 M and 1.66 M at 0.35;
    11 M (11,934,128 MACs) at 0.35 and 96x96.

    Args:
        size: height and width of the image.
        width: multiplies the channels of every layer, which are rounded to multiples of 8.
        last_channels: of the last convolution; the published 1280, times the width where that is
            above 1, unless given. Networks for microcontrollers make it small.

    Returns:
        a ``keras.Model`` from [n, size, size, color_channels] to probabilities [n, classes].
    """
    layers = keras().layers
    inputs = keras().Input((size, size, color_channels), name="image")
    x = convolution(inputs, rounded(32 * width), strides=2, activation=_RELU6)
    for expansion, channels, blocks, strides in _STAGES:
        for k in range(blocks):
            x = inverted_residual(x, expansion, rounded(channels * width), strides if k == 0 else 1)
    x = convolution(x, last_channels or rounded(1280 * max(1.0, width)), 1, activation=_RELU6)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(classes, activation="softmax", name="class")(x)
    return keras().Model(inputs, outputs, name="mobilenet_v2")


def inverted_residual(x: Tensor, expansion: int, channels: int, strides: int) -> Tensor:
    """Expands by 1x1, filters each channel, projects without a ReLU; adds x where shapes agree."""
    source = x
    if expansion != 1:
        x = convolution(x, expansion * source.shape[-1], 1, activation=_RELU6)
    x = depthwise(x, strides=strides, activation=_RELU6)
    x = convolution(x, channels, 1, activation=None)
    if strides == 1 and source.shape[-1] == channels:
        x = keras().layers.Add()([source, x])
    return x
