"""Operators that move elements and change none, against TFLM, numpy and C alike.

An operator's input rows are proved by perturbation: rows outside of the stated range have no
influence, the first and the last row of it have.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import differential, draw
from tests.support.builder import ModelBuilder
from tinyaiot import oracle
from tinyaiot.frontends import tflite
from tinyaiot.graph import Node
from tinyaiot.operators import operator_of
from tinyaiot.operators.base import Rows

_CASES = settings(deadline=None, max_examples=60, derandomize=True)
_SCALE = 0.5


@dataclass(frozen=True)
class Case:
    """A model whose operators do not depend on each other, and its inputs."""

    model: bytes
    inputs: list[draw.AnyArray]


class Models:
    """Builds the model of a case; tensors of one operator have one type and quantization."""

    def __init__(self, draw_from: st.DrawFn) -> None:
        self._rng = np.random.default_rng(draw_from(draw.seeds))
        self._draw = draw_from
        self._builder = ModelBuilder("m")
        self._inputs: list[draw.AnyArray] = []
        self._outputs: list[int] = []

    def of(self, ops: Sequence[str]) -> Case:
        for op in ops:
            self.dtype = self._draw(st.sampled_from(("int8", "int8", "int8", "float32")))
            zero_point = self._draw(draw.zero_points)
            self._quantization = (_SCALE, zero_point) if self.dtype == "int8" else (None, 0)
            OPERATORS[op](self._draw, self)
        return Case(self._builder.build(self._outputs), self._inputs)

    def input(self, shape: tuple[int, ...]) -> int:
        self._inputs.append(self.values(shape))
        return self._builder.input(shape, *self._quantization, self.dtype)

    def output(self, shape: Sequence[int]) -> int:
        self._outputs.append(self._builder.tensor(shape, *self._quantization, self.dtype))
        return self._outputs[-1]

    def constant(self, values: draw.AnyArray) -> int:
        scale, zero_point = self._quantization
        return self._builder.constant(values, None if scale is None else [scale], [zero_point])

    def integers(self, array: object) -> int:
        return self._builder.constant(np.asarray(array, np.int32))

    def op(self, name: str, inputs: list[int], outputs: list[int], **options: object) -> None:
        self._builder.op(name, inputs, outputs, **options)

    def values(self, shape: tuple[int, ...]) -> draw.AnyArray:
        if self.dtype == "int8":
            return draw.int8_values(self._rng, shape)
        return self._rng.normal(size=shape).astype(np.float32)


def shapes(max_axes: int = 4) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes that are often images: a batch of 1 and three more axes."""
    axes = st.integers(1, 5)
    images = st.tuples(st.just(1), st.integers(1, 9), st.integers(1, 9), axes)
    return images | st.lists(axes, min_size=1, max_size=max_axes).map(tuple)


