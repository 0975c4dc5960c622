"""Calibration data: the inputs from which the ranges of activations are taken."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyaiot.errors import UsageError
from tinyaiot.samples import load_arrays
from tinyaiot.summary import format_shape

Floats = npt.NDArray[np.float32]

_AT_LEAST = 10
_HINT = "give some hundred typical inputs, as in training: numpy.savez(path, inputs=...)"


def load_calibration(path: Path) -> dict[str, npt.NDArray[Any]]:
    """``inputs`` [count, ...] of an ``.npz`` or ``.npy`` file, and its ``labels`` if it has any.

    Raises:
        UsageError: the file cannot be read, or has no ``inputs``.
    """
    arrays = load_arrays(path)
    if "inputs" not in arrays:
        raise UsageError(f"{path} holds no array named 'inputs'", _HINT)
    return arrays


def check_calibration(inputs: npt.NDArray[Any], shape: Sequence[int]) -> Floats:
    """The inputs as float32.

    Args:
        inputs: [count, *shape].
        shape: of the model's input, without the batch axis.

    Raises:
        UsageError: shape or type are not the model's, or the values say nothing of its ranges.
    """
    if inputs.ndim == 0 or inputs.shape[1:] != tuple(shape):
        raise UsageError(
            f"the calibration data have shape {format_shape(inputs.shape)}, "
            f"the model takes {format_shape(tuple(shape))} for each sample",
            "the channels come last, samples first",
        )
    if inputs.dtype.kind not in "fiu":
        raise UsageError(f"the calibration data are {inputs.dtype}, not numbers", _HINT)
    if len(inputs) < _AT_LEAST:
        raise UsageError(
            f"there are {len(inputs)} calibration samples, at least {_AT_LEAST} are needed", _HINT
        )
    typed = inputs.astype(np.float32)
    if not np.isfinite(typed).all():
        bad = int(np.flatnonzero(~np.isfinite(typed.reshape(len(typed), -1)).all(axis=1))[0])
        raise UsageError(f"calibration sample {bad} holds NaN or infinity", "leave it out")
    if typed.min() == typed.max():
        raise UsageError(f"all calibration data are {typed.min():g}", _HINT)
    return typed
