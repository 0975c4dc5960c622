"""tinyaiot quantize."""

from __future__ import annotations

from pathlib import Path

import click

from tinyaiot.commands.options import PATH, json_option, verbosity
from tinyaiot.documents import quantization_document
from tinyaiot.errors import UsageError
from tinyaiot.files import write_file, write_json
from tinyaiot.frontends import load, tflite
from tinyaiot.quantization import Quantized, compare, load_calibration, load_keras, pair
from tinyaiot.quantization import quantize as quantize_model
from tinyaiot.report import Report
from tinyaiot.report_quantization import report_comparison, report_quantized


@click.command()
@click.argument("model", type=PATH)
@click.option(
    "--data",
    type=PATH,
    metavar="X.npz",
    help="Typical `inputs`, as the model takes them, for the ranges of activations.",
)
@click.option("-o", "--output", type=PATH, metavar="FILE", help="The .tflite.")
@click.option(
    "--int8",
    "existing",
    type=PATH,
    metavar="FILE",
    help="Compare this .tflite, whoever made it, with MODEL (or a float .tflite); write nothing.",
)
@click.option(
    "--equalize", is_flag=True, help="Bring the channels of a layer to like ranges first."
)
@click.option(
    "--report",
    "samples",
    type=PATH,
    metavar="X.npz",
    help="Compare int8 and float on `inputs`, and on `labels` where there are any.",
)
@json_option
@verbosity
def quantize(
    model: Path,
    data: Path | None,
    output: Path | None,
    existing: Path | None,
    equalize: bool,
    samples: Path | None,
    json_file: Path | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Convert a trained Keras model (.keras, .h5) to int8, and show what that costs.

    Inputs, outputs and all between are int8, weights have a scale for each output channel. Needs
    TensorFlow. A .tflite that is int8 already is copied byte for byte.

    \b
    Example: tinyaiot quantize m.keras --data train.npz -o m.tflite --report t.npz
    """
    report = Report(quiet, verbose)
    if existing is None and model.suffix.lower() in tflite.SUFFIXES:
        _copy(report, model, output, samples)
        return
    tested = None if samples is None else load_calibration(samples)
    if existing is not None:
        if tested is None:
            raise UsageError("--int8 has nothing to compare on", "give --report X.npz")
        quantized = pair(existing, model)
    else:
        quantized = _quantize(report, model, data, output, equalize)
    comparison = None
    if tested is not None:
        with report.step("comparing", "compared"):
            comparison = compare(quantized, tested["inputs"], tested.get("labels"))
        report_comparison(report, comparison)
    if json_file is not None:
        write_json(json_file, quantization_document(quantized, comparison))


def _quantize(
    report: Report, model: Path, data: Path | None, output: Path | None, equalize: bool
) -> Quantized:
    if data is None:
        raise UsageError("a trained model is quantized from typical inputs", "give --data X.npz")
    output = _required(output)
    calibration = load_calibration(data)["inputs"]
    loaded = load_keras(model)
    with report.step("converting", "converted"):
        quantized = quantize_model(loaded, calibration, equalize=equalize, name=output.stem)
    write_file(output, quantized.model.data)
    report_quantized(report, quantized, output)
    return quantized


def _copy(report: Report, model: Path, output: Path | None, samples: Path | None) -> None:
    """What is int8 already stays as it is; what is not is refused by its rules."""
    if samples is not None:
        raise UsageError(
            f"{model.name} is int8 already, and its float original is not known",
            f"compare: tinyaiot quantize ORIGINAL --int8 {model} --report {samples}",
        )
    output = _required(output)
    data = load(model).data
    write_file(output, data)
    report.heading(str(output))
    report.line("int8", f"{len(data):,} bytes, {model} untouched: it is int8 already")


def _required(output: Path | None) -> Path:
    if output is None:
        raise UsageError("there is no file to write the model to", "give -o FILE")
    return output
