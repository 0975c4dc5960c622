"""PyTorch: a ``torch.nn.Module``, or an exported program (``.pt2``), by way of ONNX in memory.

PyTorch's own exporter brings a network to ONNX, batch normalisation folded and padding in place;
from there on it is an ONNX model, whose channels come to lie last.
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyaiot.errors import UnreadableModelError, UnsupportedModelError
from tinyaiot.quantization.calibration import check_calibration
from tinyaiot.quantization.originals import onnx
from tinyaiot.quantization.originals.keras import KerasOriginal
from tinyaiot.quantization.runtime import first_line, require, silence
from tinyaiot.summary import format_shape

SUFFIXES = (".pt2",)

_EXTRA = "pytorch"
_KIND = "a PyTorch model"


def load(path: Path) -> KerasOriginal:
    """The exported program in a ``.pt2`` file, as ``torch.export.save`` writes it.

    Raises:
        UsageError: a package of the extra ``pytorch`` is not installed.
        UnreadableModelError: the file is no exported program.
        UnsupportedModelError: it has nodes that cannot be converted; ``details`` lists them.
    """
    torch = require("torch", _KIND, _EXTRA)
    try:
        with silence():
            program = torch.export.load(path)
    except Exception as error:  # It raises what zip files, JSON and pickles happen to raise.
        raise UnreadableModelError(
            f"PyTorch cannot read {path}: {first_line(error)}",
            "save it with torch.export.save(torch.export.export(model, (example,)), path)",
        ) from error
    return _from_program(program, path.name)


def from_module(module: Any, samples: npt.NDArray[Any], name: str) -> KerasOriginal:
    """A trained ``torch.nn.Module`` of one input.

    Args:
        samples: [count, ...] as the module takes them, or channels last; the first is what it is
            traced with.
        name: what errors call it.

    Raises:
        UsageError: a package of the extra ``pytorch`` is not installed.
        CalibrationError: the samples do not do.
        UnsupportedModelError: it cannot be exported or converted.
    """
    require("torch", _KIND, _EXTRA)
    check_calibration(samples, samples.shape[1:])
    was_training = module.training
    try:
        program = _exported(module.eval(), samples[:1])
    finally:
        module.train(was_training)
    return _from_program(program, name)


def _exported(module: Any, sample: npt.NDArray[Any]) -> Any:
    """The ``ExportedProgram`` for a sample as the module takes it, or with its channels last."""
    try:
        return _traced(module, sample)
    except Exception as error:  # It raises what the module raises, and much of its own.
        if sample.ndim > 2:
            with contextlib.suppress(Exception):
                return _traced(module, np.moveaxis(sample, -1, 1))
        raise UnsupportedModelError(
            f"PyTorch cannot export the module for an input of {format_shape(sample.shape)}: "
            f"{first_line(error)}",
            "give calibration data shaped as it takes them, and see torch.export",
        ) from error


def _traced(module: Any, sample: npt.NDArray[Any]) -> Any:
    import torch

    example = torch.from_numpy(np.ascontiguousarray(sample, np.float32))
    with silence(), torch.no_grad():
        return torch.export.export(module, (example,))


def _from_program(program: Any, name: str) -> KerasOriginal:
    torch = require("torch", _KIND, _EXTRA)
    for package in ("onnx", "onnxscript"):
        require(package, _KIND, _EXTRA)
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with silence():
            exported = torch.onnx.export(program, dynamo=True, verbose=False)
    except Exception as error:  # It raises what its parts happen to raise.
        raise UnsupportedModelError(
            f"PyTorch cannot bring {name} to ONNX: {first_line(error)}",
            "change the layer it names; docs/converting.md lists what can be converted",
        ) from error
    finally:
        logger.setLevel(level)
    return onnx.translate(exported.model_proto, name, _KIND)
