"""tinyaiot generate."""

from __future__ import annotations

from pathlib import Path

import click

from tinyaiot import pipeline
from tinyaiot.boards import board_by_id
from tinyaiot.codegen.model import c_identifier
from tinyaiot.commands.options import PATH, board_option, plan_options, verbosity
from tinyaiot.frontends import load
from tinyaiot.report import Report
from tinyaiot.selftest import expected_crc


@click.command()
@click.argument("models", type=PATH, nargs=-1, required=True, metavar="MODEL...")
@board_option
@click.option(
    "-o", "--output", type=PATH, required=True, metavar="DIR", help="The project's folder."
)
@verbosity
@plan_options
def generate(
    models: tuple[Path, ...],
    board: str,
    output: Path,
    quiet: bool,
    verbose: bool,
    options: pipeline.PlanOptions,
) -> None:
    """Write a C project that builds on its own, for one model or several.

    DIR is replaced if an older project is in it, and refused if anything else is.

    \b
    Example: tinyaiot generate model.tflite --board mps2-an386 -o firmware/
    """
    report = Report(quiet, verbose)
    target = board_by_id(board)
    loaded = [load(path) for path in models]
    plans = pipeline.plan_together(loaded, target, options)
    expected = {c_identifier(model.name): expected_crc(model) for model in loaded}
    sources = pipeline.generate(loaded, plans, target, expected)
    sources.write(output)
    report.project(output, sources)
