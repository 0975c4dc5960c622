"""The reference: TensorFlow Lite Micro's interpreter on the host, from its PyPI package."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from tinyaiot.errors import UnsupportedModelError, UsageError
from tinyaiot.graph import Graph, Tensor
from tinyaiot.operators.base import AnyArray

# An arena that cannot hold even the interpreter's own tables makes TFLM crash instead of fail,
# hence the ample start; activations come on top.
_ARENA_START_BYTES = 1 << 20
_ARENA_STOP_BYTES = 1 << 31


@dataclass(frozen=True)
class Reference:
    """What TFLM computed in one inference.

    Attributes:
        outputs: the model's outputs in its order, shaped and typed as the graph says.
        tensors: every tensor computed at run time, and the inputs, by ``Tensor.index``.
    """

    outputs: tuple[AnyArray, ...]
    tensors: Mapping[int, AnyArray]


def run(model: bytes, graph: Graph, inputs: Sequence[AnyArray]) -> Reference:
    """Runs one inference of ``model`` in TFLM with every tensor preserved.

    Args:
        model: the .tflite file that ``graph`` was read from.
        inputs: one array for each input of the model, of its dtype and shape.

    Raises:
        UsageError: ``inputs`` do not match the model, or TFLM is not installed.
        UnsupportedModelError: TFLM refuses the model.
    """
    _check_inputs(graph, inputs)
    interpreter = _interpreter(model, graph)
    with _captured_stderr():
        for k, values in enumerate(inputs):
            interpreter.set_input(np.require(values, requirements="C"), k)
        interpreter.invoke()
        tensors = {t.index: _tensor(interpreter, t) for t in _run_time_tensors(graph)}
    outputs = tuple(tensors[t.index] for t in graph.outputs)
    return Reference(outputs, MappingProxyType(tensors))


def _check_inputs(graph: Graph, inputs: Sequence[AnyArray]) -> None:
    if len(inputs) != len(graph.inputs):
        raise UsageError(
            f"the model has {len(graph.inputs)} inputs, {len(inputs)} were given",
            "give one array for each input, in the model's order",
        )
    for tensor, values in zip(graph.inputs, inputs, strict=True):
        if values.dtype != tensor.dtype.numpy or values.shape != tensor.shape:
            raise UsageError(
                f"input {tensor.name!r} is {tensor.dtype.value} {tensor.shape}, "
                f"not {values.dtype} {values.shape}",
                "convert and reshape the array to the model's input",
            )


def _run_time_tensors(graph: Graph) -> Iterator[Tensor]:
    yield from graph.inputs
    for node in graph.nodes:
        yield from node.outputs


def _tensor(interpreter: Any, tensor: Tensor) -> AnyArray:
    # The array is the arena's memory, so it is copied; scalars come without their shape.
    values = np.array(interpreter.GetTensor(tensor.index, 0)["tensor_data"])
    if tensor.taken is None:
        return values.reshape(tensor.shape)
    whole = values.reshape((*tensor.shape[:-1], -1))
    return np.ascontiguousarray(whole[..., tensor.taken])


def _interpreter(model: bytes, graph: Graph) -> Any:
    """An interpreter of TFLM that keeps every tensor, its arena grown until it suffices."""
    try:
        # Imported here: TFLM takes a second to load, and most commands do not need it.
        from tflite_micro.python.tflite_micro import runtime
    except ImportError as error:
        raise UsageError(
            "the reference interpreter, Python package tflite-micro, is not installed",
            "pip install tflite-micro (it has packages for Linux on x86-64)",
        ) from error
    activations = sum(t.nbytes for t in _run_time_tensors(graph))
    arena_bytes = _ARENA_START_BYTES + 2 * activations
    while True:
        with _captured_stderr() as messages:
            try:
                return runtime.Interpreter.from_bytes(
                    model,
                    arena_size=arena_bytes,
                    intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors,
                )
            except RuntimeError as error:
                failure = error
        arena_bytes *= 2
        if not messages.tell_of_memory() or arena_bytes > _ARENA_STOP_BYTES:
            raise UnsupportedModelError(
                f"the reference, TensorFlow Lite Micro, refuses the model: {failure}",
                "check the model's operators and shapes: what TFLM cannot run cannot be validated",
                tuple(messages.lines),
            ) from failure


@dataclass
class _Messages:
    """What TFLM wrote to standard error."""

    lines: list[str] = field(default_factory=list)

    def tell_of_memory(self) -> bool:
        """Whether the arena was too small."""
        return any("missing" in line or "arena" in line.lower() for line in self.lines)


@contextlib.contextmanager
def _captured_stderr() -> Iterator[_Messages]:
    """Keeps what C code writes to standard error away from the user's terminal."""
    messages = _Messages()
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield messages
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            log.seek(0)
            messages.lines += log.read().decode(errors="replace").splitlines()
