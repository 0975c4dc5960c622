"""FULLY_CONNECTED: int8, weights [outputs, inputs], the input flattened to batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tflite.FullyConnectedOptions import FullyConnectedOptions

from tinyaiot.cores import Core
from tinyaiot.csource import Call, Lowered, Ref
from tinyaiot.graph import Node, Tensor
from tinyaiot.operators import (
    linear,
    linear_c,
    linear_dsp,
    linear_mve,
    linear_rv32,
    linear_v6m,
    linear_v7m,
)
from tinyaiot.operators.base import (
    PORTABLE,
    TUNED,
    AnyArray,
    LowerContext,
    Operator,
    Rows,
    int8_in_and_out,
)
from tinyaiot.operators.common import Activation, activation_clamps


@dataclass(frozen=True)
class FullyConnectedAttributes:
    """The fused activation; whether dimensions are kept shows in the output's shape."""

    activation: Activation


def weights_have_two_axes(node: Node) -> bool:
    """The weights have two axes, the first the output's channels."""
    weights = node.optional(1)
    return (
        weights is not None and len(weights.shape) == 2 and weights.shape[0] == node.output.channels
    )


def batches_are_whole_rows(node: Node) -> bool:
    """A batch is a whole number of rows of the input, or a row a whole number of batches."""
    if not weights_have_two_axes(node):
        return True
    depth, row = node.input(1).shape[1], node.input(0).row_bytes
    batches = node.output.size // node.output.channels
    return depth * batches == node.input(0).size and (depth % row == 0 or row % depth == 0)


