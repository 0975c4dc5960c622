"""The command line. Every command is a prefix of the pipeline; errors end here."""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from tinyaiot import __version__, pipeline
from tinyaiot.boards import Board, board_by_id, board_ids
from tinyaiot.build import Image
from tinyaiot.build import build as build_project
from tinyaiot.classify import Classification, classify
from tinyaiot.devices.emulator import EmulatedBoard
from tinyaiot.devices.link import Device
from tinyaiot.documents import analysis_document, board_document, measurement_document
from tinyaiot.errors import OutputsDifferError, TinyaiotError, UsageError
from tinyaiot.files import write_file, write_json
from tinyaiot.frontends import load
from tinyaiot.measure import Deployment, open_device
from tinyaiot.measure import measure as measure_deployment
from tinyaiot.measure import validate as validate_deployment
from tinyaiot.planner import Objective
from tinyaiot.report import Report
from tinyaiot.samples import Samples, default_inputs, load_inputs, load_samples
from tinyaiot.summary import summarize

Command = TypeVar("Command", bound=Callable[..., Any])

_BUG_EXIT_CODE = 70
_INTERRUPTED_EXIT_CODE = 130
_PATH = click.Path(path_type=Path)
_WORK = Path("build")


def main() -> None:
    """Runs the command line and exits with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs one command line.

    Returns:
        The exit code; what went wrong has been printed to standard error.
    """
    report = Report()
    try:
        result = cli.main(arguments or ["--help"], prog_name="tinyaiot", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "tinyaiot"
        report.error(UsageError(error.format_message(), f"see {command} --help"))
        return UsageError.exit_code
    except TinyaiotError as error:
        report.error(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        report.err.print("interrupted")
        return _INTERRUPTED_EXIT_CODE
    except BrokenPipeError:
        # The reader has gone (`tinyaiot boards | head`); Python would complain at exit.
        sys.stderr.close()
        return 0
    except Exception as error:
        return _report_bug(report, error)


def _report_bug(report: Report, error: Exception) -> int:
    log = _WORK / "error.log"
    try:
        write_file(log, traceback.format_exc().encode("utf-8"))
        where = f"traceback in {log}"
    except TinyaiotError:
        where = "no folder to write a traceback to"
    report.err.print(
        f"error: a bug in tinyaiot: {type(error).__name__}: {error} ({where})",
        markup=False,
        soft_wrap=True,
    )
    return _BUG_EXIT_CODE


def _verbosity(command: Command) -> Command:
    command = click.option("-q", "--quiet", is_flag=True, help="Print errors only.")(command)
    return click.option("-v", "--verbose", is_flag=True, help="Name layers and files too.")(command)


def _plan_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --objective, --feed and --keep-input, which the command takes as ``options``."""

    @click.option(
        "--objective",
        type=click.Choice([objective.value for objective in Objective]),
        default=Objective.SPEED.value,
        show_default=True,
        help="speed: layer by layer where it fits, else streamed. ram: the smallest arena.",
    )
    @click.option(
        "--feed",
        type=click.Choice(["ram", "rows"]),
        default="ram",
        show_default=True,
        help="ram: the input lies in RAM. rows: it arrives row by row, and never lies there whole.",
    )
    @click.option(
        "--keep-input", is_flag=True, help="An inference leaves the input's bytes as they were."
    )
    @functools.wraps(command)
    def wrapped(*args: Any, objective: str, feed: str, keep_input: bool, **kwargs: Any) -> Any:
        options = pipeline.PlanOptions(Objective(objective), keep_input, feed == "rows")
        return command(*args, options=options, **kwargs)

    return wrapped


_model = click.argument("model", type=_PATH)
_optional_board = click.option("--board", metavar="ID", help="A board of `tinyaiot boards`.")
_board = click.option("--board", metavar="ID", required=True, help="A board of `tinyaiot boards`.")
_project = click.argument("project", type=_PATH, metavar="DIR")
_input = click.option(
    "--input",
    "input_file",
    type=_PATH,
    metavar="X.npy",
    help="The input, quantized if floating point; .npz for several. Default: pseudo-random.",
)
_work = click.option(
    "--work", type=_PATH, metavar="DIR", help="Work folder. Default: build/MODEL-BOARD."
)
_port = click.option(
    "--port", metavar="PORT", help="Serial port of a board that runs the image already."
)
_json = click.option(
    "--json", "json_file", type=_PATH, metavar="FILE", help="Write the results as JSON too."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(__version__, prog_name="tinyaiot")
def cli() -> None:
    """Deploy int8 TFLite models to microcontrollers, and measure them there.

    \b
    Look at a model:          tinyaiot analyze model.tflite
    Measure it on a board:    tinyaiot measure model.tflite --board mps2-an386
    List the boards:          tinyaiot boards

    Exit codes: 0 done, 2 usage, 3 unreadable model, 4 unsupported model, 5 does not fit,
    6 build failed, 7 device, 8 outputs differ, 70 a bug in tinyaiot.

    \b
    Shell completion:         eval "$(_TINYAIOT_COMPLETE=bash_source tinyaiot)"
                              (or zsh_source, fish_source)
    """


@cli.command()
@_model
@_optional_board
@_json
@_verbosity
@_plan_options
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


@cli.command()
@click.argument("models", type=_PATH, nargs=-1, required=True, metavar="MODEL...")
@_board
@click.option(
    "-o", "--output", type=_PATH, required=True, metavar="DIR", help="The project's folder."
)
@_verbosity
@_plan_options
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
    sources = pipeline.generate(loaded, plans, target)
    sources.write(output)
    report.project(output, sources)


@cli.command()
@_model
@_board
@_input
@click.option(
    "--samples",
    type=_PATH,
    metavar="X.npz",
    help="Classify `inputs` on the board too, and compare with `labels`.",
)
@_work
@_port
@_json
@_verbosity
@_plan_options
def measure(
    model: Path,
    board: str,
    input_file: Path | None,
    samples: Path | None,
    work: Path | None,
    port: str | None,
    json_file: Path | None,
    quiet: bool,
    verbose: bool,
    options: pipeline.PlanOptions,
) -> None:
    """Deploy a model to a board, measure it there, and compare it with TFLM.

    Prints the model, what it needs, each layer's cost, and RAM, stack and flash. All outputs
    must equal TensorFlow Lite Micro's bit for bit. The work folder keeps the graph, the plan,
    the C project and the measurement.

    \b
    Example: tinyaiot measure model.tflite --board mps2-an386 --json result.json
    """
    report = Report(quiet, verbose)
    job = _job(model, board, work, port, options)
    deployment = pipeline.deploy(job, report)
    graph = deployment.model.graph
    inputs = default_inputs(graph) if input_file is None else load_inputs(input_file, graph)
    loaded = None if samples is None else load_samples(samples, graph)
    with report.step(f"running on {board}", "ran"):
        measurement = measure_deployment(deployment, inputs)
    report.measurement(measurement, deployment)
    classification = None if loaded is None else _classify(report, deployment, loaded)
    document = measurement_document(measurement, deployment.image, classification)
    write_json(job.work / pipeline.MEASUREMENT, document)
    if json_file is not None:
        write_json(json_file, document)


@cli.command()
@_model
@_board
@_input
@_work
@_port
@_json
@_verbosity
@_plan_options
def validate(
    model: Path,
    board: str,
    input_file: Path | None,
    work: Path | None,
    port: str | None,
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
    deployment = pipeline.deploy(_job(model, board, work, port, options), report)
    graph = deployment.model.graph
    inputs = default_inputs(graph) if input_file is None else load_inputs(input_file, graph)
    with report.step(f"comparing on {board}", "compared"):
        validation = validate_deployment(deployment, inputs)
    report.validation(validation)
    if json_file is not None:
        write_json(json_file, validation.to_json())


@cli.command()
@_project
@_verbosity
def build(project: Path, quiet: bool, verbose: bool) -> None:
    """Compile a generated project, and show what lies in its flash and RAM.

    \b
    Example: tinyaiot build firmware/
    """
    report = Report(quiet, verbose)
    _build(report, project)


@cli.command()
@_project
@_verbosity
def flash(project: Path, quiet: bool, verbose: bool) -> None:
    """Compile a project, put it on its board, and ask the board what it runs.

    An emulated board is started with the image in its flash, asked, and ended: nothing of it
    stays. Use `tinyaiot measure` for what the model does there.

    \b
    Example: tinyaiot flash firmware/
    """
    report = Report(quiet, verbose)
    image, target = _build(report, project)
    with report.step(f"starting {target.id}", "started"), EmulatedBoard(target, image) as board:
        identity = Device(board.link).identify()
    report.identity(identity)


@cli.command()
@click.option("--json", "json_file", type=_PATH, metavar="FILE", help="Write them as JSON too.")
def boards(json_file: Path | None) -> None:
    """List the boards that can be named with --board.

    \b
    Example: tinyaiot boards
    """
    found = [board_by_id(board_id) for board_id in board_ids()]
    Report().boards(found)
    if json_file is not None:
        write_json(json_file, {"boards": [board_document(board) for board in found]})


def _build(report: Report, project: Path) -> tuple[Image, Board]:
    board = pipeline.board_of(project)
    with report.step(f"building {project}", "built"):
        image = build_project(project, board)
    report.image(image, board)
    return image, board


def _job(
    model: Path, board: str, work: Path | None, port: str | None, options: pipeline.PlanOptions
) -> pipeline.Job:
    target = board_by_id(board)
    return pipeline.Job(model, target, work or _WORK / f"{model.stem}-{board}", port, options)


def _classify(report: Report, deployment: Deployment, samples: Samples) -> Classification:
    """Raises OutputsDifferError, after the report, where any output is not the reference's."""
    with report.progress("classifying", len(samples)) as advance, open_device(deployment) as device:
        result = classify(device, deployment.model, samples, advance)
    report.classification(result, deployment.board)
    if result.first_difference is not None:
        raise OutputsDifferError(
            f"{result.count - result.identical} of {result.count} samples have outputs that are "
            f"not TFLM's, the first is sample {result.first_difference}",
            "save that sample with numpy and run: tinyaiot validate --input",
        )
    return result
