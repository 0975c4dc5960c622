"""ADD, SUB, MUL, MAXIMUM, MINIMUM, PRELU: two int8 operands, element by element, broadcast."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from tflite.AddOptions import AddOptions
from tflite.MulOptions import MulOptions
from tflite.SubOptions import SubOptions

from tinyaiot.cores import Core
from tinyaiot.csource import Call, Lowered, Ref, Value
from tinyaiot.fixed_point import IntArray, Multiplier, requantize
from tinyaiot.graph import DType, Node, Tensor
from tinyaiot.operators.affine import Affine, affine_form
from tinyaiot.operators.base import (
    AnyArray,
    Columns,
    Kernel,
    LowerContext,
    Narrowed,
    Operator,
    Rows,
    narrowed_by_element,
)
from tinyaiot.operators.broadcast import Broadcast, shapes_broadcast
from tinyaiot.operators.common import Activation, activation_clamps, clamp_range

_ADD_LEFT_SHIFT = 20
# The product of two operands has 16 bits and sign; this many shifts leave it an int32.
_MAX_PRODUCT_SHIFT = 14


@dataclass(frozen=True)
class BinaryAttributes:
    """The fused activation."""

    activation: Activation


_UNUSED = Multiplier(0, 0)


@dataclass(frozen=True)
class Rescaling:
    """The multipliers of a node; what each does is its operator's affair."""

    a: Multiplier = _UNUSED
    b: Multiplier = _UNUSED
    output: Multiplier = _UNUSED


def operands_are_int8(node: Node) -> bool:
    """There are two inputs and one output, int8, each with one scale and zero point."""
    return len(node.inputs) == 2 and all(
        t is not None
        and t.dtype is DType.INT8
        and t.quantization is not None
        and not t.quantization.per_channel
        for t in (*node.inputs, *node.outputs)
    )


def sum_is_scaled_down(node: Node) -> bool:
    """Twice the larger input scale is less than 2^20 times the output scale, as TFLM demands."""
    rescaling = _binary(node).rescaling(node)
    return max(rescaling.a.shift, rescaling.b.shift, rescaling.output.shift) <= 0


def product_stays_in_int32(node: Node) -> bool:
    """The product of the input scales is less than 2^14 times the output scale."""
    rescaling = _binary(node).rescaling(node)
    return max(rescaling.a.shift, rescaling.output.shift) <= _MAX_PRODUCT_SHIFT


class Binary(Operator[BinaryAttributes]):
    """What the operators share: row geometry, rules and the C struct ``ta_binary``."""

    def rescaling(self, node: Node) -> Rescaling:
        """The multipliers, as TFLM computes them."""
        return Rescaling()

    @abstractmethod
    def combine(self, node: Node, a: IntArray, b: IntArray) -> IntArray:
        """The result before it is clamped, from operands as they are."""

    def parse(self, options: Any, inputs: tuple[Tensor | None, ...]) -> BinaryAttributes:
        return BinaryAttributes(Activation.NONE)

    def in_place(self, node: Node) -> tuple[int, ...]:
        return tuple(
            k
            for k in (0, 1)
            if (node.input(k).height, node.input(k).size) == (node.output.height, node.output.size)
        )

    def input_rows(self, node: Node, k: int, rows: Rows) -> Rows:
        return Broadcast.of(node.input(k), node.output).rows(rows)

    def narrowed(self, node: Node, columns: Columns) -> Narrowed | None:
        return narrowed_by_element(node, columns)

    def evaluate(self, node: Node, inputs: list[AnyArray | None]) -> list[AnyArray]:
        a, b = (np.asarray(x, dtype=np.int64) for x in inputs)
        low, high = clamp_range(node.attributes.activation, node.output)
        return [np.clip(self.combine(node, a, b), low, high).astype(np.int8)]

    def constants(self, node: Node, kernel: Kernel) -> tuple[Value, Value, Value]:
        """The ``ta_multiplier`` of a, of b and of the whole, as ``kernel`` reads them."""
        rescaling = self.rescaling(node)
        return _multiplier(rescaling.a), _multiplier(rescaling.b), _multiplier(rescaling.output)

    def is_pointwise(self, node: Node) -> bool:
        return all(
            max(t.shape[:-1], default=1) == 1 if t.is_constant else t.shape == node.output.shape
            for t in (node.input(0), node.input(1))
        )

    def lower(self, node: Node, context: LowerContext) -> Lowered:
        kernel = self.kernel(node, context.core)
        constants = self.constants(node, kernel)
        low, high = clamp_range(node.attributes.activation, node.output)
        spread = [Broadcast.of(node.input(k), node.output) for k in (0, 1)]
        call = Call(
            function="ta_binary_rows",
            struct_type="ta_binary",
            fields={
                "kernel": Ref(kernel.function),
                "a": _operand(node.input(0), spread[0], constants[0], context),
                "b": _operand(node.input(1), spread[1], constants[1], context),
                "out": context.sink(node.output),
                "multiplier": constants[2],
                "width": node.output.width,
                "channels": node.output.channels,
                "zero_point": node.output.zero_point,
                "lowest": low,
                "highest": high,
                "contiguous": int(all(s.is_run(node.output) for s in spread)),
            },
        )
        return Lowered((call,), (), ("binary/ta_binary.c", kernel.source))


