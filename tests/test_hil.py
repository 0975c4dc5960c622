"""Tests on boards, run as a user runs them: pytest with a board, a port, or a hardware map."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.builder import ModelBuilder
from tests.support.desk import board_on_desk
from tests.support.handmade import DIGITS
from tests.test_lock import another_process_holds
from tinyaiot import hil, pipeline
from tinyaiot.boards import board_by_id
from tinyaiot.devices.upload import Tool
from tinyaiot.errors import DeviceError, UsageError
from tinyaiot.hardware_map import ScriptParameters, Station
from tinyaiot.hil import BoardUnderTest
from tinyaiot.measure import Deployment

ROOT = Path(__file__).resolve().parents[1]
SUITE = ROOT / "examples" / "hil"
BENCH = SUITE / "bench.yaml"
BOARDS = {"mps2-an385", "mps2-an386", "mps3-an547", "microbit", "hifive1"}

Document = dict[str, Any]


def run_pytest(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    # Not the settings of this checkout's own tests.
    command = [sys.executable, "-m", "pytest", "-rs", "-c", "/dev/null", "--rootdir", str(cwd)]
    return subprocess.run(
        [*command, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def outcomes(document: Document, station: str) -> dict[str, str]:
    """Outcome by the test's name, of one station."""
    return {
        test["id"].partition("::")[2].partition("[")[0]: test["outcome"]
        for test in document["tests"]
        if test["station"] == station
    }


@pytest.fixture(scope="module")
def five_boards(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Document, ET.Element]:
    """What pytest printed, the JSON, and the XML of the example suite on its five boards."""
    folder = tmp_path_factory.mktemp("bench")
    reports = ("--hil-json", folder / "hil.json", "--junitxml", folder / "junit.xml")
    result = run_pytest(SUITE, "--hardware-map", BENCH, "-n", "5", "-v", *reports)
    assert result.returncode == 0, result.stdout + result.stderr
    document = json.loads((folder / "hil.json").read_text())
    return result.stdout, document, ET.parse(folder / "junit.xml").getroot()


def test_the_suite_passes_on_five_boards(five_boards: tuple[str, Document, ET.Element]) -> None:
    _, document, _ = five_boards
    assert {station["id"] for station in document["stations"]} == BOARDS
    for board in BOARDS:
        found = outcomes(document, board)
        assert found["test_outputs_are_the_reference"] == "passed"
        assert found["test_every_layer_is_the_reference"] == "passed"
        assert found["test_digits_are_recognised"] == "passed"
        assert found["test_memory_budget"] == "passed"
        assert found["test_latency"] == "skipped"
    assert outcomes(document, "microbit")["test_the_input_may_stay"] == "skipped"
    assert outcomes(document, "mps2-an386")["test_instruction_budget"] == "passed"


def test_each_board_has_a_worker_of_its_own(
    five_boards: tuple[str, Document, ET.Element],
) -> None:
    printed, _, _ = five_boards
    pairs = set(re.findall(r"^\[(gw\d)\].*::\w+\[([\w-]+)\]", printed, re.MULTILINE))
    assert len(pairs) == len(BOARDS)
    assert {board for _, board in pairs} == BOARDS
    assert len({worker for worker, _ in pairs}) == len(BOARDS)


def test_measurements_are_in_json_and_junit(
    five_boards: tuple[str, Document, ET.Element], tmp_path: Path
) -> None:
    _, document, xml = five_boards
    station = Station("mps2-an386")
    with BoardUnderTest(station) as board:
        expected = board.deploy(DIGITS, tmp_path).measure()
    [test] = [t for t in document["tests"] if t["id"].endswith("test_memory_budget[mps2-an386]")]
    [measurement] = test["measurements"]
    assert measurement == json.loads(json.dumps(expected.to_json()))
    [case] = xml.iterfind(".//testcase[@name='test_memory_budget[mps2-an386]']")
    properties = {p.get("name"): p.get("value") for p in case.iter("property")}
    assert properties["board"] == properties["station"] == "mps2-an386"
    assert (properties["counter"], properties["count"]) == ("instructions", f"{expected.count}")
    assert properties["ram_bytes"] == f"{expected.ram_bytes}"


