"""The data of the examples are as described, and their committed models work on a board."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from examples.sounds import synthesis
from examples.vibration import signals
from tinyaiot import api

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NAMES = ("digits", "sounds", "vibration")

each_example = pytest.mark.parametrize("name", NAMES)


def samples(name: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    arrays = np.load(EXAMPLES / name / f"test_{name}.npz")
    return arrays["inputs"], arrays["labels"]


@each_example
def test_committed_model_classifies_on_a_board(name: str, tmp_path: Path) -> None:
    inputs, labels = samples(name)
    model = EXAMPLES / name / f"{name}.tflite"
    result = api.classify(model, "mps2-an386", inputs, labels, work=tmp_path)
    assert result.identical == result.count == len(labels)
    # Neither broken nor trivial.
    assert result.board_correct is not None
    assert 2 / 3 < result.board_correct / result.count < 1


def test_committed_models_and_samples_are_small() -> None:
    files = [path for suffix in ("tflite", "npz") for path in EXAMPLES.rglob(f"*.{suffix}")]
    assert sum(path.stat().st_size for path in files) < 200_000


def test_vibrations_are_those_committed() -> None:
    inputs, labels = signals.dataset(machines=20, windows=50, seed=2)
    shipped, shipped_labels = samples("vibration")
    assert np.array_equal(labels[: len(shipped)], shipped_labels)
    # Libraries of other versions may round a sine otherwise, by one level of the sensor.
    assert np.max(np.abs(inputs[: len(shipped)] - shipped)) <= 1 / 2048


def test_sounds_are_those_committed() -> None:
    inputs, labels = synthesis.dataset(1000, bands=20, seed=2)
    shipped, shipped_labels = samples("sounds")
    assert np.array_equal(labels[: len(shipped)], shipped_labels)
    assert np.max(np.abs(inputs[: len(shipped)] - shipped)) <= 0.0101  # half a dB


@pytest.mark.parametrize(
    ("drawn", "shape", "classes"),
    [
        (lambda seed: signals.dataset(4, 10, seed), (40, 512, 1, 1), signals.CLASSES),
        (lambda seed: synthesis.dataset(40, 10, seed), (40, 49, 10, 1), synthesis.CLASSES),
    ],
    ids=["vibration", "sounds"],
)
def test_data_are_balanced_and_drawn_by_seed(drawn, shape, classes) -> None:  # type: ignore[no-untyped-def]
    inputs, labels = drawn(1)
    assert inputs.shape == shape
    assert inputs.dtype == np.float32
    assert -1 <= inputs.min() < inputs.max() <= 1
    assert set(np.bincount(labels)) == {40 // len(classes)}
    again, _ = drawn(1)
    other, _ = drawn(2)
    assert np.array_equal(inputs, again)
    assert not np.array_equal(inputs, other)


def test_rescaled_channels_leave_the_float_network_as_it_was() -> None:
    keras = pytest.importorskip("keras", reason="needs Keras: pip install tensorflow")
    from examples.separable.rescaling import rescale
    from tinyaiot import zoo

    keras.utils.set_random_seed(1)
    model = zoo.build("ds_cnn", classes=8)
    inputs = np.random.default_rng(1).normal(size=(4, 49, 10, 1))
    before, weights = model.predict(inputs, verbose=0), model.get_weights()
    rescale(model, octaves=3, seed=1)
    np.testing.assert_allclose(model.predict(inputs, verbose=0), before, atol=1e-5)
    assert not np.allclose(model.get_weights()[2], weights[2])
