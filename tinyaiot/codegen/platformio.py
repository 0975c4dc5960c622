"""``platformio.ini``: the real board through PlatformIO's platforms, the emulated one offline.

The emulated board is built by a small PlatformIO platform that each project carries; what
differs between boards is in that platform's board file.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tinyaiot.boards import STAND_IN, Board, PlatformIO
from tinyaiot.codegen import flags
from tinyaiot.paths import data_dir

_FOLDER = "platformio/tinyaiot"
_MONITOR_BAUD = 115200
_FIRST_PORT, _PORTS = 20000, 12000


@dataclass(frozen=True)
class Layout:
    """Where a project keeps what its environments need.

    Attributes:
        folders: with headers; all but ``port`` hold sources for every environment.
        port: the port's folder.
        linker_script: of the port.
    """

    folders: tuple[str, ...]
    port: str
    linker_script: str


@dataclass(frozen=True)
class Environment:
    """An ``[env:name]``: its options in order, lists one value a line."""

    name: str
    comment: str
    options: tuple[tuple[str, str | tuple[str, ...]], ...]


def emulated_environment_name(board: Board) -> str:
    """Of the environment that an emulator runs; the board's id, unless that is a real one's."""
    return board.id if board.platformio is None and board.runs_here else board.id + STAND_IN


def environments(
    board: Board, emulated: Board | None, layout: Layout, defines: Sequence[str], project: str
) -> tuple[Environment, ...]:
    """The real board's environment, the emulated one's, and one for tests of each.

    Args:
        emulated: what stands in for the board (itself, maybe); None where nothing does.
        layout: of the port of ``board``.
        project: names the project; gives its emulated boards a TCP port of their own.
    """
    found = []
    if board.platformio is not None:
        found.append(_real(board, board.platformio, layout, defines))
    if emulated is not None:
        found.append(_emulated(board, emulated, project))
    return tuple(env for real in found for env in (real, _test_of(real)))


def _real(
    board: Board, platformio: PlatformIO, layout: Layout, defines: Sequence[str]
) -> Environment:
    options: list[tuple[str, str | tuple[str, ...]]] = [
        ("platform", platformio.platform),
        ("board", platformio.board),
    ]
    if platformio.framework:
        options.append(("framework", platformio.framework))
    if board.upload is not None and board.upload.protocol != "uf2":
        options.append(("upload_protocol", board.upload.protocol))
    options += [
        ("monitor_speed", str(_MONITOR_BAUD)),
        ("test_speed", str(_MONITOR_BAUD)),
        ("lib_ldf_mode", "off"),
        ("build_src_filter", tuple(f"+<{folder}/>" for folder in (*layout.folders, layout.port))),
        ("build_unflags", "-Os"),
        ("build_flags", tuple(_real_flags(board, layout, defines))),
    ]
    if board.is_bare:
        options += [
            ("board_build.ldscript", f"{layout.port}/{layout.linker_script}"),
            ("extra_scripts", "pre:platformio/bare.py"),
        ]
    for option in platformio.options:
        key, _, value = option.partition("=")
        options.append((key.strip(), value.strip()))
    comment = "The board itself, by PlatformIO's own platform: fetched once, then offline too."
    return Environment(board.id, comment, tuple(options))


def _real_flags(board: Board, layout: Layout, defines: Sequence[str]) -> Iterator[str]:
    yield from (f"-I{folder}" for folder in (*layout.folders, layout.port))
    yield from (f"-D{define}" for define in flags.all_defines(board, defines))
    # One level for all: a framework's environment has no flags by folder.
    yield from flags.FAST
    if board.is_bare:
        yield from board.processor.flags
        yield from flags.COMMON
    else:
        yield "-DTA_MAIN=ta_main"


def _emulated(board: Board, emulated: Board, project: str) -> Environment:
    name = emulated_environment_name(board)
    options: list[tuple[str, str | tuple[str, ...]]] = [
        ("platform", "tinyaiot"),
        ("board", name),
        ("lib_ldf_mode", "off"),
        ("build_src_filter", "-<*>"),
    ]
    comment = "A program of this computer; the compiler has to be on PATH."
    if emulated.emulator is not None:
        port = _FIRST_PORT + zlib.crc32(f"{project} {name}".encode()) % _PORTS
        url = f"socket://127.0.0.1:{port}"
        options += [("upload_port", url), ("monitor_port", url), ("test_port", url)]
        comment = (
            f"{emulated.emulator.qemu}: `pio run -t upload` starts it, `pio run -t stop` ends it."
        )
    return Environment(name, comment, tuple(options))


def _test_of(env: Environment) -> Environment:
    """`pio test` overwrites the image of its environment: it gets one of its own."""
    options = (("extends", f"env:{env.name}"), ("test_framework", "custom"))
    return Environment(f"{env.name}-test", "", options)


def platform_files(
    board: Board, emulated: Board | None, layout: Layout, defines: Sequence[str]
) -> dict[str, bytes]:
    """The project's own PlatformIO platform: none has to be downloaded.

    Args:
        layout: of the port of ``emulated``.
    """
    folder = data_dir("firmware") / "platformio"
    files = {}
    if board.platformio is not None and board.is_bare:
        files["platformio/bare.py"] = (folder / "bare.py").read_bytes()
    if emulated is not None:
        for name in ("platform.json", "builder/main.py", "emulate.py"):
            files[f"{_FOLDER}/{name}"] = (folder / name).read_bytes()
        name = emulated_environment_name(board)
        document = _board_document(emulated, layout, defines)
        files[f"{_FOLDER}/boards/{name}.json"] = (json.dumps(document, indent=2) + "\n").encode()
    return files


def _board_document(board: Board, layout: Layout, defines: Sequence[str]) -> dict[str, Any]:
    native = board.processor.arch == "host"
    core = [*flags.core_flags(board), *flags.instrument_flags(board)]
    script = [] if native else ["-nostartfiles", "-T", _in_project(layout)]
    return {
        "name": board.name,
        "vendor": "tinyaiot",
        "url": "",
        "build": {
            "mcu": board.core,
            "f_cpu": f"{board.clock_hz}L",
            "cross": board.processor.toolchain,
            "program_suffix": "" if native else ".elf",
            "defines": flags.all_defines(board, defines),
            "include_folders": (*layout.folders, layout.port),
            "flags": [*core, *flags.WARNINGS, *flags.COMMON],
            "fast_flags": flags.FAST,
            "small_flags": flags.SMALL,
            "port": layout.port,
            "link_flags": [*core, *script, "-Wl,--gc-sections"],
            "emulator": _emulator_command(board),
        },
        "upload": {
            "maximum_size": board.flash.size_bytes,
            "maximum_ram_size": sum(ram.size_bytes for ram in board.ram) - board.stack_bytes,
        },
    }


def _in_project(layout: Layout) -> str:
    return f"$PROJECT_DIR/{layout.port}/{layout.linker_script}"


def _emulator_command(board: Board) -> list[str]:
    machine = board.emulator
    if machine is None:
        return []
    return [machine.qemu, "-machine", machine.machine, *machine.arguments]
