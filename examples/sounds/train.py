"""Trains the sounds example and measures it on a board, in three minutes on a CPU.

make example-sounds
"""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from examples.sounds.synthesis import CLASSES, FRAMES, dataset
from examples.workflow import Data, board_argument, fit, measure, save, seed
from tinyaiot.zoo.blocks import convolution

HERE = Path(__file__).resolve().parent
BANDS = 20
COUNT, TEST_COUNT = 8000, 1000
EPOCHS = 15


def main() -> None:
    board = board_argument(__doc__)
    seed(7)
    training = Data(*dataset(COUNT, BANDS, seed=1))
    test = Data(*dataset(TEST_COUNT, BANDS, seed=2))
    model = build_model()
    fit(model, training, EPOCHS)
    measure(save(HERE, model, training, test), model, test, board)


def build_model() -> tf.keras.Model:
    """Plain convolutions and pooling, on mel spectrograms [FRAMES, BANDS, 1]."""
    layers = tf.keras.layers
    inputs = layers.Input((FRAMES, BANDS, 1), name="mel")
    x = convolution(inputs, 8, 5, (2, 1))
    for channels in (16, 32):
        x = layers.MaxPooling2D(2)(convolution(x, channels))
    x = convolution(x, 32)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    outputs = layers.Dense(len(CLASSES), activation="softmax", name="sound")(x)
    return tf.keras.Model(inputs, outputs)


if __name__ == "__main__":
    main()
