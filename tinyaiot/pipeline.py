"""The pipeline: model file → int8 .tflite → Graph → Plan → Sources → Image → Measurement."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tinyaiot.boards import Board, board_by_id
from tinyaiot.build import Builder, Image, build, read_manifest
from tinyaiot.code_room import keeps_small, large_code
from tinyaiot.codegen.export import Format, export_models
from tinyaiot.codegen.model import ModelSources, lower_model, model_sources
from tinyaiot.codegen.project import Sources, generate_project
from tinyaiot.cores import Core, core_by_id
from tinyaiot.documents import graph_document, plan_document
from tinyaiot.errors import DoesNotFitError
from tinyaiot.files import write_json
from tinyaiot.flash_room import constants_bytes, flash_limit
from tinyaiot.frontends import Model, load
from tinyaiot.instructions import cycles_on, instructions_on
from tinyaiot.plan import Memory, Plan
from tinyaiot.planner import Objective, plan_model
from tinyaiot.planner.work import instructions_of, runs_of
from tinyaiot.summary import ModelSummary, summarize

# Slow to import, and not needed to run.
if TYPE_CHECKING:
    from tinyaiot.measure import Deployment


class Listener(Protocol):
    """Who is told of each stage of the pipeline as it is reached."""

    def model(self, summary: ModelSummary) -> None:
        """The model was read."""

    def fit(self, summary: ModelSummary, plan: Plan, board: Board) -> None:
        """It was planned, and fits the board's RAM."""

    def built(self, image: Image) -> None:
        """Its firmware was built."""

    def step(self, doing: str, done: str) -> AbstractContextManager[None]:
        """Surrounds what takes long."""


class Silent:
    """A listener that tells nobody."""

    def model(self, summary: ModelSummary) -> None:
        """Nothing."""

    def fit(self, summary: ModelSummary, plan: Plan, board: Board) -> None:
        """Nothing."""

    def built(self, image: Image) -> None:
        """Nothing."""

    @contextlib.contextmanager
    def step(self, doing: str, done: str) -> Iterator[None]:
        """Nothing."""
        yield


# By what share --objective ram may take more instructions than a model takes by default.
_PRICE = 0.1


@dataclass(frozen=True)
class PlanOptions:
    """What is asked of a plan.

    Attributes:
        keep_input: whether the inputs' bytes must survive an inference.
        feed: whether the rows of the inputs arrive during the inference.
        ram_bytes: what the arenas may take in all, at most; None for what the board has.
        strategy: of the planner, the only one to try; None for all.
        weights_in_ram: whether weights are copied to the board's first RAM as it starts.
    """

    objective: Objective = Objective.BALANCED
    keep_input: bool = False
    feed: bool = False
    ram_bytes: int | None = None
    strategy: str | None = None
    weights_in_ram: bool = False


@dataclass(frozen=True)
class Job:
    """What is asked for.

    Attributes:
        model: the model's file.
        work: the folder in which every stage is written; see :func:`deploy`.
        port: of the board's serial link; None where the board is emulated or the host.
        builder: of the firmware; None for the board's own.
        defines: further C macros of the harness.
    """

    model: Path
    board: Board
    work: Path
    port: str | None = None
    options: PlanOptions = PlanOptions()
    builder: Builder | None = None
    defines: tuple[str, ...] = ()


MEASUREMENT = "measurement.json"

# The harness's own .data and .bss in the first RAM, beside the stack; the linker checks.
_HARNESS_RAM_BYTES = 256
_UNLIMITED = Memory("ram", 1 << 31)


def memories(board: Board) -> tuple[Memory, ...]:
    """What each RAM of the board has for models, in the order of the board file."""
    first, *others = (Memory(ram.name, ram.size_bytes) for ram in board.ram if ram.linked)
    taken = board.stack_bytes + board.reserved_bytes + _HARNESS_RAM_BYTES
    return (replace(first, capacity_bytes=first.capacity_bytes - taken), *others)


def read_model(job: Job) -> Model:
    """Model file → Graph; raises UnreadableModelError, UnsupportedModelError."""
    # Whatever fails below, no older measurement must be left to be taken for this one's.
    (job.work / MEASUREMENT).unlink(missing_ok=True)
    return load(job.model)


