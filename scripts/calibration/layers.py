"""Layers drawn for the calibration: shapes and scales as models have them, and odd ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinyaiot.graph import DType, Node, Quantization, Tensor
from tinyaiot.operators import operator_of
from tinyaiot.operators.binary import BinaryAttributes
from tinyaiot.operators.common import Activation
from tinyaiot.operators.concatenation import ConcatenationAttributes
from tinyaiot.operators.convolution import ConvolutionAttributes
from tinyaiot.operators.fully_connected import FullyConnectedAttributes
from tinyaiot.operators.pool_2d import PoolAttributes
from tinyaiot.operators.reduce import ReduceAttributes
from tinyaiot.operators.resize_nearest_neighbor import ResizeAttributes
from tinyaiot.operators.softmax import SoftmaxAttributes
from tinyaiot.operators.windows import Padding, Window

_MAX_ACTIVATION_BYTES = 65_000
# Of weights: kernels that join pixels split sums the more often the larger weights are.
_DEVIATIONS = (15, 30, 45)
_MAX_WEIGHTS_BYTES = 80_000
_MAX_MACS = 2_500_000
_FEW_COLUMNS = (3, 4, 5, 6)
_COMMON_CHANNELS = (8, 16, 24, 32, 40, 48, 64, 96, 128, 256, 480)


@dataclass
class Draw:
    """Draws the nodes of one graph; tensors are numbered as they come.

    Attributes:
        is_narrow: whether images have but a few columns, for which there are kernels of their own.
    """

    rng: np.random.Generator
    tensors: list[Tensor] = field(default_factory=list)
    nodes: int = 0
    is_narrow: bool = False

    def pick(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def size(self, lowest: int, highest: int) -> int:
        """Evenly drawn on a logarithmic scale."""
        low, high = math.log(lowest), math.log(highest + 1)
        return min(int(math.exp(self.rng.uniform(low, high))), highest)

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def channels(self, highest: int = 512) -> int:
        if self.chance(0.7):
            return int(self.pick(*(c for c in _COMMON_CHANNELS if c <= highest)))
        return self.size(1, highest)

    def activation(
        self,
        shape: Sequence[int],
        scale: float = 0.02,
        zero_point: int | None = None,
        dtype: DType = DType.INT8,
    ) -> Tensor:
        zero = int(self.pick(-128, -128, 0, -17, 5)) if zero_point is None else zero_point
        return self._tensor(tuple(shape), dtype, Quantization((scale,), (zero,)), None)

    def constant(self, data: Any, scales: Sequence[float] = (), axis: int = 0) -> Tensor:
        values = np.asarray(data)
        quantization = Quantization(tuple(scales), (0,) * len(scales), axis) if scales else None
        return self._tensor(values.shape, DType(values.dtype.name), quantization, values)

    def node(
        self, op: str, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor], attributes: Any
    ) -> Node:
        self.nodes += 1
        return Node(self.nodes - 1, op, tuple(inputs), tuple(outputs), attributes)

    def _tensor(
        self, shape: tuple[int, ...], dtype: DType, quantization: Quantization | None, data: Any
    ) -> Tensor:
        index = len(self.tensors)
        self.tensors.append(Tensor(index, f"t{index}", shape, dtype, quantization, data))
        return self.tensors[-1]


def draw_node(draw: Draw, op: str) -> Node | None:
    """A node of that operator that keeps its rules; None where what was drawn does not."""
    kept, count = len(draw.tensors), draw.nodes
    node = _DRAWERS[op](draw)
    if node is not None and _is_moderate(node) and all(rule(node) for rule in _rules(node)):
        return node
    del draw.tensors[kept:]
    draw.nodes = count
    return None


def drawn_operators() -> Iterator[str]:
    """The operators that can be drawn."""
    yield from _DRAWERS


def _rules(node: Node) -> Sequence[Callable[[Node], bool]]:
    return operator_of(node).rules


def _is_moderate(node: Node) -> bool:
    tensors = [t for t in (*node.inputs, *node.outputs) if t is not None]
    activations = [t.nbytes for t in tensors if not t.is_constant]
    weights = [t.nbytes for t in tensors if t.is_constant]
    return (
        not operator_of(node).is_alias(node)
        and all(0 < nbytes <= _MAX_ACTIVATION_BYTES for nbytes in activations)
        and sum(weights) <= _MAX_WEIGHTS_BYTES
        and operator_of(node).macs(node) <= _MAX_MACS
    )


def _window(draw: Draw, size: int, kernel: int, padding: Padding) -> tuple[int, Window]:
    stride = int(draw.pick(1, 1, 1, 2, 2, 3))
    dilation = 2 if kernel > 1 and draw.chance(0.06) else 1
    return stride, Window.of(padding, size, kernel, stride, dilation)


def _convolution(draw: Draw, depthwise: bool) -> Node | None:
    if draw.chance(0.1):
        height, width = 1, draw.size(2, 200)
    else:
        height = draw.size(2, 48)
        width = height if draw.chance(0.6) else draw.size(2, 48)
    if draw.is_narrow:
        width = int(draw.pick(*_FEW_COLUMNS))
    kernel_h = int(draw.pick(3, 3, 3, 5, 7, 1) if depthwise else draw.pick(1, 1, 1, 3, 3, 5, 4))
    kernel_w = kernel_h if draw.chance(0.85) else int(draw.pick(1, 2, 3, 4, 5, 10))
    padding = Padding.SAME if draw.chance(0.8) else Padding.VALID
    in_channels = 1 if draw.chance(0.12) else 3 if draw.chance(0.1) else draw.channels()
    stride_h, vertical = _window(draw, height, kernel_h, padding)
    stride_w, horizontal = _window(draw, width, kernel_w, padding)
    if draw.chance(0.8) and stride_h != stride_w:
        stride_w = stride_h
        horizontal = Window.of(padding, width, kernel_w, stride_w, horizontal.dilation)
    if min(vertical.out_size, horizontal.out_size) < 1:
        return None
    depth = 1 if depthwise else in_channels
    if depthwise:
        filters = in_channels * (1 if draw.chance(0.85) else draw.size(1, 4))
        filters = draw.channels(64) if in_channels == 1 else filters
    else:
        filters = draw.channels()
        groups = int(draw.pick(2, 4)) if draw.chance(0.06) else 1
        if in_channels % groups or filters % groups:
            return None
        depth //= groups
    x = draw.activation((1, height, width, in_channels))
    y = draw.activation((1, vertical.out_size, horizontal.out_size, filters), 0.03)
    weights, bias = _filters(draw, x, y, filters, kernel_h * kernel_w * depth, per_channel=True)
    shaped = weights.data.T if depthwise else weights.data
    shape = (1, kernel_h, kernel_w, filters) if depthwise else (filters, kernel_h, kernel_w, depth)
    scales = weights.quantization.scales
    weights = draw.constant(np.ascontiguousarray(shaped).reshape(shape), scales, 3 * depthwise)
    attributes = ConvolutionAttributes(
        padding, stride_h, stride_w, vertical.dilation, horizontal.dilation, _activation(draw)
    )
    op = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    return draw.node(op, (x, weights, bias), (y,), attributes)


def _filters(
    draw: Draw, x: Tensor, y: Tensor, filters: int, taps: int, *, per_channel: bool
) -> tuple[Tensor, Tensor]:
    """Weights like trained ones, and scales with which outputs fill their range."""
    # By shape: what is drawn after these then does not depend on it.
    deviation = _DEVIATIONS[(filters + taps) % len(_DEVIATIONS)]
    weights = np.clip(draw.rng.normal(0, deviation, (filters, taps)), -127, 127).round()
    # The sum's deviation comes to some 40 steps of the output.
    typical = 40 / (deviation * 60 * math.sqrt(taps))
    spread = draw.rng.uniform(-1.5, 0.7, filters if per_channel and draw.chance(0.9) else 1)
    scales = [float(np.float32(typical * 2.0**s * y.scale / x.scale)) for s in spread]
    bias = draw.rng.integers(-4000, 4000, filters).astype(np.int32)
    return draw.constant(weights.astype(np.int8), scales), draw.constant(bias, (1.0,))


def _activation(draw: Draw) -> Activation:
    return Activation.NONE if draw.chance(0.5) else Activation.RELU6


def _fully_connected(draw: Draw) -> Node | None:
    depth, filters = draw.channels(1024), draw.channels(256)
    if draw.chance(0.5):
        depth = draw.size(1, 2048)
    batches = 1 if draw.chance(0.8) else draw.size(2, 12)
    x = draw.activation((batches, depth))
    y = draw.activation((batches, filters), 0.03)
    weights, bias = _filters(draw, x, y, filters, depth, per_channel=draw.chance(0.4))
    attributes = FullyConnectedAttributes(_activation(draw))
    return draw.node("FULLY_CONNECTED", (x, weights, bias), (y,), attributes)


def _image(draw: Draw, scale: float = 0.02) -> Tensor:
    height = draw.size(1, 40)
    width = height if draw.chance(0.6) else draw.size(1, 40)
    return draw.activation((1, height, width, draw.channels()), scale)


def _like(draw: Draw, x: Tensor, shape: Sequence[int] | None = None) -> Tensor:
    return draw.activation(x.shape if shape is None else shape, x.scale, x.zero_point)


def _pool(draw: Draw, op: str) -> Node | None:
    x = _image(draw)
    padding = Padding.SAME if draw.chance(0.5) else Padding.VALID
    whole = draw.chance(0.4)
    kernel_h = x.height if whole else draw.size(1, 7)
    kernel_w = x.width if whole else kernel_h
    stride = int(draw.pick(1, 2, 2, kernel_h))
    windows = [
        Window.of(padding, x.height, kernel_h, stride),
        Window.of(padding, x.width, kernel_w, stride),
    ]
    shape = (1, windows[0].out_size, windows[1].out_size, x.channels)
    attributes = PoolAttributes(padding, kernel_h, kernel_w, stride, stride, _activation(draw))
    return draw.node(op, (x,), (_like(draw, x, shape),), attributes)


def _binary(draw: Draw, op: str) -> Node | None:
    x = _image(draw, float(draw.pick(0.02, 0.05, 0.011)))
    shape = x.shape if draw.chance(0.8) else (1, 1, 1, x.channels)
    other = draw.activation(shape, float(draw.pick(0.02, 0.03, 0.013)))
    y = draw.activation(x.shape, float(draw.pick(0.03, 0.05)))
    attributes = BinaryAttributes(
        _activation(draw) if op in ("ADD", "SUB", "MUL") else Activation.NONE
    )
    return draw.node(op, (x, other), (y,), attributes)


def _softmax(draw: Draw) -> Node | None:
    x = draw.activation((1, draw.size(1, 8) * 1, draw.size(1, 300)), 0.1)
    x = draw.activation((x.shape[1], x.shape[2]), 0.1) if draw.chance(0.8) else x
    y = draw.activation(x.shape, 1 / 256, -128)
    return draw.node("SOFTMAX", (x,), (y,), SoftmaxAttributes(1.0))


def _reduce(draw: Draw, op: str) -> Node | None:
    x = _image(draw)
    axes = draw.pick((1, 2), (1, 2), (1, 2), (3,), (1,), (2,))
    shape = [1 if k in axes else n for k, n in enumerate(x.shape)]
    y = draw.activation(shape, 0.02)
    return draw.node(op, (x, draw.constant(np.array(axes, np.int32))), (y,), ReduceAttributes(True))


def _lookup(draw: Draw) -> Node | None:
    x = _image(draw)
    return draw.node("LOGISTIC", (x,), (draw.activation(x.shape, 1 / 256, -128),), None)


def _quantize(draw: Draw) -> Node | None:
    x = _image(draw)
    kind = draw.pick(DType.INT8, DType.UINT8, DType.FLOAT32)
    if kind is DType.FLOAT32:
        x = draw.activation(x.shape, dtype=DType.FLOAT32)
        object.__setattr__(x, "quantization", None)
    elif kind is DType.UINT8:
        x = draw.activation(x.shape, 0.02, 128, DType.UINT8)
    return draw.node("QUANTIZE", (x,), (draw.activation(x.shape, 0.03, -3),), None)


def _dequantize(draw: Draw) -> Node | None:
    x = _image(draw)
    y = draw.activation(x.shape, dtype=DType.FLOAT32)
    object.__setattr__(y, "quantization", None)
    return draw.node("DEQUANTIZE", (x,), (y,), None)


def _pad(draw: Draw) -> Node | None:
    x = _image(draw)
    around = [(0, 0), *((draw.size(1, 4) - 1, draw.size(1, 4) - 1) for _ in range(2)), (0, 0)]
    shape = [n + sum(pads) for n, pads in zip(x.shape, around, strict=True)]
    paddings = draw.constant(np.array(around, np.int32))
    return draw.node("PAD", (x, paddings), (_like(draw, x, shape),), None)


def _concatenation(draw: Draw) -> Node | None:
    x = _image(draw)
    axis = int(draw.pick(3, 3, 1))
    others = [_like(draw, x) for _ in range(draw.size(1, 3))]
    shape = list(x.shape)
    shape[axis] *= 1 + len(others)
    attributes = ConcatenationAttributes(axis, Activation.NONE)
    return draw.node("CONCATENATION", (x, *others), (_like(draw, x, shape),), attributes)


def _resize(draw: Draw) -> Node | None:
    x = _image(draw)
    size = (x.height * 2, x.width * 2)
    y = _like(draw, x, (1, *size, x.channels))
    constant = draw.constant(np.array(size, np.int32))
    return draw.node("RESIZE_NEAREST_NEIGHBOR", (x, constant), (y,), ResizeAttributes(False, False))


def _transpose(draw: Draw) -> Node | None:
    x = _image(draw)
    order = draw.pick((0, 2, 1, 3), (0, 3, 1, 2), (0, 1, 3, 2))
    y = _like(draw, x, [x.shape[k] for k in order])
    return draw.node("TRANSPOSE", (x, draw.constant(np.array(order, np.int32))), (y,), None)


_BINARY = ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "PRELU")
_DRAWERS: dict[str, Callable[[Draw], Node | None]] = {
    "CONV_2D": lambda draw: _convolution(draw, depthwise=False),
    "DEPTHWISE_CONV_2D": lambda draw: _convolution(draw, depthwise=True),
    "FULLY_CONNECTED": _fully_connected,
    "AVERAGE_POOL_2D": lambda draw: _pool(draw, "AVERAGE_POOL_2D"),
    "MAX_POOL_2D": lambda draw: _pool(draw, "MAX_POOL_2D"),
    "ADD": lambda draw: _binary(draw, "ADD"),
    "SUB": lambda draw: _binary(draw, "SUB"),
    "MUL": lambda draw: _binary(draw, "MUL"),
    "MAXIMUM": lambda draw: _binary(draw, "MAXIMUM"),
    "MINIMUM": lambda draw: _binary(draw, "MINIMUM"),
    "SOFTMAX": _softmax,
    "MEAN": lambda draw: _reduce(draw, "MEAN"),
    "SUM": lambda draw: _reduce(draw, "SUM"),
    "LOGISTIC": _lookup,
    "QUANTIZE": _quantize,
    "DEQUANTIZE": _dequantize,
    "PAD": _pad,
    "CONCATENATION": _concatenation,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "TRANSPOSE": _transpose,
}
