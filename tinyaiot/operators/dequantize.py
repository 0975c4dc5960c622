"""DEQUANTIZE: int8 or uint8 to float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyaiot.csource import Call, Lowered, Ref
from tinyaiot.graph import DType, Node, Tensor
from tinyaiot.operators.base import AnyArray, Kernel, LowerContext, Operator
from tinyaiot.operators.lookup import shape_is_kept


def bytes_become_reals(node: Node) -> bool:
    """It makes float32 from int8 or uint8 with one scale and zero point."""
    source = node.input(0)
    return (
        source.dtype in (DType.INT8, DType.UINT8)
        and source.quantization is not None
        and not source.quantization.per_channel
        and node.output.dtype is DType.FLOAT32
    )


class Dequantize(Operator[None]):
    """TFLM's reference_ops::Dequantize: one float32 product an element."""

    name = "DEQUANTIZE"
    rules = (shape_is_kept, bytes_become_reals)
    kernels = (
        Kernel(
            "ta_dequantize_s8_c",
            "dequantize/ta_dequantize_s8_c.c",
            applies=lambda node, core: node.input(0).dtype is DType.INT8,
        ),
        Kernel("ta_dequantize_u8_c", "dequantize/ta_dequantize_u8_c.c"),
    )

    def parse(self, options: Any, inputs: tuple[Tensor | None, ...]) -> None:
        return None

    def evaluate(self, node: Node, inputs: list[AnyArray | None]) -> list[AnyArray]:
        x = np.asarray(inputs[0], np.int32) - node.input(0).zero_point
        return [np.float32(node.input(0).scale) * x.astype(np.float32)]

    def lower(self, node: Node, context: LowerContext) -> Lowered:
        kernel = self.kernel(node, context.core)
        call = Call(
            function="ta_dequantize_rows",
            struct_type="ta_dequantize",
            fields={
                "kernel": Ref(kernel.function),
                "in": context.source(node.input(0)),
                "out": context.sink(node.output),
                "scale": node.input(0).scale,
                "zero_point": node.input(0).zero_point,
                "width": node.output.width,
                "channels": node.output.channels,
            },
        )
        return Lowered((call,), (), ("dequantize/ta_dequantize.c", kernel.source))


OPERATORS = (Dequantize(),)
