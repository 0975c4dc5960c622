"""What a layer's instructions depend on: its loops' trip counts, from shapes and calls alone.

A kernel goes over pixels, channels and taps in tiles and finishes what is left over one by one.
Its count is a sum over products of such loops; ``features`` gives the trip counts, and a
calibration (``scripts/calibrate.py``) what each trip costs on a core. Which tiles a kernel takes
is found by the calibration too, so that a new kernel needs nothing here. Where its loops are of
another kind it may have a form of its own, as in ``costs_dsp`` and its like.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tinyaiot import costs_dsp, costs_helium, costs_rv32, costs_thumb
from tinyaiot.loops import (
    WORD,
    Features,
    Loops,
    Tile,
    Work,
    clamp_kind,
    integer,
    product,
    requantized,
    split,
    taps_inside,
)
from tinyaiot.operators.convolution import convolution_windows
from tinyaiot.operators.windows import Window, windows


def features(work: Work, tile: Tile) -> Features:
    """Trip counts of all loops that the call may have, for one inference; by name."""
    own = _KERNEL_FORMS.get(work.function)
    if own is not None:
        found = own(work)
    else:
        form = _FORMS.get(work.call.function) or _FORMS.get(work.node.op, _elementwise)
        found = form(work, tile)
    # Inlined, drivers leave no call between the program's and the kernel's.
    found["call"] = 0 if work.call.inlined else work.calls
    return {name: float(value) for name, value in found.items() if value}


def has_own_form(work: Work) -> bool:
    """Whether the kernel's tiles are known: none need be looked for."""
    return work.function in _KERNEL_FORMS


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
        product(pixels.loops, split(filters, tile.channels, "f"), split(taps, tile.taps, "t"))
    )
    found.update(_gathering(work, pixels, kernel_h, kernel_w, depth, tile.taps))
    _, horizontal = convolution_windows(work.node)
    grouped = depth != work.node.input(0).channels
    inside = 0 if grouped else pixels.inside(horizontal)
    windows_of: Loops = {"inside": inside, "edge": pixels.count - inside}
    window: Loops = {"h": kernel_h, "hw": kernel_h * kernel_w, "taps": taps}
    found.update(product(windows_of, {"f": filters}, window))
    return found | _requantization(work, pixels.count * filters, pixels.stretches * filters)


def _gathering(
    work: Work, pixels: _Pixels, kernel_h: int, kernel_w: int, depth: int, bytes_at_once: int
) -> Features:
    """Bytes of windows: side by side or not, by words or not, columns shared or not."""
    vertical, horizontal = convolution_windows(work.node)
    if (kernel_h, kernel_w) == (1, 1) and vertical.stride == horizontal.stride == 1:
        return {}
    run = kernel_w * depth
    words = "few" if run < WORD else "run" if run % WORD == 0 else "byte"
    words = "pixel" if depth % WORD == 0 else words
    window: Loops = {"1": 1, "h": kernel_h, "hw": kernel_h * kernel_w}
    window = {**window, "taps": kernel_h * kernel_w * depth}
    inside = pixels.inside(horizontal)
    found = Features()
    found.update(product({f"inside-{words}": inside}, window))
    found.update(product({f"edge-{words}": pixels.count - inside}, window))
    whole, others = pixels.groups(horizontal)
    groups: Loops = {"group-inside": whole, f"group-edge-{words}": others}
    found.update(product(groups, {"1": 1, "h": kernel_h}, split(run, WORD, "run")))
    columns, runs = pixels.columns(horizontal), pixels.stretches
    if horizontal.dilation > 1 or horizontal.stride >= kernel_w:  # windows share none
        columns, runs = pixels.count * kernel_w, pixels.count
    found.update(product({"columns": runs}, {"1": 1, "h": kernel_h}))
    found.update(product({"column": columns}, {"h": kernel_h}, split(depth, bytes_at_once, "b")))
    return found


