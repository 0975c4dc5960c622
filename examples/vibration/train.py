"""Trains the vibration example and measures it on a board, in two minutes on a CPU.

make example-vibration
"""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from examples.vibration.signals import CLASSES, WINDOW, dataset
from examples.workflow import Data, board_argument, fit, measure, save, seed
from tinyaiot.zoo.blocks import convolution, separable

HERE = Path(__file__).resolve().parent
MACHINES, TEST_MACHINES = 240, 20
WINDOWS = 50
EPOCHS = 25


def main() -> None:
    board = board_argument(__doc__)
    seed(7)
    training = Data(*dataset(MACHINES, WINDOWS, seed=1))
    test = Data(*dataset(TEST_MACHINES, WINDOWS, seed=2))
    model = build_model()
    fit(model, training, EPOCHS)
    measure(save(HERE, model, training, test), model, test, board)


def build_model() -> tf.keras.Model:
    """Convolutions along time, the later ones depthwise-separable, on [WINDOW, 1, 1] samples."""
    layers = tf.keras.layers
    inputs = layers.Input((WINDOW, 1, 1), name="acceleration")
    x = convolution(inputs, 16, (16, 1), (4, 1))
    for channels in (32, 32, 48):
        x = separable(x, channels, (9, 1))
        x = layers.MaxPooling2D((2, 1))(x)
    x = separable(x, 64, (9, 1))
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.3)(x)
    outputs = layers.Dense(len(CLASSES), activation="softmax", name="fault")(x)
    return tf.keras.Model(inputs, outputs)


if __name__ == "__main__":
    main()
