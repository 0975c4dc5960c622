"""One model on many boards: each as if it were measured alone, and none stops the others."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.builder import ModelBuilder
from tests.support.handmade import DIGITS
from tinyaiot import cli
from tinyaiot.fleet import FleetResult, Outcome, exit_code
from tinyaiot.hardware_map import Station

MAP = """\
- {platform: mps2-an386}
- {platform: mps2-an386}
- {platform: hifive1}
- {platform: host, id: unplugged, serial: /dev/nowhere}
"""

Document = dict[str, Any]


def measured_alone(model: Path, board: str, work: Path) -> Document:
    command = ["measure", str(model), "--board", board, "--work", str(work), "-q"]
    assert cli.run(command) == 0
    document: Document = json.loads((work / "measurement.json").read_text())
    return document


def test_a_fleet_is_each_board_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "map.yaml").write_text(MAP)
    json_file, markdown = tmp_path / "fleet.json", tmp_path / "fleet.md"
    command = ["fleet", str(DIGITS), "--hardware-map", str(tmp_path / "map.yaml"), "-j", "2"]
    files = ["--json", str(json_file), "--markdown", str(markdown), "--work", str(tmp_path / "w")]
    assert cli.run([*command, *files]) == 7
    first, second, hifive, unplugged = json.loads(json_file.read_text())["results"]
    assert [first["station"], second["station"]] == ["mps2-an386", "mps2-an386#2"]
    assert first["measurement"] == second["measurement"]
    for result in (first, hifive):
        alone = measured_alone(DIGITS, result["board"], tmp_path / "alone")
        assert result["outcome"] == "measured"
        assert result["measurement"].items() <= alone.items()
        assert (result["ram_bytes"], result["flash_bytes"]) == (
            alone["ram_bytes"],
            alone["flash_bytes"],
        )
    assert unplugged["outcome"] == "failed"
    assert unplugged["exit_code"] == 7
    assert "cannot open port /dev/nowhere" in unplugged["reason"]
    printed = capsys.readouterr().out
    assert f"{first['measurement']['count']:,}" in printed
    assert "cannot open port /dev/nowhere" in printed
    assert all(len(line) <= 80 for line in printed.splitlines() if "nowhere" not in line)
    rows = [line.split("|") for line in markdown.read_text().splitlines() if line[:1] == "|"]
    assert len(rows) == 2 + 4
    assert len({len(row) for row in rows}) == 1


def test_boards_that_are_too_small(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    b = ModelBuilder("big")
    x, y = b.input([1, 100, 100, 1], 0.5), b.tensor([1, 100, 100, 1], 0.5)
    b.op("RELU", [x], [y])
    model = tmp_path / "big.tflite"
    model.write_bytes(b.build([y]))
    command = ["fleet", str(model), "--work", str(tmp_path), "-j", "2", "--markdown", "-"]
    boards = ["--board", "mps2-an385", "--board", "stm32vldiscovery"]
    assert cli.run([*command, *boards]) == 0
    printed = capsys.readouterr().out
    assert "| stm32vldiscovery | cortex-m3 | - | - | - | - | does not fit: the model " in printed
    assert "exact" in printed
    assert cli.run([*command, *boards[2:]]) == 5


def test_what_is_wrong_before_any_board(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.tflite").write_bytes(b"no model")
    assert cli.run(["fleet", str(tmp_path / "broken.tflite"), "--board", "host"]) == 3
    assert cli.run(["fleet", str(DIGITS)]) == 2
    assert cli.run(["fleet", str(DIGITS), "--board", "nowhere"]) == 2
    capsys.readouterr()


def test_a_board_out_of_reach(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Framework boards without a port; with an emulated core `all` would take the stand-in."""
    json_file = tmp_path / "fleet.json"
    command = ["fleet", str(DIGITS), "--work", str(tmp_path), "--json", str(json_file)]
    assert cli.run([*command, "--board", "esp32dev"]) == 0
    [only] = json.loads(json_file.read_text())["results"]
    assert (only["outcome"], only["measurement"]) == ("not run", None)
    assert re.search(r"^esp32dev +not run *$", capsys.readouterr().out, re.MULTILINE)


def result(outcome: Outcome, code: int = 0) -> FleetResult:
    return FleetResult(Station("host"), outcome, exit_code=code)


def test_exit_codes() -> None:
    fine, small = result(Outcome.MEASURED), result(Outcome.DOES_NOT_FIT, 5)
    assert exit_code([fine, small]) == 0
    assert exit_code([small, small]) == 5
    assert exit_code([result(Outcome.NOT_RUN), small]) == 0
    assert exit_code([small, result(Outcome.FAILED, 6), result(Outcome.FAILED, 7)]) == 6
