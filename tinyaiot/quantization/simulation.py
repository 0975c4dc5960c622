"""The int8 network in floating point, rounded where int8 rounds: to ask what would be if.

Weights and biases are the int8 file's, as real values. After each operator stands a pair QUANTIZE,
DEQUANTIZE, which rounds and cuts off what it wrote as the int8 tensor does; leaving a pair out, or
giving it other levels, shows what that tensor's levels cost. What is not simulated is the rounding
within operators, which is far finer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from tflite.ActivationFunctionType import ActivationFunctionType
from tflite.BuiltinOperator import BuiltinOperator
from tflite.TensorType import TensorType

from tinyaiot.quantization.flatbuffer import LINEAR, Flatbuffer, along_axis, scales_of
from tinyaiot.quantization.runtime import lite_interpreter, silence

Floats = npt.NDArray[np.float32]

_ACTIVATIONS = {
    ActivationFunctionType.RELU: BuiltinOperator.RELU,
    ActivationFunctionType.RELU6: BuiltinOperator.RELU6,
    ActivationFunctionType.RELU_N1_TO_1: BuiltinOperator.RELU_N1_TO_1,
}
# The first versions that take int16.
_QUANTIZE_VERSION, _DEQUANTIZE_VERSION = 2, 3


@dataclass(frozen=True)
class Levels:
    """What a tensor's values are rounded to.

    Attributes:
        scale: the distance of two levels.
        zero_point: the level that stands for 0.
        int16: whether there are 65,536 levels, not 256.
    """

    scale: float
    zero_point: int
    int16: bool = False


@dataclass(frozen=True)
class Changes:
    """What is to be other than in the int8 model.

    Attributes:
        levels: of tensors, by index; None for all real values.
        constants: weights and biases as real values, by operator and operand.
    """

    levels: Mapping[int, Levels | None] = field(default_factory=lambda: MappingProxyType({}))
    constants: Mapping[tuple[int, int], Floats] = field(
        default_factory=lambda: MappingProxyType({})
    )


AS_IS = Changes()


class Simulation:
    """The simulated network; TensorFlow Lite runs it.

    Attributes:
        sums: what each convolution or dense layer has before its activation function, by the index
            of the operator in the int8 file; the index of a tensor of the simulation.
    """

    def __init__(
        self,
        data: bytes,
        changes: Changes = AS_IS,
        *,
        output: int | None = None,
        keep_tensors: bool = False,
    ) -> None:
        """Takes an int8 .tflite of one input.

        Args:
            output: the tensor that :meth:`run` is to return; the model's first output if None.
            keep_tensors: whether :meth:`sum_of` is wanted.
        """
        simulated, self.sums = _simulated(data, changes, output)
        interpreter = lite_interpreter()
        with silence():
            self._interpreter = interpreter(
                model_content=simulated, experimental_preserve_all_tensors=keep_tensors
            )
            self._interpreter.allocate_tensors()
        [self._input] = self._interpreter.get_input_details()
        self._output, *_ = self._interpreter.get_output_details()

    def run(self, sample: npt.NDArray[Any]) -> Floats:
        """The output of one inference.

        Args:
            sample: real values, with or without the batch axis.
        """
        shaped = sample.astype(np.float32).reshape(self._input["shape"])
        self._interpreter.set_tensor(self._input["index"], shaped)
        self._interpreter.invoke()
        values: Floats = self._interpreter.get_tensor(self._output["index"])
        return values

    def sum_of(self, operator: int) -> Floats:
        """What a layer of ``sums`` had before its activation function in the last inference."""
        values: Floats = self._interpreter.get_tensor(self.sums[operator])
        return values


def with_sums(data: bytes) -> tuple[bytes, dict[int, int]]:
    """A float .tflite with fused activation functions apart from their layers.

    Returns:
        the model, and for the output of each such layer the tensor before the function, by index.
    """
    model = Flatbuffer(data)
    found = {}
    for operator in list(model.graph.operators):
        if model.op(operator) in LINEAR:
            output = int(operator.outputs[0])
            found[output] = _unfuse(model, operator)
    return model.pack(), found


def _unfuse(model: Flatbuffer, operator: Any) -> int:
    """Takes the activation function out of a layer; returns the tensor before it."""
    output = int(operator.outputs[0])
    function = _ACTIVATIONS.get(operator.builtinOptions.fusedActivationFunction)
    if function is None:
        return output
    operator.builtinOptions.fusedActivationFunction = ActivationFunctionType.NONE
    before = model.add_tensor(output, "sums/")
    operator.outputs = np.array([before], np.int32)
    where = next(k for k, other in enumerate(model.graph.operators) if other is operator)
    model.graph.operators.insert(where + 1, model.make_operator(function, before, output))
    return before


def _simulated(data: bytes, changes: Changes, output: int | None) -> tuple[bytes, dict[int, int]]:
    model = Flatbuffer(data)
    model.forget_signatures()
    levels = {**_levels(model), **changes.levels}
    for (k, operand), values in changes.constants.items():
        model.set_values(model.own_constant(model.graph.operators[k], operand), values)
    originals = list(model.graph.operators)
    _make_float(model)
    rounded: dict[int, int] = {}
    sums = {}
    made = []
    for index in model.graph.inputs:
        made += _round(model, int(index), levels, rounded)
    for k, operator in enumerate(originals):
        operator.inputs = np.array([rounded.get(int(t), int(t)) for t in operator.inputs], np.int32)
        if model.op(operator) in (BuiltinOperator.QUANTIZE, BuiltinOperator.DEQUANTIZE):
            # The values pass; whatever rounds them here follows.
            [source], [target] = operator.inputs, operator.outputs
            rounded[int(target)] = int(source)
            made += _round(model, int(target), levels, rounded)
            continue
        outputs = operator.outputs
        model.graph.operators = [operator]
        if model.op(operator) in LINEAR:
            sums[k] = _unfuse(model, operator)
        made += model.graph.operators
        for index in outputs:
            made += _round(model, int(index), levels, rounded)
    model.graph.operators = made
    shown = int(model.graph.outputs[0]) if output is None else output
    model.graph.outputs = np.array([rounded.get(shown, shown)], np.int32)
    return model.pack(), sums


def _levels(model: Flatbuffer) -> dict[int, Levels | None]:
    """What the int8 model rounds each of its activations to."""
    found: dict[int, Levels | None] = {}
    for index, tensor in enumerate(model.graph.tensors):
        scales = scales_of(tensor)
        if scales is not None and len(scales) == 1 and tensor.type == TensorType.INT8:
            found[index] = Levels(float(scales[0]), int(tensor.quantization.zeroPoint[0]))
    return found


def _make_float(model: Flatbuffer) -> None:
    """Makes all that is quantized real."""
    for index, tensor in enumerate(model.graph.tensors):
        scales = scales_of(tensor)
        if scales is None:
            continue
        values = model.values(index)
        if values is not None and values.dtype != np.float32:
            zero_points = along_axis(np.asarray(tensor.quantization.zeroPoint), tensor)
            real = (values.astype(np.float64) - zero_points) * along_axis(scales, tensor)
            model.set_values(index, real.astype(np.float32))
        tensor.type, tensor.quantization = TensorType.FLOAT32, None


def _round(
    model: Flatbuffer,
    index: int,
    levels: Mapping[int, Levels | None],
    rounded: dict[int, int],
) -> list[Any]:
    """The pair of operators that rounds a tensor; notes what they write in ``rounded``."""
    chosen = levels.get(index)
    if chosen is None:
        return []
    narrow_type = TensorType.INT16 if chosen.int16 else TensorType.INT8
    narrow = model.add_tensor(index, "levels/", narrow_type)
    wide = model.add_tensor(index, "rounded/")
    model.graph.tensors[narrow].quantization = model.quantization(chosen.scale, chosen.zero_point)
    source = rounded.get(index, index)
    rounded[index] = wide
    return [
        model.make_operator(BuiltinOperator.QUANTIZE, source, narrow, _QUANTIZE_VERSION),
        model.make_operator(BuiltinOperator.DEQUANTIZE, narrow, wide, _DEQUANTIZE_VERSION),
    ]
