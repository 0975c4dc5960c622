"""Board files: all load, all make sense, and mistakes in them are named."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest

from tests.support.handmade import BOARDS
from tinyaiot import cli
from tinyaiot.boards import Board, Verified, board_by_id, board_ids, load_board, user_folder
from tinyaiot.devices.connected import PortInfo, find_connected, serial_ports
from tinyaiot.errors import UsageError
from tinyaiot.paths import data_dir
from tinyaiot.pipeline import memories

REQUIRED = """\
name = "A board"
core = "cortex-m4"
clock_hz = 1_000_000
port = "cmsdk"
[[ram]]
name = "ram"
start = 0x2000_0000
size_bytes = 1024
[flash]
start = 0
size_bytes = 1024
"""


def board_file(folder: Path, text: str) -> Path:
    path = folder / "a.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.id)
def test_board_makes_sense(board: Board) -> None:
    port = data_dir("firmware") / "ports" / board.port
    assert [*port.glob("*.c"), *port.glob("*.cpp")], f"no port {board.port}"
    assert board.processor.id == board.core
    assert board.counter in (None, "instructions", "cycles")
    assert board.runs_here or board.counter != "instructions"
    assert board.stack_bytes % 8 == 0
    assert board.stack_bytes < board.ram[0].size_bytes
    names = [ram.name for ram in board.ram]
    assert len(set(names) | {"flash", "stack"}) == len(names) + 2


@pytest.mark.parametrize(
    "board", [b for b in BOARDS if b.processor.arch != "host"], ids=lambda board: board.id
)
def test_memories_do_not_overlap(board: Board) -> None:
    memories = sorted(
        (memory.start, memory.start + memory.size_bytes) for memory in (board.flash, *board.ram)
    )
    for (_, stop), (start, _) in itertools.pairwise(memories):
        assert stop <= start


def test_ids_are_file_names_in_order() -> None:
    assert list(board_ids()) == sorted(p.stem for p in data_dir("boards").iterdir())


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.id)
def test_tables_agree_with_each_other(board: Board) -> None:
    assert board.ram[0].linked
    assert board.stack_bytes + board.reserved_bytes < board.ram[0].size_bytes
    assert board.flash.chip_bytes is None or board.flash.chip_bytes > board.flash.size_bytes
    if board.platformio is not None:
        assert board.upload is not None
        assert (board.platformio.framework is None) == board.is_bare
        platform = board.platformio.platform
        assert re.fullmatch(r"\w+@\d+\.\d+\.\d+|https://\S+\.git", platform), "pin it"
    assert all(0 < usb.vid <= 0xFFFF and 0 < usb.pid <= 0xFFFF for usb in board.usb)
    assert not board.compiled or board.verified is Verified.COMPILED


def test_every_stand_in_has_the_core_and_the_memories_of_its_board() -> None:
    checked = 0
    for board in BOARDS:
        if board.stand_in is None:
            continue
        stand_in = board_by_id(f"{board.id}-qemu")
        machine = board_by_id(board.stand_in)
        assert stand_in.runs_here
        assert stand_in.core == board.core
        assert board.processor.arch == machine.processor.arch
        # The machine must understand all that the core's compiler may emit.
        assert board.processor.features <= machine.processor.features
        assert [(ram.name, ram.size_bytes) for ram in stand_in.ram] == [
            (ram.name, ram.size_bytes) for ram in board.ram if ram.linked
        ]
        low = max(machine.ram, key=lambda ram: ram.size_bytes)
        stop = stand_in.ram[-1].start + stand_in.ram[-1].size_bytes
        assert low.start == stand_in.ram[0].start and stop <= low.start + low.size_bytes
        assert stand_in.flash.size_bytes <= board.flash.size_bytes
        checked += 1
    assert checked > 15


def test_a_board_without_a_machine_has_no_stand_in() -> None:
    with pytest.raises(UsageError, match="no emulated machine stands in for esp32dev"):
        board_by_id("esp32dev-qemu")


def test_models_may_have_linked_memories_less_what_is_taken() -> None:
    board = board_by_id("nucleo_h743zi")
    [memory] = memories(board)
    assert memory.name == "axi"
    taken = board.stack_bytes + board.reserved_bytes
    assert 0 < board.ram[0].size_bytes - taken - memory.capacity_bytes < 1024


def test_users_folder_adds_and_replaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYAIOT_BOARDS", str(tmp_path))
    (tmp_path / "mine.toml").write_text(REQUIRED)
    (tmp_path / "pico.toml").write_text(REQUIRED.replace("A board", "My Pico"))
    assert board_by_id("mine").name == "A board"
    assert board_by_id("pico").name == "My Pico"
    assert "mine" in board_ids()
    assert cli.run(["boards"]) == 0


def test_users_folder_is_in_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TINYAIOT_BOARDS", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "tinyaiot/boards").mkdir(parents=True)
    (tmp_path / "tinyaiot/boards/mine.toml").write_text(REQUIRED)
    assert board_by_id("mine").id == "mine"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_folder() == tmp_path / ".config/tinyaiot/boards"


PORTS = [
    PortInfo("/dev/ttyACM0", 0x2341, 0x805A, "Nano 33 BLE"),
    PortInfo("/dev/ttyACM1", 0x0483, 0x374B, "STM32 STLink"),
    PortInfo("/dev/ttyACM2", 0x2341, 0x035B, "Portenta"),
    PortInfo("/dev/ttyUSB0", 0xDEAD, 0xBEEF, "something"),
    PortInfo("/dev/ttyS0"),
]


def test_connected_boards_are_told_by_their_usb_ids() -> None:
    nano, stlink, loader, unknown = find_connected(BOARDS, PORTS)
    assert (nano.boards, nano.certain, nano.bootloader) == (("nano33ble",), True, False)
    assert {"nucleo_l4r5zi", "nucleo_f446re"} <= set(stlink.boards)
    assert not stlink.certain
    assert (loader.boards, loader.bootloader) == (("portenta_h7_m7",), True)
    assert unknown.boards == ()


def test_connected_boards_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("tinyaiot.commands.boards.serial_ports", lambda: tuple(PORTS))
    assert cli.run(["boards", "--connected", "--json", str(tmp_path / "found.json")]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert "/dev/ttyACM0  2341:805A  Nano 33 BLE" in lines
    assert "  nano33ble" in lines
    shared = out.partition("STM32 STLink")[2].partition("/dev/")[0]
    assert shared.lstrip().startswith("perhaps ") and "nucleo_l4r5zi" in shared
    assert max(map(len, lines)) <= 80
    document = json.loads((tmp_path / "found.json").read_text())
    assert document["connected"][0]["boards"] == ["nano33ble"]


def test_nothing_connected_says_what_to_look_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tinyaiot.commands.boards.serial_ports", lambda: ())
    assert cli.run(["boards", "--connected"]) == 0
    assert "is the board plugged in" in capsys.readouterr().out


def test_ports_of_this_computer_can_be_read() -> None:
    assert all(port.device for port in serial_ports())


def test_list_says_what_was_verified(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["boards"]) == 0
    out = capsys.readouterr().out
    rows = {line.split()[0]: line for line in out.splitlines() if line.split()}
    assert rows["netduinoplus2"].rstrip().endswith("emulated")
    assert rows["nucleo_l4r5zi"].rstrip().endswith("core emulated")
    assert rows["esp32dev"].rstrip().endswith("compiled")
    assert "No board has been tried on silicon yet" in out
    assert max(map(len, out.splitlines())) <= 80


def test_required_keys_are_enough(tmp_path: Path) -> None:
    board = load_board(board_file(tmp_path, REQUIRED))
    assert (board.id, board.emulator, board.counter) == ("a", None, None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("colour = 'red'\n" + REQUIRED, "colour"),
        (REQUIRED + "speed = 5\n", "speed"),
        (REQUIRED.replace("clock_hz", "clock"), "clock_hz"),
        (REQUIRED.replace("0x2000_0000", "'here'"), "start"),
    ],
    ids=["unknown key", "unknown key in a table", "missing key", "wrong type"],
)
def test_mistake_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_board(board_file(tmp_path, text))
    assert any(told in detail for detail in caught.value.details), caught.value.details


@pytest.mark.parametrize("text", ["name = ", "\xff"], ids=["not TOML", "not UTF-8"])
def test_unreadable_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match="cannot read board file"):
        load_board(path)


def test_unknown_board_names_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        board_by_id("toaster")
    assert "mps2-an386" in caught.value.hint
