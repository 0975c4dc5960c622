"""Predictions without a compiler against what the linker and the emulator say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tinyaiot import calibrations, cli, costs, loops, pipeline
from tinyaiot.boards import Board, board_by_id
from tinyaiot.calibrations import calibration_of
from tinyaiot.frontends import Model, load
from tinyaiot.measure import measure
from tinyaiot.operators.windows import Padding, Window
from tinyaiot.pipeline import Job, PlanOptions
from tinyaiot.predict import Prediction, predict
from tinyaiot.testdata import lcg_input

ROOT = Path(__file__).resolve().parents[1]
DIGITS = ROOT / "examples" / "digits" / "digits.tflite"
BOARDS = ("mps2-an385", "mps2-an386", "mps3-an547", "rv32-virt")
STREAMED = PlanOptions(objective=pipeline.Objective.RAM, feed=True)


def prediction_of(model: Model, board: Board, options: PlanOptions) -> Prediction:
    return predict(model.graph, pipeline.plan_model_on(model, board, options), board)


def close(predicted: int, measured: int, part: float) -> bool:
    return abs(predicted / measured - 1) <= part


@pytest.mark.parametrize("board_id", BOARDS)
@pytest.mark.parametrize("options", (PlanOptions(), STREAMED), ids=("plain", "streamed"))
def test_digits_as_measured(board_id: str, options: PlanOptions, tmp_path: Path) -> None:
    board, model = board_by_id(board_id), load(DIGITS)
    prediction = prediction_of(model, board, options)
    deployment = pipeline.deploy(
        Job(DIGITS, board, tmp_path, options=options), pipeline.Silent(), model
    )
    assert prediction.arena_bytes == sum(deployment.image.arena_bytes.values())
    assert prediction.ram_bytes == deployment.image.ram_bytes
    if prediction.stale:
        pytest.skip("kernels have changed since make calibrate")
    assert prediction.flash_bytes is not None and prediction.instructions is not None
    assert close(prediction.flash_bytes, deployment.image.flash_bytes, 0.03)
    measured = measure(deployment, [lcg_input(tensor) for tensor in model.graph.inputs])
    assert measured.count is not None
    assert close(prediction.instructions, measured.count, 0.05)


def test_a_kernel_without_calibration_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    board, model = board_by_id("mps2-an386"), load(DIGITS)
    known = calibration_of(board.core)
    assert known is not None
    last = predict(model.graph, pipeline.plan_model_on(model, board, PlanOptions()), board).layers
    missing = next(layer.kernels[0] for layer in last if layer.kernels)
    without = {name: cost for name, cost in known.kernels.items() if missing not in name}
    monkeypatch.setattr(
        "tinyaiot.predict.calibration_of", lambda core: replace(known, kernels=without)
    )
    prediction = prediction_of(model, board, PlanOptions())
    assert prediction.instructions is None and prediction.milliseconds is None
    assert {layer.kernels for layer in prediction.unknown} == {(missing,)}


def test_cores_without_calibration_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["analyze", str(DIGITS), "--board", "esp32dev"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "unknown: none: no emulated board has a xtensa-lx6" in printed


def test_changed_kernels_are_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyaiot.predict.digest_of", lambda source: "changed")
    prediction = prediction_of(load(DIGITS), board_by_id("mps2-an386"), PlanOptions())
    assert all(layer in prediction.stale for layer in prediction.layers if layer.kernels)


def test_nothing_is_compiled_or_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    target = tmp_path / "analysis.json"
    arguments = ["analyze", str(DIGITS), "--board", "mps2-an386", "--json", str(target)]
    assert cli.run(arguments) == 0
    prediction = json.loads(target.read_text())["prediction"]
    assert "Predicted on mps2-an386, not measured" in capsys.readouterr().out
    assert all(len(line) <= 80 for line in capsys.readouterr().out.splitlines())
    assert prediction["arena_bytes"] > 0
    assert len(prediction["layers"]) == len(load(DIGITS).graph.nodes)


def test_every_emulated_board_is_calibrated() -> None:
    assert calibrations.family_of("cortex-m7") == "cortex-m4"
    for board_id in BOARDS:
        assert calibration_of(board_by_id(board_id).core) is not None


@pytest.mark.parametrize("kernel", (1, 2, 3, 5))
@pytest.mark.parametrize("stride", (1, 2, 3))
@pytest.mark.parametrize("dilation", (1, 2))
@pytest.mark.parametrize("padding", Padding)
def test_taps_inside_by_going_over_them(
    kernel: int, stride: int, dilation: int, padding: Padding
) -> None:
    window = Window.of(padding, 11, kernel, stride, dilation)
    inside = [
        [0 <= x * stride - window.pad_before + k * dilation < 11 for k in range(kernel)]
        for x in range(window.out_size)
    ]
    assert loops.taps_inside(window) == sum(map(sum, inside))
    if dilation == 1:
        assert costs._whole_windows(window) == sum(map(all, inside))
