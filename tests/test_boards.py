"""Board files: all load, all make sense, and mistakes in them are named."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.support.handmade import BOARDS
from tinyaiot.boards import Board, board_by_id, board_ids, load_board
from tinyaiot.errors import UsageError
from tinyaiot.paths import data_dir

REQUIRED = """\
name = "A board"
core = "cortex-m4"
clock_hz = 1_000_000
port = "cmsdk"
[[ram]]
name = "ram"
start = 0x2000_0000
size_bytes = 1024
[flash]
start = 0
size_bytes = 1024
"""


def board_file(folder: Path, text: str) -> Path:
    path = folder / "a.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.id)
def test_board_makes_sense(board: Board) -> None:
    port = data_dir("firmware") / "ports" / board.port
    assert list(port.glob("*.c")), f"no port {board.port}"
    assert board.processor.id == board.core
    assert board.counter in (None, "instructions", "cycles")
    assert (board.counter == "instructions") == (board.emulator is not None)
    assert board.stack_bytes % 8 == 0
    assert board.stack_bytes < board.ram[0].size_bytes
    names = [ram.name for ram in board.ram]
    assert len(set(names) | {"flash", "stack"}) == len(names) + 2


@pytest.mark.parametrize(
    "board", [b for b in BOARDS if b.processor.arch != "host"], ids=lambda board: board.id
)
def test_memories_do_not_overlap(board: Board) -> None:
    memories = sorted(
        (memory.start, memory.start + memory.size_bytes) for memory in (board.flash, *board.ram)
    )
    for (_, stop), (start, _) in itertools.pairwise(memories):
        assert stop <= start


def test_ids_are_file_names_in_order() -> None:
    assert list(board_ids()) == sorted(p.stem for p in data_dir("boards").iterdir())


def test_required_keys_are_enough(tmp_path: Path) -> None:
    board = load_board(board_file(tmp_path, REQUIRED))
    assert (board.id, board.emulator, board.counter) == ("a", None, None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("colour = 'red'\n" + REQUIRED, "colour"),
        (REQUIRED + "speed = 5\n", "speed"),
        (REQUIRED.replace("clock_hz", "clock"), "clock_hz"),
        (REQUIRED.replace("0x2000_0000", "'here'"), "start"),
    ],
    ids=["unknown key", "unknown key in a table", "missing key", "wrong type"],
)
def test_mistake_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_board(board_file(tmp_path, text))
    assert any(told in detail for detail in caught.value.details), caught.value.details


@pytest.mark.parametrize("text", ["name = ", "\xff"], ids=["not TOML", "not UTF-8"])
def test_unreadable_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match="cannot read board file"):
        load_board(path)


def test_unknown_board_names_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        board_by_id("toaster")
    assert "mps2-an386" in caught.value.hint
