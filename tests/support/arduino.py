"""The Arduino port with a real Arduino core (Debian's ``arduino-core-avr``), emulated.

simavr computes as the chip does and prints its serial port, but reads nothing. QEMU takes bytes
too, but its AVR is not exact: a softmax that ends in simavr never ends there.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tests.support.builder import ModelBuilder
from tinyaiot.devices.serial_link import SerialLink

CORE = Path("/usr/share/arduino/hardware/arduino/avr")
_COLOUR = re.compile(r"\x1b\[\d+m")
_FLAGS = (
    *("-mmcu=atmega2560", "-DF_CPU=16000000L", "-DARDUINO=10819", "-DARDUINO_AVR_MEGA2560"),
    *("-DARDUINO_ARCH_AVR", f"-I{CORE}/cores/arduino", f"-I{CORE}/variants/mega"),
    # What the core expects of a newer compiler's <float.h>.
    "-DDECIMAL_DIG=__DECIMAL_DIG__",
    *("-Os", "-ffunction-sections", "-fdata-sections"),
)


def missing() -> str | None:
    """What is not installed of what this needs; None if nothing is."""
    for command in ("avr-gcc", "qemu-system-avr", "simavr"):
        if shutil.which(command) is None:
            return f"{command} is not installed"
    return None if CORE.is_dir() else "arduino-core-avr is not installed"


def tiny_model() -> bytes:
    """A fully connected layer and a softmax: all of it has to lie in 8 KB of RAM."""
    model = ModelBuilder("tiny")
    x = model.input((1, 12), 0.5, 3)
    rng = np.random.default_rng(1)
    weights = model.constant(rng.integers(-127, 128, (6, 12), np.int8), [0.02])
    bias = model.constant(rng.integers(-500, 500, 6, np.int32), [0.01])
    y = model.tensor((1, 6), 0.25, -4)
    model.op("FULLY_CONNECTED", [x, weights, bias], [y])
    out = model.tensor((1, 6), 1 / 256, -128)
    model.op("SOFTMAX", [y], [out], beta=1.0)
    return model.build([out])


def build(project: Path, program: str = "harness") -> Path:
    """Compiles a project's firmware with the core; returns the ELF file.

    Args:
        program: the folder with the main function.
    """
    return build_folders(project, ("model", "kernels", program, "port"), ("harness",))


def build_folders(project: Path, folders: Sequence[str], headers_too: Sequence[str] = ()) -> Path:
    """Compiles the sources in ``folders`` with the core; returns the ELF file."""
    out = project / "avr"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    ours = [p for folder in folders for p in _sources(project / folder)]
    headers = [f"-I{project / folder}" for folder in (*folders, *headers_too)]
    core = _sources(CORE / "cores/arduino")

    def compile_one(job: tuple[int, Path, tuple[str, ...]]) -> Path:
        k, source, flags = job
        target = out / f"{k}-{source.stem}.o"
        cxx = source.suffix == ".cpp"
        language = ("-std=gnu++11", "-fno-exceptions") if cxx else ("-std=gnu11",)
        compiler = "avr-g++" if cxx else "avr-gcc"
        _run(compiler, *language, *_FLAGS, *flags, "-c", str(source), "-o", str(target))
        return target

    strict = (*headers, "-DTA_MAIN=ta_main", "-Wall", "-Wextra", "-Werror")
    jobs = [(source, strict) for source in ours] + [(source, ("-w",)) for source in core]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        numbered = [(k, source, flags) for k, (source, flags) in enumerate(jobs)]
        objects = list(pool.map(compile_one, numbered))
    elf = out / "firmware.elf"
    _run(
        "avr-gcc",
        *_FLAGS,
        "-Wl,--gc-sections",
        "-o",
        str(elf),
        *map(str, objects),
        "-lm",
    )
    return elf


def ram_bytes(elf: Path) -> int:
    """.data and .bss: constants are among them, as AVR's flash is another address space."""
    text = subprocess.run(["avr-size", elf], capture_output=True, text=True, check=True).stdout
    return sum(map(int, text.splitlines()[1].split()[1:3]))


def printed(elf: Path, last: str, seconds: float = 20) -> str:
    """What the image says over its serial port in simavr, up to the line that starts so."""
    command = ["simavr", "-m", "atmega2560", "-f", "16000000", str(elf)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as simavr:
        timer = threading.Timer(seconds, simavr.kill)
        timer.start()
        try:
            assert simavr.stdout is not None
            lines = []
            for line in simavr.stdout:
                lines.append(_COLOUR.sub("", line.decode()).rstrip("\r\n."))
                if lines[-1].startswith(last):
                    break
        finally:
            timer.cancel()
            simavr.kill()
    return "\n".join(lines)


@contextlib.contextmanager
def running(elf: Path) -> Iterator[SerialLink]:
    """The link to an emulated Arduino Mega 2560 with the image in its flash."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listener:
        port = listener.getsockname()[1]
        chardev = f"socket,id=uart,fd={listener.fileno()},server=on,wait=on,nodelay=on"
        qemu = subprocess.Popen(
            [
                *("qemu-system-avr", "-machine", "mega2560", "-bios", str(elf)),
                *("-display", "none", "-monitor", "none"),
                *("-chardev", chardev, "-serial", "chardev:uart"),
            ],
            pass_fds=(listener.fileno(),),
        )
    try:
        with contextlib.closing(SerialLink(f"socket://127.0.0.1:{port}")) as link:
            # Before its receiver is on, QEMU may never look for our bytes again.
            wait_for_banner(link)
            yield link
    finally:
        qemu.kill()
        qemu.wait()


def wait_for_banner(link: SerialLink) -> None:
    text, deadline = b"", time.monotonic() + 20
    while b"m-ready" not in text:
        assert time.monotonic() < deadline, text
        text += link.read()


def _sources(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix in (".c", ".cpp"))


def _run(*command: str) -> None:
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, " ".join(command) + "\n" + run.stderr[-3000:]
