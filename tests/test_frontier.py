"""The frontier of RAM against multiply-accumulates."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.support.builder import ModelBuilder
from tests.support.real_models import FOLDER, each_real_model
from tinyaiot.cli import cli
from tinyaiot.cores import core_by_id
from tinyaiot.frontends import tflite
from tinyaiot.graph import Graph
from tinyaiot.plan import Memory, Patches
from tinyaiot.planner import FED_STRATEGIES, STRATEGIES, plan_model
from tinyaiot.planner.frontier import FrontierPoint, frontier
from tinyaiot.planner.patches import NoSuchStripsError, patched

CORE = core_by_id("cortex-m4")
AMPLE = (Memory("ram", 1 << 28),)


@pytest.mark.slow
@pytest.mark.parametrize("feed", [False, True])
@each_real_model
def test_each_point_takes_less_ram_for_more_macs(path: Path, feed: bool) -> None:
    check_points(tflite.read(path.read_bytes(), path.stem), feed)


def test_strips_bring_visual_wake_words_below_ten_thousand_bytes() -> None:
    path = FOLDER / "vww.tflite"
    if not path.exists():
        pytest.skip(f"there is no {path.name} in {FOLDER.name}/")
    points = check_points(tflite.read(path.read_bytes(), "vww"), feed=True)
    assert min(point.arena_bytes for point in points if point.mac_factor < 1.08) <= 9_412
    assert min(point.arena_bytes for point in points if point.mac_factor < 1.04) <= 9_560


def check_points(graph: Graph, feed: bool) -> tuple[FrontierPoint, ...]:
    """Asserts that a frontier begins with the best plan without strips, and is one."""
    points = frontier(graph, CORE, feed=feed)
    table = FED_STRATEGIES if feed else STRATEGIES
    whole = [plan_model(graph, CORE, AMPLE, strategy=name, feed=feed) for name in table]
    assert points[0].extra_macs == 0
    assert points[0].arena_bytes == min(plan.total_arena_bytes for plan in whole)
    for before, after in itertools.pairwise(points):
        assert after.arena_bytes < before.arena_bytes
        assert after.extra_macs > before.extra_macs
        assert after.mac_factor > before.mac_factor >= 1
    return points


def test_the_frontier_is_printed_and_written(tmp_path: Path) -> None:
    """On an image that is wide, so that strips save something."""
    graph_file, json_file = tmp_path / "wide.tflite", tmp_path / "frontier.json"
    graph_file.write_bytes(wide_model())
    arguments = ["analyze", str(graph_file), "--feed", "rows", "--frontier"]
    result = CliRunner().invoke(cli, [*arguments, "--json", str(json_file)])
    assert result.exit_code == 0, result.output
    assert all(len(line) <= 80 for line in result.output.splitlines())
    points = json.loads(json_file.read_text())["frontier"]
    assert len(points) > 1
    for point in points:
        assert f"{point['arena_bytes']:,}" in result.output
    assert points[0]["patches"] is None
    assert points[-1]["patches"]["columns"][-1] == 6
    plotted = [line.split(" |")[0].strip() for line in result.output.splitlines() if " |" in line]
    arenas = [point["arena_bytes"] for point in points]
    labels = [int(text.replace(",", "")) for text in plotted if text]
    assert set(labels) <= set(arenas) and labels == sorted(labels, reverse=True)
    # Points that are closer than two lines share one, and its label.
    a_line = (max(arenas) - min(arenas)) / (len(plotted) - 1)
    assert all(min(abs(arena - label) for label in labels) <= a_line for arena in arenas)


def test_a_limit_takes_the_cheapest_plan_that_keeps_it() -> None:
    graph = tflite.read(wide_model(), "wide")
    for point in frontier(graph, CORE, feed=True):
        memories = (Memory("ram", point.arena_bytes),)
        plan = plan_model(graph, CORE, memories, feed=True)
        assert plan.total_arena_bytes <= point.arena_bytes
        assert plan.extra_macs == point.extra_macs


def wide_model() -> bytes:
    """Two convolutions of stride 2 at the start of a small network."""
    rng = np.random.default_rng(2)
    b = ModelBuilder("wide")
    source, channels = b.input((1, 24, 24, 3), 0.5, 3), 3
    for size, width in ((12, 16), (6, 24), (6, 8)):
        weights = rng.integers(-128, 128, (width, 3, 3, channels)).astype(np.int8)
        filters = b.constant(weights, [0.02] * width)
        out = b.tensor((1, size, size, width), 0.3, 1)
        stride = 1 if size == 6 and channels == 24 else 2
        options = {"padding": 0, "strideH": stride, "strideW": stride}
        b.op(
            "CONV_2D", [source, filters, -1], [out], **options, dilationHFactor=1, dilationWFactor=1
        )
        source, channels = out, width
    return b.build([source])


def test_strips_in_which_a_layer_does_nothing_are_left_out() -> None:
    """Padding beside the picture is outside of the inner strips."""
    rng = np.random.default_rng(4)
    b = ModelBuilder("padded")
    source = b.input((1, 16, 20, 3), 0.5, 3)
    padded = b.tensor((1, 16, 22, 3), 0.5, 3)
    around = np.array([(0, 0), (0, 0), (1, 1), (0, 0)], np.int32)
    b.op("PAD", [source, b.constant(around)], [padded])
    filters = b.constant(rng.integers(-128, 128, (24, 3, 3, 3)).astype(np.int8), [0.02] * 24)
    options = {"padding": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    wide = b.tensor((1, 14, 20, 24), 0.3, 1)
    b.op("CONV_2D", [padded, filters, -1], [wide], strideH=1, strideW=1, **options)
    filters = b.constant(rng.integers(-128, 128, (2, 3, 3, 24)).astype(np.int8), [0.02] * 2)
    out = b.tensor((1, 6, 9, 2), 0.3, 1)
    b.op("CONV_2D", [wide, filters, -1], [out], strideH=2, strideW=2, **options)
    graph = tflite.read(b.build([out]), "padded")
    with pytest.raises(NoSuchStripsError):
        patched(graph, Patches(3, (0, 3, 6, 9)), feed=True)
    points = frontier(graph, CORE, feed=True)
    assert {point.strips for point in points} <= {1, 2}
