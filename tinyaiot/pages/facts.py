"""What a model is and what a plan needs, in a few words."""

from __future__ import annotations

from collections.abc import Iterator

from tinyaiot.pages.page import Facts, Section, Text
from tinyaiot.plan import Plan
from tinyaiot.predict import LayerPrediction, Prediction
from tinyaiot.summary import ModelSummary, describe_left_out


def model_facts(summary: ModelSummary) -> tuple[tuple[str, str], ...]:
    """What a model is."""
    left_out = (("left out", " ".join(describe_left_out(summary.left_out))),)
    return (
        ("input", ", ".join(summary.inputs)),
        ("output", ", ".join(summary.outputs)),
        ("layers", f"{len(summary.layers)}"),
        ("multiply-accumulates", f"{summary.macs:,}"),
        ("weights", f"{summary.weights_bytes:,} bytes"),
        *(left_out if summary.left_out.channels else ()),
    )


def plan_facts(plan: Plan) -> tuple[tuple[str, str], ...]:
    """What a plan needs."""
    feed = ", input fed by rows" if plan.is_fed else ""
    again = (("MACs computed again", f"{plan.extra_macs:,}"),) if plan.extra_macs else ()
    return (
        ("arena", f"{plan.total_arena_bytes:,} bytes"),
        ("its lower bound", f"{plan.lower_bound_bytes:,} bytes"),
        ("plan", f"{plan.strategy}{feed}"),
        *again,
    )


def prediction_section(prediction: Prediction) -> Section:
    """What is predicted for a board, from what, and how far that holds."""
    facts = Facts(
        (
            ("instructions", _number(prediction.instructions)),
            ("flash, bytes", _number(prediction.flash_bytes)),
            ("RAM: .data and .bss, bytes", _number(prediction.ram_bytes)),
            ("time, an estimate", _time(prediction.milliseconds)),
        )
    )
    notes = (Text(note) for note in _notes(prediction))
    return Section("Predicted, not measured", (facts, *notes))


def _notes(prediction: Prediction) -> Iterator[str]:
    yield f"Instructions: {prediction.basis}. Time: {prediction.milliseconds_basis}."
    if prediction.unknown:
        yield f"No kernel of {_layers(prediction.unknown)} was measured for such a core."
    if prediction.stale:
        yield f"The kernels of {_layers(prediction.stale)} have changed since they were measured."
    if prediction.out_of_range:
        yield (
            f"Less certain: {_layers(prediction.out_of_range)}, larger or smaller than any that "
            "was measured for the prediction."
        )


def _layers(layers: tuple[LayerPrediction, ...]) -> str:
    word = "layer" if len(layers) == 1 else "layers"
    return f"{word} {', '.join(str(layer.index) for layer in layers)}"


def _time(milliseconds: float | None) -> str:
    return "unknown" if milliseconds is None else f"about {milliseconds:.3g} ms"


def _number(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"
