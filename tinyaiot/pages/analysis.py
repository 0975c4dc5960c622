"""The page of ``tinyaiot analyze``: what a model is, what it needs, where it fits."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinyaiot.boards import Board
from tinyaiot.cores import Core
from tinyaiot.fit import Fit
from tinyaiot.graph import Graph
from tinyaiot.levers import Refusal
from tinyaiot.pages.charts import WIDE, Limit
from tinyaiot.pages.facts import model_facts, plan_facts, prediction_section
from tinyaiot.pages.fits import fits_picture, fits_section, shortage_picture, shortage_section
from tinyaiot.pages.layers import Counts, LayerCosts, predicted_counts
from tinyaiot.pages.memory import MemoryMaps, Room, rooms_of
from tinyaiot.pages.page import Facts, Figure, Page, Section
from tinyaiot.pages.svg import Picture
from tinyaiot.pages.trade import Front, frontier_picture, frontier_section
from tinyaiot.pipeline import PlanOptions, memories
from tinyaiot.plan import Plan
from tinyaiot.planner.frontier import frontier
from tinyaiot.predict import Prediction
from tinyaiot.quantization_page import layers_section
from tinyaiot.summary import ModelSummary

# Slow to import, and not needed to run.
if TYPE_CHECKING:
    from tinyaiot.quantization import Comparison


@dataclass(frozen=True)
class Analysis:
    """What the page shows.

    Attributes:
        plan: within the limits; the closest where there is a refusal.
        board: that the plan is for; None for RAM without end.
        fits: of all boards asked for, where there are several.
        prediction: None where there is no board.
    """

    graph: Graph
    summary: ModelSummary
    plan: Plan
    board: Board | None
    fronts: tuple[Front, ...]
    refusal: Refusal | None = None
    fits: tuple[Fit, ...] = ()
    quantization: Comparison | None = None
    prediction: Prediction | None = None

    @functools.cached_property
    def maps(self) -> MemoryMaps:
        """The memory over time."""
        return MemoryMaps(self.graph, self.plan, self._rooms())

    @property
    def costs(self) -> LayerCosts:
        """The layers."""
        counts = Counts("instructions", {}, predicted_counts(self.prediction))
        return LayerCosts(self.summary, self.plan, counts)

    @property
    def limit(self) -> Limit | None:
        """All RAM that the model may have."""
        if self.refusal is not None and self.refusal.shortage is not None:
            allowed = self.refusal.shortage.allowed_bytes
            return Limit(allowed, f"allowed: {allowed:,} bytes")
        if self.board is None:
            return None
        total = sum(memory.capacity_bytes for memory in memories(self.board))
        return Limit(total, f"RAM of {self.board.id} for models: {total:,} bytes")

    def _rooms(self) -> Mapping[str, Room]:
        if self.refusal is not None and self.limit is not None:
            # The closest plan lies in one memory without end.
            room = Room(round(self.limit.value), "allowed")
            return dict.fromkeys(self.plan.arena_bytes, room)
        return {} if self.board is None else rooms_of(self.board)


def fronts_of(graph: Graph, core: Core, options: PlanOptions) -> tuple[Front, ...]:
    """The frontiers for an input in RAM, and for one that arrives by rows."""
    kept = frontier(graph, core, keep_input=options.keep_input)
    fronts = [Front("input in RAM", kept, "input")]
    if not options.keep_input:
        fronts.append(Front("fed by rows", frontier(graph, core, feed=True), "output"))
    return tuple(fronts)


def analysis_page(analysis: Analysis, command: str) -> Page:
    """The page.

    Args:
        command: that made it.
    """
    return Page(analysis.summary.name, _subtitle(analysis), command, tuple(_sections(analysis)))


def analysis_pictures(analysis: Analysis) -> tuple[Picture, ...]:
    """The same pictures for files of their own; the memory map comes first."""
    found = [] if not analysis.plan.steps else list(analysis.maps.pictures(WIDE))
    found += analysis.costs.pictures()
    found.append(frontier_picture(analysis.fronts, analysis.limit))
    if analysis.fits:
        found.append(fits_picture(analysis.fits))
    if analysis.refusal is not None and analysis.refusal.shortage is not None:
        found.append(shortage_picture(analysis.refusal.shortage))
    if analysis.quantization is not None:
        parts = layers_section(analysis.quantization).parts
        found += [part.picture for part in parts if isinstance(part, Figure)]
    return tuple(found)


def _subtitle(analysis: Analysis) -> str:
    board = analysis.board
    if board is None:
        return "planned for a Cortex-M4 with RAM without end"
    return f"planned for {board.id}: {board.name}, {board.core}"


def _sections(analysis: Analysis) -> Iterator[Section]:
    summary = analysis.summary
    facts = model_facts(summary) + plan_facts(analysis.plan)
    yield Section("Model", (Facts(facts),))
    if analysis.refusal is not None:
        refusal = analysis.refusal
        yield shortage_section(summary, refusal.error, refusal.shortage, refusal.hint)
    if analysis.fits:
        yield fits_section(summary, analysis.fits)
    if analysis.prediction is not None:
        yield prediction_section(analysis.prediction)
    yield analysis.maps.section()
    yield analysis.costs.section()
    yield frontier_section(analysis.fronts, analysis.limit)
    if analysis.quantization is not None:
        yield layers_section(analysis.quantization)