def _batch_bytes(node: Node, core: Core) -> int:
    depth = node.input(1).shape[1]
    as_bytes = min(depth, node.input(0).row_bytes) % 4 != 0
    return linear_dsp.widened_bytes(depth, 1) + as_bytes * -(-depth // 4) * 4


def _lies_in_words(node: Node) -> bool:
    return min(node.input(1).shape[1], node.input(0).row_bytes) % 4 == 0


def _takes_pairs_in_words(node: Node, core: Core) -> bool:
    return _lies_in_words(node) and linear_dsp.takes_pairs(node, core)


def _takes_quads_in_words(node: Node, core: Core) -> bool:
    return _lies_in_words(node) and linear_dsp.takes_quads_in_pieces(node, core)


def _pieces_bytes(node: Node, core: Core) -> int:
    return node.input(1).shape[1] if _rows_a_batch(node) > 1 else 0


def _words_and_pieces_bytes(node: Node, core: Core) -> int:
    return linear_v7m.widened_bytes_of_1(node) + _pieces_bytes(node, core)


class FullyConnected(Operator[FullyConnectedAttributes]):
    """TFLM's reference_integer_ops::FullyConnected, and its FullyConnectedPerChannel."""

    name = "FULLY_CONNECTED"
    rules = (
        int8_in_and_out,
        linear.weights_are_constant_int8,
        weights_have_two_axes,
        linear.bias_is_constant_int32,
        activation_clamps,
        batches_are_whole_rows,
        linear.accumulators_fit_int32,
    )
    kernels = (
        linear.LinearKernel(
            "ta_fully_connected_s8_mve",
            "fully_connected/ta_fully_connected_s8_mve.c",
            applies=linear_mve.has_helium,
            scratch_bytes=_pieces_bytes,
            shared=linear_mve.SHARED_SOURCES_OF_1,
            layout=linear_mve.by_fours(linear.as_stored),
            tier=TUNED,
        ),
        linear.LinearKernel(
            "ta_fully_connected_s8_quads_dsp",
            "fully_connected/ta_fully_connected_s8_quads_dsp.c",
            applies=linear_dsp.takes_quads,
            scratch_bytes=_batch_bytes,
            shared=linear_dsp.QUADS_SOURCES,
            layout=linear_dsp.quads,
            tier=TUNED,
        ),
        linear.LinearKernel(
            "ta_fully_connected_s8_unrolled_dsp",
            "fully_connected/ta_fully_connected_s8_unrolled_dsp.c",
            applies=linear_dsp.takes_pairs,
            scratch_bytes=_batch_bytes,
            shared=linear_dsp.UNROLLED_SOURCES,
            layout=linear_dsp.pairs,
            tier=TUNED,
            large_code=(linear_dsp.UNROLLED,),
        ),
        linear.LinearKernel(
            "ta_fully_connected_s8_dsp",
            "fully_connected/ta_fully_connected_s8_dsp.c",
            applies=linear_dsp.takes_pairs,
            scratch_bytes=_batch_bytes,
            shared=linear_dsp.SHARED_SOURCES,
            layout=linear_dsp.pairs,
            tier=TUNED,
        ),
        linear.LinearKernel(
            "ta_fully_connected_s8_quads_pieces_dsp",
            "fully_connected/ta_fully_connected_s8_quads_pieces_dsp.c",
            applies=_takes_quads_in_words,
            shared=linear_dsp.QUADS_PIECES_SOURCES,
            layout=linear_dsp.quads,
            tier=TUNED,
        ),
        linear.LinearKernel(
            "ta_fully_connected_s8_pieces_dsp",
            "fully_connected/ta_fully_connected_s8_pieces_dsp.c",
            applies=_takes_pairs_in_words,
            shared=linear_dsp.PIECES_SOURCES,
            layout=linear_dsp.pairs,
            tier=TUNED,
        ),
        linear.LinearKernel(
            "ta_fully_connected_s8_v7m",
            "fully_connected/ta_fully_connected_s8_v7m.c",
            applies=linear_v7m.requantizes_on_thumb2,
            scratch_bytes=_words_and_pieces_bytes,
            shared=linear_v7m.SHARED_SOURCES_OF_1,
            layout=linear_v7m.by_fours,
            tier=PORTABLE,
        ),
        linear.LinearKernel(
            "ta_fully_connected_s8_v6m",
            "fully_connected/ta_fully_connected_s8_v6m.c",
            applies=linear_v6m.has_thumb1,
            shared=linear_v6m.PIECES_SOURCES,
            layout=linear_v6m.by_fours,
            tier=PORTABLE,
        ),
        linear.LinearKernel(
            "ta_fully_connected_s8_rv32",
            "fully_connected/ta_fully_connected_s8_rv32.c",
            applies=linear_rv32.is_riscv,
            scratch_bytes=_pieces_bytes,
            shared=linear_rv32.SHARED_SOURCES_OF_1,
            layout=linear_rv32.by_fours(linear_c.floored),
            tier=PORTABLE,
        ),
        linear.LinearKernel(
            "ta_fully_connected_s8_c",
            "fully_connected/ta_fully_connected_s8_c.c",
            scratch_bytes=_pieces_bytes,
            shared=linear_c.SHARED_SOURCES_OF_1,
            layout=linear_c.floored,
            tier=PORTABLE,
        ),
    )

    def parse(self, options: Any, inputs: tuple[Tensor | None, ...]) -> FullyConnectedAttributes:
        o = FullyConnectedOptions()
        o.Init(options.Bytes, options.Pos)
        return FullyConnectedAttributes(Activation(o.FusedActivationFunction()))

    def macs(self, node: Node) -> int:
        return node.output.size * node.input(1).shape[1]

    def input_rows(self, node: Node, k: int, rows: Rows) -> Rows:
        source, depth = node.input(0), node.input(1).shape[1]
        first = rows.start * node.output.width * depth
        last = rows.stop * node.output.width * depth
        return Rows(first // source.row_bytes, -(-last // source.row_bytes))

    def evaluate(self, node: Node, inputs: list[AnyArray | None]) -> list[AnyArray]:
        x, weights = inputs[0], inputs[1]
        if x is None or weights is None:
            raise ValueError(f"node {node.index} lacks an input")
        arithmetic = linear.Linear.of(node)
        # Products of doubles: exact below 2^53, and much faster in numpy than integers.
        batches = x.reshape(-1, weights.shape[1]).astype(np.float64)
        sums = (batches - arithmetic.in_zero_point) @ weights.astype(np.float64).T
        return [arithmetic.outputs(sums.astype(np.int64)).reshape(node.output.shape)]

    def scratch_bytes(self, node: Node, core: Core) -> int:
        row_pointers = _rows_a_batch(node) * core.pointer_bytes
        return row_pointers + self.kernel(node, core).scratch_bytes(node, core)

    def lower(self, node: Node, context: LowerContext) -> Lowered:
        source, output, depth = node.input(0), node.output, node.input(1).shape[1]
        kernel = self.kernel(node, context.core)
        lowered = linear.lower_linear(node, context.prefix, kernel)
        call = Call(
            function="ta_fully_connected_rows",
            struct_type="ta_fully_connected",
            fields={
                "kernel": Ref(kernel.function),
                "in": context.source(source),
                "out": context.sink(output),
                "scratch": context.scratch(),
                **lowered.fields,
                "piece_bytes": min(depth, source.row_bytes),
                "pieces": _rows_a_batch(node),
                "batches_a_row": max(source.row_bytes // depth, 1),
                "out_width": output.width,
                "out_channels": output.channels,
            },
        )
        sources = ("fully_connected/ta_fully_connected.c", *kernel.sources)
        return Lowered((call,), lowered.arrays, sources)


def _rows_a_batch(node: Node) -> int:
    """Input rows that one batch reads, at least in part."""
    return max(node.input(1).shape[1] // node.input(0).row_bytes, 1)


OPERATORS = (FullyConnected(),)
