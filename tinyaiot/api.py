"""The commands as functions, for programs and notebooks: they return what the commands print.

    from tinyaiot import api

    api.analyze("model.tflite").summary.macs
    api.measure("model.tflite", "mps2-an386").count

Everything heavy is imported when it is used. What a user can cause is raised as a
:class:`tinyaiot.errors.TinyaiotError`, whose ``what`` and ``hint`` are one line each; every
function may raise those of reading the model (UnreadableModelError, UnsupportedModelError), of
naming a board (UsageError), and those listed at it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from tinyaiot import pipeline
from tinyaiot.boards import Board, board_by_id, board_ids
from tinyaiot.build import Image
from tinyaiot.build import build as build_project
from tinyaiot.classify import Classification
from tinyaiot.classify import classify as classify_samples
from tinyaiot.codegen.project import Sources
from tinyaiot.files import write_file
from tinyaiot.frontends import load
from tinyaiot.measure import Deployment, Measurement, Validation, open_device
from tinyaiot.measure import measure as measure_deployment
from tinyaiot.measure import validate as validate_deployment
from tinyaiot.operators.base import AnyArray
from tinyaiot.pages.page import write_page
from tinyaiot.pipeline import PlanOptions
from tinyaiot.plan import Plan
from tinyaiot.planner import Objective
from tinyaiot.quantization import (
    PLAIN,
    Auto,
    Comparison,
    Method,
    Quantized,
    Recipe,
    Source,
    check_samples,
    load_data,
    load_original,
)
from tinyaiot.quantization import compare as compare_models
from tinyaiot.quantization import pair as pair_models
from tinyaiot.quantization import quantize as quantize_model
from tinyaiot.quantization_page import quantization_page
from tinyaiot.samples import as_inputs, as_samples, default_inputs, load_inputs, load_samples
from tinyaiot.summary import ModelSummary, summarize

__all__ = [
    "Analysis",
    "Classification",
    "Comparison",
    "Image",
    "Measurement",
    "Method",
    "ModelSummary",
    "Objective",
    "Plan",
    "PlanOptions",
    "Quantized",
    "Recipe",
    "Sources",
    "Validation",
    "analyze",
    "boards",
    "build",
    "classify",
    "compare",
    "generate",
    "measure",
    "pair",
    "plan",
    "quantize",
    "validate",
    "write_report",
]

# A board's id, or a board itself.
BoardLike = str | Board

AnyPath = str | Path

# Layer by layer where that fits, else streamed; the whole input in RAM.
DEFAULT_PLAN = PlanOptions()

_WORK = Path("build")


@dataclass(frozen=True)
class Analysis:
    """What a model is and needs.

    Attributes:
        summary: shapes, MACs and weights, layer by layer.
        plan: where every tensor lies, and when; within the board's memories where one was named.
    """

    summary: ModelSummary
    plan: Plan


def boards() -> tuple[Board, ...]:
    """All boards that there is a file for."""
    return tuple(board_by_id(board_id) for board_id in board_ids())


def analyze(
    model: AnyPath, board: BoardLike | None = None, options: PlanOptions = DEFAULT_PLAN
) -> Analysis:
    """What a model is and what it needs; no compiler and no board are needed.

    Args:
        board: whose memories must suffice; without one, RAM has no end.

    Raises:
        DoesNotFitError: the board's memories do not suffice.
    """
    loaded = load(Path(model))
    planned = (
        pipeline.plan_without_limits(loaded, None, options)
        if board is None
        else pipeline.plan_model_on(loaded, _board(board), options)
    )
    return Analysis(summarize(loaded.graph), planned)


def plan(model: AnyPath, board: BoardLike, options: PlanOptions = DEFAULT_PLAN) -> Plan:
    """The memory plan of a model on a board, proved by the checker.

    Raises:
        DoesNotFitError: the board's memories do not suffice.
    """
    return pipeline.plan_model_on(load(Path(model)), _board(board), options)


def generate(
    models: AnyPath | Sequence[AnyPath],
    board: BoardLike,
    folder: AnyPath,
    options: PlanOptions = DEFAULT_PLAN,
) -> Sources:
    """Writes a C project that builds on its own, for one model or several.

    Args:
        folder: replaced where an older project is in it, refused if anything else is.

    Raises:
        DoesNotFitError: the board's memories do not suffice.
        UsageError: the folder holds something else, or two models have one name.
    """
    several = [models] if isinstance(models, str | Path) else models
    loaded = [load(Path(model)) for model in several]
    target = _board(board)
    sources = pipeline.generate(loaded, pipeline.plan_together(loaded, target, options), target)
    sources.write(Path(folder))
    return sources


def build(folder: AnyPath) -> Image:
    """Compiles a generated project.

    Raises:
        UsageError: the folder is no generated project.
        BuildError: the compiler is missing, or it failed.
        DoesNotFitError: the image exceeds a memory of the board.
    """
    return build_project(Path(folder), pipeline.board_of(Path(folder)))


def quantize(
    model: Any,
    calibration: Source,
    output: AnyPath,
    recipe: Recipe | Auto = PLAIN,
    *,
    preprocess: str = "",
) -> Quantized:
    """A trained model of one input as an int8 .tflite file.

    Args:
        model: a ``keras.Model``, a ``torch.nn.Module``, or the path of any trained model that
            ``tinyaiot quantize`` takes.
        calibration: typical inputs: an array [count, ...], samples one by one, a function that
            returns either; or the path of an ``.npz`` file that has them as ``inputs``, of an
            ``.npy`` file, or of a folder of images or WAV files. Samples are shaped as the model
            takes them, or with the channels last as the .tflite does.
        output: the .tflite to write.
        recipe: the choices; "auto" takes those of least error. Where there is a choice, every
            fourth sample is held out, and what each choice gains is measured on those.
        preprocess: what is done to images or sounds, in the words of
            ``tinyaiot.quantization.preprocess``.

    Raises:
        CalibrationError: the calibration data do not do.
        UsageError: a package is not installed, or the words are not understood.
        UnsupportedModelError: the model cannot be converted, or the outcome breaks rules of the
            supported operators.
    """
    loaded = load_original(Path(model)) if isinstance(model, str | Path) else model
    data = load_data(calibration, preprocess)
    path = Path(output)
    quantized = quantize_model(loaded, data.inputs, recipe, name=path.stem)
    write_file(path, quantized.model.data)
    return quantized


def pair(int8: AnyPath, original: AnyPath) -> Quantized:
    """An int8 .tflite that exists, whoever made it, beside its float original, to be compared.

    Args:
        original: the trained model, of any kind that :func:`quantize` takes, or a float .tflite.

    Raises:
        UsageError: a package that reads the original is not installed.
    """
    return pair_models(Path(int8), Path(original))


def compare(
    quantized: Quantized,
    inputs: Source,
    labels: npt.NDArray[Any] | None = None,
    *,
    preprocess: str = "",
) -> Comparison:
    """What quantization cost: accuracy, agreement, and the error layer by layer.

    Args:
        inputs: samples, as for :func:`quantize`.
        labels: the class of each sample, [count]; those that ``inputs`` come with if None.
        preprocess: as for :func:`quantize`.

    Raises:
        CalibrationError: the samples cannot be read, or do not match the model.
        UsageError: the labels do not match the samples.
    """
    data = load_data(inputs, preprocess)
    samples = quantized.channels_last(data.inputs)
    samples = check_samples(samples, quantized.model.graph.inputs[0].shape[1:])
    return compare_models(quantized, samples, data.labels if labels is None else labels)


def write_report(quantized: Quantized, comparison: Comparison, file: AnyPath) -> None:
    """Writes what quantization cost as a page with pictures, one HTML file.

    Raises:
        UsageError: the file cannot be written.
    """
    command = "tinyaiot.api.write_report(...)"
    write_page(Path(file), quantization_page(quantized, comparison, command))


def measure(
    model: AnyPath,
    board: BoardLike,
    inputs: AnyPath | Sequence[AnyArray] | None = None,
    *,
    options: PlanOptions = DEFAULT_PLAN,
    work: AnyPath | None = None,
    port: str | None = None,
) -> Measurement:
    """Deploys a model to a board, measures it there, and compares its outputs with TFLM's.

    Args:
        inputs: one array for each input, of its shape, with or without the batch axis, in its
            dtype or floating point; or a file of them. Pseudo-random where there are none.
        work: the folder that keeps plan, project and image; ``build/<model>-<board>`` if None.
        port: of the serial link of a board that runs the image already.

    Raises:
        DoesNotFitError, BuildError, DeviceError: as the stages fail.
        OutputsDifferError: an output is not TFLM's, bit for bit.
    """
    deployment = _deploy(model, board, options, work, port)
    return measure_deployment(deployment, _inputs(deployment, inputs))


def classify(
    model: AnyPath,
    board: BoardLike,
    inputs: AnyPath | AnyArray,
    labels: AnyArray | None = None,
    *,
    options: PlanOptions = DEFAULT_PLAN,
    work: AnyPath | None = None,
    port: str | None = None,
) -> Classification:
    """Runs many samples on a board, over its serial link, and counts those that are right.

    Args:
        inputs: samples [count, ...] in the input's dtype or floating point; or an ``.npz`` file
            with ``inputs`` and ``labels``.
        labels: the class of each sample, [count].
        work, port: as in :func:`measure`.

    Raises:
        UsageError: the samples do not match the model.
        DoesNotFitError, BuildError, DeviceError: as the stages fail.
    """
    deployment = _deploy(model, board, options, work, port)
    graph = deployment.model.graph
    samples = (
        load_samples(Path(inputs), graph)
        if isinstance(inputs, str | Path)
        else as_samples(inputs, labels, graph)
    )
    with open_device(deployment) as device:
        return classify_samples(device, deployment.model, samples)


def validate(
    model: AnyPath,
    board: BoardLike,
    inputs: AnyPath | Sequence[AnyArray] | None = None,
    *,
    options: PlanOptions = DEFAULT_PLAN,
    work: AnyPath | None = None,
    port: str | None = None,
) -> Validation:
    """Compares every layer's output on a board with TFLM's, byte for byte.

    Args and errors are those of :func:`measure`.
    """
    deployment = _deploy(model, board, options, work, port)
    return validate_deployment(deployment, _inputs(deployment, inputs))


def _board(board: BoardLike) -> Board:
    return board if isinstance(board, Board) else board_by_id(board)


def _deploy(
    model: AnyPath, board: BoardLike, options: PlanOptions, work: AnyPath | None, port: str | None
) -> Deployment:
    path, target = Path(model), _board(board)
    folder = _WORK / f"{path.stem}-{target.id}" if work is None else Path(work)
    job = pipeline.Job(path, target, folder, port, options)
    return pipeline.deploy(job, pipeline.Silent())


def _inputs(
    deployment: Deployment, inputs: AnyPath | Sequence[AnyArray] | None
) -> tuple[AnyArray, ...]:
    graph = deployment.model.graph
    if inputs is None:
        return default_inputs(graph)
    if isinstance(inputs, str | Path):
        return load_inputs(Path(inputs), graph)
    return as_inputs(inputs, graph)
