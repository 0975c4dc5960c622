"""Kernels take more flash where speed is asked for, and no more than a board has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.test_levers import network
from tinyaiot.boards import Board, board_by_id
from tinyaiot.codegen.model import lower_model
from tinyaiot.cores import UNLIMITED_FLASH
from tinyaiot.flash_room import flash_limit
from tinyaiot.frontends import Model, tflite
from tinyaiot.pipeline import PlanOptions, plan_model_on
from tinyaiot.planner import Objective
from tinyaiot.summary import summarize

SPEED = PlanOptions(Objective.SPEED)


@pytest.fixture(scope="module")
def model() -> Model:
    data = network(64)
    return Model(tflite.read(data, "network"), data)


def with_flash(board: Board, nbytes: int) -> Board:
    return replace(board, flash=replace(board.flash, size_bytes=nbytes))


def constants_bytes(model: Model, board: Board, options: PlanOptions) -> int:
    plan = plan_model_on(model, board, options)
    lowered = lower_model(model.graph, plan, board.processor, "network")
    return sum(array.data.nbytes for array in lowered.arrays)


def test_constants_grow_as_far_as_flash_lets_them(model: Model) -> None:
    board = board_by_id("mps2-an386")
    least = summarize(model.graph).weights_bytes
    small = constants_bytes(model, board, PlanOptions())
    found = [
        constants_bytes(model, with_flash(board, least + room), SPEED)
        for room in range(36_000, 48_000, 100)
    ]
    assert found == sorted(found)
    assert found[0] == small and found[-1] > small and len(set(found)) > 1
    assert found[-1] == constants_bytes(model, board, SPEED)


def test_only_balanced_plans_take_no_more_flash(model: Model) -> None:
    board = board_by_id("mps2-an386")
    limits = {o: plan_model_on(model, board, PlanOptions(o)).flash_limit for o in Objective}
    assert limits.pop(Objective.BALANCED) == 0
    assert min(limits.values()) > 0


def test_without_a_board_there_is_no_limit(model: Model) -> None:
    assert flash_limit([model.graph], None) == UNLIMITED_FLASH
