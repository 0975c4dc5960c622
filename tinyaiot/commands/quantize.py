"""tinyaiot quantize."""

from __future__ import annotations

from pathlib import Path

import click

from tinyaiot.commands.options import PATH, json_option, verbosity
from tinyaiot.documents import quantization_document
from tinyaiot.files import write_file, write_json
from tinyaiot.quantization import compare, load_calibration, load_keras
from tinyaiot.quantization import quantize as quantize_model
from tinyaiot.report import Report
from tinyaiot.report_quantization import report_comparison, report_quantized


@click.command()
@click.argument("model", type=PATH)
@click.option(
    "--data",
    type=PATH,
    required=True,
    metavar="X.npz",
    help="Typical `inputs`, as the model takes them, for the ranges of activations.",
)
@click.option("-o", "--output", type=PATH, required=True, metavar="FILE", help="The .tflite.")
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
    data: Path,
    output: Path,
    equalize: bool,
    samples: Path | None,
    json_file: Path | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Convert a trained Keras model (.keras, .h5) to int8, and show what that costs.

    Inputs, outputs and all between are int8, weights have a scale for each output channel. Needs
    TensorFlow.

    \b
    Example: tinyaiot quantize m.keras --data train.npz -o m.tflite --report test.npz
    """
    report = Report(quiet, verbose)
    calibration = load_calibration(data)["inputs"]
    tested = None if samples is None else load_calibration(samples)
    loaded = load_keras(model)
    with report.step("converting", "converted"):
        quantized = quantize_model(loaded, calibration, equalize=equalize, name=output.stem)
    write_file(output, quantized.model.data)
    report_quantized(report, quantized, output)
    comparison = None
    if tested is not None:
        with report.step("comparing", "compared"):
            comparison = compare(quantized, tested["inputs"], tested.get("labels"))
        report_comparison(report, comparison)
    if json_file is not None:
        write_json(json_file, quantization_document(quantized, comparison))
