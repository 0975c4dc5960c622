"""What docs/hil.md shows is what happens: its commands, its code, its maps."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tinyaiot.hardware_map import Station, load_hardware_map

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "hil.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of that language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def commands(program: str) -> list[list[str]]:
    """The indented lines that call that program, as words."""
    return [shlex.split(line) for line in re.findall(rf"^    ({program} .*)$", PAGE, re.MULTILINE)]


def run(command: Sequence[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The examples in a folder where files may appear."""
    shutil.copytree(ROOT / "examples" / "digits", tmp_path / "examples" / "digits")
    shutil.copytree(ROOT / "examples" / "hil", tmp_path / "examples" / "hil")
    return tmp_path


def test_every_command_is_one_that_pytest_takes(checkout: Path) -> None:
    for command in commands("pytest"):
        if "--port" in command:
            continue  # needs that board
        result = run([*command, "--collect-only", "-q"], checkout)
        assert result.returncode == 0, result.stdout + result.stderr


def test_the_first_command(checkout: Path) -> None:
    result = run(commands("pytest")[0], checkout)
    assert result.returncode == 0, result.stdout
    assert re.search(r"^mps2-an386  6 passed, 1 skipped$", result.stdout, re.MULTILINE)


def test_the_test_on_the_page(checkout: Path) -> None:
    test, conftest = blocks("python")
    (checkout / "test_page.py").write_text(test)
    (checkout / "conftest.py").write_text(conftest)
    result = run(["pytest", "test_page.py", "--board", "mps2-an386"], checkout)
    assert "2 passed" in result.stdout, result.stdout


def test_the_map_on_the_page(tmp_path: Path) -> None:
    [text] = blocks("yaml")
    # A board file for that board is not needed to read the form of its entry.
    path = tmp_path / "map.yaml"
    path.write_text(text.replace("nucleo_l4r5zi", "mps2-an386"))
    real, one, two = load_hardware_map(path)
    assert (real.serial, real.fixtures) == ("/dev/ttyACM0", ("camera",))
    assert (one.id, two.id) == ("mps2-an386", "mps2-an386#2")
    assert one == Station("mps2-an386", id="mps2-an386")


@pytest.mark.parametrize("command", commands("tinyaiot fleet"), ids=" ".join)
def test_fleets(command: list[str], checkout: Path) -> None:
    result = run(command, checkout)
    assert result.returncode == 0, result.stderr
    for board in set(command) & {"mps2-an386", "microbit"} or {"hifive1"}:
        assert re.search(rf"^{board} .* exact *$", result.stdout, re.MULTILINE)
