"""The memory scheduler: which rows are made when, and where every byte lies.

``plan_model`` makes a plan; ``tinyaiot.planner.checker`` proves it without the planner's help.
A strategy is one function in ``STRATEGIES``; the cheaper in instructions comes first.
"""

from __future__ import annotations

import enum
import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from tinyaiot.cores import Core
from tinyaiot.errors import DoesNotFitError, UsageError
from tinyaiot.graph import Graph
from tinyaiot.operators.base import PORTABLE, REFERENCE
from tinyaiot.plan import Memory, Plan
from tinyaiot.planner.cheapest import Cheapest
from tinyaiot.planner.checker import check
from tinyaiot.planner.explain import describe_worst_step
from tinyaiot.planner.kernels import Cost, cheapest_kernels
from tinyaiot.planner.plain import plain, with_room
from tinyaiot.planner.streaming import rows
from tinyaiot.planner.strips import UNLIMITED, cheapest_in_strips, strip_plans
from tinyaiot.planner.work import Instructions, rule_of_thumb

# (graph, core, memories, keep_input) -> the best plan found, or None where none fits.
Strategy = Callable[[Graph, Core, Sequence[Memory], bool], Plan | None]

# Pixels of a block at most, by strategy; None where rows are not cut into blocks.
_PIXELS = {"rows": None, "blocks": 8, "pixels": 1}


def _streaming(*, feed: bool) -> dict[str, Strategy]:
    smallest = {
        name: functools.partial(rows, feed=feed, pixels=pixels) for name, pixels in _PIXELS.items()
    }
    return {"fast rows": functools.partial(rows, feed=feed, fast=True), **smallest}


STRATEGIES: Mapping[str, Strategy] = MappingProxyType({"plain": plain, **_streaming(feed=False)})

# Those that can take the inputs row by row, as they arrive.
FED_STRATEGIES: Mapping[str, Strategy] = MappingProxyType(_streaming(feed=True))

# Strategies of which another never needs more RAM: pixels are taken only where they help.
_NEVER_SMALLEST = ("fast rows", "blocks")

# How closely the least RAM that does is looked for, as a share of it.
_PRECISION = 128

# By what share an arena may be larger than the smallest to keep to the instructions asked for; and
# where that does not do, by what shares, and how many per cent of instructions each per cent of it
# has to save.
_LARGER = 1 / 6
_HARDLY_LARGER = (0.0, 0.01, 0.015, 0.02, 0.03, 0.04)
_WORTH = 4

# By what share an arena may grow for kernels that need room, where nothing is said of RAM, and what
# share of the instructions these have to save.
_ROOM = 0.1
_WORTH_ROOM = 0.05

# What is left where nothing of these fits: kernels that take several times the instructions,
# where memory is short.
LAST_STRATEGIES = tuple(
    functools.partial(rows, slowest_tier=tier, pixels=pixels)
    for pixels in (None, 1)
    for tier in (PORTABLE, REFERENCE)
)


class Objective(enum.Enum):
    """What a plan is chosen for.

    BALANCED is as fast as weights as small as the model's, and code that the core may have, let it
    be; SPEED also takes kernels whose weights take more flash, and gives up RAM that speed does not
    need. RAM is the smallest arena that costs few instructions, if there is one not much larger
    than the smallest, which LEAST is, whatever that costs. Both take as much flash as SPEED.
    """

    BALANCED = "balanced"
    SPEED = "speed"
    RAM = "ram"
    LEAST = "least"

    @property
    def is_of_ram(self) -> bool:
        """Whether less RAM goes before fewer instructions."""
        return self in (Objective.RAM, Objective.LEAST)


class NoPlanFitsError(DoesNotFitError):
    """No plan was found within the capacities of the memories.

    Attributes:
        closest: the plan found that needs least, in one memory without limit.
    """

    def __init__(self, what: str, hint: str, details: tuple[str, ...], closest: Plan) -> None:
        super().__init__(what, hint, details)
        self.closest = closest


