"""What `analyze` says would help a model that does not fit, against plans and models themselves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.builder import ModelBuilder
from tests.support.real_models import each_real_model
from tinyaiot import cli
from tinyaiot.boards import board_by_id
from tinyaiot.errors import DoesNotFitError
from tinyaiot.frontends import Model, load, tflite
from tinyaiot.levers import Shortage, shortage_of, smallest_board
from tinyaiot.pipeline import PlanOptions, memories, plan_model_on, plan_without_limits
from tinyaiot.planner import NoPlanFitsError, Objective
from tinyaiot.rescale import picture_size, smaller_sizes, with_picture_size
from tinyaiot.summary import summarize

ASKED = PlanOptions()


def network(size: int) -> bytes:
    """Two convolutions with a padded branch beside the second, and a pool over all that is left."""
    b = ModelBuilder("network")

    def conv(x: int, channels: tuple[int, int], side: int, stride: int) -> int:
        y = b.tensor([1, side, side, channels[1]], 0.5)
        weights = b.constant(
            np.ones((channels[1], 3, 3, channels[0]), np.int8), [0.01] * channels[1]
        )
        b.op("CONV_2D", [x, weights, -1], [y], padding=0, strideW=stride, strideH=stride)
        return y

    half = -(-size // 2)
    first = conv(b.input([1, size, size, 3], 0.5), (3, 8), half, 2)
    second = conv(first, (8, 8), half, 1)
    added = b.tensor([1, half, half, 8], 0.5)
    b.op("ADD", [first, second], [added])
    around = b.constant(np.array([[0, 0], [1, 0], [0, 1], [0, 0]], np.int32))
    padded = b.tensor([1, half + 1, half + 1, 8], 0.5)
    b.op("PAD", [added, around], [padded])
    pooled = b.tensor([1, 1, 1, 8], 0.5)
    window = {"filterWidth": half + 1, "filterHeight": half + 1, "strideW": 1, "strideH": 1}
    b.op("AVERAGE_POOL_2D", [padded], [pooled], padding=1, **window)
    flat = b.tensor([1, 8], 0.5)
    b.op("RESHAPE", [pooled, b.constant(np.array([1, 8], np.int32))], [flat])
    return b.build([flat])


def refused(model: Model, options: PlanOptions, board_id: str | None = None) -> Shortage:
    board = None if board_id is None else board_by_id(board_id)
    with pytest.raises(NoPlanFitsError) as refusal:
        if board is None:
            plan_without_limits(model, None, options)
        else:
            plan_model_on(model, board, options)
    return shortage_of(model, board, options, refusal.value)


def test_a_smaller_picture_is_the_model_built_for_it() -> None:
    large = tflite.read(network(64), "network")
    for size in (63, 40, 24):
        built = tflite.read(network(size), "network")
        rescaled = with_picture_size(large, size, size)
        assert rescaled is not None
        shapes = [node.output.shape for node in rescaled.nodes]
        assert shapes == [node.output.shape for node in built.nodes]
        assert summarize(rescaled).macs == summarize(built).macs
        for objective in Objective:
            options = PlanOptions(objective)
            plans = [plan_without_limits(Model(g, b""), None, options) for g in (rescaled, built)]
            assert plans[0] == plans[1]


def test_what_cannot_follow_is_not_rescaled(tmp_path: Path) -> None:
    b = ModelBuilder("flat")
    x = b.input([1, 32, 32, 1], 0.5)
    flat = b.tensor([1, 1024], 0.5)
    b.op("RESHAPE", [x, b.constant(np.array([1, 1024], np.int32))], [flat])
    assert with_picture_size(tflite.read(b.build([flat]), "flat"), 16, 16) is None
    sound = ModelBuilder("sound")
    y = sound.input([1, 49, 10, 1], 0.5)
    z = sound.tensor([1, 49, 10, 1], 0.5)
    sound.op("RELU", [y], [z])
    assert picture_size(tflite.read(sound.build([z]), "sound")) is None


@each_real_model
def test_sizes_of_real_models_keep_the_rules(path: Path) -> None:
    graph = load(path).graph
    size = picture_size(graph)
    if size is None:
        pytest.skip("its input is no picture")
    macs = [summarize(graph).macs]
    for smaller in smaller_sizes(*size):
        rescaled = with_picture_size(graph, *smaller)
        assert rescaled is not None
        macs.append(summarize(rescaled).macs)
    assert macs == sorted(macs, reverse=True)


def test_every_lever_is_a_plan_of_its_own() -> None:
    model = Model(tflite.read(network(64), "network"), b"")
    smallest = plan_without_limits(model, None, PlanOptions(feed=True)).total_arena_bytes
    budget = replace(ASKED, ram_bytes=smallest)
    shortage = refused(model, budget)
    asked = plan_without_limits(model, None, ASKED).total_arena_bytes
    assert shortage.asked_bytes == asked > shortage.closest.total_arena_bytes > smallest
    by_option = {lever.option: lever for lever in shortage.levers if lever.option}
    fed = by_option["--feed rows"]
    assert (fed.arena_bytes, fed.saved_bytes, fed.fits) == (smallest, asked - smallest, True)
    streamed = plan_without_limits(model, None, PlanOptions(Objective.RAM))
    assert by_option["--objective ram"].arena_bytes == streamed.total_arena_bytes
    arenas = [lever.arena_bytes for lever in shortage.levers]
    assert arenas == sorted(arenas)
    assert shortage.best == fed


def test_the_largest_picture_that_fits_is_named() -> None:
    model = Model(tflite.read(network(64), "network"), b"")
    rescaled = with_picture_size(model.graph, 40, 40)
    assert rescaled is not None
    options = PlanOptions(Objective.RAM, keep_input=True)
    enough = plan_without_limits(Model(rescaled, b""), None, options).total_arena_bytes
    shortage = refused(model, replace(options, ram_bytes=enough))
    [lever] = [lever for lever in shortage.levers if lever.is_smaller_input]
    assert (lever.change, lever.fits) == ("40x40 input, not 64x64", True)
    assert lever.arena_bytes <= enough


def test_the_board_named_is_the_first_that_takes_it() -> None:
    model = Model(tflite.read(network(64), "network"), b"")
    shortage = refused(model, ASKED, "lm3s811evb")
    assert shortage.board == smallest_board(model, ASKED)
    assert shortage.board is not None
    plan_model_on(model, shortage.board, ASKED)
    assert refused(model, replace(ASKED, ram_bytes=1000), "mps2-an386").board is None
    [ram] = memories(board_by_id("lm3s811evb"))
    assert shortage.allowed_bytes == ram.capacity_bytes


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "network.tflite"
    path.write_bytes(network(64))
    file = tmp_path / "out.json"
    budget = plan_without_limits(load(path), None, PlanOptions(feed=True)).total_arena_bytes
    command = ["analyze", str(path), "--json", str(file), "--ram"]
    assert cli.run([*command, str(budget)]) == DoesNotFitError.exit_code
    printed = capsys.readouterr()
    assert max(map(len, printed.out.splitlines())) <= 80
    assert f"hint: --feed rows makes it fit: {budget:,} bytes" in printed.err
    assert "board" not in printed.err
    document = json.loads(file.read_text())
    assert document["fits"] is False
    assert document["shortage"]["levers"][0]["change"] in printed.out
    assert cli.run([*command, str(budget), "--feed", "rows"]) == 0
    assert json.loads(file.read_text())["shortage"] is None
    assert cli.run([*command, "1MiB"]) == 0
    assert cli.run([*command, "0"]) == cli.run([*command, "much"]) == 2


def test_a_refusal_of_a_budget_does_not_blame_the_board(capsys: pytest.CaptureFixture[str]) -> None:
    digits = Path(__file__).resolve().parents[1] / "examples" / "digits" / "digits.tflite"
    command = ["generate", str(digits), "--board", "mps2-an386", "-o", "x", "--ram", "100"]
    assert cli.run(command) == DoesNotFitError.exit_code
    error = capsys.readouterr().err
    assert "more than the 100 allowed" in error
    assert "a larger --ram" in error.splitlines()[-1]
    assert "board" not in error.splitlines()[-1]
