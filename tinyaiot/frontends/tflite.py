"""The .tflite frontend: the file's bytes → a checked :class:`Graph`.

Nothing in the file is trusted: offsets, indices, counts and sizes are all checked, so that a
corrupt file can only ever be an :class:`UnreadableModelError`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from flatbuffers.number_types import Int32Flags
from tflite.BuiltinOperator import BuiltinOperator
from tflite.Model import Model
from tflite.TensorType import TensorType

from tinyaiot.errors import UnreadableModelError, UnsupportedModelError
from tinyaiot.graph import DType, Graph, Node, Quantization, Tensor
from tinyaiot.operators import check, operators
from tinyaiot.operators.base import Rule
from tinyaiot.operators.unsupported import REMEDIES

SUFFIXES = (".tflite", ".lite")

_SCHEMA_VERSION = 3
_BUILTIN_CODE_SLOT = 10
_MAX_RANK = 8
_MAX_TENSOR_BYTES = 2**31 - 1
_CORRUPT_HINT = "the file is truncated or corrupt: convert or copy the model again"
_RULES_HINT = (
    "convert with full int8 quantization or change the layers named; docs/operators.md lists "
    "what every operator takes"
)
# What the flatbuffers package raises on offsets and lengths that lead out of the file.
_DECODING_ERRORS = (struct.error, LookupError, OverflowError, TypeError, ValueError)


def _names(schema_enum: type) -> dict[int, str]:
    return {value: name for name, value in vars(schema_enum).items() if isinstance(value, int)}


_OPERATOR_NAMES = _names(BuiltinOperator)
_TYPE_NAMES = _names(TensorType)
_DTYPES = {code: DType[name] for code, name in _TYPE_NAMES.items() if name in DType.__members__}


def convert(path: Path) -> bytes:
    """The .tflite form of the file: the file itself."""
    return path.read_bytes()


def read(data: bytes, name: str) -> Graph:
    """The graph of a .tflite file, every node of which keeps its operator's rules.

    Args:
        name: what errors and reports call the model.

    Raises:
        UnreadableModelError: ``data`` is not a whole and sound .tflite file.
        UnsupportedModelError: it is, but breaks rules; ``details`` lists all violations.
    """
    graph, violations = _decoded(data, name)
    violations += [(n.index, _line(n, rule)) for n in graph.nodes for rule in check.violations(n)]
    violations.sort(key=lambda violation: violation[0])
    lines = [line for _, line in violations]
    lines += [f"model: {check.rule_text(rule)}" for rule in check.EVERY_GRAPH if not rule(graph)]
    if lines:
        count = "1 rule" if len(lines) == 1 else f"{len(lines)} rules"
        raise UnsupportedModelError(
            f"{name} breaks {count} of the supported operators", _RULES_HINT, tuple(lines)
        )
    return graph


def read_unchecked(data: bytes, name: str) -> Graph:
    """The graph of a .tflite file that need not keep any rule, such as one in floating point.

    Nodes that are not supported are left out.

    Raises:
        UnreadableModelError: ``data`` is not a whole and sound .tflite file.
        UnsupportedModelError: it has several subgraphs.
    """
    graph, _ = _decoded(data, name)
    return graph


def _decoded(data: bytes, name: str) -> tuple[Graph, list[tuple[int, str]]]:
    """The graph, and (node index, line) of what keeps nodes from being in it."""
    if data[4:8] != b"TFL3":
        raise UnreadableModelError(
            f"{name} is not a .tflite file: its identifier is {data[4:8]!r}, not b'TFL3'",
            "give a TensorFlow Lite flatbuffer",
        )
    decoder = _Decoder(data, name)
    try:
        return decoder.graph(), [*decoder.violations]
    except _DECODING_ERRORS as error:
        reason = str(error) or type(error).__name__
        raise UnreadableModelError(
            f"{name} cannot be read: {reason.splitlines()[0]}", _CORRUPT_HINT
        ) from error


def is_float(data: bytes) -> bool:
    """Whether a .tflite file computes in floating point alone; False where it cannot be read."""
    try:
        subgraph = Model.GetRootAs(data).Subgraphs(0)
        types = {subgraph.Tensors(k).Type() for k in range(subgraph.TensorsLength())}
    except (*_DECODING_ERRORS, AttributeError):
        return False
    integers = {TensorType.INT8, TensorType.UINT8, TensorType.INT16}
    return TensorType.FLOAT32 in types and not types & integers


def _line(node: Node, rule: Rule) -> str:
    text, hint = check.rule_text(rule), check.rule_hint(rule)
    return _place(node.index, node.op, node.outputs) + text + (f" {hint}" if hint else "")


def _place(index: int, op: str, outputs: Iterable[Tensor | None]) -> str:
    """The start of a violation's line: where in the model it is."""
    names = "".join(f" {t.name!r}" for t in outputs if t is not None)
    return f"node {index} {op}{names}: "


