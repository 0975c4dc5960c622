"""Predictions of real models within what is promised: a few of what `make predictions` compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scripts import predictions
from scripts.measured import PLAIN, ROOT
from tests.support.builder import ModelBuilder
from tests.support.real_models import FOLDER
from tinyaiot.boards import board_by_id
from tinyaiot.calibrations import calibration_of
from tinyaiot.codegen.model import lower_model
from tinyaiot.frontends import load
from tinyaiot.pipeline import PlanOptions, plan_model_on
from tinyaiot.planner import Objective
from tinyaiot.predict import cost_of, count, works_of

KWS = FOLDER / "kws.tflite"
SOUNDS = ROOT / "examples" / "sounds" / "sounds.tflite"
VIBRATION = ROOT / "examples" / "vibration" / "vibration.tflite"
STREAMED = PlanOptions(objective=Objective.RAM)
# By pixels or rows where streamed; examples are of other kinds than what is calibrated for speed.
CASES = (
    *((KWS, board, STREAMED) for board in predictions.STREAMING_BOARDS),
    (SOUNDS, "mps2-an385", PLAIN),
    (SOUNDS, "rv32-virt", STREAMED),
    (VIBRATION, "mps2-an386", STREAMED),
    (VIBRATION, "mps3-an547", PLAIN),
)


@pytest.mark.parametrize(
    ("path", "board", "options"),
    [
        pytest.param(*case, id=f"{case[0].stem}-{case[1]}-{case[2].objective.value}")
        for case in CASES
    ],
)
def test_predictions_are_kept(path: Path, board: str, options: PlanOptions) -> None:
    if not path.is_file():
        pytest.skip(f"no {path}")
    found = predictions.compare(path, board, "any", options)
    assert found is not None
    if found.prediction.stale:
        pytest.skip("kernels have changed since make calibrate")
    assert not found.prediction.unknown
    assert found.is_kept, found


@pytest.mark.parametrize("board", predictions.STREAMING_BOARDS)
def test_narrow_layers_are_predicted(board: str, tmp_path: Path) -> None:
    """What kernels do around their inner loops is most there, and the same in all layers."""
    path = tmp_path / "narrow.tflite"
    path.write_bytes(narrow_layers(size=15, depth=8))
    found = predictions.compare(path, board, "plain", PLAIN)
    assert found is not None
    if found.prediction.stale:
        pytest.skip("kernels have changed since make calibrate")
    assert found.is_kept, found


def narrow_layers(size: int, depth: int) -> bytes:
    """3x3 convolutions, of all channels and by channel, and a 1x1 one."""
    windows, by_channel = ("CONV_2D", 3, depth), ("DEPTHWISE_CONV_2D", 3, depth)
    return convolutions(size, depth, [windows, windows, by_channel, ("CONV_2D", 1, depth)])


def test_strips_are_predicted_row_by_row(tmp_path: Path) -> None:
    """As plans call them that stream a layer; whole, strips make some rows at once."""
    path = tmp_path / "strips.tflite"
    path.write_bytes(convolutions(12, 96, [("DEPTHWISE_CONV_2D", 5, 96)]))
    model, board = load(path), board_by_id("mps2-an386")
    plan = plan_model_on(model, board, PLAIN)
    lowered = lower_model(model.graph, plan, board.processor, "strips")
    (whole,) = works_of(model.graph.nodes[0], lowered)
    assert whole.call.function == "ta_depthwise_conv_2d_s8_planes_five_dsp_strips"
    by_row = replace(whole, call=replace(whole.call, function="ta_conv_2d_rows"), calls=12)
    calibration = calibration_of(board.core)
    counts = [count(work, cost_of(work, calibration)) for work in (whole, by_row)]
    assert None not in counts
    assert counts[0] < counts[1] < 3 * counts[0]


def convolutions(size: int, depth: int, layers: Sequence[tuple[str, int, int]]) -> bytes:
    """A model of square inputs with ``depth`` channels, and for each layer its operator, its
    window's side and its channels."""
    rng = np.random.default_rng(depth)
    builder = ModelBuilder("convolutions")
    y = builder.input((1, size, size, depth), 0.02, -128)
    for op, side, channels in layers:
        is_depthwise = op == "DEPTHWISE_CONV_2D"
        first, last = (1, channels) if is_depthwise else (channels, depth)
        weights = rng.normal(0, 20, (first, side, side, last)).round().astype(np.int8)
        scales = [float(s) for s in rng.uniform(0.5, 1, channels) / (20 * side * side)]
        constants = (
            builder.constant(weights, scales, axis=3 if is_depthwise else 0),
            builder.constant(np.zeros(channels, np.int32), [0.02 * s for s in scales]),
        )
        made = builder.tensor((1, size, size, channels), 0.02, -128)
        builder.op(
            op,
            [y, *constants],
            [made],
            strideH=1,
            strideW=1,
            dilationHFactor=1,
            dilationWFactor=1,
            fusedActivationFunction=1,
            **({"depthMultiplier": 1} if is_depthwise else {}),
        )
        y, depth = made, channels
    return builder.build([y])


def test_the_worst_of_each_core_is_told() -> None:
    options = PLAIN
    rows = [predictions.compare(VIBRATION, "mps3-an547", "plain", options)]
    found = [row for row in rows if row is not None]
    lines = list(predictions.worst_by_core(found))
    assert any("| cortex-m55 | 1 |" in line and "vibration on mps3-an547" in line for line in lines)
