"""Boards that are not emulated: what of their firmware can be built and run without them.

The model and the harness are compiled by the compiler of their core, and run on an emulated
machine with such a core. Their frameworks, ports and uploads are tried nowhere here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.handmade import BOARDS, DIGITS, digits_project
from tinyaiot import cli
from tinyaiot.boards import Board, board_by_id
from tinyaiot.pipeline import board_of

REAL = [board for board in BOARDS if not board.runs_here]
WITH_STAND_IN = [board.id for board in REAL if board.stand_in]
# One of each kind of core.
CHOSEN = ("bluepill_f103c8", "nano33ble", "nucleo_h743zi", "pico", "rpipico2", "esp32-c3-devkitm-1")
# Debian has a compiler for another Xtensa than Espressif's newer chips have.
OTHER_XTENSA = "xtensa-lx106-elf-"


def board_id(board: Board) -> str:
    return board.id


def make(project: Path, *arguments: str) -> str:
    run = subprocess.run(
        ["make", f"-j{os.cpu_count()}", *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-1000:] + run.stderr[-3000:]
    return run.stdout + run.stderr


@pytest.mark.parametrize("board", REAL, ids=board_id)
def test_renders_and_knows_its_board(board: Board, tmp_path: Path) -> None:
    project = digits_project(board)
    project.write(tmp_path / "project")
    assert board_of(tmp_path / "project") == board
    assert "port/ta_port_arduino.cpp" in project.files
    assert ("emulated/firmware.ld" in project.files) == (board.stand_in is not None)


@pytest.mark.parametrize("name", CHOSEN)
def test_model_and_harness_compile_for_the_core(name: str, tmp_path: Path) -> None:
    board = board_by_id(name)
    digits_project(board).write(tmp_path / "project")
    make(tmp_path / "project")
    assert (tmp_path / "project/libtinyaiot.a").is_file()
    harness = [
        f"build/harness/{path.stem}.o" for path in (tmp_path / "project/harness").glob("*.c")
    ]
    make(tmp_path / "project", *harness)


@pytest.mark.skipif(
    shutil.which(f"{OTHER_XTENSA}gcc") is None, reason=f"{OTHER_XTENSA}gcc is not installed"
)
@pytest.mark.parametrize("board", [b for b in REAL if b.processor.arch == "xtensa"], ids=board_id)
def test_model_compiles_for_another_xtensa(board: Board, tmp_path: Path) -> None:
    assert board.compiled
    digits_project(board).write(tmp_path / "project")
    make(tmp_path / "project", f"CROSS={OTHER_XTENSA}", "CORE_FLAGS=-mlongcalls")
    assert (tmp_path / "project/libtinyaiot.a").is_file()


@pytest.mark.parametrize("name", CHOSEN)
def test_stand_in_is_exact(name: str, tmp_path: Path) -> None:
    command = ["measure", str(DIGITS), "--board", f"{name}-qemu", "-q"]
    assert cli.run([*command, "--work", str(tmp_path)]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in WITH_STAND_IN if name not in CHOSEN])
def test_every_stand_in_is_exact(name: str, tmp_path: Path) -> None:
    test_stand_in_is_exact(name, tmp_path)
