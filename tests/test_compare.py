"""Two models, plans or measurements side by side, against what analyze and measure say of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.test_levers import network
from tinyaiot import cli
from tinyaiot.compare import Layer, Side, compare

DIGITS = Path(__file__).resolve().parents[1] / "examples" / "digits" / "digits.tflite"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(*arguments: str) -> dict[str, Any]:
    """What a command writes by --json."""
    assert cli.run([*arguments, "-q", "--json", "out.json"]) == 0
    document: dict[str, Any] = json.loads(Path("out.json").read_text())
    return document


def numbers(document: dict[str, Any], letter: str) -> dict[str, int | None]:
    return {number["name"]: number[letter] for number in document["numbers"]}


def test_two_plans_of_a_model_are_the_two_that_analyze_makes() -> None:
    found = written("compare", str(DIGITS), "--against", "--feed rows --board microbit")
    sides = (
        written("analyze", str(DIGITS)),
        written("analyze", str(DIGITS), "--feed", "rows", "--board", "microbit"),
    )
    for letter, side in zip("ab", sides, strict=True):
        prediction = side["prediction"] or {}
        known = {f"predicted_{key}": prediction.get(key) for key in ("instructions", "flash_bytes")}
        assert numbers(found, letter).items() <= (side | known).items()
        live = [layer[letter]["live_bytes"] for layer in found["layers"]]
        assert live == [layer["live_bytes"] for layer in side["layers"]]
    assert [side["name"] for side in found["sides"]] == [
        "digits",
        "digits on microbit, --feed rows",
    ]


def test_against_changes_only_what_it_names() -> None:
    found = written("compare", str(DIGITS), "--objective", "ram", "--against", "--keep-input")
    kept = written("analyze", str(DIGITS), "--objective", "ram", "--keep-input")
    assert numbers(found, "b")["arena_bytes"] == kept["arena_bytes"]


def test_files_and_models(capsys: pytest.CaptureFixture[str]) -> None:
    Path("network.tflite").write_bytes(network(64))
    assert cli.run(["analyze", str(DIGITS), "-q", "--json", "digits.json"]) == 0
    assert cli.run(["compare", "digits.json", "network.tflite", "--markdown", "-"]) == 0
    output = capsys.readouterr().out
    text, _, markdown = output.partition("###")
    assert max(map(len, text.splitlines())) <= 80
    for side in (written("analyze", str(DIGITS)), written("analyze", "network.tflite")):
        assert f"{side['macs']:,}" in text and f"{side['macs']:,}" in markdown


def test_measurements_and_their_plans() -> None:
    assert cli.run(["measure", str(DIGITS), "--board", "mps2-an386", "-q", "--work", "work"]) == 0
    found = written("compare", "work/plan.json", "work/measurement.json")
    measured = json.loads(Path("work/measurement.json").read_text())
    assert numbers(found, "a")["arena_bytes"] == numbers(found, "b")["arena_bytes"]
    assert numbers(found, "b")["instructions"] == measured["count"]
    assert numbers(found, "a")["instructions"] is None
    assert found["layers"] == []


def test_layers_of_one_side_only_stand_alone() -> None:
    def side(*ops: str) -> Side:
        return Side("m", "plain", {}, tuple(Layer(op, (1, 2), 3, 4, None) for op in ops))

    pairs = compare(side("A", "B", "C"), side("A", "C", "D")).layers
    names = [tuple(layer and layer.op for layer in pair) for pair in pairs]
    assert names == [("A", "A"), ("B", None), ("C", "C"), (None, "D")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([str(DIGITS)], "--against"),
        ([str(DIGITS), "--against", "--fed rows"], "--fed"),
        ([str(DIGITS), "--against", "'"], "--against"),
        ([str(DIGITS), "absent.json"], "absent.json"),
        ([str(DIGITS), "list.json"], "list.json"),
    ],
)
def test_mistakes(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("list.json").write_text("[1, 2]")
    assert cli.run(["compare", *arguments]) == 2
    assert words in capsys.readouterr().err
