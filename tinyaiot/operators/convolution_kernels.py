"""Kernels of convolutions by filters over all input channels: rows that operators share.

CONV_2D has them where its filters form one group, DEPTHWISE_CONV_2D where its input has one
channel. ``meets_all_channels`` says which nodes those are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tinyaiot.cores import Core
from tinyaiot.graph import Node
from tinyaiot.operators import (
    linear_c,
    linear_dsp,
    linear_mve,
    linear_rv32,
    linear_v6m,
    linear_v7m,
    winograd_1d_dsp,
    winograd_dsp,
)
from tinyaiot.operators.base import PORTABLE, TUNED, Kernel
from tinyaiot.operators.columns import by_columns, columns_kernel
from tinyaiot.operators.convolution import convolution_windows
from tinyaiot.operators.linear import CLAMP_SOURCE, LinearKernel, as_stored

_Predicate = Callable[[Node], bool]


def helium_columns(meets_all_channels: _Predicate) -> Kernel:
    """Windows by columns, for cores with Helium."""

    def applies(node: Node, core: Core) -> bool:
        return linear_mve.has_helium(node, core) and meets_all_channels(node)

    return columns_kernel(
        "ta_conv_2d_s8_mve",
        applies=applies,
        layout=linear_mve.by_fours(by_columns(as_stored)),
        stretch_bytes=linear_mve.STRETCH_BYTES,
        shared=linear_mve.SHARED_SOURCES,
        tier=TUNED,
    )


def dsp_groups(meets_all_channels: _Predicate) -> tuple[Kernel, ...]:
    """Groups of widened windows, for cores with the DSP extension: of three with more code, which
    may go on from row to row; of three and of two. Then windows one by one: under four filters at a
    time, which may be widened in flash, widened, or as bytes with hardly any scratch, which still
    takes fewer instructions than what is left where channels are no multiple of four: a group of
    one, and bytes under two."""

    def applies(node: Node, core: Core) -> bool:
        return meets_all_channels(node) and linear_dsp.takes_pairs(node, core)

    def lies_in_words(node: Node, core: Core) -> bool:
        return node.input(0).channels % 4 == 0 and applies(node, core)

    def lies_in_words_under_quads(node: Node, core: Core) -> bool:
        return lies_in_words(node, core) and linear_dsp.takes_quads(node, core)

    def lies_in_pieces_under_quads(node: Node, core: Core) -> bool:
        return lies_in_words(node, core) and linear_dsp.takes_quads_in_pieces(node, core)

    def lies_apart_under_quads(node: Node, core: Core) -> bool:
        is_apart = node.input(0).channels % 4 != 0 and applies(node, core)
        return is_apart and linear_dsp.takes_quads_in_pieces(node, core)

    def lies_in_words_under_wide_quads(node: Node, core: Core) -> bool:
        lies = node.input(0).channels % 4 == 0 and meets_all_channels(node)
        return lies and linear_dsp.takes_wide_quads(node, core)

    def lies_in_pieces_under_wide_quads(node: Node, core: Core) -> bool:
        lies = node.input(0).channels % 4 == 0 and meets_all_channels(node)
        return lies and linear_dsp.takes_wide_quads_in_pieces(node, core)

    wide_quads = LinearKernel(
        "ta_conv_2d_s8_quads_wide_dsp",
        "conv_2d/ta_conv_2d_s8_quads_wide_dsp.c",
        applies=lies_in_words_under_wide_quads,
        scratch_bytes=lambda node, core: linear_dsp.group_bytes(node, core, 1),
        shared=linear_dsp.QUADS_WIDE_SOURCES,
        layout=linear_dsp.wide_window_quads,
        tier=TUNED,
        flash_bytes=linear_dsp.wide_flash_bytes,
    )
    wide_quads_and_pieces = replace(
        wide_quads,
        function="ta_conv_2d_s8_quads_wide_pieces_dsp",
        source="conv_2d/ta_conv_2d_s8_quads_wide_pieces_dsp.c",
        applies=lies_in_pieces_under_wide_quads,
        scratch_bytes=_pointers_bytes,
        shared=linear_dsp.QUADS_WIDE_PIECES_SOURCES,
    )
    quads = LinearKernel(
        "ta_conv_2d_s8_quads_dsp",
        "conv_2d/ta_conv_2d_s8_quads_dsp.c",
        applies=lies_in_words_under_quads,
        scratch_bytes=lambda node, core: linear_dsp.group_bytes(node, core, 1),
        shared=linear_dsp.QUADS_SOURCES,
        layout=linear_dsp.window_quads,
        tier=TUNED,
    )
    quads_and_line = LinearKernel(
        "ta_conv_2d_s8_quads_line_dsp",
        "conv_2d/ta_conv_2d_s8_quads_line_dsp.c",
        applies=lies_apart_under_quads,
        scratch_bytes=lambda node, core: linear_dsp.line_bytes(node),
        shared=linear_dsp.QUADS_PIECES_SOURCES,
        layout=linear_dsp.quads,
        tier=TUNED,
    )
    quads_and_pieces = LinearKernel(
        "ta_conv_2d_s8_quads_pieces_dsp",
        "conv_2d/ta_conv_2d_s8_quads_pieces_dsp.c",
        applies=lies_in_pieces_under_quads,
        scratch_bytes=_pointers_bytes,
        shared=linear_dsp.QUADS_PIECES_SOURCES,
        layout=linear_dsp.window_quads,
        tier=TUNED,
    )
    pieces = LinearKernel(
        "ta_conv_2d_s8_pieces_dsp",
        "conv_2d/ta_conv_2d_s8_pieces_dsp.c",
        applies=lies_in_words,
        scratch_bytes=_pointers_bytes,
        shared=linear_dsp.PIECES_SOURCES,
        layout=linear_dsp.window_pairs,
        tier=TUNED,
    )

    def groups(most: int) -> LinearKernel:
        return LinearKernel(
            "ta_conv_2d_s8_dsp",
            "conv_2d/ta_conv_2d_s8_dsp.c",
            applies=applies,
            scratch_bytes=lambda node, core: linear_dsp.group_bytes(node, core, most),
            shared=linear_dsp.SHARED_SOURCES,
            layout=linear_dsp.window_pairs,
            stretch=lambda node: linear_dsp.group(node, most),
            tier=TUNED,
        )

    unrolled = replace(
        groups(linear_dsp.MOST_PIXELS),
        function="ta_conv_2d_s8_unrolled_dsp",
        source="conv_2d/ta_conv_2d_s8_unrolled_dsp.c",
        shared=linear_dsp.UNROLLED_SOURCES,
        large_code=(linear_dsp.UNROLLED,),
    )
    joined = replace(
        unrolled,
        function="ta_conv_2d_s8_joined_dsp",
        source="conv_2d/ta_conv_2d_s8_joined_dsp.c",
        applies=lambda node, core: linear_dsp.joins_rows(node) and applies(node, core),
        row_pairs=lambda node: "ta_conv_2d_s8_joined_dsp_rows",
    )
    pointwise = replace(
        unrolled,
        function="ta_conv_2d_s8_1x1_dsp",
        source="conv_2d/ta_conv_2d_s8_1x1_dsp.c",
        applies=lambda node, core: node.input(1).shape[1:3] == (1, 1) and lies_in_words(node, core),
    )
    several = (groups(most) for most in range(linear_dsp.MOST_PIXELS, 1, -1))
    of_one = (quads, quads_and_pieces, quads_and_line, groups(1), pieces)
    wide_of_one = (wide_quads, wide_quads_and_pieces)
    return (pointwise, joined, unrolled, *several, *wide_of_one, *of_one)


def wide_groups(meets_all_channels: _Predicate) -> Kernel:
    """Groups of two widened windows under filters widened in flash, for cores with the DSP
    extension."""

    def applies(node: Node, core: Core) -> bool:
        return (
            meets_all_channels(node)
            and linear_dsp.takes_wide_pairs(node, core)
            and linear_dsp.gains_by_wide_groups(node)
        )

    return LinearKernel(
        "ta_conv_2d_s8_wide_dsp",
        "conv_2d/ta_conv_2d_s8_wide_dsp.c",
        applies=applies,
        scratch_bytes=lambda node, core: linear_dsp.group_bytes(node, core, linear_dsp.WIDE_PIXELS),
        shared=linear_dsp.WIDE_SOURCES,
        layout=linear_dsp.wide_window_pairs,
        stretch=lambda node: linear_dsp.group(node, linear_dsp.WIDE_PIXELS),
        tier=TUNED,
        flash_bytes=linear_dsp.wide_flash_bytes,
    )


def thumb_windows(meets_all_channels: _Predicate) -> tuple[Kernel, ...]:
    """A few widened windows at a time, for cores with Thumb-2 and without."""

    def on_thumb2(node: Node, core: Core) -> bool:
        return meets_all_channels(node) and linear_v7m.requantizes_on_thumb2(node, core)

    def on_thumb1(node: Node, core: Core) -> bool:
        return meets_all_channels(node) and linear_v6m.takes_tiles(node, core)

    def tiles_on_thumb1(pixels: int) -> Kernel:
        return LinearKernel(
            "ta_conv_2d_s8_v6m",
            "conv_2d/ta_conv_2d_s8_v6m.c",
            applies=on_thumb1,
            scratch_bytes=lambda node, core: linear_v6m.tile_bytes(node, pixels),
            shared=linear_v6m.SHARED_SOURCES,
            layout=linear_v6m.unsigned,
            stretch=lambda node: pixels,
            tier=PORTABLE,
        )

    return (
        LinearKernel(
            "ta_conv_2d_s8_v7m",
            "conv_2d/ta_conv_2d_s8_v7m.c",
            applies=on_thumb2,
            scratch_bytes=lambda node, core: _windows_bytes(node, core, linear_v7m.PIXELS),
            shared=linear_v7m.SHARED_SOURCES,
            layout=linear_v7m.one_by_one,
            tier=PORTABLE,
        ),
        *(tiles_on_thumb1(pixels) for pixels in linear_v6m.PIXELS),
        LinearKernel(
            "ta_conv_2d_s8_pieces_v6m",
            "conv_2d/ta_conv_2d_s8_pieces_v6m.c",
            applies=lambda node, core: (
                meets_all_channels(node) and linear_v6m.has_thumb1(node, core)
            ),
            scratch_bytes=_pointers_bytes,
            shared=linear_v6m.PIECES_SOURCES,
            layout=linear_v6m.by_fours,
            tier=PORTABLE,
        ),
    )


def _pointers_bytes(node: Node, core: Core) -> int:
    """A pointer to each pixel of a window."""
    _, kernel_h, kernel_w, _ = node.input(1).shape
    return kernel_h * kernel_w * core.pointer_bytes


def _windows_bytes(node: Node, core: Core, pixels: int) -> int:
    """Pixels' taps as words, and what surrounds them."""
    vertical, horizontal = convolution_windows(node)
    taps = vertical.kernel * horizontal.kernel * node.input(0).channels
    return 4 * pixels * taps + _columns_bytes(node, core, pixels)


