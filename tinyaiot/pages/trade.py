"""The frontier: what less RAM costs in multiply-accumulates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tinyaiot.pages.charts import Axis, Limit, Point, Series, plot
from tinyaiot.pages.page import Figure, Section, Table
from tinyaiot.pages.svg import Picture
from tinyaiot.planner.frontier import FrontierPoint

# A limit further off than this, in sizes of the largest arena, would press all points together.
_FURTHEST_LIMIT = 3


@dataclass(frozen=True)
class Front:
    """The frontier for one way in which the input reaches the model."""

    label: str
    points: tuple[FrontierPoint, ...]
    kind: str


def frontier_section(fronts: Sequence[Front], limit: Limit | None) -> Section:
    """The picture, and the plans in a table.

    Args:
        limit: bytes of RAM that there are; None without an end.
    """
    rows = tuple(
        (
            front.label,
            point.plan.strategy,
            f"{point.arena_bytes:,}",
            f"{point.extra_macs:,}",
            f"×{point.mac_factor:.3f}",
        )
        for front in fronts
        for point in front.points
    )
    headings = ("input", "plan", "#arena, bytes", "#MACs done again", "#of all")
    caption = "Each point is a plan that no other beats in both RAM and work."
    picture = frontier_picture(fronts, limit)
    return Section("RAM against work", (Figure(picture, caption), Table(headings, rows)))


def frontier_picture(fronts: Sequence[Front], limit: Limit | None) -> Picture:
    """Arenas to the right, what is computed again upwards."""
    arenas = [point.arena_bytes for front in fronts for point in front.points]
    is_near = limit is not None and limit.value <= _FURTHEST_LIMIT * max(arenas, default=0)
    series = [
        Series(
            front.label,
            tuple(_point(front, point) for point in front.points),
            front.kind,
        )
        for front in fronts
        if front.points
    ]
    return plot(
        "Arena against MACs computed again",
        Axis("arena, bytes"),
        Axis("MACs computed again, % of the model's", (0.0, 1.0)),
        series,
        [limit] if limit is not None and is_near else [],
        name="frontier",
    )


def _point(front: Front, point: FrontierPoint) -> Point:
    percent = 100 * (point.mac_factor - 1)
    hover = (
        f"{front.label}, {point.plan.strategy}: {point.arena_bytes:,} bytes, {percent:.1f} % again"
    )
    return Point(point.arena_bytes, percent, hover, f"{point.arena_bytes:,}")
