"""Cross-layer equalization: channels that share a scale are brought to like ranges.

A channel can be divided by s > 0 where it leaves one layer if the weights of the next layer that
read it are multiplied by s: all that lies between passes a positive factor on (ReLU, pooling,
dropout). In floating point nothing changes. In int8 a tensor has one scale: it is exact for its
largest channel and coarse for the small ones. With a the largest activation of a channel and w
the largest weight that reads it,

    s = sqrt(a / w) makes both sqrt(a w), before a 1x1 or general convolution or a dense layer,
    s = a           makes the activation 1, before a depthwise convolution, whose weights have a
                    scale for each channel in any case.

After Nagel et al., "Data-free quantization through weight equalization and bias correction" (ICCV
2019), who take weights where activations are taken here: the calibration data are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

# A ratio of ranges beyond this is noise: a channel that is (nearly) never active.
_LARGEST_FACTOR = 2.0**16


@dataclass(frozen=True)
class Link:
    """A layer whose output channels can be divided, and the one that reads them.

    Attributes:
        writer: the layer that the division goes into.
        reader: the layer whose weights are multiplied.
        tensor: what the reader reads.
    """

    writer: Any
    reader: Any
    tensor: Any


def equalize(model: Any, inputs: Floats) -> int:
    """Equalizes a functional ``keras.Model`` in place.

    Args:
        inputs: calibration data [count, ...].

    Returns:
        how many tensors were equalized; 0 where the model has no such chain of layers.
    """
    from tensorflow import keras

    links = find_links(model)
    if not links:
        return 0
    probe = keras.Model(model.inputs, [link.tensor for link in links])
    tensors = probe.predict(inputs, verbose=0)
    for link, values in zip(links, tensors if len(links) > 1 else [tensors], strict=True):
        largest = np.abs(values).reshape(-1, values.shape[-1]).max(axis=0)
        _divide(link, _factors(link.reader, largest))
    return len(links)


def find_links(model: Any) -> list[Link]:
    """All places of a model where channels can be rescaled, in the order of its layers."""
    found = []
    for layer in model.layers:
        writer = _writer(layer.input) if _is_weighted(layer) else None
        if writer is not None:
            found.append(Link(writer, layer, layer.input))
    return found


def _writer(tensor: Any) -> Any | None:
    """The layer that a factor on the channels of ``tensor`` can be moved into."""
    layers = _classes()
    layer = tensor._keras_history.operation
    while _reads_once(layer) and _passes_factors(layer):
        layer = layer.input._keras_history.operation
    if isinstance(layer, layers.BatchNormalization):
        scalable = layer.scale and layer.center
    else:
        scalable = _is_weighted(layer) and layer.activation in _homogeneous()
    return layer if scalable and _reads_once(layer) else None


def _passes_factors(layer: Any) -> bool:
    """Whether layer(s x) = s layer(x) for any s > 0 of each channel."""
    layers = _classes()
    if isinstance(layer, layers.ReLU):
        return layer.max_value is None and not layer.negative_slope and not layer.threshold
    if isinstance(layer, layers.Flatten | layers.Reshape):
        # Channels stay the last axis, which is what their number tells.
        return bool(layer.input.shape[-1] == layer.output.shape[-1])
    if isinstance(layer, layers.Activation):
        return layer.activation in _homogeneous()
    return isinstance(
        layer,
        layers.Dropout
        | layers.AveragePooling2D
        | layers.MaxPooling2D
        | layers.GlobalAveragePooling2D
        | layers.ZeroPadding2D,
    )


def _homogeneous() -> tuple[Any, ...]:
    """The functions f with f(s x) = s f(x) for s > 0."""
    from tensorflow import keras

    return (keras.activations.relu, keras.activations.linear)


def _classes() -> Any:
    from tensorflow import keras

    return keras.layers


def _reads_once(layer: Any) -> bool:
    """Whether exactly one layer reads what this one writes."""
    return len(layer._outbound_nodes) == 1 and len(layer._inbound_nodes) == 1


def _is_weighted(layer: Any) -> bool:
    layers = _classes()
    if isinstance(layer, layers.Conv2D):
        return bool(layer.groups == 1)
    if isinstance(layer, layers.DepthwiseConv2D):
        return bool(layer.depth_multiplier == 1)
    return isinstance(layer, layers.Dense)


def _factors(reader: Any, largest: Floats) -> Floats:
    """What each channel is to be divided by; 1 for channels that are never active."""
    kernel = np.abs(reader.get_weights()[0])
    if isinstance(reader, _classes().DepthwiseConv2D):
        factors = largest
    else:
        weights = kernel.max(axis=tuple(k for k in range(kernel.ndim) if k != kernel.ndim - 2))
        factors = np.sqrt(largest / np.where(weights > 0, weights, np.inf))
    usable = (factors > 1 / _LARGEST_FACTOR) & (factors < _LARGEST_FACTOR)
    return np.where(usable, factors, 1).astype(np.float32)


def _divide(link: Link, factors: Floats) -> None:
    if isinstance(link.writer, _classes().BatchNormalization):
        gamma, beta, *moments = link.writer.get_weights()
        link.writer.set_weights([gamma / factors, beta / factors, *moments])
    else:
        kernel, *bias = link.writer.get_weights()
        depthwise = isinstance(link.writer, _classes().DepthwiseConv2D)
        # The last axis of a depthwise kernel is its multiplier, 1.
        kernel = kernel / (factors[:, np.newaxis] if depthwise else factors)
        link.writer.set_weights([kernel, *(values / factors for values in bias)])
    kernel, *bias = link.reader.get_weights()
    link.reader.set_weights([kernel * factors[:, np.newaxis], *bias])
