"""Loops of convolutions on cores with the DSP extension, as ``firmware/operators`` has them: by
kernel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from tinyaiot.loops import (
    WORD,
    Features,
    Span,
    Work,
    clamp_kind,
    integer,
    requantization,
    row_trips,
    spans,
    taps_inside,
    window_tiles,
)
from tinyaiot.operators.convolution import convolution_windows

_GROUP = 3
_WIDE_GROUP = 2
# Of three pixels whose loop is unrolled: what runs straight into it.
_STRAIGHT_OF_3 = 16
_UNROLLED_TURNS = 10
_STRAIGHT_FOURS = (2, 4, 6)
_WIDE_TURNS = 32
# Rows of windows of which several groups are widened one after another by code of their own.
_KNOWN_ROWS = {3: "threes", 9: "nines"}
_FEWEST_FOURS = 2
# Of the input, under two tiles side by side; fours of channels behind one address.
_TILE_COLUMNS = 6
_MOST_FOURS = 16
# Of the input, under one tile of two outputs side by side.
_ROW_TILE_ROWS = 3
_ROW_TILE_COLUMNS = 4
_ROW_TILE_TURNS = 12
_GROUPED_TILES = "ta_conv_2d_s8_winograd_ram_dsp"
_BAND_ROWS = 14
_BAND_ROWS_BY_TWO = 6
_QUAD_TURNS = 4
_WIDE_QUAD_TURNS = 8


def _groups(work: Work) -> Features:
    """``ta_conv_2d_s8_dsp``."""
    return _by_groups(work, _GROUP, _linear)


def _unrolled_groups(work: Work) -> Features:
    """``ta_conv_2d_s8_unrolled_dsp``."""
    return _by_groups(work, _GROUP, _unrolled_linear, knows=True)


def _wide_groups(work: Work) -> Features:
    """``ta_conv_2d_s8_wide_dsp``."""
    return _by_groups(work, _WIDE_GROUP, _wide_linear, knows=True)


def _by_groups(
    work: Work,
    most: int,
    linear: Callable[[Work, int, int, int], Features],
    knows: bool = False,
) -> Features:
    """``ta_convolve_groups``, ``most`` windows at a time.

    Args:
        knows: how to widen the commonest windows faster.
    """
    field = {name: integer(work, name, 1) for name in _WINDOW_FIELDS}
    taps = field["kernel_h"] * field["kernel_w"] * field["in_channels"]
    known = _known_windows(field, most) if knows else None
    found: Counter[str] = Counter()
    for span in spans(work):
        found.update(row_trips(work, span.times))
        found.update(_clamped(work, span))
        windows = _windows(field, span, most)
        is_whole = most == _WIDE_GROUP and set(windows) == {(0, "chain", 0), (most, "inner", 0)}
        if is_whole:  # has a path of its own, which is short, or is inlined
            is_inlined = work.call.inlined and known is not None and clamp_kind(work) is None
            found["inlined groups" if is_inlined else "whole groups"] += span.times
            found["row"] -= span.times
        for (lanes, kind, left), groups in windows.items():
            times = groups * span.times
            found[f"{kind} group"] += 0 if is_whole else times
            if kind == "chain":
                continue
            if kind == "inner" and known is not None:
                found[known] += times
                found[f"{known} four"] += times * taps // WORD
            elif kind == "edge" and field["in_channels"] % WORD == 0:
                found.update(_widened_taps(field, lanes, times))
            else:
                if kind == "edge":
                    found.update(_strip(field, lanes, left, times))
                found.update(_widened_runs(field, lanes, times, most))
            found.update(linear(work, taps, lanes, times))
    return dict(found)


def _known_windows(field: Mapping[str, int], most: int) -> str | None:
    """Which code of their own kernels of ``most`` windows have to widen such ones."""
    row_taps = field["kernel_w"] * field["in_channels"]
    if field["kernel_h"] == 1:
        return "words" if row_taps % WORD == 0 and most == _WIDE_GROUP else None
    return _KNOWN_ROWS.get(row_taps) if field["kernel_h"] == _GROUP else None


def _windows(field: Mapping[str, int], span: Span, group: int) -> Counter[tuple[int, str, int]]:
    """Groups of windows: how many lanes each has, how it is widened, and where it starts if that
    matters; and chains of them that are made in one call."""
    stride, most = field["stride_w"], max(field["stretch"], 1)
    pace = group * stride
    is_flat = field["dilation_w"] == 1
    last = field["in_width"] - field["kernel_w"] - pace + stride
    found: Counter[tuple[int, str, int]] = Counter()
    x, left = span.start, span.start * stride - field["pad_left"]
    while x < span.stop:
        if most == group and is_flat and 0 <= left <= last and span.stop - x >= group:
            fast = min((span.stop - x) // group, (last - left) // pace + 1)
            found[0, "chain", 0] += 1
            found[group, "inner", 0] += fast
            x, left = x + fast * group, left + fast * pace
        if x < span.stop:
            lanes = min(span.stop - x, most)
            stop = left + (lanes - 1) * stride + field["kernel_w"]
            is_edge = left < 0 or stop > field["in_width"] or not is_flat
            found[lanes, "edge" if is_edge else "inside", left if is_edge else 0] += 1
            x, left = x + lanes, left + lanes * stride
    return found


def _widened_taps(field: Mapping[str, int], lanes: int, times: int) -> Features:
    """``widen_taps``."""
    taps = times * field["kernel_h"] * field["kernel_w"]
    return {
        "taps h": times * field["kernel_h"],
        f"tap {lanes}": taps,
        f"tap {lanes} four": taps * field["in_channels"] // WORD,
    }


def _strip(field: Mapping[str, int], lanes: int, left: int, times: int) -> Counter[str]:
    """``lay_strip``."""
    height, width, channels = field["kernel_h"], field["kernel_w"], field["in_channels"]
    stride, dilation = field["stride_w"], field["dilation_w"]
    nbytes = lanes * width * channels * height
    found: Counter[str] = Counter()
    found["strip"] = times
    found["strip h"] = times * height
    found["strip word"] = times * (nbytes // WORD)
    found["strip byte"] = times * (nbytes % WORD)
    copies = [
        (left + lane * stride + kx * dilation, 1) for lane in range(lanes) for kx in range(width)
    ]
    if dilation == 1 and stride <= width:
        copies = [(left, (lanes - 1) * stride + width)]
    for column, count in copies:
        first, stop = max(-column, 0), min(field["in_width"] - column, count)
        found["copy"] += times
        if first < stop:
            words, rest = divmod((stop - first) * channels, WORD)
            found["copied"] += times
            found["copied h"] += times * height
            found["copied h word"] += times * height * words
            found["copied h byte"] += times * height * rest
    return found


def _widened_runs(field: Mapping[str, int], lanes: int, times: int, most: int) -> Features:
    """``widen_group_runs`` and ``widen_runs``."""
    height = field["kernel_h"]
    fours, rest = divmod(field["kernel_w"] * field["in_channels"], WORD)
    behind = -(-rest * height // WORD)
    rows = times * height
    if lanes == most:
        return {
            "whole": times,
            "whole h": rows,
            "whole h four": rows * fours,
            "whole h rest": rows * rest,
            "whole behind": times * (rest > 0),
            "whole behind four": times * behind,
        }
    return {
        "few": times,
        "few h": rows,
        "few h lane": rows * lanes * (fours > 0),
        "few h lane four": rows * lanes * fours,
        "few h rest": rows * rest,
        "few h rest lane": rows * rest * lanes,
        "few behind": times * lanes * (rest > 0),
        "few behind four": times * lanes * behind,
    }


def _by_columns(work: Work) -> Features:
    """``ta_conv_2d_s8_w3_dsp``."""
    height, channels = integer(work, "kernel_h", 1), integer(work, "in_channels", 1)
    pad, width = integer(work, "pad_left", 0), integer(work, "in_width", 1)
    found: Counter[str] = Counter()
    for span in spans(work):
        found.update(row_trips(work, span.times))
        found.update(_clamped(work, span))
        groups: Counter[tuple[int, bool]] = Counter()
        for x, lanes in span.stretches(_GROUP):
            is_inner = lanes == _GROUP and x >= pad and x - pad + lanes + 2 <= width
            groups[lanes, is_inner] += span.times
        for (lanes, is_inner), times in groups.items():
            kind = "inner" if is_inner else f"padded {lanes}"
            found[f"{kind} group"] += times
            found[f"{kind} h"] += times * height
            found[f"{kind} h four"] += times * height * channels // WORD
            found.update(_linear(work, height * 3 * channels, lanes, times))
    return dict(found)


def _tiles(work: Work) -> Features:
    """``ta_conv_2d_s8_winograd_dsp``, and with filters that are transformed in groups."""
    is_grouped = work.function == _GROUPED_TILES
    outputs = integer(work, "out_channels", 1)
    fours, pairs = -(-integer(work, "in_channels", 1) // WORD), -(-outputs // 2)
    runs = -(-fours // _MOST_FOURS)
    groups = -(-outputs // integer(work, "stretch", 1)) if is_grouped else 1
    found: Counter[str] = Counter()
    for span in spans(work):
        by_pairs = work.call.function.endswith("_pairs")
        calls = work.calls if by_pairs else span.times
        bands = calls * -(-span.times // (2 * calls))
        lefts = [min(x, span.stop - WORD) for x in range(span.start, span.stop, WORD)]
        inside = _columns_inside(work, lefts)
        tiles = bands * len(lefts)
        found.update(row_trips(work, span.times) if not by_pairs else {})
        found.update(_clamped(work, span))
        found["band"] += bands * groups
        found["band run"] += bands * groups * runs
        found["tile"] += tiles * groups
        found["tile run"] += tiles * groups * runs
        found["tile overlap"] += tiles * groups * (integer(work, "in_channels", 1) % WORD > 0)
        found["tile four"] += tiles * groups * fours
        found["tile four column"] += bands * groups * fours * inside
        found["pair"] += tiles * pairs
        found["pair run"] += tiles * pairs * runs
        found["pair four"] += tiles * pairs * fours
        found["pair exact"] += tiles * pairs * (not requantization(work)["floors"])
        found["odd"] += tiles * (outputs % 2)
        if is_grouped:
            found["group"] += calls * groups
            found["filters"] += calls * pairs
            found["filters four"] += calls * pairs * fours
    return dict(found)


def _row_tiles(work: Work) -> Features:
    """``ta_conv_2d_s8_winograd_1d_dsp``, and position by position."""
    channels, quads = integer(work, "in_channels", 1), integer(work, "out_channels", 1) // WORD
    pad, width = integer(work, "pad_left", 0), integer(work, "in_width", 1)
    turns = _ROW_TILE_ROWS * -(-channels // (2 * WORD))
    position = -(-_ROW_TILE_ROWS * channels // (2 * WORD))
    is_exact = not requantization(work)["floors"]
    found: Counter[str] = Counter()
    for span in spans(work):
        stop = min(span.stop - pad + 2, width)
        lefts = range(span.start - pad, span.stop - pad, 2)
        beside = sum(left < 0 or left + _ROW_TILE_COLUMNS > stop for left in lefts)
        tiles = span.times * len(lefts)
        found.update(row_trips(work, span.times))
        found.update(_clamped(work, span))
        found["tile"] += tiles
        found["tile beside"] += span.times * beside
        found["tile four"] += tiles * _ROW_TILE_ROWS * channels // WORD
        found["tile turn"] += tiles * turns
        found["quad"] += tiles * quads
        found["quad eight"] += tiles * quads * _ROW_TILE_COLUMNS * position
        found["quad turn"] += tiles * quads * _ROW_TILE_COLUMNS * -(-position // _ROW_TILE_TURNS)
        found["quad exact"] += tiles * quads * is_exact
    return dict(found)


def _columns_inside(work: Work, lefts: Sequence[int]) -> int:
    """Columns of the input under two tiles from each of these output columns on."""
    pad, width = integer(work, "pad_left", 0), integer(work, "in_width", 1)
    return sum(min(x - pad + _TILE_COLUMNS, width) - max(x - pad, 0) for x in lefts)


def _linear(work: Work, taps: int, lanes: int, times: int) -> Features:
    """``ta_linear_s8_dsp`` over groups of ``lanes`` pixels."""
    channels = integer(work, "out_channels", 1)
    pairs = times * -(-channels // 2)
    fours = max(-(-taps // WORD), _FEWEST_FOURS)
    turns = ((fours >> 1) + 1) >> 1 if lanes == 1 else fours >> 1 if lanes == 2 else fours + 2 >> 2
    is_exact = not requantization(work)["floors"]
    return {
        "group": times,
        "group odd": times * (channels % 2),
        f"pair {lanes}": pairs,
        f"pair {lanes} exact": pairs * is_exact,
        f"pair {lanes} turn": pairs * turns,
        f"pair {lanes} four": pairs * (fours >> 1 if lanes == 1 else fours),
        f"pair {lanes} odd four": pairs * (fours & 1 if lanes == 1 else 0),
    }


def _unrolled_linear(work: Work, taps: int, lanes: int, times: int) -> Features:
    """``ta_linear_s8_unrolled_dsp`` over groups of ``lanes`` pixels."""
    found = _linear(work, taps, lanes, times)
    if lanes == 1:
        return found
    fours = max(-(-taps // WORD), _FEWEST_FOURS)
    pairs, is_exact = found[f"pair {lanes}"], found[f"pair {lanes} exact"] > 0
    if lanes < _GROUP:
        return found | {f"pair {lanes} turn": pairs * ((fours + 2) // WORD)}
    turns, begin = divmod(2 * fours - 1, 3)
    runs = -(-(turns + begin // 2) // _UNROLLED_TURNS)
    return {
        "group": times,
        "group odd": found["group odd"],
        "pair 3": pairs,
        "pair 3 exact": pairs * is_exact,
        "pair 3 straight": pairs * (not is_exact and fours == _STRAIGHT_OF_3),
        "pair 3 two": pairs * 2 * fours,
        "pair 3 turn": pairs * turns,
        "pair 3 again": pairs * (runs - 1),
        "pair 3 looped": pairs * (runs > 1 and not is_exact),
    }


def _pointwise(work: Work) -> Features:
    """``ta_conv_2d_s8_1x1_dsp``."""
    channels = integer(work, "in_channels", 1)
    words = channels // WORD
    found: Counter[str] = Counter()
    for span in spans(work):
        found.update(row_trips(work, span.times))
        found.update(_clamped(work, span))
        groups, lanes = divmod(span.count, _GROUP)
        found["chain group"] += span.times * (groups > 0)
        found["words"] += span.times * groups
        found["words four"] += span.times * groups * words
        found["words loop"] += span.times * groups * sum(divmod(words, 4))
        found.update(_unrolled_linear(work, channels, _GROUP, span.times * groups))
        if lanes:
            found[f"few {lanes}"] += span.times
            found["few lane four"] += span.times * lanes * words
            found.update(_unrolled_linear(work, channels, lanes, span.times))
    return dict(found)


def _joined(work: Work) -> Features:
    """``ta_conv_2d_s8_joined_dsp``: groups of windows of a row, or of all rows of a call."""
    field = {name: integer(work, name, 1) for name in _WINDOW_FIELDS}
    channels, height = field["in_channels"], field["kernel_h"]
    last = (field["in_width"] - field["kernel_w"]) * channels
    found: Counter[str] = Counter()
    for span in spans(work):
        is_joined = work.call.function.endswith("_joined_dsp_rows")
        calls = work.calls if is_joined else span.times
        rows = span.times // calls
        columns = range(span.start, span.stop)
        starts = ((x * field["stride_w"] - field["pad_left"]) * channels for x in columns)
        found.update(row_trips(work, span.times))
        found.update(_clamped(work, Span(span.start, span.stop, calls), rows))
        found["chain"] += calls
        found["window"] += span.times * span.count
        found["window beside"] += span.times * sum(not 0 <= start <= last for start in starts)
        found["window h"] += span.times * span.count * height
        groups, lanes = divmod(rows * span.count, _GROUP)
        found["made group"] += calls * groups
        found.update(_unrolled_linear(work, height * WORD, _GROUP, calls * groups))
        if lanes:
            found["made group"] += calls
            found[f"closed {lanes} h"] += calls * height
            found.update(_unrolled_linear(work, height * WORD, lanes, calls))
    return dict(found)


def _wide_linear(work: Work, taps: int, lanes: int, times: int) -> Features:
    """``ta_linear_s8_wide_dsp`` over groups of ``lanes`` pixels."""
    channels = integer(work, "out_channels", 1)
    pairs = times * -(-channels // 2)
    fours = max(-(-taps // WORD), _FEWEST_FOURS)
    is_exact = not requantization(work)["floors"]
    found: Features = {
        "group": times,
        "group odd": times * (channels % 2),
        f"pair {lanes}": pairs,
        f"pair {lanes} exact": pairs * is_exact,
    }
    if lanes == 1:
        sixes = (2 * fours - 1) // 3
        return found | {
            "pair 1 six": pairs * sixes,
            f"pair 1 first {2 * fours - 1 - 3 * sixes}": pairs,
        }
    turns = -(-(fours - 1) // _WIDE_TURNS)
    return found | {
        "pair 2 four": pairs * fours,
        "pair 2 straight": pairs * (not is_exact and fours in _STRAIGHT_FOURS),
        "pair 2 again": pairs * (turns - 1),
        "pair 2 looped": pairs * (turns > 1 and not is_exact),
    }


def _connected(work: Work) -> Features:
    """``ta_fully_connected_s8_dsp``."""
    return _batches(work, _linear)


def _connected_unrolled(work: Work) -> Features:
    """``ta_fully_connected_s8_unrolled_dsp``."""
    return _batches(work, _unrolled_linear)


def _connected_quads(work: Work) -> Features:
    """``ta_fully_connected_s8_quads_dsp``."""
    return _batches(work, _quads)


def _batches(work: Work, linear: Callable[[Work, int, int, int], Features]) -> Features:
    """Batches, widened as one pixel each."""
    output, taps = work.node.output, work.node.input(1).shape[1]
    batches = output.size // output.channels
    found = linear(work, taps, 1, batches)
    piece, pieces = integer(work, "piece_bytes", taps), integer(work, "pieces", 1)
    if piece % WORD == 0:
        found.update(_widened_pixel(batches * pieces, piece // WORD))
    else:
        found.update(_widened_pixel(batches, -(-taps // WORD)))
        found["copied piece"] = batches * pieces
        found["copied word"] = batches * pieces * (piece // WORD)
        found["copied byte"] = batches * pieces * (piece % WORD)
    if (kind := clamp_kind(work)) is not None:
        found |= {f"{kind} output": output.size, "clamp": batches}
    return found


def _widened_pixel(times: int, words: int) -> Features:
    """``ta_linear_dsp_widen_pixel``."""
    fours, rest = divmod(words, 4)
    return {"widen": times, "widen four": times * fours, "widen word": times * rest}


def _quads(work: Work, taps: int, lanes: int, times: int, turns: int = _QUAD_TURNS) -> Features:
    """``ta_quads_s8_dsp``; of more turns, ``ta_quads_wide_s8_dsp``."""
    pixels = times * lanes
    quads = pixels * integer(work, "out_channels", 4) // 4
    fours = max(-(-taps // WORD), _FEWEST_FOURS)
    eights = fours // 2
    return {
        "pixel": pixels,
        "quad": quads,
        "quad exact": quads * (not requantization(work)["floors"]),
        "quad turn": quads * -(-eights // turns),
        "quad eight": quads * eights,
        "quad odd four": quads * (fours % 2),
    }


def _window_pieces(work: Work) -> Features:
    """``ta_conv_2d_s8_quads_pieces_dsp``."""
    return _windows_in_pieces(work, _QUAD_TURNS)


def _wide_window_pieces(work: Work) -> Features:
    """``ta_conv_2d_s8_quads_wide_pieces_dsp``."""
    return _windows_in_pieces(work, _WIDE_QUAD_TURNS)


def _windows_in_pieces(work: Work, turns: int) -> Features:
    """``ta_convolve_pieces``, whose loop is unrolled ``turns`` times."""
    field = {name: integer(work, name, 1) for name in _WINDOW_FIELDS}
    height, width, words = field["kernel_h"], field["kernel_w"], field["in_channels"] // WORD
    found: Counter[str] = Counter()
    for span in spans(work):
        found.update(row_trips(work, span.times))
        found.update(_clamped(work, span))
        inside, edge = _inside_and_edge(field, span)
        found.update({"inside": inside, "inside h": inside * height})
        found.update({"edge": edge, "edge h": edge * height, "edge hw": edge * height * width})
        found.update(_quads_in_pieces(work, inside, height, width * words, turns))
        found.update(_quads_in_pieces(work, edge, height * width, words, turns))
    return dict(found)


def _window_quads(work: Work) -> Features:
    """``ta_conv_2d_s8_quads_dsp``."""
    return _windows_one_by_one(work, _QUAD_TURNS)


def _wide_window_quads(work: Work) -> Features:
    """``ta_conv_2d_s8_quads_wide_dsp``."""
    return _windows_one_by_one(work, _WIDE_QUAD_TURNS)


def _windows_one_by_one(work: Work, turns: int) -> Features:
    """``ta_convolve_quads``, whose loop is unrolled ``turns`` times."""
    field = {name: integer(work, name, 1) for name in _WINDOW_FIELDS}
    height, width, words = field["kernel_h"], field["kernel_w"], field["in_channels"] // WORD
    found: Counter[str] = Counter()
    for span in spans(work):
        found.update(row_trips(work, span.times))
        found.update(_clamped(work, span))
        inside, edge = _inside_and_edge(field, span)
        found.update({"inside": inside, "edge": edge, "edge h": edge * height})
        found.update(_widened_pixel(inside * height, width * words))
        found.update(_widened_pixel(edge * height * width, words))
        found.update(_quads(work, height * width * words * WORD, 1, inside + edge, turns))
    return dict(found)


def _inside_and_edge(field: Mapping[str, int], span: Span) -> tuple[int, int]:
    """How many windows lie in the input side by side, and how many others there are."""
    left = np.arange(span.start, span.stop) * field["stride_w"] - field["pad_left"]
    fits = (left >= 0) & (left + field["kernel_w"] <= field["in_width"])
    inside = int((fits & (field["dilation_w"] == 1)).sum()) * span.times
    return inside, span.count * span.times - inside


def _window_line(work: Work) -> Features:
    """``ta_conv_2d_s8_quads_line_dsp``."""
    field = {name: integer(work, name, 1) for name in _WINDOW_FIELDS}
    height, width, channels = field["kernel_h"], field["kernel_w"], field["in_channels"]
    found: Counter[str] = Counter()
    for span in spans(work):
        found.update(row_trips(work, span.times))
        found.update(_clamped(work, span))
        inside, edge = _inside_and_edge(field, span)
        runs = {"inside": (inside * height, width * channels)}
        runs["edge"] = (edge * height * width, channels)
        for name, (times, nbytes) in runs.items():
            found[f"{name} run"] += times
            found[f"{name} run word"] += times * (nbytes // WORD)
            found[f"{name} run byte"] += times * (nbytes % WORD)
        found.update({"inside": inside, "edge": edge, "edge h": edge * height})
        words = -(-height * width * channels // WORD)
        found.update(_quads_in_pieces(work, inside + edge, 1, words))
    return dict(found)


def _batch_pieces(work: Work) -> Features:
    """``ta_fully_connected_s8_quads_pieces_dsp``."""
    output, taps = work.node.output, work.node.input(1).shape[1]
    batches = output.size // output.channels
    piece, pieces = integer(work, "piece_bytes", taps), integer(work, "pieces", 1)
    found = _quads_in_pieces(work, batches, pieces, piece // WORD)
    found |= {"batch": batches, "batch piece": batches * pieces}
    if (kind := clamp_kind(work)) is not None:
        found |= {f"{kind} output": output.size, "clamp": batches}
    return found


def _quads_in_pieces(
    work: Work, pixels: int, pieces: int, words: int, turns: int = _QUAD_TURNS
) -> Features:
    """``ta_quads_pieces_s8_dsp`` over pixels of some pieces of some words; of more turns,
    ``ta_quads_wide_pieces_s8_dsp``."""
    quads = pixels * integer(work, "out_channels", 4) // 4
    return {
        "quad": quads,
        "quad exact": quads * (not requantization(work)["floors"]),
        "quad piece": quads * pieces,
        "quad piece turn": quads * pieces * -(-words // turns),
        "quad four": quads * pieces * words,
    }


def _depthwise(work: Work) -> Features:
    """``ta_depthwise_conv_2d_s8_3x3_dsp``: outputs of a row, or of two together."""
    if "_3x3_dsp_narrow" in work.call.function:
        return _narrow(work)
    if work.call.function.endswith("_bands") and work.calls == 1:
        return _bands(work)
    channels, stride = integer(work, "out_channels", 1), integer(work, "stride_w", 1)
    pad, width = integer(work, "pad_left", 0), integer(work, "in_width", 1)
    vertical, _ = convolution_windows(work.node)
    outside = vertical.kernel - taps_inside(vertical) / vertical.out_size
    found: Counter[str] = Counter()
    for span, kind, rows in _rows_together(work):
        found.update(row_trips(work, span.times * rows))
        found.update(_clamped(work, span, rows))
        found[kind] += span.times
        for x, count in span.stretches(max(integer(work, "stretch", 1), 1)):
            left = x * stride - pad
            columns = (count - 1) * stride + 3
            inside = min(left + columns, width) - max(left, 0)
            passes = span.times * -(-channels // WORD)
            found["stretch"] += span.times
            found["column beside"] += span.times * (columns - inside)
            found["pass"] += passes
            found[f"pass {kind} column"] += passes * inside
            padded = round(passes * rows * outside)
            found["pass padded"] += padded
            found["pass padded column"] += padded * inside
            found[f"channel {kind}"] += passes * WORD
            found[f"channel {kind} pair s{stride}"] += passes * WORD * (count // 2)
            found[f"channel {kind} odd s{stride}"] += passes * WORD * (count % 2)
    return dict(found)


def _depthwise_taps(work: Work) -> Features:
    """``ta_depthwise_conv_2d_s8_3x3_taps_dsp``."""
    found: Counter[str] = Counter()
    for span in spans(work):
        pixels = span.times * span.count
        found.update(row_trips(work, span.times))
        found.update(_clamped(work, span))
        found["pixel"] += pixels
        found["four"] += pixels * integer(work, "out_channels", WORD) // WORD
    return dict(found)


def _depthwise_wide(work: Work) -> Features:
    """``ta_depthwise_conv_2d_s8_3x3_wide_dsp``."""
    stride, dilation = integer(work, "stride_w", 1), integer(work, "dilation_w", 1)
    most = 2 if stride == dilation == 1 else 1
    fours = integer(work, "out_channels", WORD) // WORD
    found: Counter[str] = Counter()
    for span in spans(work):
        found.update(row_trips(work, span.times))
        found.update(_clamped(work, span))
        tiles = window_tiles(work, span, lambda left, _: (min(left, most), False))
        for tile, times in tiles.items():
            kind = "pair" if tile.count > 1 else "pixel"
            beside = "" if tile.inside == tile.columns else " at edge"
            found[f"{kind}{beside}"] += times * span.times
            found[f"{kind} four"] += times * span.times * fours
    return dict(found)


def _bands(work: Work) -> Features:
    """``ta_depthwise_conv_2d_s8_3x3_dsp_bands``, of all rows at once."""
    channels, stride = integer(work, "out_channels", 1), integer(work, "stride_w", 1)
    pad, width = integer(work, "pad_left", 0), integer(work, "in_width", 1)
    bands = [*_bands_of(work.node.output.height, _BAND_ROWS if stride == 1 else _BAND_ROWS_BY_TWO)]
    words = sum(count * stride // 2 + 1 for _, count in bands)
    padded = sum(_rows_beside(work, y, count) for y, count in bands)
    downwards = sum(count // 2 for _, count in bands)
    found: Counter[str] = Counter({"band": len(bands), "band word": words})
    (span,) = spans(work)
    found.update(_clamped(work, span))
    for x, count in span.stretches(max(integer(work, "stretch", 1), 1)):
        # A column that would be left is made together with the one before.
        start, count = (x - 1, 2) if count == 1 else (x, count)
        left = start * stride - pad
        columns = (count - 1) * stride + 3
        inside = min(left + columns, width) - max(left, 0)
        passes = -(-channels // WORD)
        pairs = -(-count // 2)
        found["stretch"] += len(bands)
        found["column beside"] += len(bands) * (columns - inside)
        found["pass"] += len(bands) * passes
        found["pass word"] += words * passes
        found["pass word column"] += words * passes * inside
        found["pass padded"] += padded * passes
        found["pass padded column"] += padded * passes * inside
        found["channel"] += len(bands) * passes * WORD
        found["channel odd"] += len(bands) * passes * WORD * (count % 2)
        found["channel pair"] += len(bands) * passes * WORD * pairs
        found[f"channel pair down s{stride}"] += downwards * passes * WORD * pairs
    return dict(found)


def _bands_of(height: int, most: int) -> Iterator[tuple[int, int]]:
    """First rows of bands and how many they have: even numbers, a row being made again where one
    would be left."""
    y = 0
    while y < height:
        left = height - y
        if left < most and left % 2:
            y, left = (y - 1, left + 1) if y else (y, left - 1)
        count = min(left, most)
        yield y, count
        y += count


def _rows_beside(work: Work, y: int, count: int) -> int:
    """Rows under a band that are above or below the input."""
    stride, height = integer(work, "stride_h", 1), work.node.input(0).height
    top = y * stride - integer(work, "pad_top", 0)
    return max(-top, 0) + max(top + (count - 1) * stride + 3 - height, 0)


def _narrow(work: Work) -> Features:
    """``ta_depthwise_conv_2d_s8_3x3_dsp_narrow_...``: all outputs of a row at once."""
    output = work.node.output
    passes = -(-output.channels // WORD)
    rows = -(-output.height // work.calls)
    strips = work.calls * -(-rows // _BAND_ROWS)
    laid = output.height + 2 * (strips - 1)
    (span,) = spans(work)
    met = taps_inside(convolution_windows(work.node)[0]) * passes * WORD
    made = output.height * passes * WORD
    # Of each pair of columns the outputs that need both by one MAC, or one of them.
    macs = 4 * (output.width // 2) - 2 + 3 * (output.width % 2)
    return {
        **_clamped(work, span),
        "strip": strips,
        "pass": strips * passes,
        "laid row": laid * passes,
        "laid pair": laid * passes * (output.width // 2),
        "laid odd": laid * passes * (output.width % 2),
        "channel": strips * passes * WORD,
        "channel row": made,
        "channel row output": made * output.width,
        "met row": met,
        "met row mac": met * macs,
    }


def _planes(work: Work) -> Features:
    """``ta_depthwise_conv_2d_s8_planes_dsp``: strips of some output rows."""
    channels, stride = integer(work, "out_channels", 1), integer(work, "stride_w", 1)
    kernel_h, pad = integer(work, "kernel_h", 1), integer(work, "pad_left", 0)
    vertical, _ = convolution_windows(work.node)
    passes = -(-channels // WORD)
    found: Counter[str] = Counter()
    for span in spans(work):
        in_strips = work.call.function.endswith("_strips") and work.calls == 1
        height = integer(work, "stretch", 1) if in_strips else 1
        strips = -(-span.times // height)
        tops = np.arange(0, span.times, height) * vertical.stride - vertical.pad_before
        stops = tops + (height - 1) * vertical.stride + vertical.reach
        rows = int((np.minimum(stops, vertical.size) - np.maximum(tops, 0)).sum())
        if vertical.dilation > 1:
            rows = round(taps_inside(vertical) / vertical.out_size * span.times)
        start = span.start * stride - pad
        columns = (-(-span.count // 2) * 2 - 1) * stride + 7
        inside = min(start + columns, integer(work, "in_width", 1)) - max(start, 0)
        fours, rest = divmod(span.count, 4)
        fours, twos = (fours + 1, 0) if rest == 3 else (fours, -(-rest // 2))
        if "_narrow_" in work.call.function:
            fours, twos = int(span.count > _GROUP), int(span.count <= _GROUP)
        met = round(taps_inside(vertical) * span.times / vertical.out_size) * passes * WORD
        found.update(row_trips(work, span.times))
        found.update(_clamped(work, span))
        found["strip"] += strips
        found["strip row"] += span.times
        found["plane word"] += rows * WORD * -(-columns // 2)
        found["pass"] += strips * passes
        found["laid row"] += rows * passes
        found["laid pair"] += rows * passes * (inside // 2)
        found[f"widened s{stride}"] += strips * passes * WORD * kernel_h
        found["channel"] += strips * passes * WORD
        found["channel row"] += span.times * passes * WORD
        found["four"] += span.times * passes * WORD * fours
        found[f"four row s{stride}"] += met * fours
        found["two"] += span.times * passes * WORD * twos
        found["two row"] += met * twos
    return dict(found)


def _rows_together(work: Work) -> Iterator[tuple[Span, str, int]]:
    """Calls, whether they make one row or two, and how many that is."""
    for span in spans(work):
        if not work.call.function.endswith("_pairs"):
            yield span, "one", 1
            continue
        pairs = span.times // 2 if work.calls == 1 else 0
        yield Span(span.start, span.stop, pairs), "two", 2
        yield Span(span.start, span.stop, span.times - 2 * pairs), "one", 1


def _clamped(work: Work, span: Span, rows: int = 1) -> Features:
    """``ta_clamp_outputs_s8``."""
    kind = clamp_kind(work)
    if kind is None:
        return {}
    outputs = rows * span.times * span.count * integer(work, "out_channels", 1)
    return {f"{kind} output": outputs, "clamp": rows * span.times}


_WINDOW_FIELDS = (
    "in_width",
    "in_channels",
    "kernel_h",
    "kernel_w",
    "stride_w",
    "dilation_w",
    "pad_left",
    "stretch",
)
FORMS: Mapping[str, Callable[[Work], Features]] = {
    "ta_conv_2d_s8_dsp": _groups,
    "ta_conv_2d_s8_unrolled_dsp": _unrolled_groups,
    "ta_conv_2d_s8_1x1_dsp": _pointwise,
    "ta_conv_2d_s8_joined_dsp": _joined,
    "ta_conv_2d_s8_wide_dsp": _wide_groups,
    "ta_conv_2d_s8_w3_dsp": _by_columns,
    "ta_conv_2d_s8_quads_dsp": _window_quads,
    "ta_conv_2d_s8_quads_wide_dsp": _wide_window_quads,
    "ta_conv_2d_s8_quads_pieces_dsp": _window_pieces,
    "ta_conv_2d_s8_quads_wide_pieces_dsp": _wide_window_pieces,
    "ta_conv_2d_s8_quads_line_dsp": _window_line,
    "ta_fully_connected_s8_quads_pieces_dsp": _batch_pieces,
    "ta_fully_connected_s8_dsp": _connected,
    "ta_fully_connected_s8_unrolled_dsp": _connected_unrolled,
    "ta_fully_connected_s8_quads_dsp": _connected_quads,
    "ta_conv_2d_s8_winograd_dsp": _tiles,
    _GROUPED_TILES: _tiles,
    "ta_conv_2d_s8_winograd_1d_dsp": _row_tiles,
    "ta_conv_2d_s8_winograd_1d_sums_dsp": _row_tiles,
    "ta_depthwise_conv_2d_s8_3x3_dsp": _depthwise,
    "ta_depthwise_conv_2d_s8_3x3_taps_dsp": _depthwise_taps,
    "ta_depthwise_conv_2d_s8_3x3_wide_dsp": _depthwise_wide,
    "ta_depthwise_conv_2d_s8_planes_dsp": _planes,
}