def deploy(job: Job, listener: Listener, model: Model | None = None) -> Deployment:
    """Model file → Graph → Plan → Sources → Image, ready for ``measure`` and ``validate``.

    The work folder gets ``graph.json``, ``plan.json`` and ``project/``, each when its stage is
    done.

    Args:
        model: the job's, where it was read already.

    Raises:
        UnreadableModelError, UnsupportedModelError, DoesNotFitError, BuildError.
    """
    from tinyaiot.measure import Deployment

    model = read_model(job) if model is None else model
    summary = summarize(model.graph)
    listener.model(summary)
    write_json(job.work / "graph.json", graph_document(model.graph))

    plan = plan_model_on(model, job.board, job.options)
    listener.fit(summary, plan, job.board)
    write_json(job.work / "plan.json", plan_document(plan))

    project = job.work / "project"
    generate([model], [plan], job.board, defines=job.defines).write(project)
    with listener.step("building the firmware", "built"):
        image = _build(project, job, summary)
    listener.built(image)
    return Deployment(model, plan, job.board, image, job.port)


def _build(project: Path, job: Job, summary: ModelSummary) -> Image:
    """Sources → Image; where that does not fit, what is largest in it is named, too."""
    try:
        return build(project, job.board, job.builder)
    except DoesNotFitError as error:
        raise DoesNotFitError(
            error.what,
            f"tinyaiot analyze --board {job.board.id} works out what would help",
            (*error.details, _most_weights([summary])),
        ) from error


def plan_model_on(model: Model, board: Board, options: PlanOptions) -> Plan:
    """Graph → Plan, within the board's memories; raises as :func:`plan_together`."""
    [only] = plan_together([model], board, options)
    return only


def plan_together(models: Sequence[Model], board: Board, options: PlanOptions) -> tuple[Plan, ...]:
    """Graphs → Plans of models that share a board, each with an arena of its own.

    Raises:
        NoPlanFitsError: RAM does not suffice.
        DoesNotFitError: the weights alone exceed the flash, or the RAM that they are copied to.
            Whether the code fits beside them, only the linker knows.
    """
    _refuse_weights_beyond_flash(models, board)
    given = memories(board)
    if options.weights_in_ram:
        given = _beside_weights(given, models, board)
    left = _limited(given, options.ram_bytes)
    is_budget = left != given
    core = _core_for(models, board, options)
    plans = _plan_one_by_one(models, board, core, left, options, is_budget)
    if options.objective is not Objective.BALANCED:
        return plans
    # What is streamed takes more code than was reckoned with.
    if core.large_code and not _keep_small(models, plans, core, board):
        core = core.with_large_code(())
        plans = _plan_one_by_one(models, board, core, left, options, is_budget)
    if _take_room(models, plans, core) and not _keep_small(models, plans, core, board):
        plans = _plan_one_by_one(models, board, core, left, options, is_budget, takes_room=False)
    return plans


def _beside_weights(
    given: tuple[Memory, ...], models: Sequence[Model], board: Board
) -> tuple[Memory, ...]:
    """The memories, the first without what copied weights take of it, at least."""
    first, *others = given
    weights_bytes = sum(constants_bytes(model.graph) for model in models)
    if weights_bytes > first.capacity_bytes:
        raise DoesNotFitError(
            f"the weights need about {weights_bytes:,} bytes of RAM, more than the "
            f"{first.capacity_bytes:,} left in {first.name} of {board.id}",
            "leave out --weights ram: they stay in flash then",
        )
    return (replace(first, capacity_bytes=first.capacity_bytes - weights_bytes), *others)


def _keep_small(models: Sequence[Model], plans: Sequence[Plan], core: Core, board: Board) -> bool:
    lowered = [
        lower_model(model.graph, plan, core, model.name)
        for model, plan in zip(models, plans, strict=True)
    ]
    return keeps_small(lowered, core, board)


def _take_room(models: Sequence[Model], plans: Sequence[Plan], core: Core) -> bool:
    """Whether there are kernels that need room."""
    return any(
        run.kernels and run.kernel.needs_room
        for model, plan in zip(models, plans, strict=True)
        for run in runs_of(model.graph, plan, core)
    )


def _plan_one_by_one(
    models: Sequence[Model],
    board: Board,
    core: Core,
    left: Sequence[Memory],
    options: PlanOptions,
    is_budget: bool,
    takes_room: bool = True,
) -> tuple[Plan, ...]:
    """Each within what those before it leave."""
    plans: list[Plan] = []
    for model in models:
        plans.append(_plan(model, board, core, left, options, is_budget, takes_room))
        left = tuple(
            replace(m, capacity_bytes=m.capacity_bytes - plans[-1].arena_bytes.get(m.name, 0))
            for m in left
        )
    return tuple(plans)


def core_of(board: Board | None) -> Core:
    """The board's core; a Cortex-M4 where there is no board."""
    return core_by_id("cortex-m4") if board is None else board.processor


