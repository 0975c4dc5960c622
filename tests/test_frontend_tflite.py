"""Reading .tflite: facts as TFLM has them, every violation told, and no file that crashes it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from tflite_micro.python.tflite_micro import runtime
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.support import graphs
from tests.support.builder import ModelBuilder
from tests.support.real_models import each_real_model
from tinyaiot import frontends
from tinyaiot.errors import UnreadableModelError, UnsupportedModelError
from tinyaiot.frontends import tflite
from tinyaiot.graph import DType, Graph, Tensor
from tinyaiot.operators import operator_of, operators
from tinyaiot.operators.unsupported import REMEDIES

Edit = Callable[[Any], None]


def small_model() -> bytes:
    """A convolution, a depthwise one, an ADD of both, a pool and a FULLY_CONNECTED."""
    b = ModelBuilder("m")
    rng = np.random.default_rng(7)
    x = b.input((1, 6, 5, 2), 0.05, 3)
    filters = b.constant(rng.integers(-127, 128, (4, 3, 3, 2)).astype(np.int8), [0.01] * 4)
    bias = b.constant(rng.integers(-99, 99, 4).astype(np.int32), [0.0005] * 4)
    conv = b.tensor((1, 6, 5, 4), 0.06, -5)
    window = {"padding": 0, "strideH": 1, "strideW": 1}
    b.op("CONV_2D", [x, filters, bias], [conv], **window)
    taps = b.constant(rng.integers(-127, 128, (1, 3, 3, 4)).astype(np.int8), [0.02] * 4, axis=3)
    depthwise = b.tensor((1, 6, 5, 4), 0.07, 9)
    b.op("DEPTHWISE_CONV_2D", [conv, taps, bias], [depthwise], depthMultiplier=1, **window)
    total = b.tensor((1, 6, 5, 4), 0.1, 0)
    b.op("ADD", [conv, depthwise], [total], fusedActivationFunction=1)
    pooled = b.tensor((1, 3, 2, 4), 0.1, 0)
    pool = {"padding": 1, "strideH": 2, "strideW": 2, "filterHeight": 2, "filterWidth": 2}
    b.op("MAX_POOL_2D", [total], [pooled], **pool)
    weights = b.constant(rng.integers(-127, 128, (3, 24)).astype(np.int8), [0.03])
    y = b.tensor((1, 3), 0.2, 1)
    b.op("FULLY_CONNECTED", [pooled, weights, -1], [y])
    return b.build([y])


SMALL = small_model()


def edited(edit: Edit, data: bytes = SMALL) -> bytes:
    """``data`` with its schema objects changed by ``edit``."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    # The object API reads vectors as read-only arrays.
    for tensor in model.subgraphs[0].tensors:
        tensor.shape = list(tensor.shape)
    for operator in model.subgraphs[0].operators:
        operator.inputs = list(operator.inputs)
        operator.outputs = list(operator.outputs)
    model.subgraphs[0].inputs = list(model.subgraphs[0].inputs)
    model.subgraphs[0].outputs = list(model.subgraphs[0].outputs)
    edit(model)
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def field(path: str, value: object) -> Edit:
    """Sets ``subgraphs[0].<path>``; parts of the path that are numbers index a list."""

    def edit(model: Any) -> None:
        target = model.subgraphs[0]
        *parts, last = path.split(".")
        for part in parts:
            target = target[int(part)] if part.isdigit() else getattr(target, part)
        if last.isdigit():
            target[int(last)] = value
        else:
            setattr(target, last, value)

    return edit


def model_field(name: str, value: object) -> Edit:
    return lambda model: setattr(model, name, value)


# --- what is read


@each_real_model
def test_real_models_are_read_as_tflm_reads_them(path: Path) -> None:
    data = path.read_bytes()
    assert_same_facts(tflite.read(data, path.stem), data)


