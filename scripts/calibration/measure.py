"""Measures drawn layers on an emulated core: instructions of each, by the counting plugin."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from scripts.calibration.layers import Draw, draw_node, drawn_operators
from tinyaiot.boards import Board
from tinyaiot.build import Image, build
from tinyaiot.codegen.model import lower_model, model_sources
from tinyaiot.codegen.project import generate_project
from tinyaiot.cores import UNLIMITED_FLASH, Core
from tinyaiot.cycles import CycleEstimate, estimate, has_timings
from tinyaiot.devices.emulator import EmulatedBoard
from tinyaiot.devices.link import Device
from tinyaiot.disassembly import disassembled
from tinyaiot.graph import Graph, Node, Tensor
from tinyaiot.loops import Work
from tinyaiot.operators import large_code_files, operator_of
from tinyaiot.operators.base import Rows
from tinyaiot.operators.blocks import makes_blocks
from tinyaiot.operators.linear import LinearKernel
from tinyaiot.pipeline import memories
from tinyaiot.plan import Plan, Scratch, Slot, Step
from tinyaiot.predict import works_of

_ALIGNMENT = 16
_STREAMED = 0.3
# Of those, as many by blocks of pixels where they can be.
_IN_BLOCKS = 0.5
_MOST_BLOCKS = 2_000
_SUMMED = 0.4
_CODE_BYTES = 300_000
_MOST_CONSTANTS_BYTES = 1_000_000
_MAX_NODES = 250
_SMALL_BYTES = 1_500
_INPUT_BYTES = 65_536
_ATTEMPTS = 16
# A part as many again of images of few columns, where kernels are left that have too few layers.
_NARROW = 4


@dataclass(frozen=True)
class Sample:
    """A drawn layer and what it took.

    Attributes:
        works: its calls.
        sources: C files that it needs.
        cycles: an estimate; None where the core has no documented timings.
    """

    works: tuple[Work, ...]
    count: int
    sources: tuple[str, ...]
    cycles: int | None

    @property
    def kernel(self) -> str | None:
        """The kernel of all its calls; None where they have several."""
        kernels = {work.kernel for work in self.works}
        return kernels.pop() if len(kernels) == 1 else None


@dataclass(frozen=True)
class Batch:
    """Drawn layers in one graph, one of which need not be connected with another."""

    graph: Graph
    plan: Plan


def draw_batches(core: Core, board: Board, seed: int, quota: int) -> Iterator[Batch]:
    """Batches in which each kernel of the core has ``quota`` layers, where as many can be drawn.

    Kernels further down in their operator's table are had by limiting scratch; those that take
    more flash to be faster, in other lots; in others again those whose code alone does.
    """
    rng = np.random.default_rng(seed)
    most = min(board.flash.size_bytes - _CODE_BYTES, _MOST_CONSTANTS_BYTES)
    cores = [
        core,
        core.with_flash_limit(UNLIMITED_FLASH),
        *([core.with_large_code(large_code_files())] if "dsp" in core.features else []),
    ]
    lots = [Lot(Draw(rng), most) for _ in cores]
    for op in drawn_operators():
        chosen: dict[str, int] = {}
        attempts = _ATTEMPTS * quota * len(cores)
        for attempt in range(attempts + attempts // _NARROW):
            if chosen and min(chosen.values()) >= quota:
                break
            k = attempt % len(cores)
            lots[k].draw.is_narrow = attempt >= attempts
            if not lots[k].add(op, cores[k], chosen, quota):
                continue
            if lots[k].is_full:
                yield lots[k].batch(cores[k], board, in_blocks=_IN_BLOCKS)
                lots[k] = Lot(Draw(rng), most)
    for lot, limited in zip(lots, cores, strict=True):
        if lot.nodes:
            yield lot.batch(limited, board, in_blocks=_IN_BLOCKS)


def draw_small_batches(core: Core, board: Board, seed: int, count: int) -> Iterator[Batch]:
    """Batches of one to many small layers of any operator; even small boards take the first."""
    rng = np.random.default_rng(seed)
    names = list(drawn_operators())
    for k in range(count):
        lot = Lot(Draw(rng), _SMALL_BYTES, _SMALL_BYTES)
        while len(lot.nodes) < 1 + 2 * k:
            op = names[int(rng.integers(len(names)))] if k else "LOGISTIC"
            lot.add(op, core, {}, 1)
        yield lot.batch(core, board, input_bytes=16, in_blocks=_IN_BLOCKS)


@dataclass
class Lot:
    """A batch while it is drawn."""

    draw: Draw
    most_bytes: int
    most_bytes_a_node: int = _MOST_CONSTANTS_BYTES
    nodes: list[Node] = field(default_factory=list)
    limits: dict[int, int] = field(default_factory=dict)
    constants_bytes: int = 0

    @property
    def is_full(self) -> bool:
        return self.constants_bytes > self.most_bytes or len(self.nodes) >= _MAX_NODES

    def add(self, op: str, core: Core, chosen: dict[str, int], quota: int) -> bool:
        """Draws a layer and adds it; False where there is none, or there are enough of its kind."""
        kept = len(self.draw.tensors)
        node = draw_node(self.draw, op)
        if node is None:
            return False
        for limit in _limits(node, core):
            chosen.setdefault(_kernel(node, core.with_scratch_limit(limit)), 0)
        tensors = [t for t in (*node.inputs, *node.outputs) if t is not None]
        is_large = sum(tensor.nbytes for tensor in tensors) > self.most_bytes_a_node
        limited = core.with_scratch_limit(_rarest(node, core, chosen, self.draw.rng))
        kernel = _kernel(node, limited)
        if is_large or chosen.get(kernel, 0) >= quota:
            del self.draw.tensors[kept:]
            self.draw.nodes -= 1
            return False
        chosen[kernel] = chosen.get(kernel, 0) + 1
        self.nodes.append(node)
        if limited.scratch_limit is not None:
            self.limits[node.index] = limited.scratch_limit
        self.constants_bytes += sum(tensor.nbytes for tensor in tensors if tensor.is_constant)
        return True

    def batch(
        self,
        core: Core,
        board: Board,
        input_bytes: int = _INPUT_BYTES,
        in_blocks: float = 0,
    ) -> Batch:
        """All tensors in one place: what layers compute is not looked at.

        Args:
            in_blocks: of the streamed layers that can be made by blocks of pixels, how many are.
        """
        graph_input = self.draw.activation((1, input_bytes))
        memory = max(memories(board), key=lambda m: m.capacity_bytes).name
        rng = self.draw.rng
        streamed = {n.index for n in self.nodes if n.output.height > 1 and rng.random() < _STREAMED}
        blocks = {
            node.index: self._blocks(node)
            for node in self.nodes
            if in_blocks
            and node.index in streamed
            and makes_blocks(node)
            and rng.random() < in_blocks
        }
        slots = {graph_input.index: _slot(memory, 0, graph_input, None)}
        for node in self.nodes:
            offset = 0
            for tensor in node.activations:
                ring = _ring_rows(node, tensor) if node.index in streamed else None
                slots[tensor.index] = _slot(memory, offset, tensor, ring)
                offset = _aligned(offset + tensor.nbytes)
            # As plans stream, what makes rows one by one may have room for no more than one. The
            # last output is the graph's.
            by_row = node.index in streamed - blocks.keys() and node is not self.nodes[-1]
            ring = 1 if by_row and node.index % 2 else None
            for tensor in node.outputs:
                slots[tensor.index] = _slot(memory, offset, tensor, ring)
                offset = _aligned(offset + tensor.nbytes)
        end = max(slot.offset_bytes + slot.size_bytes for slot in slots.values())
        end = _aligned(end)
        scratch = {}
        for node in self.nodes:
            limited = core.with_scratch_limit(self.limits.get(node.index))
            nbytes = operator_of(node).scratch_bytes(node, limited)
            if nbytes:
                scratch[node.index] = Scratch(memory, end, nbytes)
        sums = {
            node.index: Scratch(memory, end, nbytes)
            for node in self.nodes
            if (nbytes := operator_of(node).sums_bytes(node)) and rng.random() < _SUMMED
        }
        last = self.nodes[-1].output
        graph = Graph("drawn", tuple(self.nodes), (graph_input,), (last,))
        plan = Plan(
            strategy="drawn",
            steps=tuple(_steps(self.nodes, streamed, blocks, sums)),
            slots=slots,
            scratch=scratch,
            arena_bytes={
                memory: end + max([0, *(s.size_bytes for s in (*scratch.values(), *sums.values()))])
            },
            lower_bound_bytes=0,
            extra_macs=0,
            input_preserved=False,
            scratch_limits=self.limits,
            flash_limit=core.flash_limit,
            large_code=tuple(sorted(core.large_code)),
            sums=sums,
            blocks={node: count for node, count in blocks.items() if count > 1},
        )
        return Batch(graph, plan)

    def _blocks(self, node: Node) -> int:
        """Blocks of columns of one width that a row is cut into."""
        most = max(_MOST_BLOCKS // node.output.height, 1)
        widths = [n for n in range(1, node.output.width + 1) if node.output.width % n == 0]
        counts = [node.output.width // n for n in widths if node.output.width // n <= most]
        return int(self.draw.pick(*counts))


def measure_batch(batch: Batch, board: Board, seed: int) -> list[Sample]:
    """Builds the batch's firmware, runs it on the emulated board, and counts."""
    core = board.processor
    sources = model_sources(batch.graph, batch.plan, core, batch.graph.name)
    with tempfile.TemporaryDirectory(prefix="tinyaiot-") as folder:
        project = Path(folder) / "project"
        generate_project([sources], board).write(project)
        counts, cycles = _run(batch, board, build(project, board), seed)
    lowered = lower_model(batch.graph, batch.plan, core, batch.graph.name)
    return [
        Sample(
            tuple(works),
            counts[node.index],
            lowered.nodes[node.index].sources,
            None if cycles is None else cycles.by_layer.get(node.index),
        )
        for node in batch.graph.nodes
        if (works := list(works_of(node, lowered)))
    ]


