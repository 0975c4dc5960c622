"""The memory of a plan over time: the map, its regions, and what binds."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tinyaiot.boards import Board
from tinyaiot.graph import Graph
from tinyaiot.pages.charts import NARROW, WIDE, Axis, Block, Limit, Period, blocks
from tinyaiot.pages.page import Figure, Part, Section, Table, Text
from tinyaiot.pages.svg import Picture
from tinyaiot.pipeline import memories
from tinyaiot.plan import Plan
from tinyaiot.planner.explain import Role, layers_label, live_buffers, node_label
from tinyaiot.planner.patches import planned_graph
from tinyaiot.planner.timeline import Life, Region, lives, regions, without_gaps

_WIDE_HEIGHT_PX = 380

# A limit further up than this, in sizes of the arena, would make the map flat; it is not drawn.
_HIGHEST_LIMIT = 2.0

# A streamed layer's uses of its scratch that are closer than a pixel are drawn as one.
_TIME_PIXELS = 300

# About 200 bytes each, at two widths.
_MOST_BLOCKS = 1500


@dataclass(frozen=True)
class Room:
    """What a memory has for models.

    Attributes:
        label: what sets the limit: "ram of microbit, for models".
    """

    capacity_bytes: int
    label: str


@dataclass(frozen=True)
class MemoryMaps:
    """The maps of a plan, one for each memory that it uses.

    Attributes:
        rooms: by name of a memory, what it has; without those that have no end.
    """

    graph: Graph
    plan: Plan
    rooms: Mapping[str, Room]

    def section(self) -> Section:
        """Maps, regions and the step that binds."""
        if not self.plan.steps:
            return Section("Memory", (Text("The model has no work: nothing is live."),))
        return Section("Memory", tuple(self._parts()))

    def pictures(self, width: int) -> tuple[Picture, ...]:
        """A map for each memory."""
        return tuple(
            self._picture(memory, width)
            for memory, nbytes in self.plan.arena_bytes.items()
            if nbytes
        )

    @functools.cached_property
    def _lives(self) -> tuple[Life, ...]:
        """As exact as a picture can show them, and no more than a page can hold."""
        exact = lives(self.graph, self.plan)
        gap = len(self.plan.steps) // _TIME_PIXELS
        found = without_gaps(exact, gap)
        while len(found) > _MOST_BLOCKS and gap < len(self.plan.steps):
            gap = 2 * gap + 1
            found = without_gaps(exact, gap)
        return found

    def _parts(self) -> Iterator[Part]:
        yield Text(self._what_binds())
        for narrow, wide in zip(self.pictures(NARROW), self.pictures(WIDE), strict=True):
            yield Figure(narrow, self._caption(), wide)
        yield self._regions()
        yield self._worst()

    def _what_binds(self) -> str:
        plan = self.plan
        worst, bound = plan.worst_step, plan.lower_bound_bytes
        arena = plan.total_arena_bytes
        where = node_label(self.graph, self.plan, worst.node)
        words = (
            f"The arena has {arena:,} bytes. Most are in use in {where}: "
            f"{worst.live_bytes:,} bytes. The lower "
            f"bound for plans of this kind ({plan.strategy}) is {bound:,} bytes"
        )
        if arena == bound:
            return f"{words}: no such plan needs less."
        return f"{words}; the arena is {arena / bound - 1:.1%} above it." if bound else f"{words}."

    def _caption(self) -> str:
        text = (
            "Each block is a buffer: its addresses, and from its first byte to its last reader; "
            "point at one for its name. Where blocks overlap, an output takes the place of input "
            "that was read already."
        )
        beyond = [
            f"{room.label}: {room.capacity_bytes:,} bytes"
            for memory, room in self.rooms.items()
            if not self._is_drawn(memory)
        ]
        return f"{text} Not drawn, since far above: {'; '.join(beyond)}." if beyond else text

    def _is_drawn(self, memory: str) -> bool:
        used = self.plan.arena_bytes.get(memory, 0)
        return self.rooms[memory].capacity_bytes <= _HIGHEST_LIMIT * used

    def _picture(self, memory: str, width: int) -> Picture:
        several = len(self.plan.arena_bytes) > 1
        worst = self.plan.steps.index(self.plan.worst_step)
        return blocks(
            f"Memory {memory} over time" if several else "Memory over time",
            Axis("step of the plan"),
            Axis("address in the arena, bytes"),
            [self._block(life) for life in self._lives if life.buffer.memory == memory],
            [self._period(region) for region in regions(self.plan)],
            self._limits(memory, several),
            [Limit(worst + 0.5, f"step {worst}, where most is in use", "instant")],
            name=f"memory-{memory}" if several else "memory",
            width=width,
            height=_WIDE_HEIGHT_PX if width == WIDE else 300,
        )

    def _limits(self, memory: str, several: bool) -> list[Limit]:
        bound = self.plan.lower_bound_bytes
        limits = [] if several else [Limit(bound, f"lower bound {bound:,} bytes", "bound")]
        if memory in self.rooms and self._is_drawn(memory):
            room = self.rooms[memory]
            label = f"{room.label}: {room.capacity_bytes:,} bytes"
            limits.append(Limit(room.capacity_bytes, label, "limit"))
        return limits

    def _block(self, life: Life) -> Block:
        buffer = life.buffer
        maker = None if buffer.tensor is None else self._makers.get(buffer.tensor)
        label = buffer.role.value
        if maker is not None:
            label = f"{maker} {self.graph.nodes[maker].op}"
        return Block(
            label,
            self._hover(life, label),
            life.start,
            life.stop,
            buffer.offset_bytes,
            buffer.stop_bytes,
            buffer.role.value,
            short="" if maker is None else f"{maker}",
        )

    @functools.cached_property
    def _makers(self) -> dict[int, int]:
        """By tensor, of the model or of a strip, the layer that makes it."""
        strips = planned_graph(self.graph, self.plan).graph.nodes
        found = {t.index: node.index for node in self.graph.nodes for t in node.outputs}
        return found | {t.index: self.plan.layer_of(n.index) for n in strips for t in n.outputs}

    def _hover(self, life: Life, label: str) -> str:
        buffer = life.buffer
        place = f"{buffer.offset_bytes:,} to {buffer.stop_bytes:,}"
        steps = f"steps {life.start} to {life.stop - 1}"
        if life.steps < life.stop - life.start:
            steps = f"{life.steps} of {steps}"
        first = "" if buffer.role is Role.SCRATCH else f"{label}: "
        return f"{first}{buffer.short_name}, {buffer.size_bytes:,} bytes at {place}, {steps}"

    def _period(self, region: Region) -> Period:
        label = layers_label(self.graph, self.plan, region.nodes)
        hover = (
            f"{label}: steps {region.start} to {region.stop - 1}, "
            f"at most {region.live_bytes:,} bytes in use"
        )
        return Period(region.numbers, hover, region.start, region.stop)

    def _regions(self) -> Table:
        found = regions(self.plan)
        worst = max(region.live_bytes for region in found)
        return Table(
            ("layers", "how", "#steps", "#most in use, bytes"),
            tuple(
                (
                    layers_label(self.graph, self.plan, region.nodes),
                    _how(region),
                    f"{region.stop - region.start:,}",
                    f"{region.live_bytes:,}",
                )
                for region in found
            ),
            "Regions: layers in one region take turns, streamed through each other; between "
            "regions a tensor is whole.",
            frozenset(k for k, region in enumerate(found) if region.live_bytes == worst),
        )

    def _worst(self) -> Table:
        time = self.plan.steps.index(self.plan.worst_step)
        step = self.plan.steps[time]
        rows = [
            (
                buffer.short_name + (", in place" if buffer.in_place else ""),
                buffer.role.value,
                f"{buffer.offset_bytes:,}",
                f"{buffer.size_bytes:,}",
            )
            for buffer in live_buffers(self.graph, self.plan)[time]
        ]
        return Table(
            ("buffer", "what", "#address", "#bytes"),
            tuple(rows),
            f"What binds: in use in step {time}, {node_label(self.graph, self.plan, step.node)}, "
            f"{step.live_bytes:,} bytes",
        )


def rooms_of(board: Board) -> dict[str, Room]:
    """What each memory of a board has for models."""
    return {
        memory.name: Room(memory.capacity_bytes, f"{memory.name} of {board.id} for models")
        for memory in memories(board)
    }


def _how(region: Region) -> str:
    if region.stop - region.start == 1:
        return "whole"
    if any(node < 0 for node in region.nodes):
        return "streamed, fed"
    return "streamed"
