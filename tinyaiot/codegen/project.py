"""Models + board → a C project that builds on its own, byte for byte the same each time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tinyaiot.boards import Board
from tinyaiot.codegen.model import ModelSources
from tinyaiot.codegen.templates import render
from tinyaiot.csource import Role
from tinyaiot.errors import UsageError
from tinyaiot.files import write_folder
from tinyaiot.paths import data_dir

# Names of models and boards, and what counts as what in the image: read back by tinyaiot.build.
MANIFEST = "tinyaiot.json"
LINKER_SCRIPT = "port/firmware.ld"

_INCLUDE_FOLDERS = ("model", "kernels", "harness", "port")
_WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
_COMMON = ("-g", "-fno-common", "-ffunction-sections", "-fdata-sections")
_LIBC_FLAGS = {"riscv": ("--specs=picolibc.specs",)}
_FAST = ("-O2",)
# Loops that clear or compare a few bytes are not worth the C library's memset and strlen.
_SMALL = ("-Os", "-fno-tree-loop-distribute-patterns")
_SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@dataclass(frozen=True)
class Sources:
    """A whole project.

    Attributes:
        files: contents by path within the project.
    """

    files: Mapping[str, bytes]

    def write(self, folder: Path) -> None:
        """Makes ``folder`` hold exactly these files; replaces an older project in it.

        Raises:
            UsageError: the folder holds something else, or cannot be written.
        """
        write_folder(folder, self.files, MANIFEST)


def generate_project(
    models: Sequence[ModelSources], board: Board, defines: Sequence[str] = ()
) -> Sources:
    """The firmware of ``models`` for ``board``: sources, build files and linker script.

    Args:
        models: at least one; each keeps its own arena.
        defines: further C macros for the harness, as ``NAME`` or ``NAME=VALUE``.

    Raises:
        UsageError: two models have the same name.
    """
    files = {path: content for model in models for path, content in _model_files(model, board)}
    files.update(_firmware_files("harness", [data_dir("firmware") / "harness"]))
    files.update(_firmware_files("port", _port_folders(board)))
    _refuse_equal_names(models)
    context = _context(models, board, defines, files)
    files["harness/ta_image.c"] = render("image.c.j2", context)
    for path, template in _build_templates(board).items():
        files[path] = render(template, context)
    files.update(_platformio_files(board, context))
    files[MANIFEST] = _manifest(models, board)
    return Sources(dict(sorted(files.items())))


def _model_files(model: ModelSources, board: Board) -> Iterable[tuple[str, bytes]]:
    unknown = set(model.arenas) - {ram.name for ram in board.ram}
    if unknown:
        raise ValueError(f"{model.name} is planned for memories that {board.id} lacks: {unknown}")
    return model.files.items()


def _refuse_equal_names(models: Sequence[ModelSources]) -> None:
    names = [model.name for model in models]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two models are called {name!r}", "rename one of the model files")


def _firmware_files(target: str, folders: Iterable[Path]) -> dict[str, bytes]:
    return {
        f"{target}/{path.name}": path.read_bytes()
        for folder in folders
        for path in sorted(folder.iterdir())
        if path.suffix in (".c", ".h")
    }


def _port_folders(board: Board) -> list[Path]:
    """The port's folder and those that it lies in, which it shares with others of its kind."""
    firmware = data_dir("firmware")
    port = PurePosixPath(board.port)
    ports = [firmware / "ports" / part for part in (*reversed(port.parents), port)][1:]
    arch = board.processor.arch
    return ports if arch == "host" else [*ports, firmware / "arch/common", firmware / "arch" / arch]


def _build_templates(board: Board) -> dict[str, str]:
    templates = {
        "CMakeLists.txt": "CMakeLists.txt.j2",
        "Makefile": "Makefile.j2",
        "README.md": "README.md.j2",
        "platformio.ini": "platformio.ini.j2",
    }
    if board.processor.arch != "host":
        templates["toolchain.cmake"] = "toolchain.cmake.j2"
        templates[LINKER_SCRIPT] = "firmware.ld.j2"
    return templates


