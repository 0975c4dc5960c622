"""Bias correction: the mean error of each channel, taken out of its bias.

Rounded weights shift the mean of what a channel computes, and layer after layer adds its shift;
int32 biases are fine enough to take it out again. Layer by layer, in order, the mean of the int8
layer's sums (before its activation function, all before it corrected already) is brought to that
of the float layer, over the calibration data. The empirical form of Nagel et al., "Data-free
quantization through weight equalization and bias correction" (ICCV 2019), appendix D.
"""

from __future__ import annotations

import numpy as np

from tinyaiot.graph import Graph
from tinyaiot.quantization.float_model import FloatModel, Floats
from tinyaiot.quantization.rescaling import Doubles, with_biases
from tinyaiot.quantization.simulation import Simulation, with_sums

# Means of channels need few samples; each costs an inference for every layer.
_SAMPLES = 64


def correct_biases(data: bytes, graph: Graph, float_data: bytes, inputs: Floats) -> bytes:
    """The int8 .tflite ``data`` with other biases.

    Args:
        graph: of ``data``.
        float_data: the float .tflite that it was made of.
        inputs: calibration data [count, ...]; 64 of them, spread over all, are used.

    Raises:
        UnsupportedModelError: a bias would exceed int32.
    """
    samples = inputs[:: -(-len(inputs) // _SAMPLES)]
    wanted = _float_means(graph, float_data, samples)
    for index, mean in wanted.items():
        simulation = Simulation(data, keep_tensors=True)
        actual = np.zeros_like(mean)
        for sample in samples:
            simulation.run(sample)
            actual += _channel_means(simulation.sum_of(index)) / len(samples)
        data = with_biases(data, {index: mean - actual})
    return data


def _float_means(graph: Graph, float_data: bytes, samples: Floats) -> dict[int, Doubles]:
    """The mean of each channel's sums in the float network, by the index of the int8 node."""
    separated, sums = with_sums(float_data)
    original = FloatModel(separated, graph)
    tensors = {
        node.index: sums[float_index]
        for node in graph.nodes
        if (float_index := original.matches.get(node.output.index)) in sums
    }
    means = {k: np.zeros(graph.nodes[k].output.channels) for k in tensors}
    for sample in samples:
        original.run(sample)
        for k, index in tensors.items():
            means[k] += _channel_means(original.tensor(index)) / len(samples)
    return means


def _channel_means(values: Floats) -> Doubles:
    channels: Doubles = values.reshape(-1, values.shape[-1]).mean(axis=0, dtype=np.float64)
    return channels