def plan_model(
    graph: Graph,
    core: Core,
    memories: Sequence[Memory],
    *,
    objective: Objective = Objective.BALANCED,
    keep_input: bool = False,
    feed: bool = False,
    strategy: str | None = None,
    is_budget: bool = False,
    takes_room: bool = True,
    most_instructions: float = math.inf,
    instructions: Instructions = rule_of_thumb,
    cost: Cost | None = None,
) -> Plan:
    """The plan of a model, checked; the same for the same arguments.

    Args:
        core: its limits of flash and code say what kernels may take, whatever the objective.
        memories: in order of preference; a later one is used where the earlier do not do.
        objective: LEAST takes the smallest arena, and of the plans in it that of fewest
            instructions; RAM the smallest that keeps to ``most_instructions``, if that is not much
            larger, or else one hardly larger that saves much; BALANCED the plan of fewest
            instructions that fits, SPEED the least RAM that takes no more. Where none fits,
            some layers are run in strips, with as few MACs done twice as that takes; and where that
            does not fit either, slow kernels are taken, which need less scratch.
        keep_input: whether the inputs' bytes must survive an inference.
        feed: whether the rows of the inputs arrive during the inference; none is kept then.
        strategy: the only one to try; all by default, those that can be fed where ``feed``.
        is_budget: whether a user limits the memories, so that errors do not blame a board.
        takes_room: whether the arena may grow by up to a tenth for kernels that save enough by more
            scratch, where that is not what the objective is about.
        most_instructions: that little RAM is to cost.
        instructions: what a node takes, to compare plans by.
        cost: of a node, to choose kernels by that have room in the plan; by default, those that
            come first in their tables stay.

    Raises:
        NoPlanFitsError: no plan was found within the capacities.
        UsageError: ``feed`` and ``keep_input`` exclude each other, or ``feed`` and the strategy.
    """
    if feed and keep_input:
        raise UsageError(
            "an input that is fed by rows is nowhere whole, so it cannot be kept",
            "leave out --keep-input or --feed rows",
        )
    table = FED_STRATEGIES if feed else STRATEGIES
    if strategy is not None and strategy not in table:
        raise UsageError(
            f"a {strategy} plan cannot take inputs row by row",
            "leave out --strategy or --feed rows",
        )
    if objective.is_of_ram and strategy is None:
        table = {name: make for name, make in table.items() if name not in _NEVER_SMALLEST}
    strategies = [table[name] for name in table if strategy in (None, name)]
    candidates = (make(graph, core, memories, keep_input) for make in strategies)
    fitting = (plan for plan in candidates if plan is not None)
    if objective.is_of_ram:
        plan = min(fitting, key=_arena_bytes, default=None)
    else:
        plan = next(fitting, None)
    if plan is not None and strategy is None:
        # A user's limit is there to be used; what is fed is to leave a board its RAM.
        as_small = objective.is_of_ram or (feed and not is_budget)
        limits = _arenas(plan) if as_small else memories
        search = Cheapest(graph, core, keep_input, feed, instructions)
        plan = _cheaper(search, limits, plan)
        if takes_room and not as_small:
            plan = _with_room(search, graph, core, memories, keep_input, plan)
        if objective.is_of_ram:
            plan = _worth_it(search, _smaller(search, plan, math.inf), memories, (0.0,))
            if objective is Objective.RAM and search.instructions_of(plan) > most_instructions:
                plan = _at_the_price(search, plan, memories, most_instructions)
        elif objective is Objective.SPEED:
            plan = _smaller(search, plan, search.instructions_of(plan))
    if plan is None and strategy is None:
        plan = cheapest_in_strips(graph, core, memories, keep_input, feed)
    if plan is None and strategy is None:
        slow = (make(graph, core, memories, keep_input, feed) for make in LAST_STRATEGIES)
        plan = next((found for found in slow if found is not None), None)
    if plan is None:
        wanted = [make(graph, core, (UNLIMITED,), keep_input) for make in strategies]
        if strategy is None:
            wanted += strip_plans(graph, core, keep_input, feed)
            wanted += [
                make(graph, core, (UNLIMITED,), keep_input, feed) for make in LAST_STRATEGIES
            ]
        smallest = min((plan for plan in wanted if plan is not None), key=_arena_bytes)
        raise _does_not_fit(graph, smallest, memories, is_budget)
    plan = plan.with_limits_of(core)
    if cost is not None:
        plan = cheapest_kernels(graph, plan, core, cost)
    check(graph, plan, core, memories)
    return plan


def _cheaper(search: Cheapest, memories: Sequence[Memory], plan: Plan) -> Plan:
    """``plan``, or one of fewer instructions in one of the memories."""
    if plan.strategy == "plain" and not plan.scratch_limits:
        return plan
    found = (search.plan(memory.capacity_bytes, memory.name) for memory in memories)
    plans = [plan, *(other for other in found if other is not None)]
    best = min(plans, key=search.instructions_of)
    return replace(best, lower_bound_bytes=min(p.lower_bound_bytes for p in plans))


