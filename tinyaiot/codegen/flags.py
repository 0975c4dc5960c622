"""How generated projects are compiled, whichever tool builds them."""

from __future__ import annotations

from collections.abc import Sequence

from tinyaiot.boards import Board

WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
COMMON = ("-g", "-fno-common", "-ffunction-sections", "-fdata-sections")
FAST = ("-O2",)
# Loops that clear or compare a few bytes are not worth the C library's memset and strlen.
SMALL = ("-Os", "-fno-tree-loop-distribute-patterns")

_LIBC = {"riscv": ("--specs=picolibc.specs",)}
_SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-DTA_CHECKED")


def core_flags(board: Board) -> tuple[str, ...]:
    """What selects the core and its C library, for compiler and linker."""
    return (*board.processor.flags, *_LIBC.get(board.processor.arch, ()))


def instrument_flags(board: Board) -> tuple[str, ...]:
    """Sanitizers, on the host."""
    return _SANITIZERS if board.processor.arch == "host" else ()


def all_defines(board: Board, defines: Sequence[str]) -> tuple[str, ...]:
    """The board's C macros, and the project's own ``defines``."""
    clock = (f"TA_CLOCK_HZ={board.clock_hz}u",) if board.clock_hz else ()
    return (*clock, *board.defines, *defines)
