"""Kernels of the DSP extension on the emulated core, in shapes that small graphs seldom have.

Many channels, odd numbers of them, windows up to 7x7, rows of several groups and strips: all
tensors are compared with TFLM's, values reach both ends, and so do zero points.
"""

from __future__ import annotations

import functools
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

from tests.support import draw, emulated, graphs
from tests.support.builder import ModelBuilder
from tests.test_cores import drawn, kernels, with_other_scratch
from tinyaiot.boards import Board, board_by_id
from tinyaiot.cores import UNLIMITED_FLASH, Core
from tinyaiot.frontends import Model
from tinyaiot.graph import Graph
from tinyaiot.operators import large_code_files, operator_of
from tinyaiot.operators.linear import LinearKernel
from tinyaiot.operators.windows import Padding, Window

_BOARD = "mps2-an386"
_CASES = 30
_DEPTHS = (1, 2, 4, 5, 8, 11, 16, 20)
_FILTERS = (2, 3, 4, 5, 8, 11, 13, 16, 20)
_WINDOWS = ((3, 3), (3, 3), (1, 1), (5, 5), (7, 7), (1, 5), (4, 2), (2, 3))
_EXPECTED = {
    "ta_conv_2d_s8_dsp",
    "ta_conv_2d_s8_w3_dsp",
    "ta_depthwise_conv_2d_s8_3x3_dsp",
    "ta_depthwise_conv_2d_s8_m1_dsp",
    "ta_depthwise_conv_2d_s8_planes_dsp",
    "ta_fully_connected_s8_dsp",
    "ta_fully_connected_s8_quads_dsp",
    "ta_add_s8_affine_dsp",
}
_SPACIOUS = {"ta_conv_2d_s8_winograd_dsp"}
_ROOMY = "ta_conv_2d_s8_winograd_ram_dsp"
_WIDE = {"ta_conv_2d_s8_wide_dsp"}
_WIDE_TAPS = "ta_depthwise_conv_2d_s8_3x3_wide_dsp"
_UNROLLED = {
    "ta_conv_2d_s8_1x1_dsp",
    "ta_conv_2d_s8_joined_dsp",
    "ta_conv_2d_s8_unrolled_dsp",
    "ta_fully_connected_s8_unrolled_dsp",
}
# Over windows one by one, by the flash that they may take.
_SINGLE = {
    "ta_conv_2d_s8_quads_dsp": 0,
    "ta_conv_2d_s8_quads_wide_dsp": UNLIMITED_FLASH,
    "ta_conv_2d_s8_quads_wide_pieces_dsp": UNLIMITED_FLASH,
}
_SMALL = {
    "ta_conv_2d_s8_dsp",
    "ta_conv_2d_s8_pieces_dsp",
    "ta_conv_2d_s8_quads_pieces_dsp",
    "ta_conv_2d_s8_quads_line_dsp",
    "ta_depthwise_conv_2d_s8_3x3_taps_dsp",
    "ta_fully_connected_s8_pieces_dsp",
    "ta_fully_connected_s8_quads_pieces_dsp",
}


@st.composite
def filters_of(draw_from: st.DrawFn, channels: int, taps: int, per_channel: bool) -> draw.Filters:
    """Filters as these kernels take them: no weight of -128, shifts to the right."""
    rng = np.random.default_rng(draw_from(draw.seeds))
    weights = np.maximum(draw.int8_values(rng, (channels, taps)), -127)
    low, high = draw_from(st.sampled_from(((-11, -6), (-11, -6), (-7, -1.1), (-20, -3))))
    exponents = rng.uniform(low, high, channels if per_channel else 1)
    if per_channel:
        weights[rng.random(channels) < draw_from(st.sampled_from((0, 0, 0.3)))] = 0
    in_scale, out_scale = 0.0235, 0.1
    scales = [float(np.float32(2.0**e * out_scale / in_scale)) for e in exponents]
    bias = rng.integers(-(2**15), 2**15, channels).astype(np.int32)
    return draw.Filters(weights, bias, scales, in_scale, out_scale)


