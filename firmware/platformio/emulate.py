# SPDX-License-Identifier: Apache-2.0
"""Starts an emulated board that goes on by itself, and ends it again.

    emulate.py start FOLDER PORT COMMAND...   FOLDER: keeps its process id and messages
    emulate.py stop FOLDER

The board's serial port is a TCP port of this computer. It waits for the first connection
before it runs, so that no text is lost; later ones find it running.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

_START_S = 0.5
_RELEASE_S = 1.0


def start(folder: Path, port: int, command: list[str]) -> str | None:
    """Starts ``command``; returns why that failed, or None."""
    stop(folder)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        _bind(listener, port)
    except OSError as error:
        return f"port {port} is taken ({error.strerror}): end what uses it, or change upload_port"
    listener.listen(1)
    serial = f"socket,id=uart,fd={listener.fileno()},server=on,wait=on,nodelay=on"
    log = folder / "emulator.log"
    with log.open("wb") as messages:
        try:
            process = subprocess.Popen(
                [
                    *(*command, "-display", "none", "-monitor", "none"),
                    *("-chardev", serial, "-serial", "chardev:uart"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=messages,
                stderr=messages,
                pass_fds=(listener.fileno(),),
                start_new_session=True,
            )
        except OSError as error:
            return f"cannot run {command[0]}: {error.strerror}"
    (folder / "emulator.pid").write_text(f"{process.pid}\n")
    time.sleep(_START_S)
    if process.poll() is not None:
        return f"{command[0]} ended with status {process.returncode}, see {log}"
    print(f"{command[0]} is running: pio device monitor --port socket://127.0.0.1:{port}")
    return None


def _bind(listener: socket.socket, port: int) -> None:
    """A process that was just ended may hold its port for a moment more."""
    deadline = time.monotonic() + _RELEASE_S
    while True:
        try:
            listener.bind(("127.0.0.1", port))
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def stop(folder: Path) -> None:
    """Ends the board that was started for ``folder``, if it still runs."""
    pid_file = folder / "emulator.pid"
    with contextlib.suppress(OSError, ValueError):
        pid = int(pid_file.read_text())
        if _is_emulator(pid):
            os.kill(pid, signal.SIGKILL)
            _wait_for_end(pid)
    pid_file.unlink(missing_ok=True)


def _is_emulator(pid: int) -> bool:
    """Whether the process is still what was started: ids are given out again."""
    try:
        return b"qemu" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # no such process, or no /proc: ask ps
        asked = subprocess.run(
            ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, check=False
        )
        return b"qemu" in asked.stdout


def _wait_for_end(pid: int) -> None:
    for _ in range(100):
        if not _is_emulator(pid):
            return
        time.sleep(0.01)


if __name__ == "__main__":
    action, folder, *rest = sys.argv[1:]
    if action == "stop":
        stop(Path(folder))
    else:
        sys.exit(start(Path(folder), int(rest[0]), rest[1:]))
