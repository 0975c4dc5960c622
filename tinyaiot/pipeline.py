"""The pipeline: model file → int8 .tflite → Graph → Plan → Sources → Image → Measurement."""

from __future__ import annotations

from pathlib import Path

from tinyaiot.boards import Board
from tinyaiot.cores import core_by_id
from tinyaiot.frontends import Model, load
from tinyaiot.plan import Memory, Plan
from tinyaiot.planner import plan_model

# The harness's own .data and .bss in the first RAM, beside the stack; the linker checks.
_HARNESS_RAM_BYTES = 512
_UNLIMITED = Memory("ram", 1 << 31)


def memories(board: Board) -> tuple[Memory, ...]:
    """What each RAM of the board has for a model, in the order of the board file."""
    taken = [board.stack_bytes + _HARNESS_RAM_BYTES] + [0] * (len(board.ram) - 1)
    return tuple(
        Memory(ram.name, ram.size_bytes - used) for ram, used in zip(board.ram, taken, strict=True)
    )


def read(path: Path) -> Model:
    """Model file → Graph; raises UnreadableModelError or UnsupportedModelError."""
    return load(path)


def plan(model: Model, board: Board) -> Plan:
    """Graph → Plan, within the board's RAM; raises DoesNotFitError."""
    return plan_model(model.graph, board.processor, memories(board))


def plan_without_limits(model: Model, board: Board | None) -> Plan:
    """The plan that the model would have, were RAM without end (on a Cortex-M4, if no board)."""
    core = core_by_id("cortex-m4") if board is None else board.processor
    return plan_model(model.graph, core, [_UNLIMITED])
