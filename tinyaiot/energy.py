"""Energy per inference, from the trace of a power meter beside the board.

A meter is whatever gives a :class:`Trace`: a serial port that sends a number a line, or a CSV file
that other software writes meanwhile. ``docs/energy.md`` describes both.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tinyaiot.devices.link import Batch
from tinyaiot.devices.serial_link import BAUD_RATE, SerialLink
from tinyaiot.errors import DeviceError, UsageError
from tinyaiot.measure import Deployment, open_device
from tinyaiot.operators.base import AnyArray

Reals = npt.NDArray[np.float64]

# Long enough that tens of milliseconds at its ends do not count.
_BATCH_S = 3.0
_MOST_RUNS = 100_000
_FEWEST_SAMPLES = 10
# How long a meter may take for its first number, and for one behind the last inference.
_METER_WAIT_S = 5.0
_POLL_S = 0.01
# To watts; amperes are multiplied by the volts of the specification.
_UNITS = {"W": 1.0, "mW": 1e-3, "uW": 1e-6, "A": 1.0, "mA": 1e-3, "uA": 1e-6}
_HINT = "as serial:PORT,unit=mW or csv:FILE,unit=mA,volts=3.3; see docs/energy.md"


@dataclass(frozen=True, eq=False)
class Trace:
    """What a meter saw.

    Attributes:
        seconds: when, by this computer's clock (Unix time), rising; [n].
        watts: [n].
    """

    seconds: Reals
    watts: Reals


@dataclass(frozen=True)
class Energy:
    """Of one inference, on average over a batch that ran without a pause.

    Attributes:
        microjoules: all that the meter saw, of which nothing is taken off for an idle board.
        runs: in the batch.
        seconds: of the batch.
        samples: of the trace in the batch.
    """

    microjoules: float
    milliwatts: float
    runs: int
    seconds: float
    samples: int


@dataclass(frozen=True)
class MeterSpec:
    """``--energy``: which meter, and what its numbers are.

    Attributes:
        kind: "serial" or "csv".
        place: the port, or the file.
        unit: of the numbers.
        volts: that amperes are multiplied with.
        baud_rate: of a serial meter.
    """

    kind: str
    place: str
    unit: str = "W"
    volts: float | None = None
    baud_rate: int = BAUD_RATE

    @property
    def watts_a_unit(self) -> float:
        return _UNITS[self.unit] * (1.0 if self.volts is None else self.volts)


class Meter(Protocol):
    """A power meter; the interface for others than the two here."""

    def start(self) -> None:
        """Begins to record; returns when it does."""

    def stop(self) -> Trace:
        """Ends recording, with a sample of this moment; DeviceError where there is no trace."""


def parse_spec(text: str) -> MeterSpec:
    """``KIND:PLACE[,KEY=VALUE…]``; raises UsageError with what is wrong."""
    head, *options = text.split(",")
    kind, _, place = head.partition(":")
    if kind not in ("serial", "csv") or not place:
        raise UsageError(f"--energy {text!r} names no meter", _HINT)
    values = dict(option.partition("=")[::2] for option in options)
    if unknown := set(values) - {"unit", "volts", "baud"}:
        raise UsageError(f"--energy knows no {', '.join(sorted(unknown))}", _HINT)
    unit = values.get("unit", "W")
    if unit not in _UNITS:
        raise UsageError(f"--energy knows no unit {unit!r}", f"use one of: {', '.join(_UNITS)}")
    spec = MeterSpec(kind, place, unit, _volts(values), _baud(values))
    if unit.endswith("A") != (spec.volts is not None):
        raise UsageError("--energy needs volts for a current, and for nothing else", _HINT)
    return spec


def _volts(values: Mapping[str, str]) -> float | None:
    try:
        return float(values["volts"]) if "volts" in values else None
    except ValueError as error:
        raise UsageError("--energy: volts is no number", _HINT) from error


def _baud(values: Mapping[str, str]) -> int:
    try:
        return int(values.get("baud", BAUD_RATE))
    except ValueError as error:
        raise UsageError("--energy: baud is no number", _HINT) from error


def open_meter(spec: MeterSpec) -> Meter:
    """The meter of a specification."""
    return SerialMeter(spec) if spec.kind == "serial" else CsvMeter(spec)


class SerialMeter:
    """A meter that sends a number a line; each is of the time when its line ended."""

    def __init__(self, spec: MeterSpec) -> None:
        self._spec = spec
        self._samples: list[tuple[float, float]] = []
        self._stopped = threading.Event()
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._record, daemon=True)

    def start(self) -> None:
        """Opens the port and begins to record; DeviceError where that is impossible."""
        self._link = SerialLink(self._spec.place, self._spec.baud_rate)
        self._thread.start()
        self._wait_for_sample(time.time())

    def stop(self) -> Trace:
        """What came since; DeviceError where the port has gone or sent no numbers."""
        self._wait_for_sample(time.time())
        self._stopped.set()
        self._thread.join()
        self._link.close()
        if self._failure is not None:
            raise DeviceError(
                f"the power meter at {self._spec.place} has gone: {self._failure}",
                "check its cable, and repeat",
            )
        return _trace(self._samples, self._spec)

    def _wait_for_sample(self, since: float) -> None:
        """Returns when there is a sample of a time after ``since``, or none comes."""
        deadline = time.monotonic() + _METER_WAIT_S
        while time.monotonic() < deadline and self._thread.is_alive():
            if self._samples and self._samples[-1][0] > since:
                return
            time.sleep(_POLL_S)

    def _record(self) -> None:
        pending = b""
        try:
            while not self._stopped.is_set():
                *lines, pending = (pending + self._link.read()).split(b"\n")
                now = time.time()
                self._samples += [(now, value) for line in lines for value in _numbers(line)]
        except OSError as error:
            self._failure = error


def _numbers(line: bytes) -> Sequence[float]:
    """The last number of a line; none of a line of words, or of a first line cut in two."""
    try:
        return [float(line.replace(b",", b" ").split()[-1])]
    except (ValueError, IndexError):
        return []


class CsvMeter:
    """A file that other software writes: Unix time and a value in the first two columns.

    Args:
        wait_s: how long that software may keep its last lines.
    """

    def __init__(self, spec: MeterSpec, wait_s: float = _METER_WAIT_S) -> None:
        self._spec = spec
        self._wait_s = wait_s

    def start(self) -> None:
        """Nothing: the other software records."""

    def stop(self) -> Trace:
        """What the file holds; DeviceError where that is no trace."""
        now, deadline = time.time(), time.monotonic() + self._wait_s
        while True:
            trace = self._read()
            if trace.seconds[-1] > now or time.monotonic() >= deadline:
                return trace
            time.sleep(_POLL_S)

    def _read(self) -> Trace:
        try:
            lines = Path(self._spec.place).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DeviceError(
                f"cannot read the power trace {self._spec.place}: {error}", "check the path"
            ) from error
        return _trace([row for line in lines for row in _row(line)], self._spec)


def _row(line: str) -> Sequence[tuple[float, float]]:
    """Time and value; none of a heading, or of a last line that is still being written."""
    try:
        seconds, value = map(float, line.replace(";", ",").split(",")[:2])
    except ValueError:
        return []
    return [(seconds, value)]


def _trace(samples: Sequence[tuple[float, float]], spec: MeterSpec) -> Trace:
    if not samples:
        raise DeviceError(
            f"the power meter at {spec.place} gave no numbers", "check its set-up, and its baud"
        )
    seconds, values = np.array(sorted(samples), np.float64).T
    return Trace(seconds, values * spec.watts_a_unit)


def energy_of(trace: Trace, batch: Batch) -> Energy:
    """The energy of one of the inferences of a batch.

    Raises:
        DeviceError: the trace does not cover the batch, or has too few samples of it.
    """
    start, stop = batch.started, batch.ended
    first, last = trace.seconds[0], trace.seconds[-1]
    if first > start or last < stop:
        raise DeviceError(
            f"the power trace ({first:.3f} to {last:.3f}) does not cover the inferences "
            f"({start:.3f} to {stop:.3f})",
            "its times have to be Unix times of this computer; record longer",
        )
    inside = (trace.seconds > start) & (trace.seconds < stop)
    samples = int(np.count_nonzero(inside))
    if samples < _FEWEST_SAMPLES:
        raise DeviceError(
            f"the power trace has {samples} samples of the {stop - start:.1f} s of inferences",
            "let the meter send more of them",
        )
    seconds = np.concatenate([[start], trace.seconds[inside], [stop]])
    watts = np.interp(seconds, trace.seconds, trace.watts)
    joules = float(np.sum((watts[1:] + watts[:-1]) / 2 * np.diff(seconds)))
    return Energy(
        microjoules=joules / batch.runs * 1e6,
        milliwatts=joules / (stop - start) * 1e3,
        runs=batch.runs,
        seconds=stop - start,
        samples=samples,
    )


def measure_energy(
    deployment: Deployment,
    inputs: Sequence[AnyArray],
    meter: Meter,
    latency_us: int | None,
    *,
    batch_s: float = _BATCH_S,
) -> Energy:
    """Runs a batch of inferences on the board and reads the meter.

    Args:
        deployment: with a plan that leaves the input as it was.
        latency_us: of one inference, which the length of the batch is chosen by.

    Raises:
        UsageError: the board is emulated, or an inference overwrites or is fed its input.
        DeviceError: the board or the meter fails.
    """
    if deployment.port is None:
        raise UsageError(
            f"{deployment.board.id} runs on this computer, which has no chip's energy",
            "name a board's port: --port",
        )
    with open_device(deployment) as device:
        device.load(inputs)
        if latency_us is None:
            latency_us = round(device.run().host_seconds * 1e6)
        runs = min(max(round(batch_s * 1e6 / max(latency_us, 1)), 1), _MOST_RUNS)
        meter.start()
        try:
            batch = device.run_batch(runs)
        finally:
            trace = meter.stop()
    return energy_of(trace, batch)
