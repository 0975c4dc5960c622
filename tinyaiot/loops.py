"""Calls of kernels as loops: what forms of their costs are written with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyaiot.csource import Call, Ref
from tinyaiot.graph import Node
from tinyaiot.operators.convolution import convolution_windows
from tinyaiot.operators.windows import Window

Features = dict[str, float]
Loops = Mapping[str, float]

WORD = 4
_ONE_BY_ONE = " one by one"
_BLOCK_DRIVERS = (
    "ta_conv_2d_blocks",
    "ta_conv_2d_ring",
    "ta_conv_2d_known_blocks",
    "ta_conv_2d_known_ring",
)
_COMMON_DRIVERS = ("_rows", "_blocks", "_ring", "_known_rows", "_known_blocks", "_known_ring")


@dataclass(frozen=True)
class Tile:
    """How much of each dimension a kernel takes at a time."""

    rows: int = 1
    pixels: int = 1
    channels: int = 1
    taps: int = 1


@dataclass(frozen=True)
class Work:
    """A call of a lowered node, and how the plan makes it.

    Attributes:
        calls: how often the row driver is called during an inference, for some rows each.
    """

    node: Node
    call: Call
    calls: int

    @property
    def function(self) -> str:
        """The kernel's function; the driver's where it has but one kernel."""
        kernel = self.call.fields.get("kernel")
        return kernel.text if isinstance(kernel, Ref) else self.call.function

    @property
    def kernel(self) -> str:
        """The kernel's function, with its driver where that is one of its own, and whether pixels
        are taken one by one; where a driver has but one kernel, it with the operator's name."""
        return self._kernel("" if integer(self, "stretch", 1) > 1 else _ONE_BY_ONE)

    @property
    def kernel_one_by_one(self) -> str:
        """The same of a call that takes pixels one by one."""
        return self._kernel(_ONE_BY_ONE)

    def _kernel(self, manner: str) -> str:
        kernel, driver = self.call.fields.get("kernel"), self.call.function
        if not isinstance(kernel, Ref):
            return f"{driver} {self.node.op}"
        is_common = driver.removeprefix(self.call.struct_type) in _COMMON_DRIVERS
        return kernel.text + ("" if is_common else f" {driver}") + manner

    @property
    def dimensions(self) -> dict[str, float]:
        """What decides whether a calibration has seen the like of it."""
        output, weights = self.node.outputs[self.call.output], self.node.optional(1)
        is_linear = self.node.op in _LINEAR
        taps = weights.size // output.channels if is_linear and weights is not None else 1
        return {"elements": output.size, "channels": output.channels, "taps": taps}


def split(length: int, tile: int, name: str) -> Loops:
    """A loop over ``length`` in tiles: itself, its full tiles, and what is left."""
    full, rest = divmod(length, tile)
    return {"1": 1, name: full, f"{name}?": int(rest > 0), f"{name}%": rest}


def product(*loops: Loops) -> Iterator[tuple[str, float]]:
    """Trips of loops within each other, by the names of the loops."""
    first, *others = loops
    for name, trips in first.items():
        if not trips:
            continue
        if not others:
            yield name, trips
            continue
        for inner, inner_trips in product(*others):
            yield f"{name} {inner}", trips * inner_trips


def taps_inside(window: Window) -> int:
    """Taps that lie in the input, of all outputs along an axis."""
    starts = np.arange(window.out_size)[:, np.newaxis] * window.stride - window.pad_before
    taps = starts + np.arange(window.kernel) * window.dilation
    return int(((taps >= 0) & (taps < window.size)).sum())


def integer(work: Work, field: str, default: int) -> int:
    """A field of the call."""
    value: Any = work.call.fields.get(field, default)
    return int(value)


@dataclass(frozen=True)
class Span:
    """Output columns that a convolution's kernel is called for, and how often in an inference."""

    start: int
    stop: int
    times: int

    @property
    def count(self) -> int:
        return self.stop - self.start

    def stretches(self, most: int) -> Iterator[tuple[int, int]]:
        """First column and columns of each part that the kernel takes at a time."""
        for x in range(self.start, self.stop, most):
            yield x, min(most, self.stop - x)


