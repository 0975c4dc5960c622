"""A client of the firmware harness on a serial link.

Requests carry a tag and a CRC-32, and so does every frame of an answer; a run names the CRC of
the inputs that it is to run on. What is damaged on the way is asked for again a bounded number
of times. A method returns what the board computed from those inputs, or raises DeviceError.
The firmware's half is ``firmware/harness/ta_extension.c``.
"""

from __future__ import annotations

import itertools
import math
import struct
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, TypeVar

import numpy as np

from tinyaiot.devices import faults, frames
from tinyaiot.devices.frames import Damaged, Frame, Line
from tinyaiot.errors import DeviceError, UsageError
from tinyaiot.graph import DType
from tinyaiot.operators.base import AnyArray

PROTOCOL_VERSION = 2

_READY = "m-ready"
_LAP = "m-lap-us-"
# Small enough that a byte lost costs little, large enough that the round trip does not count.
_LOAD_BYTES = 2048
_READY_WAIT_S = 1.0
# What has never said a word will not after more tries.
_SILENT_ATTEMPTS = 2
_TAIL_BYTES = 256
_DTYPES = (DType.INT8, DType.UINT8, DType.INT32, DType.FLOAT32)  # enum ta_dtype
_IDENTITY = struct.Struct("<8I")
_TENSOR = struct.Struct("<IIfi")
_ROWS = struct.Struct("<5I")
_STACK = struct.Struct("<III")
_ROW_REQUEST = struct.Struct("<4I")
_ROW_HEADER = struct.Struct("<c4I")
_PAIR = struct.Struct("<II")

T = TypeVar("T")


class Link(Protocol):
    """A byte stream to a board."""

    @property
    def name(self) -> str:
        """The port, as the user knows it."""

    def read(self) -> bytes:
        """What has arrived, after a short wait at most; empty if nothing. OSError at its end."""

    def write(self, data: bytes) -> None:
        """Sends all of ``data``; OSError where that is impossible."""

    def reopen(self) -> None:
        """Connects again after an OSError, waiting for it; OSError where that is impossible."""

    def close(self) -> None:
        """Ends the connection."""


@dataclass(frozen=True)
class PortTensor:
    """An input or output as the board has it; scale 0 where it is not quantized."""

    dtype: DType
    nbytes: int
    scale: float
    zero_point: int


@dataclass(frozen=True)
class Identity:
    """What runs on the board.

    Attributes:
        model_index: the selected model among ``model_count`` in the image.
        image_id: hash of the selected model, its plan and its sources.
        counter: "cycles", or None where the chip cannot count.
        input_preserved: whether an inference leaves the inputs as they were.
        fed_by_rows: whether an inference asks the host for the rows of its inputs.
    """

    board: str
    model: str
    model_index: int
    model_count: int
    image_id: str
    layer_count: int
    input_preserved: bool
    fed_by_rows: bool
    counter: str | None
    inputs: tuple[PortTensor, ...]
    outputs: tuple[PortTensor, ...]


@dataclass(frozen=True)
class RunResult:
    """One inference.

    Attributes:
        cycles: by the board's counter, modulo 2^32; None where it has none, or it stands still.
        microseconds: by the board's clock; None where it has none.
        host_seconds: by the host's clock, with the request and the answer on the link.
    """

    cycles: int | None
    microseconds: int | None
    host_seconds: float


@dataclass(frozen=True)
class Batch:
    """Inferences that ran without a pause.

    Attributes:
        started, ended: Unix time: the end when the board told it, a few milliseconds late, the
            start before that by the board's clock.
    """

    runs: int
    started: float
    ended: float


@dataclass(frozen=True)
class LayerCycles:
    """Cycles that went into rows of a layer; one layer may have many."""

    layer: int
    cycles: int


@dataclass(frozen=True)
class RowsChecksum:
    """CRC-32 of rows [y_start, y_stop) of an output of a layer."""

    layer: int
    output: int
    y_start: int
    y_stop: int
    crc: int


@dataclass(frozen=True)
class StackUse:
    """Most bytes of stack in use since the board started, and bytes there are."""

    used_bytes: int
    size_bytes: int


class _DisturbedError(Exception):
    """An exchange went wrong in a way that another try may mend."""


