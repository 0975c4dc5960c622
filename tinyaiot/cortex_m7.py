"""How a Cortex-M7 issues instructions: two at a time, in order, as far as that is known.

Arm's manual (DDI 0489) tells the units: two ALUs, one of which has the SIMD instructions, one
pipeline for products, which takes one each cycle and is two cycles late, one divider, two channels
of 32 bits for loads, a store buffer, and a cache of branch targets for predictions. It gives no
timings. When operands are read, and which instructions issue alone or only as the first of two,
comes from the descriptions by which LLVM (ARMScheduleM7.td) and GCC (cortex-m7.md) order code for
this core. Where the manual and these do not decide, or differ, ``TIMINGS`` has both ends.
Nothing of it was compared with a chip.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tinyaiot.disassembly import Instruction, listed_registers

ASSUMPTIONS = (
    "LLVM's and GCC's timings, code and data in TCM or in caches that never miss; "
    "unverified on silicon"
)
_WIDTH = 2
_FLAGS = "flags"


@dataclass(frozen=True)
class Timings:
    """What is not certain of the core. All times are in cycles.

    Attributes:
        accesses: loads and stores in one cycle; of loads, two only where their words lie in
            different banks.
        load, narrow_load: until what a load brings can be used, a word or less.
        words: registers of a list that are moved in one cycle.
        list_start: what moving a list takes beside.
        flags: from setting flags to a branch on them.
        folds_it: whether IT takes no place.
        products_lead: whether products issue only as the first of two, as SIMD does.
        divide: of a division; it ends early for small quotients.
        mispredictions: for each time that a branch went its rarer way.
        refill: after a misprediction.
        guesses_returns: whether the targets of indirect branches are foreseen.
        taken: of any branch that is taken.
        drains: whether results are waited for where blocks end.
        joins: whether what follows a branch that is not taken may issue beside it.
    """

    accesses: int
    load: int
    narrow_load: int
    words: int
    list_start: int
    flags: int
    folds_it: bool
    products_lead: bool
    divide: int
    mispredictions: int
    refill: int
    guesses_returns: bool
    taken: int
    drains: bool
    joins: bool


# The best that is documented, LLVM's description, and the worst of all that is known.
TIMINGS = (
    Timings(2, 1, 1, 2, 0, 0, True, False, 2, 0, 0, True, 0, False, True),
    Timings(2, 1, 2, 2, 0, 1, False, False, 7, 1, 4, True, 0, False, False),
    Timings(1, 2, 3, 1, 1, 1, False, True, 12, 2, 6, False, 1, True, False),
)

_CONDITION = "(?:eq|ne|cs|cc|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)"
_BRANCH = re.compile(rf"(b{_CONDITION}?|bl|bx|blx|cbn?z|tb[bh])$")
_CONDITIONAL_BRANCH = re.compile(rf"(b{_CONDITION}|cbn?z)$")
_SETS_FLAGS = re.compile(
    r"(add|sub|rsb|mov|mvn|lsl|lsr|asr|ror|rrx|and|orr|eor|bic|orn|adc|sbc|mul|neg)s$"
    r"|(cmp|cmn|tst|teq)"
)
_PRODUCT = re.compile(r"mul|ml[as]|[su]mull|[su]mlal|umaal|sml|smul|smu[as]d|smm")
_LONG = re.compile(r"[su]mull|[su]mlal|smlsld|umaal")
_ACCUMULATES = re.compile(r"ml[as]|[su]mlal|umaal|sml|smml")
# Those of the first ALU only; what shifts reads its operands early.
_SIMD = re.compile(
    r"[su]xt|pkh|[su](sat|bfx)|bf[ic]|sel|rev|rbit|clz|usad|qd(add|sub)"
    r"|(s|u|q|uq|sh|uh)(add|sub|asx|sax)(8|16|$)"
)
_SHIFTS_FIRST = re.compile(r"[su]sat|[su]bfx|rev|rbit|qd")
_LATE = re.compile(r"[su]sat|u?q|usad")
_EARLY = re.compile(r"rev|rbit")
_SHIFTED_LAST = re.compile(r"pkh|[su]xta")
# Instructions that do not leave what was in their first register.
_MOVES = re.compile(r"mov(?!t)|mvn|neg|adr|[su]xt|rev|rbit|clz|[su]bfx|[su]sat|bfc|mrs|vmov")
_REGISTER = re.compile(r"\b(?:r\d+|s[lp]|fp|ip|lr|pc|[sd]\d+)\b")
_SHIFT = re.compile(r", (lsl|lsr|asr|ror|rrx)\b")
_BASE = re.compile(r"\[(\w+)[^]]*\](!|,)")
_FLOAT_LATE = {"vfma": 6, "vfms": 6, "vmla": 6, "vmls": 6, "vdiv": 16, "vsqrt": 16}


@dataclass(frozen=True)
class _Read:
    """A register that is read, ``early`` cycles before an ALU would; after, where below 0."""

    register: str
    early: int = 0


@dataclass(frozen=True)
class _Operation:
    """An instruction, as the pipeline sees it.

    Attributes:
        units: of which it takes one each.
        writes: cycles by register, until an ALU can read it.
        leads: whether it issues only as the first of two.
        alone: whether it issues with no other.
        cycles: in which it issues.
        is_free: whether it takes no place.
    """

    reads: tuple[_Read, ...] = ()
    writes: Mapping[str, int] = field(default_factory=dict)
    units: tuple[str, ...] = ()
    leads: bool = False
    alone: bool = False
    cycles: int = 1
    is_free: bool = False


@dataclass
class _Pipeline:
    """Issues operations in order."""

    timings: Timings
    cycle: int = 0
    issued: int = 0
    taken: Counter[str] = field(default_factory=Counter)
    ready: dict[str, int] = field(default_factory=dict)

    def issue(self, operation: _Operation) -> None:
        if operation.is_free:
            return
        start = max(
            (self.ready[r.register] + r.early for r in operation.reads if r.register in self.ready),
            default=0,
        )
        if start > self.cycle:
            self.begin(start)
        while not self._fits(operation):
            self.begin(self.cycle + 1)
        self.taken.update(operation.units)
        self.issued = _WIDTH if operation.alone else self.issued + 1
        if operation.cycles > 1:
            self.begin(self.cycle + operation.cycles - 1)
            self.issued = _WIDTH
        for register, latency in operation.writes.items():
            self.ready[register] = self.cycle + latency

    def begin(self, cycle: int) -> None:
        """Goes on to a cycle in which nothing was issued yet."""
        self.cycle, self.issued = cycle, 0
        self.taken.clear()

    def _fits(self, operation: _Operation) -> bool:
        if self.issued == 0:
            return True
        if self.issued == _WIDTH or operation.alone or operation.leads or operation.cycles > 1:
            return False
        limits = {"alu": 2, "load": 2, "access": self.timings.accesses}
        return all(self.taken[unit] < limits.get(unit, 1) for unit in operation.units)


def cycles_of_block(
    instructions: Sequence[Instruction], executed: int, left: int, loops: bool, timings: Timings
) -> int:
    """Cycles of a block of instructions.

    Args:
        executed: how often it was.
        left: how often what came next was not what lies behind it.
        loops: whether it leaves to its own start.
    """
    operations = list(_operations(instructions, timings))
    pipeline = _Pipeline(timings)
    ends: list[int] = []
    for _ in range(3):
        for operation in operations:
            pipeline.issue(operation)
        if not ends:
            has_room = pipeline.issued < _WIDTH
            late = max(pipeline.ready.values(), default=0) - pipeline.cycle - 1
        pipeline.begin(pipeline.cycle + 1)
        ends.append(pipeline.cycle)
    again = left if loops else 0
    once = ends[0] + (max(late, 0) if timings.drains else 0)
    cycles = again * (ends[2] - ends[1]) + (executed - again) * once
    if timings.joins and has_room:
        cycles -= executed - left
    return cycles + left * timings.taken + _mispredicted(instructions[-1], executed, left, timings)


def _mispredicted(last: Instruction, executed: int, left: int, timings: Timings) -> int:
    """Cycles that are lost to wrong predictions."""
    stem = _stem(last)
    if _CONDITIONAL_BRANCH.match(stem):
        rarer = min(left, executed - left)
        return min(rarer * timings.mispredictions, executed) * timings.refill
    is_indirect = stem in ("bx", "blx", "tbb", "tbh") or "pc" in last.operands
    return 0 if timings.guesses_returns or not is_indirect else left * timings.refill


def _stem(instruction: Instruction) -> str:
    return instruction.mnemonic.split(".")[0]


def _operations(instructions: Iterable[Instruction], timings: Timings) -> Iterable[_Operation]:
    conditional = 0
    for instruction in instructions:
        stem = _stem(instruction)
        if re.fullmatch("it[te]*", stem):
            conditional = len(stem) - 1
            yield _Operation((_Read(_FLAGS),), is_free=timings.folds_it)
            continue
        yield _operation(instruction, stem[:-2] if conditional else stem, conditional > 0, timings)
        conditional = max(conditional - 1, 0)


def _operation(
    instruction: Instruction, stem: str, is_conditional: bool, timings: Timings
) -> _Operation:
    operands = instruction.operands
    flags = (_Read(_FLAGS),) if is_conditional or stem.startswith(("adc", "sbc")) else ()
    if _BRANCH.match(stem):
        reads = tuple(map(_Read, _REGISTER.findall(operands))) + flags
        if _CONDITIONAL_BRANCH.match(stem) and stem.startswith("b"):
            reads += (_Read(_FLAGS, timings.flags - 1),)
        cycles = 2 if stem.startswith("tb") else 1
        return _Operation(reads, units=("branch",), alone=cycles > 1, cycles=cycles)
    if stem.startswith(("ldm", "stm", "push", "pop", "vldm", "vstm", "vpush", "vpop")):
        return _list(stem, operands, timings)
    if stem.startswith(("ldr", "str", "vldr", "vstr")):
        return _access(stem, operands, flags, timings)
    return _arithmetic(stem, operands, flags, timings)


def _list(stem: str, operands: str, timings: Timings) -> _Operation:
    """A load or store of a list of registers."""
    listed = listed_registers(operands)
    base = _REGISTER.findall(operands.split("{")[0]) or ["sp"]
    words = len(listed) * (2 if listed[0].startswith("d") else 1)
    cycles = -(-words // timings.words) + timings.list_start
    reads = tuple(_Read(register, 1) for register in base)
    writes = dict.fromkeys(base, 0) if "!" in operands or operands[0] == "{" else {}
    if stem.startswith(("ld", "vld", "pop", "vpop")):
        writes |= dict.fromkeys(listed, timings.load)
    else:
        reads += tuple(_Read(register, -1) for register in listed)
    return _Operation(reads, writes, alone=True, cycles=cycles)


def _access(stem: str, operands: str, flags: tuple[_Read, ...], timings: Timings) -> _Operation:
    """A load or store of one register, or of two."""
    data = _REGISTER.findall(operands.split("[")[0])
    addresses = _REGISTER.findall("[" + operands.partition("[")[2])
    reads = flags + tuple(_Read(register, 1) for register in addresses if register != "pc")
    update = _BASE.search(operands)
    writes = {update[1]: 0} if update else {}
    is_pair = stem.startswith(("ldrd", "strd"))
    is_double = is_pair or data[0].startswith("d")
    cycles = 2 // timings.words + timings.list_start if is_double else 1
    if "ldr" in stem:
        is_narrow = stem[3:].strip("s") in ("b", "h")
        writes |= dict.fromkeys(data, timings.narrow_load if is_narrow else timings.load)
    else:
        reads += tuple(_Read(register, -1) for register in data)
    units = ("load" if "ldr" in stem else "store", "access")
    return _Operation(reads, writes, units, alone=cycles > 1 or is_pair, cycles=cycles)


def _arithmetic(stem: str, operands: str, flags: tuple[_Read, ...], timings: Timings) -> _Operation:
    sets_flags = {_FLAGS: 1} if _SETS_FLAGS.match(stem) else {}
    registers = _REGISTER.findall(operands)
    if stem.startswith("v"):
        latency = next((n for start, n in _FLOAT_LATE.items() if stem.startswith(start)), 3)
        return _Operation(
            flags + tuple(map(_Read, registers[1:])), dict.fromkeys(registers[:1], latency), ("fp",)
        )
    if stem.startswith(("cmp", "cmn", "tst", "teq")):
        made, used = [], registers
    else:
        count = 2 if _LONG.match(stem) else 1
        made, used = registers[:count], registers[count:]
        if not _MOVES.match(stem) and (operands.count(",") == 1 or stem.startswith("bfi")):
            used = made + used
    if _PRODUCT.match(stem):
        return _product(stem, made, used, flags, timings)
    if stem.startswith(("sdiv", "udiv")):
        reads = flags + tuple(map(_Read, used))
        return _Operation(reads, dict.fromkeys(made, 1), alone=True, cycles=timings.divide)
    is_shifted = _SHIFT.search(operands) is not None
    reads = flags + tuple(map(_Read, used))
    if _SHIFTS_FIRST.match(stem):
        reads = flags + tuple(_Read(register, 1) for register in used)
    elif (is_shifted and not stem.startswith("mov")) or _SHIFTED_LAST.match(stem):
        reads = flags + tuple(map(_Read, used[:-1])) + (_Read(used[-1], 1),)
    if _SIMD.match(stem):
        latency = 0 if _EARLY.match(stem) else 2 if _LATE.match(stem) else 1
        return _Operation(reads, dict.fromkeys(made, latency), ("alu", "simd"), leads=True)
    shifts = is_shifted or stem.startswith(("lsl", "lsr", "asr", "ror"))
    units = ("alu", "shifter") if shifts else ("alu",)
    return _Operation(reads, dict.fromkeys(made, 1) | sets_flags, units)


def _product(
    stem: str, made: list[str], used: list[str], flags: tuple[_Read, ...], timings: Timings
) -> _Operation:
    """Of the unit for products, which reads what it adds to a cycle late."""
    added: list[str] = []
    if _LONG.match(stem):
        added = made if _ACCUMULATES.match(stem) else []
    elif _ACCUMULATES.match(stem):
        used, added = used[:-1], used[-1:]
    reads = flags + tuple(map(_Read, used)) + tuple(_Read(register, -1) for register in added)
    return _Operation(reads, dict.fromkeys(made, 2), ("product",), leads=timings.products_lead)
