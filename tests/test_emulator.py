"""Emulated boards: exact counts, reported crashes, no process left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.handmade import (
    EMULATED,
    INPUT_BYTES,
    build_models,
    digits_model,
    handmade_model,
)
from tinyaiot.boards import Board, board_by_id
from tinyaiot.build import Image
from tinyaiot.devices.emulator import Counts, EmulatedBoard
from tinyaiot.devices.link import Device
from tinyaiot.errors import BuildError, DeviceError
from tinyaiot.plan import Memory

INPUTS = [np.zeros(INPUT_BYTES, np.int8)]

# Instructions between the marks of this model, counted by hand. It begins and ends the count
# itself, so that the harness around it is left out.
PROBE = """\
#ifdef __arm__
#define UNIFIED ".syntax unified\\n"
#define PAGE "1024"
#define LOOP "movs r1, #100\\n1: subs r1, r1, #1\\nbne 1b"
#define CALL "bl callee"
#define CHANGES "r0", "r1", "r2", "r3", "lr", "cc", "memory"
__asm__(".syntax unified\\n.thumb_func\\n"
        "callee: push {r4, lr}\\n.rept 6\\nnop\\n.endr\\npop {r4, pc}");
#else
#define UNIFIED
#define PAGE "4096"
#define LOOP "li t0, 100\\n1: addi t0, t0, -1\\nbnez t0, 1b"
#define CALL "jal callee"
#define CHANGES "ra", "t0", "memory"
__asm__("callee: addi sp, sp, -16\\n.rept 5\\nnop\\n.endr\\naddi sp, sp, 16\\nret");
#endif
#define ASM(text) __asm__ volatile(UNIFIED text ::: CHANGES)
#define NOPS(count) ASM(".rept " count "\\nnop\\n.endr")
/* Goes on so many bytes before the end of a page; nops have two bytes. */
#define TO_PAGE_END(bytes) \\
    NOPS("1"); ASM(".balign " PAGE); NOPS("(" PAGE " - " bytes ") / 2")

