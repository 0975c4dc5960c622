"""Strategies that draw whole models: a few operators, branches, several ends, odd shapes.

Shapes, attributes and quantization are drawn so that nearly every model keeps the operators'
rules; the few that do not are for the test to drop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from tests.support import draw as drawn
from tests.support.builder import ModelBuilder
from tinyaiot.operators import operators

AnyArray = npt.NDArray[Any]
T = TypeVar("T")

_MAX_ELEMENTS = 1500
_SAME, _VALID = 0, 1
_FLOAT_INPUT_STEPS = 64


@dataclass(frozen=True)
class Activation:
    """A tensor of the model that is being drawn."""

    index: int
    shape: tuple[int, ...]
    scale: float
    zero_point: int

    @property
    def is_image(self) -> bool:
        return len(self.shape) == 4

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class DrawnModel:
    """A .tflite file and one array for each of its inputs."""

    data: bytes = field(repr=False)
    inputs: list[AnyArray] = field(repr=False)
    description: str


class Drawing:
    """A model while it is drawn: what has been computed, and what reads it."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self.builder = ModelBuilder("drawn")
        self.inputs: list[AnyArray] = []
        self.outputs: list[int] = []
        self.activations: list[Activation] = []
        self.read: set[int] = set()
        self.steps: list[str] = []
        self.rng = np.random.default_rng(draw(drawn.seeds))

    def pick(self, *choices: T) -> T:
        return self._draw(st.sampled_from(choices))

    def between(self, lowest: int, highest: int) -> int:
        return self._draw(st.integers(lowest, highest))

    def strategy(self, strategy: st.SearchStrategy[T]) -> T:
        return self._draw(strategy)

    def scale(self) -> float:
        """Ordinary scales mostly, so that values are neither all saturated nor all zero."""
        ordinary = (-6.0, -5.3, -5.0, -4.7, -4.6, -4.0, -7.9, -1.0, 0.0, 2.5)
        exponent = self.pick(*ordinary, *ordinary, -20.0, -13.3, 9.0)
        return float(np.float32(2.0**exponent))

    def input(self) -> Activation:
        """A new input of the model: int8, or uint8 or float32 with a QUANTIZE after it."""
        rank = self.pick(4, 4, 4, 4, 3, 2)
        size = st.sampled_from((1, 2, 3, 4, 5, 6, 7, 9))
        channels = self.pick(1, 2, 3, 4, 5, 8)
        shape = (1, *(self._draw(size) for _ in range(rank - 2)), channels)
        dtype = self.pick("int8", "int8", "int8", "int8", "uint8", "float32")
        if dtype == "int8" or "QUANTIZE" not in operators():
            return self.new_input(shape)
        scale = self.scale()
        y = self._new(shape, scale, self._draw(drawn.zero_points), self.builder.tensor)
        if dtype == "uint8":
            zero_point = self.between(0, 255)
            x_index = self.builder.input(shape, scale, zero_point, "uint8")
            self.inputs.append(self.rng.integers(0, 256, shape).astype(np.uint8))
        else:
            x_index = self.builder.input(shape, None, 0, "float32")
            steps = self.rng.normal(0, _FLOAT_INPUT_STEPS, shape)
            self.inputs.append((steps * scale).astype(np.float32))
        self.builder.op("QUANTIZE", [x_index], [y.index])
        self.steps.append(f"QUANTIZE {dtype} {shape}")
        return y

    def new_input(self, shape: tuple[int, ...]) -> Activation:
        """A new input of int8."""
        x = self._new(shape, self.scale(), self._draw(drawn.zero_points), self.builder.input)
        self.inputs.append(drawn.int8_values(self.rng, shape))
        return x

    def choose(self, fits: Callable[[Activation], bool] = lambda a: True) -> Activation | None:
        """An activation that fits, more often a late one; None where there is none."""
        fitting = [a for a in self.activations if fits(a)]
        if not fitting:
            return None
        return self.pick(fitting[-1], *fitting)

    def constant(
        self, values: AnyArray, scales: Sequence[float] | None = None, **kwargs: Any
    ) -> int:
        return self.builder.constant(values, scales, **kwargs)

    def add(
        self,
        op: str,
        inputs: Sequence[Activation | int],
        shape: Sequence[int],
        scale: float | None = None,
        zero_point: int | None = None,
        **options: Any,
    ) -> Activation:
        """Adds ``op`` with one output; its quantization is drawn where it is not given."""
        y = self._new(
            tuple(int(n) for n in shape),
            self.scale() if scale is None else scale,
            self._draw(drawn.zero_points) if zero_point is None else zero_point,
            self.builder.tensor,
        )
        self.connect(op, inputs, [y], **options)
        return y

    def connect(
        self,
        op: str,
        inputs: Sequence[Activation | int],
        outputs: Sequence[Activation],
        **options: Any,
    ) -> None:
        """Adds ``op`` between tensors that exist."""
        indices = [a.index if isinstance(a, Activation) else a for a in inputs]
        self.read.update(indices)
        self.builder.op(op, indices, [a.index for a in outputs], **options)
        shapes = ", ".join(str(a.shape) for a in inputs if isinstance(a, Activation))
        self.steps.append(f"{op} {shapes} -> {outputs[0].shape} {options or ''}".rstrip())

    def tensor_like(self, shape: Sequence[int], model: Activation) -> Activation:
        """A new activation of ``model``'s quantization, for operators of several outputs."""
        return self._new(tuple(shape), model.scale, model.zero_point, self.builder.tensor)

    def finish(self) -> DrawnModel:
        """The model; its outputs are what nothing reads, and now and then what something does.

        Now and then, too, nothing reads a result and it is no output.
        """
        for a in self.activations:
            is_end = a.index not in self.read
            unusual = self.between(0, 9) == 9
            if is_end != unusual or a is self.activations[-1]:
                self._output(a)
        return DrawnModel(self.builder.build(self.outputs), self.inputs, "\n".join(self.steps))

    def _output(self, a: Activation) -> None:
        if a.index in self.builder.input_indices:
            return
        if "DEQUANTIZE" in operators() and self.between(0, 9) == 9:
            y = self.builder.tensor(a.shape, None, 0, "float32")
            self.builder.op("DEQUANTIZE", [a.index], [y])
            self.steps.append(f"DEQUANTIZE {a.shape}")
            self.outputs.append(y)
        else:
            self.outputs.append(a.index)

    def _new(
        self, shape: tuple[int, ...], scale: float, zero_point: int, make: Callable[..., int]
    ) -> Activation:
        activation = Activation(make(shape, scale, zero_point), shape, scale, zero_point)
        self.activations.append(activation)
        return activation


