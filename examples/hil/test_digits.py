"""The digits model on a board: exact, right, and within its budgets.

pytest examples/hil --board mps2-an386
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tinyaiot.hil import BoardUnderTest, DeployedModel


def test_outputs_are_the_reference(deployed_model: DeployedModel) -> None:
    random = np.random.default_rng(1)
    [tensor] = deployed_model.graph.inputs
    for _ in range(5):
        digit = random.integers(-128, 128, tensor.shape, dtype=np.int8)
        [scores] = deployed_model.run(digit)
        [expected] = deployed_model.reference(digit)
        np.testing.assert_array_equal(scores, expected)


def test_every_layer_is_the_reference(deployed_model: DeployedModel) -> None:
    assert deployed_model.validate().bit_exact


def test_digits_are_recognised(deployed_model: DeployedModel, samples_path: Path) -> None:
    samples = np.load(samples_path)
    found = [deployed_model.classify(digit) for digit in samples["inputs"][:20]]
    assert np.mean(found == samples["labels"][:20]) >= 0.9


def test_memory_budget(deployed_model: DeployedModel, board: BoardUnderTest) -> None:
    measurement = deployed_model.measure()
    assert measurement.arena_bytes <= 6 * 1024
    assert measurement.stack_bytes is None or measurement.stack_bytes < board.board.stack_bytes


@pytest.mark.core("cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55")
@pytest.mark.emulated_board
def test_instruction_budget(deployed_model: DeployedModel) -> None:
    measurement = deployed_model.measure()
    assert measurement.counter == "instructions"
    assert measurement.count is not None
    assert measurement.count <= 3 * measurement.macs


@pytest.mark.needs_ram("64K")
def test_the_input_may_stay(deploy, model_path: Path) -> None:  # type: ignore[no-untyped-def]
    kept = deploy(model_path, keep_input=True)
    inputs = kept.default_inputs()
    [first], [second] = kept.run(*inputs), kept.run(*inputs)
    np.testing.assert_array_equal(first, second)


@pytest.mark.real_board
def test_latency(deployed_model: DeployedModel) -> None:
    latency_us = deployed_model.measure().latency_us
    assert latency_us is not None
    assert latency_us < 100_000
