"""What the nodes of a plan take on a core, for a planner that chooses between ways to run them.

The counts are those of ``tinyaiot.predict``, of single nodes, before there is a plan.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tinyaiot.calibrations import Calibration, calibration_of
from tinyaiot.cores import Core
from tinyaiot.csource import Lowered, Ref, Value
from tinyaiot.graph import Tensor
from tinyaiot.loops import Work
from tinyaiot.operators import operator_of
from tinyaiot.operators.blocks import reads_blocks
from tinyaiot.planner.kernels import Cost
from tinyaiot.planner.work import Instructions, Run, rule_of_thumb
from tinyaiot.predict import cost_of, count, in_range

_NOWHERE = Ref("NULL")


def instructions_on(core: Core) -> Instructions:
    """What nodes take on ``core``; by a rule of thumb where it, or a kernel, is not calibrated."""
    calibration = calibration_of(core.id)
    if calibration is None:
        return rule_of_thumb
    return functools.partial(_counted, calibration)


def cycles_on(core: Core) -> Cost | None:
    """Cycles of nodes on ``core``, by documented timings; None where there are none."""
    calibration = calibration_of(core.id)
    if calibration is None or not calibration.has_cycles:
        return None
    return functools.partial(_cycles, calibration)


def _cycles(calibration: Calibration, run: Run) -> float | None:
    """None where a kernel was not calibrated, or in other sizes only."""
    total = 0.0
    for work in _works(run):
        cost = cost_of(work, calibration)
        found = count(work, cost)
        if cost is None or found is None or cost.cycles_per_instruction is None:
            return None
        if not in_range(work, cost):
            return None
        total += found * cost.cycles_per_instruction
    return total


def _counted(calibration: Calibration, run: Run) -> float:
    total = 0.0
    for work in _works(run):
        found = count(work, cost_of(work, calibration))
        if found is None:
            return rule_of_thumb(run)
        total += found
    return total


def _works(run: Run) -> Iterator[Work]:
    """As predictions count: calls of the node of the graph, whose rows they may make in blocks."""
    for call in _lowered(run, _Anywhere(run)).calls:
        yield Work(run.node, call, run.calls)


def lowered_anywhere(run: Run) -> tuple[Lowered, Mapping[int, int]]:
    """A node as C, its addresses left out; and bytes of rows of one value that it reads, by that
    value."""
    context = _Anywhere(run)
    return _lowered(run, context), context.filled


def _lowered(run: Run, context: _Anywhere) -> Lowered:
    operator = operator_of(run.node)
    lower = operator.lower_sums if run.has_sums else operator.lower
    return lower(run.called, context)


@dataclass(frozen=True)
class _Anywhere:
    """A :class:`tinyaiot.operators.base.LowerContext` of a node that has no addresses yet."""

    run: Run
    filled: dict[int, int] = field(default_factory=dict)

    @property
    def core(self) -> Core:
        return self.run.core

    @property
    def blocks(self) -> int:
        return 1 if reads_blocks(self.run.node) else self.run.blocks

    @property
    def is_streamed(self) -> bool:
        return self.run.calls > 1

    @property
    def prefix(self) -> str:
        return ""

    def source(self, tensor: Tensor) -> Value:
        return _NOWHERE

    def sink(self, tensor: Tensor) -> Value:
        return _NOWHERE

    def lies_whole(self, tensor: Tensor) -> bool:
        if any(tensor.index == output.index for output in self.run.node.outputs):
            return self.run.makes_whole
        return tensor.is_constant or self.run.reads_whole

    def lie_apart(self, a: Tensor, b: Tensor) -> bool:
        return self.run.lie_apart

    def scratch(self) -> Value:
        return _NOWHERE

    def joint(self, tensor: Tensor) -> Value | None:
        return None

    def sums(self) -> Value:
        return _NOWHERE

    def filled_row(self, value: int, nbytes: int) -> Value:
        self.filled[value] = max(self.filled.get(value, 0), nbytes)
        return _NOWHERE
