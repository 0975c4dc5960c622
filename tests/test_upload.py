"""Real boards are flashed by the tools' own command lines; none of them was on the desk.

What is real here: the tools where they are installed (their options, their configuration files,
what they say without a board), and the whole way of a measurement with a tool that does nothing.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.handmade import BOARDS, DIGITS
from tests.support.serial_cable import SerialCable
from tests.test_serial_link import BoardEnd
from tinyaiot import cli, pipeline
from tinyaiot.boards import Board, Upload, Usb, board_by_id
from tinyaiot.devices import upload as uploads
from tinyaiot.devices.connected import PortInfo
from tinyaiot.devices.emulator import EmulatedBoard
from tinyaiot.devices.upload import Target, Tool, default_tool, upload, upload_command
from tinyaiot.errors import DeviceError, UsageError

FLASHED = [board for board in BOARDS if board.upload is not None]
LEONARDO = replace(
    board_by_id("nano33ble"),
    upload=Upload("uf2", touch_1200_baud=True, port_survives_reset=False),
    usb=(Usb(0x2341, 0x805A), Usb(0x2341, 0x005A, bootloader=True)),
)


def has(name: str) -> bool:
    return uploads._program(name) is not None


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with an image of no use, in a path with a space."""
    folder = tmp_path / "a project"
    folder.mkdir()
    (folder / "firmware.elf").write_bytes(b"no ELF")
    (folder / "firmware.bin").write_bytes(b"no image")
    return folder


def target(board: Board, project: Path, port: str | None = "/dev/ttyACM9") -> Target:
    return Target(board, project, project / "firmware.elf", project / "firmware.bin", port)


@pytest.mark.parametrize("board", FLASHED, ids=lambda board: board.id)
def test_every_board_has_a_command(board: Board, project: Path) -> None:
    tool = default_tool(board)
    assert tool is not None
    if tool is not Tool.UF2 and board.platformio is not None:
        assert upload_command(target(board, project), tool)


def test_command_lines(project: Path) -> None:
    def line(board_id: str, tool: Tool, port: str | None = "P") -> str:
        words = upload_command(target(board_by_id(board_id), project, port), tool)
        return " ".join(words).replace(str(project), "DIR").replace(sys.executable, "python")

    assert line("nano33ble", Tool.PLATFORMIO) == (
        "python -m platformio run --project-dir DIR --environment nano33ble --target upload "
        "--upload-port P"
    )
    assert line("nucleo_l4r5zi", Tool.PLATFORMIO, None).endswith(
        "--environment nucleo_l4r5zi --target upload"
    )
    assert line("nucleo_l4r5zi", Tool.OPENOCD) == (
        "openocd -f interface/stlink.cfg -f target/stm32l4x.cfg "
        "-c program {DIR/firmware.elf} verify reset exit"
    )
    assert line("microbit", Tool.PYOCD) == (
        "pyocd flash --no-wait --target nrf51822 DIR/firmware.elf"
    )
    assert line("esp32dev", Tool.ESPTOOL) == (
        "esptool --chip esp32 --port P write-flash 0x10000 DIR/firmware.bin"
    )
    with pytest.raises(UsageError, match="does not say how to flash it by esptool"):
        line("microbit", Tool.ESPTOOL)
    with pytest.raises(UsageError, match="mps2-an386 has no upload method"):
        upload(target(board_by_id("mps2-an386"), project))


@pytest.mark.skipif(not has("openocd"), reason="openocd is not installed")
@pytest.mark.parametrize(
    "board", [b for b in FLASHED if b.upload and b.upload.openocd], ids=lambda board: board.id
)
def test_openocd_takes_the_boards_files_and_misses_the_probe(board: Board, project: Path) -> None:
    with pytest.raises(DeviceError, match="openocd did not flash the board") as caught:
        upload(target(board, project), Tool.OPENOCD)
    assert "debug probe" in caught.value.hint, (project / uploads.LOG).read_text()


@pytest.mark.skipif(not has("pyocd"), reason="pyocd is not installed")
@pytest.mark.parametrize("board_id", ["microbit", "nucleo_h743zi"])
def test_pyocd_knows_the_chip_and_misses_the_probe(board_id: str, project: Path) -> None:
    with pytest.raises(DeviceError, match="No connected debug probes") as caught:
        upload(target(board_by_id(board_id), project), Tool.PYOCD)
    assert "debug probe" in caught.value.hint


@pytest.mark.skipif(not has("esptool"), reason="esptool is not installed")
def test_esptool_misses_the_port(project: Path) -> None:
    with pytest.raises(DeviceError, match="esptool did not flash the board") as caught:
        upload(target(board_by_id("esp32dev"), project, "/dev/nowhere"), Tool.ESPTOOL)
    assert "check the port" in caught.value.hint


