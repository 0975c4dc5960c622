"""tinyaiot fleet."""

from __future__ import annotations

import os
from pathlib import Path

import click

from tinyaiot import pipeline
from tinyaiot.boards import Board, stand_in_of
from tinyaiot.commands.options import (
    ALL_BOARDS,
    PATH,
    WORK,
    boards_of,
    boards_option,
    input_option,
    json_option,
    markdown_option,
    model_argument,
    plan_options,
    verbosity,
)
from tinyaiot.errors import UsageError
from tinyaiot.files import write_json
from tinyaiot.fleet import FleetJob, exit_code, fleet_document, run_fleet
from tinyaiot.fleet_report import fleet_markdown, print_fleet
from tinyaiot.hardware_map import Station, numbered, select_stations
from tinyaiot.markdown import write_markdown
from tinyaiot.report import Report


@click.command()
@model_argument
@boards_option
@click.option(
    "--hardware-map",
    type=PATH,
    metavar="FILE",
    help="The boards of a bench, in the form of Zephyr Twister's hardware maps.",
)
@input_option
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1),
    default=os.cpu_count() or 1,
    metavar="N",
    help="Boards at a time. Default: as many as there are processors.",
)
@click.option("--work", type=PATH, metavar="DIR", help="Work folder. Default: build/fleet-MODEL.")
@json_option
@markdown_option
@verbosity
@plan_options
def fleet(
    model: Path,
    boards: tuple[str, ...],
    hardware_map: Path | None,
    input_file: Path | None,
    jobs: int,
    work: Path | None,
    json_file: Path | None,
    markdown_file: Path | None,
    quiet: bool,
    verbose: bool,
    options: pipeline.PlanOptions,
) -> int:
    """Measure one model on many boards, and compare them in one table.

    A board that the model does not fit gets a line that says why, as does one that fails; the
    others go on. A board without an emulator and without a port in the hardware map is not run;
    `--board all` takes its emulated stand-in, if it has one. The exit code is that of the first
    failure; not to fit is one only where no board takes the model.

    \b
    Example: tinyaiot fleet model.tflite --board mps2-an386 --board microbit
             tinyaiot fleet model.tflite --hardware-map bench.yaml --jobs 4
    """
    report = Report(quiet, verbose)
    folder = work or WORK / f"fleet-{model.stem}"
    todo = [
        FleetJob(model, station, folder / station.id, options, input_file)
        for station in _stations(boards, hardware_map)
    ]
    with report.progress(f"{model.stem} on boards", len(todo)) as advance:
        results = run_fleet(todo, jobs, advance)
    print_fleet(report, model.stem, results)
    if json_file is not None:
        write_json(json_file, fleet_document(model.stem, results))
    if markdown_file is not None:
        write_markdown(markdown_file, fleet_markdown(model.stem, results))
    return exit_code(results)


def _stations(boards: tuple[str, ...], hardware_map: Path | None) -> tuple[Station, ...]:
    if hardware_map is not None:
        return select_stations([b for b in boards if b != ALL_BOARDS], None, hardware_map)
    if not boards:
        raise UsageError(
            "no board is named", "use --board ID, several times, --board all, or --hardware-map"
        )
    found = boards_of(boards)
    if ALL_BOARDS in boards:
        found = tuple(map(_runnable, found))
    return numbered([Station(board.id) for board in found])


def _runnable(board: Board) -> Board:
    """The board; its emulated stand-in where there is no emulator of the board itself."""
    return board if board.stand_in is None else stand_in_of(board)
