"""Drivers that the model's own C inlines, and what they inline in turn: TFLM's tensors.

Of blocks of two pixels, which kernels of cores with the DSP extension take at once, and of four.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from tests.support import emulated
from tests.support.builder import ModelBuilder
from tests.test_cores import board_with_tools
from tinyaiot.codegen.model import lower_model
from tinyaiot.cores import UNLIMITED_FLASH, Core
from tinyaiot.csource import Call, Ref
from tinyaiot.frontends import Model, tflite
from tinyaiot.plan import Memory, Plan
from tinyaiot.planner.checker import check
from tinyaiot.planner.streaming import rows

_BOARD = "mps2-an386"
_AMPLE = (Memory("ram", 1 << 28),)
_RELU6 = 3


@dataclass(frozen=True)
class InBlocks(emulated.Case):
    """A case that is planned in blocks of so many pixels."""

    pixels: int = 2

    def planned(self, core: Core, memories: Sequence[Memory], strategy: str | None) -> Plan:
        graph = self.model.graph
        plan = rows(graph, core, _AMPLE, False, self.feed, pixels=self.pixels)
        assert plan is not None
        plan = replace(plan, flash_limit=core.flash_limit)
        check(graph, plan, core, _AMPLE)
        return plan


def averaged(
    in_channels: int,
    kernel: int,
    stride: int,
    channels: int,
    activation: int = 0,
    feed: bool = False,
    pixels: int = 2,
) -> InBlocks:
    """A convolution, one of 1x1, one of 3x3, and the mean of what they make."""
    rng = np.random.default_rng((in_channels, kernel, stride, channels))
    b = ModelBuilder("m")
    shape = (1, 12, 12, in_channels)
    x = b.input(shape, 1.0, -3)
    size, last = 12 // stride, shape[3]
    convolutions = ((kernel, stride, channels), (1, 1, channels + 1), (3, 1, channels))
    for window, step, filters in convolutions:
        weights = rng.integers(-127, 128, (filters, window, window, last)).astype(np.int8)
        scales = rng.uniform(0.5, 1.5, filters) / (100 * (window * window * last) ** 0.5)
        y = b.tensor((1, size, size, filters), 1.0, 2)
        bias = b.constant(rng.integers(-999, 1000, filters).astype(np.int32), scales.tolist())
        b.op(
            "CONV_2D",
            [x, b.constant(weights, scales.tolist()), bias],
            [y],
            strideH=step,
            strideW=step,
            fusedActivationFunction=activation,
        )
        x, last = y, filters
    y = b.tensor((1, 1, 1, last), 0.5, 1)
    b.op("MEAN", [x, b.constant(np.array((1, 2), np.int32))], [y], keepDims=True)
    data = b.build([y])
    name = f"m{in_channels}_{kernel}_{stride}_{channels}_{activation}_{int(feed)}_{pixels}"
    values = rng.integers(-128, 128, shape).astype(np.int8)
    return InBlocks(Model(tflite.read(data, name), data), [values], feed=feed, pixels=pixels)


def cases() -> list[InBlocks]:
    """Windows that have code of their own to widen them, and others; odd channels; clamped."""
    return [
        averaged(3, 3, 1, 4, feed=True),
        averaged(3, 3, 1, 6, pixels=4),
        averaged(3, 3, 2, 7),
        averaged(1, 3, 1, 8, feed=True),
        averaged(8, 1, 1, 5, _RELU6),
        averaged(8, 1, 1, 7, feed=True, pixels=4),
        averaged(8, 3, 1, 8, _RELU6, feed=True),
        averaged(5, 3, 1, 3, pixels=4),
        averaged(4, 5, 2, 13, feed=True),
    ]


def calls(case: InBlocks, core: Core) -> list[Call]:
    plan = case.planned(core, (), None)
    nodes = lower_model(case.model.graph, plan, core, "m").nodes.values()
    return [call for node in nodes for call in node.calls]


@pytest.mark.parametrize("flash_limit", [0, UNLIMITED_FLASH])
def test_blocks_of_few_pixels_equal_tflm(flash_limit: int, tmp_path: Path) -> None:
    board = board_with_tools(_BOARD)
    core = board.processor.with_flash_limit(flash_limit)
    found = {call.function for case in cases() for call in calls(case, core)}
    drivers = {f"ta_conv_2d_known_{kind}" for kind in ("rows", "blocks", "ring")}
    assert found == drivers | {"ta_sums_rows_dsp"}
    kernels = {call.fields["kernel"] for case in cases() for call in calls(case, core)}
    assert (Ref("ta_conv_2d_s8_wide_dsp") in kernels) == (flash_limit > 0)
    emulated.check(cases(), board, tmp_path, flash_limit=flash_limit)
