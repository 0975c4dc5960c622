"""The same network in other numbers: channels of very different ranges, as training may leave them.

Between two layers with a ReLU in between, a channel can be multiplied by any positive number if
the next layer's weights for it are divided by the same: the ReLU passes the factor on. In floating
point the network stays what it was. In int8 all channels of a tensor share one scale, and the small
ones drown. Depthwise-separable networks come out of training like that; cross-layer equalization
undoes it by choosing better factors (Nagel et al., "Data-free quantization through weight
equalization and bias correction", ICCV 2019).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

# Each batch normalisation with a ReLU after it, and the layer that reads it.
Pair = tuple[Any, Any]


def rescale(model: tf.keras.Model, octaves: float, seed: int) -> None:
    """Multiplies each channel by 2**k, k drawn from [-octaves, octaves), in place.

    Args:
        model: a chain of convolutions, each with batch normalisation and ReLU, ended by a dense
            layer, as the zoo's DS-CNN is.
    """
    rescale_pairs(pairs(model), octaves, seed)


def rescale_pairs(chosen: Iterable[Pair], octaves: float, seed: int) -> None:
    """The same for some of a model's pairs."""
    rng = np.random.default_rng(seed)
    for normalization, reader in chosen:
        gamma, beta, mean, variance = normalization.get_weights()
        factors = (2 ** rng.uniform(-octaves, octaves, gamma.shape)).astype(np.float32)
        normalization.set_weights([gamma * factors, beta * factors, mean, variance])
        kernel, *rest = reader.get_weights()
        # Input channels are the last axis but one of every kernel, depthwise and dense too.
        reader.set_weights([kernel / factors[:, np.newaxis], *rest])


def pairs(model: tf.keras.Model) -> list[Pair]:
    """All places of such a chain where channels can be rescaled, in its order."""
    weighted = [layer for layer in model.layers if layer.weights]
    return [
        (layer, reader)
        for layer, reader in itertools.pairwise(weighted)
        if isinstance(layer, tf.keras.layers.BatchNormalization)
    ]
