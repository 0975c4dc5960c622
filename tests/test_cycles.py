"""Estimated cycles: documented timings of single instructions, and whole inferences."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tinyaiot import cli
from tinyaiot.cycles import Instruction, cycles_of, estimate
from tinyaiot.devices.emulator import Block

ROOT = Path(__file__).resolve().parents[1]
DIGITS = ROOT / "examples" / "digits" / "digits.tflite"
LOWEST, MIDDLE, HIGHEST = range(3)


@pytest.mark.parametrize(
    ("text", "m3", "m4"),
    [
        ("adds r0, r1, r2", 1, 1),
        ("mul r0, r1, r2", 1, 1),
        ("mla r0, r1, r2, r3", 2, 1),
        ("smlal r0, r1, r2, r3", 7, 1),
        ("smull r0, r1, r2, r3", 5, 1),
        ("sdiv r0, r1, r2", 12, 12),
        ("ldr r0, [r1, #4]", 2, 2),
        ("str r0, [r1, #4]", 1, 1),
        ("str r0, [r1, r2]", 2, 2),
        ("ldrd r0, r1, [r2]", 3, 3),
        ("ldmia r0!, {r8, r9}", 3, 3),
        ("stmdb sp!, {r4, r5, r6, lr}", 5, 5),
        ("push {r4-r7, lr}", 6, 6),
    ],
)
def test_documented_timings(text: str, m3: int, m4: int) -> None:
    """As in table 3-1 of DDI 0337 and DDI 0439, ranges at their upper ends."""
    instruction = Instruction(*text.split(" ", 1))
    assert cycles_of(instruction, "cortex-m3", HIGHEST, after_access=False) == m3
    assert cycles_of(instruction, "cortex-m4", HIGHEST, after_access=False) == m4


def test_neighbouring_loads_overlap_and_taken_branches_refill() -> None:
    listing = {
        0: Instruction("ldr", "r0, [r1, #0]", 2),
        2: Instruction("ldr", "r2, [r1, #4]", 2),
        4: Instruction("bne.n", "0", 2),
    }
    found = estimate([Block(3, 0, 3, executed=10, left=9)], listing, "cortex-m4")
    straight = 10 * (2 + 1 + 1)
    assert (found.lowest, found.total, found.highest) == (
        straight + 9,
        straight + 18,
        straight + 27,
    )
    assert found.by_layer == {3: found.total}


def test_measure_prints_an_estimate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["measure", str(DIGITS), "--board", "mps2-an386", "--work", str(tmp_path)]
    assert cli.run([*command, "--cycles"]) == 0
    printed = capsys.readouterr().out
    assert "Estimated, not measured" in printed and "zero wait states" in printed
    document = json.loads((tmp_path / "measurement.json").read_text())
    found = document["cycles_estimate"]
    assert document["count"] < found["lowest"] < found["cycles"] < found["highest"]
    assert sum(found["layers"].values()) <= found["cycles"]
    assert document["latency_us"] is None


def test_cores_without_documented_timings_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["measure", str(DIGITS), "--board", "mps2-an500", "--work", str(tmp_path), "-q"]
    assert cli.run([*command, "--cycles"]) == 2
    assert "no documented timings" in capsys.readouterr().err
