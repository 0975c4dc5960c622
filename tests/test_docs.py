"""Pages that are written by scripts are as the scripts write them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import planner_doc

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("page", ["boards", "cli", "json", "operators"])
def test_page_is_current(page: str) -> None:
    script = ROOT / "scripts" / f"{page}_doc.py"
    written = subprocess.run([sys.executable, script], capture_output=True, check=True).stdout
    committed = (ROOT / "docs" / f"{page}.md").read_bytes()
    assert written.decode() == committed.decode(), f"run `make docs`, and commit docs/{page}.md"


@pytest.mark.parametrize("name", planner_doc.MAPS)
def test_memory_maps_are_current(name: str, tmp_path: Path) -> None:
    """What lies there; where, and how many bytes, changes with the kernels."""

    def titles(picture: Path) -> set[str]:
        return set(re.findall(r"<title>([^<,]*): ", picture.read_text(encoding="utf-8")))

    drawn = titles(planner_doc.draw(name, tmp_path))
    assert drawn
    assert titles(planner_doc.PICTURES / f"memory-{name}.svg") == drawn, "run `make docs`"
