"""Planning takes seconds, on real models and on one of two hundred operators.

In processor time, so that other work on the machine does not fail it; within ``make test`` with a
margin of half, since that goes up, too, where cores are shared.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tinyaiot.boards import board_by_id
from tinyaiot.frontends import Model, load
from tinyaiot.graph import Graph, Node, Tensor
from tinyaiot.pipeline import PlanOptions, plan_model_on
from tinyaiot.planner import Objective

MODELS = Path(__file__).resolve().parents[2] / "shared" / "models"
LARGEST = MODELS / "mbv2-w0.35.tflite"
BOARD = board_by_id("mps2-an386")

_BLOCK = 4  # layers of a residual block of MobileNetV2: two 1x1, a depthwise, the sum


def seconds(model: Model, objective: Objective, feed: bool = False) -> float:
    """Processor time that a plan takes."""
    started = time.process_time()
    plan = plan_model_on(model, BOARD, PlanOptions(objective=objective, feed=feed))
    assert plan.steps
    return time.process_time() - started


@pytest.mark.skipif(not LARGEST.exists(), reason=f"no {LARGEST}")
def test_the_largest_model_is_planned_in_seconds() -> None:
    assert seconds(load(LARGEST), Objective.RAM) < 15


@pytest.mark.slow
@pytest.mark.skipif(not MODELS.exists(), reason=f"no {MODELS}")
@pytest.mark.parametrize("feed", [False, True], ids=["resident", "fed"])
@pytest.mark.parametrize("objective", [Objective.RAM, Objective.SPEED])
@pytest.mark.parametrize(
    "name",
    ["ad", "ic", "kws", "mbv2-w0.35", "mcunet-in1", "mcunet-vww1", "person_detect", "vww"],
)
def test_real_models_are_planned_in_ten_seconds(
    name: str, objective: Objective, feed: bool
) -> None:
    assert seconds(load(MODELS / f"{name}.tflite"), objective, feed) < 10


@pytest.mark.slow
@pytest.mark.skipif(not LARGEST.exists(), reason=f"no {LARGEST}")
@pytest.mark.parametrize("objective", [Objective.BALANCED, Objective.RAM])
def test_two_hundred_real_operators_are_planned_in_a_minute(objective: Objective) -> None:
    model = load(LARGEST)
    long = replace(model, graph=lengthened(model.graph, 200))
    assert len(long.graph.nodes) >= 200
    assert seconds(long, objective) < 60


def lengthened(graph: Graph, count: int) -> Graph:
    """``graph`` with each of its residual blocks so often that it has ``count`` nodes at least."""
    blocks = sum(node.op == "ADD" for node in graph.nodes)
    times = -(-(count - len(graph.nodes)) // (_BLOCK * blocks))
    indices = itertools.count(1 + max(tensor.index for tensor in tensors(graph)))
    nodes: list[Node] = []
    now: dict[int, Tensor] = {}

    def append(node: Node, outputs: tuple[Tensor, ...]) -> None:
        inputs = (t and now.get(t.index, t) for t in node.inputs)
        nodes.append(replace(node, index=len(nodes), inputs=tuple(inputs), outputs=outputs))

    for k, node in enumerate(graph.nodes):
        append(node, node.outputs)
        if node.op != "ADD":
            continue
        block = graph.nodes[k + 1 - _BLOCK : k + 1]
        made = {layer.output.index for layer in block}
        start = next(t.index for t in node.activations if t.index not in made)
        for _ in range(times):
            now[start] = nodes[-1].output
            for layer in block:
                copy = replace(layer.output, index=next(indices))
                append(layer, (copy,))
                now[layer.output.index] = copy
    return replace(graph, nodes=tuple(nodes))


def tensors(graph: Graph) -> Iterator[Tensor]:
    for node in graph.nodes:
        yield from (tensor for tensor in (*node.inputs, *node.outputs) if tensor is not None)