def plan_without_limits(model: Model, board: Board | None, options: PlanOptions) -> Plan:
    """The plan that the model would have, were RAM without end (on a Cortex-M4, if no board).

    Raises:
        NoPlanFitsError: ``options.ram_bytes`` do not suffice.
    """
    core = _core_for([model], board, options)
    limited = _limited([_UNLIMITED], options.ram_bytes)
    return _plan(model, board, core, limited, options, is_budget=options.ram_bytes is not None)


def _core_for(models: Sequence[Model], board: Board | None, options: PlanOptions) -> Core:
    """The board's core, with the flash and the code that kernels may take to be faster."""
    core, graphs = core_of(board), [model.graph for model in models]
    is_small = options.objective is Objective.BALANCED
    if not is_small:
        core = core.with_flash_limit(flash_limit(graphs, board))
    return core.with_large_code(large_code(graphs, core, board, is_small=is_small))


def _limited(given: Sequence[Memory], ram_bytes: int | None) -> tuple[Memory, ...]:
    """The first ``ram_bytes`` of the memories, in their order."""
    limited = []
    left = sum(memory.capacity_bytes for memory in given) if ram_bytes is None else ram_bytes
    for memory in given:
        limited.append(replace(memory, capacity_bytes=min(memory.capacity_bytes, left)))
        left -= limited[-1].capacity_bytes
    return tuple(limited)


def _plan(
    model: Model,
    board: Board | None,
    core: Core,
    left: Sequence[Memory],
    options: PlanOptions,
    is_budget: bool,
    takes_room: bool = True,
) -> Plan:
    most_instructions = math.inf
    if options.objective is Objective.RAM:
        most_instructions = (1 + _PRICE) * _instructions_by_default(model, board)
    plan = plan_model(
        model.graph,
        core,
        left,
        objective=options.objective,
        keep_input=options.keep_input,
        feed=options.feed,
        strategy=options.strategy,
        is_budget=is_budget,
        takes_room=takes_room,
        most_instructions=most_instructions,
        instructions=instructions_on(core),
        cost=cycles_on(core),
    )
    return replace(plan, copies_parameters=options.weights_in_ram)


def _instructions_by_default(model: Model, board: Board | None) -> float:
    """What an inference takes by default, were RAM without end."""
    plan = plan_without_limits(model, board, PlanOptions())
    core = core_of(board)
    return instructions_of(model.graph, plan, core, instructions_on(core))


def generate(
    models: Sequence[Model],
    plans: Sequence[Plan],
    board: Board,
    expected: Mapping[str, int] | None = None,
    defines: Sequence[str] = (),
) -> Sources:
    """Graphs and Plans → Sources of one firmware; raises UsageError for equal names.

    Args:
        expected: by name of a model in C, what `pio test` compares with; see ``selftest``.
        defines: further C macros for the harness.
    """
    sources = _model_sources(models, plans, board)
    return generate_project(sources, board, defines, expected=expected)


def export(models: Sequence[Model], plans: Sequence[Plan], board: Board, target: Format) -> Sources:
    """Graphs and Plans → a library of the models for another build system."""
    return export_models(_model_sources(models, plans, board), target, board.id)


def _model_sources(
    models: Sequence[Model], plans: Sequence[Plan], board: Board
) -> list[ModelSources]:
    return [
        model_sources(model.graph, plan, board.processor, model.name)
        for model, plan in zip(models, plans, strict=True)
    ]


def board_of(project: Path) -> Board:
    """The board that a generated project is for; raises UsageError if it is none."""
    return board_by_id(read_manifest(project)["board"])


def _refuse_weights_beyond_flash(models: Sequence[Model], board: Board) -> None:
    summaries = [summarize(model.graph) for model in models]
    weights_bytes = sum(summary.weights_bytes for summary in summaries)
    excess = weights_bytes - board.flash.size_bytes
    if excess > 0:
        raise DoesNotFitError(
            f"the weights need {weights_bytes:,} bytes of flash, {excess:,} more than the "
            f"{board.flash.size_bytes:,} of {board.id}, code not counted",
            "use a smaller model, or a board with more flash",
            (_most_weights(summaries),),
        )


def _most_weights(summaries: Sequence[ModelSummary]) -> str:
    """Of the layer that takes most flash."""
    layers = [layer for summary in summaries for layer in summary.layers]
    largest = max(layers, key=lambda layer: layer.weights_bytes)
    return (
        f"most of the flash is for layer {largest.index} {largest.op}: "
        f"{largest.weights_bytes:,} bytes of weights"
    )
