"""A model before and after, and what was tried on the way."""

from __future__ import annotations

from dataclasses import dataclass, field

from tinyaiot.frontends import Model
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
    """

    model: Model
    float_data: bytes = field(repr=False)
    equalized: int = 0
    recipe: Recipe | None = PLAIN
    trials: tuple[Trial, ...] = ()
    held_out: int = 0
