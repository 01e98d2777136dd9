"""Who spent what: sums by dimension as JSON, rows of tabs, and a table with shares.

The total is the sum of the rows, to the nano-dollar. The empty value of a dimension is shown as
`(none)` and counted; unpriced calls are named and never counted as 0 in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import time, tzinfo
from typing import Any

from rich.cells import cell_len
from rich.text import Text

from ferrycli.report.layout import MARGIN, Cell, Column, Row, bar, drawn, percent, table
from ferrycli.report.times import iso
from ferrycli.rules.attribution import DIMENSIONS
from ferrycli.rules.errors import BadField
from ferrycli.rules.money import NANO_PER_USD, usd, usd_exact
from ferrycli.rules.spans import Span
from ferrycli.rules.windows import from_us
from ferrycli.store.reads import GROUPS, Sum

SCHEMA = "ferry.report/1"
BAR_WIDTH = 10
NONE = "(none)"

COUNTS = tuple(field.name for field in fields(Sum) if field.name != "by")
"""Every figure of a sum, in its order."""


@dataclass(frozen=True, slots=True)
class Spending:
    """Sums of one span by some dimensions, the dearest first, and their total."""

    by: tuple[str, ...]
    span: Span
    rows: tuple[Sum, ...]
    total: Sum

    @classmethod
    def of(cls, by: Sequence[str], span: Span, rows: Sequence[Sum]) -> Spending:
        """The spending that `rows` hold."""
        ordered = sorted(rows, key=lambda row: (-row.cost_nanousd, -row.calls, row.by))
        total = Sum((), *(sum(getattr(row, name) for row in rows) for name in COUNTS))
        return cls(tuple(by), span, tuple(ordered), total)


def dimensions(text: str) -> tuple[str, ...]:
    """`tenant,feature` as names of `GROUPS`. Raises `BadField` with the nearest."""
    names = [name.strip().lower() for name in text.split(",")]
    for name in names:
        if name not in GROUPS:
            raise BadField("dimension", name, tuple(GROUPS))
    return tuple(dict.fromkeys(names))


def spending_json(spending: Spending) -> dict[str, Any]:
    """The object `ferry.report/1`; `until` is not inside the span."""
    return {
        "schema": SCHEMA,
        "since": iso(spending.span.since_us),
        "until": iso(spending.span.until_us),
        "by": list(spending.by),
        "rows": [
            dict(zip(spending.by, row.by, strict=True)) | _figures(row) for row in spending.rows
        ],
        "total": _figures(spending.total),
    }


def _figures(row: Sum) -> dict[str, int]:
    return {name: getattr(row, name) for name in COUNTS}


def spending_fields(spending: Spending) -> Iterator[list[str | int]]:
    """Rows for programs under `spending_heading`; costs in dollars with all their places."""
    for row in spending.rows:
        figures = _figures(row)
        figures.pop("cost_nanousd")
        yield [*row.by, usd_exact(row.cost_nanousd), *figures.values()]


def spending_heading(spending: Spending) -> list[str]:
    """What the fields of a row are."""
    return [*spending.by, "cost_usd", *(name for name in COUNTS if name != "cost_nanousd")]


def spending_table(
    spending: Spending, now_us: int, zone: tzinfo, width: int, *, is_fallback: bool = False
) -> list[Text]:
    """Headline, rows with shares, the total, and what has to be known to read them.

    `is_fallback`: the span was taken because the last closed week holds no calls.
    """
    places = _places(spending)
    largest = max((row.cost_nanousd for row in spending.rows), default=0)
    columns = [Column(name.upper(), width_min=10) for name in spending.by]
    columns += [
        Column("USD", is_number=True),
        Column("SHARE", leaves=5),
        Column("", is_number=True),
        Column("CALLS", is_number=True, leaves=6),
        Column("INPUT", is_number=True, leaves=7),
        Column("CACHED", is_number=True, leaves=9),
        Column("OUTPUT", is_number=True, leaves=8),
    ]
    rows = [_cells(row, row.by, spending.total, largest, places) for row in spending.rows]
    depth = len(spending.by)
    names = ["total", *[""] * (depth - 1)]
    total = [
        Cell(cell.text, "bold")
        for cell in _cells(spending.total, names, spending.total, 0, places, is_total=True)
    ]
    lines = table(columns, rows, width, total)
    across = max(cell_len(line.plain) for line in lines)
    title = f"Spend by {', '.join(spending.by)}"
    words = span_words(spending.span, now_us, zone)
    head = _headline(title, f"last week is empty · {words}" if is_fallback else words, across)
    return [Text(""), *head, Text(""), *lines, Text(""), *_notes(spending), Text("")]


def _cells(
    row: Sum, names: Sequence[str], total: Sum, largest: int, places: int, *, is_total: bool = False
) -> Row:
    blocks = "" if is_total else bar(row.cost_nanousd, largest, BAR_WIDTH)
    return [
        *(Cell(name or ("" if is_total else NONE), "" if name else "dim") for name in names),
        Cell(_cost(row, places)),
        Cell(blocks, "cyan"),
        Cell(percent(row.cost_nanousd, total.cost_nanousd) or "–"),
        Cell(f"{row.calls:,}"),
        Cell(tokens(row.input_tokens)),
        Cell(percent(row.cache_read_tokens, row.input_tokens) or "–"),
        Cell(tokens(row.output_tokens)),
    ]


def tokens(count: int) -> str:
    """`950`, `147.1k`, `13.6M`: three or four digits that tell the size."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count * 10 // size / 10:,.1f}{unit}"
    return str(count)


