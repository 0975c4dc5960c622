"""Layers in strips of columns: the same bits, no byte lost, and every wrong plan refused."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, assume, event, given, note, seed, settings
from hypothesis import strategies as st

from tests.support import differential, emulated, graphs
from tests.support.builder import ModelBuilder
from tests.support.real_models import each_real_model
from tests.test_checker import mutations
from tinyaiot import oracle, pipeline
from tinyaiot.boards import board_by_id
from tinyaiot.build import build
from tinyaiot.codegen.model import model_sources
from tinyaiot.codegen.project import generate_project
from tinyaiot.cores import core_by_id
from tinyaiot.devices.emulator import EmulatedBoard
from tinyaiot.devices.link import Device
from tinyaiot.errors import UnsupportedModelError
from tinyaiot.frontends import Model, tflite
from tinyaiot.graph import Graph, Tensor
from tinyaiot.operators import operator_of
from tinyaiot.operators.base import Columns, Rows
from tinyaiot.operators.windows import Padding, Window
from tinyaiot.plan import Memory, Patches, Plan
from tinyaiot.planner import plan_model
from tinyaiot.planner.checker import InvalidPlanError, check
from tinyaiot.planner.patches import boundaries, patched, planned_graph
from tinyaiot.planner.streaming import rows
from tinyaiot.planner.strips import Candidate, candidates, even_columns, in_strips

AnyArray = npt.NDArray[Any]
AMPLE = (Memory("ram", 1 << 28),)
HOST = differential.HOST
_PARTS = 2


def macs(graph: Graph) -> int:
    return sum(operator_of(node).macs(node) for node in graph.nodes)


def plan_in_strips(graph: Graph, patches: Patches, feed: bool, keep_input: bool = False) -> Plan:
    """The plan with exactly these strips, checked."""
    extra = macs(patched(graph, patches, feed=feed).graph) - macs(graph)
    candidate = Candidate(patches, extra, 0)
    plan = in_strips(rows, graph, HOST, AMPLE, keep_input, feed, candidate)
    assert plan is not None
    check(graph, plan, HOST, AMPLE)
    return plan


@pytest.mark.parametrize("part", range(_PARTS))
def test_drawn_models_in_strips_equal_tflm(part: int, request: pytest.FixtureRequest) -> None:
    wanted = request.config.getoption("--drawn")

    @settings(
        deadline=None,
        database=None,
        max_examples=(wanted or 24) // _PARTS,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(graphs.images(), st.data())
    def compare(model: graphs.DrawnModel, data: st.DataObject) -> None:
        note(model.description)
        try:
            graph = tflite.read(model.data, "m")
            reference = oracle.run(model.data, graph, model.inputs)
        except UnsupportedModelError:
            assume(False)
        ends = [(n, boundary) for n, boundary in boundaries(graph) if boundary.width > 1]
        assume(ends)
        layers, boundary = data.draw(st.sampled_from(ends))
        inner = data.draw(st.sets(st.integers(1, boundary.width - 1), min_size=1, max_size=3))
        feed = data.draw(st.booleans())
        try:
            plan = plan_in_strips(graph, Patches(layers, (0, *sorted(inner), boundary.width)), feed)
        except ValueError as error:
            event(f"no such strips: {error}")
            assume(False)
        differential.check_c(graph, reference, model.inputs, plan)

    (compare if wanted else seed(part)(compare))()


@settings(deadline=None)
@given(st.data())
def test_columns_are_the_first_to_the_last_read(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 12))
    kernel, stride = data.draw(st.integers(1, min(5, size))), data.draw(st.integers(1, 3))
    padding = data.draw(st.sampled_from(Padding))
    window = Window.of(padding, size, kernel, stride)
    start = data.draw(st.integers(0, window.out_size - 1))
    stop = data.draw(st.integers(start + 1, window.out_size))
    positions = {
        x * stride - window.pad_before + k for x in range(start, stop) for k in range(kernel)
    }
    inside = sorted(positions & set(range(size)))
    found = window.columns(Columns(start, stop))
    assert found is not None
    read, (before, after) = found
    assert (read.start, read.stop) == (inside[0], inside[-1] + 1)
    assert (read.start - before, read.stop + after) == (min(positions), max(positions) + 1)


def image_model() -> tuple[bytes, AnyArray]:
    """Two windows beside a shortcut, and one of stride 2 that has fewer columns."""
    rng = np.random.default_rng(1)
    b = ModelBuilder("image")
    x = b.input((1, 7, 10, 2), 0.5, 3)

    def convolution(source: int, shape: tuple[int, ...], channels: int, stride: int = 1) -> int:
        weights = rng.integers(-128, 128, (shape[3], 3, 3, channels)).astype(np.int8)
        scale = 0.02
        out = b.tensor(shape, 0.5 * 0.6, int(rng.integers(-20, 20)))
        filters = b.constant(weights, [scale] * shape[3])
        options = {"padding": 0, "strideH": stride, "strideW": stride}
        options |= {"dilationHFactor": 1, "dilationWFactor": 1}
        b.op("CONV_2D", [source, filters, -1], [out], **options)
        return out

    first = convolution(x, (1, 7, 10, 3), 2)
    second = convolution(first, (1, 7, 10, 3), 3)
    added = b.tensor((1, 7, 10, 3), 0.4, -5)
    b.op("ADD", [first, second], [added])
    down = convolution(added, (1, 4, 5, 4), 3, stride=2)
    last = convolution(down, (1, 4, 5, 2), 4)
    values = rng.integers(-128, 128, (1, 7, 10, 2)).astype(np.int8)
    return b.build([last]), values


class Bytes:
    """Runs a plan in real bytes, a row at a time, each by its operator's meaning in numpy."""

    def __init__(self, graph: Graph, plan: Plan, x: AnyArray) -> None:
        self.graph, self.plan, self.x = graph, plan, x
        self.planned = planned_graph(graph, plan)
        self.memories = {
            name: np.full(max(size, 0), 77, np.int8) for name, size in plan.arena_bytes.items()
        }

    def row(self, tensor: Tensor, y: int) -> AnyArray:
        slot = self.plan.slots[tensor.index]
        start = slot.offset_bytes + y % slot.ring_rows * slot.pitch_bytes
        found = self.memories[slot.memory][start : start + tensor.row_bytes]
        if start < 0 or len(found) != tensor.row_bytes:
            raise ValueError("outside the arena")
        return found

    def run(self) -> AnyArray:
        """The output's rows, as they lie there after the last step."""
        fed = {-1 - step.node for step in self.plan.steps if step.node < 0}
        for k, tensor in enumerate(self.planned.graph.inputs):
            for y in range(tensor.height) if k not in fed else ():
                self.deliver(k, tensor, y)
        for step in self.plan.steps:
            for y in range(step.y_start, step.y_stop):
                if step.node < 0:
                    k = -1 - step.node
                    self.deliver(k, self.planned.graph.inputs[k], y)
                else:
                    self.make(step.node, y)
        output = self.graph.outputs[0]
        return np.concatenate([self.row(output, y) for y in range(output.height)])

    def deliver(self, k: int, tensor: Tensor, y: int) -> None:
        first = self.planned.inputs[k].column
        self.row(tensor, y)[:] = self.x[0, y, first : first + tensor.width].reshape(-1)

    def make(self, index: int, y: int) -> None:
        node = self.planned.graph.nodes[index]
        operands: list[AnyArray | None] = []
        for k, tensor in enumerate(node.inputs):
            if tensor is None or tensor.is_constant:
                operands.append(None if tensor is None else tensor.data)
                continue
            values = np.zeros((tensor.height, tensor.row_bytes), np.int8)
            read = operator_of(node).input_rows(node, k, Rows(y, y + 1))
            for row in range(read.start, read.stop):
                values[row] = self.row(tensor, row)
            operands.append(values.reshape(tensor.shape))
        made = operator_of(node).evaluate(node, operands)[0]
        scratch = self.plan.scratch.get(index)
        if scratch is not None:
            stop = scratch.offset_bytes + scratch.size_bytes
            self.memories[scratch.memory][scratch.offset_bytes : stop] = -99
        self.row(node.output, y)[:] = made.reshape(node.output.height, -1)[y]


