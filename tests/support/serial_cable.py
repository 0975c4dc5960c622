"""A serial cable as the host sees one: a pseudo-terminal whose bytes take their time.

What is real: the kernel's terminal between pyserial and the board's link, its name that comes and
goes, its exclusive lock, and the seconds that bytes take at a baud rate. What is not: a UART's
electrical side, its buffers, and a USB converter's latency.
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import socket
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol

BITS_A_BYTE = 10  # 8N1


class End(Protocol):
    """The board's end of the cable."""

    def read(self) -> bytes:
        """What it has sent, after a short wait at most."""

    def write(self, data: bytes) -> None:
        """Sends to it."""


class SocketEnd:
    """The board's end, where that is a TCP connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def read(self) -> bytes:
        readable, _, _ = select.select([self._connection], [], [], 0.005)
        return self._connection.recv(4096) if readable else b""

    def write(self, data: bytes) -> None:
        self._connection.sendall(data)


class Pace:
    """Lets bytes through at a baud rate; with none, at once."""

    def __init__(self, baud_rate: int | None) -> None:
        self._seconds_a_byte = BITS_A_BYTE / baud_rate if baud_rate else 0.0
        self._free_at = time.monotonic()

    def wait(self, count: int) -> None:
        """Returns when ``count`` more bytes have passed."""
        self._free_at = max(self._free_at, time.monotonic()) + count * self._seconds_a_byte
        time.sleep(max(0.0, self._free_at - time.monotonic()))


class SerialCable:
    """Joins a board's end to a port named ``port``; a context manager.

    Args:
        folder: where the port's name is made.
        baud_rate: that both directions keep to, each on its own; None for no limit.

    Attributes:
        carried_bytes: so far, both ways.
    """

    def __init__(self, folder: Path, end: End, baud_rate: int | None = None) -> None:
        self.port = str(folder / "tty")
        self._end = end
        self._baud_rate = baud_rate
        self._master: int | None = None
        self._threads: list[threading.Thread] = []
        self._ended = threading.Event()
        self._carried = [0, 0]

    @property
    def carried_bytes(self) -> int:
        return sum(self._carried)

    def __enter__(self) -> SerialCable:
        self.plug_in()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._master is not None:
            self.pull()

    def plug_in(self) -> None:
        """Makes the port appear."""
        master, slave = pty.openpty()
        tty.setraw(slave)
        Path(self.port).symlink_to(os.ttyname(slave))
        os.close(slave)
        os.set_blocking(master, False)
        self._master, self._ended = master, threading.Event()
        self._start(self._to_board, master, self._ended)
        self._start(self._from_board, master, self._ended)

    def pull(self) -> None:
        """Makes the port disappear, with all that is on its way."""
        Path(self.port).unlink()
        self._ended.set()
        for thread in self._threads:
            thread.join(10)
        self._threads.clear()
        assert self._master is not None
        os.close(self._master)
        self._master = None

    def _start(self, act: Callable[[int, threading.Event], None], *arguments: object) -> None:
        thread = threading.Thread(target=act, args=arguments, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _to_board(self, master: int, ended: threading.Event) -> None:
        pace = Pace(self._baud_rate)
        while not ended.is_set():
            # While no program has the port open, the kernel says so by an error.
            with contextlib.suppress(OSError):
                readable, _, _ = select.select([master], [], [], 0.005)
                data = os.read(master, 64) if readable else b""
                if data:
                    pace.wait(len(data))
                    self._carried[0] += len(data)
                    self._end.write(data)
                    continue
            time.sleep(0.001)

    def _from_board(self, master: int, ended: threading.Event) -> None:
        pace = Pace(self._baud_rate)
        while not ended.is_set():
            data = self._end.read()
            for k in range(0, len(data), 64):
                part = data[k : k + 64]
                pace.wait(len(part))
                self._carried[1] += len(part)
                with contextlib.suppress(OSError):
                    os.write(master, part)
