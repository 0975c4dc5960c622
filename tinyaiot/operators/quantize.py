"""QUANTIZE: float32 to int8, or between 8-bit quantizations, which is a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tinyaiot.csource import Call, Lowered, Ref
from tinyaiot.graph import DType, Node, Tensor
from tinyaiot.operators import lookup
from tinyaiot.operators.base import (
    AnyArray,
    Columns,
    Kernel,
    LowerContext,
    Narrowed,
    Operator,
    narrowed_by_element,
)

_DTYPES = frozenset(
    {
        (DType.FLOAT32, DType.INT8),
        (DType.INT8, DType.INT8),
        (DType.UINT8, DType.INT8),
        (DType.INT8, DType.UINT8),
    }
)


def _reads_reals(node: Node) -> bool:
    return node.input(0).dtype is DType.FLOAT32


def dtypes_are_quantizable(node: Node) -> bool:
    """It makes int8 from float32, int8 or uint8, or uint8 from int8."""
    return (node.input(0).dtype, node.output.dtype) in _DTYPES


def quantized_per_tensor(node: Node) -> bool:
    """Quantized tensors have one scale and zero point."""
    return all(
        t.quantization is not None and not t.quantization.per_channel
        for t in (node.input(0), node.output)
        if t.dtype is not DType.FLOAT32
    )


def scale_stays_in_int32(node: Node) -> bool:
    """Between 8-bit types, the input's scale is less than 2^22 times the output's."""
    return _reads_reals(node) or lookup.scale_stays_in_int32(node)


class Quantize(Operator[None]):
    """TFLM's reference_ops::AffineQuantize and Requantize.

    Where a real divided by the scale is no int32, TFLM's conversion is undefined; here it
    saturates, and a NaN becomes the lowest value.
    """

    name = "QUANTIZE"
    rules = (
        lookup.shape_is_kept,
        dtypes_are_quantizable,
        quantized_per_tensor,
        scale_stays_in_int32,
    )
    kernels = (
        Kernel(
            "ta_quantize_f32_c",
            "quantize/ta_quantize_f32_c.c",
            applies=lambda node, core: _reads_reals(node),
        ),
        lookup.LOOKUP_KERNEL,
    )

    def parse(self, options: Any, inputs: tuple[Tensor | None, ...]) -> None:
        return None

    def in_place(self, node: Node) -> tuple[int, ...]:
        return () if _reads_reals(node) else (0,)

    def narrowed(self, node: Node, columns: Columns) -> Narrowed | None:
        return narrowed_by_element(node, columns)

    def evaluate(self, node: Node, inputs: list[AnyArray | None]) -> list[AnyArray]:
        if not _reads_reals(node):
            return [lookup.look_up(_table(node), inputs[0], node.output)]
        with np.errstate(over="ignore", invalid="ignore"):
            quotient = np.asarray(inputs[0], np.float32) / np.float32(node.output.scale)
        # Beyond these ends every quotient saturates, whatever the zero point.
        quotient = np.clip(np.nan_to_num(quotient, nan=-256.0), -256.0, 256.0)
        whole = np.trunc(quotient)
        away = np.sign(quotient) * (np.abs(quotient - whole) >= 0.5)
        q = (whole + away).astype(np.int64) + node.output.zero_point
        return [np.clip(q, -128, 127).astype(np.int8)]

    def lower(self, node: Node, context: LowerContext) -> Lowered:
        if not _reads_reals(node):
            return lookup.lower_table(node, _table(node), context)
        kernel = self.kernel(node, context.core)
        call = Call(
            function="ta_quantize_rows",
            struct_type="ta_quantize",
            fields={
                "kernel": Ref(kernel.function),
                "in": context.source(node.input(0)),
                "out": context.sink(node.output),
                "scale": node.output.scale,
                "zero_point": node.output.zero_point,
                "width": node.output.width,
                "channels": node.output.channels,
            },
        )
        return Lowered((call,), (), ("quantize/ta_quantize.c", kernel.source))


def _table(node: Node) -> npt.NDArray[np.uint8]:
    x = lookup.all_elements(node.input(0)) - node.input(0).zero_point
    scaled = lookup.rescale(x, lookup.scale_ratio(node))
    return lookup.table_of(node, scaled + node.output.zero_point)


OPERATORS = (Quantize(),)
