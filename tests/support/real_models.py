"""The real models that tests use where they are present, beside the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "shared" / "models"

_PATHS = sorted(FOLDER.glob("*.tflite"))
_ABSENT = pytest.param(None, marks=pytest.mark.skip(reason=f"no models in {FOLDER}"), id="absent")

each_real_model = pytest.mark.parametrize(
    "path", [pytest.param(path, id=path.stem) for path in _PATHS] or [_ABSENT]
)
