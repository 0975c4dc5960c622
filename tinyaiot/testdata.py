"""The default input of a measurement: pseudo-random bytes that every machine can make."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tinyaiot.errors import UnsupportedModelError
from tinyaiot.graph import DType, Tensor
from tinyaiot.operators.base import AnyArray

_MULTIPLIER, _INCREMENT = 1664525, 1013904223


def lcg_bytes(count: int, seed: int) -> npt.NDArray[np.uint8]:
    """The top bytes of ``x = x · 1664525 + 1013904223 (mod 2^32)``, uint8 [count]."""
    values = np.empty(count, dtype=np.uint8)
    x = seed
    for k in range(count):
        x = (x * _MULTIPLIER + _INCREMENT) & 0xFFFFFFFF
        values[k] = x >> 24
    return values


def lcg_input(tensor: Tensor, seed: int = 12345) -> AnyArray:
    """A test input shaped and typed as ``tensor``, an int8, uint8 or float32 activation.

    int8 takes the generator's bytes as two's complement, float32 maps them to [-1, 1).
    """
    values = lcg_bytes(tensor.size, seed)
    if tensor.dtype is DType.INT8:
        return values.view(np.int8).reshape(tensor.shape)
    if tensor.dtype is DType.UINT8:
        return values.reshape(tensor.shape)
    if tensor.dtype is DType.FLOAT32:
        return (values.view(np.int8).reshape(tensor.shape) / 128).astype(np.float32)
    raise UnsupportedModelError(
        f"there is no test input for {tensor.name!r}, which is {tensor.dtype.value}",
        "give the input with --input X.npy",
    )
