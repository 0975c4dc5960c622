"""MLPerf Tiny's benchmarks: what their runner sends, and the firmware that takes it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from tinyaiot.boards import Board, Reset
from tinyaiot.errors import UsageError
from tinyaiot.frontends import Model
from tinyaiot.graph import DType
from tinyaiot.pipeline import Job

_ENERGY_BAUD_RATE = 9600
_ENERGY_PIN = "TA_ENERGY_PIN"


class Mode(str, Enum):
    """What the runner does with the board; it measures accuracy in performance mode."""

    PERFORMANCE = "performance"
    ENERGY = "energy"


@dataclass(frozen=True)
class Benchmark:
    """A benchmark of the closed division.

    Attributes:
        name: as the firmware tells it to the runner.
        elements: of the model's input.
        baud_rate: in performance mode.
        defines: C macros that make the harness take what the runner sends.
        is_window: whether that is a window of float32 whose reconstruction is judged.
    """

    name: str
    elements: int
    baud_rate: int = 115200
    defines: tuple[str, ...] = ()
    is_window: bool = False

    def baud_rate_in(self, mode: Mode) -> int:
        """The serial link's."""
        return self.baud_rate if mode is Mode.PERFORMANCE else _ENERGY_BAUD_RATE


_UNSIGNED_PIXELS = ("TA_DB_FLIP=0x80u",)

BENCHMARKS: Mapping[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark("kws01", 490),
        Benchmark("vww01", 96 * 96 * 3, defines=_UNSIGNED_PIXELS),
        Benchmark("ic01", 32 * 32 * 3, defines=_UNSIGNED_PIXELS),
        Benchmark("ad01", 640, 921600, ("TA_MLPERF_AD01",), is_window=True),
    )
}


def prepared(model: Model, benchmark: Benchmark) -> Model:
    """The model under the benchmark's name.

    Raises:
        UsageError: it is no model of that benchmark.
    """
    given = [(math.prod(tensor.shape), tensor.dtype) for tensor in model.graph.inputs]
    if given != [(benchmark.elements, DType.INT8)]:
        raise UsageError(
            f"{benchmark.name} has one input of {benchmark.elements} int8, "
            f"{model.name} has {', '.join(f'{n} {dtype.value}' for n, dtype in given) or 'none'}",
            "give the model of that benchmark",
        )
    results = [(math.prod(tensor.shape), tensor.dtype) for tensor in model.graph.outputs]
    if benchmark.is_window and results != given:
        raise UsageError(
            f"{benchmark.name} has an output like its input, {model.name} has not",
            "give the model of that benchmark",
        )
    return replace(model, graph=replace(model.graph, name=benchmark.name))


def firmware_defines(benchmark: Benchmark, mode: Mode, board: Board) -> tuple[str, ...]:
    """C macros of the benchmark's firmware.

    Raises:
        UsageError: energy mode on a board without a pin for it.
    """
    defines = [*benchmark.defines]
    if benchmark.baud_rate_in(mode) != 115200:
        defines.append(f"TA_BAUD={benchmark.baud_rate_in(mode)}u")
    # A banner behind the runner's opening of the port would put it a reply behind for ever.
    if board.upload is not None and board.upload.reset in (Reset.DTR, Reset.DTR_RTS):
        defines.append("TA_NO_BANNER")
    if mode is Mode.ENERGY:
        has_pin = any(define.startswith(_ENERGY_PIN) for define in board.defines)
        if not has_pin and board.processor.arch != "host":
            raise UsageError(
                f"{board.id} has no pin for energy mode",
                f'name one in its board file: defines = ["{_ENERGY_PIN}=..."]',
            )
        defines.append("TA_ENERGY")
    return tuple(defines)


@dataclass(frozen=True)
class Firmware:
    """An image for the runner."""

    benchmark: Benchmark
    mode: Mode

    @property
    def baud_rate(self) -> int:
        """The serial link's."""
        return self.benchmark.baud_rate_in(self.mode)

    def job(self, job: Job) -> Job:
        """The job with what the firmware needs.

        Raises:
            UsageError: rows are to be fed, which the runner does not do; or as
                :func:`firmware_defines`.
        """
        if job.options.feed:
            raise UsageError("MLPerf's runner feeds no rows", "leave --feed rows out")
        return replace(
            job,
            defines=(*job.defines, *firmware_defines(self.benchmark, self.mode, job.board)),
            # It runs one input many times.
            options=replace(job.options, keep_input=True),
        )
