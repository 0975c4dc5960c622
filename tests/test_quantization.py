"""Keras models to int8: what comes out runs, what it costs is told, what cannot be is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.support.builder import ModelBuilder
from tests.support.real_models import FOLDER
from tinyaiot import api, zoo
from tinyaiot.errors import (
    CalibrationError,
    UnreadableModelError,
    UnsupportedModelError,
    UsageError,
)
from tinyaiot.graph import DType
from tinyaiot.quantization import (
    Recipe,
    check_calibration,
    compare,
    load_data,
    load_original,
    pair,
    quantize,
)
from tinyaiot.quantization.equalization import equalize, find_links

SHAPE = (49, 10, 1)

tensorflow = pytest.mark.usefixtures("_tensorflow")


@pytest.fixture
def _tensorflow() -> None:
    pytest.importorskip("tensorflow", reason="needs TensorFlow: make test-convert")


def typical(count: int, shape: tuple[int, ...] = SHAPE) -> npt.NDArray[np.float32]:
    return np.random.default_rng(1).normal(size=(count, *shape)).astype(np.float32)


def network(name: str = "ds_cnn", **sizes: int) -> Any:
    import keras

    keras.utils.set_random_seed(1)
    return zoo.build(name, **sizes)


def rescaled(octaves: float, **sizes: int) -> Any:
    from examples.separable.rescaling import rescale

    model = network(**sizes)
    rescale(model, octaves, seed=1)
    return model


def with_value(value: float) -> npt.NDArray[np.float32]:
    inputs = typical(20)
    inputs[7, 0, 0, 0] = value
    return inputs


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (typical(20, (49, 11, 1)), "20x49x11x1, the model takes 49x10x1"),
        (typical(20)[..., 0, 0], "20x49, the model takes"),
        (np.float32(3), "scalar"),
        (typical(0), "there are no samples"),
        (typical(9), "there are 9 calibration samples"),
        (with_value(np.nan), "sample 7 holds NaN"),
        (with_value(np.inf), "sample 7 holds NaN or infinity"),
        (np.ones((20, *SHAPE)), "all calibration data are 1"),
        (np.full((20, *SHAPE), "x"), "not numbers"),
    ],
)
def test_bad_calibration_is_refused(inputs: npt.NDArray[Any], said: str) -> None:
    with pytest.raises(CalibrationError) as error:
        check_calibration(np.asarray(inputs), SHAPE)
    assert said in error.value.what


def test_calibration_files(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", inputs=typical(2), labels=[1, 2])
    np.save(tmp_path / "x.npy", typical(2))
    np.savez(tmp_path / "other.npz", images=typical(2))
    assert load_data(tmp_path / "x.npz").labels is not None
    assert np.array_equal(load_data(tmp_path / "x.npy").inputs, typical(2))
    with pytest.raises(CalibrationError, match="no array named 'inputs'"):
        load_data(tmp_path / "other.npz")
    with pytest.raises(CalibrationError, match="cannot read"):
        load_data(tmp_path / "absent.npz")


@tensorflow
def test_model_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "bad.keras").write_text("no model")
    for name, said in (("bad.keras", "cannot read"), ("absent.h5", "no file"), ("x.pb", "kind")):
        with pytest.raises(UnreadableModelError, match=said):
            load_original(tmp_path / name)


@tensorflow
def test_all_is_int8_and_weights_have_a_scale_for_each_channel() -> None:
    graph = quantize(network(), typical(20)).model.graph
    assert {tensor.dtype for tensor in (*graph.inputs, *graph.outputs)} == {DType.INT8}
    for node in graph.nodes:
        assert node.output.dtype is DType.INT8
        if node.op in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            weights = node.input(1)
            assert weights.quantization is not None
            assert len(weights.quantization.scales) == node.output.channels
            assert set(weights.quantization.zero_points) == {0}


@tensorflow
def test_what_cannot_run_is_refused_at_conversion() -> None:
    import keras

    inputs = keras.Input((8, 8, 4))
    model = keras.Model(inputs, keras.layers.UpSampling2D(2, interpolation="bilinear")(inputs))
    with pytest.raises(UnsupportedModelError):
        quantize(model, typical(20, (8, 8, 4)))
    both = keras.Model([inputs, other := keras.Input((8, 8, 4))], inputs + other)
    with pytest.raises(UnsupportedModelError, match="2 inputs"):
        quantize(both, typical(20, (8, 8, 4)))


@tensorflow
def test_equalizing_leaves_the_float_network_as_it_was() -> None:
    model = rescaled(3)
    before = model.predict(typical(8), verbose=0)
    assert equalize(model, typical(64)) == 9
    np.testing.assert_allclose(model.predict(typical(8), verbose=0), before, atol=1e-5)


@tensorflow
def test_quantizing_leaves_the_given_model_as_it_was() -> None:
    model = network()
    before = model.get_weights()
    quantize(model, typical(20), Recipe(equalize=True))
    assert all(map(np.array_equal, model.get_weights(), before))


@tensorflow
def test_equalizing_recovers_rescaled_channels() -> None:
    model, samples = rescaled(3), typical(20)
    plain = compare(quantize(model, typical(64)), samples).sqnr_db
    equalized = compare(quantize(model, typical(64), Recipe(equalize=True)), samples).sqnr_db
    assert plain is not None
    assert equalized is not None
    assert equalized > plain + 10


@tensorflow
@pytest.mark.parametrize(
    ("name", "links"),
    # A chain has one between any two layers with weights; the autoencoder 9, DS-CNN 9 and so on.
    # ResNet-8's: within its blocks, and from its pooling to the classes there is an addition.
    # ReLU6 does not pass factors on, additions need both sides alike.
    [("autoencoder", 9), ("ds_cnn", 9), ("mobilenet_v1", 27), ("resnet_8", 3), ("wake_word", 8)],
)
def test_links_are_found(name: str, links: int) -> None:
    assert len(find_links(network(name))) == links


@tensorflow
def test_links_end_at_relu6_and_at_branches() -> None:
    import keras

    layers = keras.layers
    inputs = keras.Input((8, 8, 2))
    a = layers.ReLU(6.0)(layers.Conv2D(4, 1)(inputs))
    b = layers.Conv2D(4, 1, activation="tanh")(a)
    c = layers.Conv2D(4, 1)(b)
    d = layers.Conv2D(4, 1)(c)
    outputs = layers.Conv2D(3, 1)(layers.Add()([c, d]))
    assert find_links(keras.Model(inputs, outputs)) == []


@tensorflow
@pytest.mark.parametrize("spoiled", [2, 5])
def test_the_layer_that_reads_spoiled_channels_is_found(spoiled: int) -> None:
    from examples.separable import rescaling

    model = network()
    rescaling.rescale_pairs(rescaling.pairs(model)[spoiled : spoiled + 1], octaves=4, seed=1)
    layers = compare(quantize(model, typical(64)), typical(20)).layers
    # The first layer takes what is nearly exact, so that it loses most in any network.
    worst = max(layers[1:], key=lambda layer: layer.lost_db or 0.0)
    assert worst.index == spoiled + 1


@tensorflow
def test_comparison_is_that_of_keras_and_tflm() -> None:
    model, samples = network(classes=4), typical(40)
    labels = np.argmax(model.predict(samples, verbose=0), axis=1)
    comparison = compare(quantize(model, typical(64)), samples, labels)
    assert comparison.float_accuracy == 1
    assert comparison.int8_accuracy == comparison.agreement
    assert compare(quantize(model, typical(64)), samples).float_accuracy is None


@tensorflow
def test_the_command(tmp_path: Path) -> None:
    network(classes=4).save(tmp_path / "small.keras")
    np.savez(tmp_path / "data.npz", inputs=typical(30), labels=np.arange(30) % 4)
    command = [sys.executable, "-m", "tinyaiot", "quantize", "small.keras", "--data", "data.npz"]
    command += ["-o", "out/small.tflite", "--report", "data.npz", "--json", "x.json", "--equalize"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert max(map(len, result.stdout.splitlines())) <= 80
    document = json.loads((tmp_path / "x.json").read_text())
    assert document["equalized_tensors"] == 9
    assert document["comparison"]["count"] == 30
    assert len(document["comparison"]["layers"]) == 12
    assert api.measure(tmp_path / "out" / "small.tflite", "host", work=tmp_path / "w").bit_exact


@tensorflow
@pytest.mark.skipif(not FOLDER.exists(), reason=f"no models in {FOLDER}")
def test_a_real_keras_model_runs_bit_exact_on_a_board(tmp_path: Path) -> None:
    path = tmp_path / "ic.tflite"
    api.quantize(FOLDER / "ic.h5", typical(20, (32, 32, 3)), path)
    assert api.measure(path, "mps2-an386", work=tmp_path / "work").bit_exact


@pytest.mark.parametrize(
    ("file", "package", "extra"),
    [
        ("x.keras", "tensorflow", "tensorflow"),
        ("saved/saved_model.pb", "tensorflow", "tensorflow"),
        ("x.onnx", "onnx", "onnx"),
        ("x.pt2", "torch", "pytorch"),
        ("x.tflite", "ai_edge_quantizer", "litert"),
    ],
)
def test_a_package_that_is_missing_is_asked_for_in_one_line(
    file: str, package: str, extra: str, tmp_path: Path
) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(float_model())
    np.savez(tmp_path / "data.npz", inputs=typical(30))
    code = f"import sys; sys.modules['{package}'] = None; from tinyaiot.cli import main; main()"
    model = file.split("/")[0]
    arguments = ["quantize", model, "--data", "data.npz", "-o", "y.tflite"]
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert f"needs the package {package}, which is not installed" in result.stderr
    assert f"pip install 'tinyaiot[{extra}]'" in result.stderr
    assert len(result.stderr.splitlines()) == 2
    assert not (tmp_path / "y.tflite").exists()


def float_model() -> bytes:
    """A .tflite that computes in floating point."""
    b = ModelBuilder("x")
    x, y = b.input((1, 4), dtype="float32"), b.tensor((1, 4), dtype="float32")
    b.op("RELU", [x], [y])
    return b.build([y])


@pytest.mark.parametrize("command", ["analyze", "measure"])
def test_other_commands_send_a_float_tflite_to_quantize(tmp_path: Path, command: str) -> None:
    (tmp_path / "x.tflite").write_bytes(float_model())
    result = run(tmp_path, command, "x.tflite", *(["--board", "host"] * (command == "measure")))
    assert result.returncode == 4
    assert "x.tflite is not quantized to int8" in result.stderr
    assert "tinyaiot quantize x.tflite" in result.stderr


def test_what_is_no_trained_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_text("")
    (tmp_path / "folder").mkdir()
    for name, said in (
        ("x.pth", "torch.export.save"),
        ("folder", "it has no saved_model.pb"),
        ("absent.onnx", "there is no file"),
        ("x.doc", "of no kind of model"),
    ):
        with pytest.raises(UnreadableModelError) as error:
            load_original(tmp_path / name)
        assert said in error.value.what + error.value.hint


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tinyaiot", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_an_int8_model_stays_as_it_is_to_the_byte(tmp_path: Path) -> None:
    b = ModelBuilder("x")
    x, y = b.input((1, 4, 4, 2), 0.05, 3), b.tensor((1, 4, 4, 2), 0.05, 3)
    b.op("ADD", [x, x], [y])
    data = b.build([y])
    (tmp_path / "x.tflite").write_bytes(data)
    result = run(tmp_path, "quantize", "x.tflite", "-o", "y.tflite")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "y.tflite").read_bytes() == data
    result = run(tmp_path, "quantize", "x.tflite", "-o", "y.tflite", "--report", "x.npz")
    assert result.returncode == 2
    assert "--int8 x.tflite" in result.stderr


def test_what_quantize_lacks_is_said(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", inputs=typical(20))
    for arguments, said in (
        (("x.keras", "-o", "y.tflite"), "--data X.npz"),
        (("x.keras", "--data", "x.npz"), "-o FILE"),
        (("x.keras", "--int8", "y.tflite"), "--report X.npz"),
    ):
        result = run(tmp_path, "quantize", *arguments)
        assert result.returncode == 2
        assert said in result.stderr


@pytest.mark.parametrize("command", ["analyze", "measure"])
def test_other_commands_send_a_trained_model_to_quantize(tmp_path: Path, command: str) -> None:
    (tmp_path / "x.keras").write_text("")
    result = run(tmp_path, command, "x.keras", *(["--board", "host"] * (command == "measure")))
    assert result.returncode == 4
    assert "tinyaiot quantize x.keras" in result.stderr
    assert len(result.stderr.splitlines()) == 2


@tensorflow
def test_a_pair_of_files_is_compared_like_a_conversion(tmp_path: Path) -> None:
    quantized = quantize(network(), typical(64))
    (tmp_path / "float.tflite").write_bytes(quantized.float_data)
    (tmp_path / "int8.tflite").write_bytes(quantized.model.data)
    again = pair(tmp_path / "int8.tflite", tmp_path / "float.tflite")
    assert compare(again, typical(10)) == compare(quantized, typical(10))
    with pytest.raises(UsageError, match="the float model takes int8"):
        compare(pair(tmp_path / "int8.tflite", tmp_path / "int8.tflite"), typical(10))
    (tmp_path / "float.tflite").write_bytes(b"no model")
    with pytest.raises(UnreadableModelError, match="cannot run the float model"):
        compare(pair(tmp_path / "int8.tflite", tmp_path / "float.tflite"), typical(10))
    with pytest.raises(UnreadableModelError, match="cannot be read"):
        pair(tmp_path / "int8.tflite", tmp_path / "absent.tflite")


@tensorflow
@pytest.mark.skipif(not FOLDER.exists(), reason=f"no models in {FOLDER}")
def test_a_model_that_others_quantized_is_compared_with_its_original() -> None:
    samples = np.random.default_rng(1).uniform(0, 255, (20, 32, 32, 3)).astype(np.float32)
    comparison = compare(pair(FOLDER / "ic.tflite", FOLDER / "ic.h5"), samples)
    assert comparison.agreement >= 0.9
    assert comparison.sqnr_db is not None
    assert comparison.sqnr_db > 15
