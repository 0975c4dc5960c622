"""End to end: a model measured and validated on the host and on an emulated board."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from tests.support.handmade import DIGITS
from tests.support.real_models import FOLDER
from tinyaiot import build, oracle, pipeline
from tinyaiot.boards import board_by_id
from tinyaiot.devices.emulator import EmulatedBoard
from tinyaiot.devices.link import Link
from tinyaiot.errors import DeviceError, OutputsDifferError, UsageError
from tinyaiot.measure import Deployment, Measurement, measure, open_device, validate
from tinyaiot.operators.base import AnyArray
from tinyaiot.report import Report
from tinyaiot.testdata import lcg_input

KWS = FOLDER / "kws.tflite"
HOST, EMULATED = "host", "mps2-an386"

each_board = pytest.mark.parametrize("board_id", [HOST, EMULATED])
each_model = pytest.mark.parametrize(
    "path",
    [
        pytest.param(DIGITS, id="digits"),
        pytest.param(
            KWS,
            id="kws",
            marks=pytest.mark.skipif(not KWS.exists(), reason=f"no models in {FOLDER}"),
        ),
    ],
)


@functools.cache
def deploy(path: Path, board_id: str) -> Deployment:
    """The model built for the board; one folder for each, built once."""
    work = Path(tempfile.mkdtemp(prefix="tinyaiot-test-"))
    job = pipeline.Job(path, board_by_id(board_id), work)
    return pipeline.deploy(job, Report(quiet=True))


def inputs_of(deployment: Deployment, seed: int = 12345) -> list[AnyArray]:
    return [lcg_input(tensor, seed) for tensor in deployment.model.graph.inputs]


@functools.cache
def measured(path: Path, board_id: str) -> Measurement:
    deployment = deploy(path, board_id)
    return measure(deployment, inputs_of(deployment))


@each_board
@each_model
def test_outputs_are_the_reference(path: Path, board_id: str) -> None:
    deployment = deploy(path, board_id)
    result = measured(path, board_id)
    reference = oracle.run(
        deployment.model.data, deployment.model.graph, inputs_of(deployment)
    ).outputs
    assert result.bit_exact
    assert [list(output.values or ()) for output in result.outputs] == [
        values.reshape(-1).tolist() for values in reference
    ]
    assert result.reference.startswith("tflite-micro ")


@each_model
def test_an_emulator_counts_instructions_and_has_no_latency(path: Path) -> None:
    result = measured(path, EMULATED)
    assert result.counter == "instructions"
    assert result.latency_us is None
    counts = [layer.count for layer in result.layers]
    assert result.count is not None
    assert None not in counts
    # What no layer took: the call of the model's run function, its return, and each layer's
    # return from telling that it is done.
    assert 0 < result.count - sum(count or 0 for count in counts) < 20 + 3 * len(counts)
    # No instruction of these cores does more than two MACs.
    assert all(2 * (layer.count or 0) > layer.macs for layer in result.layers if layer.macs)
    assert result.stack_bytes is not None
    assert 200 < result.stack_bytes < board_by_id(EMULATED).stack_bytes


@each_model
def test_the_host_counts_nothing_and_has_a_clock(path: Path) -> None:
    result = measured(path, HOST)
    assert (result.counter, result.count, result.stack_bytes) == (None, None, None)
    assert result.latency_us is not None and result.latency_us > 0
    assert {layer.count for layer in result.layers} == {None}


@each_model
def test_memory_is_the_images_and_the_plans(path: Path) -> None:
    deployment, result = deploy(path, EMULATED), measured(path, EMULATED)
    assert result.arena_bytes == deployment.plan.total_arena_bytes
    assert result.arena_bytes >= result.lower_bound_bytes
    assert result.arena_bytes <= result.ram_bytes < result.arena_bytes + 300
    assert result.flash_bytes > result.weights_bytes + result.code_bytes
    assert max(layer.live_bytes or 0 for layer in result.layers) <= result.arena_bytes


@each_model
def test_counts_are_the_same_each_time(path: Path) -> None:
    deployment = deploy(path, EMULATED)
    again = measure(deployment, inputs_of(deployment))
    assert again == measured(path, EMULATED)


@each_model
def test_json(path: Path) -> None:
    document = json.loads(json.dumps(measured(path, EMULATED).to_json(), allow_nan=False))
    wanted = (
        "schema_version model board feed bit_exact reference arena_bytes ram_bytes stack_bytes "
        "flash_bytes weights_bytes code_bytes macs extra_macs lower_bound_bytes counter count "
        "latency_us outputs layers"
    )
    assert set(wanted.split()) <= set(document)
    assert {"name", "op", "macs", "count"} <= set(document["layers"][0])
    assert document["macs"] == sum(layer["macs"] for layer in document["layers"])


@each_board
@each_model
def test_every_layer_is_validated(path: Path, board_id: str) -> None:
    deployment = deploy(path, board_id)
    result = validate(deployment, inputs_of(deployment, seed=99))
    assert result.bit_exact
    assert [layer.index for layer in result.layers] == list(range(len(result.layers)))
    assert sum(layer.elements for layer in result.layers) > 100
    json.dumps(result.to_json())


@each_board
def test_a_device_stays_open_for_many_inputs(board_id: str) -> None:
    deployment = deploy(DIGITS, board_id)
    graph, data = deployment.model.graph, deployment.model.data
    with open_device(deployment) as device:
        for seed in range(5):
            inputs = inputs_of(deployment, seed)
            expected = oracle.run(data, graph, inputs).outputs
            for got, want in zip(device.infer(inputs), expected, strict=True):
                assert got.tobytes() == want.tobytes()


def test_a_board_on_a_port(tmp_path: Path) -> None:
    """As a board on the desk: another process owns it, and pyserial reaches it."""
    built = deploy(DIGITS, HOST)
    # The host's counter stands still, which is no count even where the board file claims one.
    board = replace(built.board, counter="cycles")
    pipeline.generate([built.model], [built.plan], board).write(tmp_path)
    image = build.build(tmp_path, board)
    with subprocess.Popen([image.elf], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        port = int(program.stdout.readline().removeprefix("listening on "))
        on_port = replace(built, board=board, image=image, port=f"socket://127.0.0.1:{port}")
        result = measure(on_port, inputs_of(built))
        assert program.wait(10) == 0
    assert result.outputs == measured(DIGITS, HOST).outputs
    assert (result.counter, result.count) == (None, None)
    assert result.latency_us is not None


def test_a_port_that_is_not_there() -> None:
    deployment = replace(deploy(DIGITS, HOST), port="/dev/nowhere")
    with pytest.raises(DeviceError, match="cannot open port /dev/nowhere") as caught:
        measure(deployment, inputs_of(deployment))
    assert caught.value.exit_code == 7


def test_wrong_inputs() -> None:
    with pytest.raises(UsageError, match="input"):
        measure(deploy(DIGITS, HOST), [])


def patched(deployment: Deployment, symbol: str, data: bytes) -> Deployment:
    """The deployment with other bytes at the start of a constant of its image."""
    folder = Path(tempfile.mkdtemp(prefix="tinyaiot-test-"))
    project = shutil.copytree(deployment.image.project, folder / "project")
    elf_path = project / deployment.image.elf.name
    with elf_path.open("r+b") as file:
        elf = ELFFile(file)
        [found] = elf.get_section_by_name(".symtab").get_symbol_by_name(symbol)
        section = elf.get_section(found["st_shndx"])
        file.seek(section["sh_offset"] + found["st_value"] - section["sh_addr"])
        file.write(data)
    return replace(deployment, image=replace(deployment.image, elf=elf_path))


def layer_symbol(deployment: Deployment, suffix: str) -> tuple[int, str]:
    """The second convolution or fully connected layer, and its constant of that suffix."""
    weighted = [n for n in deployment.model.graph.nodes if "CONV" in n.op or "FULLY" in n.op]
    layer = weighted[1].index
    return layer, f"{deployment.model.name}_l{layer:02d}{suffix}"


@each_board
@each_model
def test_a_wrong_weight_is_found_in_its_layer(path: Path, board_id: str) -> None:
    deployment = deploy(path, board_id)
    layer, symbol = layer_symbol(deployment, "_bias")
    wrong = patched(deployment, symbol, np.int32(10**6).tobytes())
    node = deployment.model.graph.nodes[layer]
    for act in (measure, validate):
        with pytest.raises(OutputsDifferError) as caught:
            act(wrong, inputs_of(deployment))
        assert caught.value.exit_code == 8
        assert caught.value.what.startswith(f"layer {layer} {node.op} on {board_id} is not TFLM's")
        # The first channel's bias: the first element is the first that differs.
        first = [0] * len(node.output.shape)
        assert f"element {first} of" in caught.value.what
        assert caught.value.details[0].startswith(f"layers that differ: layer {layer} {node.op}")


def test_a_crash_is_told() -> None:
    deployment = deploy(DIGITS, EMULATED)
    # The first field of a convolution's parameters is its kernel: a call into nowhere.
    layer = next(n.index for n in deployment.model.graph.nodes if n.op == "CONV_2D")
    symbol = f"{deployment.model.name}_l{layer:02d}"
    wrong = patched(deployment, symbol, b"\xf1\xff\xff\xdf")
    with pytest.raises(DeviceError, match="crashed: a jump to where no code") as caught:
        measure(wrong, inputs_of(deployment))
    assert caught.value.exit_code == 7
    assert "called from ta_" in caught.value.what and "(kernels/ta_" in caught.value.what


def test_another_image_is_an_error() -> None:
    deployment = deploy(DIGITS, HOST)
    image_id = build.read_manifest(deployment.image.project)["models"][0]["image_id"]
    symbol = f"{deployment.model.name}_model"
    wrong = patched(deployment, symbol, b"")
    elf = wrong.image.elf
    elf.write_bytes(elf.read_bytes().replace(image_id.encode(), b"0" * 16))
    with pytest.raises(DeviceError, match="runs another image: digits 0000000000000000"):
        measure(wrong, inputs_of(deployment))


def ask(link: Link, command: str) -> Sequence[str]:
    """The lines of the reply to one of MLPerf Tiny's commands, but for m-ready."""
    link.write(command.encode())
    return read_reply(link)


