"""tinyaiot quantize."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from tinyaiot.commands.options import (
    PATH,
    PageFiles,
    command_line,
    json_option,
    page_options,
    verbosity,
)
from tinyaiot.documents import quantization_document
from tinyaiot.errors import UsageError
from tinyaiot.files import write_file, write_json
from tinyaiot.frontends import load, tflite
from tinyaiot.quantization import (
    Auto,
    Comparison,
    Data,
    Quantized,
    Recipe,
    check_samples,
    compare,
    hold_out,
    load_data,
    load_original,
    pair,
    parse_method,
)
from tinyaiot.quantization import quantize as quantize_model
from tinyaiot.quantization_page import pictures_of, quantization_page
from tinyaiot.report import Report
from tinyaiot.report_quantization import report_comparison, report_quantized

# What --report means without a value.
_HELD_OUT = "held out"


@click.command()
@click.argument("model", type=PATH)
@click.option(
    "--data",
    "--calibration",
    "source",
    metavar="DATA",
    help="Typical inputs: X.npz with `inputs`, X.npy, a folder of images or WAV files, or "
    "FILE.py:FUNCTION, which returns or yields them.",
)
@click.option(
    "--preprocess",
    metavar="WORDS",
    default="",
    help="What is done to images (color, resize, scale, mean, std) and sounds (rate, length, "
    "features, frame, hop, bands, coefficients, low, high, scale, mean, std), such as "
    "resize=32x32,scale=1/255. See docs/quantization.md.",
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
    "--method",
    default="minmax",
    show_default=True,
    metavar="NAME",
    help="Ranges of activations: minmax, percentile[=99.99], mse. auto tries them all, equalized "
    "and not, with biases corrected, and keeps what errs least on samples held out.",
)
@click.option(
    "--equalize", is_flag=True, help="Bring the channels of a layer to like ranges first."
)
@click.option(
    "--bias-correction", is_flag=True, help="Take each channel's mean error out of its bias."
)
@click.option(
    "--report",
    "samples",
    is_flag=False,
    flag_value=_HELD_OUT,
    metavar="[DATA]",
    help="Compare int8 and float on DATA, as for --data, with `labels` where there are any. "
    "Without DATA: on every fourth sample of --data, held out.",
)
@page_options
@json_option
@verbosity
def quantize(
    model: Path,
    source: str | None,
    preprocess: str,
    output: Path | None,
    existing: Path | None,
    method: str,
    equalize: bool,
    bias_correction: bool,
    samples: str | None,
    pages: PageFiles,
    json_file: Path | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Convert a trained model to int8, and show what that costs.

    MODEL is of Keras (.keras, .h5), TensorFlow (a SavedModel's folder), PyTorch (.pt2), ONNX
    (.onnx), or a float .tflite; see docs/converting.md for what each needs installed. Inputs,
    outputs and all between are int8, channels last, weights have a scale for each output channel.
    A .tflite that is int8 already is copied byte for byte. What each choice gains is measured.
    Activations of 16 bits are not taken: there are no kernels for them.

    \b
    Example: tinyaiot quantize m.keras --data train.npz -o m.tflite --report t.npz
    """
    report = Report(quiet, verbose)
    if pages.wanted and samples is None:
        raise UsageError("--html and --plot have nothing to show", "give --report")
    recipe = _recipe(method, equalize, bias_correction)
    if existing is None and _is_quantized(model):
        _copy(report, model, output, samples)
        return
    if existing is not None:
        if samples is None or samples == _HELD_OUT:
            raise UsageError("--int8 has nothing to compare on", "give --report X.npz")
        tested: Data | None = load_data(samples, preprocess)
        quantized = pair(existing, model)
    else:
        if source is None:
            raise UsageError(
                "a trained model is quantized from typical inputs", "give --data X.npz"
            )
        output = _required(output)
        data, tested = _load(source, samples, preprocess)
        with report.step("converting", "converted"):
            loaded = load_original(model)
            quantized = quantize_model(loaded, data.inputs, recipe, name=output.stem)
        write_file(output, quantized.model.data)
        report_quantized(report, quantized, output)
    comparison = None if tested is None else _compare(report, quantized, tested)
    if comparison is not None and pages.wanted:
        page = quantization_page(quantized, comparison, command_line())
        pages.write(report, page, pictures_of(page))
    if json_file is not None:
        write_json(json_file, quantization_document(quantized, comparison))


def _load(source: str, samples: str | None, preprocess: str) -> tuple[Data, Data | None]:
    """What to calibrate with, and what to compare on."""
    data = load_data(source, preprocess)
    if samples == _HELD_OUT:
        return hold_out(data)
    return data, None if samples is None else load_data(samples, preprocess)


def _compare(report: Report, quantized: Quantized, tested: Data) -> Comparison:
    with report.step("comparing", "compared"):
        inputs = quantized.channels_last(tested.inputs)
        inputs = check_samples(inputs, quantized.model.graph.inputs[0].shape[1:])
        comparison = compare(quantized, inputs, tested.labels)
    report_comparison(report, comparison)
    return comparison


def _recipe(method: str, equalize: bool, bias_correction: bool) -> Recipe | Auto:
    if method != "auto":
        chosen = parse_method(method)
        return dataclasses.replace(chosen, equalize=equalize, bias_correction=bias_correction)
    if equalize or bias_correction:
        raise UsageError(
            "--method auto tries --equalize and --bias-correction itself", "leave them out"
        )
    return "auto"


def _is_quantized(model: Path) -> bool:
    if model.suffix.lower() not in tflite.SUFFIXES:
        return False
    return not (model.is_file() and tflite.is_float(model.read_bytes()))


def _copy(report: Report, model: Path, output: Path | None, samples: str | None) -> None:
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
