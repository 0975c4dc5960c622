"""Report pages: one file that parses, needs nothing else, and shows all of what it says."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.browser import Browser, find_browser
from tests.support.fake import (
    GraphBuilder,
    fake,  # noqa: F401
    fake_operators,  # noqa: F401
)
from tests.support.real_models import each_real_model
from tinyaiot import cli
from tinyaiot.errors import UsageError
from tinyaiot.pages import pictures
from tinyaiot.pages.charts import Axis, Bar, Block, Limit, Period, Point, Series, bars, blocks, plot
from tinyaiot.pages.memory import MemoryMaps
from tinyaiot.pages.page import Facts, Figure, Page, Section, Table, Text, page_html, write_page
from tinyaiot.pages.svg import Picture, shortened, text, text_width, ticks
from tinyaiot.plan import Plan, Scratch, Slot, Step
from tinyaiot.quantization import Comparison, LayerError

DIGITS = Path(__file__).resolve().parents[1] / "examples" / "digits" / "digits.tflite"
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


@settings(deadline=None)
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


@settings(deadline=None)
@given(st.lists(st.tuples(amounts, amounts, names), max_size=8))
def test_points_lie_in_the_picture(points: list[tuple[float, float, str]]) -> None:
    series = Series("one", tuple(Point(x, y, label=label) for x, y, label in points))
    picture = plot("plot", Axis("x, bytes"), Axis("y, MACs"), [series, series])
    assert {"x, bytes", "y, MACs"} <= set(texts(picture))
    for circle in ET.fromstring(pictures.svg(picture)).iter(f"{SVG}circle"):
        assert 0 <= float(circle.get("cx", "")) <= picture.width
        assert 0 <= float(circle.get("cy", "")) <= picture.height


@settings(deadline=None)
@given(st.floats(-1e9, 1e9), st.floats(0, 1e9), st.integers(1, 10))
def test_ticks_hold_their_range(low: float, span: float, count: int) -> None:
    found = ticks(low, low + span, count)
    slack = 1e-6 * max(abs(low), span, 1.0)
    assert found[0] <= low + slack
    assert found[-1] >= low + span - slack
    assert 2 <= len(found) <= 2 * count + 3
    assert list(found) == sorted(set(found))


@settings(deadline=None)
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


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pages as the commands write them, by what is special about them."""
    folder = tmp_path_factory.mktemp("pages")
    measured = ["--board", "mps2-an386", "--work", str(folder / "work")]
    commands = {
        "one board": ["analyze", "--board", "mps2-an386", "--quantization", comparison(folder)],
        "streamed": ["analyze", "--objective", "ram", "--feed", "rows"],
        "strips": ["analyze", "--ram", "1600", "--feed", "rows"],
        "does not fit": ["analyze", "--board", "mps2-an386", "--ram", "500"],
        "boards": ["analyze", "--board", "microbit", "--board", "mps2-an386"],
        "measured": ["measure", *measured, "--json", str(folder / "measured.json")],
    }
    found = {}
    for name, (command, *options) in commands.items():
        found[name] = folder / f"{name}.html"
        code = cli.run([command, str(DIGITS), *options, "--html", str(found[name]), "-q"])
        assert code == (5 if name == "does not fit" else 0)
    return found


def comparison(folder: Path) -> str:
    """A file as `tinyaiot quantize --json` writes it, with made-up values."""
    layers = tuple(LayerError(k, f"t{k}", "CONV_2D", 40.0 - k, 1.0, 50.0, 0.5) for k in range(3))
    found = Comparison(10, 0.9, 0.8, 0.9, 38.0, 0.99, 0.1, layers, 10, 2, 38.0, ())
    document = {"comparison": found.to_json()}
    path = folder / "quantization.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return str(path)


def test_commands_write_pages(written: dict[str, Path]) -> None:
    for name, path in written.items():
        shown = " ".join(read(path.read_bytes()).texts)
        assert f"tinyaiot {'measure' if name == 'measured' else 'analyze'} {DIGITS}" in shown
        assert "Memory over time" in shown
        assert ("Does not fit" in shown) == (name == "does not fit")
        assert ("RAM taken on each board" in shown) == (name == "boards")
        assert ("Error along the network" in shown) == (name == "one board")
        assert path.stat().st_size < 1_000_000


def test_the_page_of_a_measurement_has_its_numbers(written: dict[str, Path]) -> None:
    document = json.loads(written["measured"].with_suffix(".json").read_text(encoding="utf-8"))
    texts = read(written["measured"].read_bytes()).texts
    for key in ("count", "arena_bytes", "ram_bytes", "flash_bytes", "stack_bytes", "macs"):
        number = f"{document[key]:,}"
        assert number in texts or f"{number} bytes" in texts, key
    for layer in document["layers"]:
        assert f"{layer['count']:,}" in texts


