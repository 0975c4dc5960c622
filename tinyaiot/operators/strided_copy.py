"""What operators share that move elements and change none: PAD, CONCATENATION, TRANSPOSE, …

Each copies boxes: an output's index along an axis runs over a stretch of one axis of an input.
In C every box is one ``ta_strided_copy``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tinyaiot.csource import Call, Lowered, Ref, Value, format_value
from tinyaiot.graph import DType, Node, Tensor
from tinyaiot.operators.base import LowerContext, Rows

_SOURCES = ("strided_copy/ta_strided_copy.c",)
_MOVED = frozenset({DType.INT8, DType.INT16, DType.FLOAT32})


def only_input_0_is_computed(node: Node) -> bool:
    """Input 0 is computed at run time; all others are constants."""
    return node.activations == (node.input(0),)


def elements_can_be_moved(node: Node) -> bool:
    """What is moved is int8, int16 or float32, and outputs have the input's type."""
    dtypes = {tensor.dtype for tensor in (*node.activations, *node.outputs)}
    return len(dtypes) == 1 and dtypes <= _MOVED


@dataclass(frozen=True)
class Axis:
    """One axis of an output, of ``size``, and what it runs over in the input.

    Indices [first, first + count) are copied. From one to the next, the place in the input
    moves on by ``row_step`` rows and ``byte_step`` bytes within a row.
    """

    size: int
    first: int
    count: int
    row_step: int
    byte_step: int

    @property
    def is_whole(self) -> bool:
        return self.count == self.size

    def runs_on(self, inner: Axis) -> bool:
        """Whether this axis goes on where ``inner``, the next one, ends."""
        steps = (inner.size * inner.row_step, inner.size * inner.byte_step)
        return inner.is_whole and (self.count == 1 or steps == (self.row_step, self.byte_step))

    def merged(self, inner: Axis) -> Axis:
        """This axis and ``inner``, on to which it runs, as one."""
        return replace(
            inner,
            size=self.size * inner.size,
            first=self.first * inner.size,
            count=self.count * inner.size,
        )


_NO_AXIS = Axis(size=1, first=0, count=1, row_step=0, byte_step=0)


