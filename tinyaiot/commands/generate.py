"""tinyaiot generate."""

from __future__ import annotations

from pathlib import Path

import click

from tinyaiot import pipeline
from tinyaiot.boards import board_by_id
from tinyaiot.codegen.export import Format
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
@click.option(
    "--format",
    "target_format",
    type=click.Choice(["project", *(target.value for target in Format)]),
    default="project",
    show_default=True,
    help="project: the whole firmware. Others: the models as a library, with an example.",
)
@verbosity
@plan_options
def generate(
    models: tuple[Path, ...],
    board: str,
    output: Path,
    target_format: str,
    quiet: bool,
    verbose: bool,
    options: pipeline.PlanOptions,
) -> None:
    """Write a C project that builds on its own, or a library, for one model or several.

    DIR is replaced if an older project is in it, and refused if anything else is.

    \b
    Example: tinyaiot generate model.tflite --board mps2-an386 -o firmware/
             tinyaiot generate model.tflite --board pico --format zephyr -o m/
    """
    report = Report(quiet, verbose)
    target = board_by_id(board)
    loaded = [load(path) for path in models]
    plans = pipeline.plan_together(loaded, target, options)
    if target_format == "project":
        expected = {c_identifier(model.name): expected_crc(model) for model in loaded}
        sources = pipeline.generate(loaded, plans, target, expected)
    else:
        sources = pipeline.export(loaded, plans, target, Format(target_format))
    sources.write(output)
    report.project(output, sources)
