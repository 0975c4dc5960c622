"""Graphs of made-up operators for the planner's tests, and what it means to run them.

A fake operator's attributes say which rows it reads and what it may overwrite; its result is a
hash of all that it read, so that one wrong byte anywhere shows in everything after it.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

import tinyaiot.operators
from tinyaiot.cores import Core, core_by_id
from tinyaiot.graph import DType, Graph, Node, Quantization, Tensor
from tinyaiot.operators.base import AnyArray, LowerContext, Operator, Rows
from tinyaiot.plan import Plan

CORE = core_by_id("cortex-m3")


@dataclass(frozen=True)
class FakeAttributes:
    """What a fake operator is like.

    Attributes:
        kernel, stride, pad: of the window over the rows of every input; kernel 0 reads all.
        in_place: inputs that it may overwrite row by row.
        sums_bytes: of the sums to which rows of its input can be added; its kernel is 0 then.
    """

    kernel: int = 1
    stride: int = 1
    pad: int = 0
    in_place: tuple[int, ...] = ()
    alias: bool = False
    scratch_bytes: int = 0
    sums_bytes: int = 0


class Fake(Operator[FakeAttributes]):
    name = "FAKE"

    def parse(self, options: Any, inputs: tuple[Tensor | None, ...]) -> FakeAttributes:
        raise NotImplementedError

    def is_alias(self, node: Node) -> bool:
        return node.attributes.alias

    def in_place(self, node: Node) -> tuple[int, ...]:
        return node.attributes.in_place

    def input_rows(self, node: Node, k: int, rows: Rows) -> Rows:
        a, height = node.attributes, node.input(k).height
        if a.kernel == 0:
            return Rows(0, height)
        start = rows.start * a.stride - a.pad
        stop = (rows.stop - 1) * a.stride - a.pad + a.kernel
        return Rows(min(max(start, 0), height), max(min(stop, height), 0))

    def evaluate(self, node: Node, inputs: list[AnyArray | None]) -> list[AnyArray]:
        raise NotImplementedError

    def scratch_bytes(self, node: Node, core: Core) -> int:
        return node.attributes.scratch_bytes

    def sums_bytes(self, node: Node) -> int:
        return node.attributes.sums_bytes

    def lower(self, node: Node, context: LowerContext) -> Any:
        raise NotImplementedError


@contextlib.contextmanager
def fake() -> Iterator[None]:
    """Makes FAKE an operator like any other."""
    everything = {**tinyaiot.operators.operators(), "FAKE": Fake()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tinyaiot.operators, "operators", lambda: everything)
        yield


@pytest.fixture(scope="module")
def fake_operators() -> Iterator[None]:
    """FAKE is an operator in all tests of the module."""
    with fake():
        yield


class GraphBuilder:
    """Builds a graph of fake operators, tensor by tensor."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.tensors: list[Tensor] = []

    def tensor(self, height: int, row_bytes: int, dtype: DType = DType.INT8) -> Tensor:
        """A tensor of ``height`` rows, one pixel each."""
        shape = (1, height, 1, row_bytes // dtype.nbytes)
        index = len(self.tensors)
        tensor = Tensor(index, f"t{index}", shape, dtype, Quantization((1.0,), (0,)))
        self.tensors.append(tensor)
        return tensor

    def node(
        self,
        inputs: list[Tensor],
        outputs: list[tuple[int, int]],
        dtype: DType = DType.INT8,
        **attributes: Any,
    ) -> tuple[Tensor, ...]:
        """A node with new tensors of (height, row bytes) as its outputs."""
        made = tuple(self.tensor(*shape, dtype) for shape in outputs)
        node = Node(len(self.nodes), "FAKE", tuple(inputs), made, FakeAttributes(**attributes))
        self.nodes.append(node)
        return made

    def window(
        self, x: Tensor, kernel: int, stride: int = 1, pad: int = 0, row_bytes: int = 4, **more: Any
    ) -> Tensor:
        """A node like a convolution: ``kernel`` rows of ``x`` make one row."""
        height = (x.height + 2 * pad - kernel) // stride + 1
        shape = (max(height, 1), row_bytes)
        return self.node([x], [shape], kernel=kernel, stride=stride, pad=pad, **more)[0]

    def graph(self, inputs: list[Tensor], outputs: list[Tensor]) -> Graph:
        return Graph("fake", tuple(self.nodes), tuple(inputs), tuple(outputs))


@st.composite
def graphs(draw: st.DrawFn, max_nodes: int = 6) -> Graph:
    """Draws graphs with branches, joins, aliases, several inputs and outputs, dead ends."""
    b = GraphBuilder()
    heights, widths = st.integers(1, 6), st.sampled_from((1, 3, 4, 8, 12, 20))
    inputs = [b.tensor(draw(heights), draw(widths)) for _ in range(draw(st.integers(1, 2)))]
    for _ in range(draw(st.integers(0, max_nodes))):
        # Mostly the latest tensors, so that chains come up as often as bushes.
        x = b.tensors[-1 - min(draw(st.integers(0, 4)), len(b.tensors) - 1)]
        scratch = draw(st.sampled_from((0, 0, 4, 12, 30)))
        _draw_node(draw, b, x, draw(widths), scratch)
    chosen = draw(st.lists(st.sampled_from(b.tensors), max_size=2, unique=True))
    outputs = list(dict.fromkeys([*chosen, b.tensors[-1]]))
    return b.graph(inputs, outputs)


def _draw_node(draw: st.DrawFn, b: GraphBuilder, x: Tensor, width: int, scratch: int) -> None:
    kinds = ("window", "join", "all", "sums", "split", "alias", "concat", "unary")
    kind = draw(st.sampled_from(kinds))
    shape = (x.height, x.row_bytes)
    if kind == "window":
        kernel = draw(st.integers(1, min(3, x.height)))
        stride, pad = draw(st.integers(1, 2)), draw(st.integers(0, kernel - 1))
        b.window(x, kernel, stride, pad, width, scratch_bytes=scratch)
    elif kind == "join":
        y = draw(st.sampled_from([t for t in b.tensors if t.shape == x.shape]))
        over = draw(st.sampled_from(((), (0,), (1,), (0, 1))))
        b.node([x, y], [shape], in_place=over, scratch_bytes=scratch)
    elif kind == "all":
        b.node([x], [(1, width)], kernel=0, scratch_bytes=scratch)
    elif kind == "sums":
        b.node([x], [(1, width)], kernel=0, sums_bytes=draw(st.sampled_from((8, 16))))
    elif kind == "split":
        b.node([x], [(x.height, width), (x.height, 4)], scratch_bytes=scratch)
    elif kind == "alias":
        b.node([x], [(1, x.nbytes)], alias=True)
    elif kind == "concat":
        y = draw(st.sampled_from([t for t in b.tensors if t.height == x.height]))
        b.node([x, y], [(x.height, x.row_bytes + y.row_bytes)], scratch_bytes=scratch)
    else:
        b.node([x], [shape], in_place=(0,), scratch_bytes=scratch)


def hashed(node: Node, k: int, y: int, read: list[bytes], size: int) -> bytes:
    """Row y of output k: ``size`` bytes that depend on every byte read."""
    digest = hashlib.shake_128(f"{node.index} {k} {y} {len(read)}".encode())
    for part in read:
        digest.update(part)
    return digest.digest(size)


def added(node: Node, sums: bytes, row: bytes) -> bytes:
    """The sums of a node with a row added, which the order of the rows matters to."""
    digest = hashlib.shake_128(f"{node.index}".encode() + sums + row)
    return digest.digest(node.attributes.sums_bytes)


def summed(node: Node, rows: list[bytes]) -> bytes:
    """The result of a node that adds up ``rows``."""
    sums = b""
    for row in rows:
        sums = added(node, sums, row)
    return hashed(node, 0, 0, [sums], node.output.row_bytes)


def input_values(graph: Graph) -> dict[int, bytes]:
    """Bytes for each input, by tensor index."""
    return {t.index: hashlib.shake_128(t.name.encode()).digest(t.nbytes) for t in graph.inputs}


def reference(graph: Graph) -> dict[int, bytes]:
    """Every tensor's bytes, by its index, computed without any plan."""
    values = input_values(graph)
    fake = Fake()
    for node in graph.nodes:
        if node.attributes.alias:
            values[node.output.index] = values[node.input(0).index]
            continue
        if node.attributes.sums_bytes:
            x = node.input(0)
            read = [values[x.index][y * x.row_bytes :][: x.row_bytes] for y in range(x.height)]
            values[node.output.index] = summed(node, read)
            continue
        for k, tensor in enumerate(node.outputs):
            rows = []
            for y in range(tensor.height):
                read = []
                for i, x in enumerate(node.activations):
                    span = fake.input_rows(node, i, Rows(y, y + 1))
                    read.append(values[x.index][span.start * x.row_bytes : span.stop * x.row_bytes])
                rows.append(hashed(node, k, y, read, tensor.row_bytes))
            values[tensor.index] = b"".join(rows)
    return values


def runs_right(graph: Graph, plan: Plan, expected: Mapping[int, bytes]) -> bool:
    """Whether running ``plan`` in real bytes makes every row and output of ``expected``.

    Rows of a step are made one by one, all outputs of a row at once, scratch full of garbage.
    """
    memories = {name: np.zeros(max(size, 0), np.uint8) for name, size in plan.arena_bytes.items()}
    garbage = np.random.default_rng(0)
    fake = Fake()

    def row(tensor: Tensor, y: int) -> AnyArray:
        slot = plan.slots[tensor.index]
        start = slot.offset_bytes + y % slot.ring_rows * slot.pitch_bytes
        found = memories[slot.memory][start : start + tensor.row_bytes]
        if start < 0 or len(found) != tensor.row_bytes:
            raise IndexError("outside the arena")
        return found

    def write(tensor: Tensor, y: int, values: bytes) -> None:
        row(tensor, y)[:] = np.frombuffer(values, np.uint8)

    def read(tensor: Tensor, rows: Rows) -> bytes:
        return b"".join(row(tensor, y).tobytes() for y in range(rows.start, rows.stop))

    def expected_row(tensor: Tensor, y: int) -> bytes:
        return expected[tensor.index][y * tensor.row_bytes : (y + 1) * tensor.row_bytes]

    def add(node: Node, y_start: int, y_stop: int) -> None:
        at, x = plan.sums[node.index], node.input(0)
        place = memories[at.memory][at.offset_bytes :][: node.attributes.sums_bytes]
        for y in range(y_start, y_stop):
            if y != rows_added.get(node.index, 0):
                raise ValueError("out of order")
            rows_added[node.index] = y + 1
            before = place.tobytes() if y else b""
            sums = added(node, before, read(x, Rows(y, y + 1)))
            place[:] = np.frombuffer(sums, np.uint8)
        if y_stop == x.height:
            out = hashed(node, 0, 0, [place.tobytes()], node.output.row_bytes)
            write(node.output, 0, out)
            made.add((node.output.index, 0))
            if out != expected[node.output.index]:
                raise ValueError("wrong sums")

    fed = {-1 - step.node for step in plan.steps if step.node < 0}
    made = set()
    rows_added: dict[int, int] = {}
    try:
        for k, tensor in enumerate(graph.inputs):
            for y in range(0 if k in fed else tensor.height):
                write(tensor, y, expected_row(tensor, y))
        for step in plan.steps:
            if step.node < 0:
                tensor = graph.inputs[-1 - step.node]
                for y in range(step.y_start, step.y_stop):
                    write(tensor, y, expected_row(tensor, y))
                continue
            node = graph.nodes[step.node]
            if node.index in plan.sums:
                add(node, step.y_start, step.y_stop)
                continue
            if node.attributes.sums_bytes:
                x = node.input(0)
                rows = [read(x, Rows(y, y + 1)) for y in range(x.height)]
                write(node.output, 0, summed(node, rows))
                made.add((node.output.index, 0))
                continue
            scratch = plan.scratch.get(node.index)
            for y in range(step.y_start, step.y_stop):
                if scratch is not None:
                    start, size = scratch.offset_bytes, scratch.size_bytes
                    memories[scratch.memory][start : start + size] = garbage.integers(0, 256, size)
                inputs = [
                    read(x, fake.input_rows(node, i, Rows(y, y + 1)))
                    for i, x in enumerate(node.activations)
                ]
                for k, tensor in enumerate(node.outputs):
                    write(tensor, y, hashed(node, k, y, inputs, tensor.row_bytes))
                    made.add((tensor.index, y))
            for tensor in node.outputs:
                for y in range(step.y_start, step.y_stop):
                    if row(tensor, y).tobytes() != expected_row(tensor, y):
                        return False
        kept = [*graph.outputs, *(graph.inputs if plan.input_preserved else ())]
        right = all(read(t, Rows(0, t.height)) == expected[t.index] for t in kept)
    except (KeyError, IndexError, ValueError):
        return False
    wanted = {
        (t.index, y)
        for node in graph.nodes
        if not node.attributes.alias
        for t in node.outputs
        for y in range(t.height)
    }
    return right and made == wanted
