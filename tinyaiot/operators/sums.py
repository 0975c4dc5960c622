"""Averages, means and sums over all pixels, added up row by row: what operators share of them."""

from __future__ import annotations

from dataclasses import dataclass

from tinyaiot.csource import Call, Lowered, Ref
from tinyaiot.fixed_point import Multiplier
from tinyaiot.graph import Node
from tinyaiot.operators.base import LowerContext

_SUM_BYTES = 4


@dataclass(frozen=True)
class Sums:
    """What becomes of the sums of all pixels.

    Attributes:
        kernel: the C function, in a file named after it.
        offset: added to a sum that is scaled.
        multiplier: of a sum that is scaled.
        lowest, highest: what outputs are clamped to.
    """

    kernel: str
    lowest: int
    highest: int
    offset: int = 0
    multiplier: Multiplier | None = None


def sums_bytes(node: Node) -> int:
    """A sum for each channel."""
    return node.input(0).channels * _SUM_BYTES


def lower_sums(node: Node, context: LowerContext, sums: Sums) -> Lowered:
    """A node that adds up rows of its input, as C."""
    source, output = node.input(0), node.output
    multiplier = sums.multiplier or Multiplier(0, 0)
    suffix = "_dsp" if context.core.has_dsp_alone else ""
    call = Call(
        function=f"ta_sums_rows{suffix}",
        struct_type="ta_sums",
        fields={
            "kernel": Ref(sums.kernel),
            "in": context.source(source),
            "out": context.sink(output),
            "sums": context.sums(),
            "multiplier": {"mantissa": multiplier.mantissa, "right_shift": -multiplier.shift},
            "offset": sums.offset,
            "count": source.height * source.width,
            "width": source.width,
            "channels": source.channels,
            "zero_point": output.zero_point,
            "lowest": sums.lowest,
            "highest": sums.highest,
        },
    )
    return Lowered((call,), (), (f"sums/ta_sums{suffix}.c", f"sums/{sums.kernel}.c"))
