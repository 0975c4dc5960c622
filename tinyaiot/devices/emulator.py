"""Boards without silicon: QEMU's, and the host as a board, each as a process with a serial link.

QEMU runs with a plugin (``firmware/qemu_plugin``) that counts the instructions of every
inference exactly, so that they are the same from run to run.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tinyaiot.boards import Board
from tinyaiot.boards import Emulator as Machine
from tinyaiot.build import Image
from tinyaiot.errors import BuildError, DeviceError
from tinyaiot.files import write_file
from tinyaiot.paths import cache_dir, data_dir

_START_TIMEOUT_S = 10.0
# How long a firmware without a banner keeps the first request waiting.
_BANNER_WAIT_S = 2.0
_READ_WAIT_S = 0.05
_CHATTER = "QEMU waiting for connection"
_LISTENING = re.compile(rb"listening on (\d+)")
_QEMU_VERSION = re.compile(r"version (\d+)\.(\d+)")
_QEMU_PACKAGES = {
    "qemu-system-arm": "qemu-system-arm",
    "qemu-system-riscv32": "qemu-system-misc, or qemu-system-riscv on newer systems",
}


@dataclass(frozen=True)
class Counts:
    """Instructions of one inference.

    Attributes:
        total: between its begin and its end, what only observers caused left out.
        by_layer: by the layer's index; ``total`` also has what belongs to no layer.
    """

    total: int
    by_layer: Mapping[int, int]


@dataclass(frozen=True)
class Block:
    """Instructions that ran one behind the other, in one layer.

    Attributes:
        layer: its index; None for what belongs to none.
        address: of the first.
        instructions: how many there are.
        executed: how often an inference ran them.
        left: how often what came next was not what lies behind them in memory.
    """

    layer: int | None
    address: int
    instructions: int
    executed: int
    left: int


class EmulatedBoard:
    """A running board without silicon; a context manager that ends it.

    Attributes:
        link: the serial link to it.
    """

    def __init__(self, board: Board, image: Image, histogram: bool = False) -> None:
        """Starts the board with ``image``.

        Args:
            histogram: whether it is told what runs how often, which takes some time.

        Raises:
            DeviceError: the emulator is missing, or did not start.
            BuildError: its plugin could not be compiled.
        """
        self._layers = image.layers
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tinyaiot-")))
            self._counts_file = folder / "counts"
            self._blocks_file = folder / "blocks" if histogram else None
            self._process = stack.enter_context(_Process(folder / "messages"))
            if board.emulator is not None:
                connection = self._start_qemu(board.emulator, image)
            elif board.processor.arch == "host":
                connection = self._start_program(image)
            else:
                raise DeviceError(
                    f"{board.id} has no emulator", "connect the board and name its port"
                )
            self.link = stack.enter_context(contextlib.closing(self._link(board, connection)))
            self._stack = stack.pop_all()

    def __enter__(self) -> EmulatedBoard:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the board's process."""
        self._stack.close()

    def counts(self) -> tuple[Counts, ...]:
        """Counts of all inferences so far, the latest last; none on the host, which cannot."""
        if not self._counts_file.exists():
            return ()
        lines = self._counts_file.read_text(encoding="ascii").splitlines()
        return tuple(self._counts(line) for line in lines)

    def blocks(self) -> tuple[Block, ...]:
        """What the latest inference ran; nothing without ``histogram``."""
        if self._blocks_file is None or not self._blocks_file.exists():
            return ()
        rows = (
            map(int, line.split())
            for line in self._blocks_file.read_text(encoding="ascii").splitlines()
        )
        return tuple(
            Block(self._layers.get(mark), address, instructions, executed, left)
            for mark, address, instructions, executed, left in rows
        )

    def _counts(self, line: str) -> Counts:
        """From ``run TOTAL ADDRESS:COUNT ...``; layers may open at several addresses."""
        _, total, *parts = line.split()
        by_layer = dict.fromkeys(sorted(set(self._layers.values())), 0)
        for part in parts:
            address, count = map(int, part.split(":"))
            if address != 0:
                by_layer[self._layers[address]] += count
        return Counts(int(total), by_layer)

    def _start_qemu(self, machine: Machine, image: Image) -> socket.socket:
        # QEMU takes over a socket that listens already: no port can be lost to somebody else,
        # and none has to be guessed.
        with socket.create_server(("127.0.0.1", 0), backlog=1) as listener:
            self._process.start(
                _qemu_command(
                    machine, image, listener.fileno(), self._counts_file, self._blocks_file
                ),
                inherit=(listener.fileno(),),
            )
            return socket.create_connection(listener.getsockname(), _START_TIMEOUT_S)

    def _start_program(self, image: Image) -> socket.socket:
        self._process.start([str(image.elf)])
        port = self._process.first_line(_LISTENING)
        return socket.create_connection(("127.0.0.1", port), _START_TIMEOUT_S)

    def _link(self, board: Board, connection: socket.socket) -> _SocketLink:
        link = _SocketLink(board.id, connection, self._process)
        try:
            link.wait_for_banner()
        except OSError as error:
            link.close()
            raise DeviceError(
                f"{board.id} did not start: {error}", "check the emulator and the image"
            ) from error
        return link


