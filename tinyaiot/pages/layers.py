"""What each layer costs: multiply-accumulates, what was counted, RAM, weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tinyaiot.pages.charts import Bar, bars
from tinyaiot.pages.page import Figure, Part, Section, Table
from tinyaiot.pages.svg import Picture
from tinyaiot.plan import Plan
from tinyaiot.predict import Prediction
from tinyaiot.summary import ModelSummary, format_shape


@dataclass(frozen=True)
class Counts:
    """What each layer takes of a counter, per inference.

    Attributes:
        unit: "instructions" or "cycles".
        measured: by layer; without those of which nothing is known.
        predicted: by layer; empty where there is nothing.
    """

    unit: str
    measured: Mapping[int, int]
    predicted: Mapping[int, int]

    @property
    def shown(self) -> Mapping[int, int]:
        """What was measured; where nothing was, what is predicted."""
        return self.measured or self.predicted

    @property
    def title(self) -> str:
        """Says whether it is an estimate."""
        return f"{self.unit.capitalize()} by layer" + ("" if self.measured else ", predicted")


def predicted_counts(prediction: Prediction | None) -> dict[int, int]:
    """Instructions by layer, of those that are known."""
    layers = () if prediction is None else prediction.layers
    return {n.index: n.instructions for n in layers if n.instructions is not None}


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
        columns = tuple(self._columns())
        rows = zip(*(cells for _, cells in columns), strict=True)
        headings = tuple(heading for heading, _ in columns)
        return Table(headings, tuple(rows), "Layer by layer, for one inference")

    def _columns(self) -> Iterator[tuple[str, Sequence[str]]]:
        """Headings with a cell for each layer, and the one for all of them."""
        layers, live = self.summary.layers, self.plan.live_bytes
        yield "layer", [*(f"{layer.index} {layer.op}" for layer in layers), "all layers"]
        yield "output", [*(format_shape(layer.shape) for layer in layers), ""]
        yield "#MACs", [f"{n:,}" for n in (*(layer.macs for layer in layers), self.summary.macs)]
        if self.counts is not None:
            yield from self._counted_columns(self.counts)
        weights = (*(layer.weights_bytes for layer in layers), self.summary.weights_bytes)
        yield "#weights, bytes", [f"{n:,}" for n in weights]
        used = (*(live.get(layer.index) for layer in layers), max(live.values(), default=0))
        yield "#RAM in use, bytes", [_number(n) for n in used]

    def _counted_columns(self, counts: Counts) -> Iterator[tuple[str, Sequence[str]]]:
        for note, values in (("", counts.measured), (", predicted", counts.predicted)):
            if values:
                found = [values.get(layer.index) for layer in self.summary.layers]
                total = sum(values.values())
                yield f"#{counts.unit}{note}", [_number(n) for n in (*found, total)]
                macs = (*(layer.macs for layer in self.summary.layers), self.summary.macs)
                rates = [_rate(n, m) for n, m in zip((*found, total), macs, strict=True)]
                yield f"#a MAC{note}", rates


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _rate(count: int | None, macs: int) -> str:
    return "-" if count is None or not macs else f"{count / macs:.2f}"
