"""The Pareto frontier of a model's plans: what less RAM costs in multiply-accumulates.

Without a board and without a limit: what could be had, for reports and for choosing a board.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tinyaiot.cores import Core
from tinyaiot.graph import Graph
from tinyaiot.operators import operator_of
from tinyaiot.plan import Plan
from tinyaiot.planner import FED_STRATEGIES, STRATEGIES
from tinyaiot.planner.checker import check
from tinyaiot.planner.strips import UNLIMITED, strip_plans


@dataclass(frozen=True)
class FrontierPoint:
    """A plan that no other beats both in RAM and in multiply-accumulates.

    Attributes:
        plan: checked; its arena is one piece, in a RAM without end.
        macs: what the model takes by itself, for one inference.
    """

    plan: Plan
    macs: int

    @property
    def arena_bytes(self) -> int:
        return self.plan.total_arena_bytes

    @property
    def extra_macs(self) -> int:
        """Multiply-accumulates that are done more than once."""
        return self.plan.extra_macs

    @property
    def strips(self) -> int:
        """In how many strips of columns the first layers run; 1 where they run whole."""
        return 1 if self.plan.patches is None else self.plan.patches.strips

    @property
    def mac_factor(self) -> float:
        """All multiply-accumulates over the model's own: 1.0 where nothing is done twice."""
        return 1.0 + self.extra_macs / self.macs if self.macs else 1.0

    def to_json(self) -> dict[str, Any]:
        """What ``analyze --frontier --json`` gives for each point."""
        patches = self.plan.patches
        return {
            "strategy": self.plan.strategy,
            "arena_bytes": self.arena_bytes,
            "extra_macs": self.extra_macs,
            "mac_factor": round(self.mac_factor, 6),
            "patches": None if patches is None else patches.to_json(),
        }


def frontier(
    graph: Graph, core: Core, *, keep_input: bool = False, feed: bool = False
) -> tuple[FrontierPoint, ...]:
    """The frontier of ``graph`` on ``core``, from the fewest multiply-accumulates on.

    From each point to the next the arena gets smaller and the multiply-accumulates more; there
    is at least one, and the first does nothing twice. The same for the same arguments.

    Args:
        keep_input: whether the inputs' bytes must survive an inference.
        feed: whether the rows of the inputs arrive during the inference; none is kept then.
    """
    strategies = FED_STRATEGIES if feed else STRATEGIES
    whole = (make(graph, core, (UNLIMITED,), keep_input) for make in strategies.values())
    found = [plan for plan in whole if plan is not None]
    plans = pareto([*found, *strip_plans(graph, core, keep_input, feed)])
    for plan in plans:
        check(graph, plan, core, (UNLIMITED,))
    macs = sum(operator_of(node).macs(node) for node in graph.nodes)
    return tuple(FrontierPoint(plan, macs) for plan in plans)


def pareto(plans: Iterable[Plan]) -> tuple[Plan, ...]:
    """Those plans that no other beats, by ascending MACs; of equal ones the first."""
    best: list[Plan] = []
    for plan in sorted(plans, key=lambda plan: (plan.extra_macs, plan.total_arena_bytes)):
        if not best or plan.total_arena_bytes < best[-1].total_arena_bytes:
            best.append(plan)
    return tuple(best)
