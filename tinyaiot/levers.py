"""What would make a model fit in RAM: each way planned, none guessed, by the order of effect."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from tinyaiot.boards import Board, board_by_id, board_ids
from tinyaiot.errors import DoesNotFitError
from tinyaiot.frontends import Model
from tinyaiot.graph import Graph
from tinyaiot.pipeline import (
    PlanOptions,
    memories,
    plan_model_on,
    plan_without_limits,
)
from tinyaiot.plan import Plan
from tinyaiot.planner import STRATEGIES, NoPlanFitsError, Objective
from tinyaiot.rescale import largest_picture
from tinyaiot.summary import summarize

# To be tried alone: all that a picture does not fit would take seconds for each size.
_FINEST = tuple(STRATEGIES)[-1]


@dataclass(frozen=True)
class Lever:
    """One thing to change about a model that needs too much RAM, and what it comes to then.

    Attributes:
        change: in words; with the command line's option, where one does it.
        option: that option; None where the model has to change.
        arena_bytes: of all memories together.
        saved_bytes: how much less that is than the plan asked for takes.
        macs: of one inference, with those that are computed twice.
        fits: whether that is little enough.
        is_smaller_input: whether the model has to be trained for another size of input.
    """

    change: str
    option: str | None
    arena_bytes: int
    saved_bytes: int
    macs: int
    fits: bool
    is_smaller_input: bool = False


@dataclass(frozen=True)
class Shortage:
    """A model that does not get the RAM that it needs.

    Attributes:
        allowed_bytes: by the budget, or what the board's memories have, all together.
        asked_bytes: of the plan with the options as they are, in RAM without end.
        closest: the plan of the smallest arena without other options.
        levers: from the largest effect to the smallest; those without any are left out.
        board: the one of least RAM that takes the model as asked; None where none does, or
            where it is not a board that is too small.
    """

    allowed_bytes: int
    asked_bytes: int
    closest: Plan
    levers: tuple[Lever, ...]
    board: Board | None

    @property
    def best(self) -> Lever | None:
        """What makes it fit: by an option, else by the least change of the model."""
        fitting = [lever for lever in self.levers if lever.fits]
        return min(
            fitting, key=lambda lever: (lever.option is None, -lever.arena_bytes), default=None
        )

    def to_json(self) -> dict[str, Any]:
        """What ``analyze --json`` gives as ``shortage``."""
        return {
            "allowed_bytes": self.allowed_bytes,
            "asked_bytes": self.asked_bytes,
            "closest_bytes": self.closest.total_arena_bytes,
            "levers": [dataclasses.asdict(lever) for lever in self.levers],
            "board": None if self.board is None else self.board.id,
        }


@dataclass(frozen=True)
class Refusal:
    """Why there is no plan within the limits.

    Attributes:
        shortage: of RAM; None where it is flash that is missing.
        hint: what to do.
    """

    error: DoesNotFitError
    shortage: Shortage | None
    hint: str


def shortage_of(
    model: Model, board: Board | None, options: PlanOptions, refusal: NoPlanFitsError
) -> Shortage:
    """What is missing, and what would help.

    Args:
        refusal: of the plan with these options.
    """
    limits = [] if options.ram_bytes is None else [options.ram_bytes]
    if board is not None:
        limits.append(_ram_bytes(board))
    asked = plan_without_limits(model, board, replace(options, ram_bytes=None))
    tried = _Trial(model, board, options, asked.total_arena_bytes)
    levers = [lever for lever in tried.levers(refusal.closest) if lever.saved_bytes > 0]
    is_small_board = options.ram_bytes is None or options.ram_bytes > min(limits)
    return Shortage(
        min(limits),
        asked.total_arena_bytes,
        refusal.closest,
        tuple(sorted(levers, key=lambda lever: lever.arena_bytes)),
        smallest_board(model, options) if is_small_board else None,
    )


def smallest_board(model: Model, options: PlanOptions) -> Board | None:
    """The board of least RAM, then least flash, that takes the model as asked; None for none."""
    known = (board_by_id(board_id) for board_id in board_ids())
    boards = [board for board in known if board.processor.arch != "host"]
    boards.sort(key=lambda b: (_ram_bytes(b), b.flash.size_bytes))
    return next((board for board, _ in plans_on(model, boards, options)), None)


def plans_on(
    model: Model, boards: Iterable[Board], options: PlanOptions
) -> Iterator[tuple[Board, Plan]]:
    """Of ``boards`` those that take the model, with their plans."""
    needed: dict[str, int] = {}
    for board in boards:
        # Another board of the same core refused it, and said what would be enough.
        if _ram_bytes(board) < needed.get(board.core, 0):
            continue
        try:
            plan = plan_model_on(model, board, options)
        except NoPlanFitsError as error:
            needed[board.core] = error.closest.total_arena_bytes
        except DoesNotFitError:
            continue
        else:
            yield board, plan


def _ram_bytes(board: Board) -> int:
    return sum(memory.capacity_bytes for memory in memories(board))


@dataclass(frozen=True)
class _Trial:
    """Plans a model in other ways within the same limits.

    Attributes:
        asked_bytes: with which each is compared.
    """

    model: Model
    board: Board | None
    options: PlanOptions
    asked_bytes: int

    def levers(self, closest: Plan) -> Iterator[Lever]:
        """All that there are, in any order.

        Args:
            closest: the plan of the smallest arena with the options as they are.
        """
        options = self.options
        if not options.feed and not options.objective.is_of_ram:
            streamed = replace(options, objective=Objective.RAM, ram_bytes=None)
            plan = plan_without_limits(self.model, self.board, streamed)
            yield self._lever("--objective ram", "--objective ram", self.model, plan, False)
            if closest.total_arena_bytes < plan.total_arena_bytes:
                change = "strips of columns" if closest.extra_macs else "slower kernels"
                yield self._lever(f"streamed, {change}", None, self.model, closest, False)
        yield from self._smaller_inputs("", options)
        if options.feed or options.keep_input:
            return
        fed = replace(options, feed=True)
        plan, fits = self._plan(self.model, fed)
        yield self._lever("--feed rows", "--feed rows", self.model, plan, fits)
        if not fits:
            yield from self._smaller_inputs(" and --feed rows", fed)

    def _smaller_inputs(self, note: str, options: PlanOptions) -> Iterator[Lever]:
        """The largest picture that fits, nothing done twice; the smallest where none does."""
        options = replace(options, strategy=_FINEST)

        def planned(graph: Graph) -> tuple[Model, Plan, bool]:
            smaller = replace(self.model, graph=graph)
            return (smaller, *self._plan(smaller, options))

        found = largest_picture(self.model.graph, lambda graph: planned(graph)[2])
        if found is not None:
            lever = self._lever(f"{found.change}{note}", None, *planned(found.graph))
            yield replace(lever, is_smaller_input=True)

    def _plan(self, model: Model, options: PlanOptions) -> tuple[Plan, bool]:
        """The plan within the limits, or the closest; and whether it is within."""
        try:
            if self.board is None:
                return plan_without_limits(model, None, options), True
            return plan_model_on(model, self.board, options), True
        except NoPlanFitsError as error:
            return error.closest, False

    def _lever(
        self, change: str, option: str | None, model: Model, plan: Plan, fits: bool
    ) -> Lever:
        arena = plan.total_arena_bytes
        macs = summarize(model.graph).macs + plan.extra_macs
        return Lever(change, option, arena, self.asked_bytes - arena, macs, fits)
