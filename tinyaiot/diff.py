"""Two measurements of `measure --json` or `fleet --json`: what changed, and whether too much."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyaiot.errors import UsageError
from tinyaiot.schemas import labelled

# Of all of them less is better.
METRICS = (
    "count",
    "latency_us",
    "macs",
    "arena_bytes",
    "ram_bytes",
    "stack_bytes",
    "flash_bytes",
    "weights_bytes",
    "code_bytes",
)
ALL = "all"

Document = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """One number before and after.

    Attributes:
        name: of the metric, or of the layer.
        before, after: None where that measurement does not have it.
        limit_percent: how much it may grow; None without a limit.
    """

    name: str
    before: int | None
    after: int | None
    limit_percent: float | None = None

    @property
    def percent(self) -> float | None:
        """By how much it grew; None where that has no meaning."""
        if self.before is None or self.after is None:
            return None
        if self.before == self.after:
            return 0.0
        return 100 * (self.after - self.before) / self.before if self.before else None

    @property
    def exceeds(self) -> bool:
        """Whether it grew by more than its limit; from nothing, anything is more."""
        if self.limit_percent is None or self.before is None or self.after is None:
            return False
        return self.after > self.before * (1 + self.limit_percent / 100)


@dataclass(frozen=True)
class Comparison:
    """A model on a board, before and after.

    Attributes:
        counter: what ``count`` counts; None where nothing does.
        metrics: those that either measurement has, in the order of ``METRICS``.
        layers: those whose count changed, by how much, largest first; none where the layers are
            not the same ones.
        lost: it was measured before, and is not any more; ``metrics`` is empty then.
    """

    name: str
    counter: str | None = None
    metrics: tuple[Change, ...] = ()
    layers: tuple[Change, ...] = ()
    lost: bool = False

    @property
    def exceeds(self) -> bool:
        """Whether it is worse than allowed."""
        return self.lost or any(change.exceeds for change in self.metrics)


def parse_limits(texts: Sequence[str]) -> Mapping[str, float]:
    """Limits in percent by metric, from ``2`` (of all metrics) or ``flash_bytes=0.5``.

    Raises:
        UsageError: no such metric, or no number.
    """
    limits = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        name = name or ALL
        if name not in (ALL, *METRICS):
            raise UsageError(f"there is no metric {name!r}", f"use one of: {', '.join(METRICS)}")
        try:
            limits[name] = float(number)
        except ValueError as error:
            raise UsageError(
                f"{text!r} is no limit", "give percent, as 2 or flash_bytes=0.5"
            ) from error
    return limits


def read_measurements(path: Path) -> dict[str, Document]:
    """Measurements by name: the one of ``measure --json``, or those of ``fleet --json``.

    Raises:
        UsageError: the file is neither.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if "results" in document:
            model, results = document["model"], document["results"]
            return {f"{model} on {r['station']}": r["measurement"] for r in results}
        return {f"{document['model']} on {document['board']}": document}
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", "check the path") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is no measurement", "make it with tinyaiot measure --json, or fleet --json"
        ) from error


def compare(
    before: Mapping[str, Document | None],
    after: Mapping[str, Document | None],
    limits: Mapping[str, float],
) -> tuple[Comparison, ...]:
    """What changed, by name; two files of one measurement each are compared whatever their names.

    Raises:
        UsageError: nothing is in both, or counts are of different counters.
    """
    if len(before) == len(after) == 1:
        [(old_name, old)], [(new_name, new)] = before.items(), after.items()
        name = old_name if old_name == new_name else f"{old_name} → {new_name}"
        pairs = {name: (old, new)}
    else:
        pairs = {name: (before[name], after.get(name)) for name in before}
    measured = {name: pair for name, pair in pairs.items() if pair[0] is not None}
    if not measured:
        raise UsageError(
            "the first file has no measurement", "compare with one in which the model ran"
        )
    return tuple(_comparison(name, old, new, limits) for name, (old, new) in measured.items())


def _comparison(
    name: str, old: Document | None, new: Document | None, limits: Mapping[str, float]
) -> Comparison:
    if old is None or new is None:
        return Comparison(name, lost=True)
    if None not in (old["counter"], new["counter"]) and old["counter"] != new["counter"]:
        raise UsageError(
            f"{name}: {old['counter']} cannot be compared with {new['counter']}",
            "compare measurements of the same kind of board",
        )
    every = limits.get(ALL)
    changes = (
        Change(metric, old.get(metric), new.get(metric), limits.get(metric, every))
        for metric in METRICS
    )
    return Comparison(
        name,
        old["counter"],
        tuple(c for c in changes if (c.before, c.after) != (None, None)),
        _layers(old["layers"], new["layers"]),
    )


def _layers(old: Sequence[Document], new: Sequence[Document]) -> tuple[Change, ...]:
    if [layer["op"] for layer in old] != [layer["op"] for layer in new]:
        return ()
    changes = [
        Change(f"{before['index']} {before['op']}", before["count"], after["count"])
        for before, after in zip(old, new, strict=True)
    ]
    changed = [change for change in changes if change.percent]
    return tuple(sorted(changed, key=lambda c: -abs((c.after or 0) - (c.before or 0))))


def diff_document(comparisons: Sequence[Comparison]) -> Document:
    """What ``tinyaiot diff --json`` gives; ``percent`` is null where it has no meaning."""
    content = {
        "exceeds": any(comparison.exceeds for comparison in comparisons),
        "comparisons": [
            {
                "name": comparison.name,
                "counter": comparison.counter,
                "lost": comparison.lost,
                "exceeds": comparison.exceeds,
                "metrics": [_change(change) for change in comparison.metrics],
                "layers": [_change(change) for change in comparison.layers],
            }
            for comparison in comparisons
        ],
    }
    return labelled("diff", content)


def _change(change: Change) -> Document:
    return {
        "name": change.name,
        "before": change.before,
        "after": change.after,
        "percent": change.percent,
        "limit_percent": change.limit_percent,
        "exceeds": change.exceeds,
    }
