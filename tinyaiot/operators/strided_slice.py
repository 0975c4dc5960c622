"""STRIDED_SLICE: x[begin:end:stride] along every axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tflite.StridedSliceOptions import StridedSliceOptions

from tinyaiot.csource import Lowered
from tinyaiot.graph import DType, Node, Tensor
from tinyaiot.operators.base import AnyArray, LowerContext, Operator, Rows
from tinyaiot.operators.strided_copy import (
    StridedCopy,
    elements_can_be_moved,
    lower_copies,
    only_input_0_is_computed,
)

_MAX_AXES = 4


@dataclass(frozen=True)
class StridedSliceAttributes:
    """Masks have a bit for each axis, the first axis's lowest.

    Attributes:
        begin_mask, end_mask: axes sliced from their first, or to their last, element.
        shrink_axis_mask: axes of which one element is taken, and the axis dropped.
        ellipsis_mask, new_axis_mask, offset: not supported by TFLM.
    """

    begin_mask: int
    end_mask: int
    shrink_axis_mask: int
    ellipsis_mask: int
    new_axis_mask: int
    offset: bool


def at_most_four_axes(node: Node) -> bool:
    """The input has at most four axes."""
    return len(node.input(0).shape) <= _MAX_AXES


def plain_masks(node: Node) -> bool:
    """There is no ellipsis, no new axis, and the end is no offset."""
    a = node.attributes
    return not (a.ellipsis_mask or a.new_axis_mask or a.offset)


def indices_are_constant(node: Node) -> bool:
    """Begin, end and strides are constant int32, one for each axis of the input."""
    axes = len(node.input(0).shape)
    return all(
        tensor.is_constant and tensor.dtype is DType.INT32 and tensor.size == axes
        for tensor in (node.input(k) for k in (1, 2, 3))
    )


def dropped_axes_have_their_element(node: Node) -> bool:
    """Strides are not 0; of an axis that is dropped, positive, and the element exists."""
    if not indices_are_constant(node):
        return True
    slices = _slices(node)
    return all(s.step != 0 for s in slices) and all(
        s.step > 0 and s.start < size
        for s, size in zip(slices, node.input(0).shape, strict=True)
        if s.dropped
    )


def output_is_the_slice(node: Node) -> bool:
    """The output has the slice's shape."""
    if not (indices_are_constant(node) and dropped_axes_have_their_element(node)):
        return True
    return node.output.shape == tuple(len(s.indices) for s in _slices(node) if not s.dropped)


class StridedSlice(Operator[StridedSliceAttributes]):
    """TFLM's reference_ops::StridedSlice."""

    name = "STRIDED_SLICE"
    rules = (
        only_input_0_is_computed,
        elements_can_be_moved,
        at_most_four_axes,
        plain_masks,
        indices_are_constant,
        dropped_axes_have_their_element,
        output_is_the_slice,
    )

    def parse(self, options: Any, inputs: tuple[Tensor | None, ...]) -> StridedSliceAttributes:
        o = StridedSliceOptions()
        o.Init(options.Bytes, options.Pos)
        return StridedSliceAttributes(
            begin_mask=o.BeginMask(),
            end_mask=o.EndMask(),
            shrink_axis_mask=o.ShrinkAxisMask(),
            ellipsis_mask=o.EllipsisMask(),
            new_axis_mask=o.NewAxisMask(),
            offset=bool(o.Offset()),
        )

    def is_alias(self, node: Node) -> bool:
        return _copy(node).is_identity

    def input_rows(self, node: Node, k: int, rows: Rows) -> Rows:
        return _copy(node).rows(rows)

    def evaluate(self, node: Node, inputs: list[AnyArray | None]) -> list[AnyArray]:
        taken = np.ix_(*(s.indices for s in _slices(node)))
        return [np.asarray(inputs[0])[taken].reshape(node.output.shape)]

    def lower(self, node: Node, context: LowerContext) -> Lowered:
        if self.is_alias(node):
            return lower_copies(())
        return lower_copies((_copy(node).call(context),))


@dataclass(frozen=True)
class _Slice:
    """Indices of one axis, half-open; ``stop`` is −1 where steps go down to index 0."""

    start: int
    stop: int
    step: int
    dropped: bool

    @property
    def indices(self) -> range:
        return range(self.start, self.stop, self.step)


def _slices(node: Node) -> list[_Slice]:
    """By axis of the input, what is taken."""
    a = node.attributes
    begins, ends, steps = (_integers(node, k) for k in (1, 2, 3))
    slices = []
    for axis, size in enumerate(node.input(0).shape):
        bit, step = 1 << axis, steps[axis]
        # Where steps go down, a slice may start at the last index and stop before the first.
        first, last = (0, size) if step > 0 else (size - 1, -1)
        start = first if a.begin_mask & bit else _clamped(begins[axis], size, step)
        stop = last if a.end_mask & bit else _clamped(ends[axis], size, step)
        dropped = bool(a.shrink_axis_mask & bit)
        slices.append(_Slice(start, start + 1 if dropped else stop, step, dropped))
    return slices


def _clamped(index: int, size: int, step: int) -> int:
    """``index``, counted from the end where negative, as far as a slice may reach."""
    lowest, highest = (0, size) if step > 0 else (-1, size - 1)
    return min(max(index + size if index < 0 else index, lowest), highest)


def _integers(node: Node, k: int) -> list[int]:
    values = node.input(k).data
    if values is None:
        raise ValueError(f"node {node.index} has indices that are not constant")
    return [int(value) for value in values.reshape(-1)]


def _copy(node: Node) -> StridedCopy:
    slices = _slices(node)
    return StridedCopy.of(
        node.input(0),
        node.output,
        order=[axis for axis, s in enumerate(slices) if not s.dropped],
        starts=[s.start for s in slices],
        strides=[s.step for s in slices],
    )


OPERATORS = (StridedSlice(),)
