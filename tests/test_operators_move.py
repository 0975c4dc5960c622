"""Operators that move elements and change none, against TFLM, numpy and C alike.

An operator's input rows are proved by perturbation: rows outside of the stated range have no
influence, the first and the last row of it have.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import differential, draw
from tests.support.builder import ModelBuilder
from tinyaiot import oracle
from tinyaiot.errors import UnsupportedModelError
from tinyaiot.frontends import tflite
from tinyaiot.graph import Node
from tinyaiot.operators import operator_of
from tinyaiot.operators.base import Rows
from tinyaiot.plan import Memory
from tinyaiot.planner import plan_model

_CASES = settings(deadline=None, max_examples=40, derandomize=True)
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


def concatenation(draw_from: st.DrawFn, m: Models) -> None:
    shape = draw_from(shapes(4))
    axis = draw_from(st.integers(-len(shape), len(shape) - 1))
    sizes = draw_from(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    parts = [(*shape[: axis % len(shape)], n, *shape[axis % len(shape) + 1 :]) for n in sizes]
    constant = draw_from(st.integers(1, 5))
    inputs = [
        m.constant(m.values(part)) if k == constant else m.input(part)
        for k, part in enumerate(parts)
    ]
    output = m.output(np.concatenate([np.zeros(part) for part in parts], axis).shape)
    m.op("CONCATENATION", inputs, [output], axis=axis)


def split(draw_from: st.DrawFn, m: Models) -> None:
    shape = draw_from(shapes(5))
    axis = draw_from(st.integers(-len(shape), len(shape) - 1))
    parts = draw_from(st.integers(1, 4))
    whole = list(shape)
    whole[axis] *= parts
    inputs = [m.integers(axis), m.input(tuple(whole))]
    m.op("SPLIT", inputs, [m.output(shape) for _ in range(parts)], numSplits=parts)


def strided_slice(draw_from: st.DrawFn, m: Models) -> None:
    shape = draw_from(shapes(4))
    masks = {"beginMask": 0, "endMask": 0, "shrinkAxisMask": 0}
    begins, ends, strides, out_shape = [], [], [], []
    for axis, size in enumerate(shape):
        stride = draw_from(st.sampled_from((1, 1, 1, 2, 3, -1, -1, -2)))
        begin, end = draw_from(st.integers(0, size - 1)), draw_from(st.integers(0, size - 1))
        if (end < begin) == (stride > 0):
            begin, end = end, begin
        end += 1 if stride > 0 else -1
        for mask in masks:
            if draw_from(st.integers(0, 4)) == 0:
                masks[mask] |= 1 << axis
        bit = 1 << axis
        if masks["shrinkAxisMask"] & bit:
            stride = abs(stride)
        else:
            first = 0 if stride > 0 else size - 1
            last = size if stride > 0 else -1
            start = first if masks["beginMask"] & bit else begin
            out_shape.append(len(range(start, last if masks["endMask"] & bit else end, stride)))
        # Counted from the end, and from there outside of the axis, mean the same.
        before_first = end < 0
        if draw_from(st.booleans()):
            begin -= size
        if before_first or draw_from(st.booleans()):
            end = draw_from(st.integers(-size - 3, -size - 1)) if before_first else end
            end = end - size if 0 <= end < size else end
        elif end == size:
            end += draw_from(st.integers(0, 3))
        begins.append(begin)
        ends.append(end)
        strides.append(stride)
    inputs = [m.input(shape), *map(m.integers, (begins, ends, strides))]
    m.op("STRIDED_SLICE", inputs, [m.output(out_shape)], **masks)


def transpose(draw_from: st.DrawFn, m: Models) -> None:
    shape = draw_from(shapes(5))
    order = draw_from(st.permutations(range(len(shape))))
    inputs = [m.input(shape), m.integers(order)]
    m.op("TRANSPOSE", inputs, [m.output([shape[axis] for axis in order])])


def resize_nearest_neighbor(draw_from: st.DrawFn, m: Models) -> None:
    sizes = st.integers(1, 40) | st.integers(1, 8)
    height, width, out_height, out_width = (draw_from(sizes) for _ in range(4))
    if draw_from(st.booleans()):
        height, out_height = width, out_width
    channels = draw_from(st.integers(1, 4))
    inputs = [m.input((1, height, width, channels)), m.integers([out_height, out_width])]
    m.op(
        "RESIZE_NEAREST_NEIGHBOR",
        inputs,
        [m.output((1, out_height, out_width, channels))],
        alignCorners=draw_from(st.booleans()),
        halfPixelCenters=draw_from(st.booleans()),
    )


OPERATORS: dict[str, Callable[[st.DrawFn, Models], None]] = {
    "RESHAPE": reshape,
    "SQUEEZE": squeeze,
    "EXPAND_DIMS": expand_dims,
    "PAD": pad,
    "PADV2": padv2,
    "CONCATENATION": concatenation,
    "SPLIT": split,
    "STRIDED_SLICE": strided_slice,
    "TRANSPOSE": transpose,
    "RESIZE_NEAREST_NEIGHBOR": resize_nearest_neighbor,
}


@st.composite
def cases(draw_from: st.DrawFn, ops: st.SearchStrategy[list[str]]) -> Case:
    return Models(draw_from).of(draw_from(ops))


@_CASES
@given(cases(st.permutations(sorted(OPERATORS))), st.data())
def test_equals_tflm_in_steps_of_any_rows(case: Case, data: st.DataObject) -> None:
    graph = tflite.read(case.model, "m")
    plan = plan_model(graph, differential.HOST, [Memory("ram", 1 << 20)])
    steps = []
    for step in plan.steps:
        cuts = data.draw(st.sets(st.integers(1, max(step.y_stop - 1, 1)), max_size=3))
        edges = sorted({step.y_start, *cuts, step.y_stop})
        steps += [
            replace(step, y_start=start, y_stop=stop) for start, stop in itertools.pairwise(edges)
        ]
    differential.check(case.model, case.inputs, replace(plan, steps=tuple(steps)))


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


def test_alias_of_an_input_outlives_what_is_made_of_the_input() -> None:
    b = ModelBuilder("m")
    x = b.input((1, 4, 3, 2), _SCALE)
    flat, magnitude = b.tensor((1, 24), _SCALE), b.tensor((1, 4, 3, 2), _SCALE)
    b.op("RESHAPE", [x, b.constant(np.array([1, 24], np.int32))], [flat])
    b.op("ABS", [x], [magnitude])
    model = b.build([flat, magnitude])
    values = draw.int8_values(np.random.default_rng(0), (1, 4, 3, 2))
    graph = differential.check(model, [values])
    plan = plan_model(graph, differential.HOST, [Memory("ram", 1 << 20)])
    assert plan.slots[x].offset_bytes == plan.slots[flat].offset_bytes
    assert plan.slots[x].offset_bytes != plan.slots[magnitude].offset_bytes


def int32(b: ModelBuilder, *values: object) -> int:
    return b.constant(np.array(values, np.int32))


def pad_with_negative_amount(b: ModelBuilder, x: int) -> list[int]:
    y = b.tensor((1, 2, 3, 2), _SCALE)
    b.op("PAD", [x, int32(b, [0, 0], [0, -2], [0, 0], [0, 0])], [y])
    return [y]


def concatenation_of_other_scales(b: ModelBuilder, x: int) -> list[int]:
    y = b.tensor((1, 4, 3, 4), 2 * _SCALE)
    b.op("CONCATENATION", [x, x], [y], axis=3)
    return [y]


def concatenation_with_relu(b: ModelBuilder, x: int) -> list[int]:
    y = b.tensor((1, 4, 3, 4), _SCALE)
    b.op("CONCATENATION", [x, x], [y], axis=3, fusedActivationFunction=1)
    return [y]


def split_in_unequal_parts(b: ModelBuilder, x: int) -> list[int]:
    outputs = [b.tensor((1, 1, 3, 2), _SCALE), b.tensor((1, 3, 3, 2), _SCALE)]
    b.op("SPLIT", [int32(b, 1), x], outputs, numSplits=2)
    return outputs


def slice_to_an_offset(b: ModelBuilder, x: int) -> list[int]:
    y = b.tensor((1, 3, 3, 2), _SCALE)
    begin, end, ones = int32(b, 0, 1, 0, 0), int32(b, 1, 4, 3, 2), int32(b, 1, 1, 1, 1)
    b.op("STRIDED_SLICE", [x, begin, end, ones], [y], offset=True)
    return [y]


def slice_of_an_element_beyond_the_end(b: ModelBuilder, x: int) -> list[int]:
    y = b.tensor((1, 3, 2), _SCALE)
    ones = int32(b, 1, 1, 1, 1)
    operands = [x, int32(b, 0, 4, 0, 0), int32(b, 1, 5, 3, 2), ones]
    b.op("STRIDED_SLICE", operands, [y], shrinkAxisMask=2)
    return [y]


def transpose_with_an_axis_twice(b: ModelBuilder, x: int) -> list[int]:
    y = b.tensor((1, 4, 4, 2), _SCALE)
    b.op("TRANSPOSE", [x, int32(b, 0, 1, 1, 3)], [y])
    return [y]


def resize_to_another_size(b: ModelBuilder, x: int) -> list[int]:
    y = b.tensor((1, 8, 6, 2), _SCALE)
    b.op("RESIZE_NEAREST_NEIGHBOR", [x, int32(b, 8, 5)], [y])
    return [y]


def reshape_to_more_elements(b: ModelBuilder, x: int) -> list[int]:
    y = b.tensor((1, 25), _SCALE)
    b.op("RESHAPE", [x], [y], newShape=[1, 25])
    return [y]


@pytest.mark.parametrize(
    ("build", "rule"),
    [
        (pad_with_negative_amount, "none negative"),
        (concatenation_of_other_scales, "scale and zero point"),
        (concatenation_with_relu, "activation is NONE"),
        (split_in_unequal_parts, "equal parts"),
        (slice_to_an_offset, "the end is no offset"),
        (slice_of_an_element_beyond_the_end, "the element exists"),
        (transpose_with_an_axis_twice, "permutation"),
        (resize_to_another_size, "the output's height and width"),
        (reshape_to_more_elements, "as many elements"),
    ],
)
def test_refuses(build: Callable[[ModelBuilder, int], list[int]], rule: str) -> None:
    b = ModelBuilder("m")
    outputs = build(b, b.input((1, 4, 3, 2), _SCALE))
    with pytest.raises(UnsupportedModelError) as error:
        tflite.read(b.build(outputs), "m")
    assert len(error.value.details) == 1
    assert rule in error.value.details[0]
