"""The reference interpreter: what it returns is what TFLM computes, in every tensor."""

from __future__ import annotations

from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from tflite_micro.python.tflite_micro import runtime
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.support.builder import ModelBuilder
from tests.support.real_models import each_real_model
from tinyaiot import oracle
from tinyaiot.errors import UnsupportedModelError, UsageError
from tinyaiot.frontends import tflite
from tinyaiot.graph import DType, Graph, Quantization, Tensor
from tinyaiot.testdata import lcg_input


def chain(adds: int) -> bytes:
    """``adds`` times ADD of the running sum to itself, each of which could be in place."""
    b = ModelBuilder("m")
    x = b.input((1, 4, 4, 3), 0.1, 3)
    for _ in range(adds):
        y = b.tensor((1, 4, 4, 3), 0.15, -2)
        b.op("ADD", [x, x], [y])
        x = y
    return b.build([x])


def outputs_when_all_are_listed(data: bytes, inputs: list[np.ndarray]) -> dict[int, np.ndarray]:
    """Every run-time tensor as an output of the model, which TFLM may not overwrite."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    graph = model.subgraphs[0]
    graph.outputs = [int(t) for op in graph.operators for t in op.outputs]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    interpreter = runtime.Interpreter.from_bytes(bytes(builder.Output()), arena_size=32 << 20)
    for k, values in enumerate(inputs):
        interpreter.set_input(values, k)
    interpreter.invoke()
    return {t: np.array(interpreter.get_output(k)) for k, t in enumerate(graph.outputs)}


def assert_intermediates_are_right(data: bytes, graph: Graph) -> None:
    inputs = [lcg_input(t) for t in graph.inputs]
    reference = oracle.run(data, graph, inputs)
    listed = outputs_when_all_are_listed(data, inputs)
    assert set(reference.tensors) == {*listed, *(t.index for t in graph.inputs)}
    for index, values in listed.items():
        np.testing.assert_array_equal(reference.tensors[index], values)
    for tensor, output in zip(graph.outputs, reference.outputs, strict=True):
        np.testing.assert_array_equal(output, listed[tensor.index])
    for tensor, given in zip(graph.inputs, inputs, strict=True):
        np.testing.assert_array_equal(reference.tensors[tensor.index], given)


def test_an_input_without_dimensions() -> None:
    b = ModelBuilder("scalar")
    x, scalar = b.input((1, 2, 2, 3), 0.1, 3), b.input((), 0.1, 0)
    y = b.tensor((1, 2, 2, 3), 0.15, -2)
    b.op("ADD", [x, scalar], [y])
    data = b.build([y])
    assert_intermediates_are_right(data, tflite.read(data, "scalar"))


@each_real_model
def test_intermediates_of_real_models_are_right(path: Path) -> None:
    data = path.read_bytes()
    assert_intermediates_are_right(data, tflite.read(data, path.stem))


def test_intermediates_that_could_be_overwritten_are_right() -> None:
    data = chain(5)
    assert_intermediates_are_right(data, tflite.read(data, "m"))


def test_the_arena_grows_until_it_suffices(monkeypatch: pytest.MonkeyPatch) -> None:
    data = chain(60)
    graph = tflite.read(data, "m")
    expected = oracle.run(data, graph, [lcg_input(graph.inputs[0])])
    sizes = []
    from_bytes = runtime.Interpreter.from_bytes

    def recorded(*args: object, **kwargs: object) -> object:
        sizes.append(kwargs["arena_size"])
        return from_bytes(*args, **kwargs)

    monkeypatch.setattr(runtime.Interpreter, "from_bytes", recorded)
    monkeypatch.setattr(oracle, "_ARENA_START_BYTES", 12_000)
    grown = oracle.run(data, graph, [lcg_input(graph.inputs[0])])
    assert len(sizes) > 1
    np.testing.assert_array_equal(grown.outputs[0], expected.outputs[0])


def test_what_tflm_refuses_is_unsupported_and_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    b = ModelBuilder("m")
    y = b.tensor((1, 4), 0.1)
    b.op("TOPK_V2", [b.input((1, 4), 0.1)], [y])
    data = b.build([y])
    x = Tensor(0, "x", (1, 4), DType.INT8, Quantization((0.1,), (0,)))
    graph = Graph("m", (), (x,), ())
    with pytest.raises(UnsupportedModelError) as caught:
        oracle.run(data, graph, [np.zeros((1, 4), np.int8)])
    assert any("TOPK_V2" in line for line in caught.value.details)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "inputs",
    [
        [],
        [np.zeros((1, 4, 4, 3), np.uint8)],
        [np.zeros((4, 4, 3), np.int8)],
        [np.zeros((1, 4, 4, 3), np.int8)] * 2,
    ],
)
def test_inputs_that_do_not_match_are_the_users(inputs: list[np.ndarray]) -> None:
    data = chain(1)
    with pytest.raises(UsageError):
        oracle.run(data, tflite.read(data, "m"), inputs)
