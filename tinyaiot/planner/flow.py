"""Who needs which rows of what: the graph as the streaming strategies see it.

What is counted are lines: rows, or blocks of columns, row by row, where rows are cut. Nodes are
those that compute, numbered by position; tensors are the roots of aliases, by index.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from tinyaiot.graph import Graph, Node, Tensor
from tinyaiot.operators import operator_of
from tinyaiot.operators.base import Rows
from tinyaiot.operators.blocks import (
    blocks_a_row,
    in_blocks,
    joint_bytes,
    makes_blocks,
    reads_blocks,
    reads_windows,
    scratch_with_joint,
    window_columns,
)
from tinyaiot.planner.liveness import alias_roots, stepped

Lines = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Use:
    """A node reads a tensor: line y of its results takes lines [first[y], stop[y]) of it.

    Attributes:
        reader: position of the node.
        source: index of the tensor.
        first: the lowest line that line y of the results or any later one reads.
        stop: one more than the highest line that line y or any earlier one reads.
        in_place: whether line y of the result may be written over line y of the tensor.
        first_byte: as ``first``, the lowest byte, the tensor lying whole.
    """

    reader: int
    source: int
    first: Lines
    stop: Lines
    in_place: bool
    first_byte: Lines

    @functools.cached_property
    def stops(self) -> list[int]:
        """``stop`` as a list, which is faster to look things up in."""
        stops: list[int] = self.stop.tolist()
        return stops

    @functools.cached_property
    def widest(self) -> int:
        """Lines that a single line of the results takes, at most."""
        return int((self.stop - self.first).max())


@dataclass(frozen=True, eq=False)
class Flow:
    """A graph's nodes and tensors, and the uses that tie them.

    Attributes:
        nodes: in the order in which they may run.
        tensors: by index, the roots.
        maker: by tensor, the position of the node that makes it; −1 for an input that is there
            from the start, the position of its first reader for one whose rows arrive.
        uses: by position, a node's uses, in the order of its operands, each tensor once.
        readers: by tensor, its uses in the order of positions.
        fed: inputs whose rows arrive when they are asked for.
        kept: tensors that are read after the last node.
        whole: tensors that cannot lie in a ring: the model's ends, what aliases reshape, and
            what several nodes make by columns.
        made: by position, the tensors that a node makes.
        sums: by position, bytes of the sums of a node that adds up a tensor, each row, or each
            block where it cuts them, as soon as it is there. The node takes a step for each, and
            its uses are of steps; with the last it makes its result, of one row.
        strips: where the strips begin and end, from 0; empty without strips. No region has parts
            of two.
        blocks: by position, into how many blocks of columns a node cuts rows, where it does.
        fine: tensors that need not lie in whole rows: made in blocks, and read in blocks only.

    Of what several nodes make by columns the first is the maker. Each of the others makes a
    tensor without columns, so of no bytes, which all readers read too.
    """

    nodes: tuple[Node, ...]
    tensors: dict[int, Tensor]
    maker: dict[int, int]
    uses: tuple[tuple[Use, ...], ...]
    readers: dict[int, tuple[Use, ...]]
    fed: frozenset[int]
    kept: frozenset[int]
    whole: frozenset[int]
    made: tuple[tuple[int, ...], ...]
    sums: Mapping[int, int]
    strips: tuple[int, ...]
    blocks: Mapping[int, int]
    fine: frozenset[int]

    def blocks_of(self, tensor: int) -> int:
        """Blocks into which rows of a tensor are cut."""
        maker = self.maker[tensor]
        if maker < 0 or tensor in self.fed or maker in self.sums:
            return 1
        return self.blocks.get(maker, 1)

    def lines(self, tensor: int) -> int:
        """Lines of a tensor."""
        return self._lines[tensor]

    def line_bytes(self, tensor: int) -> int:
        return self._line_bytes[tensor]

    @functools.cached_property
    def _lines(self) -> dict[int, int]:
        lines = {t: tensor.height for t, tensor in self.tensors.items()}
        lines.update((t, lines[t] * number) for t, number in self._cut)
        return lines

    @functools.cached_property
    def _line_bytes(self) -> dict[int, int]:
        nbytes = {t: tensor.row_bytes for t, tensor in self.tensors.items()}
        nbytes.update((t, nbytes[t] // number) for t, number in self._cut)
        return nbytes

    @functools.cached_property
    def _cut(self) -> tuple[tuple[int, int], ...]:
        """Tensors of which rows are cut, and into how many blocks."""
        made = dict.fromkeys(t for position in self.blocks for t in self.made_by(position))
        return tuple((tensor, self.blocks_of(tensor)) for tensor in made)

    def steps(self, position: int) -> int:
        """Steps that a node takes: one for each line that it makes, or row or block that it adds
        up."""
        if position in self.sums:
            return len(self.uses[position][0].first)
        return self.lines(self.made_by(position)[0])

    @property
    def all_steps(self) -> int:
        """Steps of all nodes."""
        return sum(self.steps(position) for position in range(len(self.nodes)))

    def node(self, position: int) -> Node:
        """A node as its calls see it: with a row for each line."""
        return in_blocks(self.nodes[position], self.blocks.get(position, 1))

    def with_joint(self, position: int, scratch_bytes: int) -> int:
        """Scratch of a node whose kernel takes so much: with room to join columns of a row, where
        it reads windows of a tensor that need not lie in whole rows."""
        node = self.nodes[position]
        if (
            node.inputs[0] is None
            or node.input(0).index not in self.fine
            or not reads_windows(node)
        ):
            return scratch_bytes
        return scratch_with_joint(scratch_bytes, joint_bytes(node, self.blocks[position]))

    def made_by(self, position: int) -> tuple[int, ...]:
        """Tensors that a node makes."""
        return self.made[position]

    def touched(self, position: int) -> frozenset[int]:
        """Tensors that a node reads or makes."""
        return _touched(self.made[position], self.uses[position])

    def is_whole(self, position: int) -> bool:
        """Whether a node makes all of its outputs at once, these being of several heights."""
        return _makes_several_heights(self.nodes[position])

    def may_be_region(self, start: int, stop: int) -> bool:
        """Whether nodes [start, stop) are of one strip, or behind all of them."""
        return not any(start < end < stop for end in self.strips)

    def last_reader(self, tensor: int) -> int:
        """The position after which a tensor is not needed any more."""
        return self._last_readers[tensor]

    @functools.cached_property
    def spans(self) -> dict[int, tuple[int, int]]:
        """By tensor that may lie in a ring and is read, the positions of its maker and of its last
        reader."""
        return {
            t: (self.maker[t], max(use.reader for use in self.readers[t]))
            for t in self.tensors
            if self.readers[t] and t not in self.fed and t not in self.whole
        }

    @functools.cached_property
    def with_plain_ends(self) -> frozenset[int]:
        """Positions of nodes that neither read nor make a tensor under another shape, or columns
        of one."""
        return frozenset(
            position
            for position, node in enumerate(self.nodes)
            if all(
                self.tensors.get(tensor.index) is tensor
                for tensor in (*node.activations, *node.outputs)
            )
        )

    @functools.cached_property
    def _last_readers(self) -> dict[int, int]:
        last = dict(self.maker)
        last.update((use.source, use.reader) for of_node in self.uses for use in of_node)
        last.update((tensor, len(self.nodes)) for tensor in self.kept)
        return last


@functools.lru_cache(maxsize=4096)
def _touched(made: tuple[int, ...], uses: tuple[Use, ...]) -> frozenset[int]:
    return frozenset((*made, *(use.source for use in uses)))


@functools.lru_cache(maxsize=4096)
def _makes_several_heights(node: Node) -> bool:
    return any(t.height != node.output.height for t in node.outputs)


class Flows:
    """The flows of ``graph``, its nodes in the given order; what they have in common is worked out
    once.

    Args:
        keep_input: whether the inputs must outlive the inference.
        feed: whether the rows of inputs arrive one by one instead of being there.
    """

    def __init__(self, graph: Graph, *, keep_input: bool = False, feed: bool = False) -> None:
        self._graph = graph
        self._feed = feed
        self._nodes = stepped(graph.nodes)
        self._roots = alias_roots(graph)
        self._joined = _joined(graph, self._nodes)
        self._tensors = {root.index: root for root in self._roots.values()}
        self._tensors.update((t.index, t) for others in self._joined.values() for t in others)
        self._made = tuple(_made(graph, node, self._tensors) for node in self._nodes)
        self._sources = [
            [self._roots[t.index].index for t in node.activations] for node in self._nodes
        ]
        self._sums = [_sums_bytes(node, self._roots) for node in self._nodes]
        self._strips = _strips(graph, self._nodes)
        self._ends = frozenset(
            self._roots[t.index].index for t in graph.outputs if t.index in self._roots
        )
        inputs = frozenset(t.index for t in graph.inputs if keep_input)
        self._kept = self._ends | inputs
        self._whole = self._ends | _reshaped(graph, self._roots)
        self._uses: dict[tuple[int, bool, int, tuple[int, ...]], tuple[Use, ...]] = {}

    def flow(
        self, blocks: Mapping[int, int] = MappingProxyType({}), alone: Collection[int] = ()
    ) -> Flow:
        """The flow where rows are cut, and sums made, as said.

        Args:
            blocks: by position, into how many blocks of columns rows are cut, where they are; all
                that read a tensor in blocks have the number of its maker.
            alone: positions of nodes that find their input whole, so that they need no sums.
        """
        nodes = self._nodes
        sums = {i: nbytes for i, nbytes in enumerate(self._sums) if nbytes and i not in alone}
        made_in = {t.index: blocks[i] for i in blocks if i not in sums for t in nodes[i].outputs}
        uses = tuple(self._uses_of(i, i in sums, blocks, made_in) for i in range(len(nodes)))
        readers = self._readers(uses)
        inputs = [t.index for t in self._graph.inputs]
        fed = frozenset(t for t in inputs if self._feed and readers[t])
        maker = {t: readers[t][0].reader if t in fed else -1 for t in inputs}
        maker.update({tensor: i for i, tensors in enumerate(self._made) for tensor in tensors})
        return Flow(
            nodes=nodes,
            tensors=self._tensors,
            maker=maker,
            uses=uses,
            readers=readers,
            fed=fed,
            kept=self._kept,
            whole=self._whole,
            made=self._made,
            sums=sums,
            strips=self._strips,
            blocks=blocks,
            fine=frozenset(
                t
                for t in made_in
                if t not in self._whole
                and readers[t]
                and all(
                    use.reader in blocks and _takes_blocks(nodes[use.reader], use.reader in sums)
                    for use in readers[t]
                )
            ),
        )

    def _readers(self, uses: Sequence[tuple[Use, ...]]) -> dict[int, tuple[Use, ...]]:
        found: dict[int, list[Use]] = {tensor: [] for tensor in self._tensors}
        for use in itertools.chain.from_iterable(uses):
            found[use.source].append(use)
        return {tensor: tuple(of_tensor) for tensor, of_tensor in found.items()}

    def _uses_of(
        self, position: int, adds_up: bool, blocks: Mapping[int, int], made_in: Mapping[int, int]
    ) -> tuple[Use, ...]:
        node, number = self._nodes[position], blocks.get(position, 1)
        sources = self._sources[position]
        key = position, adds_up, number, tuple(made_in.get(source, 1) for source in sources)
        if key not in self._uses:
            self._uses[key] = (
                (_step_by_step(position, self._roots[node.input(0).index], number, made_in),)
                if adds_up
                else _uses(position, node, self._roots, self._joined, number, made_in)
            )
        return self._uses[key]


def flow_of(graph: Graph, *, feed: bool = False) -> Flow:
    """The flow of ``graph`` in whole rows, where no other is asked for."""
    return Flows(graph, feed=feed).flow()


# Pixels of a block of a row at most, by position of a node; None for whole rows.
PixelsAt = Callable[[int], int | None]


def choose_blocks(
    flow: Flow, pixels: int | PixelsAt, start: int = 0, stop: int | None = None
) -> dict[int, int]:
    """By position, how many blocks of at most ``pixels`` pixels make a row, for all nodes around
    tensors that the nodes [start, stop) may make and read in blocks; by default all nodes.

    Of some nodes, those too whose results stay: the finer their steps, the further these may be
    written over what dies.

    Args:
        pixels: of all nodes, or by position, the same for those of one of ``groups``.
    """
    pixels_at: PixelsAt = pixels if callable(pixels) else lambda _: pixels
    last = len(flow.nodes) if stop is None else stop
    blocks: dict[int, int] = {}
    for index in _between(flow, start, last):
        maker, readers = flow.maker[index], [use.reader for use in flow.readers[index]]
        number = _blocks_of_rows(flow, maker, flow.tensors[index], pixels_at)
        if number == 1 or not all(_reads_blocks(flow, position) for position in readers):
            continue
        by_windows = {
            p: _blocks_of_rows(flow, p, flow.nodes[p].output, pixels_at)
            for p in readers
            if reads_windows(flow.nodes[p])
        }
        if all(_pays(flow.nodes[p], count) for p, count in by_windows.items()):
            blocks.update(dict.fromkeys((maker, *readers), number))
            blocks.update(by_windows)
    if stop is not None:
        blocks = {**_stays_in_blocks(flow, pixels_at, start, stop), **blocks}
    return blocks


def groups(flow: Flow, start: int, stop: int) -> tuple[tuple[int, ...], ...]:
    """The nodes [start, stop), those together that read block for block what others make."""
    group_of = {position: position for position in range(start, stop)}
    for index in _between(flow, start, stop):
        readers = (use.reader for use in flow.readers[index])
        others = {group_of[p] for p in readers if not reads_windows(flow.nodes[p])}
        joined = group_of[flow.maker[index]]
        group_of.update({p: joined for p, group in group_of.items() if group in others})
    return tuple(
        tuple(p for p in group_of if group_of[p] == group)
        for group in dict.fromkeys(group_of.values())
    )


def _between(flow: Flow, start: int, stop: int) -> Iterator[int]:
    """Tensors that are made and read by the nodes [start, stop) only, and may lie in rings."""
    return (t for t, (first, last) in flow.spans.items() if start <= first and last < stop)


def _blocks_of_rows(flow: Flow, position: int, made: Tensor, pixels_at: PixelsAt) -> int:
    """Into how many blocks a node cuts the rows of what it makes; 1 where it cannot."""
    pixels = pixels_at(position)
    may = position in flow.with_plain_ends and makes_blocks(flow.nodes[position])
    return 1 if pixels is None or not may else blocks_a_row(made, pixels)


def _reads_blocks(flow: Flow, position: int) -> bool:
    takes = _takes_blocks(flow.nodes[position], position in flow.sums)
    return takes and position in flow.with_plain_ends


def _stays_in_blocks(flow: Flow, pixels_at: PixelsAt, start: int, stop: int) -> dict[int, int]:
    """The same for the nodes [start, stop) whose results are there when they are done."""
    numbers = {
        p: _blocks_of_rows(flow, p, flow.nodes[p].output, pixels_at)
        for p in range(start, stop)
        if p not in flow.sums and any(flow.last_reader(t) >= stop for t in flow.made_by(p))
    }
    return {p: number for p, number in numbers.items() if number > 1}


def _takes_blocks(node: Node, adds_up: bool) -> bool:
    """Whether what a node reads may lie in blocks: it adds up, or can make blocks itself."""
    return adds_up or makes_blocks(node)


def _pays(node: Node, blocks: int) -> bool:
    """Whether a ring of blocks saves more than the columns under a block's windows, which it
    holds beside whole rows, and which are joined where it ends."""
    most = max(columns.count for columns in window_columns(node, blocks))
    return blocks > 1 and 2 * most < node.input(0).width


def _reshaped(graph: Graph, roots: Mapping[int, Tensor]) -> frozenset[int]:
    """Tensors that aliases reshape."""
    return frozenset(
        roots[t.index].index
        for node in graph.nodes
        for t in node.outputs
        if (t.height, t.row_bytes) != (roots[t.index].height, roots[t.index].row_bytes)
    )


def _sums_bytes(node: Node, roots: Mapping[int, Tensor]) -> int:
    """Bytes of a node's sums; 0 where it has none, or there is but one row to add."""
    source = node.optional(0)
    if source is None or source.is_constant or source.height == 1:
        return 0
    as_it_was_made = source.height == roots[source.index].height
    return operator_of(node).sums_bytes(node) if as_it_was_made else 0


