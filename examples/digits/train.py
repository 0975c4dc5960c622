"""Trains the digits example and measures it on a board, in two minutes on a CPU.

make example-digits
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from examples.workflow import Data, Floats, Labels, board_argument, measure, save, seed

HERE = Path(__file__).resolve().parent
SEED = 7
EPOCHS = 160
HELD_OUT = 360
CALIBRATION = 500
SHIPPED = 100


def main() -> None:
    board = board_argument(__doc__)
    seed(SEED)
    images, labels = digits()
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels, test_size=HELD_OUT, random_state=SEED, stratify=labels
    )
    training, test = Data(train_x, train_y), Data(test_x, test_y)
    model = build_model()
    train(model, training)
    files = save(HERE, model, training, test, calibration=CALIBRATION, shipped=SHIPPED)
    measure(files, model, test, board)


def digits() -> tuple[Floats, Labels]:
    """All 1797 digits: images of shape (n, 8, 8, 1) in [0, 1], and labels 0 to 9."""
    bunch = load_digits()
    return (bunch.images[..., np.newaxis] / 16).astype(np.float32), bunch.target


def build_model() -> tf.keras.Model:
    """A small residual network of depthwise-separable convolutions, batch 1 once converted."""
    layers = tf.keras.layers
    inputs = layers.Input((8, 8, 1), name="image")
    x = convolution(inputs, 24)
    skip = x
    x = separable_convolution(x, 24)
    x = layers.Add()([x, skip])
    x = layers.MaxPooling2D()(x)
    x = separable_convolution(x, 48)
    x = separable_convolution(x, 64)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    return tf.keras.Model(inputs, layers.Dense(10, activation="softmax", name="digit")(x))


def convolution(x: tf.Tensor, channels: int, kernel: int = 3) -> tf.Tensor:
    layers = tf.keras.layers
    x = layers.Conv2D(channels, kernel, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


def separable_convolution(x: tf.Tensor, channels: int) -> tf.Tensor:
    layers = tf.keras.layers
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return convolution(x, channels, kernel=1)


def train(model: tf.keras.Model, data: Data) -> None:
    """Fits the model, with digits shifted and zoomed a little so that it generalises."""
    layers = tf.keras.layers
    augment = tf.keras.Sequential(
        [
            layers.RandomTranslation(0.1, 0.1, fill_mode="constant", seed=SEED),
            layers.RandomRotation(0.03, fill_mode="constant", seed=SEED),
        ]
    )
    augmented = (
        tf.data.Dataset.from_tensor_slices((data.inputs, data.labels))
        .shuffle(len(data), seed=SEED)
        .batch(64)
        .map(lambda x, y: (augment(x, training=True), y))
    )
    steps = EPOCHS * -(-len(data) // 64)
    rate = tf.keras.optimizers.schedules.CosineDecay(4e-3, steps)
    model.compile(tf.keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    model.fit(augmented, epochs=EPOCHS, verbose=2)


if __name__ == "__main__":
    main()
