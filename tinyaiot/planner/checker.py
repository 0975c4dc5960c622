"""Proves a plan by playing it, byte by byte, knowing nothing of how it was made.

Every byte of every memory carries a tag that says which byte of which tensor it holds. A step
looks for the tags of the input rows that it reads and writes the tags of the rows that it makes;
its scratch leaves garbage. Aliases carry the tags of the tensor whose memory they are, so they
need no rule of their own; so do columns of a tensor, with those of their place in its rows.
Quadratic where that keeps it obvious.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tinyaiot.cores import Core
from tinyaiot.graph import Graph, Node, Tensor
from tinyaiot.operators import operator_of
from tinyaiot.operators.base import Columns, Rows
from tinyaiot.operators.blocks import (
    in_blocks,
    joint_bytes,
    makes_blocks,
    reads_windows,
    scratch_with_joint,
    window_columns,
)
from tinyaiot.plan import Memory, Plan, Scratch, Step
from tinyaiot.planner.patches import planned_graph

_SCRATCH_ALIGNMENT = 8
_TENSOR_ALIGNMENT = 4
_GARBAGE = -1

# Sums take four bytes for each byte of the output that they become.
_SUMS_TAGS = 4


class InvalidPlanError(Exception):
    """A plan that would not compute the model: a bug of the planner's, never the user's."""


@dataclass(frozen=True)
class _Span:
    """Bytes [start, stop) of a memory."""

    memory: str
    start: int
    stop: int

    def overlaps(self, other: _Span) -> bool:
        return self.memory == other.memory and self.start < other.stop and other.start < self.stop


def check(graph: Graph, plan: Plan, core: Core, memories: Sequence[Memory]) -> None:
    """Raises InvalidPlanError unless ``plan`` computes ``graph`` on ``core``.

    A plan is refused that

    1. leaves a memory's capacity or its own arena, or is misaligned;
    2. reads a byte that is not, or no longer, the one expected;
    3. lets a step write what it still reads, other than row by row in place;
    4. has scratch too small, or scratch over what a step reads or writes;
    5. leaves out a row, makes one twice, or has not kept all rows of a step when it ends;
    6. loses an output before the end, or an input that it claims to preserve;
    7. adds rows to sums that are not there any more, or out of order;
    8. cuts rows into blocks that are not of one width, or where a node needs whole rows.

    An input is there from the start unless steps deliver its rows. Where layers run in strips,
    all this holds of the strips, and these have to make every column of what leaves them.
    """
    _check_patches(graph, plan)
    graph = planned_graph(graph, plan).graph
    _check_layout(graph, plan, core, memories)
    player = _Player(graph, plan, core)
    for number, step in enumerate(plan.steps):
        try:
            player.play(step)
        except InvalidPlanError as error:
            raise InvalidPlanError(f"step {number} ({_name(graph, step)}): {error}") from None
    player.check_end()


def _name(graph: Graph, step: Step) -> str:
    known = 0 <= step.node < len(graph.nodes)
    op = graph.nodes[step.node].op if known else "?"
    return f"node {step.node} {op} rows {step.y_start}:{step.y_stop}"


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InvalidPlanError(message)


def _is_alias(node: Node) -> bool:
    return operator_of(node).is_alias(node) and not node.input(0).is_constant


def _activations(graph: Graph) -> list[Tensor]:
    found = {tensor.index: tensor for tensor in graph.inputs}
    for node in graph.nodes:
        for tensor in (*node.activations, *node.outputs):
            view = graph.views.get(tensor.index)
            found[tensor.index] = tensor
            if view is not None:
                found[view.of.index] = view.of
    return list(found.values())


def _check_patches(graph: Graph, plan: Plan) -> None:
    """The strips of the last of their layers are its columns; what is done twice is told.

    Columns of the layers before it that nobody reads need not be made.
    """
    if plan.patches is None:
        _require(plan.extra_macs == 0, "without strips no MACs are done twice")
        return
    bounds = plan.patches.columns
    _require(all(a < b for a, b in itertools.pairwise(bounds)), "a strip has no columns")
    try:
        planned = planned_graph(graph, plan)
    except (ValueError, IndexError) as error:
        raise InvalidPlanError(str(error)) from None
    parts = zip(planned.graph.nodes, planned.parts, strict=True)
    last = plan.patches.layers - 1
    made = [
        range(part.column, part.column + node.output.width)
        for node, part in parts
        if part.layer == last
    ]
    every = list(range(graph.nodes[last].output.width))
    _require([*itertools.chain(*made)] == every, f"strips are not the columns of layer {last}")
    extra = _macs(planned.graph) - _macs(graph)
    _require(extra == plan.extra_macs, f"{extra} MACs are done twice, not {plan.extra_macs}")


def _macs(graph: Graph) -> int:
    return sum(operator_of(node).macs(node) for node in graph.nodes)


def _check_layout(graph: Graph, plan: Plan, core: Core, memories: Sequence[Memory]) -> None:
    """Rules that need no playing: sizes, alignments, capacities."""
    capacities = {memory.name: memory.capacity_bytes for memory in memories}
    for name, size in plan.arena_bytes.items():
        _require(name in capacities, f"there is no memory {name!r}")
        _require(size <= capacities[name], f"{size} bytes exceed the capacity of {name}")
    for tensor in _activations(graph):
        _check_slot(graph, plan, tensor)
    for tensor in (*graph.outputs, *_resident_inputs(graph, plan)):
        if not tensor.is_constant:
            slot = plan.slots[tensor.index]
            whole = (slot.ring_rows, slot.pitch_bytes) == (tensor.height, tensor.row_bytes)
            _require(whole, f"{tensor.name!r} is an input or output and does not lie whole")
    for node in graph.nodes:
        if node.index in plan.sums:
            _check_sums(plan, node)
        elif not _is_alias(node):
            cut = in_blocks(node, _blocks(plan, node))
            needed = operator_of(node).scratch_bytes(cut, plan.core_of(node.index, core))
            if _joins(plan, node):
                joint = joint_bytes(node, _blocks(plan, node))
                needed = scratch_with_joint(needed, joint)
            _check_scratch(plan, node, needed)


def _check_slot(graph: Graph, plan: Plan, tensor: Tensor) -> None:
    _require(tensor.index in plan.slots, f"{tensor.name!r} has no slot")
    slot = plan.slots[tensor.index]
    _require(slot.ring_rows >= 1, f"{tensor.name!r} has an empty ring")
    overlap = slot.pitch_bytes * slot.blocks < tensor.row_bytes
    _require(not overlap, f"rows of {tensor.name!r} overlap")
    _require(tensor.width % slot.blocks == 0, f"blocks of {tensor.name!r} are of several widths")
    size = slot.pitch_bytes * (slot.ring_rows - 1) + tensor.row_bytes // slot.blocks
    _check_span(plan, _Span(slot.memory, slot.offset_bytes, slot.offset_bytes + size))
    least = 1 if tensor.index in graph.views else _TENSOR_ALIGNMENT
    aligned = slot.offset_bytes % max(least, tensor.dtype.nbytes) == 0
    _require(aligned, f"{tensor.name!r} is misaligned at {slot.offset_bytes}")
    _require(slot.pitch_bytes % tensor.dtype.nbytes == 0, f"rows of {tensor.name!r} are misaligned")


def _check_scratch(plan: Plan, node: Node, needed: int) -> None:
    scratch = plan.scratch.get(node.index)
    if scratch is None:
        _require(needed == 0, f"node {node.index} has no scratch")
        return
    _require(scratch.size_bytes >= needed, f"node {node.index} needs {needed} bytes of scratch")
    _require(scratch.offset_bytes % _SCRATCH_ALIGNMENT == 0, "scratch is misaligned")
    _check_span(plan, _scratch_span(scratch))


def _check_sums(plan: Plan, node: Node) -> None:
    sums, needed = plan.sums[node.index], operator_of(node).sums_bytes(node)
    _require(needed > 0, f"node {node.index} has no use for sums")
    _require(sums.size_bytes >= needed, f"node {node.index} needs {needed} bytes of sums")
    _require(sums.offset_bytes % _TENSOR_ALIGNMENT == 0, "sums are misaligned")
    _check_span(plan, _scratch_span(sums))


def _check_span(plan: Plan, span: _Span) -> None:
    _require(span.memory in plan.arena_bytes, f"there is no arena in {span.memory!r}")
    inside = span.start >= 0 and span.stop <= plan.arena_bytes[span.memory]
    _require(inside, f"bytes {span.start}:{span.stop} leave the arena in {span.memory}")


def _scratch_span(scratch: Scratch) -> _Span:
    return _Span(scratch.memory, scratch.offset_bytes, scratch.offset_bytes + scratch.size_bytes)


def _fed(step: Step) -> int | None:
    """Which input's rows a step delivers, if it delivers rows."""
    return -1 - step.node if step.node < 0 else None


