"""What docs/python.md shows runs, block after block, as in a notebook."""

from __future__ import annotations

import importlib.util
import inspect
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tinyaiot import api

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^(?:<!-- needs: (\w+) -->\n)?```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_block_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "examples" / "digits", tmp_path / "examples" / "digits")
    monkeypatch.chdir(tmp_path)
    notebook: dict[str, Any] = {}
    for needed, code in BLOCK.findall(PAGE):
        if needed and importlib.util.find_spec(needed) is None:
            continue
        exec(compile(code, "docs/python.md", "exec"), notebook)
    printed = capsys.readouterr().out
    assert "bit-exact: True" in printed
    assert "97 of 100 right, 100 equal to TFLM's" in printed


def test_the_table_names_all_functions() -> None:
    named = re.findall(r"^\| `(\w+)\((.*?)\)`", PAGE, re.MULTILINE)
    functions = {n for n in api.__all__ if inspect.isfunction(getattr(api, n))}
    assert {name for name, _ in named} == functions
    for name, arguments in named:
        shown = [a.split("=")[0].strip() for a in arguments.split(",") if a]
        parameters = list(inspect.signature(getattr(api, name)).parameters)
        assert parameters[: len(shown)] == shown
