"""tinyaiot schema."""

from __future__ import annotations

import click

from tinyaiot.report import Report
from tinyaiot.schemas import schema_names, schema_text


def _complete(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    return [name for name in schema_names() if name.startswith(begun)]


@click.command()
@click.argument("name", required=False, shell_complete=_complete)
def schema(name: str | None) -> None:
    """Print the JSON Schema of what --json writes, or the names of all.

    A document names its own under `schema`. docs/json.md has the same in words.

    \b
    Example: tinyaiot schema measurement
    """
    text = "\n".join(schema_names()) if name is None else schema_text(name).rstrip()
    Report().text(text)
