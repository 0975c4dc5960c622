"""The transcript in README.md is what the commands print today, but for the digits in it."""

from __future__ import annotations

import re

import pytest

from scripts import update_readme as script


@pytest.mark.parametrize("name", ["demo", "boards"])
def test_transcript_is_current(name: str) -> None:
    readme = script.README.read_text(encoding="utf-8")
    assert shape(script.block(readme, name)) == shape(getattr(script, name)())


def shape(text: str) -> list[str]:
    """Lines without what differs from machine to machine: numbers, and the spaces for them."""
    return [re.sub(r"[\d,.]+", "#", " ".join(line.split())) for line in text.strip().splitlines()]