class Device:
    """A board that runs the harness.

    Args:
        reply_timeout_s: for an answer that needs no inference.
        run_timeout_s: for an inference.
        row_timeout_s: for what an inference does with a row that it was fed.
        attempts: how often an exchange is tried in all.
        clock: seconds; replaced by tests of broken links.
        symbols: of the image on the board, which a crash is explained with.
    """

    def __init__(
        self,
        link: Link,
        *,
        reply_timeout_s: float = 5.0,
        run_timeout_s: float = 300.0,
        row_timeout_s: float = 60.0,
        attempts: int = 5,
        clock: Callable[[], float] = time.monotonic,
        symbols: faults.Symbols | None = None,
    ) -> None:
        self._link = link
        self._reply_timeout_s = reply_timeout_s
        self._run_timeout_s = run_timeout_s
        self._row_timeout_s = row_timeout_s
        self._attempts = attempts
        self._clock = clock
        self._symbols = symbols
        self._splitter = frames.Splitter()
        self._events: list[frames.Event] = []
        self._tail = b""
        # Not from 1, so that answers to an earlier client are not taken for ours.
        self._tags = itertools.cycle(range(1, 1 << 16))
        for _ in range(int(time.time() * 1000) % 65521):
            next(self._tags)
        self._identity: Identity | None = None
        self._inputs: tuple[bytes, ...] | None = None
        self._row_bytes: tuple[int, ...] = ()
        self._input_is_loaded = False
        self._run_tag: int | None = None

    def __enter__(self) -> Device:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection; the board goes on."""
        self._link.close()

    @property
    def name(self) -> str:
        """The port's name."""
        return self._link.name

    @property
    def identity(self) -> Identity:
        """The answer of the last :meth:`identify` or :meth:`select`, asked for if need be."""
        return self.identify() if self._identity is None else self._identity

    def identify(self) -> Identity:
        """Asks what runs on the board; the first thing to do after opening a link."""
        self._identity = self._retry(lambda: _identity(self._single("I", "id")))
        return self._identity

    def select(self, model_index: int) -> Identity:
        """Selects a model of the image; its inputs have to be loaded then."""
        self._identity = self._retry(lambda: _identity(self._single("I", "model", model_index)))
        self._inputs = None
        self._run_tag = None
        return self._identity

    def expect(self, image_id: str) -> Identity:
        """Selects the model of that image id; raises DeviceError if the board has none such."""
        others = []
        for k in range(self.identify().model_count):
            found = self.select(k)
            if found.image_id == image_id:
                return found
            others.append(f"{found.model} {found.image_id}")
        raise DeviceError(
            f"{self.name} runs another image: {', '.join(others)}",
            f"flash the image {image_id} again",
        )

    def load(self, inputs: Sequence[AnyArray]) -> None:
        """Loads the model's inputs; raises UsageError where they are not its sizes and types.

        Inputs that are fed by rows stay here until a run asks for them.
        """
        tensors = self.identity.inputs
        given = [(values.dtype, values.nbytes) for values in inputs]
        wanted = [(tensor.dtype.numpy, tensor.nbytes) for tensor in tensors]
        if given != wanted:
            raise UsageError(
                f"the board takes inputs of {_sizes(wanted)}, not {_sizes(given)}",
                "give one array for each input, of the model's dtype and shape",
            )
        self._inputs = tuple(np.ascontiguousarray(values).tobytes() for values in inputs)
        self._row_bytes = tuple(_row_bytes(values) for values in inputs)
        self._load_all()

    def run(self) -> RunResult:
        """One inference on the inputs loaded last, loaded again if a run overwrote them."""
        started = self._clock()
        cycles, microseconds = _unpack(_PAIR, self._run("run")[-1])
        return RunResult(
            cycles=None if self.identity.counter is None else cycles or None,
            microseconds=microseconds or None,
            host_seconds=self._clock() - started,
        )

    def run_batch(self, runs: int) -> Batch:
        """Inferences on the loaded inputs, one behind the other, with nothing on the link between.

        Raises:
            UsageError: no inputs are loaded, or an inference does not leave them there.
            DeviceError: the board does not answer as it should; nothing is tried again.
        """
        if self._inputs is None:
            raise UsageError("no inputs are loaded", "load inputs before a run")
        if not self.identity.input_preserved or self.identity.fed_by_rows:
            raise UsageError("a batch needs an input that stays where it is", "use --keep-input")
        # What the board checks of a run's inputs holds for those that follow.
        self.run()
        self._run_tag = None
        try:
            self._link.write(f"infer {runs} 0%".encode())
            first = self._wait_for_number(_LAP, self._run_timeout_s)
            last = self._wait_for_number(_LAP, self._run_timeout_s)
            ended = time.time()
            self._wait_until_ready()
        except OSError as error:
            raise self._failure(f"the connection ended: {error}") from error
        # By the board's clock: ports may keep what they send until they are idle again.
        seconds = (last - first) % (1 << 32) / 1e6
        if seconds == 0.0:
            raise self._failure("the board has no clock to time a batch by")
        return Batch(runs, ended - seconds, ended)

    def _wait_for_number(self, prefix: str, timeout_s: float) -> int:
        """The number behind ``prefix`` on a line; raises DeviceError for an error instead."""
        deadline = self._clock() + timeout_s
        while (event := self._next_event(deadline)) is not None:
            if isinstance(event, Line):
                number = event.text.removeprefix(prefix)
                if event.text.startswith(prefix) and number.isdecimal():
                    return int(number)
                if event.text.startswith("e-["):
                    raise self._failure(f"the board answered {event.text}")
        raise self._failure(f"no {prefix} within {timeout_s:g} s")

    def layer_cycles(self) -> tuple[LayerCycles, ...]:
        """One inference with the counter read after each part of a layer."""
        parts = self._run("layers")
        return tuple(LayerCycles(*_unpack(_PAIR, frame)) for frame in parts[1:-1])

    def validate(self) -> tuple[RowsChecksum, ...]:
        """One inference with a checksum of all rows of all layers, in the order they are made."""
        parts = self._run("check")
        return tuple(RowsChecksum(*_unpack(_ROWS, frame)) for frame in parts[1:-1])

    def dump(self, layer: int, output: int = 0) -> dict[int, bytes]:
        """One inference that returns the rows of an output of a layer, by y."""
        parts = self._run("dump", layer, output)
        return {int.from_bytes(f.body[:4], "little"): f.body[4:] for f in parts[1:-1]}

    def outputs(self) -> tuple[AnyArray, ...]:
        """The outputs of the last run, flat; raises UsageError where there was none."""
        tensors, run_tag = self.identity.outputs, self._run_tag
        if run_tag is None:
            raise UsageError("there are no outputs", "run the model first")

        def attempt() -> tuple[AnyArray, ...]:
            parts = self._exchange("OA", "A", "out")[:-1]
            if len(parts) != len(tensors):
                raise _DisturbedError(f"{len(parts)} outputs came, not {len(tensors)}")
            return tuple(map(_output, tensors, parts, itertools.repeat(run_tag)))

        return self._retry(attempt)

    def infer(self, inputs: Sequence[AnyArray]) -> tuple[AnyArray, ...]:
        """Loads, runs, and returns the outputs, flat."""
        self.load(inputs)
        self.run()
        return self.outputs()

    def stack(self) -> StackUse | None:
        """The stack's high-water mark; None where the board's stack is not painted."""
        used, size, run_tag = self._retry(lambda: _unpack(_STACK, self._single("S", "stack")))
        if self._run_tag not in (None, run_tag):
            raise self._failure("the board restarted since the last run")
        return StackUse(used, size) if size > 0 else None

    def _run(self, verb: str, *arguments: int) -> list[Frame]:
        """The frames of one inference: its begin, what it reports, its result."""
        if self._inputs is None:
            raise UsageError("no inputs are loaded", "load inputs before a run")
        identity = self.identity
        numbers = (identity.model_index, zlib.crc32(self._resident_bytes()), *arguments)

        def attempt() -> list[Frame]:
            if not self._input_is_loaded:
                self._load_all()
            self._input_is_loaded = False
            self._run_tag = None
            answer = self._exchange("BLCDQR", "R", verb, *numbers)
            self._input_is_loaded = identity.input_preserved
            self._run_tag = answer[-1].tag
            return [frame for frame in answer if frame.kind != "Q"]

        return self._retry(attempt)

    def _resident_bytes(self) -> bytes:
        """What lies in the input memory before a run: nothing where rows are fed."""
        return b"" if self.identity.fed_by_rows else b"".join(self._inputs or ())

    def _send_row(self, request: Frame) -> None:
        k, y, first, nbytes = _unpack(_ROW_REQUEST, request)
        inputs = self._inputs or ()
        start = y * self._row_bytes[k] + first if k < len(inputs) else 0
        part = inputs[k][start : start + nbytes] if k < len(inputs) else b""
        if len(part) != nbytes:
            raise _DisturbedError(f"the board asked for row {y} of input {k}")
        self._link.write(frames.escaped(_ROW_HEADER.pack(b"r", request.tag, k, y, first) + part))

    def _load_all(self) -> None:
        inputs = self._resident_bytes()
        self._input_is_loaded = False
        self._run_tag = None
        for offset in range(0, len(inputs), _LOAD_BYTES):
            self._load_part(offset, inputs[offset : offset + _LOAD_BYTES])
        self._input_is_loaded = True

    def _load_part(self, offset: int, part: bytes) -> None:
        def attempt() -> None:
            tag = self._request("load", offset, len(part))
            self._answer(tag, "G", "G")
            self._link.write(frames.escaped(part))
            self._answer(tag, "A", "A", number=1)
            self._wait_until_ready()

        self._retry(attempt)

    def _single(self, kind: str, verb: str, *arguments: int) -> Frame:
        return self._exchange(kind, kind, verb, *arguments)[0]

    def _exchange(self, kinds: str, last: str, verb: str, *arguments: int) -> list[Frame]:
        """Sends a request and returns its whole answer, which ends with a ``last`` frame."""
        answer = self._answer(self._request(verb, *arguments), kinds, last)
        self._wait_until_ready()
        return answer

    def _request(self, verb: str, *arguments: int) -> int:
        tag = next(self._tags)
        command = " ".join(["ta", verb, str(tag), *map(str, arguments)]).encode()
        checksum = str(zlib.crc32(command)).encode()
        # The delimiter discards what the board may still have of an earlier command.
        self._link.write(bytes([frames.END]) + command + b" " + checksum + b"%")
        return tag

    def _answer(self, tag: int, kinds: str, last: str, *, number: int = 0) -> list[Frame]:
        """The frames of a request's answer, from ``number`` to one of kind ``last``."""
        answer: list[Frame] = []
        trouble = ""
        timeout_s = self._reply_timeout_s
        deadline = self._clock() + timeout_s
        while (event := self._next_event(deadline)) is not None:
            if isinstance(event, Damaged):
                trouble = "bytes were lost or changed on the way"
            elif isinstance(event, Line):
                if event.text.startswith("e-["):
                    trouble = f"the board answered {event.text}"
                elif event.text == _READY and (trouble or answer):
                    break
            elif event.tag != tag or event.number < number + len(answer):
                continue  # late, or a frame twice
            elif event.kind == "E":
                raise _DisturbedError(f"the board answered: {_text(event.body)}")
            elif event.kind not in kinds or event.number > number + len(answer):
                raise _DisturbedError("an answer came with parts missing")
            else:
                answer.append(event)
                if event.kind == last:
                    return answer
                if event.kind == "Q":
                    self._send_row(event)
                timeout_s = self._timeout_after(event.kind, timeout_s)
                deadline = self._clock() + timeout_s
        raise _DisturbedError(trouble or f"no answer within {timeout_s:g} s")

    def _timeout_after(self, kind: str, timeout_s: float) -> float:
        if kind == "B":
            return self._run_timeout_s
        # A row may be lost on its way to the board, which then waits for ever.
        return self._row_timeout_s if kind == "Q" else timeout_s

    def _wait_until_ready(self) -> None:
        """Takes the rest of an answer; a board still sending may not hear what comes next."""
        deadline = self._clock() + _READY_WAIT_S
        while (event := self._next_event(deadline)) is not None:
            if isinstance(event, Line) and event.text == _READY:
                return

    def _resynchronise(self) -> None:
        """Ends whatever the board is reading, and discards what it is sending."""
        self._events.clear()
        self._link.write(bytes([frames.END]) + b"%")
        deadline = self._clock() + self._reply_timeout_s
        ready = False
        while self._clock() < deadline:
            events = self._receive()
            ready = ready or Line(_READY) in events
            if ready and not events:
                return

    def _retry(self, attempt: Callable[[], T]) -> T:
        """``attempt`` until it is not disturbed; raises DeviceError after the last try."""
        cause = ""
        for k in range(self._attempts):
            if k >= _SILENT_ATTEMPTS and not self._tail:
                break
            try:
                if k > 0:
                    self._resynchronise()
                    self._select_again()
                return attempt()
            except _DisturbedError as error:
                cause = str(error)
            except OSError as error:
                cause = f"the connection ended: {error}"
                self._reconnect(error)
        raise self._failure(cause)

    def _reconnect(self, cause: OSError) -> None:
        """After a cable was pulled, say: the board may have lost all that it knew."""
        self._events.clear()
        self._splitter = frames.Splitter()
        self._input_is_loaded = False
        try:
            self._link.reopen()
        except OSError as error:
            raise self._failure(f"the connection ended: {cause}") from error

    def _select_again(self) -> None:
        """A board that restarted has its first model selected, and may be another board."""
        known = self._identity
        if known is None:
            return
        found = _identity(self._single("I", "id"))
        if found.model_index != known.model_index:
            found = _identity(self._single("I", "model", known.model_index))
        if found != known:
            raise DeviceError(
                f"{self.name} runs {found.model} {found.image_id} on {found.board} now, "
                f"not {known.model} {known.image_id} on {known.board}",
                "connect the board again, and repeat",
            )

    def _next_event(self, deadline: float) -> frames.Event | None:
        """The next thing that the board sent; None if it sends nothing before the deadline."""
        while not self._events:
            if self._clock() >= deadline:
                return None
            self._events += self._receive()
        return self._events.pop(0)

    def _receive(self) -> list[frames.Event]:
        """What has arrived, a short wait at most; raises DeviceError if the board crashed."""
        data = self._link.read()
        self._tail = (self._tail + data)[-_TAIL_BYTES:]
        if data and faults.PATTERN.search(self._tail.decode("latin-1")):
            raise self._failure("")
        return self._splitter.feed(data)

    def _failure(self, cause: str) -> DeviceError:
        """The error for ``cause``, or for the crash that the board told of."""
        tail = self._tail.decode("latin-1")
        last = (f"last bytes received: {self._tail[-64:]!r}",) if self._tail else ()
        if fault := faults.PATTERN.search(tail):
            told = faults.explain(fault[0][3:-1], self._symbols)
            return DeviceError(f"{self.name}: the board {told.what}", told.hint, told.details)
        if not self._tail:
            return DeviceError(
                f"{self.name}: the board sends nothing: {cause}",
                "is it in bootloader mode? reset it; check the port, and flash the image again",
            )
        if sum(byte >= 0x80 for byte in self._tail) * 4 > len(self._tail):
            return DeviceError(
                f"{self.name}: {cause}; what comes is no text and no frames",
                "check the baud rate, the cable's ground and the board's clock",
                last,
            )
        return DeviceError(
            f"{self.name}: {cause} ({self._attempts} tries)",
            "reset the board, check cable and baud rate, and flash the image again",
            last,
        )


