"""Prints docs/boards.md: the boards that ship with tinyaiot, from their files."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tinyaiot.boards import Board, Verified, load_board
from tinyaiot.markdown import markdown_table
from tinyaiot.paths import data_dir
from tinyaiot.pipeline import memories

_HEAD = """\
# Boards

Written by `make docs` from the files in `boards`: edit those, not this page.

RAM is what models may have: the stack, the harness and, where there is one, a framework's share
are taken off; flash is what an image may fill. No board has been tried on silicon yet.
[How to add one](howto/my-board.md).
"""


def page() -> Iterator[str]:
    """The lines of the page."""
    boards = [load_board(path) for path in sorted(data_dir("boards").glob("*.toml"))]
    yield from _HEAD.splitlines()
    for state in Verified:
        shown = [board for board in boards if board.verified is state]
        if shown:
            yield from ("", f"## {state.value.capitalize()}", "", f"{_sentence(state.meaning)}", "")
            headings = ["board", "", "core", "#MHz", "#RAM", "#flash", "PlatformIO", "flashed by"]
            yield from markdown_table(headings, [_row(board) for board in shown])
            yield from _notes(shown)


def _row(board: Board) -> list[str]:
    return [
        f"`{board.id}`",
        board.name,
        board.core,
        f"{board.clock_hz / 1e6:g}" if board.clock_hz else "",
        " + ".join(f"{memory.capacity_bytes:,}" for memory in memories(board)),
        f"{board.flash.size_bytes:,}",
        "" if board.platformio is None else f"`{board.platformio.board}`",
        "" if board.upload is None else board.upload.protocol,
    ]


def _notes(boards: list[Board]) -> Iterator[str]:
    noted = [board for board in boards if board.notes]
    if noted:
        yield ""
    for board in noted:
        yield f"- `{board.id}`: {' '.join(board.notes.split())}"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.writelines(f"{line}\n" for line in page())
