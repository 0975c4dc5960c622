"""A model before and after, and what was tried on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from tinyaiot.frontends import Model
from tinyaiot.quantization.originals.original import channels_last
from tinyaiot.quantization.recipe import PLAIN, Recipe


@dataclass(frozen=True)
class Trial:
    """A recipe, and what it gives on samples that it did not see.

    Attributes:
        sqnr_db: of the first output, signal over error in power; None where that is always 0.
        agreement: the part of the samples that have the same class as in float.
    """

    recipe: Recipe
    sqnr_db: float | None
    agreement: float


@dataclass(frozen=True)
class Quantized:
    """A model before and after.

    Attributes:
        model: int8, inputs and outputs included.
        float_data: the same network as float .tflite, equalized as the int8 one is.
        equalized: how many tensors were equalized.
        recipe: what it was made by; None where others made it.
        trials: of recipes, in the order in which they were tried; none where there was no choice.
        held_out: samples that the trials were measured on.
        original_shape: of one sample as the network was trained with it, where that is not as the
            .tflite takes it: channels first.
    """

    model: Model
    float_data: bytes = field(repr=False)
    equalized: int = 0
    recipe: Recipe | None = PLAIN
    trials: tuple[Trial, ...] = ()
    held_out: int = 0
    original_shape: tuple[int, ...] | None = None

    def channels_last(self, inputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Samples [count, ...] as the .tflite takes them; turned where the original's are not."""
        return channels_last(inputs, self.original_shape, self.model.graph.inputs[0].shape[1:])
