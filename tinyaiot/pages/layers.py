"""What each layer costs: multiply-accumulates, what was counted, RAM, weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tinyaiot.pages.charts import Bar, bars
from tinyaiot.pages.page import Figure, Part, Section, Table
from tinyaiot.pages.svg import Picture
from tinyaiot.plan import Plan
from tinyaiot.summary import ModelSummary, format_shape


@dataclass(frozen=True)
class Counts:
    """What each layer takes of a counter, per inference.

    Attributes:
        unit: "instructions" or "cycles".
        measured: by layer; without those of which nothing is known.
        predicted: by layer, an estimate; empty where there is none.
        basis: what the prediction is made from.
    """

    unit: str
    measured: Mapping[int, int]
    predicted: Mapping[int, int]
    basis: str = ""

    @property
    def shown(self) -> Mapping[int, int]:
        """What was measured; where nothing was, what is predicted."""
        return self.measured or self.predicted

    @property
    def title(self) -> str:
        """Says whether it is an estimate."""
        return f"{self.unit.capitalize()} by layer" + ("" if self.measured else ", predicted")


@dataclass(frozen=True)
class LayerCosts:
    """The layers of a model under a plan; ``counts`` where there are any."""

    summary: ModelSummary
    plan: Plan
    counts: Counts | None = None

    def section(self) -> Section:
        """Bars, and the table with the same numbers."""
        return Section("Layers", tuple(self._parts()))

    def pictures(self) -> tuple[Picture, ...]:
        """A picture of bars for each quantity."""
        live = self.plan.live_bytes
        macs = {layer.index: layer.macs for layer in self.summary.layers}
        found = [self._bars("MACs by layer", "multiply-accumulates", macs, "macs")]
        if self.counts is not None and self.counts.shown:
            found.append(self._counted(self.counts))
        most = max(live.values(), default=None)
        found.append(self._bars("RAM in use by layer", "bytes, at most", live, "ram", marked=most))
        weights = {layer.index: layer.weights_bytes for layer in self.summary.layers}
        found.append(self._bars("Weights by layer", "bytes of flash", weights, "weights"))
        return tuple(found)

    def _parts(self) -> Iterator[Part]:
        for picture in self.pictures():
            yield Figure(picture)
        yield self._table()

    def _counted(self, counts: Counts) -> Picture:
        marks = counts.predicted if counts.measured else {}
        unit = counts.unit + (" (dashes: predicted)" if marks else "")
        return self._bars(counts.title, unit, counts.shown, counts.unit, marks)

    def _bars(
        self,
        title: str,
        unit: str,
        values: Mapping[int, int],
        name: str,
        marks: Mapping[int, int] | None = None,
        marked: int | None = None,
    ) -> Picture:
        rows: Sequence[Bar] = [
            Bar(
                f"{layer.index} {layer.op}",
                values.get(layer.index),
                f"{values[layer.index]:,}" if layer.index in values else "",
                kind="marked" if values.get(layer.index) == marked else "tensor",
                mark=(marks or {}).get(layer.index),
            )
            for layer in self.summary.layers
        ]
        return bars(title, unit, rows, name=f"layers-{name}")

    def _table(self) -> Table:
        live = self.plan.live_bytes
        counts = self.counts
        columns = [] if counts is None else [(counts.unit, counts.measured)]
        if counts is not None and counts.predicted:
            columns.append((f"predicted {counts.unit}", counts.predicted))
        columns = [(heading, values) for heading, values in columns if values]
        headings = ("layer", "output", "#MACs", *(f"#{name}" for name, _ in columns))
        rows = [
            (
                f"{layer.index} {layer.op}",
                format_shape(layer.shape),
                f"{layer.macs:,}",
                *(_number(values.get(layer.index)) for _, values in columns),
                f"{layer.weights_bytes:,}",
                _number(live.get(layer.index)),
            )
            for layer in self.summary.layers
        ]
        totals = [f"{sum(values.values()):,}" for _, values in columns]
        most = f"{max(live.values(), default=0):,}"
        weights = f"{self.summary.weights_bytes:,}"
        rows.append(("all", "", f"{self.summary.macs:,}", *totals, weights, most))
        headings = (*headings, "#weights, bytes", "#RAM in use, bytes")
        return Table(headings, tuple(rows), "Layer by layer, for one inference")


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
