"""The memory scheduler: which rows are made when, and where every byte lies.

``plan_model`` makes a plan; ``tinyaiot.planner.checker`` proves it without the planner's help.
A strategy is one function in ``STRATEGIES``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from tinyaiot.cores import Core
from tinyaiot.errors import DoesNotFitError
from tinyaiot.graph import Graph
from tinyaiot.plan import Memory, Plan
from tinyaiot.planner.checker import check
from tinyaiot.planner.explain import describe_worst_step
from tinyaiot.planner.plain import plain
from tinyaiot.planner.streaming import rows

# (graph, core, memories, keep_input) -> the best plan found, or None where none fits.
Strategy = Callable[[Graph, Core, Sequence[Memory], bool], Plan | None]

STRATEGIES: Mapping[str, Strategy] = MappingProxyType({"plain": plain, "rows": rows})

_UNLIMITED_BYTES = 1 << 40


def plan_model(
    graph: Graph,
    core: Core,
    memories: Sequence[Memory],
    *,
    keep_input: bool = False,
    strategy: str = "plain",
) -> Plan:
    """The plan of a model, checked; the same for the same arguments.

    Args:
        memories: in order of preference; a later one is used where the earlier do not do.
        keep_input: whether the inputs' bytes must survive an inference.

    Raises:
        DoesNotFitError: no plan was found within the capacities.
    """
    plan = STRATEGIES[strategy](graph, core, memories, keep_input)
    if plan is None:
        unlimited = (Memory("unlimited", _UNLIMITED_BYTES),)
        wanted = STRATEGIES[strategy](graph, core, unlimited, keep_input)
        if wanted is None:
            raise ValueError(f"strategy {strategy!r} refuses unlimited memory")
        raise _does_not_fit(graph, wanted, memories)
    check(graph, plan, core, memories)
    return plan


def _does_not_fit(graph: Graph, wanted: Plan, memories: Sequence[Memory]) -> DoesNotFitError:
    """What is missing where, the worst step with all that is in use in it, and what to try.

    Args:
        wanted: the plan in one memory without limit.
    """
    largest = max(memories, key=lambda memory: memory.capacity_bytes)
    total = sum(memory.capacity_bytes for memory in memories)
    missing = wanted.total_arena_bytes - largest.capacity_bytes
    what = (
        f"the model needs {wanted.total_arena_bytes:,} bytes of RAM, {missing:,} more than the "
        f"{largest.capacity_bytes:,} left in {largest.name}"
    )
    if len(memories) > 1:
        what += f"; spread over {', '.join(memory.name for memory in memories)} it does not fit"
    bound = (
        f"plans of this kind ({wanted.strategy}) need at least {wanted.lower_bound_bytes:,} bytes"
    )
    if wanted.lower_bound_bytes > total:
        bound += ", more than there is"
    hint = "try --objective ram or --feed rows, a smaller input, or a board with more RAM"
    return DoesNotFitError(what, hint, (*describe_worst_step(graph, wanted), bound))
