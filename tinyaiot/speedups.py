"""What would make each layer of a plan faster: more flash for its kernel, or more RAM."""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tinyaiot.boards import Board
from tinyaiot.calibrations import calibration_of
from tinyaiot.code_room import large_code
from tinyaiot.cores import Core
from tinyaiot.flash_room import flash_limit
from tinyaiot.graph import Graph
from tinyaiot.instructions import instructions_on
from tinyaiot.operators import operator_of
from tinyaiot.plan import Plan
from tinyaiot.planner.work import Instructions, Run, runs_of
from tinyaiot.sizes import file_bytes

# Of a layer's instructions; what saves less is not worth a line, nor sure.
_LEAST_SHARE = 0.02


class Price(enum.Enum):
    """What a layer takes more of, to be faster."""

    FLASH = "flash"
    RAM = "ram"
    BOTH = "flash and ram"


@dataclass(frozen=True)
class Speedup:
    """A way to make one layer faster.

    Attributes:
        layer: index of the node in the file.
        price: what it takes more of.
        kernel: the C function that would compute it.
        instructions: of the layer in one inference then, predicted.
        saved: how many fewer that are, predicted.
        flash_bytes: that the layer's constants take more, and code of which the layer has none yet.
        scratch_bytes: that the layer's scratch takes more; what else lies in RAM may grow too.
    """

    layer: int
    price: Price
    kernel: str
    instructions: int
    saved: int
    flash_bytes: int
    scratch_bytes: int

    def to_json(self) -> dict[str, Any]:
        """What ``analyze --json`` gives in ``speedups``."""
        return {**dataclasses.asdict(self), "price": self.price.value}


def speedups_of(graph: Graph, plan: Plan, board: Board) -> tuple[Speedup, ...]:
    """By layers, what would make them faster on ``board``, each price with the next better effect.

    None where kernels were not measured for the core, and none for plans of column patches, whose
    layers run in parts.
    """
    if plan.patches is not None or calibration_of(board.core) is None:
        return ()
    core = board.processor
    # A plain plan leaves no RAM to ask for: half of its layers' other runs are the same ones.
    spacious = core.with_flash_limit(flash_limit([graph], board))
    files = large_code([graph], spacious, board, is_small=False)
    search = _Search(
        functools.cache(instructions_on(core)),
        core.with_large_code(large_code([graph], core, board, is_small=True)),
        spacious.with_large_code(files),
    )
    return tuple(found for run in runs_of(graph, plan, core) for found in search.speedups(run))


@dataclass(frozen=True)
class _Search:
    """Attributes:
    usual: the core, where kernels may take what they do by default.
    spacious: the same for speed.
    """

    instructions: Instructions
    usual: Core
    spacious: Core

    def speedups(self, run: Run) -> Iterator[Speedup]:
        if not run.kernels:
            return
        least = now = self.instructions(run)
        for price, other in self._others(run):
            then = self.instructions(other)
            if least - then >= _LEAST_SHARE * now:
                least = then
                yield _speedup(run, other, price, round(now), round(then))

    def _others(self, run: Run) -> Iterator[tuple[Price, Run]]:
        def on(core: Core) -> Core:
            limit = max(core.flash_limit, self.spacious.flash_limit)
            files = core.large_code | self.spacious.large_code
            return core.with_flash_limit(limit).with_large_code(files)

        alone = replace(
            run,
            core=run.core.with_scratch_limit(None).with_large_code(
                run.core.large_code | self.usual.large_code
            ),
            calls=1,
            blocks=1,
            reads_whole=True,
            makes_whole=True,
            lie_apart=True,
            has_sums=False,
        )
        yield Price.FLASH, replace(run, core=on(run.core))
        yield Price.RAM, alone
        yield Price.BOTH, replace(alone, core=on(alone.core))


def _speedup(run: Run, other: Run, price: Price, now: int, then: int) -> Speedup:
    operator = operator_of(run.node)
    scratch = operator.scratch_bytes(other.called, other.core)
    constants = other.kernel.flash_bytes(other.called) - run.kernel.flash_bytes(run.called)
    files = set(other.kernel.large_code) - set(run.kernel.large_code)
    return Speedup(
        layer=run.node.index,
        price=price,
        kernel=other.kernel.function,
        instructions=then,
        saved=now - then,
        flash_bytes=constants + file_bytes(files, other.core),
        scratch_bytes=max(0, scratch - operator.scratch_bytes(run.called, run.core)),
    )
