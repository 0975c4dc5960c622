"""Tensors of a float and an int8 model are paired by structure where their names differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from tinyaiot.graph import DType, Graph, Node, Quantization, Tensor
from tinyaiot.operators.common import Activation
from tinyaiot.quantization.matching import match


@dataclass(frozen=True)
class Options:
    """What a node has beside its operands."""

    activation: Activation = Activation.NONE


class Builder:
    """A network in floating point, or the same in int8, one node after the other."""

    def __init__(self, *, quantized: bool, names: str) -> None:
        self._quantized = quantized
        self._names = names
        self._tensors = 0
        self.nodes: list[Node] = []
        self.input = self.tensor((1, 4, 4, 2))

    def tensor(self, shape: tuple[int, ...]) -> Tensor:
        self._tensors += 1
        dtype = DType.INT8 if self._quantized else DType.FLOAT32
        scales = Quantization((0.1,), (0,)) if self._quantized else None
        return Tensor(self._tensors, f"{self._names}{self._tensors}", shape, dtype, scales)

    def weights(self, values: npt.NDArray[np.float64]) -> Tensor:
        self._tensors += 1
        if not self._quantized:
            return Tensor(self._tensors, "w", values.shape, DType.FLOAT32, None, values)
        scales = np.abs(values).reshape(len(values), -1).max(axis=1) / 127
        levels = np.rint(values / scales.reshape(-1, *[1] * (values.ndim - 1))).astype(np.int8)
        quantization = Quantization(tuple(scales.tolist()), (0,) * len(scales))
        return Tensor(self._tensors, "w", values.shape, DType.INT8, quantization, levels)

    def node(
        self,
        op: str,
        inputs: list[Tensor],
        shape: tuple[int, ...],
        activation: Activation = Activation.NONE,
    ) -> Tensor:
        output = self.tensor(shape)
        node = Node(len(self.nodes), op, tuple(inputs), (output,), Options(activation))
        self.nodes.append(node)
        return output

    def graph(self, output: Tensor) -> Graph:
        return Graph("g", tuple(self.nodes), (self.input,), (output,))


def network(b: Builder, *, fused: bool, skip_first: bool) -> dict[str, Tensor]:
    """Two branches of convolutions, one with a ReLU, their sum, and a dense layer on it."""
    rng = np.random.default_rng(1)
    kernels = {name: rng.normal(size=(2, 1, 1, 2)) for name in ("main", "skip")}
    dense = rng.normal(size=(3, 32))
    shape = (1, 4, 4, 2)
    found = {"input": b.input}
    for branch in ("skip", "main") if skip_first else ("main", "skip"):
        weights = b.weights(kernels[branch])
        activation = Activation.RELU if branch == "main" and fused else Activation.NONE
        found[branch] = b.node("CONV_2D", [b.input, weights], shape, activation)
        if branch == "main" and not fused:
            found[branch] = b.node("RELU", [found[branch]], shape)
    found["sum"] = b.node("ADD", [found["main"], found["skip"]], shape)
    flat = b.node("RESHAPE", [found["sum"]], (1, 32))
    found["dense"] = b.node("FULLY_CONNECTED", [flat, b.weights(dense)], (1, 3))
    return found


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("skip_first", [True, False])
def test_layers_are_found_in_another_order_and_with_their_relu_apart(
    fused: bool, skip_first: bool
) -> None:
    int8, real = Builder(quantized=True, names="a"), Builder(quantized=False, names="b")
    a = network(int8, fused=True, skip_first=True)
    b = network(real, fused=fused, skip_first=skip_first)
    found = match(int8.graph(a["dense"]), real.graph(b["dense"]))
    assert {name: found.get(a[name].index) for name in a} == {n: b[n].index for n in b}


def test_names_go_before_structure() -> None:
    int8, real = Builder(quantized=True, names="t"), Builder(quantized=False, names="t")
    a = network(int8, fused=True, skip_first=True)
    b = network(real, fused=True, skip_first=True)
    found = match(int8.graph(a["dense"]), real.graph(b["dense"]))
    assert all(found[a[name].index] == b[name].index for name in a)


def test_other_weights_are_no_match() -> None:
    int8, real = Builder(quantized=True, names="a"), Builder(quantized=False, names="b")
    shape = (1, 4, 4, 2)
    rng = np.random.default_rng(2)
    a, b = (
        builder.node(
            "CONV_2D", [builder.input, builder.weights(rng.normal(size=(2, 1, 1, 2)))], shape
        )
        for builder in (int8, real)
    )
    assert a.index not in match(int8.graph(a), real.graph(b))
