"""The frontier of RAM against multiply-accumulates."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.support.real_models import each_real_model
from tinyaiot.cores import core_by_id
from tinyaiot.frontends import tflite
from tinyaiot.plan import Memory
from tinyaiot.planner import FED_STRATEGIES, STRATEGIES, plan_model
from tinyaiot.planner.frontier import frontier

CORE = core_by_id("cortex-m4")
AMPLE = (Memory("ram", 1 << 28),)


@pytest.mark.parametrize("feed", [False, True])
@each_real_model
def test_each_point_takes_less_ram_for_more_macs(path: Path, feed: bool) -> None:
    graph = tflite.read(path.read_bytes(), path.stem)
    points = frontier(graph, CORE, feed=feed)
    table = FED_STRATEGIES if feed else STRATEGIES
    whole = [plan_model(graph, CORE, AMPLE, strategy=name, feed=feed) for name in table]
    assert points[0].extra_macs == 0
    assert points[0].arena_bytes == min(plan.total_arena_bytes for plan in whole)
    for before, after in itertools.pairwise(points):
        assert after.arena_bytes < before.arena_bytes
        assert after.extra_macs > before.extra_macs
        assert after.mac_factor > before.mac_factor >= 1