def _run(
    batch: Batch, board: Board, image: Image, seed: int
) -> tuple[Mapping[int, int], CycleEstimate | None]:
    values = np.random.default_rng(seed).integers(-128, 128, (1, _INPUT_BYTES)).astype(np.int8)
    timed = has_timings(board.core)
    with EmulatedBoard(board, image, timed) as running, Device(running.link) as device:
        device.load([values])
        device.run()
        counts, blocks = running.counts()[-1].by_layer, running.blocks()
    if not timed:
        return counts, None
    listing = disassembled(image.elf, board.processor.toolchain)
    return counts, estimate(blocks, listing, board.core)


def _steps(
    nodes: Sequence[Node],
    streamed: set[int],
    blocks: Mapping[int, int],
    sums: Mapping[int, Scratch],
) -> Iterator[Step]:
    for node in nodes:
        height = (node.input(0) if node.index in sums else node.output).height
        height *= blocks.get(node.index, 1)
        if node.index in streamed or node.index in sums:
            yield from (Step(node.index, y, y + 1, 0) for y in range(height))
        else:
            yield Step(node.index, 0, height, 0)


def _ring_rows(node: Node, tensor: Tensor) -> int:
    """As many as an output row needs, where the tensor is a ring."""
    operator, k = operator_of(node), node.inputs.index(tensor)
    needed = (operator.input_rows(node, k, Rows(y, y + 1)) for y in range(node.output.height))
    return max(rows.stop - rows.start for rows in needed)


