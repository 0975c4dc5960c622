"""Loops of convolutions on cores with Helium, as ``firmware/operators`` has them: by kernel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from tinyaiot.loops import (
    WORD,
    Features,
    Span,
    Work,
    clamp_kind,
    integer,
    is_named,
    requantization,
    row_trips,
    spans,
)
from tinyaiot.operators.depthwise_mve import SHAPES
from tinyaiot.operators.floors import packed_multipliers
from tinyaiot.operators.linear import settled_linear

_VECTOR = 16
# Of ta_linear_s8_mve.c: vectors of taps without a loop, and the last place of 16 bits.
_VECTORS_AT_LAST = 8
_MAX_PLACE = 65532


def _pixels(work: Work) -> Features:
    """``ta_convolve_pixels``."""
    found: Counter[str] = Counter()
    for span in spans(work):
        found.update(_linear(work, integer(work, "in_channels", 1), span.count, span.times))
        found.update(row_trips(work, span.times))
    return dict(found)


def _columns(work: Work) -> Features:
    """``ta_conv_2d_s8_mve``."""
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
                found.update(_laid(field, start, columns, span.times))
            found.update(_linear(work, taps, count, span.times))
            found["stretch"] += span.times
    return dict(found)


def _laid(field: Mapping[str, int], start: int, columns: int, times: int) -> Counter[str]:
    """``lay_columns``: columns beside the input, and each row's inside."""
    height, channels, step = field["kernel_h"], field["in_channels"], field["dilation_w"]
    at = [start + k * step for k in range(columns)]
    before = sum(x < 0 for x in at)
    inside = sum(0 <= x < field["in_width"] for x in at)
    column = height * channels
    found: Counter[str] = Counter()
    found["laid"] = times
    found["laid h"] = times * height
    for beside in (before, columns - before - inside):
        found["beside"] += times * (beside > 0)
        found["beside vector"] += times * -(-beside * column // _VECTOR)
    together = min(_VECTOR // channels, (256 - channels) // column + 1)
    if channels > _VECTOR:
        found["wide column h"] = times * height * inside
        found["wide column h vector"] = times * height * inside * -(-channels // _VECTOR)
    elif step > 1 or together < 2:
        found["column h"] = times * height * inside
    else:
        found["together h"] = times * height
        found["together column h"] = times * height * -(-inside // together)
    return found


def _linear(work: Work, taps: int, count: int, times: int) -> Counter[str]:
    """``ta_linear_s8_mve`` over ``count`` pixels, ``times`` times."""
    channels = integer(work, "out_channels", 1)
    fours, left = divmod(channels, WORD)
    vectors = taps // _VECTOR
    looped = (vectors - 5) // 4 if vectors > _VECTORS_AT_LAST else 0
    is_few = taps <= _VECTOR
    most = _MAX_PLACE // channels * 2
    found: Counter[str] = Counter()
    for pixels in (most,) * ((count - 1) // most) + ((count - 1) % most + 1,):
        tiles = times * fours * -(-pixels // 2)
        found["linear"] += times
        found["fours"] += times * (fours > 0)
        found["few four" if is_few else "four"] += times * fours
        found["few tile" if is_few else "tile"] += tiles
        found[f"tile {_rounding(work)}"] += tiles
        if not is_few:
            found["tile rest"] += tiles * (taps % _VECTOR > 0)
            found["tile vector"] += tiles * vectors
            found["tile looped"] += tiles * (looped > 0)
            found["tile loop"] += tiles * looped
        found.update(_rest(times, left, pixels, taps))
        found.update(_shifts(work, times))
        found.update(_clamped(work, times, pixels * channels))
    return found


def _connected(work: Work) -> Features:
    """``ta_fully_connected_s8_mve``."""
    output, taps = work.node.output, work.node.input(1).shape[1]
    batches = output.size // output.channels
    fours, left = divmod(output.channels, WORD)
    per_channel = bool(requantization(work)["per_channel"])
    found: Counter[str] = Counter()
    found["batch"] = batches
    found["piece"] = work.node.input(0).size // integer(work, "piece_bytes", taps)
    found["run"] = batches * (fours if per_channel else fours > 0)
    found["four"] = batches * fours
    found["four rest"] = batches * fours * (taps % _VECTOR > 0)
    found["four vector"] = batches * fours * (taps // _VECTOR)
    found[f"four {_rounding(work)}"] = batches * fours
    found.update(_rest(batches, left, 1, taps))
    found.update(_shifts(work, batches))
    found.update(_clamped(work, batches, output.channels))
    return dict(found)


def _rest(times: int, channels: int, pixels: int, taps: int) -> Counter[str]:
    """``ta_linear_s8_rest_mve``: channels of one pixel together, each of several by fours."""
    runs, others = (channels, pixels) if pixels > 1 else (int(channels > 0), channels)
    fours = times * runs * -(-others // WORD)
    found = Counter({"rest": times * (channels > 0), "rest run": times * runs})
    found.update({"rest four": fours, "rest vector": fours * -(-taps // _VECTOR)})
    return found


def _rounding(work: Work) -> str:
    """``ta_mve_rounding_of``."""
    fields = requantization(work)
    least = min(-m.shift for m in packed_multipliers(settled_linear(work.node)))
    if int(fields["lowest"]) >= int(fields["zero_point"]) and least >= 0:
        return "halves up"
    return "halves away" if least > 0 else "any shift"


def _shifts(work: Work, times: int) -> Counter[str]:
    """The same: where shifts are looked through."""
    if not is_named(requantization(work)["right_shifts"]):
        return Counter()
    vectors = -(-integer(work, "out_channels", 1) // _VECTOR)
    return Counter({"shifts": times, "shifts vector": times * vectors})


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


def _depthwise_strips(work: Work) -> Features:
    """``ta_depthwise_strips_mve``, and ``ta_depthwise_row_mve``."""
    found: Counter[str] = Counter()
    for span in spans(work):
        found.update(_clamped(work, span.times, span.count * integer(work, "out_channels", 1)))
        if not work.call.function.endswith("_strips"):
            found.update(row_trips(work, span.times))
            found.update(_strip(work, span, 1, span.times))
            continue
        most = integer(work, "stretch", 1)
        a_call = span.times // work.calls
        for first in range(0, a_call, most):
            found.update(_strip(work, span, min(most, a_call - first), work.calls))
    return dict(found)


def _strip(work: Work, span: Span, height: int, times: int) -> Counter[str]:
    """``make`` of ``height`` rows, ``times`` times."""
    field = {name: integer(work, name, 1) for name in _WINDOW_FIELDS}
    stride, channels = field["stride_w"], field["out_channels"]
    shape = next(each for each in SHAPES if each.function == work.function)
    rows = 2 if height > 1 and shape.makes_pairs(work.node) else 1
    left = span.start * stride - field["pad_left"]
    columns = (span.count - 1) * stride + field["kernel_w"]
    inside = min(left + columns, field["in_width"]) - max(left, 0)
    across = 4 // rows
    tiles, rest = divmod(span.count, 2 * across)
    kind = "pair" if rows == 2 else f"stride {stride}"
    kind += "" if requantization(work)["floors"] else " exact"
    most = channels if shape.has_multiplier else _VECTOR
    groups = times * -(-channels // most)
    bands = -(-height // rows)
    made = groups * min(channels, most)
    found: Counter[str] = Counter()
    found["strip"] = times
    found["band"] = times * bands
    found["band h"] = times * bands * field["kernel_h"]
    found["group"] = groups
    found["group band"] = groups * bands
    found["edge"] = groups * bands * ((left < 0) + (left + columns > field["in_width"]))
    found["column inside"] = groups * bands * inside
    found["columns inside"] = groups * bands * -(-inside // _VECTOR) * shape.has_multiplier
    found["column beside"] = groups * bands * (columns - inside)
    found["channel"] = made
    found["channel band"] = made * bands
    found[f"{kind} eight"] = made * bands * (tiles + (rest > across))
    found[f"{kind} four"] = made * bands * (0 < rest <= across)
    return found


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
    "ta_fully_connected_s8_mve": _connected,
    **{shape.function: _depthwise_strips for shape in SHAPES},
}
