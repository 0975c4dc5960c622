"""A region: neighbouring nodes run together, row by row, each row made when it is asked for.

The order is demand-driven. The last node's rows are asked for one after the other, then what is
left of the others', in the order of positions. A row that is asked for first asks for the rows
that it reads, operand by operand, each from where its maker stopped. What has not arrived by then
of an input, because a later region reads it or nobody does, arrives at the end. ``row_order`` is
that rule;
everything else here is measured on the order that it gives, so nothing depends on the kind of
operator. Where two branches join, the branch that is asked first may be done with what they share
before the other goes on; so several orders are measured there, and the one with the smallest rings
is taken.
"""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tinyaiot.planner.flow import Flow, Lines, Use
from tinyaiot.planner.problem import align

RING_ALIGNMENT = 4

Flags = npt.NDArray[np.bool_]


class Event(NamedTuple):
    """Row y of a node's outputs is made (or of its input added up), or of an input that arrives.

    Attributes:
        position: of the node; −1 where a row arrives.
        tensor: index of the input that arrives; −1 where a node makes the row.
    """

    position: int
    tensor: int
    y: int


@dataclass(frozen=True)
class Manner:
    """How a line asks for what it reads.

    Attributes:
        backwards: whether its operands are asked from the last to the first.
        by_rows: whether a block asks all operands but the last for all that its row reads.
    """

    backwards: bool = False
    by_rows: bool = False


_AS_IT_COMES = Manner()
_MANNERS = (_AS_IT_COMES, Manner(backwards=True), Manner(by_rows=True), Manner(True, True))


@dataclass(frozen=True, eq=False)
class Region:
    """What the nodes [start, stop) need in memory while they run together.

    Attributes:
        rings: lines that must be held, by tensor, of those that live only here.
        ring_bytes: of all rings, as many as must be there at one time.
        live_in: tensors that are there whole when the region starts.
        live_out: tensors made here that are there whole when it ends.
        distances: by (output, input): bytes from the start of the output to that of the input,
            at least, where the one may be written over the other, which dies here.
    """

    flow: Flow
    start: int
    stop: int
    manner: Manner
    rings: Mapping[int, int]
    ring_bytes: int
    live_in: tuple[int, ...]
    live_out: tuple[int, ...]
    distances: Mapping[tuple[int, int], int]

    @functools.cached_property
    def events(self) -> tuple[Event, ...]:
        """The row order."""
        made: Counter[int] = Counter()
        events = []
        for number in row_order(self.flow, self.start, self.stop, self.manner).tolist():
            position, tensor = (number, -1) if number >= 0 else (-1, -1 - number)
            events.append(Event(position, tensor, made[number]))
            made[number] += 1
        return tuple(events)

    @functools.cached_property
    def apart(self) -> frozenset[tuple[int, int]]:
        """Pairs of tensors with rings of a row at most, of which one is always done with before the
        next line of the other is made, so that they may lie in the same bytes."""
        return Run(self.flow, self.start, self.stop, self.manner).apart(self.rings)


def row_order(flow: Flow, start: int, stop: int, manner: Manner = _AS_IT_COMES) -> Lines:
    """The demand-driven order of all lines that the nodes [start, stop) make: of each its node's
    position, or of a row that arrives −1 less its tensor's index.

    Nodes only ask those before them. So without the lines of the first nodes this is the order of
    the others.
    """
    order: list[int] = []
    made = dict.fromkeys(range(start, stop), 0)
    arrived = dict.fromkeys(_arriving(flow, start, stop), 0)
    reads = {p: _reads(flow, p, start, arrived, manner) for p in made}

    def ask(position: int, rows: int) -> None:
        # Sums are done with their last step.
        steps = flow.steps(position) if rows and position in flow.sums else rows
        for y in range(made[position], steps):
            for source, maker, needed in reads[position]:
                if maker < 0:
                    arrive(source, needed[y])
                elif made[maker] < needed[y]:
                    ask(maker, needed[y])
            order.append(position)
            made[position] = y + 1

    def arrive(tensor: int, rows: int) -> None:
        order.extend([-1 - tensor] * (rows - arrived[tensor]))
        arrived[tensor] = max(arrived[tensor], rows)

    for position in (stop - 1, *range(start, stop - 1)):
        ask(position, flow.steps(position))
    for tensor in arrived:
        arrive(tensor, flow.lines(tensor))
    return np.array(order, np.int64)


