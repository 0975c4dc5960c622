"""Many samples on a board: how many it classifies rightly, and whether as the reference does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tinyaiot import oracle
from tinyaiot.devices.link import Device
from tinyaiot.frontends import Model
from tinyaiot.operators.base import AnyArray
from tinyaiot.samples import Samples


@dataclass(frozen=True)
class Classification:
    """The outcome on all samples; a class is the index of the first output's largest element.

    Attributes:
        identical: samples with all outputs equal to the reference's, byte for byte.
        board_correct: samples that the board classified as labelled; None without labels.
        reference_correct: the same of TFLM on the host.
        first_difference: the first sample whose outputs differ, None where all are identical.
    """

    count: int
    identical: int
    board_correct: int | None
    reference_correct: int | None
    first_difference: int | None


def classify(
    device: Device,
    model: Model,
    samples: Samples,
    advance: Callable[[], None] = lambda: None,
) -> Classification:
    """Runs every sample on the board and in the reference.

    Args:
        advance: called after each sample.

    Raises:
        DeviceError: the board does not answer as it should.
    """
    identical, board_classes, reference_classes = [], [], []
    for sample in samples.inputs:
        outputs = device.infer([sample])
        expected = oracle.run(model.data, model.graph, [sample]).outputs
        identical.append(
            all(a.tobytes() == b.tobytes() for a, b in zip(outputs, expected, strict=True))
        )
        board_classes.append(int(np.argmax(outputs[0])))
        reference_classes.append(int(np.argmax(expected[0])))
        advance()
    return Classification(
        count=len(samples),
        identical=sum(identical),
        board_correct=_correct(board_classes, samples.labels),
        reference_correct=_correct(reference_classes, samples.labels),
        first_difference=None if all(identical) else identical.index(False),
    )


def _correct(classes: list[int], labels: AnyArray | None) -> int | None:
    return None if labels is None else int(np.sum(np.array(classes) == labels))
