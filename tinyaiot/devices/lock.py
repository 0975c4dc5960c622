"""One program at a time on a serial port: a lock that says who holds it.

The lock is a file that the operating system unlocks when its holder ends, however it ends. All
users of a machine share the folder of locks, since they share the boards.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tinyaiot.errors import DeviceError

_FOLDER = "tinyaiot-locks"


@contextlib.contextmanager
def held(port: str, wait_s: float = 0.0) -> Iterator[None]:
    """Holds the port; the process that holds it may do so again, within.

    Args:
        port: as given to pyserial; links to the same device are the same port.
        wait_s: how long to wait for another process to let it go.

    Raises:
        DeviceError: another process holds it; names that process.
    """
    # Imported here: most commands hold nothing.
    from filelock import FileLock, Timeout

    path = _path(port)
    # Each process that may wait must be able to open the file, whoever made it.
    lock = FileLock(path, mode=0o666, thread_local=False, is_singleton=True)
    try:
        lock.acquire(timeout=wait_s)
    except Timeout as error:
        raise DeviceError(
            f"{port} is in use by {_holder(path)}", "wait for it to end, or end it, and repeat"
        ) from error
    with contextlib.ExitStack() as stack:
        stack.callback(lock.release)
        _note_holder(path)
        yield


def _path(port: str) -> Path:
    # Of a device in a folder that is not ours to read, realpath leaves the name as it is.
    name = port if "://" in port else os.path.realpath(port)
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return _folder() / f"{digest}.lock"


def _folder() -> Path:
    folder = Path(tempfile.gettempdir()) / _FOLDER
    try:
        if not folder.is_dir():
            folder.mkdir(exist_ok=True)
            # For all users, and not sticky: in a sticky folder Linux may refuse to open the
            # files that others made.
            folder.chmod(0o777)
    except OSError as error:
        raise DeviceError(
            f"cannot make the folder of locks {folder}: {error.strerror}",
            "set TMPDIR to a folder that may be written to",
        ) from error
    return folder


def _note_holder(lock: Path) -> None:
    # Beside the lock, which is emptied by everyone who waits for it.
    holder = {
        "pid": os.getpid(),
        "user": os.environ.get("USER", ""),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "since": time.strftime("%H:%M:%S"),
    }
    with contextlib.suppress(OSError):
        note = lock.with_suffix(".json")
        note.write_text(json.dumps(holder), encoding="utf-8")
        note.chmod(0o666)


def _holder(lock: Path) -> str:
    try:
        holder = json.loads(lock.with_suffix(".json").read_text(encoding="utf-8"))
        user = f" of {holder['user']}" if holder["user"] else ""
        return f"process {holder['pid']}{user} since {holder['since']}: {holder['command']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
