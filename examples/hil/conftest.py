"""Names the model that the tests of this folder deploy."""

from __future__ import annotations

from pathlib import Path

import pytest

DIGITS = Path(__file__).resolve().parents[1] / "digits"


@pytest.fixture(scope="session")
def model_path() -> Path:
    return DIGITS / "digits.tflite"


@pytest.fixture(scope="session")
def samples_path() -> Path:
    return DIGITS / "test_digits.npz"
