"""ONNX operators, each against ONNX's own reference implementation, channels last."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tinyaiot.errors import UnreadableModelError, UnsupportedModelError
from tinyaiot.quantization import load_original
from tinyaiot.quantization.originals.onnx_operators import OPERATORS

ROOT = Path(__file__).parents[1]

needs_onnx = pytest.mark.usefixtures("_onnx")

Array = npt.NDArray[Any]
IMAGE = (1, 4, 6, 8)


@pytest.fixture(scope="module")
def _onnx() -> None:
    for package in ("tensorflow", "onnx"):
        pytest.importorskip(package, reason=f"needs {package}: make test-convert")


def drawn(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def node(op: str, *inputs: str, outputs: Sequence[str] = ("y",), **attributes: Any) -> Any:
    from onnx import helper

    return helper.make_node(op, inputs, outputs, **attributes)


def model_of(
    nodes: Sequence[Any],
    constants: dict[str, Array],
    shape: Sequence[int | str] = IMAGE,
    opset: int = 21,
    outputs: Sequence[str] = ("y",),
) -> Any:
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    for output in graph.output:
        output.type.tensor_type.elem_type = TensorProto.FLOAT
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def check(model: Any, shape: Sequence[int] = IMAGE) -> None:
    """Holds the network in Keras against the reference implementation, on one sample."""
    from onnx.reference import ReferenceEvaluator

    from tinyaiot.quantization.originals import onnx

    x = drawn(*shape, seed=9)
    [expected] = ReferenceEvaluator(model).run(None, {"x": x})
    original = onnx.translate(model, "x.onnx")
    actual = np.asarray(original._model(original.channels_last(x)))
    if expected.ndim > 2 and original.turned_from is not None:
        expected = np.moveaxis(expected, 1, -1)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


CASES: dict[str, tuple[list[tuple[Any, ...]], dict[str, Array]]] = {
    "Conv": ([("Conv", "x", "w", "b")], {"w": drawn(5, 4, 3, 3), "b": drawn(5)}),
    "Conv without bias": ([("Conv", "x", "w")], {"w": drawn(5, 4, 3, 3)}),
    "Conv, same": (
        [("Conv", "x", "w", {"pads": [1, 1, 1, 1]})],
        {"w": drawn(5, 4, 3, 3)},
    ),
    "Conv, strides and uneven pads": (
        [("Conv", "x", "w", {"pads": [1, 0, 2, 1], "strides": [2, 3]})],
        {"w": drawn(5, 4, 3, 2)},
    ),
    "Conv, symmetric pads and strides": (
        [("Conv", "x", "w", {"pads": [1, 1, 1, 1], "strides": [2, 2]})],
        {"w": drawn(5, 4, 3, 3)},
    ),
    "Conv, dilations": (
        [("Conv", "x", "w", {"dilations": [2, 2]})],
        {"w": drawn(5, 4, 2, 2)},
    ),
    "Conv, automatic padding": (
        [("Conv", "x", "w", {"auto_pad": "SAME_UPPER", "strides": [2, 2]})],
        {"w": drawn(5, 4, 3, 3)},
    ),
    "Conv, depthwise": (
        [("Conv", "x", "w", "b", {"group": 4, "pads": [1, 1, 1, 1]})],
        {"w": drawn(4, 1, 3, 3), "b": drawn(4)},
    ),
    "Conv, depthwise with a multiplier": (
        [("Conv", "x", "w", {"group": 4})],
        {"w": drawn(8, 1, 3, 3)},
    ),
    "BatchNormalization": (
        [("BatchNormalization", "x", "g", "b", "m", "v", {"epsilon": 1e-3})],
        {"g": drawn(4), "b": drawn(4, seed=1), "m": drawn(4, seed=2), "v": drawn(4) ** 2},
    ),
    "MaxPool": ([("MaxPool", "x", {"kernel_shape": [2, 2], "strides": [2, 2]})], {}),
    "MaxPool, padded, after a ReLU": (
        [
            ("Relu", "x"),
            ("MaxPool", 0, {"kernel_shape": [3, 3], "pads": [1] * 4, "strides": [2, 2]}),
        ],
        {},
    ),
    "MaxPool, same": ([("MaxPool", "x", {"kernel_shape": [3, 3], "pads": [1] * 4})], {}),
    "AveragePool": ([("AveragePool", "x", {"kernel_shape": [3, 2], "strides": [3, 2]})], {}),
    "AveragePool, same": ([("AveragePool", "x", {"kernel_shape": [3, 3], "pads": [1] * 4})], {}),
    "AveragePool, padding counted": (
        [("AveragePool", "x", {"kernel_shape": [3, 3], "pads": [1] * 4, "count_include_pad": 1})],
        {},
    ),
    "GlobalAveragePool": ([("GlobalAveragePool", "x")], {}),
    "GlobalMaxPool": ([("GlobalMaxPool", "x")], {}),
    "ReduceMean of pixels": (
        [("ReduceMean", "x", "axes", {"keepdims": 0})],
        {"axes": np.array([2, 3])},
    ),
    "ReduceMean of a row": ([("ReduceMean", "x", "axes")], {"axes": np.array([-1])}),
    "ReduceMax of channels": ([("ReduceMax", "x", "axes")], {"axes": np.array([1])}),
    "Flatten, Gemm": (
        [("Flatten", "x"), ("Gemm", 0, "w", "b", {"transB": 1, "alpha": 0.5, "beta": 2.0})],
        {"w": drawn(3, 192), "b": drawn(3)},
    ),
    "Flatten, Relu, MatMul, Add": (
        [("Flatten", "x"), ("Relu", 0), ("MatMul", 1, "w"), ("Add", 2, "b")],
        {"w": drawn(192, 3), "b": drawn(3)},
    ),
    "Flatten, Mul by a constant, Gemm": (
        [("Flatten", "x"), ("Mul", 0, "m"), ("Gemm", 1, "w")],
        {"m": drawn(192), "w": drawn(192, 3)},
    ),
    "Flatten, BatchNormalization, Gemm": (
        [("Flatten", "x"), ("BatchNormalization", 0, "g", "b", "m", "v"), ("Gemm", 1, "w")],
        {
            "g": drawn(192),
            "b": drawn(192, seed=1),
            "m": drawn(192, seed=2),
            "v": drawn(192) ** 2,
            "w": drawn(192, 3),
        },
    ),
    "Flatten alone": ([("Flatten", "x")], {}),
    "Flatten, Softmax": ([("Flatten", "x"), ("Softmax", 0)], {}),
    "Reshape to a vector": (
        [("Reshape", "x", "s"), ("Gemm", 0, "w")],
        {"s": np.array([0, -1]), "w": drawn(192, 3)},
    ),
    "Reshape back and forth": (
        [("Flatten", "x"), ("Reshape", 0, "s"), ("Conv", 1, "w")],
        {"s": np.array([-1, 4, 6, 8]), "w": drawn(5, 4, 3, 3)},
    ),
    "Add a constant for each channel": ([("Add", "x", "c")], {"c": drawn(4, 1, 1)}),
    "Sub from a constant": ([("Sub", "c", "x")], {"c": drawn(1, 4, 1, 1)}),
    "Mul by a row": ([("Mul", "x", "c")], {"c": drawn(8)}),
    "Div by a scalar": ([("Div", "x", "c")], {"c": np.float32(3)}),
    "Add to itself": ([("Relu", "x"), ("Add", 0, "x")], {}),
    "Squeeze and excite": (
        [("GlobalAveragePool", "x"), ("Conv", 0, "w"), ("Sigmoid", 1), ("Mul", "x", 2)],
        {"w": drawn(4, 4, 1, 1)},
    ),
    "Sum, Max, Min": (
        [("Sum", "x", "x", "c"), ("Max", 0, "c"), ("Min", 1, "c")],
        {"c": drawn(4, 1, 1)},
    ),
    "Clip to 6": (
        [("Clip", "x", "low", "high")],
        {"low": np.float32(0), "high": np.float32(6)},
    ),
    "Clip": ([("Clip", "x", "low", "high")], {"low": np.float32(-0.5), "high": np.float32(0.5)}),
    "LeakyRelu": ([("LeakyRelu", "x", {"alpha": 0.2})], {}),
    "PRelu": ([("PRelu", "x", "s")], {"s": drawn(4, 1, 1)}),
    "HardSwish": ([("HardSwish", "x")], {}),
    "HardSigmoid": ([("HardSigmoid", "x", {"alpha": 1 / 6})], {}),
    "Tanh, Sigmoid, Abs, Neg": ([("Tanh", "x"), ("Sigmoid", 0), ("Neg", 1), ("Abs", 2)], {}),
    "Softmax of channels": ([("Softmax", "x", {"axis": 1})], {}),
    "Concat of channels": ([("Relu", "x"), ("Concat", 0, "x", {"axis": 1})], {}),
    "Concat of rows": ([("Relu", "x"), ("Concat", 0, "x", {"axis": 2})], {}),
    "Pad": ([("Pad", "x", "p")], {"p": np.array([0, 0, 1, 2, 0, 0, 0, 1])}),
    "Pad of channels": ([("Pad", "x", "p")], {"p": np.array([0, 1, 0, 0, 0, 2, 0, 0])}),
    "Slice of channels": (
        [("Slice", "x", "a", "b", "axes", "steps")],
        {
            "a": np.array([1, 0]),
            "b": np.array([3, 2**62]),
            "axes": np.array([1, 3]),
            "steps": np.array([1, 2]),
        },
    ),
    "Upsampling": (
        [
            (
                "Resize",
                "x",
                "",
                "s",
                {
                    "mode": "nearest",
                    "nearest_mode": "floor",
                    "coordinate_transformation_mode": "asymmetric",
                },
            )
        ],
        {"s": np.array([1, 1, 2, 3], np.float32)},
    ),
    "Squeeze, Unsqueeze": (
        [("GlobalAveragePool", "x"), ("Squeeze", 0, "a"), ("Unsqueeze", 1, "a"), ("Add", "x", 2)],
        {"a": np.array([2, 3])},
    ),
    "Transpose there and back": (
        [
            ("Transpose", "x", {"perm": [0, 2, 3, 1]}),
            ("Relu", 0),
            ("Transpose", 1, {"perm": [0, 3, 1, 2]}),
            ("Conv", 2, "w"),
        ],
        {"w": drawn(5, 4, 3, 3)},
    ),
    "Channels shuffled": (
        [
            ("Relu", "x"),
            ("Reshape", 0, "s"),
            ("Transpose", 1, {"perm": [0, 2, 1, 3, 4]}),
            ("Reshape", 2, "t"),
            ("Conv", 3, "w"),
        ],
        {"s": np.array([1, 2, 2, 6, 8]), "t": np.array([1, 4, 6, 8]), "w": drawn(5, 4, 1, 1)},
    ),
    "Constants computed": (
        [("Shape", "x"), ("Gather", 0, "i"), ("Concat", 1, "m", {"axis": 0}), ("Reshape", "x", 2)],
        {"i": np.array([0]), "m": np.array([-1])},
    ),
    "Identity, Dropout": ([("Identity", "x"), ("Dropout", 0)], {}),
}


def nodes_of(steps: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Nodes one after the other; a number names the output of the node of that number."""
    made = []
    for k, (op, *operands) in enumerate(steps):
        attributes = operands.pop() if operands and isinstance(operands[-1], dict) else {}
        inputs = [f"t{o}" if isinstance(o, int) else o for o in operands]
        output = "y" if k == len(steps) - 1 else f"t{k}"
        made.append(node(op, *inputs, outputs=[output], **attributes))
    return made