# An operator's drawer adds it behind the activation that it is given, or does nothing where the
# activation does not suit it.
Drawer = Callable[[Drawing, str, Activation], None]


@dataclass(frozen=True)
class _Axis:
    """A window along one axis."""

    kernel: int
    stride: int
    dilation: int
    out_size: int


def _axis(
    d: Drawing,
    size: int,
    padding: int,
    dilations: tuple[int, ...] = (1,),
    strides: tuple[int, ...] = (1, 1, 2, 3),
) -> _Axis:
    kernel, stride = d.between(1, 5), d.pick(*strides)
    dilation = d.pick(*dilations)
    if padding == _VALID and (kernel - 1) * dilation + 1 > size:
        kernel, dilation = d.between(1, size), 1
    span = size if padding == _SAME else size - (kernel - 1) * dilation
    return _Axis(kernel, stride, dilation, -(-span // stride))


def _linear(
    d: Drawing, x: Activation, channels: int, taps: int, per_channel: bool, biased: bool
) -> tuple[drawn.Filters, list[float]]:
    """Filters, and their scales made to fit the input's."""
    filters = d.strategy(drawn.filters(channels, taps, per_channel, biased))
    scales = [float(np.float32(s * filters.in_scale / x.scale)) for s in filters.scales]
    return filters, scales


def _convolution(
    d: Drawing, op: str, x: Activation, strides: tuple[int, ...] = (1, 1, 2, 3)
) -> None:
    if not x.is_image:
        return
    depthwise = op == "DEPTHWISE_CONV_2D"
    padding = d.pick(_SAME, _VALID)
    v, h = (_axis(d, size, padding, (1, 1, 1, 2), strides) for size in x.shape[1:3])
    channels = x.shape[3]
    groups = d.pick(*(g for g in (1, 1, 2) if channels % g == 0))
    multiplier = d.between(1, 2)
    out_channels = channels * multiplier if depthwise else groups * d.between(1, 5)
    _convolve(d, op, x, padding, v, h, out_channels, groups)


def _convolve(
    d: Drawing,
    op: str,
    x: Activation,
    padding: int,
    v: _Axis,
    h: _Axis,
    out_channels: int,
    groups: int = 1,
) -> Activation:
    """Adds a convolution of these windows, its filters drawn.

    Args:
        groups: of a CONV_2D.
    """
    depthwise = op == "DEPTHWISE_CONV_2D"
    channels = x.shape[3]
    depth = 1 if depthwise else channels // groups
    filters, scales = _linear(
        d, x, out_channels, v.kernel * h.kernel * depth, d.pick(True, True, False), depthwise
    )
    if depthwise:
        weights = filters.weights.T.reshape(1, v.kernel, h.kernel, out_channels)
    else:
        weights = filters.weights.reshape(out_channels, v.kernel, h.kernel, depth)
    options = {"depthMultiplier": out_channels // channels} if depthwise else {}
    return d.add(
        op,
        [
            x,
            d.constant(weights, scales, axis=3 if depthwise else 0),
            -1 if filters.bias is None else d.constant(filters.bias, [1.0]),
        ],
        (1, v.out_size, h.out_size, out_channels),
        filters.out_scale,
        padding=padding,
        strideH=v.stride,
        strideW=h.stride,
        dilationHFactor=v.dilation,
        dilationWFactor=h.dilation,
        fusedActivationFunction=d.strategy(drawn.activations),
        **options,
    )


def _fully_connected(d: Drawing, op: str, x: Activation) -> None:
    keep = d.pick(False, False, True)
    depth = x.shape[-1] if keep else x.size
    channels = d.between(1, 7)
    filters, scales = _linear(d, x, channels, depth, d.pick(True, False), False)
    # TFLM refuses a bias whose scale is not the product of the others.
    bias_scales = [float(np.float32(x.scale * s)) for s in scales]
    d.add(
        op,
        [
            x,
            d.constant(filters.weights, scales),
            -1 if filters.bias is None else d.constant(filters.bias, bias_scales),
        ],
        (*x.shape[:-1], channels) if keep else (1, channels),
        filters.out_scale,
        keepNumDims=keep,
        fusedActivationFunction=d.strategy(drawn.activations),
    )


def _pool(d: Drawing, op: str, x: Activation) -> None:
    if not x.is_image:
        return
    padding = d.pick(_SAME, _VALID)
    v, h = (_axis(d, size, padding) for size in x.shape[1:3])
    d.add(
        op,
        [x],
        (1, v.out_size, h.out_size, x.shape[3]),
        x.scale,
        x.zero_point,
        padding=padding,
        strideH=v.stride,
        strideW=h.stride,
        filterHeight=v.kernel,
        filterWidth=h.kernel,
        fusedActivationFunction=d.strategy(drawn.activations),
    )


def _reduce(d: Drawing, op: str, x: Activation) -> None:
    rank = len(x.shape)
    axes = d.pick(*((1, 2), (1,), (rank - 1,), (2, 1), (-1,), tuple(range(1, rank))))
    if not axes or any(axis >= rank for axis in axes):
        axes = (rank - 1,)
    keep = rank == 1 or d.pick(True, False)
    reduced = {axis % rank for axis in axes}
    kept = [1 if k in reduced else n for k, n in enumerate(x.shape) if keep or k not in reduced]
    axes_constant = d.constant(np.array(axes, np.int32))
    d.add(op, [x, axes_constant], kept, keepDims=keep)


def _softmax(d: Drawing, op: str, x: Activation) -> None:
    d.add(op, [x], x.shape, 1 / 256, -128, beta=d.pick(1.0, 1.0, 0.5, 3.0))


_FUSING = frozenset({"ADD", "SUB", "MUL"})


def _binary(d: Drawing, op: str, x: Activation) -> None:
    """With another activation of its shape, or that broadcasts, or itself, or a constant."""
    kind = d.pick("activation", "activation", "activation", "constant")
    if kind == "constant" or op == "PRELU":
        shape = tuple(d.pick(1, n) for n in x.shape)[d.between(0, len(x.shape) - 1) :]
        scale, zero_point = d.scale(), d.strategy(drawn.zero_points)
        values = drawn.int8_values(d.rng, shape)
        other: Activation | int = d.constant(values, [scale], zero_points=[zero_point])
        shapes = (x.shape, shape)
    else:
        chosen = d.choose(lambda a: _broadcast(a.shape, x.shape) is not None)
        assert chosen is not None
        other, shapes = chosen, (x.shape, chosen.shape)
    operands = [x, other]
    if op != "PRELU" and d.pick(False, False, True):
        operands.reverse()
    out = _broadcast(*shapes)
    assert out is not None
    options = {"fusedActivationFunction": d.strategy(drawn.activations)} if op in _FUSING else {}
    d.add(op, operands, out, **options)


def _broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        return None


def _same_shape(d: Drawing, op: str, x: Activation) -> None:
    d.add(op, [x], x.shape)


def _logistic(d: Drawing, op: str, x: Activation) -> None:
    d.add(op, [x], x.shape, 1 / 256, -128)


def _tanh(d: Drawing, op: str, x: Activation) -> None:
    d.add(op, [x], x.shape, 1 / 128, 0)


def _leaky_relu(d: Drawing, op: str, x: Activation) -> None:
    d.add(op, [x], x.shape, alpha=d.pick(0.0, 0.1, 0.3, 1.5, -0.5))


def _reshape(d: Drawing, op: str, x: Activation) -> None:
    shape = d.pick(
        (1, x.size),
        (1, *x.shape[1:-2], math.prod(x.shape[-2:])),
        (1, *reversed(x.shape[1:])),
        (1, x.size, 1, 1),
    )
    d.add(
        op,
        [x, d.constant(np.array(shape, np.int32))],
        shape,
        x.scale,
        x.zero_point,
        newShape=list(shape),
    )


def _squeeze(d: Drawing, op: str, x: Activation) -> None:
    axes = [k for k, n in enumerate(x.shape) if n == 1 and k > 0]
    if not axes or len(x.shape) < 3:
        return
    axis = d.pick(*axes)
    shape = x.shape[:axis] + x.shape[axis + 1 :]
    d.add(op, [x], shape, x.scale, x.zero_point, squeezeDims=[axis])


def _expand_dims(d: Drawing, op: str, x: Activation) -> None:
    if len(x.shape) > 3:
        return
    axis = d.between(1, len(x.shape))
    shape = (*x.shape[:axis], 1, *x.shape[axis:])
    d.add(op, [x, d.constant(np.array(axis, np.int32))], shape, x.scale, x.zero_point)


def _pad(d: Drawing, op: str, x: Activation) -> None:
    pads = [(0, 0), *((d.pick(0, 0, 1, 2, 3), d.pick(0, 0, 1, 2)) for _ in x.shape[1:])]
    operands: list[Activation | int] = [x, d.constant(np.array(pads, np.int32))]
    if op == "PADV2":
        value = np.array([d.strategy(drawn.zero_points)], np.int8)
        operands.append(d.constant(value, [x.scale], zero_points=[x.zero_point]))
    shape = [n + before + after for n, (before, after) in zip(x.shape, pads, strict=True)]
    d.add(op, operands, shape, x.scale, x.zero_point)


def _concatenation(d: Drawing, op: str, x: Activation) -> None:
    """Of activations that differ along one axis alone, each brought to ``x``'s quantization."""
    if len(x.shape) == 1:
        return
    axis = d.between(1, len(x.shape) - 1)

    def fits(a: Activation) -> bool:
        others = zip(a.shape, x.shape, strict=False)
        return len(a.shape) == len(x.shape) and all(
            m == n for k, (m, n) in enumerate(others) if k != axis
        )

    operands = [x]
    for _ in range(d.between(1, 3)):
        other = d.choose(fits)
        assert other is not None
        if (other.scale, other.zero_point) != (x.scale, x.zero_point):
            if "QUANTIZE" not in operators():
                continue
            other = d.add("QUANTIZE", [other], other.shape, x.scale, x.zero_point)
        operands.append(other)
    if d.pick(False, True):
        operands.reverse()
    shape = list(x.shape)
    shape[axis] = sum(a.shape[axis] for a in operands)
    d.add(op, operands, shape, x.scale, x.zero_point, axis=d.pick(axis, axis - len(shape)))


def _split(d: Drawing, op: str, x: Activation) -> None:
    cuts = [
        (k, parts) for k, n in enumerate(x.shape) for parts in (2, 3) if k > 0 and n % parts == 0
    ]
    if not cuts:
        return
    axis, parts = d.pick(*cuts)
    shape = [n // parts if k == axis else n for k, n in enumerate(x.shape)]
    outputs = [d.tensor_like(shape, x) for _ in range(parts)]
    operands = [d.constant(np.array(axis, np.int32)), x]
    d.connect(op, operands, outputs, numSplits=parts)


def _strided_slice(d: Drawing, op: str, x: Activation) -> None:
    spans = []
    for k, n in enumerate(x.shape):
        start = 0 if k == 0 else d.between(0, n - 1)
        stop = n if k == 0 else d.between(start + 1, n)
        spans.append((start, stop, 1 if k == 0 else d.pick(1, 1, 2)))
    bounds = [d.constant(np.array(column, np.int32)) for column in zip(*spans, strict=True)]
    shape = [len(range(*span)) for span in spans]
    masks = {"beginMask": 0, "endMask": 0, "ellipsisMask": 0, "newAxisMask": 0, "shrinkAxisMask": 0}
    d.add(op, [x, *bounds], shape, x.scale, x.zero_point, **masks)


def _transpose(d: Drawing, op: str, x: Activation) -> None:
    order = (0, *d.strategy(st.permutations(range(1, len(x.shape)))))
    shape = [x.shape[k] for k in order]
    d.add(op, [x, d.constant(np.array(order, np.int32))], shape, x.scale, x.zero_point)


def _resize(d: Drawing, op: str, x: Activation) -> None:
    if not x.is_image:
        return
    size = (d.between(1, 9), d.between(1, 9))
    corners, centers = d.pick((False, False), (True, False), (False, True))
    d.add(
        op,
        [x, d.constant(np.array(size, np.int32))],
        (1, *size, x.shape[3]),
        x.scale,
        x.zero_point,
        alignCorners=corners,
        halfPixelCenters=centers,
    )


DRAWERS: dict[str, Drawer] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "FULLY_CONNECTED": _fully_connected,
    "AVERAGE_POOL_2D": _pool,
    "MAX_POOL_2D": _pool,
    "MEAN": _reduce,
    "SUM": _reduce,
    "SOFTMAX": _softmax,
    "ADD": _binary,
    "SUB": _binary,
    "MUL": _binary,
    "MAXIMUM": _binary,
    "MINIMUM": _binary,
    "PRELU": _binary,
    "RELU": _same_shape,
    "RELU6": _same_shape,
    "ABS": _same_shape,
    "HARD_SWISH": _same_shape,
    "QUANTIZE": _same_shape,
    "LEAKY_RELU": _leaky_relu,
    "LOGISTIC": _logistic,
    "TANH": _tanh,
    "RESHAPE": _reshape,
    "SQUEEZE": _squeeze,
    "EXPAND_DIMS": _expand_dims,
    "PAD": _pad,
    "PADV2": _pad,
    "CONCATENATION": _concatenation,
    "SPLIT": _split,
    "STRIDED_SLICE": _strided_slice,
    "TRANSPOSE": _transpose,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
}

# Drawn more often: what networks are made of.
_FREQUENT = ("CONV_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "ADD")


@st.composite
def models(draw: st.DrawFn, max_operators: int = 6) -> DrawnModel:
    """A model of 1 to ``max_operators`` operators, and a few more that connect them."""
    d = Drawing(draw)
    for _ in range(d.pick(1, 1, 1, 2)):
        d.input()
    available = [op for op in (*_FREQUENT, *DRAWERS) if op in operators()]
    for _ in range(d.between(1, max_operators)):
        x = d.choose(lambda a: a.size <= _MAX_ELEMENTS)
        if x is not None:
            op = d.pick(*available)
            DRAWERS[op](d, op, x)
    if len(d.activations) == len(d.builder.input_indices):
        # No operator suited: there would be nothing to compute.
        _same_shape(d, "RELU", d.activations[0])
    return d.finish()


_BY_COLUMNS = ("CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D", "PAD", "RELU")


@st.composite
def images(draw: st.DrawFn, max_operators: int = 6) -> DrawnModel:
    """An image through operators that can make columns of their outputs, in a chain mostly."""
    d = Drawing(draw)
    shape = (1, d.between(3, 12), d.between(4, 16), d.pick(1, 2, 3, 4, 8))
    d.new_input(shape)
    for _ in range(d.between(2, max_operators)):
        op = d.pick(*_FREQUENT, *_BY_COLUMNS, "CONCATENATION", "TANH")
        DRAWERS[op](d, op, d.activations[-1])
    d.outputs.append(d.activations[-1].index)
    return DrawnModel(d.builder.build(d.outputs), d.inputs, "\n".join(d.steps))


@st.composite
def padded_convolutions(draw: st.DrawFn) -> DrawnModel:
    """An image through convolutions, with paddings before them as networks have them."""
    d = Drawing(draw)
    shape = (1, d.between(3, 12), d.between(4, 16), d.pick(1, 2, 3, 4, 8))
    d.new_input(shape)
    for _ in range(d.between(1, 3)):
        _pad_around(d)
        op = d.pick("CONV_2D", "DEPTHWISE_CONV_2D", "DEPTHWISE_CONV_2D")
        _convolution(d, op, d.activations[-1])
    d.outputs.append(d.activations[-1].index)
    return DrawnModel(d.builder.build(d.outputs), d.inputs, "\n".join(d.steps))


def _pad_around(d: Drawing) -> None:
    """A padding of the last image, above, below and beside it."""
    x = d.activations[-1]
    pads = [(0, 0), *((d.between(0, 2), d.between(0, 2)) for _ in range(2)), (0, 0)]
    wide = [n + before + after for n, (before, after) in zip(x.shape, pads, strict=True)]
    d.add("PAD", [x, d.constant(np.array(pads, np.int32))], wide, x.scale, x.zero_point)


@st.composite
def wide_images(draw: st.DrawFn, max_steps: int = 3) -> DrawnModel:
    """A wide and low image through windows and what lies between them, so that blocks of columns
    are much shorter than rows."""
    d = Drawing(draw)
    d.new_input((1, d.between(6, 14), d.between(20, 60), d.pick(1, 2, 3, 4)))
    for _ in range(d.between(1, max_steps)):
        d.pick(_windows, _bottleneck, _bottleneck, _padded_windows, _diamond, _lookup)(d)
    d.pick(_bottleneck, _windows, _mean)(d)
    d.outputs.append(d.activations[-1].index)
    return DrawnModel(d.builder.build(d.outputs), d.inputs, "\n".join(d.steps))


def _windows(d: Drawing) -> None:
    op = d.pick("CONV_2D", "DEPTHWISE_CONV_2D")
    _convolution(d, op, d.activations[-1], strides=(1, 1, 2))


def _bottleneck(d: Drawing) -> None:
    """More channels by a 1x1, windows over them, and fewer again."""
    channels = d.activations[-1].shape[3]
    _one_by_one(d, channels + d.between(1, 5))
    _windows(d)
    _one_by_one(d, d.between(1, 4))


def _padded_windows(d: Drawing) -> None:
    """A padding that can be folded."""
    _pad_around(d)
    x = d.activations[-1]
    op = d.pick("CONV_2D", "DEPTHWISE_CONV_2D")
    v, h = (_axis(d, size, _VALID, strides=(1, 1, 2)) for size in x.shape[1:3])
    _convolve(d, op, x, _VALID, v, h, x.shape[3])


def _one_by_one(d: Drawing, out_channels: int) -> None:
    x = d.activations[-1]
    v, h = (_Axis(1, 1, 1, size) for size in x.shape[1:3])
    _convolve(d, "CONV_2D", x, _SAME, v, h, out_channels)


def _diamond(d: Drawing) -> None:
    """Windows, a 1x1, and the sum of what these make and what they read."""
    x = d.activations[-1]
    v, h = (_Axis(d.between(1, 5), 1, 1, size) for size in x.shape[1:3])
    _convolve(d, "DEPTHWISE_CONV_2D", x, _SAME, v, h, x.shape[3])
    _one_by_one(d, x.shape[3])
    options = {"fusedActivationFunction": d.strategy(drawn.activations)}
    d.add("ADD", [x, d.activations[-1]], x.shape, **options)


def _lookup(d: Drawing) -> None:
    op = d.pick("RELU", "TANH", "ABS")
    DRAWERS[op](d, op, d.activations[-1])


def _mean(d: Drawing) -> None:
    x, axes = d.activations[-1], d.constant(np.array((1, 2), np.int32))
    d.add("MEAN", [x, axes], (1, x.shape[3]), keepDims=False)
