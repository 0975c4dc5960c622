"""Every operator and every kernel on the kinds of core that take it, as QEMU emulates them.

All tensors are compared with TFLM's. Models are drawn, the same ones every time.
"""

from __future__ import annotations

import contextlib
import functools
import random
import shutil
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from tests import test_operators_elementwise as elementwise
from tests.support import emulated, graphs
from tests.support.builder import ModelBuilder
from tests.support.draw import AnyArray, activations, int8_values, seeds, zero_points
from tests.test_operators_conv import convolution, fully_connected
from tests.test_operators_pool import pool
from tinyaiot.boards import Board, board_by_id
from tinyaiot.cores import UNLIMITED_FLASH, Core, core_by_id
from tinyaiot.errors import UnsupportedModelError
from tinyaiot.frontends import Model, tflite
from tinyaiot.operators import large_code_files, operator_of, operators
from tinyaiot.operators.base import PORTABLE, REFERENCE

BOARDS = ("microbit", "mps2-an385", "mps2-an386", "mps3-an547", "hifive1")
SPACIOUS_BOARD = "mps2-an386"
_ROUNDS = 4
_OPERATORS_A_MODEL = 7
# So that small boards hold many models at once.
_MAX_ELEMENTS = 300
_TRIES = 5
# How many models are drawn for one that is run, or for a few.
_EXAMPLES = 12
_FURTHER_EXAMPLES = 40
_CASES_A_STRATEGY = 3
_CASES_A_KERNEL = 4
_CHANNELS = st.sampled_from((1, 3, 4, 7, 8, 16, 20, 32))
_BINARY = ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "PRELU")


@st.composite
def models_of(draw: st.DrawFn, ops: tuple[str, ...]) -> graphs.DrawnModel:
    """A model with each of the operators."""
    d = graphs.Drawing(draw)
    for op in ops:
        before = len(d.steps)
        for _ in range(_TRIES):
            x = d.choose(lambda a: a.size <= _MAX_ELEMENTS) or d.input()
            graphs.DRAWERS[op](d, op, x)
            if len(d.steps) > before:
                break
            d.input()
        assume(any(step.startswith(op) for step in d.steps[before:]))
    return d.finish()


def single(
    strategy: st.SearchStrategy[tuple[bytes, AnyArray]],
) -> st.SearchStrategy[graphs.DrawnModel]:
    """The models of one operator that its own test draws."""
    return strategy.map(lambda case: graphs.DrawnModel(case[0], [case[1]], "one operator"))


