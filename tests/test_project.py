"""Generated projects: the same bytes each time, and they build on their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.support.handmade import (
    BOARDS,
    DIGITS,
    build_models,
    digits_model,
    digits_project,
    handmade_model,
)
from tinyaiot import oracle
from tinyaiot.boards import Board, board_by_id
from tinyaiot.build import build
from tinyaiot.codegen.project import Sources, generate_project
from tinyaiot.devices.emulator import EmulatedBoard
from tinyaiot.devices.link import Device
from tinyaiot.errors import UsageError
from tinyaiot.frontends import tflite

# One of each architecture.
ARCHITECTURES = [board_by_id(name) for name in ("mps2-an386", "hifive1", "host")]
# What finds the compilers, and no Python that has tinyaiot.
BARE = {"PATH": os.pathsep.join(["/usr/local/bin", "/usr/bin", "/bin"]), "LC_ALL": "C"}


def board_id(board: Board) -> str:
    return board.id


def run(folder: Path, *command: object) -> str:
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=BARE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout + done.stderr


def loaded_bytes(board: Board, elf: Path, folder: Path) -> bytes:
    """What would be flashed."""
    run(folder, f"{board.processor.toolchain}objcopy", "-O", "binary", elf, folder / "loaded.bin")
    return (folder / "loaded.bin").read_bytes()


@pytest.mark.parametrize("board", BOARDS, ids=board_id)
def test_same_bytes_each_time_and_nothing_of_this_computer(board: Board) -> None:
    first, second = digits_project(board), digits_project(board)
    assert list(first.files.items()) == list(second.files.items())
    for path, content in first.files.items():
        assert not Path(path).is_absolute()
        assert b"\r" not in content
        assert str(Path.home()).encode() + b"/" not in content
        assert str(DIGITS.parents[2]).encode() not in content
        assert not re.search(rb"20[2-9]\d-\d\d-\d\d", content), path  # a date


def test_make_repeats_in_any_folder(tmp_path: Path) -> None:
    project = digits_project(board_by_id("mps2-an386"))
    images = set()
    for name in ("here", "somewhere else"):
        project.write(tmp_path / name)
        run(tmp_path / name, "make", "-j2")
        images.add((tmp_path / name / "firmware.bin").read_bytes())
    assert len(images) == 1


@pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")
@pytest.mark.parametrize("board", ARCHITECTURES, ids=board_id)
def test_cmake_builds_the_same(board: Board, tmp_path: Path) -> None:
    digits_project(board).write(tmp_path / "project")
    run(tmp_path / "project", "cmake", "-S", ".", "-B", "out")
    log = run(tmp_path / "project", "cmake", "--build", "out", "-j2")
    assert "warning:" not in log
    if board.processor.arch == "host":
        assert (tmp_path / "project/out/firmware").is_file()
        return
    by_make = build(tmp_path / "project", board)
    by_cmake = tmp_path / "project/out/firmware.elf"
    # The order of files in the image may differ, and with it alignment.
    sizes = [len(loaded_bytes(board, elf, tmp_path)) for elf in (by_make.elf, by_cmake)]
    assert abs(sizes[0] - sizes[1]) <= 64
    assert (tmp_path / "project/out/firmware.bin").stat().st_size == sizes[1]


APPLICATION = """\
#include <stdio.h>
#include "digits.h"

int main(void)
{
    for (int32_t k = 0; k < DIGITS_INPUT_0_BYTES; ++k) {
        digits_input_0()[k] = (int8_t)k;
    }
    digits_run(NULL);
    for (int32_t k = 0; k < DIGITS_OUTPUT_0_BYTES; ++k) {
        printf("%d ", digits_output_0()[k]);
    }
    return 0;
}
"""


@pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")
def test_model_is_a_library_for_cmake(tmp_path: Path) -> None:
    digits_project(board_by_id("host")).write(tmp_path / "digits")
    (tmp_path / "main.c").write_text(APPLICATION)
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(application C)\n"
        "add_subdirectory(digits)\nadd_executable(application main.c)\n"
        "target_link_libraries(application tinyaiot_digits)\n"
    )
    run(tmp_path, "cmake", "-S", ".", "-B", "out")
    run(tmp_path, "cmake", "--build", "out")
    printed = list(map(int, run(tmp_path, "out/application").split()))
    model = DIGITS.read_bytes()
    graph = tflite.read(model, "digits")
    inputs = [np.arange(64, dtype=np.int8).reshape(graph.inputs[0].shape)]
    assert printed == oracle.run(model, graph, inputs).outputs[0].reshape(-1).tolist()


def test_two_models_in_one_firmware(tmp_path: Path) -> None:
    board = board_by_id("mps2-an386")
    doubled = handmade_model(
        "doubled", "ram", "doubled_arena_ram[4] = (int8_t)(2 * doubled_arena_ram[0]);"
    )
    digits = digits_model(board)
    image = build_models([digits, doubled], board, tmp_path / "project")
    assert set(image.arena_bytes) == {"digits_arena_ram", "doubled_arena_ram"}
    with EmulatedBoard(board, image) as emulated:
        device = Device(emulated.link)
        assert device.expect(doubled.image_id).model == "doubled"
        assert device.infer([np.array([21, 0, 0, 0], np.int8)])[0][0] == 42
        assert device.expect(digits.image_id).model == "digits"
        assert device.infer([np.arange(64, dtype=np.int8)])[0].size == 10


def test_models_of_one_name_are_refused() -> None:
    board = board_by_id("mps2-an386")
    with pytest.raises(UsageError, match="two models are called 'digits'"):
        generate_project([digits_model(board)] * 2, board)


def test_defines_reach_the_harness(tmp_path: Path) -> None:
    board = board_by_id("host")
    model = handmade_model("silent", "ram", "")
    generate_project([model], board, ["TA_NO_BANNER"]).write(tmp_path / "project")
    with EmulatedBoard(board, build(tmp_path / "project", board)) as emulated:
        assert emulated.link.read() == b""


def test_only_generated_folders_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="was not generated by tinyaiot"):
        Sources({"tinyaiot.json": b"{}"}).write(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
