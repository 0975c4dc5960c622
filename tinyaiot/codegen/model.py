"""Plan → C: the files of one model, byte for byte the same for the same input.

The generated C is data and calls. What each call does is hand-written in ``firmware``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyaiot.codegen.arrays import share_arrays
from tinyaiot.codegen.program import RowProgram, WholeLayer, split_steps
from tinyaiot.codegen.templates import render
from tinyaiot.cores import Core
from tinyaiot.csource import Array, Call, Lowered, Ref, Role, Value, c_type, format_value
from tinyaiot.graph import DType, Graph, Node, Tensor
from tinyaiot.operators import operator_of
from tinyaiot.operators.blocks import in_blocks, joint_bytes, reads_blocks
from tinyaiot.paths import data_dir
from tinyaiot.plan import Plan, Slot
from tinyaiot.planner.liveness import activations
from tinyaiot.planner.patches import planned_graph

_ARENA_ALIGNMENT = 8
_INCLUDE = re.compile(r'^#include "(\w+\.h)"', re.MULTILINE)
_VALUES_A_LINE = {1: 24, 2: 16, 4: 10}


@dataclass(frozen=True)
class ModelSources:
    """The C of one model.

    Attributes:
        name: prefix of every C identifier of the model.
        files: contents by path within the project (``model/…`` and ``kernels/…``).
        image_id: hash of all of them, which the firmware tells the host.
        arrays: names of the constant arrays in flash, by role.
        inlaid: bytes that lie in arrays of other roles, less those of others in its own, by role.
        arenas: name of the arena's array, by memory.
        is_fed: whether the rows of its inputs arrive during an inference.
    """

    name: str
    files: Mapping[str, bytes]
    image_id: str
    arrays: Mapping[Role, tuple[str, ...]]
    arenas: Mapping[str, str]
    is_fed: bool = False
    inlaid: Mapping[Role, int] = field(default_factory=dict)

    @property
    def c_sources(self) -> tuple[str, ...]:
        """Paths of the files to compile, in alphabetical order."""
        return tuple(sorted(path for path in self.files if path.endswith(".c")))


@dataclass(frozen=True, eq=False)
class LoweredModel:
    """The nodes of a model as data and calls, and the order of the calls.

    Attributes:
        nodes: by index.
        arrays: all constant arrays, those that nodes share included.
        parts: what the run function goes through.
        is_folded: whether programs have turns that repeat written once.
    """

    nodes: Mapping[int, Lowered]
    arrays: tuple[Array, ...]
    parts: tuple[WholeLayer | RowProgram, ...]
    is_folded: bool


def lower_model(graph: Graph, plan: Plan, core: Core, name: str) -> LoweredModel:
    """What ``model_sources`` prints."""
    return _ModelWriter(graph, plan, core, c_identifier(name)).lower()


def model_sources(graph: Graph, plan: Plan, core: Core, name: str) -> ModelSources:
    """Lowers every node of ``graph`` under ``plan`` and prints the model's C files.

    Args:
        name: the model's name; made a C identifier.
    """
    return _ModelWriter(graph, plan, core, c_identifier(name)).write()


def filled_arrays(filled: Mapping[int, int], name: str = "") -> list[Array]:
    """Rows of constant bytes, which nodes share.

    Args:
        filled: how many bytes, by their value.
    """
    return [
        Array(_filled_name(name, value), np.full(nbytes, value, np.int8), Role.TABLE)
        for value, nbytes in sorted(filled.items())
    ]


def _filled_name(name: str, value: int) -> str:
    return f"{name}_filled_{'m' if value < 0 else ''}{abs(value)}"


def c_identifier(name: str) -> str:
    """``name`` in lower case with everything that C refuses replaced by underscores."""
    cleaned = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "model"
    return f"m{cleaned}" if cleaned[0].isdigit() else cleaned


@dataclass(frozen=True, eq=False)
class _Context:
    """A node's view of the plan; see :class:`tinyaiot.operators.base.LowerContext`."""

    writer: _ModelWriter
    node: Node

    @property
    def core(self) -> Core:
        return self.writer.plan.core_of(self.node.index, self.writer.core)

    @property
    def blocks(self) -> int:
        return 1 if reads_blocks(self.node) else self.writer.blocks(self.node.index)

    @property
    def is_streamed(self) -> bool:
        return self.node.index in self.writer.streamed

    @property
    def prefix(self) -> str:
        return self.writer.node_prefix(self.node)

    def source(self, tensor: Tensor) -> Value:
        if tensor.is_constant:
            return self.writer.constant_rows(tensor)
        if self.writer.ends_amid_rows(tensor):
            return self.writer.ring_of_blocks(tensor)
        return self.writer.planned_rows(tensor)

    def sink(self, tensor: Tensor) -> Value:
        return self.writer.planned_rows(tensor)

    def lies_whole(self, tensor: Tensor) -> bool:
        if tensor.is_constant:
            return True
        slot = self.writer.slot(tensor)
        return (slot.ring_rows, slot.pitch_bytes) == (tensor.height, tensor.row_bytes)

    def lie_apart(self, a: Tensor, b: Tensor) -> bool:
        if a.is_constant or b.is_constant:
            return True
        first, second = (self.writer.plan.slots[tensor.index] for tensor in (a, b))
        return not first.overlaps(second)

    def scratch(self) -> Value:
        scratch = self.writer.plan.scratch.get(self.node.index)
        if scratch is None:
            return Ref("NULL")
        return self.writer.address(scratch.memory, scratch.offset_bytes)

    def joint(self, tensor: Tensor) -> Value | None:
        if not self.writer.ends_amid_rows(tensor):
            return None
        scratch = self.writer.plan.scratch[self.node.index]
        whole = self.writer.graph.nodes[self.node.index]
        behind = scratch.size_bytes - joint_bytes(whole, self.blocks)
        return self.writer.address(scratch.memory, scratch.offset_bytes + behind)

    def sums(self) -> Value:
        sums = self.writer.plan.sums[self.node.index]
        address = self.writer.address(sums.memory, sums.offset_bytes)
        return Ref(f"(int32_t *)(void *)({address.text})")

    def filled_row(self, value: int, nbytes: int) -> Value:
        return self.writer.filled_row(value, nbytes)


