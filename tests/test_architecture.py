"""Holds the one-way architecture: imports run from the command line down, never back."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tinyaiot

PACKAGE = Path(tinyaiot.__file__).parent

# From the bottom up. A module may import modules of its own layer and of those above in this
# list; a package's name stands for all that it holds.
LAYERS = (
    ("tinyaiot", "errors", "paths", "files", "schemas"),
    ("graph", "cores", "csource", "plan", "fixed_point", "requant", "boards", "hardware_map"),
    ("operators",),
    (
        "dead_channels",
        "folding",
        "frontends",
        "planner",
        "oracle",
        "testdata",
        "summary",
        "samples",
        "zoo",
        "quantization",
        "selftest",
        "rescale",
    ),
    ("codegen",),
    (
        "build",
        "pio",
        "loops",
        "costs_dsp",
        "costs_helium",
        "costs_rv32",
        "costs_thumb",
        "costs",
        "calibrations",
        "sizes",
        "predict",
        "instructions",
        "flash_room",
        "code_room",
        "speedups",
    ),
    ("devices",),
    (
        "classify",
        "measure",
        "flash",
        "mlperf",
        "energy",
        "disassembly",
        "cortex_m7",
        "cycles",
        "documents",
        "pipeline",
        "hil",
        "fleet",
        "diff",
        "compare",
        "fit",
        "levers",
        "budgets",
    ),
    (
        "report",
        "report_quantization",
        "quantization_page",
        "report_boards",
        "report_fit",
        "report_predict",
        "report_speedups",
        "report_frontier",
        "report_levers",
        "report_energy",
        "report_cycles",
        "report_map",
        "report_mlperf",
        "fleet_report",
        "diff_report",
        "compare_report",
        "markdown",
        "measurement_markdown",
        "pages",
    ),
    ("commands", "api"),
    ("cli", "__main__", "hil_results", "pytest_plugin"),
)

# Loaded where they are used: each costs seconds, or tens of megabytes, at import.
HEAVY = {
    "ai_edge_litert",
    "ai_edge_quantizer",
    "keras",
    "onnx",
    "platformio",
    "resvg_py",
    "sklearn",
    "tensorflow",
    "tflite_micro",
    "torch",
}

MODULES = sorted(path.relative_to(PACKAGE.parent) for path in PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


OURS = {module_name(path) for path in MODULES} - {"tinyaiot"}


def layer_of(module: str) -> int:
    """The layer of ``tinyaiot.part.…``; raises KeyError for a part that has none."""
    part = module.split(".")[1] if "." in module else module
    for k, layer in enumerate(LAYERS):
        if part in layer:
            return k
    raise KeyError(f"{module} is in no layer: give {part!r} one")


def imports(tree: ast.AST) -> set[str]:
    """Names of all modules that a file imports, anywhere in it; ours are absolute."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            assert node.module is not None
            # `from tinyaiot import planner` names a module, `from tinyaiot.graph import Graph` not.
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (names & OURS) or {node.module}
    return found


def module_level_imports(tree: ast.Module) -> set[str]:
    return set().union(
        *(imports(node) for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom)))
    )


def parsed(path: Path) -> ast.Module:
    return ast.parse((PACKAGE.parent / path).read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_run_one_way(path: Path) -> None:
    own = layer_of(module_name(path))
    for imported in imports(parsed(path)):
        if imported in OURS:
            assert layer_of(imported) <= own, f"{path} must not import {imported}"


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_heavy_libraries_are_imported_where_used(path: Path) -> None:
    roots = {name.split(".")[0] for name in module_level_imports(parsed(path))}
    assert not roots & HEAVY


def test_modules_do_not_import_in_circles() -> None:
    graph = {module_name(path): module_level_imports(parsed(path)) for path in MODULES}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " → ".join((*trail[trail.index(module) :], module))
        if module not in done:
            for imported in graph.get(module, set()) - {"tinyaiot"}:
                visit(imported, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_command_line_loads_nothing_heavy() -> None:
    code = (
        "import sys; from tinyaiot.cli import cli; [cli.get_command(None, name) for name in "
        "cli.list_commands(None)]; print(*{name.split('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not set(loaded) & HEAVY
