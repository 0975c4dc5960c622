"""What the networks share: convolutions with normalisation, in float NHWC tensors.

A convolution, its batch normalisation and its ReLU become one operator when a model is converted.
"""

from __future__ import annotations

import math
from typing import Any

from tinyaiot.errors import UsageError

# A symbolic tensor of Keras, [batch, height, width, channels].
Tensor = Any
Size = int | tuple[int, int]


def keras() -> Any:
    """The module ``keras``, on TensorFlow.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import tensorflow  # noqa: F401 (Keras 3 chooses its backend by what is there)
        from tensorflow import keras as module
    except ImportError as error:
        raise UsageError(
            "the zoo builds its networks with Keras, and TensorFlow is not installed",
            "run: pip install tensorflow",
        ) from error
    return module


def convolution(
    x: Tensor,
    channels: int,
    kernel: Size = 3,
    strides: Size = 1,
    *,
    padding: str = "same",
    use_bias: bool = False,
    activation: float | None = 0.0,
) -> Tensor:
    """Convolution, batch normalisation, and a ReLU.

    Args:
        activation: where the ReLU ends (6.0 for ReLU6, 0.0 for no end); None for no ReLU.
    """
    layers = keras().layers
    x = layers.Conv2D(
        channels,
        kernel,
        strides,
        padding=padding,
        use_bias=use_bias,
        kernel_initializer="he_normal",
    )(x)
    return _activate(layers.BatchNormalization()(x), activation)


def depthwise(
    x: Tensor,
    kernel: Size = 3,
    strides: int = 1,
    *,
    padding: str = "same",
    use_bias: bool = False,
    activation: float | None = 0.0,
) -> Tensor:
    """Depthwise convolution, batch normalisation, and a ReLU as in :func:`convolution`."""
    layers = keras().layers
    x = layers.DepthwiseConv2D(
        kernel,
        strides,
        padding=padding,
        use_bias=use_bias,
        depthwise_initializer=_he_depthwise(kernel),
    )(x)
    return _activate(layers.BatchNormalization()(x), activation)


def separable(
    x: Tensor,
    channels: int,
    kernel: Size = 3,
    strides: int = 1,
    *,
    padding: str = "same",
    use_bias: bool = False,
    activation: float | None = 0.0,
) -> Tensor:
    """Depthwise-separable convolution: depthwise, then 1x1, each with normalisation and ReLU."""
    x = depthwise(x, kernel, strides, padding=padding, use_bias=use_bias, activation=activation)
    return convolution(x, channels, 1, use_bias=use_bias, activation=activation)


def rounded(channels: float) -> int:
    """Channels at a width multiplier: the nearest multiple of 8, at most a tenth below.

    Source: MobileNetV2's published implementation.
    """
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8


def _he_depthwise(kernel: Size) -> Any:
    # Keras counts all channels as inputs of each filter; values would vanish in a deep network.
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    return keras().initializers.RandomNormal(stddev=math.sqrt(2 / (height * width)))


def _activate(x: Tensor, activation: float | None) -> Tensor:
    if activation is None:
        return x
    return keras().layers.ReLU(max_value=activation or None)(x)
