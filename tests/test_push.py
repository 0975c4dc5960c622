"""Rows that are pushed, as a camera's line interrupt does: the same as rows that are asked for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from elftools.elf.elffile import ELFFile

from tests.support import differential, emulated
from tests.support.builder import ModelBuilder
from tests.test_patches import image_model, plan_in_strips
from tinyaiot import oracle, pipeline
from tinyaiot.boards import board_by_id
from tinyaiot.build import build
from tinyaiot.codegen.model import model_sources
from tinyaiot.codegen.project import generate_project
from tinyaiot.devices.emulator import EmulatedBoard
from tinyaiot.devices.link import Device
from tinyaiot.frontends import Model, tflite
from tinyaiot.plan import Memory, Patches
from tinyaiot.planner import FED_STRATEGIES, plan_model

AnyArray = npt.NDArray[Any]
AMPLE = (Memory("ram", 1 << 28),)
HOST = differential.HOST

# A run of the model `image` that pushes what it is asked for.
RUN = """
static void run_by_pushing(const ta_observer *observer)
{
    static int8_t row[IMAGE_INPUT_0_ROW_BYTES];
    ta_pushed pushed = TA_PUSH_MORE;
    image_begin(observer);
    while (pushed == TA_PUSH_MORE) {
        const int32_t y = image_wanted_row(0);
        TA_PAUSE();
        observer->read_row(observer, 0, y, 0, row, IMAGE_INPUT_0_ROW_BYTES);
        TA_RESUME();
        pushed = image_push_row(0, y, row);
    }
    (void)image_finish();
}
"""


@pytest.mark.parametrize("name", sorted(FED_STRATEGIES))
def test_pushed_rows_equal_tflm(name: str) -> None:
    data, x = image_model()
    graph = tflite.read(data, "image")
    plan = plan_model(graph, HOST, AMPLE, feed=True, strategy=name)
    reference = oracle.run(data, graph, [x])
    differential.check_c(graph, reference, [x], plan, "push_model.c")


def test_rows_are_pushed_once_for_each_strip() -> None:
    data, x = image_model()
    graph = tflite.read(data, "image")
    reference = oracle.run(data, graph, [x])
    plan = plan_in_strips(graph, Patches(4, (0, 2, 4, 5)), feed=True)
    differential.check_c(graph, reference, [x], plan, "push_model.c")


def test_rows_of_two_inputs_are_pushed_in_turn() -> None:
    b = ModelBuilder("two")
    shape = (1, 3, 2, 4)
    x, y = b.input(shape, 0.5, 3), b.input(shape, 0.25, -7)
    out = b.tensor(shape, 0.6, 1)
    b.op("ADD", [x, y], [out])
    data = b.build([out])
    graph = tflite.read(data, "two")
    rng = np.random.default_rng(3)
    inputs = [rng.integers(-128, 128, shape).astype(np.int8) for _ in range(2)]
    plan = plan_model(graph, HOST, AMPLE, feed=True)
    reference = oracle.run(data, graph, inputs)
    differential.check_c(graph, reference, inputs, plan, "push_model.c")


def test_rows_are_pushed_on_an_emulated_board(tmp_path: Path) -> None:
    data, x = image_model()
    graph = tflite.read(data, "image")
    board = board_by_id("mps2-an386")
    plan = plan_model(graph, board.processor, pipeline.memories(board), feed=True)
    sources = model_sources(graph, plan, board.processor, "image")
    generate_project([sources], board).write(tmp_path)
    model_c = tmp_path / "model" / "image.c"
    text = model_c.read_text()
    assert ".run = image_run," in text
    start = text.index("const ta_model image_model")
    text = text[:start] + RUN + text[start:].replace(".run = image_run,", ".run = run_by_pushing,")
    model_c.write_text(text)
    image = build(tmp_path, board)
    with EmulatedBoard(board, image) as running, Device(running.link) as device:
        emulated.check_case(device, emulated.Case(Model(graph, data), [x]), plan)


def test_nothing_of_it_is_in_an_image_that_asks_for_rows(tmp_path: Path) -> None:
    data, _ = image_model()
    graph = tflite.read(data, "image")
    board = board_by_id("mps2-an386")
    plan = plan_model(graph, board.processor, pipeline.memories(board), feed=True)
    sources = model_sources(graph, plan, board.processor, "image")
    generate_project([sources], board).write(tmp_path)
    with build(tmp_path, board).elf.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        names = {symbol.name for symbol in table.iter_symbols()}
    assert "image_run" in names
    assert not {name for name in names if "push" in name}


def test_the_examples_of_the_documentation_compile(tmp_path: Path) -> None:
    data, _ = image_model()
    graph = tflite.read(data, "vww")
    plan = plan_model(graph, HOST, AMPLE, feed=True)
    for path, content in model_sources(graph, plan, HOST, "vww").files.items():
        (tmp_path / Path(path).name).write_bytes(content)
    text = (Path(__file__).parents[1] / "docs" / "rows.md").read_text()
    program = tmp_path / "example.c"
    program.write_text("".join(re.findall(r"```c\n(.*?)```", text, re.DOTALL)))
    differential.compile_c(program, tmp_path / "example.o", tmp_path, only_object=True)
