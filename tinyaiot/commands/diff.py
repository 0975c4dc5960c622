"""tinyaiot diff."""

from __future__ import annotations

from pathlib import Path

import click

from tinyaiot.commands.options import PATH, json_option, markdown_option, verbosity
from tinyaiot.diff import Comparison, compare, diff_document, parse_limits, read_measurements
from tinyaiot.diff_report import diff_markdown, print_diff
from tinyaiot.errors import WorseError
from tinyaiot.files import write_json
from tinyaiot.markdown import write_markdown
from tinyaiot.report import Report


@click.command()
@click.argument("before", type=PATH, metavar="BEFORE.json")
@click.argument("after", type=PATH, metavar="AFTER.json")
@click.option(
    "--limit",
    "limit_texts",
    multiple=True,
    metavar="[METRIC=]PERCENT",
    help="How much a number may grow, or every number; any number of times.",
)
@json_option
@markdown_option
@verbosity
def diff(
    before: Path,
    after: Path,
    limit_texts: tuple[str, ...],
    json_file: Path | None,
    markdown_file: Path | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Compare two measurements, and fail where the second is worse than allowed.

    Both files are what `tinyaiot measure --json` or `tinyaiot fleet --json` wrote. Without
    --limit nothing fails but what is not measured any more; the exit code for that, and for
    what grew beyond its limit, is 9. METRIC is one of count, latency_us, macs, arena_bytes,
    ram_bytes, stack_bytes, flash_bytes, weights_bytes, code_bytes.

    \b
    Example: tinyaiot diff main.json branch.json --limit 1 --limit flash_bytes=0
    """
    report = Report(quiet, verbose)
    limits = parse_limits(limit_texts)
    comparisons = compare(read_measurements(before), read_measurements(after), limits)
    print_diff(report, comparisons)
    if json_file is not None:
        write_json(json_file, diff_document(comparisons))
    if markdown_file is not None:
        write_markdown(markdown_file, diff_markdown(comparisons))
    worse = [comparison for comparison in comparisons if comparison.exceeds]
    if worse:
        raise WorseError(
            f"worse than allowed: {', '.join(comparison.name for comparison in worse)}",
            "find what made it grow, or raise --limit where that is meant",
            tuple(f"{comparison.name}: {_why(comparison)}" for comparison in worse),
        )


def _why(comparison: Comparison) -> str:
    if comparison.lost:
        return "not measured any more"
    return ", ".join(change.name for change in comparison.metrics if change.exceeds)
