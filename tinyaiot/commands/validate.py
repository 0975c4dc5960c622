"""tinyaiot validate."""

from __future__ import annotations

from pathlib import Path

import click

from tinyaiot import pipeline
from tinyaiot.commands.options import (
    board_option,
    flashed,
    input_option,
    inputs_of,
    job_of,
    json_option,
    model_argument,
    no_flash_option,
    plan_options,
    port_option,
    tool_option,
    verbosity,
    work_option,
)
from tinyaiot.files import write_json
from tinyaiot.measure import validate as validate_deployment
from tinyaiot.report import Report


@click.command()
@model_argument
@board_option
@input_option
@work_option
@port_option
@no_flash_option
@tool_option
@json_option
@verbosity
@plan_options
def validate(
    model: Path,
    board: str,
    input_file: Path | None,
    work: Path | None,
    port: str | None,
    no_flash: bool,
    tool: str | None,
    json_file: Path | None,
    quiet: bool,
    verbose: bool,
    options: pipeline.PlanOptions,
) -> None:
    """Compare every layer's output on a board with TFLM's, byte for byte.

    \b
    Example: tinyaiot validate model.tflite --board mps2-an386
    """
    report = Report(quiet, verbose)
    job = job_of(model, board, work, port, options)
    read = pipeline.read_model(job)
    inputs = inputs_of(read.graph, input_file)
    deployment = flashed(report, pipeline.deploy(job, report, read), no_flash, tool)
    with report.step(f"comparing on {board}", "compared"):
        validation = validate_deployment(deployment, inputs)
    report.validation(validation)
    if json_file is not None:
        write_json(json_file, validation.to_json())
