"""What a layer's instructions depend on: its loops' trip counts, from shapes and calls alone.

A kernel goes over pixels, channels and taps in tiles and finishes what is left over one by one.
Its count is a sum over products of such loops; ``features`` gives the trip counts, and a
calibration (``scripts/calibrate.py``) what each trip costs on a core. Which tiles a kernel takes
is found by the calibration too, so that a new kernel needs nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyaiot.csource import Call, Ref
from tinyaiot.graph import Node
from tinyaiot.operators.convolution import convolution_windows
from tinyaiot.operators.windows import Window, windows

Features = dict[str, float]
_Loops = Mapping[str, float]

_WORD = 4


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
    def kernel(self) -> str:
        """The kernel's function, with its driver where that is one of its own, and whether pixels
        are taken one by one; where a driver has but one kernel, it with the operator's name."""
        kernel, driver = self.call.fields.get("kernel"), self.call.function
        if not isinstance(kernel, Ref):
            return f"{driver} {self.node.op}"
        is_common = driver in (f"{self.call.struct_type}_rows", f"{self.call.struct_type}_blocks")
        one_by_one = "" if _integer(self, "stretch", 1) > 1 else " one by one"
        return kernel.text + ("" if is_common else f" {driver}") + one_by_one

    @property
    def dimensions(self) -> dict[str, float]:
        """What decides whether a calibration has seen the like of it."""
        output, weights = self.node.outputs[self.call.output], self.node.optional(1)
        is_linear = self.node.op in _LINEAR
        taps = weights.size // output.channels if is_linear and weights is not None else 1
        return {"elements": output.size, "channels": output.channels, "taps": taps}


def features(work: Work, tile: Tile) -> Features:
    """Trip counts of all loops that the call may have, for one inference; by name."""
    form = _FORMS.get(work.call.function) or _FORMS.get(work.node.op, _elementwise)
    found = form(work, tile)
    found["call"] = work.calls
    return {name: float(value) for name, value in found.items() if value}


def _split(length: int, tile: int, name: str) -> _Loops:
    """A loop over ``length`` in tiles: itself, its full tiles, and what is left."""
    full, rest = divmod(length, tile)
    return {"1": 1, name: full, f"{name}?": int(rest > 0), f"{name}%": rest}


def _product(*loops: _Loops) -> Iterator[tuple[str, float]]:
    """Trips of loops within each other, by the names of the loops."""
    first, *others = loops
    for name, trips in first.items():
        if not trips:
            continue
        if not others:
            yield name, trips
            continue
        for inner, inner_trips in _product(*others):
            yield f"{name} {inner}", trips * inner_trips


def _convolution(work: Work, tile: Tile) -> Features:
    """Groups of pixels, of filters and of taps; and windows brought together beforehand."""
    pixels = _Pixels.of(work, tile)
    weights = work.node.input(1)
    filters, kernel_h, kernel_w, depth = weights.shape
    depth = weights.size // (filters * kernel_h * kernel_w)
    if work.node.op == "DEPTHWISE_CONV_2D":  # of one input channel
        filters, depth = weights.shape[3], 1
    taps = kernel_h * kernel_w * depth
    found = Features(
        _product(pixels.loops, _split(filters, tile.channels, "f"), _split(taps, tile.taps, "t"))
    )
    found.update(_gathering(work, pixels, kernel_h, kernel_w, depth, tile.taps))
    _, horizontal = convolution_windows(work.node)
    grouped = depth != work.node.input(0).channels
    inside = 0 if grouped else pixels.inside(horizontal)
    windows_of: _Loops = {"inside": inside, "edge": pixels.count - inside}
    window: _Loops = {"h": kernel_h, "hw": kernel_h * kernel_w, "taps": taps}
    found.update(_product(windows_of, {"f": filters}, window))
    return found | _requantization(work, pixels.count * filters, pixels.stretches * filters)


