"""The plan: where every tensor lies and in which order rows are made.

This module is data only; ``tinyaiot.planner`` makes plans and checks them, and
``tinyaiot.codegen`` turns them into C. Ranges are half-open, sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tinyaiot.cores import Core


@dataclass(frozen=True)
class Memory:
    """A RAM that an arena may lie in.

    Attributes:
        name: as in the board file.
        capacity_bytes: what is left there for the model.
    """

    name: str
    capacity_bytes: int


@dataclass(frozen=True)
class Slot:
    """Where a tensor lies: row y at ``offset_bytes + (y % ring_rows) * pitch_bytes``.

    A whole tensor has ``ring_rows`` equal to its height and ``pitch_bytes`` to its row's. Where
    rows are cut into ``blocks`` blocks, ring and pitch are of blocks, numbered row by row.
    """

    memory: str
    offset_bytes: int
    pitch_bytes: int
    ring_rows: int
    blocks: int = 1

    @property
    def size_bytes(self) -> int:
        return self.pitch_bytes * self.ring_rows

    def overlaps(self, other: Slot) -> bool:
        """Whether they have bytes of memory in common."""
        return (
            self.memory == other.memory
            and self.offset_bytes < other.offset_bytes + other.size_bytes
            and other.offset_bytes < self.offset_bytes + self.size_bytes
        )

    def cut(self, blocks: int, row_bytes: int) -> Slot:
        """The same memory, of rows of ``row_bytes`` bytes each, as one of ``blocks`` blocks a row.

        Raises:
            ValueError: there are gaps, or no whole number of blocks.
        """
        if blocks == self.blocks:
            return self
        pitch = row_bytes // blocks
        if self.pitch_bytes * self.blocks != row_bytes or self.size_bytes % pitch:
            raise ValueError(f"a ring of {self.ring_rows} does not hold blocks of {pitch} bytes")
        ring = self.size_bytes // pitch
        return replace(self, pitch_bytes=pitch, ring_rows=ring, blocks=blocks)


@dataclass(frozen=True)
class Scratch:
    """Working memory of one node, in use only while the node runs."""

    memory: str
    offset_bytes: int
    size_bytes: int


@dataclass(frozen=True)
class Patches:
    """The first layers run once for each strip of columns, one strip after the other.

    What the strips have in common at their edges is computed for each of them, and an input
    whose rows arrive does so once for each. Nodes and inputs of the plan are then those of the
    strips one after the other, and the layers behind them; ``tinyaiot.planner.patches`` says
    what columns each makes.

    Attributes:
        layers: how many there are, counted from the first of the graph.
        columns: where the strips begin and end in the output of the last of these layers, from
            0 to its width.
    """

    layers: int
    columns: tuple[int, ...]

    @property
    def strips(self) -> int:
        return len(self.columns) - 1

    def to_json(self) -> dict[str, Any]:
        """As numbers and a list."""
        return {"layers": self.layers, "columns": list(self.columns)}


@dataclass(frozen=True)
class Step:
    """Rows [y_start, y_stop) of the outputs of a node, made in one go.

    Where the rows of an input arrive during the inference, a step may also deliver some.

    Attributes:
        node: the node's index in the graph; −1 − k where rows of input k arrive.
        live_bytes: what is in use during the step, scratch included.
    """

    node: int
    y_start: int
    y_stop: int
    live_bytes: int


@dataclass(frozen=True)
class Plan:
    """A whole plan; checked by ``tinyaiot.planner.checker`` before any C is written.

    Attributes:
        strategy: the name of the strategy that made it.
        steps: the row program, in order. A node that is an alias has no step.
        slots: by tensor index, for every activation of the graph.
        scratch: by node index, where a node needs any.
        arena_bytes: by memory name; input, output and scratch included.
        lower_bound_bytes: no plan of this strategy's kind can need less than this in all.
        extra_macs: MACs beyond the graph's own, from recomputed halos.
        input_preserved: whether the inputs' bytes survive an inference.
        blocks: by node index, into how many blocks of columns rows are cut, where that is more
            than one: the steps of such a node count blocks, row by row.
        sums: by node index, where a node adds up rows of its input 0 over several steps, where
            the sums lie in between. The steps of such a node count rows of that input; with the
            last of them its output is made.
        scratch_limits: by node index, bytes that its kernel may use beyond row pointers, where
            that is not as much as it wants.
        flash_limit: bytes of flash that each kernel may take to be faster, beyond the smaller ones'
            constants.
        large_code: C files of kernels whose code takes more flash that it has room for.
        patches: the first layers in strips of columns; None where all are whole.
        copies_parameters: whether weights, biases and scales lie in the board's first RAM, where
            they are copied as it starts.
    """

    strategy: str
    steps: tuple[Step, ...]
    slots: Mapping[int, Slot]
    scratch: Mapping[int, Scratch]
    arena_bytes: Mapping[str, int]
    lower_bound_bytes: int
    extra_macs: int
    input_preserved: bool
    scratch_limits: Mapping[int, int] = field(default_factory=dict)
    sums: Mapping[int, Scratch] = field(default_factory=dict)
    blocks: Mapping[int, int] = field(default_factory=dict)
    patches: Patches | None = None
    flash_limit: int = 0
    large_code: tuple[str, ...] = ()
    copies_parameters: bool = False

    def layer_of(self, node: int) -> int:
        """The layer of the model that a node of the plan is, or is a strip of.

        Of a step in which rows of an input arrive, −1 − the number of the model's input.
        """
        if self.patches is None:
            return node
        if node < 0:
            return -1
        repeated = self.patches.layers * self.patches.strips
        if node < repeated:
            return node % self.patches.layers
        return node - repeated + self.patches.layers

    def core_of(self, node: int, core: Core) -> Core:
        """``core`` as the node of that index has it: with its limits of scratch, flash and code."""
        limited = core.with_flash_limit(self.flash_limit).with_large_code(self.large_code)
        return limited.with_scratch_limit(self.scratch_limits.get(node))

    def with_limits_of(self, core: Core) -> Plan:
        """The same plan, where nodes have the flash and the code that ``core`` may take."""
        code = tuple(sorted(core.large_code))
        return replace(self, flash_limit=core.flash_limit, large_code=code)

    @property
    def total_arena_bytes(self) -> int:
        return sum(self.arena_bytes.values())

    @property
    def is_fed(self) -> bool:
        """Whether the rows of the inputs arrive during the inference."""
        return any(step.node < 0 for step in self.steps)

    @property
    def live_bytes(self) -> dict[int, int]:
        """By layer of the model, the most bytes in use in any of its steps."""
        live: dict[int, int] = {}
        for step in self.steps:
            layer = self.layer_of(step.node)
            live[layer] = max(live.get(layer, 0), step.live_bytes)
        return live

    @property
    def worst_step(self) -> Step:
        """The step that needs most memory at once."""
        return max(self.steps, key=lambda step: step.live_bytes)
