"""The command line as a user meets it: exit codes, what is printed where, what is left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.support.builder import ModelBuilder

ROOT = Path(__file__).resolve().parents[1]
DIGITS = ROOT / "examples" / "digits" / "digits.tflite"


def tinyaiot(
    *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs the command line with its output piped."""
    return subprocess.run(
        [sys.executable, "-m", "tinyaiot", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def assert_error(result: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """One line of what happened, one of what to do, and no traceback."""
    lines = result.stderr.strip().splitlines()
    assert result.returncode == code, result.stderr
    assert lines[0].startswith("error: ")
    assert lines[-1].startswith("hint: ")
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr


def unsupported_model() -> bytes:
    """Two violations, in two nodes."""
    b = ModelBuilder("unsupported")
    x = b.input([1, 4, 4, 2], 0.5)
    y = b.tensor([1, 4, 4, 2], 0.5)
    z = b.tensor([1, 4, 4, 2], 0.5)
    b.op("COS", [x], [y])
    b.op("FLOOR", [y], [z])
    return b.build([z])


def test_missing_file(tmp_path: Path) -> None:
    assert_error(tinyaiot("analyze", "absent.tflite", cwd=tmp_path), 3, "absent.tflite")


def test_unknown_kind_of_file(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no model")
    assert_error(tinyaiot("analyze", "notes.txt", cwd=tmp_path), 3, "notes.txt", ".tflite")


@pytest.mark.parametrize("content", [b"", b"no model", DIGITS.read_bytes()[:1000]])
def test_corrupt_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "corrupt.tflite").write_bytes(content)
    assert_error(tinyaiot("analyze", "corrupt.tflite", cwd=tmp_path), 3, "corrupt")


def test_unsupported_operators_are_all_listed(tmp_path: Path) -> None:
    (tmp_path / "odd.tflite").write_bytes(unsupported_model())
    result = tinyaiot("analyze", "odd.tflite", cwd=tmp_path)
    assert_error(result, 4, "node 0 COS", "node 1 FLOOR")


def test_unknown_board_names_the_known_ones(tmp_path: Path) -> None:
    result = tinyaiot("analyze", DIGITS, "--board", "arduino-uno", cwd=tmp_path)
    assert_error(result, 2, "arduino-uno", "mps2-an386")


def test_unknown_option(tmp_path: Path) -> None:
    result = tinyaiot("analyze", DIGITS, "--bord", "x", cwd=tmp_path)
    assert result.returncode == 2
    assert "--bord" in result.stderr


def test_analyze_prints_and_writes_the_same_numbers(tmp_path: Path) -> None:
    result = tinyaiot("analyze", DIGITS, "--json", "out/digits.json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    document = json.loads((tmp_path / "out" / "digits.json").read_text())
    assert document["model"] == "digits"
    assert document["macs"] == sum(layer["macs"] for layer in document["layers"])
    assert len(document["layers"]) == 12
    assert document["layers"][0]["op"] == "CONV_2D"
    assert document["arena_bytes"] >= document["lower_bound_bytes"] > 0
    for value in (document["macs"], document["arena_bytes"], document["weights_bytes"]):
        assert f"{value:,}" in result.stdout


def test_piped_output_is_plain_and_80_columns_wide(tmp_path: Path) -> None:
    for arguments in (["analyze", DIGITS], ["boards"], ["--help"], ["analyze", "--help"]):
        result = tinyaiot(*arguments, cwd=tmp_path, env={"COLUMNS": "200"})
        assert result.returncode == 0, result.stderr
        assert "\x1b" not in result.stdout
        assert max(map(len, result.stdout.splitlines())) <= 80
        assert result.stderr == ""


def test_quiet_prints_nothing(tmp_path: Path) -> None:
    result = tinyaiot("analyze", DIGITS, "-q", "--json", "digits.json", cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert (tmp_path / "digits.json").is_file()


def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = tinyaiot("analyze", DIGITS, "--json", "file/digits.json", cwd=tmp_path)
    assert_error(result, 2, "cannot write")


def test_every_command_explains_itself(tmp_path: Path) -> None:
    overview = tinyaiot("--help", cwd=tmp_path).stdout
    commands = overview.split("Commands:")[1].split("\n")
    names = [line.split()[0] for line in commands if line.strip()]
    assert "analyze" in names
    for name in names:
        text = tinyaiot(name, "--help", cwd=tmp_path).stdout
        assert f"tinyaiot {name}" in text.split("Example")[1], f"{name} has no example"


def test_version(tmp_path: Path) -> None:
    assert tinyaiot("--version", cwd=tmp_path).stdout.startswith("tinyaiot, version ")


def test_analyze_answers_in_a_second(tmp_path: Path) -> None:
    """The best of three, so that a busy machine does not fail it; with a margin for slow ones."""
    seconds = []
    for _ in range(3):
        started = time.monotonic()
        assert tinyaiot("analyze", DIGITS, cwd=tmp_path).returncode == 0
        seconds.append(time.monotonic() - started)
    assert min(seconds) < 1.5


def test_reader_that_goes_away(tmp_path: Path) -> None:
    command = f"{sys.executable} -m tinyaiot boards | head -n 1"
    result = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Error" not in result.stderr


def test_model_that_does_not_fit_names_memory_shortfall_and_layer(tmp_path: Path) -> None:
    b = ModelBuilder("large")
    x = b.input([1, 64, 64, 4], 0.5)
    y = b.tensor([1, 64, 64, 4], 0.5)
    b.op("MAX_POOL_2D", [x], [y], padding=0, strideW=1, strideH=1, filterWidth=3, filterHeight=3)
    (tmp_path / "large.tflite").write_bytes(b.build([y]))
    result = tinyaiot("analyze", "large.tflite", "--board", "stm32vldiscovery", cwd=tmp_path)
    assert_error(result, 5, "ram", "MAX_POOL_2D")
    assert "16,384" in result.stderr


def test_weights_beyond_flash(tmp_path: Path) -> None:
    b = ModelBuilder("heavy")
    x = b.input([1, 512], 0.5)
    weights = b.constant(np.zeros((512, 512), np.int8), [0.5])
    y = b.tensor([1, 512], 0.5)
    b.op("FULLY_CONNECTED", [x, weights], [y])
    (tmp_path / "heavy.tflite").write_bytes(b.build([y]))
    result = tinyaiot("analyze", "heavy.tflite", "--board", "stm32vldiscovery", cwd=tmp_path)
    assert_error(result, 5, "flash", f"{512 * 512 - 131072:,} more", "FULLY_CONNECTED")


def test_generate_writes_a_project_and_replaces_only_its_own(tmp_path: Path) -> None:
    command = ("generate", DIGITS, "--board", "mps2-an386", "-o", "firmware")
    assert tinyaiot(*command, cwd=tmp_path).returncode == 0
    project = tmp_path / "firmware"
    first = contents(project)
    assert {"Makefile", "README.md", "tinyaiot.json", "model/digits.h"} <= first.keys()
    assert tinyaiot(*command, cwd=tmp_path).returncode == 0
    assert contents(project) == first
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    result = tinyaiot(*command[:-1], "mine", cwd=tmp_path)
    assert_error(result, 2, "mine")
    assert contents(tmp_path / "mine") == {"thesis.txt": b"years of work"}


def test_failed_generate_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "odd.tflite").write_bytes(unsupported_model())
    command = ("generate", "odd.tflite", "--board", "mps2-an386", "-o", "firmware")
    assert tinyaiot(*command, cwd=tmp_path).returncode == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["odd.tflite"]


def test_two_models_in_one_project(tmp_path: Path) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(DIGITS.read_bytes())
    command = ("generate", DIGITS, other, "--board", "mps2-an386", "-o", "firmware")
    assert tinyaiot(*command, cwd=tmp_path).returncode == 0
    assert {"model/digits.h", "model/other.h"} <= contents(tmp_path / "firmware").keys()
    twice = ("generate", DIGITS, DIGITS, "--board", "mps2-an386", "-o", "twice")
    assert_error(tinyaiot(*twice, cwd=tmp_path), 2, "digits")


def contents(folder: Path) -> dict[str, bytes]:
    """All files below ``folder``, by path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
