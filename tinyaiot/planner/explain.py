"""A plan in words: what is in use at each step, and where it lies."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinyaiot.graph import Graph, Tensor
from tinyaiot.plan import Plan, Step
from tinyaiot.planner.liveness import alias_roots
from tinyaiot.planner.patches import planned_graph


class Role(enum.Enum):
    """What a live buffer is for."""

    INPUT = "input"
    OUTPUT = "output"
    TENSOR = "tensor"
    SUMS = "sums"
    SCRATCH = "scratch"


@dataclass(frozen=True)
class LiveBuffer:
    """Memory in use during a step.

    Attributes:
        name: of the tensor, or of the node that works there.
        tensor: the tensor's index; None for scratch and sums.
        size_bytes: of the whole tensor, or of its ring.
        in_place: whether it takes over the bytes of another buffer in this very step.
    """

    name: str
    role: Role
    tensor: int | None
    memory: str
    offset_bytes: int
    size_bytes: int
    in_place: bool = False

    @property
    def short_name(self) -> str:
        """Of the names that a converter strung together the first."""
        return self.name.split(";")[0]

    @property
    def stop_bytes(self) -> int:
        return self.offset_bytes + self.size_bytes


@dataclass(frozen=True)
class Moment:
    """Consecutive steps [start, stop) of a plan in which the same tensors are in use.

    Attributes:
        nodes: indexes of the nodes that run, in the order of their first step.
        live_bytes: the most bytes in use at once.
    """

    start: int
    stop: int
    nodes: tuple[int, ...]
    live_bytes: int
    buffers: tuple[LiveBuffer, ...]


def live_buffers(graph: Graph, plan: Plan) -> tuple[tuple[LiveBuffer, ...], ...]:
    """For each step of ``plan``, what is in use, in the order of addresses."""
    planned = planned_graph(graph, plan).graph
    tensors = _tensor_buffers(planned, plan)
    lives = _lives(planned, plan)
    live_at: list[list[int]] = [[] for _ in plan.steps]
    for index, (start, stop) in lives.items():
        for time in range(max(start, 0), min(stop, len(plan.steps))):
            live_at[time].append(index)
    return tuple(
        _step_buffers(graph, plan, step, [tensors[index] for index in live], lives, time)
        for time, (step, live) in enumerate(zip(plan.steps, live_at, strict=True))
    )


def moments(graph: Graph, plan: Plan) -> tuple[Moment, ...]:
    """The steps of ``plan``, with neighbours that use the same tensors taken together."""
    found = []
    numbered = enumerate(zip(plan.steps, live_buffers(graph, plan), strict=True))
    for _, group in itertools.groupby(numbered, key=lambda item: _tensor_set(item[1][1])):
        entries = list(group)
        steps = [step for _, (step, _) in entries]
        buffers = {buffer: None for _, (_, live) in entries for buffer in live}
        found.append(
            Moment(
                start=entries[0][0],
                stop=entries[-1][0] + 1,
                nodes=tuple(dict.fromkeys(step.node for step in steps)),
                live_bytes=max(step.live_bytes for step in steps),
                buffers=tuple(buffers),
            )
        )
    return tuple(found)


def describe_worst_step(graph: Graph, plan: Plan) -> tuple[str, ...]:
    """Lines that name the step that needs most memory, and all that is in use in it."""
    if not plan.steps:
        return ()
    time = max(range(len(plan.steps)), key=lambda t: plan.steps[t].live_bytes)
    step = plan.steps[time]
    heading = f"most is in use in {node_label(graph, plan, step.node)}: {step.live_bytes:,} bytes"
    return (heading, *(f"  {_describe(buffer)}" for buffer in live_buffers(graph, plan)[time]))


def _describe(buffer: LiveBuffer) -> str:
    kind = "" if buffer.role is Role.TENSOR else f" ({buffer.role.value})"
    note = ", in place" if buffer.in_place else ""
    return f"{buffer.size_bytes:,} bytes{note}: {buffer.name}{kind}"


def node_label(graph: Graph, plan: Plan, node: int) -> str:
    """The node of a step in words: "layer 3 CONV_2D"."""
    layer = plan.layer_of(node)
    return f"layer {layer} {graph.nodes[layer].op}" if node >= 0 else f"input {-1 - layer} arriving"


def layers_label(graph: Graph, plan: Plan, nodes: Sequence[int]) -> str:
    """The nodes of several steps in words: "layers 12-19", "layer 12 CONV_2D"."""
    layers = [plan.layer_of(node) for node in nodes if node >= 0]
    if len(layers) > 1:
        return f"layers {min(layers)}-{max(layers)}"
    return node_label(graph, plan, max(nodes))


def _tensor_set(buffers: Sequence[LiveBuffer]) -> frozenset[int]:
    return frozenset(buffer.tensor for buffer in buffers if buffer.tensor is not None)


def _tensor_buffers(graph: Graph, plan: Plan) -> dict[int, LiveBuffer]:
    """By root index; an alias is shown as the tensor that it is."""
    roots = alias_roots(graph)
    inputs = {tensor.index for tensor in graph.inputs}
    outputs = {roots[tensor.index].index for tensor in graph.outputs if tensor.index in roots}
    found = {}
    for root in dict.fromkeys(roots.values()):
        slot = plan.slots[root.index]
        role = Role.INPUT if root.index in inputs else Role.TENSOR
        role = Role.OUTPUT if root.index in outputs else role
        found[root.index] = LiveBuffer(
            root.name, role, root.index, slot.memory, slot.offset_bytes, slot.size_bytes
        )
    return found


def _lives(graph: Graph, plan: Plan) -> dict[int, tuple[int, int]]:
    """By root index, the steps [start, stop) from its first byte to its last reader.

    Inputs that do not arrive in steps are there before the first.
    """
    roots = alias_roots(graph)
    horizon = len(plan.steps)
    fed = {-1 - step.node for step in plan.steps}
    starts = {t.index: -1 for k, t in enumerate(graph.inputs) if k not in fed}
    stops: dict[int, int] = {}
    for time, step in enumerate(plan.steps):
        made, read = _ends(graph, step)
        for tensor in made:
            starts.setdefault(roots[tensor.index].index, time)
        for tensor in (*made, *read):
            stops[roots[tensor.index].index] = time + 1
    for tensor in graph.inputs:
        stops.setdefault(tensor.index, 1)
        if plan.input_preserved:
            stops[tensor.index] = horizon
    for tensor in graph.outputs:
        if tensor.index in roots:
            stops[roots[tensor.index].index] = horizon
    return {index: (start, stops[index]) for index, start in starts.items()}


def _ends(graph: Graph, step: Step) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Tensors that a step writes, and that it reads."""
    if step.node < 0:
        return (graph.inputs[-1 - step.node],), ()
    node = graph.nodes[step.node]
    return node.outputs, node.activations


