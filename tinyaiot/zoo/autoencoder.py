"""The dense autoencoder of MLPerf Tiny: anomaly detection."""

from __future__ import annotations

from typing import Any

from tinyaiot.zoo.blocks import Tensor, keras

_WIDTH = 128


def autoencoder(features: int = 640, code: int = 8) -> Any:
    """Four layers of 128 on each side of ``code`` units; the output should equal the input.

    Published: 640 features are five frames of 128 mel bands; 264,192 MACs.

    Returns:
        a ``keras.Model`` from [n, features] to [n, features].
    """
    inputs = keras().Input((features,), name="features")
    x = inputs
    for units in (_WIDTH,) * 4 + (code,) + (_WIDTH,) * 4:
        x = _dense(x, units)
    outputs = keras().layers.Dense(features, name="reconstruction")(x)
    return keras().Model(inputs, outputs, name="autoencoder")


def _dense(x: Tensor, units: int) -> Tensor:
    layers = keras().layers
    return layers.ReLU()(layers.BatchNormalization()(layers.Dense(units)(x)))
