"""The rows strategy: the graph cut into regions that are streamed by whole rows.

A region's inner tensors are rings of rows; the tensors at its ends lie whole, and a result may
be written over an input that dies, as far as its rows are done with. Dynamic programming over
the places to cut makes the largest region's need smallest: f[j] = min over i of
max(f[i], need(i, j)). Nothing is computed twice.

Tensors that lie whole at a cut tie the addresses of two regions, so the need is not always met.
Where it is missed, cuts into fewer regions, each of which may need a little more, are tried too.

Regions are found for the kernels with the least scratch among those that are about as fast. Then
each node gets the fastest kernel whose scratch finds a place that is free while its region runs.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tinyaiot.cores import Core
from tinyaiot.graph import Graph, Node, Tensor
from tinyaiot.operators import operator_of
from tinyaiot.plan import Memory, Plan, Scratch, Slot, Step
from tinyaiot.planner.flow import Flow, Flows, choose_blocks
from tinyaiot.planner.liveness import (
    SCRATCH_ALIGNMENT,
    activations,
    alias_roots,
    bytes_into_row,
)
from tinyaiot.planner.overlap import Arrangement, arrange
from tinyaiot.planner.problem import Buffer, align
from tinyaiot.planner.region import (
    RING_ALIGNMENT,
    Ends,
    Region,
    Regions,
    ends_of,
    ring_bytes,
)

_NEVER = 1 << 60

# How many budgets between the need and the bytes that were used are tried at most.
_MOST_BUDGETS = 12

# Beyond so many steps of all nodes, regions are searched for in larger blocks.
_MOST_STEPS = 16_000

# Pixels of blocks, beside whole rows, that are tried for regions that need not have smaller ones.
_COARSER_PIXELS = (16, 8, 4, 2)


def rows(
    graph: Graph,
    core: Core,
    memories: Sequence[Memory],
    keep_input: bool,
    feed: bool = False,
    slowest_tier: int | None = None,
    pixels: int | None = None,
    fast: bool = False,
) -> Plan | None:
    """Regions streamed by rows, each in the order that ``region.row_order`` gives.

    Args:
        pixels: in a block of columns at most, where rows may be cut into blocks.
        fast: whether each node has its fastest kernel, however much scratch that needs.
        feed: whether the rows of inputs arrive when they are asked for; none is kept then.
        slowest_tier: of the kernels to choose from; by default, for each node, that of the
            fastest that it can have.
    """
    flows = Flows(graph, keep_input=keep_input, feed=feed)
    uncut = flows.flow()

    def search_with(blocks: Mapping[int, int]) -> Search:
        return Search(flows.flow(blocks), core, slowest_tier, fast=fast)

    search = search_with({} if pixels is None else choose_blocks(uncut, pixels))
    if search.flow.all_steps > _MOST_STEPS:
        # The best cuts of larger blocks are good ones here, too, and found sooner.
        coarse = search_with(choose_blocks(uncut, _COARSER_PIXELS[1]))
        regions = _best_layout(coarse).regions
        layout = lay_out(search, (0, *(region.stop for region in regions)))
    else:
        layout = _best_layout(search)
    if pixels is not None and search.flow.blocks:
        search, layout = _coarsened(search_with, uncut, pixels, search, layout)
    for memory in memories:
        if layout.arrangement.used_bytes <= memory.capacity_bytes:
            return plan_of(graph, search, layout, memory.name, keep_input, core)
    return None


@dataclass(frozen=True)
class _Best:
    """The best way to run the nodes before a place to cut.

    Attributes:
        need_bytes: of the largest region.
        regions: how many there are.
        boundary_bytes: of all tensors that lie whole, summed over the cuts.
        start: where the last region starts.
    """

    need_bytes: int
    regions: int
    boundary_bytes: int
    start: int

    @property
    def rank(self) -> tuple[int, int, int]:
        return (self.need_bytes, self.regions, self.boundary_bytes)


class Search:
    """Needs of regions, and the best places to cut."""

    def __init__(
        self, flow: Flow, core: Core, slowest_tier: int | None = None, *, fast: bool = False
    ) -> None:
        self.flow = flow
        self._core = core
        self._slowest_tier = slowest_tier
        self._fast = fast
        self.kernel = functools.cache(self._kernel)
        self._least_ring = functools.cache(self._narrowest_ring)
        self.region = functools.cache(Regions(flow).region)
        self.ends = functools.cache(functools.partial(ends_of, flow))

    def _kernel(self, position: int) -> tuple[int, int]:
        """Of the kernel that a node is reckoned with: the limit to its own scratch, and all scratch
        that the node needs with it."""
        node = self.flow.node(position)
        limit, nbytes = _scratch_of(node, self._core, self._slowest_tier, self._fast)
        adds_up = position in self.flow.sums
        return limit, 0 if adds_up else self.flow.with_joint(position, nbytes)

    def _narrowest_ring(self, tensor: int) -> tuple[int, bool]:
        """Bytes of a tensor's ring that is as narrow as its readers' windows, and whether it may be
        passed on line by line."""
        lines = _widest(self.flow, tensor)
        passes = lines <= self.flow.blocks_of(tensor) and tensor not in self.flow.fed
        return ring_bytes(self.flow, tensor, lines), passes

    def cuts(self) -> tuple[int, ...]:
        """Positions between which the regions lie, 0 and the number of nodes included."""
        count = len(self.flow.nodes)
        best = [_Best(0, 0, 0, 0)]
        for stop in range(1, count + 1):
            best.append(self._best_before(stop, best))
        cuts = [count]
        while cuts[-1] > 0:
            cuts.append(best[cuts[-1]].start)
        return tuple(reversed(cuts))

    def fewest_cuts(self, budget_bytes: int) -> tuple[int, ...]:
        """As ``cuts``, but of the fewest regions, each of which needs ``budget_bytes`` at most.

        Raises:
            ValueError: some node needs more by itself.
        """
        count = len(self.flow.nodes)
        # (regions, boundary bytes, start of the last region) of the nodes before each place.
        best: list[tuple[int, int, int] | None] = [(0, 0, 0)]
        for stop in range(1, count + 1):
            tried = sorted(
                (before[0] + 1, before[1] + self.boundary_bytes(start, stop), start)
                for start, before in enumerate(best)
                if before is not None and self.least_need(start, stop) <= budget_bytes
            )
            best.append(next((t for t in tried if self.need(t[2], stop) <= budget_bytes), None))
        cuts = [count]
        while cuts[-1] > 0:
            last = best[cuts[-1]]
            if last is None:
                raise ValueError(f"no regions do with {budget_bytes} bytes")
            cuts.append(last[2])
        return tuple(reversed(cuts))

    def needs_between(self, low: int, high: int) -> list[int]:
        """What regions need, in ascending order, of those that need from low to below high."""
        count = len(self.flow.nodes)
        return sorted(
            {
                self.need(start, stop)
                for stop in range(1, count + 1)
                for start in reversed(range(stop))
                if self.least_need(start, stop) < high and low <= self.need(start, stop) < high
            }
        )

    def lower_bound(self) -> int:
        """No regions, wherever they are cut, can do with less."""
        best = [0]
        for stop in range(1, len(self.flow.nodes) + 1):
            least = _NEVER
            for start in reversed(range(stop)):
                if best[start] < least:
                    least = min(least, max(best[start], self.least_need(start, stop)))
            best.append(least)
        return best[-1]

    def lower_bounds_behind(self) -> tuple[int, ...]:
        """By position, what no regions from there to the end can do with less than."""
        count = len(self.flow.nodes)
        bounds = [0] * (count + 1)
        for start in reversed(range(count)):
            bounds[start] = _NEVER
            for stop in range(start + 1, count + 1):
                if bounds[stop] < bounds[start]:
                    need = max(bounds[stop], self.least_need(start, stop))
                    bounds[start] = min(bounds[start], need)
        return tuple(bounds)

    def need(self, start: int, stop: int) -> int:
        """Bytes that the region [start, stop) needs, the best pair of its ends overlapping."""
        region = self.region(start, stop)
        return self.need_apart(start, stop) - self._saving(region) + self.scratch(start, stop)

    def need_without_scratch(self, start: int, stop: int) -> int:
        """The same, but for the scratch of kernels."""
        return self.need_apart(start, stop) - self._saving(self.region(start, stop))

    def need_apart(self, start: int, stop: int) -> int:
        """The same, but for the scratch of kernels, and nothing overlapping."""
        whole = self._whole_bytes(self.ends(start, stop))
        return whole + self.region(start, stop).ring_bytes + self.sums(start, stop)

    def sums(self, start: int, stop: int) -> int:
        """Bytes of the sums of the nodes [start, stop)."""
        return sum(size for position, size in self.flow.sums.items() if start <= position < stop)

    def _best_before(self, stop: int, best: Sequence[_Best]) -> _Best:
        floors = sorted(
            (
                self._last_region(start, stop, before, self.least_need(start, stop))
                for start, before in enumerate(best)
            ),
            key=lambda floor: floor.rank,
        )
        found: _Best | None = None
        for floor in floors:
            if found is not None and floor.rank >= found.rank:
                break
            start = floor.start
            candidate = self._last_region(start, stop, best[start], self.need(start, stop))
            if found is None or candidate.rank < found.rank:
                found = candidate
        if found is None:
            raise ValueError("a region holds at least one node")
        return found

    def _last_region(self, start: int, stop: int, before: _Best, need_bytes: int) -> _Best:
        """The nodes [start, stop), which need so much, behind the best way to run those before."""
        return _Best(
            need_bytes=max(before.need_bytes, need_bytes),
            regions=before.regions + 1,
            boundary_bytes=before.boundary_bytes + self.boundary_bytes(start, stop),
            start=start,
        )

    @functools.cache  # noqa: B019 - a search lives as long as its cache
    def least_need(self, start: int, stop: int) -> int:
        """No run of the region by whole rows can need less.

        Rings are as narrow as their windows, and ends overlap at will.
        """
        if stop - start > 1 and any(self.flow.is_whole(p) for p in range(start, stop)):
            return _NEVER
        if not self.flow.may_be_region(start, stop):
            return _NEVER
        ends = self.ends(start, stop)
        rings = self._least_rings_bytes(start, stop, set(ends.born) - set(ends.live_out))
        # All that dies is whole at the start, all that is made whole at the end.
        dying = sum(self._size(t) for t in ends.dying)
        made = sum(self._size(t) for t in ends.live_out)
        work = self.sums(start, stop) + self.scratch(start, stop)
        return self._whole_bytes(ends) + rings + work - min(dying, made)

    def least_need_without_scratch(self, start: int, stop: int) -> int:
        """The same, but for the scratch of kernels."""
        return self.least_need(start, stop) - self.scratch(start, stop)

    def _least_rings_bytes(self, start: int, stop: int, rings: Collection[int]) -> int:
        """Those that are passed on need not be there at one time, but for what a node reads and
        makes."""
        passed = {}
        kept = 0
        for tensor in rings:
            nbytes, passes = self._least_ring(tensor)
            if passes:
                passed[tensor] = nbytes
            else:
                kept += nbytes
        around = (
            sum(passed.get(tensor, 0) for tensor in self.flow.touched(position))
            for position in range(start, stop)
        )
        return kept + max(around)

    def boundary_bytes(self, start: int, stop: int) -> int:
        """Of what is there before the nodes [start, stop) run."""
        return sum(self._size(tensor) for tensor in self.ends(start, stop).live_in)

    def _whole_bytes(self, ends: Ends) -> int:
        return sum(self._size(tensor) for tensor in (*ends.live_in, *ends.live_out))

    def _size(self, tensor: int) -> int:
        return align(self.flow.tensors[tensor].nbytes, RING_ALIGNMENT)

    def scratch(self, start: int, stop: int) -> int:
        """Bytes of scratch of the nodes [start, stop), of which one runs at a time."""
        return max(self.kernel(position)[1] for position in range(start, stop))

    def _saving(self, region: Region) -> int:
        savings = [0]
        for (output, source), distance in region.distances.items():
            made, read = self._size(output), self._size(source)
            extent = max(made, read + max(align(distance, RING_ALIGNMENT), 0))
            savings.append(made + read - extent)
        return max(savings)


@functools.lru_cache(maxsize=8192)
def _scratch_of(node: Node, core: Core, slowest_tier: int | None, fast: bool) -> tuple[int, int]:
    """Of the kernel with the least scratch, or the fastest: its own, and all that the node needs
    with it."""
    operator = operator_of(node)
    if fast:
        limit = operator.most_scratch(node, core)
    else:
        limit = operator.least_scratch(node, core, slowest_tier)
    return limit, operator.scratch_bytes(node, core.with_scratch_limit(limit))


def _widest(flow: Flow, tensor: int) -> int:
    """Lines that a single line of any reader takes, at most."""
    return max([1, *(use.widest for use in flow.readers[tensor])])


@dataclass(frozen=True)
class Layout:
    """Regions and addresses.

    Attributes:
        lines_held: by tensor.
        buffers: of the tensors, in the order of their numbers, then of sums.
        offsets: by tensor.
        sums_offsets: by position.
    """

    regions: tuple[Region, ...]
    lines_held: dict[int, int]
    offsets: dict[int, int]
    sums_offsets: dict[int, int]
    buffers: tuple[Buffer, ...]
    arrangement: Arrangement
    need_bytes: int


def _best_layout(search: Search) -> Layout:
    """That of the best cuts; where its addresses miss the need, the smallest of several."""
    best = lay_out(search, search.cuts())
    budgets = search.needs_between(best.need_bytes, best.arrangement.used_bytes)
    stride = max(1, math.ceil(len(budgets) / _MOST_BUDGETS))
    for budget in budgets[::stride]:
        if budget >= best.arrangement.used_bytes:
            break
        layout = lay_out(search, search.fewest_cuts(budget))
        if layout.arrangement.used_bytes < best.arrangement.used_bytes:
            best = layout
    return best


def _coarsened(
    search_with: Callable[[Mapping[int, int]], Search],
    uncut: Flow,
    pixels: int,
    search: Search,
    layout: Layout,
) -> tuple[Search, Layout]:
    """The same regions in as many bytes at most, each in the largest blocks that do.

    Args:
        search_with: makes the search where rows are cut into some blocks.
        pixels: of the blocks in ``search``.
    """
    used = layout.arrangement.used_bytes
    chosen: dict[int, int] = {}
    coarser = {p: search_with(choose_blocks(uncut, p)) for p in _COARSER_PIXELS if p > pixels}
    whole_rows = search_with({})
    for region in layout.regions:
        ends = region.start, region.stop
        if whole_rows.need(*ends) > used:
            enough = (p for p, other in coarser.items() if other.need(*ends) <= used)
            chosen.update(choose_blocks(uncut, next(enough, pixels), *ends))
    cuts = (0, *(region.stop for region in layout.regions))
    found = search_with(chosen)
    coarsened = lay_out(found, cuts)
    if coarsened.arrangement.used_bytes > used:
        return search, layout
    return found, coarsened


def lay_out(
    search: Search,
    cuts: Sequence[int],
    scratch_bytes: Sequence[int] | None = None,
    apart: Collection[int] = (),
    goal_bytes: int = 0,
) -> Layout:
    """Addresses for the regions between ``cuts``.

    Args:
        scratch_bytes: by region; by default what the search counts with.
        apart: regions in which no result may be written over an input.
        goal_bytes: to stop at; less than the regions need is that need.
    """
    flow = search.flow
    spans = list(itertools.pairwise(cuts))
    regions = tuple(search.region(start, stop) for start, stop in spans)
    born: dict[int, int] = {}
    last: dict[int, int] = {}
    held: dict[int, int] = {}
    clearances: dict[tuple[int, int], int] = {}
    turns: set[tuple[int, int]] = set()
    for k, region in enumerate(regions):
        for tensor in (*region.live_in, *region.live_out, *region.rings):
            born.setdefault(tensor, k)
            last[tensor] = k + 1
            held[tensor] = region.rings.get(tensor, flow.lines(tensor))
    tensors = sorted(set(flow.tensors))
    for tensor in tensors:
        if tensor not in born:  # an input that nobody reads
            born[tensor], last[tensor], held[tensor] = 0, 1, flow.lines(tensor)
        if tensor in flow.kept:
            last[tensor] = len(regions) + 1
    number = {tensor: i for i, tensor in enumerate(tensors)}
    for k, region in enumerate(regions):
        for (output, source), distance in region.distances.items():
            if k not in apart:
                clearances[number[output], number[source]] = distance
        turns.update((number[one], number[other]) for one, other in region.apart)
    buffers = [
        Buffer(ring_bytes(flow, t, held[t]), _alignment(flow, t), born[t], last[t]) for t in tensors
    ]
    for k, (start, stop) in enumerate(spans):
        summing = (p for p in flow.sums if start <= p < stop)
        buffers += [Buffer(flow.sums[p], RING_ALIGNMENT, k, k + 1) for p in summing]
    if scratch_bytes is None:
        scratch_bytes = [search.scratch(start, stop) for start, stop in spans]
    scratch = [
        Buffer(nbytes, SCRATCH_ALIGNMENT, k, k + 1) for k, nbytes in enumerate(scratch_bytes)
    ]
    need = max(
        (
            search.need_without_scratch(*span) + nbytes
            for span, nbytes in zip(spans, scratch_bytes, strict=True)
        ),
        default=0,
    )
    arrangement = arrange([*buffers, *scratch], clearances, turns, max(need, goal_bytes))
    return Layout(
        regions=regions,
        lines_held=held,
        offsets=dict(zip(tensors, arrangement.offsets, strict=False)),
        sums_offsets=dict(
            zip(sorted(flow.sums), arrangement.offsets[len(tensors) :], strict=False)
        ),
        buffers=tuple(buffers),
        arrangement=arrangement,
        need_bytes=need,
    )


def _alignment(flow: Flow, tensor: int) -> int:
    return max(RING_ALIGNMENT, flow.tensors[tensor].dtype.nbytes)


def plan_of(
    graph: Graph,
    search: Search,
    layout: Layout,
    memory: str,
    keep_input: bool,
    core: Core,
    limit_of: Callable[[int, int], int] | None = None,
) -> Plan:
    """The plan of a layout, each node with a kernel whose scratch finds a place that is free while
    its region runs.

    Args:
        limit_of: (position, bytes of that place) -> limit to the scratch of the node's kernel; by
            default what is left beside the pointers.
    """
    flow = search.flow
    roots = alias_roots(graph)
    slots = {
        tensor.index: _slot(graph, flow, layout, tensor, roots[tensor.index], memory)
        for tensor in activations(graph)
    }
    scratch = {}
    limits = {}
    for k, region in enumerate(layout.regions):
        gap = _largest_gap(layout, k)
        for position in range(region.start, region.stop):
            node, (least, least_bytes) = flow.node(position), search.kernel(position)
            if position in flow.sums:
                continue
            # What the gap has beyond the least goes to the kernel; pointers take the rest.
            limit = least + gap.size_bytes - least_bytes
            if limit_of is not None:
                limit = limit_of(position, gap.size_bytes)
            size = operator_of(node).scratch_bytes(node, core.with_scratch_limit(limit))
            if any(slots[tensor.index].blocks > 1 for tensor in flow.nodes[position].activations):
                size = flow.with_joint(position, size)
            limits[node.index] = limit
            if size:
                scratch[node.index] = Scratch(memory, gap.offset_bytes, size)
    return Plan(
        strategy=_name(flow),
        steps=tuple(_steps(graph, flow, layout, scratch)),
        slots=slots,
        scratch=scratch,
        arena_bytes={memory: layout.arrangement.used_bytes},
        lower_bound_bytes=search.lower_bound(),
        extra_macs=0,
        input_preserved=keep_input,
        scratch_limits=limits,
        sums={
            flow.nodes[position].index: Scratch(memory, offset, flow.sums[position])
            for position, offset in layout.sums_offsets.items()
        },
        blocks={flow.nodes[position].index: number for position, number in flow.blocks.items()},
    )


def _slot(
    graph: Graph, flow: Flow, layout: Layout, tensor: Tensor, root: Tensor, memory: str
) -> Slot:
    """Where a tensor lies, whose memory is that of ``root``: in rows, if it holds whole ones."""
    offset = layout.offsets[root.index] + bytes_into_row(graph, tensor)
    pitch = root.row_bytes if tensor.index in graph.views else tensor.row_bytes
    held, blocks = layout.lines_held[root.index], flow.blocks_of(root.index)
    if held == flow.lines(root.index):
        return Slot(memory, offset, pitch, tensor.height)
    if held % blocks == 0:
        return Slot(memory, offset, pitch, held // blocks)
    return Slot(memory, offset, flow.line_bytes(root.index), held, blocks)


def _name(flow: Flow) -> str:
    """Of the strategy, after the smallest thing that layers pass on."""
    widths = [flow.node(position).input(0).width for position in flow.blocks]
    return "rows" if not flow.blocks else "blocks" if min(widths) > 1 else "pixels"


def _largest_gap(layout: Layout, region: int) -> Scratch:
    """The largest aligned place in the arena that no tensor of the region takes."""
    used = layout.arrangement.used_bytes
    best = Scratch("", 0, 0)
    end = 0
    for start, stop in (*_tensor_spans(layout, region), (used, used)):
        offset = align(end, SCRATCH_ALIGNMENT)
        if start - offset > best.size_bytes:
            best = Scratch("", offset, start - offset)
        end = max(end, stop)
    return best


def _steps(
    graph: Graph, flow: Flow, layout: Layout, scratch: Mapping[int, Scratch]
) -> Iterator[Step]:
    input_number = {tensor.index: k for k, tensor in enumerate(graph.inputs)}
    for k, region in enumerate(layout.regions):
        live = _union(layout, k)
        if region.stop - region.start == 1 and _in_one_go(flow, layout, region):
            node = flow.nodes[region.start].index
            used = live + _size(scratch.get(node))
            yield Step(node, 0, flow.steps(region.start), used)
            continue
        for event in region.events:
            arrives = event.position < 0
            node = -1 - input_number[event.tensor] if arrives else flow.nodes[event.position].index
            yield Step(node, event.y, event.y + 1, live + _size(scratch.get(node)))


def _in_one_go(flow: Flow, layout: Layout, region: Region) -> bool:
    """Whether a region's only node may make all rows at once: nothing arrives or is added up, and
    no result is written over what is still to be read, or lies in a ring as nobody reads it."""
    position = region.start
    if flow.is_whole(position):
        return True
    if position in flow.sums or any(event.position != position for event in region.events):
        return False

    def extent(tensor: int) -> range:
        size = flow.line_bytes(tensor) * layout.lines_held[tensor]
        return range(layout.offsets[tensor], layout.offsets[tensor] + size)

    return not region.rings and not any(
        extent(source).start < extent(made).stop and extent(made).start < extent(source).stop
        for source in region.live_in
        for made in region.live_out
    )


def _size(scratch: Scratch | None) -> int:
    return 0 if scratch is None else scratch.size_bytes


def _union(layout: Layout, region: int) -> int:
    """Bytes of all tensors that are live in a region, bytes in common counted once."""
    total = end = 0
    for start, stop in _tensor_spans(layout, region):
        total += max(stop - max(start, end), 0)
        end = max(end, stop)
    return total


def _tensor_spans(layout: Layout, region: int) -> list[tuple[int, int]]:
    """From where to where the tensors lie that are live in a region, in ascending order."""
    return sorted(
        (layout.arrangement.offsets[k], layout.arrangement.offsets[k] + buffer.size_bytes)
        for k, buffer in enumerate(layout.buffers)
        if buffer.start <= region < buffer.stop
    )
