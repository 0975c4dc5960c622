"""What tests on boards showed: properties in JUnit's XML, a JSON file, lines at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tinyaiot.files import write_json
from tinyaiot.hardware_map import Station
from tinyaiot.hil import BoardUnderTest

SCHEMA_VERSION = 1

# Of a measurement, as JUnit's properties of the test that made it.
_PROPERTIES = (
    "model",
    "feed",
    "bit_exact",
    "counter",
    "count",
    "latency_us",
    "arena_bytes",
    "ram_bytes",
    "stack_bytes",
    "flash_bytes",
)


def take_measurements(item: pytest.Item, board: BoardUnderTest | None) -> list[dict[str, Any]]:
    """What was measured on the board since the last call; also as properties of the test."""
    taken = [] if board is None else board.take_measurements()
    documents = [measurement.to_json() for measurement in taken]
    for document in documents:
        item.user_properties += [(name, document[name]) for name in _PROPERTIES]
    return documents


@dataclass
class _Test:
    """A test of a board, from the reports of its phases."""

    id: str
    station: str
    outcome: str = "passed"
    reason: str | None = None
    seconds: float = 0.0
    measurements: list[dict[str, Any]] = field(default_factory=list)

    def add(self, report: pytest.TestReport, measurements: Sequence[dict[str, Any]]) -> None:
        self.seconds += report.duration
        self.measurements += measurements
        if report.outcome == "passed" or self.outcome == "failed":
            return
        self.outcome = report.outcome
        if isinstance(report.longrepr, tuple):
            self.reason = report.longrepr[2].removeprefix("Skipped: ")
        else:
            self.reason = report.longreprtext.strip()


class Results:
    """Gathers the reports of all workers; a plugin of pytest.

    Args:
        path: of the JSON file; None for none.
    """

    def __init__(self, stations: Sequence[Station], path: Path | None) -> None:
        self._stations = stations
        self._path = path
        self._tests: dict[str, _Test] = {}

    def pytest_report_header(self) -> str:
        return f"boards: {', '.join(station.id for station in self._stations)}"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        shown = getattr(report, "tinyaiot", None)
        if shown is not None:
            test = self._tests.setdefault(report.nodeid, _Test(report.nodeid, shown["station"]))
            test.add(report, shown["measurements"])

    def pytest_sessionfinish(self) -> None:
        if self._path is not None:
            write_json(self._path, self._document())

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("boards")
        width = max(len(station.id) for station in self._stations)
        for station in self._stations:
            counts = Counter(t.outcome for t in self._tests.values() if t.station == station.id)
            outcomes = ", ".join(
                f"{counts[outcome]} {outcome}"
                for outcome in ("failed", "passed", "skipped")
                if counts[outcome]
            )
            terminalreporter.line(f"{station.id:<{width}}  {outcomes or 'no tests'}")

    def _document(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "stations": [
                {
                    "id": station.id,
                    "board": station.platform,
                    "core": station.board.core,
                    "product": station.product,
                    "emulated": station.is_emulated,
                    "port": station.serial,
                }
                for station in self._stations
            ],
            "tests": [vars(test) for test in self._tests.values()],
        }
