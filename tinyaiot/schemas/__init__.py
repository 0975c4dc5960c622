"""What ``--json`` writes: one JSON Schema (draft 2020-12) for each kind of document.

Every document says which it is, and of which version: ``schema`` and ``schema_version``.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinyaiot.errors import UsageError

_FOLDER = Path(__file__).parent


def schema_names() -> tuple[str, ...]:
    """In alphabetical order."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))


def schema_text(name: str) -> str:
    """The schema, as its file has it; raises UsageError naming those that there are."""
    if name not in schema_names():
        raise UsageError(f"there is no schema {name!r}", f"use one of: {', '.join(schema_names())}")
    return (_FOLDER / f"{name}.json").read_text(encoding="utf-8")


def labelled(name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """``content`` as a document of that schema: with its name and version."""
    return {"schema": name, "schema_version": _version(name), **content}


@functools.cache
def _version(name: str) -> int:
    version: int = json.loads(schema_text(name))["properties"]["schema_version"]["const"]
    return version
