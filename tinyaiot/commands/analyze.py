"""tinyaiot analyze."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from tinyaiot import pipeline
from tinyaiot.boards import Board
from tinyaiot.commands.options import (
    boards_of,
    boards_option,
    json_option,
    model_argument,
    plan_options,
    verbosity,
)
from tinyaiot.documents import analysis_document
from tinyaiot.errors import DoesNotFitError
from tinyaiot.files import write_json
from tinyaiot.fit import Fit, Verdict, fits_document, fits_of
from tinyaiot.frontends import Model, load
from tinyaiot.levers import shortage_of
from tinyaiot.plan import Plan
from tinyaiot.planner import NoPlanFitsError
from tinyaiot.report import Report
from tinyaiot.report_fit import report_fits
from tinyaiot.report_levers import hint_of, report_shortage
from tinyaiot.summary import ModelSummary, summarize


@click.command()
@model_argument
@boards_option
@json_option
@verbosity
@plan_options
def analyze(
    model: Path,
    boards: tuple[str, ...],
    json_file: Path | None,
    quiet: bool,
    verbose: bool,
    options: pipeline.PlanOptions,
) -> None:
    """Show what a model is and what it needs; no compiler and no board are needed.

    Without --board the plan is made for a Cortex-M4 with RAM without end. Of several boards, or
    all, a table says which take the model; the exit code is 5 where none does.

    \b
    Example: tinyaiot analyze model.tflite --board mps2-an386
             tinyaiot analyze model.tflite --board all
    """
    report = Report(quiet, verbose)
    targets = boards_of(dict.fromkeys(boards))
    loaded = load(model)
    summary = summarize(loaded.graph)
    report.model(summary)
    if len(targets) > 1:
        _compare_boards(report, loaded, summary, targets, options, json_file)
        return
    _look_at(report, loaded, summary, targets[0] if targets else None, options, json_file)


def _look_at(
    report: Report,
    loaded: Model,
    summary: ModelSummary,
    target: Board | None,
    options: pipeline.PlanOptions,
    json_file: Path | None,
) -> None:
    """Layer by layer; raises DoesNotFitError, when all is printed, where it does not fit."""
    plan, refusal = _plan(loaded, target, options)
    report.layers(summary, plan)
    report.memory_map(loaded.graph, plan)
    if refusal is None and target is not None:
        report.fit(summary, plan, target)
    else:
        report.needs(summary, plan)
    shortage = None
    if isinstance(refusal, NoPlanFitsError):
        with report.waiting("planning what would help"):
            shortage = shortage_of(loaded, target, options, refusal)
        report_shortage(report, summary, shortage)
    if json_file is not None:
        lacking = None if shortage is None else shortage.to_json()
        write_json(json_file, analysis_document(summary, plan, target, refusal, lacking))
    if refusal is not None:
        hint = refusal.hint if shortage is None else hint_of(shortage)
        raise DoesNotFitError(refusal.what, hint, refusal.details)


def _plan(
    loaded: Model, target: Board | None, options: pipeline.PlanOptions
) -> tuple[Plan, DoesNotFitError | None]:
    """The plan within the limits; where there is none, the closest, and why it does not fit."""
    try:
        if target is None:
            return pipeline.plan_without_limits(loaded, None, options), None
        return pipeline.plan_model_on(loaded, target, options), None
    except NoPlanFitsError as error:
        return error.closest, error
    except DoesNotFitError as error:
        return pipeline.plan_without_limits(loaded, target, replace(options, ram_bytes=None)), error


def _compare_boards(
    report: Report,
    loaded: Model,
    summary: ModelSummary,
    targets: Sequence[Board],
    options: pipeline.PlanOptions,
    json_file: Path | None,
) -> None:
    """One line a board; raises DoesNotFitError, when all is printed, where none takes it."""
    with report.progress(f"planning {summary.name}", len(targets)) as advance:
        fits = fits_of(loaded, targets, options, advance)
    report_fits(report, summary, fits)
    if json_file is not None:
        write_json(json_file, fits_document(summary, fits))
    if not any(fit.verdict is Verdict.FITS for fit in fits):
        raise _fits_nowhere(fits)


def _fits_nowhere(fits: Sequence[Fit]) -> DoesNotFitError:
    fed = [fit.board.id for fit in fits if fit.verdict is Verdict.FITS_FED]
    hint = "take a smaller model, or a board with larger memories"
    return DoesNotFitError(
        f"the model fits none of the {len(fits)} boards",
        f"--feed rows makes it fit {', '.join(fed)}" if fed else hint,
        tuple(f"{fit.board.id}: {fit.problem}" for fit in fits),
    )
