"""Image → Measurement: runs a model on a board and compares it with TFLM, bit for bit."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyaiot import oracle
from tinyaiot.boards import Board
from tinyaiot.build import Image, read_manifest
from tinyaiot.codegen.model import c_identifier
from tinyaiot.devices.emulator import EmulatedBoard
from tinyaiot.devices.faults import Symbols
from tinyaiot.devices.link import Device, RowsChecksum
from tinyaiot.devices.lock import held
from tinyaiot.devices.serial_link import BAUD_RATE, SerialLink
from tinyaiot.errors import DeviceError, OutputsDifferError, UsageError
from tinyaiot.frontends import Model
from tinyaiot.graph import Graph, LeftOut, Node, Tensor
from tinyaiot.operators import operator_of
from tinyaiot.operators.base import AnyArray
from tinyaiot.operators.blocks import in_blocks
from tinyaiot.oracle import Reference
from tinyaiot.plan import Plan
from tinyaiot.planner.patches import PlannedGraph, planned_graph
from tinyaiot.schemas import labelled
from tinyaiot.summary import summarize

# Where nothing counts exactly, a few runs are measured and their median is reported.
_RUNS = 3
# An emulator's counts are exact: one more run that is the same says so.
_EMULATED_RUNS = 1


@dataclass(frozen=True)
class Deployment:
    """A model in an image for a board.

    Attributes:
        plan: that the image was generated from.
        image: built in the folder of its project.
        port: of the board's serial link; None where the board is emulated or the host.
        baud_rate: of the port.
    """

    model: Model
    plan: Plan
    board: Board
    image: Image
    port: str | None = None
    baud_rate: int = BAUD_RATE


@dataclass(frozen=True)
class LayerMeasurement:
    """A node of the graph, as it ran.

    Attributes:
        name: of its first output, as in the file.
        shape: of its first output.
        output_bytes: of all its outputs.
        weights_bytes: its quantized constants as in the file.
        live_bytes: arena in use while it ran; None for what is no work at all.
        count: of the measurement's counter; None where there is none.
    """

    index: int
    name: str
    op: str
    shape: tuple[int, ...]
    macs: int
    output_bytes: int
    weights_bytes: int
    live_bytes: int | None
    count: int | None


@dataclass(frozen=True)
class TensorMeasurement:
    """An input or output of the model; values of the input are known by their CRC-32."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None
    zero_point: int | None
    crc32: int
    values: tuple[float, ...] | None


@dataclass(frozen=True)
class Repetition:
    """How often an inference is run.

    Attributes:
        runs: that are measured, at least 1; None for as many as the board's kind asks for.
        warmups: runs before them.
    """

    runs: int | None = None
    warmups: int = 0

    def runs_on(self, board: Board) -> int:
        """How many runs are measured on a board."""
        if self.runs is not None:
            return self.runs
        return _RUNS if board.emulator is None else _EMULATED_RUNS


@dataclass(frozen=True)
class Spread:
    """Of several runs the smallest, the median and the largest value."""

    minimum: int
    median: int
    maximum: int


DEFAULT_REPETITION = Repetition()


@dataclass(frozen=True)
class Measurement:
    """One model on one board.

    Attributes:
        feed: how the input reaches the model: "ram", whole.
        bit_exact: whether all outputs equal the reference's; a measurement whose outputs
            differ is an error, so True.
        arena_bytes: input, output and scratch included.
        ram_bytes: .data and .bss of the image, arenas included.
        stack_bytes: most stack in use up to the end of an inference; None where unknown.
        code_bytes: flash that is no constant array of a model.
        macs: of all layers, which is without what is ``left_out``.
        lower_bound_bytes: of the arena, over all plans of the strategy's kind.
        counter: "instructions" on an emulator, "cycles" on a chip, None where nothing counts.
        count: per inference, of that counter; the median of all runs.
        count_spread: of all runs.
        latency_us: by the board's clock, the median of all runs; None on an emulator, whose clock
            is not the chip's.
        latency_us_spread: of all runs; None as ``latency_us``.
        runs: measured ones.
        warmups: runs before them.
    """

    model: str
    board: str
    feed: str
    bit_exact: bool
    reference: str
    strategy: str
    arena_bytes: int
    ram_bytes: int
    stack_bytes: int | None
    flash_bytes: int
    weights_bytes: int
    code_bytes: int
    macs: int
    left_out: LeftOut
    extra_macs: int
    lower_bound_bytes: int
    counter: str | None
    count: int | None
    count_spread: Spread | None
    latency_us: int | None
    latency_us_spread: Spread | None
    runs: int
    warmups: int
    inputs: tuple[TensorMeasurement, ...]
    outputs: tuple[TensorMeasurement, ...]
    layers: tuple[LayerMeasurement, ...]

    def to_json(self) -> dict[str, Any]:
        """The measurement as numbers, texts, lists and dictionaries."""
        return labelled("measurement", dataclasses.asdict(self))


