"""The functions for Python return what the commands print, and load nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.handmade import DIGITS
from tinyaiot import api
from tinyaiot.errors import DoesNotFitError, UnreadableModelError, UsageError
from tinyaiot.pipeline import PlanOptions
from tinyaiot.planner import Objective

BOARD = "mps2-an386"
SAMPLES = DIGITS.with_name("test_digits.npz")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


def test_analyze_equals_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tinyaiot", "analyze", str(DIGITS), "--json", "x.json"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    document = json.loads((tmp_path / "x.json").read_text())
    analysis = api.analyze(DIGITS)
    assert analysis.summary.macs == document["macs"]
    assert analysis.summary.weights_bytes == document["weights_bytes"]
    assert analysis.plan.total_arena_bytes == document["arena_bytes"]


def test_plan_takes_options() -> None:
    fast = api.plan(DIGITS, BOARD)
    small = api.plan(DIGITS, BOARD, PlanOptions(Objective.RAM))
    assert small.total_arena_bytes < fast.total_arena_bytes
    assert api.plan(DIGITS, BOARD, PlanOptions(feed=True)).is_fed


def test_a_limit_of_ram_is_kept() -> None:
    fast = api.plan(DIGITS, BOARD)
    streamed = api.plan(DIGITS, BOARD, PlanOptions(Objective.RAM))
    assert api.plan(DIGITS, BOARD, PlanOptions(ram_bytes=fast.total_arena_bytes)) == fast
    # Below that plans change: kernels with less scratch, rows that are streamed, both.
    for limit in (fast.total_arena_bytes - 1, 3000, streamed.total_arena_bytes):
        assert api.plan(DIGITS, BOARD, PlanOptions(ram_bytes=limit)).total_arena_bytes <= limit
    tight = api.plan(DIGITS, BOARD, PlanOptions(ram_bytes=streamed.total_arena_bytes - 1))
    assert tight.total_arena_bytes < streamed.total_arena_bytes
    for board in (None, BOARD):
        with pytest.raises(DoesNotFitError):
            api.analyze(DIGITS, board, PlanOptions(ram_bytes=100))


def test_analyze_on_a_board_keeps_to_its_memory() -> None:
    large = next(b for b in api.boards() if b.id == BOARD)
    assert api.analyze(DIGITS, large).plan == api.plan(str(DIGITS), BOARD)
    small = replace(large, ram=tuple(replace(ram, size_bytes=1024) for ram in large.ram))
    with pytest.raises(DoesNotFitError):
        api.plan(DIGITS, small, PlanOptions(keep_input=True))


def test_generate_and_build(tmp_path: Path) -> None:
    sources = api.generate(DIGITS, BOARD, tmp_path / "firmware")
    assert (tmp_path / "firmware" / "tinyaiot.json").is_file()
    image = api.build(tmp_path / "firmware")
    assert image.elf.is_file()
    assert image.weights_bytes > 0
    assert sources.files


def test_measure_and_validate_an_array(work: Path) -> None:
    digit = np.load(SAMPLES)["inputs"][0]
    measurement = api.measure(DIGITS, BOARD, [digit], work=work)
    assert measurement.bit_exact
    assert measurement.counter == "instructions"
    [output] = measurement.outputs
    assert np.argmax(output.values) == np.load(SAMPLES)["labels"][0]
    validation = api.validate(DIGITS, BOARD, [digit], work=work)
    assert len(validation.layers) == len(measurement.layers)


def test_classify_a_file_as_the_arrays_in_it(work: Path) -> None:
    arrays = np.load(SAMPLES)
    inputs, labels = arrays["inputs"][:10], arrays["labels"][:10]
    np.savez(work / "few.npz", inputs=inputs, labels=labels)
    of_arrays = api.classify(DIGITS, BOARD, inputs, labels, work=work)
    assert of_arrays == api.classify(DIGITS, BOARD, work / "few.npz", work=work)
    assert of_arrays.identical == of_arrays.count == 10
    assert api.classify(DIGITS, BOARD, inputs, work=work).board_correct is None


def test_errors_are_those_of_the_commands(work: Path) -> None:
    with pytest.raises(UnreadableModelError):
        api.analyze("no.tflite")
    with pytest.raises(UsageError):
        api.plan(DIGITS, "no-such-board")
    with pytest.raises(UsageError, match="1 inputs, 2 were given"):
        api.measure(DIGITS, BOARD, [np.zeros((8, 8, 1))] * 2, work=work)
    with pytest.raises(UsageError, match="one integer label"):
        api.classify(DIGITS, BOARD, np.zeros((3, 8, 8, 1)), np.zeros(2, int), work=work)


def test_importing_loads_nothing_heavy() -> None:
    code = "import sys; from tinyaiot import api; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    roots = {name.split(".")[0] for name in loaded}
    assert not roots & {"tensorflow", "keras", "tflite_micro", "platformio", "scipy", "torch"}


def test_the_package_itself_imports_nothing() -> None:
    code = "import sys; a = set(sys.modules); import tinyaiot; print(*set(sys.modules) - a)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {name.split(".")[0] for name in loaded} <= {"tinyaiot", "__future__"}
