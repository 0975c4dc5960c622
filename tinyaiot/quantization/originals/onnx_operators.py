"""ONNX operators as layers of Keras, their channels last; one function for each.

A function takes a :class:`Node` whose operands are constants (numpy arrays) or tensors
(:class:`~tinyaiot.quantization.originals.channels_last.Value`), at least one of them a tensor, and
returns the node's outputs. What it cannot take it refuses by :class:`Refused`. Operators are as of
https://onnx.ai/onnx/operators, old forms (attributes that became inputs) included.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from tinyaiot.quantization.originals.channels_last import Array, Value, channels_last, natural

Operand = Array | Value | None
Operator = Callable[["Node"], "Operand | list[Operand]"]

# The length of an axis, or the number of samples, that means "to the end".
_ENDLESS = 2**31 - 1


class Refused(Exception):  # noqa: N818 (an answer, turned into an error with all others)
    """Why a node cannot be converted, as the end of a line that names it."""


@dataclass(frozen=True)
class Node:
    """A node of an ONNX graph whose operands are known.

    Attributes:
        opset: the version of the operators that the graph is written in.
        outputs: how many outputs it has.
    """

    op: str
    name: str
    opset: int
    inputs: tuple[Operand, ...]
    attributes: Mapping[str, Any]
    outputs: int

    @property
    def tensor(self) -> Value:
        """The first operand, which must be a tensor."""
        value = self.inputs[0]
        if not isinstance(value, Value):
            raise Refused("its first operand is a constant")
        return value

    def constant(self, position: int, attribute: str = "") -> Array | None:
        """An operand that must be a constant, or the attribute it once was; None if absent."""
        if position < len(self.inputs) and self.inputs[position] is not None:
            value = self.inputs[position]
            if isinstance(value, Value):
                raise Refused(f"its operand {position} is not a constant")
            return value
        found = self.attributes.get(attribute)
        return None if found is None else np.asarray(found)

    def integers(self, position: int, attribute: str = "") -> list[int] | None:
        """:meth:`constant` as a list of integers."""
        found = self.constant(position, attribute)
        return None if found is None else [int(k) for k in np.ravel(found)]

    def weights(self, position: int = 1) -> Array:
        """An operand that must be there as a constant."""
        found = self.constant(position)
        if found is None:
            raise Refused(f"it has no operand {position}")
        return found

    def layer(self, kind: str, *arguments: Any, weights: Sequence[Any] = (), **options: Any) -> Any:
        """A layer of Keras with these weights, None for those it is to go without."""
        # TensorFlow takes no other characters, and no name that begins with a line.
        name = re.sub(r"[^A-Za-z0-9_.]", "_", self.name).strip("_")
        given = [np.asarray(array, np.float32) for array in weights if array is not None]

        def apply(tensor: Any) -> Any:
            layer = getattr(_keras().layers, kind)(*arguments, name=name or None, **options)
            result = layer(tensor)
            layer.set_weights(given)
            return result

        return apply


def _keras() -> Any:
    from tensorflow import keras

    return keras


def _image(value: Value) -> Any:
    """A tensor [n, channels, height, width], or without height, as [n, height, width, channels]."""
    rank = len(value.order)
    if rank not in (3, 4):
        raise Refused(f"it takes a tensor of {rank} axes; those of 3 and 4 can be converted")
    tensor = value.ordered(channels_last(rank)).tensor
    return tensor if rank == 4 else _keras().layers.Reshape((1, *tensor.shape[1:]))(tensor)


def _from_image(tensor: Any, rank: int) -> Value:
    if rank == 3:
        tensor = _keras().layers.Reshape(tensor.shape[2:])(tensor)
    return Value(tensor, channels_last(rank))


@dataclass(frozen=True)
class _Window:
    """How a window moves over an image [height, width]."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]

    @property
    def is_padded(self) -> bool:
        """Whether it reaches beyond the image."""
        return max(*self.before, *self.after) > 0

    def fits(self, size: Sequence[int]) -> bool:
        """Whether its steps end where the padded image ends."""
        sides = zip(size, self.before, self.after, self.kernel, self.strides, strict=True)
        return all((n + a + b - kernel) % step == 0 for n, a, b, kernel, step in sides)

    def is_same(self, size: Sequence[int]) -> bool:
        """Whether the padding is what TensorFlow calls ``same``."""
        return _same(self, size) == (self.before, self.after)