@dataclass(frozen=True)
class LayerValidation:
    """A node whose outputs equal the reference's; ``elements`` is 0 for what is no work."""

    index: int
    name: str
    op: str
    shape: tuple[int, ...]
    elements: int


@dataclass(frozen=True)
class Validation:
    """All layers of a model on one board, equal to the reference bit for bit."""

    model: str
    board: str
    bit_exact: bool
    reference: str
    layers: tuple[LayerValidation, ...]

    def to_json(self) -> dict[str, Any]:
        """The validation as numbers, texts, lists and dictionaries."""
        return labelled("validation", dataclasses.asdict(self))


@dataclass(frozen=True)
class _Counts:
    """What an inference took; ``by_layer`` by node index, a node without work absent."""

    counter: str | None = None
    total: Spread | None = None
    by_layer: Mapping[int, int] = dataclasses.field(default_factory=dict)
    latency_us: Spread | None = None


@dataclass(frozen=True)
class _RunningBoard:
    device: Device
    emulated: EmulatedBoard | None


@contextlib.contextmanager
def open_device(deployment: Deployment) -> Iterator[Device]:
    """The running board with the model selected; for any number of inferences.

    Raises:
        DeviceError: the board does not start or answer, runs another image, or is in use.
    """
    with _running(deployment) as board:
        yield board.device


def measure(
    deployment: Deployment, inputs: Sequence[AnyArray], repetition: Repetition = DEFAULT_REPETITION
) -> Measurement:
    """Runs the model on the board, compares its outputs with TFLM's, and counts.

    Args:
        inputs: one array for each input, of its dtype and shape.

    Raises:
        UsageError: the inputs do not match the model.
        DeviceError: the board does not start or answer, or runs another image.
        OutputsDifferError: an output is not TFLM's; names the first layer that differs.
    """
    reference = oracle.run(deployment.model.data, deployment.model.graph, inputs)
    with _running(deployment) as board:
        board.device.load(inputs)
        board.device.run()
        outputs = _shaped_outputs(deployment, board.device)
        stack = board.device.stack()
        if not all(map(_same_bits, outputs, reference.outputs)):
            _raise_difference(deployment, board.device, reference)
        counts = _count(deployment, board, repetition)
    stack_bytes = None if stack is None else stack.used_bytes
    return _measurement(deployment, inputs, outputs, stack_bytes, counts, repetition)


def validate(deployment: Deployment, inputs: Sequence[AnyArray]) -> Validation:
    """Runs the model on the board and compares every layer's outputs with TFLM's.

    Raises:
        UsageError: the inputs do not match the model.
        DeviceError: the board does not start or answer, or runs another image.
        OutputsDifferError: a layer's output is not TFLM's; names the first, lists all.
    """
    graph = deployment.model.graph
    reference = oracle.run(deployment.model.data, graph, inputs)
    with _running(deployment) as board:
        board.device.load(inputs)
        checksums = board.device.validate()
        outputs = _shaped_outputs(deployment, board.device)
        if _differing(deployment, checksums, reference) or not all(
            map(_same_bits, outputs, reference.outputs)
        ):
            _raise_difference(deployment, board.device, reference)
    _require_all_rows(deployment, checksums)
    return Validation(
        model=graph.name,
        board=deployment.board.id,
        bit_exact=True,
        reference=_reference_name(),
        layers=tuple(
            LayerValidation(
                node.index,
                node.output.name,
                node.op,
                node.output.shape,
                0 if operator_of(node).is_alias(node) else sum(t.size for t in node.outputs),
            )
            for node in graph.nodes
        ),
    )


