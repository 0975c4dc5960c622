"""Which boards take a model, as `analyze` says it, against the linker and the plans themselves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.builder import ModelBuilder
from tinyaiot import pipeline
from tinyaiot.boards import board_by_id
from tinyaiot.commands.analyze import analyze
from tinyaiot.errors import DoesNotFitError
from tinyaiot.fit import Fit, Verdict, fit_on, fits_of, smallest_fit
from tinyaiot.frontends import load
from tinyaiot.pipeline import Job, PlanOptions, Silent, deploy

DIGITS = Path(__file__).resolve().parents[1] / "examples" / "digits" / "digits.tflite"
SMALL, MIDDLE, LARGE = "lm3s811evb", "microbit", "mps2-an386"


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """A model whose input of 16,384 bytes is most of what it needs."""
    b = ModelBuilder("wide")
    x = b.input([1, 64, 64, 4], 0.5)
    y = b.tensor([1, 16, 16, 4], 0.5)
    b.op("MAX_POOL_2D", [x], [y], padding=0, strideW=4, strideH=4, filterWidth=4, filterHeight=4)
    path = tmp_path / "wide.tflite"
    path.write_bytes(b.build([y]))
    return path


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and output; what is raised names its own code."""
    result = CliRunner().invoke(analyze, arguments)
    if isinstance(result.exception, DoesNotFitError):
        return result.exception.exit_code, result.exception.hint
    assert result.exception is None, result.output
    return 0, result.output


def test_the_linker_agrees_where_ram_is_tight(tmp_path: Path) -> None:
    board = board_by_id(SMALL)
    fit = fit_on(load(DIGITS), board, PlanOptions())
    assert fit.verdict is Verdict.FITS
    image = deploy(Job(DIGITS, board, tmp_path), Silent()).image
    assert fit.plan is not None
    used = image.ram_bytes + board.stack_bytes
    left = fit.ram_bytes - fit.plan.total_arena_bytes
    # What is promised is there: the harness takes no more than the planner leaves to it.
    assert used + left <= board.ram[0].size_bytes


def test_feeding_by_rows_is_offered_only_where_it_is_planned(wide: Path) -> None:
    model = load(wide)
    fit = fit_on(model, board_by_id(SMALL), PlanOptions())
    assert fit.verdict is Verdict.FITS_FED
    assert fit.problem is not None and "RAM" in fit.problem
    assert fit.plan == pipeline.plan_model_on(model, board_by_id(SMALL), PlanOptions(feed=True))
    kept = fit_on(model, board_by_id(SMALL), PlanOptions(keep_input=True))
    assert (kept.verdict, kept.plan) == (Verdict.TOO_LARGE, None)


def test_smallest_is_the_least_ram_that_fits_as_asked(wide: Path) -> None:
    boards = [board_by_id(board_id) for board_id in (LARGE, SMALL, "netduino2")]
    smallest = smallest_fit(fits_of(load(wide), boards, PlanOptions()))
    assert smallest is not None
    assert smallest.board.id == "netduino2"


def test_exit_code_says_whether_any_board_takes_it(wide: Path, tmp_path: Path) -> None:
    code, output = run(str(wide), "--board", SMALL, "--board", LARGE)
    assert code == 0
    assert f"smallest     {LARGE} (emulated)" in output
    code, hint = run(str(wide), "--board", SMALL, "--board", MIDDLE)
    assert (code, hint) == (5, f"--feed rows makes it fit {SMALL}, {MIDDLE}")
    assert run(str(wide), "--board", SMALL, "--board", MIDDLE, "--feed", "rows")[0] == 0


def test_all_boards_within_80_columns_and_as_json(tmp_path: Path) -> None:
    file = tmp_path / "fits.json"
    code, output = run(str(DIGITS), "--board", "all", "--json", str(file))
    assert code == 0
    assert max(map(len, output.splitlines())) <= 80
    document = json.loads(file.read_text())
    boards = {fit["board"]: fit for fit in document["boards"]}
    assert "host" not in boards
    assert document["smallest"] in boards
    for board_id, fit in boards.items():
        assert board_id in output
        assert f"{fit['arena_bytes']:,}" in output
        assert sum(fit["memories"].values()) == fit["arena_bytes"] <= fit["ram_bytes"]
    calibrated = [fit for fit in boards.values() if fit["prediction"]["instructions"]]
    assert {MIDDLE, LARGE} <= {fit["board"] for fit in calibrated}


def test_each_board_is_predicted_as_alone(tmp_path: Path) -> None:
    many, one = tmp_path / "many.json", tmp_path / "one.json"
    code, output = run(str(DIGITS), "--board", LARGE, "--board", MIDDLE, "--json", str(many))
    assert code == run(str(DIGITS), "--board", LARGE, "--json", str(one))[0] == 0
    among = json.loads(many.read_text())["boards"][0]["prediction"]
    alone = json.loads(one.read_text())["prediction"]
    assert among == {key: value for key, value in alone.items() if key != "layers"}
    assert f"{among['instructions'] / 1e6:.2f}M" in output
    assert "est. ms" in output


def test_code_that_exceeds_the_flash_does_not_fit() -> None:
    board, model = board_by_id(LARGE), load(DIGITS)

    def fit_in(flash_bytes: int) -> Fit:
        short = replace(board, flash=replace(board.flash, size_bytes=flash_bytes))
        return fit_on(model, short, PlanOptions())

    # There is smaller code for smaller flash, down to some size.
    image = fit_in(12_288).image_bytes
    assert image is not None
    assert fit_in(image).verdict is Verdict.FITS
    fit = fit_in(image - 1)
    assert fit.verdict is Verdict.TOO_LARGE
    assert fit.problem is not None and f"{image:,} bytes of flash" in fit.problem
