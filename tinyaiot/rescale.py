"""The same model for a smaller picture: what its graph would be, with the weights that it has.

The filters of a convolution do not know the size of what they slide over, so that a network of
them can be planned for another size without training it. Its answers there mean nothing until
it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from tinyaiot.graph import Graph, Node, Tensor
from tinyaiot.operators.check import violations
from tinyaiot.operators.convolution import convolution_windows
from tinyaiot.operators.windows import Window

Shape = tuple[int, ...]

# Grey, colour, colour and depth.
_PICTURE_CHANNELS = (1, 3, 4)
_STEP = 8
# A picture of less than a third of the side is another task.
_LEAST_PART = 3


def picture_size(graph: Graph) -> tuple[int, int] | None:
    """Height and width of the model's only input, where that may be a picture."""
    if len(graph.inputs) != 1 or len(graph.inputs[0].shape) != 4:
        return None
    _, height, width, channels = graph.inputs[0].shape
    # A spectrogram is long and narrow, and its bands are no pixels.
    is_picture = channels in _PICTURE_CHANNELS and max(height, width) <= 2 * min(height, width)
    return (height, width) if is_picture else None


def smaller_sizes(height: int, width: int) -> tuple[tuple[int, int], ...]:
    """Sizes to try, the largest first: the shorter side a multiple of 8, in like proportion."""
    shorter = min(height, width)
    sides = range((shorter - 1) // _STEP * _STEP, shorter // _LEAST_PART, -_STEP)
    return tuple((round(height * side / shorter), round(width * side / shorter)) for side in sides)


@dataclass(frozen=True)
class Smaller:
    """A model for a smaller picture.

    Attributes:
        change: from which size to which, in words.
        fits: whether it is what was looked for.
    """

    graph: Graph
    change: str
    fits: bool


def largest_picture(graph: Graph, fits: Callable[[Graph], bool]) -> Smaller | None:
    """The largest of ``smaller_sizes`` for which ``fits``; the smallest where it is for none.

    Args:
        fits: for no larger picture where not for a smaller one.

    Returns:
        None where the input is no picture, or some layer cannot follow.
    """
    size = picture_size(graph)
    sizes = () if size is None else smaller_sizes(*size)
    found: Smaller | None = None
    low, high = 0, len(sizes)
    while low < high:
        middle = (low + high) // 2
        rescaled = with_picture_size(graph, *sizes[middle])
        if rescaled is None:
            return None
        new, old = (f"{h}x{w}" for h, w in (sizes[middle], size or sizes[middle]))
        tried = Smaller(rescaled, f"{new} input, not {old}", fits(rescaled))
        if tried.fits or found is None or not found.fits:
            found = tried
        low, high = (low, middle) if tried.fits else (middle + 1, high)
    return found


def with_picture_size(graph: Graph, height: int, width: int) -> Graph | None:
    """The graph for a picture of that size; None where some layer cannot follow."""
    [given] = graph.inputs
    tensors = {given: replace(given, shape=(1, height, width, given.channels))}
    nodes: list[Node] = []
    for node in graph.nodes:
        rescaled = _rescaled(node, tensors)
        if rescaled is None or any(violations(rescaled)):
            return None
        tensors.update(zip(node.outputs, rescaled.outputs, strict=True))
        nodes.append(rescaled)
    outputs = tuple(tensors[tensor] for tensor in graph.outputs)
    if any(new.shape != old.shape for new, old in zip(outputs, graph.outputs, strict=True)):
        return None
    return Graph(graph.name, tuple(nodes), (tensors[given],), outputs)


def _rescaled(node: Node, tensors: Mapping[Tensor, Tensor]) -> Node | None:
    """The node with inputs as they are now, and outputs of the shape that follows."""
    inputs = tuple(None if t is None else tensors.get(t, t) for t in node.inputs)
    moved = replace(node, inputs=inputs)
    if [t and t.shape for t in inputs] == [t and t.shape for t in node.inputs]:
        return moved
    rule = _RULES.get(node.op)
    return None if rule is None or len(node.outputs) != 1 else rule(node, moved)


def _with_shape(node: Node, shape: Shape) -> Node:
    return replace(node, outputs=(replace(node.output, shape=shape),))


def _convolution(_old: Node, node: Node) -> Node:
    height, width = (window.out_size for window in convolution_windows(node))
    return _with_shape(node, (1, height, width, node.output.channels))


def _pool(old: Node, node: Node) -> Node:
    """A pool over the whole picture stays one."""
    sides: list[int] = []
    kernels: list[int] = []
    a = node.attributes
    for axis, kernel, stride in ((1, a.kernel_h, a.stride_h), (2, a.kernel_w, a.stride_w)):
        size = node.input(0).shape[axis]
        is_global = old.output.shape[axis] == 1 and kernel >= old.input(0).shape[axis]
        kernels.append(size if is_global else kernel)
        sides.append(Window.of(a.padding, size, kernels[-1], stride).out_size)
    pooled = replace(node, attributes=replace(a, kernel_h=kernels[0], kernel_w=kernels[1]))
    return _with_shape(pooled, (1, *sides, node.output.channels))


def _elementwise(_old: Node, node: Node) -> Node | None:
    """Every axis is as long as the longest operand's, those of length 1 broadcast."""
    shapes = [t.shape for t in node.inputs if t is not None and len(t.shape) == 4]
    return _with_shape(node, tuple(map(max, zip(*shapes, strict=True)))) if shapes else None


def _unary(_old: Node, node: Node) -> Node:
    return _with_shape(node, node.input(0).shape)


def _padded(_old: Node, node: Node) -> Node | None:
    paddings = node.input(1).data
    if paddings is None:
        return None
    before_and_after = paddings.sum(axis=1).tolist()
    shape = (n + p for n, p in zip(node.input(0).shape, before_and_after, strict=True))
    return _with_shape(node, tuple(shape))


def _joined(old: Node, node: Node) -> Node | None:
    """Channels are joined; along other axes the sum would not be known."""
    channels = [[t.channels for t in each.activations] for each in (old, node)]
    if channels[0] != channels[1]:
        return None
    return _with_shape(node, (*node.input(0).shape[:-1], old.output.shape[-1]))


def _kept(old: Node, node: Node) -> Node:
    """The rules say whether the shape that the file names can stay."""
    return _with_shape(node, old.output.shape)


_RULES: Mapping[str, Callable[[Node, Node], Node | None]] = MappingProxyType(
    {
        "CONV_2D": _convolution,
        "DEPTHWISE_CONV_2D": _convolution,
        "AVERAGE_POOL_2D": _pool,
        "MAX_POOL_2D": _pool,
        "ADD": _elementwise,
        "SUB": _elementwise,
        "MUL": _elementwise,
        "MAXIMUM": _elementwise,
        "MINIMUM": _elementwise,
        "RELU": _unary,
        "RELU6": _unary,
        "LEAKY_RELU": _unary,
        "HARD_SWISH": _unary,
        "LOGISTIC": _unary,
        "TANH": _unary,
        "ABS": _unary,
        "QUANTIZE": _unary,
        "DEQUANTIZE": _unary,
        "PAD": _padded,
        "PADV2": _padded,
        "CONCATENATION": _joined,
        "MEAN": _kept,
        "RESHAPE": _kept,
    }
)
