"""Prints docs/operators.md: the supported operators and their rules, from the rules themselves."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from tinyaiot.operators import check, operators
from tinyaiot.operators.base import Operator

_HEAD = """\
# Supported operators

Written by `make docs` from the rules in `tinyaiot/operators`: edit those, not this page. A model
that breaks a rule is refused before anything is generated; all violations are listed at once,
each with its node and the rule as it stands here.
"""


def page() -> Iterator[str]:
    """The lines of the page."""
    yield from _HEAD.splitlines()
    yield from ("", "## Every model", "")
    yield from _rules(check.EVERY_GRAPH)
    yield from ("", "## Every operator", "")
    yield from _rules(check.EVERY_NODE)
    for operator in operators().values():
        yield from ("", f"## {operator.name}", "", _meaning(operator), "")
        yield from _rules(operator.rules)


def _meaning(operator: Operator[Any]) -> str:
    first_paragraph = (inspect.getdoc(type(operator)) or "").split("\n\n")[0]
    return " ".join(first_paragraph.split())


def _rules(rules: Iterable[check.AnyRule]) -> Iterator[str]:
    return (f"- {check.rule_text(rule)} {check.rule_hint(rule)}".rstrip() for rule in rules)


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.writelines(f"{line}\n" for line in page())
