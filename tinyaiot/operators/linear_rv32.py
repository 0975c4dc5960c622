"""Kernels of linear operators for RV32IM.

``firmware/operators/linear/ta_linear_rv32.h`` reads what is laid out here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tinyaiot.cores import Core
from tinyaiot.graph import Node
from tinyaiot.operators.linear import Constants
from tinyaiot.operators.linear_c import floored

SHARED_SOURCES_OF_1 = ("linear/ta_linear_s8_1_rv32.c",)
SHARED_SOURCES = ("linear/ta_linear_s8_rv32.c", *SHARED_SOURCES_OF_1)
STRETCH_BYTES = 1024

_FOUR = 4


def is_riscv(node: Node, core: Core) -> bool:
    """Whether the core is one of these; nothing is asked of the node."""
    return core.arch == "riscv"


def takes_floors(node: Node, core: Core) -> bool:
    """Whether floors requantize every channel, on a core that these kernels are for."""
    return is_riscv(node, core) and floored(node).floors


def by_fours(layout: Callable[[Node], Constants]) -> Callable[[Node], Constants]:
    """Filters of ``layout`` by fours, [channels / 4, taps, 4]."""

    def laid(node: Node) -> Constants:
        constants = layout(node)
        filters = constants.weights.reshape(len(constants.weights), -1)
        fours = np.zeros((-(-len(filters) // _FOUR) * _FOUR, filters.shape[1]), np.int8)
        fours[: len(filters)] = filters
        ordered = fours.reshape(-1, _FOUR, filters.shape[1]).swapaxes(1, 2)
        return replace(constants, weights=np.ascontiguousarray(ordered))

    return laid
