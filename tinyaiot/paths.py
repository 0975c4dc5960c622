"""Where the data that ships with the package lies, and what it keeps between runs."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def data_dir(name: str) -> Path:
    """The folder ``name``: one of ``templates``, ``firmware`` or ``boards``.

    In a checkout these stand beside the package; in a wheel, inside it under ``data``.
    """
    shipped = _PACKAGE / "data" / name
    return shipped if shipped.is_dir() else _PACKAGE.parent / name


def cache_dir() -> Path:
    """A folder, made here, for what can be made again; the temporary one where none may be."""
    base = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(base) if base else Path.home() / ".cache") / "tinyaiot"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.gettempdir())
    return folder
