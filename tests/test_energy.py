"""Energy from traces of a meter that shows what a test says; no real one was tried."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.support.desk import board_on_desk
from tests.support.handmade import DIGITS
from tests.support.serial_cable import SerialCable
from tinyaiot import cli, pipeline
from tinyaiot.boards import board_by_id
from tinyaiot.devices.link import Batch
from tinyaiot.energy import (
    CsvMeter,
    MeterSpec,
    SerialMeter,
    Trace,
    energy_of,
    measure_energy,
    parse_spec,
)
from tinyaiot.errors import DeviceError, UsageError
from tinyaiot.measure import Deployment
from tinyaiot.samples import default_inputs


def trace(seconds: list[float], watts: list[float]) -> Trace:
    return Trace(np.array(seconds), np.array(watts))


def test_the_area_below_the_trace() -> None:
    """A ramp from 0 to 10 W in 10 s: between 2 and 6 s lie 16 J."""
    times = list(np.linspace(0, 10, 101))
    found = energy_of(trace(times, times), Batch(8, 2.03, 6.03))
    joules = (6.03**2 - 2.03**2) / 2
    assert found.microjoules == pytest.approx(joules / 8 * 1e6)
    assert found.milliwatts == pytest.approx(joules / 4 * 1e3)
    assert (found.runs, found.samples) == (8, 40)


@pytest.mark.parametrize(
    ("started", "ended", "what"),
    [(-0.1, 5, "does not cover"), (5, 10.1, "does not cover"), (5, 5.5, "5 samples")],
)
def test_a_trace_that_does_not_do(started: float, ended: float, what: str) -> None:
    times = list(np.linspace(0, 10, 100))
    with pytest.raises(DeviceError, match=what):
        energy_of(trace(times, times), Batch(1, started, ended))


def test_specifications() -> None:
    assert parse_spec("csv:a.csv") == MeterSpec("csv", "a.csv")
    found = parse_spec("serial:/dev/ttyACM1,unit=mA,volts=3.3,baud=921600")
    assert found == MeterSpec("serial", "/dev/ttyACM1", "mA", 3.3, 921600)
    assert found.watts_a_unit == pytest.approx(3.3e-3)
    for wrong in ("", "csv:", "x:y", "csv:a,unit=V", "csv:a,volts=3", "csv:a,unit=A", "csv:a,x=1"):
        with pytest.raises(UsageError):
            parse_spec(wrong)


def test_a_csv_file(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text("time,mW,more\n1.5,20,x\n1.0,10,y\n2.0,3")
    found = CsvMeter(parse_spec(f"csv:{file},unit=mW"), wait_s=0).stop()
    assert found.seconds.tolist() == [1.0, 1.5, 2.0]
    assert found.watts == pytest.approx([0.01, 0.02, 0.003])
    file.write_text("nothing\n")
    with pytest.raises(DeviceError, match="gave no numbers"):
        CsvMeter(parse_spec(f"csv:{file}")).stop()


def test_a_csv_file_that_is_being_written(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text("1,5\n")
    later = f"1,5\n{time.time() + 60},7\n"
    threading.Timer(0.3, lambda: file.write_text(later)).start()
    assert CsvMeter(parse_spec(f"csv:{file}")).stop().watts.tolist() == [5, 7]


class Ammeter:
    """The end of a meter that sends milliamperes, 20 of them and every other line 22."""

    def __init__(self) -> None:
        self._count = 0

    def read(self) -> bytes:
        time.sleep(0.005)
        self._count += 1
        return b"sample %d, %d\r\n" % (self._count, 20 + self._count % 2 * 2)

    def write(self, data: bytes) -> None:
        """It takes no commands."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    options = pipeline.PlanOptions(keep_input=True)
    job = pipeline.Job(DIGITS, board_by_id("host"), tmp_path_factory.mktemp("work"), None, options)
    return pipeline.deploy(job, pipeline.Silent())


@pytest.fixture
def meter_port(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "meter"
    folder.mkdir()
    with SerialCable(folder, Ammeter()) as cable:
        yield cable.port


def test_a_meter_on_a_port(built: Deployment, meter_port: str) -> None:
    meter = SerialMeter(parse_spec(f"serial:{meter_port},unit=mA,volts=2.5"))
    inputs = default_inputs(built.model.graph)
    with board_on_desk(built.image.elf) as port:
        on_port = Deployment(built.model, built.plan, built.board, built.image, port)
        found = measure_energy(on_port, inputs, meter, 1000, batch_s=0.5)
    assert found.runs == 500
    assert found.milliwatts == pytest.approx(21 * 2.5, rel=0.1)
    assert found.microjoules == pytest.approx(found.milliwatts * found.seconds / 500 * 1e3)


def test_command_line(built: Deployment, meter_port: str, tmp_path: Path) -> None:
    json_file = tmp_path / "result.json"
    with board_on_desk(built.image.elf) as port:
        command = ["measure", str(DIGITS), "--board", "host", "--port", port, "-q"]
        command += ["--work", str(tmp_path / "cli"), "--json", str(json_file)]
        assert cli.run([*command, "--energy", f"serial:{meter_port},unit=mA,volts=2.5"]) == 0
    energy = json.loads(json_file.read_text())["energy"]
    assert energy["milliwatts"] == pytest.approx(52.5, rel=0.1)
    assert energy["seconds"] > 1


def test_an_emulated_board_has_no_energy(built: Deployment) -> None:
    with pytest.raises(UsageError, match="no chip's energy"):
        measure_energy(built, default_inputs(built.model.graph), CsvMeter(MeterSpec("csv", "x")), 1)


def test_a_meter_that_goes(tmp_path: Path) -> None:
    with SerialCable(tmp_path, Ammeter()) as cable:
        meter = SerialMeter(parse_spec(f"serial:{cable.port}"))
        meter.start()
        threading.Timer(0.2, cable.pull).start()
        time.sleep(0.6)
        with pytest.raises(DeviceError, match="has gone"):
            meter.stop()
