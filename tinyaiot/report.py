"""What a person sees: tables and lines, right at 80 columns, plain when piped."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from tinyaiot.boards import Board
from tinyaiot.build import Image
from tinyaiot.codegen.project import Sources
from tinyaiot.csource import Role
from tinyaiot.errors import TinyaiotError
from tinyaiot.plan import Patches, Plan
from tinyaiot.summary import ModelSummary, describe_left_out, format_shape

# Slow to import, and not needed to run.
if TYPE_CHECKING:
    from tinyaiot.classify import Classification
    from tinyaiot.devices.link import Identity
    from tinyaiot.measure import Deployment, Measurement, Validation

_WIDTH_WHEN_PIPED = 80


def _console(*, stderr: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    # A pipe has no width of its own, and COLUMNS is the terminal's, not the reader's.
    width = None if stream.isatty() else _WIDTH_WHEN_PIPED
    # Names in models may look like markup; styles are given as Text.
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=width)


@dataclass(frozen=True)
class Report:
    """Prints results to standard output, progress and errors to standard error.

    Attributes:
        quiet: print errors only.
        verbose: name layers and files too.
    """

    quiet: bool = False
    verbose: bool = False
    out: Console = field(default_factory=_console)
    err: Console = field(default_factory=lambda: _console(stderr=True))

    def line(self, label: str, text: str) -> None:
        """One line of a block: what it is, and its value."""
        if not self.quiet:
            start = f"  {label:<12} "
            self.out.print(Text(start, "bold").append(text, "not bold"), soft_wrap=True)

    def heading(self, text: str) -> None:
        if not self.quiet:
            self.out.print(Text(f"\n{text}", "bold"), soft_wrap=True)

    def table(self, table: Table) -> None:
        if not self.quiet:
            self.out.print(table)

    @contextlib.contextmanager
    def step(self, doing: str, done: str) -> Iterator[None]:
        """Shows that a long step runs, where a person watches, and how long it took."""
        started = time.monotonic()
        with self.waiting(doing):
            yield
        self.line(done, f"in {time.monotonic() - started:.1f} s")

    @contextlib.contextmanager
    def waiting(self, doing: str) -> Iterator[None]:
        """Shows that something may take more than a moment, where a person watches."""
        if self.quiet:
            yield
        else:
            with self.err.status(f"{doing} …"):
                yield

    def model(self, summary: ModelSummary) -> None:
        """What the model is."""
        self.heading(summary.name)
        self.line("input", ", ".join(summary.inputs))
        self.line("output", ", ".join(summary.outputs))
        self.line("layers", f"{len(summary.layers)}: {_wrapped(summary.ops, 15)}")
        self.line("MACs", f"{summary.macs:,}")
        self.line("weights", f"{summary.weights_bytes:,} bytes")
        if summary.left_out.channels:
            channels, rest = describe_left_out(summary.left_out)
            self.line("left out", channels)
            self.line("", rest)

    def layers(self, summary: ModelSummary, plan: Plan) -> None:
        """The graph, with what each layer has live in RAM."""
        live = plan.live_bytes
        table = new_table("layer", "", "output", "#MACs", "#weights", "#live RAM")
        for layer in summary.layers:
            table.add_row(
                f"{layer.index}",
                self._operator(layer.op, layer.name),
                format_shape(layer.shape),
                _count(layer.macs),
                _count(layer.weights_bytes),
                _count(live.get(layer.index)),
            )
        table.add_section()
        table.add_row(
            "",
            "total",
            "",
            _count(summary.macs),
            _count(summary.weights_bytes),
            _count(max(live.values(), default=0)),
        )
        self.table(table)

    def needs(self, summary: ModelSummary, plan: Plan) -> None:
        """The arena, and the step that sets its size."""
        self.line("arena", f"{plan.total_arena_bytes:,} bytes, input and output included")
        self._peak(summary, plan)

    def _peak(self, summary: ModelSummary, plan: Plan) -> None:
        worst = plan.worst_step
        self.line("plan", f"{plan.strategy}, {len(plan.steps)} steps")
        if plan.patches is not None:
            self.line("strips", _strips(summary, plan.patches, plan.extra_macs))
        where = _step(summary, plan.layer_of(worst.node))
        self.line("worst step", f"{where}, {worst.live_bytes:,} bytes live")
        self.line("lower bound", f"{plan.lower_bound_bytes:,} bytes for this kind of plan")

    def fit(self, summary: ModelSummary, plan: Plan, board: Board) -> None:
        """What the model needs of the board's memories, which hold it."""
        self.heading(f"{board.id}: {board.name}, {board.core}")
        sizes = {ram.name: ram.size_bytes for ram in board.ram}
        for memory, used in plan.arena_bytes.items():
            self.line("arena", f"{used:,} bytes in {memory}, which has {sizes[memory]:,}: it fits")
        self._peak(summary, plan)
        flash = f"{summary.weights_bytes:,} bytes in flash, which has {board.flash.size_bytes:,}"
        self.line("weights", flash)
        if plan.copies_parameters:
            self.line("", f"copied to {board.ram[0].name} at the start, with their scales")

    def project(self, folder: Path, sources: Sources) -> None:
        """A generated project."""
        nbytes = sum(map(len, sources.files.values()))
        self.line("generated", f"{folder}: {len(sources.files)} files, {nbytes:,} bytes")
        if self.verbose:
            for path, content in sources.files.items():
                self.line("", f"{path} {len(content):,}")

    def image(self, image: Image, board: Board) -> None:
        """What lies in the image's flash and RAM."""
        if board.processor.arch == "host":
            self.line("program", f"{image.elf}, its size means nothing for a board")
            return
        arrays = image.array_bytes
        self.line("flash", f"{image.flash_bytes:,} of {board.flash.size_bytes:,} bytes")
        self.line("", f"{image.weights_bytes:>11,} weights and biases")
        self.line("", f"{arrays[Role.REQUANT]:>11,} scales of channels, padding")
        self.line("", f"{arrays[Role.TABLE] + arrays[Role.DATA]:>11,} tables and constants")
        self.line("", f"{image.code_bytes:>11,} code, harness included")
        self.line("RAM", f"{image.ram_bytes:,} bytes of .data and .bss, the arena included")

    def built(self, image: Image) -> None:
        """Where the firmware is."""
        if self.verbose:
            self.line("image", str(image.elf))

    def measurement(self, measurement: Measurement, deployment: Deployment) -> None:
        """Layer by layer, and the totals."""
        counter = measurement.counter
        counted = [] if counter is None else [f"#{counter}", "#/MAC"]
        table = new_table("", "operator", "output", "#MACs", *counted, "#live RAM")
        for layer in measurement.layers:
            counts = [_count(layer.count), _ratio(layer.count, layer.macs)]
            table.add_row(
                f"{layer.index}",
                self._operator(layer.op, layer.name),
                format_shape(layer.shape[1:]),
                _count(layer.macs),
                *counts[: len(counted)],
                _count(layer.live_bytes),
            )
        table.add_section()
        totals = [_count(measurement.count), _ratio(measurement.count, measurement.macs)]
        macs, arena = _count(measurement.macs), _count(measurement.arena_bytes)
        table.add_row("", "total", "", macs, *totals[: len(counted)], arena)
        self.heading(f"One inference on {measurement.board}")
        self.table(table)
        self.heading("Measured")
        self.line("outputs", f"equal to TFLM's, bit for bit ({measurement.reference})")
        if measurement.latency_us is not None:
            self.line("time", f"{measurement.latency_us:,} us" + _spread(measurement))
        self.image(deployment.image, deployment.board)
        if measurement.stack_bytes is not None:
            self.line(
                "stack",
                f"{measurement.stack_bytes:,} bytes at most, of {deployment.board.stack_bytes:,}",
            )

    def validation(self, validation: Validation) -> None:
        """That every layer is exact."""
        table = new_table("", "operator", "output", "#elements", "")
        for layer in validation.layers:
            elements = _count(layer.elements) if layer.elements else "no work"
            name = self._operator(layer.op, layer.name)
            table.add_row(f"{layer.index}", name, format_shape(layer.shape), elements, "equal")
        self.heading(f"Every layer on {validation.board}, against {validation.reference}")
        self.table(table)

    def classification(self, result: Classification, board: Board) -> None:
        """How many samples are right, here and there, and whether all are the same."""
        self.heading(f"{result.count} samples")
        if result.board_correct is not None and result.reference_correct is not None:
            self.line(board.id, f"{result.board_correct / result.count:.1%} classified rightly")
            self.line("TFLM, host", f"{result.reference_correct / result.count:.1%}")
        self.line("outputs", f"{result.identical} of {result.count} equal, bit for bit")

    @contextlib.contextmanager
    def progress(self, doing: str, count: int) -> Iterator[Callable[[], None]]:
        """A bar over ``count`` items, where a person watches; yields what advances it."""
        columns = (TextColumn(f"{doing} …"), BarColumn(), MofNCompleteColumn())
        hidden = self.quiet or not self.err.is_terminal
        with Progress(*columns, console=self.err, transient=True, disable=hidden) as bar:
            task = bar.add_task(doing, total=count)
            yield lambda: bar.advance(task)

    def identity(self, identity: Identity) -> None:
        """What a board says that it runs."""
        self.line("board", identity.board)
        self.line("model", f"{identity.model}, image {identity.image_id}")
        self.line("layers", f"{identity.layer_count}")

    def text(self, text: str) -> None:
        """A line as it is."""
        if not self.quiet:
            self.out.print(Text(text), soft_wrap=True)

    def error(self, error: TinyaiotError) -> None:
        """What happened, its details, and what to do."""
        self._error_line("error:", error.what)
        for line in error.details:
            self.err.print(f"  {line}", soft_wrap=True)
        self._error_line("hint:", error.hint)

    def _error_line(self, label: str, text: str) -> None:
        self.err.print(
            Text(label, "bold red").append(f" {text}", "not bold default"), soft_wrap=True
        )

    def _operator(self, op: str, name: str) -> str:
        return f"{op} {name}" if self.verbose else op


