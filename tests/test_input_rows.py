"""No input row outside ``input_rows`` has any effect on the output rows it was asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import draw
from tests.test_operators_conv import convolution, fully_connected
from tests.test_operators_pool import pool, reduction, softmax
from tinyaiot.frontends import tflite
from tinyaiot.graph import Node
from tinyaiot.operators import operator_of
from tinyaiot.operators.base import Rows
from tinyaiot.operators.windows import Padding, Window

_CASES = {
    "CONV_2D": convolution("CONV_2D"),
    "DEPTHWISE_CONV_2D": convolution("DEPTHWISE_CONV_2D"),
    "FULLY_CONNECTED": fully_connected(),
    "AVERAGE_POOL_2D": pool("AVERAGE_POOL_2D"),
    "MAX_POOL_2D": pool("MAX_POOL_2D"),
    "MEAN": reduction("MEAN"),
    "SUM": reduction("SUM"),
    "SOFTMAX": softmax(),
}


@pytest.mark.parametrize("op", _CASES)
def test_rows_outside_have_no_effect(op: str) -> None:
    @settings(deadline=None, max_examples=60, derandomize=True)
    @given(_CASES[op], st.data())
    def check(case: tuple[bytes, np.ndarray], data: st.DataObject) -> None:
        model, x = case
        node = tflite.read(model, "m").nodes[0]
        start = data.draw(st.integers(0, node.output.height - 1))
        rows = Rows(start, data.draw(st.integers(start + 1, node.output.height)))
        read = operator_of(node).input_rows(node, 0, rows)
        height = node.input(0).height
        assert 0 <= read.start <= read.stop <= height
        outside = [y for y in range(height) if not read.start <= y < read.stop]
        rng = np.random.default_rng(data.draw(draw.seeds))
        changed = x.reshape(height, -1).copy()
        changed[outside] = draw.int8_values(rng, changed[outside].shape)
        outputs = [_output_rows(node, values.reshape(x.shape), rows) for values in (x, changed)]
        assert outputs[0] == outputs[1]

    check()


def _output_rows(node: Node, x: np.ndarray, rows: Rows) -> Sequence[Sequence[int]]:
    constants = [None if t is None else t.data for t in node.inputs]
    (output,) = operator_of(node).evaluate(node, [x, *constants[1:]])
    return output.reshape(node.output.height, -1)[rows.start : rows.stop].tolist()


@given(
    st.sampled_from(Padding),
    st.integers(1, 20),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(1, 3),
    st.data(),
)
def test_window_rows_are_the_first_to_the_last_read(
    padding: Padding, size: int, kernel: int, stride: int, dilation: int, data: st.DataObject
) -> None:
    window = Window.of(padding, size, kernel, stride, dilation)
    if window.out_size == 0:
        return
    y = data.draw(st.integers(0, window.out_size - 1))
    # Numbered rows in padding of -1: what the taps of output row y see.
    numbers = np.pad(np.arange(size), (window.pad_before, window.pad_after), constant_values=-1)
    seen = [int(numbers[window.tap(k)][y]) for k in range(kernel)]
    inside = [row for row in seen if row >= 0]
    rows = window.rows(Rows(y, y + 1))
    assert (rows.start, rows.stop) == ((inside[0], inside[-1] + 1) if inside else (0, 0))
