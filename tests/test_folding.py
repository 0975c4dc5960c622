"""Paddings folded into the convolutions behind them, against TFLM, which keeps them apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, seed, settings
from hypothesis import strategies as st

from tests.support import differential, graphs
from tests.support.builder import ModelBuilder
from tinyaiot import oracle
from tinyaiot.folding import fold_padding
from tinyaiot.frontends import load, tflite
from tinyaiot.graph import Graph
from tinyaiot.plan import Memory
from tinyaiot.planner import FED_STRATEGIES, STRATEGIES, plan_model

_AMPLE = (Memory("ram", 1 << 28),)
_PLANS = (
    *((name, False) for name in sorted(STRATEGIES)),
    *((name, True) for name in sorted(FED_STRATEGIES)),
)
_SAME, _VALID = 0, 1


@settings(deadline=None, database=None, max_examples=40, suppress_health_check=list(HealthCheck))
@seed(0)
@given(graphs.padded_convolutions(), st.sampled_from(_PLANS))
def test_folded_models_equal_tflm(model: graphs.DrawnModel, wanted: tuple[str, bool]) -> None:
    note(model.description)
    graph = fold_padding(tflite.read(model.data, "m"))
    assert [node.index for node in graph.nodes] == list(range(len(graph.nodes)))
    reference = oracle.run(model.data, graph, model.inputs)
    differential.check_numpy(graph, reference)
    strategy, feed = wanted
    plan = plan_model(graph, differential.HOST, _AMPLE, strategy=strategy, feed=feed)
    differential.check_c(graph, reference, model.inputs, plan)


def _padded(
    pads: tuple[tuple[int, int], ...] = ((0, 0), (1, 2), (0, 1), (0, 0)),
    value: int | None = None,
    padding: int = _VALID,
    is_output: bool = False,
    is_added: bool = False,
) -> Graph:
    """PAD, two convolutions of 3x3 that read it, and where asked, others that read it."""
    b = ModelBuilder("m")
    x = b.input((1, 6, 7, 4), 0.5, 3)
    wide = [n + sum(pad) for n, pad in zip((1, 6, 7, 4), pads, strict=True)]
    padded = b.tensor(wide, 0.5, 3)
    operands = [x, b.constant(np.array(pads, np.int32))]
    if value is not None:
        operands.append(b.constant(np.array([value], np.int8), [0.5], zero_points=[3]))
    b.op("PAD" if value is None else "PADV2", operands, [padded])
    weights = np.ones((4, 3, 3, wide[3]), np.int8)
    outputs = []
    for _ in range(2):
        shape = wide if padding == _SAME else [1, wide[1] - 2, wide[2] - 2, 4]
        out = b.tensor((*shape[:3], 4), 1.0)
        filters = [b.constant(weights, [0.01] * 4), b.constant(np.zeros(4, np.int32), [0.005])]
        b.op("CONV_2D", [padded, *filters], [out], padding=padding, strideH=1, strideW=1)
        outputs.append(out)
    if is_added:
        out = b.tensor(wide, 1.0)
        b.op("ADD", [padded, padded], [out])
        outputs.append(out)
    data = b.build([*outputs, padded] if is_output else outputs)
    return tflite.read(data, "m")


def test_what_only_convolutions_read_is_folded() -> None:
    graph = fold_padding(_padded())
    assert [node.op for node in graph.nodes] == ["CONV_2D"] * 2
    assert all(node.input(0) is graph.inputs[0] for node in graph.nodes)
    assert [node.index for node in graph.nodes] == [0, 1]
    assert [node.op for node in fold_padding(_padded(value=3)).nodes] == ["CONV_2D"] * 2


@pytest.mark.parametrize(
    "graph",
    [
        pytest.param(_padded(value=4), id="another value"),
        pytest.param(_padded(is_output=True), id="an output"),
        pytest.param(_padded(is_added=True), id="read by another"),
        pytest.param(_padded(((0, 0), (1, 1), (1, 1), (0, 2))), id="channels"),
        pytest.param(_padded(((0, 0), (3, 0), (0, 0), (0, 0))), id="a window beside the input"),
        pytest.param(_padded(((0, 0), (0, 0), (2, 2), (0, 0)), padding=_SAME), id="with its own"),
    ],
)
def test_what_is_not_folded(graph: Graph) -> None:
    assert fold_padding(graph) is graph


def test_a_file_is_read_folded(tmp_path: Path) -> None:
    b = ModelBuilder("m")
    x = b.input((1, 5, 5, 1), 0.5)
    padded, out = b.tensor((1, 7, 7, 1), 0.5), b.tensor((1, 5, 5, 1), 0.5)
    b.op("PAD", [x, b.constant(np.array([(0, 0), (1, 1), (1, 1), (0, 0)], np.int32))], [padded])
    filters = [b.constant(np.ones((1, 3, 3, 1), np.int8), [1.0]), -1]
    b.op("CONV_2D", [padded, *filters], [out], padding=_VALID, strideH=1, strideW=1)
    path = tmp_path / "padded.tflite"
    path.write_bytes(b.build([out]))
    assert [node.op for node in load(path).graph.nodes] == ["CONV_2D"]
