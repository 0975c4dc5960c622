"""The lock on a port: one process at a time, who holds it is told, no lock outlives its holder."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tinyaiot.devices.lock import held
from tinyaiot.errors import DeviceError

HOLDER = """\
import sys, time
from tinyaiot.devices.lock import held
with held(sys.argv[1]), held(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def another_process_holds(port: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, port]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.fixture
def port(tmp_path: Path) -> str:
    device = tmp_path / "ttyACM0"
    device.touch()
    return str(device)


def test_the_holder_is_named(port: str) -> None:
    with another_process_holds(port) as process:
        with pytest.raises(DeviceError) as caught, held(port):
            pass
        assert f"{port} is in use by process {process.pid}" in caught.value.what
        assert caught.value.exit_code == 7


def test_another_name_of_the_same_port(port: str, tmp_path: Path) -> None:
    link = tmp_path / "by-id"
    link.symlink_to(port)
    with another_process_holds(port), pytest.raises(DeviceError), held(str(link)):
        pass
    with another_process_holds(port), held("/dev/another"):
        pass


def test_waiting(port: str) -> None:
    with another_process_holds(port) as process:
        assert process.stdin is not None
        process.stdin.close()
        with held(port, wait_s=20):
            pass


def test_a_killed_holder_holds_nothing(port: str) -> None:
    with another_process_holds(port) as process:
        process.kill()
        process.wait()
        with held(port), held(port):
            pass


def test_an_error_inside_lets_go(port: str) -> None:
    with pytest.raises(KeyError), held(port):
        raise KeyError
    with another_process_holds(port):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user(port: str) -> None:
    with held(port):
        pass
    # Imported as root, who can read the checkout.
    become = "import filelock, os, tinyaiot.devices.lock; os.setuid(65534)\n"
    result = subprocess.run(
        [sys.executable, "-c", become + HOLDER, port],
        input="",
        text=True,
        capture_output=True,
        check=False,
    )
    assert result.stdout == "held\n", result.stderr
