"""The pictures of report pages. All take plain values and give a ``Picture``.

``NARROW`` pictures are as wide as a phone shows without making their texts smaller, and stand
side by side on a larger screen. Axes carry their unit in the label: "arena, bytes".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tinyaiot.pages.svg import (
    LINE_PX,
    TEXT_PX,
    FreeSpace,
    Picture,
    element,
    join,
    line,
    number,
    rectangle,
    shortened,
    text,
    text_width,
    ticks,
)

NARROW = 350
WIDE = 1080

_GAP = 6
_BAR_PX = 12


@dataclass(frozen=True)
class Bar:
    """A row of ``bars``.

    Attributes:
        value: at least 0; None where there is none, which is shown as such.
        text: the value as people read it, with its digits; empty for ``value`` at full length.
        hover: what shows when the bar is pointed at, where that is more than the label and text.
        kind: "tensor", "input", "output", "scratch", "marked" or "other": the colour.
        mark: a second value, drawn as a tick across the bar: a prediction, a limit.
    """

    label: str
    value: float | None
    text: str = ""
    hover: str = ""
    kind: str = "tensor"
    mark: float | None = None

    @property
    def shown(self) -> str:
        """The text beside the bar."""
        return "-" if self.value is None else self.text or f"{self.value:,g}"


@dataclass(frozen=True)
class Limit:
    """A line across a picture: its place on the axis of values, and what it is."""

    value: float
    label: str
    kind: str = "limit"


@dataclass(frozen=True)
class Point:
    """A point of a ``Series``; the label stands beside it where there is room."""

    x: float
    y: float
    hover: str = ""
    label: str = ""


@dataclass(frozen=True)
class Series:
    """Points of one colour: "tensor", "input", "output", "marked" or "other".

    Attributes:
        label: in the legend; the legend is left out where there is one series.
        connected: whether a line goes from point to point.
    """

    label: str
    points: tuple[Point, ...]
    kind: str = "tensor"
    connected: bool = True


@dataclass(frozen=True)
class Axis:
    """An axis.

    Attributes:
        label: with the unit: "arena, bytes".
        holds: values that are on it in any case.
    """

    label: str
    holds: tuple[float, ...] = (0.0,)

    def ticks(self, values: Sequence[float], count: int) -> tuple[float, ...]:
        """Round numbers that hold all values between them."""
        held = (*values, *self.holds) or (0.0,)
        return ticks(min(held), max(held), count)


@dataclass(frozen=True)
class Block:
    """Memory in use: addresses [low, high) over times [start, stop).

    Attributes:
        label: stands in the block where there is room.
        kind: "input", "output", "tensor", "scratch" or "sums".
        short: a shorter label, for less room.
    """

    label: str
    hover: str
    start: float
    stop: float
    low: float
    high: float
    kind: str = "tensor"
    short: str = ""


@dataclass(frozen=True)
class Period:
    """A named part of the axis of time, [start, stop)."""

    label: str
    hover: str
    start: float
    stop: float


def bars(
    title: str,
    unit: str,
    rows: Sequence[Bar],
    limits: Sequence[Limit] = (),
    name: str = "bars",
    width: int = NARROW,
) -> Picture:
    """Horizontal bars, one a row, from 0; the values stand at the right.

    Args:
        unit: the label of the axis, for example "SQNR, dB".
        limits: lines across all bars.
    """
    left = min(max((text_width(row.label) for row in rows), default=0) + _GAP, width * 0.46)
    right = width - max((text_width(row.shown) for row in rows), default=0) - _GAP - 2
    values = [value for row in rows for value in (row.value, row.mark) if value is not None]
    marks = Axis(unit).ticks([*values, *(limit.value for limit in limits)], 3)
    scale = _Scale(marks[0], marks[-1], left, right)
    bottom = len(rows) * LINE_PX + 4
    parts = [_x_grid(marks, scale, 0, bottom)]
    for k, row in enumerate(rows):
        parts.append(_bar(row, k * LINE_PX, scale, left, width))
    for limit in limits:
        parts.append(line(scale(limit.value), 0, scale(limit.value), bottom, limit.kind))
    y = bottom + TEXT_PX + 4
    parts += [_x_ticks(marks, scale, y), text((left + right) / 2, y + LINE_PX, unit, "middle")]
    legend = _legend([(limit.kind, limit.label) for limit in limits], y + 2 * LINE_PX, width)
    return Picture(name, title, width, round(legend.bottom + 4), join([*parts, legend.body]))


def plot(
    title: str,
    x_axis: Axis,
    y_axis: Axis,
    series: Sequence[Series],
    limits: Sequence[Limit] = (),
    name: str = "plot",
    width: int = NARROW,
    height: int = 240,
) -> Picture:
    """Points, and lines between them, over two axes.

    Args:
        limits: upright lines, at values of the x axis.
        height: of the field with the points, in pixels.
    """
    points = [point for one in series for point in one.points]
    xs = x_axis.ticks([*(p.x for p in points), *(limit.value for limit in limits)], width // 90)
    ys = y_axis.ticks([p.y for p in points], height // 48)
    left = max(text_width(number(y)) for y in ys) + _GAP
    top = LINE_PX + _GAP
    x_scale = _Scale(xs[0], xs[-1], left, width - text_width(number(xs[-1])) / 2 - 4)
    y_scale = _Scale(ys[0], ys[-1], top + height, top)
    parts = [text(0, TEXT_PX, y_axis.label), _x_grid(xs, x_scale, top, top + height)]
    parts.append(_y_axis(ys, y_scale, left, x_scale.stop))
    free = FreeSpace()
    for limit in limits:
        x = x_scale(limit.value)
        parts.append(line(x, top, x, top + height, limit.kind))
        free.take(x - 2, top, 4, height)
    for one in series:
        parts.append(_series(one, x_scale, y_scale, free))
    y = top + height + TEXT_PX + 4
    middle = (x_scale.start + x_scale.stop) / 2
    parts += [_x_ticks(xs, x_scale, y), text(middle, y + LINE_PX, x_axis.label, "middle")]
    entries = [(one.kind, one.label) for one in series] if len(series) > 1 else []
    entries += [(limit.kind, limit.label) for limit in limits]
    legend = _legend(entries, y + 2 * LINE_PX, width)
    return Picture(name, title, width, round(legend.bottom + 4), join([*parts, legend.body]))


def blocks(
    title: str,
    time: Axis,
    address: Axis,
    found: Sequence[Block],
    periods: Sequence[Period] = (),
    limits: Sequence[Limit] = (),
    instants: Sequence[Limit] = (),
    name: str = "memory-map",
    width: int = NARROW,
    height: int = 300,
) -> Picture:
    """A memory over time: time to the right, addresses upwards, a block for what is in use.

    Args:
        periods: parts of the time, named above the field, with lines between them.
        limits: level lines, at addresses.
        instants: upright lines, at times.
    """
    highest = max([1.0, *(block.high for block in found), *(limit.value for limit in limits)])
    latest = max([1.0, *(block.stop for block in found)])
    ys = address.ticks([0.0, highest], height // 48)
    xs = [x for x in ticks(0, latest, width // 90) if x <= latest]
    left = max(text_width(number(y)) for y in ys) + _GAP
    top = 2 * LINE_PX + _GAP
    x_scale = _Scale(0, latest, left, width - 12)
    y_scale = _Scale(0, ys[-1], top + height, top)
    parts = [text(0, TEXT_PX, address.label), _y_axis(ys, y_scale, left, x_scale.stop)]
    for block in found:
        parts.append(_block(block, x_scale, y_scale))
    parts.append(_periods(periods, x_scale, top, height))
    for limit in instants:
        x = x_scale(limit.value)
        parts.append(line(x, top, x, top + height, limit.kind))
    free = FreeSpace()
    for block in found:
        parts.append(_block_label(block, x_scale, y_scale, free))
    for limit in limits:
        y = y_scale(limit.value)
        parts.append(line(x_scale.start, y, x_scale.stop, y, limit.kind))
    y = top + height + TEXT_PX + 4
    middle = (x_scale.start + x_scale.stop) / 2
    parts += [_x_ticks(xs, x_scale, y), text(middle, y + LINE_PX, time.label, "middle")]
    kinds = dict.fromkeys(block.kind for block in found)
    entries = [(kind, _BLOCK_KINDS.get(kind, kind)) for kind in kinds]
    entries += [(limit.kind, limit.label) for limit in (*limits, *instants)]
    legend = _legend(entries, y + 2 * LINE_PX, width)
    return Picture(name, title, width, round(legend.bottom + 4), join([*parts, legend.body]))


_BLOCK_KINDS = {
    "input": "input",
    "tensor": "between layers",
    "output": "output",
    "scratch": "scratch of kernels",
    "sums": "sums of pools",
}

_LINES = frozenset({"limit", "bound", "instant"})


@dataclass(frozen=True)
class _Scale:
    """From values [low, high] to pixels [start, stop]; stop may be the smaller one."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        part = (value - self.low) / (self.high - self.low)
        return self.start + part * (self.stop - self.start)


