"""The harness around the toy models, in memory or as a process behind a socket."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tinyaiot.paths import data_dir

_HERE = Path(__file__).parent
_FLAGS = ("-std=c99", "-O1", "-g", "-Wall", "-Wextra", "-Wconversion", "-Werror")
_SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@functools.cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="tinyaiot-toy-"))


def build(name: str, *arguments: str | Path) -> Path:
    """Compiles the harness and the toy models with further arguments."""
    firmware = data_dir("firmware")
    target = _folder() / name
    compiler = shutil.which("gcc") or "cc"
    includes = [f"-I{firmware / 'include'}", f"-I{firmware / 'harness'}"]
    sources = [*sorted((firmware / "harness").glob("*.c")), _HERE / "toy_models.c"]
    command = [compiler, *_FLAGS, *includes, *sources, *arguments, "-o", target]
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return target


@functools.cache
def executable(*defines: str) -> Path:
    """The host port's executable, under AddressSanitizer and UndefinedBehaviorSanitizer."""
    port = data_dir("firmware") / "ports" / "host" / "ta_port_host.c"
    name = "toy" + "".join(defines).replace("-D", "-").replace("=", "-")
    return build(name, port, *_SANITIZERS, *defines)


@contextlib.contextmanager
def process(*defines: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A running executable and the port that it listens on."""
    with subprocess.Popen([executable(*defines)], stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            yield running, int(running.stdout.readline().removeprefix("listening on "))
        finally:
            running.kill()


@contextlib.contextmanager
def connection(*defines: str) -> Iterator[socket.socket]:
    """A running executable's link, past the banner; asserts that it ends cleanly at its end."""
    with process(*defines) as (running, port):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
            yield link
        assert running.wait(10) == 0


@functools.cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(
        str(build("toy.so", _HERE / "memory_port.c", "-shared", "-fPIC", "-D_XOPEN_SOURCE=700"))
    )
    library.memory_port_take.restype = ctypes.c_size_t
    library.memory_port_take.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    library.memory_port_feed.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    return library


class MemoryBoard:
    """The firmware in memory; there is one only, so a new one ends the last."""

    def __init__(self) -> None:
        self._library = _library()
        self._buffer = ctypes.create_string_buffer(1 << 20)
        self._library.memory_port_start()

    def restart(self) -> bytes:
        """As a reset does: the harness starts anew, memory stays; returns what it says first."""
        self._library.memory_port_start()
        return self.take()

    def feed(self, data: bytes) -> bytes:
        """What the board sends after it has read ``data`` and all before."""
        self._library.memory_port_feed(data, len(data))
        return self.take()

    def take(self) -> bytes:
        """What the board has sent and nobody took."""
        count = self._library.memory_port_take(self._buffer, len(self._buffer))
        return self._buffer.raw[:count]
