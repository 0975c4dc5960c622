"""MLPerf Tiny's streaming wake word: one-dimensional depthwise-separable convolutions."""

from __future__ import annotations

from typing import Any

from tinyaiot.zoo.blocks import keras, separable

# Taps in time of the depthwise convolution, and output channels, of each block.
_BLOCKS = ((3, 128), (5, 128), (10, 128), (15, 32))


def wake_word(frames: int = 30, features: int = 40, classes: int = 3) -> Any:
    """Four blocks along time, without padding, so that a stream needs only its newest frames.

    Published: 30 frames of 40 mel bands (the least that the taps see: 30); 826,368 MACs.

    Returns:
        a ``keras.Model`` from [n, frames, 1, features] to probabilities [n, classes]. The bands
        are the channels: time is the only axis that is convolved.
    """
    layers = keras().layers
    inputs = keras().Input((frames, 1, features), name="mel")
    x = inputs
    for taps, channels in _BLOCKS:
        x = separable(x, channels, (taps, 1), padding="valid")
    x = layers.Flatten()(x)
    outputs = layers.Dense(classes, activation="softmax", name="word")(x)
    return keras().Model(inputs, outputs, name="wake_word")
