"""The memory map in the terminal, and the timeline below it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from rich.console import Console

from tests.support.fake import (
    CORE,
    GraphBuilder,
    fake,  # noqa: F401
    fake_operators,  # noqa: F401
    graphs,
)
from tinyaiot import cli
from tinyaiot.graph import Graph
from tinyaiot.plan import Memory
from tinyaiot.planner import plan_model
from tinyaiot.planner.explain import live_buffers
from tinyaiot.planner.timeline import lives, regions
from tinyaiot.report import Report
from tinyaiot.report_map import report_map

pytestmark = pytest.mark.usefixtures("fake_operators")
AMPLE = (Memory("ram", 1 << 40),)
DIGITS = Path(__file__).resolve().parents[1] / "examples" / "digits" / "digits.tflite"


def printed(graph: Graph, encoding: str = "utf-8", verbose: bool = False) -> list[str]:
    plan = plan_model(graph, CORE, AMPLE)
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    out = Console(file=stream, width=80, highlight=False, markup=False)
    report_map(Report(verbose=verbose, out=out), graph, plan)
    stream.seek(0)
    return stream.read().splitlines()


def two_layers() -> Graph:
    b = GraphBuilder()
    x = b.tensor(4, 8)
    y = b.window(x, 1, row_bytes=8, scratch_bytes=32)
    return b.graph([x], [b.window(y, 1, row_bytes=8)])


def test_the_map_is_a_picture() -> None:
    lines = printed(two_layers(), "ascii")
    assert lines[2] == "  ram: 96 bytes, 3 in a column"
    cells = [line.split("|")[1] for line in lines if "|" in line]
    assert len(cells) == 2
    assert {"a", "b", "#"} == set(cells[0])
    assert {"b", "c", "."} == set(cells[1])
    # The last byte of a buffer and the first of the next may share a column.
    assert cells[0].count("#") in (12, 13)
    assert any(line.startswith("  a  32 bytes, input: t0") for line in lines)


def test_the_map_is_ascii_where_the_terminal_is() -> None:
    assert "│" in "".join(printed(two_layers()))
    assert "".join(printed(two_layers(), "ascii")).isascii()


@pytest.mark.parametrize("options", [["--map"], ["-v"], ["--map", "--objective", "ram"]])
def test_analyze_prints_it_within_80_columns(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["analyze", str(DIGITS), *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("addresses from left to right" in line for line in lines)
    assert max(map(len, lines)) <= 80
    assert not any("\x1b" in line for line in lines)


@settings(max_examples=50, deadline=None)
@given(graphs(max_nodes=6))
def test_lives_and_regions_are_those_of_the_steps(graph: Graph) -> None:
    plan = plan_model(graph, CORE, AMPLE)
    live = live_buffers(graph, plan)
    found = lives(graph, plan)
    for time, buffers in enumerate(live):
        expected = sorted((b.offset_bytes, b.size_bytes) for b in buffers)
        alive = [life.buffer for life in found if life.start <= time < life.stop]
        assert sorted((b.offset_bytes, b.size_bytes) for b in alive) == expected
    cut = regions(plan)
    assert [step for region in cut for step in range(region.start, region.stop)] == list(
        range(len(plan.steps))
    )
    nodes = [node for region in cut for node in region.nodes]
    assert len(nodes) == len(set(nodes))
    for region in cut:
        steps = plan.steps[region.start : region.stop]
        assert region.live_bytes == max(step.live_bytes for step in steps)
