"""Heavy packages, asked for by name where they are missing and kept quiet where they are there."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinyaiot.errors import UsageError


def require(package: str, needed_by: str, extra: str) -> Any:
    """A package that not everyone has, imported.

    Args:
        needed_by: what cannot be done without it, for people.
        extra: of tinyaiot's extras, the one that it is part of.

    Raises:
        UsageError: it is not installed.
    """
    # Read when TensorFlow is imported: errors only.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with silence():
            return importlib.import_module(package)
    except ImportError as error:
        raise UsageError(
            f"{needed_by} needs the package {package}, which is not installed",
            f"run: pip install 'tinyaiot[{extra}]'",
        ) from error


def require_tensorflow() -> Any:
    """The module ``tensorflow``; raises UsageError where it is not installed."""
    return require("tensorflow", "quantization", "tensorflow")


def lite_interpreter() -> Any:
    """The interpreter of TensorFlow Lite, from LiteRT or TensorFlow, whichever there is.

    Raises:
        UsageError: neither is installed.
    """
    if importlib.util.find_spec("ai_edge_litert") is not None:
        return require("ai_edge_litert.interpreter", "a float model", "litert").Interpreter
    return require_tensorflow().lite.Interpreter


def first_line(error: Exception) -> str:
    """What a library said, as far as it fits a line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keeps what TensorFlow tells of itself, in Python and in C++, out of the terminal."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
        Path(os.devnull).open("wb") as nowhere,
    ):
        warnings.simplefilter("ignore")
        sys.stderr.flush()
        kept = os.dup(2)
        try:
            os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
