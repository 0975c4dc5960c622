"""Frontends: one module for each kind of model file, found by walking this package.

A frontend defines ``SUFFIXES``, the file name endings it takes, and
``convert(path) -> bytes``, which makes them int8 .tflite: the one form that is read further.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from tinyaiot.dead_channels import leave_out_dead_channels
from tinyaiot.errors import UnreadableModelError, UnsupportedModelError
from tinyaiot.folding import fold_padding
from tinyaiot.frontends import tflite
from tinyaiot.graph import Graph

# Models as training leaves them: ``tinyaiot quantize`` takes them, and nothing else does.
TRAINED_SUFFIXES = (".keras", ".h5", ".onnx", ".pt2")

# What makes a folder a SavedModel of TensorFlow.
SAVED_MODEL_FILE = "saved_model.pb"


@dataclass(frozen=True)
class Model:
    """A model as everything below the frontends takes it.

    Attributes:
        graph: what the file computes; ``load`` folds paddings and leaves out dead channels.
        data: the int8 .tflite file that ``graph`` was read from; the reference runs it.
    """

    graph: Graph
    data: bytes = field(repr=False)

    @property
    def name(self) -> str:
        return self.graph.name


def load(path: Path) -> Model:
    """Reads a model file of any kind that a frontend takes; its stem is the model's name.

    Raises:
        UnreadableModelError: the file is missing, of no known kind, or corrupt.
        UnsupportedModelError: the model is not quantized yet, or breaks rules; ``details`` lists
            all violations.
    """
    if path.suffix.lower() in TRAINED_SUFFIXES or (path / SAVED_MODEL_FILE).is_file():
        raise _not_quantized(path)
    convert = converters().get(path.suffix.lower())
    if convert is None:
        raise UnreadableModelError(
            f"{path.name} is of no kind of model that is known",
            f"give a file that ends in one of: {', '.join(converters())}",
        )
    try:
        data = convert(path)
    except OSError as error:
        raise UnreadableModelError(
            f"{path} cannot be read: {error.strerror}", "check the path and its permissions"
        ) from error
    if tflite.is_float(data):
        raise _not_quantized(path)
    graph = fold_padding(tflite.read(data, path.stem))
    return Model(leave_out_dead_channels(graph), data)


def _not_quantized(path: Path) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"{path.name} is not quantized to int8",
        f"run first: tinyaiot quantize {path} --data X.npz -o {path.stem}_int8.tflite",
    )


@functools.cache
def converters() -> Mapping[str, Callable[[Path], bytes]]:
    """What makes a .tflite of a model file, by the file's suffix, in alphabetical order."""
    found: dict[str, Callable[[Path], bytes]] = {}
    for module_info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{module_info.name}")
        for suffix in module.SUFFIXES:
            found[suffix] = module.convert
    return MappingProxyType(dict(sorted(found.items())))
