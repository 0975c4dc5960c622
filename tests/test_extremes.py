"""Kernels of linear operators at the ends of what their numbers can be, on emulated cores.

The channels of a layer go through all shifts, from multipliers far above 1 to those that leave
nothing, with accumulators around the outputs' ends and filters of one kind each. All memory
around the tensors has to stay as it was; see ``emulated.check_apart``.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.support import canaries, emulated
from tests.support.builder import ModelBuilder
from tests.support.draw import AnyArray
from tests.support.emulated import Case
from tests.test_cores import (
    BOARDS,
    SPACIOUS_BOARD,
    board_with_tools,
    cases,
    cores,
    kernels,
    roomy,
    spacious,
    with_other_scratch,
)
from tinyaiot import pipeline
from tinyaiot.boards import board_by_id
from tinyaiot.codegen.model import model_sources
from tinyaiot.cores import UNLIMITED_FLASH, Core
from tinyaiot.fixed_point import INT32_MAX, Multiplier
from tinyaiot.frontends import Model, tflite
from tinyaiot.graph import Graph
from tinyaiot.operators import operators
from tinyaiot.plan import Plan

_LINEAR = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
# With weights' scales of 1 − 2⁻¹⁷, products round up to a power of two: 2³¹ is no mantissa.
_IN_SCALE = 1 + 2.0**-17
_MANTISSAS = (0.5, 1 - 2.0**-17, 1 - 2.0**-24, 0.7071)
_ZERO_POINTS = ((-128, 127), (127, -128), (0, -1))
_OUTPUTS = (-128.5, 126.5, 0.5, -0.5, 60.5)
_KINDS = ("highest", "lowest", "alternating", "any", "one tap", "no tap")


@dataclass(frozen=True)
class Regime:
    """What a layer's channels go through.

    Attributes:
        right_shifts: of the multipliers; below 0, they shift left.
        most: accumulators are less than this.
    """

    name: str
    right_shifts: range
    most: int


# The widest first. Kernels want int32 to hold an accumulator, twice it, or 256 times it.
_REGIMES = (
    Regime("whole", range(-29, 40), INT32_MAX - 256),
    Regime("half", range(1, 23), (1 << 30) - 1),
    Regime("short", range(1, 23), (1 << 23) - 512),
    # What is proved to be a floor of a linear function, most of it and all.
    Regime("floors", range(4, 16), (1 << 23) - 512),
    Regime("few_floors", range(11, 16), (1 << 23) - 512),
)


@dataclass(frozen=True)
class Layer:
    """A layer's shape; its output channels follow from the regime.

    Attributes:
        window: height and width of the kernel; taps of a FULLY_CONNECTED.
        channels: of the input; 0 where there are as many as of the output.
        beyond_fours: by how many output channels are more than a multiple of four.
    """

    op: str
    window: tuple[int, int]
    channels: int
    stride: int = 1
    beyond_fours: int = 0


_LAYERS = (
    Layer("CONV_2D", (1, 1), 8),
    Layer("CONV_2D", (1, 1), 8, beyond_fours=2),
    Layer("CONV_2D", (1, 1), 5),
    Layer("CONV_2D", (3, 3), 4),
    Layer("CONV_2D", (3, 3), 8),
    Layer("CONV_2D", (3, 3), 16),
    Layer("CONV_2D", (3, 3), 3, stride=2),
    Layer("CONV_2D", (2, 3), 1),
    Layer("CONV_2D", (3, 4), 1),
    Layer("DEPTHWISE_CONV_2D", (3, 3), 0),
    Layer("DEPTHWISE_CONV_2D", (3, 3), 0, stride=2),
    Layer("DEPTHWISE_CONV_2D", (5, 2), 0),
    Layer("DEPTHWISE_CONV_2D", (7, 6), 0),
    Layer("DEPTHWISE_CONV_2D", (3, 3), 1),
    Layer("DEPTHWISE_CONV_2D", (2, 2), 2),
    Layer("FULLY_CONNECTED", (1, 32), 0),
    Layer("FULLY_CONNECTED", (1, 32), 0, beyond_fours=2),
    Layer("FULLY_CONNECTED", (1, 9), 0),
)
_INPUT_SIZE = (6, 8)


def filter_of(kind: str, taps: int, rng: np.random.Generator) -> AnyArray:
    """int8 [taps], of one of ``_KINDS``."""
    number = np.arange(taps)
    filters: dict[str, AnyArray] = {
        "highest": np.full(taps, 127),
        "lowest": np.full(taps, -127),
        "alternating": np.where(number % 2, -127, 127),
        "any": rng.integers(-127, 128, taps),
        "one tap": number == taps - 1,
        "no tap": np.zeros(taps),
    }
    values: AnyArray = filters[kind].astype(np.int8)
    return values


def extreme_linear(layer: Layer, regime: Regime, zero_points: tuple[int, int], name: str) -> Case:
    """The layer with one channel, or a few, for each shift of the regime."""
    rng = np.random.default_rng(len(name))
    depthwise = layer.op == "DEPTHWISE_CONV_2D"
    taps = layer.window[0] * layer.window[1] * (1 if depthwise else max(layer.channels, 1))
    rows = list(_channels(regime, taps, zero_points[0], rng))
    rows += rows[: (layer.beyond_fours - len(rows)) % 4]
    weights = np.array([row[0] for row in rows])
    scales = [row[2] for row in rows]
    shape: tuple[int, ...] = (1, *_INPUT_SIZE, layer.channels or len(rows))
    out_shape: tuple[int, ...] = (1, *(-(-n // layer.stride) for n in _INPUT_SIZE), len(rows))
    filters = weights.reshape(len(rows), *layer.window, -1)
    if layer.op == "FULLY_CONNECTED":
        shape, out_shape, filters = (2, taps), (2, len(rows)), weights
    elif depthwise:
        filters = weights.T.reshape(1, *layer.window, len(rows))
    b = ModelBuilder("m")
    x = b.input(shape, _IN_SCALE, zero_points[0])
    w = b.constant(filters, scales, axis=3 if depthwise else 0)
    bias = b.constant(np.array([row[1] for row in rows], np.int32), scales)
    y = b.tensor(out_shape, 1.0, zero_points[1])
    options = {}
    if layer.op != "FULLY_CONNECTED":
        options = {"strideH": layer.stride, "strideW": layer.stride}
    if depthwise:
        options["depthMultiplier"] = len(rows) // shape[3]
    b.op(layer.op, [x, w, bias], [y], **options)
    data = b.build([y])
    return Case(Model(tflite.read(data, name), data), [extreme_input(shape, rng)])


def _channels(
    regime: Regime, taps: int, zero_point: int, rng: np.random.Generator
) -> Iterator[tuple[AnyArray, int, float]]:
    """Filter, bias and scale of each channel."""
    for number, shift in enumerate(regime.right_shifts):
        scale = float(np.float32(_MANTISSAS[number % len(_MANTISSAS)] * 2.0**-shift))
        multiplier = Multiplier.of(_IN_SCALE * scale)
        most = regime.most >> max(multiplier.shift, 0)
        for repeat in range(2):
            kinds = (_KINDS[(number + 3 * repeat) % len(_KINDS)], "one tap", "no tap")
            filters = (filter_of(kind, taps, rng) for kind in kinds)
            weights = next(w for w in filters if _reach(w, zero_point) < most)
            room = most - _reach(weights, zero_point) - 1
            # Where an output changes; where the accumulator cannot get there, as near as it can.
            bias = round(_OUTPUTS[(number + repeat) % len(_OUTPUTS)] / (_IN_SCALE * scale))
            yield weights, int(np.clip(bias, -room, room)), scale


def _reach(weights: AnyArray, zero_point: int) -> int:
    """How far from 0 inputs get the sum of products."""
    return int(np.abs(weights.astype(np.int64)).sum()) * max(128 + zero_point, 127 - zero_point)


def extreme_input(shape: tuple[int, ...], rng: np.random.Generator) -> AnyArray:
    """Areas of the least and of the greatest value alone, of both, and of any."""
    values = rng.integers(-128, 128, shape).astype(np.int8)
    ends = rng.choice((-128, 127), shape).astype(np.int8)
    if len(shape) == 2:
        values[0] = 127
        values[1] = ends[1]
        return values
    values[:, :3, :4] = -128
    values[:, :3, 4:] = 127
    values[:, 3:, 4:] = ends[:, 3:, 4:]
    return values


@functools.cache
def extremes() -> tuple[tuple[str, Case], ...]:
    """Each layer under each regime and pair of zero points, and the regime's name."""
    found = []
    for layer, regime, (number, zeros) in itertools.product(
        _LAYERS, _REGIMES, enumerate(_ZERO_POINTS)
    ):
        shape = f"{layer.window[0]}x{layer.window[1]}_{layer.channels}_{layer.stride}"
        op = f"{layer.op.lower()}{layer.beyond_fours or ''}"
        name = f"{op}_{shape}_{regime.name}_{number}"
        found.append((regime.name, extreme_linear(layer, regime, zeros, name)))
    return tuple(found)


