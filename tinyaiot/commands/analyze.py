"""tinyaiot analyze."""

from __future__ import annotations

from pathlib import Path

import click

from tinyaiot import pipeline
from tinyaiot.boards import board_by_id
from tinyaiot.commands.options import (
    json_option,
    model_argument,
    optional_board,
    plan_options,
    verbosity,
)
from tinyaiot.documents import analysis_document
from tinyaiot.files import write_json
from tinyaiot.frontends import load
from tinyaiot.report import Report
from tinyaiot.summary import summarize


@click.command()
@model_argument
@optional_board
@json_option
@verbosity
@plan_options
def analyze(
    model: Path,
    board: str | None,
    json_file: Path | None,
    quiet: bool,
    verbose: bool,
    options: pipeline.PlanOptions,
) -> None:
    """Show what a model is and what it needs; no compiler and no board are needed.

    Without --board the plan is made for a Cortex-M4 with RAM without end.

    \b
    Example: tinyaiot analyze model.tflite --board mps2-an386
    """
    report = Report(quiet, verbose)
    target = None if board is None else board_by_id(board)
    loaded = load(model)
    summary = summarize(loaded.graph)
    report.model(summary)
    plan = pipeline.plan_without_limits(loaded, target, options)
    report.layers(summary, plan)
    report.needs(summary, plan)
    report.memory_map(loaded.graph, plan)
    if target is not None:
        plan = pipeline.plan_model_on(loaded, target, options)
        report.fit(summary, plan, target)
    if json_file is not None:
        write_json(json_file, analysis_document(summary, plan, target))
