"""SVG: elements, the width of texts, round numbers for axes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from markupsafe import Markup, escape

TEXT_PX = 11
LINE_PX = 16

# Values that differ less, in relation to their size and to 1, are equal at an axis.
_LEAST_SPAN = 1e-6

# Around a picture that is a file of its own.
_MARGIN_PX = 10

# Widths of characters over the size of the text, as in DejaVu Sans, which is wider than most.
_WIDE = frozenset("ABCDEFGHKMNOPQRUVWXYZmw@%—_+=<>")
_NARROW = frozenset("ijlftr.,:;|!'()[]{}- I/")
_WIDE_EM, _USUAL_EM, _NARROW_EM = 0.75, 0.64, 0.42


@dataclass(frozen=True)
class Picture:
    """An SVG picture.

    Attributes:
        name: of its file, without the ending.
        title: what it shows; read out instead of it.
        width: in pixels, at the natural size of its texts.
        body: the elements in it.
    """

    name: str
    title: str
    width: int
    height: int
    body: Markup

    def inline(self) -> Markup:
        """The picture as an element of a page, whose style sheet has the colours."""
        return self._root(0, self.body)

    def standalone(self, style: str) -> str:
        """The picture as a file of its own, with a style sheet in it."""
        paper = element("rect", class_="paper", x="-50%", y="-50%", width="200%", height="200%")
        return self._root(_MARGIN_PX, element("style", Markup(style)), paper, self.body) + "\n"

    def _root(self, margin: int, *children: Markup) -> Markup:
        width, height = self.width + 2 * margin, self.height + 2 * margin
        return element(
            "svg",
            element("title", self.title),
            *children,
            xmlns="http://www.w3.org/2000/svg",
            class_="picture",
            viewBox=f"{-margin} {-margin} {width} {height}",
            width=width,
            height=height,
            role="img",
        )


def element(tag: str, *children: str, **attributes: str | float | None) -> Markup:
    """An element; texts are escaped, ``Markup`` is not.

    Args:
        attributes: by name, with ``_`` for ``-``; ``class_`` is ``class``. Those that are None
            are left out.
    """
    shown = Markup("").join(
        Markup(' {}="{}"').format(name.rstrip("_").replace("_", "-"), _value(value))
        for name, value in attributes.items()
        if value is not None
    )
    return Markup("<{}{}>{}</{}>").format(
        Markup(tag), shown, Markup("").join(children), Markup(tag)
    )


def join(elements: Iterable[Markup]) -> Markup:
    """One after the other."""
    return Markup("").join(elements)


def text(
    x: float, y: float, content: str, anchor: str | None = None, class_: str | None = None
) -> Markup:
    """A line of text; ``y`` is its base line, ``anchor`` is "middle" or "end" where not start."""
    return element("text", content, x=x, y=y, text_anchor=anchor, class_=class_)


def rectangle(
    x: float, y: float, width: float, height: float, class_: str, hover: str = ""
) -> Markup:
    """A rectangle, with a text that shows when it is pointed at."""
    inside = (element("title", hover),) if hover else ()
    return element("rect", *inside, x=x, y=y, width=width, height=height, class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def text_width(content: str, size: float = TEXT_PX) -> float:
    """How many pixels a text is wide at most, whatever sans-serif font is at hand."""
    return size * sum(
        _WIDE_EM if c in _WIDE else _NARROW_EM if c in _NARROW else _USUAL_EM for c in content
    )


def shortened(content: str, width: float) -> str:
    """As much of a text as ``width`` pixels hold, with an ellipsis where that is not all."""
    if text_width(content) <= width:
        return content
    while content and text_width(content + "…") > width:
        content = content[:-1]
    return content + "…" if content else ""


@dataclass
class FreeSpace:
    """Where texts were put already, so that none lies on another."""

    _taken: list[tuple[float, float, float, float]] = field(default_factory=list)

    def take(self, x: float, y: float, width: float, height: float) -> bool:
        """Takes a rectangle, if all of it is free still."""
        for left, top, right, bottom in self._taken:
            if x < right and left < x + width and y < bottom and top < y + height:
                return False
        self._taken.append((x, y, x + width, y + height))
        return True


def ticks(low: float, high: float, count: int) -> tuple[float, ...]:
    """About ``count`` round numbers from at most ``low`` to at least ``high``."""
    span = high - low
    if span < _LEAST_SPAN * max(abs(high), 1.0):
        span = max(abs(high), 1.0)
    step = _round_step(span / max(count, 1))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(round(k * step, 10) for k in range(first, max(last, first + 1) + 1))


def number(value: float) -> str:
    """A number at an axis: 500 as it is, 1,500 as 1.5k, 1,500,000 as 1.5M."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:,.6g}{suffix}"
    return f"{value:,.6g}"


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if step <= factor * power * (1 + 1e-9))


def _value(value: str | float) -> str:
    if isinstance(value, str):
        return str(escape(value))
    return f"{value:.2f}".rstrip("0").rstrip(".")
