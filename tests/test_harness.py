"""MLPerf Tiny's commands, byte for byte, on the host port under sanitizers."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import toy_board
from tinyaiot.devices.frames import END
from tinyaiot.paths import data_dir

READY = b"m-ready\r\n"
# What each kind of line is, as the official runner matches it.
LAP = rb"m-lap-us-[0-9]+\r\n"

INPUT_HEX = "00010203040506070809", "0a0b0c0d"
TOY_RESULTS = "0.600,0.900,1.200,1.500,1.800,2.100,2.400,2.700,3.000,3.300,3.600,3.900"


def read_reply(link: socket.socket) -> bytes:
    """All bytes up to the line m-ready."""
    reply = b""
    while not reply.endswith(READY):
        data = link.recv(65536)
        assert data, reply
        reply += data
    return reply


def ask(link: socket.socket, command: str | bytes) -> str:
    """The reply to a command but for its m-ready."""
    link.sendall(command if isinstance(command, bytes) else command.encode())
    return read_reply(link)[: -len(READY)].decode("latin-1")


@pytest.fixture
def link() -> Iterator[socket.socket]:
    with toy_board.connection() as link:
        read_reply(link)
        yield link


def load(link: socket.socket) -> None:
    assert ask(link, "db load 14%") == "m-[Expecting 14 bytes]\r\n"
    assert ask(link, f"db {INPUT_HEX[0]}%") == ""
    assert ask(link, f"db {INPUT_HEX[1]}%") == "m-load-done\r\n"


def test_banner() -> None:
    with toy_board.connection() as link:
        banner = read_reply(link)
    assert re.fullmatch(
        rb"m-timestamp-mode-performance\r\n" + LAP + rb"m-init-done\r\nm-ready\r\n", banner
    )


def test_a_build_without_the_banner() -> None:
    with toy_board.connection("-DTA_NO_BANNER") as link:
        assert ask(link, "name%") == "m-name-dut-[tinyaiot host]\r\n"


def test_name_profile_and_help(link: socket.socket) -> None:
    assert ask(link, "name%") == "m-name-dut-[tinyaiot host]\r\n"
    assert ask(link, "profile%") == (
        "m-profile-[ULPMark for tinyML Firmware V0.0.1]\r\nm-model-[toy]\r\n"
    )
    assert "db load" in ask(link, "help%")


def test_timestamps_rise(link: socket.socket) -> None:
    laps = [ask(link, "timestamp%") for _ in range(3)]
    assert all(re.fullmatch(LAP, lap.encode()) for lap in laps)
    times = [int(lap.split("-")[-1]) for lap in laps]
    assert times == sorted(times)


def test_load_and_print(link: socket.socket) -> None:
    load(link)
    assert ask(link, "db print%") == (
        "m-buffer-00-01-02-03-04-05-06-07\r\nm-buffer-08-09-0a-0b-0c-0d\r\n"
    )


def test_the_runners_way_of_loading(link: socket.socket) -> None:
    # Upper case is a hex digit too; bytes after the last one wanted are disregarded.
    assert ask(link, "db load 14%") == "m-[Expecting 14 bytes]\r\n"
    assert ask(link, "db 0A0B0C0D0E0F101112131415161718191A1B1C1D%") == "m-load-done\r\n"
    assert ask(link, "db print%").startswith("m-buffer-0a-0b-0c")
    assert ask(link, "db 00%") == "e-[No bytes expected: use 'db load' first]\r\n"


def test_infer(link: socket.socket) -> None:
    load(link)
    reply = ask(link, "infer 3 2%").encode()
    results = rb"m-results-\[(.*)\]\r\n"
    pattern = (
        rb"m-warmup-start-2\r\nm-warmup-done\r\nm-infer-start-3\r\n"
        + LAP
        + LAP
        + rb"m-infer-done\r\n"
        + results
    )
    match = re.fullmatch(pattern, reply)
    assert match is not None, reply
    values = match[1].decode()
    assert values == TOY_RESULTS + ",0.375,-62.500,3.000"
    assert ask(link, "results%") == f"m-results-[{values}]\r\n"
    assert ask(link, "infer%").startswith("m-warmup-start-10\r\nm-warmup-done\r\nm-infer-start-1\r")
    assert ask(link, "infer 2%").startswith("m-warmup-start-10\r\n")


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("%", ""),
        ("   %", ""),
        ("nonsense%", "e-[Unknown command: nonsense]\r\n"),
        ("nonsense 1 2%", "e-[Unknown command: nonsense]\r\n"),
        ("NAME%", "e-[Unknown command: NAME]\r\n"),
        ("db%", "e-[Command 'db' requires a subcommand]\r\n"),
        ("db load%", "e-[Command 'db load' requires the # of bytes]\r\n"),
        ("db load 0%", "e-[Command 'db load' must be >0 bytes]\r\n"),
        ("db load -1%", "e-[Command 'db load' must be >0 bytes]\r\n"),
        ("db load x%", "e-[Command 'db load' must be >0 bytes]\r\n"),
        ("db load 15%", "Supplied buffer size 15 exceeds maximum of 14\r\n"),
        ("db load 99999999999%", "Supplied buffer size 4294967295 exceeds maximum of 14\r\n"),
        ("db 000%", "e-[Insufficent number of hex digits]\r\n"),
        ("db 00%", "e-[No bytes expected: use 'db load' first]\r\n"),
        ("db print%", ""),
        ("infer 0%", "e-[Inference iterations must be >0]\r\n"),
        ("infer -3%", "e-[Inference iterations must be >0]\r\n"),
        ("infer 1 -1%", "e-[Inference warmup must be >=0]\r\n"),
        ("infer 1 0%", "e-[No input: load all of it, again after a run that overwrote it]\r\n"),
        ("results%", "e-[No results: infer first]\r\n"),
        ("n" * 80 + "%", f"e-[Unknown command: {'n' * 80}]\r\n"),
        ("n" * 81 + "%", "e-[Command longer than 80 bytes]\r\n"),
        ("n" * 5000 + "%", "e-[Command longer than 80 bytes]\r\n"),
        (b"\xff\xfe%", "e-[Unknown command: ??]\r\n"),
        ("ta id 1 2%", "e-[Wrong checksum]\r\n"),
        ("ta %", "e-[Wrong checksum]\r\n"),
    ],
)
def test_errors(link: socket.socket, command: str | bytes, reply: str) -> None:
    assert ask(link, command) == reply
    assert ask(link, "name%") == "m-name-dut-[tinyaiot host]\r\n"


def test_an_invalid_hex_digit(link: socket.socket) -> None:
    ask(link, "db load 14%")
    assert ask(link, "db 0g%") == "e-[Invalid hex digit '0g']\r\n"
    assert ask(link, "db 00zz%") == "e-[Invalid hex digit 'zz']\r\n"


def test_half_an_input_is_not_run(link: socket.socket) -> None:
    load(link)
    ask(link, "db load 14%")
    ask(link, "db 0001%")
    assert ask(link, "infer 1 0%").startswith("e-[No input")
    ask(link, "db load 2%")
    assert ask(link, "db 0001%") == "m-load-done\r\n"
    assert ask(link, "infer 1 0%").startswith("e-[No input")
    assert ask(link, "results%") == "e-[No results: infer first]\r\n"


def test_line_ends_from_a_terminal_are_ignored(link: socket.socket) -> None:
    assert ask(link, "\r\nname\r\n%") == "m-name-dut-[tinyaiot host]\r\n"
    assert ask(link, "profile%\r\nname%").endswith("m-name-dut-[tinyaiot host]\r\n")


def test_a_delimiter_starts_afresh(link: socket.socket) -> None:
    assert ask(link, b"garbage" + bytes([END]) + b"name%") == "m-name-dut-[tinyaiot host]\r\n"


def test_a_model_that_overwrites_its_input_runs_once_a_load(link: socket.socket) -> None:
    select = b"ta model 1 1"
    ask(link, select + b" %d%%" % zlib.crc32(select))
    assert "m-model-[eater]" in ask(link, "profile%")
    load(link)
    refusal = "e-[A run overwrites the input: 'infer 1 0', or build to keep the input]\r\n"
    assert ask(link, "infer%") == refusal
    assert ask(link, "infer 2 0%") == refusal
    assert "m-results-[0.496,0.492," in ask(link, "infer 1 0%")
    assert ask(link, "infer 1 0%").startswith("e-[No input")


def test_unsigned_pixels_for_a_signed_model() -> None:
    with toy_board.connection("-DTA_DB_FLIP=0x80u") as link:
        read_reply(link)
        ask(link, "db load 14%")
        assert ask(link, "db 8081828384858687" + "88898a8b8c8d%") == "m-load-done\r\n"
        assert ask(link, "db print%").startswith("m-buffer-80-81-82")
        assert TOY_RESULTS in ask(link, "infer 1 0%")


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=120),
            st.sampled_from(
                [b"db load 14%", b"db 00%", b"db 0011%", b"db print%", b"infer 1 1%", b"%", b"ta "]
            ),
        ),
        max_size=12,
    )
)
def test_no_bytes_break_the_firmware(link: socket.socket, parts: list[bytes]) -> None:
    """The sanitizers end the process at the first overrun."""
    # What a drawn 'infer 99999999 …' would take for ever is not the question here.
    data = re.sub(rb"infer +[0-9]{3,}|infer +[0-9]+ +[0-9]{3,}", b"", b"".join(parts))
    link.sendall(data + bytes([END]) + b"%" + bytes([END]) + b"%profile%")
    reply = b""
    while not reply.endswith(b"m-model-[toy]\r\nm-ready\r\n"):
        received = link.recv(65536)
        assert received, "the firmware ended"
        reply += received


def test_results_are_printed_as_printf_does(tmp_path: Path) -> None:
    firmware = data_dir("firmware")
    program = tmp_path / "print_reals"
    subprocess.run(
        [
            shutil.which("gcc") or "cc",
            *("-std=c99", "-O1", "-Wall", "-Wextra", "-Wconversion", "-Werror"),
            *("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
            f"-I{firmware / 'include'}",
            f"-I{firmware / 'harness'}",
            str(Path(__file__).parent / "support" / "print_reals.c"),
            str(firmware / "harness" / "ta_text.c"),
            *("-lm", "-o", str(program)),
        ],
        check=True,
    )
    run = subprocess.run([program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
