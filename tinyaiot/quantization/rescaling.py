"""An int8 .tflite with other ranges of activations, or other biases, by the format's rules.

Only scales, zero points and biases change; weights and all else stay as the converter wrote them.
The rules are those of "TensorFlow Lite 8-bit quantization specification": biases are int32 with
the scale of the input times that of the weights; some operators only move values or choose among
them, so that what they read and write shares one scale; some always write the same scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from tflite.BuiltinOperator import BuiltinOperator
from tflite.TensorType import TensorType

from tinyaiot.errors import UnsupportedModelError
from tinyaiot.quantization.flatbuffer import LINEAR, Flatbuffer, scales_of
from tinyaiot.quantization.ranges import Range

# What these read and write has one scale and zero point.
TIED = frozenset(
    {
        BuiltinOperator.AVERAGE_POOL_2D,
        BuiltinOperator.BATCH_TO_SPACE_ND,
        BuiltinOperator.CONCATENATION,
        BuiltinOperator.DEPTH_TO_SPACE,
        BuiltinOperator.EXPAND_DIMS,
        BuiltinOperator.GATHER,
        BuiltinOperator.GATHER_ND,
        BuiltinOperator.MAXIMUM,
        BuiltinOperator.MAX_POOL_2D,
        BuiltinOperator.MINIMUM,
        BuiltinOperator.MIRROR_PAD,
        BuiltinOperator.PACK,
        BuiltinOperator.PAD,
        BuiltinOperator.PADV2,
        BuiltinOperator.RESHAPE,
        BuiltinOperator.RESIZE_BILINEAR,
        BuiltinOperator.RESIZE_NEAREST_NEIGHBOR,
        BuiltinOperator.REVERSE_V2,
        BuiltinOperator.SLICE,
        BuiltinOperator.SPACE_TO_BATCH_ND,
        BuiltinOperator.SPACE_TO_DEPTH,
        BuiltinOperator.SPLIT,
        BuiltinOperator.SPLIT_V,
        BuiltinOperator.SQUEEZE,
        BuiltinOperator.STRIDED_SLICE,
        BuiltinOperator.TILE,
        BuiltinOperator.TRANSPOSE,
        BuiltinOperator.UNPACK,
    }
)
# What these write has a scale and zero point that the specification gives.
_FIXED = frozenset(
    {
        BuiltinOperator.L2_NORMALIZATION,
        BuiltinOperator.LOGISTIC,
        BuiltinOperator.LOG_SOFTMAX,
        BuiltinOperator.SOFTMAX,
        BuiltinOperator.TANH,
    }
)
_INT32 = np.iinfo(np.int32)

Doubles = npt.NDArray[np.float64]


def with_ranges(data: bytes, ranges: Mapping[int, Range]) -> bytes:
    """The model with other scales and zero points, its biases fitted to them.

    Args:
        data: an int8 .tflite.
        ranges: by the index of the tensor. Tensors that share a scale get what holds the ranges
            of all; those whose scale cannot be chosen keep theirs.

    Raises:
        UnsupportedModelError: a bias would exceed int32.
    """
    model = Flatbuffer(data)
    before = _scales(model)
    for group in groups(model):
        known = [ranges[index] for index in group if index in ranges]
        if known and is_free(model, group):
            widest = known[0]
            for other in known[1:]:
                widest |= other
            for index in group:
                chosen = model.quantization(widest.scale, widest.zero_point)
                model.graph.tensors[index].quantization = chosen
    after = _scales(model)
    for operator in model.graph.operators:
        if (bias := _bias(model, operator)) is not None:
            source = operator.inputs[0]
            _set_bias(model, operator, bias * (before[source] / after[source]), after)
    return model.pack()


def with_biases(data: bytes, added: Mapping[int, Doubles]) -> bytes:
    """The model with something added to biases; layers without a bias stay as they are.

    Args:
        data: an int8 .tflite.
        added: real values [channels], by the index of the operator.

    Raises:
        UnsupportedModelError: a bias would exceed int32.
    """
    model = Flatbuffer(data)
    scales = _scales(model)
    for index, values in added.items():
        operator = model.graph.operators[index]
        if (bias := _bias(model, operator)) is not None:
            weights = scales_of(model.graph.tensors[operator.inputs[1]])
            unit = scales[operator.inputs[0]] * np.asarray(weights, np.float64)
            _set_bias(model, operator, bias + values / unit, scales)
    return model.pack()


def groups(model: Flatbuffer) -> list[frozenset[int]]:
    """Sets of int8 tensors that share scale and zero point, each tensor in one."""
    group_of = {
        k: frozenset({k})
        for k, tensor in enumerate(model.graph.tensors)
        if tensor.type == TensorType.INT8 and scales_of(tensor) is not None
    }
    for operator in model.graph.operators:
        if model.op(operator) in TIED:
            tied = [int(k) for k in (*operator.inputs, *operator.outputs) if int(k) in group_of]
            joined = frozenset[int]().union(*(group_of[k] for k in tied))
            group_of.update(dict.fromkeys(joined, joined))
    return list(dict.fromkeys(group_of.values()))


def is_free(model: Flatbuffer, group: frozenset[int]) -> bool:
    """Whether the scale of a group of tensors can be chosen."""
    fixed = {
        int(index)
        for operator in model.graph.operators
        if model.op(operator) in _FIXED
        for index in operator.outputs
    }
    constant = any(model.values(index) is not None for index in group)
    return not constant and not group & fixed


def _scales(model: Flatbuffer) -> dict[int, float]:
    """The scale of every tensor that has one for all its values."""
    found = ((k, scales_of(tensor)) for k, tensor in enumerate(model.graph.tensors))
    return {k: float(s[0]) for k, s in found if s is not None and len(s) == 1}


def _bias(model: Flatbuffer, operator: Any) -> Doubles | None:
    """The constant int32 bias of a convolution or dense layer, in its own units."""
    if model.op(operator) not in LINEAR or len(operator.inputs) < 3 or operator.inputs[2] < 0:
        return None
    values = model.values(operator.inputs[2])
    if values is None or values.dtype != np.int32:
        return None
    return values.astype(np.float64)


def _set_bias(model: Flatbuffer, operator: Any, bias: Doubles, scales: Mapping[int, float]) -> None:
    rounded = np.rint(bias)
    if rounded.max() > _INT32.max or rounded.min() < _INT32.min:
        name = model.graph.tensors[operator.outputs[0]].name.decode(errors="replace")
        raise UnsupportedModelError(
            f"the bias of {name} exceeds int32 with that range of its input",
            "take --method minmax, or a higher percentile",
        )
    # Equal biases may have been one tensor.
    index = model.own_constant(operator, 2)
    model.set_values(index, rounded.astype(np.int32))
    weights = scales_of(model.graph.tensors[operator.inputs[1]])
    product = np.float32(scales[operator.inputs[0]]) * np.asarray(weights, np.float32)
    model.graph.tensors[index].quantization.scale = product
