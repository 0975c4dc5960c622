"""ONNX models, built again in Keras with their channels last.

Of the converters that there are, one pins every library to one version and fetches data while it
converts, others are not kept, and what comes by way of PyTorch keeps transpositions. The package
``onnx`` itself reads, checks and infers; what nodes mean is in
:mod:`~tinyaiot.quantization.originals.onnx_operators`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinyaiot.errors import UnreadableModelError, UnsupportedModelError
from tinyaiot.quantization.originals.channels_last import Array, Value, channels_last, natural
from tinyaiot.quantization.originals.keras import KerasOriginal
from tinyaiot.quantization.originals.onnx_operators import OPERATORS, Node, Operand, Refused
from tinyaiot.quantization.runtime import first_line, require, require_tensorflow, silence

SUFFIXES = (".onnx",)

_HINT = "change the layers named; docs/converting.md lists what can be converted"

# Operators whose input has its channels on axis 1; what leads to them has too.
_OF_IMAGES = frozenset(
    {
        "AveragePool",
        "BatchNormalization",
        "Conv",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "InstanceNormalization",
        "MaxPool",
        "Resize",
        "Upsample",
    }
)
# Operators that keep the axes of their first input.
_KEEP_AXES = frozenset(
    {"Add", "Clip", "Div", "Identity", "LeakyRelu", "Mul", "Pad", "Relu", "Sub", "Dropout"}
)


def load(path: Path) -> KerasOriginal:
    """The network in an ``.onnx`` file.

    Raises:
        UsageError: ``onnx`` or TensorFlow is not installed.
        UnreadableModelError: the file is no sound ONNX model.
        UnsupportedModelError: it has nodes that cannot be converted; ``details`` lists them.
    """
    onnx = require("onnx", "an ONNX model", "onnx")
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf's, the checker's, and those of absent tensor files
        raise UnreadableModelError(
            f"{path} is not a sound ONNX model: {first_line(error)}",
            "export it again, and keep the files of its weights beside it",
        ) from error
    return translate(model, path.name)


def translate(model: Any, name: str, kind: str = "an ONNX model") -> KerasOriginal:
    """The network of an ``onnx.ModelProto``.

    Args:
        name: what errors call it.
        kind: what it is, for people.

    Raises:
        UsageError, UnsupportedModelError: as :func:`load`.
    """
    keras = require_tensorflow().keras
    reader = _Reader(model, name)
    [source] = reader.inputs
    image = _is_image(model.graph, source.name)
    shape = _input_shape(source, name)
    order = channels_last(len(shape)) if image else natural(len(shape))
    stored = [shape[axis] for axis in order]
    with silence():
        tensor = keras.Input(tuple(stored[1:]), name=_identifier(source.name))
        outputs = reader.run(Value(tensor, order))
        network = keras.Model(tensor, outputs)
    return KerasOriginal(network, kind, shape[1:])


class _Reader:
    """Walks a graph from its constants and its input to its outputs."""

    def __init__(self, model: Any, name: str) -> None:
        import onnx

        self._onnx = onnx
        self._graph = model.graph
        self._name = name
        self._opset = max([o.version for o in model.opset_import if o.domain in ("", "ai.onnx")])
        self._values: dict[str, Operand] = {
            constant.name: onnx.numpy_helper.to_array(constant)
            for constant in model.graph.initializer
        }
        self.inputs = [i for i in model.graph.input if i.name not in self._values]
        if len(self.inputs) != 1:
            raise UnsupportedModelError(
                f"{name} has {len(self.inputs)} inputs", "give a model of one input"
            )

    def run(self, tensor: Value) -> list[Any]:
        """The outputs, as Keras' tensors, that the input ``tensor`` leads to."""
        self._values[self.inputs[0].name] = tensor
        refused = []
        for proto in self._graph.node:
            inputs = [self._values.get(name) if name else None for name in proto.input]
            if any(name and name not in self._values for name in proto.input):
                continue  # What it reads was refused.
            try:
                outputs = self._outputs(proto, inputs)
            except Refused as refusal:
                refused.append(f"node {proto.name or proto.output[0]!r} {proto.op_type}: {refusal}")
                continue
            self._values.update(zip(proto.output, outputs, strict=False))
        if refused:
            nodes = "1 node" if len(refused) == 1 else f"{len(refused)} nodes"
            raise UnsupportedModelError(
                f"{self._name} has {nodes} that cannot be converted", _HINT, tuple(refused)
            )
        image = tensor.order != natural(len(tensor.order))
        return [self._output(output.name, image) for output in self._graph.output]

    def _output(self, name: str, image: bool) -> Any:
        value = self._values.get(name)
        if not isinstance(value, Value):
            raise UnsupportedModelError(f"{self._name}: its output {name} is a constant", _HINT)
        # What came of an image stays as it lies; all else is as the network has it.
        return (value if image and len(value.order) > 2 else value.natural()).tensor

    def _outputs(self, proto: Any, inputs: list[Operand]) -> list[Operand]:
        if not any(isinstance(value, Value) for value in inputs):
            return self._folded(proto, inputs)
        first = inputs[0]
        if proto.op_type == "Shape" and isinstance(first, Value):
            return [np.asarray(first.shape, np.int64)]
        translate_node = OPERATORS.get(proto.op_type)
        if translate_node is None or proto.domain not in ("", "ai.onnx"):
            raise Refused("the operator is not known")
        attributes = {a.name: self._attribute(a) for a in proto.attribute}
        node = Node(
            op=proto.op_type,
            name=proto.name or proto.output[0],
            opset=self._opset,
            inputs=tuple(inputs),
            attributes=attributes,
            outputs=len(proto.output),
        )
        try:
            outputs = translate_node(node)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise Refused(f"it is malformed, or of no known form ({first_line(error)})") from error
        return outputs if isinstance(outputs, list) else [outputs]

    def _folded(self, proto: Any, inputs: list[Operand]) -> list[Operand]:
        """The outputs of a node of constants, as the reference implementation of ONNX has them."""
        from onnx.reference import ReferenceEvaluator

        helper = self._onnx.helper
        given = {k: v for k, v in zip(proto.input, inputs, strict=True) if v is not None}
        infos = [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(np.asarray(value).dtype), None
            )
            for name, value in given.items()
        ]
        results = [helper.make_empty_tensor_value_info(name) for name in proto.output if name]
        graph = helper.make_graph([proto], "constants", infos, results)
        opset = helper.make_opsetid("", self._opset)
        try:
            evaluator = ReferenceEvaluator(helper.make_model(graph, opset_imports=[opset]))
            outputs: list[Array] = evaluator.run(None, given)
        except Exception as error:  # As its many operators raise.
            raise Refused(f"it cannot be computed ({first_line(error)})") from error
        return list(outputs)

    def _attribute(self, attribute: Any) -> Any:
        value = self._onnx.helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            return value.decode(errors="replace")
        if isinstance(value, self._onnx.TensorProto):
            return self._onnx.numpy_helper.to_array(value)
        return value


