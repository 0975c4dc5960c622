"""Plans of the fewest instructions within a budget, beside those that do without any choice."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tinyaiot.boards import board_by_id
from tinyaiot.errors import UsageError
from tinyaiot.frontends import load
from tinyaiot.instructions import instructions_on
from tinyaiot.pipeline import PlanOptions, plan_without_limits
from tinyaiot.plan import Memory, Plan
from tinyaiot.planner import Objective, plan_model
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


def test_a_strategy_that_cannot_be_fed_is_refused() -> None:
    with pytest.raises(UsageError, match="a plain plan cannot take inputs row by row"):
        predicted(PlanOptions(strategy="plain", feed=True))


def test_speed_gives_up_ram_that_it_does_not_need() -> None:
    plain = plan_without_limits(DIGITS, BOARD, PlanOptions(Objective.SPEED, strategy="plain"))
    counts = predict(DIGITS.graph, plain, BOARD).instructions
    assert counts is not None
    arena, found = predicted(PlanOptions(Objective.SPEED))
    assert arena < plain.total_arena_bytes
    assert found <= 1.01 * counts


@pytest.mark.parametrize("feed", [False, True])
def test_little_ram_costs_little_where_that_takes_little_more_of_it(feed: bool) -> None:
    _, usual = predicted(PlanOptions())
    least, most = predicted(PlanOptions(Objective.LEAST, feed=feed))
    arena, count = predicted(PlanOptions(Objective.RAM, feed=feed))
    # What estimates of nodes and the whole prediction differ by.
    assert count <= 1.101 * usual < most
    assert least < arena <= 7 / 6 * least


def test_the_least_ram_is_taken_where_that_costs_little() -> None:
    core = BOARD.processor

    def plan(most: float) -> Plan:
        return plan_model(
            DIGITS.graph,
            core,
            (Memory("ram", 1 << 20),),
            objective=Objective.RAM,
            most_instructions=most,
            instructions=instructions_on(core),
        )

    def count(found: Plan) -> float:
        return instructions_of(DIGITS.graph, found, core, instructions_on(core))

    least = plan(math.inf)
    most = count(least)
    assert plan(most) == least
    cheaper = plan(0.95 * most)
    assert count(cheaper) <= 0.95 * most
    assert least.total_arena_bytes < cheaper.total_arena_bytes
    # What nothing keeps to is not kept to.
    assert count(plan(0.1 * most)) <= most


def test_estimates_of_nodes_are_what_is_predicted_of_their_plan() -> None:
    for options in (PlanOptions(), PlanOptions(Objective.RAM), PlanOptions(feed=True)):
        plan = plan_without_limits(DIGITS, BOARD, options)
        core = BOARD.processor
        estimate = instructions_of(DIGITS.graph, plan, core, instructions_on(core))
        found = predict(DIGITS.graph, plan, BOARD).instructions
        assert found is not None
        assert abs(estimate - found) <= 0.01 * found
