"""Kernels of linear operators for cores with Helium: the layout of their filters.

``firmware/operators/mve/ta_linear_mve.h`` reads what is laid out here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tinyaiot.cores import Core
from tinyaiot.graph import Node
from tinyaiot.operators.linear import Constants

CLAMP_SOURCE = "mve/ta_clamp_s8_mve.c"
_REST_SOURCES = ("mve/ta_linear_s8_rest_mve.c", CLAMP_SOURCE)
SHARED_SOURCES = ("mve/ta_linear_s8_mve.c", *_REST_SOURCES)
SHARED_SOURCES_OF_1 = ("mve/ta_linear_s8_1_mve.c", *_REST_SOURCES)
STRETCH_BYTES = 2048

_FOUR = 4
_VECTOR = 16
_HALF_VECTOR = 8


def has_helium(node: Node, core: Core) -> bool:
    """Whether the core has the vector extension; nothing is asked of the node."""
    return "mve" in core.features


def by_fours(layout: Callable[[Node], Constants]) -> Callable[[Node], Constants]:
    """Filters of ``layout`` by fours, vector by vector; what fills no vector goes first. Filters
    beyond the last four stay as they are."""

    def laid(node: Node) -> Constants:
        constants = layout(node)
        filters = constants.weights.reshape(len(constants.weights), -1)
        count, taps = len(filters) // _FOUR, filters.shape[1]
        fours = filters[: count * _FOUR].reshape(count, _FOUR, taps)
        rest = taps % _VECTOR
        first = np.pad(fours[:, :, :rest], ((0, 0), (0, 0), (0, -rest % _HALF_VECTOR)))
        vectors = fours[:, :, rest:].reshape(count, _FOUR, taps // _VECTOR, _VECTOR)
        parts = (_joined(first), _joined(vectors.swapaxes(1, 2)))
        laid_out = np.concatenate(parts, axis=1).reshape(-1)
        return replace(
            constants, weights=np.concatenate((laid_out, filters[count * _FOUR :].reshape(-1)))
        )

    return laid


def _joined(blocks: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Each four's bytes one behind the other, [fours, bytes]."""
    return blocks.reshape(len(blocks), int(np.prod(blocks.shape[1:])))