class _ModelWriter:
    """Collects what the nodes need while they are lowered, then prints it."""

    def __init__(self, graph: Graph, plan: Plan, core: Core, name: str) -> None:
        self.model = graph
        planned = planned_graph(graph, plan)
        self.graph = planned.graph
        self._input_parts = planned.inputs
        self.plan = plan
        self.core = core
        self.name = name
        programs = (part for part in self._parts() if isinstance(part, RowProgram))
        self.streamed = {node for part in programs for node in part.nodes}
        self._activations = {tensor.index: tensor for tensor in activations(self.graph)}
        self._constants: dict[str, Array] = {}
        self._filled: dict[int, int] = {}

    def node_prefix(self, node: Node) -> str:
        return f"{self.name}_l{_number(node.index)}"

    def address(self, memory: str, offset_bytes: int) -> Ref:
        return Ref(f"{self._arena(memory)} + {offset_bytes}")

    def planned_rows(self, tensor: Tensor) -> Value:
        slot = self.slot(tensor)
        data = self.address(slot.memory, slot.offset_bytes)
        return _rows(data, slot.pitch_bytes, slot.ring_rows, tensor)

    def slot(self, tensor: Tensor) -> Slot:
        """Where a tensor lies, seen in its rows, which may be blocks of those in the graph."""
        uncut = self._activations[tensor.index]
        blocks = tensor.height // uncut.height
        return self.plan.slots[tensor.index].cut(blocks, uncut.row_bytes)

    def ends_amid_rows(self, tensor: Tensor) -> bool:
        """Whether a tensor of the graph lies in a ring of blocks of its rows."""
        uncut = self._activations.get(tensor.index)
        return uncut is tensor and self.plan.slots[tensor.index].blocks > 1

    def ring_of_blocks(self, tensor: Tensor) -> Value:
        """The rows of such a tensor: pitch and ring are of blocks."""
        slot = self.plan.slots[tensor.index]
        data = self.address(slot.memory, slot.offset_bytes)
        return _rows(data, slot.pitch_bytes, slot.ring_rows, tensor)

    def blocks(self, node: int) -> int:
        """Into how many blocks of columns a node cuts rows."""
        return self.plan.blocks.get(node, 1)

    def constant_rows(self, tensor: Tensor) -> Value:
        if tensor.data is None:
            raise ValueError(f"tensor {tensor.name!r} is not a constant")
        name = f"{self.name}_t{tensor.index:02d}"
        values = _bytes_or_wider(tensor.data, tensor.dtype)
        self._constants[name] = Array(name, values, Role.WEIGHTS, tensor.dtype.nbytes)
        return _rows(_as_int8_pointer(name, values), tensor.row_bytes, tensor.height, tensor)

    def filled_row(self, value: int, nbytes: int) -> Ref:
        self._filled[value] = max(self._filled.get(value, 0), nbytes)
        return Ref(_filled_name(self.name, value))

    def lower(self) -> LoweredModel:
        lowered = {node.index: self._lower(node) for node in self.graph.nodes}
        arrays = [*self._constants.values(), *filled_arrays(self._filled, self.name)]
        lowered, further = share_arrays(lowered)
        arrays += further
        return LoweredModel(lowered, tuple(arrays), self._parts(), self._is_folded)

    @property
    def _is_folded(self) -> bool:
        """Whether programs are folded: those of blocks are long."""
        return bool(self.plan.blocks)

    def write(self) -> ModelSources:
        model = self.lower()
        lowered, arrays = model.nodes, list(model.arrays)
        context = self._template_context(lowered, arrays)
        kernels = _kernel_files(lowered.values())
        image_id = _image_id({**self._model_files({**context, "image_id": ""}), **kernels})
        return ModelSources(
            name=self.name,
            files={**self._model_files({**context, "image_id": image_id}), **kernels},
            image_id=image_id,
            arrays={role: tuple(sorted(a.name for a in arrays if a.role is role)) for role in Role},
            arenas={memory: self._arena(memory) for memory in self.plan.arena_bytes},
            is_fed=self.plan.is_fed,
            inlaid={role: _inlaid(arrays, role) for role in Role},
        )

    def _lower(self, node: Node) -> Lowered:
        node = in_blocks(node, self.blocks(node.index))
        operator, context = operator_of(node), _Context(self, node)
        if node.index in self.plan.sums:
            return operator.lower_sums(node, context)
        return operator.lower(node, context)

    def _arena(self, memory: str) -> str:
        return f"{self.name}_arena_{memory}"

    def _model_files(self, context: Mapping[str, Any]) -> dict[str, bytes]:
        templates = {
            f"model/{self.name}.h": "model.h.j2",
            f"model/{self.name}.c": "model.c.j2",
            f"model/{self.name}_data.h": "model_data.h.j2",
            f"model/{self.name}_data.c": "model_data.c.j2",
        }
        return {path: render(template, context) for path, template in templates.items()}

    def _template_context(
        self, lowered: Mapping[int, Lowered], arrays: list[Array]
    ) -> dict[str, Any]:
        return {
            "name": self.name,
            "NAME": self.name.upper(),
            "plan": self.plan,
            "arenas": [
                {"memory": memory, "symbol": self._arena(memory), "bytes": nbytes}
                for memory, nbytes in self.plan.arena_bytes.items()
            ],
            "arena_alignment": _ARENA_ALIGNMENT,
            "inputs": [
                self._end(k, tensor, is_fed=self.plan.is_fed)
                for k, tensor in enumerate(self.model.inputs)
            ],
            "outputs": [
                self._end(k, tensor, is_fed=False) for k, tensor in enumerate(self.model.outputs)
            ],
            "headers": _headers(lowered.values()),
            "structs": [
                {
                    "type": call.struct_type,
                    "name": self._struct_name(node, call),
                    "fields": [(k, format_value(v)) for k, v in call.fields.items()],
                }
                for node in self.graph.nodes
                for call in lowered[node.index].calls
            ],
            "layers": self._layers(lowered),
            "fed_inputs": self._fed_inputs(),
            "parts": [self._part(k, part) for k, part in enumerate(self._parts())],
            "pushed_rows": sum(
                step.y_stop - step.y_start for step in self.plan.steps if step.node < 0
            ),
            "most_layers": max((len(_nodes_of(part)) for part in self._parts()), default=0),
            "layer_count": len(self.graph.nodes),
            "arrays": [
                _printable(array, self.plan.copies_parameters and array.role.is_parameter)
                for array in sorted(arrays, key=lambda a: a.name)
            ],
        }

    def _struct_name(self, node: Node, call: Call) -> str:
        return self.node_prefix(node) + (f"_{call.suffix}" if call.suffix else "")

    def _layers(self, lowered: Mapping[int, Lowered]) -> list[dict[str, Any]]:
        """The nodes that compute, each a function of its own."""
        layers: list[dict[str, Any]] = []
        completion = 0
        for node in self.graph.nodes:
            calls = lowered[node.index].calls
            if calls:
                layers.append(self._layer(node, calls, completion))
                completion += sum(call.final for call in calls)
        return layers

    def _layer(self, node: Node, lowered_calls: Sequence[Call], completion: int) -> dict[str, Any]:
        """A node's own function, which makes any of its rows.

        Args:
            completion: the first that it tells the observer of.
        """
        calls = []
        node = in_blocks(node, self.blocks(node.index))
        for call in lowered_calls:
            output = node.outputs[call.output]
            # Outputs of other heights than the first's are only ever made whole.
            streamed = output.height == node.output.height
            y_start, y_stop = ("y_start", "y_stop") if streamed else ("0", str(output.height))
            if call.inlined:
                y_stop = "y_start + 1"
            calls.append(
                {
                    "function": call.function,
                    "struct": self._struct_name(node, call),
                    "arguments": "".join(f"{format_value(value)}, " for value in call.arguments),
                    "rows": y_start if call.inlined else f"{y_start}, {y_stop}",
                    "y_start": y_start,
                    "y_stop": y_stop,
                    "output": call.output,
                    "row_bytes": output.row_bytes,
                    "final": call.final,
                    "completion": completion,
                }
            )
            completion += call.final
        return {
            "index": node.index,
            "function": self._function(node.index),
            "op": node.op,
            "calls": calls,
            "makes_one_row": all(call.inlined for call in lowered_calls),
            "last_row": self._height(node.index) if node.index in self.plan.sums else None,
        }

    def _parts(self) -> tuple[WholeLayer | RowProgram, ...]:
        return split_steps(self.plan.steps, self._height)

    def _height(self, node: int) -> int:
        """Rows that a node's steps count, or that an input has."""
        if node < 0:
            return self.graph.inputs[-1 - node].height
        cut = in_blocks(self.graph.nodes[node], self.blocks(node))
        return (cut.input(0) if node in self.plan.sums else cut.output).height

    def _function(self, node: int) -> str:
        """What makes rows of a node of the plan's steps, or lets rows of an input arrive."""
        if node < 0:
            return f"{self.name}_input_rows_{_number(-1 - node)}"
        return f"{self.name}_layer_{_number(node)}"

    def _fed_inputs(self) -> list[dict[str, Any]]:
        arriving = {step.node for step in self.plan.steps}
        return [
            {
                "index": part.input,
                "number": _number(k),
                "rows": format_value(self.planned_rows(tensor)),
                "first_byte": part.column * tensor.row_bytes // tensor.width,
                "row_bytes": tensor.row_bytes,
            }
            for k, (tensor, part) in enumerate(
                zip(self.graph.inputs, self._input_parts, strict=True)
            )
            if -1 - k in arriving
        ]

    def _part(self, k: int, part: WholeLayer | RowProgram) -> dict[str, Any]:
        arriving = sorted({-1 - step.node for step in self.plan.steps if step.node < 0})
        nodes = _nodes_of(part)
        names = {
            "name": f"{self.name}_program_{_number(k)}",
            "arrivals": [arriving.index(-1 - node) if node < 0 else -1 for node in nodes],
        }
        if isinstance(part, WholeLayer):
            height = self._height(part.node)
            return {**names, "function": self._function(nodes[0]), "height": height, "program": []}
        return {
            **names,
            "layers": [self._function(node) for node in part.nodes],
            "run": "ta_run_folded" if self._is_folded else "ta_run_program",
            "program": _lines([str(e) for e in self._entries(part)], 1),
        }

    def _entries(self, part: RowProgram) -> tuple[int, ...]:
        return part.folded() if self._is_folded else part.entries

    def _end(self, k: int, tensor: Tensor, *, is_fed: bool) -> dict[str, Any]:
        """An input or output of the model, as the templates print it."""
        quantized = tensor.quantization is not None
        return {
            "index": k,
            "tensor": tensor.name.replace("*/", "* /"),
            "shape": "".join(f"[{axis}]" for axis in tensor.shape),
            "bytes": tensor.nbytes,
            "elements": tensor.size,
            "c_type": c_type(tensor.dtype.numpy),
            "dtype": f"TA_{tensor.dtype.name}",
            "is_fed": is_fed,
            "rows": tensor.height,
            "row_bytes": tensor.row_bytes,
            "address": "" if is_fed else format_value(self._end_address(tensor)),
            "scale": format_value(tensor.scale if quantized else 0.0),
            "zero_point": tensor.zero_point if quantized else 0,
            "is_quantized": quantized and tensor.dtype in (DType.INT8, DType.UINT8),
            "lowest": 0 if tensor.dtype is DType.UINT8 else -128,
            "highest": 255 if tensor.dtype is DType.UINT8 else 127,
        }

    def _end_address(self, tensor: Tensor) -> Ref:
        slot = self.plan.slots[tensor.index]
        if slot.ring_rows != tensor.height or slot.pitch_bytes != tensor.row_bytes:
            raise ValueError(f"{tensor.name!r} is an input or output and must lie whole")
        return self.address(slot.memory, slot.offset_bytes)