@dataclass(frozen=True, eq=False)
class StridedCopy:
    """A box of ``output`` that is copied from ``source``.

    Attributes:
        axes: the output's, outermost first.
        first_row, first_byte: where in the source the box's first element is.
    """

    source: Tensor
    output: Tensor
    axes: tuple[Axis, ...]
    first_row: int
    first_byte: int

    @staticmethod
    def of(
        source: Tensor,
        output: Tensor,
        *,
        order: Sequence[int] | None = None,
        starts: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
        box: Sequence[Rows] | None = None,
    ) -> StridedCopy:
        """The copy in which output axis k runs over the source's axis ``order[k]``.

        Args:
            order: by default, the output's axes are the source's.
            starts, strides: where each axis of the source is begun at and how it is stepped
                over, by default all of it in its order.
            box: the output's indices that are copied, by default all.
        """
        order = range(len(source.shape)) if order is None else order
        starts = [0] * len(source.shape) if starts is None else starts
        strides = [1] * len(source.shape) if strides is None else strides
        box = [Rows(0, size) for size in output.shape] if box is None else box
        steps = _axis_steps(source)
        axes = (
            Axis(
                size=size,
                first=indices.start,
                count=indices.stop - indices.start,
                row_step=strides[axis] * steps[axis][0],
                byte_step=strides[axis] * steps[axis][1],
            )
            for size, indices, axis in zip(output.shape, box, order, strict=True)
        )
        return StridedCopy(
            source=source,
            output=output,
            axes=tuple(axes),
            first_row=sum(n * step[0] for n, step in zip(starts, steps, strict=True)),
            first_byte=sum(n * step[1] for n, step in zip(starts, steps, strict=True)),
        )

    @property
    def is_identity(self) -> bool:
        """Whether the output is the source's bytes, all of them in their order."""
        if self.source.nbytes != self.output.nbytes:
            return False
        stride = self.output.nbytes
        for axis in self.axes:
            stride //= axis.size
            step = axis.row_step * self.source.row_bytes + axis.byte_step
            if not axis.is_whole or (axis.size > 1 and step != stride):
                return False
        return True

    def rows(self, out: Rows) -> Rows:
        """Rows of the source that the output rows ``out`` read, and any between them."""
        starts, stops = self._rows_of_each
        read = np.flatnonzero(stops[out.start : out.stop]) + out.start
        if len(read):
            return Rows(int(starts[read].min()), int(stops[read].max()))
        # None: those that were read before it stay behind.
        behind = int(stops[: out.start].max(initial=0))
        return Rows(behind, behind)

    @cached_property
    def _rows_of_each(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """First and last + 1 of the source's rows by output row; both 0 where it reads none."""
        leading = _row_axis_count(self.output)
        first = np.full(1, self.first_row)
        inside = np.full(1, True)
        for axis in self.axes[:leading]:
            index = np.arange(axis.size) - axis.first
            first = (first[:, np.newaxis] + index * axis.row_step).reshape(-1)
            in_box = (index >= 0) & (index < axis.count)
            inside = (inside[:, np.newaxis] & in_box).reshape(-1)
        reaches = [(axis.count - 1) * axis.row_step for axis in self.axes[leading:]]
        starts = first + sum(min(reach, 0) for reach in reaches)
        stops = first + sum(max(reach, 0) for reach in reaches) + 1
        return np.where(inside, starts, 0), np.where(inside, stops, 0)

    def call(
        self,
        context: LowerContext,
        *,
        output: int = 0,
        suffix: str = "",
        final: bool = True,
        fill: int | None = None,
    ) -> Call:
        """The copy in C.

        Args:
            output, suffix, final: as in :class:`Call`.
            fill: the byte that what is outside of the box becomes; None leaves it alone.
        """
        leading = _row_axis_count(self.output)
        row_axes = _merge(self.axes[:leading])
        loops = _Loops.of(_merge(self.axes[leading:]), self.output.dtype.nbytes)
        return Call(
            function="ta_strided_copy_rows",
            struct_type="ta_strided_copy",
            fields={
                "in": context.source(self.source),
                "out": context.sink(self.output),
                "row_axes": _row_axes(row_axes),
                "first_row": self.first_row,
                "first_byte": self.first_byte,
                "out_first": loops.out_first,
                "blocks": loops.blocks,
                "items": loops.items,
                "item_bytes": loops.item_bytes,
                "row_bytes": self.output.row_bytes,
                "row_axis_count": len(row_axes),
                "fills": int(fill is not None),
                "fill": 0 if fill is None else fill,
            },
            output=output,
            suffix=suffix,
            final=final,
        )


def lower_copies(calls: Sequence[Call]) -> Lowered:
    """The C of a node that consists of copies alone."""
    return Lowered(tuple(calls), (), _SOURCES if calls else ())


@dataclass(frozen=True)
class _Loops:
    """The axes within an output row as the C has them: blocks of items of contiguous bytes."""

    out_first: int
    blocks: Value
    items: Value
    item_bytes: int

    @staticmethod
    def of(axes: Sequence[Axis], element_bytes: int) -> _Loops:
        """The loops over at most two axes, outermost first."""
        step = element_bytes
        stepped: list[tuple[Axis, int]] = []
        for axis in reversed(axes):
            stepped.insert(0, (axis, step))
            step *= axis.size
        out_first = sum(axis.first * step for axis, step in stepped)
        item_bytes = element_bytes
        if axes and (axes[-1].row_step, axes[-1].byte_step) == (0, element_bytes):
            item_bytes *= stepped.pop()[0].count
        blocks, items = [(_NO_AXIS, 0)] * (2 - len(stepped)) + stepped
        return _Loops(out_first, _loop(*blocks), _loop(*items), item_bytes)


def _loop(axis: Axis, out_step: int) -> Value:
    return {
        "count": axis.count,
        "row_step": axis.row_step,
        "byte_step": axis.byte_step,
        "out_step": out_step,
    }


def _row_axes(axes: Sequence[Axis]) -> Value:
    if not axes:
        return Ref("NULL")
    elements = [
        {
            "size": axis.size,
            "first": axis.first,
            "count": axis.count,
            "row_step": axis.row_step,
            "byte_step": axis.byte_step,
        }
        for axis in axes
    ]
    return Ref(f"(const ta_row_axis[]){format_value(elements)}")


def _merge(axes: Sequence[Axis]) -> list[Axis]:
    """``axes`` without those of size 1, neighbours that run on into each other made one."""
    merged: list[Axis] = []
    for axis in axes:
        if axis.size == 1:
            continue
        if merged and merged[-1].runs_on(axis):
            axis = merged.pop().merged(axis)
        merged.append(axis)
    return merged


def _row_axis_count(tensor: Tensor) -> int:
    """How many of its axes number the rows; the others are within a row."""
    rank = len(tensor.shape)
    return rank - 2 if rank > 2 else max(rank - 1, 0)


def _axis_steps(tensor: Tensor) -> list[tuple[int, int]]:
    """By axis, how far it is from an index to the next: rows, and bytes within a row."""
    leading = _row_axis_count(tensor)
    rows, within = tensor.shape[:leading], tensor.shape[leading:]
    steps = [(math.prod(rows[k + 1 :]), 0) for k in range(len(rows))]
    element_bytes = tensor.dtype.nbytes
    return steps + [(0, element_bytes * math.prod(within[k + 1 :])) for k in range(len(within))]
