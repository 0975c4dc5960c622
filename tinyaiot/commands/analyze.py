"""tinyaiot analyze."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinyaiot import pipeline
from tinyaiot.boards import Board
from tinyaiot.budgets import Budgets, Overrun
from tinyaiot.commands.options import (
    PATH,
    PageFiles,
    boards_of,
    boards_option,
    byte_count,
    command_line,
    json_option,
    model_argument,
    page_options,
    plan_options,
    verbosity,
)
from tinyaiot.documents import Document, analysis_document
from tinyaiot.errors import DoesNotFitError, UsageError
from tinyaiot.files import write_json
from tinyaiot.fit import Fit, Verdict, fits_document, fits_of, smallest_fit
from tinyaiot.frontends import Model, load
from tinyaiot.levers import Refusal, shortage_of
from tinyaiot.plan import Plan
from tinyaiot.planner import NoPlanFitsError
from tinyaiot.planner.frontier import FrontierPoint, frontier
from tinyaiot.predict import Prediction, predict
from tinyaiot.report import Report
from tinyaiot.report_fit import report_fits
from tinyaiot.report_frontier import report_frontier
from tinyaiot.report_levers import (
    hint_of,
    overrun_hint,
    problem_of,
    report_overrun,
    report_shortage,
)
from tinyaiot.report_map import report_map
from tinyaiot.report_predict import report_prediction
from tinyaiot.report_speedups import report_speedups
from tinyaiot.speedups import speedups_of
from tinyaiot.summary import ModelSummary, summarize

# Slow to import, and not needed to run.
if TYPE_CHECKING:
    from tinyaiot.quantization import Comparison


@dataclass(frozen=True)
class _Request:
    """How to plan, and where the results go.

    Attributes:
        budgets: limits of flash and time.
        shows_map: whether the memory map is printed.
        shows_frontier: whether the frontier of RAM against MACs is planned and printed.
        compared: the model with its float original, where that was given.
    """

    report: Report
    options: pipeline.PlanOptions
    budgets: Budgets
    shows_map: bool
    shows_frontier: bool
    json_file: Path | None
    pages: PageFiles
    compared: Comparison | None

    def frontier(self, loaded: Model, target: Board | None) -> tuple[FrontierPoint, ...] | None:
        """Planned and printed, if it is wanted."""
        if not self.shows_frontier:
            return None
        with self.report.waiting("planning the frontier"):
            points = frontier(
                loaded.graph,
                pipeline.core_of(target),
                keep_input=self.options.keep_input,
                feed=self.options.feed,
            )
        report_frontier(self.report, points)
        return points

    def write_json(self, document: Document) -> None:
        """Writes it, if it is wanted."""
        if self.json_file is not None:
            write_json(self.json_file, document)

    def write_page(
        self,
        loaded: Model,
        summary: ModelSummary,
        plan: Plan,
        board: Board | None,
        prediction: Prediction | None,
        refusal: Refusal | None = None,
        fits: tuple[Fit, ...] = (),
    ) -> None:
        """Writes page and pictures, if they are wanted; raises UsageError where it cannot."""
        if not self.pages.wanted:
            return
        from tinyaiot.pages.analysis import Analysis, analysis_page, analysis_pictures, fronts_of

        with self.report.waiting("planning the frontier"):
            fronts = fronts_of(loaded.graph, pipeline.core_of(board), self.options)
        analysis = Analysis(
            loaded.graph, summary, plan, board, fronts, refusal, fits, self.compared, prediction
        )
        page = analysis_page(analysis, command_line())
        self.pages.write(self.report, page, analysis_pictures(analysis))

    def write_page_of_boards(
        self, loaded: Model, summary: ModelSummary, fits: tuple[Fit, ...]
    ) -> None:
        """The same for many boards, with the plan for the smallest that takes the model."""
        if not self.pages.wanted:
            return
        shown = smallest_fit(fits) or next((fit for fit in fits if fit.plan is not None), None)
        if shown is not None and shown.plan is not None:
            self.write_page(loaded, summary, shown.plan, shown.board, shown.prediction, fits=fits)
        else:
            plan = pipeline.plan_without_limits(loaded, None, replace(self.options, ram_bytes=None))
            self.write_page(loaded, summary, plan, None, None, fits=fits)


@click.command()
@model_argument
@boards_option
@click.option(
    "--map",
    "shows_map",
    is_flag=True,
    help="Print where everything lies in the arena, and when; with -v in all its moments.",
)
@click.option(
    "--frontier",
    "shows_frontier",
    is_flag=True,
    help="Print what less RAM costs in MACs: the plans that no other beats in both.",
)
@click.option(
    "--flash",
    "flash_bytes",
    type=byte_count,
    metavar="BYTES",
    help="The image's limit, judged by its predicted size. Default: the board's.",
)
@click.option(
    "--ms",
    "milliseconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="MS",
    help="The time's limit, judged by an estimate that says what it assumes.",
)
@click.option(
    "--quantization",
    "quantization_file",
    type=PATH,
    metavar="FILE",
    help="What `tinyaiot quantize --report X.npz --json FILE` found, for the page.",
)
@json_option
@page_options
@verbosity
@plan_options
def analyze(
    model: Path,
    boards: tuple[str, ...],
    shows_map: bool,
    shows_frontier: bool,
    flash_bytes: int | None,
    milliseconds: float | None,
    quantization_file: Path | None,
    json_file: Path | None,
    pages: PageFiles,
    quiet: bool,
    verbose: bool,
    options: pipeline.PlanOptions,
) -> None:
    """Show what a model is and what it needs; no compiler and no board are needed.

    Without --board the plan is made for a Cortex-M4 with RAM without end. Of several boards, or
    all, a table says which take the model; the exit code is 5 where none does.

    \b
    Example: tinyaiot analyze model.tflite --board mps2-an386
             tinyaiot analyze model.tflite --board all --html report.html
             tinyaiot analyze model.tflite --feed rows --frontier
    """
    report = Report(quiet, verbose)
    compared = None
    if quantization_file is not None:
        from tinyaiot.quantization import load_comparison

        compared = load_comparison(quantization_file)
    targets = boards_of(dict.fromkeys(boards))
    budgets = Budgets(flash_bytes, milliseconds)
    for option, given in {
        "--frontier": shows_frontier,
        "--flash and --ms": budgets != Budgets(),
    }.items():
        if given and len(targets) > 1:
            raise UsageError(f"{option}: for one board, or none", "name one board")
    request = _Request(
        report, options, budgets, shows_map or verbose, shows_frontier, json_file, pages, compared
    )
    loaded = load(model)
    summary = summarize(loaded.graph)
    report.model(summary)
    if len(targets) > 1:
        _compare_boards(request, loaded, summary, targets)
    else:
        _look_at(request, loaded, summary, targets[0] if targets else None)


def _look_at(request: _Request, loaded: Model, summary: ModelSummary, target: Board | None) -> None:
    """Layer by layer; raises DoesNotFitError, when all is printed, where it does not fit."""
    report, options = request.report, request.options
    with report.waiting(f"planning {summary.name}"):
        plan, refusal = _plan(loaded, target, options)
    report.layers(summary, plan)
    if request.shows_map:
        report_map(report, loaded.graph, plan)
    if refusal is None and target is not None:
        report.fit(summary, plan, target)
    else:
        report.needs(summary, plan)
    prediction = None if target is None else predict(loaded.graph, plan, target)
    speedups = () if target is None else speedups_of(loaded.graph, plan, target)
    if prediction is not None:
        report_prediction(report, summary, prediction)
        report_speedups(report, speedups)
    shortage = None
    if isinstance(refusal, NoPlanFitsError):
        with report.waiting("planning what would help"):
            shortage = shortage_of(loaded, target, options, refusal)
        report_shortage(report, summary, shortage)
    with report.waiting("judging the budgets"):
        overruns = request.budgets.overruns(loaded, plan, target, options)
    for overrun in overruns:
        report_overrun(report, overrun)
    if overruns and not isinstance(refusal, NoPlanFitsError):
        refusal = _over_budget(overruns, refusal)
    lacking = None if shortage is None else shortage.to_json()
    exceeded = [overrun.to_json() for overrun in overruns]
    points = request.frontier(loaded, target)
    request.write_json(
        analysis_document(
            summary, plan, target, refusal, lacking, prediction, points, exceeded, speedups
        )
    )
    if refusal is None:
        request.write_page(loaded, summary, plan, target, prediction)
        return
    hint = refusal.hint if shortage is None else hint_of(shortage)
    told = Refusal(refusal, shortage, hint)
    request.write_page(loaded, summary, plan, target, prediction, told)
    raise DoesNotFitError(refusal.what, hint, refusal.details)


def _over_budget(overruns: Sequence[Overrun], refusal: DoesNotFitError | None) -> DoesNotFitError:
    """What is needed too much, with what would help; of weights beyond flash it is known why."""
    first, *others = overruns
    details = tuple(f"{problem_of(other)}: {overrun_hint(other)}" for other in others)
    if refusal is not None:
        return DoesNotFitError(refusal.what, overrun_hint(first), refusal.details + details)
    return DoesNotFitError(problem_of(first), overrun_hint(first), details)


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
    request: _Request, loaded: Model, summary: ModelSummary, targets: Sequence[Board]
) -> None:
    """One line a board; raises DoesNotFitError, when all is printed, where none takes it."""
    with request.report.progress(f"planning {summary.name}", len(targets)) as advance:
        fits = fits_of(loaded, targets, request.options, advance)
    report_fits(request.report, summary, fits)
    request.write_json(fits_document(summary, fits))
    request.write_page_of_boards(loaded, summary, fits)
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
