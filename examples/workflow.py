"""What the examples share: training with a seed, and from the trained network to the board.

Each example is a module that is run from the project's folder:

    .venv/bin/python -m examples.vibration.train
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

# Read when TensorFlow is imported: warnings and errors only.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tinyaiot import api
from tinyaiot.quantization import quantize

BUILD = Path(__file__).resolve().parents[1] / "build"
_SHIPPED = 48
CALIBRATION = 300
_BATCH = 64

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Data:
    """Inputs [count, ...] and their classes [count]."""

    inputs: Floats
    labels: Labels

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True)
class Converted:
    """A trained model as int8.

    Attributes:
        plain: ranges by minimum and maximum; what is committed.
        recommended: by the choices that err least on calibration samples held out.
        recipe: what those are.
    """

    plain: Path
    recommended: Path
    recipe: str


def seed(number: int) -> None:
    """Makes all that is drawn hereafter the same on each run on one machine."""
    tf.keras.utils.set_random_seed(number)
    tf.config.experimental.enable_op_determinism()


def fit(model: tf.keras.Model, data: Data, epochs: int) -> None:
    """Trains a classifier: Adam, its rate falling along a cosine."""
    rate = tf.keras.optimizers.schedules.CosineDecay(4e-3, epochs * -(-len(data) // _BATCH))
    loss = "sparse_categorical_crossentropy"
    model.compile(tf.keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    model.fit(data.inputs, data.labels, batch_size=_BATCH, epochs=epochs, verbose=2)


def accuracy(model: tf.keras.Model, data: Data) -> float:
    """The part of the samples that the float model classifies rightly."""
    classes = np.argmax(model.predict(data.inputs, verbose=0), axis=1)
    return float(np.mean(classes == data.labels))


def save(
    folder: Path,
    model: tf.keras.Model,
    training: Data,
    test: Data,
    *,
    calibration: int = CALIBRATION,
    shipped: int = _SHIPPED,
) -> Converted:
    """Writes ``NAME.tflite`` and ``test_NAME.npz``, some test samples, into the folder NAME.

    The model by the recommended choices goes into ``build/recommended``.

    Args:
        calibration: training samples that the ranges of activations are taken from.
        shipped: test samples that are written.
    """
    path = folder / f"{folder.name}.tflite"
    path.write_bytes(quantize(model, training.inputs[:calibration]).model.data)
    recommended = BUILD / "recommended" / path.name
    best = api.quantize(model, training.inputs[:calibration], recommended, "auto")
    inputs, labels = test.inputs[:shipped], test.labels[:shipped].astype(np.uint8)
    np.savez_compressed(folder / f"test_{folder.name}.npz", inputs=inputs, labels=labels)
    return Converted(path, recommended, str(best.recipe))


def measure(files: Converted, model: tf.keras.Model, test: Data, board: str) -> None:
    """Classifies all test samples on the board, over its serial link, and prints the accuracies."""
    path, work = files.plain, BUILD / f"{files.plain.stem}-{board}"
    measurement = api.measure(path, board, work=work)
    plain = api.classify(path, board, test.inputs, test.labels, work=work)
    best_work = BUILD / "recommended" / f"{path.stem}-{board}"
    best = api.classify(files.recommended, board, test.inputs, test.labels, work=best_work)
    print(
        f"\n{path.name}: {path.stat().st_size:,} bytes, {model.count_params():,} parameters, "
        f"{measurement.macs:,} MACs\n"
        f"  {board}: {measurement.arena_bytes:,} bytes of arena, {measurement.count:,} "
        f"{measurement.counter} per inference\n"
        f"  of {plain.count} test samples, right:\n"
        f"    {accuracy(model, test):.2%}  float, in Keras\n"
        f"    {_right(plain):.2%}  int8, on {board}, over serial\n"
        f"    {_right(best):.2%}  the same by recommended options: {files.recipe}\n"
        f"  equal to TFLM's, bit for bit: {plain.identical} and {best.identical} of {plain.count}"
    )


def _right(result: api.Classification) -> float:
    """The part of the samples that the board classified as labelled."""
    return (result.board_correct or 0) / result.count


def board_argument(description: str) -> str:
    """The board that the command line names."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--board", default="mps2-an386", help="default: %(default)s")
    board: str = parser.parse_args().board
    return board