@dataclass(frozen=True)
class _Legend:
    body: Markup
    bottom: float


def _bar(row: Bar, y: float, scale: _Scale, left: float, width: int) -> Markup:
    base = y + TEXT_PX + 1
    hover = row.hover or f"{row.label}: {row.shown}"
    parts = [
        element("title", hover),
        text(0, base, shortened(row.label, left - _GAP)),
        text(width - 2, base, row.shown, "end", "value"),
    ]
    if row.value is not None:
        parts.append(
            rectangle(
                scale.start, y + 2, scale(row.value) - scale.start, _BAR_PX, f"block {row.kind}"
            )
        )
    if row.mark is not None:
        x = scale(row.mark)
        parts.append(line(x, y, x, y + LINE_PX, "bound"))
    return element("g", *parts)


def _x_grid(marks: Sequence[float], scale: _Scale, top: float, bottom: float) -> Markup:
    return join(line(scale(mark), top, scale(mark), bottom, "grid") for mark in marks)


def _x_ticks(marks: Sequence[float], scale: _Scale, y: float) -> Markup:
    """Numbers below an axis, without those that would lie on another."""
    free = FreeSpace()
    shown = []
    for mark in marks:
        label, x = number(mark), scale(mark)
        half = text_width(label) / 2 + 3
        if free.take(x - half, 0, 2 * half, 1):
            shown.append(text(x, y, label, "middle", "tick"))
    return join(shown)


