"""Measures drawn layers on emulated cores, and writes what predictions are made of.

    python -m scripts.calibrate [CORE...]        (make calibrate)

Every kernel row of the operators' tables is measured by itself; a new one needs nothing here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import replace

from scripts.calibration.fit import Fitted, fit_kernels
from scripts.calibration.measure import Batch, Sample, draw_batches, measure_batch
from scripts.calibration.sizes import board_sizes, core_sizes, emulated_boards
from tinyaiot.boards import Board, board_by_id
from tinyaiot.calibrations import (
    FOLDER,
    Calibration,
    calibration_of,
    digest_of,
    family_of,
    to_json,
)
from tinyaiot.errors import DeviceError, TinyaiotError
from tinyaiot.sizes import SIZES, Sizes

# An M3's machine runs code for an M0 as it stands.
BOARDS = {
    "cortex-m0": "mps2-an385",
    "cortex-m3": "mps2-an385",
    "cortex-m4": "mps2-an386",
    "cortex-m55": "mps3-an547",
    "rv32imac": "rv32-virt",
}
# Drivers of which drawn layers take one of two: both have sizes.
_ALTERNATIVES = {"conv_2d/ta_conv_2d_blocks.c": "conv_2d/ta_conv_2d_ring.c"}
QUOTA = 90
_SEED = 20_261


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    cores = sys.argv[1:] or list(BOARDS)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for summary in pool.map(calibrate, cores):
            print(summary, flush=True)
        print(calibrate_sizes(pool), flush=True)


def calibrate(core: str) -> str:
    """Measures, fits and stores; returns how well it went, kernel by kernel."""
    started = time.monotonic()
    board = board_on(core)
    samples = measure(board)
    fitted = fit_kernels(samples)
    text = to_json(calibration(board, samples, fitted))
    (FOLDER / f"{core}.json").write_text(text, encoding="utf-8")
    lines = [f"{core}: {len(samples)} layers in {time.monotonic() - started:.0f} s"]
    lines += [
        f"  {kernel:<56} {fit.cost.samples:>4} layers, off by {fit.cost.error:>6.2%}"
        f" on average, {fit.worst:>6.1%} at most"
        for kernel, fit in fitted.items()
    ]
    return "\n".join(lines)


def calibrate_sizes(pool: Executor) -> str:
    """Measures sizes of code of all calibrated cores and emulated boards, and stores them."""
    started = time.monotonic()
    sources = {core: c.sources for core in BOARDS if (c := calibration_of(core)) is not None}
    boards = [board_on(core) for core in sources]
    found = dict(zip(sources, pool.map(core_sizes, boards, sources.values()), strict=True))
    targets = emulated_boards(found)
    of_targets = [found[family_of(target.core)] for target in targets]
    fixed = pool.map(board_sizes, targets, of_targets)
    sizes = Sizes(found, {target.id: size for target, size in zip(targets, fixed, strict=True)})
    SIZES.write_text(to_json(sizes), encoding="utf-8")
    return f"sizes on {len(targets)} boards in {time.monotonic() - started:.0f} s"


def board_on(core: str) -> Board:
    """The emulated board that runs code for the core."""
    return replace(board_by_id(BOARDS[core]), core=core)


def measure(board: Board) -> list[Sample]:
    """All layers that are drawn for the board's core."""
    batches = draw_batches(board.processor, board, _SEED, QUOTA)
    return [s for k, batch in enumerate(batches) for s in _measured(batch, board, k)]


def _measured(batch: Batch, board: Board, seed: int) -> list[Sample]:
    """Once more where a busy computer made the link time out; errors as a pool can hand them on."""
    try:
        return measure_batch(batch, board, seed)
    except DeviceError:
        try:
            return measure_batch(batch, board, seed)
        except TinyaiotError as error:
            raise RuntimeError(f"{board.core}: {error.what}") from None
    except TinyaiotError as error:
        raise RuntimeError(f"{board.core}: {error.what} {error.details}") from None


def calibration(board: Board, samples: list[Sample], fitted: dict[str, Fitted]) -> Calibration:
    """What is stored of them."""
    sources = {source for sample in samples for source in sample.sources}
    sources |= {other for source, other in _ALTERNATIVES.items() if source in sources}
    return Calibration(
        core=board.core,
        board=BOARDS[board.core],
        compiler=_compiler(board),
        kernels={kernel: fit.cost for kernel, fit in fitted.items()},
        sources={source: digest_of(source) for source in sorted(sources)},
    )


def _compiler(board: Board) -> str:
    command = f"{board.processor.toolchain}gcc"
    version = subprocess.run([command, "-dumpversion"], capture_output=True, text=True, check=True)
    return f"{command} {version.stdout.strip()}"


if __name__ == "__main__":
    main()
