"""Plans of the fewest instructions within a budget, beside those that do without any choice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyaiot.boards import board_by_id
from tinyaiot.frontends import load
from tinyaiot.instructions import instructions_on
from tinyaiot.pipeline import PlanOptions, plan_without_limits
from tinyaiot.planner import Objective
from tinyaiot.planner.work import instructions_of
from tinyaiot.predict import predict

DIGITS = load(Path(__file__).parents[1] / "examples" / "digits" / "digits.tflite")
BOARD = board_by_id("mps2-an386")


def predicted(options: PlanOptions) -> tuple[int, int]:
    """(arena, instructions), the latter by the whole prediction, of lowered C."""
    plan = plan_without_limits(DIGITS, BOARD, options)
    found = predict(DIGITS.graph, plan, BOARD).instructions
    assert found is not None
    return plan.total_arena_bytes, found


@pytest.mark.parametrize("feed", [False, True])
def test_more_ram_never_costs_instructions(feed: bool) -> None:
    least, _ = predicted(PlanOptions(Objective.RAM, feed=feed))
    found = []
    for budget in (least, least + 64, least + 256, 2 * least, 3 * least):
        arena, count = predicted(PlanOptions(feed=feed, ram_bytes=budget))
        assert arena <= budget
        found.append(count)
    assert found == sorted(found, reverse=True)
    assert found[-1] < found[0]


@pytest.mark.parametrize("strategy", ["fast rows", "rows", "blocks", "pixels"])
def test_no_strategy_is_cheaper_in_its_own_arena(strategy: str) -> None:
    arena, count = predicted(PlanOptions(strategy=strategy))
    assert predicted(PlanOptions(ram_bytes=arena))[1] <= count


def test_speed_gives_up_ram_that_it_does_not_need() -> None:
    plain = plan_without_limits(DIGITS, BOARD, PlanOptions(Objective.SPEED, strategy="plain"))
    counts = predict(DIGITS.graph, plain, BOARD).instructions
    assert counts is not None
    arena, found = predicted(PlanOptions(Objective.SPEED))
    assert arena < plain.total_arena_bytes
    assert found <= 1.01 * counts


@pytest.mark.parametrize("feed", [False, True])
def test_ram_is_worth_what_it_takes_beyond_the_least(feed: bool) -> None:
    least, most = predicted(PlanOptions(Objective.LEAST, feed=feed))
    arena, count = predicted(PlanOptions(Objective.RAM, feed=feed))
    assert least <= arena <= 1.04 * least
    assert count <= most * (1 - 3.5 * (arena / least - 1))


def test_estimates_of_nodes_are_what_is_predicted_of_their_plan() -> None:
    for options in (PlanOptions(), PlanOptions(Objective.RAM), PlanOptions(feed=True)):
        plan = plan_without_limits(DIGITS, BOARD, options)
        core = BOARD.processor
        estimate = instructions_of(DIGITS.graph, plan, core, instructions_on(core))
        found = predict(DIGITS.graph, plan, BOARD).instructions
        assert found is not None
        assert abs(estimate - found) <= 0.01 * found