def _depthwise(work: Work, tile: Tile) -> Features:
    """Pixels, channels in groups, and the taps that lie in the input."""
    _, kernel_h, kernel_w, channels = work.node.input(1).shape
    if work.node.input(0).channels == 1:
        return _convolution(work, tile)
    vertical, horizontal = convolution_windows(work.node)
    pixels = _Pixels.of(work, tile)
    groups = split(channels, tile.channels, "c")
    rows_inside = taps_inside(vertical)
    inside: Loops = {
        "rows-inside": rows_inside * horizontal.out_size,
        "taps-inside": rows_inside * taps_inside(horizontal),
        "columns-inside": vertical.out_size * taps_inside(horizontal),
    }
    fours = -(-kernel_h // WORD)
    tiles = -(-fours * WORD * kernel_w // tile.taps)
    window: Loops = {"1": 1, "h": kernel_h, "w": kernel_w, "hw": kernel_h * kernel_w}
    window = {**window, "t=1": int(tiles == 1), "t": tiles if tiles > 1 else 0}
    found = Features(product(inside, groups))
    found.update(product(pixels.loops, window, groups))
    column: Loops = {"1": 1, "h": kernel_h, "fours": fours}
    columns = {"columns": pixels.stretches, "column": pixels.columns(horizontal)}
    found.update(product(columns, column, groups))
    wide = split(channels, WORD * tile.channels, "cc")
    found.update(product(columns, column, wide))
    return found | _requantization(work, pixels.count * channels, pixels.stretches * channels)


def _fully_connected(work: Work, tile: Tile) -> Features:
    """Batches, filters in groups, taps in groups; and pieces that make up a batch."""
    output, taps = work.node.output, work.node.input(1).shape[1]
    batches = output.size // output.channels
    pieces = work.node.input(0).size // integer(work, "piece_bytes", taps)
    found = Features(
        product(
            {"1": batches},
            split(output.channels, tile.channels, "f"),
            split(taps, tile.taps, "t"),
        )
    )
    found["pieces"] = pieces
    return found | _requantization(work, output.size, output.size)


def _requantization(work: Work, outputs: float, constants: float) -> Features:
    """What is more where an activation clamps, where floors do not do, and where channels have
    shifts of their own."""
    clamp = clamp_kind(work)
    found = requantized(work, outputs, constants)
    if clamp is not None:
        found |= {f"{clamp} output": outputs, "clamped row": work.node.output.height}
    return found


def _pool(work: Work, tile: Tile) -> Features:
    """Windows, their pixels that lie in the input, and channels in groups."""
    attributes, output = work.node.attributes, work.node.output
    vertical, horizontal = windows(work.node, attributes.kernel_h, attributes.kernel_w)
    rows_inside = taps_inside(vertical)
    loops: Loops = {
        "row": output.height,
        "pixel": output.height * output.width,
        "rows-inside": rows_inside * output.width,
        "taps-inside": rows_inside * taps_inside(horizontal),
    }
    return Features(product(loops, split(output.channels, tile.channels, "c")))


def _copies(work: Work, tile: Tile) -> Features:
    """Rows, and runs of bytes that are moved or filled in each."""
    fields, output = work.call.fields, work.node.outputs[work.call.output]
    moves = 1
    for loop in ("blocks", "items"):
        counts = fields.get(loop)
        moves *= int(counts["count"]) if isinstance(counts, Mapping) else 1  # type: ignore[arg-type]
    rows = output.height
    item = integer(work, "item_bytes", 1)
    kind = "byte" if item == 1 else "words" if item % WORD == 0 else "bytes"
    found = Features(product({f"move-{kind}": rows * moves}, split(item, tile.taps, "b")))
    found["row"] = rows
    if fields.get("fills"):
        filled = split(integer(work, "row_bytes", 1), tile.taps, "b")
        found.update(product({"fill": rows}, filled))
    if work.node.op in ("PAD", "PADV2"):
        found["row-inside"] = work.node.input(0).height
    return found


def _reduction(work: Work, tile: Tile) -> Features:
    """Sums, and the rows, columns and channels of the input that each goes over."""
    source, output = work.node.input(0), work.node.output
    rows = integer(work, "rows_a_sum", 1)
    columns = source.width // integer(work, "out_width", 1)
    channels = source.channels // integer(work, "out_channels", 1)
    window = {"1": 1, "rows": rows, "columns": rows * columns}
    found = Features(product({"sum": output.size}, window, split(channels, tile.taps, "t")))
    groups = split(integer(work, "out_channels", 1), tile.channels, "c")
    parts = {"part": output.size // integer(work, "out_channels", 1)}
    found.update(product(parts, window, groups))
    return found | {"row": output.height}


def _sums(work: Work, tile: Tile) -> Features:
    """Rows that are added up one by one, and the sums of all channels at the end."""
    source = work.node.input(0)
    groups = split(source.channels, tile.channels, "c")
    rows: Loops = {"row": work.calls, "pixel": source.height * source.width, "end": 1}
    return Features(product(rows, groups))


def _elementwise(work: Work, tile: Tile) -> Features:
    """Rows, pixels and elements of the output, in groups."""
    output = work.node.outputs[work.call.output]
    kind = "run" if work.call.fields.get("contiguous", 1) else "apart"
    count = output.height * output.width
    height = max(work.calls, output.height)  # a plan may cut rows into blocks
    rows: Loops = {f"{kind} row": height}
    width = count // height * output.channels
    found = Features(product(rows, split(width, tile.channels, "e")))
    pixels: Loops = {f"{kind} pixel": count}
    found.update(product(pixels, split(output.channels, tile.channels, "c")))
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
        joined = integer(work, "in_width", 0) > work.node.input(0).width
        pixels = output.height * output.width
        if joined:
            rows, width = work.calls, pixels // work.calls
        else:  # a plan may cut rows into blocks
            width = min(integer(work, "out_width", output.width), output.width)
            a_call = -(-(pixels // width) // work.calls)
            rows = work.calls * -(-a_call // tile.rows)
        stretch = integer(work, "stretch", 1)
        return _Pixels(rows, width, stretch if stretch > 1 else width, tile.pixels)

    @property
    def count(self) -> int:
        return self.rows * self.width

    @property
    def stretches(self) -> int:
        return self.rows * -(-self.width // self.stretch)

    @property
    def loops(self) -> Loops:
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


def _whole_windows(window: Window) -> int:
    """Outputs along an axis whose taps all lie in the input, side by side."""
    if window.dilation > 1:
        return 0
    starts = np.arange(window.out_size) * window.stride - window.pad_before
    return int(((starts >= 0) & (starts + window.kernel <= window.size)).sum())


# By the kernel's function: its own loops, whose tiles are known.
_KERNEL_FORMS: Mapping[str, Callable[[Work], Features]] = {
    **costs_dsp.FORMS,
    **costs_helium.FORMS,
    **costs_rv32.FORMS,
    **costs_thumb.FORMS,
}
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
    "ta_sums_rows_dsp": _sums,
}
