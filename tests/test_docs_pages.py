"""What the tutorial and the how-to pages show runs: their files and commands, from first to last.

A comment of HTML before a block says what is special about it:

    <!-- file: NAME -->        the block is that file
    <!-- exit: N -->           the commands end with that code
    <!-- needs: MODULE -->     the commands need a Python module; STAND_INS has what they would make
    <!-- not run: REASON -->   the commands are not for this computer
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from tinyaiot import cli

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [DOCS / "tutorial.md", DOCS / "planner.md", *sorted((DOCS / "howto").glob("*.md"))]
STAND_INS = {"tutorial": ("shapes.tflite",)}
REASONS = {"sets up the very thing that runs this page", "needs the board on the desk"}

BLOCK = re.compile(
    r"(?:^<!-- (?P<kind>[\w ]+): (?P<value>[^\n]+) -->\n)?"
    r"^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block and the comment before it, if any."""

    kind: str | None
    value: str | None
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(**match.groupdict()) for match in BLOCK.finditer(text)]


def run(commands: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "XDG_CONFIG_HOME": str(cwd / ".config"),
    }
    environment.pop("TINYAIOT_BOARDS", None)
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", commands]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page(page: Path, tmp_path: Path) -> None:
    for name in ("digits", "vibration"):
        shutil.copytree(ROOT / "examples" / name, tmp_path / "examples" / name)
    for name in STAND_INS.get(page.stem, ()):
        shutil.copy(ROOT / "tests" / "support" / name, tmp_path)
    for block in blocks(page):
        if block.kind == "file":
            assert block.value is not None
            path = tmp_path / block.value
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "sh" and can_run(block):
            done = run(block.text, tmp_path)
            expected = int(block.value or 0) if block.kind == "exit" else 0
            assert done.returncode == expected, f"{block.text}{done.stdout}{done.stderr}"


def can_run(block: Block) -> bool:
    if block.kind == "not run":
        assert block.value in REASONS
        return False
    return block.kind != "needs" or importlib.util.find_spec(str(block.value)) is not None


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), target


def test_the_index_names_every_page() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        assert page.name == "README.md" or f"({page.relative_to(DOCS)})" in index


def test_every_command_named_is_one() -> None:
    known = cli.cli.list_commands(click.Context(cli.cli))
    for page in (ROOT / "README.md", *DOCS.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r"^ {4,}(?:\$ )?tinyaiot ([a-z]+)\b", text, re.MULTILINE):
            assert name in known, f"{page.name}: tinyaiot {name}"
