"""Pictures as files: SVG always, PNG where the extra ``plot`` is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from tinyaiot.codegen.templates import render
from tinyaiot.errors import UsageError
from tinyaiot.files import write_file
from tinyaiot.pages.svg import Picture

INSTALL_HINT = "pip install 'tinyaiot[plot]'"

_OTHER_KINDS = frozenset({".gif", ".jpeg", ".jpg", ".pdf", ".webp"})

# Pixels of a PNG for one of the SVG: for screens with a fine pitch.
_ZOOM = 2


def svg(picture: Picture) -> bytes:
    """The picture as an SVG file, which needs nothing else."""
    return picture.standalone(render("page/picture.css", {}).decode("utf-8")).encode("utf-8")


def png(picture: Picture) -> bytes:
    """The picture as a PNG file; raises UsageError where nothing here can make one."""
    if not can_make_png():
        raise UsageError("PNG needs the package resvg_py, which is not here", INSTALL_HINT)
    import resvg_py

    text = svg(picture).decode("utf-8")
    return bytes(resvg_py.svg_to_bytes(svg_string=text, zoom=_ZOOM))


def can_make_png() -> bool:
    """Whether the extra ``plot`` is installed."""
    return importlib.util.find_spec("resvg_py") is not None


def write_pictures(path: Path, pictures: Sequence[Picture]) -> tuple[Path, ...]:
    """Writes pictures, and returns the files.

    Args:
        path: a folder, for all of them as SVG, and as PNG where that can be made; or a file that
            ends in .svg or .png, for the first one.

    Raises:
        UsageError: a .png is asked for and cannot be made, ``path`` names a picture of another
            kind, or cannot be written.
    """
    if path.suffix.lower() in _OTHER_KINDS:
        raise UsageError(f"{path.suffix} is not written", "name a .svg, a .png or a folder")
    if path.suffix in (".svg", ".png"):
        contents = {path: png(pictures[0]) if path.suffix == ".png" else svg(pictures[0])}
    else:
        contents = {path / f"{picture.name}.svg": svg(picture) for picture in pictures}
        if can_make_png():
            contents |= {path / f"{picture.name}.png": png(picture) for picture in pictures}
    for file, content in contents.items():
        write_file(file, content)
    return tuple(contents)
