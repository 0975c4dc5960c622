"""TFLM = the firmware on an emulated board, for every tensor of many models at once.

Models share firmware images, as many in each as the board's RAM holds arenas of.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.support import canaries
from tests.support.differential import part_rows
from tinyaiot import oracle, pipeline
from tinyaiot.boards import Board
from tinyaiot.build import Image, build
from tinyaiot.codegen.model import ModelSources, model_sources
from tinyaiot.codegen.project import generate_project
from tinyaiot.cores import Core
from tinyaiot.devices.emulator import EmulatedBoard
from tinyaiot.devices.link import Device
from tinyaiot.frontends import Model
from tinyaiot.graph import Graph, Node
from tinyaiot.operators import operator_of
from tinyaiot.operators.blocks import in_blocks
from tinyaiot.plan import Memory, Plan, Scratch
from tinyaiot.planner import checker, plan_model
from tinyaiot.planner.patches import planned_graph

AnyArray = npt.NDArray[Any]

_ARENA_ALIGNMENT = 8


@dataclass(frozen=True)
class Case:
    """A model and one array for each of its inputs; names are unique among cases.

    Attributes:
        scratch_limits: by index of a node, what its kernel may use.
        feed: whether the rows of the inputs arrive during the inference.
    """

    model: Model
    inputs: list[AnyArray]
    scratch_limits: Mapping[int, int] = field(default_factory=dict)
    feed: bool = False

    def planned(self, core: Core, memories: Sequence[Memory], strategy: str | None) -> Plan:
        plan = plan_model(self.model.graph, core, memories, strategy=strategy, feed=self.feed)
        plan = replace(plan, scratch_limits={**plan.scratch_limits, **self.scratch_limits})
        for node in self.model.graph.nodes:
            if node.index in self.scratch_limits:
                plan = _with_scratch(plan, node, core)
        return plan


def _with_scratch(plan: Plan, node: Node, core: Core) -> Plan:
    """The plan with scratch at the end of an arena, where a limit brings a node a kernel that wants
    more than the plan has for it."""
    called = in_blocks(node, plan.blocks.get(node.index, 1))
    nbytes = operator_of(node).scratch_bytes(called, plan.core_of(node.index, core))
    given = plan.scratch.get(node.index)
    if given is not None and given.size_bytes >= nbytes:
        return plan
    memory = next(iter(plan.arena_bytes)) if given is None else given.memory
    start = _aligned(plan.arena_bytes[memory])
    return replace(
        plan,
        scratch={**plan.scratch, node.index: Scratch(memory, start, nbytes)},
        arena_bytes={**plan.arena_bytes, memory: start + nbytes},
    )


def check(
    cases: Sequence[Case],
    board: Board,
    folder: Path,
    strategy: str | None = None,
    flash_limit: int = 0,
    large_code: Iterable[str] = (),
) -> int:
    """Asserts that ``board`` makes TFLM's tensors, whatever the case; returns how many images.

    Args:
        strategy: of the plans; by default the first that fits.
        flash_limit: what each kernel may take of flash to be faster.
        large_code: the files of larger code that kernels may have.
    """
    batches = list(batched(cases, board, strategy, flash_limit, large_code))
    for k, batch in enumerate(batches):
        _check_image(batch, board, folder / f"{board.id}-{k}")
    return len(batches)


def check_apart(
    cases: Sequence[Case],
    board: Board,
    folder: Path,
    flash_limit: int = 0,
    large_code: Iterable[str] = (),
) -> list[Case]:
    """Asserts the same with nothing beside anything in the arena, and that kernels keep to theirs.

    Each case runs twice, with all memory that is not yet made filled differently: what is read
    outside the tensors, or before it was written, would make a difference to TFLM's. What lies
    between the tensors must be there afterwards.

    Returns:
        the cases that fit the board so.
    """
    batches = list(batched(cases, board, None, flash_limit, large_code, apart=True))
    for k, batch in enumerate(batches):
        _check_canaries(batch, board, folder / f"{board.id}-{k}")
    return [case for batch in batches for case, _ in batch]


def batched(
    cases: Iterable[Case],
    board: Board,
    strategy: str | None = None,
    flash_limit: int = 0,
    large_code: Iterable[str] = (),
    apart: bool = False,
) -> Iterator[list[tuple[Case, Plan]]]:
    """The cases, planned, in lots whose arenas the board holds side by side.

    Args:
        apart: whether tensors and scratch are moved apart from each other; cases that the board
            does not hold then are left out.
    """
    memories = pipeline.memories(board)
    core = board.processor.with_flash_limit(flash_limit).with_large_code(large_code)
    batch: list[tuple[Case, Plan]] = []
    left = capacities = {m.name: m.capacity_bytes for m in memories}
    for case in cases:
        plan = case.planned(core, memories, strategy)
        if apart:
            plan, _ = canaries.spread(case.model.graph, plan)
            if any(nbytes > capacities[name] for name, nbytes in plan.arena_bytes.items()):
                continue
            checker.check(case.model.graph, plan, core, memories)
        used = {name: _aligned(nbytes) for name, nbytes in plan.arena_bytes.items()}
        if batch and any(nbytes > left[name] for name, nbytes in used.items()):
            yield batch
            batch, left = [], capacities
        batch.append((case, plan))
        left = {name: nbytes - used.get(name, 0) for name, nbytes in left.items()}
    if batch:
        yield batch


def _aligned(nbytes: int) -> int:
    return -(-nbytes // _ARENA_ALIGNMENT) * _ARENA_ALIGNMENT


def _check_image(batch: Sequence[tuple[Case, Plan]], board: Board, project: Path) -> None:
    image = _built(_sources(batch, board), board, project)
    with EmulatedBoard(board, image) as running, Device(running.link) as device:
        for k, (case, plan) in enumerate(batch):
            assert device.select(k).model == case.model.name
            check_case(device, case, plan)


def _check_canaries(batch: Sequence[tuple[Case, Plan]], board: Board, project: Path) -> None:
    models = _sources(batch, board)
    image = _built(models, board, project)
    with (
        canaries.debuggable(board) as (debuggable, stub),
        EmulatedBoard(debuggable, image) as running,
        Device(running.link) as device,
    ):
        for k, (case, plan) in enumerate(batch):
            assert device.select(k).model == case.model.name
            arenas = canaries.arenas_of(image, models[k].arenas, plan)
            # What is moved apart already stays where it is.
            _, gaps = canaries.spread(case.model.graph, plan)
            for number in range(2):
                _check_between(device, case, plan, stub, arenas, gaps, number)


def _check_between(
    device: Device,
    case: Case,
    plan: Plan,
    stub: Path,
    arenas: Sequence[canaries.Arena],
    gaps: canaries.Gaps,
    pattern: int,
) -> None:
    """``check_case`` in memory that was filled, of which the gaps must stay."""
    filled = [canaries.patterns(arena.size_bytes)[pattern] for arena in arenas]
    with canaries.Stub(stub) as memory:
        for arena, data in zip(arenas, filled, strict=True):
            memory.write(arena, data)
    check_case(device, case, plan)
    with canaries.Stub(stub) as memory:
        for arena, data in zip(arenas, filled, strict=True):
            where = f"{device.name} {case.model.name} {arena.memory}"
            canaries.assert_gaps_hold(data, memory.read(arena), gaps[arena.memory], where)


def _sources(batch: Sequence[tuple[Case, Plan]], board: Board) -> list[ModelSources]:
    return [
        model_sources(case.model.graph, plan, board.processor, case.model.name)
        for case, plan in batch
    ]


def _built(models: Sequence[ModelSources], board: Board, project: Path) -> Image:
    generate_project(models, board).write(project)
    return build(project, board)


def check_case(device: Device, case: Case, plan: Plan) -> None:
    """Asserts that the selected model, made from ``plan``, makes TFLM's tensors."""
    graph = case.model.graph
    planned = planned_graph(graph, plan)
    reference = oracle.run(case.model.data, graph, case.inputs)
    device.load(case.inputs)
    seen: dict[int, int] = {}
    for part in device.validate():
        node = _in_blocks(planned.graph.nodes[part.layer], plan)
        place = planned.parts[part.layer]
        tensor = node.outputs[part.output]
        whole = graph.nodes[place.layer].outputs[part.output]
        rows = part_rows(reference.tensors[whole.index], whole, tensor, place.column)
        where = f"{device.name} {graph.name} layer {node.index} {node.op} output {part.output}"
        assert part.crc == zlib.crc32(rows[part.y_start : part.y_stop].tobytes()), (
            f"{where} rows {part.y_start}:{part.y_stop}"
        )
        seen[tensor.index] = seen.get(tensor.index, 0) + part.y_stop - part.y_start
    assert seen == _computed_rows(planned.graph, plan)
    for expected, actual in zip(reference.outputs, device.outputs(), strict=True):
        assert _bytes(expected).tobytes() == actual.tobytes()


def _computed_rows(graph: Graph, plan: Plan) -> dict[int, int]:
    """By index of each tensor that is computed and is no alias, its rows, or blocks of them."""
    return {
        tensor.index: tensor.height
        for node in graph.nodes
        if not operator_of(node).is_alias(node)
        for tensor in _in_blocks(node, plan).outputs
    }


def _in_blocks(node: Node, plan: Plan) -> Node:
    return in_blocks(node, plan.blocks.get(node.index, 1))


def _bytes(values: AnyArray) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(values).view(np.uint8).reshape(-1)
