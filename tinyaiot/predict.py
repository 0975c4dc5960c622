"""What a model will take on a board, without a compiler, an emulator or the board.

Counts come from loops' trips (``tinyaiot.costs``) and what they were measured to cost on an
emulated core (``tinyaiot.calibrations``). Nothing here is measured: whoever shows it calls it
predicted, and times an estimate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tinyaiot import sizes
from tinyaiot.boards import Board
from tinyaiot.calibrations import Calibration, KernelCost, calibration_of, digest_of, family_of
from tinyaiot.codegen.model import LoweredModel, lower_model
from tinyaiot.codegen.program import RowProgram, WholeLayer
from tinyaiot.costs import features, has_own_form
from tinyaiot.csource import Lowered
from tinyaiot.graph import Graph, Node
from tinyaiot.loops import Work
from tinyaiot.plan import Plan
from tinyaiot.planner.patches import planned_graph

# Beyond what was measured by no more than this, costs still hold.
_RANGE_MARGIN = 1.5


@dataclass(frozen=True)
class LayerPrediction:
    """A node of the graph.

    Attributes:
        kernels: functions that compute it; none for what is no work.
        instructions: predicted; None where a kernel was not calibrated for the core.
        in_range: whether layers of its size were among those of the calibration.
        is_stale: whether its kernels have changed since.
        cycles: an estimate; None where there is none for the core.
    """

    index: int
    op: str
    kernels: tuple[str, ...]
    instructions: int | None
    in_range: bool
    is_stale: bool
    cycles: int | None


@dataclass(frozen=True)
class Prediction:
    """A model, planned, on a board.

    Attributes:
        basis: where the counts come from, in words.
        instructions: of one inference; None where a layer's are unknown.
        arena_bytes: exactly; all memories together.
        ram_bytes: static RAM, arenas included; None where the board was not calibrated.
        flash_bytes: of the whole image; None where board or kernels were not calibrated.
        milliseconds: an estimate; None where cycles or the board's clock are unknown.
        milliseconds_basis: what the estimate assumes, or why there is none.
    """

    board: str
    basis: str
    layers: tuple[LayerPrediction, ...]
    instructions: int | None
    arena_bytes: int
    ram_bytes: int | None
    flash_bytes: int | None
    milliseconds: float | None
    milliseconds_basis: str

    @property
    def unknown(self) -> tuple[LayerPrediction, ...]:
        """Layers whose kernels were not calibrated."""
        return tuple(layer for layer in self.layers if layer.instructions is None)

    @property
    def out_of_range(self) -> tuple[LayerPrediction, ...]:
        """Layers larger or smaller than any of the calibration."""
        return tuple(layer for layer in self.layers if not layer.in_range)

    @property
    def stale(self) -> tuple[LayerPrediction, ...]:
        """Layers whose kernels have changed since the calibration."""
        return tuple(layer for layer in self.layers if layer.is_stale)

    def to_json(self) -> dict[str, Any]:
        """What ``analyze --json`` gives for the board."""
        return {
            "basis": self.basis,
            "instructions": self.instructions,
            "arena_bytes": self.arena_bytes,
            "ram_bytes": self.ram_bytes,
            "flash_bytes": self.flash_bytes,
            "milliseconds_estimate": self.milliseconds,
            "milliseconds_basis": self.milliseconds_basis,
            "layers": [
                {
                    "index": layer.index,
                    "kernels": list(layer.kernels),
                    "instructions": layer.instructions,
                    "in_calibrated_range": layer.in_range,
                    "calibration_is_stale": layer.is_stale,
                    "cycles_estimate": layer.cycles,
                }
                for layer in self.layers
            ],
        }


def predict(graph: Graph, plan: Plan, board: Board) -> Prediction:
    """What an inference of ``graph`` takes on ``board`` under ``plan``."""
    calibration = calibration_of(board.core)
    lowered = lower_model(graph, plan, board.processor, graph.name)
    works: dict[int, list[Work]] = {node.index: [] for node in graph.nodes}
    stale: set[int] = set()
    for node in planned_graph(graph, plan).graph.nodes:
        layer = plan.layer_of(node.index)
        works[layer] += works_of(node, lowered)
        if calibration is not None and _is_stale(lowered.nodes[node.index], calibration):
            stale.add(layer)
    layers = tuple(
        _layer(node, works[node.index], calibration, is_stale=node.index in stale)
        for node in graph.nodes
    )
    counts = [layer.instructions for layer in layers]
    instructions = None
    if calibration is not None and None not in counts:
        instructions = sum(count for count in counts if count is not None)
    milliseconds, milliseconds_basis = _milliseconds(layers, instructions, board, calibration)
    return Prediction(
        board=board.id,
        basis=_basis(board, calibration),
        layers=layers,
        instructions=instructions,
        arena_bytes=plan.total_arena_bytes,
        ram_bytes=sizes.ram_bytes(plan, board, lowered),
        flash_bytes=sizes.flash_bytes(lowered, board),
        milliseconds=milliseconds,
        milliseconds_basis=milliseconds_basis,
    )


def works_of(node: Node, model: LoweredModel) -> Iterator[Work]:
    """The calls of a node, and how often an inference makes them."""
    calls = sum(_runs(node.index, part) for part in model.parts)
    for call in model.nodes[node.index].calls:
        yield Work(node, call, calls)


def _runs(node: int, part: WholeLayer | RowProgram) -> int:
    """How often a part of the run function calls a node."""
    if isinstance(part, WholeLayer):
        return int(part.node == node)
    return part.entries.count(part.nodes.index(node)) if node in part.nodes else 0


def _layer(
    node: Node, works: list[Work], calibration: Calibration | None, *, is_stale: bool
) -> LayerPrediction:
    costs = [cost_of(work, calibration) for work in works]
    counts = [count(work, cost) for work, cost in zip(works, costs, strict=True)]
    known = [count for count in counts if count is not None]
    rates = [1.0 if cost is None else cost.cycles_per_instruction for cost in costs]
    cycles = [n * r for n, r in zip(known, rates, strict=False) if r is not None]
    return LayerPrediction(
        index=node.index,
        op=node.op,
        kernels=tuple(dict.fromkeys(work.kernel.split()[0] for work in works)),
        instructions=round(sum(known)) if len(known) == len(works) else None,
        in_range=all(in_range(w, c) for w, c in zip(works, costs, strict=True) if c is not None),
        is_stale=is_stale,
        cycles=round(sum(cycles)) if len(cycles) == len(works) == len(known) else None,
    )


def cost_of(work: Work, calibration: Calibration | None) -> KernelCost | None:
    """What was calibrated; where a kernel's loops are known, pixel by pixel does for stretches."""
    if calibration is None:
        return None
    names = [work.kernel, *([work.kernel_one_by_one] if has_own_form(work) else [])]
    return next((cost for name in names if (cost := calibration.kernels.get(name))), None)


