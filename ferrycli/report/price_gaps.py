"""What recent calls could not price, as `ferry prices check` tells it: JSON, rows, a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from ferrycli.report.layout import Cell, Column, Row, table
from ferrycli.report.prices import drawn_note
from ferrycli.store.reads_prices import PriceGap

SCHEMA = "ferry.unpriced/1"

ROW_HEADING = (
    "provider", "model", "tier", "why", "calls", "unpriced_calls", "input_tokens",
    "output_tokens", "web_searches", "is_mended", "command",
)  # fmt: skip
"""What a row of tabs holds."""


@dataclass(frozen=True, slots=True)
class Found:
    """A gap, why it is one, and what would mend it for calls to come."""

    gap: PriceGap
    why: str
    """`no price`, `no price for tier flex`, `no fee for web searches` …"""
    command: str
    """`ferry prices set …` with `USD` where a figure has to be put in; empty where it is mended."""

    @property
    def is_mended(self) -> bool:
        """Whether the next call of this kind is priced wholly."""
        return not self.command


def found_json(one: Found) -> dict[str, Any]:
    """The object `ferry.unpriced/1`."""
    return {"schema": SCHEMA, **dict(zip(ROW_HEADING, found_fields(one), strict=True))}


def found_fields(one: Found) -> list[Any]:
    """The fields of `ROW_HEADING`."""
    gap = one.gap
    return [
        gap.provider,
        gap.model,
        gap.tier,
        one.why,
        gap.calls,
        gap.unpriced_calls,
        gap.used.input_total,
        gap.used.output_total,
        gap.used.web_search,
        one.is_mended,
        one.command,
    ]


def found_lines(every: Sequence[Found], width: int) -> list[Text | str]:
    """A table, and below it the commands, each whole, to be copied."""
    columns = [
        Column("MODEL", width_min=20),
        Column("WHY", width_min=14),
        Column("CALLS", is_number=True),
        Column("INPUT", is_number=True, leaves=5),
        Column("OUTPUT", is_number=True, leaves=4),
    ]
    rows: list[Row] = [
        [
            Cell(f"{one.gap.provider}/{one.gap.model}"),
            Cell("priced since" if one.is_mended else one.why, "" if one.is_mended else "yellow"),
            Cell(f"{one.gap.calls:,}"),
            Cell(f"{one.gap.used.input_total:,}"),
            Cell(f"{one.gap.used.output_total:,}"),
        ]
        for one in every
    ]
    lines: list[Text | str] = [*table(columns, rows, width)]
    if commands := [f"    {one.command}" for one in every if one.command]:
        note = "what would price the next ones, with dollars for each USD"
        lines += [Text(""), drawn_note(note), Text(""), *commands]
    return lines
