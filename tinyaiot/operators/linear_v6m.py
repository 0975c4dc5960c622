"""Kernels of linear operators for Armv6-M.

``firmware/operators/linear/ta_linear_v6m.h`` reads what is laid out here.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tinyaiot.cores import Core
from tinyaiot.graph import Node
from tinyaiot.operators.convolution import row_pixels
from tinyaiot.operators.linear import Constants, settled_linear
from tinyaiot.operators.linear_c import floored

SHARED_SOURCES = ("linear/ta_linear_s8_v6m.c",)
PIXELS = 4

_LEAST_PIXELS = 3
_LEAST_FILTERS = 16


def takes_tiles(node: Node, core: Core) -> bool:
    """Whether the core is an Armv6-M, tiles of four pixels are not mostly empty, and enough filters
    share what widening costs."""
    is_thumb1 = core.arch == "cortex-m" and "thumb2" not in core.features
    return (
        is_thumb1 and row_pixels(node) >= _LEAST_PIXELS and node.output.channels >= _LEAST_FILTERS
    )


def unsigned(node: Node) -> Constants:
    """Filters one by one, [channels, taps], 128 more than they are."""
    filters = settled_linear(node).filters.view(np.uint8) ^ np.uint8(128)
    return replace(floored(node), weights=np.ascontiguousarray(filters.view(np.int8)))