def read_reply(link: Link) -> Sequence[str]:
    reply = b""
    deadline = time.monotonic() + 30
    while not reply.endswith(b"m-ready\r\n"):
        assert time.monotonic() < deadline, reply
        reply += link.read()
    return reply.decode("ascii").split("\r\n")[:-2]


@each_board
@each_model
def test_the_official_runners_session(path: Path, board_id: str) -> None:
    """The commands of MLPerf Tiny's runner in its order, over the board's serial link."""
    deployment = deploy(path, board_id)
    inputs = inputs_of(deployment)
    data = b"".join(values.tobytes() for values in inputs)
    with EmulatedBoard(deployment.board, deployment.image) as running:
        link = running.link
        assert read_reply(link)[-1] == "m-init-done"
        assert ask(link, "name%") == [f"m-name-dut-[tinyaiot {board_id}]"]
        assert ask(link, "profile%") == [
            "m-profile-[ULPMark for tinyML Firmware V0.0.1]",
            f"m-model-[{deployment.model.name}]",
        ]
        assert ask(link, f"db load {len(data)}%") == [f"m-[Expecting {len(data)} bytes]"]
        replies = [ask(link, f"db {data[k : k + 31].hex()}%") for k in range(0, len(data), 31)]
        assert replies[-1] == ["m-load-done"]
        assert not any(replies[:-1])
        reply = ask(link, "infer 1 0%")
        assert ask(link, "results%") == [reply[-1]]
    head = ["m-warmup-start-0", "m-warmup-done", "m-infer-start-1"]
    assert reply[:3] == head
    assert [line.rstrip("0123456789") for line in reply[3:5]] == ["m-lap-us-"] * 2
    assert reply[5] == "m-infer-done"
    assert reply[6] == f"m-results-[{expected_results(deployment, inputs)}]"


def expected_results(deployment: Deployment, inputs: Sequence[AnyArray]) -> str:
    """The reference's outputs as printf's ``%0.3f`` shows them, dequantized in float32."""
    graph = deployment.model.graph
    reference = oracle.run(deployment.model.data, graph, inputs)
    texts = []
    for tensor, values in zip(graph.outputs, reference.outputs, strict=True):
        reals = values.reshape(-1).astype(np.float32)
        if tensor.quantization is not None:
            reals = np.float32(tensor.scale) * (reals - np.float32(tensor.zero_point))
        texts += [f"{float(real):.3f}" for real in reals]
    return ",".join(texts)
