"""DS-CNN, the depthwise-separable network for keywords."""

from __future__ import annotations

from typing import Any

from tinyaiot.zoo.blocks import convolution, keras, separable


def ds_cnn(
    frames: int = 49, features: int = 10, classes: int = 12, channels: int = 64, blocks: int = 4
) -> Any:
    """A 10x4 convolution of stride 2, then depthwise-separable blocks of one width.

    Published (DS-CNN-S): one second as 49 frames of 10 MFCCs, 64 channels, 4 blocks; 5.4 M
    operations, of which two are one of the 2,656,768 MACs.

    Returns:
        a ``keras.Model`` from [n, frames, features, 1] to probabilities [n, classes].
    """
    layers = keras().layers
    inputs = keras().Input((frames, features, 1), name="mfcc")
    x = convolution(inputs, channels, (10, 4), (2, 2), use_bias=True)
    x = layers.Dropout(0.2)(x)
    for _ in range(blocks):
        x = separable(x, channels, use_bias=True)
    x = layers.Dropout(0.4)(x)
    x = layers.AveragePooling2D(x.shape[1:3])(x)
    x = layers.Flatten()(x)
    outputs = layers.Dense(classes, activation="softmax", name="keyword")(x)
    return keras().Model(inputs, outputs, name="ds_cnn")
