"""Models that can be called, as they are listed: JSON for programs, a table for people.

Rates are nano-dollars per million tokens inside, and dollars per million where people read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.text import Text

from ferrycli.report.layout import Cell, Column, Row, table
from ferrycli.report.prices import drawn_note
from ferrycli.rules.models import ModelEntry
from ferrycli.rules.money import usd_exact

SCHEMA = "ferry.model/1"

ROW_HEADING = (
    "id", "region", "context", "input", "cache_read", "output", "price", "origin", "routes",
)  # fmt: skip
"""What a row of tabs holds: dollars per million tokens."""

_PART = "≈"
"""After the source of a price that does not say all that is billed."""


def model_json(entry: ModelEntry) -> dict[str, Any]:
    """The object `ferry.model/1`."""
    rates = {
        "input": entry.input_rate,
        "cache_read": entry.cache_read_rate,
        "output": entry.output_rate,
    }
    return {
        "schema": SCHEMA,
        "id": entry.id,
        "provider": entry.provider,
        "model": entry.model,
        "region": entry.region or None,
        "context_tokens_max": entry.context_tokens_max,
        "output_tokens_max": entry.output_tokens_max,
        "nanousd_per_million": {name: rate for name, rate in rates.items() if rate is not None},
        "price_source": entry.source or None,
        "price_origin": entry.version or None,
        "price_incomplete": entry.is_incomplete,
        "routes": list(entry.routes),
    }


def model_fields(entry: ModelEntry) -> list[str | int | None]:
    """The fields of `ROW_HEADING`."""
    rates = (entry.input_rate, entry.cache_read_rate, entry.output_rate)
    return [
        entry.id,
        entry.region,
        entry.context_tokens_max,
        *(None if rate is None else usd_exact(rate) for rate in rates),
        entry.source,
        entry.version,
        ",".join(entry.routes),
    ]


def models_table(entries: Sequence[ModelEntry], width: int) -> list[Text]:
    """A line a model, with a note on where prices come from."""
    every: list[tuple[Column, list[Cell]]] = [
        (Column("MODEL", width_min=20), [Cell(one.id) for one in entries]),
        (Column("REGION", leaves=6), [Cell(one.region) for one in entries]),
        (Column("CONTEXT", is_number=True, leaves=5), [_context(one) for one in entries]),
        (Column("INPUT", is_number=True), [_amount(one.input_rate) for one in entries]),
        (
            Column("CACHED", is_number=True, leaves=8),
            [_amount(one.cache_read_rate, "") for one in entries],
        ),
        (Column("OUTPUT", is_number=True), [_amount(one.output_rate) for one in entries]),
        (Column("PRICE", leaves=4), [_source(one) for one in entries]),
        (
            Column("ROUTES", leaves=7, width_min=10),
            [Cell(", ".join(one.routes)) for one in entries],
        ),
    ]
    # What is said of no model takes no room.
    used = [(column, cells) for column, cells in every if any(cell.text for cell in cells)]
    rows: list[Row] = list(zip(*(cells for _, cells in used), strict=True))
    lines = table([column for column, _ in used], rows, width)
    return [*lines, Text(""), *map(drawn_note, _notes(entries))]


def _notes(entries: Sequence[ModelEntry]) -> list[str]:
    versions = sorted({one.version for one in entries if one.source in ("catalogue", "overlay")})
    # The longest names the overlay beside the catalogue.
    longest = max(versions, key=len, default="")
    notes = [f"USD per million tokens{f' · {longest}' if longest else ''}"]
    if any(one.is_incomplete for one in entries):
        notes.append(f"{_PART} more is billed than the price says, such as a fee or pictures")
    return notes


def _amount(rate: int | None, nothing: str = "–") -> Cell:
    return Cell(nothing if rate is None else usd_exact(rate))


def _context(entry: ModelEntry) -> Cell:
    """`128k`, `1.05M`."""
    tokens = entry.context_tokens_max
    if tokens is None:
        return Cell("")
    if tokens < 1_000_000:
        return Cell(f"{tokens // 1000}k" if tokens >= 1_000 else str(tokens))
    return Cell(f"{tokens / 1_000_000:.2f}".rstrip("0").rstrip(".") + "M")


def _source(entry: ModelEntry) -> Cell:
    if not entry.source:
        return Cell("none", "yellow")
    return Cell(f"{entry.source} {_PART}" if entry.is_incomplete else entry.source)
