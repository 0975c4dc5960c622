"""Whether nodes keep the rules of their operators; every text comes from the rules themselves.

The first paragraph of a rule's docstring is the rule, what follows says what to do about it.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator

import numpy as np

from tinyaiot.graph import DType, Graph, Node, Tensor
from tinyaiot.operators import operator_of
from tinyaiot.operators.base import Rule

# The field of ta_source and ta_sink that counts rows is an int16_t.
_MAX_ROWS = 32767

# A rule about the model as a whole, written as the rules of nodes are.
GraphRule = Callable[[Graph], bool]
AnyRule = Rule | GraphRule

# A rule may trip over operands that are missing or malformed: then it is not kept either.
_NOT_APPLICABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)


def rule_text(rule: AnyRule) -> str:
    """The rule, one line."""
    return " ".join(_paragraphs(rule)[0].split())


def rule_hint(rule: AnyRule) -> str:
    """What to do where the rule is broken, one line; empty where the rule says it all."""
    return " ".join(" ".join(_paragraphs(rule)[1:]).split())


def shapes_are_static(node: Node) -> bool:
    """Every axis of every run-time tensor is at least 1."""
    return all(n >= 1 for t in (*node.activations, *node.outputs) for n in t.shape)


def rows_are_countable(node: Node) -> bool:
    """Run-time tensors have at most 32767 rows: the product of all axes before the last two."""
    return all(t.height <= _MAX_ROWS for t in (*node.activations, *node.outputs))


def quantization_is_sound(node: Node) -> bool:
    """Scales are finite and positive (or 0 in constants); zero points fit the type."""
    tensors = (*node.inputs, *node.outputs)
    return all(t is None or t.quantization is None or _is_sound(t) for t in tensors)


EVERY_NODE: tuple[Rule, ...] = (shapes_are_static, rows_are_countable, quantization_is_sound)


def violations(node: Node) -> Iterator[Rule]:
    """The rules that ``node`` breaks: those of every node and those of its operator."""
    for rule in (*EVERY_NODE, *operator_of(node).rules):
        try:
            kept = rule(node)
        except _NOT_APPLICABLE:
            kept = False
        if not kept:
            yield rule


_AT_THE_ENDS = frozenset({DType.INT8, DType.UINT8, DType.FLOAT32})


def ends_are_transferable(graph: Graph) -> bool:
    """The model's inputs and outputs are int8, uint8 or float32."""
    return all(t.dtype in _AT_THE_ENDS for t in (*graph.inputs, *graph.outputs))


def outputs_are_computed(graph: Graph) -> bool:
    """The model's outputs are computed: none is one of its inputs or a constant."""
    given = set(graph.inputs)
    return not any(t.is_constant or t in given for t in graph.outputs)


EVERY_GRAPH: tuple[GraphRule, ...] = (outputs_are_computed, ends_are_transferable)


def _paragraphs(rule: AnyRule) -> list[str]:
    return (inspect.getdoc(rule) or rule.__name__).split("\n\n")


def _is_sound(tensor: Tensor) -> bool:
    quantization = tensor.quantization
    assert quantization is not None
    # A filter that is all zeros may have scale 0.
    lowest = 0.0 if tensor.is_constant else math.nextafter(0.0, 1.0)
    if not all(lowest <= scale < math.inf for scale in quantization.scales):
        return False
    if tensor.dtype.numpy.kind not in "iu":
        return True
    limits = np.iinfo(tensor.dtype.numpy)
    return all(limits.min <= zero <= limits.max for zero in quantization.zero_points)
