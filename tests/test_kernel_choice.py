"""Which kernels a plan's nodes get, where cycles and the order of their tables disagree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tinyaiot.boards import board_by_id
from tinyaiot.frontends import load
from tinyaiot.instructions import cycles_on
from tinyaiot.operators import operator_of
from tinyaiot.operators.blocks import in_blocks
from tinyaiot.pipeline import memories
from tinyaiot.plan import Plan
from tinyaiot.planner import plan_model
from tinyaiot.planner.checker import check
from tinyaiot.planner.kernels import Cost, cheapest_kernels
from tinyaiot.planner.work import Run, runs_of

DIGITS = load(Path(__file__).parents[1] / "examples" / "digits" / "digits.tflite").graph
BOARD = board_by_id("mps2-an386")
CORE = BOARD.processor
STRATEGIES = (None, "fast rows", "pixels")


def plan_of(strategy: str | None, cost: Cost | None = None) -> Plan:
    return plan_model(DIGITS, CORE, memories(BOARD), strategy=strategy, cost=cost)


def function_of(run: Run) -> str:
    """Of the kernel that it calls; empty where it calls none."""
    operator, node = operator_of(run.node), in_blocks(run.node, run.blocks)
    return operator.kernel(node, run.core).function if operator.kernels else ""


def functions(plan: Plan) -> list[str]:
    return [function_of(run) for run in runs_of(DIGITS, plan, CORE)]


def costs_of(each: Mapping[str, float], usual: float = 1.0) -> Cost:
    """Of what runs, by its kernel."""
    return lambda run: each.get(function_of(run), usual)


def dearest_first(plan: Plan) -> dict[str, float]:
    """Costs under which less scratch is cheaper, for all kernels that the nodes may have."""
    sizes: dict[str, int] = {}
    for run in runs_of(DIGITS, plan, CORE):
        node = in_blocks(run.node, run.blocks)
        for kernel in operator_of(run.node).applying(node, run.core):
            size = kernel.scratch_bytes(node, run.core)
            sizes[kernel.function] = max(size, sizes.get(kernel.function, 0))
    return {name: 1.0 + size for name, size in sizes.items()}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_node_has_the_cheapest_kernel_of_its_tier(strategy: str | None) -> None:
    plan = plan_of(strategy)
    cost = costs_of(dearest_first(plan))
    chosen = cheapest_kernels(DIGITS, plan, CORE, cost)
    check(DIGITS, chosen, CORE, memories(BOARD))
    assert functions(chosen) != functions(plan)
    for before, after in zip(
        runs_of(DIGITS, plan, CORE), runs_of(DIGITS, chosen, CORE), strict=True
    ):
        node = in_blocks(after.node, after.blocks)
        operator = operator_of(after.node)
        if not operator.kernels:
            continue
        tier = operator.kernel(node, before.core).tier
        limits = {k.scratch_bytes(node, before.core) for k in operator.applying(node, before.core)}
        allowed = [
            run
            for limit in limits
            if limit <= operator.kernel(node, before.core).scratch_bytes(node, before.core)
            and (run := replace(before, core=before.core.with_scratch_limit(limit)))
            and operator.kernel(node, run.core).tier == tier
        ]
        least = min(cost(run) or 0.0 for run in allowed)
        # What saves less than a few percent is left.
        assert (cost(after) or 0.0) <= least / 0.97


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_kernels_stay_without_a_reason(strategy: str | None) -> None:
    plan = plan_of(strategy)
    same: Cost = lambda run: 1000.0  # noqa: E731
    unknown: Cost = lambda run: None  # noqa: E731
    assert cheapest_kernels(DIGITS, plan, CORE, same) == plan
    assert cheapest_kernels(DIGITS, plan, CORE, unknown) == plan


def test_code_that_saves_little_is_not_brought() -> None:
    plan = plan_of(None)
    dearer = dearest_first(plan)
    present = set(functions(plan))
    brought = set(functions(cheapest_kernels(DIGITS, plan, CORE, costs_of(dearer)))) - present
    assert brought

    def mostly_elsewhere(run: Run) -> float:
        """One node costs so much that nothing else counts."""
        is_last = run.node.index == DIGITS.nodes[-1].index
        return 1e9 if is_last else dearer.get(function_of(run), 1.0)

    chosen = cheapest_kernels(DIGITS, plan, CORE, mostly_elsewhere)
    assert not brought & set(functions(chosen))


@pytest.mark.parametrize("board_id", ["mps2-an385", "mps2-an386"])
def test_choice_by_cycles_never_predicts_more_of_them(board_id: str) -> None:
    board = board_by_id(board_id)
    core = board.processor
    cost = cycles_on(core)
    assert cost is not None
    for strategy in STRATEGIES:
        plan = plan_model(DIGITS, core, memories(board), strategy=strategy)
        chosen = cheapest_kernels(DIGITS, plan, core, cost)
        assert chosen.arena_bytes == plan.arena_bytes
        before = [cost(run) for run in runs_of(DIGITS, plan, core)]
        after = [cost(run) for run in runs_of(DIGITS, chosen, core)]
        pairs = zip(before, after, strict=True)
        assert all(b is None or (a is not None and a <= b) for b, a in pairs)


@pytest.mark.parametrize("board_id", ["microbit", "mps3-an547", "hifive1"])
def test_cores_without_documented_timings_choose_by_their_tables(board_id: str) -> None:
    assert cycles_on(board_by_id(board_id).processor) is None
