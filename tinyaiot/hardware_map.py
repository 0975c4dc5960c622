"""The boards on a bench: a hardware map in YAML, with the fields of Zephyr Twister's.

A map is a list; each entry is one board on the bench, or one instance of an emulated board. A map
written for Twister is read as it is. Of its fields these have an effect here:

    connected           entries that are not connected are left out; true if not given
    platform            the id of a board of tinyaiot; of several, each makes a station
    id                  names the station; by default the platform, numbered where it repeats
    serial, baud        the serial port, and its speed
    fixtures            what is attached to the board, for tests that need it
    runner              what flashes it: openocd, pyocd, esp32 (esptool), platformio, uf2; with any
                        other, what fits the board file
    pre_script          run before the board is used
    post_flash_script   run each time it was flashed
    post_script         run after the board was used
    script_param        arguments of the scripts, and their time limits (s)
    product, notes      for people

The others are read and have no effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cattrs
from cattrs import transform_error

from tinyaiot.boards import STAND_IN, Board, board_by_id
from tinyaiot.errors import UsageError

BAUD_RATE = 115_200


@dataclass(frozen=True)
class ScriptParameters:
    """Arguments and time limits, in seconds, of a station's scripts."""

    pre_script_arg: tuple[str, ...] = ()
    pre_script_timeout: int = 30
    post_script_arg: tuple[str, ...] = ()
    post_script_timeout: int = 30
    post_flash_script_arg: tuple[str, ...] = ()
    post_flash_timeout: int = 30


@dataclass(frozen=True)
class Station:
    """One board on a bench, or one instance of an emulated board.

    Attributes:
        platform: id of the board.
        id: names the station; unique in its map.
        serial: the port; None for an emulated board, which is started with its image.
    """

    platform: str
    id: str = ""
    connected: bool = True
    product: str = ""
    runner: str = ""
    serial: str | None = None
    baud: int = BAUD_RATE
    serial_pty: str | None = None
    fixtures: tuple[str, ...] = ()
    notes: str = ""
    pre_script: str | None = None
    post_script: str | None = None
    post_flash_script: str | None = None
    script_param: ScriptParameters = field(default_factory=ScriptParameters)
    probe_id: str = ""
    runner_params: tuple[str, ...] = ()
    available: bool = False
    flash_timeout: int | None = None
    flash_with_test: bool = False
    flash_before: bool = False

    @property
    def board(self) -> Board:
        """The board file; raises UsageError if there is none of that id."""
        return board_by_id(self.platform)

    @property
    def is_emulated(self) -> bool:
        """Whether it is no hardware: an emulator, or a program on the host."""
        return self.serial is None

    @property
    def is_reachable(self) -> bool:
        """Whether an image can be run on it: through a port, in an emulator, on the host."""
        board = self.board
        runs_here = board.emulator is not None or board.processor.arch == "host"
        return self.serial is not None or runs_here


_CONVERTER = cattrs.Converter(forbid_extra_keys=True)


def load_hardware_map(path: Path) -> tuple[Station, ...]:
    """The connected stations of a map, in its order.

    Raises:
        UsageError: the file cannot be read, or an entry is wrong: an unknown field, a value of
            another type, an unknown board, a board that can be neither reached nor emulated.
    """
    # Imported here: it takes a fifth of the command line's start.
    import yaml

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"cannot read hardware map {path}: {reason}", "mend the file") from error
    if not isinstance(document, list) or not all(isinstance(entry, dict) for entry in document):
        raise UsageError(
            f"hardware map {path} is no list of boards",
            "begin each board with a line as: - platform: mps2-an386",
        )
    found = [station for entry in document for station in _stations(entry, path)]
    connected = numbered([station for station in found if station.connected])
    if not connected:
        raise UsageError(
            f"no board of hardware map {path} is connected", "connect one, and say so in the map"
        )
    for station in connected:
        require_reachable(station)
    return connected


def _stations(entry: dict[str, Any], path: Path) -> list[Station]:
    platforms = entry.get("platform")
    each = [entry]
    if isinstance(platforms, list):
        each = [{**entry, "platform": platform} for platform in platforms]
    try:
        return [_CONVERTER.structure(one, Station) for one in each]
    except cattrs.BaseValidationError as error:
        raise UsageError(
            f"hardware map {path} is not valid: entry {entry.get('id') or platforms!r}",
            "compare it with the fields of Zephyr Twister's hardware map",
            tuple(transform_error(error)),
        ) from error


def numbered(stations: Sequence[Station]) -> tuple[Station, ...]:
    """The stations with ids that differ: a missing one is the platform, repeats are b, b#2, …"""
    seen: dict[str, int] = {}
    result = []
    for station in stations:
        name = station.id or station.platform
        seen[name] = seen.get(name, 0) + 1
        result.append(replace(station, id=name if seen[name] == 1 else f"{name}#{seen[name]}"))
    return tuple(result)


def require_reachable(station: Station) -> None:
    """Raises UsageError for an unknown board, and for one with neither port nor emulator."""
    if station.serial_pty is not None:
        raise UsageError(
            f"{station.id} is reached through serial_pty, which is not supported",
            "name a port in serial; socket://HOST:PORT is one too",
        )
    if not station.is_reachable:
        hint = "name its port: serial in a hardware map, --port on the command line"
        if station.board.stand_in is not None:
            hint += f"; or run it emulated, as {station.platform}{STAND_IN}"
        raise UsageError(f"{station.id} has no emulator, and no port is named for it", hint)


def select_stations(
    names: Sequence[str], port: str | None, path: Path | None, baud: int = BAUD_RATE
) -> tuple[Station, ...]:
    """The stations that a command line names.

    Args:
        names: ids of boards; with a map, of its platforms or stations, of all if there are none.
        port: of the only board named, where it is no map's.
        path: the hardware map.

    Raises:
        UsageError: a board is unknown, not in the map, or not reachable; a port is named for
            several boards, or for a map.
    """
    if port is not None and (path is not None or len(names) != 1):
        raise UsageError(
            "--port is for exactly one --board", "name the ports of several in a hardware map"
        )
    if path is not None:
        return _of_map(names, path)
    stations = numbered([Station(name, serial=port, baud=baud) for name in names])
    for station in stations:
        require_reachable(station)
    return stations


def _of_map(names: Sequence[str], path: Path) -> tuple[Station, ...]:
    stations = load_hardware_map(path)
    known = {name for station in stations for name in (station.platform, station.id)}
    if unknown := [name for name in names if name not in known]:
        raise UsageError(
            f"{', '.join(unknown)} is not connected in {path}", f"use one of: {', '.join(known)}"
        )
    return tuple(s for s in stations if not names or {s.platform, s.id} & set(names))