def _window(node: Node, kernel: Sequence[int], size: Sequence[int]) -> _Window:
    def pair(values: Sequence[int] | None, default: int) -> tuple[int, int]:
        given = [default] * len(kernel) if values is None else [int(k) for k in values]
        return (default, given[0]) if len(given) == 1 else (given[0], given[1])

    lengths = pair(kernel, 1)
    strides = pair(node.attributes.get("strides"), 1)
    dilations = pair(node.attributes.get("dilations"), 1)
    pads = list(node.attributes.get("pads") or [0] * 2 * len(kernel))
    before, after = pair(pads[: len(kernel)], 0), pair(pads[len(kernel) :], 0)
    window = _Window(lengths, strides, dilations, before, after)
    automatic = node.attributes.get("auto_pad", "NOTSET")
    if automatic == "VALID":
        before = after = (0, 0)
    elif automatic == "SAME_UPPER":
        before, after = _same(window, size)
    elif automatic == "SAME_LOWER":
        after, before = _same(window, size)
    if min(*before, *after) < 0:
        raise Refused("its padding is negative")
    return _Window(lengths, strides, dilations, before, after)


def _same(window: _Window, size: Sequence[int]) -> tuple[tuple[int, int], tuple[int, int]]:
    totals = [
        max((-(-length // stride) - 1) * stride + (kernel - 1) * dilation + 1 - length, 0)
        for length, kernel, stride, dilation in zip(
            size, window.kernel, window.strides, window.dilations, strict=True
        )
    ]
    before = (totals[0] // 2, totals[1] // 2)
    return before, (totals[0] - before[0], totals[1] - before[1])


def _padded(image: Any, window: _Window) -> tuple[Any, str]:
    """The image, zeros around it where need be, and the padding that a layer then has."""
    if window.is_padded and window.is_same(image.shape[1:3]):
        return image, "same"
    return _zeros_around(image, window), "valid"


def _zeros_around(image: Any, window: _Window) -> Any:
    if not window.is_padded:
        return image
    around = tuple(zip(window.before, window.after, strict=True))
    return _keras().layers.ZeroPadding2D(around)(image)


def _conv(node: Node) -> Operand:
    image, weights, bias = _image(node.tensor), node.weights(), node.constant(2)
    window = _window(node, weights.shape[2:], image.shape[1:3])
    # [filters, channels, height, width]; what has one axis has a height of 1.
    weights = weights.reshape((*weights.shape[:2], *window.kernel))
    filters, group, channels = len(weights), node.attributes.get("group", 1), image.shape[-1]
    if max(window.strides) > 1 and max(window.dilations) > 1:
        raise Refused("it has both strides and dilations")
    padded, padding = _padded(image, window)
    options = {"padding": padding, "use_bias": bias is not None}
    options |= {"strides": window.strides, "dilation_rate": window.dilations}
    if group == 1:
        kernel = weights.transpose(2, 3, 1, 0)
        layer = node.layer("Conv2D", filters, window.kernel, weights=(kernel, bias), **options)
    elif group == channels:
        if window.strides[0] != window.strides[1]:
            raise Refused("it is depthwise with two different strides")
        multiplier = filters // channels
        kernel = weights.reshape(channels, multiplier, *window.kernel).transpose(2, 3, 0, 1)
        options |= {"depth_multiplier": multiplier}
        layer = node.layer("DepthwiseConv2D", window.kernel, weights=(kernel, bias), **options)
    else:
        raise Refused(f"it has {group} groups; 1, or one for each channel, can be converted")
    return _from_image(layer(padded), len(node.tensor.order))


def _pool(node: Node) -> Operand:
    image = _image(node.tensor)
    window = _window(node, node.attributes["kernel_shape"], image.shape[1:3])
    if window.dilations != (1, 1):
        raise Refused("it has dilations")
    if node.attributes.get("ceil_mode") and not window.fits(image.shape[1:3]):
        raise Refused("it rounds its size up, beyond its input")
    average = node.op == "AveragePool"
    padding = "valid"
    if average and node.attributes.get("count_include_pad"):
        image = _zeros_around(image, window)
    elif window.is_padded:
        # What lies outside counts neither for the average nor for the largest.
        if window.is_same(image.shape[1:3]):
            padding = "same"
        elif not average and _is_never_negative(image):
            image = _zeros_around(image, window)
        else:
            raise Refused("its padding is not TensorFlow's 'same'")
    kind = "AveragePooling2D" if average else "MaxPooling2D"
    layer = node.layer(kind, window.kernel, window.strides, padding=padding)
    return _from_image(layer(image), len(node.tensor.order))


def _is_never_negative(image: Any) -> bool:
    return isinstance(image._keras_history.operation, _keras().layers.ReLU)


def _global_pool(node: Node) -> Operand:
    rank = len(node.tensor.order)
    kind = "GlobalAveragePooling2D" if node.op == "GlobalAveragePool" else "GlobalMaxPooling2D"
    layer = node.layer(kind, keepdims=True)
    return _from_image(layer(_image(node.tensor)), rank)


def _reduce(node: Node) -> Operand:
    value = node.tensor
    rank = len(value.order)
    keep = bool(node.attributes.get("keepdims", 1))
    axes = sorted(axis % rank for axis in node.integers(1, "axes") or range(rank))
    if 0 in axes:
        raise Refused("it reduces the batch")
    if node.op == "ReduceMean" and rank == 4 and axes == [2, 3]:
        pooled = _from_image(node.layer("GlobalAveragePooling2D", keepdims=True)(_image(value)), 4)
        return pooled if keep else pooled.reshaped(pooled.shape[:2])
    function = {"ReduceMean": "mean", "ReduceSum": "sum", "ReduceMax": "max", "ReduceMin": "min"}
    value = value.unmixed()
    reduce = getattr(_keras().ops, function[node.op])
    tensor = reduce(value.tensor, axis=tuple(value.axis(axis) for axis in axes), keepdims=keep)
    if keep:
        return Value(tensor, value.order)
    left = [axis for axis in range(rank) if axis not in axes]
    return Value(tensor, tuple(left.index(axis) for axis in value.order if axis in left))


def _dense(node: Node) -> Operand:
    value, weights, bias = node.tensor, node.weights(), node.constant(2)
    if weights.ndim != 2:
        raise Refused(f"its weights have {weights.ndim} axes, not 2")
    if node.attributes.get("transA"):
        raise Refused("it transposes its input")
    if node.attributes.get("transB"):
        weights = weights.T
    if value.flat_of is None:
        value = value.natural()
    weights = weights[value.features()] * np.float32(node.attributes.get("alpha", 1.0))
    if bias is not None:
        scaled = bias * np.float32(node.attributes.get("beta", 1.0))
        bias = np.broadcast_to(scaled.reshape(-1), weights.shape[1])
    layer = node.layer(
        "Dense", weights.shape[1], use_bias=bias is not None, weights=(weights, bias)
    )
    return Value(layer(value.tensor), natural(len(value.order)))


def _normalization(node: Node) -> Operand:
    value = node.tensor
    if node.attributes.get("training_mode"):
        raise Refused("it is in training mode")
    if value.flat_of is None:
        value = value.ordered(channels_last(len(value.order)))
    channels = value.features() if len(value.order) == 2 else slice(None)
    layer = node.layer(
        "BatchNormalization",
        epsilon=node.attributes.get("epsilon", 1e-5),
        weights=[node.weights(k)[channels] for k in range(1, 5)],
    )
    return value.map(layer)


def _arithmetic(node: Node) -> Operand:
    function = getattr(_keras().ops, _ARITHMETIC[node.op])
    result = node.inputs[0]
    for operand in node.inputs[1:]:
        result = _of_two(function, result, operand)
    return result


_ARITHMETIC = {
    "Add": "add",
    "Sum": "add",
    "Sub": "subtract",
    "Mul": "multiply",
    "Div": "divide",
    "Max": "maximum",
    "Min": "minimum",
}


def _of_two(function: Callable[[Any, Any], Any], a: Operand, b: Operand) -> Operand:
    if a is None or b is None:
        raise Refused("it lacks an operand")
    if isinstance(a, Value):
        if isinstance(b, Value):
            return _of_tensors(function, a, b)
        return _with_constant(function, a, b)
    if isinstance(b, Value):
        return _with_constant(lambda tensor, constant: function(constant, tensor), b, a)
    return np.asarray(function(a, b))


def _of_tensors(function: Callable[[Any, Any], Any], a: Value, b: Value) -> Value:
    rank = max(len(a.order), len(b.order))
    a, b = (x.reshaped((1,) * (rank - len(x.order)) + x.shape) for x in (a, b))
    if a.flat_of != b.flat_of:
        a, b = a.natural(), b.natural()
    # The smaller one is brought to the order of the larger.
    order = a.order if np.prod(a.shape) >= np.prod(b.shape) else b.order
    if a.order != b.order:
        a, b = a.ordered(order), b.ordered(order)
    return Value(function(a.tensor, b.tensor), order, a.flat_of)


def _with_constant(function: Callable[[Any, Any], Any], value: Value, constant: Array) -> Value:
    rank = max(len(value.order), constant.ndim)
    value = value.reshaped((1,) * (rank - len(value.order)) + value.shape)
    if np.broadcast_shapes(value.shape, constant.shape) != value.shape and value.flat_of:
        value = value.natural()
    arranged = value.arranged(constant.astype(np.float32))
    return value.map(lambda tensor: function(tensor, arranged))


def _elementwise(function: Callable[[Node, Any], Any]) -> Operator:
    return lambda node: node.tensor.map(lambda tensor: function(node, tensor))


def _clip(node: Node) -> Operand:
    low, high = (node.constant(k, name) for k, name in ((1, "min"), (2, "max")))
    bounds = (None if low is None else float(low), None if high is None else float(high))
    keras = _keras()
    if bounds[0] == 0 and (bounds[1] is None or bounds[1] >= _UNLIMITED):
        return node.tensor.map(keras.layers.ReLU())
    if bounds == (0, 6):
        return node.tensor.map(keras.layers.ReLU(6.0))
    value = node.tensor
    if bounds[0] is not None:
        value = value.map(lambda tensor: keras.ops.maximum(tensor, bounds[0]))
    if bounds[1] is not None:
        value = value.map(lambda tensor: keras.ops.minimum(tensor, bounds[1]))
    return value


def _hard_sigmoid(node: Node, tensor: Any) -> Any:
    ops = _keras().ops
    alpha, beta = node.attributes.get("alpha", 0.2), node.attributes.get("beta", 0.5)
    # relu6(x + 3) / 6 where alpha is a sixth, which is how it is usually written.
    return ops.relu6((tensor + beta / alpha) * (6 * alpha)) / 6


def _parametric_relu(node: Node) -> Operand:
    value, slope = node.tensor, node.weights()
    if slope.size == 1:
        return value.map(_keras().layers.LeakyReLU(float(slope.reshape(()))))
    rank = len(value.order)
    if value.flat_of is None:
        value = value.ordered(channels_last(rank))
    arranged = value.arranged(slope)[0]
    shared = [axis + 1 for axis, length in enumerate(arranged.shape) if length == 1]
    return value.map(node.layer("PReLU", shared_axes=shared or None, weights=(arranged,)))


def _softmax(node: Node) -> Operand:
    value = node.tensor
    rank = len(value.order)
    old = node.opset < _SOFTMAX_OF_ONE_AXIS
    axis = node.attributes.get("axis", 1 if old else -1) % rank
    if old and axis != rank - 1:
        raise Refused(f"in version {node.opset} of the operators it flattens axes")
    value = value.unmixed()
    return value.map(node.layer("Softmax", axis=value.axis(axis)))


def _transpose(node: Node) -> Operand:
    value = node.tensor
    axes = node.attributes.get("perm") or list(reversed(range(len(value.order))))
    if axes[0] != 0:
        raise Refused("it moves the batch")
    return value.transposed(axes)


def _reshape(node: Node) -> Operand:
    value, wanted = node.tensor, node.integers(1, "shape")
    if wanted is None:
        raise Refused("it has no shape")
    if not node.attributes.get("allowzero"):
        wanted = [value.shape[k] if length == 0 else length for k, length in enumerate(wanted)]
    return _shaped(value, wanted)


def _flatten(node: Node) -> Operand:
    axis = node.attributes.get("axis", 1) % len(node.tensor.order)
    if axis != 1:
        raise Refused(f"it flattens from axis {axis}; 1 can be converted")
    return _shaped(node.tensor, [1, -1])


def _squeeze(node: Node) -> Operand:
    shape = node.tensor.shape
    axes = node.integers(1, "axes")
    if axes is None:
        axes = [axis for axis, length in enumerate(shape) if length == 1 and axis > 0]
    gone = {axis % len(shape) for axis in axes}
    return _shaped(node.tensor, [n for axis, n in enumerate(shape) if axis not in gone])


def _unsqueeze(node: Node) -> Operand:
    shape = list(node.tensor.shape)
    axes = node.integers(1, "axes") or []
    for axis in sorted(axis % (len(shape) + len(axes)) for axis in axes):
        shape.insert(axis, 1)
    return _shaped(node.tensor, shape)


def _shaped(value: Value, wanted: Sequence[int]) -> Operand:
    size, shape = int(np.prod(value.shape)), list(wanted)
    if -1 in shape:
        known = int(np.prod([length for length in shape if length != -1]))
        shape[shape.index(-1)] = size // max(known, 1)
    if not shape or shape[0] != 1 or int(np.prod(shape)) != size:
        raise Refused(f"it makes {list(wanted)} of {list(value.shape)}, across the batch of 1")
    return value.reshaped(shape)


def _concatenate(node: Node) -> Operand:
    values = []
    for operand in node.inputs:
        if not isinstance(operand, Value):
            raise Refused("one of its operands is a constant")
        values.append(operand.unmixed())
    order = max(values, key=lambda value: np.prod(value.shape)).order
    axis = order.index(node.attributes["axis"] % len(order))
    tensors = [value.ordered(order).tensor for value in values]
    return Value(_keras().layers.Concatenate(axis)(tensors), order)


def _pad(node: Node) -> Operand:
    value, rank = node.tensor, len(node.tensor.order)
    pads = node.integers(1, "pads") or []
    fill = node.constant(2, "value")
    if node.attributes.get("mode", "constant") != "constant":
        raise Refused("it pads with other than a constant")
    axes = node.integers(3) or list(range(rank))
    around = [(0, 0)] * rank
    for k, axis in enumerate(axes):
        around[axis % rank] = (pads[k], pads[k + len(axes)])
    if any(length < 0 for pair in around for length in pair) or around[0] != (0, 0):
        raise Refused("it pads the batch, or takes away")
    if not any(map(any, around)):
        return value
    value = value.unmixed()
    constant = 0.0 if fill is None else float(np.ravel(fill)[0])
    lies = [around[axis] for axis in value.order]
    if rank == 4 and constant == 0 and lies[-1] == (0, 0):
        return value.map(_keras().layers.ZeroPadding2D(tuple(lies[1:3])))
    return value.map(lambda tensor: _keras().ops.pad(tensor, lies, constant_values=constant))


def _slice(node: Node) -> Operand:
    value = node.tensor
    rank = len(value.order)
    starts, stops = node.integers(1, "starts") or [], node.integers(2, "ends") or []
    axes = node.integers(3, "axes") or list(range(len(starts)))
    steps = node.integers(4, "steps") or [1] * len(starts)
    cuts = [slice(None)] * rank
    for axis, start, stop, step in zip(axes, starts, stops, steps, strict=True):
        if step < 1 or (axis % rank == 0 and (start, step) != (0, 1)):
            raise Refused("it cuts the batch, or runs backwards")
        if axis % rank:
            cuts[axis % rank] = slice(start, min(stop, _ENDLESS), step)
    value = value.unmixed()
    lies = tuple(cuts[axis] for axis in value.order)
    return Value(value.tensor[lies], value.order)


def _split(node: Node) -> list[Operand]:
    value = node.tensor.unmixed()
    axis = value.axis(node.attributes.get("axis", 0))
    sizes = node.integers(1, "split")
    length = value.tensor.shape[axis]
    if axis == 0 or (sizes is None and length % node.outputs):
        raise Refused("it splits the batch, or into parts of different sizes")
    parts = node.outputs if sizes is None else np.cumsum(sizes)[:-1].tolist()
    return [Value(t, value.order) for t in _keras().ops.split(value.tensor, parts, axis=axis)]


def _resize(node: Node) -> Operand:
    value = node.tensor
    if node.attributes.get("mode", "nearest") != "nearest":
        raise Refused("it interpolates; the nearest pixel can be taken")
    image = _image(value)
    # Upsample and the first Resize have the scales where later ones have the region of interest.
    scales = node.constant(2 if len(node.inputs) > 2 else 1, "scales")
    sizes = node.integers(3)
    if sizes is not None:
        scales = np.asarray(sizes) / np.asarray(value.shape)
    if scales is None or len(scales) != 4 or (scales[:2] != 1).any() or (scales % 1).any():
        raise Refused("its scales are not whole numbers, of height and width")
    factors = (int(scales[2]), int(scales[3]))
    return _from_image(_keras().layers.UpSampling2D(factors)(image), 4)


def _same_tensor(node: Node) -> list[Operand]:
    return [node.tensor, *[None] * (node.outputs - 1)]


def _activation(name: str) -> Operator:
    return lambda node: node.tensor.map(node.layer("Activation", name))


# From here on a limit is none.
_UNLIMITED = 1e30

# The version of the operators since which Softmax is of one axis.
_SOFTMAX_OF_ONE_AXIS = 13

OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        "Abs": _elementwise(lambda _, x: _keras().ops.abs(x)),
        "Add": _arithmetic,
        "AveragePool": _pool,
        "BatchNormalization": _normalization,
        "Clip": _clip,
        "Concat": _concatenate,
        "Conv": _conv,
        "Div": _arithmetic,
        "Dropout": _same_tensor,
        "Flatten": _flatten,
        "Gemm": _dense,
        "GlobalAveragePool": _global_pool,
        "GlobalMaxPool": _global_pool,
        "HardSigmoid": _elementwise(_hard_sigmoid),
        "HardSwish": _elementwise(lambda _, x: x * _keras().ops.relu6(x + 3) / 6),
        "Identity": _same_tensor,
        "LeakyRelu": _elementwise(
            lambda node, x: _keras().layers.LeakyReLU(node.attributes.get("alpha", 0.01))(x)
        ),
        "MatMul": _dense,
        "Max": _arithmetic,
        "MaxPool": _pool,
        "Min": _arithmetic,
        "Mul": _arithmetic,
        "Neg": _elementwise(lambda _, x: -x),
        "PRelu": _parametric_relu,
        "Pad": _pad,
        "ReduceMax": _reduce,
        "ReduceMean": _reduce,
        "ReduceMin": _reduce,
        "ReduceSum": _reduce,
        "Relu": _elementwise(lambda node, x: node.layer("ReLU")(x)),
        "Reshape": _reshape,
        "Resize": _resize,
        "Sigmoid": _activation("sigmoid"),
        "Slice": _slice,
        "Softmax": _softmax,
        "Split": _split,
        "Squeeze": _squeeze,
        "Sub": _arithmetic,
        "Sum": _arithmetic,
        "Tanh": _activation("tanh"),
        "Transpose": _transpose,
        "Unsqueeze": _unsqueeze,
        "Upsample": _resize,
    }
)
