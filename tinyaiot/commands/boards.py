"""tinyaiot boards."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from tinyaiot.boards import Board, board_by_id, board_ids
from tinyaiot.commands.options import json_option, verbosity
from tinyaiot.devices.connected import find_connected, serial_ports
from tinyaiot.documents import board_document
from tinyaiot.files import write_json
from tinyaiot.report import Report
from tinyaiot.report_boards import report_boards, report_connected
from tinyaiot.schemas import labelled


@click.command()
@click.option("--connected", is_flag=True, help="Only those on this computer's USB, by their ids.")
@json_option
@verbosity
def boards(connected: bool, json_file: Path | None, quiet: bool, verbose: bool) -> None:
    """List the boards that can be named with --board, and what was seen to work on them.

    A file ID.toml in ~/.config/tinyaiot/boards, or in the folder that $TINYAIOT_BOARDS names,
    adds a board or replaces one.

    \b
    Example: tinyaiot boards --connected
    """
    report = Report(quiet, verbose)
    known = [board_by_id(board_id) for board_id in board_ids()]
    if connected:
        _list_connected(report, known, json_file)
    else:
        report_boards(report, known)
        if json_file is not None:
            documents = [board_document(board) for board in known]
            write_json(json_file, labelled("boards", {"boards": documents}))


def _list_connected(report: Report, known: list[Board], json_file: Path | None) -> None:
    found = find_connected(known, serial_ports())
    report_connected(report, found)
    if json_file is not None:
        entries = [dataclasses.asdict(entry) for entry in found]
        write_json(json_file, labelled("connected", {"connected": entries}))
