"""The memory scheduler: which rows are made when, and where every byte lies.

``plan_model`` makes a plan; ``tinyaiot.planner.checker`` proves it without the planner's help.
A strategy is one function in ``STRATEGIES``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from tinyaiot.cores import Core
from tinyaiot.graph import Graph
from tinyaiot.plan import Memory, Plan
from tinyaiot.planner.plain import plain

# (graph, core, memories, keep_input) -> Plan; raises DoesNotFitError.
Strategy = Callable[[Graph, Core, Sequence[Memory], bool], Plan]

STRATEGIES: Mapping[str, Strategy] = MappingProxyType({"plain": plain})


def plan_model(
    graph: Graph,
    core: Core,
    memories: Sequence[Memory],
    *,
    keep_input: bool = False,
    strategy: str = "plain",
) -> Plan:
    """The plan of a model; the same for the same arguments.

    Args:
        memories: in order of preference; a later one is used where the earlier do not do.
        keep_input: whether the inputs' bytes must survive an inference.

    Raises:
        DoesNotFitError: no plan was found within the capacities.
    """
    return STRATEGIES[strategy](graph, core, memories, keep_input)
