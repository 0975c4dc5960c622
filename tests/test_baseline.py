"""Instruction counts do not grow: drawn layers on every core, against the stored baseline."""

from __future__ import annotations

import pytest

from scripts.baseline import LAYER_BOARDS, layer_counts, regressions, stored


@pytest.mark.parametrize("core", LAYER_BOARDS)
def test_no_layer_takes_more_instructions(core: str) -> None:
    """Where one must: `make baseline` stores the counts of today, and the commit says why."""
    now = layer_counts(core)
    before = stored("layers")[core]
    assert now.keys() == before.keys(), "other layers are drawn than stored: make baseline"
    assert list(regressions({core: before}, {core: now})) == []


def test_what_has_grown_is_told_with_both_counts() -> None:
    before = {"kws": {"a": 1000, "b": 1000, "only before": 5}}
    now = {"kws": {"a": 1005, "b": 1006, "only now": 9}, "new": {"a": 1}}
    assert list(regressions(before, now)) == ["kws b: 1,000 to 1,006 (+0.6%)"]
