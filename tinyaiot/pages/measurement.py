"""The page of ``tinyaiot measure``: what a model took of a board."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

from tinyaiot.classify import Classification
from tinyaiot.csource import Role
from tinyaiot.measure import Deployment, Measurement
from tinyaiot.pages.charts import WIDE, Bar, bars
from tinyaiot.pages.facts import model_facts, plan_facts
from tinyaiot.pages.layers import Counts, LayerCosts, predicted_counts
from tinyaiot.pages.memory import MemoryMaps, rooms_of
from tinyaiot.pages.page import Facts, Figure, Page, Section, Text
from tinyaiot.pages.svg import Picture
from tinyaiot.predict import predict
from tinyaiot.summary import ModelSummary, summarize


@dataclass(frozen=True)
class Measured:
    """A measurement, and what it is of.

    Attributes:
        classification: of samples; None where there were none.
    """

    deployment: Deployment
    measurement: Measurement
    classification: Classification | None = None

    @property
    def summary(self) -> ModelSummary:
        """The model."""
        return summarize(self.deployment.model.graph)

    @functools.cached_property
    def maps(self) -> MemoryMaps:
        """The memory over time."""
        deployment = self.deployment
        return MemoryMaps(deployment.model.graph, deployment.plan, rooms_of(deployment.board))

    @property
    def costs(self) -> LayerCosts:
        """The layers, with what was counted in each."""
        return LayerCosts(self.summary, self.deployment.plan, self._counts())

    def page(self, command: str) -> Page:
        """The page.

        Args:
            command: that made it.
        """
        board = self.deployment.board
        where = "emulated" if board.emulator is not None else "a real board"
        where = "this computer" if board.processor.arch == "host" else where
        subtitle = f"measured on {board.id}: {board.name}, {board.core}; {where}"
        return Page(self.measurement.model, subtitle, command, tuple(self._sections()))

    def pictures(self) -> tuple[Picture, ...]:
        """The same pictures for files of their own; the memory map comes first."""
        maps = self.maps.pictures(WIDE) if self.deployment.plan.steps else ()
        return (*maps, *self.costs.pictures(), *self._image_pictures())

    def _sections(self) -> Iterator[Section]:
        yield Section("Measured", (Facts(tuple(self._facts())), Text(self._meaning())))
        facts = model_facts(self.summary) + plan_facts(self.deployment.plan)
        yield Section("Model", (Facts(facts),))
        yield self.costs.section()
        yield self.maps.section()
        figures = tuple(Figure(picture) for picture in self._image_pictures())
        if figures:
            yield Section("Flash and RAM of the image", figures)

    def _facts(self) -> Iterator[tuple[str, str]]:
        measurement = self.measurement
        yield "outputs", "equal to TFLM's, bit for bit"
        if measurement.count is not None:
            yield f"{measurement.counter} an inference", f"{measurement.count:,}"
        if measurement.latency_us is not None:
            yield "time", f"{measurement.latency_us:,} µs"
        yield "runs", f"{measurement.runs}"
        yield "arena", f"{measurement.arena_bytes:,} bytes"
        if self._has_sizes:
            yield "RAM: .data and .bss", f"{measurement.ram_bytes:,} bytes"
            yield "flash", f"{measurement.flash_bytes:,} bytes"
        if measurement.stack_bytes is not None:
            yield "stack at most", f"{measurement.stack_bytes:,} bytes"
        yield from self._classified()

    def _classified(self) -> Iterator[tuple[str, str]]:
        found = self.classification
        if found is not None:
            yield "samples, outputs equal", f"{found.identical} of {found.count}"
            if found.board_correct is not None:
                yield "samples, classified rightly", f"{found.board_correct} of {found.count}"

    def _meaning(self) -> str:
        counter = self.measurement.counter
        words = f"The reference is {self.measurement.reference}. "
        if counter == "instructions":
            return f"{words}An emulator counts instructions exactly; it tells no time."
        if counter == "cycles":
            return f"{words}The cycles are the chip's own."
        return f"{words}Nothing counts instructions or cycles here."

    def _counts(self) -> Counts | None:
        counter, deployment = self.measurement.counter, self.deployment
        if counter is None:
            return None
        layers = self.measurement.layers
        counted = {layer.index: layer.count for layer in layers if layer.count is not None}
        if counter != "instructions":
            return Counts(counter, counted, {})
        prediction = predict(deployment.model.graph, deployment.plan, deployment.board)
        return Counts(counter, counted, predicted_counts(prediction))

    @property
    def _has_sizes(self) -> bool:
        # The size of a program of this computer means nothing for a board.
        return self.deployment.board.processor.arch != "host"

    def _image_pictures(self) -> tuple[Picture, ...]:
        if not self._has_sizes:
            return ()
        return self._flash_picture(), self._ram_picture()

    def _flash_picture(self) -> Picture:
        image, board = self.deployment.image, self.deployment.board
        arrays = image.array_bytes
        parts = (
            ("weights and biases", image.weights_bytes),
            ("scales, padding", arrays[Role.REQUANT]),
            ("tables, constants", arrays[Role.TABLE] + arrays[Role.DATA]),
            ("code with harness", image.code_bytes),
            ("all", image.flash_bytes),
        )
        unit = f"bytes, of {board.flash.size_bytes:,} in {board.id}"
        return bars("Flash", unit, [_bar(*part) for part in parts], name="flash")

    def _ram_picture(self) -> Picture:
        measurement, board = self.measurement, self.deployment.board
        parts = [
            ("arena", measurement.arena_bytes),
            ("other .data, .bss", measurement.ram_bytes - measurement.arena_bytes),
        ]
        if measurement.stack_bytes is not None:
            parts.append(("stack at most", measurement.stack_bytes))
        parts.append(("all", sum(nbytes for _, nbytes in parts)))
        unit = f"bytes, of {sum(ram.size_bytes for ram in board.ram):,} in {board.id}"
        return bars("RAM", unit, [_bar(*part) for part in parts], name="ram")


def _bar(label: str, nbytes: int) -> Bar:
    return Bar(label, nbytes, f"{nbytes:,}", kind="other" if label == "all" else "tensor")