def _context(
    models: Sequence[ModelSources],
    board: Board,
    defines: Sequence[str],
    files: Mapping[str, bytes],
) -> dict[str, Any]:
    native = board.processor.arch == "host"
    sources = sorted(path for path in files if path.endswith(".c"))
    return {
        "board": board,
        "core": board.processor,
        "native": native,
        "counter_kind": "cycles" if board.counter == "cycles" else "none",
        "models": models,
        "arenas": _arenas(models, board),
        "fast_sources": [s for s in sources if s.startswith(("model/", "kernels/"))],
        "small_sources": sorted(
            [*(s for s in sources if s.startswith(("harness/", "port/"))), "harness/ta_image.c"]
        ),
        "include_folders": _INCLUDE_FOLDERS,
        "core_flags": [*board.processor.flags, *_LIBC_FLAGS.get(board.processor.arch, ())],
        "instrument_flags": [*_SANITIZERS, "-DTA_CHECKED"] if native else [],
        "fast_flags": _FAST,
        "small_flags": _SMALL,
        "warnings": _WARNINGS,
        "common_flags": _COMMON,
        "defines": [*_clock_defines(board), *board.defines, *defines],
        "linker_script": LINKER_SCRIPT,
    }


def _platformio_files(board: Board, context: Mapping[str, Any]) -> dict[str, bytes]:
    """A PlatformIO platform of the project's own: none has to be downloaded."""
    native = context["native"]
    linker_script = [] if native else ["-nostartfiles", "-T", f"$PROJECT_DIR/{LINKER_SCRIPT}"]
    document = {
        "name": board.name,
        "vendor": "tinyaiot",
        "url": "",
        "build": {
            "mcu": board.core,
            "f_cpu": f"{board.clock_hz}L",
            "cross": board.processor.toolchain,
            "program_suffix": "" if native else ".elf",
            "defines": context["defines"],
            "include_folders": _INCLUDE_FOLDERS,
            "flags": [
                *context["core_flags"],
                *_WARNINGS,
                *_COMMON,
                *context["instrument_flags"],
            ],
            "fast_flags": _FAST,
            "small_flags": _SMALL,
            "link_flags": [
                *context["core_flags"],
                *context["instrument_flags"],
                *linker_script,
                "-Wl,--gc-sections",
            ],
        },
        "upload": {
            "maximum_size": board.flash.size_bytes,
            "maximum_ram_size": sum(ram.size_bytes for ram in board.ram) - board.stack_bytes,
        },
    }
    folder = data_dir("firmware") / "platformio"
    target = "platformio/tinyaiot"
    return {
        f"{target}/platform.json": (folder / "platform.json").read_bytes(),
        f"{target}/builder/main.py": (folder / "builder" / "main.py").read_bytes(),
        f"{target}/boards/{board.id}.json": _json(document),
    }


def _clock_defines(board: Board) -> list[str]:
    return [f"TA_CLOCK_HZ={board.clock_hz}u"] if board.clock_hz else []


def _arenas(models: Sequence[ModelSources], board: Board) -> dict[str, list[str]]:
    """Symbols of the models' arenas, by memory."""
    return {
        ram.name: [model.arenas[ram.name] for model in models if ram.name in model.arenas]
        for ram in board.ram
    }


def _manifest(models: Sequence[ModelSources], board: Board) -> bytes:
    document = {
        "board": board.id,
        "models": [
            {
                "name": model.name,
                "image_id": model.image_id,
                "arenas": dict(model.arenas),
                "arrays": {role.value: list(model.arrays.get(role, ())) for role in Role},
            }
            for model in models
        ],
    }
    return _json(document)


def _json(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=2) + "\n").encode("utf-8")