def _resident_inputs(graph: Graph, plan: Plan) -> list[Tensor]:
    fed = {_fed(step) for step in plan.steps}
    return [tensor for k, tensor in enumerate(graph.inputs) if k not in fed]


@dataclass(frozen=True)
class _Rows:
    """Rows of a tensor, as an operand or result of one call.

    Attributes:
        in_place: whether the call may write row y of its result over row y of this.
        blocks: into how many blocks of columns rows are cut; ``rows`` are of blocks then.
        columns: the only columns of each row that are meant; None for all.
    """

    tensor: Tensor
    rows: Rows
    in_place: bool = False
    blocks: int = 1
    columns: Columns | None = None

    @property
    def line_bytes(self) -> int:
        return self.tensor.row_bytes // self.blocks


class _Player:
    """The memories while a plan is played."""

    def __init__(self, graph: Graph, plan: Plan, core: Core) -> None:
        self._graph = graph
        self._plan = plan
        self._shadows = {
            name: np.full(size, _GARBAGE, np.int64) for name, size in plan.arena_bytes.items()
        }
        self._tags = _tags(graph)
        self._made = {t.index: np.zeros(t.height, np.bool_) for t in _activations(graph)}
        for node in graph.nodes:
            if node.index not in plan.sums:
                lines = node.output.height * _blocks(plan, node)
                self._made[node.output.index] = np.zeros(lines, np.bool_)
        self._added = dict.fromkeys(plan.sums, 0)
        self._resident = _resident_inputs(graph, plan)
        for tensor in self._resident:
            self._write(_Rows(tensor, Rows(0, tensor.height)))

    def play(self, step: Step) -> None:
        """Plays one step of the plan."""
        fed = _fed(step)
        if fed is not None:
            _require(fed < len(self._graph.inputs), "there is no such input")
            self._deliver(self._graph.inputs[fed], Rows(step.y_start, step.y_stop))
            return
        _require(step.node < len(self._graph.nodes), "there is no such node")
        node = self._graph.nodes[step.node]
        _require(not _is_alias(node), "an alias needs no step")
        made = Rows(step.y_start, step.y_stop)
        if node.index in self._plan.sums:
            self._add(node, made)
            return
        blocks = _blocks(self._plan, node)
        for rows in self._calls(node, made):
            self._call(node, _operands(node, rows, blocks), _results(node, rows, blocks))
        # Observers look at all rows of a step when it is over, whether or not they are read.
        for result in _results(node, made, blocks):
            self._read(result)

    def check_end(self) -> None:
        """What must hold after the last step."""
        for node in self._graph.nodes:
            for tensor in () if _is_alias(node) else node.outputs:
                missing = np.flatnonzero(~self._made[tensor.index])
                _require(not len(missing), f"rows {missing} of {tensor.name!r} are never made")
        for tensor in self._graph.outputs:
            if not tensor.is_constant:
                self._read(_Rows(tensor, Rows(0, tensor.height)))
        if self._plan.input_preserved:
            for tensor in self._graph.inputs:
                _require(tensor in self._resident, f"{tensor.name!r} arrives and cannot stay")
                self._read(_Rows(tensor, Rows(0, tensor.height)))

    def _add(self, node: Node, rows: Rows) -> None:
        """Adds rows of input 0 to the sums of ``node``; the last of them make the output."""
        source, span = node.input(0), _scratch_span(self._plan.sums[node.index])
        blocks = _blocks(self._plan, node)
        operand, result = _Rows(source, rows, blocks=blocks), _Rows(node.output, Rows(0, 1))
        added, count = self._added[node.index], source.height * blocks
        exists = added == rows.start < rows.stop <= count
        _require(exists, f"row {added} of {source.name!r} is to be added next")
        self._added[node.index] = rows.stop
        ends = [operand, result] if rows.stop == count else [operand]
        clear = not any(span.overlaps(other) for end in ends for other, _ in self._spans(end))
        _require(clear, f"sums of node {node.index} overlap what it reads or makes")
        self._read(operand)
        shadow = self._shadows[span.memory][span.start : span.stop]
        tags = _sums_tag(node, self._tags) - np.arange(span.stop - span.start)
        kept = rows.start == 0 or np.array_equal(shadow, tags)
        _require(bool(kept), f"sums of node {node.index} are not there")
        shadow[:] = tags
        if rows.stop == count:
            _require(not self._share_bytes(operand, result), "an output overwrites what is added")
            self._write(result)
            self._read(result)

    def _deliver(self, tensor: Tensor, rows: Rows) -> None:
        next_row = int(self._made[tensor.index].sum())
        _require(rows.start == next_row, f"row {next_row} of {tensor.name!r} comes next")
        self._write(_Rows(tensor, rows))

    def _calls(self, node: Node, rows: Rows) -> list[Rows]:
        """Rows of output 0 made at once: all, or one by one where they replace an operand."""
        blocks = _blocks(self._plan, node)
        result = _results(node, rows, blocks)[0]
        replaced = (
            operand
            for operand in _operands(node, rows, blocks)
            if operand.in_place and self._share_bytes(operand, result)
        )
        is_one_call = blocks == 1 or not reads_windows(node)
        if is_one_call and next(replaced, None) is None:
            return [rows]
        return [Rows(y, y + 1) for y in range(rows.start, rows.stop)]

    def _call(self, node: Node, operands: list[_Rows], results: list[_Rows]) -> None:
        scratch = self._plan.scratch.get(node.index)
        if scratch is not None:
            span = _scratch_span(scratch)
            for result in results:
                clear = not any(span.overlaps(other) for other, _ in self._spans(result))
                _require(clear, f"scratch overlaps {result.tensor.name!r}")
            self._shadows[span.memory][span.start : span.stop] = _GARBAGE
        for operand in operands:
            self._read(operand)
            for result in results:
                apart = not self._share_bytes(operand, result)
                allowed = apart or (operand.in_place and self._lie_alike(operand, result))
                _require(allowed, f"{result.tensor.name!r} overwrites {operand.tensor.name!r}")
        for result in results:
            self._write(result)

    def _read(self, read: _Rows) -> None:
        for span, tag in self._spans(read):
            found = self._shadows[span.memory][span.start : span.stop]
            wrong = np.flatnonzero(found != np.arange(tag, tag + len(found)))
            if len(wrong):
                first, pitch = self._tags[read.tensor.index]
                y, x = divmod(int(tag + wrong[0] - first), pitch)
                raise InvalidPlanError(f"byte {x} of row {y} of {read.tensor.name!r} is not there")

    def _write(self, written: _Rows) -> None:
        tensor, rows = written.tensor, written.rows
        exists = 0 <= rows.start < rows.stop <= tensor.height * written.blocks
        _require(exists, f"{tensor.name!r} has no such rows")
        made = self._made[tensor.index]
        _require(not made[rows.start : rows.stop].any(), f"{tensor.name!r}: a row is made twice")
        made[rows.start : rows.stop] = True
        for span, tag in self._spans(written):
            self._shadows[span.memory][span.start : span.stop] = np.arange(
                tag, tag + span.stop - span.start
            )

    def _share_bytes(self, a: _Rows, b: _Rows) -> bool:
        others = [span for span, _ in self._spans(b)]
        return any(span.overlaps(other) for span, _ in self._spans(a) for other in others)

    def _lie_alike(self, a: _Rows, b: _Rows) -> bool:
        """Whether both are one row y, at the same bytes."""
        one_row = a.rows == b.rows and a.rows.stop - a.rows.start == 1
        return one_row and [s for s, _ in self._spans(a)] == [s for s, _ in self._spans(b)]

    def _spans(self, wanted: _Rows) -> list[tuple[_Span, int]]:
        """Where rows lie, each stretch with the tag of its first byte; neighbours are joined."""
        tensor, slot = wanted.tensor, self._plan.slots[wanted.tensor.index]
        first, tag_pitch = self._tags[tensor.index]
        spans: list[tuple[_Span, int]] = []
        if wanted.columns is not None:
            return self._column_spans(wanted, wanted.columns)
        for y in range(wanted.rows.start, wanted.rows.stop):
            start, size = self._line(wanted, y), wanted.line_bytes
            tag = first + y // wanted.blocks * tag_pitch + y % wanted.blocks * size
            if spans and _end_of(*spans[-1]) == (start, tag):
                joined, tag = spans[-1]
                spans[-1] = (_Span(slot.memory, joined.start, start + size), tag)
            else:
                spans.append((_Span(slot.memory, start, start + size), tag))
        return spans

    def _column_spans(self, wanted: _Rows, columns: Columns) -> list[tuple[_Span, int]]:
        """Where columns of rows lie: one row may be in two pieces, which a call can join."""
        spans: list[tuple[_Span, int]] = []
        broken = 0
        for y in range(wanted.rows.start, wanted.rows.stop):
            pieces = self._pieces(wanted.tensor, y, columns)
            at_ends = [piece.start for piece, _ in pieces[1:]]
            start = self._plan.slots[wanted.tensor.index].offset_bytes
            _require(at_ends in ([], [start]), f"row {y} does not lie in one piece or two")
            broken += len(pieces) > 1
            spans += pieces
        _require(broken < 2, f"two rows of {wanted.tensor.name!r} are broken at once")
        return spans

    def _pieces(self, tensor: Tensor, y: int, columns: Columns) -> list[tuple[_Span, int]]:
        """Columns of a row, block by block, joined where they are neighbours."""
        slot = self._plan.slots[tensor.index]
        first, tag_pitch = self._tags[tensor.index]
        pixel, size = tensor.row_bytes // tensor.width, tensor.row_bytes // slot.blocks
        pieces: list[tuple[_Span, int]] = []
        at, stop = columns.start * pixel, columns.stop * pixel
        while at < stop:
            line, into_line = divmod(y * tensor.row_bytes + at, size)
            count = min(size - into_line, stop - at)
            start = slot.offset_bytes + line % slot.ring_rows * slot.pitch_bytes + into_line
            tag = first + y * tag_pitch + at
            if pieces and _end_of(*pieces[-1]) == (start, tag):
                before, tag = pieces.pop()
                pieces.append((_Span(slot.memory, before.start, start + count), tag))
            else:
                pieces.append((_Span(slot.memory, start, start + count), tag))
            at += count
        return pieces

    def _line(self, wanted: _Rows, y: int) -> int:
        """Where the bytes of row y, or block y, start; they must lie side by side."""
        slot = self._plan.slots[wanted.tensor.index]
        size = wanted.tensor.row_bytes // slot.blocks
        first, start = divmod(y * wanted.line_bytes, size)
        last = ((y + 1) * wanted.line_bytes - 1) // size
        places = [slot.offset_bytes + k % slot.ring_rows * slot.pitch_bytes for k in (first, last)]
        together = places[1] - places[0] == (last - first) * size
        _require(together, f"row {y} of {wanted.tensor.name!r} does not lie in one piece")
        return places[0] + start


