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
        return bytes([byte])


@dataclass
class FaultyLink:
    """A link to the board in memory that damages the bytes at given positions.

    Time passes only while nothing arrives.
    """

    faults: Sequence[Fault] = ()
    read_bytes: int = 4096
    name: str = "memory"
    seconds: float = 0.0
    board: MemoryBoard = field(default_factory=MemoryBoard)
    closed: bool = False

    def __post_init__(self) -> None:
        self.sent = self._received = 0
        self._arriving = self._damage(self.board.take(), to_board=False)

    def clock(self) -> float:
        return self.seconds

    def write(self, data: bytes) -> None:
        written = range(self.sent, self.sent + len(data))
        damaged = self._damage(data, to_board=True)
        if any(f.kind == "restart" and f.to_board and f.position in written for f in self.faults):
            self.board.restart()
            self._arriving += self._damage(self.board.take(), to_board=False)
        self._arriving += self._damage(self.board.feed(damaged), to_board=False)

    def read(self) -> bytes:
        if not self._arriving:
            self.seconds += 0.05
        chunk, self._arriving = (
            self._arriving[: self.read_bytes],
            self._arriving[self.read_bytes :],
        )
        return chunk

    def close(self) -> None:
        self.closed = True

    def _damage(self, data: bytes, *, to_board: bool) -> bytes:
        position = self.sent if to_board else self._received
        if to_board:
            self.sent += len(data)
        else:
            self._received += len(data)
        parts = [bytes([byte]) for byte in data]
        for fault in self.faults:
            k = fault.position - position
            if fault.to_board is to_board and 0 <= k < len(parts) and len(parts[k]) == 1:
                parts[k] = fault.apply(parts[k][0])
        return b"".join(parts)


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
    for _ in range(2):
        assert device.infer([X, SECOND])[0].tolist() == added.tolist()
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


faults = st.builds(
    Fault,
    to_board=st.booleans(),
    # About what a session without faults moves in either direction.
    position=st.integers(0, 2600),
    kind=st.sampled_from(["drop", "flip", "twice", "noise", "restart"]),
    bit=st.integers(0, 7),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(faults, max_size=12), st.sampled_from([1, 3, 4096]))
@example([Fault(True, 0, "drop")], 4096)
@example([Fault(False, k, "drop") for k in range(80)], 4096)
def test_the_truth_or_an_error(faults: list[Fault], read_bytes: int) -> None:
    link = FaultyLink(faults, read_bytes)
    try:
        use(device_on(link))
    except DeviceError as error:
        assert error.what and error.hint
    assert link.seconds < 3600


@settings(max_examples=150, deadline=None)
@given(faults)
def test_one_fault_is_mended(fault: Fault) -> None:
    if fault.kind == "restart":
        return  # the measurement is over then: the error says so
    link = FaultyLink([fault])
    use(device_on(link))
    assert link.seconds < 700


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
