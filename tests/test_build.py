"""Images: sizes equal to binutils' and the map's, and failures that say what happened."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.handmade import EMULATED, build_models, digits_model, digits_project
from tinyaiot import pipeline
from tinyaiot.boards import Board, board_by_id
from tinyaiot.build import Image, build, read_manifest
from tinyaiot.csource import Role
from tinyaiot.errors import BuildError, DoesNotFitError, UsageError
from tinyaiot.pipeline import memories
from tinyaiot.summary import summarize

DIGITS = Path(__file__).parents[1] / "examples" / "digits" / "digits.tflite"


def test_host_build_is_silent(tmp_path: Path) -> None:
    board = board_by_id("host")
    image = build_models([digits_model(board)], board, tmp_path / "project")
    assert "warning:" not in (image.elf.parent / "build.log").read_text()


@pytest.fixture(scope="module", params=EMULATED, ids=lambda board: board.id)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> object:
    board: Board = request.param
    folder = tmp_path_factory.mktemp("built") / "project"
    return board, build_models([digits_model(board)], board, folder)


def test_build_is_silent(built: tuple[Board, Image]) -> None:
    _, image = built
    assert "warning:" not in (image.elf.parent / "build.log").read_text()


def test_sizes_are_the_linkers(built: tuple[Board, Image]) -> None:
    board, image = built
    size = subprocess.run(
        [f"{board.processor.toolchain}size", image.elf], capture_output=True, text=True, check=True
    )
    text, data, bss = map(int, size.stdout.splitlines()[1].split()[:3])
    assert image.ram_bytes == data + bss
    assert image.binary is not None
    # Up to an alignment gap between .text and .data.
    assert text + data <= image.flash_bytes < text + data + 8
    assert image.flash_bytes == image.binary.stat().st_size
    assert image.flash_bytes == image.code_bytes + sum(image.array_bytes.values())


def test_arrays_are_in_the_map(built: tuple[Board, Image]) -> None:
    _, image = built
    linked = image.elf.with_suffix(".map").read_text()
    roles = read_manifest(image.elf.parent)["models"][0]["arrays"]
    parameters = (Role.WEIGHTS, Role.BIAS, Role.REQUANT)
    names = [name for role in parameters for name in roles[role.value]]
    sizes = [
        int(size, 16)
        for name in names
        for size in re.findall(rf"\.rodata\.{name}\s+0x\w+\s+0x(\w+)", linked)
    ]
    assert len(sizes) == len(names)
    assert sum(sizes) == sum(image.array_bytes[role] for role in parameters)


def test_memory_left_for_models_is_enough(built: tuple[Board, Image]) -> None:
    board, image = built
    besides = image.ram_bytes - sum(image.arena_bytes.values())
    left = {memory.name: memory.capacity_bytes for memory in memories(board)}
    first = board.ram[0]
    assert besides + board.stack_bytes + left[first.name] <= first.size_bytes


def test_image_lies_in_the_boards_memories(built: tuple[Board, Image]) -> None:
    board, image = built
    tool = f"{board.processor.toolchain}objdump"
    headers = subprocess.run(
        [tool, "-h", image.elf], capture_output=True, text=True, check=True
    ).stdout
    ranges = [
        (memory.start, memory.start + memory.size_bytes) for memory in (board.flash, *board.ram)
    ]
    sections = re.findall(r"^ *\d+ (\S+) +(\w{8}) +(\w{8}) +(\w{8}) .*\n(.*)", headers, re.M)
    loaded = [s for s in sections if "ALLOC" in s[4]]
    assert loaded
    for name, size, *addresses, _ in loaded:
        for address in addresses:
            start, stop = int(address, 16), int(address, 16) + int(size, 16)
            assert any(low <= start and stop <= high for low, high in ranges), name


def test_second_build_does_nothing(tmp_path: Path) -> None:
    board = board_by_id("mps2-an386")
    first = build_models([digits_model(board)], board, tmp_path / "project")
    made = first.elf.stat().st_mtime_ns
    assert build(tmp_path / "project", board) == first
    assert first.elf.stat().st_mtime_ns == made


def test_flash_overflow_names_region_and_bytes(tmp_path: Path) -> None:
    board = board_by_id("mps2-an386")
    whole = build_models([digits_model(board)], board, tmp_path / "whole").flash_bytes
    small = replace(board, flash=replace(board.flash, size_bytes=whole - 100))
    with pytest.raises(DoesNotFitError, match="flash by 100 bytes") as caught:
        build_models([digits_model(board)], small, tmp_path / "small")
    assert caught.value.details == (f"flash has {whole - 100} bytes",)


def test_a_model_whose_code_overflows_flash_hears_of_its_largest_layer(tmp_path: Path) -> None:
    board = board_by_id("mps2-an386")
    small = replace(board, flash=replace(board.flash, size_bytes=16_384))
    job = pipeline.Job(DIGITS, small, tmp_path)
    with pytest.raises(DoesNotFitError, match="exceeds mps2-an386's flash by") as caught:
        pipeline.deploy(job, pipeline.Silent())
    weights = [layer.weights_bytes for layer in summarize(pipeline.read_model(job).graph).layers]
    largest = weights.index(max(weights))
    assert f"layer {largest} " in caught.value.details[-1]
    assert f"{max(weights):,} bytes" in caught.value.details[-1]


def test_ram_overflow_names_region_and_bytes(tmp_path: Path) -> None:
    board = board_by_id("mps2-an386")
    whole = build_models([digits_model(board)], board, tmp_path / "whole").ram_bytes
    size = board.stack_bytes + whole - 64
    small = replace(board, ram=(replace(board.ram[0], size_bytes=size),))
    with pytest.raises(DoesNotFitError, match="ram by 64 bytes") as caught:
        build_models([digits_model(board)], small, tmp_path / "small")
    assert "2048 of them for the stack" in caught.value.details[0]


def test_broken_source_shows_the_compilers_words(tmp_path: Path) -> None:
    board = board_by_id("mps2-an386")
    digits_project(board).write(tmp_path / "project")
    with (tmp_path / "project/model/digits.c").open("a") as file:
        file.write("int broken(void) { return undeclared_name; }\n")
    with pytest.raises(BuildError) as caught:
        build(tmp_path / "project", board)
    assert any("undeclared_name" in line for line in caught.value.details)
    assert str(tmp_path / "project" / "build.log") in caught.value.hint


@pytest.mark.parametrize("tool", ["make", "arm-none-eabi-gcc"])
def test_missing_tool_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str) -> None:
    board = board_by_id("mps2-an386")
    digits_project(board).write(tmp_path / "project")
    present = tmp_path / "bin"
    present.mkdir()
    for other in {"make", "arm-none-eabi-gcc"} - {tool}:
        (present / other).symlink_to(shutil.which(other) or "")
    monkeypatch.setenv("PATH", str(present))
    with pytest.raises(BuildError, match=f"{tool} is not on PATH") as caught:
        build(tmp_path / "project", board)
    assert "install" in caught.value.hint


def test_other_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a generated project"):
        build(tmp_path, board_by_id("mps2-an386"))
