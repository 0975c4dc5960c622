"""Trains the digits example: scikit-learn's 8x8 digits to an int8 .tflite, in a minute on a CPU.

    scripts/setup examples
    .venv/bin/python examples/digits/train.py

Writes ``digits.tflite`` and ``test_digits.npz`` beside itself and prints the accuracy on the
held-out digits of the float model and of the int8 one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = Path(__file__).resolve().parent
SEED = 7
EPOCHS = 160
HELD_OUT = 360
SHIPPED = 100

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def main() -> None:
    tf.keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    images, labels = digits()
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels, test_size=HELD_OUT, random_state=SEED, stratify=labels
    )
    model = build_model()
    train(model, train_x, train_y)
    content = quantize(model, train_x)
    (HERE / "digits.tflite").write_bytes(content)
    np.savez_compressed(
        HERE / "test_digits.npz", inputs=test_x[:SHIPPED], labels=test_y[:SHIPPED].astype(np.uint8)
    )
    float_hits = np.argmax(model.predict(test_x, verbose=0), axis=1) == test_y
    int8_hits = classify_int8(content, test_x) == test_y
    print(f"digits.tflite: {len(content)} bytes, {model.count_params()} parameters")
    for name, hits in (("float", float_hits), ("int8", int8_hits)):
        print(
            f"{name:5s} accuracy: {hits.mean():.2%} of {HELD_OUT} held-out digits, "
            f"{hits[:SHIPPED].sum()} of the {SHIPPED} in test_digits.npz"
        )


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


def train(model: tf.keras.Model, images: Floats, labels: Labels) -> None:
    """Fits the model, with digits shifted and zoomed a little so that it generalises."""
    layers = tf.keras.layers
    augment = tf.keras.Sequential(
        [
            layers.RandomTranslation(0.1, 0.1, fill_mode="constant", seed=SEED),
            layers.RandomRotation(0.03, fill_mode="constant", seed=SEED),
        ]
    )
    data = (
        tf.data.Dataset.from_tensor_slices((images, labels))
        .shuffle(len(images), seed=SEED)
        .batch(64)
        .map(lambda x, y: (augment(x, training=True), y))
    )
    steps = EPOCHS * -(-len(images) // 64)
    rate = tf.keras.optimizers.schedules.CosineDecay(4e-3, steps)
    model.compile(tf.keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    model.fit(data, epochs=EPOCHS, verbose=2)


def quantize(model: tf.keras.Model, images: Floats) -> bytes:
    """The model as int8 TFLite, batch 1, calibrated on training images."""

    image = tf.keras.Input(batch_shape=(1, 8, 8, 1), name="image")
    batch_of_one = tf.keras.Model(image, model(image, training=False))

    def calibration() -> Iterator[list[Floats]]:
        for image in images[:500]:
            yield [image[np.newaxis]]

    converter = tf.lite.TFLiteConverter.from_keras_model(batch_of_one)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = calibration
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    return converter.convert()


def classify_int8(content: bytes, images: Floats) -> Labels:
    """The int8 model's classes, by TensorFlow's own interpreter."""
    interpreter = tf.lite.Interpreter(model_content=content)
    interpreter.allocate_tensors()
    [source], [sink] = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero_point = source["quantization"]
    quantized = np.clip(np.round(images / scale) + zero_point, -128, 127).astype(np.int8)
    classes = []
    for image in quantized:
        interpreter.set_tensor(source["index"], image[np.newaxis])
        interpreter.invoke()
        classes.append(np.argmax(interpreter.get_tensor(sink["index"])))
    return np.array(classes)


if __name__ == "__main__":
    main()