def _y_axis(marks: Sequence[float], scale: _Scale, left: float, right: float) -> Markup:
    return join(
        line(left, scale(mark), right, scale(mark), "grid")
        + text(left - _GAP, scale(mark) + 4, number(mark), "end", "tick")
        for mark in marks
    )


def _series(one: Series, x_scale: _Scale, y_scale: _Scale, free: FreeSpace) -> Markup:
    parts = []
    if one.connected and len(one.points) > 1:
        path = " ".join(f"{x_scale(p.x):.1f},{y_scale(p.y):.1f}" for p in one.points)
        parts.append(element("polyline", points=path, class_=f"series {one.kind}"))
    for point in one.points:
        x, y = x_scale(point.x), y_scale(point.y)
        hover = point.hover or point.label
        parts.append(
            element("circle", element("title", hover), cx=x, cy=y, r=4, class_=f"block {one.kind}")
        )
        parts.append(_point_label(point.label, x, y, x_scale.stop, free))
    return join(parts)


def _point_label(label: str, x: float, y: float, right: float, free: FreeSpace) -> Markup:
    """Beside a point, at the side where it does not leave the picture, if there is room."""
    size = text_width(label)
    inside = x + 8 + size <= right
    start = x + 8 if inside else x - 8 - size
    if not label or not free.take(start, y - TEXT_PX, size, TEXT_PX + 4):
        return Markup("")
    return text(x + 8, y - 2, label) if inside else text(x - 8, y - 2, label, "end")


def _block(block: Block, x_scale: _Scale, y_scale: _Scale) -> Markup:
    x, y = x_scale(block.start), y_scale(block.high)
    width, height = x_scale(block.stop) - x, y_scale(block.low) - y
    return rectangle(x, y, width, max(height, 1), f"block {block.kind}", block.hover)


def _block_label(block: Block, x_scale: _Scale, y_scale: _Scale, free: FreeSpace) -> Markup:
    x, y = x_scale(block.start), y_scale(block.high)
    width, height = x_scale(block.stop) - x, y_scale(block.low) - y
    middle = y + height / 2
    for label in (block.label, block.short):
        size = text_width(label) + 4
        if not label or size > width or height < TEXT_PX + 1:
            continue
        if free.take(x + (width - size) / 2, middle - 7, size, 14):
            return text(x + width / 2, middle + 4, label, "middle", "inside")
    return Markup("")


def _periods(periods: Sequence[Period], x_scale: _Scale, top: float, height: float) -> Markup:
    parts = []
    for period in periods:
        start, stop = x_scale(period.start), x_scale(period.stop)
        parts.append(rectangle(start, top - LINE_PX, stop - start, LINE_PX, "period", period.hover))
        parts.append(line(start, top, start, top + height, "grid"))
        if text_width(period.label) + 4 <= stop - start:
            parts.append(text((start + stop) / 2, top - 4, period.label, "middle", "over"))
    return join(parts)


def _legend(entries: Sequence[tuple[str, str]], top: float, width: float) -> _Legend:
    """Swatches with labels, in as many lines as they take, from ``top`` down."""
    parts = []
    x, y = 0.0, top
    for kind, label in entries:
        size = 18 + text_width(label) + 12
        if x and x + size > width:
            x, y = 0.0, y + LINE_PX
        if kind in _LINES:
            parts.append(line(x, y + 8, x + 14, y + 8, kind))
        else:
            parts.append(rectangle(x + 1, y + 3, 12, 10, f"block {kind}"))
        parts.append(text(x + 18, y + 12, shortened(label, width - 18)))
        x += size
    return _Legend(join(parts), y + LINE_PX if entries else top - LINE_PX)
