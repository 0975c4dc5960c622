"""Strategies that several tests draw tensors from, and the checks of what they drew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import differential
from tinyaiot import oracle
from tinyaiot.frontends import tflite

AnyArray = npt.NDArray[Any]
Case = tuple[bytes, AnyArray]  # a model of one input, and that input

# Ends, middle and anything between.
zero_points = st.one_of(st.sampled_from((-128, -127, -1, 0, 1, 127)), st.integers(-128, 127))
activations = st.sampled_from((0, 1, 2, 3))
seeds = st.integers(0, 2**32 - 1)


def int8_values(rng: np.random.Generator, shape: tuple[int, ...]) -> AnyArray:
    """int8 values, in part only the ends of the range."""
    values = rng.integers(-128, 128, shape)
    ends = rng.choice((-128, 127), shape)
    return np.where(rng.random(shape) < rng.choice((0, 0.1, 1)), ends, values).astype(np.int8)


@dataclass(frozen=True)
class Filters:
    """Weights, bias and scales of a linear operator, [channels, taps] and [channels].

    Attributes:
        in_scale, out_scale: of the operator's ends; they belong to the weights' scales.
    """

    weights: AnyArray
    bias: AnyArray | None
    scales: list[float]
    in_scale: float
    out_scale: float


@st.composite
def filters(
    draw: st.DrawFn, channels: int, taps: int, per_channel: bool = True, biased: bool = False
) -> Filters:
    """Draws filters whose accumulators and left shifts stay in int32.

    Args:
        per_channel: whether each channel may have its own scale.
        biased: whether there must be a bias.
    """
    rng = np.random.default_rng(draw(seeds))
    weights = int8_values(rng, (channels, taps))
    bias = rng.integers(-(2**20), 2**20, channels) if biased or draw(st.booleans()) else None
    # Multipliers from what rounds to nothing to what saturates; mostly ordinary ones.
    reach = int(np.log2(taps * 2**15 + 2**20)) + 1
    low, high = draw(st.sampled_from(((-12, -3), (-12, -3), (-36, -8), (-3, 30 - reach), (-36, 0))))
    exponents = rng.uniform(low, max(high, low + 1), channels if per_channel else 1)
    if per_channel:
        dead = rng.random(channels) < draw(st.sampled_from((0, 0, 0.4, 1)))
        weights[dead] = 0
        if bias is not None:
            bias[dead] = rng.choice((-(2**30), 2**30, 5, 0), int(dead.sum()))
            exponents[dead] = np.minimum(exponents[dead], -1)
    in_scale = float(np.float32(draw(st.sampled_from((1.0, 0.0235, 1e-3, 37.5)))))
    out_scale = float(np.float32(draw(st.sampled_from((1.0, 0.1, 0.0039)))))
    scales = [float(np.float32(2.0**e * out_scale / in_scale)) for e in exponents]
    return Filters(
        weights, None if bias is None else bias.astype(np.int32), scales, in_scale, out_scale
    )


def check_numpy(cases: st.SearchStrategy[Case], max_examples: int) -> None:
    """Asserts that numpy's meaning of the drawn models is TFLM's."""

    @settings(deadline=None, max_examples=max_examples, derandomize=True)
    @given(cases)
    def check(case: Case) -> None:
        model, x = case
        graph = tflite.read(model, "m")
        differential.check_numpy(graph, oracle.run(model, graph, [x]))

    check()


def check_c(cases: st.SearchStrategy[Case], max_examples: int) -> None:
    """Asserts that generated C, too, computes what TFLM does."""

    @settings(deadline=None, max_examples=max_examples, derandomize=True)
    @given(cases)
    def check(case: Case) -> None:
        model, x = case
        differential.check(model, [x])

    check()
