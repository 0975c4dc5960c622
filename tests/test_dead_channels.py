"""Channels that no output depends on, left out: what is left is TFLM's, and so are the outputs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, assume, event, given, note, seed, settings
from hypothesis import strategies as st
from tflite.Model import Model

from tests.support import differential, graphs
from tests.support.builder import ModelBuilder
from tests.support.real_models import FOLDER
from tinyaiot import oracle
from tinyaiot.dead_channels import leave_out_dead_channels
from tinyaiot.errors import UnsupportedModelError
from tinyaiot.folding import fold_padding
from tinyaiot.frontends import load, tflite
from tinyaiot.graph import Graph, LeftOut
from tinyaiot.operators import operator_of
from tinyaiot.operators.base import AnyArray
from tinyaiot.plan import Memory
from tinyaiot.planner import FED_STRATEGIES, STRATEGIES, plan_model

_AMPLE = (Memory("ram", 1 << 28),)
_PLANS = (
    *((name, False) for name in sorted(STRATEGIES)),
    *((name, True) for name in sorted(FED_STRATEGIES)),
)
_SAME, _VALID = 0, 1


def _deadened(data: bytes, rng: np.random.Generator) -> bytes:
    """The same model with some filters, and weights of some input channels, all zero."""
    model = bytearray(data)
    subgraph = Model.GetRootAs(model).Subgraphs(0)
    for node in fold_padding(tflite.read(data, "m")).nodes:
        if node.op not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            continue
        tensor = node.input(1)
        buffer = Model.GetRootAs(model).Buffers(subgraph.Tensors(tensor.index).Buffer())
        weights = buffer.DataAsNumpy().view(np.int8).reshape(tensor.shape)
        for axis in (0, -1):
            gone = rng.random(tensor.shape[axis]) < rng.choice((0, 0.3, 0.8))
            np.moveaxis(weights, axis, 0)[gone] = 0
    return bytes(model)


def _evaluated(graph: Graph, inputs: Sequence[AnyArray]) -> list[AnyArray]:
    """The outputs by numpy, each node reading what those before it made."""
    made = dict(zip(graph.inputs, inputs, strict=True))
    for node in graph.nodes:
        operands = [
            None if t is None else t.data if t.is_constant else made[t] for t in node.inputs
        ]
        results = operator_of(node).evaluate(node, operands)
        made.update(zip(node.outputs, results, strict=True))
    return [made[tensor] for tensor in graph.outputs]


@settings(deadline=None, database=None, max_examples=25, suppress_health_check=list(HealthCheck))
@seed(0)
@given(
    st.one_of(graphs.wide_images(), graphs.images(), graphs.models()),
    st.sampled_from(_PLANS),
    st.integers(0, 2**32 - 1),
)
def test_what_is_left_equals_tflm(
    model: graphs.DrawnModel, wanted: tuple[str, bool], draw_seed: int
) -> None:
    note(model.description)
    try:
        data = _deadened(model.data, np.random.default_rng(draw_seed))
        graph = leave_out_dead_channels(fold_padding(tflite.read(data, "m")))
        reference = oracle.run(data, graph, model.inputs)
    except UnsupportedModelError as error:
        event(f"dropped: {error.details[0] if error.details else error.what}")
        assume(False)
    note(f"{graph.left_out}")
    differential.check_numpy(graph, reference)
    strategy, feed = wanted
    plan = plan_model(graph, differential.HOST, _AMPLE, strategy=strategy, feed=feed)
    differential.check_c(graph, reference, model.inputs, plan)


@st.composite
def _behind_constants(draw: st.DrawFn) -> tuple[bytes, AnyArray]:
    """1x1 with filters of zeros, perhaps a depthwise window, and a window or all pixels of it."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    b = ModelBuilder("m")
    source = b.input((1, 6, 6, 4), 0.05, int(rng.integers(-128, 128)))

    def add(name: str, shape: tuple[int, ...], weights: AnyArray, **options: int) -> None:
        nonlocal source
        out = b.tensor(shape, 0.1, int(rng.integers(-128, 128)))
        axis = 3 if name == "DEPTHWISE_CONV_2D" else 0
        filters = b.constant(weights, [0.05] * weights.shape[axis], axis=axis)
        sums = rng.integers(-2000, 2000, weights.shape[axis]).astype(np.int32)
        has_bias = name == "DEPTHWISE_CONV_2D" or draw(st.booleans())
        bias = b.constant(sums, [0.0025]) if has_bias else -1
        b.op(name, [source, filters, bias], [out], **options)
        source = out

    def drawn(*shape: int) -> AnyArray:
        return rng.integers(-20, 21, shape).astype(np.int8)

    weights = drawn(12, 1, 1, 4)
    weights[rng.permutation(12)[:7]] = 0
    add("CONV_2D", (1, 6, 6, 12), weights, strideH=1, strideW=1)
    size = 6
    for name, shape in (("DEPTHWISE_CONV_2D", (1, 3, 3, 12)), ("CONV_2D", (5, 3, 3, 12))):
        if name == "CONV_2D" or draw(st.booleans()):
            options = {
                "strideH": 1,
                "strideW": 1,
                "padding": draw(st.sampled_from((_SAME, _VALID))),
            }
            size -= 2 * options["padding"]
            if name == "CONV_2D":
                add(name, (1, size, size, 5), drawn(*shape), **options)
            else:
                add(name, (1, size, size, 12), drawn(*shape), depthMultiplier=1, **options)
    return b.build([source]), rng.integers(-128, 128, (1, 6, 6, 4)).astype(np.int8)


