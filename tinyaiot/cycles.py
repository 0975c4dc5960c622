"""Estimated cycles: what an emulator ran, each instruction at its documented time.

The times are those of Arm's Technical Reference Manuals (Cortex-M3: DDI 0337, table 3-1;
Cortex-M4: DDI 0439, table 3-1), for memory without wait states. Where a manual gives a range, as
for long products on an M3, divisions, and one to three cycles for refilling the pipeline, the
middle is taken, and both ends are given beside it. Nothing of this is measured; flash that is
slower than the core makes a chip slower than this.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyaiot.devices.emulator import Block, EmulatedBoard
from tinyaiot.devices.link import Device
from tinyaiot.errors import BuildError, UsageError
from tinyaiot.measure import Deployment
from tinyaiot.operators.base import AnyArray

ASSUMPTIONS = "documented instruction timings, zero wait states, the middle of each range"
_LOWEST, _MIDDLE, _HIGHEST = range(3)
_REFILL = (1, 2, 3)
_DIVIDE = (2, 7, 12)

_Range = tuple[int, int, int]
_LONG_PRODUCT: _Range = (3, 4, 5)
_LONG_SUM: _Range = (4, 5, 7)
# What takes other than one cycle, by the start of the mnemonic.
_MULTIPLIES: dict[str, dict[str, _Range]] = {
    "cortex-m3": {
        "mla": (2, 2, 2),
        "mls": (2, 2, 2),
        "smull": _LONG_PRODUCT,
        "umull": _LONG_PRODUCT,
        "smlal": _LONG_SUM,
        "umlal": _LONG_SUM,
    },
    "cortex-m4": {},
}
_FLOATS = {
    **dict.fromkeys(("vmla", "vmls", "vnmla", "vnmls", "vfma", "vfms"), 3),
    **dict.fromkeys(("vdiv", "vsqrt"), 14),
}
_LIST = ("ldm", "stm", "push", "pop", "vldm", "vstm", "vpush", "vpop")
_PAIRS = ("ldrd", "strd")
_LINE = re.compile(r"\s*([0-9a-f]+):\s+(\S+)\s*([^;@]*)")
_REGISTERS = re.compile(r"([rs])(\d+)-\1?(\d+)")


@dataclass(frozen=True)
class Instruction:
    """One line of a disassembly."""

    mnemonic: str
    operands: str
    nbytes: int = 0


@dataclass(frozen=True)
class CycleEstimate:
    """Of one inference.

    Attributes:
        total: with the middle of each documented range.
        lowest, highest: with their ends.
        by_layer: by the layer's index.
        assumptions: in words.
    """

    total: int
    lowest: int
    highest: int
    by_layer: Mapping[int, int]
    assumptions: str = ASSUMPTIONS

    def to_json(self) -> dict[str, Any]:
        """What ``measure --json`` gives as ``cycles_estimate``."""
        layers = {str(index): cycles for index, cycles in sorted(self.by_layer.items())}
        return {
            "cycles": self.total,
            "lowest": self.lowest,
            "highest": self.highest,
            "assumptions": self.assumptions,
            "layers": layers,
        }


def has_timings(core: str) -> bool:
    """Whether the core's instruction timings are documented, and are here."""
    return core in _MULTIPLIES


def estimate_cycles(deployment: Deployment, inputs: Sequence[AnyArray]) -> CycleEstimate:
    """Runs the model once more on its emulated board, with a histogram of what is executed.

    Raises:
        UsageError: the board is not emulated, or nothing is known of its core.
        BuildError: the compiler's objdump is missing.
    """
    board = deployment.board
    require_timings(deployment)
    with EmulatedBoard(board, deployment.image, histogram=True) as running:
        with Device(running.link) as device:
            device.load(inputs)
            device.run()
        blocks = running.blocks()
    return estimate(
        blocks, disassembled(deployment.image.elf, board.processor.toolchain), board.core
    )


