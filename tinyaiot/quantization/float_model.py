"""The float network beside the int8 one: TensorFlow Lite on it, its tensors by the int8 graph's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyaiot.errors import UnreadableModelError, UsageError
from tinyaiot.frontends import tflite
from tinyaiot.graph import Graph
from tinyaiot.operators.base import AnyArray
from tinyaiot.quantization.matching import match
from tinyaiot.quantization.runtime import lite_interpreter, silence
from tinyaiot.summary import format_shape

Floats = npt.NDArray[np.float32]


class FloatModel:
    """TensorFlow Lite on a float model of one input, with every tensor kept.

    Attributes:
        matches: the index of the float tensor that stands for an int8 one, by the index of that.
    """

    def __init__(self, data: bytes, graph: Graph) -> None:
        """Takes the float .tflite ``data`` of which ``graph`` is the int8 form.

        Raises:
            UnreadableModelError: TensorFlow Lite cannot run it.
            UsageError: its input is not the int8 model's.
        """
        interpreter = lite_interpreter()
        try:
            with silence():
                self._interpreter = interpreter(
                    model_content=data, experimental_preserve_all_tensors=True
                )
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise UnreadableModelError(
                "TensorFlow Lite cannot run the float model", "give a float .tflite file"
            ) from error
        [self._input] = self._interpreter.get_input_details()
        shape = graph.inputs[0].shape
        if self._input["dtype"] is not np.float32 or math.prod(self._input["shape"]) != math.prod(
            shape
        ):
            raise UsageError(
                f"the float model takes {np.dtype(self._input['dtype'])} of "
                f"{format_shape(tuple(self._input['shape']))}, the int8 one {format_shape(shape)}",
                "give the float model that the int8 one was made of",
            )
        self._output, *_ = self._interpreter.get_output_details()
        tensors = (*graph.inputs, *(node.output for node in graph.nodes))
        self._shapes = {tensor.index: tensor.shape for tensor in tensors}
        self.matches = match(graph, tflite.read_unchecked(data, "the float model"))

    def run(self, sample: npt.NDArray[Any]) -> dict[int, Floats]:
        """One inference: the values of all matched tensors, shaped and indexed as the int8 ones.

        Args:
            sample: the input, with or without the batch axis.
        """
        shaped = sample.astype(np.float32).reshape(self._input["shape"])
        self._interpreter.set_tensor(self._input["index"], shaped)
        self._interpreter.invoke()
        return {
            int8: self._interpreter.get_tensor(index).reshape(self._shapes[int8])
            for int8, index in self.matches.items()
        }

    def tensor(self, index: int) -> Floats:
        """A tensor of the float model after the last inference, by its own index."""
        values: Floats = self._interpreter.get_tensor(index)
        return values

    def output(self) -> AnyArray:
        """The first output of the last inference."""
        values: AnyArray = self._interpreter.get_tensor(self._output["index"])
        return values
