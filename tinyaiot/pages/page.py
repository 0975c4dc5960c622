"""A page: sections with pictures, tables and facts, as one HTML file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinyaiot import __version__
from tinyaiot.codegen.templates import render
from tinyaiot.files import write_file
from tinyaiot.pages.svg import Picture


@dataclass(frozen=True)
class Figure:
    """A picture with a line about it.

    Attributes:
        wide: the same at a larger width, for screens that have it, and for paper.
    """

    picture: Picture
    caption: str = ""
    wide: Picture | None = None

    kind = "figure"


@dataclass(frozen=True)
class Table:
    """A table; columns whose heading starts with ``#`` are aligned to the right.

    On a phone the cells of a row with more than three stand under each other, with their headings.

    Attributes:
        marked: the indexes of rows that stand out.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    marked: frozenset[int] = frozenset()

    kind = "table"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(heading.lstrip("#") for heading in self.headings)

    def is_number(self, column: int) -> bool:
        """Whether a column is aligned to the right."""
        return self.headings[column].startswith("#")


@dataclass(frozen=True)
class Facts:
    """Names and values, in order."""

    pairs: tuple[tuple[str, str], ...]

    kind = "facts"


@dataclass(frozen=True)
class Text:
    """A paragraph; a bad one is shown as an error is."""

    text: str
    bad: bool = False

    kind = "text"


Part = Figure | Table | Facts | Text


@dataclass(frozen=True)
class Section:
    """A part of a page under a heading. Narrow pictures stand side by side where they can."""

    title: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Page:
    """A whole page.

    Attributes:
        subtitle: what of the title is shown: "on mps2-an386".
        command: the command that made the page.
    """

    title: str
    subtitle: str
    command: str
    sections: tuple[Section, ...]


def write_page(path: Path, page: Page) -> None:
    """Writes a page; raises UsageError where that is impossible."""
    write_file(path, page_html(page))


def page_html(page: Page) -> bytes:
    """The page as one HTML file, in UTF-8."""
    return render("page/page.html.j2", {"page": page, "version": __version__})
