"""Puts an image onto a real board, by the tool that the board file asks for, and waits for it.

The tools are driven by their command lines: PlatformIO, OpenOCD, pyOCD, esptool, or a file copied
to a UF2 boot loader's drive.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from tinyaiot import pio
from tinyaiot.boards import Board
from tinyaiot.devices.connected import PortInfo, serial_ports
from tinyaiot.errors import DeviceError, UsageError

LOG = "flash.log"

_TIMEOUT_S = 600.0
_PORT_WAIT_S = 20.0
_LEAVE_WAIT_S = 2.0
_DRIVE_WAIT_S = 20.0
_POLL_S = 0.1
_TOUCH_BAUD_RATE = 1200
_LAST_LINES = 10
# Where esptool's application begins in the partition table that PlatformIO's builds use.
_ESP_APPLICATION = "0x10000"
_UF2_MARK = "INFO_UF2.TXT"
_NO_PROBE = "connect the board by its debug probe, and allow its use (udev rules on Linux)"
_CAUSES: tuple[tuple[str, str], ...] = (
    (
        r"open failed|No connected debug probes|No J-Link device|unable to (find|open) .*device",
        _NO_PROBE,
    ),
    (r"Permission denied|LIBUSB_ERROR_ACCESS", "allow its use: udev rules, or the group dialout"),
    (r"Failed to connect to ESP", "hold the board's BOOT button while it is flashed"),
    (r"port is busy|could not open port|doesn't exist", "check the port, and end who uses it"),
    (r"HTTPClientError|UnknownPackage|Could not install", "PlatformIO needs the network once"),
)


class Tool(str, Enum):
    """What puts the image onto the board."""

    PLATFORMIO = "platformio"
    OPENOCD = "openocd"
    PYOCD = "pyocd"
    ESPTOOL = "esptool"
    UF2 = "uf2"


@dataclass(frozen=True)
class Target:
    """An image and where it is to go.

    Attributes:
        project: the generated project that it was built in; gets the tool's words in ``LOG``.
        elf: the image.
        binary: its bytes, as esptool wants them; None where there are none.
        port: the board's serial port; None where the tool finds the board by itself.
    """

    board: Board
    project: Path
    elf: Path
    binary: Path | None
    port: str | None


def default_tool(board: Board) -> Tool | None:
    """The tool for a board if none is named; None where nothing can be put onto it.

    PlatformIO, which knows every protocol; but OpenOCD for an image that PlatformIO did not
    build, where the board file says how.
    """
    if board.upload is None:
        return None
    if board.upload.protocol == "uf2":
        return Tool.UF2
    if board.is_bare and board.upload.openocd and shutil.which("openocd") is not None:
        return Tool.OPENOCD
    return Tool.PLATFORMIO


def upload(target: Target, tool: Tool | None = None) -> str | None:
    """Puts the image onto the board and waits until its serial port is there.

    Returns:
        The port's name, which may be another than before; None where none was named.

    Raises:
        UsageError: the board cannot be flashed so.
        DeviceError: the tool is missing or failed, or the port did not come back.
        BuildError: PlatformIO lacks the board's platform, and cannot fetch it.
    """
    tool = default_tool(target.board) if tool is None else tool
    settings = target.board.upload
    if tool is None or settings is None:
        raise UsageError(
            f"{target.board.id} has no upload method",
            "measure what runs on it: --no-flash; or add [upload] to its board file",
        )
    before = _info_of(target.port)
    if tool is Tool.UF2:
        _copy_uf2(target)
    else:
        command = upload_command(target, tool)
        if tool is Tool.PLATFORMIO:
            pio.require_platform(target.project, target.board.id)
        _run(command, target)
    if target.port is None or settings.port_survives_reset:
        return target.port
    return wait_for_port(target.board, target.port, before)


def upload_command(target: Target, tool: Tool) -> tuple[str, ...]:
    """The tool's command line; raises UsageError where the board file does not say how."""
    board, settings = target.board, target.board.upload
    if settings is not None and tool is Tool.PLATFORMIO and board.platformio is not None:
        port = () if target.port is None else ("--upload-port", target.port)
        run = (sys.executable, "-m", "platformio", "run", "--project-dir", str(target.project))
        return (*run, "--environment", board.id, "--target", "upload", *port)
    if settings is not None and tool is Tool.OPENOCD and settings.openocd:
        words = tuple(
            word
            for name in settings.openocd
            for word in ("-f" if name.endswith(".cfg") else "-c", name)
        )
        # Braces keep a path with spaces one word for Tcl.
        return ("openocd", *words, "-c", f"program {{{target.elf.resolve()}}} verify reset exit")
    if settings is not None and tool is Tool.PYOCD and settings.pyocd:
        return ("pyocd", "flash", "--no-wait", "--target", settings.pyocd, str(target.elf))
    if settings is not None and tool is Tool.ESPTOOL and settings.esptool and target.binary:
        port = () if target.port is None else ("--port", target.port)
        chip = ("--chip", settings.esptool)
        return ("esptool", *chip, *port, "write-flash", _ESP_APPLICATION, str(target.binary))
    raise UsageError(
        f"the board file of {board.id} does not say how to flash it by {tool.value}",
        "use another --tool, or add what the tool needs to [upload] of the board file",
    )


def touch(port: str) -> None:
    """Opens and closes the port at 1200 baud, which native-USB boards take for "boot loader"."""
    from serial import Serial  # slow to import

    try:
        with Serial(port, _TOUCH_BAUD_RATE) as opened:
            opened.dtr = False
    except OSError as error:
        # The board may leave while the port is still being closed.
        if not Path(port).exists():
            return
        raise DeviceError(
            f"cannot touch port {port} at 1200 baud: {error}",
            "enter the boot loader by the board's button",
        ) from error


