"""Models + board → a C project that builds on its own, byte for byte the same each time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from tinyaiot.boards import Board, stand_in_of
from tinyaiot.codegen import flags
from tinyaiot.codegen.model import ModelSources
from tinyaiot.codegen.platformio import Layout, environments, platform_files
from tinyaiot.codegen.templates import render
from tinyaiot.csource import Role
from tinyaiot.errors import UsageError
from tinyaiot.files import write_folder
from tinyaiot.paths import data_dir

# Names of models and boards, and what counts as what in the image: read back by tinyaiot.build.
MANIFEST = "tinyaiot.json"
LINKER_SCRIPT = "firmware.ld"

# Folders of a project: the port's code; the same for the emulated machine that stands in.
PORT = "port"
EMULATED = "emulated"
_HEADERS = ("model", "kernels", "harness")


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
    models: Sequence[ModelSources],
    board: Board,
    defines: Sequence[str] = (),
    expected: Mapping[str, int] | None = None,
) -> Sources:
    """The firmware of ``models`` for ``board``: sources, build files and linker script.

    Args:
        models: at least one; each keeps its own arena.
        defines: further C macros for the harness, as ``NAME`` or ``NAME=VALUE``.
        expected: for `pio test`, by name of a model, the CRC-32 of its outputs (see
            ``tinyaiot.selftest``); of a model that is not in it, no outputs are compared.

    Raises:
        UsageError: two models have the same name.
    """
    files = {path: content for model in models for path, content in _model_files(model, board)}
    files.update(_firmware_files("harness", [data_dir("firmware") / "harness"]))
    files.update(_port_files(board, PORT))
    _refuse_equal_names(models)
    context = _context(models, board, defines, files)
    files["harness/ta_image.c"] = render("image.c.j2", context)
    files["test/test_model/test_model.c"] = render(
        "test_model.c.j2", {**context, "expected": expected or {}}
    )
    for path, template in _build_templates(board).items():
        files[path] = render(template, context)
    files.update(_platformio_and_readme(models, board, defines, context))
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
        if path.suffix in (".c", ".cpp", ".h")
    }


def _port_files(board: Board, target: str) -> dict[str, bytes]:
    """The code of the port in the folder ``target``, and of its core."""
    files = _firmware_files(target, _port_folders(board))
    if not board.is_bare:
        arch = board.processor.arch
        # A framework has start-up code; what else a port needs of the core is named like it.
        found = (data_dir("firmware") / "arch" / arch).glob(f"ta_{arch.replace('-', '_')}.*")
        files |= {f"{target}/{path.name}": path.read_bytes() for path in found}
    return files


def _port_folders(board: Board) -> list[Path]:
    """The port's folder and those that it lies in, which it shares with others of its kind."""
    firmware = data_dir("firmware")
    port = PurePosixPath(board.port)
    ports = [firmware / "ports" / part for part in (*reversed(port.parents), port)][1:]
    arch = board.processor.arch
    if arch == "host" or not board.is_bare:
        return ports
    return [*ports, firmware / "arch/common", firmware / "arch" / arch]


def _build_templates(board: Board) -> dict[str, str]:
    templates = {
        "CMakeLists.txt": "CMakeLists.txt.j2",
        "Makefile": "Makefile.j2",
    }
    if board.processor.arch != "host":
        templates["toolchain.cmake"] = "toolchain.cmake.j2"
        if board.is_bare:
            templates[f"{PORT}/{LINKER_SCRIPT}"] = "firmware.ld.j2"
    return templates


def _context(
    models: Sequence[ModelSources],
    board: Board,
    defines: Sequence[str],
    files: Mapping[str, bytes],
) -> dict[str, Any]:
    sources = sorted(path for path in files if path.endswith(".c"))
    return {
        "board": board,
        "core": board.processor,
        "native": board.processor.arch == "host",
        "counter_kind": "cycles" if board.counter == "cycles" else "none",
        "models": models,
        "arenas": _arenas(models, board),
        "fast_sources": [s for s in sources if s.startswith(("model/", "kernels/"))],
        "small_sources": sorted(
            [*(s for s in sources if s.startswith(("harness/", "port/"))), "harness/ta_image.c"]
        ),
        "include_folders": (*_HEADERS, PORT),
        "core_flags": flags.core_flags(board),
        "instrument_flags": flags.instrument_flags(board),
        "fast_flags": flags.FAST,
        "small_flags": flags.SMALL,
        "warnings": flags.WARNINGS,
        "common_flags": flags.COMMON,
        "defines": flags.all_defines(board, defines),
        "linker_script": f"{PORT}/{LINKER_SCRIPT}",
    }


def _platformio_and_readme(
    models: Sequence[ModelSources],
    board: Board,
    defines: Sequence[str],
    context: Mapping[str, Any],
) -> dict[str, bytes]:
    emulated = _emulated(board)
    own = Layout(_HEADERS, PORT, LINKER_SCRIPT)
    other = own if emulated is board else replace(own, port=EMULATED)
    files = platform_files(board, emulated, other, defines)
    if emulated is not None and emulated is not board:
        files |= _port_files(emulated, EMULATED)
        files[f"{EMULATED}/{LINKER_SCRIPT}"] = render(
            "firmware.ld.j2",
            {**context, "board": emulated, "arenas": _arenas(models, emulated)},
        )
    project = " ".join(model.image_id for model in models)
    found = environments(board, emulated, own, defines, project)
    known = {**context, "environments": found, "emulated": emulated}
    files["platformio.ini"] = render("platformio.ini.j2", known)
    files["README.md"] = render("README.md.j2", known)
    return files


def _emulated(board: Board) -> Board | None:
    """What this computer can run for the board: itself, its stand-in, or nothing."""
    if board.runs_here:
        return board
    return None if board.stand_in is None else stand_in_of(board)


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
                "inlaid": {role.value: nbytes for role, nbytes in model.inlaid.items()},
            }
            for model in models
        ],
    }
    return _json(document)


def _json(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=2) + "\n").encode("utf-8")