def _step_by_step(position: int, source: Tensor, blocks: int, made_in: Mapping[int, int]) -> Use:
    """A node's use of a tensor of which each of its steps takes the next row, or block of one."""
    first, stop = _block_needs(source, blocks, made_in.get(source.index, 1))
    first_byte = first * (source.row_bytes // made_in.get(source.index, 1))
    return Use(position, source.index, first, stop, in_place=False, first_byte=first_byte)


def _strips(graph: Graph, nodes: tuple[Node, ...]) -> tuple[int, ...]:
    ends = [i + 1 for i, node in enumerate(nodes) if node.output.index in graph.views]
    return (0, *ends) if ends else ()


def _joined(graph: Graph, nodes: tuple[Node, ...]) -> dict[int, tuple[Tensor, ...]]:
    """By tensor that nodes make by columns, one without columns for each but the first of them."""
    found: dict[int, tuple[Tensor, ...]] = {}
    for tensor in (tensor for node in nodes for tensor in node.outputs):
        view = graph.views.get(tensor.index)
        if view is not None:
            others = found.get(view.of.index)
            empty = replace(tensor, shape=(*tensor.shape[:-2], 0, tensor.shape[-1]))
            found[view.of.index] = () if others is None else (*others, empty)
    return found


def _made(graph: Graph, node: Node, tensors: dict[int, Tensor]) -> tuple[int, ...]:
    return tuple(
        t.index if t.index in tensors else graph.views[t.index].of.index for t in node.outputs
    )


def _uses(
    position: int,
    node: Node,
    roots: Mapping[int, Tensor],
    joined: Mapping[int, tuple[Tensor, ...]],
    blocks: int,
    made_in: Mapping[int, int],
) -> tuple[Use, ...]:
    """One use for each tensor that the node reads, however often.

    Args:
        blocks: into how many the node cuts rows.
        made_in: the same of tensors, where they are cut.
    """
    found: dict[int, Use] = {}
    for k, operand in enumerate(node.inputs):
        if operand is None or operand.is_constant:
            continue
        root = roots[operand.index]
        lines = made_in.get(root.index, 1)
        if blocks > 1 and reads_blocks(node):
            first, stop = _block_needs(root, blocks, lines)
            first_byte = _block_needs(root, blocks, root.width)[0] * (root.row_bytes // root.width)
        elif blocks > 1 and reads_windows(node):
            first, stop = _window_needs(node, root, blocks, lines)
            first_byte = _window_needs(node, root, blocks, root.width)[0] * (
                root.row_bytes // root.width
            )
        else:
            first, stop = (
                np.repeat(rows, blocks) * lines for rows in _row_needs(node, k, operand, root)
            )
            first_byte = first * (root.row_bytes // lines)
        over = k in operator_of(node).in_place(node) and len(node.outputs) == 1
        over = over and roots[node.output.index] is node.output
        over = over and blocks == lines
        alike = (root.height, root.row_bytes) == (node.output.height, node.output.row_bytes)
        use = Use(position, root.index, first, stop, over and alike, first_byte)
        if root.index in found:
            other = found[root.index]
            use = Use(
                position,
                root.index,
                np.minimum(first, other.first),
                np.maximum(stop, other.stop),
                use.in_place and other.in_place,
                np.minimum(first_byte, other.first_byte),
            )
        found[root.index] = use
        for empty in joined.get(root.index, ()):
            found[empty.index] = replace(use, source=empty.index, in_place=False)
    return tuple(found.values())


def _block_needs(root: Tensor, blocks: int, made_in: int) -> tuple[Lines, Lines]:
    """Lines of ``root``, cut into ``made_in`` blocks a row, for each block at the same place."""
    places = np.arange(root.height * blocks + 1) * made_in
    return places[:-1] // blocks, -(-places[1:] // blocks)


@functools.lru_cache(maxsize=4096)
def _window_needs(node: Node, root: Tensor, blocks: int, made_in: int) -> tuple[Lines, Lines]:
    """The same for each block of the result, in the order of rows, as in :class:`Use`."""
    rows = [
        operator_of(node).input_rows(node, 0, Rows(y, y + 1)) for y in range(node.output.height)
    ]
    columns = window_columns(node, blocks)
    width = root.width // made_in
    first = [r.start * made_in + c.start // width for r in rows for c in columns]
    stop = [(r.stop - 1) * made_in - (-c.stop // width) for r in rows for c in columns]
    empty = [r.stop <= r.start or c.stop <= c.start for r in rows for c in columns]
    lows = np.where(empty, root.height * made_in, np.array(first, np.int64))
    highs = np.where(empty, 0, np.array(stop, np.int64))
    return np.minimum.accumulate(lows[::-1])[::-1], np.maximum.accumulate(highs)


@functools.lru_cache(maxsize=4096)
def _row_needs(node: Node, k: int, operand: Tensor, root: Tensor) -> tuple[Lines, Lines]:
    """Rows of ``root`` for each row of output 0, as in :class:`Use`."""
    operator = operator_of(node)
    rows = [operator.input_rows(node, k, Rows(y, y + 1)) for y in range(node.output.height)]
    if any(t.height != node.output.height for t in node.outputs):
        rows = [Rows(0, operand.height)] * node.output.height
    start = np.array([r.start if r.stop > r.start else operand.height for r in rows], np.int64)
    stop = np.array([r.stop if r.stop > r.start else 0 for r in rows], np.int64)
    if operand.height != root.height:
        # Rows of an alias, in rows of the tensor that it is.
        start = start * operand.row_bytes // root.row_bytes
        stop = -(-stop * operand.row_bytes // root.row_bytes)
    return np.minimum.accumulate(start[::-1])[::-1], np.maximum.accumulate(stop)
