"""Limits of requests, tokens and calls at once: a line of JSON, fields, and words for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.text import Text

from ferrycli.report.layout import MARGIN, Cell, Column, drawn, labelled, table
from ferrycli.store.planning import Limits
from ferrycli.store.reads import KeyRow
from ferrycli.store.reads_limits import LimitRow

SCHEMA = "ferry.limit/1"


def limits_words(limits: LimitRow | Limits | KeyRow | None) -> str:
    """`60 calls a minute, 4 at once`; empty where there is none."""
    if limits is None:
        return ""
    parts = [
        (limits.rpm, "{:,} call{} a minute"),
        (limits.tpm, "{:,} token{} a minute"),
        (limits.parallel_max, "{:,} at once"),
    ]
    return ", ".join(words.format(count, "s"[count == 1 :]) for count, words in parts if count)


def limit_json(limit: LimitRow) -> dict[str, Any]:
    """The object `ferry.limit/1`; null: no limit."""
    return {
        "schema": SCHEMA,
        "selector": limit.selector,
        "rpm": limit.rpm,
        "tpm": limit.tpm,
        "parallel_max": limit.parallel_max,
    }


def limits_table(limits: Sequence[LimitRow], width: int) -> list[Text]:
    """A line for each selector."""
    columns = [Column("LIMITS OF", width_min=12), Column("", width_min=20)]
    rows = [[Cell(one.selector, "bold"), Cell(limits_words(one))] for one in limits]
    return table(columns, rows, width)


def limit_card(limit: LimitRow) -> Iterator[Text]:
    """Limits where there is no budget beside them."""
    yield Text("")
    yield Text.assemble(MARGIN, drawn(limit.selector, "bold"), "   ", ("no budget", "dim"))
    yield Text("")
    yield labelled("limits", limits_words(limit))
    yield Text("")
