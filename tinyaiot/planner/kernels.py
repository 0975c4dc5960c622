"""The kernels of a plan's nodes: those that cost least of what the plan has scratch for.

Tables of kernels go from the fastest to the slowest, but which is fastest also depends on a
layer's shape, and on whether instructions are counted or cycles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tinyaiot.cores import Core
from tinyaiot.graph import Graph
from tinyaiot.plan import Plan
from tinyaiot.planner.work import Run, runs_of

# What a node costs in an inference; None where too little is known to choose by.
Cost = Callable[[Run], float | None]

# Of what a layer costs, what another kernel has to save: costs are predictions.
_LEAST_SAVED = 0.03
# Of what the model costs, what has to be saved by a kernel whose code it has not yet.
_WORTH_ITS_CODE = 0.02


@dataclass(frozen=True)
class _Choice:
    """Another kernel for a node.

    Attributes:
        function: of the kernel.
        limit: of scratch, in bytes, under which the node has it.
        saved: of the node's cost.
    """

    node: int
    function: str
    limit: int
    saved: float


def cheapest_kernels(graph: Graph, plan: Plan, core: Core, cost: Cost) -> Plan:
    """``plan`` with limits of scratch that leave nodes the cheapest of their kernels.

    Only kernels of the first one's tier are compared: of others, predictions tell less. What
    brings code that the model would not have must be worth that.
    """
    runs = [run for run in runs_of(graph, plan, core) if run.kernels]
    costs = [cost(run) for run in runs]
    total = sum(found for found in costs if found is not None)
    choices = [
        choice
        for run, found in zip(runs, costs, strict=True)
        if found is not None and (choice := _cheapest(run, found, cost)) is not None
    ]
    saved: dict[str, float] = {}
    for choice in choices:
        saved[choice.function] = saved.get(choice.function, 0.0) + choice.saved
    present = {run.kernel.function for run in runs}
    limits = {
        choice.node: choice.limit
        for choice in choices
        if choice.function in present or saved[choice.function] >= _WORTH_ITS_CODE * total
    }
    return replace(plan, scratch_limits={**plan.scratch_limits, **limits})


def _cheapest(run: Run, least: float, cost: Cost) -> _Choice | None:
    """None where the plan's kernel, which costs ``least``, is to stay."""
    first = run.kernel
    enough = least * (1 - _LEAST_SAVED)
    best = None
    for kernel in run.kernels:
        limit = kernel.scratch_bytes(run.called, run.core)
        limited = replace(run, core=run.core.with_scratch_limit(limit))
        taken = limited.kernel
        if taken.tier != first.tier or limit >= first.scratch_bytes(run.called, run.core):
            continue
        found = cost(limited)
        if found is not None and found < enough:
            enough = found
            best = _Choice(run.node.index, taken.function, limit, least - found)
    return best
