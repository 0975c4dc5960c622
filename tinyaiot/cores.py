"""Processor cores: what the compiler is told and what the kernels may use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tinyaiot.errors import UsageError

# A flash limit that no kernel reaches.
UNLIMITED_FLASH = 1 << 31


@dataclass(frozen=True)
class Core:
    """A processor core.

    Attributes:
        arch: the folder of start-up code in ``firmware/arch``.
        toolchain: prefix of the compiler's commands; empty for the host's own.
        flags: compiler flags that select the core.
        features: instruction-set features that kernel variants ask for.
        pointer_bytes: size of a pointer, for scratch that holds row pointers.
        scratch_limit: bytes that a kernel may use beyond row pointers, where there is a choice.
        flash_limit: bytes of flash that a kernel may take beyond the smaller ones' constants.
        large_code: C files of kernels whose code takes more flash that it may have; any where the
            flash limit is none.
    """

    id: str
    arch: str
    toolchain: str
    flags: tuple[str, ...]
    features: frozenset[str]
    pointer_bytes: int = 4
    scratch_limit: int | None = None
    flash_limit: int = 0
    large_code: frozenset[str] = frozenset()

    @property
    def has_dsp_alone(self) -> bool:
        """Whether it has the DSP extension, but no Helium, for which there are kernels apart."""
        return "dsp" in self.features and "mve" not in self.features

    def with_scratch_limit(self, nbytes: int | None) -> Core:
        """The same core, where a node has only so much for its kernel."""
        return replace(self, scratch_limit=nbytes)

    def with_flash_limit(self, nbytes: int) -> Core:
        """The same core, where each kernel may take so much more flash to be faster."""
        return replace(self, flash_limit=nbytes)

    def without_limits(self) -> Core:
        """The core as a board has it."""
        return replace(self, scratch_limit=None, flash_limit=0, large_code=frozenset())

    def with_large_code(self, sources: Iterable[str]) -> Core:
        """The same core, where kernels may have those C files."""
        return replace(self, large_code=frozenset(sources))

    def takes_code(self, sources: Iterable[str]) -> bool:
        """Whether a kernel may have C files that smaller ones do without."""
        return self.flash_limit >= UNLIMITED_FLASH or self.large_code.issuperset(sources)


_ARM = "arm-none-eabi-"
_FPV4 = ("-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")


def _cortex_m(name: str, flags: tuple[str, ...], *features: str) -> Core:
    cpu = name.replace("+", "plus")
    return Core(
        id=name,
        arch="cortex-m",
        toolchain=_ARM,
        flags=(f"-mcpu={cpu}", "-mthumb", *flags),
        features=frozenset(features),
    )


def _riscv(isa: str) -> Core:
    return Core(
        id=isa,
        arch="riscv",
        toolchain="riscv64-unknown-elf-",
        flags=(f"-march={isa}", "-mabi=ilp32", "-mcmodel=medany"),
        features=frozenset(),
    )


def _xtensa(name: str, toolchain: str) -> Core:
    """Espressif's compilers, one for each configuration of the core; portable C kernels."""
    return Core(id=name, arch="xtensa", toolchain=toolchain, flags=(), features=frozenset())


CORES = {
    core.id: core
    for core in (
        _cortex_m("cortex-m0", ("-mfloat-abi=soft",)),
        _cortex_m("cortex-m0+", ("-mfloat-abi=soft",)),
        _cortex_m("cortex-m3", ("-mfloat-abi=soft",), "thumb2"),
        _cortex_m("cortex-m4", _FPV4, "thumb2", "dsp", "fpu"),
        _cortex_m("cortex-m7", ("-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"), "thumb2", "dsp", "fpu"),
        _cortex_m("cortex-m33", ("-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"), "thumb2", "dsp", "fpu"),
        # binutils 2.40 takes a conditional vcvt ("vcvtne.f32.s32") for MVE's vcvtn: avoid it.
        _cortex_m(
            "cortex-m55",
            ("-mfloat-abi=hard", "-fno-if-conversion2"),
            *("thumb2", "dsp", "fpu", "mve"),
        ),
        _riscv("rv32imac"),
        _riscv("rv32imc"),
        _xtensa("xtensa-lx6", "xtensa-esp32-elf-"),
        _xtensa("xtensa-lx7", "xtensa-esp32s3-elf-"),
        Core(
            id="avr6",
            arch="avr",
            toolchain="avr-",
            flags=("-mmcu=atmega2560",),
            features=frozenset(),
            pointer_bytes=2,
        ),
        Core(
            id="host",
            arch="host",
            toolchain="",
            flags=(),
            features=frozenset(),
            pointer_bytes=8,
        ),
    )
}


def core_by_id(core_id: str) -> Core:
    """The core of that id; raises UsageError naming the known ones."""
    try:
        return CORES[core_id]
    except KeyError:
        raise UsageError(
            f"unknown core {core_id!r}", f"use one of: {', '.join(sorted(CORES))}"
        ) from None