class _Decoder:
    """Decodes the flatbuffer; collects what is sound but not supported as it goes.

    Attributes:
        violations: (node index, line) of what keeps a node from being in the graph.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self.violations: list[tuple[int, str]] = []
        self._name = name
        self._model = Model.GetRootAs(data)
        # Every element of a vector takes a byte at least, so that a file whose vectors have
        # more elements than it has bytes (they may overlap) was made to waste our time.
        self._elements_left = 4 * len(data)
        self._tensors: dict[int, Tensor | str] = {}
        self._known: set[int] = set()

    def graph(self) -> Graph:
        if self._model.Version() != _SCHEMA_VERSION:
            raise ValueError(f"its schema version is {self._model.Version()}, not 3")
        subgraphs = self._length(self._model.SubgraphsLength())
        if subgraphs > 1:
            raise UnsupportedModelError(
                f"{self._name} has {subgraphs} subgraphs; only models of one are supported",
                "convert it without control flow (IF, WHILE, CALL) and without state",
            )
        if subgraphs == 0:
            raise ValueError("it has no subgraph")
        self._subgraph = self._model.Subgraphs(0)
        inputs = self._inputs()
        count = self._length(self._subgraph.OperatorsLength())
        nodes = [self._node(k, self._subgraph.Operators(k)) for k in range(count)]
        supported = tuple(node for node in nodes if node is not None)
        return Graph(self._name, supported, tuple(inputs), tuple(self._outputs()))

    def _length(self, length: int) -> int:
        """``length`` of a vector, having checked that the file can hold it."""
        self._elements_left -= length
        if self._elements_left < 0:
            raise ValueError(f"a vector of {length} elements is longer than the file")
        return length

    def _inputs(self) -> list[Tensor]:
        inputs = self._ends("input", self._subgraph.InputsLength(), self._subgraph.Inputs)
        if any(t.is_constant for t in inputs):
            raise ValueError("one of its inputs is a constant")
        self._known.update(t.index for t in inputs)
        return inputs

    def _outputs(self) -> list[Tensor]:
        outputs = self._ends("output", self._subgraph.OutputsLength(), self._subgraph.Outputs)
        for tensor in outputs:
            if not tensor.is_constant and tensor.index not in self._known:
                raise ValueError(f"its output {tensor.name!r} is never computed")
        return outputs

    def _ends(self, kind: str, length: int, index: Callable[[int], int]) -> list[Tensor]:
        """The tensors of the model's inputs or outputs that are supported."""
        indices = [index(k) for k in range(self._length(length))]
        if not indices:
            raise ValueError(f"it has no {kind}")
        if len(set(indices)) < len(indices):
            raise ValueError(f"it lists an {kind} twice")
        tensors = [self._tensor(k) for k in indices]
        self.violations += [(-1, f"model {kind}: {t}") for t in tensors if isinstance(t, str)]
        return [t for t in tensors if isinstance(t, Tensor)]

    def _node(self, index: int, table: Any) -> Node | None:
        """Node ``index``; None where it is not supported, which is then a violation."""
        op = self._operator_name(table.OpcodeIndex())
        inputs = [
            None if table.Inputs(k) == -1 else self._read_operand(index, table.Inputs(k))
            for k in range(self._length(table.InputsLength()))
        ]
        outputs = [
            self._written_operand(index, table.Outputs(k))
            for k in range(self._length(table.OutputsLength()))
        ]
        place = _place(index, op, (t for t in outputs if isinstance(t, Tensor)))
        problems = [t for t in (*inputs, *outputs) if isinstance(t, str)]
        if op not in operators():
            remedy = REMEDIES.get(op)
            note = "" if remedy is None else f"; {remedy}"
            problems.append(f"the operator is not supported{note}")
        if not outputs:
            problems.append("it has no output")
        sound_inputs = tuple(None if isinstance(t, str) else t for t in inputs)
        sound_outputs = tuple(t for t in outputs if isinstance(t, Tensor))
        attributes = None
        if not problems:
            try:
                attributes = operators()[op].parse(table.BuiltinOptions(), sound_inputs)
            except (*_DECODING_ERRORS, AttributeError) as error:
                problems.append(f"its options cannot be read: {error}")
        self.violations += [(index, place + problem) for problem in problems]
        return None if problems else Node(index, op, sound_inputs, sound_outputs, attributes)

    def _operator_name(self, opcode_index: int) -> str:
        if opcode_index >= self._model.OperatorCodesLength():
            raise ValueError(f"operator code {opcode_index} does not exist")
        code = self._model.OperatorCodes(opcode_index)
        # As TFLM does: old files have the number in the deprecated field only. The package's own
        # BuiltinCode() looks into one field alone, so that the other is read here.
        current = code._tab.GetSlot(_BUILTIN_CODE_SLOT, 0, Int32Flags)
        builtin = max(current, code.DeprecatedBuiltinCode())
        if builtin not in _OPERATOR_NAMES:
            raise ValueError(f"builtin operator {builtin} is unknown")
        if builtin == BuiltinOperator.CUSTOM:
            return f"custom operator {_text(code.CustomCode())!r}"
        return _OPERATOR_NAMES[builtin]

    def _read_operand(self, node: int, index: int) -> Tensor | str:
        tensor = self._tensor(index)
        if isinstance(tensor, Tensor) and not tensor.is_constant and index not in self._known:
            raise ValueError(f"node {node} reads tensor {tensor.name!r} before it is computed")
        return tensor

    def _written_operand(self, node: int, index: int) -> Tensor | str:
        tensor = self._tensor(index)
        if index in self._known or (isinstance(tensor, Tensor) and tensor.is_constant):
            raise ValueError(f"node {node} writes tensor {index}, which has a value already")
        self._known.add(index)
        return tensor

    def _tensor(self, index: int) -> Tensor | str:
        """Tensor ``index``, or what about it is not supported."""
        if index not in self._tensors:
            if not 0 <= index < self._subgraph.TensorsLength():
                raise ValueError(f"tensor {index} does not exist")
            self._tensors[index] = self._decode_tensor(index, self._subgraph.Tensors(index))
        return self._tensors[index]

    def _decode_tensor(self, index: int, table: Any) -> Tensor | str:
        name = _text(table.Name()) or f"tensor_{index}"
        if table.Type() not in _TYPE_NAMES:
            raise ValueError(f"tensor {name!r} has unknown type {table.Type()}")
        dtype = _DTYPES.get(table.Type())
        if dtype is None:
            return f"tensor {name!r} is {_TYPE_NAMES[table.Type()]}, which is not supported"
        if table.IsVariable():
            return f"tensor {name!r} is a variable: models that keep state are not supported"
        if table.Sparsity() is not None:
            return f"tensor {name!r} is sparse; convert the model without sparse encoding"
        shape = self._shape(name, table)
        if any(n < 0 for n in self._signature(table)[1:]):
            return f"tensor {name!r} has a dynamic shape; only the batch may be dynamic"
        tensor = Tensor(index, name, shape, dtype, self._quantization(name, table, shape))
        if tensor.nbytes > _MAX_TENSOR_BYTES:
            raise ValueError(f"tensor {name!r} of shape {shape} is larger than 2 GiB")
        data = self._constant(tensor, table.Buffer())
        return Tensor(index, name, shape, dtype, tensor.quantization, data)

    def _shape(self, name: str, table: Any) -> tuple[int, ...]:
        rank = self._length(table.ShapeLength())
        if rank > _MAX_RANK:
            raise ValueError(f"tensor {name!r} has {rank} axes")
        shape = tuple(int(table.Shape(k)) for k in range(rank))
        if any(n < 0 for n in shape):
            raise ValueError(f"tensor {name!r} has shape {shape}")
        return shape

    def _signature(self, table: Any) -> list[int]:
        """The shape with −1 for axes that are only known at run time; empty where all are."""
        rank = self._length(table.ShapeSignatureLength())
        return [int(table.ShapeSignature(k)) for k in range(min(rank, _MAX_RANK))]

    def _quantization(self, name: str, table: Any, shape: tuple[int, ...]) -> Quantization | None:
        q = table.Quantization()
        if q is None or self._length(q.ScaleLength()) == 0:
            return None
        # float() of a float32 is exact.
        scales = tuple(float(scale) for scale in q.ScaleAsNumpy())
        zeros: tuple[int, ...] = (0,)
        if self._length(q.ZeroPointLength()) > 0:
            zeros = tuple(int(zero) for zero in q.ZeroPointAsNumpy())
        if len(zeros) == 1:
            zeros *= len(scales)
        # Some converters copy the filter's axis to the bias, which has only one.
        axis = q.QuantizedDimension() if len(shape) > 1 else 0
        if len(zeros) != len(scales):
            raise ValueError(f"tensor {name!r}: {len(scales)} scales, {len(zeros)} zero points")
        if len(scales) > 1 and not (0 <= axis < len(shape) and shape[axis] == len(scales)):
            raise ValueError(
                f"tensor {name!r} of shape {shape} has {len(scales)} scales on axis {axis}"
            )
        return Quantization(scales, zeros, axis)

    def _constant(self, tensor: Tensor, buffer_index: int) -> npt.NDArray[Any] | None:
        """The values of a constant, read-only, in the file's memory; None for an activation."""
        if buffer_index >= self._model.BuffersLength():
            raise ValueError(f"tensor {tensor.name!r}: buffer {buffer_index} does not exist")
        buffer = self._model.Buffers(buffer_index)
        if buffer.Offset() > 1:
            raise ValueError(f"tensor {tensor.name!r} has its values outside of the flatbuffer")
        if buffer.DataLength() == 0:
            # An operand without axes, such as the shape of a scalar, has no bytes either.
            return np.empty(0, tensor.dtype.numpy) if tensor.shape == (0,) else None
        raw = buffer.DataAsNumpy()
        if len(raw) != tensor.nbytes:
            raise ValueError(
                f"constant {tensor.name!r} of shape {tensor.shape} and type {tensor.dtype.value} "
                f"takes {tensor.nbytes} bytes, its buffer has {len(raw)}"
            )
        values: npt.NDArray[Any] = raw.view(tensor.dtype.numpy.newbyteorder("<"))
        return values.reshape(tensor.shape)


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode(errors="replace")
