"""ADD, SUB, MUL, MAXIMUM, MINIMUM and PRELU against TFLM, numpy and C alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import differential, draw
from tests.support.builder import ModelBuilder
from tinyaiot import oracle
from tinyaiot.errors import UnsupportedModelError
from tinyaiot.frontends import tflite
from tinyaiot.operators import operator_of
from tinyaiot.operators.base import Rows

_CASES = settings(deadline=None, max_examples=40, derandomize=True)
_OPERATORS = ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "PRELU")
_FUSING = ("ADD", "SUB", "MUL")

_scales = st.one_of(
    st.sampled_from((1.0, 0.5, 2.0**-20, 0.0235)),
    st.floats(-8, 0.5).map(lambda e: float(np.float32(2.0**e))),
)


@st.composite
def scales(draw_from: st.DrawFn) -> tuple[float, float, float]:
    """Scales of two operands and an output, mostly near each other, that TFLM takes."""
    a, b = draw_from(_scales), draw_from(_scales)
    exponent = draw_from(st.one_of(st.floats(-2, 2), st.floats(-13, 20)))
    return a, b, float(np.float32(max(a, b) * 2.0**exponent))


@st.composite
def shapes(draw_from: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes that broadcast, of up to 4 axes each, at most one of them a scalar's."""
    full = tuple(draw_from(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    pair = []
    for _ in range(2):
        kept = full[draw_from(st.integers(0, len(full))) :]
        pair.append(tuple(n if draw_from(st.booleans()) else 1 for n in kept))
    if draw_from(st.booleans()) or pair == [(), ()]:
        pair[draw_from(st.integers(0, 1))] = full
    return pair[0], pair[1]


def model(
    ops: Sequence[str],
    pair: tuple[tuple[int, ...], tuple[int, ...]],
    scale: tuple[float, float, float],
    zero: tuple[int, int, int],
    activation: int = 0,
    constants: Mapping[int, np.ndarray] = MappingProxyType({}),
) -> bytes:
    """Operators that all read the same two operands, those of ``constants`` in the file."""
    b = ModelBuilder("m")
    operands = [
        b.constant(constants[k], [scale[k]], [zero[k]])
        if k in constants
        else b.input(pair[k], scale[k], zero[k])
        for k in (0, 1)
    ]
    outputs = []
    for op in ops:
        y = b.tensor(np.broadcast_shapes(*pair), scale[2], zero[2])
        fused = {"fusedActivationFunction": activation} if op in _FUSING else {}
        b.op(op, operands, [y], **fused)
        outputs.append(y)
    return b.build(outputs)


_zeros = st.tuples(draw.zero_points, draw.zero_points, draw.zero_points)


@_CASES
@given(
    shapes(), scales(), _zeros, draw.activations, st.sampled_from((None, None, 0, 1)), draw.seeds
)
def test_broadcasts_equal_tflm(pair, scale, zero, activation, constant, seed) -> None:
    rng = np.random.default_rng(seed)
    values = [draw.int8_values(rng, shape) for shape in pair]
    if () in pair:
        constant = pair.index(())
    constants = {} if constant is None else {constant: values[constant]}
    data = model(_OPERATORS, pair, scale, zero, activation, constants)
    differential.check(data, [v for k, v in enumerate(values) if k not in constants])


_EVERY_PAIR = ((256, 1), (1, 256))
_EVERY = [np.arange(-128, 128).astype(np.int8).reshape(shape) for shape in _EVERY_PAIR]


@_CASES
@given(scales(), _zeros, draw.activations)
def test_all_pairs_equal_tflm(scale, zero, activation) -> None:
    data = model(_OPERATORS, _EVERY_PAIR, scale, zero, activation)
    graph = tflite.read(data, "m")
    differential.check_numpy(graph, oracle.run(data, graph, _EVERY))


@pytest.mark.parametrize("activation", [0, 1])
def test_all_pairs_equal_tflm_in_c(activation: int) -> None:
    data = model(_OPERATORS, _EVERY_PAIR, (0.03, 0.02, 0.05), (3, -7, -20), activation)
    differential.check(data, _EVERY)


@pytest.mark.parametrize("op", ["ADD", "SUB"])
@pytest.mark.parametrize(
    ("scale", "zero", "activation", "kernel"),
    [
        ((0.0394, 0.1042, 0.0509), (-128, 4, -128), 1, "affine"),
        # Every odd sum is a tie, which goes away from zero on both sides.
        ((1.0, 1.0, 2.0), (0, 0, 0), 0, "affine"),
        ((0.0394, 0.1042, 0.0509), (-128, 4, 0), 1, "s8_c"),
    ],
)
def test_sums_take_their_affine_form_where_they_have_one(
    op, scale, zero, activation, kernel
) -> None:
    shape = (1, 257, 1, 261)
    rng = np.random.default_rng(7)
    data = model([op], (shape, shape), scale, zero, activation)
    node = tflite.read(data, "m").nodes[0]
    assert kernel in operator_of(node).kernel(node, differential.HOST).function
    differential.check(data, [draw.int8_values(rng, shape) for _ in range(2)])


@settings(_CASES, max_examples=60)
@given(shapes(), st.data())
def test_input_rows_are_exact(pair, data) -> None:
    """Changing what input_rows leaves out changes nothing; the ends of what it has matter."""
    graph = tflite.read(model(["MAXIMUM"], pair, (1.0,) * 3, (0,) * 3), "m")
    node = graph.nodes[0]
    operator = operator_of(node)
    start = data.draw(st.integers(0, node.output.height - 1))
    rows = Rows(start, data.draw(st.integers(start + 1, node.output.height)))
    for k in (0, 1):
        operands = [np.full(shape, -128, np.int8) for shape in pair]
        touched = set()
        for y in range(node.input(k).height):
            operands[k][...] = -128
            operands[k].reshape(node.input(k).height, -1)[y] = 100
            out = operator.evaluate(node, list(operands))[0].reshape(node.output.height, -1)
            if np.any(out[rows.start : rows.stop] != -128):
                touched.add(y)
        found = operator.input_rows(node, k, rows)
        assert (min(touched), max(touched) + 1) == (found.start, found.stop)


@pytest.mark.parametrize(
    ("pair", "in_place"),
    [
        (((1, 4, 4, 8), (1, 4, 4, 8)), (0, 1)),
        (((1, 4, 4, 8), (1, 1, 1, 8)), (0,)),
        (((4, 8), (1, 4, 8)), (1,)),
        (((4, 1), (1, 8)), ()),
    ],
)
def test_only_operands_that_lie_like_the_output_are_overwritten(pair, in_place) -> None:
    node = tflite.read(model(["ADD"], pair, (1.0,) * 3, (0,) * 3), "m").nodes[0]
    assert operator_of(node).in_place(node) == in_place


@pytest.mark.parametrize(
    ("op", "pair", "scale", "rule"),
    [
        ("ADD", ((2, 2), (2, 3)), (1.0, 1.0, 1.0), "broadcast"),
        ("ADD", ((1, 2, 2, 2, 2), (1,)), (1.0, 1.0, 1.0), "at most 4 axes"),
        ("ADD", ((4,), (4,)), (1.0, 1.0, 2.0**-20), "2^20 times the output scale"),
        ("MUL", ((4,), (4,)), (128.0, 128.0, 0.5), "2^14 times the output scale"),
    ],
)
def test_what_cannot_be_expressed_is_refused(op, pair, scale, rule) -> None:
    b = ModelBuilder("m")
    operands = [b.input(pair[k], scale[k]) for k in (0, 1)]
    y = b.tensor(pair[0], scale[2])
    b.op(op, operands, [y])
    with pytest.raises(UnsupportedModelError) as refused:
        tflite.read(b.build([y]), "m")
    assert any(rule in line for line in refused.value.details)
