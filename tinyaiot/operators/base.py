"""What an operator is: one subclass of :class:`Operator` in one file of this package.

The file says everything about it: attributes, rules, which input rows an output row needs,
its meaning in numpy (bit for bit TensorFlow Lite Micro's), and its C: the parameters and the
table of kernels. Its namesake folder in ``firmware/operators`` holds that C.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy.typing as npt

from tinyaiot.cores import Core
from tinyaiot.csource import Lowered, Value
from tinyaiot.graph import DType, Node, Tensor

Attributes = TypeVar("Attributes")
AnyArray = npt.NDArray[Any]

# Tiers of kernels: for an instruction set, for any but with care, and as the formula reads.
TUNED, PORTABLE, REFERENCE = range(3)

# A rule is a function whose docstring is the rule: one text serves the check, the user's
# error and the list of supported operators. It returns True where the node keeps the rule.
Rule = Callable[[Node], bool]


@dataclass(frozen=True)
class Rows:
    """Rows [start, stop) of a tensor."""

    start: int
    stop: int


@dataclass(frozen=True)
class Columns:
    """Pixels [start, stop) of each row of a tensor."""

    start: int
    stop: int

    @property
    def count(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, eq=False)
class Narrowed:
    """A node that makes only some columns of its output.

    Attributes:
        reads: by number of an operand that is computed, the columns of it that it reads.
        attributes: the node's, as they are for the operands narrowed to these columns.
        constants: by number, the operands whose values are others.
    """

    reads: Mapping[int, Columns]
    attributes: Any
    constants: Mapping[int, AnyArray] = field(default_factory=dict)


@dataclass(frozen=True)
class Kernel:
    """One row of an operator's table of kernels, from the fastest to the slowest.

    Attributes:
        function: the C function, named ``ta_<op>_<dtype>[_<shape>]_<variant>``.
        source: its file under ``firmware/operators``, named after the function.
        applies: whether it can compute this node on this core.
        scratch_bytes: working memory it needs beyond the row pointers.
        shared: further files that it needs, which other kernels may need too.
        flash_bytes: what its constants take beyond those of kernels that keep them small; such
            kernels are taken where speed is worth that, up to the core's limit.
        large_code: those of its files that smaller kernels do without, once in an image: they are
            had where there is room for them.
        needs_room: whether it is taken only where a limit says how much scratch there is, which it
            wants a lot of.
        tier: kernels of one tier are about as fast as each other, those of a higher one several
            times slower.
    """

    function: str
    source: str
    applies: Callable[[Node, Core], bool] = lambda node, core: True
    scratch_bytes: Callable[[Node, Core], int] = lambda node, core: 0
    shared: tuple[str, ...] = ()
    tier: int = REFERENCE
    flash_bytes: Callable[[Node], int] = lambda node: 0
    large_code: tuple[str, ...] = ()
    needs_room: bool = False

    @property
    def sources(self) -> tuple[str, ...]:
        """All files that it needs."""
        return (self.source, *self.shared)


class LowerContext(Protocol):
    """What a node is told about the plan when it is lowered to C."""

    @property
    def core(self) -> Core: ...

    @property
    def blocks(self) -> int:
        """Blocks that a row is cut into, of a node that makes columns; the node's own output has
        a row for each of them."""

    @property
    def is_streamed(self) -> bool:
        """Whether each of the node's rows, or blocks, is made by a call of its own."""

    @property
    def prefix(self) -> str:
        """Start of every C identifier of this node, unique in the image."""

    def source(self, tensor: Tensor) -> Value:
        """The ``ta_source`` through which rows of ``tensor`` are read."""

    def sink(self, tensor: Tensor) -> Value:
        """The ``ta_sink`` through which rows of ``tensor`` are written."""

    def lies_whole(self, tensor: Tensor) -> bool:
        """Whether all rows of ``tensor`` lie in memory one behind the other, without gaps."""

    def lie_apart(self, a: Tensor, b: Tensor) -> bool:
        """Whether no byte of memory holds rows of both."""

    def scratch(self) -> Value:
        """The address of the node's scratch, or NULL where it needs none."""

    def joint(self, tensor: Tensor) -> Value | None:
        """Where columns of a row are joined in scratch if ``tensor`` lies in a ring that may end
        amid them; None where its rows lie in one piece."""

    def sums(self) -> Value:
        """The address of the node's sums, an ``int32_t *``, where the plan gives it any."""

    def filled_row(self, value: int, nbytes: int) -> Value:
        """The address of at least ``nbytes`` constant bytes of ``value``, shared by the model."""


