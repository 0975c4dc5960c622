"""MLPerf Tiny's benchmarks through a client that knows the protocol only."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.builder import ModelBuilder
from tests.support.mlperf_runner import Link, Runner
from tests.support.real_models import FOLDER
from tests.support.serial_cable import SocketEnd
from tinyaiot import cli, oracle, pipeline
from tinyaiot.boards import board_by_id
from tinyaiot.devices.emulator import EmulatedBoard
from tinyaiot.errors import UsageError
from tinyaiot.frontends import load
from tinyaiot.graph import Graph
from tinyaiot.measure import Deployment
from tinyaiot.mlperf import BENCHMARKS, Firmware, Mode, prepared
from tinyaiot.operators.base import AnyArray

MODELS = {"kws01": "kws", "vww01": "vww", "ic01": "ic", "ad01": "ad"}
# The window that the runner sends for anomaly detection.
WINDOW = np.random.default_rng(7).normal(-20, 15, 640).astype("<f4")


def deployed(
    path: Path, name: str, board_id: str, work: Path, mode: Mode = Mode.PERFORMANCE
) -> Deployment:
    firmware = Firmware(BENCHMARKS[name], mode)
    job = firmware.job(pipeline.Job(path, board_by_id(board_id), work))
    return pipeline.deploy(job, pipeline.Silent(), prepared(load(path), firmware.benchmark))


@contextmanager
def runner_on(deployment: Deployment) -> Iterator[Runner]:
    with EmulatedBoard(deployment.board, deployment.image) as running:
        runner = Runner(running.link)
        boot = runner.reply()
        assert boot[0] == "m-timestamp-mode-performance"
        assert boot[-1] == "m-init-done"
        yield runner


def sent_and_meant(name: str, graph: Graph) -> tuple[bytes, AnyArray]:
    """What the runner sends, and the model's input that it means."""
    [tensor] = graph.inputs
    rng = np.random.default_rng(1)
    if name == "ad01":
        steps = WINDOW / np.float32(tensor.scale)
        away = np.trunc(steps + np.copysign(np.float64(0.5), steps))
        quantized = np.clip(away + tensor.zero_point, -128, 127)
        return WINDOW.tobytes(), quantized.astype(np.int8).reshape(tensor.shape)
    if name == "kws01":
        values = rng.integers(-128, 128, tensor.shape, np.int8)
        return values.tobytes(), values
    pixels = rng.integers(0, 256, tensor.shape, np.uint8)
    return pixels.tobytes(), (pixels.astype(np.int16) - 128).astype(np.int8)


def expected_results(name: str, deployment: Deployment, values: AnyArray) -> list[str]:
    graph = deployment.model.graph
    [output] = oracle.run(deployment.model.data, graph, [values]).outputs
    [tensor] = graph.outputs
    reals = np.float32(tensor.scale) * (
        output.reshape(-1).astype(np.float32) - np.float32(tensor.zero_point)
    )
    if name != "ad01":
        return [f"{float(real):.3f}" for real in reals]
    total = np.float32(0)
    for real, sent in zip(reals, WINDOW, strict=True):
        total += (real - sent) * (real - sent)
    return [f"{float(total / np.float32(640)):.3f}"]


def session(name: str, deployment: Deployment) -> None:
    """The runner's, in its order: what it asks first, a load, runs, the results again."""
    data, values = sent_and_meant(name, deployment.model.graph)
    expected = expected_results(name, deployment, values)
    with runner_on(deployment) as runner:
        assert runner.name() == f"tinyaiot {deployment.board.id}"
        assert runner.model() == name
        assert runner.timestamp() <= runner.timestamp()
        runner.load(data)
        for count, warmups in ((1, 0), (3, 1)):
            inference = runner.infer(count, warmups)
            assert inference.results == expected
            assert inference.laps == sorted(inference.laps) and len(inference.laps) == 2
        assert runner.ask("results") == [f"m-results-[{','.join(expected)}]"]
        # A second input, as in accuracy mode, where each file is loaded and run once.
        if len(data) < 3000:
            runner.load(data[::-1])
            runner.load(data)
            assert runner.infer(1, 0).results == expected