def _operand(tensor: Tensor, spread: Broadcast, multiplier: Value, context: LowerContext) -> Value:
    return {
        "rows": context.source(tensor),
        "repeat": spread.repeat,
        "pixel_step": spread.pixel_step,
        "channel_step": spread.channel_step,
        "zero_point": tensor.zero_point,
        "multiplier": multiplier,
    }


def _multiplier(multiplier: Multiplier) -> Value:
    return {"mantissa": multiplier.mantissa, "right_shift": -multiplier.shift}


def _kernel(function: str) -> tuple[Kernel, ...]:
    return (Kernel(function, f"binary/{function}.c"),)


_AFFINE_KERNELS: dict[str, int | None] = {
    "ta_add_s8_affine_mve": None,
    "ta_add_s8_affine_dsp": 20,
    "ta_add_s8_affine_c": None,
}


def _is_affine_for_dsp(node: Node, core: Core) -> bool:
    shift = _AFFINE_KERNELS["ta_add_s8_affine_dsp"]
    return "dsp" in core.features and _affine_form(node, shift) is not None


def _is_affine(node: Node, core: Core) -> bool:
    return _affine_form(node) is not None


def _is_affine_for_helium(node: Node, core: Core) -> bool:
    return "mve" in core.features and _is_affine(node, core)


def _affine_kernels(reference: str) -> tuple[Kernel, ...]:
    return (
        Kernel(
            "ta_add_s8_affine_mve",
            "binary/ta_add_s8_affine_mve.c",
            applies=_is_affine_for_helium,
        ),
        Kernel(
            "ta_add_s8_affine_dsp",
            "binary/ta_add_s8_affine_dsp.c",
            applies=_is_affine_for_dsp,
        ),
        Kernel("ta_add_s8_affine_c", "binary/ta_add_s8_affine_c.c", applies=_is_affine),
        *_kernel(reference),
    )


def _affine_form(node: Node, shift: int | None = None) -> Affine | None:
    """The affine form of an ADD or SUB whose outputs are clamped to no less than int8."""
    if clamp_range(node.attributes.activation, node.output) != (-128, 127):
        return None
    every = np.arange(-128, 128).astype(np.int8)
    (outputs,) = _binary(node).evaluate(node, [every[:, None], every[None, :]])
    a, b, output = node.input(0).scale, node.input(1).scale, node.output.scale
    b = -b if node.op == "SUB" else b
    return affine_form(outputs.tobytes(), a / output, b / output, shift)


class Add(Binary):
    """TFLM's reference_integer_ops::Add."""

    name = "ADD"
    rules = (operands_are_int8, shapes_broadcast, activation_clamps, sum_is_scaled_down)
    kernels = _affine_kernels("ta_add_s8_c")

    def parse(self, options: Any, inputs: tuple[Tensor | None, ...]) -> BinaryAttributes:
        return _fused_activation(AddOptions(), options)

    def rescaling(self, node: Node) -> Rescaling:
        a, b, output = node.input(0).scale, node.input(1).scale, node.output.scale
        twice_max = 2 * max(a, b)
        return Rescaling(
            a=Multiplier.of(a / twice_max),
            b=Multiplier.of(b / twice_max),
            output=Multiplier.of(twice_max / (2**_ADD_LEFT_SHIFT * output)),
        )

    def combine(self, node: Node, a: IntArray, b: IntArray) -> IntArray:
        rescaling = self.rescaling(node)
        total = _addend(a, rescaling.a, node.input(0)) + _addend(b, rescaling.b, node.input(1))
        return _rescaled(total, rescaling.output, node.output)

    def constants(self, node: Node, kernel: Kernel) -> tuple[Value, Value, Value]:
        if kernel.function not in _AFFINE_KERNELS:
            return super().constants(node, kernel)
        form = _affine_form(node, _AFFINE_KERNELS[kernel.function])
        if form is None:
            raise ValueError(f"node {node.index} has no affine form")
        return (
            {"mantissa": form.a_weight, "right_shift": 0},
            {"mantissa": form.b_weight, "right_shift": 0},
            {"mantissa": form.bias, "right_shift": form.right_shift},
        )