def wait_for_port(
    board: Board,
    port: str,
    before: PortInfo | None = None,
    *,
    ports: Callable[[], Sequence[PortInfo]] | None = None,
    wait_s: float = _PORT_WAIT_S,
) -> str:
    """Waits until the board's port is there again; it may have another name then.

    Args:
        before: what the system said of the port; its serial number tells boards of a kind apart.
        ports: says which ports there are.
        wait_s: for the port; less for it to leave, which it may have done before.

    Raises:
        DeviceError: it did not come back; says if the boot loader is there instead.
    """
    ports = serial_ports if ports is None else ports
    deadline = time.monotonic() + min(_LEAVE_WAIT_S, wait_s)
    while _port_again(board, port, before, ports()) == port and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    deadline = time.monotonic() + wait_s
    while True:
        there = ports()
        if found := _port_again(board, port, before, there):
            return found
        if time.monotonic() >= deadline:
            break
        time.sleep(_POLL_S)
    loaders = {(usb.vid, usb.pid) for usb in board.usb if usb.bootloader}
    stuck = [info.device for info in there if (info.vid, info.pid) in loaders]
    raise DeviceError(
        f"the port of {board.id} did not come back within {wait_s:g} s"
        + (f"; its boot loader is at {stuck[0]}" if stuck else ""),
        "press the board's reset button; see what is connected: tinyaiot boards --connected",
    )


def _port_again(
    board: Board, port: str, before: PortInfo | None, there: Sequence[PortInfo]
) -> str | None:
    programs = {(usb.vid, usb.pid) for usb in board.usb if not usb.bootloader}
    fitting = [info for info in there if (info.vid, info.pid) in programs]
    if before is not None and before.serial_number:
        same = [info for info in fitting if info.serial_number == before.serial_number]
        # A program may have no serial number where its boot loader has one.
        fitting = same or [info for info in fitting if not info.serial_number]
    names = [info.device for info in fitting]
    if port in names:
        return port
    return names[0] if len(names) == 1 else None


def _info_of(port: str | None) -> PortInfo | None:
    return next((info for info in serial_ports() if info.device == port), None)


def uf2_drives() -> tuple[Path, ...]:
    """The drives of UF2 boot loaders that are mounted."""
    return tuple(folder for folder in _mounts() if (folder / _UF2_MARK).is_file())


def _mounts() -> Iterable[Path]:
    if sys.platform == "win32":
        return [Path(f"{letter}:/") for letter in "DEFGHIJKLMNOPQRSTUVWXYZ"]
    user = os.environ.get("USER", "")
    parents = [Path("/media") / user, Path("/run/media") / user, Path("/Volumes"), Path("/mnt")]
    return [folder for parent in parents if parent.is_dir() for folder in sorted(parent.iterdir())]


def _copy_uf2(target: Target) -> None:
    image = next(iter(sorted(target.project.glob(".pio/build/*/firmware.uf2"))), None)
    if image is None:
        raise UsageError(
            f"{target.project} holds no firmware.uf2", "build it by PlatformIO first: pio run"
        )
    if not uf2_drives() and target.port is not None:
        touch(target.port)
    drive = _wait_for_drive()
    copied = drive / image.name
    # The drive leaves as soon as it has the last block: errors at the very end are none.
    try:
        with image.open("rb") as source, copied.open("wb") as sink:
            shutil.copyfileobj(source, sink)
            with contextlib.suppress(OSError):
                sink.flush()
                os.fsync(sink.fileno())
    except OSError as error:
        if drive.exists():
            raise DeviceError(
                f"cannot copy {image.name} to {drive}: {error.strerror}", "copy it by hand"
            ) from error


def _wait_for_drive() -> Path:
    deadline = time.monotonic() + _DRIVE_WAIT_S
    while not (drives := uf2_drives()):
        if time.monotonic() >= deadline:
            raise DeviceError(
                "no drive of a UF2 boot loader is mounted",
                "hold the board's BOOTSEL button while you connect it, and mount its drive",
            )
        time.sleep(_POLL_S)
    if len(drives) > 1:
        raise DeviceError(
            f"several boards wait for a UF2 file: {', '.join(map(str, drives))}",
            "connect one at a time",
        )
    return drives[0]


def _run(command: Sequence[str], target: Target) -> None:
    """Runs a tool, its words into the log; raises DeviceError with its most telling line."""
    log = target.project / LOG
    name = "platformio" if "platformio" in command else command[0]
    program = _program(command[0])
    if program is None:
        raise DeviceError(f"{name} is not on PATH", "install it, or use another --tool")
    with log.open("wb") as output:
        try:
            status = subprocess.run(
                [program, *command[1:]],
                env=pio.environment() if name == "platformio" else None,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_TIMEOUT_S,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired as error:
            raise DeviceError(
                f"{name} took longer than {_TIMEOUT_S:g} s", f"look at {log}"
            ) from error
    if status != 0:
        raise _failure(name, status, log)


def _program(name: str) -> str | None:
    """The program on PATH, or beside the Python that runs us, as pip puts it."""
    beside = Path(sys.executable).parent
    return shutil.which(name) or shutil.which(name, path=str(beside))


def _failure(name: str, status: int, log: Path) -> DeviceError:
    lines = [
        line.strip()
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.strip()
    ]
    for line in lines:
        for pattern, hint in _CAUSES:
            if re.search(pattern, line):
                return DeviceError(
                    f"{name} did not flash the board: {line}", hint, (f"log: {log}",)
                )
    return DeviceError(
        f"{name} did not flash the board: it ended with status {status}",
        f"see {log}",
        tuple(lines[-_LAST_LINES:]),
    )