def _reads(
    flow: Flow, position: int, start: int, arriving: Collection[int], manner: Manner
) -> list[tuple[int, int, list[int]]]:
    """What a node asks for in the order of asking: tensors that arrive, or are made from ``start``
    on, their makers, −1 where they arrive, and by line of its results so many lines of each."""
    uses = flow.uses[position][:: -1 if manner.backwards else 1]
    blocks = flow.blocks.get(position, 1) if manner.by_rows else 1
    reads = []
    for use in uses:
        arrives = use.source in arriving
        maker = flow.maker[use.source]
        if not arrives and maker < start:
            continue
        stops = use.stops
        if blocks > 1 and use is not uses[-1]:
            stops = [stops[align(y + 1, blocks) - 1] for y in range(len(stops))]
        reads.append((use.source, -1 if arrives else maker, stops))
    return reads


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
    manners = _manners(flow, start, stop)
    return _smallest(Run(flow, start, stop, manner).region(start) for manner in manners)


class Regions:
    """The regions of a flow; those that end alike, asked for one after the other, are measured in
    one run."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._runs: dict[Manner, Run] = {}

    def region(self, start: int, stop: int) -> Region:
        """As ``measure``."""
        manners = _manners(self._flow, start, stop)
        return _smallest(self._run(start, stop, manner).region(start) for manner in manners)

    def _run(self, start: int, stop: int, manner: Manner) -> Run:
        run = self._runs.get(manner)
        if run is None or run.stop != stop:
            run = self._runs[manner] = Run(self._flow, start, stop, manner)
        elif run.start > start:
            # Where two regions were asked for, longer ones are likely to be.
            run = self._runs[manner] = Run(self._flow, max(2 * start - stop, 0), stop, manner)
        return run


def _smallest(regions: Iterable[Region]) -> Region:
    return min(regions, key=lambda region: region.ring_bytes)


def _manners(flow: Flow, start: int, stop: int) -> Sequence[Manner]:
    return _MANNERS if _has_joins(flow, start, stop) else (_AS_IT_COMES,)


def _has_joins(flow: Flow, start: int, stop: int) -> bool:
    """Whether branches meet, of which each is made for that alone."""

    def is_branch(use: Use) -> bool:
        return flow.maker[use.source] >= start and len(flow.readers[use.source]) == 1

    return any(
        sum(is_branch(use) for use in flow.uses[position]) > 1 for position in range(start, stop)
    )


class Run:
    """The nodes [start, stop) run in one manner, and what regions of the last of them need."""

    def __init__(self, flow: Flow, start: int, stop: int, manner: Manner) -> None:
        self.start = start
        self.stop = stop
        self._flow = flow
        self._manner = manner
        self._order = row_order(flow, start, stop, manner)
        self._steps = _step_times(self._order)
        self._times = _row_times(flow, self._steps)
        self._rings: dict[int, int] = {}
        self._in_use: dict[int, Flags] = {}

    def region(self, start: int) -> Region:
        """The region [start, stop)."""
        flow, ends = self._flow, ends_of(self._flow, start, self.stop)
        rings = {t: self._ring(t) for t in ends.born if t not in ends.live_out}
        return Region(
            flow=flow,
            start=start,
            stop=self.stop,
            manner=self._manner,
            rings=rings,
            ring_bytes=self._together_bytes(start, rings),
            live_in=ends.live_in,
            live_out=ends.live_out,
            distances={
                (output, source): _distance(flow, output, source, self._times[output], low_bytes)
                for source, low_bytes in ((t, self._low_bytes(t, start)) for t in ends.dying)
                for output in ends.live_out
                if output not in flow.fed and not flow.is_whole(flow.maker[output])
            },
        )

    def apart(self, rings: Iterable[int]) -> frozenset[tuple[int, int]]:
        """Pairs of rings that are passed on and never in use at one time."""
        passing = [(t, self._passing(t)) for t in rings if self._passes(t)]
        return frozenset(
            (one, other)
            for (one, used), (other, also_used) in itertools.combinations(passing, 2)
            if not (used & also_used).any()
        )

    def _ring(self, tensor: int) -> int:
        """Lines from the newest down to the oldest that is still needed, at most; whole rows,
        unless all that touch the tensor take blocks."""
        if tensor not in self._rings:
            self._rings[tensor] = self._lines_held(tensor)
        return self._rings[tensor]

    def _lines_held(self, tensor: int) -> int:
        flow, times, lines = self._flow, self._times[tensor], self._flow.lines(tensor)
        if tensor in flow.whole or len(times) != lines:
            return lines
        held = int(max((np.arange(lines) - self._lows(tensor)[times + 1] + 1).max(), 1))
        return held if tensor in flow.fine else align(held, flow.blocks_of(tensor))

    def _passes(self, tensor: int) -> bool:
        """Whether a tensor is passed on a row or a block at a time. What arrives is not: its row
        may be written before it is asked for."""
        flow = self._flow
        is_made_by_lines = len(self._times[tensor]) == flow.lines(tensor)
        is_made = is_made_by_lines and tensor not in flow.fed
        return is_made and self._ring(tensor) <= flow.blocks_of(tensor)

    def _passing(self, tensor: int) -> Flags:
        """By event, whether a line of a tensor is made in it, or is there and still to be read."""
        if tensor not in self._in_use:
            times, lows = self._times[tensor], self._lows(tensor)
            done = np.searchsorted(lows, np.arange(len(times)), side="right")
            changes = np.zeros(len(lows) + 1, np.int64)
            np.add.at(changes, times, 1)
            np.add.at(changes, np.maximum(done, times + 1), -1)
            self._in_use[tensor] = np.cumsum(changes[: len(self._order)]) > 0
        return self._in_use[tensor]

    def _together_bytes(self, start: int, rings: Mapping[int, int]) -> int:
        """The most bytes of rings that are in use at one time while the nodes from ``start`` on
        run; of those that are not passed on, always."""
        kept, at_once = 0, np.zeros(len(self._order), np.int64)
        for tensor, lines in rings.items():
            nbytes = ring_bytes(self._flow, tensor, lines)
            if self._passes(tensor):
                at_once += nbytes * self._passing(tensor)
            else:
                kept += nbytes
        return kept + int(at_once[self._order >= start].max(initial=0))

    def _lows(self, tensor: int) -> Lines:
        """By event, the lowest line of ``tensor`` that it or a later one reads; its height if
        none."""
        uses = self._uses(tensor, self.start)
        return self._lowest(self._flow.lines(tensor), ((use.reader, use.first) for use in uses))

    def _low_bytes(self, tensor: int, start: int) -> Lines:
        """The same of bytes of a tensor that lies whole before the nodes from ``start`` on run."""
        uses = self._uses(tensor, start)
        nbytes = self._flow.tensors[tensor].nbytes
        return self._lowest(nbytes, ((use.reader, use.first_byte) for use in uses))

    def _uses(self, tensor: int, start: int) -> Iterator[Use]:
        return (use for use in self._flow.readers[tensor] if start <= use.reader < self.stop)

    def _lowest(self, end: int, reads: Iterable[tuple[int, Lines]]) -> Lines:
        lows = np.full(len(self._order) + 1, end, np.int64)
        for reader, first in reads:
            np.minimum.at(lows, self._steps[reader], first)
        return np.minimum.accumulate(lows[::-1])[::-1]


def _step_times(order: Lines) -> dict[int, Lines]:
    """By position, the numbers of the events that are its steps; by −1 less the index of an input,
    of those in which its rows arrive."""
    times = np.argsort(order, kind="stable")
    numbers, starts = np.unique(order[times], return_index=True)
    return dict(zip(numbers.tolist(), np.split(times, starts[1:]), strict=True))


def _row_times(flow: Flow, steps: Mapping[int, Lines]) -> dict[int, Lines]:
    """By tensor, the number of the event that makes each row."""
    times: dict[int, Lines] = {}
    for number, of_steps in steps.items():
        made = (-1 - number,) if number < 0 else flow.made_by(number)
        of_rows = of_steps[-1:] if number in flow.sums else of_steps
        times.update(dict.fromkeys(made, of_rows))
    return times


def ring_bytes(flow: Flow, tensor: int, count: int) -> int:
    """Bytes of ``count`` lines of a tensor, as far as they are aligned."""
    return align(flow.line_bytes(tensor) * count, RING_ALIGNMENT)


def _distance(flow: Flow, output: int, source: int, times: Lines, lows: Lines) -> int:
    """How far below ``source`` the output must start.

    When row r of the output is made, all of it up to (r + 1) · its row bytes must lie below the
    lowest byte of the input that is still needed. The distance may be negative: the input may
    then start below the output. It is never more than the output's size.
    """
    needed = lows[times] < flow.tensors[source].nbytes
    made = np.arange(1, flow.lines(output) + 1) * flow.line_bytes(output)
    excess = made - lows[times]
    distance = int(excess[needed].max()) if needed.any() else -flow.tensors[source].nbytes
    return min(distance, flow.tensors[output].nbytes)
