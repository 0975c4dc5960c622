"""Kernels of linear operators in portable C that take filters and pixels two by two.

``firmware/operators/linear/ta_linear_c.h`` reads what is laid out here.
"""

from __future__ import annotations

from dataclasses import replace

from tinyaiot.graph import Node
from tinyaiot.operators.floors import accumulators_are_short, floors_of
from tinyaiot.operators.linear import Constants, as_stored, settled_linear

SHARED_SOURCES = ("linear/ta_linear_s8_c.c",)
SHARED_SOURCES_OF_1 = ("linear/ta_linear_s8_1_c.c",)
STRETCH_BYTES = 512

_FLOOR_SHIFT = 11


def floored(node: Node) -> Constants:
    """Biases and slopes of floors, where floors requantize every channel."""
    linear, constants = settled_linear(node), as_stored(node)
    found = floors_of(node, _FLOOR_SHIFT) if accumulators_are_short(linear) else None
    if found is None:
        return constants
    return replace(constants, bias=found.biases(linear), requant=found.packed, floors=True)