def _places(spending: Spending) -> int:
    """Decimal places for all amounts of the table: cents, and more where all of it is small."""
    if spending.total.cost_nanousd >= NANO_PER_USD:
        return 2
    return 4 if spending.total.cost_nanousd >= NANO_PER_USD // 100 else 6


def _cost(row: Sum, places: int) -> str:
    """A cost; `≥` where some of its calls have no price, `unpriced` where all have none."""
    if not row.unpriced_calls:
        return _money(row.cost_nanousd, places)
    if row.cost_nanousd == 0:
        return "unpriced"
    return f"≥{_money(row.cost_nanousd, places)}"


def _money(amount_nanousd: int, places: int) -> str:
    unit = 10 ** (9 - places)
    if 0 < amount_nanousd < unit:
        return f"<{usd_exact(unit)}"
    whole, part = divmod((amount_nanousd + unit // 2) // unit, 10**places)
    return f"{whole:,}.{part:0{places}d}"


def _headline(title: str, span: str, across: int) -> list[Text]:
    """Title and span on one line as wide as the table, or on two."""
    gap = across - cell_len(MARGIN + title + span)
    if gap >= len(MARGIN):
        return [Text.assemble(MARGIN, (title, "bold"), " " * gap, (span, "dim"))]
    return [Text.assemble(MARGIN, (title, "bold")), Text.assemble(MARGIN, (span, "dim"))]


def span_words(span: Span, now_us: int, zone: tzinfo) -> str:
    """`last week · Mon 16 Nov – Sun 22 Nov 2026 · Europe/Berlin`; `so far` while it runs."""
    label = span.label.replace("-week", " week").replace("-month", " month")
    label = "this month" if label == "mtd" else label
    is_running = span.since_us < now_us < span.until_us
    first, end = from_us(span.since_us, zone), from_us(span.until_us, zone)
    if first.time() == end.time() == time():
        last = from_us((now_us if is_running else span.until_us) - 1, zone)
        days = f"{last:%a %d %b %Y}"
        if first.date() != last.date():
            year = f" {first:%Y}" if first.year != last.year else ""
            days = f"{first:%a %d %b}{year} – {days}"
    else:
        days = f"{first:%d %b %H:%M} – {end:%d %b %Y %H:%M}"
    return f"{label}{' so far' if is_running else ''} · {days} · {zone}"


def _notes(spending: Spending) -> Iterator[Text]:
    total = spending.total
    for at, name in enumerate(spending.by):
        if name in DIMENSIONS:
            missing = [row for row in spending.rows if not row.by[at]]
            if calls := sum(row.calls for row in missing):
                cost = usd(sum(row.cost_nanousd for row in missing))
                header = f"X-Ferry-{name.capitalize()}"
                yield _note(f"{_calls(calls)} without a {name}, {cost}; clients may send {header}")
    if total.unpriced_calls:
        yield _note(
            f"{_calls(total.unpriced_calls)} unpriced, in no amount above; see `ferry prices set`",
            "! ",
            "yellow",
        )
    if total.estimated_calls:
        yield _note(f"{_calls(total.estimated_calls)} estimated: no usage was reported", "≈ ")
    if total.denied_calls:
        yield _note(f"{_calls(total.denied_calls)} refused, at no cost")
    yield _note("All amounts in USD.", style="dim")


def _note(text: str, sign: str = "  ", style: str = "") -> Text:
    return Text.assemble("  ", (sign, style), drawn(text, style))


def _calls(count: int) -> str:
    return f"{count:,} call{'' if count == 1 else 's'}"