def _nodes_of(part: WholeLayer | RowProgram) -> tuple[int, ...]:
    return (part.node,) if isinstance(part, WholeLayer) else part.nodes


def _rows(data: Value, pitch_bytes: int, ring_rows: int, tensor: Tensor) -> Value:
    return {"data": data, "pitch": pitch_bytes, "ring": ring_rows, "height": tensor.height}


def _bytes_or_wider(data: npt.NDArray[Any], dtype: DType) -> npt.NDArray[Any]:
    # Row pointers are int8_t *; wider elements keep their type for the compiler's alignment.
    return data.view(np.int8) if dtype in (DType.UINT8, DType.BOOL) else data


def _as_int8_pointer(name: str, values: npt.NDArray[Any]) -> Ref:
    return Ref(name if values.dtype == np.int8 else f"(const int8_t *){name}")


def _printable(array: Array, is_copied: bool) -> dict[str, Any]:
    """With ``const``, unless it is to lie in RAM: start-up copies what may be written."""
    values = array.data.reshape(-1)
    texts = [format_value(v) for v in values.tolist()] if values.dtype.kind == "f" else None
    if texts is None:
        suffix = "u" if values.dtype == np.uint32 else ""
        texts = [f"{v}{suffix}" for v in values.tolist()]
        texts = ["(-2147483647 - 1)" if t == "-2147483648" else t for t in texts]
    return {
        "name": array.name,
        "qualifier": "" if is_copied else "const ",
        "type": c_type(values.dtype),
        "size": len(values),
        "alignment": array.alignment,
        "lines": _lines(texts, values.dtype.itemsize),
    }


