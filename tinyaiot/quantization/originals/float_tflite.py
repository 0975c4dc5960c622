"""Float .tflite files, quantized by the AI Edge quantizer."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tinyaiot.errors import UnreadableModelError, UnsupportedModelError
from tinyaiot.frontends import tflite
from tinyaiot.quantization.originals.original import Floats, Original
from tinyaiot.quantization.runtime import first_line, require, silence

SUFFIXES = tflite.SUFFIXES


class FloatTflite(Original):
    """A float .tflite of batch 1."""

    kind = "a .tflite"

    def __init__(self, data: bytes, name: str) -> None:
        """Takes the file's bytes, and what errors call it.

        Raises:
            UsageError: the AI Edge quantizer is not installed.
            UnreadableModelError: it is no .tflite that can be run.
            UnsupportedModelError: it has not one float input of batch 1.
        """
        self._quantizer = require("ai_edge_quantizer", "a float .tflite", "litert")
        from ai_edge_litert.interpreter import Interpreter

        try:
            with silence():
                interpreter = Interpreter(model_content=data)
                interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise UnreadableModelError(
                f"LiteRT cannot run {name}: {first_line(error)}", "convert the model again"
            ) from error
        details = interpreter.get_input_details()
        if len(details) != 1:
            raise UnsupportedModelError(
                f"{name} has {len(details)} inputs", "give a model of one input"
            )
        shape = tuple(int(length) for length in details[0]["shape"])
        if details[0]["dtype"] is not np.float32 or len(shape) < 2 or shape[0] != 1:
            raise UnsupportedModelError(
                f"the input of {name} is {np.dtype(details[0]['dtype'])} {shape}",
                "convert the model with an input [1, ...] of float32",
            )
        self.input_shape = self.original_shape = shape[1:]
        self._data = data
        self._name = name
        self._interpreter = interpreter

    def float_tflite(self) -> bytes:
        return self._data

    def int8_tflite(self, inputs: Floats) -> bytes:
        from ai_edge_quantizer import calibrator, recipe, recipe_manager
        from ai_edge_quantizer.utils import qsv_utils

        rules = recipe.static_wi8_ai8()
        manager = recipe_manager.RecipeManager()
        manager.load_quantization_recipe(rules)
        key, name = self._signature()
        try:
            with silence():
                # The quantizer's own calibration averages ranges over samples, which cuts off.
                calibration = calibrator.Calibrator(
                    self._data, qsv_update_func=qsv_utils.min_max_update
                )
                calibration.calibrate({key: [{name: x[np.newaxis]} for x in inputs]}, manager)
                quantizer = self._quantizer.quantizer.Quantizer(self._data, rules)
                result = quantizer.quantize(
                    calibration.get_model_qsvs(),
                    enable_progress_bar=False,
                    enable_progress_report=False,
                )
        except Exception as error:  # The quantizer raises what its parts happen to raise.
            raise UnsupportedModelError(
                f"the AI Edge quantizer cannot quantize {self._name}: {first_line(error)}",
                "change the layer it names; docs/operators.md lists the operators that can run",
            ) from error
        return bytes(result.quantized_model)

    def _signature(self) -> tuple[str | None, str]:
        """The key of the file's only signature, and its input's name there."""
        signatures = self._interpreter.get_signature_list()
        if len(signatures) != 1:
            raise UnsupportedModelError(
                f"{self._name} has {len(signatures)} signatures", "convert it with one signature"
            )
        [(key, signature)] = signatures.items()
        return key, signature["inputs"][0]


def load(path: Path) -> FloatTflite:
    """The model in a float ``.tflite`` file.

    Raises:
        UsageError: the AI Edge quantizer is not installed.
        UnreadableModelError: the file is no .tflite that can be run.
        UnsupportedModelError: it has not one float input of batch 1.
    """
    return FloatTflite(path.read_bytes(), path.name)