def test_pages_are_the_same_each_time(written: dict[str, Path], tmp_path: Path) -> None:
    before = written["streamed"].read_bytes()
    again = [*("--objective", "ram"), *("--feed", "rows"), "--html", str(written["streamed"])]
    assert cli.run(["analyze", str(DIGITS), *again, "-q"]) == 0
    assert written["streamed"].read_bytes() == before


def test_pictures_as_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli.run(["analyze", str(DIGITS), "--plot", str(tmp_path / "all"), "-q"]) == 0
    found = {path.name for path in (tmp_path / "all").glob("*.svg")}
    assert {"memory.svg", "layers-macs.svg", "layers-ram.svg", "frontier.svg"} <= found
    for path in (tmp_path / "all").glob("*.svg"):
        ET.parse(path)
    assert cli.run(["analyze", str(DIGITS), "--plot", str(tmp_path / "map.svg"), "-q"]) == 0
    assert (tmp_path / "map.svg").read_bytes() == (tmp_path / "all" / "memory.svg").read_bytes()
    monkeypatch.setattr(pictures, "can_make_png", lambda: False)
    assert cli.run(["analyze", str(DIGITS), "--plot", str(tmp_path / "map.png"), "-q"]) == 2
    assert not (tmp_path / "map.png").exists()
    assert cli.run(["analyze", str(DIGITS), "--plot", str(tmp_path / "map.jpg"), "-q"]) == 2


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"comparison": {"count": "x"}}'])
def test_a_file_that_holds_no_comparison(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "q.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert cli.run(["analyze", str(DIGITS), "--quantization", str(path), "-q"]) == 2
    assert "holds no comparison" in capsys.readouterr().err


def test_the_page_of_a_plan_with_thousands_of_steps_stays_small(
    fake_operators: None,  # noqa: F811
) -> None:
    height, depth = 250, 20
    b = GraphBuilder()
    tensors = [b.tensor(height, 16)]
    for _ in range(depth):
        tensors.append(b.window(tensors[-1], 1, row_bytes=16, scratch_bytes=32))
    graph = b.graph(tensors[:1], tensors[-1:])
    # All layers take turns, each with its own scratch: nowhere else are there so many blocks.
    steps = tuple(Step(node, y, y + 1, 1) for y in range(height) for node in range(depth))
    slots = {t.index: Slot("ram", 4000 * k, 16, height) for k, t in enumerate(tensors)}
    scratch = {node: Scratch("ram", 4000 * (depth + 1) + 32 * node, 32) for node in range(depth)}
    arena = {"ram": 4000 * (depth + 1) + 32 * depth}
    plan = Plan("rows", steps, slots, scratch, arena, 1, 0, input_preserved=False)
    section = MemoryMaps(graph, plan, {}).section()
    html = page_html(Page("long", "", "", (section,)))
    assert len(html) < 1_000_000
    assert html.count(b"block scratch") > depth


PHONE_PX, DESKTOP_PX = 390, 1280


@pytest.fixture(scope="module")
def browser() -> Browser:
    found = find_browser()
    if found is None:
        pytest.skip("no chromium is installed")
    return found


def test_a_browser_shows_all_of_each_page(
    browser: Browser, written: dict[str, Path], tmp_path: Path
) -> None:
    found = browser.problems(list(written.values()), (PHONE_PX, DESKTOP_PX), tmp_path)
    assert len(found) == 2 * len(written)
    assert not {name: problems for name, problems in found.items() if problems}


def test_the_browser_finds_what_is_wrong(browser: Browser, tmp_path: Path) -> None:
    """The check itself: a text over another, a text that is cut, an element that is too wide."""
    bad = Picture("bad", "Bad", 200, 40, text(5, 20, "one text") + text(20, 22, "another text"))
    cut = Picture("cut", "Cut", 60, 40, text(0, 20, "much longer than its picture"))
    wide = Table(("x" * 200,), (("y",),))
    page = tmp_path / "bad.html"
    parts = (Figure(bad), Figure(cut), wide)
    write_page(page, Page("bad", "page", "none", (Section("Bad", parts),)))
    [problems] = browser.problems([page], [PHONE_PX], tmp_path).values()
    assert any("lies on" in problem for problem in problems)
    assert any("is cut" in problem for problem in problems)
    assert any("leaves the window" in problem for problem in problems)


@pytest.mark.slow
@each_real_model
def test_a_browser_shows_all_of_real_models(path: Path, browser: Browser, tmp_path: Path) -> None:
    pages: list[Path] = []
    for options in ((), ("--objective", "ram"), ("--board", "microbit"), ("--board", "all")):
        pages.append(tmp_path / f"{len(pages)}.html")
        assert cli.run(["analyze", str(path), *options, "--html", str(pages[-1]), "-q"]) in (0, 5)
        assert pages[-1].stat().st_size < 1_000_000
    found = browser.problems(pages, (PHONE_PX, 800, DESKTOP_PX), tmp_path)
    assert not {name: problems for name, problems in found.items() if problems}
