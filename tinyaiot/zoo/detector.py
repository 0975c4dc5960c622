"""A small detector of objects: two scales, a feature pyramid, separable heads."""

from __future__ import annotations

from typing import Any

from tinyaiot.zoo.blocks import Tensor, convolution, depthwise, keras, rounded
from tinyaiot.zoo.mobilenet_v2 import inverted_residual

# Expansion, output channels at width 1, number of blocks, stride of the first of them. The finer
# scale is taken after the third stage (stride 8), the coarser one at the end (stride 16).
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2))
_FINE = 2
_PYRAMID = 32
_BOX = 4
_RELU6 = 6.0


def detector(
    size: int = 96, width: float = 0.35, classes: int = 2, anchors: int = 3, color_channels: int = 3
) -> Any:
    """The first four stages of MobileNetV2, a pyramid of strides 8 and 16, and SSDLite heads.

    The coarser features are enlarged and added to the finer ones. At each place and for each
    anchor a head gives the probability of each class and the offsets of a box; the finer scale
    comes first, anchors of one place lie together. Anchors and suppression of doubles are the
    application's.

    Args:
        size: height and width of the image, a multiple of 16.
        anchors: boxes for each place.

    Returns:
        a ``keras.Model`` from [n, size, size, color_channels] to ``[scores, boxes]``, of shapes
        [n, boxes, classes] and [n, boxes, 4]; boxes = anchors * ((size/8)² + (size/16)²).
    """
    layers = keras().layers
    inputs = keras().Input((size, size, color_channels), name="image")
    x = convolution(inputs, rounded(32 * width), strides=2, activation=_RELU6)
    stages = []
    for expansion, channels, blocks, strides in _STAGES:
        for k in range(blocks):
            x = inverted_residual(x, expansion, rounded(channels * width), strides if k == 0 else 1)
        stages.append(x)
    coarse = convolution(stages[-1], _PYRAMID, 1)
    fine = layers.Add()([convolution(stages[_FINE], _PYRAMID, 1), _enlarged(coarse)])
    scores = _joined([_head(level, anchors, classes) for level in (fine, coarse)])
    boxes = _joined([_head(level, anchors, _BOX) for level in (fine, coarse)])
    scores = layers.Activation("sigmoid", name="scores")(scores)
    return keras().Model(inputs, [scores, boxes], name="detector")


def _head(x: Tensor, anchors: int, values: int) -> Tensor:
    """[n, height, width, channels] to [n, height * width * anchors, values]."""
    layers = keras().layers
    x = layers.Conv2D(anchors * values, 1)(depthwise(x))
    return layers.Reshape((-1, values))(x)


def _joined(levels: list[Tensor]) -> Tensor:
    return keras().layers.Concatenate(axis=1)(levels)


def _enlarged(x: Tensor) -> Tensor:
    """Each pixel four times. Keras' UpSampling2D would become TILE, which TFLM runs slower."""
    height, width = x.shape[1:3]
    return keras().layers.Resizing(2 * height, 2 * width, interpolation="nearest")(x)
