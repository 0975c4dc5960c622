"""RELU, RELU6, LEAKY_RELU, ABS, HARD_SWISH, LOGISTIC, TANH: int8 functions of one element."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from tflite.LeakyReluOptions import LeakyReluOptions

from tinyaiot.fixed_point import (
    INT32_MAX,
    IntArray,
    Multiplier,
    exp_on_negative_values,
    one_minus_over_one_plus,
    reciprocal_of_one_plus,
    rounding_shift_right,
)
from tinyaiot.graph import DType, Node, Tensor
from tinyaiot.operators.base import Rule, int8_in_and_out
from tinyaiot.operators.common import Activation, clamp_range
from tinyaiot.operators.lookup import (
    MAX_ELEMENT_SHIFT,
    Lookup,
    rescale,
    scale_ratio,
    scale_stays_in_int32,
    shape_is_kept,
)

# LOGISTIC and TANH compute on int32 with this many integer bits.
_INTEGER_BITS = 4
# Beyond, TFLM's own preparation shifts by more bits than its integers have.
_SCALE_STOP = 2.0**24
_INT16_MIN, _INT16_MAX = -(2**15), 2**15 - 1


def reads_and_makes_int8(node: Node) -> bool:
    """Input and output are int8, each with one scale and zero point."""
    return node.input(0).dtype is DType.INT8 and int8_in_and_out(node)


_COMMON = (shape_is_kept, reads_and_makes_int8)


class _Unary(Lookup[None]):
    """An operator without attributes."""

    rules: ClassVar[tuple[Rule, ...]] = _COMMON

    def parse(self, options: Any, inputs: tuple[Tensor | None, ...]) -> None:
        return None


class Relu(_Unary):
    """TFLM's ReluQuantized."""

    name = "RELU"
    rules = (*_COMMON, scale_stays_in_int32)

    def function(self, node: Node, x: IntArray) -> IntArray:
        scaled = rescale(x - node.input(0).zero_point, scale_ratio(node))
        positive: IntArray = np.maximum(scaled, 0)
        return positive + node.output.zero_point


class Relu6(_Unary):
    """TFLM's Relu6Quantized: clamps by the input's quantization, whatever the output's."""

    name = "RELU6"

    def function(self, node: Node, x: IntArray) -> IntArray:
        low, high = clamp_range(Activation.RELU6, node.input(0))
        clamped: IntArray = np.clip(x, low, high)
        return clamped


class Abs(_Unary):
    """TFLM's ABS."""

    name = "ABS"
    rules = (*_COMMON, scale_stays_in_int32)

    def function(self, node: Node, x: IntArray) -> IntArray:
        magnitude = np.abs(x - node.input(0).zero_point)
        return rescale(magnitude, scale_ratio(node)) + node.output.zero_point


@dataclass(frozen=True)
class LeakyReluAttributes:
    """The slope below zero."""

    alpha: float


def slopes_stay_in_int32(node: Node) -> bool:
    """The input's scale, and alpha times it, are less than 2^22 times the output's."""
    return all(slope.shift <= MAX_ELEMENT_SHIFT for slope in _leaky_slopes(node))


def _leaky_slopes(node: Node) -> tuple[Multiplier, Multiplier]:
    """Above zero and, without its sign, below; both from float32 arithmetic."""
    source, output = np.float32(node.input(0).scale), np.float32(node.output.scale)
    below = abs(source * np.float32(node.attributes.alpha) / output)
    return Multiplier.of(float(source / output)), Multiplier.of(float(below))


class LeakyRelu(Lookup[LeakyReluAttributes]):
    """TFLM's QuantizeLeakyRelu; alpha may be negative or greater than 1."""

    name = "LEAKY_RELU"
    rules = (*_COMMON, slopes_stay_in_int32)

    def parse(self, options: Any, inputs: tuple[Tensor | None, ...]) -> LeakyReluAttributes:
        if options is None:
            return LeakyReluAttributes(0.0)
        o = LeakyReluOptions()
        o.Init(options.Bytes, options.Pos)
        return LeakyReluAttributes(o.Alpha())

    def function(self, node: Node, x: IntArray) -> IntArray:
        above, below = _leaky_slopes(node)
        value = x - node.input(0).zero_point
        sign = -1 if node.attributes.alpha < 0 else 1
        scaled = np.where(value >= 0, rescale(value, above), sign * rescale(value, below))
        return scaled + node.output.zero_point


def hard_swish_scales_down(node: Node) -> bool:
    """The input's scale is at most 128 times the output's, as TFLM demands, and below 2^24."""
    return _hard_swish_multipliers(node)[0].shift <= 0 and node.input(0).scale < _SCALE_STOP


