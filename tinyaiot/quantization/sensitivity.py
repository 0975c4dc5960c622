"""What each layer costs the network's output: it alone int8, and it alone spared.

Errors of layers add up and drown each other, so that where the error is largest is not where it
arises. Two experiments take them apart, on simulated networks: all in floating point but one layer,
which shows what that layer adds, and all int8 but one layer, which shows what sparing it gains
while the others stay. For the worst layers two remedies are tried on their outputs: 16 bits, and
other ranges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from tflite.BuiltinOperator import BuiltinOperator

from tinyaiot.graph import Graph, Node
from tinyaiot.quantization.error import Power
from tinyaiot.quantization.flatbuffer import LINEAR, Flatbuffer
from tinyaiot.quantization.float_model import FloatModel, Floats
from tinyaiot.quantization.quantized import Quantized
from tinyaiot.quantization.ranges import Histogram, Range, histograms, ranges
from tinyaiot.quantization.recipe import METHODS
from tinyaiot.quantization.rescaling import TIED, groups, is_free
from tinyaiot.quantization.simulation import AS_IS, Changes, Levels, Simulation

# What one layer costs shows on few samples, and each costs an inference for every layer.
_SAMPLES = 32
_WORST = 3
_INT16_MAX = 32767
_SQUASHING = frozenset({"LOGISTIC", "SOFTMAX"})
_HIDING = _SQUASHING | {"DEQUANTIZE", "QUANTIZE"}


@dataclass(frozen=True)
class Remedy:
    """What a layer's output would gain the network's, in the simulation.

    Attributes:
        index: of the layer's node.
        int16_db: with 16 bits; None where its values are not known.
        method: the best of the methods of ranges; None where its scale cannot be chosen.
        method_db: with ranges by that.
    """

    index: int
    int16_db: float | None
    method: str | None
    method_db: float | None


@dataclass(frozen=True)
class Sensitivity:
    """The layers of an int8 model, by the index of the node.

    Attributes:
        count: samples that all this is from.
        probe: the node whose output is looked at: what writes the network's first output, or what
            is before it where that is a softmax or logistic function, which hide small errors.
        simulated_db: SQNR there of the simulated int8 network.
        added_db: the same where one layer alone is int8: its weights, its bias, its output. For
            layers that compute, not for those that move values.
        gain_db: by how much ``simulated_db`` grows with this layer alone in floating point.
        remedies: for the layers that add most error, the worst first.
    """

    count: int
    probe: int
    simulated_db: float | None
    added_db: Mapping[int, float]
    gain_db: Mapping[int, float]
    remedies: tuple[Remedy, ...]


def sensitivity(quantized: Quantized, inputs: Floats) -> Sensitivity:
    """Takes the error of an int8 model apart.

    Args:
        inputs: samples [count, ...]; 32 of them, spread over all, are used.
    """
    samples = inputs[:: -(-len(inputs) // _SAMPLES)]
    experiment = _Experiment(quantized, samples)
    base = experiment.output_db(AS_IS)
    if base is None:
        return Sensitivity(len(samples), experiment.probe.index, None, {}, {}, ())
    added, gains = {}, {}
    for node in experiment.computing():
        added[node.index] = experiment.output_db(experiment.only(node)) or 0.0
        gains[node.index] = (experiment.output_db(experiment.spare(node)) or 0.0) - base
    worst = sorted(added, key=lambda index: added[index])[:_WORST]
    found = histograms(experiment.original, samples)
    remedies = tuple(experiment.remedy(index, base, found) for index in worst)
    return Sensitivity(len(samples), experiment.probe.index, base, added, gains, remedies)


class _Experiment:
    """An int8 model and its original on some samples, to be run with changes."""

    def __init__(self, quantized: Quantized, samples: Floats) -> None:
        self._model, self._samples = quantized.model, samples
        self.original = FloatModel(quantized.float_data, self._graph)
        self._flat = Flatbuffer(quantized.model.data)
        self._group_of = {index: group for group in groups(self._flat) for index in group}
        self._constants = _float_constants(self._graph, quantized.float_data, self.original.matches)
        self.probe = _probe(self._graph, self.original.matches)
        index = self.probe.output.index
        known = index in self.original.matches
        self._expected = []
        for sample in samples:
            values = self.original.run(sample)
            self._expected.append(values[index] if known else self.original.output())

    @property
    def _graph(self) -> Graph:
        return self._model.graph

    def computing(self) -> list[Node]:
        """The nodes that do more than move values or choose among them."""
        moving = {name for name, code in vars(BuiltinOperator).items() if code in TIED}
        moving |= {"QUANTIZE", "DEQUANTIZE"}
        return [
            node
            for node in self._graph.nodes
            if node.op not in moving and node.index <= self.probe.index
        ]

    def output_db(self, changes: Changes) -> float | None:
        """SQNR of the simulation with changes, at the probe."""
        output = self.probe.output.index
        simulation, power = Simulation(self._model.data, changes, output=output), Power()
        for sample, expected in zip(self._samples, self._expected, strict=True):
            power.add(expected, simulation.run(sample))
        return power.sqnr_db

    def spare(self, node: Node) -> Changes:
        """The node in floating point: its weights, and its output unrounded."""
        constants = {key: v for key, v in self._constants.items() if key[0] == node.index}
        return Changes(dict.fromkeys(self._tied(node)), constants)

    def only(self, node: Node) -> Changes:
        """All but the node in floating point."""
        constants = {key: v for key, v in self._constants.items() if key[0] != node.index}
        return Changes(dict.fromkeys(self._group_of.keys() - self._tied(node)), constants)

    def remedy(self, index: int, base: float, found: Mapping[int, Histogram]) -> Remedy:
        """What the output of a node would gain the network's."""
        node = self._graph.nodes[index]
        tied = self._tied(node)
        known = [found[k] for k in tied if k in found and found[k].high > found[k].low]
        if not known:
            return Remedy(index, None, None, None)
        largest = max(max(-h.low, h.high) for h in known)
        int16 = self.output_db(_rounded(tied, Levels(largest / _INT16_MAX, 0, int16=True)))
        gain = None if int16 is None else int16 - base
        if not is_free(self._flat, tied):
            return Remedy(index, gain, None, None)
        tried = {}
        for recipe in METHODS:
            chosen = ranges({k: found[k] for k in tied if k in found}, recipe)
            widest = Range(
                min(r.low for r in chosen.values()), max(r.high for r in chosen.values())
            )
            levels = Levels(widest.scale, widest.zero_point)
            changed = self.output_db(_rounded(tied, levels))
            if changed is not None:
                tried[str(recipe)] = changed - base
        method = max(tried, key=lambda name: tried[name])
        return Remedy(index, gain, method, tried[method])

    def _tied(self, node: Node) -> frozenset[int]:
        """A node's output, and the tensors that share its scale."""
        index = node.output.index
        return self._group_of.get(index, frozenset({index}))


