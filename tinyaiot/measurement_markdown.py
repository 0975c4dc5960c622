"""A measurement as a summary in Markdown, as the summary pages of CI show it."""

from __future__ import annotations

from collections.abc import Iterator

from tinyaiot.documents import Document
from tinyaiot.markdown import markdown_table
from tinyaiot.summary import format_shape


def measurement_markdown(document: Document) -> list[str]:
    """The lines of it.

    Args:
        document: what ``tinyaiot measure --json`` gives.
    """
    exact = "equal to TFLM's, bit for bit" if document["bit_exact"] else "not TFLM's"
    return [
        f"### {document['model']} on {document['board']}",
        "",
        f"Outputs: {exact} ({document['reference']}).",
        "",
        *markdown_table(["one inference", "#"], list(_totals(document))),
        "",
        f"<details><summary>{len(document['layers'])} layers</summary>",
        "",
        *_layers(document),
        "",
        "</details>",
    ]


def _totals(document: Document) -> Iterator[list[str]]:
    if document["counter"] is not None:
        yield [document["counter"], _number(document["count"])]
    if document["latency_us"] is not None:
        yield ["microseconds", _number(document["latency_us"])]
    yield ["multiply-accumulates", _number(document["macs"])]
    yield ["arena, bytes", _number(document["arena_bytes"])]
    yield ["RAM, bytes: .data and .bss, the arena included", _number(document["ram_bytes"])]
    yield ["stack, bytes at most", _number(document["stack_bytes"])]
    yield ["flash, bytes", _number(document["flash_bytes"])]
    yield ["of it weights and biases", _number(document["weights_bytes"])]
    samples = document.get("samples")
    if samples is not None and samples["board_correct"] is not None:
        right = f"{samples['board_correct']} of {samples['count']}"
        yield ["samples classified rightly", right]


def _layers(document: Document) -> list[str]:
    counter = document["counter"]
    counted = [] if counter is None else [f"#{counter}"]
    headings = ["#", "operator", "output", "#MACs", *counted, "#live RAM"]
    rows = [
        [
            f"{layer['index']}",
            layer["op"],
            format_shape(tuple(layer["shape"])),
            _number(layer["macs"]),
            *([_number(layer["count"])] if counted else []),
            _number(layer["live_bytes"]),
        ]
        for layer in document["layers"]
    ]
    return markdown_table(headings, rows)


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
