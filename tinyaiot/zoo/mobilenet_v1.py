"""MobileNet, its first version."""

from __future__ import annotations

from typing import Any

from tinyaiot.zoo.blocks import convolution, keras, separable

# Output channels at width 1, and the stride of the depthwise convolution, of each block.
_BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *((512, 1),) * 5,
    (1024, 2),
    (1024, 1),
)


def mobilenet_v1(
    size: int = 96, width: float = 0.25, classes: int = 2, color_channels: int = 3
) -> Any:
    """Thirteen depthwise-separable blocks after a convolution of stride 2.

    Published: 0.25 and 96x96 for visual wake words; 7,489,664 MACs.

    Args:
        size: height and width of the image, a multiple of 32.
        width: multiplies the channels of every layer.

    Returns:
        a ``keras.Model`` from [n, size, size, color_channels] to probabilities [n, classes].
    """
    layers = keras().layers
    inputs = keras().Input((size, size, color_channels), name="image")
    x = convolution(inputs, int(32 * width), strides=2)
    for channels, strides in _BLOCKS:
        x = separable(x, int(channels * width), strides=strides)
    x = layers.AveragePooling2D(x.shape[1:3])(x)
    x = layers.Flatten()(x)
    outputs = layers.Dense(classes, activation="softmax", name="class")(x)
    return keras().Model(inputs, outputs, name="mobilenet_v1")
