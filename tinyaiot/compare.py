"""Two models, two plans or two measurements side by side, from what --json writes of each."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tinyaiot.diff import Change
from tinyaiot.errors import UsageError
from tinyaiot.schemas import labelled

Document = dict[str, Any]

# In the order of the table. Counts are by what was counted, so that no two kinds are compared.
NUMBERS = (
    "macs",
    "extra_macs",
    "weights_bytes",
    "arena_bytes",
    "lower_bound_bytes",
    "ram_bytes",
    "stack_bytes",
    "flash_bytes",
    "code_bytes",
    "instructions",
    "cycles",
    "latency_us",
    "predicted_instructions",
    "predicted_flash_bytes",
)
_COMPARED = ("analysis", "measurement")


@dataclass(frozen=True)
class Layer:
    """A layer of one side.

    Attributes:
        live_bytes: the most in use in any of its steps; None where it is no work, or unknown.
        count: of the side's counter; None where nothing was counted.
    """

    op: str
    shape: tuple[int, ...]
    macs: int
    live_bytes: int | None
    count: int | None


@dataclass(frozen=True)
class Side:
    """One of the two.

    Attributes:
        name: what it is, in words.
        strategy: of its plan.
        numbers: by name, of ``NUMBERS``; what is unknown is left out.
    """

    name: str
    strategy: str
    numbers: Mapping[str, int]
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class SideBySide:
    """Two sides.

    Attributes:
        changes: of each number that either has, from A to B.
        layers: in order, those that are alike beside each other, None where a side has none.
    """

    sides: tuple[Side, Side]
    changes: tuple[Change, ...]
    layers: tuple[tuple[Layer | None, Layer | None], ...]

    def to_json(self) -> Document:
        """What ``tinyaiot compare --json`` gives."""
        changes = [
            {"name": c.name, "a": c.before, "b": c.after, "percent": c.percent}
            for c in self.changes
        ]
        content = {
            "sides": [{"name": side.name, "strategy": side.strategy} for side in self.sides],
            "numbers": changes,
            "layers": [{"a": _layer_document(a), "b": _layer_document(b)} for a, b in self.layers],
        }
        return labelled("comparison", content)


def read_side(path: Path) -> Side:
    """The side of a file that `analyze --json` or `measure --json` wrote, or of a plan.json.

    Raises:
        UsageError: the file is none of these.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.get("schema") in _COMPARED:
            return side_of(document)
        return _side_of_plan(document, str(path))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", "check the path") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} is nothing to compare",
            "give a model, a plan.json, or what analyze --json or measure --json wrote",
        ) from error


def side_of(document: Document, note: str = "") -> Side:
    """The side of an ``analysis`` or ``measurement``.

    Args:
        note: what its name does not say, such as the options of its plan.
    """
    board = document["board"]
    measured = document["schema"] == "measurement"
    name = document["model"] + ("" if board is None else f" on {board}")
    if measured:
        name += ", measured" + (", fed by rows" if document["feed"] == "rows" else "")
    numbers = {key: document.get(key) for key in NUMBERS}
    prediction = document.get("prediction") or {}
    for key in ("instructions", "flash_bytes"):
        numbers[f"predicted_{key}"] = prediction.get(key)
    if measured and document["counter"] is not None:
        numbers[document["counter"]] = document["count"]
    return Side(
        name + note,
        document["strategy"],
        {key: value for key, value in numbers.items() if value is not None},
        tuple(
            Layer(
                layer["op"],
                tuple(layer["shape"]),
                layer["macs"],
                layer["live_bytes"],
                layer.get("count"),
            )
            for layer in document["layers"]
        ),
    )


def _side_of_plan(plan: Document, name: str) -> Side:
    """The side of a work folder's plan.json, which does not know its model's layers."""
    numbers = {
        "extra_macs": plan["extra_macs"],
        "arena_bytes": sum(plan["arena_bytes"].values()),
        "lower_bound_bytes": plan["lower_bound_bytes"],
    }
    return Side(name, plan["strategy"], numbers, ())


def compare(a: Side, b: Side) -> SideBySide:
    """The two side by side."""
    changes = (Change(name, a.numbers.get(name), b.numbers.get(name)) for name in NUMBERS)
    known = tuple(c for c in changes if (c.before, c.after) != (None, None))
    layers = tuple(_aligned(a, b)) if a.layers and b.layers else ()
    return SideBySide((a, b), known, layers)


def _aligned(a: Side, b: Side) -> Iterator[tuple[Layer | None, Layer | None]]:
    """Layers of the same operators beside each other, as far as their order allows."""
    ops = [[layer.op for layer in side.layers] for side in (a, b)]
    matcher = difflib.SequenceMatcher(a=ops[0], b=ops[1], autojunk=False)
    for kind, a_start, a_stop, b_start, b_stop in matcher.get_opcodes():
        if kind == "equal":
            yield from zip(a.layers[a_start:a_stop], b.layers[b_start:b_stop], strict=True)
        else:
            yield from ((layer, None) for layer in a.layers[a_start:a_stop])
            yield from ((None, layer) for layer in b.layers[b_start:b_stop])


def _layer_document(layer: Layer | None) -> Document | None:
    return None if layer is None else {**asdict(layer), "shape": list(layer.shape)}