def _columns_bytes(node: Node, core: Core, pixels: int) -> int:
    """Pointers to rows, and where there is padding beside the input, the columns under so many
    pixels."""
    vertical, horizontal = convolution_windows(node)
    span = (horizontal.kernel - 1) * horizontal.dilation + 1
    columns = (pixels - 1) * horizontal.stride + span
    copied = vertical.kernel * columns * node.input(0).channels if horizontal.is_padded else 0
    return vertical.kernel * core.pointer_bytes + copied


def riscv_pairs(meets_all_channels: _Predicate) -> Kernel:
    """Windows two to a word, for RV32IM."""

    def scratch_bytes(node: Node, core: Core) -> int:
        rest = _columns_bytes(node, core, linear_rv32.PAIRS_PIXELS)
        return linear_rv32.pairs_bytes(node) + rest

    return LinearKernel(
        "ta_conv_2d_s8_pairs_rv32",
        "conv_2d/ta_conv_2d_s8_pairs_rv32.c",
        applies=lambda node, core: meets_all_channels(node) and linear_rv32.takes_pairs(node, core),
        scratch_bytes=scratch_bytes,
        shared=linear_rv32.PAIRS_SOURCES,
        layout=linear_rv32.pairs,
        tier=PORTABLE,
    )


def riscv_columns(meets_all_channels: _Predicate) -> Kernel:
    """Windows by columns, for RV32IM."""
    return columns_kernel(
        "ta_conv_2d_s8_columns_rv32",
        applies=lambda node, core: meets_all_channels(node) and linear_rv32.is_riscv(node, core),
        layout=linear_rv32.by_fours(by_columns(linear_c.floored)),
        stretch_bytes=linear_rv32.STRETCH_BYTES,
        shared=linear_rv32.SHARED_SOURCES,
        tier=PORTABLE,
    )


