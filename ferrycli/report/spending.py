"""Who spent what, as values: rows by dimension with what they are compared with, and their total.

The total is the sum of the rows, to the nano-dollar, whatever is shown of them. The empty value of
a dimension is a row like any other.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ferrycli.report.budget_use import BudgetUse
from ferrycli.report.times import iso
from ferrycli.rules.errors import BadField
from ferrycli.rules.filters import ALIASES, Expression
from ferrycli.rules.money import usd_exact
from ferrycli.rules.spans import Slots, Span
from ferrycli.store.sums import FIGURES, GROUPS, Sum, added

SCHEMA = "ferry.report/1"


@dataclass(frozen=True, slots=True)
class Line:
    """One row: what it came to, and what it is seen beside."""

    sum: Sum
    before_nanousd: int
    """Cost in the span compared with."""
    use: BudgetUse | None = None
    """The budget that bounds just these calls; None where there is none."""
    merged: int = 0
    """Rows that this one stands for; 0 where it is one of its own."""

    @property
    def names(self) -> tuple[str, ...]:
        """A value for each dimension grouped by; none for a total and for `others`."""
        return self.sum.by


@dataclass(frozen=True, slots=True)
class Spending:
    """Sums of one span by some dimensions, the dearest first, and their total."""

    by: tuple[str, ...]
    span: Span
    compared: Span
    slots: Slots
    rows: tuple[Line, ...]
    """Every row, whatever is shown."""
    total: Line
    uses: Mapping[tuple[str, ...], BudgetUse] = field(default_factory=dict)
    """Budgets by the first names of rows, or all of them: of sums as well as of single rows."""
    gone: tuple[tuple[tuple[str, ...], int], ...] = ()
    """What cost something in the span compared with and is no row of this one: names and cost."""
    where: str = ""
    """The filter as it was written."""
    is_fallback: bool = False
    """The span was taken because the last closed week holds no calls."""

    def top(self, rows_max: int) -> tuple[Line, ...]:
        """The dearest rows, and one for all others where there are more."""
        if rows_max <= 0 or len(self.rows) <= rows_max:
            return self.rows
        return (*self.rows[:rows_max], merged(self.rows[rows_max:]))


def merged(lines: Sequence[Line]) -> Line:
    """Several lines as one, without names or a budget."""
    total = added((), [line.sum for line in lines])
    return Line(total, sum(line.before_nanousd for line in lines), merged=len(lines))


@dataclass(frozen=True, slots=True)
class Asked:
    """What the report was asked for."""

    by: tuple[str, ...]
    span: Span
    compared: Span
    slots: Slots
    where: str = ""
    is_fallback: bool = False
    expression: Expression | None = None
    """What `where` says."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the database answered."""

    now: Sequence[Sum]
    before: Sequence[Sum]
    uses: Mapping[tuple[str, ...], BudgetUse] = field(default_factory=dict)
    """Budgets by the first names of rows, or all of them."""


def spending(asked: Asked, found: Found) -> Spending:
    """The rows that were found, the dearest first, each beside what it came to before."""
    earlier = {row.by: row.cost_nanousd for row in found.before}
    ordered = sorted(found.now, key=lambda row: (-row.cost_nanousd, -row.calls, row.by))
    rows = [Line(row, earlier.get(row.by, 0), found.uses.get(row.by)) for row in ordered]
    here = {row.by for row in ordered}
    total = added((), found.now)
    if not found.now:
        total = replace(total, slots=(0,) * (len(asked.slots.edges) - 1))
    return Spending(
        by=asked.by,
        span=asked.span,
        compared=asked.compared,
        slots=asked.slots,
        rows=tuple(rows),
        total=Line(total, sum(earlier.values())),
        uses=found.uses,
        gone=tuple((by, cost) for by, cost in earlier.items() if cost and by not in here),
        where=asked.where,
        is_fallback=asked.is_fallback,
    )


