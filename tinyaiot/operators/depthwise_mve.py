"""Kernels of DEPTHWISE_CONV_2D for cores with Helium: layouts, choice, constants.

``firmware/operators/depthwise_conv_2d/ta_depthwise_conv_2d.h`` reads what is laid out here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tinyaiot.cores import Core
from tinyaiot.graph import Node
from tinyaiot.operators import linear_mve
from tinyaiot.operators.base import TUNED
from tinyaiot.operators.floors import mantissas_and_shifts
from tinyaiot.operators.floors_mve import wide_floors_of
from tinyaiot.operators.linear import Constants, LinearKernel, settled_linear

_CHANNELS = 16
_ROWS = 4
_POINTER_BYTES = 4
_MAX_PLACE = 1 << 16
_MAX_BAND_BYTES = 16384
# Of the columns of a strip; the last are of one band.
_STRIP_BYTES = (8192, 2048, 0)
# Shifts to the right of exact requantization.
_RIGHT_SHIFTS = range(1, 32)


@dataclass(frozen=True)
class Shape:
    """Windows that a kernel takes.

    Attributes:
        size: the most rows and columns of a window.
        fours: of rows of input under a band of output rows.
        columns: of filters, with zeros for those that a window has not.
        needs_floors: whether it has no exact requantization beside floors.
        has_multiplier: whether it makes many output channels of one; else one of each.
    """

    size: int
    fours: int
    columns: int
    needs_floors: bool = False
    has_multiplier: bool = False

    @property
    def function(self) -> str:
        """The kernel's."""
        one = "_c1" if self.has_multiplier else ""
        return f"ta_depthwise_conv_2d_s8_{self.size}x{self.size}{one}_mve"

    @property
    def column_bytes(self) -> int:
        """Scratch for a column under a band."""
        return self.fours * _ROWS * (1 if self.has_multiplier else _CHANNELS)

    def makes_pairs(self, node: Node) -> bool:
        """Whether a band is two output rows."""
        a = node.attributes
        steps = (a.stride_h, a.stride_w, a.dilation_h)
        return steps == (1, 1, 1) and node.output.height > 1 and not self.has_multiplier

    def takes_channels(self, node: Node) -> bool:
        """Whether it makes as many of as many."""
        channels = node.input(0).channels
        return channels == 1 if self.has_multiplier else node.output.channels == channels

    def strip_bytes(self, node: Node, rows: int) -> int:
        """Scratch of pointers to input rows, of the columns under some output rows, and of what
        loads read beyond."""
        width, stride = node.output.width, int(node.attributes.stride_w)
        columns = (width - 1) * stride + node.input(1).shape[2]
        bands = -(-rows // 2) if self.makes_pairs(node) else rows
        # A row of its own may be made where others are in pairs.
        reach = (-(-width // 4) * 4 - 1) * stride + self.columns
        reach = max(reach, -(-width // 2) * 2 - 2 + self.columns)
        if self.has_multiplier:
            reach = max(reach, columns + _CHANNELS - 1)
        pointers = bands * self.fours * _ROWS * _POINTER_BYTES
        return pointers + ((bands - 1) * columns + max(columns, reach)) * self.column_bytes

    def rows(self, node: Node, most_bytes: int) -> int:
        """Output rows of a strip: few strips, evenly filled, that take ``most_bytes``."""
        height, band = node.output.height, 2 if self.makes_pairs(node) else 1
        most = band
        while most < height and self.strip_bytes(node, most + band) <= most_bytes:
            most += band
        return -(-height // -(-height // most) // band) * band


SHAPES = (
    Shape(3, 1, 4, has_multiplier=True),
    Shape(3, 1, 4),
    Shape(5, 2, 6, needs_floors=True),
    Shape(7, 2, 8, needs_floors=True),
)


def window_kernels() -> Iterator[LinearKernel]:
    """Of windows up to 7x7, in strips of as many rows as scratch allows."""
    for shape in SHAPES:
        for most in _STRIP_BYTES:
            yield _windows(shape, most)


def _windows(shape: Shape, most_bytes: int) -> LinearKernel:
    def rows(node: Node) -> int:
        return shape.rows(node, most_bytes)

    def strips(node: Node) -> str | None:
        return f"{shape.function}_strips" if node.output.height > 1 else None

    return LinearKernel(
        shape.function,
        f"depthwise_conv_2d/{shape.function}.c",
        applies=lambda node, core: _takes(shape, node, core),
        scratch_bytes=lambda node, core: shape.strip_bytes(node, rows(node)),
        shared=("depthwise_conv_2d/ta_depthwise_mve.c", linear_mve.CLAMP_SOURCE),
        layout=lambda node: _by_columns(shape, node),
        stretch=rows,
        row_pairs=strips,
        pays_by_rows=lambda node: rows(node) == shape.rows(node, 0),
        tier=TUNED,
    )


def _takes(shape: Shape, node: Node, core: Core) -> bool:
    """Whether the kernel is exact."""
    a = node.attributes
    return (
        linear_mve.has_helium(node, core)
        and shape.takes_channels(node)
        and node.input(1).shape[1:3] != (1, 1)  # whose rows drivers may join
        and max(node.input(1).shape[1:3]) <= shape.size
        and a.dilation_w == 1
        and a.stride_w in (1, 2)
        and (node.output.width + 8) * node.output.channels < _MAX_PLACE
        and shape.strip_bytes(node, 1) <= _MAX_BAND_BYTES
        and _requantizes(shape, node)
    )


def _requantizes(shape: Shape, node: Node) -> bool:
    if wide_floors_of(node) is not None:
        return True
    shifts = mantissas_and_shifts(settled_linear(node))[1]
    return not shape.needs_floors and set(shifts.tolist()) <= set(_RIGHT_SHIFTS)


def _by_columns(shape: Shape, node: Node) -> Constants:
    """Weights, biases and requantization as the kernel reads them."""
    linear, floors = settled_linear(node), wide_floors_of(node)
    kernel_h, kernel_w = node.input(1).shape[1:3]
    channels = len(linear.filters)
    taps = linear.filters.reshape(channels, kernel_h, kernel_w).swapaxes(1, 2)
    if shape.fours > 1:
        weights = np.pad(taps.reshape(channels, -1), ((0, 0), (0, 1)))
    else:
        edges = ((1, 0), (0, shape.columns - kernel_w), (0, _ROWS - kernel_h))
        weights = np.pad(taps, edges).reshape(-1)
    if floors is None:
        mantissas, shifts = mantissas_and_shifts(linear)
        words = (linear.folded_bias, mantissas, -shifts)
    else:
        words = (linear.folded_bias * floors.factor + floors.bias, floors.slope, floors.factor)
    # Sums of biases and products wrap, to the same value.
    bits = (np.stack(words, axis=1) & 0xFFFFFFFF).astype(np.uint32)
    return Constants(weights, bias=bits.view(np.int32), floors=floors is not None)