def count(work: Work, cost: KernelCost | None) -> float | None:
    if cost is None:
        return None
    trips = features(work, cost.tile)
    return sum(trips.get(name, 0.0) * each for name, each in cost.instructions.items())


def _is_stale(lowered: Lowered, calibration: Calibration) -> bool:
    return any(calibration.sources.get(s) != digest_of(s) for s in lowered.sources)


def in_range(work: Work, cost: KernelCost) -> bool:
    """Whether layers of about its size were measured for the calibration."""
    return all(
        lowest / _RANGE_MARGIN <= work.dimensions[name] <= highest * _RANGE_MARGIN
        for name, (lowest, highest) in cost.ranges.items()
    )


def _basis(board: Board, calibration: Calibration | None) -> str:
    if calibration is None:
        return f"none: no emulated board has a {board.core}, so nothing was calibrated for it"
    similar = "" if family_of(board.core) == board.core else f", as for a {calibration.core}"
    return f"layers measured on {calibration.board}{similar}, built by {calibration.compiler}"


def _milliseconds(
    layers: tuple[LayerPrediction, ...],
    instructions: int | None,
    board: Board,
    calibration: Calibration | None,
) -> tuple[float | None, str]:
    cycles = [layer.cycles for layer in layers]
    if instructions is None or None in cycles:
        return None, f"cycles of the {board.core} are not estimated"
    if not board.clock_hz:
        return None, "the board's clock is unknown"
    total = sum(cycle for cycle in cycles if cycle is not None)
    core = "" if calibration is None or calibration.core == board.core else calibration.core
    whose = f"documented cycles of a {core}" if core else "documented cycles"
    basis = f"{whose} at {board.clock_hz / 1e6:g} MHz, zero wait states"
    return 1e3 * total / board.clock_hz, basis
