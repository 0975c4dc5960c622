"""One model on many boards: each is built for, run and compared by itself, several at a time."""

from __future__ import annotations

import dataclasses
import multiprocessing
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from tinyaiot import pipeline
from tinyaiot.build import Image
from tinyaiot.errors import BuildError, DoesNotFitError, TinyaiotError
from tinyaiot.files import write_json
from tinyaiot.frontends import load
from tinyaiot.hardware_map import Station
from tinyaiot.hil import BoardUnderTest
from tinyaiot.measure import Measurement
from tinyaiot.pipeline import PlanOptions
from tinyaiot.samples import load_inputs
from tinyaiot.schemas import labelled

# A board in use by another process may well become free.
_BOARD_WAIT_S = 60.0


class Outcome(Enum):
    """What became of the model on a board.

    MEASURED: it ran there, and all outputs equal the reference's.
    NOT_RUN: the board has no emulator, and no port was named; built where that is possible here.
    DOES_NOT_FIT: a memory is too small.
    FAILED: the build, the board or the comparison failed.
    """

    MEASURED = "measured"
    NOT_RUN = "not run"
    DOES_NOT_FIT = "does not fit"
    FAILED = "failed"


@dataclass(frozen=True)
class FleetJob:
    """What is asked for on one board.

    Attributes:
        work: folder for what is made on the way.
        input_file: as ``tinyaiot measure --input``; None for pseudo-random inputs.
    """

    model: Path
    station: Station
    work: Path
    options: PlanOptions = field(default_factory=PlanOptions)
    input_file: Path | None = None


@dataclass(frozen=True)
class FleetResult:
    """The model on one board.

    Attributes:
        ram_bytes: .data and .bss of the image; None where there is none for a board.
        flash_bytes: of the whole image; likewise.
        measurement: only where it was measured.
        reason: why it was not, and ``hint`` what to do; None where it was.
        exit_code: of the failure; 0 where there is none.
    """

    station: Station
    outcome: Outcome
    ram_bytes: int | None = None
    flash_bytes: int | None = None
    measurement: Measurement | None = None
    reason: str | None = None
    hint: str | None = None
    exit_code: int = 0

    def to_json(self) -> dict[str, Any]:
        """The result as numbers, texts, lists and dictionaries."""
        board = self.station.board
        return {
            "station": self.station.id,
            "board": board.id,
            "core": board.core,
            "clock_hz": board.clock_hz,
            "emulated": self.station.is_emulated,
            "outcome": self.outcome.value,
            "reason": self.reason,
            "hint": self.hint,
            "exit_code": self.exit_code,
            "ram_bytes": self.ram_bytes,
            "flash_bytes": self.flash_bytes,
            "measurement": None if self.measurement is None else self.measurement.to_json(),
        }


def run_fleet(
    jobs: Sequence[FleetJob], parallel: int, advance: Callable[[], None] = lambda: None
) -> tuple[FleetResult, ...]:
    """Runs all jobs; what fails on one board does not stop the others.

    Args:
        parallel: how many boards at a time.
        advance: called after each board.

    Returns:
        A result for each job, in their order.

    Raises:
        UnreadableModelError, UnsupportedModelError: the model itself is at fault.
    """
    for model in {job.model for job in jobs}:
        load(model)

    def done(_: Future[FleetResult]) -> None:
        advance()

    # Processes, since the reference interpreter writes to the process's standard error; new
    # ones, since a forked copy of threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(parallel, context, _leave_interrupts) as executor:
        futures = [executor.submit(run_job, job) for job in jobs]
        for future in futures:
            future.add_done_callback(done)
        try:
            return tuple(future.result() for future in futures)
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise


def _leave_interrupts() -> None:
    """Ctrl-C ends compilers and emulators, and is told of by the parent alone."""
    # No SIG_IGN, which the children would inherit.
    signal.signal(signal.SIGINT, lambda *_: None)


def run_job(job: FleetJob) -> FleetResult:
    """Builds, and where the board can be reached runs, the model on one board."""
    try:
        return _run(job)
    except TinyaiotError as error:
        outcome = _outcome(error, job.station)
        code = 0 if outcome is Outcome.NOT_RUN else error.exit_code
        return FleetResult(job.station, outcome, reason=error.what, hint=error.hint, exit_code=code)


def _outcome(error: TinyaiotError, station: Station) -> Outcome:
    if isinstance(error, DoesNotFitError):
        return Outcome.DOES_NOT_FIT
    if isinstance(error, BuildError) and not station.is_reachable:
        return Outcome.NOT_RUN  # it would not have been run anyway
    return Outcome.FAILED


def _run(job: FleetJob) -> FleetResult:
    # Whatever fails below, no older measurement must be left to be taken for this one's.
    (job.work / pipeline.MEASUREMENT).unlink(missing_ok=True)
    with BoardUnderTest(job.station, _BOARD_WAIT_S) as board:
        model = board.deploy(job.model, job.work, job.options)
        built = _built(job.station, model.deployment.image)
        if not job.station.is_reachable:
            return built
        given = job.input_file
        inputs = None if given is None else load_inputs(given, model.graph)
        measurement = model.measure(inputs)
    write_json(job.work / pipeline.MEASUREMENT, measurement.to_json())
    return dataclasses.replace(
        built, outcome=Outcome.MEASURED, measurement=measurement, reason=None
    )


def _built(station: Station, image: Image) -> FleetResult:
    # A program's size on the host says nothing of a board.
    on_host = station.board.processor.arch == "host"
    return FleetResult(
        station,
        Outcome.NOT_RUN,
        None if on_host else image.ram_bytes,
        None if on_host else image.flash_bytes,
        reason="there is no emulator of it, and no port is named",
    )


def exit_code(results: Sequence[FleetResult]) -> int:
    """0, the first failure's, or that of a model that fits none of the boards."""
    failed = [r.exit_code for r in results if r.outcome is Outcome.FAILED]
    if failed:
        return failed[0]
    if all(r.outcome is Outcome.DOES_NOT_FIT for r in results):
        return DoesNotFitError.exit_code
    return 0


def fleet_document(model: str, results: Sequence[FleetResult]) -> dict[str, Any]:
    """What ``tinyaiot fleet --json`` gives."""
    content = {"model": model, "results": [result.to_json() for result in results]}
    return labelled("fleet", content)
