"""The client on broken links: what it returns is right, or it raises; it never waits for ever."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.toy_board import MemoryBoard
from tinyaiot.devices.frames import END, Damaged, Frame, Line, Splitter, escaped, unescaped
from tinyaiot.devices.link import Device, RowsChecksum
from tinyaiot.errors import DeviceError, UsageError

X = np.arange(-100, 92, 16, dtype=np.int8)
SECOND = np.array([7, -9], dtype=np.int8)
MIDDLE = (X.astype(int) + 1).astype(np.int8)
OUT = (MIDDLE.astype(int) * 3).astype(np.int8)
FIRST = int(OUT[0])


@dataclass(frozen=True)
class Fault:
    """What happens at the n-th byte in a direction."""

    to_board: bool
    position: int
    kind: str
    bit: int = 0

    def apply(self, byte: int) -> bytes:
        if self.kind == "drop":
            return b""
        if self.kind == "flip":
            return bytes([byte ^ (1 << self.bit)])
        if self.kind == "twice":
            return bytes([byte, byte])
        if self.kind == "noise":
            return bytes([byte]) + b"\xc0\xdb%noise\r\n"
        if self.kind == "banner":
            return bytes([byte]) + b"m-init-done\r\nm-ready\r\n"
        return bytes([byte])


@dataclass
class Wire:
    """One direction: bytes that arrive in their order, some of them late."""

    sent: int = 0
    free_at: float = 0.0
    travelling: list[tuple[float, bytes]] = field(default_factory=list)

    def send(self, data: bytes, faults: Sequence[Fault], now: float) -> None:
        """Damages the bytes at the faults' positions, and delays what comes behind others."""
        self.free_at = max(self.free_at, now)
        for byte in data:
            arriving = bytes([byte])
            for fault in faults:
                if fault.position == self.sent:
                    # Most delays are within the time that an answer is waited for, some beyond.
                    delay_s = (fault.bit + 1) * 0.9 if fault.kind == "delay" else 0.0
                    self.free_at += delay_s
                    arriving = fault.apply(byte) if len(arriving) == 1 else arriving
            self.travelling.append((self.free_at, arriving))
            self.sent += 1

    def take(self, now: float) -> bytes:
        """What has arrived."""
        arrived = [data for due, data in self.travelling if due <= now]
        del self.travelling[: len(arrived)]
        return b"".join(arrived)


@dataclass
class FaultyLink:
    """A link to the board in memory that damages and delays the bytes at given positions.

    A board may restart, and the cable be pulled, where a byte is sent to it. Time passes only
    while nothing arrives.
    """

    faults: Sequence[Fault] = ()
    read_bytes: int = 4096
    name: str = "memory"
    seconds: float = 0.0
    board: MemoryBoard = field(default_factory=MemoryBoard)
    closed: bool = False
    pulled: bool = False

    def __post_init__(self) -> None:
        self.to_board, self.from_board = Wire(), Wire()
        self._arrived = b""
        self._answer(self.board.take())

    @property
    def sent(self) -> int:
        return self.to_board.sent

    def clock(self) -> float:
        return self.seconds

    def write(self, data: bytes) -> None:
        self._require_cable()
        written = range(self.sent, self.sent + len(data))
        here = [f for f in self.faults if f.to_board]
        self.to_board.send(data, here, self.seconds)
        happening = {f.kind for f in here if f.position in written}
        if "restart" in happening:
            self._answer(self.board.restart())
        if "pull" in happening:
            self.pulled = True
            self.to_board.travelling.clear()
            self.from_board.travelling.clear()
        self._deliver()

    def read(self) -> bytes:
        self._require_cable()
        self._deliver()
        self._arrived += self.from_board.take(self.seconds)
        if not self._arrived:
            self.seconds += 0.05
        chunk, self._arrived = (
            self._arrived[: self.read_bytes],
            self._arrived[self.read_bytes :],
        )
        return chunk

    def reopen(self) -> None:
        self.pulled = False
        self._arrived = b""

    def close(self) -> None:
        self.closed = True

    def _require_cable(self) -> None:
        if self.pulled:
            raise OSError("device disconnected")

    def _deliver(self) -> None:
        if arrived := self.to_board.take(self.seconds):
            self._answer(self.board.feed(arrived))

    def _answer(self, data: bytes) -> None:
        self.from_board.send(data, [f for f in self.faults if not f.to_board], self.seconds)


