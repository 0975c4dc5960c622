"""The hand-offs as JSON: written to the work folder, and what ``--json`` gives."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import cattrs

from tinyaiot.boards import Board
from tinyaiot.build import Image
from tinyaiot.errors import DoesNotFitError
from tinyaiot.graph import Graph, Quantization, Tensor
from tinyaiot.operators import operator_of
from tinyaiot.plan import Plan
from tinyaiot.planner.frontier import FrontierPoint
from tinyaiot.predict import Prediction
from tinyaiot.schemas import labelled
from tinyaiot.speedups import Speedup
from tinyaiot.summary import ModelSummary

# Slow to import, and not needed to run.
if TYPE_CHECKING:
    from tinyaiot.classify import Classification
    from tinyaiot.measure import Measurement
    from tinyaiot.quantization import Comparison, Quantized, Recipe

Document = dict[str, Any]

_CONVERTER = cattrs.Converter()


def graph_document(graph: Graph) -> Document:
    """The graph: its tensors by index, without the constants' values, and its nodes."""
    tensors: dict[int, Tensor] = {t.index: t for t in (*graph.inputs, *graph.outputs)}
    for node in graph.nodes:
        tensors.update({t.index: t for t in (*node.inputs, *node.outputs) if t is not None})
    return {
        "name": graph.name,
        "inputs": [tensor.index for tensor in graph.inputs],
        "outputs": [tensor.index for tensor in graph.outputs],
        "nodes": [
            {
                "index": node.index,
                "op": node.op,
                "inputs": [None if t is None else t.index for t in node.inputs],
                "outputs": [tensor.index for tensor in node.outputs],
                "macs": operator_of(node).macs(node),
                "attributes": repr(node.attributes),
            }
            for node in graph.nodes
        ],
        "tensors": [_tensor(tensors[index]) for index in sorted(tensors)],
    }


def plan_document(plan: Plan) -> Document:
    """The plan, field by field."""
    document: Document = _CONVERTER.unstructure(plan)
    return document


def board_document(board: Board) -> Document:
    """The board file, defaults filled in, and what was seen to work."""
    document: Document = _CONVERTER.unstructure(board)
    return document | {"verified": board.verified.value}


def analysis_document(
    summary: ModelSummary,
    plan: Plan,
    board: Board | None,
    refusal: DoesNotFitError | None = None,
    shortage: Document | None = None,
    prediction: Prediction | None = None,
    frontier: Sequence[FrontierPoint] | None = None,
    overruns: Sequence[Document] = (),
    speedups: Sequence[Speedup] = (),
) -> Document:
    """What ``analyze --json`` gives; ``memories`` says where the arena lies on a board.

    Args:
        plan: the closest, where it does not fit.
        refusal: why it does not fit; None where it does.
        shortage: of RAM, and what would help.
        prediction: of instructions and time, where there is a board.
        frontier: where it was asked for.
        overruns: of flash and time.
        speedups: of layers, where there is a board.
    """
    live = plan.live_bytes
    content = {
        "model": summary.name,
        "board": None if board is None else board.id,
        "fits": refusal is None,
        "problem": None if refusal is None else refusal.what,
        "shortage": shortage,
        "overruns": list(overruns),
        "inputs": list(summary.inputs),
        "outputs": list(summary.outputs),
        "macs": summary.macs,
        "left_out": dataclasses.asdict(summary.left_out),
        "extra_macs": plan.extra_macs,
        "patches": None if plan.patches is None else plan.patches.to_json(),
        "weights_bytes": summary.weights_bytes,
        "strategy": plan.strategy,
        "arena_bytes": plan.total_arena_bytes,
        "memories": None if board is None else dict(plan.arena_bytes),
        "lower_bound_bytes": plan.lower_bound_bytes,
        "prediction": None if prediction is None else prediction.to_json(),
        "speedups": [speedup.to_json() for speedup in speedups],
        "worst_step": {
            "layer": plan.layer_of(plan.worst_step.node),
            "live_bytes": plan.worst_step.live_bytes,
        },
        "layers": [
            {
                "index": layer.index,
                "name": layer.name,
                "op": layer.op,
                "shape": list(layer.shape),
                "macs": layer.macs,
                "weights_bytes": layer.weights_bytes,
                "live_bytes": live.get(layer.index),
            }
            for layer in summary.layers
        ],
        "frontier": None if frontier is None else [point.to_json() for point in frontier],
    }
    return labelled("analysis", content)


def measurement_document(
    measurement: Measurement, image: Image, classification: Classification | None
) -> Document:
    """What ``measure --json`` gives: the measurement, flash by what it is, and the samples."""
    return {
        **measurement.to_json(),
        "array_bytes": {role.value: nbytes for role, nbytes in image.array_bytes.items()},
        "samples": None if classification is None else dataclasses.asdict(classification),
    }


def quantization_document(quantized: Quantized, comparison: Comparison | None) -> Document:
    """What ``quantize --json`` gives: sizes, what was tried, and the comparison."""
    recipe = quantized.recipe
    content = {
        "model": quantized.model.name,
        "int8_bytes": len(quantized.model.data),
        "float_bytes": len(quantized.float_data),
        "equalized_tensors": quantized.equalized,
        "recipe": None if recipe is None else _recipe(recipe),
        "held_out": quantized.held_out,
        "trials": [
            {
                "recipe": _recipe(trial.recipe),
                "sqnr_db": trial.sqnr_db,
                "agreement": trial.agreement,
            }
            for trial in quantized.trials
        ],
        "comparison": None if comparison is None else comparison.to_json(),
    }
    return labelled("quantization", content)


def _recipe(recipe: Recipe) -> Document:
    return dataclasses.asdict(recipe) | {"method": recipe.method.value}


def _tensor(tensor: Tensor) -> Document:
    return {
        "index": tensor.index,
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype.value,
        "constant": tensor.is_constant,
        "taken": tensor.taken,
        "quantization": None if tensor.quantization is None else _quantization(tensor.quantization),
    }


def _quantization(quantization: Quantization) -> Document:
    return {
        "scales": list(quantization.scales),
        "zero_points": list(quantization.zero_points),
        "axis": quantization.axis,
    }