def dimensions(text: str) -> tuple[str, ...]:
    """`tenant,feature` as names of `GROUPS`. Raises `BadField` with the nearest."""
    named = [name.strip().lower() for name in text.split(",")]
    names = [ALIASES.get(name, name) for name in named]
    for name in names:
        if name not in GROUPS:
            raise BadField("dimension", name, tuple(GROUPS))
    return tuple(dict.fromkeys(names))


# For programs -------------------------------------------------------------------------------


def spending_json(sheet: Spending, rows_max: int = 0) -> dict[str, Any]:
    """The object `ferry.report/1`; `until` is not inside the span.

    `others` stands for the rows beyond `rows_max`, and is null where there are none; `gone` for
    what cost something before and is no row now: with it, earlier costs add up to their total too.
    Each row's `slots_nanousd` is its cost in the parts of the span that `slots` names.
    """
    shown = sheet.top(rows_max)
    others = next((line for line in shown if line.merged), None)
    return {
        "schema": SCHEMA,
        "since": iso(sheet.span.since_us),
        "until": iso(sheet.span.until_us),
        "by": list(sheet.by),
        "where": sheet.where,
        "compared": {"since": iso(sheet.compared.since_us), "until": iso(sheet.compared.until_us)},
        "slots": {
            "unit": sheet.slots.unit,
            "edges": [iso(edge) for edge in sheet.slots.edges],
        },
        "rows": [
            dict(zip(sheet.by, line.names, strict=True))
            | _figures(line)
            | {"budget": line.use and line.use.json()}
            for line in shown
            if not line.merged
        ],
        "others": others and {"rows": others.merged} | _figures(others),
        "gone": {
            "rows": len(sheet.gone),
            "previous_cost_nanousd": sum(cost for _, cost in sheet.gone),
        },
        "total": _figures(sheet.total),
    }


def _figures(line: Line) -> dict[str, Any]:
    figures: dict[str, Any] = {name: getattr(line.sum, name) for name in FIGURES}
    return figures | {
        "previous_cost_nanousd": line.before_nanousd,
        "slots_nanousd": list(line.sum.slots),
    }


_AMOUNTS = tuple(name for name in FIGURES if name.endswith("_nanousd"))
_COUNTS = tuple(name for name in FIGURES if not name.endswith("_nanousd"))


def spending_heading(sheet: Spending) -> list[str]:
    """What the fields of a row are: names, dollars, counts."""
    dollars = [name.replace("_nanousd", "_usd") for name in _AMOUNTS]
    return [*sheet.by, dollars[0], "previous_cost_usd", *dollars[1:], *_COUNTS]


def spending_fields(sheet: Spending, rows_max: int = 0) -> Iterator[list[str | int]]:
    """Rows for programs under `spending_heading`; dollars with all their places.

    Rows beyond `rows_max` are one, named `(N others)`.
    """
    for line in sheet.top(rows_max):
        names = line.names
        if line.merged:
            names = (f"({line.merged} others)", *[""] * (len(sheet.by) - 1))
        amounts = [usd_exact(getattr(line.sum, name)) for name in _AMOUNTS]
        counts = [getattr(line.sum, name) for name in _COUNTS]
        yield [*names, amounts[0], usd_exact(line.before_nanousd), *amounts[1:], *counts]


_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


def spending_csv(sheet: Spending, rows_max: int = 0) -> Iterator[str]:
    """The same rows as lines of CSV, without line ends.

    A name that a spreadsheet would take for a formula stands behind `'`: names come from strangers.
    """
    depth = len(sheet.by)
    yield _csv_line(spending_heading(sheet))
    for fields in spending_fields(sheet, rows_max):
        names = [str(name) for name in fields[:depth]]
        behind = [f"'{name}" if name.startswith(_FORMULA_SIGNS) else name for name in names]
        yield _csv_line([*behind, *fields[depth:]])


def _csv_line(fields: Sequence[str | int]) -> str:
    line = io.StringIO()
    # The usual end, taken off again: only what stands in it is quoted within a field.
    csv.writer(line).writerow(fields)
    return line.getvalue().removesuffix("\r\n")
