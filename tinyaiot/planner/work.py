"""How a plan runs a node, as far as its instructions depend on that, and a rule of thumb for them.

What they really are on a core is known to those above the planner: they hand in their
``Instructions``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tinyaiot.cores import Core
from tinyaiot.graph import Graph, Node, Tensor
from tinyaiot.operators import operator_of
from tinyaiot.operators.base import Kernel
from tinyaiot.operators.blocks import in_blocks
from tinyaiot.plan import Plan
from tinyaiot.planner.patches import planned_graph

# About what calling a node costs, and how much slower a kernel is than the one before it.
_A_CALL = 60
_NEXT_KERNEL = 1.3
_NEXT_TIER = 4.0


@dataclass(frozen=True)
class Run:
    """How a plan runs a node of a graph.

    Attributes:
        core: with the node's scratch limit.
        calls: how often the node is called during an inference.
        blocks: of columns, into which rows are cut.
        reads_whole: whether all its operands lie whole.
        makes_whole: whether its results do.
        lie_apart: whether no result is written over an operand.
        has_sums: whether it adds up rows.
    """

    node: Node
    core: Core
    calls: int
    blocks: int = 1
    reads_whole: bool = True
    makes_whole: bool = True
    lie_apart: bool = True
    has_sums: bool = False

    @property
    def called(self) -> Node:
        """The node as the plan calls it: in blocks, where it cuts rows."""
        return in_blocks(self.node, self.blocks)

    @property
    def kernels(self) -> Sequence[Kernel]:
        """Those that can compute it, whatever their scratch."""
        return operator_of(self.node).applying(self.called, self.core)

    @property
    def kernel(self) -> Kernel:
        """The one that does; raises LookupError where its operator has no table."""
        return operator_of(self.node).kernel(self.called, self.core)


# What a node takes in an inference; may be an estimate, but is the same for equal arguments.
Instructions = Callable[[Run], float]


def rule_of_thumb(run: Run) -> float:
    """An instruction for each multiply-accumulate or element by the fastest kernel, more by others;
    where nothing is known of a core."""
    node, kernels = run.called, run.kernels
    work = max(operator_of(node).macs(node), sum(output.size for output in node.outputs))
    slower = 1.0
    if kernels:
        kernel = run.kernel
        slower = _NEXT_KERNEL ** kernels.index(kernel) * _NEXT_TIER ** (
            kernel.tier - min(kernels[0].tier, kernel.tier)
        )
    return work * slower + _A_CALL * run.calls


def instructions_of(graph: Graph, plan: Plan, core: Core, instructions: Instructions) -> float:
    """What an inference takes under a plan."""
    return sum(instructions(run) for run in runs_of(graph, plan, core))


def runs_of(graph: Graph, plan: Plan, core: Core) -> Iterator[Run]:
    """How a plan runs the nodes that are any work; those of its patches, where it has any."""
    calls = Counter(step.node for step in plan.steps)
    for node in planned_graph(graph, plan).graph.nodes:
        if calls[node.index]:
            yield _run(node, plan, core, calls[node.index])


def _run(node: Node, plan: Plan, core: Core, calls: int) -> Run:
    def lies_whole(tensor: Tensor) -> bool:
        slot = plan.slots[tensor.index]
        return (slot.ring_rows, slot.pitch_bytes) == (tensor.height, tensor.row_bytes)

    slots = [plan.slots[tensor.index] for tensor in node.activations]
    return Run(
        node=node,
        core=plan.core_of(node.index, core),
        calls=calls,
        blocks=plan.blocks.get(node.index, 1),
        reads_whole=all(lies_whole(tensor) for tensor in node.activations),
        makes_whole=all(lies_whole(tensor) for tensor in node.outputs),
        lie_apart=not any(
            plan.slots[tensor.index].overlaps(slot) for tensor in node.outputs for slot in slots
        ),
        has_sums=node.index in plan.sums,
    )
