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

HARNESS = "harness"
_PLATFORM = "tinyaiot"
_FOLDER = f"platformio/{_PLATFORM}"
_MONITOR_BAUD = 115200
# `pio test` overwrites an environment's image, so tests have environments of their own. The
# framework is named all the same: for another one PlatformIO would fetch a library.
_TESTED_ELSEWHERE = (("test_framework", "custom"), ("test_ignore", "*"))
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
    return tuple(env for each in found for env in (each, _test_of(each, layout)))


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
        ("build_src_filter", _only((*layout.folders, layout.port))),
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
    return Environment(board.id, comment, (*options, *_TESTED_ELSEWHERE))


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
        ("platform", _PLATFORM),
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
    return Environment(name, comment, (*options, *_TESTED_ELSEWHERE))


def _test_of(env: Environment, layout: Layout) -> Environment:
    """The test has a main of its own, in place of the harness's."""
    folders = (*(folder for folder in layout.folders if folder != HARNESS), layout.port)
    options: list[tuple[str, str | tuple[str, ...]]] = [
        ("extends", f"env:{env.name}"),
        ("test_ignore", ""),
    ]
    if dict(env.options)["platform"] != _PLATFORM:
        options += [("test_build_src", "yes"), ("build_src_filter", _only(folders))]
    return Environment(f"{env.name}-test", "", tuple(options))


def _only(folders: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"+<{folder}/>" for folder in folders)


def platform_files(
    board: Board, emulated: Board | None, layout: Layout, defines: Sequence[str]
) -> dict[str, bytes]:
    """The project's own PlatformIO platform: none has to be downloaded.

    Args:
        layout: of the port of ``emulated``.
    """
    folder = data_dir("firmware") / "platformio"
    runner = "test_custom_runner.py"
    files = {f"test/{runner}": (folder / runner).read_bytes()}
    if board.platformio is not None and board.is_bare:
        files["platformio/bare.py"] = (folder / "bare.py").read_bytes()
    if emulated is not None:
        for name in ("platform.json", "platform.py", "builder/main.py", "emulate.py"):
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
