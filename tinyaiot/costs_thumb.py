"""Loops of convolutions on cores with Thumb-2 alone, as ``firmware/operators`` has them: by
kernel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

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

_TURN = 16


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


def _tile_of_windows(left: int, stride: int) -> tuple[int, bool]:
    """``ta_tile_v7m``; columns of missing pixels are not read."""
    return 4 if left % 5 else 5, False


def _tile_of_outputs(left: int, stride: int) -> tuple[int, bool]:
    """``tile_of``; columns of missing outputs are read."""
    if stride == 1 and left % 5 == 0:
        return 5, True
    return 3 if left <= 3 or left == 6 else 4, True


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
}