@needs_onnx
@pytest.mark.parametrize("case", CASES)
def test_operators_mean_what_the_reference_says(case: str) -> None:
    steps, constants = CASES[case]
    # The first node changes nothing, and makes an image of the input: its channels lie last.
    image = node("MaxPool", "x", outputs=["image"], kernel_shape=[1, 1])
    steps = [tuple("image" if part == "x" else part for part in step) for step in steps]
    check(model_of([image, *nodes_of(steps)], constants))


@needs_onnx
@pytest.mark.parametrize("case", ["Add a constant for each channel", "Flatten, Gemm", "PRelu"])
def test_what_is_no_image_keeps_its_axes(case: str) -> None:
    check(model_of(nodes_of(CASES[case][0]), CASES[case][1]))


@needs_onnx
def test_sequences_are_images_of_one_row() -> None:
    steps = [
        ("Conv", "x", "w", {"pads": [1, 1], "strides": [2]}),
        ("Relu", 0),
        ("MaxPool", 1, {"kernel_shape": [2], "strides": [2]}),
        ("Conv", 2, "d", {"group": 5}),
        ("Flatten", 3),
        ("Gemm", 4, "g"),
    ]
    constants = {"w": drawn(5, 3, 3), "d": drawn(5, 1, 2), "g": drawn(35, 2)}
    check(model_of(nodes_of(steps), constants, (1, 3, 32)), (1, 3, 32))


