"""tinyaiot build."""

from __future__ import annotations

from pathlib import Path

import click

from tinyaiot import pipeline
from tinyaiot.boards import Board
from tinyaiot.build import Image
from tinyaiot.build import build as build_project
from tinyaiot.commands.options import project_argument, verbosity
from tinyaiot.report import Report


@click.command()
@project_argument
@verbosity
def build(project: Path, quiet: bool, verbose: bool) -> None:
    """Compile a generated project, and show what lies in its flash and RAM.

    \b
    Example: tinyaiot build firmware/
    """
    report = Report(quiet, verbose)
    build_reported(report, project)


def build_reported(report: Report, project: Path) -> tuple[Image, Board]:
    board = pipeline.board_of(project)
    with report.step(f"building {project}", "built"):
        image = build_project(project, board)
    report.image(image, board)
    return image, board