@settings(deadline=None, database=None, max_examples=200, suppress_health_check=list(HealthCheck))
@seed(1)
@given(_behind_constants())
def test_outputs_need_nothing_that_is_left_out(model: tuple[bytes, AnyArray]) -> None:
    data, values = model
    whole = tflite.read(data, "m")
    graph = leave_out_dead_channels(whole)
    note(f"{graph.left_out}")
    [expected] = oracle.run(data, whole, [values]).outputs
    [output] = _evaluated(graph, [values])
    np.testing.assert_array_equal(output, expected)


def _chain(
    last: npt.NDArray[np.int8], scales: tuple[float, ...] = (0.01,) * 8, is_output: bool = False
) -> Graph:
    """1x1 to 8 channels, depthwise 3x3, 1x1 with the weights ``last``."""
    b = ModelBuilder("m")
    rng = np.random.default_rng(0)
    x = b.input((1, 5, 5, 4), 0.5)
    first, middle = b.tensor((1, 5, 5, 8), 0.5), b.tensor((1, 3, 3, 8), 0.5)
    out = b.tensor((1, 3, 3, len(last)), 0.5)
    filters = rng.integers(1, 127, (8, 1, 1, 4)).astype(np.int8)
    operands = [b.constant(filters, list(scales)), b.constant(np.arange(8, dtype=np.int32), [0.1])]
    b.op("CONV_2D", [x, *operands], [first], padding=_VALID, strideH=1, strideW=1)
    taps = rng.integers(1, 127, (1, 3, 3, 8)).astype(np.int8)
    operands = [b.constant(taps, [0.01] * 8, axis=3), b.constant(np.zeros(8, np.int32), [0.1])]
    options = {"padding": _VALID, "strideH": 1, "strideW": 1, "depthMultiplier": 1}
    b.op("DEPTHWISE_CONV_2D", [first, *operands], [middle], **options)
    operands = [b.constant(last, [0.01] * len(last)), b.constant(np.zeros(2, np.int32), [0.1])]
    b.op("CONV_2D", [middle, *operands], [out], padding=_VALID, strideH=1, strideW=1)
    return tflite.read(b.build([middle, out] if is_output else [out]), "m")


def _reading(*channels: int) -> npt.NDArray[np.int8]:
    """Weights [2, 1, 1, 8] of a convolution that reads these channels."""
    weights = np.zeros((2, 1, 1, 8), np.int8)
    weights[..., list(channels)] = 5
    return weights