def _with_room(
    search: Cheapest,
    graph: Graph,
    core: Core,
    memories: Sequence[Memory],
    keep_input: bool,
    plan: Plan,
) -> Plan:
    """``plan``; or where that is plain, one in an arena hardly larger, with kernels that need more
    scratch."""
    if plan.strategy != "plain" or plan.scratch_limits:
        return plan
    capacities = {memory.name: memory.capacity_bytes for memory in memories}
    for arena in _arenas(plan):
        limit = min(int((1 + _ROOM) * arena.capacity_bytes), capacities[arena.name])
        found = with_room(graph, core, Memory(arena.name, limit), keep_input)
        most = (1 - _WORTH_ROOM) * search.instructions_of(plan)
        if found is not None and search.instructions_of(found) <= most:
            return found
    return plan


def _smaller(search: Cheapest, plan: Plan, most_instructions: float) -> Plan:
    """``plan``, or the smallest found of so many instructions at most, in the same memory."""
    for arena in _arenas(plan):
        low, best = search.lower_bound_bytes, plan
        while best.total_arena_bytes - low > best.total_arena_bytes // _PRECISION:
            budget = (low + best.total_arena_bytes) // 2
            found = search.plan(budget, arena.name, quick=True)
            if found is None or search.instructions_of(found) > most_instructions:
                low = budget
            else:
                best = found
        plan = best
    return plan


def _at_the_price(
    search: Cheapest, plan: Plan, memories: Sequence[Memory], most_instructions: float
) -> Plan:
    """The smallest found of so many instructions at most, in an arena not much larger than the
    least, that of ``plan``; or if there is none, what is worth its RAM."""
    capacities = {memory.name: memory.capacity_bytes for memory in memories}
    for arena in _arenas(plan):
        limit = min(int((1 + _LARGER) * arena.capacity_bytes), capacities[arena.name])
        found = search.plan(limit, arena.name)
        if found is not None and search.instructions_of(found) <= most_instructions:
            return _smaller(search, found, most_instructions)
    return _worth_it(search, plan, memories, _HARDLY_LARGER)


def _worth_it(
    search: Cheapest, plan: Plan, memories: Sequence[Memory], shares: Sequence[float]
) -> Plan:
    """``plan``, or one in an arena larger by one of some ascending shares, where that is worth it;
    in an arena that is not larger, one of any fewer instructions."""
    capacities = {memory.name: memory.capacity_bytes for memory in memories}
    best, most = plan, search.instructions_of(plan)
    for arena, share in itertools.product(_arenas(plan), shares):
        limit = min(int((1 + share) * arena.capacity_bytes), capacities[arena.name])
        found = search.plan(limit, arena.name)
        if found is None:
            continue
        larger = max(found.total_arena_bytes / best.total_arena_bytes - 1, 0)
        count = search.instructions_of(found)
        if count < (1 - _WORTH * larger) * most:
            best, most = found, count
    return best


def _arenas(plan: Plan) -> tuple[Memory, ...]:
    """What a plan takes, as a limit to others; none where it is spread over several memories."""
    arenas = tuple(Memory(name, nbytes) for name, nbytes in plan.arena_bytes.items())
    return arenas if len(arenas) == 1 else ()


def _arena_bytes(plan: Plan) -> int:
    return plan.total_arena_bytes


def _does_not_fit(
    graph: Graph, wanted: Plan, memories: Sequence[Memory], is_budget: bool
) -> NoPlanFitsError:
    """What is missing where, the worst step with all that is in use in it, and what to try.

    Args:
        wanted: the plan in one memory without limit.
    """
    largest = max(memories, key=lambda memory: memory.capacity_bytes)
    total = sum(memory.capacity_bytes for memory in memories)
    missing = wanted.total_arena_bytes - largest.capacity_bytes
    place = "allowed" if is_budget else f"left in {largest.name}"
    what = (
        f"the model needs {wanted.total_arena_bytes:,} bytes of RAM, {missing:,} more than the "
        f"{largest.capacity_bytes:,} {place}"
    )
    if len(memories) > 1:
        what += f"; spread over {', '.join(memory.name for memory in memories)} it does not fit"
    bound = (
        f"plans of this kind ({wanted.strategy}) need at least {wanted.lower_bound_bytes:,} bytes"
    )
    if wanted.lower_bound_bytes > total:
        bound += ", more than there is"
    tries = [] if wanted.is_fed else ["--feed rows"]
    tries.append("a model with a smaller input")
    tries.append("a larger --ram" if is_budget else "a board with more RAM")
    hint = f"try {', '.join(tries[:-1])} or {tries[-1]}; tinyaiot analyze works out what would help"
    return NoPlanFitsError(what, hint, (*describe_worst_step(graph, wanted), bound), wanted)