__attribute__((noinline)) static void work(void)
{
    TA_BEGIN();
    NOPS("4");
    TA_LAYER(7);
    NOPS("1000");
    TA_PAUSE();
    NOPS("6");
    TA_RESUME();
    NOPS("2");
    TA_LAYER(8);
    ASM(LOOP);
    TA_LAYER(7);
    NOPS("3");
    TA_LAYER(9);
    ASM(CALL);
    TA_PAUSE();
    TO_PAGE_END("4");
    TA_LAYER(10);
    NOPS("11");
    TA_PAUSE();
    TO_PAGE_END("2");
    TA_LAYER(11);
    NOPS("13");
    TA_END();
}
"""
PROBE_COUNTS = Counts(
    total=4 + 2 + 1003 + 201 + 9 + 11 + 13,
    by_layer={7: 1000 + 3, 8: 1 + 2 * 100, 9: 9, 10: 11, 11: 13},
)
CRASH = "__builtin_trap();"
OVERFLOW = "(void)deep(1);"
OVERFLOW_FUNCTION = """\
#pragma GCC push_options
#pragma GCC optimize("O0")
static int32_t deep(int32_t level)
{
    volatile int32_t here[64];
    here[0] = level;
    return level == 0 ? 0 : deep(level + 1) + here[0];
}
#pragma GCC pop_options
"""


def board_ids(boards: list[Board]) -> list[str]:
    return [board.id for board in boards]


@pytest.fixture(scope="module", params=EMULATED, ids=board_ids(EMULATED))
def probe(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> object:
    """An image of three models on each board: counted, crashing, overflowing its stack."""
    board: Board = request.param
    memory = board.ram[0].name
    models = [
        handmade_model("probe", memory, "work();", PROBE),
        handmade_model("crash", memory, CRASH),
        handmade_model("deep", memory, OVERFLOW, OVERFLOW_FUNCTION),
    ]
    return board, build_models(models, board, tmp_path_factory.mktemp("probe") / "project")


def test_counts_are_exact(probe: tuple[Board, Image]) -> None:
    board, image = probe
    with EmulatedBoard(board, image) as emulated:
        device = Device(emulated.link)
        device.load(INPUTS)
        for runs in range(1, 4):
            device.run()
            assert emulated.counts() == (PROBE_COUNTS,) * runs


@pytest.mark.parametrize("model", [1, 2], ids=["trap", "stack overflow"])
def test_crash_is_reported(probe: tuple[Board, Image], model: int) -> None:
    board, image = probe
    if model == 2 and board.id == "rv32-virt":
        pytest.skip("the image lies below the stack, in the same RAM, and nothing guards it")
    with EmulatedBoard(board, image) as emulated:
        device = Device(emulated.link)
        device.select(model)
        device.load(INPUTS)
        with pytest.raises(DeviceError, match="the board crashed: "):
            device.run()


@pytest.mark.parametrize("board", EMULATED, ids=board_ids(EMULATED))
def test_digits_counts_repeat(board: Board, tmp_path: Path) -> None:
    image = build_models([digits_model(board)], board, tmp_path / "project")
    inputs = [np.arange(64, dtype=np.int8)]
    seen = set()
    for _ in range(2):
        with EmulatedBoard(board, image) as emulated:
            device = Device(emulated.link)
            device.infer(inputs)
            device.validate()  # observers add nothing to the counts
            device.infer(inputs)
            counts = emulated.counts()
            assert len(counts) == 3
            assert counts[0].total >= sum(counts[0].by_layer.values()) > 0
            seen.update(repr(count) for count in counts)
    assert len(seen) == 1


def test_arena_beyond_the_first_memory_works(tmp_path: Path) -> None:
    board = board_by_id("mps3-an547")
    image = build_models(
        [digits_model(board, [Memory("sram", 1 << 20)])], board, tmp_path / "project"
    )
    assert list(image.arena_bytes) == ["digits_arena_sram"]
    other = build_models(
        [digits_model(board, [Memory("dtcm", 1 << 19)])], board, tmp_path / "other"
    )
    outputs = []
    for each in (image, other):
        with EmulatedBoard(board, each) as emulated:
            outputs.append(Device(emulated.link).infer([np.arange(64, dtype=np.int8)]))
    np.testing.assert_array_equal(*outputs)


def test_host_runs_without_counts(tmp_path: Path) -> None:
    board = board_by_id("host")
    image = build_models([digits_model(board)], board, tmp_path / "project")
    with EmulatedBoard(board, image) as emulated:
        outputs = Device(emulated.link).infer([np.arange(64, dtype=np.int8)])
        assert emulated.counts() == ()
    assert outputs[0].size == 10


def test_host_names_what_the_sanitizer_found(tmp_path: Path) -> None:
    board = board_by_id("host")
    overrun = "probe_arena_ram[probe_arena_ram[0] + 9] = 1;"
    image = build_models([handmade_model("probe", "ram", overrun)], board, tmp_path / "project")
    with EmulatedBoard(board, image) as emulated:
        device = Device(emulated.link)
        device.load(INPUTS)
        with pytest.raises(DeviceError, match=r"out of bounds|global-buffer-overflow"):
            device.run()


@pytest.fixture(scope="module")
def small_image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    board = board_by_id("mps2-an386")
    folder = tmp_path_factory.mktemp("small") / "project"
    return build_models([handmade_model("small", "ram", "")], board, folder)


def children() -> set[str]:
    me = Path("/proc/self/task")
    if not me.is_dir():
        pytest.skip("needs /proc to list processes")
    return {pid for task in me.iterdir() for pid in (task / "children").read_text().split()}


def test_no_process_is_left_after_an_error(small_image: Image) -> None:
    before = children()
    with pytest.raises(RuntimeError), EmulatedBoard(board_by_id("mps2-an386"), small_image):
        assert children() > before
        raise RuntimeError
    assert children() == before


def test_emulator_ends_with_the_program_that_started_it(small_image: Image, tmp_path: Path) -> None:
    children()  # skips without /proc
    code = f"""
        import pathlib, time
        from tinyaiot.boards import board_by_id
        from tinyaiot.build import build
        from tinyaiot.devices.emulator import EmulatedBoard
        board = board_by_id("mps2-an386")
        project = pathlib.Path({str(small_image.elf.parent)!r})
        with EmulatedBoard(board, build(project, board)) as emulated:
            print(emulated._process._child.pid, flush=True)
            time.sleep(60)
    """
    starter = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    emulator = Path("/proc") / starter.stdout.readline().strip()
    starter.kill()
    starter.wait()
    starter.stdout.close()
    deadline = time.monotonic() + 10
    while emulator.exists() and time.monotonic() < deadline:
        if "State:\tZ" in (emulator / "status").read_text():
            break  # ended; this container's init is slow to notice
        time.sleep(0.05)
    else:
        assert not emulator.exists(), f"still there: {os.kill(int(emulator.name), signal.SIGKILL)}"


def test_missing_emulator_is_named(small_image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DeviceError, match="qemu-system-arm is not on PATH") as caught:
        EmulatedBoard(board_by_id("mps2-an386"), small_image)
    assert "install" in caught.value.hint


def test_emulator_that_refuses_says_why(small_image: Image) -> None:
    board = board_by_id("mps2-an386")
    assert board.emulator is not None
    wrong = replace(board, emulator=replace(board.emulator, machine="no-such-machine"))
    with pytest.raises(DeviceError, match="supported machines"):
        EmulatedBoard(wrong, small_image)


def test_missing_host_compiler_is_named(
    small_image: Image, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from tinyaiot.devices import emulator

    (tmp_path / "qemu-system-arm").symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(emulator, "_plugin_api", lambda qemu: 99)  # compiled for nobody yet
    with pytest.raises(BuildError, match="no C compiler"):
        EmulatedBoard(board_by_id("mps2-an386"), small_image)


def test_board_without_emulator_is_refused(small_image: Image) -> None:
    silicon = replace(board_by_id("mps2-an386"), emulator=None)
    with pytest.raises(DeviceError, match="has no emulator"):
        EmulatedBoard(silicon, small_image)
