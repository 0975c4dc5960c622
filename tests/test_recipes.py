"""Ranges, biases and simulations: compared with brute force, the converter's own and TFLM."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tinyaiot import oracle, zoo
from tinyaiot.errors import UnsupportedModelError, UsageError
from tinyaiot.frontends import Model, tflite
from tinyaiot.pages.page import page_html
from tinyaiot.quantization import (
    PLAIN,
    Comparison,
    Method,
    Quantized,
    Recipe,
    compare,
    parse_method,
    quantize,
)
from tinyaiot.quantization.bias_correction import correct_biases
from tinyaiot.quantization.error import Power, real
from tinyaiot.quantization.flatbuffer import Flatbuffer
from tinyaiot.quantization.float_model import FloatModel
from tinyaiot.quantization.ranges import Histogram, Range, histograms, least_squares, ranges
from tinyaiot.quantization.ranges import within_percentile as percentile_range
from tinyaiot.quantization.rescaling import TIED, with_biases, with_ranges
from tinyaiot.quantization.simulation import Changes, Levels, Simulation
from tinyaiot.quantization.trials import measure
from tinyaiot.quantization_page import quantization_page
from tinyaiot.samples import as_samples

SHAPE = (49, 10, 1)

tensorflow = pytest.mark.usefixtures("_tensorflow")


@pytest.fixture
def _tensorflow() -> None:
    pytest.importorskip("tensorflow", reason="needs TensorFlow: pip install tensorflow")


def typical(count: int, seed: int = 1) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(count, *SHAPE)).astype(np.float32)


def network() -> Any:
    import keras

    keras.utils.set_random_seed(1)
    return zoo.build("ds_cnn", classes=4)


@functools.cache
def plain() -> Quantized:
    return quantize(network(), typical(48))


@functools.cache
def with_outliers() -> Any:
    from examples.separable.rescaling import rescale

    model = network()
    rescale(model, 3.0, seed=1)
    return model


def histogram(values: npt.NDArray[np.float32]) -> Histogram:
    made = Histogram()
    made.widen(values)
    made.count(values)
    return made


def squared_error(values: npt.NDArray[np.float32], chosen: Range) -> float:
    levels = np.clip(np.rint(values / chosen.scale) + chosen.zero_point, -128, 127)
    return float(np.sum(((levels - chosen.zero_point) * chosen.scale - values) ** 2))


def test_methods_are_read() -> None:
    assert parse_method("minmax") == PLAIN
    assert parse_method("percentile=99.9") == Recipe(Method.PERCENTILE, 99.9)
    assert parse_method("mse").method is Method.MSE
    for text in ("best", "mse=3", "percentile=x", "percentile=10", ""):
        with pytest.raises(UsageError, match="there is no method"):
            parse_method(text)


def test_percentiles_are_numpy_s_to_a_bin() -> None:
    values = np.random.default_rng(1).normal(size=100_000).astype(np.float32)
    found = percentile_range(histogram(values), 99.5)
    bin_width = float(values.max() - values.min()) / 4096
    assert found.low == pytest.approx(np.percentile(values, 0.5), abs=2 * bin_width)
    assert found.high == pytest.approx(np.percentile(values, 99.5), abs=2 * bin_width)
    nearly_all_zero = np.zeros(1000, np.float32)
    nearly_all_zero[0] = 1
    assert percentile_range(histogram(nearly_all_zero), 99).high > 0


@pytest.mark.parametrize("positive", [True, False])
def test_least_squares_is_near_the_best_of_all_ranges(positive: bool) -> None:
    values = np.random.default_rng(1).laplace(size=20_000).astype(np.float32)
    values = np.maximum(values, 0) if positive else values
    found = squared_error(values, least_squares(histogram(values)))
    lows = [0.0] if positive else np.linspace(float(values.min()), 0, 60)
    highs = np.linspace(0, float(values.max()), 61)[1:]
    best = min(squared_error(values, Range(float(a), float(b))) for a in lows for b in highs)
    assert found <= 1.1 * best
    assert found <= squared_error(values, Range(float(values.min()), float(values.max())))


@tensorflow
def test_minimum_and_maximum_give_the_converter_s_own_scales() -> None:
    model = plain().model
    found = histograms(FloatModel(plain().float_data, model.graph), typical(48))
    again = tflite.read(with_ranges(model.data, ranges(found, PLAIN)), "again")
    for before, after in zip(model.graph.nodes, again.nodes, strict=True):
        assert after.output.scale == pytest.approx(before.output.scale, rel=1e-5)
        assert after.output.zero_point == before.output.zero_point


@tensorflow
def test_other_ranges_keep_the_rules_of_the_format() -> None:
    model = plain().model
    found = histograms(FloatModel(plain().float_data, model.graph), typical(48))
    data = with_ranges(model.data, ranges(found, Recipe(Method.PERCENTILE, 99)))
    graph = tflite.read(data, "clipped")
    tied = {name for name, code in vars(tflite.BuiltinOperator).items() if code in TIED}
    for before, node in zip(model.graph.nodes, graph.nodes, strict=True):
        if node.op in tied:
            assert {t.quantization for t in node.activations} == {node.output.quantization}
        if node.op == "SOFTMAX":
            assert (node.output.scale, node.output.zero_point) == (1 / 256, -128)
        else:
            assert node.output.scale < before.output.scale
        if (bias := node.optional(2)) is not None:
            weights = node.input(1)
            assert bias.quantization is not None
            assert weights.quantization is not None
            assert set(bias.quantization.zero_points) == {0}
            product = np.float32(node.input(0).scale) * np.float32(weights.quantization.scales)
            np.testing.assert_array_equal(np.float32(bias.quantization.scales), product)
            np.testing.assert_array_equal(weights.data, before.input(1).data)
            np.testing.assert_allclose(
                real_bias(node), real_bias(before), atol=float(product.max()), rtol=0
            )


def real_bias(node: Any) -> npt.NDArray[np.float64]:
    bias = node.input(2)
    values: npt.NDArray[np.float64] = bias.data * np.array(bias.quantization.scales)
    return values


@tensorflow
def test_a_bias_that_int32_cannot_hold_is_refused() -> None:
    model = plain().model
    channels = model.graph.nodes[0].output.channels
    with pytest.raises(UnsupportedModelError, match="exceeds int32"):
        with_biases(model.data, {0: np.full(channels, 1e9)})


@tensorflow
def test_the_simulation_errs_as_tflm_does() -> None:
    model, inputs = plain().model, typical(6, seed=2)
    original = FloatModel(plain().float_data, model.graph)
    samples = as_samples(inputs, None, model.graph)
    for node in model.graph.nodes[:-1]:
        index = node.output.index
        simulation, simulated, actual = Simulation(model.data, output=index), Power(), Power()
        for sample, values in zip(inputs, samples.inputs, strict=True):
            wanted = original.run(sample)[index]
            simulated.add(wanted, simulation.run(sample))
            tensors = oracle.run(model.data, model.graph, [values]).tensors
            actual.add(wanted, real(tensors[index], node.output))
        assert simulated.sqnr_db == pytest.approx(actual.sqnr_db, abs=1)


@tensorflow
def test_simulated_levels_are_those_asked_for() -> None:
    model = plain().model
    index = model.graph.nodes[3].output.index
    coarse = Simulation(model.data, Changes({index: Levels(0.25, -128)}), output=index)
    values = coarse.run(typical(1)[0]) / 0.25
    assert np.array_equal(values, np.rint(values))
    exact = Simulation(model.data, Changes({index: None}), output=index).run(typical(1)[0])
    fine = Simulation(model.data, Changes({index: Levels(1e-3, 0, int16=True)}), output=index)
    np.testing.assert_allclose(fine.run(typical(1)[0]), exact, atol=0.501e-3)


@tensorflow
def test_correcting_biases_brings_means_back() -> None:
    model = plain().model
    shifted = tflite_with_shifted_bias(model)
    before, _ = measure(shifted, plain(), typical(8, seed=2))
    data = correct_biases(shifted.data, shifted.graph, plain().float_data, typical(48))
    after, _ = measure(Model(tflite.read(data, "x"), data), plain(), typical(8, seed=2))
    untouched, _ = measure(model, plain(), typical(8, seed=2))
    assert before is not None
    assert after is not None
    assert untouched is not None
    assert before < untouched - 10
    assert after > untouched - 1


def tflite_with_shifted_bias(model: Model) -> Model:
    channels = model.graph.nodes[4].output.channels
    data = with_biases(model.data, {4: np.full(channels, 0.5)})
    return Model(tflite.read(data, "shifted"), data)


@tensorflow
def test_auto_recovers_outlier_channels_and_tells_what_each_choice_gains() -> None:
    quantized = quantize(with_outliers(), typical(64), "auto")
    assert quantized.held_out == 16
    assert quantized.trials[0].recipe == PLAIN
    assert len({trial.recipe for trial in quantized.trials}) == 9
    sqnr = {trial.recipe: trial.sqnr_db or 0 for trial in quantized.trials}
    assert quantized.recipe is not None
    assert sqnr[quantized.recipe] == max(sqnr.values())
    assert quantized.recipe.equalize
    unseen, _ = measure(quantized.model, quantized, typical(16, seed=3))
    assert unseen is not None
    assert unseen > sqnr[PLAIN] + 10


@tensorflow
def test_a_recipe_is_measured_choice_by_choice() -> None:
    recipe = Recipe(Method.MSE, equalize=True, bias_correction=True)
    quantized = quantize(with_outliers(), typical(32), recipe)
    assert [str(trial.recipe) for trial in quantized.trials] == [
        "minmax",
        "minmax, equalized",
        "mse, equalized",
        "mse, equalized, biases corrected",
    ]
    assert quantized.recipe == recipe
    # Edits leave nothing behind in the file.
    assert len(quantized.model.data) < len(plain().model.data) * 1.1


@functools.cache
def spoiled(layer: int) -> Comparison:
    from examples.separable import rescaling

    model = network()
    rescaling.rescale_pairs(rescaling.pairs(model)[layer : layer + 1], octaves=4, seed=1)
    return compare(quantize(model, typical(48)), typical(16, seed=2))


@tensorflow
# Their readers have a scale for each channel of theirs: nothing else is spoiled.
@pytest.mark.parametrize("layer", [2, 4])
def test_a_layer_whose_output_was_spoiled_is_ranked_first(layer: int) -> None:
    worst = spoiled(layer).ranked[0]
    assert worst.index == layer
    assert worst.gain_db is not None
    assert worst.gain_db > 3
    remedy = spoiled(layer).remedies[0]
    assert remedy.index == layer
    assert remedy.int16_db is not None
    # All that was spoiled is the range of its output.
    assert remedy.int16_db > 3


@tensorflow
def test_a_layer_whose_weights_were_spoiled_is_ranked_first() -> None:
    flat = Flatbuffer(plain().model.data)
    weights = flat.graph.operators[6].inputs[1]
    values = flat.values(weights)
    assert values is not None
    flat.set_values(weights, (values // 32 * 32).astype(np.int8))
    data = flat.pack()
    made = Quantized(Model(tflite.read(data, "coarse"), data), plain().float_data)
    comparison = compare(made, typical(16, seed=2))
    assert comparison.ranked[0].index == 6
    # 16 bits for its output mend nothing of its weights.
    assert (comparison.remedies[0].int16_db or 0) < (comparison.ranked[0].gain_db or 0) / 2


@tensorflow
def test_the_page_holds_every_layer_and_nothing_from_elsewhere() -> None:
    quantized = quantize(network(), typical(32), Recipe(Method.MSE))
    html = page_html(quantization_page(quantized, compare(quantized, typical(8)), "x")).decode()
    for node in quantized.model.graph.nodes:
        assert f"{node.index} {node.op}" in html
    assert html.count("<svg") >= 3
    for outside in ("<script", "src=", "@import", "<link"):
        assert outside not in html
