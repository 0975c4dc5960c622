"""Frames on a serial link, among text: bytes with a CRC-32, delimited as in SLIP (RFC 1055).

The firmware's half is ``firmware/harness/ta_frame.h``.
"""

from __future__ import annotations

import enum
import struct
import zlib
from dataclasses import dataclass
from typing import TypeAlias

END = 0xC0
_ESCAPE, _ESCAPED_END, _ESCAPED_ESCAPE = 0xDB, 0xDC, 0xDD
_HEADER = struct.Struct("<cHH")

# Far beyond any row or output: what grows larger has lost its delimiter.
_LONGEST_BYTES = 1 << 22


@dataclass(frozen=True)
class Frame:
    """A frame that came whole.

    Attributes:
        kind: one letter, what the body is.
        tag: of the request that it answers.
        number: its place among the frames of that answer, from 0.
    """

    kind: str
    tag: int
    number: int
    body: bytes


@dataclass(frozen=True)
class Line:
    """A line of text between frames, without its end."""

    text: str


@dataclass(frozen=True)
class Damaged:
    """Bytes that are neither a whole frame nor text."""


Event: TypeAlias = Frame | Line | Damaged


def escaped(payload: bytes) -> bytes:
    """``payload`` and its CRC-32, escaped and ended; without a delimiter before it."""
    body = payload + struct.pack("<I", zlib.crc32(payload))
    body = body.replace(bytes([_ESCAPE]), bytes([_ESCAPE, _ESCAPED_ESCAPE]))
    return body.replace(bytes([END]), bytes([_ESCAPE, _ESCAPED_END])) + bytes([END])


def unescaped(segment: bytes) -> bytes | None:
    """The payload of a segment between delimiters; None where the CRC or an escape is wrong."""
    parts = segment.split(bytes([_ESCAPE]))
    body = bytearray(parts[0])
    for part in parts[1:]:
        if part[:1] not in (bytes([_ESCAPED_END]), bytes([_ESCAPED_ESCAPE])):
            return None
        body.append(END if part[0] == _ESCAPED_END else _ESCAPE)
        body += part[1:]
    if len(body) < 4 or zlib.crc32(body[:-4]) != int.from_bytes(body[-4:], "little"):
        return None
    return bytes(body[:-4])


class _State(enum.Enum):
    TEXT = enum.auto()
    FRAME = enum.auto()
    # After damage a delimiter may have been a frame's end, or the next one's start.
    UNCERTAIN = enum.auto()


class Splitter:
    """Splits what arrives into frames and lines; finds its place again after damage."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._state = _State.TEXT

    def feed(self, data: bytes) -> list[Event]:
        """The events that ``data`` completes, in order."""
        events: list[Event] = []
        *ended, rest = data.split(bytes([END]))
        for segment in ended:
            events += self._take(segment)
            events += self._delimit()
        return events + self._take(rest)

    def _take(self, data: bytes) -> list[Event]:
        """Bytes without a delimiter: text is handed on line by line."""
        self._pending += data
        if self._state is _State.FRAME and len(self._pending) <= _LONGEST_BYTES:
            return []
        *lines, rest = bytes(self._pending).split(b"\n")
        if lines:
            self._state = _State.TEXT
        self._pending = bytearray(rest[-_LONGEST_BYTES:])
        return [Line(line.rstrip(b"\r").decode("ascii", "replace")) for line in lines]

    def _delimit(self) -> list[Event]:
        segment = bytes(self._pending)
        self._pending.clear()
        if not segment:
            self._state = _State.FRAME
            return []
        frame = None if self._state is _State.TEXT else _frame(segment)
        self._state = _State.UNCERTAIN if frame is None else _State.TEXT
        return [Damaged() if frame is None else frame]


def _frame(segment: bytes) -> Frame | None:
    payload = unescaped(segment)
    if payload is None or len(payload) < _HEADER.size:
        return None
    kind, tag, number = _HEADER.unpack_from(payload)
    return Frame(kind.decode("latin-1"), tag, number, payload[_HEADER.size :])
