"""RESIZE_NEAREST_NEIGHBOR: height and width changed by repeating and leaving out pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tflite.ResizeNearestNeighborOptions import ResizeNearestNeighborOptions

from tinyaiot.csource import Array, Call, Lowered, Ref, Role
from tinyaiot.graph import DType, Node, Tensor
from tinyaiot.operators.base import AnyArray, LowerContext, Operator, Rows, batch_is_one
from tinyaiot.operators.strided_copy import elements_can_be_moved, only_input_0_is_computed

_UINT16_MAX = 65535


@dataclass(frozen=True)
class ResizeAttributes:
    """How pixels of the output are mapped to those of the input.

    Attributes:
        align_corners: the centres of the corners' pixels coincide.
        half_pixel_centers: a pixel's centre is at its index + 0.5.
    """

    align_corners: bool
    half_pixel_centers: bool


def tensors_have_four_axes(node: Node) -> bool:
    """Input and output have four axes and the same channels."""
    shapes = (node.input(0).shape, node.output.shape)
    return all(len(shape) == 4 for shape in shapes) and shapes[0][3] == shapes[1][3]


def size_is_the_outputs(node: Node) -> bool:
    """The size is a constant int32 pair: the output's height and width."""
    size = node.input(1)
    if size.data is None or size.dtype is not DType.INT32 or size.shape != (2,):
        return False
    return (int(size.data[0]), int(size.data[1])) == (node.output.height, node.output.width)


def sizes_fit_their_fields(node: Node) -> bool:
    """Height and width of the input are at most 65536."""
    return max(node.input(0).height, node.input(0).width) - 1 <= _UINT16_MAX


class ResizeNearestNeighbor(Operator[ResizeAttributes]):
    """TFLM's reference_ops::ResizeNearestNeighbor."""

    name = "RESIZE_NEAREST_NEIGHBOR"
    rules = (
        only_input_0_is_computed,
        elements_can_be_moved,
        batch_is_one,
        tensors_have_four_axes,
        size_is_the_outputs,
        sizes_fit_their_fields,
    )

    def parse(self, options: Any, inputs: tuple[Tensor | None, ...]) -> ResizeAttributes:
        o = ResizeNearestNeighborOptions()
        o.Init(options.Bytes, options.Pos)
        return ResizeAttributes(bool(o.AlignCorners()), bool(o.HalfPixelCenters()))

    def input_rows(self, node: Node, k: int, rows: Rows) -> Rows:
        # Indices never decrease.
        y = _nearest_rows(node)
        return Rows(int(y[rows.start]), int(y[rows.stop - 1]) + 1)

    def evaluate(self, node: Node, inputs: list[AnyArray | None]) -> list[AnyArray]:
        x = np.asarray(inputs[0])
        return [x[:, _nearest_rows(node)][:, :, _nearest_columns(node)]]

    def lower(self, node: Node, context: LowerContext) -> Lowered:
        source, output = node.input(0), node.output
        rows = Array(f"{context.prefix}_rows", _nearest_rows(node), Role.TABLE)
        columns = Array(f"{context.prefix}_columns", _nearest_columns(node), Role.TABLE)
        if np.array_equal(rows.data, columns.data):
            columns = rows
        call = Call(
            function="ta_resize_nearest_neighbor_rows",
            struct_type="ta_resize_nearest_neighbor",
            fields={
                "in": context.source(source),
                "out": context.sink(output),
                "rows": Ref(rows.name),
                "columns": Ref(columns.name),
                "out_width": output.width,
                "pixel_bytes": output.channels * output.dtype.nbytes,
            },
        )
        arrays = (rows,) if columns is rows else (rows, columns)
        folder = "resize_nearest_neighbor"
        return Lowered((call,), arrays, (f"{folder}/ta_resize_nearest_neighbor.c",))


def _nearest_rows(node: Node) -> npt.NDArray[np.uint16]:
    return _nearest(node.input(0).height, node.output.height, node.attributes)


def _nearest_columns(node: Node) -> npt.NDArray[np.uint16]:
    return _nearest(node.input(0).width, node.output.width, node.attributes)


def _nearest(size: int, out_size: int, attributes: ResizeAttributes) -> npt.NDArray[np.uint16]:
    """The input's index for each of the output's, in float32 as TFLM's GetNearestNeighbor."""
    spans = (size, out_size)
    if attributes.align_corners and out_size > 1:
        spans = (size - 1, out_size - 1)
    scale = np.float32(spans[0]) / np.float32(spans[1])
    offset = np.float32(0.5 if attributes.half_pixel_centers else 0.0)
    place = (np.arange(out_size, dtype=np.float32) + offset) * scale
    # Halves are rounded up, away from zero, where corners are aligned; float64 is exact here.
    rounding = 0.5 if attributes.align_corners else 0.0
    index = np.floor(place.astype(np.float64) + rounding).astype(np.int64)
    nearest: npt.NDArray[np.uint16] = np.minimum(index, size - 1).astype(np.uint16)
    return nearest


OPERATORS = (ResizeNearestNeighbor(),)
