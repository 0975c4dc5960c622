"""RESHAPE, SQUEEZE, EXPAND_DIMS: the same bytes under another shape. They cost nothing."""

from __future__ import annotations

from typing import Any

from tinyaiot.csource import Lowered
from tinyaiot.graph import Node, Tensor
from tinyaiot.operators.base import AnyArray, LowerContext, Operator, Rows
from tinyaiot.operators.strided_copy import only_input_0_is_computed


def elements_are_kept(node: Node) -> bool:
    """The output has as many elements as input 0, of the same type."""
    source, output = node.input(0), node.output
    return (source.size, source.dtype) == (output.size, output.dtype)


class Reshape(Operator[None]):
    """TFLM's RESHAPE; the output's shape is the file's, whatever the operands say."""

    name = "RESHAPE"
    rules = (only_input_0_is_computed, elements_are_kept)

    def parse(self, options: Any, inputs: tuple[Tensor | None, ...]) -> None:
        return None

    def is_alias(self, node: Node) -> bool:
        return True

    def input_rows(self, node: Node, k: int, rows: Rows) -> Rows:
        source, row_bytes = node.input(0), node.output.row_bytes
        stop = -(-rows.stop * row_bytes // source.row_bytes)
        return Rows(rows.start * row_bytes // source.row_bytes, stop)

    def evaluate(self, node: Node, inputs: list[AnyArray | None]) -> list[AnyArray]:
        x = inputs[0]
        if x is None:
            raise ValueError(f"node {node.index} lacks an input")
        return [x.reshape(node.output.shape)]

    def lower(self, node: Node, context: LowerContext) -> Lowered:
        return Lowered((), (), ())


class Squeeze(Reshape):
    """TFLM's SQUEEZE."""

    name = "SQUEEZE"


class ExpandDims(Reshape):
    """TFLM's EXPAND_DIMS."""

    name = "EXPAND_DIMS"


OPERATORS = (Reshape(), Squeeze(), ExpandDims())
