"""Loops of linear operators on cores with Thumb-2 alone, and with Thumb, as ``firmware/operators``
has them: by kernel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np

from tinyaiot.loops import (
    WORD,
    Features,
    Work,
    clamp_kind,
    integer,
    requantization,
    row_trips,
    spans,
    window_tiles,
)
from tinyaiot.operators import linear_v6m

_TURN = 16
_TURN_V6M = 8


def _windows(work: Work) -> Features:
    """``ta_convolve_windows`` by ``ta_linear_s8_v7m``."""
    height, width = integer(work, "kernel_h", 1), integer(work, "kernel_w", 1)
    depth, channels = integer(work, "in_channels", 1), integer(work, "out_channels", 1)
    dilation = integer(work, "dilation_w", 1)
    parts = height * (width if dilation > 1 else 1)
    taps = height * width * depth
    is_exact = not requantization(work)["floors"]
    found: Counter[str] = Counter()
    for span in spans(work):
        found.update(row_trips(work, span.times))
        for tile, tiles in window_tiles(work, span, _tile_of_windows).items():
            times = tiles * span.times
            outputs = times * channels
            found["tile"] += times
            found["tile h"] += times * height
            found["part"] += times * parts
            found[f"part {tile.pixels} tap"] += times * taps
            found[f"part {tile.pixels} pair"] += times * parts * -(-taps // parts // 2)
            found.update(_copied(times, height, tile.copied * depth))
            found[f"channel {tile.pixels}"] += outputs
            found[f"channel {tile.pixels} exact"] += outputs * is_exact
            found[f"channel {tile.pixels} tap"] += outputs * taps
            found[f"channel {tile.pixels} turn"] += outputs * -(-taps // _TURN)
            found["stored"] += outputs * tile.count
            found.update(_clamped(work, times, tile.count * channels))
    return dict(found)


def _depthwise(work: Work) -> Features:
    """``ta_depthwise_3x3``."""
    channels, stride = integer(work, "out_channels", 1), integer(work, "stride_w", 1)
    found: Counter[str] = Counter()
    for span in spans(work):
        found.update(row_trips(work, span.times))
        found.update(_clamped(work, span.times, span.count * channels))
        found["span"] += span.times
        for tile, tiles in window_tiles(work, span, _tile_of_outputs).items():
            times = tiles * span.times
            found["tile"] += times
            found.update(_copied(times, 3, tile.copied * channels))
            found[f"channel {tile.pixels} s{stride}"] += times * channels
            found["stored"] += times * channels * tile.count
    return dict(found)


def _tiles_v6m(work: Work) -> Features:
    """``ta_conv_2d_s8_v6m``, of a tile at once or in parts."""
    most = integer(work, "stretch", 1)
    height, width = integer(work, "kernel_h", 1), integer(work, "kernel_w", 1)
    depth, channels = integer(work, "in_channels", 1), integer(work, "out_channels", 1)
    taps = height * width * depth
    parts = _lengths(taps, linear_v6m.part_taps(work.node, most))
    turns = sum(-(-part // _TURN_V6M) for part in parts)
    is_exact = not requantization(work)["floors"]
    found: Counter[str] = Counter()

    def tile_of(left: int, stride: int) -> tuple[int, bool]:
        return (5 if most == 5 and left % 5 == 0 else 4), False

    for span in spans(work):
        found.update(row_trips(work, span.times))
        for windows, tiles in window_tiles(work, span, tile_of).items():
            times, tile, count = tiles * span.times, windows.pixels, windows.count
            by_rows = windows.inside == windows.columns and integer(work, "dilation_w", 1) == 1
            runs = _runs(parts, width * depth if by_rows else depth)
            found["tile"] += times
            found["part"] += times * (len(parts) - 1)
            found["run"] += times * runs
            found[f"tap {tile}"] += times * taps
            found["channel kept"] += times * channels * (len(parts) > 1)
            found[f"channel {tile}"] += times * channels
            found[f"channel part {tile}"] += times * channels * (len(parts) - 1)
            found[f"channel tap {tile}"] += times * channels * taps
            found["channel turn"] += times * channels * turns
            found["channel exact"] += times * channels * is_exact
            found["exact" if is_exact else "stored"] += times * channels * count
            if not is_exact:
                found.update(_clamped(work, times, count * channels))
    return dict(found)


def _depthwise_v6m(work: Work) -> Features:
    """``ta_depthwise_conv_2d_s8_3x3_v6m``."""
    channels, stride = integer(work, "out_channels", 1), integer(work, "stride_w", 1)
    is_exact = not requantization(work)["floors"]
    found: Counter[str] = Counter()
    for span in spans(work):
        found.update(row_trips(work, span.times))
        if not is_exact:
            found.update(_clamped(work, span.times, span.count * channels))
        for windows, tiles in window_tiles(work, span, _tile_of_outputs_v6m).items():
            times, tile, count = tiles * span.times, windows.pixels, windows.count
            found["tile"] += times
            found["column"] += times * 3 * ((tile - 1) * stride + 3)
            found[f"channel {tile} s{stride}"] += times * channels
            found["channel exact"] += times * channels * is_exact
            found["exact" if is_exact else "stored"] += times * channels * count
    return dict(found)


def _pieces_v6m(work: Work) -> Features:
    """``ta_conv_2d_s8_pieces_v6m``."""
    height, width = integer(work, "kernel_h", 1), integer(work, "kernel_w", 1)
    depth = integer(work, "in_channels", 1)
    found: Counter[str] = Counter()
    for span in spans(work):
        found.update(row_trips(work, span.times))
        for windows, pixels in window_tiles(work, span, lambda left, stride: (1, False)).items():
            by_rows = windows.inside == windows.columns and integer(work, "dilation_w", 1) == 1
            pieces = height * (1 if by_rows else width)
            found["window piece"] += pixels * span.times * pieces
            taps = width * depth if by_rows else depth
            found.update(_of_pieces(work, pixels * span.times, pieces, taps))
    return dict(found)


def _connected_v6m(work: Work) -> Features:
    """``ta_fully_connected_s8_v6m``."""
    batches = work.node.output.size // integer(work, "out_channels", 1)
    pieces, taps = integer(work, "pieces", 1), integer(work, "piece_bytes", 1)
    return dict(_of_pieces(work, batches, pieces, taps))


def _of_pieces(work: Work, pixels: int, pieces: int, taps: int) -> Counter[str]:
    """``ta_pieces_s8_v6m`` of so many pixels."""
    channels = integer(work, "out_channels", 1)
    is_exact = not requantization(work)["floors"]
    fours, turns = -(-channels // 4), -(-taps // 4)
    found: Counter[str] = Counter()
    found["pixel"] += pixels
    found["piece"] += pixels * pieces
    found["piece turn"] += pixels * pieces * turns
    found["piece tap"] += pixels * pieces * taps
    found["four"] += pixels * fours
    found["four piece"] += pixels * fours * pieces
    found["four turn"] += pixels * fours * pieces * turns
    found["four tap"] += pixels * fours * pieces * taps
    found["exact" if is_exact else "stored"] += pixels * channels
    if not is_exact:
        found.update(_clamped(work, pixels, channels))
    return found


def _lengths(taps: int, most: int) -> list[int]:
    """Of the parts of a window."""
    return [min(most, taps - start) for start in range(0, taps, most)]


def _runs(parts: list[int], piece: int) -> int:
    """Taps that are widened at once: of one part, and of one piece of ``piece`` taps."""
    stops = {*np.cumsum(parts).tolist(), *range(piece, sum(parts) + 1, piece)}
    return len(stops)


def _tile_of_windows(left: int, stride: int) -> tuple[int, bool]:
    """``ta_tile_v7m``; columns of missing pixels are not read."""
    return 4 if left % 5 else 5, False


def _tile_of_outputs(left: int, stride: int) -> tuple[int, bool]:
    """``tile_of``; columns of missing outputs are read."""
    if stride == 1 and left % 5 == 0:
        return 5, True
    return 3 if left <= 3 or left == 6 else 4, True


def _tile_of_outputs_v6m(left: int, stride: int) -> tuple[int, bool]:
    """The same without Thumb-2."""
    return (5 if stride == 1 and left % 5 == 0 else 4), True


def _copied(times: int, height: int, nbytes: int) -> Features:
    """``ta_padded_columns`` where some lie beside the input: rows of so many bytes."""
    rows = times * height * (nbytes > 0)
    return {
        "copied h": rows,
        "copied h word": rows * (nbytes // WORD),
        "copied h byte": rows * (nbytes % WORD),
    }


def _clamped(work: Work, times: int, outputs: int) -> Features:
    """``ta_clamp_outputs_s8``."""
    kind = clamp_kind(work)
    return {} if kind is None else {f"{kind} output": times * outputs, "clamp": times}


FORMS: Mapping[str, Callable[[Work], Features]] = {
    "ta_conv_2d_s8_v7m": _windows,
    "ta_depthwise_conv_2d_s8_3x3_v7m": _depthwise,
    "ta_depthwise_conv_2d_s8_3x3_exact_v7m": _depthwise,
    "ta_conv_2d_s8_v6m": _tiles_v6m,
    "ta_conv_2d_s8_pieces_v6m": _pieces_v6m,
    "ta_depthwise_conv_2d_s8_3x3_v6m": _depthwise_v6m,
    "ta_fully_connected_s8_v6m": _connected_v6m,
}