def test_without_a_board_tests_are_skipped() -> None:
    result = run_pytest(SUITE)
    assert result.returncode == 0, result.stdout
    assert "no board is named: use --board or --hardware-map" in result.stdout
    assert "passed" not in result.stdout


MARKED = """\
import pytest

@pytest.mark.needs_ram("64K")
def test_ram_in_kib(tinyaiot_station): pass

@pytest.mark.needs_ram(16 * 1024)
def test_ram_in_bytes(tinyaiot_station): pass

@pytest.mark.core("cortex-m4", "rv32*")
def test_core(tinyaiot_station): pass

@pytest.mark.real_board
def test_real(tinyaiot_station): pass

@pytest.mark.emulated_board
def test_emulated(tinyaiot_station): pass

@pytest.mark.needs_fixture("camera")
def test_camera(tinyaiot_station): pass

@pytest.mark.parametrize("k", [1, 2])
def test_another_parameter(tinyaiot_station, k): pass

@pytest.mark.parametrize("board", ["mine"])
def test_a_board_of_the_users_own(board): assert board == "mine"
"""
MAP = """\
- {platform: microbit, fixtures: [camera]}
- {platform: mps2-an386}
- {platform: mps2-an386, id: second}
- {platform: hifive1, id: desk, serial: /dev/nowhere}
"""


