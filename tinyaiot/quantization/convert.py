"""Trained networks to int8 .tflite that TensorFlow Lite Micro can run."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy.typing as npt

from tinyaiot import oracle
from tinyaiot.errors import UnreadableModelError, UsageError
from tinyaiot.frontends import Model, load, tflite
from tinyaiot.quantization.calibration import Data, Floats, check_calibration, hold_out
from tinyaiot.quantization.originals import Original, load_original, original_of
from tinyaiot.quantization.quantized import Quantized
from tinyaiot.quantization.recipe import PLAIN, Auto, Recipe
from tinyaiot.quantization.trials import follow, recommend
from tinyaiot.samples import default_inputs


def quantize(
    model: Any,
    calibration: npt.NDArray[Any],
    recipe: Recipe | Auto = PLAIN,
    *,
    name: str = "model",
) -> Quantized:
    """A trained network of one input as int8 .tflite of batch 1.

    Args:
        model: an ``Original``, a ``keras.Model`` or a ``torch.nn.Module``; it stays as it is.
        calibration: typical inputs [count, ...], as the model takes them or channels last.
        recipe: the choices; "auto" for those of least error. Where it is not plain, every fourth
            sample is held out to measure each choice on.

    Raises:
        CalibrationError: the calibration data do not do.
        UsageError: a package is not installed, or the model cannot be equalized.
        UnsupportedModelError: the model cannot be converted, or the outcome breaks rules of the
            supported operators or is refused by TensorFlow Lite Micro.
    """
    original = original_of(model, calibration)
    if recipe != "auto" and recipe.equalize and not original.has_layers:
        raise UsageError(
            f"the channels of {original.kind} cannot be equalized: its layers are not known",
            "leave --equalize out, or give the Keras, PyTorch or ONNX model",
        )
    inputs = check_calibration(original.channels_last(calibration), original.input_shape)
    convert = functools.partial(_by_minmax, original, name)
    if recipe == PLAIN:
        return convert(inputs, equalize=False)
    kept, held_out = hold_out(Data(inputs))
    if recipe == "auto":
        return recommend(convert, kept.inputs, held_out.inputs)
    return follow(convert, kept.inputs, held_out.inputs, recipe)


def _by_minmax(original: Original, name: str, inputs: Floats, equalize: bool) -> Quantized:
    """A network with its ranges by minimum and maximum."""
    equalized = 0
    if equalize:
        original, equalized = original.equalized(inputs)
    data = original.int8_tflite(inputs)
    model = Model(tflite.read(data, name), data)
    # What the interpreter cannot run is an error now, not on the board.
    oracle.run(data, model.graph, default_inputs(model.graph))
    return Quantized(
        model,
        original.float_tflite(),
        equalized,
        Recipe(equalize=equalize),
        original_shape=original.turned_from,
    )


def pair(int8: Path, original: Path) -> Quantized:
    """An int8 .tflite made by whatever tool, beside the float model that it was made of.

    Args:
        original: a float .tflite, or a trained model of any other kind.

    Raises:
        UsageError: the two have not the same inputs, or a package is not installed.
        UnreadableModelError: one of the files is missing, or no such model.
        UnsupportedModelError: the int8 model breaks rules of the supported operators.
    """
    model = load(int8)
    if original.suffix.lower() not in tflite.SUFFIXES:
        trained = load_original(original)
        return Quantized(
            model, trained.float_tflite(), recipe=None, original_shape=trained.turned_from
        )
    try:
        return Quantized(model, original.read_bytes(), recipe=None)
    except OSError as error:
        raise UnreadableModelError(
            f"{original} cannot be read: {error.strerror}", "check the path and its permissions"
        ) from error
