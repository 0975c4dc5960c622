"""Winograd's algorithm in integers against the convolution itself, in numpy."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.support.draw import AnyArray
from tinyaiot.operators import winograd_1d_dsp
from tinyaiot.operators.winograd_dsp import transformed

_B = np.array(((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)))
# Filters are negative where one of row and column is 2 or 3, so signs of A are not the usual ones.
_A = np.array(((1, 1, -1, 0), (0, 1, 1, 1)))
# The same along rows, by position: of four columns, and of sums to both outputs.
_B_OF_ROW = np.array(((0, -1, 0, 1), (0, 1, -1, 0), (0, 1, 1, 0), (1, 0, -1, 0)))
_A_OF_ROW = np.array(((0, -1, 1, 1), (1, 1, 1, 0)))
_CHANNELS = st.integers(1, 40)
_EXTREMES = st.sampled_from((-128, -127, -1, 0, 1, 126, 127))


@st.composite
def int8_arrays(draw: st.DrawFn, shape: tuple[int, ...]) -> AnyArray:
    """Ends of the range as often as anything between."""
    elements = draw(st.sampled_from((_EXTREMES, st.integers(-128, 127))))
    return draw(arrays.arrays(np.int8, shape, elements=elements)).astype(np.int64)


@given(st.data(), _CHANNELS)
def test_tiles_make_four_times_the_convolution(data: st.DataObject, channels: int) -> None:
    filters = data.draw(int8_arrays((2, 3, 3, channels)))
    tile = data.draw(int8_arrays((4, 4, channels)))
    inputs = np.einsum("iy,yxc,jx->ijc", _B, tile, _B)
    weights = transformed(filters)
    for operand in (inputs, weights):
        assert np.array_equal(operand, operand.astype(np.int16))
    wrapped = (inputs * weights).sum(axis=-1).astype(np.int32)
    outputs = np.einsum("ri,fij,sj->frs", _A, wrapped, _A)
    windows = np.lib.stride_tricks.sliding_window_view(tile, (3, 3), axis=(0, 1))
    assert np.array_equal(outputs, 4 * np.einsum("rscyx,fyxc->frs", windows, filters))


@given(st.data(), _CHANNELS)
def test_tiles_along_rows_make_twice_the_convolution(data: st.DataObject, channels: int) -> None:
    filters = data.draw(int8_arrays((2, 3, 3, channels)))
    tile = data.draw(int8_arrays((3, 4, channels)))
    inputs = np.einsum("px,yxc->pyc", _B_OF_ROW, tile)
    weights = winograd_1d_dsp.transformed(filters)
    for operand in (inputs, weights):
        assert np.array_equal(operand, operand.astype(np.int16))
    outputs = np.einsum("sp,pyc,fpyc->fs", _A_OF_ROW, inputs, weights)
    windows = np.lib.stride_tricks.sliding_window_view(tile, 3, axis=1)
    assert np.array_equal(outputs, 2 * np.einsum("yscx,fyxc->fs", windows, filters))


def test_operands_fit_16_bits_at_the_ends() -> None:
    # The greatest sums are of signs that agree with every weight of the transform.
    signs = np.array(np.meshgrid(*[(-128, 127)] * 9)).reshape(9, -1).T
    filters = np.ascontiguousarray(signs.T).reshape(1, 3, 3, -1)
    assert np.abs(transformed(filters)).max() == 9 * 128
    assert np.abs(_B).sum(axis=1).max() ** 2 * 128 == 512
