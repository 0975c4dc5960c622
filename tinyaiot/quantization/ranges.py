"""Ranges of activations, from the values that the float network gives them.

Minimum and maximum keep every value, and spend the 256 levels on the rarest. A percentile leaves
a set part of the values out; least squares (``mse``) weighs what is cut off against what all the
others gain by finer levels. Values are counted in bins: 16 to a level at least.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tinyaiot.quantization.float_model import FloatModel, Floats
from tinyaiot.quantization.recipe import Method, Recipe

_BINS = 4096
_LEVELS = 255
# Least squares tries an end of the range at these parts of its largest value.
_PARTS = np.linspace(1 / 64, 1, 64)
_ROUNDS = 3

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Range:
    """The real values that int8 can hold, from -128 to 127; zero is one of them.

    Attributes:
        low: 0 or less.
        high: 0 or more, and more than ``low``.
    """

    low: float
    high: float

    @property
    def scale(self) -> float:
        """Of int8, by the converter's rule."""
        return (self.high - self.low) / _LEVELS

    @property
    def zero_point(self) -> int:
        """Of int8, by the converter's rule."""
        return int(np.clip(round(-128 - self.low / self.scale), -128, 127))

    def __or__(self, other: Range) -> Range:
        return Range(min(self.low, other.low), max(self.high, other.high))


@dataclass
class Histogram:
    """How often a tensor's values lie where, over all samples.

    Attributes:
        low, high: the least and the largest value, zero included.
        counts: of values in equal bins from ``low`` to ``high``.
    """

    low: float = 0.0
    high: float = 0.0
    counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(_BINS, np.int64))

    def widen(self, values: Floats) -> None:
        """Takes values into the bounds; all of them, before any are counted."""
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))

    def count(self, values: Floats) -> None:
        """Counts values that lie within the bounds."""
        self.counts += np.histogram(values, _BINS, (self.low, self.high))[0]

    @property
    def edges(self) -> Doubles:
        return np.linspace(self.low, self.high, _BINS + 1)


def histograms(original: FloatModel, inputs: Floats) -> dict[int, Histogram]:
    """Those of all tensors that are matched, by the index of the int8 tensor.

    Args:
        inputs: [count, ...]; the network runs twice on each.
    """
    found = {index: Histogram() for index in original.matches}
    for step in (Histogram.widen, Histogram.count):
        for sample in inputs:
            for index, values in original.run(sample).items():
                step(found[index], values)
    return found


def ranges(found: Mapping[int, Histogram], recipe: Recipe) -> dict[int, Range]:
    """The range of every tensor by the recipe's method; those that are always 0 have none."""
    take = _takers(recipe)[recipe.method]
    return {index: take(h) for index, h in found.items() if h.high > h.low}


def _takers(recipe: Recipe) -> dict[Method, Callable[[Histogram], Range]]:
    return {
        Method.MINMAX: lambda h: Range(h.low, h.high),
        Method.PERCENTILE: lambda h: within_percentile(h, recipe.percentile),
        Method.MSE: least_squares,
    }


def within_percentile(histogram: Histogram, percentile: float) -> Range:
    """The range that ``percentile`` % lie below the end of, and as many above its beginning."""
    below = np.concatenate([[0], np.cumsum(histogram.counts)]) / histogram.counts.sum()
    rest = (100 - percentile) / 100
    edges = histogram.edges
    low = edges[max(int(np.searchsorted(below, rest, side="right")) - 1, 0)]
    high = edges[min(int(np.searchsorted(below, 1 - rest, side="left")), _BINS)]
    found = Range(min(float(low), 0.0), max(float(high), 0.0))
    return found if found.high > found.low else Range(histogram.low, histogram.high)


def least_squares(histogram: Histogram) -> Range:
    """The range with the least squared error of all values, one end after the other."""
    edges = histogram.edges
    taken = histogram.counts > 0
    values = ((edges[:-1] + edges[1:]) / 2)[taken]
    weights = histogram.counts[taken].astype(np.float64)

    def best(candidates: Iterable[Range]) -> Range:
        return min(candidates, key=lambda r: _squared_error(values, weights, r))

    found = Range(histogram.low, histogram.high)
    for _ in range(_ROUNDS):
        lows = histogram.low * _PARTS if histogram.low < 0 else [0.0]
        highs = histogram.high * _PARTS if histogram.high > 0 else [0.0]
        found = best(Range(found.low, float(high)) for high in (found.high, *highs))
        found = best(Range(float(low), found.high) for low in (found.low, *lows))
    return found


def _squared_error(values: Doubles, weights: Doubles, chosen: Range) -> float:
    if chosen.high <= chosen.low:
        return float("inf")
    zero_point = chosen.zero_point
    levels = np.clip(np.rint(values / chosen.scale) + zero_point, -128, 127)
    errors = (levels - zero_point) * chosen.scale - values
    return float(np.sum(weights * errors**2))
