"""TensorFlow, asked for by name where it is missing and kept quiet where it is there."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinyaiot.errors import UsageError


def require_tensorflow() -> Any:
    """The module ``tensorflow``; raises UsageError where it is not installed."""
    # Read when it is imported: errors only.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with silence():
            import tensorflow
    except ImportError as error:
        raise UsageError(
            "a Keras model is quantized by TensorFlow, which is not installed",
            "run: pip install tensorflow",
        ) from error
    return tensorflow


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
