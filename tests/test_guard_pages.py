"""Operators on the host with protected pages around all that they may read and write.

Every operator and every portable kernel, in drawn shapes, whole and streamed: what touches a byte
beside tensors, constants or scratch ends the program, which tells beside which. What they make is
compared with TFLM's.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support import differential, graphs, guards
from tests.support.builder import ModelBuilder
from tests.support.emulated import Case
from tests.test_cores import (
    binary,
    convolution_of_variety,
    dequantize_uint8,
    drawn,
    kernels,
    models_of,
    single,
    with_other_scratch,
)
from tests.test_operators_conv import convolution, fully_connected
from tinyaiot import oracle
from tinyaiot.codegen.model import model_sources
from tinyaiot.frontends import Model, tflite
from tinyaiot.operators import operators
from tinyaiot.plan import Memory, Plan

_AMPLE = (Memory("ram", 1 << 28),)
_OPERATORS_A_MODEL = 7
_EXAMPLES = 12
_CASES_A_STRATEGY = 3
_STRATEGIES = (None, "rows", "pixels")
_SINGLE = (
    convolution_of_variety("CONV_2D"),
    convolution_of_variety("DEPTHWISE_CONV_2D"),
    single(convolution("CONV_2D")),
    single(convolution("DEPTHWISE_CONV_2D")),
    single(fully_connected()),
    single(dequantize_uint8()),
    binary(),
    models_of(("QUANTIZE",)),
)


@functools.cache
def cases() -> tuple[Case, ...]:
    """A model with each operator, and some of each of those with several kernels; with the kernels
    that less scratch brings."""
    ops = tuple(graphs.DRAWERS)
    chunks = [ops[k : k + _OPERATORS_A_MODEL] for k in range(0, len(ops), _OPERATORS_A_MODEL)]
    found = [drawn(models_of(chunk), f"guarded{k}", 3)[0] for k, chunk in enumerate(chunks)]
    seen = {name for case in found for name in kernels(case, differential.HOST)}
    for k, strategy in enumerate(_SINGLE):
        some = [case for case in drawn(strategy, f"alone{k}", _EXAMPLES) if _can_be_asked(case)]
        found += some[:_CASES_A_STRATEGY]
        less = (tight for case in some for tight in with_other_scratch(case, differential.HOST))
        for case in (*some, *less):
            names = {*kernels(case, differential.HOST)}
            if not names <= seen:
                seen |= names
                found.append(case)
    return tuple(found)


def _can_be_asked(case: Case) -> bool:
    """TFLM's interpreter for Python sets no input without dimensions."""
    return all(tensor.shape for tensor in case.model.graph.inputs)


def run_guarded(
    case: Case,
    plan: Plan,
    side: guards.Side,
    folder: Path,
    kernel: str = "",
    change: tuple[str, str] = ("", ""),
) -> None:
    """Asserts that the model makes TFLM's tensors and touches nothing else.

    Args:
        change: in the C of ``kernel``, what stands in place of what.
    """
    graph = case.model.graph
    plan, taken = guards.apart(graph, plan, side)
    sources = model_sources(graph, plan, differential.HOST, "m")
    if kernel:
        path = f"kernels/{kernel}.c"
        text = sources.files[path].decode()
        assert change[0] in text
        files = {**sources.files, path: text.replace(*change).encode()}
        sources = replace(sources, files=files)
    executable = guards.compile_guarded(sources, taken, side, folder)
    records = differential.records_of(executable, graph, case.inputs)
    reference = oracle.run(case.model.data, graph, case.inputs)
    differential.check_records(graph, reference, plan, records)


def planned(case: Case, strategy: str | None = None) -> Plan:
    return case.planned(differential.HOST, _AMPLE, strategy)


@pytest.mark.parametrize("side", guards.Side)
def test_nothing_is_touched_beside_tensors(side: guards.Side, tmp_path: Path) -> None:
    for k, case in enumerate(cases()):
        plan = planned(case, _STRATEGIES[k % len(_STRATEGIES)])
        run_guarded(case, plan, side, tmp_path / str(k))


def test_every_operator_and_portable_kernel_is_guarded() -> None:
    ops = {node.op for case in cases() for node in case.model.graph.nodes}
    portable = {
        kernel.function
        for operator in operators().values()
        for kernel in operator.kernels
        if kernel.function.endswith("_c")
    }
    assert ops >= set(operators())
    assert {name for case in cases() for name in kernels(case, differential.HOST)} == portable


def tanh() -> Case:
    """One layer of one kernel, and a table of constants; tensor 0 is the output."""
    shape = (1, 3, 5, 2)
    b = ModelBuilder("m")
    y = b.tensor(shape, 1 / 128)
    b.op("TANH", [b.input(shape, 0.1)], [y])
    data = b.build([y])
    return Case(
        Model(tflite.read(data, "tanh"), data), [np.arange(30).astype(np.int8).reshape(shape)]
    )


_LOOK_UP = "out[k] = table[(uint8_t)in[k]]"


@pytest.mark.parametrize(
    ("changed", "side", "told"),
    [
        pytest.param(
            "out[k] = table[(uint8_t)in[k + 1]]",
            guards.Side.BEHIND,
            "tensor 1: byte 0 behind its end",
            id="read behind",
        ),
        pytest.param(
            "out[k] = table[(uint8_t)in[k - 1]]",
            guards.Side.BEFORE,
            "tensor 1: byte 1 before its start",
            id="read before",
        ),
        pytest.param(
            "out[k + 2] = table[(uint8_t)in[k]]",
            guards.Side.BEHIND,
            "tensor 0: byte 0 behind its end",
            id="write behind",
        ),
        pytest.param(
            "out[k - 1] = table[(uint8_t)in[k]]",
            guards.Side.BEFORE,
            "tensor 0: byte 1 before its start",
            id="write before",
        ),
        pytest.param(
            "out[k] = table[256 + (uint8_t)in[k]]",
            guards.Side.BEHIND,
            "m_l00_table: byte 0 behind its end",
            id="constants behind",
        ),
        pytest.param(
            "out[k] = table[(uint8_t)in[k] - 1]",
            guards.Side.BEFORE,
            "m_l00_table: byte 1 before its start",
            id="constants before",
        ),
    ],
)
def test_a_byte_touched_beside_a_tensor_is_found(
    changed: str, side: guards.Side, told: str, tmp_path: Path
) -> None:
    case = tanh()
    run_guarded(case, planned(case), side, tmp_path / "good")
    with pytest.raises(AssertionError, match=told):
        run_guarded(case, planned(case), side, tmp_path, "ta_lookup_s8_c", (_LOOK_UP, changed))


def test_a_byte_too_little_scratch_is_found(tmp_path: Path) -> None:
    plans = ((case, planned(case)) for case in cases())
    case, plan = next((case, plan) for case, plan in plans if plan.scratch)
    node, scratch = next(iter(plan.scratch.items()))
    less = replace(scratch, size_bytes=scratch.size_bytes - 1)
    small = replace(plan, scratch={**plan.scratch, node: less})
    with pytest.raises(AssertionError, match=f"scratch of layer {node}: byte 0 behind its end"):
        run_guarded(case, small, guards.Side.BEHIND, tmp_path)
