"""What was calibrated for each family of cores: costs of kernels, sizes of code.

One JSON file for each family in the folder ``calibrations``, written by ``make calibrate`` and
shipped with the package.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cattrs

from tinyaiot.loops import Tile
from tinyaiot.paths import data_dir

FOLDER = Path(__file__).resolve().parent / "calibrations"

# Cores that run the code of another, at most reordered by the compiler.
_FAMILIES = {
    "cortex-m0+": "cortex-m0",
    "cortex-m7": "cortex-m4",
    "cortex-m33": "cortex-m4",
    "rv32imc": "rv32imac",
}


@dataclass(frozen=True)
class KernelCost:
    """What a kernel takes.

    Attributes:
        tile: how much it takes at a time, as far as its counts show.
        instructions: of one trip, by the names of ``costs.features``.
        ranges: lowest and highest of each of ``Work.dimensions`` among the measured layers.
        cycles_per_instruction: an estimate; None where there is none for the core.
        samples: how many layers were measured.
        error: mean relative error of layers that were left out of the fit.
    """

    tile: Tile
    instructions: Mapping[str, float]
    ranges: Mapping[str, tuple[float, float]]
    samples: int
    error: float
    cycles_per_instruction: float | None = None


@dataclass(frozen=True)
class Calibration:
    """Of one family of cores.

    Attributes:
        core: that was measured.
        board: the emulated board on which.
        compiler: what built the layers.
        kernels: by ``Work.kernel``.
        sources: digests of the C files under ``firmware/operators`` that were measured.
    """

    core: str
    board: str
    compiler: str
    kernels: Mapping[str, KernelCost]
    sources: Mapping[str, str]

    @property
    def has_cycles(self) -> bool:
        """Whether there is an estimate of cycles for the core."""
        return any(cost.cycles_per_instruction is not None for cost in self.kernels.values())


def family_of(core: str) -> str:
    """The core whose calibration holds for ``core``."""
    return _FAMILIES.get(core, core)


@functools.cache
def calibration_of(core: str) -> Calibration | None:
    """What was calibrated for the core's family; None where nothing was."""
    path = FOLDER / f"{family_of(core)}.json"
    if not path.is_file():
        return None
    return cattrs.structure(json.loads(path.read_text(encoding="utf-8")), Calibration)


def digest_of(source: str) -> str:
    """Of a C file under ``firmware/operators``; empty where there is none any more."""
    path = data_dir("firmware") / "operators" / source
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else ""


def to_json(calibrated: object) -> str:
    """A file's text: the same for the same calibration."""
    return json.dumps(cattrs.unstructure(calibrated), indent=1, sort_keys=True) + "\n"
