"""Measurements of models on emulated boards, made once for each image that they are of.

An emulated count is a function of the generated project and the compiler, so a measurement is
kept in ``build/measured`` under the digest of both.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tinyaiot import cli, pipeline
from tinyaiot.boards import Board, board_by_id
from tinyaiot.errors import DoesNotFitError
from tinyaiot.frontends import Model, load
from tinyaiot.pipeline import PlanOptions
from tinyaiot.plan import Plan

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "build" / "measured"
MODELS = ("kws", "vww", "ic", "ad", "person_detect", "str_ww", "mcunet-vww1", "mcunet-in1")

# One of each core of which instruction timings are known.
CYCLES_BOARDS = ("mps2-an385", "mps2-an386", "mps2-an500")

PLAIN = PlanOptions()

Document = dict[str, Any]


def measured(path: Path, board_id: str, options: PlanOptions = PLAIN) -> Document | str:
    """The measurement, with an estimate of cycles on ``CYCLES_BOARDS``; or why there is none:
    the kind of memory that does not suffice.
    """
    board, model = board_by_id(board_id), read(path)
    plan = planned(model, board, options)
    if isinstance(plan, str):
        return plan
    kept = KEPT / f"{_digest(model, plan, board)}.json"
    if not kept.is_file():
        found = _measure(path, board, options)
        if isinstance(found, str):
            return found
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(found), encoding="utf-8")
    document: Document = json.loads(kept.read_text(encoding="utf-8"))
    return document


@functools.lru_cache(maxsize=16)
def read(path: Path) -> Model:
    """The model of a file, read once."""
    return load(path)


def planned(model: Model, board: Board, options: PlanOptions) -> Plan | str:
    """The plan, or the kind of memory that does not suffice for one."""
    try:
        return pipeline.plan_model_on(model, board, options)
    except DoesNotFitError as error:
        return _memory(error.what)


def _memory(message: str) -> str:
    return "flash" if "flash" in message else "RAM"


def _digest(model: Model, plan: Plan, board: Board) -> str:
    made_with = (_compiler(board.processor.toolchain), *_further_options(board))
    digest = hashlib.sha256("".join(made_with).encode())
    for path, content in sorted(pipeline.generate([model], [plan], board).files.items()):
        digest.update(f"{path}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:32]


@functools.cache
def _compiler(toolchain: str) -> str:
    command = [f"{toolchain}gcc", "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _further_options(board: Board) -> tuple[str, ...]:
    return ("--cycles",) if board.id in CYCLES_BOARDS else ()


def _measure(path: Path, board: Board, options: PlanOptions) -> Document | str:
    print(f"measuring {path.stem} on {board.id}", file=sys.stderr, flush=True)
    arguments = ["measure", str(path), "--board", board.id, "--objective", options.objective.value]
    arguments += ["--feed", "rows"] if options.feed else []
    if options.strategy is not None:
        arguments += ["--strategy", options.strategy.replace(" ", "-")]
    arguments += _further_options(board)
    with tempfile.TemporaryDirectory() as work, contextlib.redirect_stderr(io.StringIO()) as errors:
        written = Path(work) / "bench.json"
        code = cli.run([*arguments, "--work", work, "--json", str(written), "-q"])
        if code == 0:
            document: Document = json.loads(written.read_text(encoding="utf-8"))
            return document
    if code != 5:
        sys.exit(f"{path.stem} on {board.id}: {errors.getvalue()}")
    return _memory(errors.getvalue().splitlines()[0])
