"""Functions of one 8-bit element: tabulated when the code is generated, looked up on the device.

What a table holds is TFLM's fixed-point arithmetic, so the device needs none of it.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from tinyaiot.csource import Array, Call, Lowered, Ref, Role
from tinyaiot.fixed_point import IntArray, Multiplier, requantize
from tinyaiot.graph import Node, Tensor
from tinyaiot.operators.base import (
    AnyArray,
    Columns,
    Kernel,
    LowerContext,
    Narrowed,
    Operator,
    narrowed_by_element,
)

Attributes = TypeVar("Attributes")

LOOKUP_KERNEL = Kernel("ta_lookup_s8_c", "lookup/ta_lookup_s8_c.c")
# An element less its zero point has 8 bits and sign; this many shifts leave it an int32 to
# which a zero point can be added.
MAX_ELEMENT_SHIFT = 22


def shape_is_kept(node: Node) -> bool:
    """There is one input, of the output's shape."""
    return len(node.inputs) == 1 and node.input(0).shape == node.output.shape


def scale_stays_in_int32(node: Node) -> bool:
    """The input's scale is less than 2^22 times the output's."""
    return scale_ratio(node).shift <= MAX_ELEMENT_SHIFT


def scale_ratio(node: Node) -> Multiplier:
    """Input scale over output scale, as TFLM divides them."""
    return Multiplier.of(node.input(0).scale / node.output.scale)


def rescale(x: IntArray, multiplier: Multiplier) -> IntArray:
    """``x`` times ``multiplier``, as TFLM rounds it."""
    return requantize(x, multiplier.mantissa, multiplier.shift)


class Lookup(Operator[Attributes]):
    """An operator that is a table for every quantization of its input and output."""

    kernels = (LOOKUP_KERNEL,)

    @abstractmethod
    def function(self, node: Node, x: IntArray) -> IntArray:
        """The outputs of TFLM for the quantized inputs ``x``, before they are saturated."""

    def in_place(self, node: Node) -> tuple[int, ...]:
        return (0,)

    def narrowed(self, node: Node, columns: Columns) -> Narrowed | None:
        return narrowed_by_element(node, columns)

    def is_pointwise(self, node: Node) -> bool:
        return True

    def evaluate(self, node: Node, inputs: list[AnyArray | None]) -> list[AnyArray]:
        return [look_up(self._table(node), inputs[0], node.output)]

    def lower(self, node: Node, context: LowerContext) -> Lowered:
        return lower_table(node, self._table(node), context)

    def _table(self, node: Node) -> npt.NDArray[np.uint8]:
        return table_of(node, self.function(node, all_elements(node.input(0))))


def all_elements(tensor: Tensor) -> IntArray:
    """The values of the 256 bytes 0 to 255 in a tensor of 8-bit elements, int64 [256]."""
    elements: IntArray = np.arange(256).astype(np.uint8).view(tensor.dtype.numpy).astype(np.int64)
    return elements


def table_of(node: Node, values: IntArray) -> npt.NDArray[np.uint8]:
    """Outputs for all input bytes in their order, saturated, as the bytes they have."""
    limits = np.iinfo(node.output.dtype.numpy)
    return np.clip(values, limits.min, limits.max).astype(node.output.dtype.numpy).view(np.uint8)


def look_up(table: npt.NDArray[np.uint8], x: Any, output: Tensor) -> AnyArray:
    """The table's entries for the elements of ``x``, typed as ``output``."""
    found: AnyArray = table[np.ascontiguousarray(x).view(np.uint8)].view(output.dtype.numpy)
    return found


def lower_table(node: Node, table: npt.NDArray[np.uint8], context: LowerContext) -> Lowered:
    """A node that looks its output up in ``table``, [256]."""
    array = Array(f"{context.prefix}_table", table.view(np.int8), Role.TABLE)
    call = Call(
        function="ta_lookup_rows",
        struct_type="ta_lookup",
        fields={
            "kernel": Ref(LOOKUP_KERNEL.function),
            "in": context.source(node.input(0)),
            "out": context.sink(node.output),
            "table": Ref(array.name),
            "width": node.output.width,
            "channels": node.output.channels,
        },
    )
    return Lowered((call,), (array,), ("lookup/ta_lookup.c", LOOKUP_KERNEL.source))
