"""Estimated cycles: documented timings of single instructions, and whole inferences."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tinyaiot import cli, cortex_m7
from tinyaiot.cycles import cycles_of, estimate
from tinyaiot.devices.emulator import Block
from tinyaiot.disassembly import Instruction

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


def m7_cycles(*lines: str, executed: int = 1, left: int = 0, loops: bool = False) -> list[int]:
    """Of a block on a Cortex-M7, at its lowest, as compilers describe it, and at its highest."""
    block = [Instruction(*line.split(" ", 1)) for line in lines]
    return [
        cortex_m7.cycles_of_block(block, executed, left, loops, timings)
        for timings in cortex_m7.TIMINGS
    ]


@pytest.mark.parametrize(
    ("lines", "cycles"),
    [
        pytest.param(("adds r0, r1, r2", "adds r3, r4, r5"), (1, 1, 1), id="two at a time"),
        pytest.param(("adds r0, r1, r2", "adds r3, r0, r5"), (2, 2, 2), id="in order"),
        pytest.param(("sxtb16 r0, r1", "sxtb16 r2, r3"), (2, 2, 2), id="one ALU has SIMD"),
        pytest.param(("smlad r0, r4, r5, r0",) * 4, (4, 4, 5), id="a product each cycle"),
        pytest.param(("mul r0, r1, r2", "adds r3, r0, r4"), (3, 3, 3), id="two cycles late"),
        pytest.param(("ldr r0, [r1, #0]", "ldr r2, [r3, #4]"), (1, 1, 3), id="two channels"),
        pytest.param(("ldr r0, [r1, #0]", "ldr r2, [r0, #0]"), (3, 3, 5), id="early addresses"),
        pytest.param(("ldrb r0, [r1, #0]", "adds r2, r0, r3"), (2, 3, 4), id="narrow loads"),
        pytest.param(("ldmia.w r0!, {r4-r7}", "adds r1, r2, r3"), (3, 3, 6), id="lists alone"),
        pytest.param(("str r0, [r1, #0]", "str r2, [r1, #4]"), (2, 2, 2), id="one store"),
        pytest.param(("it eq", "moveq r0, r1"), (1, 1, 1), id="IT"),
        pytest.param(("sdiv r0, r1, r2", "adds r3, r4, r5"), (3, 8, 13), id="division"),
    ],
)
def test_a_cortex_m7_issues_two_at_a_time(lines: tuple[str, ...], cycles: tuple[int, ...]) -> None:
    """As its manual and the descriptions of compilers have it; the last waits for results."""
    # Left, so that nothing behind the lines may issue beside them.
    found = m7_cycles(*lines, executed=1, left=1)
    taken = (timings.taken for timings in cortex_m7.TIMINGS)
    assert tuple(n - t for n, t in zip(found, taken, strict=True)) == cycles


def test_loops_of_a_cortex_m7_are_foreseen_but_for_their_ends() -> None:
    loop = ("ldr.w r1, [r0], #4", "smlad r2, r1, r3, r2", "subs r4, #1", "bne.n 0")
    ten = m7_cycles(*loop, executed=10, left=9, loops=True)
    more = m7_cycles(*loop, executed=110, left=109, loops=True)
    steady = [(b - a) / 100 for a, b in zip(ten, more, strict=True)]
    assert steady[0] <= steady[1] <= steady[2] <= len(loop) + 2
    assert steady[0] >= len(loop) / 2
    refill = cortex_m7.TIMINGS[1].refill
    assert ten[1] - 10 * steady[1] == pytest.approx(refill, abs=2)


_STRAIGHT = (
    "adds {0}, {1}, {2}",
    "sub.w {0}, {1}, #4",
    "add.w {0}, {1}, {2}, lsl #3",
    "mul {0}, {1}, {2}",
    "smlad {0}, {1}, {2}, {0}",
    "smmlar {0}, {1}, {2}, {3}",
    "smull {0}, {4}, {1}, {2}",
    "ldr.w {0}, [{1}, #8]",
    "ldrsb.w {0}, [{1}, #8]",
    "str.w {0}, [{1}, #8]",
    "asr.w {0}, {1}, #7",
    "sxtb16 {0}, {1}",
    "ssat {0}, #8, {1}, asr #4",
    "pkhbt {0}, {1}, {2}, lsl #16",
)


@pytest.mark.skipif(shutil.which("llvm-mca") is None, reason="needs llvm-mca (Debian: llvm)")
@pytest.mark.parametrize("seed", range(5))
def test_straight_code_on_a_cortex_m7_is_about_what_llvm_has(seed: int) -> None:
    rng = random.Random(seed)
    registers = [f"r{n}" for n in range(12)]
    lines = [rng.choice(_STRAIGHT).format(*rng.sample(registers, 5)) for _ in range(200)]
    run = subprocess.run(
        ["llvm-mca", "-mtriple=thumbv7em-none-eabi", "-mcpu=cortex-m7", "-iterations=1"],
        input="\n".join([".syntax unified", ".thumb", *lines, ""]),
        capture_output=True,
        text=True,
        check=True,
    )
    match = re.search(r"Total Cycles:\s+(\d+)", run.stdout)
    assert match is not None
    # LLVM's tool also keeps results in order, which costs some cycles more.
    assert m7_cycles(*lines)[1] == pytest.approx(int(match[1]), rel=0.2)


def test_a_cortex_m7_has_a_range(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["measure", str(DIGITS), "--board", "mps2-an500", "--work", str(tmp_path)]
    assert cli.run([*command, "--cycles"]) == 0
    printed = capsys.readouterr().out
    assert "unverified on silicon" in printed and "about" not in printed.split("Estimated")[-1]
    document = json.loads((tmp_path / "measurement.json").read_text())
    found = document["cycles_estimate"]
    assert document["count"] / 2 < found["lowest"] < found["cycles"] < found["highest"]
    assert document["latency_us"] is None


def test_cores_without_documented_timings_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["measure", str(DIGITS), "--board", "mps2-an505", "--work", str(tmp_path), "-q"]
    assert cli.run([*command, "--cycles"]) == 2
    assert "no timings are known" in capsys.readouterr().err