def _lines(texts: Sequence[str], nbytes: int) -> list[str]:
    """Values of ``nbytes`` each, as many a line as fit."""
    width = _VALUES_A_LINE[nbytes]
    return [", ".join(texts[i : i + width]) for i in range(0, len(texts), width)]


def _number(index: int) -> str:
    return f"{index:02d}"


def _inlaid(arrays: Iterable[Array], role: Role) -> int:
    """Bytes of ``role`` in arrays of another, less those of others in its own."""
    return sum(
        -sum(array.inlaid.values()) if array.role is role else array.inlaid.get(role, 0)
        for array in arrays
    )


def _headers(lowered: Iterable[Lowered]) -> list[str]:
    """Headers that the operators' folders in use are named after, and those of inlined drivers, in
    alphabetical order."""
    lowered = tuple(lowered)
    headers = {path for path in _operator_files(lowered) if path.suffix == ".h"}
    named = {path.name for path in headers if path.stem == f"ta_{path.parent.name}"}
    return sorted(named | _inlined_headers(lowered))


def _inlined_headers(lowered: Iterable[Lowered]) -> set[str]:
    return {call.inlined for part in lowered for call in part.calls if call.inlined}


def _operator_files(lowered: Iterable[Lowered]) -> set[Path]:
    root = data_dir("firmware") / "operators"
    sources = {source for part in lowered for source in part.sources}
    folders = {PurePosixPath(source).parent for source in sources}
    headers = {header for folder in folders for header in (root / folder).glob("*.h")}
    return headers | {root / source for source in sources}


def _with_included(files: set[Path], included: Iterable[str]) -> set[Path]:
    """The files and what their C includes from the folders of other operators.

    Args:
        included: headers that the model includes as well.
    """
    headers = {path.name: path for path in (data_dir("firmware") / "operators").rglob("*.h")}
    found: set[Path] = set()
    pending = {path for path in files if path.suffix == ".c"} | {headers[name] for name in included}
    while pending:
        path = pending.pop()
        found.add(path)
        names = _INCLUDE.findall(path.read_text(encoding="utf-8"))
        pending |= {headers[name] for name in names if name in headers} - found
    return files | found


def _kernel_files(lowered: Iterable[Lowered]) -> dict[str, bytes]:
    """The kernels that the model uses, and no others, beside the headers that all share."""
    lowered = tuple(lowered)
    shared = set((data_dir("firmware") / "include").glob("*.h"))
    paths = shared | _with_included(_operator_files(lowered), _inlined_headers(lowered))
    return {f"kernels/{path.name}": path.read_bytes() for path in sorted(paths)}


def _image_id(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for path, content in sorted(files.items()):
        digest.update(f"{path}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]