def _probe(graph: Graph, matches: Mapping[int, int]) -> Node:
    """The node at whose output errors are looked at; see :class:`Sensitivity`."""
    writers = {tensor.index: node for node in graph.nodes for tensor in node.outputs}
    last = writers[graph.outputs[0].index]
    while last.op in _HIDING:
        before = writers.get(last.activations[0].index)
        if before is None or (last.op in _SQUASHING and before.output.index not in matches):
            break
        last = before
    return last


def _rounded(tensors: frozenset[int], levels: Levels) -> Changes:
    return Changes(dict.fromkeys(tensors, levels))


def _float_constants(
    graph: Graph, float_data: bytes, matches: Mapping[int, int]
) -> dict[tuple[int, int], Floats]:
    """Weights and biases of the float layers that write the same, by node and operand."""
    model = Flatbuffer(float_data)
    writers = {int(op.outputs[0]): op for op in model.graph.operators if model.op(op) in LINEAR}
    found = {}
    for node in graph.nodes:
        writer = writers.get(matches.get(node.output.index, -1))
        for k, operand in enumerate(() if writer is None else writer.inputs):
            values = model.values(int(operand)) if operand >= 0 else None
            own = node.optional(k)
            if values is not None and own is not None and values.shape == own.shape:
                found[node.index, k] = values.astype(np.float32)
    return found