def _gathering(
    work: Work, pixels: _Pixels, kernel_h: int, kernel_w: int, depth: int, bytes_at_once: int
) -> Features:
    """Bytes of windows: side by side or not, by words or not, columns shared or not."""
    vertical, horizontal = convolution_windows(work.node)
    if (kernel_h, kernel_w) == (1, 1) and vertical.stride == horizontal.stride == 1:
        return {}
    run = kernel_w * depth
    words = "few" if run < _WORD else "run" if run % _WORD == 0 else "byte"
    words = "pixel" if depth % _WORD == 0 else words
    window: _Loops = {"1": 1, "h": kernel_h, "hw": kernel_h * kernel_w}
    window = {**window, "taps": kernel_h * kernel_w * depth}
    inside = pixels.inside(horizontal)
    found = Features()
    found.update(_product({f"inside-{words}": inside}, window))
    found.update(_product({f"edge-{words}": pixels.count - inside}, window))
    whole, others = pixels.groups(horizontal)
    groups: _Loops = {"group-inside": whole, f"group-edge-{words}": others}
    found.update(_product(groups, {"1": 1, "h": kernel_h}, _split(run, _WORD, "run")))
    columns, runs = pixels.columns(horizontal), pixels.stretches
    if horizontal.dilation > 1 or horizontal.stride >= kernel_w:  # windows share none
        columns, runs = pixels.count * kernel_w, pixels.count
    found.update(_product({"columns": runs}, {"1": 1, "h": kernel_h}))
    found.update(_product({"column": columns}, {"h": kernel_h}, _split(depth, bytes_at_once, "b")))
    return found


