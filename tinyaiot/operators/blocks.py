"""Nodes whose rows are cut into blocks of columns, so that one need not make a row at a time.

Where each pixel is made of the pixels at its place, rows can be cut anywhere: the node is one of
more and shorter rows. A convolution makes blocks from the columns under their windows, which may
lie in a ring of blocks: where the ring ends amid a row of a window, its columns are joined in
scratch.
"""

from __future__ import annotations

import functools
from dataclasses import replace

from tinyaiot.graph import Node, Tensor
from tinyaiot.operators import operator_of
from tinyaiot.operators.base import Columns

_JOINT_ALIGNMENT = 4
_INT16_MAX = 32767


def reads_blocks(node: Node) -> bool:
    """Whether a block of the result is made of the blocks at its place, or block after block is
    added up."""
    operator = operator_of(node)
    return operator.is_pointwise(node) or operator.sums_bytes(node) > 0


def reads_windows(node: Node) -> bool:
    """Whether a block of the result is made of columns around its place."""
    operator = operator_of(node)
    return operator.makes_columns(node) and not operator.is_pointwise(node)


@functools.lru_cache(maxsize=4096)
def window_columns(node: Node, blocks: int) -> tuple[Columns, ...]:
    """By block of a row, the columns of input 0 under its windows; none where all is padding."""
    width = node.output.width // blocks
    narrowed = (
        operator_of(node).narrowed(node, Columns(k * width, (k + 1) * width)) for k in range(blocks)
    )
    return tuple(Columns(0, 0) if one is None else one.reads[0] for one in narrowed)


def joint_bytes(node: Node, blocks: int) -> int:
    """Scratch behind a kernel's own in which one row under the windows of a block is joined."""
    source = node.input(0)
    most = max(columns.count for columns in window_columns(node, blocks))
    nbytes = most * source.channels * source.dtype.nbytes
    return -(-nbytes // _JOINT_ALIGNMENT) * _JOINT_ALIGNMENT


def scratch_with_joint(nbytes: int, joint: int) -> int:
    """Scratch of a kernel that takes ``nbytes``, and of the joint behind it."""
    return -(-nbytes // _JOINT_ALIGNMENT) * _JOINT_ALIGNMENT + joint if joint else nbytes


def makes_blocks(node: Node) -> bool:
    """Whether the result can be made block by block."""
    operator = operator_of(node)
    return operator.is_pointwise(node) or operator.makes_columns(node)


def blocks_a_row(tensor: Tensor, pixels: int) -> int:
    """Blocks of one width, of at most ``pixels`` pixels, that make a row of ``tensor``."""
    blocks = next(n for n in range(1, tensor.width + 1) if _divides(n, tensor.width, pixels))
    return blocks if tensor.height * blocks <= _INT16_MAX else 1


def _divides(blocks: int, width: int, pixels: int) -> bool:
    return width % blocks == 0 and width // blocks <= pixels


def in_blocks(node: Node, blocks: int) -> Node:
    """``node`` with a row for each block, of what it makes and, if it reads blocks, of that."""
    return node if blocks == 1 else _in_blocks(node, blocks)


@functools.lru_cache(maxsize=4096)
def _in_blocks(node: Node, blocks: int) -> Node:
    inputs = node.inputs
    if reads_blocks(node):
        inputs = tuple(
            tensor if tensor is None or tensor.is_constant else cut(tensor, blocks)
            for tensor in node.inputs
        )
    if operator_of(node).sums_bytes(node):
        return replace(node, inputs=inputs)
    return replace(node, inputs=inputs, outputs=tuple(cut(t, blocks) for t in node.outputs))


def cut(tensor: Tensor, blocks: int) -> Tensor:
    """``tensor`` with a row for each block."""
    shape = (1, tensor.height * blocks, tensor.width // blocks, tensor.channels)
    return replace(tensor, shape=shape)