@st.composite
def windowed(
    draw_from: st.DrawFn,
    op: str,
    windows: tuple[tuple[int, int], ...] = _WINDOWS,
    depths: tuple[int, ...] = _DEPTHS,
    most_strides: tuple[int, int] = (3, 3),
    heights: tuple[int, int] = (7, 9),
    widths: tuple[int, int] = (7, 40),
    counts: tuple[int, ...] = _FILTERS,
) -> graphs.DrawnModel:
    """One convolution; its outputs often begin at the zero point, as they do behind a ReLU."""
    depthwise = op == "DEPTHWISE_CONV_2D"
    kernel_h, kernel_w = draw_from(st.sampled_from(windows))
    strides = draw_from(st.tuples(*(st.integers(1, most) for most in most_strides)))
    dilation = draw_from(st.sampled_from((1, 1, 1, 2))) if strides == (1, 1) else 1
    scheme = draw_from(st.sampled_from(Padding))
    height, width = draw_from(st.tuples(st.integers(*heights), st.integers(*widths)))
    height += (kernel_h - 1) * (dilation - 1)
    width += (kernel_w - 1) * (dilation - 1)
    channels = draw_from(st.sampled_from(depths))
    multiplier = draw_from(st.integers(1, 5)) if channels == 1 else 1
    out_channels = channels * multiplier if depthwise else draw_from(st.sampled_from(counts))
    taps = kernel_h * kernel_w * (1 if depthwise else channels)
    filters = draw_from(filters_of(out_channels, taps, draw_from(st.booleans())))
    b = ModelBuilder("m")
    shape = (1, height, width, channels)
    x = b.input(shape, filters.in_scale, draw_from(draw.zero_points))
    if depthwise:
        weights = filters.weights.T.reshape(1, kernel_h, kernel_w, out_channels)
    else:
        weights = filters.weights.reshape(out_channels, kernel_h, kernel_w, channels)
    w = b.constant(weights, filters.scales, axis=3 if depthwise else 0)
    bias = b.constant(filters.bias, [1.0])
    out_h = Window.of(scheme, height, kernel_h, strides[0], dilation).out_size
    out_w = Window.of(scheme, width, kernel_w, strides[1], dilation).out_size
    out_zero = draw_from(st.sampled_from((-128, -128, -128, 0, 5, 127)))
    y = b.tensor((1, out_h, out_w, out_channels), filters.out_scale, out_zero)
    options = {"depthMultiplier": multiplier} if depthwise else {}
    activation = draw_from(draw.activations)
    b.op(
        op,
        [x, w, bias],
        [y],
        padding=scheme.value,
        strideH=strides[0],
        strideW=strides[1],
        dilationHFactor=dilation,
        dilationWFactor=dilation,
        fusedActivationFunction=activation,
        **options,
    )
    return _drawn(draw_from, b, y, [shape], op)


