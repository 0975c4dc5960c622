"""Whole drawn models in every kind of plan: TFLM = numpy meaning = generated C, sanitized.

``--drawn N`` draws N models at random instead of the fixed ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, assume, event, given, note, seed, settings
from hypothesis import strategies as st

from tests.support import differential, graphs
from tinyaiot import oracle
from tinyaiot.errors import UnsupportedModelError
from tinyaiot.frontends import tflite
from tinyaiot.operators import operators
from tinyaiot.plan import Memory
from tinyaiot.planner import FED_STRATEGIES, STRATEGIES, plan_model

_PARTS = 4
_FIXED = 160
_AMPLE = (Memory("ram", 1 << 28),)


@dataclass(frozen=True)
class PlanKind:
    """What is asked of a plan."""

    strategy: str
    keep_input: bool = False
    feed: bool = False


PLANS = (
    *(PlanKind(name, keep) for name in sorted(STRATEGIES) for keep in (False, True)),
    *(PlanKind(name, feed=True) for name in sorted(FED_STRATEGIES)),
)


@pytest.mark.parametrize("part", range(_PARTS))
def test_drawn_models_equal_tflm(part: int, request: pytest.FixtureRequest) -> None:
    wanted = request.config.getoption("--drawn")

    @settings(
        deadline=None,
        database=None,
        max_examples=(wanted or _FIXED) // _PARTS,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(graphs.models(), st.sampled_from(PLANS))
    def check(model: graphs.DrawnModel, wanted: PlanKind) -> None:
        note(model.description)
        check_model(model, wanted)

    (check if wanted else seed(part)(check))()


def check_model(model: graphs.DrawnModel, wanted: PlanKind) -> None:
    """Compares a drawn model's tensors; drops one that breaks rules or that TFLM refuses."""
    try:
        graph = tflite.read(model.data, "m")
        oracle.run(model.data, graph, model.inputs)
    except UnsupportedModelError as error:
        event(f"dropped: {error.details[0] if error.details else error.what}")
        assume(False)
    plan = plan_model(
        graph,
        differential.HOST,
        _AMPLE,
        strategy=wanted.strategy,
        keep_input=wanted.keep_input,
        feed=wanted.feed,
    )
    differential.check(model.data, model.inputs, plan)


def test_every_operator_is_drawn() -> None:
    """DEQUANTIZE is drawn at the model's outputs."""
    assert {*graphs.DRAWERS, "DEQUANTIZE"} >= set(operators())
