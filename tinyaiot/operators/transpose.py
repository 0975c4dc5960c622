"""TRANSPOSE: axes in another order."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyaiot.csource import Lowered
from tinyaiot.graph import DType, Node, Tensor
from tinyaiot.operators.base import AnyArray, LowerContext, Operator, Rows
from tinyaiot.operators.strided_copy import (
    StridedCopy,
    elements_can_be_moved,
    lower_copies,
    only_input_0_is_computed,
)

_MAX_AXES = 5


def at_most_five_axes(node: Node) -> bool:
    """The input has at most five axes."""
    return len(node.input(0).shape) <= _MAX_AXES


def order_is_a_permutation(node: Node) -> bool:
    """The order of axes is a constant int32 permutation and makes the output's shape."""
    shape, order = node.input(0).shape, _order(node)
    permutes = sorted(order) == list(range(len(shape))) and node.input(1).dtype is DType.INT32
    return permutes and tuple(shape[axis] for axis in order) == node.output.shape


class Transpose(Operator[None]):
    """TFLM's reference_ops::Transpose."""

    name = "TRANSPOSE"
    rules = (
        only_input_0_is_computed,
        elements_can_be_moved,
        at_most_five_axes,
        order_is_a_permutation,
    )

    def parse(self, options: Any, inputs: tuple[Tensor | None, ...]) -> None:
        return None

    def is_alias(self, node: Node) -> bool:
        return _copy(node).is_identity

    def input_rows(self, node: Node, k: int, rows: Rows) -> Rows:
        return _copy(node).rows(rows)

    def evaluate(self, node: Node, inputs: list[AnyArray | None]) -> list[AnyArray]:
        return [np.transpose(np.asarray(inputs[0]), _order(node))]

    def lower(self, node: Node, context: LowerContext) -> Lowered:
        if self.is_alias(node):
            return lower_copies(())
        return lower_copies((_copy(node).call(context),))


def _order(node: Node) -> list[int]:
    values = node.input(1).data
    if values is None:
        raise ValueError(f"node {node.index} has an order of axes that is not constant")
    return [int(axis) for axis in values.reshape(-1)]


def _copy(node: Node) -> StridedCopy:
    return StridedCopy.of(node.input(0), node.output, order=_order(node))


OPERATORS = (Transpose(),)
