"""Predictions of real models within what is promised: a few of what `make predictions` compares."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import predictions
from scripts.measured import PLAIN, ROOT
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


def test_the_worst_of_each_core_is_told() -> None:
    options = PLAIN
    rows = [predictions.compare(VIBRATION, "mps3-an547", "plain", options)]
    found = [row for row in rows if row is not None]
    lines = list(predictions.worst_by_core(found))
    assert any("| cortex-m55 | 1 |" in line and "vibration on mps3-an547" in line for line in lines)
