"""Writes the memory maps of docs/planner.md into docs/pictures.

python scripts/planner_doc.py
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from tinyaiot import cli

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "examples" / "digits" / "digits.tflite"
PICTURES = ROOT / "docs" / "pictures"

# The options of the plan that a picture is of.
MAPS: Mapping[str, tuple[str, ...]] = {
    "plain": (),
    "rows": ("--objective", "ram"),
    "fed": ("--feed", "rows"),
}


def main() -> None:
    for name in MAPS:
        draw(name, PICTURES)


def draw(name: str, folder: Path) -> Path:
    """The memory map of that plan, as FOLDER/memory-NAME.svg."""
    path = folder / f"memory-{name}.svg"
    code = cli.run(["analyze", str(MODEL), "--quiet", *MAPS[name], "--plot", str(path)])
    if code != 0:
        sys.exit(code)
    return path


if __name__ == "__main__":
    main()