@needs_onnx
def test_old_forms_of_operators() -> None:
    steps = [
        ("Conv", "x", "w"),
        ("Clip", 0, {"min": 0.0, "max": 6.0}),
        ("Pad", 1, {"pads": [0, 0, 1, 1, 0, 0, 1, 1]}),
        ("Slice", 2, {"starts": [1], "ends": [5], "axes": [2]}),
        ("ReduceMean", 3, {"axes": [2, 3], "keepdims": 1}),
        ("Squeeze", 4, {"axes": [2, 3]}),
        ("Softmax", 5),
    ]
    check(model_of(nodes_of(steps), {"w": drawn(5, 4, 3, 3)}, opset=9))


@needs_onnx
def test_parts_of_a_split() -> None:
    nodes = [
        node("Conv", "x", "w", outputs=["c"]),
        node("Split", "c", "sizes", outputs=["a", "b"], axis=1),
        node("Conv", "b", "v", outputs=["d"]),
        node("Concat", "d", "a", axis=1),
    ]
    constants = {"w": drawn(6, 4, 1, 1), "sizes": np.array([2, 4]), "v": drawn(3, 4, 1, 1)}
    check(model_of(nodes, constants))


REFUSED: dict[str, tuple[list[tuple[Any, ...]], dict[str, Array], str]] = {
    "unknown": ([("Erf", "x")], {}, "Erf: the operator is not known"),
    "groups": ([("Conv", "x", "w", {"group": 2})], {"w": drawn(4, 2, 3, 3)}, "it has 2 groups"),
    "weights computed": ([("Relu", "x"), ("Conv", "x", 0)], {}, "operand 1 is not a constant"),
    "batch": (
        [("Transpose", "x", {"perm": [1, 0, 2, 3]})],
        {},
        "it moves the batch",
    ),
    "batch reshaped": ([("Reshape", "x", "s")], {"s": np.array([2, -1])}, "across the batch"),
    "interpolation": (
        [("Resize", "x", "", "s", {"mode": "linear"})],
        {"s": np.array([1, 1, 2, 2], np.float32)},
        "it interpolates",
    ),
    "rounding up": (
        [("MaxPool", "x", {"kernel_shape": [4, 4], "strides": [4, 4], "ceil_mode": 1})],
        {},
        "rounds its size up",
    ),
    "padding before a maximum": (
        [("MaxPool", "x", {"kernel_shape": [2, 2], "pads": [1, 1, 1, 1]})],
        {},
        "padding is not TensorFlow's",
    ),
    "malformed": ([("Gemm", "x", "w")], {"w": drawn(3, 3)}, "malformed"),
}


