"""Faults provoked on emulated boards: which, in which file and line; and the words for them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.handmade import DIGITS
from tinyaiot import pipeline
from tinyaiot.boards import Board, board_by_id
from tinyaiot.build import Image, build
from tinyaiot.codegen.project import Sources
from tinyaiot.devices.emulator import EmulatedBoard
from tinyaiot.devices.faults import Symbols, explain
from tinyaiot.devices.link import Device
from tinyaiot.errors import DeviceError
from tinyaiot.frontends import load
from tinyaiot.testdata import lcg_input

BOARDS = ["mps2-an386", "mps3-an547", "microbit", "hifive1"]
FILE = "model/digits.c"
UNDEFINED = {"cortex-m": "udf #0", "riscv": "unimp"}
RUN = "void digits_run(const ta_observer *observer)\n{\n"


def image_with(board: Board, folder: Path, line: str, before: str = "") -> tuple[Image, int]:
    """The digits with a line at the start of their run, and that line's number."""
    model = load(DIGITS)
    plan = pipeline.plan_model_on(model, board, pipeline.PlanOptions())
    files = dict(pipeline.generate([model], [plan], board).files)
    source = files[FILE].decode()
    assert RUN in source
    source = source.replace(RUN, f"{before}{RUN}{line}\n")
    Sources({**files, FILE: source.encode()}).write(folder)
    return build(folder, board), source[: source.index(line)].count("\n") + 1


def crash(board: Board, image: Image) -> DeviceError:
    """What a run on the board raises."""
    with EmulatedBoard(board, image) as running:
        device = Device(running.link, symbols=Symbols(image.elf))
        device.load([lcg_input(tensor) for tensor in load(DIGITS).graph.inputs])
        with pytest.raises(DeviceError) as caught:
            device.run()
        # The next request restarts the board, which is as good as new then.
        assert Device(running.link).identify().model == "digits"
    assert caught.value.exit_code == 7
    return caught.value


@pytest.mark.parametrize("board_id", BOARDS)
@pytest.mark.parametrize("kind", ["undefined", "write"])
def test_a_fault_has_file_and_line(kind: str, board_id: str, tmp_path: Path) -> None:
    board = board_by_id(board_id)
    nowhere = "0xf0000000" if board_id == "mps3-an547" else "0xa0000000"
    line, cause = {
        "undefined": (f'__asm__ volatile("{UNDEFINED[board.processor.arch]}");', "undefined"),
        "write": (f"*(volatile int *){nowhere}u = 1;", f"{nowhere},"),
    }[kind]
    image, number = image_with(board, tmp_path / "project", line)
    error = crash(board, image)
    assert f"in digits_run ({FILE}:{number})" in error.what
    if board_id != "microbit":  # an M0 tells where, not why
        assert cause in error.what
    assert error.hint


DEEP = """
static int deep(volatile int *above)
{
    volatile int here[32];
    here[0] = *above + 1;
    return here[0] < 0 ? 0 : deep(here) + here[0];
}

"""


@pytest.mark.parametrize("board_id", BOARDS)
def test_a_stack_overflow_is_caught(board_id: str, tmp_path: Path) -> None:
    board = board_by_id(board_id)
    line = "{ volatile int zero = 0; (void)deep(&zero); }"
    image, _ = image_with(board, tmp_path / "project", line, DEEP)
    error = crash(board, image)
    assert "the board crashed: the stack overflowed" in error.what
    assert "stack_bytes" in error.hint


def test_lines_are_addr2lines(tmp_path: Path) -> None:
    board = board_by_id("mps2-an386")
    image, _ = image_with(board, tmp_path / "project", "(void)0;")
    symbols = Symbols(image.elf)
    addresses = range(0x40, image.flash_bytes - 4096, 470)
    expected = addr2line(image.elf, addresses)
    found = {a: place for a in addresses if (place := symbols.place(a)) and place.file}
    assert len(found) > 10
    for address, place in found.items():
        # Of the C library's files it knows the folder that they were compiled in too.
        assert place.file is not None
        assert expected[address].endswith(f"{place.file.lstrip('./')}:{place.line}")


def addr2line(elf: Path, addresses: Sequence[int]) -> dict[int, str]:
    command = ["arm-none-eabi-addr2line", "-e", str(elf), *map(hex, addresses)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    # "./kernels/a.c:12 (discriminator 3)"
    return {
        address: line.split(" ")[0].removeprefix("./")
        for address, line in zip(addresses, lines, strict=True)
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("HardFault pc=0x00001234 lr=0x00000000 cfsr=0x00008200 address=0x60000000 sp=0x20000100",
         "no memory, 0x60000000, at pc=0x00001234"),
        ("HardFault pc=0x00000000 lr=0x00000000 cfsr=0x00000092 address=0x1ffff000 sp=0x1fffffe0",
         "the stack overflowed"),
        ("HardFault pc=0x00001234 lr=0x00000000 cfsr=0x02000000", "a division by zero at pc"),
        ("HardFault pc=0x00001234 lr=0x00000000 cfsr=0x00000000", "it does not say why at pc"),
        ("Trap pc=0x20400000 mcause=0x00000005 mtval=0x00000004",
         "a read where there is no memory, 0x00000004, at pc=0x20400000"),
        ("Guru Meditation Exception", "it does not say why"),
    ],
)  # fmt: skip
def test_words(text: str, words: str) -> None:
    told = explain(text)
    assert words in told.what
    assert told.hint
    assert told.details == (text,)
