"""Pages that are written by scripts are as the scripts write them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_operators_page_is_current() -> None:
    script = ROOT / "scripts" / "operators_doc.py"
    page = subprocess.run([sys.executable, script], capture_output=True, check=True).stdout
    committed = (ROOT / "docs" / "operators.md").read_bytes()
    assert page.decode() == committed.decode(), "run `make docs`, and commit docs/operators.md"
