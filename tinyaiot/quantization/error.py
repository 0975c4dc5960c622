"""Errors of quantized values, as powers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyaiot.graph import Tensor
from tinyaiot.operators.base import AnyArray

# Where signal and error are both this small there is nothing to compare.
_SILENCE = 1e-30
# The largest ratio that is told: 120 dB.
_EXACT = 1e-12


@dataclass
class Power:
    """Signal and error, and how the two forms correlate; sums over all samples."""

    signal: float = 0.0
    error: float = 0.0
    actual: float = 0.0
    product: float = 0.0

    def add(self, expected: AnyArray, actual: AnyArray) -> None:
        """Takes in real values of equally many elements."""
        wanted = expected.astype(np.float64).ravel()
        got = actual.astype(np.float64).ravel()
        self.signal += float(wanted @ wanted)
        self.error += float(np.sum((got - wanted) ** 2))
        self.actual += float(got @ got)
        self.product += float(wanted @ got)

    @property
    def sqnr_db(self) -> float | None:
        """Signal over error; None without a signal, 120 at most."""
        if self.signal < _SILENCE:
            return None
        return 10 * math.log10(self.signal / max(self.error, self.signal * _EXACT))

    @property
    def cosine(self) -> float | None:
        """Of the angle between both forms; None where one of them is always 0."""
        if self.signal < _SILENCE or self.actual < _SILENCE:
            return None
        return min(self.product / math.sqrt(self.signal * self.actual), 1.0)


def real(values: AnyArray, tensor: Tensor) -> npt.NDArray[np.float64]:
    """The real values that a tensor of the int8 graph stands for."""
    if tensor.quantization is None:
        return values.astype(np.float64)
    return (values.astype(np.float64) - tensor.zero_point) * tensor.scale
