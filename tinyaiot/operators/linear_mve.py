"""Kernels of linear operators for cores with Helium.

``firmware/operators/mve/ta_linear_mve.h`` has what they compute.
"""

from __future__ import annotations

from tinyaiot.cores import Core
from tinyaiot.graph import Node

CLAMP_SOURCE = "mve/ta_clamp_s8_mve.c"
SHARED_SOURCES = ("mve/ta_linear_s8_mve.c", CLAMP_SOURCE)
SHARED_SOURCES_OF_1 = ("mve/ta_linear_s8_1_mve.c", CLAMP_SOURCE)
STRETCH_BYTES = 2048


def has_helium(node: Node, core: Core) -> bool:
    """Whether the core has the vector extension; nothing is asked of the node."""
    return "mve" in core.features
