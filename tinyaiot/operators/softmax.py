"""SOFTMAX: int8 in and out, over the last axis, in TFLite's fixed-point arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tflite.SoftmaxOptions import SoftmaxOptions

from tinyaiot.csource import Array, Call, Lowered, Ref, Role
from tinyaiot.fixed_point import (
    INT32_MAX,
    IntArray,
    Multiplier,
    doubling_high_multiply,
    exp_on_negative_values,
    reciprocal_of_one_plus,
    rounding_shift_right,
)
from tinyaiot.graph import Node, Tensor
from tinyaiot.operators.base import (
    AnyArray,
    Kernel,
    LowerContext,
    Operator,
    batch_is_one,
    int8_in_and_out,
)

# Integer bits of a difference of two inputs, scaled, and of a sum of exponentials.
_DIFFERENCE_BITS = 5
_SUM_BITS = 12
# More exponentials than this could overflow their sum.
_MAX_CHANNELS = (1 << _SUM_BITS) - 1
_MAX_WIDTH = 32767


@dataclass(frozen=True)
class SoftmaxAttributes:
    """``beta`` multiplies the inputs; a float32, held exactly."""

    beta: float


def output_is_a_probability(node: Node) -> bool:
    """The output has the input's shape, scale 1/256 and zero point -128."""
    output = node.output
    same_shape = output.shape == node.input(0).shape
    return same_shape and output.scale == 1 / 256 and output.zero_point == -128


def sizes_fit(node: Node) -> bool:
    """The last axis is at most 4095 long, the last but one at most 32767."""
    return node.output.channels <= _MAX_CHANNELS and node.output.width <= _MAX_WIDTH


def scale_is_above_tiny(node: Node) -> bool:
    """beta times the input's scale is above 2^-26."""
    return _scaled_beta(node) > 1


class Softmax(Operator[SoftmaxAttributes]):
    """TFLM's reference_ops::Softmax of int8."""

    name = "SOFTMAX"
    rules = (int8_in_and_out, batch_is_one, output_is_a_probability, sizes_fit, scale_is_above_tiny)
    kernels = (Kernel("ta_softmax_s8_c", "softmax/ta_softmax_s8_c.c"),)

    def parse(self, options: Any, inputs: tuple[Tensor | None, ...]) -> SoftmaxAttributes:
        o = SoftmaxOptions()
        o.Init(options.Bytes, options.Pos)
        return SoftmaxAttributes(float(o.Beta()))

    def in_place(self, node: Node) -> tuple[int, ...]:
        return (0,)

    def evaluate(self, node: Node, inputs: list[AnyArray | None]) -> list[AnyArray]:
        x = inputs[0]
        if x is None:
            raise ValueError(f"node {node.index} lacks an input")
        wide = x.astype(np.int64)
        exps = exps_of_differences(node)[wide.max(axis=-1, keepdims=True) - wide]
        sums = rounding_shift_right(exps, _SUM_BITS).sum(axis=-1, keepdims=True)
        # Normalized to [1, 2): 1 + fraction, with `bits` integer bits of the sum's twelve used.
        bits = np.frexp(sums)[1]
        fraction = (sums << (32 - bits)) - (1 << 31)
        scaled = doubling_high_multiply(reciprocal_of_one_plus(fraction), exps)
        rounded = rounding_shift_right(scaled, bits - 32 + _SUM_BITS + 31 - 8)
        return [np.minimum(rounded - 128, 127).astype(np.int8)]

    def lower(self, node: Node, context: LowerContext) -> Lowered:
        source, output = node.input(0), node.output
        kernel = self.kernel(node, context.core)
        table = Array(f"{context.prefix}_exps", trimmed_exps(node), Role.TABLE)
        call = Call(
            function="ta_softmax_rows",
            struct_type="ta_softmax",
            fields={
                "kernel": Ref(kernel.function),
                "in": context.source(source),
                "out": context.sink(output),
                "exps": Ref(table.name),
                "exp_count": len(table.data),
                "width": source.width,
                "channels": source.channels,
            },
        )
        return Lowered((call,), (table,), ("softmax/ta_softmax.c", kernel.source))


def exps_of_differences(node: Node) -> IntArray:
    """e^(-beta · scale · d) for d in [0, 255], int32 without integer bits.

    0 where TFLite leaves a difference out (below its ``diff_min``).
    """
    multiplier = Multiplier.of(_scaled_beta(node))
    differences = np.arange(256, dtype=np.int64)
    # CalculateInputRadius: the largest difference that the fixed-point format holds.
    largest = ((1 << _DIFFERENCE_BITS) - 1 << (31 - _DIFFERENCE_BITS)) >> multiplier.shift
    scaled = doubling_high_multiply(-differences << multiplier.shift, multiplier.mantissa)
    exps: IntArray = np.where(
        differences <= largest, exp_on_negative_values(scaled, _DIFFERENCE_BITS), 0
    )
    return exps


def trimmed_exps(node: Node) -> npt.NDArray[np.int32]:
    """The exponentials up to the last that counts in a sum.

    Those have no effect on the outputs either: an output's unit is far above a sum's.
    """
    exps = exps_of_differences(node)
    counting = np.flatnonzero(rounding_shift_right(exps, _SUM_BITS))
    return exps[: counting[-1] + 1].astype(np.int32)


def _scaled_beta(node: Node) -> float:
    """TFLite's PreprocessSoftmaxScaling."""
    fractional_bits = 31 - _DIFFERENCE_BITS
    real = node.attributes.beta * node.input(0).scale * (1 << fractional_bits)
    return float(min(real, INT32_MAX))


OPERATORS = (Softmax(),)