def device_on(link: FaultyLink) -> Device:
    return Device(link, clock=link.clock)


def use(device: Device) -> None:
    """Uses every method; each result must be the truth."""
    identity = device.expect("0123456789abcdef")
    assert (identity.board, identity.model, identity.model_count) == ("host", "toy", 3)
    outputs = device.infer([X, SECOND])
    assert [o.tolist() for o in outputs] == [
        OUT.tolist(),
        [FIRST / 8],
        [FIRST % 256],
        [FIRST],
    ]
    cycles = device.run().cycles
    assert cycles is not None and cycles > 0
    checksums = device.validate()
    assert checksums == tuple(
        RowsChecksum(layer, 0, y, y + 1, zlib.crc32(values[4 * y : 4 * y + 4].tobytes()))
        for y in range(3)
        for layer, values in ((0, MIDDLE), (1, OUT))
    )
    rows = device.dump(0)
    assert rows == {y: MIDDLE[4 * y : 4 * y + 4].tobytes() for y in range(3)}
    assert [part.layer for part in device.layer_cycles()] == [0, 1] * 3
    assert device.stack() is None
    device.expect("fedcba9876543210")
    for _ in range(2):
        assert device.infer([X, SECOND])[0].tolist() == (~X).tolist()
        device.run()  # the run before ate the input
        assert device.outputs()[0].tolist() == (~X).tolist()
    assert device.expect("00112233445566ff").fed_by_rows
    added = (X.astype(int) + SECOND[0]).astype(np.int8)
    rows = X.reshape(3, 4)
    for _ in range(2):
        assert device.infer([rows, SECOND])[0].tolist() == added.tolist()
    assert device.dump(0) == {y: added[4 * y : 4 * y + 4].tobytes() for y in range(3)}


def test_a_sound_link() -> None:
    link = FaultyLink()
    with device_on(link) as device:
        use(device)
    assert link.closed
    assert link.seconds < 1


def test_every_split_of_what_arrives() -> None:
    for read_bytes in range(1, 12):
        use(device_on(FaultyLink(read_bytes=read_bytes)))


KINDS = ["drop", "flip", "twice", "noise", "banner", "delay", "restart", "pull"]
# Of which one alone must not end a measurement.
MENDED = [kind for kind in KINDS if kind != "restart"]


def fault_of(kinds: Sequence[str]) -> st.SearchStrategy[Fault]:
    return st.builds(
        Fault,
        to_board=st.booleans(),
        # About what a session without faults moves in either direction.
        position=st.integers(0, 2600),
        kind=st.sampled_from(kinds),
        bit=st.integers(0, 7),
    )


schedules = st.lists(fault_of(KINDS), max_size=12)
chunks = st.sampled_from([1, 3, 64, 4096])


def require_the_truth_or_an_error(faults: list[Fault], read_bytes: int) -> None:
    link = FaultyLink(faults, read_bytes)
    try:
        use(device_on(link))
    except DeviceError as error:
        assert error.what and error.hint
    assert link.seconds < 3600


@settings(max_examples=300, deadline=None)
@given(schedules, chunks)
@example([Fault(True, 0, "drop")], 4096)
@example([Fault(False, k, "drop") for k in range(80)], 4096)
@example([Fault(True, k, "pull") for k in range(0, 500, 100)], 4096)
def test_the_truth_or_an_error(faults: list[Fault], read_bytes: int) -> None:
    require_the_truth_or_an_error(faults, read_bytes)


@pytest.mark.slow
@settings(max_examples=8000, deadline=None)
@given(schedules, chunks)
def test_the_truth_or_an_error_thousands_of_times(faults: list[Fault], read_bytes: int) -> None:
    require_the_truth_or_an_error(faults, read_bytes)


@settings(max_examples=150, deadline=None)
@given(fault_of(MENDED))
def test_one_fault_is_mended(fault: Fault) -> None:
    link = FaultyLink([fault])
    use(device_on(link))
    assert link.seconds < 700


@pytest.mark.slow
@pytest.mark.parametrize("to_board", [True, False])
@pytest.mark.parametrize("kind", [kind for kind in MENDED if kind != "flip"])
def test_one_fault_at_any_byte_is_mended(kind: str, to_board: bool) -> None:
    for position in range(2600):
        use(device_on(FaultyLink([Fault(to_board, position, kind, position % 8)])))


