"""Fits what each trip of a kernel's loops costs: non-negative least squares of relative errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from scripts.calibration.measure import Sample
from tinyaiot import costs
from tinyaiot.calibrations import KernelCost
from tinyaiot.loops import Features, Tile, Work

_FEWEST_SAMPLES = 12
_FOLDS = 5
# Tiles that kernels may take; tried one dimension after the other.
_ROWS = (1, 2)
_PIXELS = (1, 2, 3, 4, 5)
_CHANNELS = (1, 2, 4, 8, 16)
_TAPS = (1, 2, 4, 8, 16)
_ROUNDS = 2
_WEIGHT_OF_SIZE = 0.2

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fitted:
    """A kernel's costs, and how well they predict.

    Attributes:
        worst: the largest relative error of layers that were left out of the fit.
    """

    cost: KernelCost
    worst: float


def fit_kernels(samples: Iterable[Sample]) -> dict[str, Fitted]:
    """By kernel; one that has too few samples is left out."""
    by_kernel: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.kernel is not None:
            by_kernel.setdefault(sample.kernel, []).append(sample)
    return {
        kernel: fit_kernel(found)
        for kernel, found in sorted(by_kernel.items())
        if len(found) >= _FEWEST_SAMPLES
    }


def fit_kernel(samples: Sequence[Sample]) -> Fitted:
    """The tile with which left-out layers are predicted best, and the costs with it."""
    counts = np.array([float(sample.count) for sample in samples])
    tile, best = Tile(), _errors(samples, counts, Tile())
    is_known = all(costs.has_own_form(work) for sample in samples for work in sample.works)
    for _ in range(0 if is_known else _ROUNDS):
        for tried in _neighbours(tile):
            errors = _errors(samples, counts, tried)
            if _score(errors) < 0.98 * _score(best):
                tile, best = tried, errors
    names, trips = _matrix(samples, tile)
    solution = _solve(trips, counts)
    trip_costs = {
        name: float(f"{value:.6g}") for name, value in zip(names, solution, strict=True) if value
    }
    error = float(f"{best.mean():.4f}")
    cost = KernelCost(
        tile, trip_costs, _ranges(samples), len(samples), error, cycles_an_instruction(samples)
    )
    return Fitted(cost, float(best.max()))


def cycles_an_instruction(samples: Sequence[Sample]) -> float | None:
    """Of all samples together; None where there is no estimate of their cycles."""
    cycles = [sample.cycles for sample in samples]
    known = [n for n in cycles if n is not None]
    if len(known) < len(cycles):
        return None
    return float(f"{sum(known) / sum(sample.count for sample in samples):.3f}")


def _score(errors: FloatArray) -> float:
    return float(np.sqrt((errors**2).mean()))


def _neighbours(tile: Tile) -> Iterable[Tile]:
    for rows in _ROWS:
        yield replace(tile, rows=rows)
    for taps in _TAPS:
        yield replace(tile, taps=taps)
    for pixels in _PIXELS:
        for channels in _CHANNELS:
            yield replace(tile, pixels=pixels, channels=channels)


def _matrix(samples: Sequence[Sample], tile: Tile) -> tuple[list[str], FloatArray]:
    """Trips [samples, names]; loops that always run together are one."""
    rows = [total(sample.works, tile) for sample in samples]
    names = sorted({name for row in rows for name in row})
    trips = np.array([[row.get(name, 0.0) for name in names] for row in rows])
    _, first = np.unique(trips, axis=1, return_index=True)
    kept = sorted(first)
    return [names[k] for k in kept], trips[:, kept]


def total(works: Iterable[Work], tile: Tile) -> Features:
    """Trips of several calls together."""
    found: Features = {}
    for work in works:
        for name, trips in costs.features(work, tile).items():
            found[name] = found.get(name, 0.0) + trips
    return found


def _solve(trips: FloatArray, counts: FloatArray) -> FloatArray:
    scaled = trips / counts[:, np.newaxis]
    norms = np.maximum(np.linalg.norm(scaled, axis=0), 1e-30)
    # Errors of large layers weigh more: they are most of a model.
    weights = (counts / counts.max()) ** _WEIGHT_OF_SIZE
    matrix = scaled / norms * weights[:, np.newaxis]
    solution, _ = nnls(matrix, weights, maxiter=100 * trips.shape[1])
    result: FloatArray = solution / norms
    return result


def _errors(samples: Sequence[Sample], counts: FloatArray, tile: Tile) -> FloatArray:
    """Relative errors of all samples, each predicted from the folds that it is not in."""
    _, trips = _matrix(samples, tile)
    fold = np.arange(len(samples)) % _FOLDS
    errors = np.zeros(len(samples))
    for k in range(_FOLDS):
        out = fold == k
        solution = _solve(trips[~out], counts[~out])
        errors[out] = np.abs(trips[out] @ solution / counts[out] - 1)
    return errors


def _ranges(samples: Sequence[Sample]) -> Mapping[str, tuple[float, float]]:
    seen = [work.dimensions for sample in samples for work in sample.works]
    return {
        name: (min(d[name] for d in seen), max(d[name] for d in seen)) for name in sorted(seen[0])
    }
