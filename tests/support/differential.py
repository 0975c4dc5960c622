"""TFLM = numpy meaning = generated C, for every tensor of a model.

The C is compiled for the host with AddressSanitizer and UndefinedBehaviorSanitizer; any
report of theirs fails the check.
"""

from __future__ import annotations

import functools
import hashlib
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyaiot import oracle
from tinyaiot.codegen.model import ModelSources, model_sources
from tinyaiot.cores import core_by_id
from tinyaiot.frontends import tflite
from tinyaiot.graph import Graph, Tensor
from tinyaiot.operators import operator_of
from tinyaiot.operators.blocks import in_blocks
from tinyaiot.plan import Memory, Plan
from tinyaiot.planner import plan_model
from tinyaiot.planner.patches import planned_graph

AnyArray = npt.NDArray[Any]

HOST = core_by_id("host")
_AMPLE = (Memory("ram", 1 << 28),)
_PLAIN = ("-std=c99", "-O1", "-g", "-DTA_CHECKED", "-Wall", "-Wextra", "-Wconversion", "-Werror")
_FLAGS = (*_PLAIN, "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def check(model: bytes, inputs: Sequence[AnyArray], plan: Plan | None = None) -> Graph:
    """Asserts that TFLM, ``evaluate`` and the generated C agree on every tensor of ``model``.

    Args:
        plan: the plan to generate; by default the planner's.
    """
    graph = tflite.read(model, "m")
    reference = oracle.run(model, graph, inputs)
    check_numpy(graph, reference)
    check_c(graph, reference, inputs, plan or plan_model(graph, HOST, _AMPLE))
    return graph


def check_numpy(graph: Graph, reference: oracle.Reference) -> None:
    """Asserts that each node's ``evaluate`` makes TFLM's outputs from TFLM's inputs."""
    for node in graph.nodes:
        operands = [
            None if t is None else t.data if t.is_constant else reference.tensors[t.index]
            for t in node.inputs
        ]
        results = operator_of(node).evaluate(node, operands)
        for tensor, result in zip(node.outputs, results, strict=True):
            assert result.dtype == tensor.dtype.numpy, f"{node.op}: {result.dtype}"
            _assert_equal(reference.tensors[tensor.index], result, f"numpy {node.op} {node.index}")


def check_c(
    graph: Graph,
    reference: oracle.Reference,
    inputs: Sequence[AnyArray],
    plan: Plan,
    program: str = "run_model.c",
) -> None:
    """Asserts that the C of ``plan`` makes TFLM's tensors, layer by layer and at the end.

    Args:
        program: what runs it; push_model.c for one that rows are pushed to.
    """
    check_records(graph, reference, plan, run_c(graph, plan, inputs, program))


# (node, output, y_start, y_stop, bytes); nodes are those of the plan, node -1 stands for the
# model's outputs.
Record = tuple[int, int, int, int, AnyArray]


def check_records(
    graph: Graph, reference: oracle.Reference, plan: Plan, records: Iterable[Record]
) -> None:
    """Asserts that what a program told are TFLM's tensors, all of them."""
    seen: dict[int, int] = {}
    planned = planned_graph(graph, plan)
    for k, output, y_start, y_stop, rows in records:
        if k < 0:
            _assert_equal(_bytes(reference.outputs[output]), rows, f"C output {output}")
            continue
        node, part = in_blocks(planned.graph.nodes[k], plan.blocks.get(k, 1)), planned.parts[k]
        tensor = node.outputs[output]
        whole = graph.nodes[part.layer].outputs[output]
        expected = part_rows(reference.tensors[whole.index], whole, tensor, part.column)
        _assert_equal(
            expected[y_start:y_stop].reshape(-1),
            rows,
            f"C {node.op} {k} output {output} rows {y_start}:{y_stop}",
        )
        seen[tensor.index] = seen.get(tensor.index, 0) + y_stop - y_start
    for node in planned.graph.nodes:
        if not operator_of(node).is_alias(node):
            for tensor in in_blocks(node, plan.blocks.get(node.index, 1)).outputs:
                assert seen.get(tensor.index) == tensor.height, f"{node.op} {node.index}: rows"


def run_c(
    graph: Graph, plan: Plan, inputs: Sequence[AnyArray], program: str = "run_model.c"
) -> Iterator[Record]:
    """Compiles and runs the model; yields what ``program`` tells."""
    sources = model_sources(graph, plan, HOST, "m")
    with tempfile.TemporaryDirectory() as folder:
        executable = _compile(sources, Path(folder), program)
        yield from records_of(executable, graph, inputs)


def records_of(executable: Path, graph: Graph, inputs: Sequence[AnyArray]) -> Iterator[Record]:
    """What the program of a model tells of an inference."""
    run = subprocess.run(
        [executable, *(str(tensor.row_bytes) for tensor in graph.inputs)],
        input=b"".join(_bytes(np.asarray(x)).tobytes() for x in inputs),
        capture_output=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr.decode(errors="replace")
    position = 0
    while position < len(run.stdout):
        layer, output, y_start, y_stop, row_bytes = struct.unpack_from("<5i", run.stdout, position)
        position += 20
        size = (y_stop - y_start) * row_bytes
        rows = np.frombuffer(run.stdout, np.uint8, size, position)
        position += size
        yield layer, output, y_start, y_stop, rows


def compile_c(program: Path, target: Path, *includes: Path, only_object: bool = False) -> Path:
    """Compiles one C file under the sanitizers; returns ``target``, an executable or object."""
    stage = ["-c"] if only_object else []
    folders = (f"-I{folder}" for folder in includes)
    _run_compiler(*_FLAGS, *folders, *stage, program, "-o", target)
    return target


def _compile(sources: ModelSources, folder: Path, program: str) -> Path:
    kernels = write_sources(sources, folder)
    models = [folder / path for path in sources.c_sources if path.startswith("model/")]
    return link(kernels, [*models, Path(__file__).with_name(program)], folder)


def write_sources(sources: ModelSources, folder: Path) -> list[Path]:
    """Writes the C of a model; returns the kernels."""
    for path, content in sources.files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return [folder / path for path in sources.c_sources if path.startswith("kernels/")]


def link(
    kernels: Iterable[Path],
    rest: Iterable[Path],
    folder: Path,
    sanitized: bool = True,
    includes: Iterable[Path] = (),
) -> Path:
    """The program of a model's C in ``folder`` and what else it needs."""
    flags = _FLAGS if sanitized else _PLAIN
    objects = [_kernel_object(path, flags) for path in kernels]
    executable = folder / "run"
    folders = (folder / "kernels", folder / "model", *includes)
    options = (f"-I{path}" for path in folders)
    _run_compiler(*flags, *options, *rest, *objects, "-o", executable)
    return executable


@functools.cache
def _object_cache() -> Path:
    return Path(tempfile.mkdtemp(prefix="tinyaiot-objects-"))


def _kernel_object(source: Path, flags: Sequence[str]) -> Path:
    """The kernel's object file, compiled once for the same text of it and of all headers."""
    kernels = source.parent
    digest = hashlib.sha256(repr(flags).encode() + source.read_bytes())
    for header in sorted(kernels.glob("*.h")):
        digest.update(header.read_bytes())
    target = _object_cache() / f"{digest.hexdigest()}.o"
    if not target.exists():
        _run_compiler(*flags, f"-I{kernels}", "-c", source, "-o", target)
    return target


def assembly(source: Path, folder: Path) -> str:
    """Of one C file of a model in ``folder``."""
    target = source.with_suffix(".s")
    includes = [f"-I{folder / name}" for name in ("kernels", "model")]
    _run_compiler(*_PLAIN, "-g0", *includes, "-S", source, "-o", target)
    return target.read_text(encoding="ascii")


def _run_compiler(*arguments: object) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    assert compiler is not None, "no C compiler on PATH"
    run = subprocess.run([compiler, *map(str, arguments)], capture_output=True, check=False)
    assert run.returncode == 0, run.stderr.decode(errors="replace")


def _bytes(values: AnyArray) -> AnyArray:
    return np.ascontiguousarray(values).view(np.uint8).reshape(-1)


def part_rows(values: AnyArray, whole: Tensor, part: Tensor, column: int) -> AnyArray:
    """Bytes of the columns of ``whole`` that ``part`` is, from ``column`` on: [height, row bytes],
    where a row of ``part`` may be a block of one of ``whole``.

    Args:
        values: of the whole.
    """
    first = column * whole.row_bytes // whole.width
    rows = _bytes(values).reshape(whole.height, whole.row_bytes)
    columns = rows[:, first : first + part.nbytes // whole.height]
    return columns.reshape(part.height, part.row_bytes)


def _assert_equal(expected: AnyArray, actual: AnyArray, where: str) -> None:
    assert expected.shape == actual.shape, f"{where}: {actual.shape} instead of {expected.shape}"
    wrong = np.flatnonzero(expected.reshape(-1) != actual.reshape(-1))
    assert not len(wrong), (
        f"{where}: {len(wrong)} of {expected.size} differ, the first at {wrong[0]}: "
        f"{actual.reshape(-1)[wrong[0]]} instead of {expected.reshape(-1)[wrong[0]]}"
    )