def _hard_swish_multipliers(node: Node) -> tuple[Multiplier, Multiplier]:
    """To the output's scale and to 3 / 2^15, from the input's over 128; both from float32."""
    fine = np.float32(1 / 128) * np.float32(node.input(0).scale)
    return (
        Multiplier.of(float(fine / np.float32(node.output.scale))),
        Multiplier.of(float(fine / np.float32(3 / 32768))),
    )


class HardSwish(_Unary):
    """TFLM's reference_ops::HardSwish: x · clamp(x + 3, 0, 6) / 6 on int16 with saturation."""

    name = "HARD_SWISH"
    rules = (*_COMMON, hard_swish_scales_down)

    def function(self, node: Node, x: IntArray) -> IntArray:
        to_output, to_gate = _hard_swish_multipliers(node)
        fine = (x - node.input(0).zero_point) << 7
        gate = fine
        if to_gate.shift > 0:
            gate = _saturate_int16(gate << (to_gate.shift - 1))
        gate = _high_multiply_int16(gate, _int16_mantissa(to_gate))
        if to_gate.shift > 0:
            gate = _saturate_int16(gate << 1)
        gate = _shift_right_int16(gate, max(-to_gate.shift, 0))
        # From [-1, 1] to [0, 1], both without integer bits.
        gate = (gate + 2**15) >> 1
        ungated = _high_multiply_int16(fine, _int16_mantissa(to_output))
        product = gate * ungated
        towards_zero = np.sign(product) * (np.abs(product) >> 15)
        return _shift_right_int16(towards_zero, -to_output.shift) + node.output.zero_point


def _int16_mantissa(multiplier: Multiplier) -> int:
    """TFLite's DownScaleInt32ToInt16Multiplier."""
    return min((multiplier.mantissa + 2**15) >> 16, _INT16_MAX)


def _saturate_int16(x: IntArray) -> IntArray:
    return np.clip(x, _INT16_MIN, _INT16_MAX)


def _high_multiply_int16(x: IntArray, mantissa: int) -> IntArray:
    """gemmlowp's SaturatingRoundingDoublingHighMul of int16 values, the mantissa positive."""
    return (x * mantissa + 2**14) >> 15


def _shift_right_int16(x: IntArray, exponent: int) -> IntArray:
    """gemmlowp's RoundingDivideByPOT of int16 values."""
    if exponent < 16:
        return rounding_shift_right(x, exponent)
    # There its mask of the bits shifted out does not fit and becomes -1.
    return np.where(x < 0, -1, 1)


def _from_real_input(node: Node, x: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """The input with 4 integer bits, and where it lies below and above what these hold."""
    multiplier = Multiplier.of(node.input(0).scale * 2.0 ** (31 - _INTEGER_BITS))
    value = x - node.input(0).zero_point
    # TFLite's CalculateInputRadius: 2^4 − 1 with 4 integer bits, on the input's scale.
    limit = (2**_INTEGER_BITS - 1) * 2.0 ** (31 - _INTEGER_BITS - multiplier.shift)
    radius = math.floor(limit)
    below, above = value <= -radius, value >= radius
    return rescale(np.where(below | above, 0, value), multiplier), below, above


def input_resolves(node: Node) -> bool:
    """The input's scale is at least 2^-28 and below 2^24."""
    return 2.0 ** (_INTEGER_BITS - 32) <= node.input(0).scale < _SCALE_STOP


def output_starts_at_zero(node: Node) -> bool:
    """The output's zero point is −128, as TFLM demands."""
    return node.output.zero_point == -128


class Logistic(_Unary):
    """TFLM's reference_integer_ops::Logistic; the output's scale is taken to be 1/256."""

    name = "LOGISTIC"
    rules = (*_COMMON, input_resolves, output_starts_at_zero)

    def function(self, node: Node, x: IntArray) -> IntArray:
        real, below, above = _from_real_input(node, x)
        positive = reciprocal_of_one_plus(exp_on_negative_values(-np.abs(real), _INTEGER_BITS))
        signed = np.where(real > 0, positive, INT32_MAX - positive)
        result = rounding_shift_right(np.where(real == 0, 2**30, signed), 31 - 8) - 128
        return np.where(below, -128, np.where(above, 127, result))


class Tanh(_Unary):
    """TFLM's reference_integer_ops::Tanh; the output's scale is taken to be 1/128."""

    name = "TANH"
    rules = (*_COMMON, input_resolves)

    def function(self, node: Node, x: IntArray) -> IntArray:
        real, below, above = _from_real_input(node, x)
        # Doubling moves the point: the same bits with one more integer bit.
        magnitude = one_minus_over_one_plus(
            exp_on_negative_values(-np.abs(real), _INTEGER_BITS + 1)
        )
        result = rounding_shift_right(np.sign(real) * magnitude, 31 - 7)
        return np.where(below, -128, np.where(above, 127, result))


OPERATORS = (Relu(), Relu6(), LeakyRelu(), Abs(), HardSwish(), Logistic(), Tanh())