@st.composite
def fully_connected(
    draw_from: st.DrawFn, unit: int = 1, filters: tuple[int, ...] = tuple(range(2, 18))
) -> graphs.DrawnModel:
    """One FULLY_CONNECTED of many inputs, a multiple of ``unit``."""
    depth = unit * draw_from(st.integers(1, 130 // unit))
    channels = draw_from(st.sampled_from(filters))
    drawn_filters = draw_from(filters_of(channels, depth, False))
    in_scale, scales = drawn_filters.in_scale, drawn_filters.scales
    b = ModelBuilder("m")
    x = b.input((1, depth), in_scale, draw_from(draw.zero_points))
    w = b.constant(drawn_filters.weights, scales)
    product = float(np.float32(in_scale) * np.float32(scales[0]))
    bias = b.constant(drawn_filters.bias, [product])
    y = b.tensor((1, channels), drawn_filters.out_scale, draw_from(draw.zero_points))
    activation = draw_from(draw.activations)
    b.op("FULLY_CONNECTED", [x, w, bias], [y], fusedActivationFunction=activation)
    return _drawn(draw_from, b, y, [(1, depth)], "FULLY_CONNECTED")


@st.composite
def sum_of_two(draw_from: st.DrawFn) -> graphs.DrawnModel:
    """One ADD or SUB of equal shapes, whose scales are of the same order."""
    op = draw_from(st.sampled_from(("ADD", "SUB")))
    shape = (1, 2, 3, draw_from(st.integers(1, 9)))
    b = ModelBuilder("m")
    scales = st.floats(0.0625, 0.5, width=32)
    ends = [b.input(shape, draw_from(scales), draw_from(draw.zero_points)) for _ in range(2)]
    y = b.tensor(shape, draw_from(scales), draw_from(draw.zero_points))
    b.op(op, ends, [y])
    return _drawn(draw_from, b, y, [shape, shape], op)


def _drawn(
    draw_from: st.DrawFn, b: ModelBuilder, y: int, shapes: list[tuple[int, ...]], name: str
) -> graphs.DrawnModel:
    rng = np.random.default_rng(draw_from(draw.seeds))
    inputs = [draw.int8_values(rng, shape) for shape in shapes]
    return graphs.DrawnModel(b.build([y]), inputs, name)


_STRATEGIES = {
    "conv": windowed("CONV_2D"),
    "depthwise": windowed("DEPTHWISE_CONV_2D"),
    "strips": windowed("DEPTHWISE_CONV_2D", ((3, 3),)),
    "pairs": windowed("DEPTHWISE_CONV_2D", ((3, 3),), (4, 5, 8, 11), (1, 1)),
    "planes": windowed(
        "DEPTHWISE_CONV_2D", ((5, 5), (7, 7), (2, 6), (4, 4)), (4, 5, 8, 11), (2, 2)
    ),
    "columns": windowed("CONV_2D", ((3, 3), (1, 3), (4, 3)), (4, 8, 12), (2, 1)),
    "apart": windowed("CONV_2D", depths=(1, 3, 5, 11)),
    "connected": fully_connected(),
    "words": fully_connected(4, (2, 4, 4, 6, 8, 12, 16)),
    "sum": sum_of_two(),
}
_SPACIOUS_STRATEGIES = {
    "tiles": windowed("CONV_2D", ((3, 3),), (4, 5, 7, 8, 16, 20, 31, 66, 130), (1, 1)),
}

_ROW_TILES = ("ta_conv_2d_s8_winograd_1d_dsp", "ta_conv_2d_s8_winograd_1d_sums_dsp")
_ROW_TILES_STRATEGY = windowed(
    "CONV_2D", ((3, 3),), (12, 16, 20, 32, 36, 64, 72), (1, 1), widths=(4, 20), counts=(16, 20, 48)
)

_ROOMY_STRATEGY = windowed(
    "CONV_2D", ((3, 3),), (4, 8, 12, 16, 20, 64, 68), (1, 1), counts=(4, 5, 11, 16, 20, 37)
)

_TAPS_STRATEGIES = {
    "taps": windowed("DEPTHWISE_CONV_2D", ((3, 3),), (4, 8, 20), widths=(3, 16)),
    "taps_of_pairs": windowed("DEPTHWISE_CONV_2D", ((3, 3),), (4, 8, 20), (1, 1), widths=(3, 16)),
}

_FAST_STRATEGIES = {
    "fast_conv": windowed("CONV_2D"),
    "fast_connected": fully_connected(),
    "stems": windowed("CONV_2D", ((3, 3),), (1, 3), (2, 2)),
    "stems_of_one": windowed("DEPTHWISE_CONV_2D", ((3, 3),), (1,), (2, 2)),
    "bands": windowed("DEPTHWISE_CONV_2D", ((3, 3),), (4, 5, 8, 11), (1, 1), (4, 40)),
    "bands_by_two": windowed("DEPTHWISE_CONV_2D", ((3, 3),), (4, 5, 8, 11), (2, 2), (8, 40)),
    "narrow": windowed("DEPTHWISE_CONV_2D", ((3, 3),), (4, 5, 8, 11), (1, 1), (3, 32), (3, 6)),
    "lowest": windowed("DEPTHWISE_CONV_2D", ((3, 3),), (4, 7), (1, 1), (2, 4), (3, 6)),
    "narrow_planes": windowed(
        "DEPTHWISE_CONV_2D", ((7, 7),), (4, 5, 8, 11), (1, 1), (7, 20), (3, 5)
    ),
    "five": windowed("DEPTHWISE_CONV_2D", ((5, 5), (3, 4)), (4, 5, 8, 11), (2, 1)),
}
_UNROLLED_STRATEGIES = {
    "unrolled": windowed("CONV_2D"),
    "unrolled_stems": windowed("CONV_2D", ((3, 3),), (3,), (2, 2)),
    "unrolled_stems_of_one": windowed("DEPTHWISE_CONV_2D", ((3, 3),), (1,), (2, 2)),
    "pointwise": windowed("CONV_2D", ((1, 1),), (8, 12, 24, 36, 64, 68, 140)),
    "joined": windowed("CONV_2D", ((4, 4), (10, 4), (1, 4)), (1,), (2, 2), (10, 12), (5, 18)),
    "joined_pairs": windowed("CONV_2D", ((3, 2), (2, 2)), (2,), (2, 2), (3, 12), (5, 18)),
    "connected_unrolled": fully_connected(),
}
# What makes rows of those, and at least how often.
_DRIVERS = {
    "ta_depthwise_conv_2d_s8_3x3_dsp_bands": 10,
    "ta_depthwise_conv_2d_s8_3x3_dsp_narrow_four": 5,
    "ta_depthwise_conv_2d_s8_3x3_dsp_narrow_six": 5,
    "ta_depthwise_conv_2d_s8_planes_narrow_dsp_strips": 5,
    "ta_depthwise_conv_2d_s8_planes_five_dsp_strips": 5,
}


@pytest.fixture
def board() -> Board:
    """The emulated board, where there are its tools."""
    found = board_by_id(_BOARD)
    assert found.emulator is not None
    for tool in (found.emulator.qemu, found.processor.toolchain + "gcc"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    return found


def test_kernels_equal_tflm(board: Board, tmp_path: Path) -> None:
    cases = [case for name, s in _STRATEGIES.items() for case in drawn(s, name, _CASES)]
    taken = Counter(k for case in cases for k in kernels(case, board.processor))
    assert all(taken[name] >= 5 for name in _EXPECTED), taken
    emulated.check(cases, board, tmp_path)


@pytest.mark.parametrize("strategy", ("plain", "rows", "blocks"))
def test_kernels_with_flash_to_spare_equal_tflm(
    strategy: str, board: Board, tmp_path: Path
) -> None:
    cases = [
        case
        for name, s in _SPACIOUS_STRATEGIES.items()
        for case in drawn(s, f"{strategy}_{name}", _CASES)
    ]
    core = board.processor.with_flash_limit(UNLIMITED_FLASH)
    taken = Counter(k for case in cases for k in kernels(case, core))
    assert all(taken[name] >= 5 for name in _SPACIOUS), taken
    emulated.check(cases, board, tmp_path, strategy, UNLIMITED_FLASH)


@pytest.mark.parametrize("strategy", ("plain", "blocks", "pixels"))
def test_tiles_along_rows_equal_tflm(strategy: str, board: Board, tmp_path: Path) -> None:
    core = board.processor.with_flash_limit(UNLIMITED_FLASH)
    cases = [
        replace(case, scratch_limits={0: limit}, model=_renamed(case, limit))
        for case in _row_tiles()
        for name in _ROW_TILES
        for limit in _limits(case.model.graph, core, name)
    ]
    taken = Counter(k for case in cases for k in kernels(case, core))
    assert all(taken[name] >= 5 for name in _ROW_TILES), taken
    emulated.check(cases, board, tmp_path, strategy, UNLIMITED_FLASH)


@pytest.mark.parametrize("strategy", ("plain", "rows"))
def test_filters_transformed_in_scratch_equal_tflm(
    strategy: str, board: Board, tmp_path: Path
) -> None:
    drawn_cases = drawn(_ROOMY_STRATEGY, f"{strategy}_roomy", _CASES)
    cases = [roomy for case in drawn_cases for roomy in _with_room(case, board.processor)]
    groups = Counter(_groups(case, board.processor) for case in cases)
    assert groups[1] >= 5 and groups.total() - groups[1] >= 5, groups
    emulated.check(cases, board, tmp_path, strategy)


def _with_room(case: emulated.Case, core: Core) -> list[emulated.Case]:
    """The case with the most scratch that is of use to transform filters in, with the least that
    is enough, and with some between; none where they never are."""
    others = with_other_scratch(case, core)
    roomy = [other for other in others if _ROOMY in kernels(other, core)]
    return [roomy[k] for k in sorted({0, len(roomy) // 2, len(roomy) - 1})] if roomy else []


def _groups(case: emulated.Case, core: Core) -> int:
    """Into how many groups the filters of the only node are divided."""
    (node,) = case.model.graph.nodes
    kernel = operator_of(node).kernel(node, core.with_scratch_limit(case.scratch_limits[0]))
    assert isinstance(kernel, LinearKernel)
    return -(-node.output.channels // kernel.stretch(node))


def test_widened_filters_and_bands_equal_tflm(board: Board, tmp_path: Path) -> None:
    core = board.processor.with_flash_limit(UNLIMITED_FLASH)
    cases = [case for name, s in _FAST_STRATEGIES.items() for case in drawn(s, name, _CASES)]
    taken = Counter(k for case in cases for k in kernels(case, core))
    assert all(taken[name] >= 5 for name in _WIDE), taken
    drivers = Counter(_driver(case, core) for case in cases)
    assert all(drivers[name] >= least for name, least in _DRIVERS.items()), drivers
    emulated.check(cases, board, tmp_path, flash_limit=UNLIMITED_FLASH)


@pytest.mark.parametrize("strategy", ("plain", "rows", "blocks"))
def test_unrolled_kernels_equal_tflm(strategy: str, board: Board, tmp_path: Path) -> None:
    core = board.processor.with_large_code(large_code_files())
    count = _CASES // (2 if strategy == "plain" else 3)
    cases = [case for name, s in _UNROLLED_STRATEGIES.items() for case in drawn(s, name, count)]
    taken = Counter(k for case in cases for k in kernels(case, core))
    assert all(taken[name] >= 5 for name in _UNROLLED), taken
    drivers = Counter(_driver(case, core) for case in cases)
    assert drivers["ta_conv_2d_s8_joined_dsp_rows"] >= 5, drivers
    emulated.check(cases, board, tmp_path, strategy, large_code=core.large_code)


def _driver(case: emulated.Case, core: Core) -> str | None:
    """The function that makes several rows, of the only node."""
    (node,) = case.model.graph.nodes
    kernel = operator_of(node).kernel(node, core)
    return kernel.row_pairs(node) if isinstance(kernel, LinearKernel) else None


def test_kernels_with_little_scratch_equal_tflm(board: Board, tmp_path: Path) -> None:
    cases = [
        replace(case, scratch_limits={0: _least(case.model.graph, board)})
        for name in ("conv", "columns", "apart", "pairs", "words")
        for case in _small(name)
    ]
    taken = Counter(k for case in cases for k in kernels(case, board.processor))
    assert all(taken[name] >= 5 for name in _SMALL), taken
    emulated.check(cases, board, tmp_path, strategy="rows")


@pytest.mark.parametrize("strategy", ("plain", "rows", "blocks"))
def test_widened_taps_equal_tflm(strategy: str, board: Board, tmp_path: Path) -> None:
    core = board.processor.with_flash_limit(UNLIMITED_FLASH)
    cases = [
        replace(case, scratch_limits={0: _least(case.model.graph, board)})
        for name, s in _TAPS_STRATEGIES.items()
        for case in drawn(s, f"{strategy}_{name}", _CASES // 3)
    ]
    taken = Counter(k for case in cases for k in kernels(case, core))
    assert taken[_WIDE_TAPS] >= 5, taken
    emulated.check(cases, board, tmp_path, strategy, UNLIMITED_FLASH)


@pytest.mark.parametrize(("kernel", "flash_limit"), _SINGLE.items())
def test_single_pixels_equal_tflm(
    kernel: str, flash_limit: int, board: Board, tmp_path: Path
) -> None:
    core = board.processor.with_flash_limit(flash_limit)
    cases = [
        replace(case, scratch_limits={0: limit})
        for case in drawn(_STRATEGIES["columns"], "single_columns", _CASES)
        for limit in _limits(case.model.graph, core, kernel)
    ]
    taken = Counter(k for case in cases for k in kernels(case, core))
    assert taken[kernel] >= 5, taken
    emulated.check(cases, board, tmp_path, strategy="rows", flash_limit=flash_limit)


@functools.cache
def _row_tiles() -> list[emulated.Case]:
    return drawn(_ROW_TILES_STRATEGY, "row_tiles", _CASES)


def _renamed(case: emulated.Case, limit: int) -> Model:
    """Its model by a name of its own."""
    graph = case.model.graph
    return replace(case.model, graph=replace(graph, name=f"{graph.name}_{limit}"))


def _small(name: str) -> list[emulated.Case]:
    return drawn(_STRATEGIES[name], f"small_{name}", _CASES)


def _limits(graph: Graph, core: Core, function: str) -> list[int]:
    """Scratch of the kernel, if it takes the only node."""
    (node,) = graph.nodes
    found = operator_of(node).applying(node, core)
    return [k.scratch_bytes(node, core) for k in found if k.function == function]


def _least(graph: Graph, board: Board) -> int:
    """The least scratch of the only node."""
    (node,) = graph.nodes
    return operator_of(node).least_scratch(node, board.processor)
