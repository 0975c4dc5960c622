"""tinyaiot flash."""

from __future__ import annotations

from pathlib import Path

import click

from tinyaiot.commands.build import build_reported
from tinyaiot.commands.options import project_argument, verbosity
from tinyaiot.devices.emulator import EmulatedBoard
from tinyaiot.devices.link import Device
from tinyaiot.report import Report


@click.command()
@project_argument
@verbosity
def flash(project: Path, quiet: bool, verbose: bool) -> None:
    """Compile a project, put it on its board, and ask the board what it runs.

    An emulated board is started with the image in its flash, asked, and ended: nothing of it
    stays. Use `tinyaiot measure` for what the model does there.

    \b
    Example: tinyaiot flash firmware/
    """
    report = Report(quiet, verbose)
    image, target = build_reported(report, project)
    with report.step(f"starting {target.id}", "started"), EmulatedBoard(target, image) as board:
        identity = Device(board.link).identify()
    report.identity(identity)