def _step_buffers(
    graph: Graph,
    plan: Plan,
    step: Step,
    live: list[LiveBuffer],
    lives: Mapping[int, tuple[int, int]],
    time: int,
) -> tuple[LiveBuffer, ...]:
    shown = [_mark_in_place(buffer, live, lives, time) for buffer in live]
    for role, places in ((Role.SUMS, plan.sums), (Role.SCRATCH, plan.scratch)):
        if step.node in places:
            at = places[step.node]
            place = (at.memory, at.offset_bytes, at.size_bytes)
            shown.append(LiveBuffer(node_label(graph, plan, step.node), role, None, *place))
    return tuple(sorted(shown, key=lambda b: (b.memory, b.offset_bytes, b.stop_bytes)))


def _mark_in_place(
    buffer: LiveBuffer,
    live: Sequence[LiveBuffer],
    lives: Mapping[int, tuple[int, int]],
    time: int,
) -> LiveBuffer:
    """``buffer``, marked where it was born over another that is still in use."""

    def start(other: LiveBuffer) -> int:
        return lives[other.tensor][0] if other.tensor is not None else time

    shares = any(
        other.memory == buffer.memory
        and other.offset_bytes < buffer.stop_bytes
        and buffer.offset_bytes < other.stop_bytes
        and start(other) < start(buffer)
        for other in live
    )
    if not shares:
        return buffer
    place = (buffer.memory, buffer.offset_bytes, buffer.size_bytes)
    return LiveBuffer(buffer.name, buffer.role, buffer.tensor, *place, in_place=True)
