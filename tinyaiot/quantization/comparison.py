"""What quantization cost: accuracy, and the error layer by layer."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cattrs
import numpy as np
import numpy.typing as npt

from tinyaiot import oracle
from tinyaiot.errors import UsageError
from tinyaiot.graph import Node
from tinyaiot.quantization.error import Power, real
from tinyaiot.quantization.float_model import FloatModel
from tinyaiot.quantization.quantized import Quantized
from tinyaiot.quantization.sensitivity import Remedy, Sensitivity, sensitivity
from tinyaiot.samples import as_samples


@dataclass(frozen=True)
class LayerError:
    """The error of a layer's output against the float network, over all samples.

    Attributes:
        name: of the layer's first output.
        sqnr_db: signal over error in power, accumulated up to this output; None where the float
            network has no such tensor.
        lost_db: by how much that is less than at the worst of its inputs; None where unknown.
        added_db: SQNR at the probe where this layer alone is int8; None for layers that only move
            values, or lie behind it.
        gain_db: by how much that of the int8 network grows where this layer alone is in floating
            point; None for the same.
    """

    index: int
    name: str
    op: str
    sqnr_db: float | None
    lost_db: float | None
    added_db: float | None
    gain_db: float | None


@dataclass(frozen=True)
class Comparison:
    """An int8 model beside its float original, on the same samples.

    Attributes:
        count: samples.
        float_accuracy: the part that the float network classifies rightly; None without labels.
        int8_accuracy: the same of the int8 model, run by TFLM.
        agreement: the part of which both have the same class.
        sqnr_db: of the first output, signal over error in power.
        cosine: of the angle between both first outputs, over all samples.
        largest_error: of any element of the first output.
        layers: in the model's order.
        simulated: samples that ``added_db``, ``gain_db`` and ``remedies`` are from.
        probe: the layer at whose output they look: the last, or what is before a last softmax.
        simulated_db: SQNR there of the simulated int8 network, which gains are gains on.
        remedies: what would help the layers that cost most, the worst first.
    """

    count: int
    float_accuracy: float | None
    int8_accuracy: float | None
    agreement: float
    sqnr_db: float | None
    cosine: float | None
    largest_error: float
    layers: tuple[LayerError, ...]
    simulated: int
    probe: int
    simulated_db: float | None
    remedies: tuple[Remedy, ...]

    @property
    def ranked(self) -> tuple[LayerError, ...]:
        """The layers that compute, the one first that adds most error to the output."""
        known = [(layer.added_db, layer) for layer in self.layers if layer.added_db is not None]
        return tuple(layer for _, layer in sorted(known, key=lambda pair: pair[0]))

    def to_json(self) -> dict[str, Any]:
        """The comparison as numbers, texts, lists and dictionaries."""
        return dataclasses.asdict(self)


def load_comparison(path: Path) -> Comparison:
    """The comparison in a file of ``tinyaiot quantize --report X.npz --json FILE``.

    Raises:
        UsageError: the file cannot be read, or holds no comparison.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return cattrs.structure(document["comparison"], Comparison)
    except (OSError, ValueError, KeyError, TypeError, cattrs.BaseValidationError) as error:
        raise UsageError(
            f"{path} holds no comparison of a quantized model with its original",
            "write one: tinyaiot quantize MODEL --data X.npz --report T.npz --json FILE",
        ) from error


def compare(
    quantized: Quantized, inputs: npt.NDArray[Any], labels: npt.NDArray[Any] | None = None
) -> Comparison:
    """Runs both models on samples: TensorFlow Lite the float one, TFLM the int8 one.

    Args:
        inputs: floating point [count, ...], channels last or as the original has them.
        labels: the class of each, integers [count].

    Raises:
        UsageError: the samples do not match the model, or the float model's input does not.
        UnreadableModelError: the float model is no .tflite that TensorFlow Lite can run.
    """
    graph = quantized.model.graph
    inputs = quantized.channels_last(inputs)
    if inputs.dtype.kind != "f":
        raise UsageError(f"the samples are {inputs.dtype}", "give floating point")
    samples = as_samples(inputs, labels, graph)
    original = FloatModel(quantized.float_data, graph)
    tensors = {t.index: t for t in (*graph.inputs, *(node.output for node in graph.nodes))}
    outputs = Power()
    powers: dict[int, Power] = {}
    classes = np.zeros((2, len(samples)), np.int64)
    largest_error = 0.0
    for k, (sample, given) in enumerate(zip(samples.inputs, inputs, strict=True)):
        expected = original.run(given)
        actual = oracle.run(quantized.model.data, graph, [sample])
        for index, reference in expected.items():
            values = real(actual.tensors[index], tensors[index])
            powers.setdefault(index, Power()).add(reference, values)
        output, reference = real(actual.outputs[0], graph.outputs[0]), original.output()
        outputs.add(reference, output)
        largest_error = max(largest_error, float(np.max(np.abs(output - reference))))
        classes[:, k] = np.argmax(reference), np.argmax(output)
    parts = sensitivity(quantized, inputs.astype(np.float32))
    sqnr = {index: power.sqnr_db for index, power in powers.items()}
    right = None if samples.labels is None else np.mean(classes == samples.labels, axis=1)
    return Comparison(
        count=len(samples),
        float_accuracy=None if right is None else float(right[0]),
        int8_accuracy=None if right is None else float(right[1]),
        agreement=float(np.mean(classes[0] == classes[1])),
        sqnr_db=outputs.sqnr_db,
        cosine=outputs.cosine,
        largest_error=largest_error,
        layers=tuple(_layer_error(node, sqnr, parts) for node in graph.nodes),
        simulated=parts.count,
        probe=parts.probe,
        simulated_db=parts.simulated_db,
        remedies=parts.remedies,
    )


def _layer_error(node: Node, sqnr: Mapping[int, float | None], parts: Sensitivity) -> LayerError:
    own = sqnr.get(node.output.index)
    before = [sqnr.get(tensor.index) for tensor in node.activations]
    known = [value for value in before if value is not None]
    return LayerError(
        index=node.index,
        name=node.output.name,
        op=node.op,
        sqnr_db=own,
        lost_db=min(known) - own if own is not None and len(known) == len(before) else None,
        added_db=parts.added_db.get(node.index),
        gain_db=parts.gain_db.get(node.index),
    )
