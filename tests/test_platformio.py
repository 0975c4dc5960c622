"""Generated projects under PlatformIO: built, uploaded, monitored, tested, without its servers."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.handmade import BOARDS, DIGITS, EMULATED, digits_project
from tinyaiot import cli, pio, pipeline
from tinyaiot.boards import Board, board_by_id
from tinyaiot.build import Builder, build
from tinyaiot.codegen.platformio import emulated_environment_name
from tinyaiot.codegen.project import Sources
from tinyaiot.devices.emulator import EmulatedBoard
from tinyaiot.devices.link import Device
from tinyaiot.devices.serial_link import SerialLink
from tinyaiot.errors import BuildError, UsageError
from tinyaiot.frontends import load
from tinyaiot.pipeline import PlanOptions
from tinyaiot.selftest import expected_crc

# One of each architecture; the second is a real board too.
CHOSEN = ("mps2-an386", "hifive1")


def run_pio(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        pio.command(*arguments),
        cwd=project,
        env=pio.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def succeed(project: Path, *arguments: str) -> str:
    done = run_pio(project, *arguments)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def port_of(project: Path, name: str) -> str:
    text = (project / "platformio.ini").read_text()
    section = text.partition(f"[env:{name}]")[2].partition("[env:")[0]
    match = re.search(r"monitor_port = (\S+)", section)
    assert match is not None
    return match[1]


def write(sources: Sources, project: Path) -> None:
    """As generated, but for the TCP port: tests run side by side, on the same model."""
    sources.write(project)
    ini = project / "platformio.ini"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ini.write_text(re.sub(r"socket://127.0.0.1:\d+", f"socket://127.0.0.1:{port}", ini.read_text()))


@contextlib.contextmanager
def uploaded(project: Path, name: str) -> Iterator[str]:
    """The port of the emulated board after an upload; it is ended."""
    try:
        succeed(project, "run", "-e", name, "-t", "upload")
        yield port_of(project, name)
    finally:
        succeed(project, "run", "-e", name, "-t", "stop")


def check_upload(name: str, folder: Path) -> None:
    board = board_by_id(name)
    project = folder / "project"
    write(digits_project(board), project)
    by_make = build(project, board)
    environment = emulated_environment_name(board)
    with uploaded(project, environment) as port, Device(SerialLink(port)) as device:
        assert device.identify().model == "digits"
        assert device.name == port
    image = project / ".pio/build" / environment / "firmware.bin"
    assert by_make.binary is not None
    assert image.read_bytes() == by_make.binary.read_bytes()


@pytest.mark.parametrize("name", CHOSEN)
def test_upload_starts_the_image_that_make_builds(name: str, tmp_path: Path) -> None:
    check_upload(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", [b.id for b in EMULATED if b.id not in CHOSEN])
def test_upload_on_every_emulated_board(name: str, tmp_path: Path) -> None:
    check_upload(name, tmp_path)


def test_upload_replaces_what_runs_and_says_if_the_port_is_taken(tmp_path: Path) -> None:
    write(digits_project(board_by_id("mps2-an386")), tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    with uploaded(tmp_path / "one", "mps2-an386") as port:
        succeed(tmp_path / "one", "run", "-e", "mps2-an386", "-t", "upload")
        refused = run_pio(tmp_path / "other", "run", "-e", "mps2-an386", "-t", "upload")
        assert refused.returncode != 0
        assert f"port {port.rpartition(':')[2]} is taken" in refused.stdout + refused.stderr
        with Device(SerialLink(port)) as device:
            assert device.identify().board == "mps2-an386"


def test_monitor_shows_the_banner(tmp_path: Path) -> None:
    write(digits_project(board_by_id("mps2-an386")), tmp_path / "project")
    with uploaded(tmp_path / "project", "mps2-an386") as port:
        screen, terminal = os.openpty()  # which it insists on
        with os.fdopen(screen, "rb", buffering=0) as shown:
            monitor = subprocess.Popen(
                pio.command("device", "monitor", "--port", port, "--quiet"),
                cwd=tmp_path / "project",
                env=pio.environment(),
                stdin=terminal,
                stdout=terminal,
                stderr=terminal,
            )
            text, deadline = b"", time.monotonic() + 20
            while b"m-ready" not in text and time.monotonic() < deadline:
                if select.select([shown], [], [], 0.1)[0]:
                    text += shown.read(4096)
            monitor.kill()
            monitor.wait()
            os.close(terminal)
    assert b"m-ready" in text


@pytest.mark.parametrize("feed", [False, True], ids=["ram", "rows"])
def test_pio_test_compares_with_tflm(feed: bool, tmp_path: Path) -> None:
    board, model = board_by_id("mps2-an386"), load(DIGITS)
    plan = pipeline.plan_model_on(model, board, PlanOptions(feed=feed))
    project = tmp_path / "project"
    for crc, word in ((expected_crc(model), "PASSED"), (expected_crc(model) ^ 1, "FAILED")):
        write(pipeline.generate([model], [plan], board, {"digits": crc}), project)
        done = run_pio(project, "test", "-e", "mps2-an386-test")
        assert f"test digits {word}" in done.stdout, done.stdout
        assert (done.returncode == 0) == (word == "PASSED")


def test_generated_test_says_where_nothing_is_compared(tmp_path: Path) -> None:
    write(digits_project(board_by_id("mps2-an386")), tmp_path / "project")
    out = succeed(tmp_path / "project", "test", "-e", "mps2-an386-test")
    assert "they were compared with nothing" in out


def test_measured_through_platformio_as_through_make(tmp_path: Path) -> None:
    documents = []
    for builder in Builder:
        work = tmp_path / builder.value
        command = ["measure", str(DIGITS), "--board", "microbit", "--work", str(work), "-q"]
        assert cli.run([*command, "--builder", builder.value]) == 0
        documents.append(json.loads((work / "measurement.json").read_text()))
    assert documents[0] == documents[1]
    assert documents[0]["counter"] == "instructions"


def test_tinyaiot_runs_platformio(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["pio", "--version"]) == 0
    assert "PlatformIO" in capfd.readouterr().out
    assert cli.run(["pio", "run", "-d", str(tmp_path)]) != 0


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.id)
def test_environments_of_every_board(board: Board, tmp_path: Path) -> None:
    """PlatformIO reads the file; pinned platforms, and an emulated board where there is one."""
    from platformio.project.config import ProjectConfig

    digits_project(board).write(tmp_path / "project")
    config = ProjectConfig(str(tmp_path / "project/platformio.ini"))
    config.validate(silent=True)
    names = [name for name in config.envs() if not name.endswith("-test")]
    expected = [board.id] if board.platformio is not None else []
    if board.runs_here or board.stand_in is not None:
        expected.append(emulated_environment_name(board))
    assert names == expected
    if board.platformio is not None:
        assert config.get(f"env:{board.id}", "platform") == board.platformio.platform


def test_compile_error_is_one_line_with_the_log(tmp_path: Path) -> None:
    board = board_by_id("mps2-an386")
    digits_project(board).write(tmp_path / "project")
    with (tmp_path / "project/model/digits.c").open("a") as file:
        file.write("int broken(void) { return undeclared_name; }\n")
    with pytest.raises(BuildError, match="undeclared_name") as caught:
        build(tmp_path / "project", board, Builder.PLATFORMIO)
    assert "\n" not in caught.value.what
    assert str(tmp_path / "project" / pio.LOG) in caught.value.hint


@pytest.fixture
def servers_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformio.__registry_mirror_hosts__", ["nowhere.invalid"])


@pytest.mark.usefixtures("servers_gone")
def test_missing_platform_is_told_at_once(tmp_path: Path) -> None:
    board = board_by_id("nano33ble")
    digits_project(board).write(tmp_path / "project")
    started = time.monotonic()
    with pytest.raises(BuildError, match=r"nordicnrf52@10.11.0 is not on this computer"):
        build(tmp_path / "project", board)
    assert time.monotonic() - started < 10


def test_make_is_refused_where_a_framework_is_needed(tmp_path: Path) -> None:
    board = board_by_id("nano33ble")
    digits_project(board).write(tmp_path / "project")
    with pytest.raises(UsageError, match="make cannot build"):
        build(tmp_path / "project", board, Builder.MAKE)


def test_board_that_platformio_lacks_is_told(tmp_path: Path) -> None:
    board = board_by_id("nucleo_h7a3zi_q")
    digits_project(board).write(tmp_path / "project")
    with pytest.raises(UsageError, match="PlatformIO has no board nucleo_h7a3zi_q"):
        build(tmp_path / "project", board)


def test_silence_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever PlatformIO waits for."""
    board = board_by_id("mps2-an386")
    digits_project(board).write(tmp_path / "project")
    monkeypatch.setattr(pio, "_SILENCE_S", 0.3)
    monkeypatch.setattr(
        pio, "command", lambda *_: [sys.executable, "-c", "import time; time.sleep(60)"]
    )
    started = time.monotonic()
    with pytest.raises(BuildError, match="said nothing"):
        build(tmp_path / "project", board, Builder.PLATFORMIO)
    assert time.monotonic() - started < 10


