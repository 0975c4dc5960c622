"""tinyaiot measure."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path

import click

from tinyaiot import pipeline
from tinyaiot.build import Builder
from tinyaiot.classify import Classification, classify
from tinyaiot.commands.options import (
    PATH,
    PageFiles,
    board_option,
    builder_option,
    command_line,
    flashed,
    input_option,
    inputs_of,
    job_of,
    json_option,
    markdown_option,
    model_argument,
    no_flash_option,
    page_options,
    plan_options,
    port_option,
    tool_option,
    verbosity,
    work_option,
)
from tinyaiot.cycles import estimate_cycles, require_timings
from tinyaiot.documents import measurement_document
from tinyaiot.energy import measure_energy, open_meter, parse_spec
from tinyaiot.errors import OutputsDifferError, UsageError
from tinyaiot.files import write_json
from tinyaiot.markdown import write_markdown
from tinyaiot.measure import Deployment, Repetition, open_device
from tinyaiot.measure import measure as measure_deployment
from tinyaiot.measurement_markdown import measurement_markdown
from tinyaiot.mlperf import BENCHMARKS, Firmware, Mode, prepared
from tinyaiot.pages.measurement import Measured
from tinyaiot.report import Report
from tinyaiot.report_cycles import report_cycles
from tinyaiot.report_energy import report_energy
from tinyaiot.report_mlperf import report_mlperf
from tinyaiot.samples import Samples, load_samples


@click.command()
@model_argument
@board_option
@input_option
@click.option(
    "--samples",
    type=PATH,
    metavar="X.npz",
    help="Classify `inputs` on the board too, and compare with `labels`.",
)
@work_option
@port_option
@no_flash_option
@tool_option
@click.option("--runs", type=click.IntRange(1), metavar="N", help="Measure N runs. Default: 3.")
@click.option(
    "--warmups", type=click.IntRange(0), default=0, metavar="N", help="Run N times before."
)
@click.option(
    "--energy",
    metavar="METER",
    help="Microjoules too, by serial:PORT or csv:FILE[,unit=mA,volts=3.3]; see docs/energy.md.",
)
@click.option(
    "--cycles", is_flag=True, help="Estimate a chip's cycles too: of a Cortex-M3, M4 or M7."
)
@builder_option
@click.option(
    "--mlperf",
    type=click.Choice(list(BENCHMARKS)),
    help="Firmware for MLPerf Tiny's runner, measured the same way.",
)
@click.option("--mlperf-energy", is_flag=True, help="That firmware in the runner's energy mode.")
@json_option
@markdown_option
@page_options
@verbosity
@plan_options
def measure(
    model: Path,
    board: str,
    input_file: Path | None,
    samples: Path | None,
    work: Path | None,
    port: str | None,
    no_flash: bool,
    tool: str | None,
    runs: int | None,
    warmups: int,
    energy: str | None,
    cycles: bool,
    builder: Builder | None,
    mlperf: str | None,
    mlperf_energy: bool,
    json_file: Path | None,
    markdown_file: Path | None,
    pages: PageFiles,
    quiet: bool,
    verbose: bool,
    options: pipeline.PlanOptions,
) -> None:
    """Deploy a model to a board, measure it there, and compare it with TFLM.

    Prints the model, what it needs, each layer's cost, and RAM, stack and flash. All outputs
    must equal TensorFlow Lite Micro's bit for bit. The work folder keeps the graph, the plan,
    the C project and the measurement. A real board is flashed first.

    \b
    Example: tinyaiot measure model.tflite --board mps2-an386 --json result.json
             tinyaiot measure model.tflite --board microbit --port COM3 --runs 20
    """
    report = Report(quiet, verbose)
    job = job_of(model, board, work, port, options, builder)
    meter = None if energy is None else parse_spec(energy)
    if meter is not None:
        # A batch runs on one input.
        job = replace(job, options=replace(options, keep_input=True))
    read = pipeline.read_model(job)
    firmware = _mlperf_firmware(mlperf, mlperf_energy)
    if firmware is not None:
        job, read = firmware.job(job), prepared(read, firmware.benchmark)
    inputs = inputs_of(read.graph, input_file)
    loaded = None if samples is None else load_samples(samples, read.graph)
    deployment = pipeline.deploy(job, report, read)
    if firmware is not None:
        deployment = replace(deployment, baud_rate=firmware.baud_rate)
    if cycles:
        require_timings(deployment)
    deployment = flashed(report, deployment, no_flash, tool)
    with report.step(f"running on {board}", "ran"):
        measurement = measure_deployment(deployment, inputs, Repetition(runs, warmups))
    report.measurement(measurement, deployment)
    if firmware is not None:
        report_mlperf(report, firmware, deployment)
    classification = None if loaded is None else _classify(report, deployment, loaded)
    document = measurement_document(measurement, deployment.image, classification)
    if cycles:
        with report.step("estimating cycles", "estimated"):
            estimate = estimate_cycles(deployment, inputs)
        report_cycles(report, estimate, measurement, deployment.board)
        document["cycles_estimate"] = estimate.to_json()
    if meter is not None:
        with report.step("measuring energy", "measured"):
            used = measure_energy(deployment, inputs, open_meter(meter), measurement.latency_us)
        report_energy(report, used)
        document["energy"] = dataclasses.asdict(used)
    write_json(job.work / pipeline.MEASUREMENT, document)
    if json_file is not None:
        write_json(json_file, document)
    if markdown_file is not None:
        write_markdown(markdown_file, measurement_markdown(document))
    if pages.wanted:
        shown = Measured(deployment, measurement, classification)
        pages.write(report, shown.page(command_line()), shown.pictures())


def _mlperf_firmware(name: str | None, energy: bool) -> Firmware | None:
    if name is None:
        if energy:
            raise UsageError("--mlperf-energy is a mode of --mlperf", "name a benchmark: --mlperf")
        return None
    return Firmware(BENCHMARKS[name], Mode.ENERGY if energy else Mode.PERFORMANCE)


def _classify(report: Report, deployment: Deployment, samples: Samples) -> Classification:
    """Raises OutputsDifferError, after the report, where any output is not the reference's."""
    with report.progress("classifying", len(samples)) as advance, open_device(deployment) as device:
        result = classify(device, deployment.model, samples, advance)
    report.classification(result, deployment.board)
    if result.first_difference is not None:
        raise OutputsDifferError(
            f"{result.count - result.identical} of {result.count} samples have outputs that are "
            f"not TFLM's, the first is sample {result.first_difference}",
            "save that sample with numpy and run: tinyaiot validate --input",
        )
    return result
