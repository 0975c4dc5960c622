"""Options of the test suite."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--drawn", type=int, default=0, metavar="N", help="draw N models at random, not the fixed"
    )
