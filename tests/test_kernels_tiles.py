"""Kernels of the Cortex-M0, M3 and M55 and of RV32IM on emulated ones.

All tensors are compared with TFLM's. The drawn layers are those of the DSP kernels' test: many
channels, odd numbers of them, windows up to 7x7, widths of which no tile is a divisor, values and
zero points at both ends.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests import test_kernels_dsp as layers
from tests.support import emulated
from tests.test_cores import drawn, kernels
from tinyaiot import pipeline
from tinyaiot.boards import Board, board_by_id
from tinyaiot.planner import NoPlanFitsError, plan_model

_CASES = 14
_DEPTHS = (8, 16, 32, 48, 64, 128)
_WINDOWS = ((3, 3), (5, 5), (7, 7), (2, 4))
_MANY = (1, 8, 16, 27, 40)
_EXPECTED = {
    "mps2-an385": {
        "ta_conv_2d_s8_v7m",
        "ta_depthwise_conv_2d_s8_3x3_v7m",
        "ta_depthwise_conv_2d_s8_3x3_exact_v7m",
        "ta_fully_connected_s8_v7m",
    },
    "mps3-an547": {
        "ta_add_s8_affine_mve",
        "ta_conv_2d_s8_1x1_mve",
        "ta_conv_2d_s8_mve",
        "ta_depthwise_conv_2d_s8_3x3_mve",
        "ta_depthwise_conv_2d_s8_3x3_c1_mve",
        "ta_depthwise_conv_2d_s8_5x5_mve",
        "ta_depthwise_conv_2d_s8_7x7_mve",
        "ta_depthwise_conv_2d_s8_mve",
        "ta_fully_connected_s8_mve",
    },
    "microbit": {
        "ta_conv_2d_s8_pieces_v6m",
        "ta_conv_2d_s8_v6m",
        "ta_depthwise_conv_2d_s8_3x3_v6m",
        "ta_fully_connected_s8_v6m",
    },
    "rv32-virt": {
        "ta_conv_2d_s8_1x1_rv32",
        "ta_conv_2d_s8_columns_rv32",
        "ta_conv_2d_s8_pairs_rv32",
        "ta_depthwise_conv_2d_s8_3x3_rv32",
        "ta_depthwise_conv_2d_s8_3x3_exact_rv32",
        "ta_fully_connected_s8_rv32",
    },
}


@pytest.mark.parametrize("board_id", _EXPECTED)
def test_kernels_equal_tflm(board_id: str, tmp_path: Path) -> None:
    board = board_by_id(board_id)
    assert board.emulator is not None
    for tool in (board.emulator.qemu, board.processor.toolchain + "gcc"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    strategies = {
        "conv": layers.windowed("CONV_2D"),
        "pixels": layers.windowed("CONV_2D", ((1, 1),), _DEPTHS),
        "tiles": layers.windowed("DEPTHWISE_CONV_2D", ((3, 3),)),
        "connected": layers.fully_connected(),
        "sum": layers.sum_of_two(),
    }
    if board_id == "mps3-an547":
        windows = layers.windowed("DEPTHWISE_CONV_2D", _WINDOWS, _MANY, most_strides=(2, 2))
        strategies["windows"] = windows
    cases = [case for name, s in strategies.items() for case in drawn(s, name, _CASES)]
    cases = [case for case in cases if _fits(case, board)]
    taken = Counter(k for case in cases for k in kernels(case, board.processor))
    assert all(taken[name] >= 2 for name in _EXPECTED[board_id]), taken
    emulated.check(cases, board, tmp_path)


def _fits(case: emulated.Case, board: Board) -> bool:
    try:
        plan_model(case.model.graph, board.processor, pipeline.memories(board))
    except NoPlanFitsError:
        return False
    return True
