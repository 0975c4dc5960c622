"""Networks of other sources than Keras: the same network, channels last, without transpositions."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.support.real_models import FOLDER
from tinyaiot import api, oracle, zoo
from tinyaiot.errors import UnsupportedModelError, UsageError
from tinyaiot.frontends import load
from tinyaiot.quantization import compare, load_original, pair, quantize

NETWORKS: dict[str, dict[str, int]] = {
    "resnet_8": {"size": 16, "channels": 8},
    "ds_cnn": {"channels": 16, "blocks": 2},
}
NAMES = tuple(NETWORKS)
PAGE = (Path(__file__).parents[1] / "docs" / "converting.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.usefixtures("_converters")


@pytest.fixture(scope="module")
def _converters() -> None:
    for package in ("tensorflow", "onnx", "torch", "onnxscript", "ai_edge_quantizer"):
        pytest.importorskip(package, reason=f"needs {package}: make test-convert")


def samples(count: int, shape: tuple[int, ...], seed: int = 1) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype(np.float32)


def keras_network(name: str, **sizes: int) -> Any:
    """A network of the zoo with weights, and moments of its normalisations, drawn at random."""
    import keras

    keras.utils.set_random_seed(1)
    model = zoo.build(name, **sizes)
    rng = np.random.default_rng(2)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            count = layer.get_weights()[0].shape
            drawn = (rng.uniform(0.5, 1.5, count), *rng.normal(0, 0.3, (2, *count)))
            layer.set_weights([*drawn, rng.uniform(0.5, 2, count)])
    return model


@pytest.fixture(scope="module", params=NAMES)
def network(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """A network in Keras, and the same in PyTorch."""
    from tests.support import torch_models

    name = request.param
    model = keras_network(name, **NETWORKS[name])
    module = getattr(torch_models, name)(**NETWORKS[name])
    return model, torch_models.copy_weights(model, module)


def channels_first(inputs: npt.NDArray[Any]) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(inputs, -1, 1)))


def sqnr(expected: npt.NDArray[Any], actual: npt.NDArray[Any]) -> float:
    error = np.sum(np.square(expected - actual)) + 1e-30
    return float(10 * np.log10(np.sum(np.square(expected)) / error))


def int8_outputs(data: bytes, graph: Any, inputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """What TFLM makes of the inputs, as real numbers."""
    source, output = graph.inputs[0], graph.outputs[0]
    rounded = np.rint(inputs / source.scale) + source.zero_point
    typed = np.clip(rounded, -128, 127).astype(np.int8)[:, np.newaxis]
    found = [oracle.run(data, graph, [sample]).outputs[0] for sample in typed]
    return (np.concatenate(found).astype(np.float64) - output.zero_point) * output.scale


def saved(model: Any, module: Any, folder: Path) -> dict[str, Path]:
    """The network in every kind of file."""
    import torch

    shape = model.inputs[0].shape[1:]
    example = (channels_first(samples(1, shape)),)
    paths = {
        "SavedModel": folder / "saved",
        "ONNX": folder / "x.onnx",
        "ONNX, batch free": folder / "free.onnx",
        "PyTorch": folder / "x.pt2",
        ".tflite": folder / "float.tflite",
    }
    model.export(paths["SavedModel"], verbose=False)
    torch.onnx.export(module, example, paths["ONNX"], dynamo=True, external_data=False)
    torch.onnx.export(
        module,
        example,
        paths["ONNX, batch free"],
        dynamo=False,
        input_names=["x"],
        dynamic_axes={"x": {0: "n"}},
    )
    torch.export.save(torch.export.export(module, example), paths["PyTorch"])
    paths[".tflite"].write_bytes(quantize(model, samples(16, shape)).float_data)
    return paths


def test_every_source_gives_the_network_of_keras(network: tuple[Any, Any], tmp_path: Path) -> None:
    model, module = network
    shape = model.inputs[0].shape[1:]
    calibration, tested = samples(64, shape), samples(32, shape, seed=2)
    expected = model.predict(tested, verbose=0)
    from_keras = quantize(model, calibration).model
    reference = sqnr(expected, int8_outputs(from_keras.data, from_keras.graph, tested))
    for kind, path in saved(model, module, tmp_path).items():
        found = quantize(load_original(path), calibration).model
        assert [n.op for n in found.graph.nodes] == [n.op for n in from_keras.graph.nodes], kind
        outputs = int8_outputs(found.data, found.graph, tested)
        assert abs(sqnr(expected, outputs) - reference) < 2, kind
        agreement = np.mean(outputs.argmax(axis=1) == expected.argmax(axis=1))
        assert agreement >= 0.9, kind


def test_a_module_takes_data_as_it_was_trained_and_channels_last(
    network: tuple[Any, Any], tmp_path: Path
) -> None:
    model, module = network
    inputs = samples(16, model.inputs[0].shape[1:])
    first = api.quantize(module, np.moveaxis(inputs, -1, 1), tmp_path / "first.tflite")
    last = api.quantize(module, inputs, tmp_path / "last.tflite")
    outputs = [int8_outputs(q.model.data, q.model.graph, inputs) for q in (first, last)]
    assert np.array_equal(*outputs)
    assert first.original_shape == np.moveaxis(inputs, -1, 1).shape[1:]
    assert compare(first, np.moveaxis(inputs, -1, 1)).sqnr_db == compare(last, inputs).sqnr_db
    assert "TRANSPOSE" not in {node.op for node in first.model.graph.nodes}


def test_onnx_and_pytorch_models_are_equalized_like_those_of_keras(
    network: tuple[Any, Any],
) -> None:
    model, module = network
    inputs = samples(16, model.inputs[0].shape[1:])
    recipe = api.Recipe(equalize=True)
    assert quantize(module, inputs, recipe).equalized == quantize(model, inputs, recipe).equalized


def test_what_has_no_layers_is_not_equalized(network: tuple[Any, Any], tmp_path: Path) -> None:
    model, _ = network
    inputs = samples(16, model.inputs[0].shape[1:])
    path = tmp_path / "float.tflite"
    path.write_bytes(quantize(model, inputs).float_data)
    with pytest.raises(UsageError, match="cannot be equalized"):
        quantize(load_original(path), inputs, api.Recipe(equalize=True))


def test_what_no_interpreter_can_run_leaves_no_file(tmp_path: Path) -> None:
    import torch

    module = torch.nn.Sequential(torch.nn.Conv2d(2, 2, 3), torch.nn.GELU())
    with pytest.raises(UnsupportedModelError, match="1 node that cannot be converted") as error:
        api.quantize(module, samples(16, (2, 8, 8)), tmp_path / "x.tflite")
    assert "Gelu" in error.value.details[0]
    assert not (tmp_path / "x.tflite").exists()


def test_a_pair_from_different_tools_is_compared_layer_by_layer(
    network: tuple[Any, Any], tmp_path: Path
) -> None:
    model, module = network
    inputs = samples(16, model.inputs[0].shape[1:])
    (tmp_path / "float.tflite").write_bytes(quantize(model, inputs).float_data)
    api.quantize(module, inputs, tmp_path / "int8.tflite")
    comparison = compare(pair(tmp_path / "int8.tflite", tmp_path / "float.tflite"), inputs)
    assert all(layer.sqnr_db is not None and layer.sqnr_db > 15 for layer in comparison.layers)


@pytest.mark.skipif(not FOLDER.exists(), reason=f"no models in {FOLDER}")
def test_int8_files_of_others_are_compared_with_what_they_are_of() -> None:
    inputs = np.random.default_rng(1).uniform(0, 255, (4, 32, 32, 3)).astype(np.float32)
    comparison = compare(pair(FOLDER / "ic.tflite", FOLDER / "ic.h5"), inputs)
    assert all(layer.sqnr_db is not None for layer in comparison.layers)


def test_the_page_does_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    notebook: dict[str, Any] = {}
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        if language == "python":
            exec(compile(block, "docs/converting.md", "exec"), notebook)
            continue
        for command in block.splitlines():
            words = [sys.executable, "-m", *command.split()]
            subprocess.run(words, check=True, capture_output=True)
    assert "(1, 16, 16, 3) was (3, 16, 16)" in capsys.readouterr().out
    for name in ("net.tflite", "from_onnx.tflite"):
        assert "TRANSPOSE" not in {node.op for node in load(Path(name)).graph.nodes}
    assert Path("net.tflite").stat().st_size < 40_000
