"""Measures models on all boards and writes docs/measurements.md.

    python -m scripts.measure_models ../shared/models [BOARD...]

Prints the counts core by core too, beside the stored baseline, and fails where one has grown.

Each number is what `tinyaiot measure MODEL --board BOARD --json FILE` gives.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from scripts.baseline import report_models
from scripts.measured import CYCLES_BOARDS, MODELS, ROOT, Document, measured
from tinyaiot.boards import board_by_id, board_ids
from tinyaiot.cycles import has_documented_timings
from tinyaiot.pipeline import PlanOptions
from tinyaiot.planner import Objective

PAGE = ROOT / "docs" / "measurements.md"
MAIN_BOARD = "mps2-an386"
FAST = PlanOptions(Objective.SPEED)
BY_ROWS = PlanOptions(Objective.RAM, strategy="fast rows")
LEAST = PlanOptions(Objective.RAM)
# MobileNetV2 of a width of 0.35 and 144 pixels, for what little memory costs.
STREAMED_MODELS = (*MODELS, "mbv2-w0.35")

_HEAD = """\
# Measurements

Written by `make bench`. Each number is what this command prints and writes, MODEL being a file
below and BOARD a column or `mps2-an386`:

    tinyaiot measure MODEL.tflite --board BOARD --json FILE

kws, vww, ic, ad and str_ww are MLPerf Tiny's (mlcommons/tiny), person_detect is tflite-micro's,
the mcunet models are MCUNet's architectures with random weights. All outputs equal TFLM's bit for
bit. Boards are emulated; counts are exact instructions, not cycles and not time.
"""


def main() -> None:
    folder = Path(sys.argv[1])
    boards = sys.argv[2:] or [b for b in board_ids() if board_by_id(b).emulator is not None]
    results = {
        (model, board): measured(folder / f"{model}.tflite", board)
        for model in MODELS
        for board in boards
    }
    fast = {model: measured(folder / f"{model}.tflite", MAIN_BOARD, FAST) for model in MODELS}
    more = (*fast_page(fast), *streamed_page(folder), *cycles_page(results, fast, boards))
    PAGE.write_text("\n".join((*page(results, boards), *more)) + "\n", encoding="utf-8")
    print("\n".join(more))
    sys.exit(report_models(results))


def page(results: dict[tuple[str, str], Document | str], boards: list[str]) -> Iterator[str]:
    """The lines of the page."""
    yield _HEAD
    yield f"## On {MAIN_BOARD}, in bytes\n"
    yield "<!-- begin: main -->"
    yield from main_table({m: results[m, MAIN_BOARD] for m in MODELS})
    yield "<!-- end: main -->\n"
    yield "Arena: input, output and scratch included. RAM: .data and .bss, the arena included."
    yield "Flash beyond: what there is beside weights and biases, harness and start-up included,"
    yield "and of that the scales of channels, and padding between weights.\n"
    yield "## Instructions per inference\n"
    yield "Where there is no number, the model does not fit that memory.\n"
    yield from row("model", *boards)
    yield from row("---", *("---:" for _ in boards))
    for model in MODELS:
        yield from row(model, *(count(results[model, board]) for board in boards))


def fast_page(results: dict[str, Document | str]) -> Iterator[str]:
    """The lines that say what more flash gains."""
    yield f"\n## For speed, on {MAIN_BOARD}\n"
    yield "With `--objective speed`, which takes more flash for fewer instructions.\n"
    yield from main_table(results)


def streamed_page(folder: Path) -> Iterator[str]:
    """The lines that say what little memory costs."""
    yield f"\n## In less memory, on {MAIN_BOARD}\n"
    yield "Arena in bytes, and instructions, beside those of the plan by default. By whole rows:"
    yield "`--objective ram --strategy fast-rows`. Fed: with `--feed rows`, so that the input is"
    yield "never whole in RAM. Nothing is computed twice where nothing is said of it.\n"
    yield "<!-- begin: streamed -->"
    yield from row("model", "default", "by whole rows", "fed", "with `--objective ram`", "fed")
    yield from row("---", *("---:" for _ in range(5)))
    for model in STREAMED_MODELS:
        path = folder / f"{model}.tflite"
        if path.is_file():
            yield from row(model, *streamed_cells(path))
    yield "<!-- end: streamed -->"


def streamed_cells(path: Path) -> Iterator[str]:
    """Of one model: the plan by default, and those that stream."""
    usual = measured(path, MAIN_BOARD)
    yield usual if isinstance(usual, str) else f"{usual['arena_bytes']:,}: {usual['count']:,}"
    for options in (BY_ROWS, LEAST):
        for fed in (False, True):
            d = measured(path, MAIN_BOARD, replace(options, feed=fed))
            if isinstance(d, str) or isinstance(usual, str):
                yield d if isinstance(d, str) else f"{d['arena_bytes']:,}"
                continue
            cost = d["count"] / usual["count"] - 1
            twice = f", {d['extra_macs']:,} MACs twice" if d["extra_macs"] else ""
            yield f"{d['arena_bytes']:,}: {d['count']:,} ({cost:+.1%}){twice}"


def cycles_page(
    results: dict[tuple[str, str], Document | str],
    fast: dict[str, Document | str],
    boards: list[str],
) -> Iterator[str]:
    """The lines of what is estimated, where the core's instruction timings are known."""
    timed = {board: board_by_id(board).core for board in boards if board in CYCLES_BOARDS}
    yield "\n## Estimated cycles, not measured\n"
    yield "What was executed, each instruction at the core's documented time, without wait states,"
    yield "and the middle of each range; of a Cortex-M7, which has no documented times, the ends of"
    yield "a range. `tinyaiot measure MODEL.tflite --board BOARD --cycles` says what is assumed.\n"
    yield from row(
        "model", *(f"{board}, {core}" for board, core in timed.items()), f"{MAIN_BOARD}, for speed"
    )
    yield from row("---", *("---:" for _ in range(len(timed) + 1)))
    for model in MODELS:
        yield from row(model, *(cycles(results[model, b]) for b in timed), cycles(fast[model]))


def cycles(result: Document | str) -> str:
    if isinstance(result, str):
        return result
    estimate = result["cycles_estimate"]
    if has_documented_timings(board_by_id(result["board"]).core):
        return f"{estimate['cycles']:,}"
    return f"{estimate['lowest']:,} to {estimate['highest']:,}"


def main_table(results: dict[str, Document | str]) -> Iterator[str]:
    headings = ("MACs", "instructions", "per MAC", "arena", "RAM", "stack", "flash")
    yield from row("model", *headings, "beyond", "of it scales")
    yield from row("---", *("---:" for _ in range(len(headings) + 2)))
    for model, d in results.items():
        if isinstance(d, str):
            continue
        numbers = [d["macs"], d["count"], d["count"] / d["macs"], d["arena_bytes"]]
        numbers += [d["ram_bytes"], d["stack_bytes"], d["flash_bytes"]]
        numbers += [d["flash_bytes"] - d["weights_bytes"], d["array_bytes"]["requant"]]
        yield from row(model, *(f"{n:.2f}" if isinstance(n, float) else f"{n:,}" for n in numbers))


def count(result: Document | str) -> str:
    return result if isinstance(result, str) else f"{result['count']:,}"


def row(*cells: str) -> Iterator[str]:
    yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
