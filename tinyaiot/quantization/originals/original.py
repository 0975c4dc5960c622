"""A trained network, of whatever source, as the quantizer takes it."""

from __future__ import annotations

import abc
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


class Original(abc.ABC):
    """A trained network of one input.

    Attributes:
        kind: what it is, for people: "an ONNX model".
        input_shape: of one sample, as the .tflite takes it: channels last.
        original_shape: of one sample, as the network was trained with it.
        has_layers: whether its layers are known, so that they can be equalized.
    """

    kind: str
    input_shape: tuple[int, ...]
    original_shape: tuple[int, ...]
    has_layers: bool = False

    @abc.abstractmethod
    def float_tflite(self) -> bytes:
        """The network as a .tflite of batch 1, in floating point.

        Raises:
            UnsupportedModelError: it cannot be converted.
        """

    @abc.abstractmethod
    def int8_tflite(self, inputs: Floats) -> bytes:
        """The network as a .tflite of batch 1, all int8, ranges from minimum to maximum.

        Args:
            inputs: calibration data [count, *input_shape].

        Raises:
            UnsupportedModelError: it cannot be converted.
        """

    def equalized(self, inputs: Floats) -> tuple[Original, int]:
        """The network with like ranges in the channels of a layer, and how many tensors changed.

        Args:
            inputs: calibration data [count, *input_shape].
        """
        return self, 0

    @property
    def turned_from(self) -> tuple[int, ...] | None:
        """The original shape, where it is not the .tflite's: channels first."""
        return None if self.original_shape == self.input_shape else self.original_shape

    def channels_last(self, inputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Samples [count, …] as the .tflite takes them.

        They are turned where they are shaped as the network was trained, and only so.
        """
        return channels_last(inputs, self.turned_from, self.input_shape)


def channels_last(
    inputs: npt.NDArray[Any], original_shape: tuple[int, ...] | None, shape: tuple[int, ...]
) -> npt.NDArray[Any]:
    """Samples [count, ...] with channels last, if their shape is not ``shape`` but the original."""
    if inputs.shape[1:] == original_shape:
        return np.moveaxis(inputs, 1, -1)
    return inputs