def test_markers_and_stations(tmp_path: Path) -> None:
    (tmp_path / "test_marked.py").write_text(MARKED)
    (tmp_path / "map.yaml").write_text(MAP)
    options = ("--hardware-map", "map.yaml", "--hil-json", "hil.json", "--strict-markers")
    result = run_pytest(*options, cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    document = json.loads((tmp_path / "hil.json").read_text())
    microbit, desk = outcomes(document, "microbit"), outcomes(document, "desk")
    assert microbit == {
        "test_ram_in_kib": "skipped",
        "test_ram_in_bytes": "passed",
        "test_core": "skipped",
        "test_real": "skipped",
        "test_emulated": "passed",
        "test_camera": "passed",
        "test_another_parameter": "passed",
    }
    skipped = {"test_ram_in_kib", "test_emulated", "test_camera"}
    assert {name for name, outcome in desk.items() if outcome == "skipped"} == skipped
    # Two instances of a board share its tests; each test runs on one of them.
    one, two = outcomes(document, "mps2-an386"), outcomes(document, "second")
    assert one and two
    assert not set(one) & set(two)
    assert set(one) | set(two) == set(microbit)
    [skip] = [t for t in document["tests"] if t["id"].endswith("test_ram_in_kib[microbit]")]
    assert skip["reason"] == "microbit has 16,384 bytes of RAM, 65,536 are needed"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--board", "nowhere"), "unknown board 'nowhere'"),
        (("--port", "/dev/ttyACM0"), "--port is for exactly one --board"),
        (("--hardware-map", "absent.yaml"), "cannot read hardware map absent.yaml"),
    ],
)
def test_a_wrong_command_line(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    result = run_pytest(*arguments, cwd=tmp_path)
    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_the_plugin_is_loaded_lightly() -> None:
    code = "import sys, tinyaiot.pytest_plugin; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"numpy", "yaml", "rich", "cattrs", "tinyaiot.boards"} & set(loaded)


@pytest.fixture(scope="module")
def desk_board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The port of a board that runs the digits model."""
    work = tmp_path_factory.mktemp("desk")
    job = pipeline.Job(DIGITS, board_by_id("host"), work)
    with board_on_desk(pipeline.deploy(job, pipeline.Silent()).image.elf) as port:
        yield port


def test_the_suite_passes_on_a_port(desk_board: str, tmp_path: Path) -> None:
    json_file = tmp_path / "hil.json"
    options = ("--board", "host", "--port", desk_board, "--hil-json", json_file)
    result = run_pytest(SUITE, *options, "-k", "not input_may_stay")
    assert result.returncode == 0, result.stdout
    found = outcomes(json.loads(json_file.read_text()), "host")
    assert found.pop("test_instruction_budget") == "skipped"
    assert set(found.values()) == {"passed"}
    assert "test_latency" in found


def test_a_board_in_use(desk_board: str) -> None:
    options = ("--board", "host", "--port", desk_board, "--board-timeout", "0.1")
    with another_process_holds(desk_board) as process:
        result = run_pytest(SUITE, *options, "-x")
    assert result.returncode == 1
    assert f"{desk_board} is in use by process {process.pid}" in result.stdout
    assert "hint: wait for it to end" in result.stdout
    assert "Traceback" not in result.stdout


MODELS_THAT_DO_NOT_FIT = """\
def test_skipped(deploy, big): deploy(big)
def test_failed(deploy, big): deploy(big, must_fit=True)
"""


def test_a_model_that_does_not_fit(tmp_path: Path) -> None:
    b = ModelBuilder("big")
    x, y = b.input([1, 200, 200, 1], 0.5), b.tensor([1, 200, 200, 1], 0.5)
    b.op("RELU", [x], [y])
    (tmp_path / "big.tflite").write_bytes(b.build([y]))
    (tmp_path / "test_fit.py").write_text(
        f"import pytest\n{MODELS_THAT_DO_NOT_FIT}\n"
        "@pytest.fixture(scope='session')\ndef big(): return 'big.tflite'\n"
    )
    result = run_pytest("--board", "microbit", "--hil-json", "hil.json", cwd=tmp_path)
    assert "1 failed, 1 skipped" in result.stdout
    document = json.loads((tmp_path / "hil.json").read_text())
    for test in document["tests"]:
        assert "big.tflite does not fit microbit: the model needs" in test["reason"]


def test_two_models_on_a_board(tmp_path: Path) -> None:
    """Each is put there when it is used; after a failure the next use starts afresh."""
    with BoardUnderTest(Station("mps2-an385")) as board:
        plain = board.deploy(DIGITS, tmp_path / "plain")
        small = board.deploy(DIGITS, tmp_path / "small", pipeline.PlanOptions(keep_input=True))
        inputs = plain.default_inputs()
        for model in (plain, small, plain):
            [output] = model.run(*inputs)
            np.testing.assert_array_equal(output, model.reference(*inputs)[0])
            assert model.validate().bit_exact
        with pytest.raises(UsageError, match="the model has 1 inputs, 2 were given"):
            plain.run(*inputs, *inputs)
        board.device(plain.deployment).close()
        with pytest.raises(DeviceError):
            plain.run(*inputs)
        assert plain.classify(*inputs) == int(np.argmax(plain.reference(*inputs)[0]))


def test_scripts_of_a_map(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = tmp_path / "power"
    script.write_text(f'#!/bin/sh\necho "$1" >> {log}\n')
    script.chmod(0o755)
    parameters = {"pre_script_arg": ("on",), "post_script_arg": ("off",)}
    station = Station(
        "host",
        pre_script=str(script),
        post_script=str(script),
        script_param=ScriptParameters(**parameters),
    )
    with BoardUnderTest(station):
        assert log.read_text() == "on\n"
    assert log.read_text() == "on\noff\n"
    with pytest.raises(DeviceError, match="a script of the hardware map failed"):
        BoardUnderTest(Station("host", pre_script="/bin/false"))


def test_a_real_board_is_flashed_when_the_model_changes(
    desk_board: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flashed: list[tuple[Deployment, Tool | None]] = []

    def put(deployment: Deployment, *, flash: bool, tool: Tool | None) -> Deployment:
        flashed.append((deployment, tool))
        return deployment

    monkeypatch.setattr(hil, "put_on_board", put)
    station = Station("host", serial=desk_board, runner="pyocd", post_flash_script="/bin/true")
    with BoardUnderTest(station) as board:
        first = board.deploy(DIGITS, tmp_path / "first")
        second = board.deploy(DIGITS, tmp_path / "second", pipeline.PlanOptions(keep_input=True))
        first.run(*first.default_inputs())
        assert first.measure().counter is None
        assert first.validate().bit_exact
        assert flashed == [(first.deployment, Tool.PYOCD)]
        # It still runs the first, as a board would whose flashing failed in silence.
        with pytest.raises(DeviceError, match="runs another image"):
            second.run(*second.default_inputs())
        first.run(*first.default_inputs())
        assert [d for d, _ in flashed] == [m.deployment for m in (first, second, first)]
