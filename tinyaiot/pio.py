"""PlatformIO through its command line, with a core folder of our own.

What PlatformIO would download for itself (SCons) comes from PyPI with tinyaiot, so that emulated
boards need no network. For real boards PlatformIO fetches platforms and frameworks once; whether
its servers can be reached is asked first, since it would wait a minute itself.
"""

from __future__ import annotations

import configparser
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tinyaiot.errors import BuildError
from tinyaiot.files import write_file
from tinyaiot.paths import cache_dir

LOG = "platformio.log"

_REACH_TIMEOUT_S = 3.0
# The longest that a build or a download may say nothing.
_SILENCE_S = 180.0
_POLL_S = 0.05
_LAST_LINES = 15
_SCONS = "import SCons.Script\n\nSCons.Script.main()\n"
_LOCAL_PLATFORM = "tinyaiot"
_CAUSES = (re.compile(r"\berror: "), re.compile(r"^\*\*\* \["), re.compile(r"^\w*Error\b|^Error"))


def core_folder() -> Path:
    """PlatformIO's core folder that tinyaiot uses, made ready on the first call."""
    from platformio.dependencies import get_core_dependencies  # slow to import

    folder = cache_dir() / "platformio"
    version = get_core_dependencies()["tool-scons"].lstrip("~^>=")
    tool = folder / "packages" / "tool-scons"
    manifest = {"name": "tool-scons", "version": version}
    unset = dict.fromkeys(("id", "requirements", "uri"))
    spec = {"owner": "platformio", "name": "tool-scons", **unset}
    files = {
        "scons.py": _SCONS,
        "package.json": json.dumps(manifest | {"system": "*"}),
        ".piopm": json.dumps(manifest | {"type": "tool", "spec": spec}),
        ".piokeep": "",  # PlatformIO's prune leaves it alone
    }
    for name, text in files.items():
        path = tool / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_file(path, text.encode("utf-8"))
    return folder


def command(*arguments: str) -> list[str]:
    """The command line that runs PlatformIO with ``arguments``."""
    return [sys.executable, "-m", "platformio", *arguments]


def environment() -> dict[str, str]:
    """The environment for :func:`command`: our core folder, and no questions to its servers."""
    return os.environ | {
        "PLATFORMIO_CORE_DIR": str(core_folder()),
        "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
        "PLATFORMIO_SETTING_CHECK_PRUNE_SYSTEM_THRESHOLD": "0",
        "LC_ALL": "C.UTF-8",
    }


def build(project: Path, name: str) -> Path:
    """Builds the environment ``name`` of a generated project; returns its image's folder.

    Raises:
        BuildError: it did not build, or PlatformIO lacks what its servers would give.
    """
    require_platform(project, name)
    log = project / LOG
    status = _run_logged(command("run", "-e", name), project, log)
    if status != 0:
        text = log.read_text(encoding="utf-8", errors="replace")
        cause = f"said nothing for {_SILENCE_S:g} s and was ended"
        if status is not None:
            cause = f"failed: {_cause(text)}"
        raise BuildError(
            f"PlatformIO {cause}", f"see {log}", tuple(text.splitlines()[-_LAST_LINES:])
        )
    return project / ".pio" / "build" / name


def _run_logged(words: Sequence[str], folder: Path, log: Path) -> int | None:
    """Its exit status; None if it was ended because it had fallen silent."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            words,
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return _wait(child, log)
        finally:
            if child.poll() is None:
                # With the compilers that it started; what an upload left running has its own
                # session.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()


def _wait(child: subprocess.Popen[bytes], log: Path) -> int | None:
    said_bytes, said_at = 0, time.monotonic()
    while (status := child.poll()) is None:
        if (size := log.stat().st_size) != said_bytes:
            said_bytes, said_at = size, time.monotonic()
        if time.monotonic() - said_at > _SILENCE_S:
            return None
        time.sleep(_POLL_S)
    return status


def _cause(text: str) -> str:
    """The line of PlatformIO's output that tells most."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for pattern in _CAUSES:
        for line in lines:
            if pattern.search(line):
                return line
    return lines[-1] if lines else "it failed without a word"


def require_platform(project: Path, name: str) -> None:
    """Raises BuildError where PlatformIO would wait in vain for a platform to download."""
    ini = configparser.ConfigParser(interpolation=None)
    ini.read(project / "platformio.ini", encoding="utf-8")
    section = f"env:{name}"
    if section not in ini:
        raise BuildError(
            f"{project} has no PlatformIO environment {name!r}",
            f"use one of: {', '.join(s.removeprefix('env:') for s in ini.sections()[1:])}",
        )
    platform = ini[section].get("platform", _LOCAL_PLATFORM)
    wanted = platform.rpartition("/")[2].partition("@")[0].removesuffix(".git")
    if platform == _LOCAL_PLATFORM or _is_installed(project, wanted):
        return
    if not _servers_answer():
        raise BuildError(
            f"PlatformIO's platform {platform} is not on this computer, and its servers do not "
            "answer",
            f"connect to the internet once, or use the emulated board {name}-qemu",
        )


def _is_installed(project: Path, platform: str) -> bool:
    return any((project / "platformio").glob(f"{platform}*/platform.json"))


def _servers_answer() -> bool:
    from platformio import __registry_mirror_hosts__ as hosts

    for host in hosts:
        with contextlib.suppress(OSError):
            socket.create_connection((f"api.{host}", 443), _REACH_TIMEOUT_S).close()
            return True
    return False