class Operator(ABC, Generic[Attributes]):
    """Everything there is to know about one TFLite builtin operator."""

    name: ClassVar[str]
    rules: ClassVar[tuple[Rule, ...]] = ()
    kernels: ClassVar[tuple[Kernel, ...]] = ()

    @abstractmethod
    def parse(self, options: Any, inputs: tuple[Tensor | None, ...]) -> Attributes:
        """The attributes from the flatbuffer's options table (None where the file has none)."""

    def macs(self, node: Node) -> int:
        """Multiply-accumulates of one inference; 0 for what only moves or compares."""
        return 0

    def is_alias(self, node: Node) -> bool:
        """Whether output 0 is the bytes of input 0 under another shape: no code, no copy."""
        return False

    def in_place(self, node: Node) -> tuple[int, ...]:
        """Inputs whose buffer output 0 may overwrite row by row, in the order of rows."""
        return ()

    def input_rows(self, node: Node, k: int, rows: Rows) -> Rows:
        """Rows of input ``k`` that rows ``rows`` of output 0 read, clipped to what exists.

        The default is that of operators that work row by row on equal shapes, with an input
        of one row broadcast.
        """
        height = node.input(k).height
        return rows if height == node.output.height else Rows(0, height)

    def narrowed(self, node: Node, columns: Columns) -> Narrowed | None:
        """What makes ``columns`` of output 0 alone; None where the operator cannot do that."""
        return None

    @abstractmethod
    def evaluate(self, node: Node, inputs: list[AnyArray | None]) -> list[AnyArray]:
        """The operator's meaning: outputs from inputs (constants included), shaped as typed."""

    def scratch_bytes(self, node: Node, core: Core) -> int:
        """Working memory of one call: row pointers and what the chosen kernel needs."""
        return 0

    @abstractmethod
    def lower(self, node: Node, context: LowerContext) -> Lowered:
        """The node as C: structs, constant arrays and the files that it needs."""

    def is_pointwise(self, node: Node) -> bool:
        """Whether each output pixel is made of the input pixels at its place, all activations being
        of one height and width: then rows may be cut anywhere."""
        return False

    def makes_columns(self, node: Node) -> bool:
        """Whether it can make some columns of a row and leave the others, reading only those of
        input 0 that ``narrowed`` names."""
        return False

    def sums_bytes(self, node: Node) -> int:
        """Bytes of the sums to which the rows of input 0 can be added one by one, instead of being
        there together; 0 for a node that cannot. Its output then has one row."""
        return 0

    def lower_sums(self, node: Node, context: LowerContext) -> Lowered:
        """As ``lower``, of a node with sums: its calls take rows of input 0."""
        raise NotImplementedError(f"{self.name} has no sums")

    def kernel(self, node: Node, core: Core) -> Kernel:
        """The first kernel of the table that applies and keeps the core's limits.

        Raises:
            LookupError: there is none.
        """
        for kernel in self.applying(node, core):
            limit = core.scratch_limit
            if limit is None and kernel.needs_room:
                continue
            if limit is None or kernel.scratch_bytes(node, core) <= limit:
                return kernel
        raise LookupError(f"no kernel of {self.name} takes node {node.index}")

    def least_scratch(self, node: Node, core: Core, slowest_tier: int | None = None) -> int:
        """The least that a scratch limit may be.

        Args:
            slowest_tier: of kernels; by default, and where that is slower, that of the fastest
                that applies.
        """
        found = [kernel for kernel in self.applying(node, core) if not kernel.needs_room]
        fastest = found[0].tier if found else 0
        tier = fastest if slowest_tier is None else max(fastest, slowest_tier)
        sizes = [k.scratch_bytes(node, core) for k in found if k.tier <= tier]
        return min(sizes, default=0)

    def most_scratch(self, node: Node, core: Core) -> int:
        """Scratch of the fastest kernel that applies, but for those that need room: what a limit
        need not be more than."""
        found = (kernel for kernel in self.applying(node, core) if not kernel.needs_room)
        return next((kernel.scratch_bytes(node, core) for kernel in found), 0)

    def fits_in_room(self, node: Node, core: Core, nbytes: int) -> bool:
        """Whether so much scratch is enough for a kernel that needs room."""
        return any(
            kernel.needs_room and kernel.scratch_bytes(node, core) <= nbytes
            for kernel in self.applying(node, core)
        )

    def large_code(self, node: Node, core: Core) -> frozenset[str]:
        """All files of larger code that kernels have which can compute the node."""
        able = _able(self, node, core.without_limits())
        taken = (kernel for kernel in able if kernel.flash_bytes(node) <= core.flash_limit)
        return frozenset(file for kernel in taken for file in kernel.large_code)

    def applying(self, node: Node, core: Core) -> Sequence[Kernel]:
        """All kernels that can compute the node and keep the core's limits of flash and code."""
        return _applying(self, node, core.with_scratch_limit(None))


# Planners ask again and again, and some conditions go over all weights.
@functools.lru_cache(maxsize=4096)
def _applying(operator: Operator[Any], node: Node, core: Core) -> tuple[Kernel, ...]:
    return tuple(
        kernel
        for kernel in _able(operator, node, core.without_limits())
        if core.takes_code(kernel.large_code) and kernel.flash_bytes(node) <= core.flash_limit
    )


@functools.lru_cache(maxsize=4096)
def _able(operator: Operator[Any], node: Node, core: Core) -> tuple[Kernel, ...]:
    """Those that apply, whatever they take."""
    return tuple(kernel for kernel in operator.kernels if kernel.applies(node, core))


def narrowed_by_element(node: Node, columns: Columns) -> Narrowed | None:
    """Of a node whose every element needs the operands' elements at its place only.

    None where an operand is broadcast along rows that it has more than one pixel of.
    """
    reads = {}
    for k, operand in enumerate(node.inputs):
        if operand is None or (operand.is_constant and _pixels_of_row(operand) == 1):
            continue
        if operand.is_constant or operand.shape != node.output.shape:
            return None
        reads[k] = columns
    return Narrowed(reads, node.attributes)


def _pixels_of_row(tensor: Tensor) -> int:
    return tensor.shape[-2] if len(tensor.shape) > 1 else 1


def int8_in_and_out(node: Node) -> bool:
    """Inputs and outputs computed at run time are int8 with one scale and zero point."""
    return all(
        t.dtype is DType.INT8 and t.quantization is not None and not t.quantization.per_channel
        for t in (*node.activations, *node.outputs)
    )


def batch_is_one(node: Node) -> bool:
    """The batch (first axis of a 4-D input or output) is 1."""
    return all(len(t.shape) != 4 or t.shape[0] == 1 for t in (*node.activations, *node.outputs))
