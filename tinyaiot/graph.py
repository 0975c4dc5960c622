"""The model as a graph: the one form that everything below the frontends reads.

All types are immutable. Activations are NHWC with N = 1; a *row* of a tensor is all of its
pixels at one y, so that kernels, planner and firmware share one view of every shape.
"""

from __future__ import annotations

import enum
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt


class DType(enum.Enum):
    """Element types that a tensor of a model may have."""

    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    BOOL = "bool"
    FLOAT32 = "float32"

    @property
    def numpy(self) -> np.dtype[Any]:
        return np.dtype(self.value)

    @property
    def nbytes(self) -> int:
        return self.numpy.itemsize


@dataclass(frozen=True)
class Quantization:
    """Affine quantization, real = scale · (q − zero_point).

    One scale, or one for each index along ``axis``. Scales are the file's float32 values,
    held exactly as Python floats.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int = 0

    @property
    def per_channel(self) -> bool:
        return len(self.scales) > 1


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of the graph; compared by identity.

    Attributes:
        index: its number in the file, unique within the graph.
        data: the values of a constant, shaped; None for an activation.
        taken: of the file's tensor, the channels that this has; None for all.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: DType
    quantization: Quantization | None = None
    data: npt.NDArray[Any] | None = field(default=None, repr=False)
    taken: tuple[int, ...] | None = None

    @property
    def is_constant(self) -> bool:
        return self.data is not None

    @property
    def scale(self) -> float:
        """The per-tensor scale."""
        return self._quantization.scales[0]

    @property
    def zero_point(self) -> int:
        """The per-tensor zero point."""
        return self._quantization.zero_points[0]

    @property
    def _quantization(self) -> Quantization:
        if self.quantization is None:
            raise ValueError(f"tensor {self.name!r} is not quantized")
        return self.quantization

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @functools.cached_property
    def nbytes(self) -> int:
        return self.size * self.dtype.nbytes

    @functools.cached_property
    def height(self) -> int:
        """Number of rows: the product of all axes before the last two (of one before, for 2-D)."""
        if len(self.shape) == 2:
            return self.shape[0]
        return math.prod(self.shape[:-2]) if len(self.shape) > 2 else 1

    @functools.cached_property
    def width(self) -> int:
        """Pixels in a row: the last axis but one, 1 where there are fewer than three axes."""
        return self.shape[-2] if len(self.shape) > 2 else 1

    @property
    def channels(self) -> int:
        """Elements in a pixel: the last axis."""
        return self.shape[-1] if self.shape else 1

    @functools.cached_property
    def row_bytes(self) -> int:
        return self.width * self.channels * self.dtype.nbytes


@dataclass(frozen=True, eq=False)
class Node:
    """One operation of the graph.

    Attributes:
        index: its position in the graph's order.
        op: the TFLite builtin's name, for example ``CONV_2D``.
        inputs: operands in the operator's order; None where an optional one is absent.
        attributes: the operator's own frozen dataclass.
    """

    index: int
    op: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    attributes: Any = None

    def input(self, k: int) -> Tensor:
        """The k-th operand, which must be present."""
        tensor = self.inputs[k]
        if tensor is None:
            raise ValueError(f"node {self.index} ({self.op}) has no input {k}")
        return tensor

    def optional(self, k: int) -> Tensor | None:
        """The k-th operand, or None where it is absent or was left out."""
        return self.inputs[k] if k < len(self.inputs) else None

    @property
    def output(self) -> Tensor:
        """The first output."""
        return self.outputs[0]

    @property
    def activations(self) -> tuple[Tensor, ...]:
        """The operands that are computed at run time."""
        return tuple(t for t in self.inputs if t is not None and not t.is_constant)


@dataclass(frozen=True)
class LeftOut:
    """What the file has and the graph does not, since no output depends on it.

    Attributes:
        channels: of the outputs of all layers with weights.
        macs: of one inference.
        weights_bytes: biases included.
    """

    channels: int = 0
    macs: int = 0
    weights_bytes: int = 0


@dataclass(frozen=True, eq=False)
class View:
    """A tensor that is pixels [column, column + its width) of each row of another tensor."""

    of: Tensor
    column: int


@dataclass(frozen=True, eq=False)
class Graph:
    """A whole model: nodes in the file's (topological) order, its inputs and outputs.

    Attributes:
        views: by index, the tensors that are columns of others. A node may read one, or make
            one: a tensor that no node makes is made by its views. Files have none of these; see
            ``tinyaiot.planner.patches``.
        left_out: what the file has beside these nodes; see ``tinyaiot.dead_channels``.
    """

    name: str
    nodes: tuple[Node, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    views: Mapping[int, View] = field(default_factory=dict)
    left_out: LeftOut = LeftOut()
