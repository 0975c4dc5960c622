"""The Arduino port: compiled with a real Arduino core, and run where that core is emulated."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import arduino
from tinyaiot import pipeline
from tinyaiot.boards import board_by_id
from tinyaiot.devices.link import Device
from tinyaiot.frontends import Model, tflite
from tinyaiot.pipeline import PlanOptions
from tinyaiot.selftest import expected_crc

BOARD = board_by_id("megaatmega2560")

pytestmark = pytest.mark.skipif(arduino.missing() is not None, reason=arduino.missing() or "")


@pytest.fixture(scope="module")
def model() -> Model:
    data = arduino.tiny_model()
    return Model(tflite.read(data, "tiny"), data)


def write_project(model: Model, crc: int, project: Path) -> Path:
    plan = pipeline.plan_model_on(model, BOARD, PlanOptions())
    pipeline.generate([model], [plan], BOARD, {"tiny": crc}).write(project)
    return project


# QEMU's AVR loses bytes that arrive while it sends, the more the busier the machine is.
@pytest.mark.slow
def test_firmware_answers_on_an_arduino_mega(model: Model, tmp_path: Path) -> None:
    image = arduino.build(write_project(model, 0, tmp_path / "project"))
    assert arduino.ram_bytes(image) < BOARD.ram[0].size_bytes - BOARD.stack_bytes
    with arduino.running(image) as link, Device(link) as device:
        identity = device.identify()
        assert (identity.board, identity.model) == ("megaatmega2560", "tiny")
        assert identity.counter is None
        assert device.stack() is None


@pytest.mark.parametrize("wrong", [0, 1], ids=["right", "wrong"])
def test_model_is_exact_on_an_arduino_mega(model: Model, wrong: int, tmp_path: Path) -> None:
    """`pio test`'s program: TFLM's outputs are expected, or others, which it must notice."""
    project = write_project(model, expected_crc(model) ^ wrong, tmp_path / "project")
    said = arduino.printed(arduino.build(project, "test/test_model"), "tests done")
    verdict = "FAILED: the outputs are not" if wrong else "PASSED: the outputs are"
    assert f"test tiny {verdict} TensorFlow Lite Micro's" in said
