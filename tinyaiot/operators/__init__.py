"""The operators that can be deployed, found by walking this package.

Every module here that defines ``OPERATORS`` adds its operators; no list names them.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from types import MappingProxyType
from typing import Any

from tinyaiot.graph import Node
from tinyaiot.operators.base import Operator


@functools.cache
def operators() -> MappingProxyType[str, Operator[Any]]:
    """All operators by TFLite name, in alphabetical order."""
    found: dict[str, Operator[Any]] = {}
    for module_info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{module_info.name}")
        for operator in getattr(module, "OPERATORS", ()):
            found[operator.name] = operator
    return MappingProxyType(dict(sorted(found.items())))


def operator_of(node: Node) -> Operator[Any]:
    """The operator of a node of a checked graph."""
    return operators()[node.op]


def large_code_files() -> frozenset[str]:
    """All files of larger code that kernels have."""
    kernels = (kernel for operator in operators().values() for kernel in operator.kernels)
    return frozenset(file for kernel in kernels for file in kernel.large_code)
