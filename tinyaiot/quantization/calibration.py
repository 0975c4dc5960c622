"""Calibration data: the inputs from which the ranges of activations are taken."""

from __future__ import annotations

import itertools
import runpy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyaiot.errors import CalibrationError, UsageError
from tinyaiot.quantization.folders import read_folder
from tinyaiot.samples import load_arrays
from tinyaiot.summary import format_shape

Floats = npt.NDArray[np.float32]

_AT_LEAST = 10
_AT_MOST = 10_000
# One sample of so many is held out.
_HELD_OUT = 4
_HINT = "give some hundred typical inputs, as in training: numpy.savez(path, inputs=...)"


@dataclass(frozen=True, eq=False)
class Data:
    """Samples, and what they are.

    Attributes:
        inputs: [count, ...].
        labels: the class of each, [count]; None where they are not known.
    """

    inputs: npt.NDArray[Any]
    labels: npt.NDArray[Any] | None = None

    def __getitem__(self, chosen: npt.NDArray[np.bool_]) -> Data:
        return Data(self.inputs[chosen], None if self.labels is None else self.labels[chosen])


def hold_out(data: Data) -> tuple[Data, Data]:
    """Samples to calibrate with, and every fourth, which is to be measured on."""
    held = np.arange(len(data.inputs)) % _HELD_OUT == _HELD_OUT - 1
    return data[~held], data[held]


# Whatever samples can be taken from: a file, a folder, ``module.py:function``; an array, samples
# one by one, each alone or with its label, or a function that returns such.
Source = str | Path | npt.NDArray[Any] | Iterable[Any] | Callable[[], Any]


def load_data(source: Source, preprocess: str = "") -> Data:
    """Samples from wherever they are.

    Args:
        source: ``.npz`` with ``inputs`` and perhaps ``labels``, ``.npy``, a folder of images or WAV
            files, or ``module.py:function``; or what such a function returns: samples one by one,
            (sample, label) one by one, or an array of all. At most 10,000 are taken.
        preprocess: words of ``tinyaiot.quantization.preprocess``, for folders.

    Raises:
        CalibrationError: it cannot be read, or holds no samples.
        UsageError: the words are not understood, or fit no such source.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        if path.is_dir():
            return Data(*read_folder(path, preprocess))
        if preprocess:
            raise UsageError(
                f"{source} is no folder: there is nothing to preprocess",
                "leave --preprocess out",
            )
        file, colon, name = str(source).rpartition(":")
        if not (colon and file.endswith(".py")):
            return _load_file(path)
        source = load_function(Path(file), name)
    return _collect(source)


def _load_file(path: Path) -> Data:
    try:
        arrays = load_arrays(path)
    except UsageError as error:
        raise CalibrationError(error.what, error.hint) from error
    if "inputs" not in arrays:
        raise CalibrationError(f"{path} holds no array named 'inputs'", _HINT)
    return Data(arrays["inputs"], arrays.get("labels"))


def load_function(file: Path, name: str) -> Callable[[], Any]:
    """A function of a Python file, which is run.

    Raises:
        CalibrationError: there is no such file or function, or running the file fails.
    """
    if not file.is_file():
        raise CalibrationError(f"there is no file {file}", "name it as FILE.py:FUNCTION")
    try:
        found = runpy.run_path(str(file)).get(name)
    except Exception as error:  # whatever the user's file raises
        raise _failed(str(file), error) from error
    if not callable(found):
        raise CalibrationError(f"{file} has no function {name!r}", "name it as FILE.py:FUNCTION")
    function: Callable[[], Any] = found
    return function


def _collect(source: Any) -> Data:
    name = getattr(source, "__name__", "the generator")
    try:
        samples = source() if callable(source) else source
        if isinstance(samples, np.ndarray):
            return Data(samples)
        taken = list(itertools.islice(samples, _AT_MOST))
        if taken and all(isinstance(sample, tuple) and len(sample) == 2 for sample in taken):
            inputs, labels = zip(*taken, strict=True)
            return Data(np.stack([np.asarray(x) for x in inputs]), np.asarray(labels))
        return Data(np.stack([np.asarray(x) for x in taken]) if taken else np.zeros(0))
    except Exception as error:  # whatever the user's function raises
        raise _failed(name, error) from error


def _failed(name: str, error: Exception) -> CalibrationError:
    said = str(error).strip().splitlines()
    return CalibrationError(
        f"{name} raised {type(error).__name__}{': ' + said[0] if said else ''}",
        "it must return or yield samples of one shape, or pairs of a sample and its label",
    )


def check_calibration(inputs: npt.NDArray[Any], shape: Sequence[int]) -> Floats:
    """Inputs to calibrate with, as float32.

    Args:
        inputs: [count, *shape].
        shape: of the model's input, without the batch axis.

    Raises:
        CalibrationError: shape or type are not the model's, or the values say nothing of its
            ranges.
    """
    typed = check_samples(inputs, shape)
    if len(inputs) < _AT_LEAST:
        raise CalibrationError(
            f"there are {len(inputs)} calibration samples, at least {_AT_LEAST} are needed", _HINT
        )
    if typed.min() == typed.max():
        raise CalibrationError(f"all calibration data are {typed.min():g}", _HINT)
    return typed


def check_samples(inputs: npt.NDArray[Any], shape: Sequence[int]) -> Floats:
    """Inputs as float32; arguments and errors are those of :func:`check_calibration`.

    Axes of length 1 need not be where the model has them.
    """
    if inputs.ndim > 0 and not len(inputs):
        raise CalibrationError("there are no samples", _HINT)
    inputs = _with_axes(inputs, tuple(shape))
    if inputs.ndim == 0 or inputs.shape[1:] != tuple(shape):
        raise CalibrationError(
            f"the calibration data have shape {format_shape(inputs.shape)}, "
            f"the model takes {format_shape(tuple(shape))} for each sample",
            "the channels come last, samples first",
        )
    if inputs.dtype.kind not in "fiu":
        raise CalibrationError(f"the calibration data are {inputs.dtype}, not numbers", _HINT)
    typed = inputs.astype(np.float32)
    if not np.isfinite(typed).all():
        bad = int(np.flatnonzero(~np.isfinite(typed.reshape(len(typed), -1)).all(axis=1))[0])
        raise CalibrationError(f"calibration sample {bad} holds NaN or infinity", "leave it out")
    return typed


def _with_axes(inputs: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """The inputs with the model's axes of length 1, where they differ in nothing else."""
    sizes = [size for size in inputs.shape[1:] if size != 1]
    return inputs.reshape(-1, *shape) if sizes == [size for size in shape if size != 1] else inputs
