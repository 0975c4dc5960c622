"""TensorFlow's converter: networks as .tflite of batch 1, in floating point or int8."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinyaiot.errors import UnsupportedModelError
from tinyaiot.quantization.originals.original import Floats
from tinyaiot.quantization.runtime import require_tensorflow, silence


def convert(converter: Any, inputs: Floats | None) -> bytes:
    """Runs a ``tensorflow.lite.TFLiteConverter``.

    Args:
        inputs: calibration data [count, …] for int8; None for floating point.

    Raises:
        UnsupportedModelError: the converter cannot.
    """
    if inputs is not None:
        tensorflow = require_tensorflow()
        lite = tensorflow.lite
        converter.optimizations = [lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: _batches(inputs)
        converter.target_spec.supported_ops = [lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tensorflow.int8
        converter.inference_output_type = tensorflow.int8
    try:
        with silence():
            data: bytes = converter.convert()
    except Exception as error:  # The converter raises what its parts happen to raise.
        raise UnsupportedModelError(
            f"TensorFlow cannot convert the model: {str(error).strip().splitlines()[0]}",
            "change the layer it names; docs/operators.md lists the operators that can run",
        ) from error
    return data


def _batches(inputs: Floats) -> Iterator[list[Floats]]:
    for sample in inputs:
        yield [sample[np.newaxis]]
