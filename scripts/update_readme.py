"""Writes the parts of README.md that are output of commands, between their markers.

python scripts/update_readme.py
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
MEASUREMENTS = ROOT / "docs" / "measurements.md"
DEMO = (
    "tinyaiot measure examples/digits/digits.tflite --board mps2-an386",
    "--samples examples/digits/test_digits.npz",
)


def main() -> None:
    text = README.read_text(encoding="utf-8")
    for name, content in _contents():
        text = replaced(text, name, content)
    README.write_text(text, encoding="utf-8")


def _contents() -> Iterator[tuple[str, str]]:
    yield "demo", demo()
    yield "boards", boards()
    yield "measured", measured("main")
    yield "streamed", measured("streamed")


def demo() -> str:
    """The transcript of what `make demo` runs."""
    command = f"    $ {DEMO[0]} \\\n          {DEMO[1]}\n"
    return command + indented(output(" ".join(DEMO)))


def boards() -> str:
    return indented(output("tinyaiot boards"))


def measured(name: str) -> str:
    """A table of docs/measurements.md."""
    return block(MEASUREMENTS.read_text(encoding="utf-8"), name)


def output(command: str) -> str:
    """What a command line of ours prints, run in the checkout."""
    _, *arguments = command.split()
    run = [sys.executable, "-m", "tinyaiot", *arguments]
    return subprocess.run(run, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def indented(text: str) -> str:
    return "".join(f"    {line}".rstrip() + "\n" for line in text.splitlines())


def block(text: str, name: str) -> str:
    """What stands between the markers of that name."""
    match = re.search(_pattern(name), text, re.DOTALL)
    if match is None:
        raise LookupError(f"there is no block {name!r}")
    return match[2]


def replaced(text: str, name: str, content: str) -> str:
    """``text`` with ``content`` between the markers of that name."""
    return re.sub(_pattern(name), lambda m: f"{m[1]}\n{content}{m[3]}", text, flags=re.DOTALL)


def _pattern(name: str) -> str:
    return rf"(<!-- begin: {name} -->\n)\n?(.*?)(<!-- end: {name} -->)"


if __name__ == "__main__":
    main()