def test_the_small_model_is_read_as_tflm_reads_it() -> None:
    graph = tflite.read(SMALL, "small")
    assert [n.op for n in graph.nodes] == [
        *("CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "MAX_POOL_2D", "FULLY_CONNECTED")
    ]
    assert graph.name == "small"
    assert_same_facts(graph, SMALL)


def assert_same_facts(graph: Graph, data: bytes) -> None:
    """Compares the graph with what TFLM's interpreter says of the same file."""
    interpreter = runtime.Interpreter.from_bytes(
        data,
        arena_size=64 << 20,
        intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors,
    )
    for details, ends in (
        (interpreter.get_input_details, graph.inputs),
        (interpreter.get_output_details, graph.outputs),
    ):
        for k, tensor in enumerate(ends):
            assert_same_details(tensor, details(k))
    for node in graph.nodes:
        for tensor in (*node.inputs, *node.outputs):
            if tensor is None:
                continue
            theirs = interpreter.GetTensor(tensor.index, 0)
            assert tensor.dtype.numpy == np.dtype(theirs["dtype"])
            assert tensor.size == np.asarray(theirs["tensor_data"]).size
            if tensor.is_constant:
                np.testing.assert_array_equal(
                    tensor.data.reshape(-1), theirs["tensor_data"].reshape(-1)
                )
    file = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    operators = file.subgraphs[0].operators
    assert [n.index for n in graph.nodes] == list(range(len(operators)))
    for node, operator in zip(graph.nodes, operators, strict=True):
        assert [-1 if t is None else t.index for t in node.inputs] == list(operator.inputs)
        assert [t.index for t in node.outputs] == list(operator.outputs)


def assert_same_details(tensor: Tensor, details: dict[str, Any]) -> None:
    assert tensor.shape == tuple(details["shape"])
    assert tensor.dtype.numpy == np.dtype(details["dtype"])
    quantization = details["quantization_parameters"]
    assert tensor.quantization is not None
    # Scales are float32 values held exactly.
    assert list(tensor.quantization.scales) == [float(s) for s in quantization["scales"]]
    assert list(tensor.quantization.zero_points) == list(quantization["zero_points"])


@pytest.mark.parametrize("absent", ["deprecatedBuiltinCode", "builtinCode"])
def test_an_operator_code_may_be_in_either_field(absent: str) -> None:
    def clear(model: Any) -> None:
        for code in model.operatorCodes:
            setattr(code, absent, 0)

    graph = tflite.read(edited(clear), "m")
    assert [n.op for n in graph.nodes] == [n.op for n in tflite.read(SMALL, "m").nodes]


def test_constants_are_read_only() -> None:
    weights = tflite.read(SMALL, "m").nodes[0].input(1)
    assert weights.data is not None
    with pytest.raises(ValueError, match="read-only"):
        weights.data[0] = 1


def test_one_zero_point_holds_for_all_scales() -> None:
    graph = tflite.read(edited(field("tensors.1.quantization.zeroPoint", [0])), "m")
    quantization = graph.nodes[0].input(1).quantization
    assert quantization is not None
    assert quantization.zero_points == (0, 0, 0, 0)


def test_a_biass_axis_does_not_matter() -> None:
    graph = tflite.read(edited(field("tensors.2.quantization.quantizedDimension", 3)), "m")
    assert graph.nodes[0].input(2).quantization.axis == 0


def test_a_dynamic_batch_is_one() -> None:
    graph = tflite.read(edited(field("tensors.0.shapeSignature", [-1, 6, 5, 2])), "m")
    assert graph.inputs[0].shape == (1, 6, 5, 2)


# --- what is not supported


def violations(data: bytes) -> tuple[str, ...]:
    with pytest.raises(UnsupportedModelError) as caught:
        tflite.read(data, "m")
    error = caught.value
    assert all("\n" not in line for line in (error.what, error.hint, *error.details))
    assert str(len(error.details)) in error.what
    return error.details


def test_all_violations_are_told_at_once() -> None:
    def break_four_nodes(model: Any) -> None:
        graph = model.subgraphs[0]
        # A fused TANH, an options table that says nonsense, an operator that nobody knows how
        # to deploy, and an int16 operand.
        graph.operators[0].builtinOptions.fusedActivationFunction = 4
        graph.operators[1].builtinOptions.padding = 9
        model.operatorCodes.append(schema.OperatorCodeT(builtinCode=schema.BuiltinOperator.COS))
        graph.operators[2].opcodeIndex = len(model.operatorCodes) - 1
        graph.tensors[graph.operators[4].outputs[0]].type = schema.TensorType.INT16

    details = violations(edited(break_four_nodes))
    assert [line.split(":")[0] for line in details] == [
        "node 0 CONV_2D 't3'",
        "node 1 DEPTHWISE_CONV_2D 't5'",
        "node 2 COS 't6'",
        "node 4 FULLY_CONNECTED 't9'",
        "model",
    ]
    assert "NONE, RELU, RELU6 or RELU_N1_TO_1" in details[0]
    assert "9 is not a valid Padding" in details[1]
    assert "not supported" in details[2]
    assert "int8" in details[3]
    assert "int8, uint8 or float32" in details[4]


def test_a_custom_operator_is_named() -> None:
    def make_custom(model: Any) -> None:
        code = model.operatorCodes[0]
        code.deprecatedBuiltinCode = code.builtinCode = schema.BuiltinOperator.CUSTOM
        code.customCode = b"MyOp"

    (line,) = violations(edited(make_custom))
    assert line == "node 0 custom operator 'MyOp' 't3': the operator is not supported"


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (field("tensors.3.type", schema.TensorType.FLOAT16), "'t3' is FLOAT16"),
        (field("tensors.0.type", schema.TensorType.STRING), "'t0' is STRING"),
        (field("tensors.3.isVariable", True), "'t3' is a variable"),
        (field("tensors.1.sparsity", schema.SparsityParametersT()), "'t1' is sparse"),
        (field("tensors.0.shapeSignature", [-1, -1, 5, 2]), "'t0' has a dynamic shape"),
        (field("tensors.0.shape", [1, 0, 5, 2]), "at least 1"),
        (field("tensors.3.quantization.scale", [float("nan")]), "finite and positive"),
        (field("tensors.3.quantization.scale", [0.0]), "finite and positive"),
        (field("tensors.3.quantization.zeroPoint", [128]), "fit the type"),
        (field("tensors.3.quantization", None), "int8"),
        (field("outputs", [9, 0]), "none is one of its inputs"),
        (field("outputs", [9, 1]), "none is one of its inputs"),
        (field("operators.0.builtinOptions", None), "options"),
        (field("operators.0.builtinOptions.strideH", 0), "node 0 CONV_2D"),
        (field("operators.0.inputs", [0]), "node 0 CONV_2D"),
        (field("operators.0.inputs", []), "node 0 CONV_2D"),
        (field("operators.0.inputs", [-1, 1, 2]), "node 0 CONV_2D"),
    ],
)
def test_a_violation_says_why(edit: Edit, reason: str) -> None:
    assert any(reason in line for line in violations(edited(edit)))


