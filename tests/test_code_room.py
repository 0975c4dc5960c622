"""Kernels of larger code are taken while the image stays small."""

from __future__ import annotations

import functools
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.builder import ModelBuilder
from tinyaiot import sizes
from tinyaiot.boards import Board, board_by_id
from tinyaiot.build import build
from tinyaiot.code_room import SMALL_IMAGE_BYTES
from tinyaiot.codegen.model import lower_model
from tinyaiot.csource import Role
from tinyaiot.frontends import Model, tflite
from tinyaiot.pipeline import PlanOptions, generate, plan_together
from tinyaiot.planner import Objective

BOARD = board_by_id("mps2-an386")
MOST_TABLES = 40


def network(name: str, width: int, tables: int) -> Model:
    """A depthwise convolution, then operators that take a table of 256 bytes each."""
    b = ModelBuilder(name)
    shape = [1, 28, width, 16]
    weights = b.constant(np.ones((1, 3, 3, 16), np.int8), [0.01] * 16, axis=3)
    bias = b.constant(np.zeros(16, np.int32), [0.005] * 16)
    x, y = b.input(shape, 0.5), b.tensor(shape, 0.5)
    b.op(
        "DEPTHWISE_CONV_2D",
        [x, weights, bias],
        [y],
        padding=0,
        strideW=1,
        strideH=1,
        depthMultiplier=1,
    )
    for k in range(tables):
        x, y = y, b.tensor(shape, 0.01 + k / 1000)
        b.op("HARD_SWISH", [x], [y])
    data = b.build([y])
    return Model(tflite.read(data, name), data)


def taken(
    models: list[Model], board: Board = BOARD, objective: str = "balanced"
) -> tuple[str, ...]:
    """The files of larger code that the models' plans have."""
    plans = plan_together(models, board, PlanOptions(Objective(objective)))
    assert len({plan.large_code for plan in plans}) == 1
    return plans[0].large_code


@functools.cache
def edge(width: int) -> int:
    """With how many tables there is no room any more."""
    found = [taken([network("edge", width, tables)]) for tables in range(0, MOST_TABLES, 2)]
    first = found.index(())
    assert first > 0 and not any(found[first:])
    return 2 * first


@pytest.mark.parametrize("width", [5, 26])
def test_images_stay_small_around_the_edge(width: int, tmp_path: Path) -> None:
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    first = edge(width)
    beyond = {}
    for tables in (first - 2, first):
        model = network("edge", width, tables)
        plans = plan_together([model], BOARD, PlanOptions())
        project = tmp_path / str(tables)
        generate([model], plans, BOARD).write(project)
        image = build(project, BOARD)
        arrays = image.array_bytes
        parameters = sum(arrays[role] for role in (Role.WEIGHTS, Role.BIAS, Role.REQUANT))
        beyond[tables] = image.flash_bytes - parameters
        lowered = lower_model(model.graph, plans[0], BOARD.processor, model.name)
        predicted = sizes.beyond_parameters([lowered], BOARD.processor, BOARD)
        assert predicted is not None and abs(predicted - beyond[tables]) < 256
    assert SMALL_IMAGE_BYTES - 1024 < beyond[first - 2] <= SMALL_IMAGE_BYTES
    assert beyond[first] < beyond[first - 2]


def test_models_of_one_firmware_share_the_room() -> None:
    first = edge(5)
    one, other = network("one", 5, first // 2), network("other", 5, first // 2)
    assert taken([one]) and taken([other])
    assert not taken([one, other])


def test_a_board_has_to_hold_it() -> None:
    model = network("small", 5, 0)
    plans = plan_together([model], BOARD, PlanOptions())
    lowered = lower_model(model.graph, plans[0], BOARD.processor, model.name)
    nbytes = sizes.flash_bytes(lowered, BOARD)
    assert nbytes is not None

    def with_flash(size_bytes: int) -> Board:
        return replace(BOARD, flash=replace(BOARD.flash, size_bytes=size_bytes))

    most = plans[0].large_code
    assert most == taken([model], with_flash(nbytes + 512))
    less = taken([model], with_flash(nbytes - 512))
    small = sizes.file_bytes(most, BOARD.processor) - sizes.file_bytes(less, BOARD.processor)
    assert less != most and small > 0
    assert not taken([model], with_flash(nbytes - 4096))


@pytest.mark.parametrize("objective", ["speed", "ram", "least"])
def test_other_objectives_are_limited_by_the_board_alone(objective: str) -> None:
    model = network("large", 5, edge(5) + 4)
    assert not taken([model])
    assert taken([model], objective=objective)


def test_nothing_is_taken_where_sizes_are_not_known() -> None:
    model = network("unknown", 5, 0)
    for board_id in ("esp32dev", "host"):
        assert not taken([model], board_by_id(board_id))
