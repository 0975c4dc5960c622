"""Predictions of real models within what is promised: a few of what `make predictions` compares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scripts import predictions
from scripts.measured import PLAIN, ROOT
from tests.support.builder import ModelBuilder
from tests.support.real_models import FOLDER
from tinyaiot.pipeline import PlanOptions
from tinyaiot.planner import Objective

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
    """A model of 3x3 convolutions, of all channels and by channel, and a 1x1 one."""
    rng = np.random.default_rng(depth)
    builder = ModelBuilder("narrow")
    shape = (1, size, size, depth)
    x = builder.input(shape, 0.02, -128)
    y = x
    for op, kernel, filters in (
        ("CONV_2D", 3, depth),
        ("CONV_2D", 3, depth),
        ("DEPTHWISE_CONV_2D", 3, 1),
        ("CONV_2D", 1, depth),
    ):
        taps = (filters, kernel, kernel, depth)
        weights = rng.normal(0, 20, taps).round().clip(-127, 127).astype(np.int8)
        scales = [float(s) for s in rng.uniform(0.5, 1, depth) / (20 * np.prod(taps[1:3]))]
        axis = 0 if op == "CONV_2D" else 3
        biases = np.zeros(depth, np.int32)
        bias = builder.constant(biases, [0.02 * s for s in scales])
        made = builder.tensor(shape, 0.02, -128)
        multiplier = {"depthMultiplier": 1} if axis else {}
        builder.op(
            op,
            [y, builder.constant(weights, scales, axis=axis), bias],
            [made],
            strideH=1,
            strideW=1,
            dilationHFactor=1,
            dilationWFactor=1,
            fusedActivationFunction=1,
            **multiplier,
        )
        y = made
    return builder.build([y])


def test_the_worst_of_each_core_is_told() -> None:
    options = PLAIN
    rows = [predictions.compare(VIBRATION, "mps3-an547", "plain", options)]
    found = [row for row in rows if row is not None]
    lines = list(predictions.worst_by_core(found))
    assert any("| cortex-m55 | 1 |" in line and "vibration on mps3-an547" in line for line in lines)
