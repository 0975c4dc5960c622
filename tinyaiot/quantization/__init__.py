"""Trained Keras models to int8 .tflite, and what that costs.

TensorFlow's own converter quantizes: int8 weights for each output channel, int8 activations, int32
biases, as the specification of TensorFlow Lite says. What a microcontroller could not run is an
error here. TensorFlow is imported when a model is converted, and not before.
"""

from tinyaiot.quantization.calibration import check_calibration, load_calibration
from tinyaiot.quantization.comparison import Comparison, LayerError, compare
from tinyaiot.quantization.convert import Quantized, load_keras, pair, quantize

__all__ = [
    "Comparison",
    "LayerError",
    "Quantized",
    "check_calibration",
    "compare",
    "load_calibration",
    "load_keras",
    "pair",
    "quantize",
]
