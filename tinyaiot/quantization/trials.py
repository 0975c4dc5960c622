"""Recipes, followed and measured: what each choice gains on samples that it did not see.

No option is believed. A recipe is built up choice by choice, and the output's error is measured at
every step; where the best recipe is asked for, ranges are taken by every method from the network as
it is and equalized, and the biases of the best of these are corrected.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from tinyaiot import oracle
from tinyaiot.errors import UnsupportedModelError
from tinyaiot.frontends import Model, tflite
from tinyaiot.quantization.bias_correction import correct_biases
from tinyaiot.quantization.error import Power, real
from tinyaiot.quantization.float_model import FloatModel, Floats
from tinyaiot.quantization.quantized import Quantized, Trial
from tinyaiot.quantization.ranges import Histogram, histograms, ranges
from tinyaiot.quantization.recipe import METHODS, PLAIN, Method, Recipe
from tinyaiot.quantization.rescaling import with_ranges
from tinyaiot.samples import as_samples


class Converter(Protocol):
    """What makes a model int8 by minimum and maximum."""

    def __call__(self, inputs: Floats, equalize: bool) -> Quantized:
        """The model, its ranges from ``inputs`` [count, ...]."""


def follow(convert: Converter, inputs: Floats, held_out: Floats, recipe: Recipe) -> Quantized:
    """The model by a recipe, and what each choice of it gained.

    Args:
        inputs: calibration data [count, ...].
        held_out: what the choices are measured on, [count, ...].
    """
    bench = _Bench(convert, inputs, held_out)
    for step in _steps(recipe):
        bench.try_out(step)
    return bench.result(recipe)


def recommend(convert: Converter, inputs: Floats, held_out: Floats) -> Quantized:
    """The model by the recipe whose output has the least error on ``held_out``.

    Args:
        inputs, held_out: as in :func:`follow`.
    """
    bench = _Bench(convert, inputs, held_out)
    for recipe in METHODS:
        bench.try_out(recipe)
    if bench.equalizes:
        for recipe in METHODS:
            bench.try_out(dataclasses.replace(recipe, equalize=True))
    bench.try_out(dataclasses.replace(bench.best(), bias_correction=True))
    return bench.result(bench.best())


def _steps(recipe: Recipe) -> Iterator[Recipe]:
    """The recipe, built up choice by choice from the plain one."""
    step = PLAIN
    yield step
    if recipe.equalize:
        step = dataclasses.replace(step, equalize=True)
        yield step
    if recipe.method is not step.method:
        step = dataclasses.replace(step, method=recipe.method, percentile=recipe.percentile)
        yield step
    if recipe.bias_correction:
        yield recipe


@dataclass
class _Bench:
    """Models by recipes, each made once."""

    convert: Converter
    inputs: Floats
    held_out: Floats
    trials: list[Trial] = field(default_factory=list)
    _bases: dict[bool, tuple[Quantized, dict[int, Histogram]]] = field(default_factory=dict)
    _made: dict[Recipe, Model] = field(default_factory=dict)

    @property
    def equalizes(self) -> bool:
        """Whether there is anything to equalize."""
        return self._base(True)[0].equalized > 0

    def try_out(self, recipe: Recipe) -> None:
        """Makes and measures a model; a recipe that cannot be followed is left out."""
        try:
            model = self._make(recipe)
        except UnsupportedModelError:
            if recipe == PLAIN:
                raise
            return
        sqnr_db, agreement = measure(model, self._base(recipe.equalize)[0], self.held_out)
        self.trials.append(Trial(recipe, sqnr_db, agreement))

    def best(self) -> Recipe:
        """That of the trial with the least error; the earliest of equals."""

        def sqnr(trial: Trial) -> float:
            return -math.inf if trial.sqnr_db is None else trial.sqnr_db

        return max(self.trials, key=sqnr).recipe

    def result(self, recipe: Recipe) -> Quantized:
        """The model by a recipe."""
        return dataclasses.replace(
            self._base(recipe.equalize)[0],
            model=self._make(recipe),
            recipe=recipe,
            trials=tuple(self.trials),
            held_out=len(self.held_out),
        )

    def _make(self, recipe: Recipe) -> Model:
        if recipe not in self._made:
            base, found = self._base(recipe.equalize)
            data, name = base.model.data, base.model.name
            if recipe.method is not Method.MINMAX:
                data = with_ranges(data, ranges(found, recipe))
            if recipe.bias_correction:
                graph = tflite.read(data, name)
                data = correct_biases(data, graph, base.float_data, self.inputs)
            self._made[recipe] = Model(tflite.read(data, name), data)
        return self._made[recipe]

    def _base(self, equalize: bool) -> tuple[Quantized, dict[int, Histogram]]:
        if equalize not in self._bases:
            base = self.convert(self.inputs, equalize)
            original = FloatModel(base.float_data, base.model.graph)
            self._bases[equalize] = base, histograms(original, self.inputs)
        return self._bases[equalize]


def measure(model: Model, base: Quantized, inputs: Floats) -> tuple[float | None, float]:
    """SQNR in dB and the agreement of the class of the first output, TFLM's with the float one's.

    Args:
        base: has the float network.
        inputs: [count, ...].
    """
    original = FloatModel(base.float_data, model.graph)
    power, agreeing = Power(), 0
    samples = as_samples(inputs, None, model.graph)
    for sample, values in zip(inputs, samples.inputs, strict=True):
        original.run(sample)
        [output, *_] = oracle.run(model.data, model.graph, [values]).outputs
        power.add(original.output(), real(output, model.graph.outputs[0]))
        agreeing += int(np.argmax(output) == np.argmax(original.output()))
    return power.sqnr_db, agreeing / len(inputs)
