"""A serial port as a link: opened for this program alone, and again after a cable was pulled."""

from __future__ import annotations

import contextlib
import errno
import time
from typing import Any

import serial

from tinyaiot.errors import DeviceError

BAUD_RATE = 115200

_READ_SLICE_S = 0.05
_WRITE_TIMEOUT_S = 10.0
_REOPEN_SLICE_S = 0.1


class SerialLink:
    """A link over pyserial: a real port, or ``socket://HOST:PORT``.

    Args:
        reopen_wait_s: how long a port that has gone may take to come back.
    """

    def __init__(
        self, port: str, baud_rate: int = BAUD_RATE, *, reopen_wait_s: float = 15.0
    ) -> None:
        self.name = port
        self._baud_rate = baud_rate
        self._reopen_wait_s = reopen_wait_s
        try:
            self._serial = _opened(port, baud_rate)
        except (OSError, ValueError) as error:
            raise _open_failure(port, error) from error

    def read(self) -> bytes:
        """What has arrived, after a short wait at most; OSError where the port has gone."""
        self._serial.timeout = _READ_SLICE_S
        first: bytes = self._serial.read(1)
        if not first:
            return b""
        self._serial.timeout = 0
        rest: bytes = self._serial.read(4096)
        return first + rest

    def write(self, data: bytes) -> None:
        """Sends all of ``data``; OSError where the port has gone, or takes nothing."""
        self._serial.write(data)

    def reopen(self) -> None:
        """Opens the port again as soon as it is back; OSError if it does not come back."""
        # While the old one is open, the system gives the port that comes back another name.
        self.close()
        deadline = time.monotonic() + (0 if "://" in self.name else self._reopen_wait_s)
        while True:
            try:
                self._serial = _opened(self.name, self._baud_rate)
                return
            except OSError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_REOPEN_SLICE_S)

    def close(self) -> None:
        """Ends the connection."""
        # Of a device that has gone, closing may fail too.
        with contextlib.suppress(OSError, _termios_error()):
            self._serial.close()


def _opened(port: str, baud_rate: int) -> Any:
    options: dict[str, Any] = {
        "baudrate": baud_rate,
        "timeout": _READ_SLICE_S,
        "write_timeout": _WRITE_TIMEOUT_S,
    }
    if "://" not in port:
        # Another program that reads here would take bytes away from us.
        options["exclusive"] = True
    try:
        return serial.serial_for_url(port, **options)
    except _termios_error() as error:
        raise OSError(f"{port} is no serial port: {error}") from error


def _termios_error() -> type[Exception]:
    """What pyserial lets through beside OSError where a port goes away under its hands."""
    try:
        import termios
    except ImportError:  # Windows
        return OSError
    return termios.error


def _open_failure(port: str, error: Exception) -> DeviceError:
    what = f"cannot open port {port}: {_reason(error)}"
    code = getattr(error, "errno", None)
    if code in (errno.EAGAIN, errno.EBUSY) or "exclusively lock" in str(error):
        hint = f"another program uses it: end it (who: fuser {port}), and repeat"
    elif code in (errno.EACCES, errno.EPERM):
        hint = "ask for the right to use it: on Linux, join the group dialout and log in again"
    elif code in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        hint = "connect the board, and see its port in: tinyaiot boards --connected"
    else:
        hint = "check that the board is connected, that the port is right and not in use"
    return DeviceError(what, hint)


def _reason(error: Exception) -> str:
    # pyserial wraps the system's words in words of its own; one line of them is enough.
    return " ".join(str(error).split())
