"""Whether a model fits: the boards beside each other, and what would help where it does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tinyaiot.errors import DoesNotFitError
from tinyaiot.fit import Fit, Verdict, smallest_fit
from tinyaiot.levers import Lever, Shortage
from tinyaiot.pages.charts import Bar, Limit, bars
from tinyaiot.pages.page import Figure, Part, Section, Table, Text
from tinyaiot.pages.svg import Picture
from tinyaiot.summary import ModelSummary


def fits_section(summary: ModelSummary, fits: Sequence[Fit]) -> Section:
    """The matrix of boards."""
    rows = []
    for fit in fits:
        arena = None if fit.plan is None else fit.plan.total_arena_bytes
        found = fit.prediction
        rows.append(
            (
                fit.board.id,
                fit.verdict.value,
                _number(arena),
                f"{fit.ram_bytes:,}",
                _number(fit.image_bytes),
                f"{fit.board.flash.size_bytes:,}",
                _number(None if found is None else found.instructions),
                _number(None if found is None else found.milliseconds),
            )
        )
    headings = (
        "board",
        "verdict",
        "#arena, bytes",
        "#RAM for models",
        "#image, predicted",
        "#flash, bytes",
        "#instructions, predicted",
        "#time, ms, estimated",
    )
    note = (
        "Unknown where no such core is emulated, or its cycles are not documented; of an image "
        f"that is unknown the {summary.weights_bytes:,} bytes of weights have to fit. Times assume "
        "documented cycles at the board's clock, without wait states."
    )
    large = frozenset(k for k, fit in enumerate(fits) if fit.verdict is Verdict.TOO_LARGE)
    table = Table(headings, tuple(rows), note, large)
    return Section("Boards", (_smallest(fits), Figure(fits_picture(fits)), table))


def fits_picture(fits: Sequence[Fit]) -> Picture:
    """For each board, how much of its RAM for models the arena takes."""
    return bars(
        "RAM taken on each board",
        "arena, % of the RAM for models",
        [_bar(fit) for fit in fits],
        [Limit(100, "all of it")],
        name="boards",
    )


def shortage_section(
    summary: ModelSummary, refusal: DoesNotFitError, shortage: Shortage | None, hint: str
) -> Section:
    """Why the model does not fit, and each lever in the order of its effect."""
    parts: list[Part] = [Text(f"{refusal.what}.", bad=True), Text(f"What to do: {hint}.")]
    if shortage is not None:
        parts += _levers(summary, shortage)
    return Section("Does not fit", tuple(parts))


def shortage_picture(shortage: Shortage) -> Picture:
    """The arena as asked, and what each lever makes of it."""
    plans = [
        ("as asked", shortage.asked_bytes),
        ("closest without another option", shortage.closest.total_arena_bytes),
        *((lever.change, lever.arena_bytes) for lever in shortage.levers),
    ]
    allowed = shortage.allowed_bytes
    rows = [
        Bar(label, nbytes, f"{nbytes:,}", kind="output" if nbytes > allowed else "input")
        for label, nbytes in plans
    ]
    limit = Limit(allowed, f"allowed: {allowed:,} bytes")
    return bars("What would help", "arena, bytes", rows, [limit], name="levers")


def _levers(summary: ModelSummary, shortage: Shortage) -> Iterator[Part]:
    yield Figure(shortage_picture(shortage), "Each is planned, none is guessed.")
    if shortage.levers:
        headings = ("change", "#arena, bytes", "#saves, bytes", "#MACs", "fits")
        rows = tuple(_lever(summary, shortage, lever) for lever in shortage.levers)
        yield Table(headings, rows, "What would help, in the order of effect")
    if any(lever.is_smaller_input for lever in shortage.levers):
        yield Text("Another size of input is to be trained for.")


def _lever(summary: ModelSummary, shortage: Shortage, lever: Lever) -> tuple[str, ...]:
    over = lever.arena_bytes - shortage.allowed_bytes
    return (
        lever.change,
        f"{lever.arena_bytes:,}",
        f"{lever.saved_bytes:,}",
        f"×{lever.macs / summary.macs:.2f}" if summary.macs else "-",
        "yes" if lever.fits else f"{over:,} over",
    )


def _smallest(fits: Sequence[Fit]) -> Text:
    fitting = sum(fit.verdict is Verdict.FITS for fit in fits)
    words = f"The model fits {fitting} of {len(fits)} boards"
    fed = sum(fit.verdict is Verdict.FITS_FED for fit in fits)
    if fed:
        words += f", and {fed} more by --feed rows"
    smallest = smallest_fit(fits)
    if smallest is None:
        return Text(f"{words}.", bad=not fed)
    board = smallest.board
    return Text(
        f"{words}. The one of least RAM that takes it: {board.id}, {board.name} "
        f"({board.verified.value})."
    )


def _bar(fit: Fit) -> Bar:
    if fit.plan is None:
        return Bar(fit.board.id, None, hover=f"{fit.board.id}: {fit.problem}")
    arena = fit.plan.total_arena_bytes
    percent = 100 * arena / fit.ram_bytes
    return Bar(
        fit.board.id,
        percent,
        f"{percent:.0f} %",
        f"{fit.board.id}: {arena:,} of {fit.ram_bytes:,} bytes, {fit.verdict.value}",
        "tensor" if fit.verdict is Verdict.FITS else "output",
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"