def dsp_columns(meets_all_channels: _Predicate) -> Kernel:
    """Windows three columns wide, which share columns, for cores with the DSP extension."""

    def applies(node: Node, core: Core) -> bool:
        shares = meets_all_channels(node) and linear_dsp.shares_columns(node)
        return shares and linear_dsp.takes_pairs(node, core)

    return LinearKernel(
        "ta_conv_2d_s8_w3_dsp",
        "conv_2d/ta_conv_2d_s8_w3_dsp.c",
        applies=applies,
        scratch_bytes=linear_dsp.columns_bytes,
        shared=linear_dsp.SHARED_SOURCES,
        layout=linear_dsp.column_pairs,
        stretch=linear_dsp.group,
        tier=PORTABLE,
    )


def dsp_tiles(meets_all_channels: _Predicate) -> Kernel:
    """3x3 windows by Winograd's algorithm, for cores with the DSP extension and flash to spare."""

    def applies(node: Node, core: Core) -> bool:
        return meets_all_channels(node) and winograd_dsp.takes_tiles(node, core)

    return LinearKernel(
        "ta_conv_2d_s8_winograd_dsp",
        "conv_2d/ta_conv_2d_s8_winograd_dsp.c",
        applies=applies,
        scratch_bytes=winograd_dsp.scratch_bytes,
        shared=winograd_dsp.SHARED_SOURCES,
        layout=winograd_dsp.tile_filters,
        stretch=lambda node: winograd_dsp.OUT_COLUMNS,
        row_pairs=winograd_dsp.row_pairs,
        pays_by_rows=lambda node: (
            winograd_dsp.pays_by_rows(node) and not winograd_1d_dsp.outdoes_pairs_of_rows(node)
        ),
        flash_bytes=winograd_dsp.flash_bytes,
        tier=TUNED,
    )


