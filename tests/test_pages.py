"""Report pages: one file that parses, needs nothing else, and shows all of what it says."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyaiot.errors import UsageError
from tinyaiot.pages import pictures
from tinyaiot.pages.charts import Axis, Bar, Block, Limit, Period, Point, Series, bars, blocks, plot
from tinyaiot.pages.page import Facts, Figure, Page, Section, Table, Text, page_html
from tinyaiot.pages.svg import Picture, shortened, text_width, ticks

SVG = "{http://www.w3.org/2000/svg}"
VOID = {"meta", "br", "hr", "img", "input", "link"}

names = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=30)
amounts = st.floats(0, 1e9)


class Reader(HTMLParser):
    """Raises ValueError where elements are not closed in their order; collects attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            raise ValueError(f"</{tag}> closes what is not open, line {self.getpos()[0]}")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(html: bytes) -> Reader:
    """The page, which must be well formed and need no other file."""
    reader = Reader()
    reader.feed(html.decode("utf-8"))
    reader.close()
    assert not reader.open
    addresses = [v for name, v in reader.attributes if name in ("src", "href", "xlink:href")]
    assert not addresses
    assert not re.search(rb"url\(|@import|<script|<link", html)
    return reader


def texts(picture: Picture) -> list[str]:
    root = ET.fromstring(pictures.svg(picture))
    assert root.tag == f"{SVG}svg"
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def some_pictures() -> tuple[Picture, ...]:
    rows = [Bar("0 CONV_2D", 1000, "1,000", mark=900), Bar("1 RESHAPE", None)]
    points = (Point(28000, 0, label="28,000"), Point(20000, 3.2, label="20,000"))
    found = [Block("a", "a: 10 bytes", 0, 4, 0, 10, "input"), Block("b", "b", 3, 8, 9, 14)]
    return (
        bars("MACs", "multiply-accumulates", rows, [Limit(1200, "limit")]),
        plot("Frontier", Axis("arena, bytes"), Axis("extra MACs, %"), [Series("all", points)]),
        blocks("Memory", Axis("step"), Axis("bytes"), found, [Period("0", "layer 0", 0, 4)]),
    )


def a_page() -> Page:
    figures = tuple(Figure(picture, "caption") for picture in some_pictures())
    table = Table(("layer", "op", "#MACs", "#weights", "#RAM"), (("0", "<b>&", "1", "2", "3"),))
    first = Section("Figures", (Facts((("arena", "1 byte"),)), Text("too large", True), *figures))
    return Page(
        "m<odel", "on a board", "tinyaiot analyze 'm<odel'", (first, Section("T", (table,)))
    )


def test_page_is_one_well_formed_file() -> None:
    html = page_html(a_page())
    shown = "".join(read(html).texts)
    assert "tinyaiot analyze 'm<odel'" in shown
    assert "<b>&" in shown
    assert html == page_html(a_page())


@given(st.lists(st.tuples(names, st.none() | amounts), max_size=12), names)
def test_bars_hold_whatever_names_there_are(rows: list[tuple[str, float]], title: str) -> None:
    picture = bars(title, "bytes", [Bar(name, value) for name, value in rows])
    shown = texts(picture)
    assert "bytes" in shown
    root = ET.fromstring(pictures.svg(picture))
    assert root.findtext(f"{SVG}title") == title
    for rect in root.iter(f"{SVG}rect"):
        if "block" in rect.get("class", ""):
            assert float(rect.get("x", "")) + float(rect.get("width", "")) <= picture.width


@given(st.lists(st.tuples(amounts, amounts, names), max_size=8))
def test_points_lie_in_the_picture(points: list[tuple[float, float, str]]) -> None:
    series = Series("one", tuple(Point(x, y, label=label) for x, y, label in points))
    picture = plot("plot", Axis("x, bytes"), Axis("y, MACs"), [series, series])
    assert {"x, bytes", "y, MACs"} <= set(texts(picture))
    for circle in ET.fromstring(pictures.svg(picture)).iter(f"{SVG}circle"):
        assert 0 <= float(circle.get("cx", "")) <= picture.width
        assert 0 <= float(circle.get("cy", "")) <= picture.height


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9), st.integers(1, 10))
def test_ticks_hold_their_range(low: float, span: float, count: int) -> None:
    found = ticks(low, low + span, count)
    slack = 1e-6 * max(abs(low), span, 1.0)
    assert found[0] <= low + slack
    assert found[-1] >= low + span - slack
    assert 2 <= len(found) <= 2 * count + 3
    assert list(found) == sorted(set(found))


@given(names, st.floats(0, 300))
def test_shortened_texts_fit(name: str, width: float) -> None:
    assert text_width(shortened(name, width)) <= width
    assert shortened(name, 1e6) == name


def test_png_where_it_can_be_made() -> None:
    pytest.importorskip("resvg_py", reason="the extra `plot` is not installed")
    for picture in some_pictures():
        assert pictures.png(picture).startswith(b"\x89PNG")


def test_png_that_cannot_be_made_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "can_make_png", lambda: False)
    with pytest.raises(UsageError) as caught:
        pictures.png(some_pictures()[0])
    assert "tinyaiot[plot]" in caught.value.hint
