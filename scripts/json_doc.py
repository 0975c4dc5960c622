"""Prints docs/json.md: what --json writes, key by key, from the schemas themselves."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from tinyaiot.markdown import markdown_table
from tinyaiot.schemas import schema_names, schema_text

Schema = dict[str, Any]

# Told once, above all.
_EVERYWHERE = ("schema", "schema_version")

_HEAD = """\
# JSON

Written by `make docs` from the schemas in `tinyaiot/schemas`: edit those, not this page.

What prints numbers writes them with `--json FILE` too. Every document names its schema and the
version of it: `schema` and `schema_version`. The version grows where a key goes or changes its
meaning; new keys may come without. `tinyaiot schema NAME` prints a schema (JSON Schema, draft
2020-12) for programs that validate; all sizes are bytes.
"""


def page() -> Iterator[str]:
    """The lines of the page."""
    yield from _HEAD.splitlines()
    for name in schema_names():
        schema = json.loads(schema_text(name))
        version = schema["properties"]["schema_version"]["const"]
        yield from ("", f"## {name}", "", f"{schema['title']}; version {version}.")
        yield from (schema["description"], "", *_keys(schema))
        for part, content in schema.get("$defs", {}).items():
            yield from ("", f"### {name}: {part}", "")
            if "description" in content:
                yield from (content["description"], "")
            yield from _keys(content)


def _keys(schema: Schema, prefix: str = "") -> list[str]:
    return markdown_table(["key", "type", "meaning"], list(_rows(schema, prefix)))


def _rows(schema: Schema, prefix: str) -> Iterator[list[str]]:
    for key, value in schema["properties"].items():
        if key in _EVERYWHERE:
            continue
        optional = "" if key in schema["required"] else ", optional"
        meaning = value.get("description", "")
        yield [f"`{prefix}{key}`", _type(value) + optional, meaning]
        if "properties" in value:
            yield from _rows(value, f"{prefix}{key}.")


def _type(value: Schema) -> str:
    """As a person would say it."""
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    if "enum" in value:
        return " or ".join(f"`{json.dumps(choice)}`" for choice in value["enum"])
    if "$ref" in value:
        return value["$ref"].removeprefix("#/$defs/").removesuffix(".json")
    if "anyOf" in value:
        return " or ".join(_type(choice) for choice in value["anyOf"])
    types = value["type"] if isinstance(value["type"], list) else [value["type"]]
    return " or ".join(_named(kind, value) for kind in types)


def _named(kind: str, value: Schema) -> str:
    if kind == "array":
        return f"list of {_type(value['items'])}"
    if kind == "object" and "additionalProperties" in value and "properties" not in value:
        return f"{_type(value['additionalProperties'])} by name"
    return kind


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.writelines(f"{line}\n" for line in page())
