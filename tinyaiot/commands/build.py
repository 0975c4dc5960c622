"""tinyaiot build."""

from __future__ import annotations

from pathlib import Path

import click

from tinyaiot import pipeline
from tinyaiot.boards import Board
from tinyaiot.build import Builder, Image
from tinyaiot.build import build as build_project
from tinyaiot.commands.options import builder_option, project_argument, verbosity
from tinyaiot.report import Report


@click.command()
@project_argument
@builder_option
@verbosity
def build(project: Path, builder: Builder | None, quiet: bool, verbose: bool) -> None:
    """Compile a generated project, and show what lies in its flash and RAM.

    \b
    Example: tinyaiot build firmware/
    """
    report = Report(quiet, verbose)
    build_reported(report, project, builder)


def build_reported(
    report: Report, project: Path, builder: Builder | None = None
) -> tuple[Image, Board]:
    board = pipeline.board_of(project)
    with report.step(f"building {project}", "built"):
        image = build_project(project, board, builder)
    report.image(image, board)
    return image, board
