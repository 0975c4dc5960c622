"""Convolutions by columns of the input: layout and scratch, for ``ta_columns.h``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tinyaiot.cores import Core
from tinyaiot.graph import Node
from tinyaiot.operators.base import Kernel
from tinyaiot.operators.linear import Constants, LinearKernel, settled_linear


def columns_kernel(
    function: str,
    applies: Callable[[Node, Core], bool],
    layout: Callable[[Node], Constants],
    stretch_bytes: int,
    shared: tuple[str, ...],
    tier: int,
) -> Kernel:
    """A kernel that lays columns in scratch, for as many output pixels as ``stretch_bytes`` hold.

    Args:
        layout: constants, with taps column by column (:func:`by_columns`).
    """

    def stretch(node: Node) -> int:
        return _stretch(node, stretch_bytes)

    return LinearKernel(
        function,
        f"conv_2d/{function}.c",
        applies=applies,
        scratch_bytes=lambda node, core: _columns_bytes(node, stretch(node)),
        shared=shared,
        tier=tier,
        layout=layout,
        stretch=stretch,
    )


def by_columns(layout: Callable[[Node], Constants]) -> Callable[[Node], Constants]:
    """Filters of ``layout``, taps column by column: [channels, kernel_w, kernel_h, channels]."""

    def laid(node: Node) -> Constants:
        kernel_h, kernel_w = node.input(1).shape[1:3]
        filters = settled_linear(node).filters
        windows = filters.reshape(len(filters), kernel_h, kernel_w, -1)
        return replace(layout(node), weights=np.ascontiguousarray(windows.swapaxes(1, 2)))

    return laid


def _stretch(node: Node, nbytes: int) -> int:
    """An even number, or all of a row: pixels are taken two at a time."""
    width = node.output.width
    most = max((nbytes - _columns_bytes(node, 1)) // _step_bytes(node) + 1, 2)
    even = -(-width // -(-width // most)) + 1 & ~1
    return min(even, width)


def _columns_bytes(node: Node, pixels: int) -> int:
    kernel_w = node.input(1).shape[2]
    return kernel_w * _column_bytes(node) + (pixels - 1) * _step_bytes(node)


def _step_bytes(node: Node) -> int:
    """From one window to the next: windows share columns that lie side by side."""
    kernel_w, attributes = node.input(1).shape[2], node.attributes
    shared = attributes.dilation_w == 1 and attributes.stride_w < kernel_w
    return int(attributes.stride_w if shared else kernel_w) * _column_bytes(node)


def _column_bytes(node: Node) -> int:
    return node.input(1).shape[1] * node.input(0).channels
