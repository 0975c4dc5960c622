"""The command line. Every command is a prefix of the pipeline; errors end here."""

from __future__ import annotations

import sys
import traceback

import click

from tinyaiot import __version__
from tinyaiot.commands import Commands
from tinyaiot.commands.options import WORK
from tinyaiot.errors import TinyaiotError, UsageError
from tinyaiot.files import write_file
from tinyaiot.report import Report

_BUG_EXIT_CODE = 70
_INTERRUPTED_EXIT_CODE = 130


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
        result = cli.main(
            arguments or ["--help"], prog_name="tinyaiot", standalone_mode=False, obj=arguments
        )
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
    log = WORK / "error.log"
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


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80}
)
@click.version_option(__version__, prog_name="tinyaiot")
def cli() -> None:
    """Deploy int8 TFLite models to microcontrollers, and measure them there.

    \b
    Look at a model:          tinyaiot analyze model.tflite
    Measure it on a board:    tinyaiot measure model.tflite --board mps2-an386
    List the boards:          tinyaiot boards

    Exit codes: 0 done, 2 usage, 3 unreadable model, 4 unsupported model, 5 does not fit,
    6 build failed, 7 device, 8 outputs differ, 9 worse than allowed (diff), 70 a bug in tinyaiot.

    \b
    Shell completion:         eval "$(_TINYAIOT_COMPLETE=bash_source tinyaiot)"
                              (or zsh_source, fish_source)
    """