def test_several_subgraphs_are_not_supported() -> None:
    data = edited(lambda model: model.subgraphs.append(model.subgraphs[0]))
    with pytest.raises(UnsupportedModelError, match="2 subgraphs"):
        tflite.read(data, "m")


# --- what cannot be read


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (model_field("version", 2), "schema version is 2"),
        (model_field("subgraphs", []), "no subgraph"),
        (model_field("operatorCodes", []), "operator code 0 does not exist"),
        (model_field("buffers", []), "buffer 0 does not exist"),
        (field("inputs", []), "has no input"),
        (field("outputs", []), "has no output"),
        (field("inputs", [0, 0]), "lists an input twice"),
        (field("outputs", [9, 9]), "lists an output twice"),
        (field("inputs", [1]), "is a constant"),
        (field("inputs", [99]), "tensor 99 does not exist"),
        (field("outputs", [-2]), "tensor -2 does not exist"),
        (field("operators.0.inputs", [0, 1, 99]), "tensor 99 does not exist"),
        (field("operators.0.outputs", [1]), "has a value already"),
        (field("operators.1.outputs", [3]), "has a value already"),
        (field("operators.0.inputs", [9, 1, 2]), "before it is computed"),
        (field("operators.0.inputs", [3, 1, 2]), "before it is computed"),
        (field("operators", []), "is never computed"),
        (field("operators.0.opcodeIndex", 50), "operator code 50 does not exist"),
        (field("tensors.3.type", 77), "unknown type 77"),
        (field("tensors.3.shape", [1, -6, 5, 4]), "has shape (1, -6, 5, 4)"),
        (field("tensors.3.shape", [1] * 9), "has 9 axes"),
        (field("tensors.3.shape", [2**31 - 1] * 4), "larger than 2 GiB"),
        (field("tensors.1.shape", [4, 3, 3, 3]), "its buffer has 72"),
        (field("tensors.1.shape", [4, 3, 3, 1]), "its buffer has 72"),
        (field("tensors.1.buffer", 99), "buffer 99 does not exist"),
        (field("tensors.1.quantization.zeroPoint", [0, 0]), "4 scales, 2 zero points"),
        (field("tensors.1.quantization.quantizedDimension", 1), "4 scales on axis 1"),
        (lambda m: setattr(m.operatorCodes[0], "builtinCode", 9999), "9999 is unknown"),
        (lambda m: setattr(m.buffers[1], "offset", 4096), "outside of the flatbuffer"),
    ],
)
def test_a_corrupt_file_says_why(edit: Edit, reason: str) -> None:
    data = edited(edit)
    with pytest.raises(UnreadableModelError) as caught:
        tflite.read(data, "m")
    assert reason in caught.value.what
    assert "\n" not in caught.value.what + caught.value.hint


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\0\0\0\0TFL3", b"\x10\0\0\0TFL4" + SMALL[8:]])
def test_what_is_no_tflite_file_is_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableModelError):
        tflite.read(data, "m")


