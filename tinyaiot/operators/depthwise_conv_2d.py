"""DEPTHWISE_CONV_2D: int8, each input channel under filters of its own, weights 1HWC."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tflite.DepthwiseConv2DOptions import DepthwiseConv2DOptions

from tinyaiot.cores import Core
from tinyaiot.graph import Node
from tinyaiot.operators import depthwise_dsp, depthwise_mve, linear_c, linear_mve
from tinyaiot.operators.base import PORTABLE, TUNED, AnyArray, Kernel
from tinyaiot.operators.convolution import (
    Convolution,
    convolution_windows,
    tensors_have_four_axes,
)
from tinyaiot.operators.convolution_kernels import (
    dsp_groups,
    helium_columns,
    portable_columns,
    riscv_columns,
    riscv_pairs,
    thumb_windows,
    wide_groups,
)
from tinyaiot.operators.depthwise_tiles import tile_kernels
from tinyaiot.operators.linear import (
    CLAMP_SOURCE,
    Constants,
    Linear,
    LinearKernel,
    as_stored,
    settled_linear,
)
from tinyaiot.operators.windows import taps

_MVE_CHANNELS = 16
_MVE_MAX_WORDS = 64
_MVE_MAX_COLUMNS = 64
_FOUR = 4
# What makes rows together, in code beside that of a row.
_FOLDER = "depthwise_conv_2d"
_BANDS = f"{_FOLDER}/ta_depthwise_conv_2d_s8_3x3_dsp_bands.c"
_NARROW_PLANES = f"{_FOLDER}/ta_depthwise_conv_2d_s8_planes_narrow_dsp.c"
_FIVE_PLANES = f"{_FOLDER}/ta_depthwise_conv_2d_s8_planes_five_dsp.c"
# Of planes of a strip; the last are of one output row.
_PLANES_BYTES = (8192, 2048, 0)


def channels_form_multiples(node: Node) -> bool:
    """Output channels are the weights' and a multiple of the input's."""
    if not tensors_have_four_axes(node):
        return True
    one, _, _, filters = node.input(1).shape
    channels = node.input(0).channels
    return one == 1 and filters == node.output.channels and filters % channels == 0


def bias_is_present(node: Node) -> bool:
    """There is a bias: TFLM's interpreter crashes without one.

    Give the layer a bias of zeros.
    """
    return node.optional(2) is not None


def _has_multiplier_1(node: Node, core: Core) -> bool:
    return node.output.channels == node.input(0).channels


def _takes_fours(node: Node, core: Core) -> bool:
    return _has_multiplier_1(node, core) and node.output.channels >= _FOUR


def _tap_pointers_bytes(node: Node, core: Core) -> int:
    _, kernel_h, kernel_w, _ = node.input(1).shape
    return kernel_h * kernel_w * core.pointer_bytes


def _takes_words(node: Node, core: Core) -> bool:
    return (
        linear_mve.has_helium(node, core)
        and _has_multiplier_1(node, core)
        and node.output.channels >= _FOUR
        and _words(node) <= _MVE_MAX_WORDS
    )


def _has_one_channel(node: Node) -> bool:
    return node.input(0).channels == 1


def _fours(node: Node) -> int:
    return -(-node.input(1).shape[1] // 4)


def _words(node: Node) -> int:
    return node.input(1).shape[2] * _fours(node)


def _words_stretch(node: Node) -> int:
    """As few stretches as columns allow, evenly filled with fours."""
    width = node.output.width
    most = max((_MVE_MAX_COLUMNS - _span(node)) // int(node.attributes.stride_w) // 4 * 4, 4)
    stretches = -(-width // most)
    return -(-width // stretches // 4) * 4


def _span(node: Node) -> int:
    """Input columns from the first of a window to its last."""
    return (node.input(1).shape[2] - 1) * int(node.attributes.dilation_w) + 1


def _words_bytes(node: Node, core: Core) -> int:
    columns = (_words_stretch(node) - 1) * int(node.attributes.stride_w) + _span(node)
    return columns * _fours(node) * _MVE_CHANNELS * 4


def _by_words(node: Node) -> Constants:
    """Weights as ``ta_depthwise_conv_2d_s8_mve`` reads them."""
    kernel_h, kernel_w = node.input(1).shape[1:3]
    filters = settled_linear(node).filters.reshape(-1, kernel_h, kernel_w)
    rows = np.zeros((len(filters), kernel_w, 4 * _fours(node)), np.int8)
    rows[:, :, :kernel_h] = filters.swapaxes(1, 2)
    words = np.zeros((len(filters), -(-_words(node) // 4) * 16), np.int8)
    words[:, : 4 * _words(node)] = rows.reshape(len(filters), -1)
    return replace(as_stored(node), weights=words)


def _special_planes() -> tuple[LinearKernel, ...]:
    """Strips of narrow images, and by windows of five columns, by code of their own."""
    narrow = replace(
        _planes(_PLANES_BYTES[0]),
        applies=depthwise_dsp.takes_narrow_planes,
        shared=(CLAMP_SOURCE, _NARROW_PLANES),
        row_pairs=depthwise_dsp.narrow_planes,
        pays_by_rows=lambda node: False,
        large_code=(_NARROW_PLANES,),
    )
    five = replace(
        narrow,
        applies=depthwise_dsp.takes_five_planes,
        shared=(CLAMP_SOURCE, _FIVE_PLANES),
        row_pairs=depthwise_dsp.five_planes,
        large_code=(_FIVE_PLANES,),
    )
    return narrow, five


def _planes(most_bytes: int) -> LinearKernel:
    """Strips of as many rows as planes of ``most_bytes`` hold."""

    def rows(node: Node) -> int:
        return depthwise_dsp.planes_rows(node, most_bytes)

    return LinearKernel(
        "ta_depthwise_conv_2d_s8_planes_dsp",
        "depthwise_conv_2d/ta_depthwise_conv_2d_s8_planes_dsp.c",
        applies=depthwise_dsp.takes_planes,
        scratch_bytes=lambda node, core: depthwise_dsp.planes_bytes(node, rows(node)),
        shared=(CLAMP_SOURCE,),
        layout=depthwise_dsp.by_planes,
        stretch=rows,
        row_pairs=depthwise_dsp.planes_strips,
        pays_by_rows=lambda node: rows(node) == 1,
        pads_by_value=True,
        tier=TUNED,
    )


_STRIPS_3X3 = LinearKernel(
    "ta_depthwise_conv_2d_s8_3x3_dsp",
    "depthwise_conv_2d/ta_depthwise_conv_2d_s8_3x3_dsp.c",
    applies=depthwise_dsp.takes_strips,
    scratch_bytes=depthwise_dsp.strip_bytes,
    shared=(CLAMP_SOURCE,),
    layout=depthwise_dsp.by_channel,
    stretch=depthwise_dsp.stretch,
    row_pairs=depthwise_dsp.row_pairs,
    pads_by_value=True,
    tier=TUNED,
)
# The same, but for what makes rows where they are made together.
_BANDS_3X3 = replace(
    _STRIPS_3X3,
    applies=depthwise_dsp.takes_bands,
    scratch_bytes=depthwise_dsp.band_bytes,
    shared=(CLAMP_SOURCE, _BANDS),
    row_pairs=depthwise_dsp.bands,
    large_code=(_BANDS,),
)


def _narrow(columns: int, function: str) -> LinearKernel:
    """Rows of so many columns, or one less."""
    source = f"{_FOLDER}/{function}.c"
    return replace(
        _STRIPS_3X3,
        applies=lambda node, core: depthwise_dsp.takes_narrow(node, core, columns),
        scratch_bytes=depthwise_dsp.narrow_bytes,
        shared=(CLAMP_SOURCE, source),
        row_pairs=lambda node: function,
        pays_by_rows=lambda node: False,
        large_code=(source,),
    )


class DepthwiseConv2D(Convolution):
    """TFLM's reference_integer_ops::DepthwiseConvPerChannel."""

    name = "DEPTHWISE_CONV_2D"
    options = DepthwiseConv2DOptions
    rules = (*Convolution.rules, channels_form_multiples, bias_is_present)
    kernels = (
        *depthwise_mve.window_kernels(),
        helium_columns(_has_one_channel),
        LinearKernel(
            "ta_depthwise_conv_2d_s8_mve",
            "depthwise_conv_2d/ta_depthwise_conv_2d_s8_mve.c",
            applies=_takes_words,
            scratch_bytes=_words_bytes,
            shared=(linear_mve.CLAMP_SOURCE,),
            layout=_by_words,
            stretch=_words_stretch,
            tier=TUNED,
        ),
        wide_groups(_has_one_channel),
        *dsp_groups(_has_one_channel),
        _narrow(4, "ta_depthwise_conv_2d_s8_3x3_dsp_narrow_four"),
        _narrow(6, "ta_depthwise_conv_2d_s8_3x3_dsp_narrow_six"),
        *_special_planes(),
        *(_planes(nbytes) for nbytes in _PLANES_BYTES),
        _BANDS_3X3,
        _STRIPS_3X3,
        LinearKernel(
            "ta_depthwise_conv_2d_s8_3x3_wide_dsp",
            "depthwise_conv_2d/ta_depthwise_conv_2d_s8_3x3_wide_dsp.c",
            applies=depthwise_dsp.takes_pairs_of_taps,
            shared=(CLAMP_SOURCE,),
            layout=depthwise_dsp.by_wide_taps,
            flash_bytes=depthwise_dsp.wide_taps_flash,
            tier=TUNED,
        ),
        LinearKernel(
            "ta_depthwise_conv_2d_s8_3x3_taps_dsp",
            "depthwise_conv_2d/ta_depthwise_conv_2d_s8_3x3_taps_dsp.c",
            applies=depthwise_dsp.takes_pairs_of_taps,
            shared=(CLAMP_SOURCE,),
            layout=depthwise_dsp.by_pairs_of_taps,
            tier=TUNED,
        ),
        LinearKernel(
            "ta_depthwise_conv_2d_s8_m1_dsp",
            "depthwise_conv_2d/ta_depthwise_conv_2d_s8_m1_dsp.c",
            applies=depthwise_dsp.takes_taps,
            shared=(CLAMP_SOURCE,),
            layout=depthwise_dsp.by_fours,
            pads_by_value=True,
            tier=TUNED,
        ),
        *thumb_windows(_has_one_channel),
        riscv_pairs(_has_one_channel),
        riscv_columns(_has_one_channel),
        *tile_kernels(),
        portable_columns(_has_one_channel),
        LinearKernel(
            "ta_depthwise_conv_2d_s8_m1_c",
            "depthwise_conv_2d/ta_depthwise_conv_2d_s8_m1_c.c",
            applies=_takes_fours,
            scratch_bytes=_tap_pointers_bytes,
            shared=linear_c.SHARED_SOURCES,
            layout=linear_c.floored,
            tier=PORTABLE,
        ),
        Kernel(
            "ta_depthwise_conv_2d_s8_c",
            "depthwise_conv_2d/ta_depthwise_conv_2d_s8_c.c",
            scratch_bytes=_tap_pointers_bytes,
        ),
    )

    def macs(self, node: Node) -> int:
        _, kernel_h, kernel_w, _ = node.input(1).shape
        return node.output.size * kernel_h * kernel_w

    def filter_channels(self, node: Node) -> int:
        return 1

    def evaluate(self, node: Node, inputs: list[AnyArray | None]) -> list[AnyArray]:
        x, weights = inputs[0], inputs[1]
        if x is None or weights is None:
            raise ValueError(f"node {node.index} lacks an input")
        multiplier = node.output.channels // node.input(0).channels
        linear = Linear.of(node)
        sums = np.zeros(node.output.shape[1:], np.int64)
        centred = np.repeat(x[0].astype(np.int64) - linear.in_zero_point, multiplier, axis=-1)
        for ky, kx, tap in taps(centred, *convolution_windows(node), padding=0):
            sums += tap * weights[0, ky, kx]
        return [linear.outputs(sums)[np.newaxis]]


OPERATORS = (DepthwiseConv2D(),)
