"""Which boards take a model: the plan on each of them, without a compiler or a board."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tinyaiot.boards import Board
from tinyaiot.documents import Document
from tinyaiot.errors import DoesNotFitError
from tinyaiot.frontends import Model
from tinyaiot.pipeline import PlanOptions, memories, plan_model_on
from tinyaiot.plan import Plan
from tinyaiot.predict import Prediction, predict
from tinyaiot.schemas import labelled
from tinyaiot.summary import ModelSummary


class Verdict(enum.Enum):
    """Whether a board takes a model: its RAM, and the flash as far as that is predicted."""

    FITS = "fits"
    FITS_FED = "fits by --feed rows"
    TOO_LARGE = "does not fit"


@dataclass(frozen=True)
class Fit:
    """A model on one board.

    Attributes:
        ram_bytes: what the board's memories have for models, all together.
        plan: the one asked for, or the one fed by rows; None where neither is possible.
        prediction: of that plan.
        problem: what is missing for the plan asked for, where that does not fit.
    """

    board: Board
    verdict: Verdict
    ram_bytes: int
    plan: Plan | None
    prediction: Prediction | None
    problem: str | None = None

    @property
    def image_bytes(self) -> int | None:
        """What the image takes of the flash, predicted; None where nothing is."""
        return None if self.prediction is None else self.prediction.flash_bytes

    def to_json(self) -> Document:
        """What ``analyze --json`` gives for each of several boards."""
        return {
            "board": self.board.id,
            "verdict": self.verdict.name.lower(),
            "ram_bytes": self.ram_bytes,
            "flash_bytes": self.board.flash.size_bytes,
            "strategy": None if self.plan is None else self.plan.strategy,
            "arena_bytes": None if self.plan is None else self.plan.total_arena_bytes,
            "memories": None if self.plan is None else dict(self.plan.arena_bytes),
            "prediction": None if self.prediction is None else _predicted(self.prediction),
            "problem": self.problem,
        }


def fits_of(
    model: Model,
    boards: Sequence[Board],
    options: PlanOptions,
    advance: Callable[[], None] = lambda: None,
) -> tuple[Fit, ...]:
    """A fit for each board, in the order of ``boards``.

    Args:
        advance: called after each board.
    """
    found = []
    for board in boards:
        found.append(fit_on(model, board, options))
        advance()
    return tuple(found)


def fit_on(model: Model, board: Board, options: PlanOptions) -> Fit:
    """The plan asked for; where it does not fit, the one whose input arrives by rows."""
    ram_bytes = sum(memory.capacity_bytes for memory in memories(board))
    try:
        plan = plan_model_on(model, board, options)
    except DoesNotFitError as error:
        fed = _fed_plan(model, board, options)
        if fed is None:
            return Fit(board, Verdict.TOO_LARGE, ram_bytes, None, None, error.what)
        predicted = predict(model.graph, fed, board)
        return _with_image(Fit(board, Verdict.FITS_FED, ram_bytes, fed, predicted, error.what))
    return _with_image(Fit(board, Verdict.FITS, ram_bytes, plan, predict(model.graph, plan, board)))


def _with_image(fit: Fit) -> Fit:
    """The same, too large where the flash takes the weights but not the predicted image."""
    image, flash = fit.image_bytes, fit.board.flash.size_bytes
    if image is None or image <= flash:
        return fit
    problem = f"the image needs {image:,} bytes of flash, predicted, of the {flash:,} there are"
    return replace(fit, verdict=Verdict.TOO_LARGE, problem=problem)


def smallest_fit(fits: Sequence[Fit]) -> Fit | None:
    """Of those that fit as asked, the one with least RAM, then least flash."""
    fitting = [fit for fit in fits if fit.verdict is Verdict.FITS]
    return min(fitting, key=lambda fit: (fit.ram_bytes, fit.board.flash.size_bytes), default=None)


def fits_document(summary: ModelSummary, fits: Sequence[Fit]) -> Document:
    """What ``analyze --json`` gives for several boards."""
    smallest = smallest_fit(fits)
    content = {
        "model": summary.name,
        "macs": summary.macs,
        "weights_bytes": summary.weights_bytes,
        "smallest": None if smallest is None else smallest.board.id,
        "boards": [fit.to_json() for fit in fits],
    }
    return labelled("fits", content)


def _predicted(prediction: Prediction) -> Document:
    """The totals of ``Prediction.to_json``; layers are told where there is one board."""
    return {key: value for key, value in prediction.to_json().items() if key != "layers"}


def _fed_plan(model: Model, board: Board, options: PlanOptions) -> Plan | None:
    # An input that is kept cannot be fed, and a fed one was tried already.
    if options.feed or options.keep_input:
        return None
    try:
        return plan_model_on(model, board, replace(options, feed=True))
    except DoesNotFitError:
        return None
