"""What is said to make layers faster, against what an emulated board then counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tinyaiot import cli, pipeline
from tinyaiot.boards import Board, board_by_id
from tinyaiot.frontends import Model, load
from tinyaiot.measure import measure
from tinyaiot.pipeline import Job, PlanOptions
from tinyaiot.planner import Objective
from tinyaiot.speedups import Price, Speedup, speedups_of
from tinyaiot.testdata import lcg_input

ROOT = Path(__file__).resolve().parents[1]
DIGITS = ROOT / "examples" / "digits" / "digits.tflite"


def found(model: Model, board: Board, objective: Objective) -> dict[tuple[int, Price], Speedup]:
    plan = pipeline.plan_model_on(model, board, PlanOptions(objective))
    speedups = speedups_of(model.graph, plan, board)
    return {(speedup.layer, speedup.price): speedup for speedup in speedups}


def counts(model: Model, board: Board, options: PlanOptions, folder: Path) -> dict[int, int]:
    """Of each layer, as measured."""
    job = Job(DIGITS, board, folder, options=options)
    deployment = pipeline.deploy(job, pipeline.Silent(), model)
    measured = measure(deployment, [lcg_input(tensor) for tensor in model.graph.inputs])
    return {layer.index: layer.count for layer in measured.layers if layer.count is not None}


@pytest.mark.parametrize(
    ("asked", "price", "then"),
    (
        (Objective.BALANCED, Price.FLASH, PlanOptions(Objective.SPEED)),
        (Objective.RAM, Price.RAM, PlanOptions(Objective.SPEED, strategy="plain")),
    ),
)
def test_as_measured(asked: Objective, price: Price, then: PlanOptions, tmp_path: Path) -> None:
    model, board = load(DIGITS), board_by_id("mps2-an386")
    promised = {
        layer: speedup.instructions
        for (layer, of), speedup in found(model, board, asked).items()
        if of is price
    }
    assert promised
    measured = counts(model, board, then, tmp_path)
    for layer, instructions in promised.items():
        assert instructions == pytest.approx(measured[layer], rel=0.1)


def test_no_flash_makes_a_plan_for_speed_faster() -> None:
    speedups = found(load(DIGITS), board_by_id("mps2-an386"), Objective.SPEED)
    assert all(price is Price.RAM for _, price in speedups)


def test_cores_without_calibration_promise_nothing() -> None:
    assert not found(load(DIGITS), board_by_id("esp32dev"), Objective.BALANCED)


def test_analyze_prints_and_writes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = tmp_path / "analysis.json"
    line = ["analyze", str(DIGITS), "--board", "mps2-an386", "--json", str(written)]
    assert cli.run(line) == 0
    printed = capsys.readouterr().out
    assert "What would make it faster, predicted" in printed
    assert "--objective speed" in printed
    assert all(len(text) <= 80 for text in printed.splitlines())
    speedups = json.loads(written.read_text())["speedups"]
    assert {speedup["price"] for speedup in speedups} == {"flash"}
    assert all(f"{speedup['saved']:,}" in printed for speedup in speedups[:3])
