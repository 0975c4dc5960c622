"""Kernels of linear operators for cores with Helium: layouts.

``firmware/operators/mve/ta_linear_mve.h`` reads what is laid out here.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tinyaiot.cores import Core
from tinyaiot.graph import Node
from tinyaiot.operators.linear import Constants, as_stored, settled_linear

CLAMP_SOURCE = "mve/ta_clamp_s8_mve.c"
SHARED_SOURCES = ("mve/ta_linear_s8_mve.c", CLAMP_SOURCE)
SHARED_SOURCES_OF_1 = ("mve/ta_linear_s8_1_mve.c", CLAMP_SOURCE)

_STRETCH_BYTES = 2048


def has_helium(node: Node, core: Core) -> bool:
    """Whether the core has the vector extension; nothing is asked of the node."""
    return "mve" in core.features


def by_columns(node: Node) -> Constants:
    """Filters whose taps go column by column: [channels][kernel_w][kernel_h][filter channels]."""
    kernel_h, kernel_w = node.input(1).shape[1:3]
    filters = settled_linear(node).filters
    windows = filters.reshape(len(filters), kernel_h, kernel_w, -1)
    return replace(as_stored(node), weights=np.ascontiguousarray(windows.swapaxes(1, 2)))


def stretch(node: Node) -> int:
    """How many of a row's output pixels have their input columns laid side by side.

    An even number, or all: pixels are taken two at a time.
    """
    width = node.output.width
    most = max((_STRETCH_BYTES - _columns_bytes(node, 1)) // _step_bytes(node) + 1, 2)
    even = -(-width // -(-width // most)) + 1 & ~1
    return min(even, width)


def scratch_bytes(node: Node, core: Core) -> int:
    """Those columns."""
    return _columns_bytes(node, stretch(node))


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
