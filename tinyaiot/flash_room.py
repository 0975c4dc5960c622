"""How much flash kernels may take to be faster, where a board's is short.

Layers whose weights grow least go first: they are mostly those of many pixels, where each byte
saves most instructions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tinyaiot.boards import Board
from tinyaiot.cores import UNLIMITED_FLASH, Core
from tinyaiot.graph import Graph, Node
from tinyaiot.operators import operator_of
from tinyaiot.summary import summarize

# Of an image beside weights and biases: code, and what a channel has of scales and padding.
_CODE_BYTES = 40_000
_CHANNEL_BYTES = 12


def flash_limit(graphs: Sequence[Graph], board: Board | None) -> int:
    """The most flash that each kernel may take beyond the smaller ones' constants, so that the
    models fit the board together, with room for code; unlimited without a board."""
    if board is None:
        return UNLIMITED_FLASH
    nodes = [node for graph in graphs for node in graph.nodes]
    room = board.flash.size_bytes - _CODE_BYTES - sum(constants_bytes(graph) for graph in graphs)
    unlimited = board.processor.with_flash_limit(UNLIMITED_FLASH)
    wanted = {growth for node in nodes for growth in _growths(node, unlimited)}
    for limit in sorted(wanted, reverse=True):
        limited = board.processor.with_flash_limit(limit)
        # Which kernel a node gets is not known yet: the scratch that is left has a say in that.
        if sum(max(_growths(node, limited), default=0) for node in nodes) <= room:
            return limit
    return 0


def _growths(node: Node, core: Core) -> Iterator[int]:
    """What each kernel that a node may have takes more."""
    operator = operator_of(node)
    yield from (kernel.flash_bytes(node) for kernel in operator.applying(node, core))


def constants_bytes(graph: Graph) -> int:
    """What weights, biases, scales and padding take about, by kernels that keep them small."""
    channels = sum(node.output.channels for node in graph.nodes)
    return summarize(graph).weights_bytes + _CHANNEL_BYTES * channels
