"""ResNet-8, MLPerf Tiny's network for CIFAR-10."""

from __future__ import annotations

from typing import Any

from tinyaiot.zoo.blocks import Tensor, convolution, keras


def resnet_8(size: int = 32, classes: int = 10, channels: int = 16, color_channels: int = 3) -> Any:
    """Three residual blocks of two 3x3 convolutions; width doubles where the size halves.

    Published: 32x32x3 and 16, 32, 64 channels; 78,666 parameters, 12,501,632 MACs.

    Returns:
        a ``keras.Model`` from [n, size, size, color_channels] to probabilities [n, classes].
    """
    layers = keras().layers
    inputs = keras().Input((size, size, color_channels), name="image")
    x = convolution(inputs, channels, use_bias=True)
    x = _block(x, channels, strides=1)
    x = _block(x, 2 * channels, strides=2)
    x = _block(x, 4 * channels, strides=2)
    x = layers.AveragePooling2D(x.shape[1:3])(x)
    x = layers.Flatten()(x)
    outputs = layers.Dense(classes, activation="softmax", name="class")(x)
    return keras().Model(inputs, outputs, name="resnet_8")


def _block(x: Tensor, channels: int, strides: int) -> Tensor:
    layers = keras().layers
    skip = x if strides == 1 else layers.Conv2D(channels, 1, strides, padding="same")(x)
    x = convolution(x, channels, strides=strides, use_bias=True)
    x = convolution(x, channels, use_bias=True, activation=None)
    return layers.ReLU()(layers.Add()([skip, x]))
