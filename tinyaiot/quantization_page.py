"""What quantization cost, as a page with pictures."""

from __future__ import annotations

from tinyaiot.pages.charts import NARROW, WIDE, Axis, Bar, Point, Series, bars, plot
from tinyaiot.pages.page import Facts, Figure, Page, Part, Section, Table, Text
from tinyaiot.pages.svg import Picture
from tinyaiot.quantization import Comparison, LayerError, Quantized
from tinyaiot.report_quantization import decibels, gain_of, layer_of

# A picture with more bars than this is left to the table.
_MOST_BARS = 40

_UP_TO_HERE = "SQNR, dB"


def quantization_page(quantized: Quantized, comparison: Comparison, command: str) -> Page:
    """The page of a model beside its float original.

    Args:
        command: what makes it.
    """
    sections = [Section("Outcome", _outcome(quantized, comparison))]
    if quantized.trials:
        sections.append(Section("What was tried", _tried(quantized)))
    sections.append(layers_section(comparison))
    if comparison.remedies:
        sections.append(Section("Layers to spare", _spare(comparison)))
    subtitle = f"int8 beside float, {comparison.count:,} samples"
    return Page(quantized.model.name, subtitle, command, tuple(sections))


def layers_section(comparison: Comparison) -> Section:
    """The error of each layer, as a picture and a table."""
    return Section("Quantization, layer by layer", _layers(comparison))


def pictures_of(page: Page) -> tuple[Picture, ...]:
    """All pictures of a page, in their order."""
    parts = [part for section in page.sections for part in section.parts]
    return tuple(part.picture for part in parts if isinstance(part, Figure))


def _outcome(quantized: Quantized, comparison: Comparison) -> tuple[Part, ...]:
    pairs = []
    if comparison.float_accuracy is not None and comparison.int8_accuracy is not None:
        points = 100 * (comparison.int8_accuracy - comparison.float_accuracy)
        pairs += [
            ("float, right", f"{comparison.float_accuracy:.2%}"),
            ("int8, right", f"{comparison.int8_accuracy:.2%} ({points:+.2f} points)"),
        ]
    pairs += [
        ("same class in both", f"{comparison.agreement:.2%}"),
        ("output, SQNR", f"{decibels(comparison.sqnr_db)} dB"),
        ("output, cosine", "-" if comparison.cosine is None else f"{comparison.cosine:.5f}"),
        ("output, largest error", f"{comparison.largest_error:.3g}"),
        ("int8 .tflite", f"{len(quantized.model.data):,} bytes"),
        ("float .tflite", f"{len(quantized.float_data):,} bytes"),
        ("made by", "another tool" if quantized.recipe is None else str(quantized.recipe)),
    ]
    return (Facts(tuple(pairs)),)


def _tried(quantized: Quantized) -> tuple[Part, ...]:
    base = quantized.trials[0].sqnr_db
    taken = next(k for k, t in enumerate(quantized.trials) if t.recipe == quantized.recipe)
    rows = tuple(
        (
            str(trial.recipe),
            decibels(trial.sqnr_db),
            gain_of(trial.sqnr_db, base),
            f"{trial.agreement:.2%}",
        )
        for trial in quantized.trials
    )
    pictured = bars(
        "Error of the output by recipe",
        _UP_TO_HERE,
        [
            _bar(str(trial.recipe), trial.sqnr_db, marked=k == taken)
            for k, trial in enumerate(quantized.trials)
        ],
        name="trials",
    )
    about = (
        f"Each recipe was measured on {quantized.held_out} samples that were held out of the "
        "calibration. SQNR is signal over error; more is better. The one that was taken stands out."
    )
    table = Table(
        ("recipe", "#SQNR, dB", "#gain, dB", "#same class"), rows, marked=frozenset({taken})
    )
    return (Text(about), Figure(pictured), table)


def _layers(comparison: Comparison) -> tuple[Part, ...]:
    about = Text(
        "Up to here: a layer's output in the int8 network, all before it included. It alone: the "
        "network's output where this layer alone is int8, which is the error that it adds. If "
        "spared: what the int8 network's output gains with this layer alone in floating point. The "
        f"last two are simulated, on {comparison.simulated} samples. SQNR is signal over error."
    )
    rows = tuple(
        (
            _name(layer),
            decibels(layer.sqnr_db),
            decibels(layer.lost_db),
            decibels(layer.added_db),
            decibels(layer.gain_db, sign=True),
        )
        for layer in comparison.layers
    )
    worst = comparison.ranked[:1]
    marked = frozenset(k for k, layer in enumerate(comparison.layers) if layer in worst)
    headings = ("layer", "#up to here, dB", "#lost here, dB", "#it alone, dB", "#if spared, dB")
    return (about, *_profile(comparison), Table(headings, rows, marked=marked))


def _profile(comparison: Comparison) -> tuple[Part, ...]:
    """The error along the network, accumulated, and what each layer adds."""
    points = [
        Series(
            label,
            tuple(
                Point(layer.index, value, f"{_name(layer)}: {value:.1f} dB")
                for layer, value in values
                if value is not None
            ),
            kind,
            connected,
        )
        for label, kind, connected, values in (
            ("up to here", "tensor", True, [(x, x.sqnr_db) for x in comparison.layers]),
            ("it alone", "other", False, [(x, x.added_db) for x in comparison.layers]),
        )
    ]
    series = [one for one in points if one.points]
    if not series:
        return ()
    narrow, wide = (
        plot(
            "Error along the network",
            Axis("layer"),
            Axis(_UP_TO_HERE),
            series,
            name="error",
            width=width,
        )
        for width in (NARROW, WIDE)
    )
    return (Figure(narrow, wide=wide),)


def _spare(comparison: Comparison) -> tuple[Part, ...]:
    ranked = comparison.ranked[:_MOST_BARS]
    pictured = bars(
        "Layers by the error that each adds",
        "the output's SQNR, dB",
        [_bar(_name(layer), layer.added_db, marked=k == 0) for k, layer in enumerate(ranked)],
        name="added",
    )
    rows = tuple(
        (
            _name(layer),
            decibels(layer.gain_db, sign=True),
            decibels(remedy.int16_db, sign=True),
            decibels(remedy.method_db, sign=True),
            remedy.method or "fixed by the format",
        )
        for remedy in comparison.remedies
        for layer in [layer_of(comparison, remedy)]
    )
    about = Text(
        "What the output's SQNR would gain, simulated: with a layer in floating point, with 16 "
        "bits for its output (an estimate only: the kernels are int8), and with another choice of "
        "its range. Where several layers are bad, mending one gains little."
    )
    headings = ("layer", "#in float, dB", "#at int16, dB", "#other range, dB", "by")
    caption = "With one layer alone int8: the shorter the bar, the more error it adds."
    return (about, Figure(pictured, caption), Table(headings, rows))


def _name(layer: LayerError) -> str:
    return f"{layer.index} {layer.op}"


def _bar(label: str, value: float | None, *, marked: bool = False) -> Bar:
    # Bars begin at 0; below, there is more error than signal.
    length = None if value is None else max(value, 0.0)
    return Bar(label, length, decibels(value), kind="marked" if marked else "tensor")
