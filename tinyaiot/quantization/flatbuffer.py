"""A .tflite taken apart, changed, and put together again.

The classes are those that the schema's compiler makes; the package of TensorFlow Lite Micro carries
them. Attributes have the schema's names in camel case.
"""

from __future__ import annotations

import copy
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from tflite.BuiltinOperator import BuiltinOperator
from tflite.TensorType import TensorType

_NUMPY = {
    TensorType.FLOAT32: np.float32,
    TensorType.INT8: np.int8,
    TensorType.UINT8: np.uint8,
    TensorType.INT16: np.int16,
    TensorType.INT32: np.int32,
}


class Flatbuffer:
    """The first subgraph of a .tflite file, to be changed in place.

    Attributes:
        graph: the schema's ``SubGraphT``; tensors and operators are lists.
    """

    def __init__(self, data: bytes) -> None:
        """Takes a file that ``tinyaiot.frontends.tflite`` has read without complaint."""
        # Imported here: a quarter of a second, which most commands can spare.
        from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

        self._schema = schema
        self._model = schema.ModelT.InitFromPackedBuf(data, 0)
        self.graph = self._model.subgraphs[0]

    def pack(self) -> bytes:
        """The file's bytes."""
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def forget_signatures(self) -> None:
        """Drops the names of inputs and outputs, which hold where those do."""
        self._model.signatureDefs = None

    def op(self, operator: Any) -> int:
        """Which builtin an operator is."""
        code: int = self._model.operatorCodes[operator.opcodeIndex].builtinCode
        return code

    def values(self, index: int) -> npt.NDArray[Any] | None:
        """A constant's values, shaped; None for what is computed."""
        tensor = self.graph.tensors[index]
        data = self._model.buffers[tensor.buffer].data
        if data is None or not len(data) or tensor.type not in _NUMPY:
            return None
        raw = np.asarray(data, np.uint8).tobytes()
        shape = () if tensor.shape is None else tuple(tensor.shape)
        return np.frombuffer(raw, _NUMPY[tensor.type]).reshape(shape)

    def set_values(self, index: int, values: npt.NDArray[Any]) -> None:
        """Gives a constant other values, and their type; what else had its buffer keeps that."""
        tensor = self.graph.tensors[index]
        tensor.type = next(code for code, dtype in _NUMPY.items() if dtype == values.dtype)
        if sum(other.buffer == tensor.buffer for other in self.graph.tensors) > 1:
            tensor.buffer = self._new_buffer()
        self._model.buffers[tensor.buffer].data = np.frombuffer(values.tobytes(), np.uint8)

    def add_tensor(self, like: int, prefix: str, tensor_type: int = TensorType.FLOAT32) -> int:
        """A new computed tensor, shaped as another; returns its index."""
        tensor = copy.copy(self.graph.tensors[like])
        tensor.name = prefix.encode() + tensor.name
        tensor.type, tensor.buffer, tensor.quantization = tensor_type, self._new_buffer(), None
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def own_constant(self, operator: Any, k: int) -> int:
        """The operator's k-th operand, copied where others read it too; returns its index."""
        index = int(operator.inputs[k])
        if sum(index in other.inputs for other in self.graph.operators) > 1:
            self.graph.tensors.append(copy.deepcopy(self.graph.tensors[index]))
            operator.inputs = np.array(operator.inputs, np.int32)
            operator.inputs[k] = index = len(self.graph.tensors) - 1
        return index

    def quantization(self, scale: float, zero_point: int) -> Any:
        """Per-tensor quantization, as the schema has it."""
        made = self._schema.QuantizationParametersT()
        made.scale = np.array([scale], np.float32)
        made.zeroPoint = np.array([zero_point], np.int64)
        return made

    def make_operator(self, builtin: int, source: int, target: int, version: int = 1) -> Any:
        """An operator without options, from one tensor to another; it is in no list yet."""
        operator = self._schema.OperatorT()
        operator.opcodeIndex = self._opcode(builtin, version)
        operator.inputs = np.array([source], np.int32)
        operator.outputs = np.array([target], np.int32)
        return operator

    def _new_buffer(self) -> int:
        self._model.buffers.append(self._schema.BufferT())
        return len(self._model.buffers) - 1

    def _opcode(self, builtin: int, version: int) -> int:
        for k, code in enumerate(self._model.operatorCodes):
            if code.builtinCode == builtin and code.version == version:
                return k
        made = self._schema.OperatorCodeT()
        # Old readers take the narrow field, which is 127 where the code does not fit.
        made.builtinCode, made.deprecatedBuiltinCode = builtin, min(builtin, 127)
        made.version = version
        self._model.operatorCodes.append(made)
        return len(self._model.operatorCodes) - 1


def scales_of(tensor: Any) -> npt.NDArray[np.float32] | None:
    """The scales of a tensor, one or one for each channel; None where it is not quantized."""
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or not len(quantization.scale):
        return None
    return np.asarray(quantization.scale, np.float32)


def along_axis(values: npt.NDArray[Any], tensor: Any) -> npt.NDArray[Any]:
    """One value for each channel, shaped to be combined with the tensor's own values."""
    if len(values) == 1:
        return values
    shape = [1] * len(tensor.shape)
    shape[tensor.quantization.quantizedDimension] = len(values)
    return values.reshape(shape)


LINEAR = frozenset(
    {
        BuiltinOperator.CONV_2D,
        BuiltinOperator.DEPTHWISE_CONV_2D,
        BuiltinOperator.FULLY_CONNECTED,
    }
)
