"""Models written by hand, as C: for tests of what is around a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinyaiot.boards import Board, board_by_id, board_ids
from tinyaiot.build import Image, build
from tinyaiot.codegen.model import ModelSources, model_sources
from tinyaiot.codegen.project import Sources, generate_project
from tinyaiot.csource import Role
from tinyaiot.frontends import tflite
from tinyaiot.paths import data_dir
from tinyaiot.pipeline import memories
from tinyaiot.plan import Memory
from tinyaiot.planner import plan_model

DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "digits.tflite"

BOARDS = [board_by_id(board_id) for board_id in board_ids()]
EMULATED = [board for board in BOARDS if board.emulator is not None]
RUNNABLE = [board for board in BOARDS if board.runs_here]
INPUT_BYTES = 4

_HEADER = """\
#ifndef {NAME}_H
#define {NAME}_H
#include "ta_model.h"
extern const ta_model {name}_model;
#endif
"""
_SOURCE = """\
#include "{name}.h"
static int8_t {name}_arena_{memory}[8];
static const int8_t {name}_weights[100] = {{1}};
{functions}
static void run(const ta_observer *observer)
{{
    (void)observer;
    {name}_arena_{memory}[4] = {name}_weights[{name}_arena_{memory}[0] & 63];
    {body}
}}
static const ta_port_tensor input = {{.data = {name}_arena_{memory}, .bytes = 4}};
static const ta_port_tensor output = {{.data = {name}_arena_{memory} + 4, .bytes = 4}};
const ta_model {name}_model = {{
    .name = "{name}",
    .image_id = "{name}",
    .inputs = &input,
    .outputs = &output,
    .input_count = 1,
    .output_count = 1,
    .layer_count = 1,
    .input_preserved = 1,
    .run = run,
}};
"""


def handmade_model(name: str, memory: str, body: str, functions: str = "") -> ModelSources:
    """A model of four bytes in and four out, whose run ends with ``body``."""
    words = {"name": name, "NAME": name.upper(), "memory": memory}
    source = _SOURCE.format(**words, body=body, functions=functions)
    headers = sorted((data_dir("firmware") / "include").glob("*.h"))
    return ModelSources(
        name=name,
        files={
            f"model/{name}.h": _HEADER.format(**words).encode(),
            f"model/{name}.c": source.encode(),
            **{f"kernels/{path.name}": path.read_bytes() for path in headers},
        },
        image_id=name,
        arrays={Role.WEIGHTS: (f"{name}_weights",)},
        arenas={memory: f"{name}_arena_{memory}"},
    )


def digits_model(board: Board, limits: Sequence[Memory] | None = None) -> ModelSources:
    """The digits example as C for ``board``."""
    graph = tflite.read(DIGITS.read_bytes(), "digits")
    plan = plan_model(graph, board.processor, limits or memories(board))
    return model_sources(graph, plan, board.processor, "digits")


def digits_project(board: Board) -> Sources:
    """The digits example as a project for ``board``."""
    return generate_project([digits_model(board)], board)


def build_models(models: Sequence[ModelSources], board: Board, folder: Path) -> Image:
    """Generates and builds a project in ``folder``."""
    generate_project(models, board).write(folder)
    return build(folder, board)
