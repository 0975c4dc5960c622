"""Networks of the zoo once more, in PyTorch, with the weights that Keras trained or drew.

Inputs are [n, channels, height, width] and outputs logits' probabilities [n, classes], as is usual
there; everything else is the same network, so that both must give the same answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

# Keras' BatchNormalization adds this to the variance, PyTorch 1e-5.
_EPSILON = 1e-3


class _Same(nn.Module):
    """Zeros around a convolution as Keras' padding ``same`` has them: the odd one at the end."""

    def __init__(self, size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int]):
        super().__init__()
        pads = []
        for length, width, step in reversed(tuple(zip(size, kernel, stride, strict=True))):
            total = max((-(-length // step) - 1) * step + width - length, 0)
            pads += [total // 2, total - total // 2]
        self.pads = pads

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.pad(x, self.pads)


class Convolution(nn.Sequential):
    """Padding, convolution, and where asked for normalisation and ReLU."""

    def __init__(
        self,
        size: tuple[int, int],
        channels: tuple[int, int],
        kernel: tuple[int, int],
        stride: int = 1,
        *,
        groups: int = 1,
        normalised: bool = True,
        relu: bool = True,
    ):
        layers: list[nn.Module] = [
            _Same(size, kernel, (stride, stride)),
            nn.Conv2d(*channels, kernel, stride, groups=groups),
        ]
        if normalised:
            layers.append(nn.BatchNorm2d(channels[1], eps=_EPSILON))
        if relu:
            layers.append(nn.ReLU())
        super().__init__(*layers)


class _Block(nn.Module):
    def __init__(self, size: tuple[int, int], channels: tuple[int, int], stride: int):
        super().__init__()
        after = (size[0] // stride, size[1] // stride)
        self.first = Convolution(size, channels, (3, 3), stride)
        self.second = Convolution(after, (channels[1], channels[1]), (3, 3), relu=False)
        # Last, as in Keras' list of layers.
        self.skip = (
            nn.Identity()
            if stride == 1
            else Convolution(size, channels, (1, 1), stride, normalised=False, relu=False)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.skip(x) + self.second(self.first(x)))


def resnet_8(size: int = 32, classes: int = 10, channels: int = 16) -> nn.Module:
    """``tinyaiot.zoo.resnet_8``, from [n, 3, size, size]."""
    half, quarter = size // 2, size // 4
    return nn.Sequential(
        Convolution((size, size), (3, channels), (3, 3)),
        _Block((size, size), (channels, channels), 1),
        _Block((size, size), (channels, 2 * channels), 2),
        _Block((half, half), (2 * channels, 4 * channels), 2),
        nn.AvgPool2d(quarter),
        nn.Flatten(),
        nn.Linear(4 * channels, classes),
        nn.Softmax(dim=1),
    ).eval()


def ds_cnn(
    frames: int = 49, features: int = 10, classes: int = 12, channels: int = 64, blocks: int = 4
) -> nn.Module:
    """``tinyaiot.zoo.ds_cnn``, from [n, 1, frames, features]."""
    size = (-(-frames // 2), -(-features // 2))
    pairs = []
    for _ in range(blocks):
        pairs += [
            Convolution(size, (channels, channels), (3, 3), groups=channels),
            Convolution(size, (channels, channels), (1, 1)),
        ]
    return nn.Sequential(
        Convolution((frames, features), (1, channels), (10, 4), 2),
        *pairs,
        nn.AvgPool2d(size),
        nn.Flatten(),
        nn.Linear(channels, classes),
        nn.Softmax(dim=1),
    ).eval()


def copy_weights(keras_model: Any, module: nn.Module) -> nn.Module:
    """Gives ``module`` the weights of a Keras network of the same layers in the same order."""
    weighted = (layer for layer in keras_model.layers if layer.get_weights())
    normalisations: Iterator[Any]
    layers = list(weighted)
    convolutions = iter([x for x in layers if type(x).__name__ != "BatchNormalization"])
    normalisations = iter([x for x in layers if type(x).__name__ == "BatchNormalization"])
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            gamma, beta, mean, variance = next(normalisations).get_weights()
            _set(part.weight, gamma)
            _set(part.bias, beta)
            _set(part.running_mean, mean)
            _set(part.running_var, variance)
        elif isinstance(part, nn.Conv2d | nn.Linear):
            layer = next(convolutions)
            kernel, bias = layer.get_weights()
            # Keras: [h, w, in, out], depthwise [h, w, channels, 1], dense [in, out].
            depthwise = type(layer).__name__ == "DepthwiseConv2D"
            axes = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
            _set(part.weight, kernel.T if kernel.ndim == 2 else kernel.transpose(axes))
            _set(part.bias, bias)
    return module


def _set(parameter: Any, values: np.ndarray) -> None:
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.ascontiguousarray(values)))
