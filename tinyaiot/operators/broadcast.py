"""NumPy broadcasting in terms of rows: where in an operand an output pixel finds its elements."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tinyaiot.graph import Node, Tensor
from tinyaiot.operators.base import Rows

_MAX_AXES = 4


@dataclass(frozen=True)
class Broadcast:
    """How an operand is spread over the rows of an output.

    Output row y reads row ``y // repeat % height``, from its first element; each pixel reads
    ``pixel_step`` elements further on, each channel ``channel_step``.

    Attributes:
        height: rows of the operand.
        spans_rows: whether one output row reads all rows of the operand, which then lie end
            to end (a 2-D operand of an output with more axes).
    """

    height: int
    repeat: int
    pixel_step: int
    channel_step: int
    spans_rows: bool

    @staticmethod
    def of(operand: Tensor, output: Tensor) -> Broadcast:
        """The broadcast of shapes that keep the rule ``shapes_broadcast``."""
        shape = (1,) * (len(output.shape) - len(operand.shape)) + operand.shape
        width = shape[-2] if len(shape) > 2 else 1
        channels = shape[-1] if shape else 1
        rows = math.prod(shape) // (width * channels)
        return Broadcast(
            height=operand.height,
            repeat=output.height if rows == 1 else _repeat(shape, output),
            pixel_step=channels if width == output.width else 0,
            channel_step=int(channels == output.channels),
            spans_rows=rows != operand.height,
        )

    def is_run(self, output: Tensor) -> bool:
        """Whether all elements of an output row, not just of a pixel, read on by one step."""
        return self.pixel_step == self.channel_step * output.channels or output.width == 1

    def rows(self, out: Rows) -> Rows:
        """Rows of the operand that the output rows ``out`` read, and any between them."""
        first = out.start // self.repeat % self.height
        stop = first + (out.stop - 1) // self.repeat - out.start // self.repeat + 1
        if self.spans_rows or stop > self.height:
            return Rows(0, self.height)
        return Rows(first, stop)


def _repeat(shape: tuple[int, ...], output: Tensor) -> int:
    """Output rows in a run that read the same row: those of a 4-D batch of one row each."""
    return output.shape[1] if len(shape) == _MAX_AXES and shape[1] == 1 else 1


def shapes_broadcast(node: Node) -> bool:
    """The two inputs have at most 4 axes and broadcast, as NumPy's do, to the output's shape."""
    shapes = [node.input(0).shape, node.input(1).shape]
    if max(map(len, shapes)) > _MAX_AXES:
        return False
    try:
        return np.broadcast_shapes(*shapes) == node.output.shape
    except ValueError:
        return False
