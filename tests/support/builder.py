"""Builds .tflite files for tests, without TensorFlow: an operator is one line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

_OPTIONS_OF_SEVERAL = {
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
    "SUM": "ReducerOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions",
}
_OPTIONS = {
    name.lower(): name for name, value in vars(schema.BuiltinOptions).items() if value in range(256)
}


class ModelBuilder:
    """A model of one subgraph, put together from the first tensor to the last.

    Tensors are named by the number that the adding method returns.
    """

    def __init__(self, name: str) -> None:
        self._graph = schema.SubGraphT(tensors=[], inputs=[], outputs=[], operators=[], name=name)
        # Buffer 0 is the schema's "no data".
        self._buffers = [schema.BufferT()]
        self._codes: list[int] = []

    @property
    def input_indices(self) -> list[int]:
        """The model's inputs."""
        return list(self._graph.inputs)

    def input(
        self,
        shape: Sequence[int],
        scale: float | None = None,
        zero_point: int = 0,
        dtype: str = "int8",
    ) -> int:
        """Adds an activation that is an input of the model."""
        index = self.tensor(shape, scale, zero_point, dtype)
        self._graph.inputs.append(index)
        return index

    def tensor(
        self,
        shape: Sequence[int],
        scale: float | None = None,
        zero_point: int = 0,
        dtype: str = "int8",
    ) -> int:
        """Adds an activation; unquantized where ``scale`` is None."""
        scales = None if scale is None else [scale]
        return self._add(shape, dtype, 0, scales, [zero_point], 0)

    def constant(
        self,
        array: npt.ArrayLike,
        scales: Sequence[float] | None = None,
        zero_points: Sequence[int] | None = None,
        axis: int = 0,
    ) -> int:
        """Adds a constant; unquantized where ``scales`` is None, zero points 0 where not given."""
        values = np.asarray(array)
        buffer = schema.BufferT(data=np.frombuffer(values.tobytes(), np.uint8))
        self._buffers.append(buffer)
        if zero_points is None:
            zero_points = [0] * len(scales or ())
        index = len(self._buffers) - 1
        return self._add(values.shape, values.dtype.name, index, scales, zero_points, axis)

    def op(self, name: str, inputs: Sequence[int], outputs: Sequence[int], **options: Any) -> None:
        """Adds the builtin ``name``.

        Args:
            inputs: tensors, -1 for an optional one that is absent.
            options: fields of the builtin's options table, named as in the schema's object API
                (``strideH=2``). A builtin without such a table takes none.
        """
        code = getattr(schema.BuiltinOperator, name)
        if code not in self._codes:
            self._codes.append(code)
        operator = schema.OperatorT(
            opcodeIndex=self._codes.index(code), inputs=list(inputs), outputs=list(outputs)
        )
        table = _OPTIONS_OF_SEVERAL.get(name, name.replace("_", "").lower() + "options")
        table = _OPTIONS.get(table.lower())
        if table is not None:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            operator.builtinOptions = _set_fields(getattr(schema, f"{table}T")(), options)
        elif options:
            raise ValueError(f"{name} has no options")
        self._graph.operators.append(operator)

    def build(self, outputs: Sequence[int]) -> bytes:
        """The file's bytes; ``outputs`` are the model's."""
        self._graph.outputs = list(outputs)
        model = schema.ModelT(
            version=3,
            operatorCodes=[
                schema.OperatorCodeT(deprecatedBuiltinCode=min(code, 127), builtinCode=code)
                for code in self._codes
            ],
            subgraphs=[self._graph],
            buffers=self._buffers,
        )
        builder = flatbuffers.Builder()
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _add(
        self,
        shape: Sequence[int],
        dtype: str,
        buffer: int,
        scales: Sequence[float] | None,
        zero_points: Sequence[int] | None,
        axis: int,
    ) -> int:
        index = len(self._graph.tensors)
        quantization = None
        if scales is not None:
            quantization = schema.QuantizationParametersT(
                scale=list(scales), zeroPoint=list(zero_points or ()), quantizedDimension=axis
            )
        tensor = schema.TensorT(
            shape=[int(n) for n in shape],
            type=getattr(schema.TensorType, dtype.upper()),
            buffer=buffer,
            name=f"t{index}",
            quantization=quantization,
        )
        self._graph.tensors.append(tensor)
        return index


def _set_fields(table: Any, fields: dict[str, Any]) -> Any:
    for name, value in fields.items():
        if not hasattr(table, name):
            raise ValueError(f"{type(table).__name__} has no field {name}: {sorted(vars(table))}")
        setattr(table, name, value)
    return table
