"""The command line as a user meets it: exit codes, what is printed where, what is left behind."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.support.builder import ModelBuilder
from tests.support.real_models import FOLDER
from tinyaiot import cli

ROOT = Path(__file__).resolve().parents[1]
DIGITS = ROOT / "examples" / "digits" / "digits.tflite"
SAMPLES = ROOT / "examples" / "digits" / "test_digits.npz"
VWW = FOLDER / "vww.tflite"


def tinyaiot(
    *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs the command line with its output piped."""
    return subprocess.run(
        [sys.executable, "-m", "tinyaiot", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def assert_error(result: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """One line of what happened, one of what to do, and no traceback."""
    lines = result.stderr.strip().splitlines()
    assert result.returncode == code, result.stderr
    assert lines[0].startswith("error: ")
    assert lines[-1].startswith("hint: ")
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr


def unsupported_model() -> bytes:
    """Two violations, in two nodes."""
    b = ModelBuilder("unsupported")
    x = b.input([1, 4, 4, 2], 0.5)
    y = b.tensor([1, 4, 4, 2], 0.5)
    z = b.tensor([1, 4, 4, 2], 0.5)
    b.op("COS", [x], [y])
    b.op("FLOOR", [y], [z])
    return b.build([z])


def test_missing_file(tmp_path: Path) -> None:
    assert_error(tinyaiot("analyze", "absent.tflite", cwd=tmp_path), 3, "absent.tflite")


def test_unknown_kind_of_file(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no model")
    assert_error(tinyaiot("analyze", "notes.txt", cwd=tmp_path), 3, "notes.txt", ".tflite")


@pytest.mark.parametrize("content", [b"", b"no model", DIGITS.read_bytes()[:1000]])
def test_corrupt_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "corrupt.tflite").write_bytes(content)
    assert_error(tinyaiot("analyze", "corrupt.tflite", cwd=tmp_path), 3, "corrupt")


def test_unsupported_operators_are_all_listed(tmp_path: Path) -> None:
    (tmp_path / "odd.tflite").write_bytes(unsupported_model())
    result = tinyaiot("analyze", "odd.tflite", cwd=tmp_path)
    assert_error(result, 4, "node 0 COS", "node 1 FLOOR")


def test_unknown_board_names_the_known_ones(tmp_path: Path) -> None:
    result = tinyaiot("analyze", DIGITS, "--board", "arduino-uno", cwd=tmp_path)
    assert_error(result, 2, "arduino-uno", "mps2-an386")


def test_unknown_option(tmp_path: Path) -> None:
    result = tinyaiot("analyze", DIGITS, "--bord", "x", cwd=tmp_path)
    assert_error(result, 2, "--bord", "tinyaiot analyze --help")


def test_unknown_command_and_none(tmp_path: Path) -> None:
    assert_error(tinyaiot("mesure", cwd=tmp_path), 2, "mesure", "--help")
    assert tinyaiot(cwd=tmp_path).stdout == tinyaiot("--help", cwd=tmp_path).stdout


def test_analyze_prints_and_writes_the_same_numbers(tmp_path: Path) -> None:
    result = tinyaiot("analyze", DIGITS, "--json", "out/digits.json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    document = json.loads((tmp_path / "out" / "digits.json").read_text())
    assert document["model"] == "digits"
    assert document["macs"] == sum(layer["macs"] for layer in document["layers"])
    assert len(document["layers"]) == 12
    assert document["layers"][0]["op"] == "CONV_2D"
    assert document["arena_bytes"] >= document["lower_bound_bytes"] > 0
    for value in (document["macs"], document["arena_bytes"], document["weights_bytes"]):
        assert f"{value:,}" in result.stdout


def test_piped_output_is_plain_and_80_columns_wide(tmp_path: Path) -> None:
    commands = (["analyze", DIGITS], ["analyze", DIGITS, "-v"], ["boards"], ["measure", "--help"])
    for arguments in commands:
        result = tinyaiot(*arguments, cwd=tmp_path, env={"COLUMNS": "200"})
        assert result.returncode == 0, result.stderr
        assert "\x1b" not in result.stdout
        assert max(map(len, result.stdout.splitlines())) <= 80
        assert result.stderr == ""


def test_quiet_prints_nothing(tmp_path: Path) -> None:
    result = tinyaiot("analyze", DIGITS, "-q", "--json", "digits.json", cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert (tmp_path / "digits.json").is_file()


def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = tinyaiot("analyze", DIGITS, "--json", "file/digits.json", cwd=tmp_path)
    assert_error(result, 2, "cannot write")


def test_every_command_explains_itself(tmp_path: Path) -> None:
    overview = tinyaiot("--help", cwd=tmp_path).stdout
    commands = overview.split("Commands:")[1].split("\n")
    names = [line.split()[0] for line in commands if line.strip()]
    assert "analyze" in names
    for name in names:
        text = tinyaiot(name, "--help", cwd=tmp_path).stdout
        assert f"tinyaiot {name}" in text.split("Example")[1], f"{name} has no example"
        assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("tinyaiot fl", {"flash", "fleet"}),
        ("tinyaiot measure --mark", {"--markdown"}),
        ("tinyaiot measure model.tflite --board mps2-an38", {"mps2-an385", "mps2-an386"}),
        ("tinyaiot fleet model.tflite --board hi", {"hifive1"}),
    ],
)
def test_shell_completion(words: str, expected: set[str], tmp_path: Path) -> None:
    """What bash's script of click asks for, and gets."""
    environment = {
        "_TINYAIOT_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    command = Path(sys.executable).with_name("tinyaiot")
    found = subprocess.run(
        [command],
        cwd=tmp_path,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert {line.partition(",")[2] for line in found.splitlines()} == expected


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_completion_in_a_real_bash(tmp_path: Path) -> None:
    """As after the line of the README in a .bashrc, and the tabulator key."""
    script = """
        eval "$(_TINYAIOT_COMPLETE=bash_source tinyaiot)"
        complete -p tinyaiot
        COMP_WORDS=(tinyaiot measure model.tflite --board mps2-an38)
        COMP_CWORD=4
        _tinyaiot_completion tinyaiot
        echo "${COMPREPLY[@]}"
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-ec", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    registered, offered = done.stdout.splitlines()
    assert registered.endswith(" tinyaiot")
    assert offered.split() == ["mps2-an385", "mps2-an386"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_scripts_of_other_shells(shell: str, tmp_path: Path) -> None:
    script = tinyaiot(cwd=tmp_path, env={"_TINYAIOT_COMPLETE": f"{shell}_source"})
    assert f"_TINYAIOT_COMPLETE={shell}_complete" in script.stdout


def test_version(tmp_path: Path) -> None:
    assert tinyaiot("--version", cwd=tmp_path).stdout.startswith("tinyaiot, version ")


@pytest.fixture
def compiled(tmp_path: Path) -> dict[str, str]:
    """An environment in which modules are compiled with their first import and never again, also
    where the tests themselves are to leave no bytecode behind."""
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path / "bytecode")}


def test_analyze_answers_in_a_second(tmp_path: Path, compiled: dict[str, str]) -> None:
    """In processor time, so that other work on the machine does not fail it."""
    seconds = []
    for _ in range(4):
        started = children_seconds()
        assert tinyaiot("analyze", DIGITS, cwd=tmp_path, env=compiled).returncode == 0
        seconds.append(children_seconds() - started)
    assert min(seconds) < 1.0


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.skipif(not VWW.exists(), reason=f"no {VWW}")
def test_analyze_of_a_real_model_on_a_board(tmp_path: Path, compiled: dict[str, str]) -> None:
    """In processor time: a second to the first output, three in all, with a margin of half."""
    command = [sys.executable, "-m", "tinyaiot", "analyze", str(VWW), "--board", "nucleo_l4r5zi"]
    to_first, in_all = [], []
    for _ in range(3):
        started = children_seconds()
        environment = {**os.environ, **compiled, "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, env=environment
        ) as run:
            assert run.stdout is not None
            run.stdout.readline()
            to_first.append(seconds_of(run.pid))
            run.communicate()
        assert run.returncode == 0
        in_all.append(children_seconds() - started)
    assert min(to_first) < 1.5
    assert min(in_all) < 4.5


def seconds_of(pid: int) -> float:
    """Processor time of a running process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_reader_that_goes_away(tmp_path: Path) -> None:
    command = f"{sys.executable} -m tinyaiot boards | head -n 1"
    result = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Error" not in result.stderr


def test_model_that_does_not_fit_names_memory_shortfall_and_layer(tmp_path: Path) -> None:
    b = ModelBuilder("large")
    x = b.input([1, 64, 64, 4], 0.5)
    y = b.tensor([1, 64, 64, 4], 0.5)
    b.op("MAX_POOL_2D", [x], [y], padding=0, strideW=1, strideH=1, filterWidth=3, filterHeight=3)
    (tmp_path / "large.tflite").write_bytes(b.build([y]))
    result = tinyaiot("analyze", "large.tflite", "--board", "stm32vldiscovery", cwd=tmp_path)
    assert_error(result, 5, "ram", "MAX_POOL_2D")
    assert "16,384" in result.stderr


def test_weights_beyond_flash(tmp_path: Path) -> None:
    b = ModelBuilder("heavy")
    x = b.input([1, 512], 0.5)
    weights = b.constant(np.zeros((512, 512), np.int8), [0.5])
    y = b.tensor([1, 512], 0.5)
    b.op("FULLY_CONNECTED", [x, weights], [y])
    (tmp_path / "heavy.tflite").write_bytes(b.build([y]))
    result = tinyaiot("analyze", "heavy.tflite", "--board", "stm32vldiscovery", cwd=tmp_path)
    assert_error(result, 5, "flash", f"{512 * 512 - 131072:,} more", "FULLY_CONNECTED")


def test_generate_writes_a_project_and_replaces_only_its_own(tmp_path: Path) -> None:
    command = ("generate", DIGITS, "--board", "mps2-an386", "-o", "firmware")
    assert tinyaiot(*command, cwd=tmp_path).returncode == 0
    project = tmp_path / "firmware"
    first = contents(project)
    assert {"Makefile", "README.md", "tinyaiot.json", "model/digits.h"} <= first.keys()
    assert tinyaiot(*command, cwd=tmp_path).returncode == 0
    assert contents(project) == first
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    result = tinyaiot(*command[:-1], "mine", cwd=tmp_path)
    assert_error(result, 2, "mine")
    assert contents(tmp_path / "mine") == {"thesis.txt": b"years of work"}


def test_failed_generate_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "odd.tflite").write_bytes(unsupported_model())
    command = ("generate", "odd.tflite", "--board", "mps2-an386", "-o", "firmware")
    assert tinyaiot(*command, cwd=tmp_path).returncode == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["odd.tflite"]


def test_two_models_in_one_project(tmp_path: Path) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(DIGITS.read_bytes())
    command = ("generate", DIGITS, other, "--board", "mps2-an386", "-o", "firmware")
    assert tinyaiot(*command, cwd=tmp_path).returncode == 0
    assert {"model/digits.h", "model/other.h"} <= contents(tmp_path / "firmware").keys()
    twice = ("generate", DIGITS, DIGITS, "--board", "mps2-an386", "-o", "twice")
    assert_error(tinyaiot(*twice, cwd=tmp_path), 2, "digits")


def measure(*arguments: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = ("measure", DIGITS, "--board", "mps2-an386", *arguments)
    return tinyaiot(*command, cwd=cwd, env=env)


def test_measure_gives_the_keys_of_the_contract(tmp_path: Path) -> None:
    result = measure("--json", "digits.json", "--samples", SAMPLES, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert "\x1b" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    document = json.loads((tmp_path / "digits.json").read_text())
    assert document.keys() >= {
        *("model", "board", "feed", "bit_exact", "reference", "arena_bytes", "ram_bytes"),
        *("stack_bytes", "flash_bytes", "weights_bytes", "code_bytes", "macs", "extra_macs"),
        *("lower_bound_bytes", "counter", "count", "latency_us", "outputs", "layers"),
    }
    assert document["bit_exact"] is True
    assert document["counter"] == "instructions"
    assert document["latency_us"] is None
    assert document["count"] >= sum(layer["count"] for layer in document["layers"]) > 0
    assert document["layers"][0].keys() >= {"name", "op", "macs", "count"}
    assert document["ram_bytes"] >= document["arena_bytes"] >= document["lower_bound_bytes"]
    assert document["samples"]["identical"] == document["samples"]["count"] == 100
    assert document["samples"]["board_correct"] == document["samples"]["reference_correct"] >= 95


def test_work_folder_keeps_every_stage(tmp_path: Path) -> None:
    assert measure("-q", cwd=tmp_path).returncode == 0
    work = tmp_path / "build" / "digits-mps2-an386"
    assert measure("--port", "/dev/null", cwd=tmp_path).returncode == 7
    assert not (work / "measurement.json").exists()
    assert measure("-q", cwd=tmp_path).returncode == 0
    for stage in ("graph.json", "plan.json", "project/tinyaiot.json", "measurement.json"):
        assert json.loads((work / stage).read_text())
    assert (work / "project" / "firmware.elf").is_file()


def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    for work in ("one", "two"):
        assert measure("-q", "--work", work, cwd=tmp_path).returncode == 0
    one, two = (contents(tmp_path / work) for work in ("one", "two"))
    same = [path for path in one if not path.startswith("project/build")]
    assert {path: one[path] for path in same} == {path: two[path] for path in same}


def test_input_from_a_file(tmp_path: Path) -> None:
    digit = np.load(SAMPLES)["inputs"][0]
    np.save(tmp_path / "digit.npy", digit)
    assert measure("-q", "--input", "digit.npy", "--json", "1", cwd=tmp_path).returncode == 0
    scores = json.loads((tmp_path / "1").read_text())["outputs"][0]["values"]
    assert np.argmax(scores) == np.load(SAMPLES)["labels"][0]


@pytest.mark.parametrize(
    "array", [np.zeros((1, 8, 9, 1), np.int8), np.zeros((1, 8, 8, 1), np.int16)]
)
def test_input_that_does_not_match(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "x.npy", array)
    assert_error(measure("--input", "x.npy", cwd=tmp_path), 2, "x.npy", "int8 1x8x8x1")


def test_samples_without_inputs(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=np.zeros((2, 8, 8, 1)))
    assert_error(measure("--samples", "x.npz", cwd=tmp_path), 2, "'inputs'")


def test_wrong_files_are_reported_before_the_build(tmp_path: Path) -> None:
    for option in ("--input", "--samples"):
        assert_error(measure(option, "none.npz", cwd=tmp_path), 2, "none.npz")
    assert not list(tmp_path.rglob("firmware*"))


def only(tmp_path: Path, *tools: str) -> str:
    """A PATH that has these commands and no others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in tools:
        found = shutil.which(tool)
        if found is None:
            pytest.skip(f"{tool} is not installed")
        (folder / tool).symlink_to(found)
    return str(folder)


def test_missing_compiler(tmp_path: Path) -> None:
    result = measure(cwd=tmp_path, PATH=only(tmp_path, "make"))
    assert_error(result, 6, "arm-none-eabi-gcc", "Debian")


def test_missing_emulator(tmp_path: Path) -> None:
    arm = (f"arm-none-eabi-{tool}" for tool in ("gcc", "objcopy", "size"))
    result = measure(cwd=tmp_path, PATH=only(tmp_path, "make", "sh", "mkdir", *arm))
    assert_error(result, 7, "qemu-system-arm", "Debian")


def test_build_of_a_damaged_project(tmp_path: Path) -> None:
    command = ("generate", DIGITS, "--board", "mps2-an386", "-o", "firmware")
    assert tinyaiot(*command, cwd=tmp_path).returncode == 0
    (tmp_path / "firmware" / "model" / "digits.c").write_text("no C\n")
    result = tinyaiot("build", "firmware", cwd=tmp_path)
    assert_error(result, 6, "digits.c", "build.log")
    assert_error(tinyaiot("build", "nowhere", cwd=tmp_path), 2, "nowhere")


def test_flash_asks_the_board(tmp_path: Path) -> None:
    command = ("generate", DIGITS, "--board", "microbit", "-o", "firmware")
    assert tinyaiot(*command, cwd=tmp_path).returncode == 0
    result = tinyaiot("flash", "firmware", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "digits" in result.stdout


def test_validate_lists_every_layer(tmp_path: Path) -> None:
    command = ("validate", DIGITS, "--board", "mps2-an386", "--json", "layers.json")
    result = tinyaiot(*command, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    document = json.loads((tmp_path / "layers.json").read_text())
    assert document["bit_exact"] is True
    assert len(document["layers"]) == result.stdout.count(" equal") == 12


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Programs started meanwhile heed an interrupt, even if a shell's background job runs this."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


@pytest.mark.usefixtures("interruptible")
def test_interrupt_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tinyaiot", "measure", str(DIGITS), "--board", "mps2-an386"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    project = tmp_path / "build" / "digits-mps2-an386" / "project"
    deadline = time.monotonic() + 60
    while not project.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr.strip()) == (130, "interrupted")


def test_bug_is_one_line_and_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise KeyError("wires crossed")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tinyaiot.commands.boards.board_ids", broken)
    assert cli.run(["boards"]) == 70
    [line] = capsys.readouterr().err.splitlines()
    assert "wires crossed" in line
    assert "Traceback" in (tmp_path / "build" / "error.log").read_text()


def contents(folder: Path) -> dict[str, bytes]:
    """All files below ``folder``, by path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
