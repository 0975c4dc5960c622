"""Arguments and options that several commands share."""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tinyaiot import pipeline
from tinyaiot.boards import Board, board_by_id, board_ids
from tinyaiot.build import Builder
from tinyaiot.devices.upload import Tool
from tinyaiot.errors import UsageError
from tinyaiot.graph import Graph
from tinyaiot.operators.base import AnyArray
from tinyaiot.planner import STRATEGIES, Objective
from tinyaiot.report import Report

# Slow to import, and not needed to run.
if TYPE_CHECKING:
    from tinyaiot.measure import Deployment
    from tinyaiot.pages.page import Page
    from tinyaiot.pages.svg import Picture

Command = TypeVar("Command", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)
WORK = Path("build")
ALL_BOARDS = "all"
_HOST = "host"


def byte_count(text: str) -> int:
    """Bytes of 20000, 64K, 64KB or 64KiB: units of 1024, as data sheets of chips count."""
    match = re.fullmatch(r"([\d_,]+(?:\.\d+)?) *(?:([kM])i?)?B?", text, re.IGNORECASE)
    if match is None:
        raise click.BadParameter(f"{text!r} is no number of bytes: give 20000, 64K or 1M")
    unit = {"": 1, "k": 1024, "m": 1024**2}[(match[2] or "").lower()]
    count = int(float(re.sub("[_,]", "", match[1])) * unit)
    if count < 1:
        raise click.BadParameter(f"{text!r} is not positive")
    return count


def verbosity(command: Command) -> Command:
    command = click.option("-q", "--quiet", is_flag=True, help="Print errors only.")(command)
    return click.option("-v", "--verbose", is_flag=True, help="Name layers and files too.")(command)


def plan_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --objective, --ram, --feed, --weights, --keep-input and --strategy, which the command
    takes as ``options``."""

    @click.option(
        "--objective",
        type=click.Choice([objective.value for objective in Objective]),
        default=Objective.BALANCED.value,
        show_default=True,
        help="balanced: layer by layer where it fits, else streamed; what is beside weights stays "
        "within 20 KB of flash. speed: weights and code may take more. ram: so may they, and the "
        "arena is the smallest that costs little. least: the smallest.",
    )
    @click.option(
        "--ram",
        "ram_bytes",
        type=byte_count,
        metavar="BYTES",
        help="The arena's limit; layers are streamed, and kernels slower, where it takes that.",
    )
    @click.option(
        "--feed",
        type=click.Choice(["ram", "rows"]),
        default="ram",
        show_default=True,
        help="ram: the input lies in RAM. rows: it arrives row by row, and never lies there whole.",
    )
    @click.option(
        "--weights",
        type=click.Choice(["flash", "ram"]),
        default="flash",
        show_default=True,
        help="ram: they are copied to the board's first RAM as it starts, where its flash is slow.",
    )
    @click.option(
        "--keep-input", is_flag=True, help="An inference leaves the input's bytes as they were."
    )
    @click.option(
        "--strategy",
        type=click.Choice([name.replace(" ", "-") for name in STRATEGIES]),
        help="Plan in one manner only, and not in the best. plain: layer by layer. fast-rows: "
        "by whole rows, with the fastest kernels; rows, blocks, pixels: with the least scratch.",
    )
    @functools.wraps(command)
    def wrapped(
        *args: Any,
        objective: str,
        ram_bytes: int | None,
        feed: str,
        weights: str,
        keep_input: bool,
        strategy: str | None,
        **kwargs: Any,
    ) -> Any:
        options = pipeline.PlanOptions(
            Objective(objective),
            keep_input,
            feed == "rows",
            ram_bytes,
            strategy=None if strategy is None else strategy.replace("-", " "),
            weights_in_ram=weights == "ram",
        )
        return command(*args, options=options, **kwargs)

    return wrapped


@dataclass(frozen=True)
class PageFiles:
    """Where a report page and its pictures are to be written.

    Attributes:
        html: None for no page.
        plot: a folder, or a file that ends in .svg or .png; None for no pictures.
    """

    html: Path | None
    plot: Path | None

    @property
    def wanted(self) -> bool:
        """Whether there is anything to write."""
        return self.html is not None or self.plot is not None

    def write(self, report: Report, page: Page, pictures: Sequence[Picture]) -> None:
        """Writes what is wanted; raises UsageError where that is impossible."""
        from tinyaiot.pages.page import write_page
        from tinyaiot.pages.pictures import INSTALL_HINT, can_make_png, write_pictures

        if self.html is not None:
            write_page(self.html, page)
            report.line("page", str(self.html))
        if self.plot is not None:
            written = write_pictures(self.plot, pictures)
            is_file = written == (self.plot,)
            report.line("pictures", str(self.plot) if is_file else f"{len(written)} in {self.plot}")
            if not is_file and not can_make_png():
                report.line("", f"PNG too, with: {INSTALL_HINT}")


def page_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --html and --plot, which the command takes as ``pages``."""

    @click.option(
        "--html", "html_file", type=PATH, metavar="FILE", help="Write a report page, one file."
    )
    @click.option(
        "--plot",
        type=PATH,
        metavar="PATH",
        help="Write its pictures into a folder, as SVG and PNG; or the first as X.svg or X.png.",
    )
    @functools.wraps(command)
    def wrapped(*args: Any, html_file: Path | None, plot: Path | None, **kwargs: Any) -> Any:
        return command(*args, pages=PageFiles(html_file, plot), **kwargs)

    return wrapped


