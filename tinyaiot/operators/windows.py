"""Sliding windows, as convolutions and pools have them: padding, rows, taps, rules."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from tinyaiot.graph import Node
from tinyaiot.operators.base import AnyArray, Columns, Narrowed, Rows


class Padding(enum.Enum):
    """TFLite's padding schemes; the values are the schema's."""

    SAME = 0
    VALID = 1


@dataclass(frozen=True)
class Window:
    """One axis of a sliding window: ``kernel`` taps, ``dilation`` apart, ``stride`` a step.

    Attributes:
        size: rows or columns of the input.
        out_size: rows or columns of the output.
        pad_before: rows or columns of padding before the first.
    """

    kernel: int
    stride: int
    dilation: int
    size: int
    out_size: int
    pad_before: int

    @staticmethod
    def of(padding: Padding, size: int, kernel: int, stride: int, dilation: int = 1) -> Window:
        """TFLite's ComputeOutSize and ComputePadding: the smaller half of the padding before."""
        reach = (kernel - 1) * dilation + 1
        span = size if padding is Padding.SAME else size - reach + 1
        out_size = max(-(-span // stride), 0)
        total = max((out_size - 1) * stride + reach - size, 0)
        return Window(kernel, stride, dilation, size, out_size, total // 2)

    @property
    def reach(self) -> int:
        """Rows or columns from the first tap to the last, both included."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def pad_after(self) -> int:
        """Rows or columns of padding that the last step needs beyond the input."""
        last = (self.out_size - 1) * self.stride - self.pad_before + self.reach
        return max(last - self.size, 0)

    @property
    def is_padded(self) -> bool:
        """Whether any tap reads padding."""
        return self.pad_before > 0 or self.pad_after > 0

    def rows(self, out: Rows) -> Rows:
        """Input rows that the output rows ``out`` read: the first to the last, if any."""
        read = [
            row
            for y in range(out.start, out.stop)
            for k in range(self.kernel)
            if 0 <= (row := y * self.stride - self.pad_before + k * self.dilation) < self.size
        ]
        return Rows(min(read), max(read) + 1) if read else Rows(0, 0)

    def columns(self, out: Columns) -> tuple[Columns, tuple[int, int]] | None:
        """Input columns that the output columns ``out`` read, and the padding around these.

        None where they read padding only.
        """
        start = out.start * self.stride - self.pad_before
        stop = (out.stop - 1) * self.stride - self.pad_before + self.reach
        read = Columns(max(start, 0), min(stop, self.size))
        around = (read.start - start, stop - read.stop)
        return (read, around) if read.count > 0 else None

    def tap(self, k: int) -> slice:
        """What tap ``k`` reads of the padded input, one element for each output."""
        start = k * self.dilation
        return slice(start, start + (self.out_size - 1) * self.stride + 1, self.stride)


def windows(node: Node, kernel_h: int, kernel_w: int) -> tuple[Window, Window]:
    """The vertical and the horizontal window of a node.

    Its attributes have ``padding``, ``stride_h``, ``stride_w``, ``pad_columns`` and, where the
    operator has them, ``pad_rows``, ``dilation_h`` and ``dilation_w``.
    """
    a, source = node.attributes, node.input(0)
    vertical = Window.of(
        a.padding, source.height, kernel_h, a.stride_h, getattr(a, "dilation_h", 1)
    )
    horizontal = Window.of(
        a.padding, source.width, kernel_w, a.stride_w, getattr(a, "dilation_w", 1)
    )
    return (
        _padded_by(vertical, getattr(a, "pad_rows", None)),
        _padded_by(horizontal, a.pad_columns),
    )


def _padded_by(window: Window, around: tuple[int, int] | None) -> Window:
    """The window with padding of its own, if it has any, before and after the input."""
    if around is None:
        return window
    before, after = around
    out_size = (window.size + before + after - window.reach) // window.stride + 1
    return replace(window, out_size=out_size, pad_before=before)


def narrowed_window(node: Node, horizontal: Window, columns: Columns) -> Narrowed | None:
    """A node of one such window that makes ``columns`` only."""
    found = horizontal.columns(columns)
    if found is None:
        return None
    read, around = found
    return Narrowed({0: read}, replace(node.attributes, pad_columns=around))


def taps(
    x: AnyArray, vertical: Window, horizontal: Window, padding: int
) -> Iterator[tuple[int, int, AnyArray]]:
    """Yields (ky, kx, what that tap reads for every output).

    Args:
        x: [height, width, channels].
        padding: the value around it.
    """
    around = (
        (vertical.pad_before, vertical.pad_after),
        (horizontal.pad_before, horizontal.pad_after),
        (0, 0),
    )
    padded = np.pad(x, around, constant_values=padding)
    for ky in range(vertical.kernel):
        for kx in range(horizontal.kernel):
            yield ky, kx, padded[vertical.tap(ky), horizontal.tap(kx)]
