"""Loops of convolutions on cores with Helium, as ``firmware/operators`` has them: by kernel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from tinyaiot.loops import (
    WORD,
    Features,
    Work,
    clamp_kind,
    integer,
    is_named,
    requantization,
    row_trips,
    spans,
)

_VECTOR = 16
# Taps for which ta_linear_s8_mve.c has no loop; where all is simple, the last, too.
_UNROLLED = (16, 32, 64, 128)


def _pixels(work: Work) -> Features:
    """``ta_convolve_pixels``."""
    found: Counter[str] = Counter()
    for span in spans(work):
        found.update(_linear(work, integer(work, "in_channels", 1), span.count, span.times))
        found.update(row_trips(work, span.times))
    return dict(found)


def _columns(work: Work) -> Features:
    """``ta_convolve_by_columns``."""
    field = {name: integer(work, name, 1) for name in _WINDOW_FIELDS}
    taps = field["kernel_h"] * field["kernel_w"] * field["in_channels"]
    shared = field["dilation_w"] == 1 and field["stride_w"] < field["kernel_w"]
    found: Counter[str] = Counter()
    for span in spans(work):
        found.update(row_trips(work, span.times))
        for x, count in span.stretches(max(field["stretch"], 1)):
            left = x * field["stride_w"] - field["pad_left"]
            runs = [(left + k * field["stride_w"], field["kernel_w"]) for k in range(count)]
            if shared:
                runs = [(left, (count - 1) * field["stride_w"] + field["kernel_w"])]
            for start, columns in runs:
                step = 1 if shared else field["dilation_w"]
                found.update(_laid(field, start, columns, step, span.times))
            found.update(_linear(work, taps, count, span.times))
            found["stretch"] += span.times
    return dict(found)


def _laid(
    field: Mapping[str, int], start: int, columns: int, step: int, times: int
) -> Counter[str]:
    """``ta_lay_columns``: each row's columns before, inside and after the input."""
    at = [start + k * step for k in range(columns)]
    before = sum(x < 0 for x in at)
    inside = sum(0 <= x < field["in_width"] for x in at)
    after = columns - before - inside
    height, channels = field["kernel_h"], field["in_channels"]
    found: Counter[str] = Counter()
    found["laid"] = times
    found["laid beside"] = times * before
    found["laid inside"] = times * inside
    found["laid h"] = times * height
    parts = sum(n > 0 for n in (before, inside, after))
    if channels <= _VECTOR:
        found["part h"] = times * height * parts
        found["column h"] = times * height * columns
    else:
        found["wide part h"] = times * height * parts
        found["wide column h"] = times * height * columns
        found["wide column h vector"] = times * height * columns * -(-channels // _VECTOR)
    return found


def _linear(work: Work, taps: int, count: int, times: int) -> Counter[str]:
    """``ta_linear_s8_mve`` over ``count`` pixels, ``times`` times."""
    channels = integer(work, "out_channels", 1)
    pairs = times * -(-channels // 2)
    even, odd = divmod(count, 2)
    simple = _is_simple(work)
    is_unrolled = taps < _VECTOR or taps in _UNROLLED[: len(_UNROLLED) if simple else -1]
    loop = "few" if taps < _VECTOR else "unrolled" if is_unrolled else "looped"
    groups = pairs * (even + odd)
    found: Counter[str] = Counter()
    found["linear"] = times
    found["pair"] = pairs
    found["pair even"] = pairs * (even > 0)
    found["pair odd"] = pairs * odd
    found[f"{loop} run"] = pairs * ((even > 0) + odd)
    found[f"{loop} group"] = groups
    found[f"{loop} vector"] = groups * -(-taps // _VECTOR)
    found["exact group"] = groups * (not simple)
    found.update(_clamped(work, times, count * channels))
    return found


def _depthwise(work: Work) -> Features:
    """``ta_depthwise_conv_2d_s8_mve``."""
    field = {name: integer(work, name, 1) for name in _WINDOW_FIELDS}
    fours = -(-field["kernel_h"] // WORD)
    words = field["kernel_w"] * fours
    vectors = -(-words // 4)
    channels = field["out_channels"]
    found: Counter[str] = Counter()
    for span in spans(work):
        times = span.times
        found.update(row_trips(work, times))
        found["place"] += times * 4 * vectors
        found["place word"] += times * words
        found.update(_clamped(work, times, span.count * channels))
        for x, count in span.stretches(max(field["stretch"], 1)):
            left = x * field["stride_w"] - field["pad_left"]
            columns = (count - 1) * field["stride_w"]
            columns += (field["kernel_w"] - 1) * field["dilation_w"] + 1
            stop = left + columns
            sixteens = times * -(-channels // _VECTOR)
            beside = (left < 0) + (stop > field["in_width"])
            found["stretch"] += times
            found["sixteen"] += sixteens
            found["four rows"] += sixteens * fours
            found["four rows beside"] += sixteens * fours * beside
            found["column"] += sixteens * fours * columns
            group = sixteens * min(channels, _VECTOR)
            if vectors > 1:
                found["channel"] += group
                found["channel outputs"] += group * -(-count // 4)
                found["channel outputs vector"] += group * -(-count // 4) * vectors
            else:
                runs = sixteens * -(-min(channels, _VECTOR) // 4)
                found["channels"] += runs
                found["channels output"] += runs * count
                found["channels output exact"] += runs * count * (not _is_simple(work))
    return dict(found)


def _is_simple(work: Work) -> bool:
    """``ta_mve_is_simple``."""
    fields = requantization(work)
    return (
        int(fields["lowest"]) >= int(fields["zero_point"])
        and not is_named(fields["right_shifts"])
        and int(fields["right_shift"]) >= 0
    )


def _clamped(work: Work, times: int, outputs: int) -> Counter[str]:
    """``ta_clamp_s8_mve``."""
    if clamp_kind(work) is None:
        return Counter()
    return Counter({"clamp": times, "clamp vector": times * -(-outputs // _VECTOR)})


_WINDOW_FIELDS = (
    "in_width",
    "in_channels",
    "out_channels",
    "kernel_h",
    "kernel_w",
    "stride_w",
    "dilation_w",
    "pad_left",
    "stretch",
)
FORMS: Mapping[str, Callable[[Work], Features]] = {
    "ta_conv_2d_s8_1x1_mve": _pixels,
    "ta_conv_2d_s8_mve": _columns,
    "ta_depthwise_conv_2d_s8_mve": _depthwise,
}
