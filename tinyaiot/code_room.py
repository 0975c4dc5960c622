"""Which kernels' larger code an image has room for.

The smaller kernels of an operator come first in every image; faster ones of more code are had while
the image stays small. How large it will be is worked out before there is a plan, from sizes
of code that were calibrated (``tinyaiot.sizes``), as if each layer ran by itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tinyaiot import sizes
from tinyaiot.boards import Board
from tinyaiot.codegen.arrays import share_arrays
from tinyaiot.codegen.model import LoweredModel, filled_arrays
from tinyaiot.codegen.program import WholeLayer
from tinyaiot.cores import UNLIMITED_FLASH, Core
from tinyaiot.csource import Lowered
from tinyaiot.graph import Graph, Node
from tinyaiot.instructions import cycles_on, instructions_on, lowered_anywhere
from tinyaiot.operators import operator_of
from tinyaiot.planner.work import Run

# Of an image beside its models' parameters, harness and start-up included.
SMALL_IMAGE_BYTES = 20 * 1024
# By how much predictions of sizes may be off, of a layer and of the rest.
_LAYER_MARGIN_BYTES = 4
_MARGIN_BYTES = 64
# Subsets of so many files are tried.
_MOST_FILES = 8

_Files = frozenset[str]


def large_code(
    graphs: Sequence[Graph], core: Core, board: Board | None, *, is_small: bool
) -> frozenset[str]:
    """The C files of larger code with which the models, in one firmware, take the least, the image
    fitting the board.

    None of them where sizes of code are not known for the core, nor where flash is unlimited: there
    kernels may have any.

    Args:
        core: with its flash limit.
        is_small: whether the image is to keep to ``SMALL_IMAGE_BYTES`` beside parameters.
    """
    if core.flash_limit >= UNLIMITED_FLASH:
        return frozenset()
    search = _Search([list(graph.nodes) for graph in graphs], core, board, is_small)
    files = search.files()
    if not files or not search.fits(frozenset()):
        return frozenset()
    subsets = (
        frozenset(chosen)
        for count in range(len(files) + 1)
        for chosen in itertools.combinations(files, count)
    )
    # Of equal ones the first, which is of the fewest files.
    by_worth = sorted(subsets, key=search.saved, reverse=True)
    return next(subset for subset in by_worth if search.fits(subset))


def keeps_small(models: Sequence[LoweredModel], core: Core, board: Board | None) -> bool:
    """Whether an image of lowered models is as small as it is to be, as far as that is known."""
    found = _beyond_parameters(models, core, board)
    return found is None or found <= SMALL_IMAGE_BYTES


def _beyond_parameters(
    models: Sequence[LoweredModel], core: Core, board: Board | None
) -> int | None:
    """What an image has beside parameters at most; None where that is not known."""
    found = sizes.beyond_parameters(models, core, board)
    layers = sum(len(model.nodes) for model in models)
    return None if found is None else found + _MARGIN_BYTES + _LAYER_MARGIN_BYTES * layers


@dataclass(frozen=True)
class _Way:
    """A node by one of its kernels.

    Attributes:
        filled: bytes of rows that are filled with a value, by that value.
        cycles: None where too little is known of the kernel.
    """

    lowered: Lowered
    filled: Mapping[int, int]
    cycles: float | None
    instructions: float

    def saved(self, other: _Way) -> float:
        """What ``other`` takes less: cycles, or where these are not known instructions."""
        if self.cycles is None or other.cycles is None:
            return self.instructions - other.instructions
        return self.cycles - other.cycles


class _Search:
    """What images take, by the files of larger code that they may have."""

    def __init__(
        self,
        models: Sequence[Sequence[Node]],
        core: Core,
        board: Board | None,
        is_small: bool,
    ) -> None:
        self._models = models
        self._core = core
        self._board = board
        self._is_small = is_small
        self._cycles, self._instructions = cycles_on(core), instructions_on(core)
        self._ways: dict[tuple[Node, _Files], _Way] = {}

    def files(self) -> list[str]:
        """Those that save anything, in alphabetical order; the best where they are many."""
        everything = {
            file
            for node in self._nodes()
            for file in operator_of(node).large_code(node, self._core)
        }
        worth = {file: self.saved(frozenset([file])) for file in sorted(everything)}
        best = sorted((file for file in worth if worth[file] > 0), key=lambda f: -worth[f])
        return sorted(best[:_MOST_FILES])

    def saved(self, files: _Files) -> float:
        """What all layers take less than without larger code."""
        return sum(
            self._made(node, frozenset()).saved(self._way(node, files)) for node in self._nodes()
        )

    def fits(self, files: _Files) -> bool:
        models = [self._lowered(nodes, files) for nodes in self._models]
        beyond = _beyond_parameters(models, self._core, self._board)
        if beyond is None or (self._is_small and beyond > SMALL_IMAGE_BYTES):
            return False
        parameters = sum(sizes.parameter_bytes(model) for model in models)
        return self._board is None or beyond + parameters <= self._board.flash.size_bytes

    def _nodes(self) -> Iterator[Node]:
        return itertools.chain.from_iterable(self._models)

    def _lowered(self, nodes: Sequence[Node], files: _Files) -> LoweredModel:
        ways = {node.index: self._way(node, files) for node in nodes}
        lowered, arrays = share_arrays({index: way.lowered for index, way in ways.items()})
        filled: dict[int, int] = {}
        for value, nbytes in (item for way in ways.values() for item in way.filled.items()):
            filled[value] = max(filled.get(value, 0), nbytes)
        parts = tuple(WholeLayer(index) for index, node in lowered.items() if node.calls)
        return LoweredModel(lowered, (*arrays, *filled_arrays(filled)), parts, is_folded=False)

    def _way(self, node: Node, files: _Files) -> _Way:
        """As the node is run where it may have some files: by its first kernel, if that pays."""
        small = self._made(node, frozenset())
        kernels = operator_of(node).applying(node, self._core.with_large_code(files))
        if not kernels or not kernels[0].large_code:
            return small
        large = self._made(node, frozenset(kernels[0].large_code))
        return large if small.saved(large) > 0 else small

    def _made(self, node: Node, files: _Files) -> _Way:
        key = (node, files)
        if key not in self._ways:
            run = Run(node, self._core.with_large_code(files), calls=1)
            cycles = None if self._cycles is None else self._cycles(run)
            lowered, filled = lowered_anywhere(run)
            self._ways[key] = _Way(lowered, filled, cycles, self._instructions(run))
        return self._ways[key]