@contextlib.contextmanager
def _running(deployment: Deployment) -> Iterator[_RunningBoard]:
    with contextlib.ExitStack() as stack:
        symbols = Symbols(deployment.image.elf)
        if deployment.port is not None:
            stack.enter_context(held(deployment.port))
            link = SerialLink(deployment.port, deployment.baud_rate)
            board = _RunningBoard(stack.enter_context(Device(link, symbols=symbols)), None)
        else:
            emulated = stack.enter_context(EmulatedBoard(deployment.board, deployment.image))
            board = _RunningBoard(Device(emulated.link, symbols=symbols), emulated)
        board.device.expect(_manifest(deployment)["image_id"])
        yield board


def _manifest(deployment: Deployment) -> dict[str, Any]:
    """What the project says of the deployment's model."""
    name = c_identifier(deployment.model.name)
    models = read_manifest(deployment.image.project)["models"]
    found: list[dict[str, Any]] = [model for model in models if model["name"] == name]
    if not found:
        raise UsageError(
            f"the image in {deployment.image.project} has no model {name!r}",
            "generate the project again",
        )
    return found[0]


def _shaped_outputs(deployment: Deployment, device: Device) -> tuple[AnyArray, ...]:
    tensors = deployment.model.graph.outputs
    return tuple(
        values.reshape(tensor.shape)
        for values, tensor in zip(device.outputs(), tensors, strict=True)
    )


def _count(deployment: Deployment, board: _RunningBoard, repetition: Repetition) -> _Counts:
    count = repetition.runs_on(deployment.board)
    for _ in range(repetition.warmups):
        board.device.run()
    if board.emulated is not None and deployment.board.emulator is not None:
        return _instructions(deployment.plan, board.device, board.emulated, count)
    runs = [board.device.run() for _ in range(count)]
    latencies = [run.microseconds for run in runs if run.microseconds is not None]
    latency_us = _spread(latencies) if latencies else None
    # A run that may have taken the 32-bit counter round has no count.
    clock_hz = deployment.board.clock_hz
    round_s = (1 << 32) / clock_hz if clock_hz else math.inf
    cycles = [run.cycles for run in runs if run.cycles and run.host_seconds < round_s]
    if not cycles:
        return _Counts(latency_us=latency_us)
    by_layer: dict[int, int] = {}
    for part in board.device.layer_cycles():
        layer = deployment.plan.layer_of(part.layer)
        by_layer[layer] = by_layer.get(layer, 0) + part.cycles
    return _Counts("cycles", _spread(cycles), by_layer, latency_us)


