"""The pieces of C that operators lower to and that the templates print: data and calls."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Union

import numpy as np
import numpy.typing as npt


class Role(enum.Enum):
    """What an array is, so that flash can be accounted for."""

    WEIGHTS = "weights"
    BIAS = "bias"
    REQUANT = "requant"
    TABLE = "table"
    DATA = "data"

    @property
    def is_parameter(self) -> bool:
        """Whether a model's file says it."""
        return self in (Role.WEIGHTS, Role.BIAS, Role.REQUANT)


@dataclass(frozen=True, eq=False)
class Array:
    """A constant array in flash.

    Attributes:
        name: C identifier, unique in the model.
        data: its values; the dtype decides the C type (int8 → ``int8_t``, and so on).
        role: what it counts as in the flash account.
        alignment: in bytes, where a kernel reads it in larger units than its elements.
        inlaid: bytes of it that count as something else, by role.
    """

    name: str
    data: npt.NDArray[Any]
    role: Role
    alignment: int = 0
    inlaid: Mapping[Role, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Ref:
    """A C expression written as it stands: a name, an address, ``NULL``."""

    text: str


# A value of an initialiser: a number, a name, a nested struct, or a C array.
Value = Union[int, float, Ref, "Mapping[str, Value]", "Sequence[Value]"]


@dataclass(frozen=True, eq=False)
class Call:
    """``function(&struct, [arguments,] y_start, y_stop)``: rows of one output, by one kernel.

    Attributes:
        function: the row driver, for example ``ta_conv_2d_rows``.
        struct_type: the C type of its parameters, for example ``ta_conv_2d``.
        fields: the initialiser of those parameters, in the order of the declaration.
        output: index of the node's output that the rows belong to.
        suffix: tells the structs of one node apart where it takes several calls.
        arguments: further constants.
        final: whether the rows are complete after this call, when several fill one output.
        inlined: C header of a driver that is inlined and makes row ``y_start`` only.
    """

    function: str
    struct_type: str
    fields: Mapping[str, Value]
    output: int = 0
    suffix: str = ""
    final: bool = True
    arguments: tuple[Value, ...] = ()
    inlined: str | None = None


@dataclass(frozen=True, eq=False)
class Lowered:
    """One node as C.

    Attributes:
        sources: C files under ``firmware/operators`` that it needs, with their kernels;
            the header of a folder of operators is copied with it.
    """

    calls: tuple[Call, ...]
    arrays: tuple[Array, ...]
    sources: tuple[str, ...]


_C_TYPES = {
    np.dtype(np.int8): "int8_t",
    np.dtype(np.uint8): "uint8_t",
    np.dtype(np.int16): "int16_t",
    np.dtype(np.uint16): "uint16_t",
    np.dtype(np.int32): "int32_t",
    np.dtype(np.uint32): "uint32_t",
    np.dtype(np.float32): "float",
}


def c_type(dtype: np.dtype[Any]) -> str:
    """The C type of a numpy dtype."""
    return _C_TYPES[dtype]


def format_value(value: Value) -> str:
    """``value`` as a C initialiser."""
    if isinstance(value, Ref):
        return value.text
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f".{k} = {format_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, (int, np.integer)):
        return format_int(int(value))
    if isinstance(value, (float, np.floating)):
        return format_float(float(value))
    return "{ " + ", ".join(format_value(v) for v in value) + " }"


def format_int(value: int) -> str:
    """An integer literal that no compiler takes for a wider type than it is."""
    if value == -(2**31):
        return "(-2147483647 - 1)"
    return f"{value}u" if value >= 2**31 else str(value)


def format_float(value: float) -> str:
    """A float literal that reads back as exactly the same float32."""
    single = np.float32(value)
    text = repr(float(single)) if float(single) != value else repr(value)
    return f"{text}f"