# As PlatformIO's own platforms build without a framework: their flags come first, -Os last.
VENDOR_BUILDER = """\
from SCons.Script import Default, DefaultEnvironment
env = DefaultEnvironment()
env.Replace(
    CC="arm-none-eabi-gcc", LINK="arm-none-eabi-gcc", PROGNAME="firmware", PROGSUFFIX=".elf",
    LDSCRIPT_PATH=env.BoardConfig().get("build.ldscript"),
)
cpu = "-mcpu=" + env.BoardConfig().get("build.cpu")
env.Append(
    CCFLAGS=["-Os", "-ffunction-sections", "-fdata-sections", "-Wall", "-mthumb", cpu],
    CPPDEFINES=[("F_CPU", "$BOARD_F_CPU")],
    LINKFLAGS=["-Os", "-Wl,--gc-sections,--relax", "-mthumb", cpu],
    LIBS=["c", "gcc", "m"],
)
Default(env.BuildProgram())
"""


def vendor_platform(project: Path, board: Board) -> None:
    """A platform with the name and version that the project asks for."""
    assert board.platformio is not None
    name, version = board.platformio.platform.split("@")
    folder = project / "platformio" / name
    (folder / "builder").mkdir(parents=True)
    (folder / "boards").mkdir()
    manifest = {"name": name, "version": version, "title": name, "packages": {}}
    (folder / "platform.json").write_text(json.dumps(manifest))
    spec = {"owner": "platformio", "id": None, "name": name, "requirements": None, "uri": None}
    (folder / ".piopm").write_text(
        json.dumps({"type": "platform", "name": name, "version": version, "spec": spec})
    )
    (folder / "builder/main.py").write_text(VENDOR_BUILDER)
    definition = {
        "build": {"cpu": board.core, "f_cpu": f"{board.clock_hz}L", "mcu": "x"},
        "name": board.name,
        "upload": {"maximum_size": 1 << 20, "maximum_ram_size": 1 << 17, "protocols": ["dfu"]},
        "url": "",
        "vendor": "",
    }
    (folder / f"boards/{board.platformio.board}.json").write_text(json.dumps(definition))


def test_the_chips_own_environment_makes_an_image_that_runs(tmp_path: Path) -> None:
    """Through a platform of the vendor's name, which passes flags as PlatformIO's own do."""
    board = board_by_id("netduinoplus2")
    project = tmp_path / "project"
    digits_project(board).write(project)
    vendor_platform(project, board)
    folder = pio.build(project, "netduinoplus2")
    by_make = build(project, board)
    assert by_make.binary is not None
    image = type(by_make)(
        **{**by_make.__dict__, "elf": folder / "firmware.elf", "binary": None, "layers": {}}
    )
    with EmulatedBoard(board, image) as emulated, Device(emulated.link) as device:
        assert device.identify().model == "digits"