class Sub(Add):
    """TFLM's reference_ops::Sub: as ADD, but its multipliers come from float32 divisions."""

    name = "SUB"
    kernels = _affine_kernels("ta_sub_s8_c")

    def parse(self, options: Any, inputs: tuple[Tensor | None, ...]) -> BinaryAttributes:
        return _fused_activation(SubOptions(), options)

    def rescaling(self, node: Node) -> Rescaling:
        a, b, output = (np.float32(t.scale) for t in (node.input(0), node.input(1), node.output))
        twice_max = np.float32(2) * max(a, b)
        return Rescaling(
            a=Multiplier.of(float(a / twice_max)),
            b=Multiplier.of(float(b / twice_max)),
            output=Multiplier.of(float(twice_max / (np.float32(2**_ADD_LEFT_SHIFT) * output))),
        )

    def combine(self, node: Node, a: IntArray, b: IntArray) -> IntArray:
        rescaling = self.rescaling(node)
        total = _addend(a, rescaling.a, node.input(0)) - _addend(b, rescaling.b, node.input(1))
        return _rescaled(total, rescaling.output, node.output)


def _addend(x: IntArray, multiplier: Multiplier, operand: Tensor) -> IntArray:
    shifted = (x - operand.zero_point) << _ADD_LEFT_SHIFT
    return requantize(shifted, multiplier.mantissa, multiplier.shift)


class Mul(Binary):
    """TFLM's reference_integer_ops::Mul."""

    name = "MUL"
    rules = (operands_are_int8, shapes_broadcast, activation_clamps, product_stays_in_int32)
    kernels = _kernel("ta_mul_s8_c")

    def parse(self, options: Any, inputs: tuple[Tensor | None, ...]) -> BinaryAttributes:
        return _fused_activation(MulOptions(), options)

    def rescaling(self, node: Node) -> Rescaling:
        return Rescaling(output=_product_multiplier(node))

    def combine(self, node: Node, a: IntArray, b: IntArray) -> IntArray:
        product = (a - node.input(0).zero_point) * (b - node.input(1).zero_point)
        return _rescaled(product, self.rescaling(node).output, node.output)


class Prelu(Binary):
    """TFLM's reference_ops::Prelu: x where x ≥ 0, alpha · x elsewhere; alpha is input 1."""

    name = "PRELU"
    rules = (operands_are_int8, shapes_broadcast, product_stays_in_int32)
    kernels = _kernel("ta_prelu_s8_c")

    def rescaling(self, node: Node) -> Rescaling:
        identity = Multiplier.of(node.input(0).scale / node.output.scale)
        return Rescaling(a=identity, output=_product_multiplier(node))

    def combine(self, node: Node, a: IntArray, b: IntArray) -> IntArray:
        rescaling = self.rescaling(node)
        x, alpha = a - node.input(0).zero_point, b - node.input(1).zero_point
        kept = _rescaled(x, rescaling.a, node.output)
        return np.where(x >= 0, kept, _rescaled(x * alpha, rescaling.output, node.output))


def _product_multiplier(node: Node) -> Multiplier:
    return Multiplier.of(node.input(0).scale * node.input(1).scale / node.output.scale)


def _rescaled(x: IntArray, multiplier: Multiplier, output: Tensor) -> IntArray:
    return requantize(x, multiplier.mantissa, multiplier.shift) + output.zero_point


class Maximum(Binary):
    """TFLM's MAXIMUM: raw values are compared, whatever their scales."""

    name = "MAXIMUM"
    rules = (operands_are_int8, shapes_broadcast)
    kernels = _kernel("ta_maximum_s8_c")

    def combine(self, node: Node, a: IntArray, b: IntArray) -> IntArray:
        return np.maximum(a, b)


class Minimum(Binary):
    """TFLM's MINIMUM: raw values are compared, whatever their scales."""

    name = "MINIMUM"
    rules = (operands_are_int8, shapes_broadcast)
    kernels = _kernel("ta_minimum_s8_c")

    def combine(self, node: Node, a: IntArray, b: IntArray) -> IntArray:
        return np.minimum(a, b)


def _fused_activation(table: Any, options: Any) -> BinaryAttributes:
    """The activation of an options table, absent in files that leave all to the default."""
    if options is None:
        return BinaryAttributes(Activation.NONE)
    table.Init(options.Bytes, options.Pos)
    return BinaryAttributes(Activation(table.FusedActivationFunction()))


OPERATORS = (Add(), Sub(), Mul(), Maximum(), Minimum(), Prelu())
_BY_NAME = {operator.name: operator for operator in OPERATORS}


def _binary(node: Node) -> Binary:
    return _BY_NAME[node.op]