def _end_of(span: _Span, tag: int) -> tuple[int, int]:
    """Where a stretch ends, and the tag that the next byte would have."""
    return span.stop, tag + span.stop - span.start


def _tags(graph: Graph) -> dict[int, tuple[int, int]]:
    """By tensor index, the tag of its first byte and how many there are from row to row.

    An alias has those of what it is, columns of a tensor those of their place in it.
    """
    tags: dict[int, tuple[int, int]] = {}
    aliases = {node.output.index: node.input(0) for node in graph.nodes if _is_alias(node)}
    next_tag = 0

    def tag_of(tensor: Tensor) -> tuple[int, int]:
        nonlocal next_tag
        if tensor.index not in tags:
            view = graph.views.get(tensor.index)
            if tensor.index in aliases:
                tags[tensor.index] = (tag_of(aliases[tensor.index])[0], tensor.row_bytes)
            elif view is not None:
                first, pitch = tag_of(view.of)
                pixel = tensor.channels * tensor.dtype.nbytes
                tags[tensor.index] = (first + view.column * pixel, pitch)
            else:
                tags[tensor.index] = (next_tag, tensor.row_bytes)
                next_tag += tensor.nbytes
        return tags[tensor.index]

    for tensor in _activations(graph):
        tag_of(tensor)
    return tags