def chosen(core: Core, thorough: bool = False) -> list[Case]:
    """Of the extremes, also with less scratch, those under which each kernel is run once, under
    the widest regime that it takes.

    Args:
        thorough: under each regime that it takes and with each pair of zero points.
    """
    seen: set[tuple[str, str]] = set()
    found = []
    for regime, case in extremes():
        for variant in (case, *with_other_scratch(case, core)):
            graph = variant.model.graph
            zeros = str((graph.inputs[0].zero_point, graph.outputs[0].zero_point))
            whats = (regime, zeros) if thorough else ("",)
            new = {(name, what) for name in kernels(variant, core) for what in whats}
            if not new <= seen:
                seen |= new
                found.append(variant)
    return found


def ops_of(case: Case) -> set[str]:
    """The operators of its graph."""
    return {node.op for node in case.model.graph.nodes}


def of_each_operator(core: Core) -> list[Case]:
    """The first drawn cases with each of the operators that are not linear."""
    seen = set(_LINEAR)
    found = []
    for case in cases(core):
        ops = ops_of(case)
        if not ops <= seen:
            seen |= ops
            found.append(case)
    return found


@pytest.mark.parametrize("board_id", BOARDS)
def test_a_model_of_one_layer_has_all_headers(board_id: str) -> None:
    board = board_by_id(board_id)
    for case in chosen(board.processor):
        plan = case.planned(board.processor, pipeline.memories(board), None)
        sources = model_sources(case.model.graph, plan, board.processor, "m")
        files = {Path(path).name: content.decode() for path, content in sources.files.items()}
        pending = {name for name in files if name.endswith(".c")}
        read: set[str] = set()
        while pending:
            read.add(name := pending.pop())
            assert name in files, f"{case.model.name} lacks {name}"
            pending |= {*re.findall(r'^#include "(.+)"', files[name], re.MULTILINE)} - read


