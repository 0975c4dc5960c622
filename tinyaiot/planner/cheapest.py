"""The plan of fewest instructions that fits so many bytes.

Regions are cut as in ``tinyaiot.planner.streaming``, but for what they cost: f[j] = min over i of
f[i] + cost(i, j), where a region costs what its nodes do with the fastest kernels whose scratch
finds room beside it. A node alone makes all its rows in one go, so a model that has all the RAM it
wants is planned layer by layer, and only what does not fit is streamed; by whole rows where that
does, in blocks as large as do where not.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tinyaiot.cores import Core
from tinyaiot.graph import Graph
from tinyaiot.operators import operator_of
from tinyaiot.plan import Plan
from tinyaiot.planner.flow import Flow, Flows, choose_blocks, groups
from tinyaiot.planner.streaming import Search, lay_out, plan_of
from tinyaiot.planner.work import Instructions, Run, instructions_of

# Pixels of blocks that are tried, None for whole rows; the cheaper first.
_PIXELS = (None, 16, 8, 4, 2, 1)

# Shares of the budget that regions leave free where they can: the fuller they are, the less likely
# it is that all their addresses can be met.
_SLACKS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3)


# Shares of all instructions that one region less may cost: cuts tie addresses, too.
_A_CUT = (0.001, 0.005, 0.02)

# Of so many cuts that fit, the best is taken: that of larger blocks is not the best before.
_MOST_PLANS = 3


@dataclass(frozen=True)
class _Kernel:
    """A way to compute a node.

    Attributes:
        scratch_bytes: row pointers included.
        limit: of the kernel's own scratch, that makes an operator choose it.
    """

    scratch_bytes: int
    limit: int
    instructions: float


def _fastest_in(room_bytes: int, kernels: Sequence[_Kernel]) -> _Kernel:
    """Of kernels by ascending scratch and speed; the first where none fits."""
    return next((k for k in reversed(kernels) if k.scratch_bytes <= room_bytes), kernels[0])


@dataclass(frozen=True, eq=False)
class _Way:
    """A way to run the nodes [start, stop) together.

    Attributes:
        search: of the flow that has its blocks.
        pixels: of a block at most; None for whole rows.
        kernels: by node, from the least scratch on, each faster than the one before.
        lies_apart: whether no result may be written over an input.
    """

    start: int
    stop: int
    search: Search
    pixels: int | None
    kernels: tuple[tuple[_Kernel, ...], ...]
    lies_apart: bool

    @property
    def blocks(self) -> Mapping[int, int]:
        """By position, into how many blocks rows are cut, where they are."""
        return self.search.flow.blocks

    @functools.cached_property
    def need_bytes(self) -> int:
        """Without scratch."""
        if self.lies_apart:
            return self.search.need_apart(self.start, self.stop)
        return self.search.need_without_scratch(self.start, self.stop)

    @functools.cached_property
    def least_instructions(self) -> float:
        return sum(kernels[-1].instructions for kernels in self.kernels)

    def at_least(self, budget_bytes: int) -> float:
        """Instructions that it takes no less than within a budget, without measuring its need."""
        room = budget_bytes - self.search.least_need_without_scratch(self.start, self.stop)
        return sum(_fastest_in(room, kernels).instructions for kernels in self.kernels)

    def within(self, budget_bytes: int) -> _Piece | None:
        """With the fastest kernels that fit a budget; None where some node has none."""
        room = budget_bytes - self.need_bytes
        chosen = [_fastest_in(room, kernels) for kernels in self.kernels]
        scratch = max(kernel.scratch_bytes for kernel in chosen)
        if scratch > room:
            return None
        return _Piece(self, scratch, sum(kernel.instructions for kernel in chosen))


@dataclass(frozen=True)
class _Piece:
    """A region, the way it is run, and what that takes within some budget."""

    way: _Way
    scratch_bytes: int
    instructions: float


@dataclass(frozen=True)
class _Best:
    """The cheapest way to run the nodes before a place to cut."""

    instructions: float
    regions: int
    boundary_bytes: int
    last: _Piece | None

    @property
    def rank(self) -> tuple[float, int, int]:
        return (self.instructions, self.regions, self.boundary_bytes)


def _cost(pieces: Sequence[_Piece]) -> float:
    return sum(piece.instructions for piece in pieces)


class Cheapest:
    """The cheapest plans of a graph, by what they may take."""

    def __init__(
        self, graph: Graph, core: Core, keep_input: bool, feed: bool, instructions: Instructions
    ) -> None:
        self._graph = graph
        self._core = core
        self._keep_input = keep_input
        self._instructions = instructions
        self._flows = Flows(graph, keep_input=keep_input, feed=feed)
        self._searches: dict[tuple[frozenset[tuple[int, int]], frozenset[int]], Search] = {}
        self._kernels: dict[
            tuple[int, int, int, bool, bool, bool, bool, int], tuple[_Kernel, ...]
        ] = {}
        self._ways: dict[tuple[int, int, frozenset[tuple[int, int]]], _Way] = {}
        self._rows = self._search({})
        self._uncut = self._rows.flow
        self._finest = self._search(choose_blocks(self._uncut, _PIXELS[-1] or 1))
        count = len(self._uncut.nodes)
        self._floors = [self._streamed_floor(position) for position in range(count)]

    @functools.cache  # noqa: B019 - lives as long as its cache
    def plan(self, budget_bytes: int, memory: str, quick: bool = False) -> Plan | None:
        """The cheapest plan found whose arena takes ``budget_bytes`` at most.

        Args:
            quick: whether the plan of the cheapest regions will do, if it takes just what they do
                by themselves; others may leave larger gaps for scratch, or make larger blocks.
        """
        first = self.pieces(budget_bytes)
        if first is None:
            return None
        plan = self._planned(first, budget_bytes, memory)
        if quick and plan is not None and abs(self.instructions_of(plan) - _cost(first)) < 1:
            return plan
        slacks = [int(share * budget_bytes) for share in _SLACKS]
        found = [self.pieces(budget_bytes, slack) for slack in slacks]
        found += [self.pieces(budget_bytes - slack) for slack in slacks]
        found += [self.pieces(budget_bytes, 0, share * sum(self._floors)) for share in _A_CUT]
        others = dict.fromkeys(p for p in found if p is not None and p != first)
        plans = [] if plan is None else [plan]
        for pieces in sorted(others, key=_cost):
            if len(plans) == _MOST_PLANS:
                break
            plan = self._planned(pieces, budget_bytes, memory)
            if plan is not None:
                plans.append(plan)
        return min(plans, key=self.instructions_of, default=None)

    def _planned(self, pieces: Sequence[_Piece], budget_bytes: int, memory: str) -> Plan | None:
        """The plan of some regions, in larger blocks where there is room; None without room."""
        plan = self._laid_out(pieces, budget_bytes, memory)
        if plan is None:
            return None
        return self._coarsened(pieces, budget_bytes, memory) or plan

    def _coarsened(self, pieces: Sequence[_Piece], budget_bytes: int, memory: str) -> Plan | None:
        """The plan of the same regions, nodes of each making larger blocks where that is cheaper
        and there is room for it; None where there are no such nodes, or no addresses for them."""
        for slack in (0, *(int(share * budget_bytes) for share in _SLACKS)):
            coarser = tuple(self._in_larger_blocks(piece, budget_bytes - slack) for piece in pieces)
            if coarser == tuple(pieces):
                return None
            plan = self._laid_out(coarser, budget_bytes, memory)
            if plan is not None:
                return plan
        return None

    def _in_larger_blocks(self, piece: _Piece, budget_bytes: int) -> _Piece:
        """One group of layers after the other in the largest blocks, or rows, that there is room
        for beside the blocks of the others."""
        way = piece.way
        if not way.blocks:
            return piece
        pixels: dict[int, int | None] = dict.fromkeys(range(way.start, way.stop), way.pixels)
        larger = _PIXELS[: _PIXELS.index(way.pixels)]
        for group in groups(self._uncut, way.start, way.stop):
            for most in larger:
                tried = {**pixels, **dict.fromkeys(group, most)}
                blocks = choose_blocks(self._uncut, tried.__getitem__, way.start, way.stop)
                found = self._together(way.start, way.stop, way.pixels, blocks).within(budget_bytes)
                if found is not None and found.instructions < piece.instructions:
                    piece, pixels = found, tried
                    break
        return piece

    @functools.cached_property
    def lower_bound_bytes(self) -> int:
        """Regions, by rows or by pixels, take no less."""
        return min(self._rows.lower_bound(), self._finest.lower_bound())

    def instructions_of(self, plan: Plan) -> float:
        """What an inference takes under a plan, with the kernels that the core may take."""
        limited = plan.with_limits_of(self._core)
        return instructions_of(self._graph, limited, self._core, self._instructions)

    def _laid_out(self, pieces: Sequence[_Piece], budget_bytes: int, memory: str) -> Plan | None:
        ways = [piece.way for piece in pieces]
        blocks = {position: number for way in ways for position, number in way.blocks.items()}
        alone = frozenset(way.start for way in ways if way.lies_apart)
        search = self._search(blocks, alone)
        layout = lay_out(
            search,
            (0, *(way.stop for way in ways)),
            [piece.scratch_bytes for piece in pieces],
            [k for k, way in enumerate(ways) if way.lies_apart],
            budget_bytes,
        )
        if layout.arrangement.used_bytes > budget_bytes:
            return None
        kernels = {
            position: of_node
            for way in ways
            for position, of_node in enumerate(way.kernels, start=way.start)
        }

        def limit(position: int, room: int) -> int:
            return _fastest_in(room, kernels[position]).limit

        return plan_of(self._graph, search, layout, memory, self._keep_input, self._core, limit)

    def pieces(
        self, budget_bytes: int, slack_bytes: int = 0, a_region: float = 0.0
    ) -> tuple[_Piece, ...] | None:
        """The cheapest regions, each of which needs ``budget_bytes`` at most.

        Args:
            slack_bytes: to be left by all regions that can.
            a_region: instructions that one region less may cost.
        """
        best: list[_Best | None] = [_Best(0.0, 0, 0, None)]
        for stop in range(1, len(self._uncut.nodes) + 1):
            best.append(self._best_before(stop, best, budget_bytes, slack_bytes, a_region))
        found: list[_Piece] = []
        last = best[-1]
        while last is not None and last.last is not None:
            found.append(last.last)
            last = best[last.last.way.start]
        return None if last is None else tuple(reversed(found))

    def _best_before(
        self,
        stop: int,
        best: list[_Best | None],
        budget_bytes: int,
        slack_bytes: int,
        a_region: float,
    ) -> _Best | None:
        found: _Best | None = None
        floor = a_region
        for start in reversed(range(stop)):
            before = best[start]
            floor += self._floors[start]
            if before is None or self._finest.least_need(start, stop) > budget_bytes:
                continue
            # Short regions come first: what is streamed takes no less than its floor.
            if found is not None and before.instructions + floor >= found.instructions:
                continue
            most = math.inf
            if found is not None:
                most = found.instructions - before.instructions - a_region
            piece = self._piece(start, stop, budget_bytes, slack_bytes, most)
            if piece is None:
                continue
            candidate = _Best(
                before.instructions + a_region + piece.instructions,
                before.regions + 1,
                before.boundary_bytes + self._rows.boundary_bytes(start, stop),
                piece,
            )
            if found is None or candidate.rank < found.rank:
                found = candidate
        return found

    def _piece(
        self, start: int, stop: int, budget_bytes: int, slack_bytes: int, most_instructions: float
    ) -> _Piece | None:
        """The cheapest way to run the nodes [start, stop) that leaves some slack of a budget, or
        if there is none, that fits it; None too if it takes more than ``most_instructions``."""
        ways = functools.partial(self._ways_of, start, stop, budget_bytes)
        piece = self._cheapest_of(ways(most_instructions), budget_bytes - slack_bytes)
        if piece is not None or not slack_bytes:
            return piece
        piece = self._cheapest_of(ways(most_instructions), budget_bytes)
        if piece is None:
            return None
        # One that leaves the slack goes first, whatever it takes.
        leaving = self._cheapest_of(ways(math.inf), budget_bytes - slack_bytes)
        return piece if leaving is None else None

    def _cheapest_of(self, ways: Iterable[_Way], budget_bytes: int) -> _Piece | None:
        """The cheapest way within a budget."""
        found: _Piece | None = None
        for way in ways:
            piece = way.within(budget_bytes)
            if piece is not None and (found is None or piece.instructions < found.instructions):
                found = piece
            # Smaller blocks only cost more, unless they make room for faster kernels.
            if found is not None and found.instructions <= way.least_instructions:
                break
        return found

    def _ways_of(
        self, start: int, stop: int, budget_bytes: int, most_instructions: float
    ) -> Iterator[_Way]:
        """Those that may do within a budget and take so many instructions at most."""
        if stop - start == 1 and start not in self._arriving:
            yield self._alone(start)
        for pixels, blocks in self._blocks_in(start, stop):
            if self._search(blocks).least_need(start, stop) <= budget_bytes:
                way = self._together(start, stop, pixels, blocks)
                if way.at_least(budget_bytes) <= most_instructions:
                    yield way

    @functools.cache  # noqa: B019 - lives as long as its cache
    def _blocks_in(self, start: int, stop: int) -> tuple[tuple[int | None, dict[int, int]], ...]:
        """All there are of the nodes [start, stop), each with the pixels of a block at most."""
        found: dict[frozenset[tuple[int, int]], tuple[int | None, dict[int, int]]] = {}
        for pixels in _PIXELS:
            blocks = {} if pixels is None else choose_blocks(self._uncut, pixels, start, stop)
            found.setdefault(frozenset(blocks.items()), (pixels, blocks))
        return tuple(found.values())

    @functools.cached_property
    def _arriving(self) -> frozenset[int]:
        """Positions of nodes before which rows arrive."""
        return frozenset(self._uncut.maker[tensor] for tensor in self._uncut.fed)

    @functools.cache  # noqa: B019 - lives as long as its cache
    def _alone(self, position: int) -> _Way:
        """A node by itself, all in one go."""
        sums = position in self._uncut.sums
        search = self._search({}, frozenset({position})) if sums else self._rows
        kernels = self._kernels_of(search.flow, position, 1, True, True, True)
        return _Way(position, position + 1, search, None, (kernels,), lies_apart=True)

    def _together(
        self, start: int, stop: int, pixels: int | None, blocks: Mapping[int, int]
    ) -> _Way:
        key = start, stop, frozenset(blocks.items())
        if key not in self._ways:
            search = self._search(blocks)
            flow, ends = search.flow, search.ends(start, stop)
            there, stays = set(ends.live_in), set(ends.live_out)
            kernels = []
            for position in range(start, stop):
                reads_whole = all(use.source in there for use in flow.uses[position])
                makes_whole = all(tensor in stays for tensor in flow.made_by(position))
                apart = not (reads_whole and makes_whole)
                calls = flow.steps(position)
                kernels.append(
                    self._kernels_of(flow, position, calls, reads_whole, makes_whole, apart)
                )
            way = _Way(start, stop, search, pixels, tuple(kernels), lies_apart=False)
            self._ways[key] = way
        return self._ways[key]

    def _streamed_floor(self, position: int) -> float:
        flow = self._uncut
        if flow.is_whole(position):
            return 0.0
        kernels = self._kernels_of(flow, position, flow.steps(position), False, False, True)
        return kernels[-1].instructions

    def _kernels_of(
        self,
        flow: Flow,
        position: int,
        calls: int,
        reads_whole: bool,
        makes_whole: bool,
        apart: bool,
    ) -> tuple[_Kernel, ...]:
        blocks = flow.blocks.get(position, 1)
        has_sums = position in flow.sums
        joint = flow.with_joint(position, 0)
        key = (position, blocks, calls, reads_whole, makes_whole, apart, has_sums, joint)
        if key not in self._kernels:
            run = Run(
                node=flow.nodes[position],
                core=self._core,
                calls=calls,
                blocks=blocks,
                reads_whole=reads_whole,
                makes_whole=makes_whole,
                lie_apart=apart,
                has_sums=has_sums,
            )
            self._kernels[key] = tuple(self._menu(flow, position, run))
        return self._kernels[key]

    def _menu(self, flow: Flow, position: int, run: Run) -> Iterator[_Kernel]:
        if run.has_sums:
            yield _Kernel(0, 0, self._instructions(run))
            return
        node = flow.node(position)
        operator = operator_of(node)
        least = operator.least_scratch(node, self._core)
        sizes = {k.scratch_bytes(node, self._core) for k in operator.applying(node, self._core)}
        fastest: float | None = None
        for limit in sorted(size for size in sizes or {0} if size >= least):
            core = self._core.with_scratch_limit(limit)
            instructions = self._instructions(replace(run, core=core))
            if fastest is None or instructions < fastest:
                fastest = instructions
                nbytes = flow.with_joint(position, operator.scratch_bytes(node, core))
                yield _Kernel(nbytes, limit, instructions)

    def _search(self, blocks: Mapping[int, int], alone: frozenset[int] = frozenset()) -> Search:
        key = (frozenset(blocks.items()), alone)
        if key not in self._searches:
            self._searches[key] = Search(self._flows.flow(blocks, alone), self._core)
        return self._searches[key]
