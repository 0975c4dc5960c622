"""The frontier of RAM against multiply-accumulates, as a table and as a plot of characters."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from tinyaiot.planner.frontier import FrontierPoint
from tinyaiot.report import Report, new_table

_COLUMNS, _LINES = 56, 12
_POINT, _ACROSS, _DOWN = "o", "-", "|"


def report_frontier(report: Report, points: Sequence[FrontierPoint]) -> None:
    """The plans that no other beats in both, those with the fewest MACs first."""
    if report.quiet:
        return
    report.heading("RAM against MACs: plans that no other beats in both")
    table = new_table("plan", "layers", "#strips", "#arena", "#extra MACs", "#of all")
    for point in points:
        patches = point.plan.patches
        table.add_row(
            point.plan.strategy,
            "all whole" if patches is None else f"0-{patches.layers - 1} in strips",
            "-" if patches is None else f"{patches.strips}",
            f"{point.arena_bytes:,}",
            f"{point.extra_macs:,}",
            f"×{point.mac_factor:.3f}",
        )
    report.table(table)
    if len(points) == 1:
        report.line("frontier", "one plan: no strips of columns need less")
        return
    report.out.print()
    for line in frontier_plot(points):
        report.out.print(line, soft_wrap=True)


def frontier_plot(points: Sequence[FrontierPoint]) -> tuple[str, ...]:
    """A staircase of at least two points: arenas upwards, extra MACs to the right.

    A plan serves wherever there is at least its RAM, so steps go right, then down.
    """
    most, least = points[0].arena_bytes, points[-1].arena_bytes
    widest = points[-1].extra_macs
    places = [
        (
            round(point.extra_macs * (_COLUMNS - 1) / widest),
            round((most - point.arena_bytes) * (_LINES - 1) / (most - least)),
        )
        for point in points
    ]
    cells = [[" "] * _COLUMNS for _ in range(_LINES)]
    for (x, y), (next_x, next_y) in itertools.pairwise(places):
        cells[y][x:next_x] = _ACROSS * (next_x - x)
        for line in range(y, next_y):
            cells[line][next_x] = _DOWN
    for x, y in places:
        cells[y][x] = _POINT
    labels = {y: f"{p.arena_bytes:,}" for p, (_, y) in zip(points, places, strict=True)}
    lines = [f"{labels.get(y, ''):>12} |{''.join(row).rstrip()}" for y, row in enumerate(cells)]
    percent = f"+{100 * (points[-1].mac_factor - 1):.1f}% MACs"
    lines.append(f"{'bytes':>12} +{'-' * _COLUMNS}")
    lines.append(f"{'':>14}{'+0%':<8}{percent:>{_COLUMNS - 8}}")
    return tuple(lines)
