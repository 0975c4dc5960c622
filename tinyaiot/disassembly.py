"""The instructions of an image, as objdump tells them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tinyaiot.errors import BuildError

_LINE = re.compile(r"\s*([0-9a-f]+):\s+(\S+)\s*([^;@]*)")
_SPAN = re.compile(r"([rsd])(\d+)-\1?(\d+)")


@dataclass(frozen=True)
class Instruction:
    """One line of a disassembly."""

    mnemonic: str
    operands: str
    nbytes: int = 0


def listed_registers(operands: str) -> list[str]:
    """Those between braces, spans of them one by one."""
    found = []
    for part in operands[operands.index("{") + 1 : operands.index("}")].split(","):
        name = part.strip()
        if span := _SPAN.fullmatch(name):
            found += [f"{span[1]}{n}" for n in range(int(span[2]), int(span[3]) + 1)]
        else:
            found.append(name)
    return found


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
