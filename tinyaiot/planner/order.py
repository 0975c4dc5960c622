"""The order of operators where the graph branches: best-first search over executed sets.

A state is the set of nodes that have run; what is live follows from it. States are taken in
the order of the largest moment that leads to them, so the first way to the full set is optimal.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from tinyaiot.cores import Core
from tinyaiot.graph import Graph, Node
from tinyaiot.operators import operator_of
from tinyaiot.planner.liveness import alias_roots, replaceable_inputs, stepped

_BUDGET = 20_000


@dataclass(frozen=True)
class Order:
    """An order of the nodes that compute.

    Attributes:
        peak_bytes: the most bytes in use at once, in-place results and scratch counted.
        lower_bound_bytes: what no order can go below.
    """

    nodes: tuple[Node, ...]
    peak_bytes: int
    lower_bound_bytes: int

    @property
    def optimal(self) -> bool:
        return self.peak_bytes == self.lower_bound_bytes


def best_order(
    graph: Graph, core: Core, *, keep_input: bool = False, budget: int = _BUDGET
) -> Order:
    """The order of least peak; the graph's own where none is better or the budget ends.

    Args:
        budget: states to expand at most; the answer does not depend on the clock.
    """
    return _OrderSearch(graph, core, keep_input).run(budget)


class _OrderSearch:
    """Nodes and memories are numbered; sets of them are bit masks."""

    def __init__(self, graph: Graph, core: Core, keep_input: bool) -> None:
        self._nodes = stepped(graph.nodes)
        roots = alias_roots(graph)
        number = {node.index: i for i, node in enumerate(self._nodes)}
        producer = {t.index: number[n.index] for n in self._nodes for t in n.outputs}
        self._sizes = {root.index: root.nbytes for root in roots.values()}
        self._made = [[t.index for t in node.outputs] for node in self._nodes]
        self._read = [sorted({roots[t.index].index for t in n.activations}) for n in self._nodes]
        self._needs = [
            sum({1 << producer[root] for root in read if root in producer}) for read in self._read
        ]
        self._readers = dict.fromkeys(self._sizes, 0)
        for i, read in enumerate(self._read):
            for root in read:
                self._readers[root] |= 1 << i
        self._kept = {roots[t.index].index for t in graph.outputs if t.index in roots}
        if keep_input:
            self._kept |= {t.index for t in graph.inputs}
        self._over = [
            [roots[node.input(k).index].index for k in replaceable_inputs(node, roots)]
            for node in self._nodes
        ]
        self._scratch = [operator_of(node).scratch_bytes(node, core) for node in self._nodes]
        self._at_start = sum(tensor.nbytes for tensor in graph.inputs)
        self._unread_inputs = sum(
            t.nbytes
            for t in graph.inputs
            if not self._readers[t.index] and t.index not in self._kept
        )

    def run(self, budget: int) -> Order:
        given = self._peak(range(len(self._nodes)))
        bound = max((self._least(i) for i in range(len(self._nodes))), default=0)
        bound = max(bound, self._at_start)
        if given == bound:
            return Order(self._nodes, given, bound)
        return self._search(given, bound, budget)

    def _search(self, given: int, bound: int, budget: int) -> Order:
        full = (1 << len(self._nodes)) - 1
        start = self._at_start - self._unread_inputs
        # (peak so far, nodes left, order so far, executed, live bytes): deep and early first.
        heap: list[tuple[int, int, tuple[int, ...], int, int]] = [
            (bound, len(self._nodes), (), 0, start)
        ]
        closed: set[int] = set()
        while heap and len(closed) < budget:
            peak, left, order, executed, live = heapq.heappop(heap)
            if executed == full:
                return Order(tuple(self._nodes[i] for i in order), peak, peak)
            if executed in closed:
                continue
            closed.add(executed)
            for i in self._ready(executed):
                moment, after = self._run_node(i, executed, live)
                if not order:
                    moment += self._unread_inputs
                # Only an order that is better than the given one is of interest.
                if (reached := max(peak, moment)) < given:
                    item = (reached, left - 1, (*order, i), executed | 1 << i, after)
                    heapq.heappush(heap, item)
        # An empty heap proves that nothing is better; else the best open state is a bound.
        return Order(self._nodes, given, min(heap)[0] if heap else given)

    def _ready(self, executed: int) -> list[int]:
        return [
            i
            for i, needs in enumerate(self._needs)
            if not executed >> i & 1 and needs & ~executed == 0
        ]

    def _run_node(self, i: int, executed: int, live: int) -> tuple[int, int]:
        """Bytes in use while node ``i`` runs, and after it."""
        done = executed | 1 << i
        dying = {
            root
            for root in self._read[i]
            if root not in self._kept and self._readers[root] & ~done == 0
        }
        written = sum(self._sizes[root] for root in self._made[i])
        saved = self._sizes[self._made[i][0]] if dying.intersection(self._over[i]) else 0
        freed = sum(self._sizes[root] for root in dying)
        unread = sum(
            self._sizes[root]
            for root in self._made[i]
            if root not in self._kept and not self._readers[root]
        )
        return live + written - saved + self._scratch[i], live + written - freed - unread

    def _peak(self, order: Sequence[int]) -> int:
        live, executed, peak = self._at_start - self._unread_inputs, 0, self._at_start
        for position, i in enumerate(order):
            moment, live = self._run_node(i, executed, live)
            peak = max(peak, moment + (0 if position else self._unread_inputs))
            executed |= 1 << i
        return peak

    def _least(self, i: int) -> int:
        """What node ``i`` needs in any order: its ends and its scratch."""
        ends = {*self._read[i], *self._made[i]}
        everything = sum(self._sizes[root] for root in ends)
        may_save = any(root not in self._kept for root in self._over[i])
        saved = self._sizes[self._made[i][0]] if may_save else 0
        return everything - saved + self._scratch[i]
