"""The memory map in the terminal: a line for each moment, addresses from left to right."""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from tinyaiot.graph import Graph
from tinyaiot.plan import Plan
from tinyaiot.planner.explain import LiveBuffer, Role, layers_label, live_buffers, moments
from tinyaiot.planner.timeline import Region, regions
from tinyaiot.report import Report

# Of 80 columns in all.
_LABEL_COLUMNS = 28
_MAP_COLUMNS = 37
_LEGEND_COLUMNS = 78

_COLOURS = ("blue", "cyan", "magenta", "yellow", "green")
_SCRATCH = "#"
_SUMS = "+"


@dataclass(frozen=True)
class _Row:
    """What is in use at a time, under a label."""

    label: str
    live_bytes: int
    buffers: tuple[LiveBuffer, ...]


@dataclass(frozen=True)
class _Marks:
    """How the map is drawn.

    Attributes:
        letters: by tensor.
        colours: by tensor.
    """

    letters: Mapping[int, str]
    colours: Mapping[int, str]
    free: str
    side: str

    def of(self, buffer: LiveBuffer) -> tuple[str, str]:
        """The character and the style of a buffer."""
        if buffer.tensor is None:
            return (_SUMS if buffer.role is Role.SUMS else _SCRATCH), "dim"
        return self.letters[buffer.tensor], self.colours[buffer.tensor]


def report_map(report: Report, graph: Graph, plan: Plan) -> None:
    """Where everything lies in the arena: at the fullest step of each region, or at all moments.

    A letter stands for a tensor as long as it lives; below the map is what they are. All moments
    are printed where the report is verbose.
    """
    if report.quiet or not plan.steps:
        return
    rows = _moments(graph, plan) if report.verbose else _regions(graph, plan)
    marks = _marks(rows, ascii_only=report.out.options.ascii_only)
    what = "at each moment" if report.verbose else "at the fullest step of each region"
    report.heading(f"Arena {what}, addresses from left to right")
    for memory, size in plan.arena_bytes.items():
        if size:
            column = -(-size // _MAP_COLUMNS)
            report.text(f"  {memory}: {size:,} bytes, {column:,} in a column")
            for row in rows:
                report.out.print(_line(row, memory, size, marks), soft_wrap=True)
    for line in _legend(rows, marks):
        report.out.print(line, soft_wrap=True)


def _regions(graph: Graph, plan: Plan) -> list[_Row]:
    live = live_buffers(graph, plan)
    return [
        _Row(_region_label(graph, plan, region), region.live_bytes, live[region.fullest])
        for region in regions(plan)
    ]


def _moments(graph: Graph, plan: Plan) -> list[_Row]:
    return [
        _Row(layers_label(graph, plan, moment.nodes), moment.live_bytes, moment.buffers)
        for moment in moments(graph, plan)
    ]


def _region_label(graph: Graph, plan: Plan, region: Region) -> str:
    label = layers_label(graph, plan, region.nodes)
    return label if region.stop - region.start == 1 else f"{label}, streamed"


def _marks(rows: Sequence[_Row], ascii_only: bool) -> _Marks:
    tensors = dict.fromkeys(b.tensor for row in rows for b in row.buffers if b.tensor is not None)
    return _Marks(
        dict(zip(tensors, itertools.cycle(string.ascii_letters), strict=False)),
        dict(zip(tensors, itertools.cycle(_COLOURS), strict=False)),
        free="." if ascii_only else "·",
        side="|" if ascii_only else "│",
    )


def _line(row: _Row, memory: str, size: int, marks: _Marks) -> Text:
    cells = [(marks.free, "dim")] * _MAP_COLUMNS
    # The smaller of two that share addresses is drawn over the larger.
    for buffer in sorted(row.buffers, key=lambda buffer: -buffer.size_bytes):
        if buffer.memory == memory:
            for column in _columns(buffer, size):
                cells[column] = marks.of(buffer)
    label = row.label.removeprefix("layer ")[:_LABEL_COLUMNS]
    line = Text(f"  {label:<{_LABEL_COLUMNS}}{row.live_bytes:>10,} {marks.side}")
    for (mark, style), run in itertools.groupby(cells):
        line.append(mark * len(list(run)), style)
    return line.append(marks.side)


def _columns(buffer: LiveBuffer, size: int) -> range:
    if not buffer.size_bytes:
        return range(0)
    first = buffer.offset_bytes * _MAP_COLUMNS // size
    return range(first, (buffer.stop_bytes - 1) * _MAP_COLUMNS // size + 1)


def _legend(rows: Sequence[_Row], marks: _Marks) -> Iterator[Text]:
    """What the marks are; all scratch has one mark, as have all sums."""
    named = {(b.tensor, b.role): b for row in rows for b in row.buffers}
    for buffer in named.values():
        mark, style = marks.of(buffer)
        if buffer.tensor is None:
            what = f"{buffer.role.value} of the layer that runs"
        else:
            what = f"{buffer.size_bytes:,} bytes, {buffer.role.value}: {buffer.short_name}"
        yield Text("  ").append(mark, style).append(f"  {what}"[: _LEGEND_COLUMNS - 3])
