"""Two measurements compared: what changed, what is too much, what cannot be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.handmade import DIGITS
from tinyaiot import cli
from tinyaiot.diff import Change

Document = dict[str, Any]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Document:
    """A measurement of the digits model, and its summary in Markdown as ``markdown``."""
    work = tmp_path_factory.mktemp("measured")
    json_file, markdown = work / "a.json", work / "a.md"
    command = ["measure", str(DIGITS), "--board", "mps2-an385", "--work", str(work), "-q"]
    assert cli.run([*command, "--json", str(json_file), "--markdown", str(markdown)]) == 0
    return {**json.loads(json_file.read_text()), "markdown": markdown.read_text()}


def run(folder: Path, before: object, after: object, *options: str) -> tuple[int, list[Document]]:
    """The exit code, and the comparisons."""
    for name, content in (("before", before), ("after", after)):
        (folder / f"{name}.json").write_text(json.dumps(content))
    files = [str(folder / "before.json"), str(folder / "after.json")]
    result = folder / "diff.json"
    code = cli.run(["diff", *files, "--json", str(result), *options])
    return code, json.loads(result.read_text())["comparisons"] if result.exists() else []


def fleet(**measurements: Document | None) -> Document:
    results = [{"station": name, "measurement": m} for name, m in measurements.items()]
    return {"schema_version": 1, "model": "digits", "results": results}


def test_nothing_changed(measured: Document, tmp_path: Path) -> None:
    code, [only] = run(tmp_path, measured, measured, "--limit", "0")
    assert code == 0
    assert {change["percent"] for change in only["metrics"]} == {0.0}
    assert only["layers"] == []


def test_limits(measured: Document, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layers = [dict(layer) for layer in measured["layers"]]
    more = measured["count"] // 100  # 1 % at most
    layers[2]["count"] += more
    count = measured["count"] + more
    worse = {**measured, "count": count, "flash_bytes": 1_000, "layers": layers}
    assert run(tmp_path, measured, worse)[0] == 0
    assert run(tmp_path, measured, worse, "--limit", "1")[0] == 0
    assert run(tmp_path, measured, worse, "--limit", "0.1", "--limit", "count=1")[0] == 0
    capsys.readouterr()
    code, [only] = run(tmp_path, measured, worse, "--limit", "0.1")
    assert code == 9
    assert [change["name"] for change in only["metrics"] if change["exceeds"]] == ["count"]
    assert [change["name"] for change in only["layers"]] == ["2 CONV_2D"]
    printed = capsys.readouterr()
    assert printed.err.splitlines()[0] == "error: worse than allowed: digits on mps2-an385"
    assert "  digits on mps2-an385: count" in printed.err
    assert f"{count:,}" in printed.out
    assert all(len(line) <= 80 for line in printed.out.splitlines())


def test_fleets(measured: Document, tmp_path: Path) -> None:
    smaller = {**measured, "flash_bytes": 1}
    before = fleet(one=measured, two=measured, never=None)
    code, [one, two] = run(tmp_path, before, fleet(two=smaller, one=measured), "--limit", "0")
    assert code == 0
    assert (one["name"], two["name"]) == ("digits on one", "digits on two")
    code, [one, two] = run(tmp_path, before, fleet(one=measured, two=None))
    assert code == 9
    assert (one["lost"], two["lost"]) == (False, True)


def test_two_models_or_boards(measured: Document, tmp_path: Path) -> None:
    other = {**measured, "board": "mps2-an386", "layers": measured["layers"][1:]}
    code, [only] = run(tmp_path, measured, other)
    assert code == 0
    assert only["name"] == "digits on mps2-an385 → digits on mps2-an386"
    assert only["layers"] == []


@pytest.mark.parametrize(
    ("after", "options"),
    [
        ({"no": "measurement"}, ()),
        ([], ()),
        (None, ("--limit", "speed=1")),
        (None, ("--limit", "count=little")),
        ({"counter": "cycles"}, ()),
    ],
)
def test_wrong_usage(
    after: object, options: tuple[str, ...], measured: Document, tmp_path: Path
) -> None:
    given = after
    if after is None:
        given = measured
    elif isinstance(after, dict) and "counter" in after:
        given = {**measured, **after}
    assert run(tmp_path, measured, given, *options)[0] == 2


def test_markdown(measured: Document, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    worse = {**measured, "count": 2 * measured["count"]}
    run(tmp_path, measured, worse, "--limit", "5", "--markdown", "-", "-q")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "### digits on mps2-an385"
    assert "| **instructions** | " in "\n".join(lines)
    assert "| **+100.00 %** | **+5 %** |" in "\n".join(lines)


def test_markdown_of_a_measurement(measured: Document) -> None:
    markdown = measured["markdown"]
    assert f"| instructions | {measured['count']:,} |" in markdown
    assert f"| flash, bytes | {measured['flash_bytes']:,} |" in markdown
    assert "Outputs: equal to TFLM's, bit for bit" in markdown
    table = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert len(table) == 2 * 2 + 7 + len(measured["layers"])


@given(
    before=st.integers(0, 10**9),
    after=st.integers(0, 10**9),
    limit=st.floats(0, 1000, allow_nan=False),
)
def test_a_limit_is_in_percent(before: int, after: int, limit: float) -> None:
    change = Change("count", before, after, limit)
    if after <= before:
        assert not change.exceeds
    if before == 0:
        assert change.exceeds == (after > 0)
    elif change.percent is not None and abs(change.percent - limit) > 1e-3:
        assert change.exceeds == (change.percent > limit)
