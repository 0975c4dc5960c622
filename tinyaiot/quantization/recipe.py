"""How a model is quantized: the choices that are not the format's."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Literal

from tinyaiot.errors import UsageError

_HINT = "give minmax, percentile, percentile=P with P from 90 to 100, mse, or auto"


class Method(enum.Enum):
    """How the range of an activation is taken from its values."""

    MINMAX = "minmax"
    PERCENTILE = "percentile"
    MSE = "mse"


@dataclass(frozen=True)
class Recipe:
    """The choices for one conversion.

    Attributes:
        method: of the ranges of activations.
        percentile: for ``Method.PERCENTILE``: how many % of the values lie below the range's
            upper end, and above its lower one.
        equalize: whether the ranges of channels are equalized first.
        bias_correction: whether the mean error of each channel is taken out of its bias.
    """

    method: Method = Method.MINMAX
    percentile: float = 99.99
    equalize: bool = False
    bias_correction: bool = False

    def __str__(self) -> str:
        method = self.method.value
        if self.method is Method.PERCENTILE:
            method += f"={self.percentile:g}"
        options = ("equalized",) * self.equalize + ("biases corrected",) * self.bias_correction
        return ", ".join((method, *options))


# The recipe with the least error, which trials find.
Auto = Literal["auto"]

# What a conversion does where nothing is chosen.
PLAIN = Recipe()

# The methods that are tried where the best is asked for.
METHODS = (
    PLAIN,
    Recipe(Method.PERCENTILE, 99.99),
    Recipe(Method.PERCENTILE, 99.9),
    Recipe(Method.MSE),
)


def parse_method(text: str) -> Recipe:
    """The recipe of a method as the command line names it, such as ``percentile=99.9``.

    Raises:
        UsageError: there is no such method.
    """
    name, equals, value = text.partition("=")
    try:
        method = Method(name)
        if not equals:
            return Recipe(method)
        percentile = float(value)
    except ValueError as error:
        raise UsageError(f"there is no method {text!r}", _HINT) from error
    if method is not Method.PERCENTILE or not 90 <= percentile <= 100:
        raise UsageError(f"there is no method {text!r}", _HINT)
    return Recipe(method, percentile)