def _sums_tag(node: Node, tags: Mapping[int, tuple[int, int]]) -> int:
    """The tag of the first byte of a node's sums; the others' descend from it."""
    return _GARBAGE - 1 - _SUMS_TAGS * tags[node.output.index][0]


def _blocks(plan: Plan, node: Node) -> int:
    """Into how many blocks of columns a node cuts rows."""
    blocks = plan.blocks.get(node.index, 1)
    if blocks > 1:
        tensors = [node.input(0)] if node.index in plan.sums else [node.output]
        tensors += node.activations if operator_of(node).is_pointwise(node) else ()
        fit = len(node.outputs) == 1 and all(t.width % blocks == 0 for t in tensors)
        _require(fit, f"node {node.index} has no {blocks} blocks of one width")
        _require(
            node.index in plan.sums or makes_blocks(node), f"node {node.index} makes whole rows"
        )
    return blocks


def _joins(plan: Plan, node: Node) -> bool:
    """Whether a node reads windows of a tensor that lies in a ring of blocks."""
    if not reads_windows(node) or node.input(0).is_constant:
        return False
    return plan.slots[node.input(0).index].blocks > 1


def _operands(node: Node, rows: Rows, blocks: int) -> list[_Rows]:
    """Rows of all activations that a call for ``rows`` of output 0 reads."""
    if blocks > 1 and operator_of(node).is_pointwise(node):
        over = operator_of(node).in_place(node)
        return [
            _Rows(tensor, rows, k in over, blocks)
            for k, tensor in enumerate(node.inputs)
            if tensor is not None and not tensor.is_constant
        ]
    if blocks > 1 and rows.stop - rows.start == 1:
        # A convolution, which has one operand that is computed.
        y, k = divmod(rows.start, blocks)
        read = operator_of(node).input_rows(node, 0, Rows(y, y + 1))
        return [_Rows(node.input(0), read, columns=window_columns(node, blocks)[k])]
    if blocks > 1:
        rows = Rows(rows.start // blocks, -(-rows.stop // blocks))
    operator = operator_of(node)
    over = operator.in_place(node) if len(node.outputs) == 1 else ()
    whole = rows == Rows(0, node.output.height)
    operands = []
    for k, tensor in enumerate(node.inputs):
        if tensor is None or tensor.is_constant:
            continue
        # What rows the further outputs need is not asked of operators: all, to be safe.
        everything = whole and len(node.outputs) > 1
        read = Rows(0, tensor.height) if everything else operator.input_rows(node, k, rows)
        operands.append(_Rows(tensor, read, in_place=k in over))
    return operands


def _results(node: Node, rows: Rows, blocks: int) -> list[_Rows]:
    """Rows of all outputs that a call makes: the same of each, or all of each."""
    if blocks > 1:
        return [_Rows(node.output, rows, blocks=blocks)]
    if rows == Rows(0, node.output.height):
        return [_Rows(tensor, Rows(0, tensor.height)) for tensor in node.outputs]
    for tensor in node.outputs:
        _require(tensor.height == node.output.height, "outputs of several heights are made whole")
    return [_Rows(tensor, rows) for tensor in node.outputs]
