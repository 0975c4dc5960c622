"""Budgets of flash and time: what exceeds them is told with ways that do not, each computed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.test_levers import network
from tinyaiot import budgets, cli
from tinyaiot.boards import Board, board_by_id, board_ids
from tinyaiot.budgets import Budgets, Overrun, Resource, flash_need, time_need
from tinyaiot.frontends import Model, tflite
from tinyaiot.graph import Graph
from tinyaiot.pipeline import PlanOptions, plan_model_on, plan_without_limits
from tinyaiot.plan import Plan
from tinyaiot.planner import Objective
from tinyaiot.predict import Prediction, predict
from tinyaiot.summary import summarize

BOARD = "nucleo_f401re"
CODE_BYTES = 10_000
STREAMING_INSTRUCTIONS = 100_000


@pytest.fixture
def model() -> Model:
    data = network(64)
    return Model(tflite.read(data, "network"), data)


@pytest.fixture
def simple_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two instructions for a MAC, and more where layers are streamed: independent of kernels."""

    def predicted(graph: Graph, plan: Plan, board: Board) -> Prediction:
        summary = summarize(graph)
        streamed = STREAMING_INSTRUCTIONS if plan.strategy != "plain" else 0
        return Prediction(
            board=board.id,
            basis="a test",
            layers=(),
            instructions=2 * summary.macs + streamed,
            arena_bytes=plan.total_arena_bytes,
            ram_bytes=None,
            flash_bytes=summary.weights_bytes + CODE_BYTES,
            milliseconds=None,
            milliseconds_basis="none",
        )

    monkeypatch.setattr(budgets, "predict", predicted)


def overrun(limits: Budgets, model: Model, options: PlanOptions) -> Overrun:
    board = board_by_id(BOARD)
    [found] = limits.overruns(model, plan_model_on(model, board, options), board, options)
    return found


def test_kept_budgets_say_nothing(model: Model, simple_prediction: None) -> None:
    board = board_by_id(BOARD)
    plan = plan_model_on(model, board, PlanOptions())
    limits = Budgets(summarize(model.graph).weights_bytes + CODE_BYTES, 1e3)
    assert limits.overruns(model, plan, board, PlanOptions()) == ()
    assert Budgets().overruns(model, plan, board, PlanOptions()) == ()


def test_flash_is_the_predicted_image_or_at_least_the_weights(model: Model) -> None:
    board = board_by_id("mps2-an386")
    plan = plan_model_on(model, board, PlanOptions())
    weights_bytes = summarize(model.graph).weights_bytes
    predicted = predict(model.graph, plan, board).flash_bytes
    assert flash_need(model, plan, board).amount == (predicted or weights_bytes)
    need = flash_need(model, plan_without_limits(model, None, PlanOptions()), None)
    assert (need.amount, need.is_least) == (weights_bytes, True)


def test_flash(model: Model, simple_prediction: None) -> None:
    found = overrun(Budgets(flash_bytes=CODE_BYTES), model, PlanOptions())
    weights = [layer.weights_bytes for layer in summarize(model.graph).layers]
    assert found.resource is Resource.FLASH
    assert found.need.amount == sum(weights) + CODE_BYTES
    assert [layer.weights_bytes for layer in found.largest] == sorted(weights, reverse=True)[:3]
    assert found.ways == ()


def test_time(model: Model, simple_prediction: None) -> None:
    clock_hz = board_by_id(BOARD).clock_hz
    milliseconds = 1e3 * 2 * summarize(model.graph).macs / clock_hz
    options = PlanOptions(Objective.RAM)
    found = overrun(Budgets(milliseconds=milliseconds), model, options)
    slower = milliseconds + 1e3 * STREAMING_INSTRUCTIONS / clock_hz
    assert found.need.amount == pytest.approx(slower)
    by_option = {way.option: way for way in found.ways}
    balanced = by_option["--objective balanced"]
    assert (balanced.amount, balanced.fits) == (pytest.approx(milliseconds), True)
    [board_id] = [str(o).split()[1] for o in by_option if o and o.startswith("--board")]
    clocks = [board_by_id(b).clock_hz for b in board_ids()]
    enough = min(c for c in clocks if c >= clock_hz * slower / milliseconds)
    assert board_by_id(board_id).clock_hz == enough
    smaller = by_option[None]
    assert smaller.fits and smaller.amount < milliseconds
    assert found.best is not None and found.best.option is not None
    amounts = [way.amount for way in found.ways]
    assert amounts == sorted(amounts)


def test_time_without_a_clock_is_not_judged(model: Model, simple_prediction: None) -> None:
    board = board_by_id("rv32-virt")
    assert time_need(model, plan_model_on(model, board, PlanOptions()), board) is None


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "network.tflite"
    path.write_bytes(network(64))
    file = tmp_path / "out.json"
    command = ["analyze", str(path), "--json", str(file)]
    assert cli.run([*command, "--flash", "100"]) == 5
    printed = capsys.readouterr()
    assert "at least" in printed.err and "100 allowed" in printed.err
    assert max(map(len, printed.out.splitlines())) <= 80
    [document] = json.loads(file.read_text())["overruns"]
    assert (document["resource"], document["allowed"]) == ("flash", 100)
    assert cli.run([*command, "--flash", "1M"]) == 0
    assert json.loads(file.read_text())["overruns"] == []
    assert cli.run([*command, "--ms", "5"]) == 2
    assert cli.run([*command, "--ms", "5", "--board", "rv32-virt"]) == 2
    assert cli.run([*command, "--ms", "5", "--board", "all"]) == 2
