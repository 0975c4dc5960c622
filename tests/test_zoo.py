"""The zoo's networks are the published ones: parameters, MACs, shapes.

Parameters are compared with Keras' own builders of the same networks, MACs with published figures
and with the real models where those are present. MACs are counted here from Keras' layers, which
shares nothing with the operators' own counts.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.support.real_models import FOLDER
from tinyaiot import zoo
from tinyaiot.errors import UsageError
from tinyaiot.frontends import load
from tinyaiot.summary import summarize

keras = pytest.importorskip("keras", reason="needs Keras: pip install tensorflow")
pytest.importorskip("tensorflow", reason="needs TensorFlow: pip install tensorflow")


def macs(model: Any) -> int:
    """Multiply-accumulates of convolutions and dense layers, outputs times taps."""
    total = 0
    for layer in model.layers:
        if not layer.weights or isinstance(layer, keras.layers.BatchNormalization):
            continue
        outputs, kernel = layer.output.shape[1:], layer.weights[0].shape
        # A depthwise kernel has no input channels beside its own; the others' last axis is output.
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        taps = math.prod(kernel[:2]) if depthwise else math.prod(kernel[:-1])
        total += math.prod(outputs) * taps
    return total


@pytest.mark.parametrize("name", zoo.NETWORKS)
def test_macs_are_those_listed(name: str) -> None:
    assert macs(zoo.build(name)) == zoo.NETWORKS[name].macs


@pytest.mark.parametrize(
    ("name", "file", "sizes"),
    [
        ("autoencoder", "ad.tflite", {}),
        ("ds_cnn", "kws.tflite", {}),
        ("mobilenet_v1", "vww.tflite", {}),
        ("mobilenet_v2", "mbv2-w0.35.tflite", {"size": 144, "last_channels": 448}),
        ("resnet_8", "ic.tflite", {}),
        ("wake_word", "str_ww.tflite", {}),
    ],
)
def test_shapes_and_macs_are_the_real_models(name: str, file: str, sizes: dict[str, int]) -> None:
    if not (FOLDER / file).exists():
        pytest.skip(f"no models in {FOLDER}")
    graph = load(FOLDER / file).graph
    model = zoo.build(name, **sizes)
    assert macs(model) == summarize(graph).macs
    assert model.inputs[0].shape[1:] == graph.inputs[0].shape[1:]
    assert model.outputs[0].shape[1:] == graph.outputs[0].shape[1:]


@pytest.mark.parametrize(
    ("name", "parameters"),
    # MLPerf Tiny's reference models; ResNet-8's without an average.
    [("autoencoder", 269_992), ("ds_cnn", 24_908), ("resnet_8", 78_666)],
)
def test_parameters_are_the_published_ones(name: str, parameters: int) -> None:
    assert zoo.build(name).count_params() == parameters


def test_unknown_names_are_refused_with_those_that_exist() -> None:
    with pytest.raises(UsageError) as error:
        zoo.build("ds-cnn")
    assert "ds_cnn" in error.value.hint


@pytest.mark.parametrize("width", [0.25, 0.5, 1.0])
def test_mobilenet_v1_is_that_of_keras(width: float) -> None:
    ours = zoo.build("mobilenet_v1", width=width, classes=1000)
    theirs = keras.applications.MobileNet((96, 96, 3), width, weights=None)
    assert ours.count_params() == theirs.count_params()


@pytest.mark.parametrize("width", [0.35, 0.75, 1.0, 1.4])
def test_mobilenet_v2_is_that_of_keras(width: float) -> None:
    ours = zoo.build("mobilenet_v2", width=width)
    theirs = keras.applications.MobileNetV2((96, 96, 3), width, weights=None)
    assert ours.count_params() == theirs.count_params()


@pytest.mark.parametrize(
    ("name", "size", "width", "millions"),
    # As published with the networks, in whole millions: rounded by some, cut off by others.
    [
        ("mobilenet_v1", 224, 1.0, 569),
        ("mobilenet_v1", 224, 0.25, 41),
        ("mobilenet_v2", 224, 1.0, 300),
        ("mobilenet_v2", 224, 0.35, 59),
        ("mobilenet_v2", 96, 0.35, 11),
    ],
)
def test_macs_are_published(name: str, size: int, width: float, millions: int) -> None:
    model = zoo.build(name, size=size, width=width, classes=1000)
    assert abs(macs(model) / 1e6 - millions) < 1


@pytest.mark.parametrize(("frames", "left"), [(30, 1), (50, 21)])
def test_wake_word_sees_thirty_frames(frames: int, left: int) -> None:
    *_, flatten, _ = zoo.build("wake_word", frames=frames).layers
    assert flatten.input.shape[1:3] == (left, 1)


@pytest.mark.parametrize(("size", "boxes"), [(96, 540), (128, 960), (160, 1500)])
def test_detector_has_a_box_for_each_anchor_of_both_scales(size: int, boxes: int) -> None:
    scores, offsets = zoo.build("detector", size=size, classes=5).outputs
    assert boxes == 3 * ((size // 8) ** 2 + (size // 16) ** 2)
    assert scores.shape[1:] == (boxes, 5)
    assert offsets.shape[1:] == (boxes, 4)


def test_a_seed_draws_the_same_weights_again() -> None:
    def first_weights(seed: int) -> list[float]:
        keras.utils.set_random_seed(seed)
        return [float(w.numpy().sum()) for w in zoo.build("ds_cnn").weights]

    assert first_weights(1) == first_weights(1)
    assert first_weights(1) != first_weights(2)