def test_unread_channels_are_left_out_of_all_that_makes_them() -> None:
    graph = leave_out_dead_channels(_chain(_reading(1, 2, 4, 7)))
    assert [node.output.channels for node in graph.nodes] == [4, 4, 2]
    assert graph.nodes[0].output.taken == graph.nodes[1].output.taken == (1, 2, 4, 7)
    assert graph.nodes[2].output.taken is None
    macs = 25 * 4 * 4 + 9 * 9 * 4 + 9 * 2 * 4
    bytes_of_filters = 4 * 4 + 9 * 4 + 2 * 4
    assert graph.left_out == LeftOut(channels=8, macs=macs, weights_bytes=bytes_of_filters + 2 * 16)


def test_as_many_stay_as_make_a_word() -> None:
    graph = leave_out_dead_channels(_chain(_reading(3, 4)))
    assert graph.nodes[1].output.taken == (0, 1, 3, 4)


def test_constant_channels_go_to_the_bias() -> None:
    """A channel of vanishing scale is its bias, whatever the input."""
    scales = (0.01,) * 4 + (1e-12,) * 4
    graph = leave_out_dead_channels(_chain(_reading(0, 1, 2, 3, 4, 5, 6, 7), scales))
    assert graph.nodes[1].output.taken == (0, 1, 2, 3)


@pytest.mark.parametrize(
    "graph",
    [
        pytest.param(_chain(_reading(*range(5))), id="five of eight make two words"),
        pytest.param(_chain(_reading(1), is_output=True), id="an output"),
    ],
)
def test_what_is_not_left_out(graph: Graph) -> None:
    assert leave_out_dead_channels(graph) is graph


def test_sums_over_channels_read_them_all() -> None:
    """Though the output is as long as the channels are many."""
    b = ModelBuilder("m")
    x = b.input((1, 4, 8, 8), 0.5)
    made, out = b.tensor((1, 4, 8, 8), 0.5), b.tensor((1, 4, 8), 0.5)
    filters = [b.constant(np.ones((8, 1, 1, 8), np.int8), [0.1]), -1]
    b.op("CONV_2D", [x, *filters], [made], strideH=1, strideW=1)
    b.op("MEAN", [made, b.constant(np.array([3], np.int32))], [out])
    hidden, last = b.tensor((1, 4, 8), 0.5), b.tensor((4, 2), 0.5)
    b.op("RESHAPE", [out], [hidden])
    b.op("FULLY_CONNECTED", [hidden, b.constant(_reading(1)[:, 0, 0], [0.1]), -1], [last])
    assert leave_out_dead_channels(tflite.read(b.build([last]), "m")).nodes[0].output.channels == 8


def test_visual_wake_words() -> None:
    path = FOLDER / "vww.tflite"
    if not path.exists():
        pytest.skip(f"no models in {FOLDER}")
    graph, data = load(path).graph, path.read_bytes()
    whole = tflite.read(data, "vww")
    assert graph.left_out.channels > 1000
    rng = np.random.default_rng(0)
    for _ in range(3):
        inputs = [rng.integers(-128, 128, t.shape).astype(np.int8) for t in graph.inputs]
        [expected] = oracle.run(data, whole, inputs).outputs
        [output] = _evaluated(graph, inputs)
        np.testing.assert_array_equal(output, expected)


def test_a_file_is_read_without_them(tmp_path: Path) -> None:
    b = ModelBuilder("m")
    x = b.input((1, 8), 0.5)
    hidden, out = b.tensor((1, 8), 0.5), b.tensor((1, 2), 0.5)
    for source, target, weights in (
        (x, hidden, np.ones((8, 8), np.int8)),
        (hidden, out, _reading(0, 3)[:, 0, 0]),
    ):
        operands = [b.constant(weights, [0.01]), -1]
        b.op("FULLY_CONNECTED", [source, *operands], [target])
    path = tmp_path / "m.tflite"
    path.write_bytes(b.build([out]))
    assert load(path).graph.nodes[0].output.shape == (1, 4)
