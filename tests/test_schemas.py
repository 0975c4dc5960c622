"""What --json writes, against the schemas, by the package jsonschema."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tinyaiot import cli
from tinyaiot.devices.connected import PortInfo
from tinyaiot.energy import Energy
from tinyaiot.schemas import schema_names, schema_text

ROOT = Path(__file__).resolve().parents[1]
DIGITS = ROOT / "examples" / "digits" / "digits.tflite"
SAMPLES = ROOT / "examples" / "digits" / "test_digits.npz"
SCHEMAS = {name: json.loads(schema_text(name)) for name in schema_names()}

# Exit code and arguments of a command line that writes a document of each kind.
COMMANDS: dict[str, tuple[int, list[str]]] = {
    "analysis": (0, ["analyze", str(DIGITS), "--board", "microbit"]),
    "analysis that does not fit": (5, ["analyze", str(DIGITS), "--ram", "1000"]),
    "fits": (0, ["analyze", str(DIGITS), "--board", "lm3s811evb", "--board", "microbit"]),
    "fleet": (0, ["fleet", str(DIGITS), "--board", "mps2-an386", "--board", "teensy41"]),
    "validation": (0, ["validate", str(DIGITS), "--board", "mps2-an386"]),
    "boards": (0, ["boards"]),
    "comparison": (0, ["compare", str(DIGITS), "--against", "--feed rows"]),
}


def assert_valid(document: dict[str, Any]) -> None:
    registry = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema)) for schema in SCHEMAS.values()
    )
    schema = SCHEMAS[document["schema"]]
    errors = Draft202012Validator(schema, registry=registry).iter_errors(document)
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


def written(folder: Path, arguments: list[str], code: int = 0) -> dict[str, Any]:
    file = folder / "out.json"
    assert cli.run([*arguments, "--json", str(file)]) == code
    document: dict[str, Any] = json.loads(file.read_text())
    return document


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_schemas_of_their_names(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$id"] == f"{name}.json"
    assert SCHEMAS[name]["properties"]["schema"] == {
        "description": "The name of this schema.",
        "const": name,
    }
    assert {"schema", "schema_version"} <= set(SCHEMAS[name]["required"])


@pytest.mark.parametrize("kind", COMMANDS)
def test_what_commands_write(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, arguments = COMMANDS[kind]
    document = written(tmp_path, arguments, code)
    assert document["schema"] == kind.split()[0]
    assert_valid(document)


def test_measurements_and_what_compares_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["measure", str(DIGITS), "--board", "mps2-an386", "--samples", str(SAMPLES)]
    measurement = written(tmp_path, command)
    assert_valid(measurement)
    energy = dataclasses.asdict(Energy(1.5, 2.5, 10, 0.1, 1000))
    assert_valid({**measurement, "energy": energy})
    (before, after) = (tmp_path / "before.json", tmp_path / "after.json")
    before.write_text(json.dumps(measurement))
    after.write_text(json.dumps({**measurement, "count": measurement["count"] + 1}))
    assert_valid(written(tmp_path, ["diff", str(before), str(after), "--limit", "1"]))


def test_boards_on_usb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ports = (PortInfo("/dev/ttyACM0", 0x0D28, 0x0204, "DAPLink", "42"),)
    monkeypatch.setattr("tinyaiot.commands.boards.serial_ports", lambda: ports)
    document = written(tmp_path, ["boards", "--connected"])
    assert document["connected"][0]["boards"]
    assert_valid(document)


def test_quantization(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
    keras.Sequential(layers).save(tmp_path / "dense.keras")
    samples = np.load(SAMPLES)
    floating = samples["inputs"].astype(np.float32).reshape(-1, 8, 8, 1)
    np.savez(tmp_path / "data.npz", inputs=floating, labels=samples["labels"])
    data = str(tmp_path / "data.npz")
    command = ["quantize", str(tmp_path / "dense.keras"), "--data", data, "--report", data]
    assert_valid(written(tmp_path, [*command, "-o", str(tmp_path / "dense.tflite")]))


def test_every_command_with_json_is_tried_here() -> None:
    assert isinstance(cli.cli, click.Group)
    context = click.Context(cli.cli)
    names = {name for name in cli.cli.list_commands(context) if writes_json(name, context)}
    tried = {arguments[0] for _, arguments in COMMANDS.values()}
    assert names == tried | {"measure", "diff", "quantize"}


def writes_json(name: str, context: click.Context) -> bool:
    command = cli.cli.get_command(context, name)
    assert command is not None
    return any(parameter.name == "json_file" for parameter in command.params)


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["schema"]) == 0
    assert capsys.readouterr().out.split() == list(schema_names())
    assert cli.run(["schema", "measurement"]) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMAS["measurement"]
    assert cli.run(["schema", "measurements"]) == 2
    assert "measurement" in capsys.readouterr().err
