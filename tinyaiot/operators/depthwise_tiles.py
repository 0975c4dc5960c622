"""Kernels of DEPTHWISE_CONV_2D that make a few outputs of a channel side by side, of 3x3 windows.

``firmware/operators/depthwise_conv_2d/ta_depthwise_conv_2d.h`` says what they read.
"""

from __future__ import annotations

from collections.abc import Callable

from tinyaiot.cores import Core
from tinyaiot.graph import Node
from tinyaiot.operators import linear_rv32, linear_v6m, linear_v7m
from tinyaiot.operators.base import PORTABLE
from tinyaiot.operators.convolution import convolution_windows
from tinyaiot.operators.linear import CLAMP_SOURCE, Constants, LinearKernel

_KERNEL = (3, 3)
# The most outputs that are side by side on Cortex-M, by the stride.
_OUTPUTS = {1: 5, 2: 4}


def tile_kernels() -> tuple[LinearKernel, ...]:
    """For cores with Thumb-2 and for RV32IM, by floors and exact, and for Thumb alone."""
    return (
        _on_thumb2("3x3_v7m", linear_v7m.takes_floors),
        _on_thumb2("3x3_exact_v7m", linear_v7m.requantizes_on_thumb2),
        _on_riscv("3x3_rv32", linear_rv32.takes_floors),
        _on_riscv("3x3_exact_rv32", linear_rv32.requantizes_on_riscv),
        _kernel(
            "3x3_v6m",
            lambda node, core: _has_tiles(node) and linear_v6m.has_thumb1(node, core),
            lambda node, core: core.pointer_bytes * _KERNEL[0] * _columns(node),
            linear_v6m.one_by_one,
            linear_v6m.SHARED_SOURCES_OF_DEPTHWISE,
        ),
    )


def _on_thumb2(variant: str, requantizes: Callable[[Node, Core], bool]) -> LinearKernel:
    return _kernel(
        variant,
        lambda node, core: _has_tiles(node) and requantizes(node, core),
        lambda node, core: _columns_bytes(node),
        linear_v7m.one_by_one,
        (CLAMP_SOURCE,),
    )


def _on_riscv(variant: str, requantizes: Callable[[Node, Core], bool]) -> LinearKernel:
    """Of a channel's whole rows; an assembly that knows one column of padding on each side."""

    def applies(node: Node, core: Core) -> bool:
        return _has_tiles(node) and _pads_by_one(node) and requantizes(node, core)

    return _kernel(variant, applies, lambda node, core: 0, linear_rv32.words_by_channel, ())


def _kernel(
    variant: str,
    applies: Callable[[Node, Core], bool],
    scratch_bytes: Callable[[Node, Core], int],
    layout: Callable[[Node], Constants],
    shared: tuple[str, ...],
) -> LinearKernel:
    function = f"ta_depthwise_conv_2d_s8_{variant}"
    return LinearKernel(
        function,
        f"depthwise_conv_2d/{function}.c",
        applies=applies,
        scratch_bytes=scratch_bytes,
        shared=shared,
        layout=layout,
        tier=PORTABLE,
    )


def _pads_by_one(node: Node) -> bool:
    horizontal = convolution_windows(node)[1]
    return max(horizontal.pad_before, horizontal.pad_after) <= 1


def _has_tiles(node: Node) -> bool:
    return (
        node.output.channels == node.input(0).channels
        and node.input(1).shape[1:3] == _KERNEL
        and node.attributes.dilation_w == 1
        and node.attributes.stride_w in _OUTPUTS
    )


def _columns_bytes(node: Node) -> int:
    """Of a tile: some may lie beside the input, also where an output is missing."""
    return _KERNEL[0] * _columns(node) * node.input(0).channels


def _columns(node: Node) -> int:
    """Under a tile."""
    stride = int(node.attributes.stride_w)
    return (_OUTPUTS[stride] - 1) * stride + _KERNEL[1]