def test_a_missing_tool(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_program", lambda name: None)
    with pytest.raises(DeviceError, match="pyocd is not on PATH"):
        upload(target(board_by_id("microbit"), project), Tool.PYOCD)


class Ports:
    """What ``list_ports`` says, call by call; the last stays."""

    def __init__(self, *calls: Sequence[PortInfo]) -> None:
        self._calls = list(calls)

    def __call__(self) -> Sequence[PortInfo]:
        return self._calls.pop(0) if len(self._calls) > 1 else self._calls[0]


PROGRAM = PortInfo("/dev/ttyACM0", 0x2341, 0x805A, serial_number="A")
LOADER = PortInfo("/dev/ttyACM1", 0x2341, 0x005A, serial_number="A")
OTHER = PortInfo("/dev/ttyUSB0", 0x1A86, 0x7523)


def test_a_port_comes_back_under_another_name() -> None:
    back = replace(PROGRAM, device="/dev/ttyACM2")
    twin = replace(PROGRAM, device="/dev/ttyACM0", serial_number="B")
    ports = Ports([OTHER, PROGRAM], [OTHER], [OTHER, LOADER], [OTHER, twin], [OTHER, twin, back])
    assert uploads.wait_for_port(LEONARDO, "/dev/ttyACM0", PROGRAM, ports=ports) == back.device


def test_a_port_that_stays_in_the_boot_loader() -> None:
    with pytest.raises(DeviceError, match=r"did not come back.*boot loader is at /dev/ttyACM1"):
        uploads.wait_for_port(
            LEONARDO, "/dev/ttyACM0", PROGRAM, ports=Ports([OTHER, LOADER]), wait_s=0.3
        )


def test_a_uf2_file_is_copied(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = tmp_path / "RPI-RP2"
    drive.mkdir()
    monkeypatch.setattr(uploads, "_mounts", lambda: [tmp_path / "usb", drive])
    monkeypatch.setattr(uploads, "_DRIVE_WAIT_S", 0.2)
    monkeypatch.setattr(uploads, "serial_ports", Ports([PROGRAM]))
    monkeypatch.setattr(uploads, "touch", lambda port: None)
    with pytest.raises(UsageError, match="holds no firmware"):
        upload(target(LEONARDO, project))
    built = project / ".pio" / "build" / "pico" / "firmware.uf2"
    built.parent.mkdir(parents=True)
    built.write_bytes(b"UF2\n" * 300)
    with pytest.raises(DeviceError, match="no drive of a UF2 boot loader"):
        upload(target(LEONARDO, project))
    (drive / "INFO_UF2.TXT").write_text("UF2 Bootloader v3.0\n")
    assert upload(target(LEONARDO, project, PROGRAM.device)) == PROGRAM.device
    assert (drive / "firmware.uf2").read_bytes() == built.read_bytes()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """A micro:bit that runs the digits at a port; and the file of what openocd was called with."""
    called = tmp_path / "called"
    tool = tmp_path / "bin" / "openocd"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\necho "$@" >> "{called}"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{Path('/usr/bin')}:{Path('/bin')}")
    board = board_by_id("microbit")
    built = pipeline.deploy(pipeline.Job(DIGITS, board, tmp_path / "built"), pipeline.Silent())
    with (
        EmulatedBoard(board, built.image) as running,
        SerialCable(tmp_path, BoardEnd(running.link)) as cable,
    ):
        yield cable.port, called


def test_flash_and_measure(desk: tuple[str, Path], tmp_path: Path) -> None:
    port, called = desk
    json_file = tmp_path / "result.json"
    command = ["measure", str(DIGITS), "--board", "microbit", "--port", port, "-q"]
    command += ["--work", str(tmp_path / "work"), "--json", str(json_file)]
    assert cli.run([*command, "--runs", "5", "--warmups", "2"]) == 0
    image = tmp_path / "work" / "project" / "firmware.elf"
    assert called.read_text() == (
        f"-f interface/cmsis-dap.cfg -f target/nrf51.cfg -c program {{{image}}} verify reset exit\n"
    )
    document = json.loads(json_file.read_text())
    assert (document["runs"], document["warmups"]) == (5, 2)
    spread = document["latency_us_spread"]
    assert 0 < spread["minimum"] <= spread["median"] <= spread["maximum"]
    assert document["latency_us"] == spread["median"]


def test_measure_what_is_there(
    desk: tuple[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port, called = desk
    command = ["measure", "--board", "microbit", "--port", port, "-q", "--no-flash"]
    command += ["--work", str(tmp_path / "work")]
    assert cli.run([*command, str(DIGITS)]) == 0
    # With another plan the image is another one.
    assert cli.run([*command, str(DIGITS), "--objective", "ram"]) == 7
    assert "runs another image: digits" in capsys.readouterr().err
    assert not called.exists()


def test_a_tool_that_fails(
    desk: tuple[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port, _ = desk
    tool = tmp_path / "bin" / "openocd"
    tool.write_text("#!/bin/sh\necho Error: checksum mismatch\nexit 3\n")
    command = ["measure", str(DIGITS), "--board", "microbit", "--port", port, "-q"]
    assert cli.run([*command, "--work", str(tmp_path / "work")]) == 7
    message = capsys.readouterr().err
    assert "openocd did not flash the board: it ended with status 3" in message
    assert "checksum mismatch" in message


def test_no_board_is_found() -> None:
    assert shutil.which("make") is not None
    command = ["validate", str(DIGITS), "--board", "microbit", "--no-flash", "--tool", "pyocd"]
    assert cli.run(command) == 2
