"""Calls as they are listed: JSON and rows of tabs for programs, a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from rich.text import Text

from ferrycli.report.layout import Cell, Column, percent, table
from ferrycli.report.times import clock, iso, milliseconds, seconds
from ferrycli.rules.money import usd_exact, usd_plain
from ferrycli.rules.windows import from_us
from ferrycli.store.reads import CallRow

COLUMNS = (
    Column("TIME"),
    Column("TENANT", width_min=8, leaves=2),
    Column("FEATURE", width_min=8, leaves=3),
    Column("MODEL", width_min=12),
    Column("IN", is_number=True, leaves=6),
    Column("OUT", is_number=True, leaves=5),
    Column("CACHED", is_number=True, leaves=9),
    Column("USD", is_number=True),
    Column("FIRST", is_number=True, leaves=8),
    Column("TOOK", is_number=True, leaves=7),
    Column("STATUS", width_min=11),
)

ROW_HEADING = (
    "started_at", "id", "key", "tenant", "feature", "model", "input_tokens",
    "cache_read_tokens", "output_tokens", "cost_usd", "first_byte_ms", "latency_ms", "state",
    "status", "error",
)  # fmt: skip
"""What a row of tabs holds."""


def call_fields(row: CallRow) -> list[str | int | None]:
    """The fields of `ROW_HEADING`; a cost is in dollars with all its places."""
    if row.cost_nanousd is not None:
        cost = usd_exact(row.cost_nanousd)
    else:
        cost = "unpriced" if row.cost_source == "unpriced" else ""
    return [
        iso(row.started_at), row.id, row.key, row.tenant, row.feature, row.model,
        row.input_tokens, row.n_cache_read, row.output_tokens, cost,
        milliseconds(row.started_at, row.first_byte_at),
        milliseconds(row.started_at, row.finished_at), row.state, row.status, row.error_code,
    ]  # fmt: skip


def calls_table(rows: Sequence[CallRow], zone: tzinfo, width: int) -> list[Text]:
    """The calls of `rows`, one a line, times in `zone`; a day is named where there are several."""
    days = {from_us(row.started_at, zone).date() for row in rows}
    cells = [_cells(row, zone, has_day=len(days) > 1) for row in rows]
    return table(COLUMNS, cells, width)


def _cells(row: CallRow, zone: tzinfo, *, has_day: bool) -> list[Cell]:
    is_open = row.state == "held"
    is_counted = not is_open and (row.input_tokens or row.output_tokens)
    first = None if row.first_byte_at is None else row.first_byte_at - row.started_at
    took = None if row.finished_at is None else row.finished_at - row.started_at
    status, style = status_of(row)
    return [
        Cell(clock(row.started_at, zone, has_day=has_day), "dim"),
        Cell(row.tenant or "(none)", "" if row.tenant else "dim"),
        Cell(row.feature or "(none)", "" if row.feature else "dim"),
        Cell(row.model or row.requested_model),
        Cell(f"{row.input_tokens:,}" if is_counted else "–"),
        Cell(f"{row.output_tokens:,}" if is_counted else "–"),
        Cell(percent(row.n_cache_read, row.input_tokens) if is_counted else "–"),
        Cell(cost_text(row), "yellow" if cost_text(row) == "unpriced" else ""),
        Cell(seconds(first) or "–"),
        Cell(seconds(took) or "…"),
        Cell(status, style),
    ]


def cost_text(row: CallRow) -> str:
    """What a call cost, in dollars: `hold 0.08` in flight, `≈` before estimates, `unpriced`."""
    if row.state == "held":
        return f"hold {usd_plain(row.hold_nanousd)}"
    if row.state == "denied":
        return "–"
    if row.cost_nanousd is None:
        return "unpriced"
    return f"{'≈' if row.is_approximate else ''}{usd_plain(row.cost_nanousd)}"


def status_of(row: CallRow) -> tuple[str, str]:
    """The status that the client got, with what went wrong; and how it is drawn."""
    if row.state == "held":
        return "in flight", "cyan"
    words = [str(row.status) if row.status else ""]
    if row.error_code:
        words.append(row.error_code)
    elif row.outcome != "ok":
        words.append(row.outcome)
    if row.attempts > 1:
        words.append(f"×{row.attempts}")
    text = " ".join(word for word in words if word)
    return text or row.state, "" if row.outcome == "ok" else "red"
