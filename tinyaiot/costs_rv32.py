"""Loops of linear operators on RV32IM, as ``firmware/operators`` has them: by kernel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from tinyaiot.loops import (
    WORD,
    Features,
    Work,
    integer,
    requantization,
    requantized,
    row_trips,
    spans,
    window_tiles,
)
from tinyaiot.operators import linear_rv32

_FOUR = 4
_EIGHT = 8
_COPIED = 16
_FEWEST_COPIED = 8


def _pairs(work: Work) -> Features:
    """``ta_conv_2d_s8_pairs_rv32``: filters two by two over tiles of pixels, two to a word."""
    height, width = integer(work, "kernel_h", 1), integer(work, "kernel_w", 1)
    depth, channels = integer(work, "in_channels", 1), integer(work, "out_channels", 1)
    parts = height * (width if integer(work, "dilation_w", 1) > 1 else 1)
    taps = height * width * depth
    fours, rest = divmod(taps // parts, _FOUR)
    blocks = linear_rv32.block_count(work.node)
    found: Counter[str] = Counter()
    for span in spans(work):
        found.update(row_trips(work, span.times))
        for tile, tiles in window_tiles(work, span, _tile_of_pairs).items():
            pixels, times = tile.pixels, tiles * span.times
            joins, twos = times * parts * pixels // 2, times * -(-channels // 2)
            found[f"tile {pixels}"] += times
            found["tile h"] += times * height
            if tile.copied:
                beside = (tile.columns - tile.inside) * depth
                found["copied h beside"] += times * height * beside
                found.update(_copied(times * height, tile.inside * depth, depth))
            found["part"] += times * parts
            found["join"] += joins
            found["join four"] += joins * fours
            found["join tap"] += joins * rest
            found[f"two {pixels}"] += twos
            found[f"two {pixels} taps"] += twos * -(-taps // 2)
            found[f"two {pixels} block"] += times * blocks
            found["exact output"] += 2 * twos * pixels * (not requantization(work)["floors"])
    return dict(found)


def _tile_of_pairs(left: int, stride: int) -> tuple[int, bool]:
    """``ta_tile_pairs_rv32``; columns of missing pixels are not read."""
    return 4 if left <= 4 or left in (7, 8) else 6, False


def _copied(times: int, nbytes: int, channels: int) -> Features:
    """``memcpy`` of so many bytes: by words where pixels are made of them."""
    if channels % WORD:
        return {"copy": times, "copied bytes": times * nbytes}
    lines, rest = divmod(nbytes, _COPIED)
    return {"copy": times, "copied line": times * lines, "copied word": times * (rest // WORD)}


def _depthwise(work: Work) -> Features:
    """``ta_depthwise_3x3``: whole calls channel by channel."""
    channels, stride = integer(work, "out_channels", 1), integer(work, "stride_w", 1)
    pad, width = integer(work, "pad_left", 0), integer(work, "in_width", 1)
    found: Counter[str] = Counter()
    for span in spans(work):
        left = span.start * stride - pad
        is_right_beside = left + (span.count - 1) * stride + 3 > width
        each = span.times * channels
        found.update(row_trips(work, span.times))
        found["span"] += span.times
        found[f"channel s{stride}"] += each
        found["channel left inside"] += each * (left >= 0)
        found[f"channel right beside s{stride}"] += each * is_right_beside
        found[f"output s{stride}"] += each * (span.count - is_right_beside)
    return dict(found)


def _columns(work: Work) -> Features:
    """``ta_conv_2d_s8_columns_rv32``: windows of columns, laid a stretch at a time."""
    height, width = integer(work, "kernel_h", 1), integer(work, "kernel_w", 1)
    stride, depth = integer(work, "stride_w", 1), integer(work, "in_channels", 1)
    is_shared = integer(work, "dilation_w", 1) == 1 and stride < width
    found: Counter[str] = Counter()
    for span in spans(work):
        found.update(row_trips(work, span.times))
        for _, count in span.stretches(max(integer(work, "stretch", 1), 1)):
            lays = span.times * (1 if is_shared else count)
            columns = lays * ((count - 1) * stride + width if is_shared else width)
            found["stretch"] += span.times
            found["lay"] += lays
            found["lay h"] += lays * height
            found["column"] += columns
            if depth < _FEWEST_COPIED:
                found["column h"] += columns * height
                found["column h byte"] += columns * height * depth
            else:
                found.update(_copied(columns * height, depth, depth))
            found.update(_linear(work, height * width * depth, count, span.times))
    return dict(found)


def _pixels(work: Work) -> Features:
    """``ta_conv_2d_s8_1x1_rv32``: pixels where they lie."""
    found: Counter[str] = Counter()
    for span in spans(work):
        found.update(row_trips(work, span.times))
        found.update(_linear(work, integer(work, "in_channels", 1), span.count, span.times))
    return dict(found)


def _linear(work: Work, taps: int, count: int, times: int) -> Features:
    """``ta_linear_s8_rv32``: filters by fours over four pixels, then over one at a time."""
    channels = integer(work, "out_channels", 1)
    groups, ones = times * (count // _FOUR), times * (count % _FOUR)
    floored = channels // _FOUR if requantization(work)["floors"] else 0
    rest = channels - floored * _FOUR
    others, all_fours = -(-rest // _FOUR), -(-channels // _FOUR)
    found = Counter(requantized(work, groups * rest * _FOUR + ones * channels, groups * rest))
    found["linear"] = times
    found["group"] = groups
    found["group floored"] = groups * floored
    found["group other"] = groups * others
    found["group four"] = groups * (floored + others) * (taps // _FOUR)
    found["group tap"] = groups * (floored + others) * (taps % _FOUR)
    found["group output"] = groups * rest * _FOUR
    found["one"] = ones
    found["one fours"] = ones * all_fours
    found["one eight"] = ones * all_fours * (taps // _EIGHT)
    found["one tap"] = ones * all_fours * (taps % _EIGHT)
    found["one output"] = ones * channels
    return dict(found)


FORMS: Mapping[str, Callable[[Work], Features]] = {
    "ta_conv_2d_s8_pairs_rv32": _pairs,
    "ta_conv_2d_s8_columns_rv32": _columns,
    "ta_conv_2d_s8_1x1_rv32": _pixels,
    "ta_depthwise_conv_2d_s8_3x3_rv32": _depthwise,
    "ta_depthwise_conv_2d_s8_3x3_exact_rv32": _depthwise,
}
