"""Prints predictions beside measurements, and writes docs/predictions.md.

    python -m scripts.predictions ../shared/models [BOARD...]        (make predictions)

Fails where an arena or static RAM is not predicted to the byte, flash not within 3 %, or
instructions not within 5 %. Models are measured as by `make bench`, and only once.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.measured import MODELS, PLAIN, ROOT, Document, measured, planned, read
from tinyaiot.boards import board_by_id, board_ids
from tinyaiot.pipeline import PlanOptions
from tinyaiot.plan import Plan
from tinyaiot.planner import Objective
from tinyaiot.predict import Prediction, predict

PAGE = ROOT / "docs" / "predictions.md"
MOST_FLASH = 0.03
MOST_INSTRUCTIONS = 0.05
# Where streamed plans are tried, too: a board of each core whose kernels are tuned.
STREAMING_BOARDS = ("mps2-an385", "mps2-an386", "mps3-an547", "rv32-virt")
_PLANS = {"plain": PLAIN, "streamed": PlanOptions(objective=Objective.RAM)}

_HEAD = """\
# Predictions

Written by `make predictions`: what `tinyaiot analyze MODEL --board BOARD` predicts, without a
compiler or an emulator, beside what `tinyaiot measure` finds there; with `--objective ram` where
the plan says streamed. Predictions come from layers that were drawn at random and measured on the
emulated boards (`make calibrate`), none of them from these models. The models are those of
[measurements.md](measurements.md); counts are exact instructions of emulated boards, not cycles.
"""


@dataclass(frozen=True)
class WorstLayer:
    """The layer whose instructions are furthest off.

    Attributes:
        off: part of the whole inference.
    """

    name: str
    off: float


@dataclass(frozen=True)
class Comparison:
    """A prediction and the measurement.

    Attributes:
        arena_off, ram_off: bytes.
        flash_off, instructions_off: parts of what was measured; None where nothing is predicted.
        worst_layer: None where layers were not counted.
    """

    model: str
    board: str
    plan: str
    prediction: Prediction
    measured_count: int
    arena_off: int
    ram_off: int | None
    flash_off: float | None
    instructions_off: float | None
    worst_layer: WorstLayer | None

    @property
    def title(self) -> str:
        return f"{self.model} on {self.board}, {self.plan}"

    @property
    def is_kept(self) -> bool:
        """Whether all is predicted as well as is promised."""
        return (
            self.arena_off == 0
            and self.ram_off == 0
            and self.flash_off is not None
            and abs(self.flash_off) <= MOST_FLASH
            and self.instructions_off is not None
            and abs(self.instructions_off) <= MOST_INSTRUCTIONS
        )


def main() -> None:
    folder = Path(sys.argv[1])
    boards = sys.argv[2:] or [b for b in board_ids() if board_by_id(b).emulator is not None]
    rows = list(comparisons(folder, boards))
    if not rows:
        sys.exit(f"none of the models is in {folder}, or fits a board")
    text = "\n".join(page(rows))
    print(text)
    PAGE.write_text(text + "\n", encoding="utf-8")
    broken = [row for row in rows if not row.is_kept]
    for row in broken:
        print(f"beyond what is promised: {row.title}", file=sys.stderr)
    sys.exit(1 if broken else 0)


def comparisons(folder: Path, boards: list[str]) -> Iterator[Comparison]:
    """Of all models that fit, on all boards; streamed where that is another plan."""
    for board in boards:
        for model in MODELS:
            if not (folder / f"{model}.tflite").is_file():
                continue
            for name, options in _PLANS.items():
                if name == "streamed" and board not in STREAMING_BOARDS:
                    continue
                found = compare(folder / f"{model}.tflite", board, name, options)
                if found is not None:
                    yield found


def compare(path: Path, board_id: str, name: str, options: PlanOptions) -> Comparison | None:
    """None where the model does not fit, or a plan is not as its name says."""
    board, model = board_by_id(board_id), read(path)
    plan = planned(model, board, options)
    if not isinstance(plan, Plan) or (name == "streamed" and plan.strategy == "plain"):
        return None
    document = measured(path, board_id, options)
    if isinstance(document, str):
        return None
    p = predict(model.graph, plan, board)
    return Comparison(
        model=path.stem,
        board=board_id,
        plan="plain" if plan.strategy == "plain" else "streamed",
        prediction=p,
        measured_count=document["count"],
        arena_off=p.arena_bytes - document["arena_bytes"],
        ram_off=None if p.ram_bytes is None else p.ram_bytes - document["ram_bytes"],
        flash_off=_part(p.flash_bytes, document["flash_bytes"]),
        instructions_off=_part(p.instructions, document["count"]),
        worst_layer=_worst_layer(p, document),
    )


def _worst_layer(prediction: Prediction, document: Document) -> WorstLayer | None:
    counts = {layer["index"]: layer["count"] or 0 for layer in document["layers"]}
    found = [
        WorstLayer(
            f"{layer.index} {layer.op}",
            (layer.instructions - counts[layer.index]) / document["count"],
        )
        for layer in prediction.layers
        if layer.instructions is not None and layer.index in counts
    ]
    return max(found, key=lambda layer: abs(layer.off), default=None)


def _part(predicted: int | None, found: int) -> float | None:
    return None if predicted is None else predicted / found - 1


def page(rows: list[Comparison]) -> Iterator[str]:
    """The lines of the page."""
    yield _HEAD
    yield from worst(rows)
    yield from worst_by_core(rows)
    for board in dict.fromkeys(row.board for row in rows):
        yield f"\n## {board}\n"
        yield "| model | plan | instructions | predicted | off | flash off | RAM off | arena off |"
        yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
        for row in rows:
            if row.board == board:
                yield line(row)
    uncertain = [row for row in rows if row.prediction.out_of_range]
    if uncertain:
        yield "\n## Layers outside of the calibrated range\n"
        yield "Smaller or larger than any that was measured for the calibration:\n"
        for model in dict.fromkeys(row.model for row in uncertain):
            layers = {
                f"{layer.index} {layer.op}"
                for row in uncertain
                if row.model == model
                for layer in row.prediction.out_of_range
            }
            ordered = sorted(layers, key=lambda text: int(text.split()[0]))
            yield f"- {model}: {', '.join(ordered)}"


def worst(rows: list[Comparison]) -> Iterator[str]:
    """The largest differences of all."""
    flash = max(abs(row.flash_off or 0) for row in rows)
    count = max(abs(row.instructions_off or 0) for row in rows)
    exact = sum(row.arena_off == row.ram_off == 0 for row in rows)
    yield f"Of {len(rows)} images: arena and static RAM exact in {exact}, flash off by at most"
    yield f"{flash:.2%}, instructions by at most {count:.2%}."


def worst_by_core(rows: list[Comparison]) -> Iterator[str]:
    """For each core the model, and the layer, whose instructions are furthest off."""
    yield "\n## By core\n"
    yield "A layer's error is given as a part of the inference's instructions.\n"
    yield "| core | images | off at most | of | a layer off at most | of |"
    yield "| --- | ---: | ---: | --- | ---: | --- |"
    by_core: dict[str, list[Comparison]] = {}
    for row in rows:
        by_core.setdefault(board_by_id(row.board).core, []).append(row)
    for core, found in by_core.items():
        model = max(found, key=lambda row: _size(row.instructions_off))
        layers = [row for row in found if row.worst_layer is not None]
        of_layers = ["unknown", ""]
        if layers:
            row = max(layers, key=lambda row: _size(row.worst_layer and row.worst_layer.off))
            layer = row.worst_layer
            of_layers = [_percent(layer and layer.off), f"{row.title}: {layer and layer.name}"]
        cells = [core, str(len(found)), _percent(model.instructions_off), model.title, *of_layers]
        yield f"| {' | '.join(cells)} |"


def _size(off: float | None) -> float:
    """How far off: nothing predicted is furthest."""
    return math.inf if off is None else abs(off)


def line(row: Comparison) -> str:
    """A row of the table."""
    p = row.prediction
    cells = [
        row.model,
        row.plan,
        f"{row.measured_count:,}",
        "unknown" if p.instructions is None else f"{p.instructions:,}",
        _percent(row.instructions_off),
        _percent(row.flash_off),
        "unknown" if row.ram_off is None else f"{row.ram_off:+,}" if row.ram_off else "0",
        f"{row.arena_off:+,}" if row.arena_off else "0",
    ]
    return f"| {' | '.join(cells)} |"


def _percent(part: float | None) -> str:
    return "unknown" if part is None else f"{part:+.2%}"


if __name__ == "__main__":
    main()