def command_line() -> str:
    """The command that runs now, as one would type it again."""
    arguments: Sequence[str] = click.get_current_context().find_root().obj or ()
    return shlex.join(["tinyaiot", *arguments])


def complete_board(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """The boards that begin so, for the shell's completion."""
    return [board_id for board_id in board_ids() if board_id.startswith(begun)]


model_argument = click.argument("model", type=PATH)
board_option = click.option(
    "--board",
    metavar="ID",
    required=True,
    help="A board of `tinyaiot boards`.",
    shell_complete=complete_board,
)
boards_option = click.option(
    "--board",
    "boards",
    multiple=True,
    metavar="ID",
    help="A board of `tinyaiot boards`, any number of times; or all, but for the host.",
    shell_complete=complete_board,
)
project_argument = click.argument("project", type=PATH, metavar="DIR")
input_option = click.option(
    "--input",
    "input_file",
    type=PATH,
    metavar="X.npy",
    help="The input, quantized if floating point; .npz for several. Default: pseudo-random.",
)
work_option = click.option(
    "--work", type=PATH, metavar="DIR", help="Work folder. Default: build/MODEL-BOARD."
)
port_option = click.option(
    "--port", metavar="PORT", help="Serial port of the board; found by its USB id if not given."
)
no_flash_option = click.option(
    "--no-flash", is_flag=True, help="The board runs the image already; another one is refused."
)
tool_option = click.option(
    "--tool",
    type=click.Choice([tool.value for tool in Tool]),
    help="What flashes the board. Default: what fits its board file.",
)
builder_option = click.option(
    "--builder",
    type=click.Choice([builder.value for builder in Builder]),
    callback=lambda _context, _option, value: None if value is None else Builder(value),
    help="make, or platformio, which boards with a framework need. Default: the board's own.",
)
json_option = click.option(
    "--json", "json_file", type=PATH, metavar="FILE", help="Write the results as JSON too."
)
markdown_option = click.option(
    "--markdown",
    "markdown_file",
    type=PATH,
    metavar="FILE",
    help="Write a summary as GitHub's Markdown too; - for standard output.",
)


def boards_of(ids: Collection[str]) -> tuple[Board, ...]:
    """Those of ``boards_option``, in their order; raises UsageError for unknown ones."""
    if ALL_BOARDS in ids:
        ids = [board_id for board_id in board_ids() if board_id != _HOST]
    return tuple(board_by_id(board_id) for board_id in ids)


def inputs_of(graph: Graph, file: Path | None) -> tuple[AnyArray, ...]:
    """Those of --input; raises UsageError where the file does not match the model."""
    from tinyaiot.samples import default_inputs, load_inputs

    return default_inputs(graph) if file is None else load_inputs(file, graph)


def flashed(report: Report, deployment: Deployment, no_flash: bool, tool: str | None) -> Deployment:
    """The deployment on its board; see ``tinyaiot.flash.put_on_board`` for errors."""
    from tinyaiot.flash import put_on_board

    if no_flash and tool is not None:
        raise UsageError("--no-flash leaves nothing to do for --tool", "give one of them")
    if deployment.port is None and deployment.board.runs_here and tool is None:
        return deployment
    with report.step(f"reaching {deployment.board.id}", "reached"):
        return put_on_board(
            deployment, flash=not no_flash, tool=None if tool is None else Tool(tool)
        )


def job_of(
    model: Path,
    board: str,
    work: Path | None,
    port: str | None,
    options: pipeline.PlanOptions,
    builder: Builder | None = None,
) -> pipeline.Job:
    target = board_by_id(board)
    folder = work or WORK / f"{model.stem}-{board}"
    return pipeline.Job(model, target, folder, port, options, builder)
