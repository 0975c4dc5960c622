"""Where trained networks come from, one module for each kind of file, found by walking.

Such a module defines ``SUFFIXES`` and ``load(path) -> Original``, and imports what is heavy where
it is used. A SavedModel is a folder, a module of PyTorch and a model of Keras are objects.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy.typing as npt

from tinyaiot.errors import UnreadableModelError, UsageError
from tinyaiot.frontends import SAVED_MODEL_FILE
from tinyaiot.quantization.originals import pytorch, saved_model
from tinyaiot.quantization.originals.keras import KerasOriginal
from tinyaiot.quantization.originals.original import Original

# Pickled modules of PyTorch can be read only with the program that they are from.
_PICKLED = (".pt", ".pth")
_EXPORT = "in your program: torch.export.save(torch.export.export(model, (example,)), 'x.pt2')"

__all__ = ["Original", "load_original", "loaders", "original_of"]


def load_original(path: Path) -> Original:
    """The trained network in a file or folder of any kind that a source takes.

    Raises:
        UsageError: a package that it needs is not installed.
        UnreadableModelError: the file is missing, of no known kind, or corrupt.
        UnsupportedModelError: it holds what cannot be converted.
    """
    if path.is_dir():
        if (path / SAVED_MODEL_FILE).is_file():
            return saved_model.load(path)
        raise UnreadableModelError(
            f"the folder {path} is no SavedModel: it has no {SAVED_MODEL_FILE}", "check the path"
        )
    load = loaders().get(path.suffix.lower())
    if load is None:
        raise UnreadableModelError(
            f"{path.name} is of no kind of model that can be quantized",
            _EXPORT
            if path.suffix.lower() in _PICKLED
            else f"give a SavedModel's folder, or a file: {', '.join(loaders())}",
        )
    if not path.is_file():
        raise UnreadableModelError(f"there is no file {path}", "check the path")
    try:
        return load(path)
    except OSError as error:
        raise UnreadableModelError(
            f"{path} cannot be read: {error.strerror}", "check the path and its permissions"
        ) from error


def original_of(model: Any, samples: npt.NDArray[Any]) -> Original:
    """A trained network from Python: a ``keras.Model``, or a ``torch.nn.Module``.

    Args:
        samples: [count, ...] as the model takes them.

    Raises:
        UsageError: it is neither, or a package that it needs is not installed.
        UnsupportedModelError: it holds what cannot be converted.
    """
    if isinstance(model, Original):
        return model
    # Whoever has a model of a library has imported that library.
    torch, keras = sys.modules.get("torch"), sys.modules.get("keras")
    if torch is not None and isinstance(model, torch.nn.Module):
        return pytorch.from_module(model, samples, type(model).__name__)
    if keras is not None and isinstance(model, keras.Model):
        return KerasOriginal(model)
    raise UsageError(
        f"a {type(model).__name__} is no model that can be quantized",
        "give a path, a keras.Model or a torch.nn.Module",
    )


@functools.cache
def loaders() -> Mapping[str, Callable[[Path], Original]]:
    """What reads a trained network, by the file's suffix, in alphabetical order."""
    found: dict[str, Callable[[Path], Original]] = {}
    for module_info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{module_info.name}")
        for suffix in getattr(module, "SUFFIXES", ()):
            found[suffix] = module.load
    return MappingProxyType(dict(sorted(found.items())))
