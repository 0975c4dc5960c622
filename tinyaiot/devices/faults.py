"""Crashes that a board told of: which fault, where in the sources, and what to look for.

The firmware's half is ``firmware/arch``: one line of text with the registers. Meanings of their
bits: Armv7-M and Armv8-M Architecture Reference Manuals, "CFSR"; RISC-V Privileged Architecture,
"mcause".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

PATTERN = re.compile(r"e-\[[^]\n]*(?:[Ff]ault|[Tt]rap|[Ee]xception)[^]\n]*]")

_REGISTER = re.compile(r"(\w+)=0x([0-9a-f]{1,8})\b")
_STACK_HINT = "give the board file a larger stack_bytes, or look for a deep chain of calls"
_CFSR_STACKING = (1 << 4) | (1 << 12)
_CFSR_STACK_LIMIT = 1 << 20
_CFSR_ADDRESS_IS_VALID = (1 << 7) | (1 << 15)
# The most telling first: one fault may set several bits.
_CFSR: Mapping[int, tuple[str, str]] = {
    20: ("the stack overflowed", _STACK_HINT),
    4: ("the stack overflowed", _STACK_HINT),
    12: ("the stack overflowed", _STACK_HINT),
    16: ("an undefined instruction", "compare the core of the board file with the chip"),
    17: ("a call to an address that is no Thumb code", "look for a damaged function pointer"),
    19: ("an instruction of a coprocessor that is off", "check that the chip has an FPU or MVE"),
    24: ("an unaligned access", "look for a pointer that was cast to a wider type"),
    25: ("a division by zero", "look at the divisor in that line"),
    0: ("a jump to where no code may run", "look for a damaged function pointer"),
    8: ("a jump to where there is no memory", "look for a damaged function pointer"),
    1: ("an access where none is allowed", "look for a null or damaged pointer"),
    9: ("an access where there is no memory", "look for a null or damaged pointer"),
    10: ("a write where there is no memory", "look for a null or damaged pointer"),
}
_MCAUSE: Mapping[int, tuple[str, str]] = {
    0: ("a jump to a misaligned address", "look for a damaged function pointer"),
    1: ("a jump to where there is no memory", "look for a damaged function pointer"),
    2: ("an undefined instruction", "compare the core of the board file with the chip"),
    3: ("a breakpoint", "look at that line"),
    4: ("a misaligned read", "look for a pointer that was cast to a wider type"),
    5: ("a read where there is no memory", "look for a null or damaged pointer"),
    6: ("a misaligned write", "look for a pointer that was cast to a wider type"),
    7: ("a write where there is no memory", "look for a null or damaged pointer"),
}
_UNKNOWN = ("it does not say why", "look at that line, and at the stack: is it deep enough?")


@dataclass(frozen=True)
class Place:
    """Where an address of an image is from.

    Attributes:
        function: the symbol that holds it.
        file, line: of the source, as the compiler was given it; None without debug information.
    """

    function: str
    file: str | None
    line: int | None

    def __str__(self) -> str:
        where = "" if self.file is None else f" ({self.file}:{self.line})"
        return f"{self.function}{where}"


@dataclass(frozen=True)
class Explanation:
    """A crash in words: what happened, what to do, and further lines."""

    what: str
    hint: str
    details: tuple[str, ...]


class Symbols:
    """Names for the addresses of an image: functions, and lines of its DWARF information."""

    def __init__(self, elf: Path) -> None:
        self._elf = elf
        self._symbols: dict[str, int] | None = None

    def address(self, name: str) -> int | None:
        """The value of a symbol; None where the image has none of that name."""
        if self._symbols is None:
            with self._elf.open("rb") as file:
                self._symbols = {s.name: s["st_value"] for s in _symbols(ELFFile(file))}
        return self._symbols.get(name)

    def place(self, address: int) -> Place | None:
        """Where the instruction at ``address`` is from; None where the image has no code there."""
        with self._elf.open("rb") as file:
            elf = ELFFile(file)
            function = _function(elf, address)
            if function is None:
                return None
            line = _line(elf, address) if elf.has_dwarf_info() else None
        return Place(function, *(line or (None, None)))


def explain(text: str, symbols: Symbols | None = None) -> Explanation:
    """What a line that matches ``PATTERN`` tells.

    Args:
        symbols: of the image that crashed, where it is known.
    """
    registers = {name: int(value, 16) for name, value in _REGISTER.findall(text)}
    cause, hint = _cause(registers, symbols)
    pc, caller = registers.get("pc", 0), registers.get("lr", registers.get("ra", 0))
    place = symbols.place(pc) if symbols is not None else None
    # A return address is behind the call, in a set bit for Thumb.
    called_from = symbols.place((caller & ~1) - 1) if symbols is not None and caller else None
    what = f"crashed: {cause}"
    if place is not None:
        what += f" in {place}"
    elif called_from is not None:
        what += f", called from {called_from}"
    elif pc:
        what += f" at pc=0x{pc:08x}"
    details = [text]
    if place is not None and called_from is not None:
        details.append(f"return address: {called_from}")
    return Explanation(what, hint, tuple(details))


def _cause(registers: Mapping[str, int], symbols: Symbols | None) -> tuple[str, str]:
    """What happened, with the address that it happened on where that is known; and a hint."""
    if _is_stack_overflow(registers, symbols):
        return "the stack overflowed", _STACK_HINT
    if "mcause" in registers:
        cause, hint = _MCAUSE.get(registers["mcause"], _UNKNOWN)
        on = registers.get("mtval") or None
        return cause if on is None else f"{cause}, 0x{on:08x},", hint
    cfsr = registers.get("cfsr", 0)
    cause, hint = next((words for bit, words in _CFSR.items() if cfsr >> bit & 1), _UNKNOWN)
    if cfsr & _CFSR_ADDRESS_IS_VALID and "address" in registers:
        cause += f", 0x{registers['address']:08x},"
    return cause, hint


def _is_stack_overflow(registers: Mapping[str, int], symbols: Symbols | None) -> bool:
    if registers.get("cfsr", 0) & (_CFSR_STACKING | _CFSR_STACK_LIMIT):
        return True
    bottom = symbols.address("ta_stack_bottom") if symbols is not None else None
    return bottom is not None and registers.get("sp", bottom) < bottom


def _symbols(elf: Any) -> Iterator[Any]:
    table = elf.get_section_by_name(".symtab")
    return table.iter_symbols() if isinstance(table, SymbolTableSection) else iter(())


def _function(elf: Any, address: int) -> str | None:
    for symbol in _symbols(elf):
        start = symbol["st_value"] & ~1  # the set bit says Thumb
        is_function = symbol["st_info"]["type"] == "STT_FUNC"
        if is_function and start <= address < start + symbol["st_size"]:
            return str(symbol.name)
    return None


def _line(elf: Any, address: int) -> tuple[str, int] | None:
    """File and line of the last row of the line tables that begins at or before ``address``."""
    dwarf = elf.get_dwarf_info()
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        if program is None:
            continue
        last = None
        for entry in program.get_entries():
            state = entry.state
            if state is None:
                continue
            begins = last is None
            if last is not None and last.address <= address < state.address:
                return _file_name(program, last.file), last.line
            # The linker leaves what it removed at 0, where an image has its vectors.
            is_removed = begins and state.address == 0
            last = None if state.end_sequence or is_removed else state
    return None


def _file_name(program: Any, index: int) -> str:
    # Before version 5 files count from 1, and folder 0 is that of the compilation.
    first = 0 if program["version"] >= 5 else 1
    entry = program["file_entry"][index - first]
    name = entry.name.decode("utf-8", "replace")
    folders = program["include_directory"]
    folder_index = entry.dir_index - first
    if not 0 <= folder_index < len(folders):
        return str(name)
    folder = folders[folder_index].decode("utf-8", "replace")
    return str(Path(folder) / name)