def spans(work: Work) -> list[Span]:
    """All calls of a convolution's kernel: of rows, of blocks of rows, of rows that are joined."""
    output = work.node.output
    pixels = output.height * output.width
    width = min(integer(work, "out_width", output.width), output.width)
    if integer(work, "in_width", 0) > work.node.input(0).width:
        return [Span(0, pixels // work.calls, work.calls)]
    if work.call.function in _BLOCK_DRIVERS:
        return [Span(x, x + width, output.height) for x in range(0, output.width, width)]
    return [Span(0, width, pixels // width)]


@dataclass(frozen=True)
class WindowTile:
    """Output pixels side by side that a kernel takes together.

    Attributes:
        pixels: of the tile; the last of them may be missing.
        count: those that are outputs.
        columns: of the input that their windows span.
        inside: columns that lie in the input.
    """

    pixels: int
    count: int
    columns: int
    inside: int

    @property
    def copied(self) -> int:
        """All columns where some lie beside the input, as ``ta_padded_columns`` copies them."""
        return 0 if self.inside == self.columns else self.columns


def window_tiles(
    work: Work, span: Span, tile_of: Callable[[int, int], tuple[int, bool]]
) -> Counter[WindowTile]:
    """The tiles of a call.

    Args:
        tile_of: from the pixels that are left and the stride, those of the next tile, and whether
            columns of missing pixels are read, too.
    """
    stride, dilation = integer(work, "stride_w", 1), integer(work, "dilation_w", 1)
    reach = (integer(work, "kernel_w", 1) - 1) * dilation + 1
    pad, width = integer(work, "pad_left", 0), integer(work, "in_width", 1)
    found: Counter[WindowTile] = Counter()
    x = span.start
    while x < span.stop:
        pixels, reads_all = tile_of(span.stop - x, stride)
        count = min(pixels, span.stop - x)
        left = x * stride - pad
        columns = ((pixels if reads_all else count) - 1) * stride + reach
        inside = min(left + columns, width) - max(left, 0)
        found[WindowTile(pixels, count, columns, inside)] += 1
        x += count
    return found


def row_trips(work: Work, rows: int) -> Features:
    """What ``ta_conv_2d_rows`` and its like do around ``rows`` calls of the kernel."""
    vertical, _ = convolution_windows(work.node)
    inside = taps_inside(vertical) * rows / vertical.out_size
    # Rows of a ring of blocks, which no layer is calibrated with, take about twice as much to find,
    # unless that is inlined.
    found = rows * vertical.kernel * (2 if work.call.function == "ta_conv_2d_ring" else 1)
    return {"row": rows, "row h": found, "row h inside": inside}


def clamp_kind(work: Work) -> str | None:
    """What the activation leaves less than int8 does; loops over outputs branch where they are too
    low."""
    fields = requantization(work)
    if not fields or (fields["lowest"], fields["highest"]) == (-128, 127):
        return None
    return "clamped below" if int(fields["lowest"]) > -128 else "clamped above"


def requantization(work: Work) -> Mapping[str, Any]:
    """The fields of a linear operator's ``ta_requant``."""
    fields = work.call.fields.get("requant")
    return fields if isinstance(fields, Mapping) else {}


def requantized(work: Work, outputs: float, constants: float) -> Features:
    """What is more where floors do not do, and where channels have shifts of their own."""
    fields = requantization(work)
    if not fields or fields["floors"]:
        return {}
    # Halves of what an activation clamps may round to either side.
    kind = "exact" if fields["lowest"] >= fields["zero_point"] else "exact-signed"
    found = {f"{kind} output": outputs, f"{kind} constant": constants}
    if is_named(fields["right_shifts"]):
        found |= {"shifted output": outputs, "shifted constant": constants}
    return found


def is_named(value: object) -> bool:
    """Whether a pointer among the fields is not NULL."""
    return isinstance(value, Ref) and value.text != "NULL"


_LINEAR = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
