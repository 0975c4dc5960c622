"""Pages that are written by scripts are as the scripts write them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("page", ["operators", "json"])
def test_page_is_current(page: str) -> None:
    script = ROOT / "scripts" / f"{page}_doc.py"
    written = subprocess.run([sys.executable, script], capture_output=True, check=True).stdout
    committed = (ROOT / "docs" / f"{page}.md").read_bytes()
    assert written.decode() == committed.decode(), f"run `make docs`, and commit docs/{page}.md"