def _slot(memory: str, offset: int, tensor: Tensor, ring_rows: int | None) -> Slot:
    rows = tensor.height if ring_rows is None else max(ring_rows, 1)
    return Slot(memory, offset, tensor.row_bytes, rows)


def _aligned(nbytes: int) -> int:
    return -(-nbytes // _ALIGNMENT) * _ALIGNMENT


def _limits(node: Node, core: Core) -> list[int | None]:
    """Scratch limits under which the node gets one kernel or another; None where it has none."""
    operator = operator_of(node)
    sizes = {kernel.scratch_bytes(node, core) for kernel in operator.applying(node, core)}
    return [None, *sorted(sizes)]


def _kernel(node: Node, core: Core) -> str:
    """The kernel that the node gets, what makes rows by it, and whether it takes pixels one by
    one; where there are several numbers that it may take, by which, unless that is of filters."""
    operator = operator_of(node)
    try:
        kernel = operator.kernel(node, core)
    except LookupError:
        return node.op
    if not isinstance(kernel, LinearKernel):
        return f"{kernel.function} one by one"
    name, stretch = f"{kernel.function} {kernel.row_pairs(node) or ''}", kernel.stretch(node)
    if stretch <= 1:
        return f"{name} one by one"
    if kernel.needs_room:
        return name
    rows = (row for row in operator.applying(node, core) if isinstance(row, LinearKernel))
    numbers = {row.stretch(node) for row in rows if row.function == kernel.function} - {1}
    return name + (f" by {stretch}" if len(numbers) > 1 else "")


def _rarest(
    node: Node, core: Core, chosen: Mapping[str, int], rng: np.random.Generator
) -> int | None:
    """The scratch limit with whose kernel the fewest layers were chosen; any of these."""
    limits = _limits(node, core)
    rng.shuffle(limits)
    return min(limits, key=lambda limit: chosen[_kernel(node, core.with_scratch_limit(limit))])
