"""Filters over pixels on a Cortex-M55, at every border that their kernels know.

All tensors are compared with TFLM's, and nothing beside them may be touched.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from tests.support import emulated
from tests.support.builder import ModelBuilder
from tests.support.emulated import Case
from tests.test_cores import board_with_tools
from tinyaiot.frontends import Model, tflite

_BOARD = "mps3-an547"
# Around vectors of sixteen, halves of them, eight in a line and loops of four.
_TAPS = (1, 7, 8, 9, 15, 16, 17, 24, 27, 128, 136, 144, 151, 160, 208, 272)
_FILTERS = (3, 4, 5, 8, 14)
_PIXELS = (1, 2, 3, 5)
# Zero points of outputs and how far multipliers are from one that fills int8: halves round up
# behind a ReLU, else away from zero, and some multipliers shift left.
_REGIMES = ((-128, 1.0), (3, 1.0), (-20, 1e4))
_RELU = 1
# More than places of 16 bits tell apart.
_MANY = (182, 183)


def test_taps_filters_and_pixels(tmp_path: Path) -> None:
    shapes = itertools.cycle(itertools.product(_FILTERS, _PIXELS, _REGIMES, (False, True)))
    operators = ("CONV_2D", "CONV_2D", "FULLY_CONNECTED")
    cases = [
        _case(op, taps, (1, pixels), filters, regime, spread, k)
        for k, (taps, op, (filters, pixels, regime, spread)) in enumerate(
            zip(sorted(_TAPS * 6), itertools.cycle(operators), shapes, strict=False)
        )
    ]
    assert len({(c.model.graph.nodes[0].op, c.inputs[0].shape[-1]) for c in cases}) == 2 * len(
        _TAPS
    )
    emulated.check_apart(cases, board_with_tools(_BOARD), tmp_path)


def test_more_pixels_than_places(tmp_path: Path) -> None:
    case = _case("CONV_2D", 1, _MANY, 4, _REGIMES[1], False, 0)
    emulated.check([case], board_with_tools(_BOARD), tmp_path)


def _case(
    op: str,
    taps: int,
    size: tuple[int, int],
    filters: int,
    regime: tuple[int, float],
    spread: bool,
    number: int,
) -> Case:
    """One layer of 1x1 windows, or of batches of as many taps.

    Args:
        spread: whether right shifts of channels are more than 3 apart.
    """
    rng = np.random.default_rng(number)
    zero_point, factor = regime
    is_convolution = op == "CONV_2D"
    b = ModelBuilder("m")
    pixels = size if is_convolution else (size[1],)
    shape = (1, *pixels, taps) if is_convolution else (*pixels, taps)
    x = b.input(shape, 1.0, int(rng.integers(-128, 128)))
    weights = rng.integers(-128, 128, (filters, taps), dtype=np.int8)
    steps = rng.uniform(0.5, 1.5, filters)
    scales = steps * (1e-2 ** rng.uniform(0, 1, filters) if spread else 1)
    per_channel = list(scales) if is_convolution else [float(np.float32(scales[0]))]
    wide = (filters, 1, 1, taps) if is_convolution else (filters, taps)
    w = b.constant(weights.reshape(wide), per_channel, axis=0)
    bias = b.constant(rng.integers(-20_000, 20_000, filters, dtype=np.int32), [per_channel[0]])
    y = b.tensor((*shape[:-1], filters), 90 * taps**0.5 / factor, zero_point)
    activation = {"fusedActivationFunction": _RELU if zero_point == -128 else 0}
    windows = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    b.op(op, [x, w, bias], [y], **activation, **(windows if is_convolution else {}))
    data = b.build([y])
    values = rng.integers(-128, 128, shape, dtype=np.int8)
    return Case(Model(tflite.read(data, f"{op.lower()}_{number}"), data), [values])
