"""What several operators share: fused activations."""

from __future__ import annotations

import enum
import math

import numpy as np

from tinyaiot.graph import Node, Tensor


class Activation(enum.Enum):
    """Fused activations; the values are the schema's."""

    NONE = 0
    RELU = 1
    RELU_N1_TO_1 = 2
    RELU6 = 3
    TANH = 4
    SIGN_BIT = 5


CLAMPING = frozenset({Activation.NONE, Activation.RELU, Activation.RELU_N1_TO_1, Activation.RELU6})


def activation_clamps(node: Node) -> bool:
    """The fused activation is NONE, RELU, RELU6 or RELU_N1_TO_1."""
    return node.attributes.activation in CLAMPING


def clamp_range(activation: Activation, output: Tensor) -> tuple[int, int]:
    """The int8 range that a fused activation leaves (TFLite CalculateActivationRange)."""
    low = {Activation.RELU: 0.0, Activation.RELU6: 0.0, Activation.RELU_N1_TO_1: -1.0}
    high = {Activation.RELU6: 6.0, Activation.RELU_N1_TO_1: 1.0}
    lowest, highest = -128, 127
    if activation in low:
        lowest = max(lowest, _quantize(low[activation], output))
    if activation in high:
        highest = min(highest, _quantize(high[activation], output))
    return lowest, highest


def _quantize(real: float, tensor: Tensor) -> int:
    # TFLite divides in float32 and rounds halves away from zero.
    quotient = float(np.float32(real) / np.float32(tensor.scale))
    return tensor.zero_point + int(math.copysign(math.floor(abs(quotient) + 0.5), quotient))
