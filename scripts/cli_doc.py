"""Prints docs/cli.md: every command and its options, from the commands themselves."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

import click

from tinyaiot import errors
from tinyaiot.cli import cli
from tinyaiot.errors import TinyaiotError
from tinyaiot.markdown import markdown_table

_HEAD = """\
# The command line

Written by `make docs` from the commands themselves: edit those, not this page.

    tinyaiot COMMAND [OPTIONS] ARGUMENTS

Every command takes `--help`. Results go to standard output, progress and errors to standard
error; where that is no terminal there is no progress and no colour. Sizes are bytes, and may be
given as `64K` or `1MiB`, of 1,024 each.
"""


def page() -> Iterator[str]:
    """The lines of the page."""
    yield from _HEAD.splitlines()
    context = click.Context(cli, info_name="tinyaiot")
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        yield from _command(command, click.Context(command, context, name))
    yield from ("", "## Exit codes", "")
    yield from markdown_table(["code", "meaning"], list(_exit_codes()))


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    pieces = " ".join(command.collect_usage_pieces(context))
    yield from ("", f"## {command.name}", "", f"    {context.command_path} {pieces}")
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        yield from ("", *_paragraph(paragraph))
    records = [p.get_help_record(context) for p in command.params if isinstance(p, click.Option)]
    rows = [[f"`{names}`", " ".join(text.split())] for names, text in filter(None, records)]
    if rows:
        yield from ("", *markdown_table(["option", ""], rows))


def _paragraph(text: str) -> Iterator[str]:
    """Click's mark of lines to be kept as they are makes them code."""
    if not text.startswith("\b"):
        yield from text.splitlines()
        return
    example, *others = text.splitlines()[1:]
    label, _, first = example.partition(":")
    yield from (f"{label}:", "")
    yield from (f"    {line.strip()}" for line in (first, *others))


def _exit_codes() -> Iterator[list[str]]:
    """Each kind of failure, as the errors' own docstrings have it."""
    yield ["0", "Done."]
    kinds = [kind for kind in vars(errors).values() if _is_kind(kind)]
    for kind in sorted(kinds, key=lambda kind: kind.exit_code):
        yield [f"{kind.exit_code}", (inspect.getdoc(kind) or "").splitlines()[0]]
    yield [f"{TinyaiotError.exit_code}", "A bug in tinyaiot."]


def _is_kind(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, TinyaiotError) and kind is not TinyaiotError


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.writelines(f"{line}\n" for line in page())