@st.composite
def convolution_of_variety(
    draw: st.DrawFn,
    op: str,
    windows: tuple[tuple[int, int], ...] = ((1, 1), (3, 3), (2, 5), (10, 4)),
    strides: tuple[int, ...] = (1, 1, 2),
    sizes: tuple[int, int] = (2, 9),
    channels: st.SearchStrategy[int] = _CHANNELS,
) -> graphs.DrawnModel:
    """A convolution of ordinary values, whose outputs spread over their range."""
    rng = np.random.default_rng(draw(seeds))
    depthwise = op == "DEPTHWISE_CONV_2D"
    kernel = draw(st.sampled_from(windows))
    stride = draw(st.sampled_from(strides))
    shape = (1, draw(st.integers(*sizes)), draw(st.integers(*sizes)), draw(channels))
    out_channels = shape[3] if depthwise else draw(channels)
    filters = (1, *kernel, out_channels) if depthwise else (out_channels, *kernel, shape[3])
    weights = rng.integers(-127, 128, filters).astype(np.int8)
    # Of a sum of products of evenly spread int8.
    spread = 74 * 74 * (weights.size / out_channels) ** 0.5
    scales = (rng.uniform(0.5, 1.5, out_channels) * 40 / spread).astype(np.float32)
    b = ModelBuilder("m")
    x = b.input(shape, 1.0, draw(zero_points))
    bias = rng.integers(-spread, spread, out_channels).astype(np.int32)
    w = b.constant(weights, scales.tolist(), axis=3 if depthwise else 0)
    out_shape = (1, *(-(-n // stride) for n in shape[1:3]), out_channels)
    y = b.tensor(out_shape, 1.0, draw(zero_points))
    options = {"depthMultiplier": 1} if depthwise else {}
    operands = [x, w, b.constant(bias, scales.tolist())]
    b.op(op, operands, [y], strideH=stride, strideW=stride, **options)
    return graphs.DrawnModel(b.build([y]), [int8_values(rng, shape)], op)


@st.composite
def binary(draw: st.DrawFn) -> graphs.DrawnModel:
    """All operators of two operands, which both change."""
    shapes, scales = draw(elementwise.shapes()), draw(elementwise.scales())
    zeros = draw(st.tuples(*[zero_points] * 3))
    data = elementwise.model(_BINARY, shapes, scales, zeros, draw(activations))
    rng = np.random.default_rng(draw(seeds))
    return graphs.DrawnModel(data, [int8_values(rng, shape) for shape in shapes], "binary")


@st.composite
def dequantize_uint8(draw: st.DrawFn) -> tuple[bytes, AnyArray]:
    b = ModelBuilder("m")
    y = b.tensor((1, 256), dtype="float32")
    b.op("DEQUANTIZE", [b.input((1, 256), 0.1, draw(st.integers(0, 255)), "uint8")], [y])
    return b.build([y]), np.arange(256, dtype=np.uint8)[np.newaxis]


_FURTHER = (
    convolution_of_variety("CONV_2D"),
    convolution_of_variety("DEPTHWISE_CONV_2D"),
    single(convolution("CONV_2D")),
    single(convolution("DEPTHWISE_CONV_2D")),
    single(fully_connected()),
    single(dequantize_uint8()),
    binary(),
    graphs.models(),
    convolution_of_variety("CONV_2D", windows=((3, 3),), strides=(1,)),
    convolution_of_variety("DEPTHWISE_CONV_2D", windows=((3, 3), (5, 5), (7, 7)), strides=(1, 2)),
    single(pool("AVERAGE_POOL_2D", (16, 40))),
    single(pool("MAX_POOL_2D", (16, 40))),
    convolution_of_variety("CONV_2D", ((3, 3),), (1,), (7, 9), st.sampled_from((8, 16, 20))),
    convolution_of_variety("CONV_2D", ((2, 2), (5, 2)), (1, 2), (4, 11), st.just(2)),
    convolution_of_variety("CONV_2D", ((3, 3),), (1,), (4, 9), st.just(32)),
)


@functools.cache
def mixtures() -> tuple[emulated.Case, ...]:
    """Each operator is in ``_ROUNDS`` of these at least."""
    found: list[emulated.Case] = []
    for round_ in range(_ROUNDS):
        ops = [*graphs.DRAWERS]
        random.Random(round_).shuffle(ops)
        for first in range(0, len(ops), _OPERATORS_A_MODEL):
            strategy = models_of(tuple(ops[first : first + _OPERATORS_A_MODEL]))
            found.append(max(drawn(strategy, f"mixture{len(found)}", _EXAMPLES), key=variety))
    return tuple(found)


def variety(case: emulated.Case) -> int:
    """How many different values its layers make: outputs that are all alike tell little."""
    graph = case.model.graph
    known = dict(zip(graph.inputs, case.inputs, strict=True))
    total = 0
    for node in graph.nodes:
        operands = [None if t is None else known.get(t, t.data) for t in node.inputs]
        results = operator_of(node).evaluate(node, operands)
        known.update(zip(node.outputs, results, strict=True))
        total += sum(len(np.unique(values)) for values in results)
    return total


@functools.cache
def further() -> tuple[tuple[emulated.Case, ...], ...]:
    """By strategy, those of the greatest variety first."""
    return tuple(
        tuple(sorted(drawn(s, f"further{k}", _FURTHER_EXAMPLES), key=variety, reverse=True))
        for k, s in enumerate(_FURTHER)
    )


def drawn(
    strategy: st.SearchStrategy[graphs.DrawnModel], name: str, count: int
) -> list[emulated.Case]:
    """About ``count`` models that keep all rules, always the same."""
    found: list[emulated.Case] = []
    for k in range(count):
        model = sample(strategy, zlib.crc32(f"{name} {k}".encode()))
        if model is not None:
            with contextlib.suppress(UnsupportedModelError):
                graph = tflite.read(model.data, f"{name}_{k}")
                found.append(emulated.Case(Model(graph, model.data), model.inputs))
    return found


def sample(strategy: st.SearchStrategy[graphs.DrawnModel], number: int) -> graphs.DrawnModel | None:
    """One model, by chance; None where the strategy gives up.

    Hypothesis begins with the least example; from the third on, they resemble those before.
    """
    found: list[graphs.DrawnModel] = []

    @seed(number)
    @settings(
        database=None,
        deadline=None,
        max_examples=2,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(model: graphs.DrawnModel) -> None:
        found.append(model)

    with contextlib.suppress(Unsatisfiable):
        collect()
    return found[-1] if found else None


@functools.cache
def cases(core: Core) -> tuple[emulated.Case, ...]:
    """The mixtures, some of the further, and those whose kernels are rare among them all: as the
    tables of kernels have them, and with other scratch than they have by default."""
    chosen = [*mixtures(), *(case for found in further() for case in found[:_CASES_A_STRATEGY])]
    taken = Counter(name for case in chosen for name in kernels(case, core))
    rest = [case for found in further() for case in found[_CASES_A_STRATEGY:]]
    others = (other for case in rest for other in with_other_scratch(case, core))
    for case in (*rest, *others):
        names = Counter(kernels(case, core))
        if any(taken[name] < _CASES_A_KERNEL for name in names):
            taken.update(names)
            chosen.append(case)
    return tuple(chosen)


def with_other_scratch(case: emulated.Case, core: Core) -> Iterator[emulated.Case]:
    """The case with every other kernel that a limit of scratch brings to one of its nodes."""
    graph = case.model.graph
    for node in graph.nodes:
        operator = operator_of(node)
        sizes = {k.scratch_bytes(node, core) for k in operator.applying(node, core)}
        for limit in sorted(sizes, reverse=True):
            if operator.kernel(node, core.with_scratch_limit(limit)) is operator.kernel(node, core):
                continue
            model = replace(case.model, graph=replace(graph, name=f"{graph.name}_{limit}"))
            yield replace(case, model=model, scratch_limits={node.index: limit})


def kernels(case: emulated.Case, core: Core) -> Iterator[str]:
    """The kernels that the graph's operators choose among several."""
    for node in case.model.graph.nodes:
        operator = operator_of(node)
        if operator.kernels:
            limit = case.scratch_limits.get(node.index)
            yield operator.kernel(node, core.with_scratch_limit(limit)).function


def cores() -> list[Core]:
    """Those of the boards, and two where kernels may take any flash, or any code, to be faster."""
    processors = [board_by_id(board_id).processor for board_id in BOARDS]
    board = board_by_id(SPACIOUS_BOARD)
    return [*processors, spacious(board), roomy(board)]


def spacious(board: Board) -> Core:
    """Its core, where kernels may take any flash."""
    return board.processor.with_flash_limit(UNLIMITED_FLASH)


def roomy(board: Board) -> Core:
    """Its core, where kernels may have any larger code."""
    return board.processor.with_large_code(large_code_files())


def board_with_tools(board_id: str) -> Board:
    """A board whose tools are here."""
    board = board_by_id(board_id)
    assert board.emulator is not None
    for tool in (board.emulator.qemu, board.processor.toolchain + "gcc"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    return board


@pytest.mark.parametrize("board_id", BOARDS)
def test_operators_equal_tflm(board_id: str, tmp_path: Path) -> None:
    board = board_with_tools(board_id)
    emulated.check(cases(board.processor), board, tmp_path)


def test_operators_with_flash_to_spare_equal_tflm(tmp_path: Path) -> None:
    board = board_with_tools(SPACIOUS_BOARD)
    core = spacious(board)
    others = [case for case in cases(core) if _differs(case, core, board.processor)]
    assert others
    emulated.check(others, board, tmp_path, flash_limit=UNLIMITED_FLASH)


def test_operators_of_larger_code_equal_tflm(tmp_path: Path) -> None:
    board = board_with_tools(SPACIOUS_BOARD)
    core = roomy(board)
    others = [case for case in cases(core) if _differs(case, core, board.processor)]
    assert others
    emulated.check(others, board, tmp_path, large_code=core.large_code)


def _differs(case: emulated.Case, a: Core, b: Core) -> bool:
    return [*kernels(case, a)] != [*kernels(case, b)]


def test_every_operator_is_among_the_cases() -> None:
    ops = {node.op for case in mixtures() for node in case.model.graph.nodes}
    assert ops >= set(operators())


def test_every_kernel_is_among_the_cases() -> None:
    all_kernels = {kernel.function for op in operators().values() for kernel in op.kernels}
    run = {name for core in cores() for case in cases(core) for name in kernels(case, core)}
    assert all_kernels - run == set()


@pytest.mark.parametrize("tier", [None, PORTABLE, REFERENCE])
def test_the_least_scratch_is_enough_for_a_kernel(tier: int | None) -> None:
    """Even where all kernels that apply are slower than the planner would have."""
    core = core_by_id("host")
    for found in further():
        for node in (node for case in found for node in case.model.graph.nodes):
            operator = operator_of(node)
            if operator.kernels:
                least = operator.least_scratch(node, core, tier)
                kernel = operator.kernel(node, core.with_scratch_limit(least))
                assert kernel.scratch_bytes(node, core) == least