def _step(summary: ModelSummary, layer: int) -> str:
    if layer < 0:
        return f"input {-1 - layer} arriving"
    return f"layer {layer} {summary.layers[layer].op}"


def _strips(summary: ModelSummary, patches: Patches, extra_macs: int) -> str:
    more = extra_macs / summary.macs if summary.macs else 0.0
    return f"{patches.strips} of columns, layers 0-{patches.layers - 1}; +{more:.1%} MACs"


def new_table(*headings: str) -> Table:
    """A table without a frame; a heading that starts with ``#`` has numbers below it."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        table.add_column(
            heading.lstrip("#"),
            justify="right" if heading.startswith("#") else "left",
            no_wrap=heading.startswith("#"),
            overflow="fold",
        )
    return table


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _spread(measurement: Measurement) -> str:
    spread = measurement.latency_us_spread
    if spread is None or measurement.runs == 1:
        return ""
    return f", of {measurement.runs} runs {spread.minimum:,} to {spread.maximum:,}"


def _ratio(count: int | None, macs: int) -> str:
    return "-" if count is None or macs == 0 else f"{count / macs:.2f}"


def _wrapped(words: Sequence[str], indent: int) -> str:
    """Words joined by commas, broken into lines that fit 80 columns."""
    lines = [""]
    for word in words:
        if len(lines[-1]) + len(word) + indent + 6 > _WIDTH_WHEN_PIPED:
            lines.append("")
        lines[-1] += f"{word}, "
    return f"\n{'':{indent}}".join(line.rstrip() for line in lines).rstrip(",")
