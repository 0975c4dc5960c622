"""Kernels of linear operators in portable C that take filters and pixels two by two.

``firmware/operators/linear/ta_linear_c.h`` reads what is laid out here.
"""

from __future__ import annotations

from dataclasses import replace

from tinyaiot.graph import Node
from tinyaiot.operators.floors import Floors, accumulators_are_short, floors_of
from tinyaiot.operators.linear import Constants, as_stored, settled_linear

SHARED_SOURCES = ("linear/ta_linear_s8_c.c",)
SHARED_SOURCES_OF_1 = ("linear/ta_linear_s8_1_c.c",)
STRETCH_BYTES = 512

_FLOOR_SHIFT = 11


def floored(node: Node) -> Constants:
    """Biases and slopes of floors, where floors requantize every channel."""
    constants, found = as_stored(node), floors_by_11(node)
    if found is None:
        return constants
    biases = found.biases(settled_linear(node))
    return replace(constants, bias=biases, requant=found.packed, floors=True)


def floors_by_11(node: Node) -> Floors | None:
    """The floors by ``TA_LINEAR_C_FLOOR_SHIFT``, where 256 times the accumulators are int32."""
    is_short = accumulators_are_short(settled_linear(node))
    return floors_of(node, _FLOOR_SHIFT) if is_short else None
