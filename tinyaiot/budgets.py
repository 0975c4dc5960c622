"""Budgets of flash and time: whether a model keeps them, and what would help where it does not.

Both are judged before anything is built: by the predicted image where there is a prediction, by the
weights alone where there is none, and by an estimate of the time that says what it assumes.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tinyaiot.boards import Board, board_by_id, board_ids
from tinyaiot.errors import DoesNotFitError, UsageError
from tinyaiot.frontends import Model
from tinyaiot.levers import plans_on
from tinyaiot.pipeline import PlanOptions, plan_model_on, plan_without_limits
from tinyaiot.plan import Plan
from tinyaiot.planner import Objective
from tinyaiot.predict import predict
from tinyaiot.rescale import largest_picture
from tinyaiot.summary import Layer, summarize

_LARGEST_LAYERS = 3
_ONE_A_CYCLE = (
    "if each predicted instruction took one cycle of the clock; wait states and stalls add to "
    "that, a second pipeline (Cortex-M7) takes from it"
)
_WEIGHTS_ALONE = "weights alone; code is not counted"
_PREDICTED = "predicted: weights, constants, code and harness"


class Resource(enum.Enum):
    """What a budget is of; the value is its unit."""

    FLASH = "bytes of flash"
    TIME = "ms"


@dataclass(frozen=True)
class Need:
    """What an inference, or an image, takes.

    Attributes:
        basis: where the number comes from.
        is_least: whether it is more, by what is not known.
    """

    amount: float
    basis: str
    is_least: bool = False


@dataclass(frozen=True)
class Way:
    """One thing to change, and what is needed with it.

    Attributes:
        option: that does it on the command line; None where the model has to change.
        basis: where the amount comes from.
    """

    change: str
    option: str | None
    amount: float
    fits: bool
    basis: str


@dataclass(frozen=True)
class Overrun:
    """A budget that a model exceeds.

    Attributes:
        ways: from the largest effect to the smallest; those without any are left out.
        largest: of flash, the layers with most weights.
    """

    resource: Resource
    allowed: float
    need: Need
    ways: tuple[Way, ...]
    largest: tuple[Layer, ...] = ()

    @property
    def best(self) -> Way | None:
        """What keeps the budget: by an option, else by the least change."""
        fitting = [way for way in self.ways if way.fits]
        return min(fitting, key=lambda way: (way.option is None, -way.amount), default=None)

    def to_json(self) -> dict[str, Any]:
        """What ``analyze --json`` gives for each in ``overruns``."""
        return {
            "resource": self.resource.name.lower(),
            "unit": self.resource.value,
            "allowed": self.allowed,
            "needed": self.need.amount,
            "basis": self.need.basis,
            "ways": [dataclasses.asdict(way) for way in self.ways],
            "largest_layers": [layer.index for layer in self.largest],
        }


def flash_need(model: Model, plan: Plan, board: Board | None) -> Need:
    """Bytes of flash: of the whole image where that is predicted."""
    predicted = None if board is None else predict(model.graph, plan, board).flash_bytes
    if predicted is not None:
        return Need(predicted, _PREDICTED)
    return Need(summarize(model.graph).weights_bytes, _WEIGHTS_ALONE, is_least=True)


def time_need(model: Model, plan: Plan, board: Board) -> Need | None:
    """Milliseconds of an inference, an estimate; None where too little is known for one."""
    prediction = predict(model.graph, plan, board)
    if prediction.milliseconds is not None:
        return Need(prediction.milliseconds, prediction.milliseconds_basis)
    if prediction.instructions is None or not board.clock_hz:
        return None
    return Need(1e3 * prediction.instructions / board.clock_hz, _ONE_A_CYCLE)


@dataclass(frozen=True)
class Budgets:
    """Limits beside that of RAM; None for none."""

    flash_bytes: int | None = None
    milliseconds: float | None = None

    def overruns(
        self, model: Model, plan: Plan, board: Board | None, options: PlanOptions
    ) -> tuple[Overrun, ...]:
        """The budgets that the plan of a model does not keep.

        Raises:
            UsageError: --ms without a board, or on one of which too little is known.
        """
        return tuple(self._overruns(_Asked(model, board, options), plan))

    def _overruns(self, asked: _Asked, plan: Plan) -> Iterator[Overrun]:
        given = [] if self.flash_bytes is None else [self.flash_bytes]
        limits = given + ([] if asked.board is None else [asked.board.flash.size_bytes])
        if limits:
            need = flash_need(asked.model, plan, asked.board)
            if need.amount > min(limits):
                yield asked.flash_overrun(need, min(limits))
        if self.milliseconds is not None:
            if asked.board is None:
                raise UsageError("--ms needs a clock to count by", "name a board: --board ID")
            time = time_need(asked.model, plan, asked.board)
            if time is None:
                raise UsageError(
                    f"--ms cannot be judged: too little is known of time on {asked.board.id}",
                    "tinyaiot analyze --board says what is; measure it, or name another board",
                )
            if time.amount > self.milliseconds:
                yield asked.time_overrun(time, self.milliseconds, asked.board)


@dataclass(frozen=True)
class _Asked:
    """A model, and how it was to be planned; finds other ways."""

    model: Model
    board: Board | None
    options: PlanOptions

    def flash_overrun(self, need: Need, allowed: int) -> Overrun:
        board = self.board
        ways = [*self._ways(need, allowed, lambda model, plan: flash_need(model, plan, board))]
        if board is not None and allowed == board.flash.size_bytes:
            ways += self._next_board(
                board,
                lambda other: other.flash.size_bytes,
                lambda other, plan: flash_need(self.model, plan, other),
                lambda other: other.flash.size_bytes,
            )
        layers = sorted(summarize(self.model.graph).layers, key=lambda one: -one.weights_bytes)
        return Overrun(
            Resource.FLASH, allowed, need, _ordered(ways), tuple(layers[:_LARGEST_LAYERS])
        )

    def time_overrun(self, need: Need, allowed: float, board: Board) -> Overrun:
        def needed(model: Model) -> float:
            plan = self._plan(model, self.options)
            need = None if plan is None else time_need(model, plan, board)
            return math.inf if need is None else need.amount

        ways = [*self._ways(need, allowed, lambda model, plan: time_need(model, plan, board))]
        ways += self._next_board(
            board,
            lambda other: other.clock_hz,
            lambda other, plan: time_need(self.model, plan, other),
            lambda _: allowed,
        )
        found = largest_picture(
            self.model.graph, lambda graph: needed(replace(self.model, graph=graph)) <= allowed
        )
        amount = math.inf
        if found is not None:
            amount = needed(replace(self.model, graph=found.graph))
        if found is not None and amount < need.amount:
            ways.append(Way(found.change, None, amount, found.fits, need.basis))
        return Overrun(Resource.TIME, allowed, need, _ordered(ways))

    def _ways(
        self, need: Need, allowed: float, needs: Callable[[Model, Plan], Need | None]
    ) -> Iterator[Way]:
        """Options of the plan that were not asked for, and help."""
        others = {
            "--objective balanced": replace(self.options, objective=Objective.BALANCED),
            "--objective speed": replace(self.options, objective=Objective.SPEED),
            "--objective ram": replace(self.options, objective=Objective.RAM),
            "--feed ram": replace(self.options, feed=False),
        }
        for option, options in others.items():
            plan = None if options == self.options else self._plan(self.model, options)
            other = None if plan is None else needs(self.model, plan)
            if other is not None and other.amount < need.amount:
                yield Way(option, option, other.amount, other.amount <= allowed, other.basis)

    def _next_board(
        self,
        board: Board,
        size: Callable[[Board], int],
        need_on: Callable[[Board, Plan], Need | None],
        allowed_on: Callable[[Board], float],
    ) -> Iterator[Way]:
        """Of the boards of larger ``size``, the least that is enough; the largest if none is."""
        known = (board_by_id(board_id) for board_id in board_ids())
        larger = (b for b in known if size(b) > size(board) and b.processor.arch != "host")
        way = None
        for other, plan in plans_on(self.model, sorted(larger, key=size), self.options):
            need = need_on(other, plan)
            if need is None:
                continue
            option = f"--board {other.id}"
            fits = need.amount <= allowed_on(other)
            way = Way(option, option, need.amount, fits, need.basis)
            if way.fits:
                break
        if way is not None:
            yield way

    def _plan(self, model: Model, options: PlanOptions) -> Plan | None:
        try:
            if self.board is None:
                return plan_without_limits(model, None, options)
            return plan_model_on(model, self.board, options)
        except DoesNotFitError:
            return None


def _ordered(ways: Sequence[Way]) -> tuple[Way, ...]:
    return tuple(sorted(ways, key=lambda way: way.amount))
