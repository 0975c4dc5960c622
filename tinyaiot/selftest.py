"""What `pio test` expects on a board: TFLM's outputs on inputs that C can make again.

``templates/test_model.c.j2`` makes the same inputs.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from tinyaiot import oracle
from tinyaiot.frontends import Model
from tinyaiot.graph import DType, Graph
from tinyaiot.operators.base import AnyArray

_MIXER = np.uint32(2654435761)


def inputs_of(graph: Graph) -> list[AnyArray]:
    """One array for each input, of its dtype and shape; zeros where it is floating point."""
    found: list[AnyArray] = []
    start = 0
    for tensor in graph.inputs:
        data = _pattern(start, tensor.nbytes)
        if tensor.dtype is DType.FLOAT32:
            data = np.zeros_like(data)
        found.append(data.view(tensor.dtype.numpy).reshape(tensor.shape))
        start += tensor.nbytes
    return found


def _pattern(start: int, count: int) -> AnyArray:
    positions = np.arange(start, start + count, dtype=np.uint32)
    with np.errstate(over="ignore"):
        mixed = (positions + np.uint32(1)) * _MIXER
    data: AnyArray = ((mixed >> np.uint32(24)) ^ np.uint32(0x80)).astype(np.uint8)
    return data


def expected_crc(model: Model) -> int:
    """CRC-32 of all output bytes that TFLM makes of :func:`inputs_of`."""
    outputs: Sequence[AnyArray] = oracle.run(
        model.data, model.graph, inputs_of(model.graph)
    ).outputs
    return zlib.crc32(b"".join(np.ascontiguousarray(values).tobytes() for values in outputs))
