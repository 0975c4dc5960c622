"""tinyaiot flash."""

from __future__ import annotations

from pathlib import Path

import click

from tinyaiot.commands.build import build_reported
from tinyaiot.commands.options import port_option, project_argument, tool_option, verbosity
from tinyaiot.devices.upload import Tool
from tinyaiot.flash import identify, put_image
from tinyaiot.report import Report


@click.command()
@project_argument
@port_option
@tool_option
@verbosity
def flash(project: Path, port: str | None, tool: str | None, quiet: bool, verbose: bool) -> None:
    """Compile a project, put it on its board, and ask the board what it runs.

    An emulated board is started with the image in its flash, asked, and ended: nothing of it
    stays. Use `tinyaiot measure` for what the model does there.

    \b
    Example: tinyaiot flash firmware/
             tinyaiot flash firmware/ --port /dev/ttyACM0 --tool openocd
    """
    report = Report(quiet, verbose)
    image, target = build_reported(report, project)
    with report.step(f"starting {target.id}", "started"):
        port = put_image(target, image, port, None if tool is None else Tool(tool))
        identity = identify(target, image, port)
    report.identity(identity)