@pytest.mark.parametrize("board_id", BOARDS)
def test_kernels_keep_to_their_tensors_at_extremes(board_id: str, tmp_path: Path) -> None:
    board = board_with_tools(board_id)
    some = chosen(board.processor)
    assert emulated.check_apart(some, board, tmp_path) == some


def test_a_byte_between_tensors_that_changes_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = board_with_tools(SPACIOUS_BOARD)
    some = chosen(board.processor)[:1]
    spread = canaries.spread

    def too_wide(graph: Graph, plan: Plan) -> tuple[Plan, canaries.Gaps]:
        """Takes the last byte of everything for part of the gap behind it."""
        plan, gaps = spread(graph, plan)
        return plan, {
            memory: [(max(start - 1, 0), stop) for start, stop in ranges]
            for memory, ranges in gaps.items()
        }

    monkeypatch.setattr(canaries, "spread", too_wide)
    with pytest.raises(AssertionError, match="of gap"):
        emulated.check_apart(some, board, tmp_path)


def test_every_kernel_is_among_the_extremes() -> None:
    table = operators()
    every = {kernel.function for op in _LINEAR for kernel in table[op].kernels}
    run = {name for core in cores() for case in chosen(core) for name in kernels(case, core)}
    assert run == every


def test_kernels_with_flash_to_spare_do(tmp_path: Path) -> None:
    board = board_with_tools(SPACIOUS_BOARD)
    usual = {name for case in chosen(board.processor) for name in kernels(case, board.processor)}
    core = spacious(board)
    some = [case for case in chosen(core) if not usual >= {*kernels(case, core)}]
    assert some
    assert emulated.check_apart(some, board, tmp_path, UNLIMITED_FLASH) == some


def test_kernels_of_larger_code_do(tmp_path: Path) -> None:
    board = board_with_tools(SPACIOUS_BOARD)
    usual = {name for case in chosen(board.processor) for name in kernels(case, board.processor)}
    core = roomy(board)
    some = [case for case in chosen(core) if not usual >= {*kernels(case, core)}]
    assert some
    assert emulated.check_apart(some, board, tmp_path, large_code=core.large_code) == some


def test_other_operators_keep_to_their_tensors(tmp_path: Path) -> None:
    board = board_with_tools(SPACIOUS_BOARD)
    some = of_each_operator(board.processor)
    assert emulated.check_apart(some, board, tmp_path) == some


@pytest.mark.slow
@pytest.mark.parametrize("board_id", BOARDS)
def test_drawn_models_keep_to_their_tensors(board_id: str, tmp_path: Path) -> None:
    board = board_with_tools(board_id)
    core = board.processor
    run = emulated.check_apart(cases(core), board, tmp_path)
    # The smallest board does not hold a few of the mixtures so.
    for names in (lambda case: kernels(case, core), ops_of):
        everything = {name for case in cases(core) for name in names(case)}
        assert {name for case in run for name in names(case)} == everything


@pytest.mark.slow
@pytest.mark.parametrize("board_id", BOARDS)
def test_kernels_do_under_all_regimes(board_id: str, tmp_path: Path) -> None:
    board = board_with_tools(board_id)
    some = chosen(board.processor, thorough=True)
    assert emulated.check_apart(some, board, tmp_path) == some


@pytest.mark.slow
def test_kernels_with_flash_to_spare_do_under_all_regimes(tmp_path: Path) -> None:
    board = board_with_tools(SPACIOUS_BOARD)
    some = chosen(spacious(board), thorough=True)
    assert emulated.check_apart(some, board, tmp_path, UNLIMITED_FLASH) == some


@pytest.mark.slow
def test_kernels_of_larger_code_do_under_all_regimes(tmp_path: Path) -> None:
    board = board_with_tools(SPACIOUS_BOARD)
    core = roomy(board)
    some = chosen(core, thorough=True)
    assert emulated.check_apart(some, board, tmp_path, large_code=core.large_code) == some
