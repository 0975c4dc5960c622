"""Hardware maps: Twister's are read as they are, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyaiot.errors import UsageError
from tinyaiot.hardware_map import load_hardware_map, select_stations

# Every field of the schema of Zephyr 4.2's hardware maps, with a value of its type.
TWISTER = """\
- connected: true
  id: 0672FF575251717867092917
  platform: mps2-an386
  product: STM32 STLink
  runner: openocd
  serial: /dev/ttyACM0
  baud: 9600
  available: true
  notes: on the left
  probe_id: 0672FF575251717867092917
  runner_params: [--cmd-pre-init, reset]
  post_script: /bin/true
  post_flash_script: /bin/true
  pre_script: /bin/true
  fixtures: [camera, i2c_loopback]
  flash_timeout: 60
  flash_with_test: true
  flash_before: false
  script_param:
    pre_script_timeout: 10
    post_script_timeout: 10
    post_flash_timeout: 10
    pre_script_arg: [on]
    post_script_arg: ["off"]
    post_flash_script_arg: []
- connected: false
  id: "42"
  platform: [a_board_of_zephyr, another]
  product: Unknown
  runner: jlink
  serial_pty: a_program
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "map.yaml"
    path.write_text(text)
    return path


def test_a_map_of_twisters(tmp_path: Path) -> None:
    [station] = load_hardware_map(write(tmp_path, TWISTER))
    assert station.id == station.probe_id == "0672FF575251717867092917"
    assert (station.board.core, station.serial, station.baud) == ("cortex-m4", "/dev/ttyACM0", 9600)
    assert station.fixtures == ("camera", "i2c_loopback")
    assert station.script_param.post_script_arg == ("off",)
    assert not station.is_emulated


def test_stations_have_names_that_differ(tmp_path: Path) -> None:
    text = "- platform: host\n" * 3 + "- {platform: [microbit, host], id: both}\n"
    stations = load_hardware_map(write(tmp_path, text))
    assert [(s.id, s.platform) for s in stations] == [
        ("host", "host"),
        ("host#2", "host"),
        ("host#3", "host"),
        ("both", "microbit"),
        ("both#2", "host"),
    ]
    assert all(station.is_emulated for station in stations)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- platform: [", "cannot read"),
        ("platform: host", "is no list of boards"),
        ("- host", "is no list of boards"),
        ("[]", "no board of hardware map"),
        ("- {platform: host, connected: false}", "no board of hardware map"),
        ("- {platform: nowhere}", "unknown board 'nowhere'"),
        ("- {id: x}", "is not valid: entry 'x'"),
        ("- {platform: host, bauds: 9600}", "is not valid: entry 'host'"),
        ("- {platform: host, baud: fast}", "is not valid: entry 'host'"),
        ("- {platform: host, serial_pty: p}", "serial_pty, which is not supported"),
    ],
)
def test_what_is_wrong_is_named(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_hardware_map(write(tmp_path, text))
    assert words in caught.value.what


def test_stations_of_a_command_line(tmp_path: Path) -> None:
    path = write(tmp_path, "- platform: host\n- platform: host\n- platform: microbit\n")
    assert len(select_stations([], None, path)) == 3
    assert [s.id for s in select_stations(["host"], None, path)] == ["host", "host#2"]
    assert [s.id for s in select_stations(["host#2"], None, path)] == ["host#2"]
    assert [s.id for s in select_stations(["host", "host"], None, None)] == ["host", "host#2"]
    [on_port] = select_stations(["microbit"], "/dev/ttyACM0", None)
    assert (on_port.serial, on_port.is_emulated) == ("/dev/ttyACM0", False)
    with pytest.raises(UsageError, match="hifive1 is not connected in"):
        select_stations(["hifive1"], None, path)
    for names, map_path in ((["host", "microbit"], None), ([], None), (["host"], path)):
        with pytest.raises(UsageError, match="--port is for exactly one --board"):
            select_stations(names, "/dev/ttyACM0", map_path)
