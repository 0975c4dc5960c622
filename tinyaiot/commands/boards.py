"""tinyaiot boards."""

from __future__ import annotations

from pathlib import Path

import click

from tinyaiot.boards import board_by_id, board_ids
from tinyaiot.commands.options import json_option
from tinyaiot.documents import board_document
from tinyaiot.files import write_json
from tinyaiot.report import Report


@click.command()
@json_option
def boards(json_file: Path | None) -> None:
    """List the boards that can be named with --board.

    \b
    Example: tinyaiot boards
    """
    found = [board_by_id(board_id) for board_id in board_ids()]
    Report().boards(found)
    if json_file is not None:
        write_json(json_file, {"boards": [board_document(board) for board in found]})