def _spread(values: Sequence[int]) -> Spread:
    ordered = sorted(values)
    return Spread(ordered[0], ordered[len(ordered) // 2], ordered[-1])


def _instructions(plan: Plan, device: Device, emulated: EmulatedBoard, runs: int) -> _Counts:
    """Of the run before and of each run here, which all have to be the same."""
    first = emulated.counts()[-1]
    for _ in range(runs):
        device.run()
        counted = emulated.counts()[-1]
        if first != counted:
            raise DeviceError(
                f"two runs took {first.total} and {counted.total} instructions",
                "the emulator did not count exactly: check its version",
            )
    by_layer: dict[int, int] = {}
    for node, counts in first.by_layer.items():
        layer = plan.layer_of(node)
        by_layer[layer] = by_layer.get(layer, 0) + counts
    return _Counts("instructions", Spread(*[first.total] * 3), by_layer)


def _measurement(
    deployment: Deployment,
    inputs: Sequence[AnyArray],
    outputs: Sequence[AnyArray],
    stack_bytes: int | None,
    counts: _Counts,
    repetition: Repetition,
) -> Measurement:
    graph, plan, image = deployment.model.graph, deployment.plan, deployment.image
    arenas = _manifest(deployment)["arenas"].values()
    layers = _layers(deployment, counts)
    return Measurement(
        model=graph.name,
        board=deployment.board.id,
        feed="rows" if plan.is_fed else "ram",
        bit_exact=True,
        reference=_reference_name(),
        strategy=plan.strategy,
        arena_bytes=sum(image.arena_bytes[symbol] for symbol in arenas),
        ram_bytes=image.ram_bytes,
        stack_bytes=stack_bytes,
        flash_bytes=image.flash_bytes,
        weights_bytes=image.weights_bytes,
        code_bytes=image.code_bytes,
        macs=sum(layer.macs for layer in layers),
        left_out=graph.left_out,
        extra_macs=plan.extra_macs,
        lower_bound_bytes=plan.lower_bound_bytes,
        counter=counts.counter,
        count=None if counts.total is None else counts.total.median,
        count_spread=counts.total,
        latency_us=None if counts.latency_us is None else counts.latency_us.median,
        latency_us_spread=counts.latency_us,
        runs=repetition.runs_on(deployment.board),
        warmups=repetition.warmups,
        inputs=tuple(
            _tensor(t, x, with_values=False) for t, x in zip(graph.inputs, inputs, strict=True)
        ),
        outputs=tuple(
            _tensor(t, y, with_values=True) for t, y in zip(graph.outputs, outputs, strict=True)
        ),
        layers=layers,
    )


def _layers(deployment: Deployment, counts: _Counts) -> tuple[LayerMeasurement, ...]:
    graph = deployment.model.graph
    live = deployment.plan.live_bytes
    return tuple(
        LayerMeasurement(
            index=layer.index,
            name=layer.name,
            op=layer.op,
            shape=layer.shape,
            macs=layer.macs,
            output_bytes=sum(t.nbytes for t in graph.nodes[layer.index].outputs),
            weights_bytes=layer.weights_bytes,
            live_bytes=live.get(layer.index),
            count=None if counts.counter is None else counts.by_layer.get(layer.index, 0),
        )
        for layer in summarize(graph).layers
    )


def _tensor(tensor: Tensor, values: AnyArray, *, with_values: bool) -> TensorMeasurement:
    quantized = tensor.quantization is not None
    return TensorMeasurement(
        name=tensor.name,
        shape=tensor.shape,
        dtype=tensor.dtype.value,
        scale=tensor.scale if quantized else None,
        zero_point=tensor.zero_point if quantized else None,
        crc32=zlib.crc32(np.ascontiguousarray(values).tobytes()),
        values=tuple(values.reshape(-1).tolist()) if with_values else None,
    )


def _reference_name() -> str:
    return f"tflite-micro {importlib.metadata.version('tflite-micro')}"


def _same_bits(a: AnyArray, b: AnyArray) -> bool:
    return np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes()


@dataclass(frozen=True, eq=False)
class _Shown:
    """An output of a node of the plan, as the board shows it: columns of that of a layer.

    Attributes:
        layer: of the model.
        whole: the layer's output.
        part: what the node makes of it, from ``column`` on.
    """

    layer: Node
    whole: Tensor
    part: Tensor
    column: int

    @staticmethod
    def of(planned: PlannedGraph, graph: Graph, node: int, output: int, blocks: int = 1) -> _Shown:
        """Output ``output`` of a node of ``planned``, which a plan of ``graph`` is about.

        Args:
            blocks: into how many the node cuts rows, and shows them.
        """
        place = planned.parts[node]
        layer = graph.nodes[place.layer]
        part = in_blocks(planned.graph.nodes[node], blocks).outputs[output]
        return _Shown(layer, layer.outputs[output], part, place.column)

    def rows(self, reference: Reference, y_start: int, y_stop: int) -> bytes:
        """What rows [y_start, y_stop) have to be."""
        data = np.ascontiguousarray(reference.tensors[self.whole.index]).view(np.uint8)
        rows = data.reshape(self.whole.height, self.whole.row_bytes)
        first = self.column * self.pixel_bytes
        columns = rows[:, first : first + self.part.nbytes // self.whole.height]
        return columns.reshape(self.part.height, self.part.row_bytes)[y_start:y_stop].tobytes()

    @property
    def pixel_bytes(self) -> int:
        return self.whole.channels * self.whole.dtype.nbytes


def _shown(deployment: Deployment) -> Callable[[int, int], _Shown]:
    """What an output of a node is, by the numbers of both."""
    graph = deployment.model.graph
    plan = deployment.plan
    planned = planned_graph(graph, plan)
    return lambda node, output: _Shown.of(planned, graph, node, output, plan.blocks.get(node, 1))


def _differing(
    deployment: Deployment, checksums: Sequence[RowsChecksum], reference: Reference
) -> list[RowsChecksum]:
    """The rows that are not the reference's, in the order in which they were made."""
    shown = _shown(deployment)

    def expected(rows: RowsChecksum) -> int:
        output = shown(rows.layer, rows.output)
        return zlib.crc32(output.rows(reference, rows.y_start, rows.y_stop))

    return [rows for rows in checksums if rows.crc != expected(rows)]


def _require_all_rows(deployment: Deployment, checksums: Sequence[RowsChecksum]) -> None:
    """Raises where some rows were never shown: what was not seen has not been compared."""
    shown = _shown(deployment)
    for node in planned_graph(deployment.model.graph, deployment.plan).graph.nodes:
        if operator_of(node).is_alias(node):
            continue
        for k in range(len(node.outputs)):
            tensor = shown(node.index, k).part
            seen = {
                y
                for rows in checksums
                if (rows.layer, rows.output) == (node.index, k)
                for y in range(rows.y_start, rows.y_stop)
            }
            if seen != set(range(tensor.height)):
                layer = deployment.plan.layer_of(node.index)
                raise OutputsDifferError(
                    f"layer {layer} {node.op} showed {len(seen)} of its {tensor.height} rows",
                    "this is a bug of tinyaiot: the generated code must show every row",
                )


def _raise_difference(deployment: Deployment, device: Device, reference: Reference) -> None:
    """Finds where the board leaves the reference, and raises OutputsDifferError."""
    graph = deployment.model.graph
    differing = _differing(deployment, device.validate(), reference)
    if not differing:
        raise OutputsDifferError(
            f"the outputs of {graph.name} on {deployment.board.id} are not TFLM's, though those "
            "of every layer are",
            "an output was overwritten after its layer, or the runs differ: check the plan",
        )
    shown = _shown(deployment)
    first = differing[0]
    output = shown(first.layer, first.output)
    where = _first_element(output, reference, device.dump(first.layer, first.output))
    names = dict.fromkeys(_label(shown(rows.layer, rows.output).layer) for rows in differing)
    raise OutputsDifferError(
        f"{_label(output.layer)} on {deployment.board.id} is not TFLM's: {where}",
        "the layers before it are exact; if the model is unchanged, this is a bug of tinyaiot",
        (f"layers that differ: {', '.join(names)}",),
    )


def _label(node: Node) -> str:
    return f"layer {node.index} {node.op}"


def _first_element(output: _Shown, reference: Reference, rows: Mapping[int, bytes]) -> str:
    """The first element of the dumped rows that is not as expected, in words."""
    tensor = output.whole
    dtype = tensor.dtype.numpy
    for y in sorted(rows):
        wanted = np.frombuffer(output.rows(reference, y, y + 1), dtype)
        found = np.frombuffer(rows[y], dtype)
        wrong = np.flatnonzero(
            wanted.view(np.uint8).reshape(len(wanted), -1)
            != found.view(np.uint8).reshape(len(wanted), -1)
        )
        if len(wrong):
            k = int(wrong[0]) // dtype.itemsize
            row, block = divmod(y, output.part.height // tensor.height)
            column = output.column + block * output.part.width
            flat = (row * tensor.width + column) * tensor.channels + k
            index = tuple(int(i) for i in np.unravel_index(flat, tensor.shape or (1,)))
            return f"element {list(index)} of {tensor.name!r} is {found[k]}, not {wanted[k]}"
    return "but not in a second run: the board computes something else each time"
