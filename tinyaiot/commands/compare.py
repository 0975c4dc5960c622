"""tinyaiot compare."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import click

from tinyaiot import pipeline
from tinyaiot.boards import board_by_id
from tinyaiot.commands.options import (
    PATH,
    complete_board,
    json_option,
    markdown_option,
    plan_options,
    verbosity,
)
from tinyaiot.compare import Side, read_side, side_of
from tinyaiot.compare import compare as compare_sides
from tinyaiot.compare_report import comparison_markdown, print_comparison
from tinyaiot.documents import analysis_document
from tinyaiot.errors import UsageError
from tinyaiot.files import write_json
from tinyaiot.frontends import load
from tinyaiot.markdown import write_markdown
from tinyaiot.pipeline import PlanOptions
from tinyaiot.planner import Objective
from tinyaiot.predict import predict
from tinyaiot.report import Report
from tinyaiot.summary import summarize

_board_option = click.option(
    "--board",
    metavar="ID",
    help="Plan for a board of `tinyaiot boards`. Default: a Cortex-M4 with RAM without end.",
    shell_complete=complete_board,
)


@click.command()
@click.argument("a", type=PATH, metavar="A")
@click.argument("b", type=PATH, metavar="[B]", required=False)
@_board_option
@click.option(
    "--against",
    metavar="OPTIONS",
    help="Options of B's plan that differ from A's, as one word: '--feed rows'.",
)
@json_option
@markdown_option
@verbosity
@plan_options
def compare(
    a: Path,
    b: Path | None,
    board: str | None,
    against: str | None,
    json_file: Path | None,
    markdown_file: Path | None,
    quiet: bool,
    verbose: bool,
    options: PlanOptions,
) -> None:
    """Show two models, or two plans of one, side by side.

    A and B are models, which are planned, or files of `analyze --json` or `measure --json`, or
    a work folder's plan.json. Without B it is A again, planned with the options of --against.
    `tinyaiot diff` compares measurements with limits, and fails where they are exceeded.

    \b
    Example: tinyaiot compare small.tflite large.tflite --board mps2-an386
             tinyaiot compare model.tflite --against "--feed rows"
    """
    report = Report(quiet, verbose)
    if b is None and against is None:
        raise UsageError("there is nothing to compare with", "give B, or --against OPTIONS")
    asked = _Asked(board, options)
    with report.waiting("planning"):
        found = compare_sides(
            _side(a, asked), _side(a if b is None else b, _changed(asked, against))
        )
    print_comparison(report, found)
    if json_file is not None:
        write_json(json_file, found.to_json())
    if markdown_file is not None:
        write_markdown(markdown_file, comparison_markdown(found))


@dataclass(frozen=True)
class _Asked:
    """How a model is to be planned."""

    board: str | None
    options: PlanOptions

    def __str__(self) -> str:
        """The options that are not the default, as on the command line."""
        options = self.options
        words = {
            f"--objective {options.objective.value}": options.objective is not Objective.BALANCED,
            f"--ram {options.ram_bytes}": options.ram_bytes is not None,
            "--feed rows": options.feed,
            "--keep-input": options.keep_input,
        }
        return " ".join(word for word, given in words.items() if given)


@click.command(add_help_option=False)
@_board_option
@plan_options
def _against(board: str | None, options: PlanOptions) -> _Asked:
    """What --against takes."""
    return _Asked(board, options)


def _changed(asked: _Asked, against: str | None) -> _Asked:
    """What is asked for B: as for A, but for the options of --against."""
    as_for_a = {
        "board": asked.board,
        "objective": asked.options.objective.value,
        "ram_bytes": None if asked.options.ram_bytes is None else str(asked.options.ram_bytes),
        "feed": "rows" if asked.options.feed else "ram",
        "keep_input": asked.options.keep_input,
    }
    try:
        words = shlex.split(against or "")
        changed = _against.main(words, "--against", standalone_mode=False, default_map=as_for_a)
    except (click.UsageError, ValueError) as error:
        reason = error.format_message() if isinstance(error, click.UsageError) else str(error)
        raise UsageError(
            f"--against {against!r}: {reason}", "give --board, --objective, --ram, --feed"
        ) from error
    return cast(_Asked, changed)


def _side(path: Path, asked: _Asked) -> Side:
    if path.suffix.lower() == ".json":
        return read_side(path)
    model = load(path)
    board = None if asked.board is None else board_by_id(asked.board)
    plan = (
        pipeline.plan_without_limits(model, None, asked.options)
        if board is None
        else pipeline.plan_model_on(model, board, asked.options)
    )
    note = f", {asked}" if str(asked) else ""
    prediction = None if board is None else predict(model.graph, plan, board)
    summary = summarize(model.graph)
    return side_of(analysis_document(summary, plan, board, prediction=prediction), note)
