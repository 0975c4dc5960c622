"""The plan's steps as the generated run function takes them: whole layers and row programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from tinyaiot.plan import Step

_MAX_LAYERS = 255
_REPEAT = 255

# Turns are looked for among so many neighbours.
_LONGEST_TURN = 24
_MOST_TURNS = 255


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

    def folded(self) -> tuple[int, ...]:
        """The entries with turns that repeat written once: behind 255, the number of entries of
        the turn, and how often it is taken."""
        folded: list[int] = []
        at = 0
        while at < len(self.entries):
            length, turns = self._turn(at)
            if length * turns > length + 3:
                folded += [_REPEAT, length, turns]
            else:
                length, turns = 1, 1
            folded += self.entries[at : at + length]
            at += length * turns
        return tuple(folded)

    def _turn(self, at: int) -> tuple[int, int]:
        """The length of the turn at ``at`` that folds most entries, and how often it is taken."""
        best = (1, 1)
        for length in range(1, _LONGEST_TURN + 1):
            turn = self.entries[at : at + length]
            turns, stop = 1, at + length
            while turns < _MOST_TURNS and self.entries[stop : stop + length] == turn:
                turns, stop = turns + 1, stop + length
            if length * (turns - 1) > best[0] * (best[1] - 1):
                best = (length, turns)
        return best


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
