"""Inputs from files: one set of inputs, or many samples with the classes they should have."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyaiot.errors import UsageError
from tinyaiot.graph import DType, Graph, Tensor
from tinyaiot.operators.base import AnyArray
from tinyaiot.summary import describe, format_shape
from tinyaiot.testdata import lcg_input

_SAMPLES_HINT = "save it so: numpy.savez(path, inputs=..., labels=...)"


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples for a model of one input.

    Attributes:
        inputs: typed as the model's input, [count, *input.shape].
        labels: the class of each, int64 [count]; None where the file has none.
    """

    inputs: AnyArray
    labels: npt.NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.inputs)


def default_inputs(graph: Graph) -> tuple[AnyArray, ...]:
    """Pseudo-random inputs that every machine can make; see ``tinyaiot.testdata``."""
    return tuple(lcg_input(tensor) for tensor in graph.inputs)


def load_inputs(path: Path, graph: Graph) -> tuple[AnyArray, ...]:
    """Inputs of one inference: a ``.npy``, or an ``.npz`` with an array for each input in order.

    Raises:
        UsageError: the file cannot be read or does not match the model.
    """
    loaded = load_arrays(path)
    arrays = list(loaded.values())
    if len(arrays) != len(graph.inputs):
        raise UsageError(
            f"{path} holds {len(arrays)} arrays, the model has {len(graph.inputs)} inputs",
            "save one array for each input: numpy.savez(path, first, second)",
        )
    return tuple(
        as_input(array, tensor, path).reshape(tensor.shape)
        for array, tensor in zip(arrays, graph.inputs, strict=True)
    )


def load_samples(path: Path, graph: Graph) -> Samples:
    """Samples from an ``.npz`` with ``inputs`` [count, …] and, if there are any, ``labels``.

    Raises:
        UsageError: the file cannot be read or does not match the model.
    """
    arrays = load_arrays(path)
    if "inputs" not in arrays:
        raise UsageError(f"{path} holds no array named 'inputs'", _SAMPLES_HINT)
    return as_samples(arrays["inputs"], arrays.get("labels"), graph, path)


def as_samples(
    inputs: npt.NDArray[Any],
    labels: npt.NDArray[Any] | None,
    graph: Graph,
    source: object = "the array",
) -> Samples:
    """Samples from arrays, ``inputs`` [count, …] as :func:`as_input` takes them.

    Args:
        labels: integers [count].
        source: where they are from, for the error.

    Raises:
        UsageError: they do not match each other or the model.
    """
    if len(graph.inputs) != 1:
        raise UsageError(
            f"samples are for models of one input, {graph.name} has {len(graph.inputs)}",
            "use --input with one array for each input",
        )
    [tensor] = graph.inputs
    if inputs.ndim == 0 or len(inputs) == 0:
        raise UsageError(f"{source} holds no samples", _SAMPLES_HINT)
    if labels is not None and (labels.shape != inputs.shape[:1] or labels.dtype.kind not in "iu"):
        raise UsageError(f"{source} does not have one integer label for each sample", _SAMPLES_HINT)
    samples = [as_input(sample, tensor, source).reshape(tensor.shape) for sample in inputs]
    return Samples(np.stack(samples), None if labels is None else labels.astype(np.int64))


def as_inputs(arrays: Sequence[npt.NDArray[Any]], graph: Graph) -> tuple[AnyArray, ...]:
    """Inputs of one inference from arrays, one for each input, as :func:`as_input` takes them.

    Raises:
        UsageError: they do not match the model.
    """
    if len(arrays) != len(graph.inputs):
        raise UsageError(
            f"the model has {len(graph.inputs)} inputs, {len(arrays)} were given",
            "give one array for each input, in the model's order",
        )
    return tuple(
        as_input(values, tensor, "the array").reshape(tensor.shape)
        for values, tensor in zip(arrays, graph.inputs, strict=True)
    )


def load_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an ``.npz`` by name; that of an ``.npy`` is named ``inputs``.

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"inputs": loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error}", "check the path") from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(
            f"{path} is not a numpy file: {error}", "make it with numpy.save or numpy.savez"
        ) from error


def as_input(values: npt.NDArray[Any], tensor: Tensor, source: object) -> AnyArray:
    """``values`` in the input's type: floats are quantized with its scale, the rest must match.

    Args:
        values: shaped as the input; the batch axis may be missing.
        source: where they are from, for the error.

    Raises:
        UsageError: shape or type are not the input's.
    """
    if values.shape not in (tensor.shape, tensor.shape[1:]):
        raise UsageError(
            f"{source} has shape {format_shape(values.shape)}, the model takes {describe(tensor)}",
            "the channels come last; the batch axis may be left out",
        )
    if values.dtype == tensor.dtype.numpy:
        return values
    if values.dtype.kind != "f":
        raise UsageError(
            f"{source} is {values.dtype}, the model takes {describe(tensor)}",
            f"give {tensor.dtype.value}, or floating point to have it quantized",
        )
    if tensor.dtype is DType.FLOAT32:
        return values.astype(np.float32)
    limits = np.iinfo(tensor.dtype.numpy)
    quantized = np.clip(np.rint(values / tensor.scale) + tensor.zero_point, limits.min, limits.max)
    typed: AnyArray = quantized.astype(tensor.dtype.numpy)
    return typed