def test_every_bit_of_a_request_counts() -> None:
    sent = len("\xc0ta dump 12345 0 1234567890 1 0 1234567890%")
    for position in range(sent):
        for bit in range(8):
            link = FaultyLink()
            device = device_on(link)
            device.load([X, SECOND])
            link.faults = [Fault(True, link.sent + position, "flip", bit)]
            rows = {y: OUT[4 * y : 4 * y + 4].tobytes() for y in range(3)}
            assert device.dump(1) == rows, (position, bit)


def test_a_dead_board_is_an_error() -> None:
    link = FaultyLink([Fault(False, k, "drop") for k in range(100_000)])
    with pytest.raises(DeviceError, match="sends nothing") as caught:
        device_on(link).identify()
    assert "memory" in caught.value.what
    assert link.seconds < 120


def test_another_program_is_an_error() -> None:
    link = FaultyLink([Fault(True, k, "drop") for k in range(100_000)])
    with pytest.raises(DeviceError, match="no answer") as caught:
        device_on(link).identify()
    assert any("m-ready" in line for line in caught.value.details)


def test_a_stale_image_is_an_error() -> None:
    with pytest.raises(DeviceError, match="another image: toy 0123456789abcdef, eater fed"):
        device_on(FaultyLink()).expect("0000000000000000")


@dataclass
class ScriptedLink:
    """Says one thing, then nothing, or ends."""

    says: bytes
    ends: bool = False
    name: str = "scripted"
    seconds: float = 0.0

    def clock(self) -> float:
        return self.seconds

    def read(self) -> bytes:
        self.seconds += 0.05
        said, self.says = self.says, b""
        if not said and self.ends:
            raise OSError("socket disconnected")
        return said

    def write(self, data: bytes) -> None:
        pass

    def reopen(self) -> None:
        raise OSError("no such device")

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "line",
    [
        b"e-[HardFault pc=0x00001234 lr=0x00000000 cfsr=0x00008200]\r\n",
        b"e-[Trap pc=0x20400000 mcause=0x00000005]\r\n",
    ],
)
def test_a_crash_is_recognised(line: bytes) -> None:
    link = ScriptedLink(b"\xc0R\x00\x01" + line)
    with pytest.raises(DeviceError, match=r"crashed: .* at pc=0x[0-9a-f]{8}") as caught:
        Device(link, clock=link.clock).identify()
    assert caught.value.details == (line.decode()[3:-3],)
    assert link.seconds < 1


def test_the_end_of_the_connection_is_an_error() -> None:
    link = ScriptedLink(b"m-ready\r\n", ends=True)
    with pytest.raises(DeviceError, match="connection ended: socket disconnected"):
        Device(link, clock=link.clock).identify()


def test_wrong_inputs_are_refused() -> None:
    device = device_on(FaultyLink())
    with pytest.raises(UsageError, match="12 bytes int8, 2 bytes int8, not 12 bytes uint8"):
        device.load([X.view(np.uint8), SECOND])
    with pytest.raises(UsageError, match="no inputs"):
        device.run()
    with pytest.raises(UsageError, match="no outputs"):
        device.outputs()


@given(st.binary(max_size=60))
def test_frames_carry_any_bytes(payload: bytes) -> None:
    wire = escaped(payload)
    assert wire.count(END) == 1 and wire[-1] == END
    assert unescaped(wire[:-1]) == payload


@given(st.binary(max_size=200), st.integers(1, 9))
def test_the_splitter_finds_a_frame_after_any_noise(noise: bytes, step: int) -> None:
    frame = Frame("O", 7, 3, b"\xc0body\n")
    # Twice: the first may be lost to an open frame of the noise.
    wire = noise + 2 * (bytes([END]) + escaped(b"O\x07\x00\x03\x00\xc0body\n")) + b"m-ready\r\n"
    splitter = Splitter()
    events = [e for k in range(0, len(wire), step) for e in splitter.feed(wire[k : k + step])]
    assert frame in events
    assert events[-1] == Line("m-ready")


def test_text_and_frames_come_in_order() -> None:
    splitter = Splitter()
    wire = b"m-init-done\r\n\xc0" + escaped(b"A\x01\x00\x00\x00") + b"m-ready\r\n\xc0junk\xc0"
    assert splitter.feed(wire) == [
        Line("m-init-done"),
        Frame("A", 1, 0, b""),
        Line("m-ready"),
        Damaged(),
    ]
