"""The plan's steps as the generated run function takes them: whole layers and row programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from tinyaiot.plan import Step

_MAX_LAYERS = 256


@dataclass(frozen=True)
class WholeLayer:
    """All rows of one node in one go."""

    node: int


@dataclass(frozen=True)
class RowProgram:
    """Nodes that take turns.

    Attributes:
        nodes: in the order in which they first make a row.
        entries: for each row in turn, the place in ``nodes`` of the node that makes its next.
    """

    nodes: tuple[int, ...]
    entries: tuple[int, ...]


def split_steps(
    steps: Iterable[Step], height: Callable[[int], int]
) -> tuple[WholeLayer | RowProgram, ...]:
    """Splits a plan's steps at every moment at which no node is half done.

    Args:
        height: the rows that a node makes in all.
    """
    parts: list[WholeLayer | RowProgram] = []
    made: dict[int, int] = {}
    entries: list[int] = []
    for step in steps:
        if step.y_start != made.get(step.node, 0):
            raise ValueError(f"node {step.node} makes row {step.y_start} out of order")
        if not made and step.y_stop == height(step.node):
            parts.append(WholeLayer(step.node))
            continue
        made[step.node] = step.y_stop
        place = list(made).index(step.node)
        entries += [place] * (step.y_stop - step.y_start)
        if all(made[node] == height(node) for node in made):
            parts.append(_program(made, entries))
            made, entries = {}, []
    if made:
        raise ValueError(f"nodes {sorted(made)} are left half done")
    return tuple(parts)


def _program(made: Mapping[int, int], entries: Iterable[int]) -> RowProgram:
    if len(made) > _MAX_LAYERS:
        raise ValueError(f"a row program of {len(made)} layers, {_MAX_LAYERS} at most")
    return RowProgram(tuple(made), tuple(entries))
