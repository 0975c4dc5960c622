"""Weights that are copied to RAM as the board starts: where the linker put them, and what runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tests.support.handmade import DIGITS
from tinyaiot import pipeline
from tinyaiot.boards import board_by_id
from tinyaiot.csource import Role
from tinyaiot.errors import DoesNotFitError
from tinyaiot.frontends import load
from tinyaiot.measure import Deployment, measure
from tinyaiot.pipeline import Job, PlanOptions
from tinyaiot.predict import predict
from tinyaiot.samples import default_inputs

IN_RAM = PlanOptions(weights_in_ram=True)


def deployed(board_id: str, work: Path, options: PlanOptions) -> Deployment:
    return pipeline.deploy(
        Job(DIGITS, board_by_id(board_id), work, options=options), pipeline.Silent()
    )


@pytest.mark.parametrize("board_id", ["mps2-an386", "rv32-virt"])
def test_they_lie_in_ram_and_outputs_stay(board_id: str, tmp_path: Path) -> None:
    board = board_by_id(board_id)
    in_flash = deployed(board_id, tmp_path / "flash", PlanOptions())
    in_ram = deployed(board_id, tmp_path / "ram", IN_RAM)
    first = board.ram[0]
    with in_ram.image.elf.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        assert table is not None
        found = {s.name: s["st_value"] for s in table.iter_symbols()}
    parameters = [
        n for n in found if n.startswith("digits_l") and n.endswith(("_weights", "_bias"))
    ]
    assert parameters
    assert all(first.start <= found[n] < first.start + first.size_bytes for n in parameters)
    arrays = in_ram.image.array_bytes
    copied = sum(arrays[role] for role in Role if role.is_parameter)
    grown = in_ram.image.ram_bytes - in_flash.image.ram_bytes
    assert copied <= grown < copied + 64
    assert abs(in_ram.image.flash_bytes - in_flash.image.flash_bytes) < 64
    predicted = predict(in_ram.model.graph, in_ram.plan, board).ram_bytes
    assert predicted is not None and abs(predicted - in_ram.image.ram_bytes) < 64
    inputs = default_inputs(in_ram.model.graph)
    assert measure(in_ram, inputs).count == measure(in_flash, inputs).count


def test_ram_has_to_hold_them() -> None:
    board, model = board_by_id("stm32vldiscovery"), load(DIGITS)
    assert pipeline.plan_model_on(model, board, PlanOptions()).total_arena_bytes
    with pytest.raises(DoesNotFitError, match="the weights need about") as raised:
        pipeline.plan_model_on(model, board, IN_RAM)
    assert "--weights" in raised.value.hint