def reshape(draw_from: st.DrawFn, m: Models) -> None:
    shape = draw_from(shapes(5))
    size = math.prod(shape)
    first = draw_from(st.sampled_from([n for n in range(1, size + 1) if size % n == 0]))
    new_shape = draw_from(st.sampled_from(((size,), (first, -1), (1, first, 1, -1))))
    new_shape = tuple(size // first if n == -1 else n for n in new_shape)
    inputs = [m.input(shape)] + [m.integers(new_shape)] * draw_from(st.booleans())
    m.op("RESHAPE", inputs, [m.output(new_shape)], newShape=list(new_shape))


def squeeze(draw_from: st.DrawFn, m: Models) -> None:
    shape = draw_from(shapes(5))
    ones = [axis for axis, n in enumerate(shape) if n == 1]
    squeezed = draw_from(st.lists(st.sampled_from(ones), unique=True)) if ones else []
    kept = [n for k, n in enumerate(shape) if k not in (squeezed or ones)]
    m.op("SQUEEZE", [m.input(shape)], [m.output(kept)], squeezeDims=squeezed)


def expand_dims(draw_from: st.DrawFn, m: Models) -> None:
    shape = draw_from(shapes(4))
    axis = draw_from(st.integers(-len(shape) - 1, len(shape)))
    new_shape = np.expand_dims(np.zeros(shape), axis).shape
    m.op("EXPAND_DIMS", [m.input(shape), m.integers(axis)], [m.output(new_shape)])


def pad(draw_from: st.DrawFn, m: Models) -> None:
    operands, output = _padded(draw_from, m)
    m.op("PAD", operands, [output])


def padv2(draw_from: st.DrawFn, m: Models) -> None:
    operands, output = _padded(draw_from, m)
    value = m.values((1,)) if m.dtype == "int8" else np.zeros(1, m.dtype)
    m.op("PADV2", [*operands, m.constant(value)], [output])


def _padded(draw_from: st.DrawFn, m: Models) -> tuple[list[int], int]:
    """Input and paddings, and an output."""
    shape = draw_from(shapes(5))
    amounts = st.sampled_from((0, 0, 1, 2, 3))
    paddings = [(draw_from(amounts), draw_from(amounts)) for _ in shape]
    padded = [n + before + after for n, (before, after) in zip(shape, paddings, strict=True)]
    return [m.input(shape), m.integers(paddings)], m.output(padded)


OPERATORS: dict[str, Callable[[st.DrawFn, Models], None]] = {
    "RESHAPE": reshape,
    "SQUEEZE": squeeze,
    "EXPAND_DIMS": expand_dims,
    "PAD": pad,
    "PADV2": padv2,
}


@st.composite
def cases(draw_from: st.DrawFn, ops: st.SearchStrategy[list[str]]) -> Case:
    return Models(draw_from).of(draw_from(ops))


@_CASES
@given(cases(st.permutations(sorted(OPERATORS))))
def test_equals_tflm(case: Case) -> None:
    differential.check(case.model, case.inputs)


@pytest.mark.parametrize("op", OPERATORS)
def test_numpy_equals_tflm(op: str) -> None:
    @settings(_CASES, max_examples=100)
    @given(cases(st.just([op])))
    def check(case: Case) -> None:
        graph = tflite.read(case.model, "m")
        differential.check_numpy(graph, oracle.run(case.model, graph, case.inputs))

    check()


@pytest.mark.parametrize("op", OPERATORS)
def test_input_rows_are_exact(op: str) -> None:
    @settings(_CASES, max_examples=200)
    @given(cases(st.just([op])), st.data())
    def check(case: Case, data: st.DataObject) -> None:
        node = tflite.read(case.model, "m").nodes[0]
        start = data.draw(st.integers(0, node.output.height - 1))
        rows = Rows(start, data.draw(st.integers(start + 1, node.output.height)))
        for k, tensor in enumerate(node.inputs):
            if tensor is not None and not tensor.is_constant:
                assert_input_rows_are_exact(node, case.inputs, k, rows)

    check()


def assert_input_rows_are_exact(
    node: Node, inputs: Sequence[draw.AnyArray], k: int, rows: Rows
) -> None:
    """The rows of operand ``k`` that have any influence are bounded by those that are stated."""
    tensor = node.input(k)
    stated = operator_of(node).input_rows(node, k, rows)
    assert 0 <= stated.start <= stated.stop <= tensor.height
    arrays = iter(inputs)
    operands = [
        None if t is None else t.data if t.is_constant else next(arrays) for t in node.inputs
    ]
    before = output_rows(node, operands, rows)
    read = []
    for y in range(tensor.height):
        changed = operands[k].copy()
        row = changed.reshape(tensor.height, -1)[y]
        row[:] = np.where(row == 1, 0, 1) if tensor.dtype.value == "float32" else row ^ 1
        after = output_rows(node, [*operands[:k], changed, *operands[k + 1 :]], rows)
        if not all(np.array_equal(a, b) for a, b in zip(before, after, strict=True)):
            read.append(y)
    expected = (read[0], read[-1] + 1) if read else (stated.start, stated.start)
    assert (stated.start, stated.stop) == expected


def output_rows(node: Node, operands: list[draw.AnyArray], rows: Rows) -> list[draw.AnyArray]:
    outputs = operator_of(node).evaluate(node, operands)
    heights = [tensor.height for tensor in node.outputs]
    return [
        values.reshape(height, -1)[rows.start : rows.stop]
        for values, height in zip(outputs, heights, strict=True)
    ]
