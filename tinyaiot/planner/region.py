"""A region: neighbouring nodes run together, row by row, each row made when it is asked for.

The order is demand-driven. The last node's rows are asked for one after the other, then what is
left of the others', in the order of positions. A row that is asked for first asks for the rows
that it reads, operand by operand, each from where its maker stopped. What has not arrived by then
of an input that a later region reads arrives at the end. ``row_order`` is that rule;
everything else here is measured on the order that it gives, so nothing depends on the kind of
operator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tinyaiot.planner.flow import Flow, Lines


@dataclass(frozen=True)
class Event:
    """Row y of a node's outputs is made (or of its input added up), or of an input that arrives.

    Attributes:
        position: of the node; −1 where a row arrives.
        tensor: index of the input that arrives; −1 where a node makes the row.
    """

    position: int
    tensor: int
    y: int


@dataclass(frozen=True, eq=False)
class Region:
    """What the nodes [start, stop) need in memory while they run together.

    Attributes:
        events: the row order.
        rings: rows that must be held, by tensor, of those that live only here.
        live_in: tensors that are there whole when the region starts.
        live_out: tensors made here that are there whole when it ends.
        distances: by (output, input): bytes from the start of the output to that of the input,
            at least, where the one may be written over the other, which dies here.
    """

    start: int
    stop: int
    events: tuple[Event, ...]
    rings: Mapping[int, int]
    live_in: tuple[int, ...]
    live_out: tuple[int, ...]
    distances: Mapping[tuple[int, int], int]


def row_order(flow: Flow, start: int, stop: int) -> tuple[Event, ...]:
    """The demand-driven order of all rows that the nodes [start, stop) make."""
    events: list[Event] = []
    made = dict.fromkeys(range(start, stop), 0)
    arrived = dict.fromkeys(_arriving(flow, start, stop), 0)

    def ask(position: int, rows: int) -> None:
        steps = flow.steps(position) if rows and position in flow.sums else rows
        while made[position] < steps:
            y = made[position]
            for use in flow.uses[position]:
                if use.source in arrived:
                    arrive(use.source, int(use.stop[y]))
                elif flow.maker[use.source] >= start:
                    ask(flow.maker[use.source], int(use.stop[y]))
            events.append(Event(position, -1, y))
            made[position] += 1

    def arrive(tensor: int, rows: int) -> None:
        for y in range(arrived[tensor], rows):
            events.append(Event(-1, tensor, y))
        arrived[tensor] = max(arrived[tensor], rows)

    for position in (stop - 1, *range(start, stop - 1)):
        ask(position, flow.height(position))
    for tensor in arrived:
        if flow.last_reader(tensor) >= stop:
            arrive(tensor, flow.tensors[tensor].height)
    return tuple(events)


def _arriving(flow: Flow, start: int, stop: int) -> list[int]:
    """Inputs whose rows arrive while the nodes [start, stop) run."""
    return [tensor for tensor in sorted(flow.fed) if start <= flow.maker[tensor] < stop]


@dataclass(frozen=True)
class Ends:
    """Tensors of the nodes [start, stop): ``dying`` are those of ``live_in`` last read here."""

    born: tuple[int, ...]
    live_in: tuple[int, ...]
    live_out: tuple[int, ...]
    dying: tuple[int, ...]


def ends_of(flow: Flow, start: int, stop: int) -> Ends:
    """What is there before and after the nodes [start, stop) run, and what they make."""
    born = tuple(t for t, maker in flow.maker.items() if start <= maker < stop)
    live_in = tuple(
        t for t, maker in flow.maker.items() if maker < start and flow.last_reader(t) >= start
    )
    return Ends(
        born=born,
        live_in=live_in,
        live_out=tuple(t for t in born if flow.last_reader(t) >= stop),
        dying=tuple(t for t in live_in if flow.last_reader(t) < stop),
    )


def measure(flow: Flow, start: int, stop: int) -> Region:
    """Runs the nodes [start, stop) in row order and measures what they need."""
    events = row_order(flow, start, stop)
    times = _row_times(flow, events)
    steps = _step_times(events)
    ends = ends_of(flow, start, stop)
    lows = {t: _lows(flow, steps, t, start, stop, len(events)) for t in (*ends.born, *ends.dying)}
    return Region(
        start=start,
        stop=stop,
        events=events,
        rings={t: _ring(flow, t, times[t], lows[t]) for t in ends.born if t not in ends.live_out},
        live_in=ends.live_in,
        live_out=ends.live_out,
        distances={
            (output, source): _distance(flow, output, source, times[output], lows[source])
            for output in ends.live_out
            for source in ends.dying
            if output not in flow.fed and not flow.is_whole(flow.maker[output])
        },
    )


def _step_times(events: Sequence[Event]) -> dict[int, Lines]:
    """By position, the numbers of the events that are its steps."""
    times: dict[int, list[int]] = {}
    for time, event in enumerate(events):
        times.setdefault(event.position, []).append(time)
    return {position: np.array(steps, np.int64) for position, steps in times.items()}


def _row_times(flow: Flow, events: Sequence[Event]) -> dict[int, Lines]:
    """By tensor, the number of the event that makes each row."""
    times: dict[int, list[int]] = {}
    for time, event in enumerate(events):
        if event.position in flow.sums and event.y < flow.steps(event.position) - 1:
            continue
        made = (event.tensor,) if event.position < 0 else flow.made_by(event.position)
        for tensor in made:
            times.setdefault(tensor, []).append(time)
    return {tensor: np.array(rows, np.int64) for tensor, rows in times.items()}


def _lows(
    flow: Flow, steps: Mapping[int, Lines], tensor: int, start: int, stop: int, count: int
) -> Lines:
    """By event, the lowest row of ``tensor`` that it or a later one reads; its height if none."""
    lows = np.full(count + 1, flow.tensors[tensor].height, np.int64)
    for use in flow.readers[tensor]:
        if start <= use.reader < stop:
            np.minimum.at(lows, steps[use.reader], use.first)
    return np.minimum.accumulate(lows[::-1])[::-1]


def _ring(flow: Flow, tensor: int, times: Lines, lows: Lines) -> int:
    """Rows from the newest down to the oldest that is still needed, at most."""
    height = flow.tensors[tensor].height
    if tensor in flow.whole or len(times) != height:
        return height
    held = np.arange(height) - lows[times + 1] + 1
    return int(max(held.max(), 1))


def _distance(flow: Flow, output: int, source: int, times: Lines, lows: Lines) -> int:
    """How far below ``source`` the output must start.

    When row r of the output is made, all of it up to (r + 1) · its row bytes must lie below the
    lowest row of the input that is still needed. The distance may be negative: the input may
    then start below the output. It is never more than the output's size.
    """
    made, read = flow.tensors[output], flow.tensors[source]
    needed = lows[times] < read.height
    excess = np.arange(1, made.height + 1) * made.row_bytes - lows[times] * read.row_bytes
    distance = int(excess[needed].max()) if needed.any() else -read.nbytes
    return min(distance, made.nbytes)