@needs_onnx
@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_converted_is_named_with_its_reason(case: str) -> None:
    from tinyaiot.quantization.originals import onnx

    steps, constants, said = REFUSED[case]
    with pytest.raises(UnsupportedModelError, match="1 node that cannot be converted") as error:
        onnx.translate(model_of(nodes_of(steps), constants), "x.onnx")
    [line] = error.value.details
    assert said in line


@needs_onnx
@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((1, 4, "height", 8), "shape 1x4x\\?x8"),
        ((8, 4, 6, 8), "batch is fixed to 8"),
        ((), "no axes"),
    ],
)
def test_inputs_without_a_fixed_shape_are_refused(shape: tuple[int | str, ...], said: str) -> None:
    from tinyaiot.quantization.originals import onnx

    model = model_of(nodes_of([("Relu", "x")]), {}, shape)
    with pytest.raises(UnsupportedModelError, match=said):
        onnx.translate(model, "x.onnx")


@needs_onnx
def test_files_that_are_no_onnx_models(tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    sound = model_of(nodes_of([("Relu", "x")]), {}).SerializeToString()
    for data in (b"", b"no model", sound[: len(sound) // 2]):
        path.write_bytes(data)
        with pytest.raises((UnreadableModelError, UnsupportedModelError)) as error:
            load_original(path)
        assert "\n" not in error.value.what


def test_the_page_names_all_operators() -> None:
    page = (ROOT / "docs" / "converting.md").read_text(encoding="utf-8")
    [listed] = re.findall(r"These operators are known:\n\n(.*?)\n\n", page, re.DOTALL)
    assert set(re.findall(r"\w+", listed)) == {*OPERATORS, "Shape"}