def runs_right(graph: Graph, plan: Plan, x: AnyArray, expected: AnyArray) -> bool:
    try:
        return bool(np.array_equal(Bytes(graph, plan, x).run(), expected))
    except (ValueError, KeyError, IndexError):
        return False


def accepted(graph: Graph, plan: Plan) -> bool:
    try:
        check(graph, plan, HOST, AMPLE)
    except InvalidPlanError:
        return False
    return True


def other_patches(plan: Plan) -> Iterator[Plan]:
    """Plans that mean other strips than they were made for."""
    assert plan.patches is not None
    for k, shift in itertools.product(range(len(plan.patches.columns)), (-1, 1)):
        columns = list(plan.patches.columns)
        columns[k] += shift
        yield replace(plan, patches=replace(plan.patches, columns=tuple(columns)))
    for shift in (-1, 1):
        yield replace(plan, patches=replace(plan.patches, layers=plan.patches.layers + shift))
        yield replace(plan, extra_macs=plan.extra_macs + shift)
    yield replace(plan, patches=None)


@pytest.mark.parametrize("feed", [False, True])
def test_mutated_strips_are_refused(feed: bool) -> None:
    data, x = image_model()
    graph = tflite.read(data, "image")
    expected = oracle.run(data, graph, [x]).outputs[0].reshape(-1)
    plan = plan_in_strips(graph, Patches(4, (0, 2, 5)), feed)
    assert runs_right(graph, plan, x, expected)
    assert not any(accepted(graph, mutant) for mutant in other_patches(plan))
    wrong = 0
    for mutant in itertools.islice(mutations(plan), 0, None, 9):
        if not runs_right(graph, mutant, x, expected):
            wrong += 1
            assert not accepted(graph, mutant)
    assert wrong > 20


