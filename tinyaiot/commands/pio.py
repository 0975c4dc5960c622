"""tinyaiot pio."""

from __future__ import annotations

import subprocess

import click

from tinyaiot import pio as platformio


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="ARGUMENTS...")
def pio(arguments: tuple[str, ...]) -> int:
    """Run PlatformIO with all that emulated boards need, without its servers.

    Its own command line with a core folder of tinyaiot's, which holds SCons already. Run it in
    a generated project, or name that with -d.

    \b
    Example: tinyaiot pio run -d firmware/ -e mps2-an386 -t upload
    """
    command = platformio.command(*arguments)
    return subprocess.run(command, env=platformio.environment(), check=False).returncode