def _is_image(graph: Any, name: str) -> bool:
    """Whether an input has its channels on axis 1: whether it reaches an operator of images."""
    readers: Mapping[str, list[Any]] = {}
    for node in graph.node:
        for read in node.input[:1] if node.op_type in _OF_IMAGES else node.input:
            readers.setdefault(read, []).append(node)  # type: ignore[attr-defined]
    waiting = [name]
    while waiting:
        for node in readers.get(waiting.pop(), ()):
            if node.op_type in _OF_IMAGES:
                return True
            if node.op_type in _KEEP_AXES:
                waiting += node.output
    return False


def _input_shape(source: Any, name: str) -> tuple[int, ...]:
    """The shape of an input for a batch of 1."""
    tensor = source.type.tensor_type
    dims = [d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim]
    if tensor.elem_type != 1:
        raise UnsupportedModelError(
            f"{name}: its input {source.name} is not of 32-bit floats", "export it in float32"
        )
    if len(dims) < 2 or any(not length for length in dims[1:]):
        shown = "x".join("?" if length is None else str(length) for length in dims)
        raise UnsupportedModelError(
            f"{name}: its input {source.name} has shape {shown or 'of no axes'}",
            "export it with a fixed size for every axis but the batch",
        )
    if dims[0] not in (None, 0, 1):
        raise UnsupportedModelError(
            f"{name}: its batch is fixed to {dims[0]}", "export it with a batch of 1, or a free one"
        )
    return (1, *(int(length) for length in dims[1:] if length))


def _identifier(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]", "_", name).strip("_") or "input"
