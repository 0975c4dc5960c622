"""Estimated cycles: what an emulator ran, each instruction at its documented time.

The times are those of Arm's Technical Reference Manuals (Cortex-M3: DDI 0337, table 3-1;
Cortex-M4: DDI 0439, table 3-1), for memory without wait states. Where a manual gives a range, as
for long products on an M3, divisions, and one to three cycles for refilling the pipeline, the
middle is taken, and both ends are given beside it. Nothing of this is measured; flash that is
slower than the core makes a chip slower than this. A Cortex-M7's are those of
``tinyaiot.cortex_m7``, which has no documented ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tinyaiot import cortex_m7
from tinyaiot.devices.emulator import Block, EmulatedBoard
from tinyaiot.devices.link import Device
from tinyaiot.disassembly import Instruction, disassembled, listed_registers
from tinyaiot.errors import UsageError
from tinyaiot.measure import Deployment
from tinyaiot.operators.base import AnyArray

ASSUMPTIONS = (
    "documented instruction timings, zero wait states, aligned accesses, the middle of each range"
)
_CORTEX_M7 = "cortex-m7"
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
_TIMED = (*_MULTIPLIES, _CORTEX_M7)
_FLOATS = {
    **dict.fromkeys(("vmla", "vmls", "vnmla", "vnmls", "vfma", "vfms"), 3),
    **dict.fromkeys(("vdiv", "vsqrt"), 14),
}
_LIST = ("ldm", "stm", "push", "pop", "vldm", "vstm", "vpush", "vpop")
_PAIRS = ("ldrd", "strd")
_TARGET = re.compile(r"([0-9a-f]+)(?: <.*>)?$")


@dataclass(frozen=True)
class CycleEstimate:
    """Of one inference.

    Attributes:
        total: with the middle of each documented range.
        lowest, highest: with their ends.
        by_layer: by the layer's index.
        assumptions: in words.
        is_documented: whether the core's timings are; otherwise only the ends are to be trusted.
    """

    total: int
    lowest: int
    highest: int
    by_layer: Mapping[int, int]
    assumptions: str = ASSUMPTIONS
    is_documented: bool = True

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
    """Whether anything is known of the core's instruction timings."""
    return core in _TIMED


def has_documented_timings(core: str) -> bool:
    """Whether they are from its manual; of others, only the ends of a range are to be trusted."""
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
    known = ", ".join(_TIMED)
    if board.emulator is None:
        raise UsageError(
            f"{board.id} is not emulated: its cycles are counted, not estimated",
            "leave out --cycles",
        )
    if not has_timings(board.core):
        raise UsageError(
            f"the cycles of a {board.core} cannot be estimated: no timings are known",
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
            cycles = _cycles(block, listing, core, end)
            totals[end] += cycles
            if end == _MIDDLE and block.layer is not None:
                by_layer[block.layer] = by_layer.get(block.layer, 0) + cycles
    found = CycleEstimate(totals[_MIDDLE], totals[_LOWEST], totals[_HIGHEST], by_layer)
    if core == _CORTEX_M7:
        return replace(found, assumptions=cortex_m7.ASSUMPTIONS, is_documented=False)
    return found


def _cycles(block: Block, listing: Mapping[int, Instruction], core: str, end: int) -> int:
    """Cycles of all times that a block was executed."""
    instructions, address = [], block.address
    for _ in range(block.instructions):
        if address not in listing:
            raise ValueError(f"no instruction at {address:#x}")
        instructions.append(listing[address])
        address += listing[address].nbytes
    if core == _CORTEX_M7:
        target = _TARGET.search(instructions[-1].operands)
        loops = target is not None and int(target[1], 16) == block.address
        timings = cortex_m7.TIMINGS[end]
        return cortex_m7.cycles_of_block(instructions, block.executed, block.left, loops, timings)
    straight, after_access = 0, False
    for instruction in instructions:
        straight += cycles_of(instruction, core, end, after_access=after_access)
        after_access = _is_single_access(instruction)
    return block.executed * straight + block.left * _REFILL[end]


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
        listed = listed_registers(instruction.operands)
        return 1 + len(listed) * (2 if listed[0].startswith("d") else 1)
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