def require_timings(deployment: Deployment) -> None:
    """Raises UsageError where there is nothing to estimate cycles from."""
    board = deployment.board
    known = ", ".join(sorted(_MULTIPLIES))
    if board.emulator is None:
        raise UsageError(
            f"{board.id} is not emulated: its cycles are counted, not estimated",
            "leave out --cycles",
        )
    if not has_timings(board.core):
        raise UsageError(
            f"the cycles of a {board.core} cannot be estimated: no documented timings",
            f"take a board with one of: {known}",
        )


def estimate(
    blocks: Sequence[Block], listing: Mapping[int, Instruction], core: str
) -> CycleEstimate:
    """Cycles of what was executed.

    Args:
        listing: by address.
    """
    totals = [0, 0, 0]
    by_layer: dict[int, int] = {}
    for block in blocks:
        for end in (_LOWEST, _MIDDLE, _HIGHEST):
            straight = _straight(block, listing, core, end)
            cycles = block.executed * straight + block.left * _REFILL[end]
            totals[end] += cycles
            if end == _MIDDLE and block.layer is not None:
                by_layer[block.layer] = by_layer.get(block.layer, 0) + cycles
    return CycleEstimate(totals[_MIDDLE], totals[_LOWEST], totals[_HIGHEST], by_layer)


def _straight(block: Block, listing: Mapping[int, Instruction], core: str, end: int) -> int:
    """Cycles of a block that goes on to what lies behind it."""
    address, cycles, after_access = block.address, 0, False
    for _ in range(block.instructions):
        instruction = listing.get(address)
        if instruction is None:
            raise ValueError(f"no instruction at {address:#x}")
        cycles += cycles_of(instruction, core, end, after_access=after_access)
        after_access = _is_single_access(instruction)
        address += instruction.nbytes
    return cycles


def cycles_of(instruction: Instruction, core: str, end: int, *, after_access: bool) -> int:
    """Cycles of an instruction, without refilling the pipeline.

    Args:
        end: of documented ranges: 0 for the lower, 1 for the middle, 2 for the upper.
        after_access: whether it follows a single load or store, with which one pipelines.
    """
    name = instruction.mnemonic
    if name.startswith(_PAIRS):
        return 3
    if name.startswith(_LIST):
        return 1 + _listed(instruction.operands)
    if _is_single_access(instruction):
        # A store to a register and an offset is always one; neighbours overlap.
        return 1 if after_access or _stores_by_offset(instruction) else 2
    if name.startswith(("sdiv", "udiv")):
        return _DIVIDE[end]
    if name.startswith(("tbb", "tbh")):
        return 3
    for start, cycles in _MULTIPLIES[core].items():
        if name.startswith(start):
            return cycles[end]
    return next((n for start, n in _FLOATS.items() if name.startswith(start)), 1)


def _is_single_access(instruction: Instruction) -> bool:
    name = instruction.mnemonic
    return name.startswith(("ldr", "str", "vldr", "vstr")) and not name.startswith(_PAIRS)


def _stores_by_offset(instruction: Instruction) -> bool:
    name, operands = instruction.mnemonic, instruction.operands
    return name.startswith("str") and ("#" in operands or operands.count(",") == 1)


def _listed(operands: str) -> int:
    """Registers of a list."""
    inside = operands[operands.index("{") + 1 : operands.index("}")]
    count = 0
    for part in inside.split(","):
        span = _REGISTERS.search(part.strip())
        count += int(span[3]) - int(span[2]) + 1 if span else 1
    return count * (2 if "d" in inside else 1)


def disassembled(elf: Path, toolchain: str) -> dict[int, Instruction]:
    """The instructions of an image by their addresses; raises BuildError without objdump."""
    command = os.environ.get("CROSS", toolchain) + "objdump"
    if shutil.which(command) is None:
        raise BuildError(f"{command} is not on PATH", "install the compiler's binutils")
    run = subprocess.run(
        [command, "-d", "--no-show-raw-insn", "-w", str(elf)],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[int, tuple[str, str]] = {}
    for line in run.stdout.splitlines():
        match = _LINE.match(line)
        if match:
            found[int(match[1], 16)] = (match[2], match[3].strip())
    addresses = sorted(found)
    return {
        address: Instruction(*found[address], nbytes=following - address)
        for address, following in zip(addresses, [*addresses[1:], addresses[-1] + 2], strict=True)
    }