class _Process:
    """A child process; leaving the context kills it and waits for its end."""

    def __init__(self, messages: Path) -> None:
        self._messages = messages
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> _Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._child is None:
            return
        self._child.kill()
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                stream.close()

    def start(self, command: Sequence[str], inherit: Sequence[int] = ()) -> None:
        with self._messages.open("wb") as messages:
            try:
                self._child = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=messages,
                    pass_fds=inherit,
                )
            except OSError as error:
                raise DeviceError(
                    f"cannot run {command[0]}: {error.strerror}", "check that it may be executed"
                ) from error

    def first_line(self, pattern: re.Pattern[bytes]) -> int:
        """The number in its first line of output."""
        if self._child is None or self._child.stdout is None:
            raise ValueError("the process was not started")
        readable, _, _ = select.select([self._child.stdout], [], [], _START_TIMEOUT_S)
        line = self._child.stdout.readline() if readable else b""
        if match := pattern.search(line):
            return int(match[1])
        raise DeviceError(f"the program did not start: {self.cause()}", "build it again")

    def cause(self) -> str:
        """Why it is not there any more, in a line."""
        status = None
        if self._child is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = self._child.wait(timeout=1.0)
        text = self._messages.read_text(encoding="utf-8", errors="replace")
        lines = [
            line for line in text.splitlines() if line and "waiting for connection" not in line
        ]
        # A sanitizer's first line names the error; the rest is where.
        told = next((line for line in lines if "ERROR:" in line or "error:" in line), None)
        ended = "it is still running" if status is None else f"it ended with status {status}"
        return f"{ended}: {told or lines[-1]}" if lines else ended


class _SocketLink:
    """A serial link over a TCP connection to a process (see ``tinyaiot.devices.link.Link``)."""

    def __init__(self, name: str, connection: socket.socket, process: _Process) -> None:
        self.name = name
        self._connection = connection
        self._process = process
        self._early = b""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def wait_for_banner(self) -> None:
        """Waits until the firmware speaks: before, a UART that is off would lose our bytes."""
        deadline = time.monotonic() + _BANNER_WAIT_S
        while not self._early and time.monotonic() < deadline:
            self._early = self.read()

    def read(self) -> bytes:
        early, self._early = self._early, b""
        if early:
            return early
        readable, _, _ = select.select([self._connection], [], [], _READ_WAIT_S)
        if not readable:
            return b""
        try:
            data = self._connection.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            raise OSError(self._process.cause())
        return data

    def write(self, data: bytes) -> None:
        try:
            self._connection.sendall(data)
        except ConnectionError as error:
            raise OSError(self._process.cause()) from error

    def reopen(self) -> None:
        # A process that has ended has no second life; the caller knows why it ended.
        raise OSError(self._process.cause())

    def close(self) -> None:
        self._connection.close()


def _qemu_command(
    machine: Machine, image: Image, listener: int, counts: Path, blocks: Path | None
) -> list[str]:
    qemu = shutil.which(machine.qemu)
    if qemu is None:
        package = _QEMU_PACKAGES.get(machine.qemu, "qemu-system")
        raise DeviceError(f"{machine.qemu} is not on PATH", f"install it (Debian: {package})")
    histogram = "" if blocks is None else f",blocks={blocks}"
    return [
        qemu,
        *("-machine", machine.machine, *machine.arguments),
        *("-display", "none", "-monitor", "none"),
        *("-chardev", f"socket,id=uart,fd={listener},server=on,wait=on,nodelay=on"),
        *("-serial", "chardev:uart"),
        *("-kernel", str(image.elf)),
        *("-plugin", f"{_plugin(_plugin_api(qemu))},out={counts}{histogram}"),
    ]


@functools.cache
def _plugin_api(qemu: str) -> int:
    """The plugin interface that this QEMU takes; see ``ta_count.c``."""
    run = subprocess.run([qemu, "--version"], capture_output=True, text=True, check=False)
    match = _QEMU_VERSION.search(run.stdout)
    if match is None:
        raise DeviceError(f"{qemu} does not tell its version", "install QEMU 7 or newer")
    version = (int(match[1]), int(match[2]))
    return 3 if version >= (9, 1) else 2 if version >= (9, 0) else 1


@functools.cache
def _plugin(api: int) -> Path:
    """The compiled plugin; compiled again only when its source or the compiler changes."""
    source = data_dir("firmware") / "qemu_plugin" / "ta_count.c"
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        raise BuildError(
            "no C compiler for this computer is on PATH; QEMU's counting plugin needs one",
            "install one (Debian: gcc libc6-dev)",
        )
    flags = ["-std=gnu99", "-O2", "-fPIC", "-shared", f"-DTA_PLUGIN_API={api}", "-pthread"]
    if sys.platform == "darwin":
        flags.append("-Wl,-undefined,dynamic_lookup")
    key = hashlib.sha256(repr((compiler, flags)).encode() + source.read_bytes()).hexdigest()[:16]
    target = cache_dir() / f"ta_count-{key}.so"
    if not target.exists():
        _compile([compiler, *flags, str(source)], target)
    return target


def _compile(command: Sequence[str], target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "plugin.so"
        run = subprocess.run(
            [*command, "-o", str(made)], capture_output=True, text=True, check=False
        )
        if run.returncode != 0:
            raise BuildError(
                "QEMU's counting plugin did not compile",
                "check the C compiler of this computer (Debian: gcc libc6-dev)",
                tuple(run.stderr.splitlines()[-10:]),
            )
        write_file(target, made.read_bytes())
