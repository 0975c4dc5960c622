"""clang-tidy over all C that ships: only checks that find bugs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.handmade import digits_model
from tinyaiot.boards import board_by_id
from tinyaiot.codegen.project import generate_project
from tinyaiot.paths import data_dir

CHECKS = ",".join(
    [
        "-*",
        "bugprone-*",
        "clang-analyzer-*",
        # Matters of style.
        "-bugprone-easily-swappable-parameters",
        "-bugprone-reserved-identifier",
        # Offsets are 32 bits wide on the targets; -Wconversion guards what narrows; int8_t is a
        # number here, never a character.
        "-bugprone-implicit-widening-of-multiplication-result",
        "-bugprone-narrowing-conversions",
        "-bugprone-signed-char-misuse",
        # Of LLVM 17 and later: rows of other types are stored as bytes, scratch comes as void *.
        "-bugprone-casting-through-void",
        "-bugprone-multi-level-implicit-pointer-conversion",
    ]
)
FIRMWARE = data_dir("firmware")
OPERATORS = sorted(path for path in (FIRMWARE / "operators").iterdir() if path.is_dir())

pytestmark = pytest.mark.skipif(
    shutil.which("clang-tidy") is None, reason="clang-tidy is not installed"
)


def check(sources: list[Path], folders: list[Path], *flags: str) -> None:
    includes = [f"-I{folder}" for folder in folders]
    run = subprocess.run(
        [
            "clang-tidy",
            "--quiet",
            f"--checks={CHECKS}",
            "--warnings-as-errors=*",
            *map(str, sources),
            "--",
            "-std=c99",
            *includes,
            *flags,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-500:]


def host_sources(folder: Path) -> list[Path]:
    """What does not need another core's instructions."""
    return [p for p in sorted(folder.glob("*.c")) if not p.stem.endswith(("_dsp", "_mve"))]


@pytest.mark.parametrize("folder", [f for f in OPERATORS if host_sources(f)], ids=lambda f: f.name)
def test_operators(folder: Path) -> None:
    check(host_sources(folder), [FIRMWARE / "include", *OPERATORS], "-DTA_CHECKED")


def test_harness_and_host_port() -> None:
    harness = FIRMWARE / "harness"
    sources = [*sorted(harness.glob("*.c")), *sorted((FIRMWARE / "ports/host").glob("*.c"))]
    check(sources, [FIRMWARE / "include", harness])


def test_generated_model(tmp_path: Path) -> None:
    board = board_by_id("host")
    generate_project([digits_model(board)], board).write(tmp_path / "project")
    folders = [tmp_path / "project" / name for name in ("model", "kernels", "harness")]
    sources = sorted((tmp_path / "project/model").glob("*.c"))
    check([*sources, tmp_path / "project/harness/ta_image.c"], folders, "-DTA_CHECKED")


def test_counting_plugin() -> None:
    check([FIRMWARE / "qemu_plugin/ta_count.c"], [], "-DTA_PLUGIN_API=1", "-D_GNU_SOURCE")