def dsp_tiles_of_groups(meets_all_channels: _Predicate) -> tuple[Kernel, ...]:
    """The same with filters as small as any in flash, transformed at run time in groups; for cores
    with scratch to spare."""

    def by_groups(groups: int) -> Kernel:
        return LinearKernel(
            "ta_conv_2d_s8_winograd_ram_dsp",
            "conv_2d/ta_conv_2d_s8_winograd_ram_dsp.c",
            applies=lambda node, core: (
                meets_all_channels(node) and winograd_dsp.takes_groups(node, core, groups)
            ),
            scratch_bytes=lambda node, core: winograd_dsp.groups_scratch_bytes(node, core, groups),
            shared=winograd_dsp.SHARED_SOURCES,
            layout=winograd_dsp.byte_filters,
            stretch=lambda node: winograd_dsp.filters_of_group(node, groups),
            row_pairs=winograd_dsp.group_row_pairs,
            pays_by_rows=lambda node: False,
            needs_room=True,
            tier=TUNED,
        )

    return tuple(by_groups(groups) for groups in winograd_dsp.GROUPS)


def dsp_row_tiles(meets_all_channels: _Predicate) -> tuple[Kernel, ...]:
    """3x3 windows by Winograd's algorithm along rows, for cores with the DSP extension, flash to
    spare and little scratch; then with less of it."""

    def at_once_applies(node: Node, core: Core) -> bool:
        return meets_all_channels(node) and winograd_1d_dsp.takes_tiles(node, core)

    def by_position_applies(node: Node, core: Core) -> bool:
        return meets_all_channels(node) and winograd_1d_dsp.takes_positions(node, core)

    at_once = LinearKernel(
        "ta_conv_2d_s8_winograd_1d_dsp",
        "conv_2d/ta_conv_2d_s8_winograd_1d_dsp.c",
        applies=at_once_applies,
        scratch_bytes=lambda node, core: winograd_1d_dsp.tile_bytes(node),
        shared=(CLAMP_SOURCE,),
        layout=winograd_1d_dsp.tile_filters,
        flash_bytes=winograd_1d_dsp.flash_bytes,
        tier=TUNED,
    )
    by_position = replace(
        at_once,
        function="ta_conv_2d_s8_winograd_1d_sums_dsp",
        source="conv_2d/ta_conv_2d_s8_winograd_1d_sums_dsp.c",
        applies=by_position_applies,
        scratch_bytes=lambda node, core: winograd_1d_dsp.position_bytes(node),
    )
    return (at_once, by_position)


def portable_columns(
    meets_all_channels: _Predicate, stretch_bytes: int = linear_c.STRETCH_BYTES
) -> Kernel:
    """Windows by columns, in portable C."""
    return columns_kernel(
        "ta_conv_2d_s8_columns_c",
        applies=lambda node, core: meets_all_channels(node),
        layout=by_columns(linear_c.floored),
        stretch_bytes=stretch_bytes,
        shared=linear_c.SHARED_SOURCES,
        tier=PORTABLE,
    )
