"""Packed requantization constants give the same outputs as the multipliers they stand for."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.support import draw
from tinyaiot.fixed_point import Multiplier, requantize
from tinyaiot.operators.linear import Linear
from tinyaiot.requant import PackedRequant, pack


def _unpack(packed: PackedRequant, channel: int) -> Multiplier:
    """What ta_requant.h reads for a channel."""
    word = int(packed.words[channel if len(packed.words) > 1 else 0])
    mantissa = (word & 0x3FFFFFFF) | 0x40000000
    if packed.right_shifts is not None:
        return Multiplier(mantissa, -int(packed.right_shifts[channel]))
    return Multiplier(mantissa, -(packed.right_shift + (word >> 30)))


normal = st.builds(Multiplier, st.integers(2**30, 2**31 - 1), st.integers(-31, 30))
close = st.integers(-28, 30).flatmap(
    lambda low: st.builds(Multiplier, st.integers(2**30, 2**31 - 1), st.integers(low - 3, low))
)


@given(st.one_of(st.lists(normal, min_size=1), st.lists(close, min_size=1)))
def test_words_hold_mantissa_and_shift(multipliers: list[Multiplier]) -> None:
    packed = pack(multipliers)
    assert [_unpack(packed, c) for c in range(len(multipliers))] == multipliers


@given(st.lists(close, min_size=1, max_size=4))
def test_a_spread_of_three_takes_a_word_a_channel(multipliers: list[Multiplier]) -> None:
    shifts = [m.shift for m in multipliers]
    packed = pack(multipliers)
    assert (packed.right_shifts is None) == (max(shifts) - min(shifts) <= 3)


@given(st.integers(-(2**31) + 257, 2**31 - 257))
def test_a_multiplier_of_nothing_stays_nothing(accumulator: int) -> None:
    stored = _unpack(pack([Multiplier(0, 0)]), 0)
    assert requantize(np.array(accumulator), stored.mantissa, stored.shift) == 0


@st.composite
def linears(draw_from: st.DrawFn) -> Linear:
    """The arithmetic of a few channels with two taps each."""
    channels = draw_from(st.integers(1, 6))
    filters = draw_from(draw.filters(channels, 2))
    activation = draw_from(st.sampled_from(((-128, 127), (0, 127), (-3, 5))))
    bias = np.zeros(channels) if filters.bias is None else filters.bias
    return Linear(
        filters=filters.weights,
        bias=bias.astype(np.int64),
        in_zero_point=draw_from(draw.zero_points),
        multipliers=tuple(
            Multiplier.of(filters.in_scale * s / filters.out_scale) for s in filters.scales
        ),
        out_zero_point=draw_from(draw.zero_points),
        lowest=activation[0],
        highest=activation[1],
    )


_SOME = (-128, -127, -90, -17, -1, 0, 1, 2, 40, 99, 126, 127)
_INPUTS = np.array(list(itertools.product(_SOME, _SOME)))


@given(linears())
def test_settled_channels_have_the_same_outputs(linear: Linear) -> None:
    settled = linear.settled()
    packed = pack(settled.multipliers)
    accumulators = _INPUTS @ settled.filters.T.astype(np.int64) + settled.folded_bias
    expected = linear.outputs((_INPUTS - linear.in_zero_point) @ linear.filters.T.astype(np.int64))
    for channel in range(len(linear.filters)):
        stored = _unpack(packed, channel)
        scaled = requantize(accumulators[:, channel], stored.mantissa, stored.shift)
        outputs = np.clip(scaled + linear.out_zero_point, linear.lowest, linear.highest)
        assert outputs.tolist() == expected[:, channel].tolist()


@given(linears())
def test_accumulators_stay_in_their_range(linear: Linear) -> None:
    low, high = linear.accumulator_range
    for first in range(linear.filters.shape[1] + 1):
        # Half-way through the sum, as C computes it: from the folded bias on.
        partial = _INPUTS[:, :first] @ linear.filters[:, :first].T.astype(np.int64)
        sums = partial + linear.folded_bias
        assert np.all(sums >= low) and np.all(sums <= high)
