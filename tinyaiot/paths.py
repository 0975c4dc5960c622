"""Where the data that ships with the package lies."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def data_dir(name: str) -> Path:
    """The folder ``name``: one of ``templates``, ``firmware`` or ``boards``.

    In a checkout these stand beside the package; in a wheel, inside it under ``data``.
    """
    shipped = _PACKAGE / "data" / name
    return shipped if shipped.is_dir() else _PACKAGE.parent / name
