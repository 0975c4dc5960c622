"""What a model is and what a plan needs, in a few words."""

from __future__ import annotations

from tinyaiot.plan import Plan
from tinyaiot.summary import ModelSummary


def model_facts(summary: ModelSummary) -> tuple[tuple[str, str], ...]:
    """What a model is."""
    return (
        ("input", ", ".join(summary.inputs)),
        ("output", ", ".join(summary.outputs)),
        ("layers", f"{len(summary.layers)}"),
        ("multiply-accumulates", f"{summary.macs:,}"),
        ("weights", f"{summary.weights_bytes:,} bytes"),
    )


def plan_facts(plan: Plan) -> tuple[tuple[str, str], ...]:
    """What a plan needs."""
    feed = ", input fed by rows" if plan.is_fed else ""
    return (
        ("arena", f"{plan.total_arena_bytes:,} bytes"),
        ("its lower bound", f"{plan.lower_bound_bytes:,} bytes"),
        ("plan", f"{plan.strategy}{feed}"),
    )