def _unpack(layout: struct.Struct, frame: Frame) -> tuple[Any, ...]:
    if len(frame.body) != layout.size:
        raise _DisturbedError(f"a frame of kind {frame.kind} has {len(frame.body)} bytes")
    return layout.unpack(frame.body)


def _row_bytes(values: AnyArray) -> int:
    """Bytes of a row of a tensor: its last two axes, or the last where it has no more."""
    axes = values.shape[-2:] if values.ndim > 2 else values.shape[-1:]
    return math.prod(axes) * values.itemsize


def _text(body: bytes) -> str:
    return body.rstrip(b"\0").decode("ascii", "replace")


def _identity(frame: Frame) -> Identity:
    body = frame.body
    version = int.from_bytes(body[:4], "little")
    if version != PROTOCOL_VERSION:
        raise DeviceError(
            f"the board speaks version {version} of the protocol, not {PROTOCOL_VERSION}",
            "flash an image generated by this version of tinyaiot",
        )
    _, index, models, layers, preserved, fed, inputs, outputs = _IDENTITY.unpack_from(body)
    tensors_stop = _IDENTITY.size + _TENSOR.size * (inputs + outputs)
    tensors = [
        PortTensor(_DTYPES[dtype], nbytes, scale, zero_point)
        for dtype, nbytes, scale, zero_point in _TENSOR.iter_unpack(
            body[_IDENTITY.size : tensors_stop]
        )
    ]
    image_id, model, board, counter = (
        part.decode("ascii") for part in body[tensors_stop:].rstrip(b"\0").split(b"\0")
    )
    return Identity(
        board=board,
        model=model,
        model_index=index,
        model_count=models,
        image_id=image_id,
        layer_count=layers,
        input_preserved=bool(preserved),
        fed_by_rows=bool(fed),
        counter=None if counter == "none" else counter,
        inputs=tuple(tensors[:inputs]),
        outputs=tuple(tensors[inputs:]),
    )


def _output(tensor: PortTensor, frame: Frame, run_tag: int) -> AnyArray:
    if int.from_bytes(frame.body[:4], "little") != run_tag:
        raise _DisturbedError("the outputs are those of another run")
    if len(frame.body) != 4 + tensor.nbytes:
        raise _DisturbedError("an output has another size than the board said")
    return np.frombuffer(frame.body[4:], dtype=tensor.dtype.numpy)


def _sizes(tensors: Sequence[tuple[Any, int]]) -> str:
    return ", ".join(f"{nbytes} bytes {dtype}" for dtype, nbytes in tensors) or "nothing"
