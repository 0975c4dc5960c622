"""The pipeline: model file → int8 .tflite → Graph → Plan → Sources → Image → Measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tinyaiot.boards import Board, board_by_id
from tinyaiot.build import Image, read_manifest
from tinyaiot.build import build as build_project
from tinyaiot.codegen.model import model_sources
from tinyaiot.codegen.project import Sources, generate_project
from tinyaiot.cores import core_by_id
from tinyaiot.devices.emulator import EmulatedBoard
from tinyaiot.errors import DoesNotFitError
from tinyaiot.frontends import Model, load
from tinyaiot.plan import Memory, Plan
from tinyaiot.planner import plan_model
from tinyaiot.summary import summarize

# The harness's own .data and .bss in the first RAM, beside the stack; the linker checks.
_HARNESS_RAM_BYTES = 256
_UNLIMITED = Memory("ram", 1 << 31)


def memories(board: Board) -> tuple[Memory, ...]:
    """What each RAM of the board has for models, in the order of the board file."""
    first, *others = (Memory(ram.name, ram.size_bytes) for ram in board.ram)
    taken = board.stack_bytes + _HARNESS_RAM_BYTES
    return (replace(first, capacity_bytes=first.capacity_bytes - taken), *others)


def read(path: Path) -> Model:
    """Model file → Graph; raises UnreadableModelError or UnsupportedModelError."""
    return load(path)


def plan(model: Model, board: Board) -> Plan:
    """Graph → Plan, within the board's memories; raises DoesNotFitError."""
    [only] = plan_together([model], board)
    return only


def plan_together(models: Sequence[Model], board: Board) -> tuple[Plan, ...]:
    """Graphs → Plans of models that share a board, each with an arena of its own.

    Raises:
        DoesNotFitError: RAM does not suffice, or the weights alone exceed the flash. Whether
            the code fits beside them, only the linker knows.
    """
    _refuse_weights_beyond_flash(models, board)
    left = memories(board)
    plans = []
    for model in models:
        plans.append(plan_model(model.graph, board.processor, left))
        left = tuple(
            replace(m, capacity_bytes=m.capacity_bytes - plans[-1].arena_bytes.get(m.name, 0))
            for m in left
        )
    return tuple(plans)


def plan_without_limits(model: Model, board: Board | None) -> Plan:
    """The plan that the model would have, were RAM without end (on a Cortex-M4, if no board)."""
    core = core_by_id("cortex-m4") if board is None else board.processor
    return plan_model(model.graph, core, [_UNLIMITED])


def generate(models: Sequence[Model], plans: Sequence[Plan], board: Board) -> Sources:
    """Graphs and Plans → Sources of one firmware; raises UsageError for equal names."""
    return generate_project(
        [
            model_sources(model.graph, plan, board.processor, model.name)
            for model, plan in zip(models, plans, strict=True)
        ],
        board,
    )


def board_of(project: Path) -> Board:
    """The board that a generated project is for; raises UsageError if it is none."""
    return board_by_id(read_manifest(project)["board"])


def build(project: Path, board: Board) -> Image:
    """Sources → Image; raises BuildError or DoesNotFitError."""
    return build_project(project, board)


def start(image: Image, board: Board) -> EmulatedBoard:
    """Image → a running board with a serial link; raises DeviceError."""
    return EmulatedBoard(board, image)


def _refuse_weights_beyond_flash(models: Sequence[Model], board: Board) -> None:
    summaries = [summarize(model.graph) for model in models]
    weights_bytes = sum(summary.weights_bytes for summary in summaries)
    excess = weights_bytes - board.flash.size_bytes
    if excess > 0:
        layers = [layer for summary in summaries for layer in summary.layers]
        largest = max(layers, key=lambda layer: layer.weights_bytes)
        raise DoesNotFitError(
            f"the weights need {weights_bytes:,} bytes of flash, {excess:,} more than the "
            f"{board.flash.size_bytes:,} of {board.id}, code not counted",
            "use a smaller model, or a board with more flash",
            (
                f"most of it is in layer {largest.index} {largest.op}: "
                f"{largest.weights_bytes:,} bytes of weights",
            ),
        )
