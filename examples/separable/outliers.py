"""Spoils the trained DS-CNN for int8 without changing what it computes, and quantizes it twice.

    .venv/bin/python -m examples.separable.outliers

After ``make example-separable``. The rescaled network stays in ``build/separable/outliers.keras``,
for ``tinyaiot quantize``.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from examples.separable.rescaling import rescale
from examples.separable.train import FLOAT_MODEL, WORK, test_data, training_data
from examples.workflow import CALIBRATION
from tinyaiot.quantization import PLAIN, compare, quantize
from tinyaiot.report import Report
from tinyaiot.report_quantization import report_comparison, report_quantized

# A channel is scaled by 1/8 to 8.
OCTAVES = 3.0


def main() -> None:
    model = tf.keras.models.load_model(FLOAT_MODEL, compile=False)
    rescale(model, OCTAVES, seed=1)
    model.save(WORK / "outliers.keras")
    calibration, test = training_data().inputs[:CALIBRATION], test_data()
    np.savez(WORK / "calibration.npz", inputs=calibration)
    np.savez(WORK / "test.npz", inputs=test.inputs, labels=test.labels)
    for recipe in (PLAIN, "auto"):
        quantized = quantize(model, calibration, recipe)
        report_quantized(Report(), quantized, WORK / "outliers.tflite")
        report_comparison(Report(), compare(quantized, test.inputs, test.labels))


if __name__ == "__main__":
    main()
