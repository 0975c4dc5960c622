"""What CONV_2D and DEPTHWISE_CONV_2D share: window, rules, rows and the C struct.

In C both are a ``ta_conv_2d``: a depthwise convolution is one in groups of one channel, with
its own order of weights and its own kernels.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

from tinyaiot.cores import Core
from tinyaiot.csource import Call, Lowered, Ref, Value
from tinyaiot.graph import Node, Tensor
from tinyaiot.operators import linear
from tinyaiot.operators.base import (
    Columns,
    Kernel,
    LowerContext,
    Narrowed,
    Operator,
    Rows,
    Rule,
    batch_is_one,
    int8_in_and_out,
)
from tinyaiot.operators.common import Activation, activation_clamps
from tinyaiot.operators.windows import Padding, Window, narrowed_window, windows

_INT16_MAX = 32767
_UINT8_MAX = 255

# Of rows cut into blocks: the input's rows lie in one piece, or in a ring that ends amid them.
_BLOCK_DRIVERS = ("ta_conv_2d_blocks", "ta_conv_2d_ring")
# The same, and that of rows, inlined: their C is in a header.
_KNOWN = {
    "ta_conv_2d_rows": "ta_conv_2d_known_rows",
    "ta_conv_2d_blocks": "ta_conv_2d_known_blocks",
    "ta_conv_2d_ring": "ta_conv_2d_known_ring",
}
_KNOWN_HEADER = "ta_known_conv_2d.h"
# What the header inlines of, too.
_WIDE_KERNEL = "ta_conv_2d_s8_wide_dsp"


@dataclass(frozen=True)
class ConvolutionAttributes:
    """Strides, dilations and padding of the window, and the fused activation.

    Attributes:
        pad_rows: padding above and below, where ``padding`` does not say it.
        pad_columns: the same on the left and on the right.
    """

    padding: Padding
    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    activation: Activation
    pad_rows: tuple[int, int] | None = None
    pad_columns: tuple[int, int] | None = None


def tensors_have_four_axes(node: Node) -> bool:
    """Input, weights and output have four axes."""
    tensors = (node.optional(0), node.optional(1), node.output)
    return all(t is not None and len(t.shape) == 4 for t in tensors)


def output_size_follows_from_window(node: Node) -> bool:
    """The output is as high and wide as input, window and padding make it, and not empty."""
    if not tensors_have_four_axes(node):
        return True
    vertical, horizontal = convolution_windows(node)
    size = (vertical.out_size, horizontal.out_size)
    return min(size) > 0 and size == (node.output.height, node.output.width)


def sizes_fit_their_fields(node: Node) -> bool:
    """Widths and channels are at most 32767; kernel, stride, dilation and padding at most 255."""
    if not tensors_have_four_axes(node):
        return True
    sizes = (t.shape[axis] for t in (node.input(0), node.output) for axis in (2, 3))
    steps = (
        step
        for w in convolution_windows(node)
        for step in (w.kernel, w.stride, w.dilation, w.pad_before)
    )
    return max(sizes) <= _INT16_MAX and max(steps) <= _UINT8_MAX


class Convolution(Operator[ConvolutionAttributes]):
    """A convolution; subclasses say what a filter is.

    Attributes:
        options: the reader of the flatbuffer's options table.
    """

    options: ClassVar[type[Any]]
    rules: ClassVar[tuple[Rule, ...]] = (
        int8_in_and_out,
        batch_is_one,
        tensors_have_four_axes,
        linear.weights_are_constant_int8,
        linear.bias_is_constant_int32,
        activation_clamps,
        output_size_follows_from_window,
        sizes_fit_their_fields,
        linear.accumulators_fit_int32,
    )

    def parse(self, options: Any, inputs: tuple[Tensor | None, ...]) -> ConvolutionAttributes:
        o = self.options()
        o.Init(options.Bytes, options.Pos)
        return ConvolutionAttributes(
            padding=Padding(o.Padding()),
            stride_h=o.StrideH(),
            stride_w=o.StrideW(),
            dilation_h=o.DilationHFactor(),
            dilation_w=o.DilationWFactor(),
            activation=Activation(o.FusedActivationFunction()),
        )

    def input_rows(self, node: Node, k: int, rows: Rows) -> Rows:
        return convolution_windows(node)[0].rows(rows)

    def narrowed(self, node: Node, columns: Columns) -> Narrowed | None:
        return narrowed_window(node, convolution_windows(node)[1], columns)

    def scratch_bytes(self, node: Node, core: Core) -> int:
        row_pointers = node.input(1).shape[1] * core.pointer_bytes
        return row_pointers + self.kernel(node, core).scratch_bytes(node, core)

    def is_pointwise(self, node: Node) -> bool:
        return _is_pointwise(node)

    def makes_columns(self, node: Node) -> bool:
        return True

    def lower(self, node: Node, context: LowerContext) -> Lowered:
        source, output = node.input(0), node.output
        vertical, horizontal = convolution_windows(node)
        kernel = self._kernel_as_planned(node, context)
        lowered = linear.lower_linear(node, context.prefix, kernel)
        joined = (
            self.is_pointwise(node) and context.lies_whole(source) and context.lies_whole(output)
        )
        driver = _driver(node, kernel, context)
        call = Call(
            function=driver,
            struct_type="ta_conv_2d",
            fields={
                "kernel": Ref(kernel.function),
                "in": context.source(source),
                "out": context.sink(output),
                "scratch": context.scratch(),
                "zero_row": _zero_row(node, kernel, context),
                **lowered.fields,
                "in_width": source.width * (source.height if joined else 1),
                "in_channels": source.channels,
                "filter_channels": self.filter_channels(node),
                "out_width": output.width,
                "out_channels": output.channels,
                "stretch": kernel.stretch(node) if isinstance(kernel, linear.LinearKernel) else 1,
                "kernel_h": vertical.kernel,
                "kernel_w": horizontal.kernel,
                "stride_h": vertical.stride,
                "stride_w": horizontal.stride,
                "dilation_h": vertical.dilation,
                "dilation_w": horizontal.dilation,
                "pad_top": vertical.pad_before,
                "pad_left": horizontal.pad_before,
            },
            arguments=_driver_arguments(driver, node, kernel, context),
            inlined=_KNOWN_HEADER if driver in _KNOWN.values() else None,
        )
        return Lowered((call,), lowered.arrays, (*_driver_sources(driver), *kernel.sources))

    def filter_channels(self, node: Node) -> int:
        """Input channels that one filter reads."""
        raise NotImplementedError

    def _kernel_as_planned(self, node: Node, context: LowerContext) -> Kernel:
        """The kernel that was planned with; or where that only pays by pairs of rows, and the plan
        makes rows one by one, the next that needs no more scratch."""
        planned, core = self.kernel(node, context.core), context.core
        if _pays(planned, node, context):
            return planned
        scratch = planned.scratch_bytes(node, core)
        return next(
            (
                kernel
                for kernel in self.applying(node, core)
                if kernel.scratch_bytes(node, core) <= scratch and _pays(kernel, node, context)
            ),
            planned,
        )


@functools.lru_cache(maxsize=4096)
def _is_pointwise(node: Node) -> bool:
    """Whether an output pixel needs the input pixel at its place only, by one index of all rows."""
    steps = [(w.kernel, w.stride) for w in convolution_windows(node)]
    return steps == [(1, 1)] * 2 and node.input(0).size // node.input(0).channels <= _INT16_MAX


def row_pixels(node: Node) -> int:
    """Output pixels that a kernel may be called for at once: of a row, or of joined rows."""
    return node.output.width * (node.output.height if _is_pointwise(node) else 1)


def _driver(node: Node, kernel: Kernel, context: LowerContext) -> str:
    """The function that makes rows; inlined where it is called for each on its own."""
    driver = _common_driver(node, kernel, context)
    return _KNOWN.get(driver, driver) if context.is_streamed and _inlines(context.core) else driver


def _inlines(core: Core) -> bool:
    """Where the code that inlined drivers take was found to pay; and on the host, where sanitizers
    look at them."""
    return core.arch == "host" or core.has_dsp_alone


def _driver_sources(driver: str) -> tuple[str, ...]:
    if driver in _KNOWN.values():
        return ()
    own = (f"conv_2d/{driver}.c",) if driver in _BLOCK_DRIVERS else ()
    return ("conv_2d/ta_conv_2d.c", *own)


def _common_driver(node: Node, kernel: Kernel, context: LowerContext) -> str:
    source, output = node.input(0), node.output
    if context.blocks > 1:
        return _BLOCK_DRIVERS[context.joint(source) is not None]
    pairs = kernel.row_pairs(node) if isinstance(kernel, linear.LinearKernel) else None
    if pairs and context.lies_whole(output) and context.lie_apart(source, output):
        return pairs
    return "ta_conv_2d_rows"


def _pays(kernel: Kernel, node: Node, context: LowerContext) -> bool:
    """Whether a kernel is worth its constants in the plan."""
    if not isinstance(kernel, linear.LinearKernel) or kernel.pays_by_rows(node):
        return True
    return _driver(node, kernel, context) == kernel.row_pairs(node)


def _driver_arguments(
    driver: str, node: Node, kernel: Kernel, context: LowerContext
) -> tuple[Value, ...]:
    """What the driver takes beside the rows to make."""
    known = (int(kernel.function == _WIDE_KERNEL),) if driver in _KNOWN.values() else ()
    if context.blocks == 1:
        return known
    joint = context.joint(node.input(0))
    return (*known, context.blocks) if joint is None else (*known, context.blocks, joint)


def _zero_row(node: Node, kernel: Kernel, context: LowerContext) -> Value:
    """As many zero points as padding needs: a row above and below, a pixel beside, or none."""
    source = node.input(0)
    vertical, horizontal = convolution_windows(node)
    if not (vertical.is_padded or horizontal.is_padded):
        return Ref("NULL")
    nbytes = source.row_bytes if vertical.is_padded else source.channels
    if isinstance(kernel, linear.LinearKernel) and kernel.pads_by_value:
        nbytes = 1
    return context.filled_row(source.zero_point, nbytes)


@functools.lru_cache(maxsize=4096)
def convolution_windows(node: Node) -> tuple[Window, Window]:
    """The vertical and the horizontal window of a convolution."""
    _, kernel_h, kernel_w, _ = node.input(1).shape
    return windows(node, kernel_h, kernel_w)