def test_nodes_that_share_a_long_vector_are_refused() -> None:
    """Reading them all would take time quadratic in the file's length."""

    def share_one_vector(model: Any) -> None:
        node = model.subgraphs[0].operators[0]
        node.inputs, node.outputs = [0] * 10_000, []
        pack, packed = node.Pack, []
        node.Pack = lambda builder: (packed or packed.append(pack(builder)) or packed)[0]
        model.subgraphs[0].operators = [node] * 10_000

    data = edited(share_one_vector)
    assert len(data) < 100_000
    with pytest.raises(UnreadableModelError, match="longer than the file"):
        tflite.read(data, "m")


def test_load_names_the_problem(tmp_path: Path) -> None:
    (tmp_path / "model.xyz").write_bytes(SMALL)
    with pytest.raises(UnreadableModelError, match="no kind of model") as caught:
        frontends.load(tmp_path / "model.xyz")
    assert ".tflite" in caught.value.hint
    with pytest.raises(UnreadableModelError, match="No such file"):
        frontends.load(tmp_path / "absent.tflite")
    (tmp_path / "small.tflite").write_bytes(SMALL)
    assert frontends.load(tmp_path / "small.tflite").name == "small"


# --- fuzzing

_INTERESTING = (0, 1, 2, 127, 128, 255)
_FUZZ = settings(deadline=None, max_examples=1500, derandomize=True, database=None)

changes = st.lists(
    st.tuples(st.integers(0, 2**24), st.one_of(st.sampled_from(_INTERESTING), st.integers(0, 255))),
    min_size=1,
    max_size=8,
)


def damaged(data: bytes, edits: list[tuple[int, int]], keep: float) -> bytes:
    """``data`` with bytes overwritten and its end cut off."""
    changed = bytearray(data)
    for position, value in edits:
        changed[position % len(changed)] = value
    return bytes(changed[: int(len(changed) * keep)])


def assert_read_is_safe(data: bytes) -> None:
    try:
        graph = tflite.read(data, "m")
    except (UnreadableModelError, UnsupportedModelError) as error:
        assert "\n" not in error.what + error.hint
        return
    if sum(t.nbytes for n in graph.nodes for t in n.outputs) > 1 << 20:
        return
    for node in graph.nodes:
        operands = [
            None if t is None else np.zeros(t.shape, t.dtype.numpy) if t.data is None else t.data
            for t in node.inputs
        ]
        with np.errstate(all="ignore"):
            results = operator_of(node).evaluate(node, operands)
        assert [r.shape for r in results] == [t.shape for t in node.outputs]
        assert [DType(r.dtype.name) for r in results] == [t.dtype for t in node.outputs]


@_FUZZ
@given(changes, st.sampled_from((1.0, 1.0, 1.0, 0.99, 0.5, 0.1)))
def test_a_damaged_file_never_crashes_reading(edits: list[tuple[int, int]], keep: float) -> None:
    """What is read all the same keeps its operators' rules, so that it can be computed."""
    assert_read_is_safe(damaged(SMALL, edits, keep))


@settings(_FUZZ, max_examples=300, suppress_health_check=list(HealthCheck))
@given(graphs.models(), changes)
def test_a_damaged_drawn_model_never_crashes_reading(
    model: graphs.DrawnModel, edits: list[tuple[int, int]]
) -> None:
    note(model.description)
    assert_read_is_safe(damaged(model.data, edits, 1.0))


@each_real_model
def test_a_damaged_real_model_never_crashes_reading(path: Path) -> None:
    data = path.read_bytes()

    @settings(_FUZZ, max_examples=40)
    @given(changes, st.floats(0, 1))
    def check(edits: list[tuple[int, int]], keep: float) -> None:
        assert_read_is_safe(damaged(data, edits, 1.0 if keep > 0.7 else keep))

    check()


def test_remedies_are_of_unsupported_operators_and_name_supported_ones() -> None:
    known = set(vars(schema.BuiltinOperator))
    for name, remedy in REMEDIES.items():
        assert name in known
        assert name not in operators(), f"{name} is supported now: drop its remedy"
        named = set(re.findall(r"\b[A-Z][A-Z0-9_]{2,}\b", remedy))
        assert named <= operators().keys()


def test_an_unsupported_operator_comes_with_what_would_help() -> None:
    b = ModelBuilder("m")
    x = b.input((1, 4, 4, 2), 0.05)
    y = b.tensor((1, 4, 4, 2), 0.05)
    b.op("GELU", [x], [y])
    with pytest.raises(UnsupportedModelError) as refusal:
        tflite.read(b.build([y]), "m")
    [line] = refusal.value.details
    assert line.endswith(f"the operator is not supported; {REMEDIES['GELU']}")
