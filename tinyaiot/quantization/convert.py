"""Keras models to int8 .tflite, by TensorFlow's converter."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyaiot.errors import UnreadableModelError, UnsupportedModelError
from tinyaiot.frontends import TRAINED_SUFFIXES, Model, load, tflite
from tinyaiot.quantization.calibration import Data, Floats, check_calibration, hold_out
from tinyaiot.quantization.equalization import equalize as equalize_channels
from tinyaiot.quantization.quantized import Quantized
from tinyaiot.quantization.recipe import PLAIN, Auto, Recipe
from tinyaiot.quantization.runtime import require_tensorflow, silence
from tinyaiot.quantization.trials import follow, recommend


def load_keras(path: Path) -> Any:
    """The ``keras.Model`` in a ``.keras`` or ``.h5`` file.

    Raises:
        UsageError: TensorFlow is not installed.
        UnreadableModelError: the file is missing, or no such model.
    """
    if path.suffix.lower() not in TRAINED_SUFFIXES:
        raise UnreadableModelError(
            f"{path.name} is of no kind of model that can be quantized",
            f"give a file that ends in one of: {', '.join(TRAINED_SUFFIXES)}",
        )
    if not path.is_file():
        raise UnreadableModelError(f"there is no file {path}", "check the path")
    keras = require_tensorflow().keras
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:  # Keras raises what its parts happen to raise.
        raise UnreadableModelError(
            f"Keras cannot read {path}: {str(error).splitlines()[0]}",
            "check that it was saved by model.save",
        ) from error


def quantize(
    model: Any,
    calibration: npt.NDArray[Any],
    recipe: Recipe | Auto = PLAIN,
    *,
    name: str = "model",
) -> Quantized:
    """A trained ``keras.Model`` of one input as int8 .tflite of batch 1.

    Args:
        calibration: typical inputs [count, ...], as the model takes them.
        recipe: the choices; "auto" for those of least error. Where it is not plain, every fourth
            sample is held out to measure each choice on. ``model`` stays as it is.

    Raises:
        CalibrationError: the calibration data do not do.
        UsageError: TensorFlow is not installed.
        UnsupportedModelError: the outcome breaks rules of the supported operators.
    """
    require_tensorflow()
    if len(model.inputs) != 1:
        raise UnsupportedModelError(
            f"the model has {len(model.inputs)} inputs", "give a model of one input"
        )
    inputs = check_calibration(calibration, model.inputs[0].shape[1:])
    convert = functools.partial(_by_minmax, model, name)
    if recipe == PLAIN:
        return convert(inputs, equalize=False)
    kept, held_out = hold_out(Data(inputs))
    if recipe == "auto":
        return recommend(convert, kept.inputs, held_out.inputs)
    return follow(convert, kept.inputs, held_out.inputs, recipe)


def _by_minmax(model: Any, name: str, inputs: Floats, equalize: bool) -> Quantized:
    """A Keras model with its ranges by minimum and maximum."""
    equalized = 0
    if equalize:
        copy = require_tensorflow().keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
        equalized = equalize_channels(copy, inputs)
        model = copy
    # Wrapped once, so that tensors have the same names in both files.
    wrapped = _batch_of_one(model)
    data = _convert(wrapped, inputs)
    recipe = Recipe(equalize=equalize)
    return Quantized(
        Model(tflite.read(data, name), data), _convert(wrapped, None), equalized, recipe
    )


def pair(int8: Path, original: Path) -> Quantized:
    """An int8 .tflite made by whatever tool, beside the float model that it was made of.

    Args:
        original: a float .tflite, or a trained Keras model.

    Raises:
        UsageError: the two have not the same inputs, or TensorFlow is needed and not installed.
        UnreadableModelError: one of the files is missing, or no such model.
        UnsupportedModelError: the int8 model breaks rules of the supported operators.
    """
    model = load(int8)
    if original.suffix.lower() not in tflite.SUFFIXES:
        return Quantized(model, _convert(_batch_of_one(load_keras(original)), None), recipe=None)
    try:
        return Quantized(model, original.read_bytes(), recipe=None)
    except OSError as error:
        raise UnreadableModelError(
            f"{original} cannot be read: {error.strerror}", "check the path and its permissions"
        ) from error


def _batch_of_one(model: Any) -> Any:
    keras = require_tensorflow().keras
    inputs = keras.Input(batch_shape=(1, *model.inputs[0].shape[1:]))
    return keras.Model(inputs, model(inputs, training=False))


def _convert(model: Any, calibration: Floats | None) -> bytes:
    """A model of batch 1 as .tflite; in float where there is no calibration."""
    tensorflow = require_tensorflow()
    lite = tensorflow.lite
    converter = lite.TFLiteConverter.from_keras_model(model)
    if calibration is not None:
        converter.optimizations = [lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: _batches(calibration)
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
