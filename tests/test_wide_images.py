"""Wide and low drawn images in blocks of columns: TFLM's tensors, on the host and on every core.

What windows read lies in rings of blocks here, which end amid rows.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support import differential, emulated, graphs
from tests.support.builder import ModelBuilder
from tests.test_cores import board_with_tools, drawn, variety
from tinyaiot import oracle, pipeline
from tinyaiot.cores import Core
from tinyaiot.folding import fold_padding
from tinyaiot.frontends import Model, tflite
from tinyaiot.graph import Graph
from tinyaiot.operators import operator_of
from tinyaiot.operators.blocks import blocks_a_row, in_blocks, makes_blocks, reads_windows
from tinyaiot.plan import Memory, Plan
from tinyaiot.planner import plan_model
from tinyaiot.planner.checker import check
from tinyaiot.planner.streaming import rows
from tinyaiot.planner.work import Run, rule_of_thumb

_AMPLE = (Memory("ram", 1 << 28),)
_BOARDS = (
    "microbit",
    pytest.param("mps2-an385", marks=pytest.mark.slow),
    "mps2-an386",
    "mps3-an547",
    "hifive1",
)
_MODELS = 14
_MODELS_FOR_BOARDS = 10
_MANY_MODELS = 120
_MODELS_A_BOARD = 3
# So that the smallest board holds several at once.
_MOST_ARENA_BYTES = 2000
# Of a block at most, model after model.
_PIXELS = (1, 1, 3, 3, 2, 2, 6, 6)
_VALID = 1


@functools.cache
def wide_cases(name: str, count: int) -> tuple[emulated.Case, ...]:
    """Drawn models, paddings folded as in files that users have; every other one is fed."""
    found = drawn(graphs.wide_images(), name, count)
    return tuple(
        replace(
            case,
            model=replace(case.model, graph=fold_padding(case.model.graph)),
            feed=bool(k % 2),
        )
        for k, case in enumerate(found)
    )


def in_turn(cases: Iterable[emulated.Case]) -> Iterator[tuple[emulated.Case, int]]:
    """The cases, and the pixels that a block of each may have at most."""
    return zip(cases, itertools.cycle(_PIXELS), strict=False)


def planned_in_blocks(graph: Graph, core: Core, pixels: int, feed: bool) -> Plan:
    """The plan of the smallest arena in blocks of ``pixels`` pixels, checked."""
    plan = rows(graph, core, _AMPLE, False, feed, pixels=pixels)
    assert plan is not None
    check(graph, plan, core, _AMPLE)
    return plan


def has_rings_of_blocks(graph: Graph, plan: Plan) -> bool:
    """Whether a node with windows reads a ring that may end amid a row."""
    return any(
        reads_windows(node) and plan.slots[node.input(0).index].blocks > 1 for node in graph.nodes
    )


def check_on_host(case: emulated.Case, plan: Plan) -> None:
    graph = case.model.graph
    reference = oracle.run(case.model.data, graph, case.inputs)
    differential.check_numpy(graph, reference)
    differential.check_c(graph, reference, case.inputs, plan)


def test_wide_images_equal_tflm() -> None:
    compared = 0
    for case, pixels in in_turn(wide_cases("host", _MODELS)):
        plan = planned_in_blocks(case.model.graph, differential.HOST, pixels, case.feed)
        if has_rings_of_blocks(case.model.graph, plan):
            check_on_host(case, plan)
            compared += 1
    assert compared >= _MODELS / 2


def test_kernels_of_blocks_are_what_the_rule_of_thumb_counts() -> None:
    """A kernel may need more scratch for whole rows than the plan gives it for blocks."""
    core = differential.HOST
    for case in wide_cases("host", _MODELS):
        for node in filter(makes_blocks, case.model.graph.nodes):
            operator, blocks = operator_of(node), blocks_a_row(node.output, 1)
            cut = in_blocks(node, blocks)
            limited = core.with_scratch_limit(operator.least_scratch(cut, core))
            run = Run(node, limited, cut.output.height, blocks)
            assert rule_of_thumb(run) == rule_of_thumb(replace(run, node=cut, blocks=1))


@pytest.mark.slow
def test_many_wide_images_equal_tflm() -> None:
    for case, pixels in in_turn(wide_cases("many", _MANY_MODELS)):
        graph = case.model.graph
        plan = planned_in_blocks(graph, differential.HOST, pixels, case.feed)
        check_on_host(case, plan)
        # Of fewest instructions in little more than the smallest arena; in blocks, too, or not.
        memory = Memory("ram", plan.total_arena_bytes * 9 // 8)
        check_on_host(case, plan_model(graph, differential.HOST, (memory,), feed=case.feed))


def with_rings(core: Core, memories: Sequence[Memory]) -> Iterator[emulated.Case]:
    """Models whose plans for ``core`` have rings of blocks, in small arenas."""
    for case in wide_cases("boards", _MODELS_FOR_BOARDS):
        plan = case.planned(core, memories, "pixels")
        small = plan.total_arena_bytes <= _MOST_ARENA_BYTES
        if small and has_rings_of_blocks(case.model.graph, plan):
            yield case


@pytest.mark.parametrize("board_id", _BOARDS)
def test_wide_images_on_cores_equal_tflm(board_id: str, tmp_path: Path) -> None:
    board = board_with_tools(board_id)
    found = with_rings(board.processor, pipeline.memories(board))
    cases = sorted(found, key=variety, reverse=True)[:_MODELS_A_BOARD]
    assert len(cases) == _MODELS_A_BOARD
    assert {case.feed for case in cases} == {False, True}
    emulated.check(cases, board, tmp_path, strategy="pixels")


def averaged(shape: tuple[int, ...], *windows: tuple[int, int, int]) -> bytes:
    """Convolutions of windows [height, width] and strides of one filter, without padding, and the
    mean of what they make."""
    b = ModelBuilder("m")
    x = b.input(shape, 0.5)
    for height, width, stride in windows:
        filters = b.constant(np.ones((1, height, width, shape[3]), np.int8), [0.1])
        size = ((n - k) // stride + 1 for n, k in zip(shape[1:], (height, width), strict=False))
        shape = (1, *size, 1)
        y = b.tensor(shape, 1.0)
        b.op("CONV_2D", [x, filters, -1], [y], padding=_VALID, strideH=stride, strideW=stride)
        x = y
    y = b.tensor((1, 1), 0.5)
    b.op("MEAN", [x, b.constant(np.array((1, 2), np.int32))], [y], keepDims=False)
    return b.build([y])


@pytest.mark.parametrize(
    ("shape", "windows"),
    [
        pytest.param((1, 7, 45, 1), ((3, 1, 2), (3, 5, 1), (1, 3, 2)), id="of one row"),
        pytest.param((1, 11, 56, 2), ((4, 3, 1), (2, 2, 3)), id="after a cut"),
    ],
)
@pytest.mark.parametrize("feed", [False, True])
def test_means_of_wide_images_are_planned(
    shape: tuple[int, ...], windows: tuple[tuple[int, int, int], ...], feed: bool
) -> None:
    data = averaged(shape, *windows)
    graph = tflite.read(data, "m")
    x = np.arange(math.prod(shape)).astype(np.int8).reshape(shape)
    plan = planned_in_blocks(graph, differential.HOST, 1, feed)
    assert plan.blocks
    check_on_host(emulated.Case(Model(graph, data), [x]), plan)
