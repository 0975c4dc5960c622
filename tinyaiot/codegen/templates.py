"""Rendering of the package's Jinja templates: strict, and with Unix line ends everywhere."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tinyaiot.paths import data_dir

# Slow to import, and not needed before something is written.
if TYPE_CHECKING:
    import jinja2


@functools.cache
def _environment() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(data_dir("templates")),
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape([".html.j2"], default=False),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        newline_sequence="\n",
    )


def render(template: str, context: Mapping[str, Any]) -> bytes:
    """The template of that name under ``templates``, filled in."""
    return _environment().get_template(template).render(context).encode("utf-8")