def test_a_shortcut_is_read_by_columns() -> None:
    data, x = image_model()
    graph = tflite.read(data, "image")
    reference = oracle.run(data, graph, [x])
    for layers, columns in ((3, (0, 1, 10)), (4, (0, 2, 5)), (4, (0, 1, 2, 3, 4, 5))):
        for feed in (False, True):
            plan = plan_in_strips(graph, Patches(layers, columns), feed)
            differential.check_c(graph, reference, [x], plan)


def test_strips_share_their_weights() -> None:
    data, _ = image_model()
    graph = tflite.read(data, "image")
    whole = model_sources(graph, plan_model(graph, HOST, AMPLE), HOST, "m")
    plan = plan_in_strips(graph, Patches(4, (0, 2, 5)), feed=True)
    strips = model_sources(graph, plan, HOST, "m")
    for role, names in whole.arrays.items():
        assert len(strips.arrays[role]) == len(names), role


def test_what_cannot_run_in_strips_is_refused() -> None:
    data, _ = image_model()
    graph = tflite.read(data, "image")
    assert [layers for layers, _ in boundaries(graph)] == [1, 3, 4, 5]
    for patches in (Patches(2, (0, 5, 10)), Patches(4, (0, 2, 4)), Patches(4, (1, 2, 5))):
        with pytest.raises(ValueError):
            patched(graph, patches, feed=True)


@each_real_model
def test_candidates_tell_their_extra_macs(path: Path) -> None:
    graph = tflite.read(path.read_bytes(), path.stem)
    core = core_by_id("cortex-m4")
    found = candidates(graph, core, feed=True, below_bytes=1 << 30)
    assert list(found) == sorted(found, key=lambda candidate: candidate.extra_macs)
    for candidate in found[:: max(1, len(found) // 4)]:
        graph_in_strips = patched(graph, candidate.patches, feed=True).graph
        assert macs(graph_in_strips) - macs(graph) == candidate.extra_macs


def test_even_columns() -> None:
    assert even_columns(12, 2) == (0, 6, 12)
    assert even_columns(5, 3) == (0, 2, 4, 5)


def test_a_plan_in_strips_runs_on_an_emulated_board(tmp_path: Path) -> None:
    data, x = image_model()
    graph = tflite.read(data, "image")
    board = board_by_id("mps2-an386")
    model = Model(graph, data)
    memories = pipeline.memories(board)
    whole = plan_model(graph, board.processor, memories, feed=True)
    extra = macs(patched(graph, Patches(4, (0, 2, 5)), feed=True).graph) - macs(graph)
    candidate = Candidate(Patches(4, (0, 2, 5)), extra, 0)
    plan = in_strips(rows, graph, board.processor, memories, False, True, candidate)
    assert plan is not None
    assert plan.extra_macs > whole.extra_macs == 0
    run_on(board, model, plan, [x], tmp_path)


def run_on(board: Any, model: Model, plan: Plan, inputs: Sequence[AnyArray], folder: Path) -> None:
    sources = model_sources(model.graph, plan, board.processor, model.name)
    generate_project([sources], board).write(folder)
    image = build(folder, board)
    with EmulatedBoard(board, image) as running, Device(running.link) as device:
        emulated.check_case(device, emulated.Case(model, list(inputs)), plan)