@pytest.mark.parametrize("name", list(BENCHMARKS))
def test_the_benchmarks(name: str, tmp_path: Path) -> None:
    path = FOLDER / f"{MODELS[name]}.tflite"
    if not path.exists():
        pytest.skip(f"no models in {FOLDER}")
    session(name, deployed(path, name, "mps2-an386", tmp_path))


def like_ad01(folder: Path) -> Path:
    """A model of the right sizes: what is below zero becomes zero."""
    builder = ModelBuilder("any")
    x = builder.input([1, 640], 0.4, 20)
    y = builder.tensor([1, 640], 0.3, -128)
    builder.op("RELU", [x], [y])
    path = folder / "any.tflite"
    path.write_bytes(builder.build([y]))
    return path


@pytest.mark.parametrize("board_id", ["host", "hifive1"])
def test_windows_of_sound(board_id: str, tmp_path: Path) -> None:
    session("ad01", deployed(like_ad01(tmp_path), "ad01", board_id, tmp_path / "work"))


def test_energy_mode(tmp_path: Path) -> None:
    """Edges on a pin instead of times on the link; the host's pin is its standard output."""
    deployment = deployed(like_ad01(tmp_path), "ad01", "host", tmp_path / "work", Mode.ENERGY)
    data, values = sent_and_meant("ad01", deployment.model.graph)
    with (
        subprocess.Popen([deployment.image.elf], stdout=subprocess.PIPE, text=True) as program,
    ):
        assert program.stdout is not None
        port = int(program.stdout.readline().removeprefix("listening on "))
        with socket_link(port) as link:
            runner = Runner(link)
            assert runner.reply() == ["m-timestamp-mode-energy", "m-init-done"]
            assert runner.ask("timestamp") == []
            runner.load(data)
            inference = runner.infer(4, 2)
        edges = program.stdout.read().splitlines()
    assert inference.laps == []
    assert inference.results == expected_results("ad01", deployment, values)
    # At boot, asked for, and around the runs.
    assert edges == ["falling edge"] * 4


@contextmanager
def socket_link(port: int) -> Iterator[Link]:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        yield SocketEnd(connection)


def test_baud_rates_and_banners() -> None:
    def defines(name: str, board_id: str, mode: Mode = Mode.PERFORMANCE) -> tuple[str, ...]:
        job = pipeline.Job(Path("m.tflite"), board_by_id(board_id), Path("work"))
        made = Firmware(BENCHMARKS[name], mode).job(job)
        assert made.options.keep_input
        return made.defines

    assert defines("kws01", "mps2-an386") == ()
    assert defines("vww01", "mps2-an386") == ("TA_DB_FLIP=0x80u",)
    assert defines("ad01", "mps2-an386") == ("TA_MLPERF_AD01", "TA_BAUD=921600u")
    # Opening its port restarts it.
    assert "TA_NO_BANNER" in defines("kws01", "esp32dev")
    assert defines("ic01", "nucleo_l4r5zi", Mode.ENERGY) == (
        "TA_DB_FLIP=0x80u",
        "TA_BAUD=9600u",
        "TA_ENERGY",
    )
    with pytest.raises(UsageError, match="no pin for energy mode"):
        defines("ic01", "mps2-an386", Mode.ENERGY)
    with pytest.raises(UsageError, match="feeds no rows"):
        job = pipeline.Job(Path("m.tflite"), board_by_id("host"), Path("work"))
        fed = replace(job, options=pipeline.PlanOptions(feed=True))
        Firmware(BENCHMARKS["kws01"], Mode.PERFORMANCE).job(fed)


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["measure", str(like_ad01(tmp_path)), "--board", "host", "--work", str(tmp_path)]
    assert cli.run([*command, "--mlperf", "ad01"]) == 0
    assert "ad01, performance mode" in capsys.readouterr().out
    assert cli.run([*command, "--mlperf", "kws01"]) == 2
    assert "kws01 has one input of 490 int8" in capsys.readouterr().err
    assert cli.run([*command, "--mlperf-energy"]) == 2
