"""What several operators share: padding, fused activations, folded biases."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyaiot.fixed_point import Multiplier
from tinyaiot.graph import Tensor
from tinyaiot.operators.base import Rows


class Padding(enum.Enum):
    """TFLite's padding schemes; the values are the schema's."""

    SAME = 0
    VALID = 1


class Activation(enum.Enum):
    """Fused activations; the values are the schema's."""

    NONE = 0
    RELU = 1
    RELU_N1_TO_1 = 2
    RELU6 = 3
    TANH = 4
    SIGN_BIT = 5


CLAMPING = frozenset({Activation.NONE, Activation.RELU, Activation.RELU_N1_TO_1, Activation.RELU6})


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


@dataclass(frozen=True)
class Window:
    """One axis of a sliding window: ``kernel`` taps, ``dilation`` apart, ``stride`` a step.

    Attributes:
        pad_before: rows or columns of padding before the first.
    """

    kernel: int
    stride: int
    dilation: int
    pad_before: int

    @staticmethod
    def of(
        padding: Padding, size: int, out_size: int, kernel: int, stride: int, dilation: int = 1
    ) -> Window:
        """TFLite's padding: what SAME needs in all, the smaller half before."""
        reach = (kernel - 1) * dilation + 1
        total = max((out_size - 1) * stride + reach - size, 0) if padding is Padding.SAME else 0
        return Window(kernel, stride, dilation, total // 2)

    def rows(self, out: Rows, size: int) -> Rows:
        """Rows of an input of ``size`` rows that the output rows ``out`` read."""
        reach = (self.kernel - 1) * self.dilation + 1
        start = out.start * self.stride - self.pad_before
        stop = (out.stop - 1) * self.stride - self.pad_before + reach
        return Rows(min(max(start, 0), size), max(min(stop, size), 0))


def out_size(padding: Padding, size: int, kernel: int, stride: int, dilation: int = 1) -> int:
    """Output rows or columns of a window (TFLite ComputeOutSize)."""
    reach = (kernel - 1) * dilation + 1
    span = size + stride - 1 if padding is Padding.SAME else size + stride - reach
    return max(span // stride, 0)


def channel_multipliers(source: Tensor, weights: Tensor, output: Tensor) -> list[Multiplier]:
    """One requantization multiplier for each output channel, or one for all.

    TFLite computes input_scale · weight_scale / output_scale in double.
    """
    if weights.quantization is None:
        raise ValueError(f"weights {weights.name!r} are not quantized")
    return [
        Multiplier.of(source.scale * scale / output.scale) for scale in weights.quantization.scales
    ]


def accumulator_range(
    weights: npt.NDArray[np.int8], bias: npt.NDArray[np.int32], zero_point: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Lowest and highest accumulator of each channel over all int8 inputs.

    Args:
        weights: int8 [channels, taps].
        bias: int32 [channels].
        zero_point: the input's.
    """
    wide = weights.astype(np.int64)
    at_low, at_high = wide * (-128 - zero_point), wide * (127 - zero_point)
    low = bias + np.minimum(at_low, at_high).sum(axis=1)
    high = bias + np.maximum(at_low, at_high).sum(axis=1)
    return low, high