def _depthwise(work: Work, tile: Tile) -> Features:
    """Pixels, channels in groups, and the taps that lie in the input."""
    _, kernel_h, kernel_w, channels = work.node.input(1).shape
    if work.node.input(0).channels == 1:
        return _convolution(work, tile)
    vertical, horizontal = convolution_windows(work.node)
    pixels = _Pixels.of(work, tile)
    groups = _split(channels, tile.channels, "c")
    rows_inside = _taps_inside(vertical)
    inside: _Loops = {
        "rows-inside": rows_inside * horizontal.out_size,
        "taps-inside": rows_inside * _taps_inside(horizontal),
        "columns-inside": vertical.out_size * _taps_inside(horizontal),
    }
    fours = -(-kernel_h // _WORD)
    tiles = -(-fours * _WORD * kernel_w // tile.taps)
    window: _Loops = {"1": 1, "h": kernel_h, "w": kernel_w, "hw": kernel_h * kernel_w}
    window = {**window, "t=1": int(tiles == 1), "t": tiles if tiles > 1 else 0}
    found = Features(_product(inside, groups))
    found.update(_product(pixels.loops, window, groups))
    column: _Loops = {"1": 1, "h": kernel_h, "fours": fours}
    columns = {"columns": pixels.stretches, "column": pixels.columns(horizontal)}
    found.update(_product(columns, column, groups))
    wide = _split(channels, _WORD * tile.channels, "cc")
    found.update(_product(columns, column, wide))
    return found | _requantization(work, pixels.count * channels, pixels.stretches * channels)


def _fully_connected(work: Work, tile: Tile) -> Features:
    """Batches, filters in groups, taps in groups; and pieces that make up a batch."""
    output, taps = work.node.output, work.node.input(1).shape[1]
    batches = output.size // output.channels
    pieces = work.node.input(0).size // _integer(work, "piece_bytes", taps)
    found = Features(
        _product(
            {"1": batches},
            _split(output.channels, tile.channels, "f"),
            _split(taps, tile.taps, "t"),
        )
    )
    found["pieces"] = pieces
    return found | _requantization(work, output.size, output.size)


def _requantization(work: Work, outputs: float, constants: float) -> Features:
    """What is more where an activation clamps, where floors do not do, and where channels have
    shifts of their own."""
    fields = work.call.fields.get("requant")
    if not isinstance(fields, Mapping):
        return {}
    found = Features()
    if (fields.get("lowest"), fields.get("highest")) != (-128, 127):
        found |= {"clamped output": outputs, "clamped row": work.node.output.height}
    if not fields.get("floors"):
        shifts = fields.get("right_shifts")
        own = isinstance(shifts, Ref) and shifts.text != "NULL"
        kind = "exact-shifts" if own else "exact"
        # Halves of what an activation clamps may round to either side.
        kind += "" if fields["lowest"] >= fields["zero_point"] else "-signed"  # type: ignore[operator]
        found |= {f"{kind} output": outputs, f"{kind} constant": constants}
    return found


def _pool(work: Work, tile: Tile) -> Features:
    """Windows, their pixels that lie in the input, and channels in groups."""
    attributes, output = work.node.attributes, work.node.output
    vertical, horizontal = windows(work.node, attributes.kernel_h, attributes.kernel_w)
    rows_inside = _taps_inside(vertical)
    loops: _Loops = {
        "row": output.height,
        "pixel": output.height * output.width,
        "rows-inside": rows_inside * output.width,
        "taps-inside": rows_inside * _taps_inside(horizontal),
    }
    return Features(_product(loops, _split(output.channels, tile.channels, "c")))


def _copies(work: Work, tile: Tile) -> Features:
    """Rows, and runs of bytes that are moved or filled in each."""
    fields, output = work.call.fields, work.node.outputs[work.call.output]
    moves = 1
    for loop in ("blocks", "items"):
        counts = fields.get(loop)
        moves *= int(counts["count"]) if isinstance(counts, Mapping) else 1  # type: ignore[arg-type]
    rows = output.height
    item = _integer(work, "item_bytes", 1)
    kind = "byte" if item == 1 else "words" if item % _WORD == 0 else "bytes"
    found = Features(_product({f"move-{kind}": rows * moves}, _split(item, tile.taps, "b")))
    found["row"] = rows
    if fields.get("fills"):
        filled = _split(_integer(work, "row_bytes", 1), tile.taps, "b")
        found.update(_product({"fill": rows}, filled))
    if work.node.op in ("PAD", "PADV2"):
        found["row-inside"] = work.node.input(0).height
    return found


def _reduction(work: Work, tile: Tile) -> Features:
    """Sums, and the rows, columns and channels of the input that each goes over."""
    source, output = work.node.input(0), work.node.output
    rows = _integer(work, "rows_a_sum", 1)
    columns = source.width // _integer(work, "out_width", 1)
    channels = source.channels // _integer(work, "out_channels", 1)
    window = {"1": 1, "rows": rows, "columns": rows * columns}
    found = Features(_product({"sum": output.size}, window, _split(channels, tile.taps, "t")))
    groups = _split(_integer(work, "out_channels", 1), tile.channels, "c")
    parts = {"part": output.size // _integer(work, "out_channels", 1)}
    found.update(_product(parts, window, groups))
    return found | {"row": output.height}


def _sums(work: Work, tile: Tile) -> Features:
    """Rows that are added up one by one, and the sums of all channels at the end."""
    source = work.node.input(0)
    groups = _split(source.channels, tile.channels, "c")
    rows: _Loops = {"row": work.calls, "pixel": source.height * source.width, "end": 1}
    return Features(_product(rows, groups))


def _elementwise(work: Work, tile: Tile) -> Features:
    """Rows, pixels and elements of the output, in groups."""
    output = work.node.outputs[work.call.output]
    kind = "run" if work.call.fields.get("contiguous", 1) else "apart"
    rows: _Loops = {f"{kind} row": output.height}
    found = Features(_product(rows, _split(output.width * output.channels, tile.channels, "e")))
    pixels: _Loops = {f"{kind} pixel": output.height * output.width}
    found.update(_product(pixels, _split(output.channels, tile.channels, "c")))
    return found


@dataclass(frozen=True)
class _Pixels:
    """Output pixels of all rows, as kernels take them: in stretches, in groups.

    Attributes:
        rows: in which the kernel is called; joined rows count once.
        width: pixels in each.
        stretch: pixels that are brought together at a time.
    """

    rows: int
    width: int
    stretch: int
    group: int

    @staticmethod
    def of(work: Work, tile: Tile) -> _Pixels:
        output = work.node.output
        joined = _integer(work, "in_width", 0) > work.node.input(0).width
        pixels = output.height * output.width
        if joined:
            rows, width = work.calls, pixels // work.calls
        else:  # a plan may cut rows into blocks
            width = min(_integer(work, "out_width", output.width), output.width)
            a_call = -(-(pixels // width) // work.calls)
            rows = work.calls * -(-a_call // tile.rows)
        stretch = _integer(work, "stretch", 1)
        return _Pixels(rows, width, stretch if stretch > 1 else width, tile.pixels)

    @property
    def count(self) -> int:
        return self.rows * self.width

    @property
    def stretches(self) -> int:
        return self.rows * -(-self.width // self.stretch)

    @property
    def loops(self) -> _Loops:
        """Rows, stretches, full groups, and what is left of a group."""
        lengths = self._lengths()
        full = sum(length // self.group for length in lengths)
        rests = [length % self.group for length in lengths]
        by_rest = {f"p%{k}": self.rows * rests.count(k) for k in range(1, self.group)}
        return {
            "row": self.rows,
            "stretch": self.stretches,
            "p": self.rows * full,
            **by_rest,
        }

    def columns(self, horizontal: Window) -> int:
        """Input columns that the stretches need, each for itself."""
        widths = ((n - 1) * horizontal.stride + horizontal.reach for n in self._lengths())
        return self.rows * sum(widths)

    def inside(self, horizontal: Window) -> int:
        """Pixels whose windows lie in the input from side to side; of rows that a plan cuts into
        blocks, as many as of whole rows."""
        whole = _whole_windows(horizontal)
        if self.width < horizontal.out_size:
            return self.count * whole // horizontal.out_size
        return self.rows * whole

    def groups(self, horizontal: Window) -> tuple[int, int]:
        """Stretches, or groups where there are none, whose windows all lie in the input side by
        side, and the others."""
        most = self.stretch if self.stretch < self.width else self.group
        whole = 0
        starts = range(0, self.width, most)
        for start in starts:
            stop = min(start + most, self.width)
            first = start * horizontal.stride - horizontal.pad_before
            last = (stop - 1) * horizontal.stride - horizontal.pad_before + horizontal.reach
            whole += horizontal.dilation == 1 and first >= 0 and last <= horizontal.size
        return self.rows * whole, self.rows * (len(starts) - whole)

    def _lengths(self) -> list[int]:
        whole, rest = divmod(self.width, self.stretch)
        return [self.stretch] * whole + [rest] * (rest > 0)


def _taps_inside(window: Window) -> int:
    """Taps that lie in the input, of all outputs along an axis."""
    starts = np.arange(window.out_size)[:, np.newaxis] * window.stride - window.pad_before
    taps = starts + np.arange(window.kernel) * window.dilation
    return int(((taps >= 0) & (taps < window.size)).sum())


def _whole_windows(window: Window) -> int:
    """Outputs along an axis whose taps all lie in the input, side by side."""
    if window.dilation > 1:
        return 0
    starts = np.arange(window.out_size) * window.stride - window.pad_before
    return int(((starts >= 0) & (starts + window.kernel <= window.size)).sum())


def _integer(work: Work, field: str, default: int) -> int:
    value: Any = work.call.fields.get(field, default)
    return int(value)


_LINEAR = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_FORMS: Mapping[str, Callable[[Work, Tile], Features]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
    "AVERAGE_POOL_2D": _pool,
    "MAX_POOL_2D": _pool,
    "MEAN": _reduction,
    "SUM": _reduction,
    "ta_strided_copy_rows": _copies,
    "ta_sums_rows": _sums,
}
