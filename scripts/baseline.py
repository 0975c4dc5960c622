"""The stored baseline of instruction counts: compared by `make bench` and by the tests.

    python -m scripts.baseline [../shared/models]        (make baseline) stores today's counts

Counts of whole models, and of single layers that are drawn once and for all, for each core. Those
of models that are not there stay as they were stored.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from scripts.calibration.layers import Draw, draw_node
from scripts.calibration.measure import Lot, measure_batch
from scripts.measured import MODELS, ROOT, Document, measured
from tinyaiot.boards import Board, board_by_id
from tinyaiot.graph import Node
from tinyaiot.summary import format_shape

BASELINE = ROOT / "scripts" / "baseline.json"
TOLERANCE_PER_MILLE = 5
# What kernels are tuned for, and what stands for each on the command line.
BOARDS = {
    "Cortex-M4": "mps2-an386",
    "Cortex-M7": "mps2-an500",
    "Cortex-M33": "mps2-an505",
    "Cortex-M55": "mps3-an547",
    "Cortex-M3": "mps2-an385",
    "RV32IMAC": "rv32-virt",
    "Cortex-M0": "microbit",
}
LAYER_BOARDS = {
    "cortex-m0": "mps2-an385",
    "cortex-m3": "mps2-an385",
    "cortex-m4": "mps2-an386",
    "cortex-m55": "mps3-an547",
    "rv32imac": "rv32-virt",
}
_LAYERS = {"CONV_2D": 14, "DEPTHWISE_CONV_2D": 14, "FULLY_CONNECTED": 6, "ADD": 3}
_OTHERS = (
    "AVERAGE_POOL_2D",
    "MAX_POOL_2D",
    "MUL",
    "SOFTMAX",
    "MEAN",
    "LOGISTIC",
    "QUANTIZE",
    "PAD",
)
_PER_MAC = ("mcunet-vww1", "mcunet-in1")

Counts = dict[str, dict[str, int]]
Results = Mapping[tuple[str, str], "Document | str"]


def main() -> None:
    paths = [Path(folder) / f"{model}.tflite" for folder in sys.argv[1:] for model in MODELS]
    models = stored("models")
    for path in filter(Path.is_file, paths):
        found = {board: measured(path, board) for board in BOARDS.values()}
        models[path.stem] = {b: d["count"] for b, d in found.items() if not isinstance(d, str)}
    layers = {core: layer_counts(core) for core in LAYER_BOARDS}
    document = {"models": models, "layers": layers}
    BASELINE.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def stored(kind: str) -> Counts:
    """Counts of "models" by board, or of "layers" by core; nothing where none were stored."""
    if not BASELINE.is_file():
        return {}
    found: Counts = json.loads(BASELINE.read_text(encoding="utf-8"))[kind]
    return found


def report_models(results: Results) -> int:
    """Prints instructions per inference, core by core; returns 1 where any has grown."""
    print("\n".join(table(results)))
    counts = {
        model: {
            board: document["count"]
            for (name, board), document in results.items()
            if name == model and not isinstance(document, str)
        }
        for model in MODELS
    }
    grown = list(regressions(stored("models"), counts))
    for line in grown:
        print(f"grown: {line}")
    return 1 if grown else 0


def table(results: Results) -> Iterator[str]:
    """Millions of instructions; of the models with random weights, instructions for a MAC."""
    measured_models = [m for m in MODELS if any(name == m for name, _ in results)]
    headings = [f"{m}/MAC" if m in _PER_MAC else m for m in measured_models]
    yield "".join(f"{h:>{max(len(h), 8) + 2}}" for h in ["          ", *headings])
    for core, board in BOARDS.items():
        cells = [f"{core:>12}"]
        for model, heading in zip(measured_models, headings, strict=True):
            width = max(len(heading), 8) + 2
            cells.append(f"{_cell(results.get((model, board)), model):>{width}}")
        yield "".join(cells)


def _cell(document: Document | str | None, model: str) -> str:
    if document is None or isinstance(document, str):
        return document or "-"
    if model in _PER_MAC:
        return f"{document['count'] / document['macs']:.2f}"
    return f"{document['count'] / 1e6:.3f}"


def regressions(before: Counts, now: Counts) -> Iterator[str]:
    """What has grown by more than the tolerance; what only one of the two has is left out."""
    for name, counts in now.items():
        for key, count in counts.items():
            old = before.get(name, {}).get(key)
            if old is not None and 1000 * count > (1000 + TOLERANCE_PER_MILLE) * old:
                yield f"{name} {key}: {old:,} to {count:,} ({count / old - 1:+.1%})"


def layer_counts(core: str) -> dict[str, int]:
    """Instructions of the drawn layers on an emulated core, by their descriptions."""
    board = replace(board_by_id(LAYER_BOARDS[core]), core=core)
    lot = _drawn_layers(board)
    names = [describe(node) for node in lot.nodes]
    batch = lot.batch(board.processor, board)
    samples = {s.works[0].node.index: s.count for s in measure_batch(batch, board, seed=1)}
    return {name: samples[node.index] for name, node in zip(names, lot.nodes, strict=True)}


def _drawn_layers(board: Board) -> Lot:
    """The same on every core, and whatever kernels there are."""
    lot = Lot(Draw(np.random.default_rng(0)), most_bytes=0)
    seen: set[str] = set()
    for op, count in (_LAYERS | dict.fromkeys(_OTHERS, 1)).items():
        lot.draw.rng = np.random.default_rng(_seed(op))
        left = count
        while left:
            node = draw_node(lot.draw, op)
            if node is not None and describe(node) not in seen:
                seen.add(describe(node))
                lot.nodes.append(node)
                left -= 1
    return lot


def _seed(op: str) -> int:
    return int.from_bytes(op.encode(), "little") % 2**32


def describe(node: Node) -> str:
    """A drawn layer in a line, the same from run to run."""
    shapes = [format_shape(t.shape) for t in (*node.inputs, node.output) if t is not None]
    numbers = (
        [v for v in vars(node.attributes).values() if isinstance(v, int)]
        if (node.attributes is not None)
        else []
    )
    return f"{node.op} {' '.join(shapes)} {' '.join(map(str, numbers))}".rstrip()


if __name__ == "__main__":
    main()
