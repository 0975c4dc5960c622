"""Kernels that need more scratch are had while the arena hardly grows and the image stays small."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.builder import ModelBuilder
from tinyaiot.boards import board_by_id
from tinyaiot.frontends import Model, tflite
from tinyaiot.instructions import instructions_on
from tinyaiot.pipeline import PlanOptions, memories, plan_model_on
from tinyaiot.plan import Plan
from tinyaiot.planner import Objective, plan_model
from tinyaiot.planner.work import Run, rule_of_thumb, runs_of

BOARD = board_by_id("mps2-an386")
MANY_TABLES = 60


def network(size: int, tables: int = 0, depth: int = 16) -> Model:
    """Two convolutions, what the first reads added to what the second makes, then operators that
    take a table of 256 bytes each."""
    b = ModelBuilder("residual")
    shape = [1, size, size, depth]
    rng = np.random.default_rng(7)
    first = x = b.input(shape, 0.5)
    for _ in range(2):
        weights = rng.integers(-127, 128, (depth, 3, 3, depth)).astype(np.int8)
        w = b.constant(weights, [0.001] * depth, axis=0)
        bias = b.constant(np.zeros(depth, np.int32), [0.0005] * depth)
        x, source = b.tensor(shape, 0.5), x
        b.op("CONV_2D", [source, w, bias], [x], padding=0, strideW=1, strideH=1)
    y = b.tensor(shape, 0.5)
    b.op("ADD", [first, x], [y])
    for k in range(tables):
        x, y = y, b.tensor(shape, 0.01 + k / 1000)
        b.op("HARD_SWISH", [x], [y])
    data = b.build([y])
    return Model(tflite.read(data, "residual"), data)


def roomy(model: Model, plan: Plan) -> list[int]:
    """Nodes by kernels that need room."""
    runs = runs_of(model.graph, plan, BOARD.processor)
    return [run.node.index for run in runs if run.kernels and run.kernel.needs_room]


def planned(model: Model, takes_room: bool) -> Plan:
    return plan_model(model.graph, BOARD.processor, memories(BOARD), takes_room=takes_room)


@pytest.mark.parametrize("size", [16, 24, 32])
def test_arenas_hardly_grow(size: int) -> None:
    model = network(size)
    plan, usual = plan_model_on(model, BOARD, PlanOptions()), planned(model, takes_room=False)
    assert roomy(model, usual) == [] and roomy(model, plan) != []
    assert plan.total_arena_bytes <= 1.1 * usual.total_arena_bytes
    for node in roomy(model, plan):
        assert plan.scratch[node].size_bytes > usual.scratch[node].size_bytes


def test_a_layer_has_what_others_leave() -> None:
    """Two tensors lie beside the first convolution, three beside the second."""
    model = network(32)
    plan = plan_model_on(model, BOARD, PlanOptions())
    assert roomy(model, plan) == [0, 1]
    assert plan.scratch[0].size_bytes > plan.scratch[1].size_bytes


def test_what_saves_little_is_not_taken() -> None:
    model = network(32)

    def hardly_less(run: Run) -> float:
        return 0.96 if run.kernels and run.kernel.needs_room else 1.0

    plans = {
        cost: plan_model(model.graph, BOARD.processor, memories(BOARD), instructions=cost)
        for cost in (rule_of_thumb, hardly_less)
    }
    assert roomy(model, plans[rule_of_thumb]) and not roomy(model, plans[hardly_less])


def test_images_stay_small() -> None:
    large = network(24, MANY_TABLES)
    assert roomy(large, planned(large, takes_room=True))
    assert not roomy(large, plan_model_on(large, BOARD, PlanOptions()))


@pytest.mark.parametrize("options", [PlanOptions(Objective.LEAST), PlanOptions(feed=True)])
def test_what_is_to_be_small_stays(options: PlanOptions) -> None:
    model = network(24)
    plan = plan_model_on(model, BOARD, options)
    usual = plan_model(
        model.graph,
        BOARD.processor,
        memories(BOARD),
        objective=options.objective,
        feed=options.feed,
        takes_room=False,
        instructions=instructions_on(BOARD.processor),
    )
    assert plan.total_arena_bytes == usual.total_arena_bytes
