"""Trained networks to int8 .tflite, and what that costs.

TensorFlow's converter quantizes, or the AI Edge quantizer what is a float .tflite: int8 weights for
each output channel, int8 activations, int32 biases, as the specification of TensorFlow Lite says.
Ranges and biases are chosen anew where a recipe says so, and what each choice gains is measured.
What a microcontroller could not run is an error here. Heavy packages are imported when a model
needs them, and not before.
"""

from tinyaiot.quantization.calibration import (
    Data,
    Source,
    check_calibration,
    check_samples,
    hold_out,
    load_data,
)
from tinyaiot.quantization.comparison import Comparison, LayerError, compare, load_comparison
from tinyaiot.quantization.convert import pair, quantize
from tinyaiot.quantization.originals import Original, load_original
from tinyaiot.quantization.quantized import Quantized, Trial
from tinyaiot.quantization.recipe import PLAIN, Auto, Method, Recipe, parse_method
from tinyaiot.quantization.sensitivity import Remedy

__all__ = [
    "PLAIN",
    "Auto",
    "Comparison",
    "Data",
    "LayerError",
    "Method",
    "Original",
    "Quantized",
    "Recipe",
    "Remedy",
    "Source",
    "Trial",
    "check_calibration",
    "check_samples",
    "compare",
    "hold_out",
    "load_comparison",
    "load_data",
    "load_original",
    "pair",
    "parse_method",
    "quantize",
]
