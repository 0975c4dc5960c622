"""Tables in Markdown as GitHub shows it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tinyaiot.files import write_file


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table; columns whose heading starts with ``#`` are aligned to the right."""
    return [
        _row([heading.lstrip("#") for heading in headings]),
        _row(["---:" if heading.startswith("#") else "---" for heading in headings]),
        *map(_row, rows),
    ]


def write_markdown(path: Path, lines: Sequence[str]) -> None:
    """Writes the lines to a file, to standard output if it is ``-``; UsageError if impossible."""
    text = "\n".join(lines) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
    else:
        write_file(path, text.encode("utf-8"))


def _row(cells: Sequence[str]) -> str:
    escaped = (" ".join(cell.split()).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"
