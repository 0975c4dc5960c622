"""Constant arrays that several nodes have in common: strips of one layer have the same weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from tinyaiot.csource import Array, Lowered, Ref, Value

_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")


def share_arrays(lowered: Mapping[int, Lowered]) -> tuple[dict[int, Lowered], list[Array]]:
    """Names equal arrays of several nodes by the first of them.

    Returns:
        the nodes, whose calls name arrays that there are, and these, each once.
    """
    kept: dict[tuple[object, ...], Array] = {}
    names: dict[str, str] = {}
    for array in (array for node in lowered.values() for array in node.arrays):
        names[array.name] = kept.setdefault(_content(array), array).name
    renamed = {index: _rename(node, names) for index, node in lowered.items()}
    return renamed, list(kept.values())


def _content(array: Array) -> tuple[object, ...]:
    inlaid = tuple(sorted((role.value, nbytes) for role, nbytes in array.inlaid.items()))
    data = array.data
    return (data.dtype.str, data.size, data.tobytes(), array.role, array.alignment, inlaid)


def _rename(node: Lowered, names: Mapping[str, str]) -> Lowered:
    def renamed(value: Value) -> Value:
        if isinstance(value, Ref):
            return Ref(_IDENTIFIER.sub(lambda name: names.get(name[0], name[0]), value.text))
        if isinstance(value, Mapping):
            return {key: renamed(part) for key, part in value.items()}
        return value

    calls = tuple(
        replace(call, fields={key: renamed(value) for key, value in call.fields.items()})
        for call in node.calls
    )
    return replace(node, calls=calls)
