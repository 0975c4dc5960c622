"""What MLPerf Tiny's official runner does on a serial link, from the protocol alone.

Lines end with a line feed, carriage returns and NULs are dropped, a reply ends with a line that
contains ``m-ready``. A line may take 5 s, an inference 30. Lines are matched as a whole.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Protocol

NAME = re.compile(r"^m-(name)-dut-\[([^]]+)]$")
LAP = re.compile(r"^m-lap-us-([0-9]+)$")
RESULTS = re.compile(r"^m-results-\[([^]]+)\]$")
MODEL = re.compile(r"^m-model-\[([^]]+)\]$")

_LINE_S = 5.0
_INFER_S = 30.0
_BYTES_A_COMMAND = 31


class Link(Protocol):
    """A byte stream to the board."""

    def read(self) -> bytes:
        """What has arrived, after a short wait at most."""

    def write(self, data: bytes) -> None:
        """Sends."""


@dataclass(frozen=True)
class Inference:
    """A reply to ``infer``, its lines as they came; laps are absent in energy mode."""

    lines: list[str]
    laps: list[int]
    results: list[str]


class Runner:
    """The host's side; asserts what the protocol says."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._pending = b""

    def line(self, timeout_s: float = _LINE_S) -> str:
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._pending:
            assert time.monotonic() < deadline, f"no line within {timeout_s} s: {self._pending!r}"
            self._pending += self._link.read()
        line, _, self._pending = self._pending.partition(b"\n")
        return line.replace(b"\r", b"").replace(b"\0", b"").decode("ascii")

    def reply(self, timeout_s: float = _LINE_S) -> list[str]:
        """The lines up to m-ready, without it."""
        lines = []
        while "m-ready" not in (line := self.line(timeout_s)):
            lines.append(line)
        assert line == "m-ready"
        return lines

    def ask(self, command: str, timeout_s: float = _LINE_S) -> list[str]:
        self._link.write(f"{command}%".encode())
        return self.reply(timeout_s)

    def name(self) -> str:
        [line] = self.ask("name")
        match = NAME.match(line)
        assert match is not None, line
        return match[2]

    def model(self) -> str:
        profile, model = self.ask("profile")
        assert profile == "m-profile-[ULPMark for tinyML Firmware V0.0.1]"
        match = MODEL.match(model)
        assert match is not None, model
        return match[1]

    def timestamp(self) -> int:
        [line] = self.ask("timestamp")
        match = LAP.match(line)
        assert match is not None, line
        return int(match[1])

    def load(self, data: bytes) -> None:
        assert self.ask(f"db load {len(data)}") == [f"m-[Expecting {len(data)} bytes]"]
        for start in range(0, len(data), _BYTES_A_COMMAND):
            part = data[start : start + _BYTES_A_COMMAND]
            is_last = start + len(part) == len(data)
            assert self.ask(f"db {part.hex()}") == (["m-load-done"] if is_last else [])

    def infer(self, count: int, warmups: int) -> Inference:
        lines = self.ask(f"infer {count} {warmups}", _INFER_S)
        laps = [int(match[1]) for line in lines if (match := LAP.match(line))]
        match = RESULTS.match(lines[-1])
        assert match is not None, lines
        assert [line for line in lines if not LAP.match(line)] == [
            f"m-warmup-start-{warmups}",
            "m-warmup-done",
            f"m-infer-start-{count}",
            "m-infer-done",
            lines[-1],
        ]
        assert len(laps) in (0, 2)
        return Inference(lines, laps, match[1].split(","))
