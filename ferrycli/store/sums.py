"""Sums of calls: the one query from which every figure of a report comes.

Days that have ended are read from their summaries (`store/daily.py`) where those can answer, and
the rest from the rows; both are made from `FIGURES`, so that they cannot differ in meaning.
Amounts in nano-dollars; effective cost (cost and corrections, never below 0) is what is counted.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from types import MappingProxyType

from ferrycli.rules.filters import Expression
from ferrycli.store.ids import seq_at
from ferrycli.store.where import (
    CORRECTED_COST,
    CORRECTIONS,
    COST,
    DAILY_FIELDS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    is_daily,
    where_sql,
)

GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "tenant": "c.tenant",
        "user": 'c."user"',
        "assistant": "c.assistant",
        "thread": "c.thread",
        "feature": "c.feature",
        "provider": "c.provider",
        "model": "c.model",
        "route": "c.route",
        "key": "c.key_id",
        "outcome": "c.outcome",
    }
)
"""What sums can be grouped by, and the column of each; a key's id is turned into its name."""

FIGURES: Mapping[str, str] = MappingProxyType(
    {
        "calls": "sum(CASE WHEN c.state = 'denied' THEN c.repeats ELSE 1 END)",
        "input_tokens": f"sum({INPUT_TOKENS})",
        "cache_read_tokens": "sum(c.n_cache_read)",
        "cache_write_tokens": (
            "sum(c.n_cache_write_5m + c.n_cache_write_30m + c.n_cache_write_1h"
            " + c.n_cache_write_12h)"
        ),
        "output_tokens": f"sum({OUTPUT_TOKENS})",
        "cost_nanousd": "coalesce(sum({cost}), 0)",
        "cost_input_nanousd": "sum(c.cost_input_nanousd)",
        "cost_cache_read_nanousd": "sum(c.cost_cache_read_nanousd)",
        "cost_cache_write_nanousd": "sum(c.cost_cache_write_nanousd)",
        "cost_output_nanousd": "sum(c.cost_output_nanousd)",
        "cost_other_nanousd": "sum(c.cost_other_nanousd)",
        "unpriced_calls": "sum(c.cost_source = 'unpriced' AND ({cost}) IS NULL)",
        "estimated_calls": "sum(c.cost_source = 'estimated')",
        "failed_calls": "sum(c.outcome IN ('failed', 'cut', 'timeout'))",
        "denied_calls": "sum(CASE WHEN c.state = 'denied' THEN c.repeats ELSE 0 END)",
        "open_calls": "sum(c.state = 'held')",
    }
)
"""Every figure of a sum, and its SQL over rows; `{cost}` is what a call cost."""


@dataclass(frozen=True, slots=True)
class Sum:
    """Totals of the calls that share one value of each dimension grouped by."""

    by: tuple[str, ...]
    calls: int
    """Denied ones too, and those in flight, which cost nothing yet."""
    input_tokens: int
    """The whole input: read from a cache and written to one too."""
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    cost_nanousd: int
    cost_input_nanousd: int
    cost_cache_read_nanousd: int
    cost_cache_write_nanousd: int
    cost_output_nanousd: int
    cost_other_nanousd: int
    """The five parts are as they were billed: without corrections."""
    unpriced_calls: int
    estimated_calls: int
    failed_calls: int
    denied_calls: int
    open_calls: int
    slots: tuple[int, ...] = ()
    """Cost in each part of the span that was asked for."""


assert tuple(FIGURES) == tuple(field.name for field in fields(Sum))[1:-1]
_COST_AT = tuple(FIGURES).index("cost_nanousd")


@dataclass(frozen=True, slots=True)
class Question:
    """Which calls are summed, and by what."""

    by: tuple[str, ...]
    """Names of `GROUPS`; none gives one row for everything."""
    since_us: int
    until_us: int
    where: Expression | None = None
    edges: tuple[int, ...] = ()
    """Where the parts of the span begin, and the end of the last; none: cost is not parted."""

    @property
    def parts(self) -> int:
        """Parts of the span."""
        return max(len(self.edges) - 1, 0)


class _Fold:
    """Rows of several queries, added up by group."""

    def __init__(self, question: Question) -> None:
        self._depth = len(question.by)
        self._parts = question.parts
        self._figures: dict[tuple[str, ...], list[int]] = {}
        self._slots: dict[tuple[str, ...], list[int]] = {}
        if not question.by:
            self._figures[()] = [0] * len(FIGURES)
            self._slots[()] = [0] * self._parts

    def add(self, row: Sequence[str | int], part: int) -> None:
        """One row: the values of the group, then figures."""
        group = tuple(map(str, row[: self._depth]))
        figures = self._figures.get(group)
        if figures is None:
            self._figures[group] = list(map(int, row[self._depth :]))
            self._slots[group] = [0] * self._parts
        else:
            for at, figure in enumerate(row[self._depth :]):
                figures[at] += int(figure)
        if self._parts:
            self._slots[group][part] += int(row[self._depth + _COST_AT])

    def sums(self) -> Iterator[Sum]:
        """What was added up."""
        for group, figures in self._figures.items():
            named = dict(zip(FIGURES, figures, strict=True))
            yield Sum(by=group, slots=tuple(self._slots[group]), **named)


def added(by: tuple[str, ...], rows: Sequence[Sum]) -> Sum:
    """`rows` as one, under the name `by`; zeros for none."""
    figures = {name: sum(getattr(row, name) for row in rows) for name in FIGURES}
    slots = tuple(map(sum, zip(*(row.slots for row in rows), strict=True)))
    return Sum(by=by, slots=slots, **figures)


def sums(connection: sqlite3.Connection, question: Question) -> list[Sum]:
    """Totals of the calls that began in the span, one for each combination of values.

    The dearest first. Without dimensions one row, of zeros where there is no call. All is read from
    one moment of the database.
    """
    fold = _Fold(question)
    # A summary that is made while this runs must not be missed by one query and seen by the next.
    connection.execute("BEGIN")
    try:
        days = list(_summed_days(connection, question))
        for start_us, end_us in days:
            _add_day(connection, question, start_us, end_us, fold)
        for since_us, until_us in _between(days, question):
            _add_rows(connection, question, since_us, until_us, fold)
        found = list(fold.sums())
        if "key" in question.by:
            found = _with_names(connection, question.by.index("key"), found)
    finally:
        connection.execute("ROLLBACK")
    return sorted(found, key=lambda one: (-one.cost_nanousd, -one.calls, one.by))


def has_corrections(connection: sqlite3.Connection) -> bool:
    """Whether any call was corrected; without, sums need not ask for each."""
    return bool(connection.execute("SELECT EXISTS (SELECT 1 FROM corrections)").fetchone()[0])


def figures_sql(*, is_corrected: bool) -> str:
    """Every figure over rows, in their order."""
    cost = CORRECTED_COST if is_corrected else COST
    return ", ".join(figure.format(cost=cost) for figure in FIGURES.values())


def _summed_days(connection: sqlite3.Connection, question: Question) -> Iterator[tuple[int, int]]:
    """Days that can be read from their summaries: inside the span, and inside one part of it."""
    if not DAILY_FIELDS.issuperset(question.by) or not is_daily(question.where):
        return
    query = (
        "SELECT start_at, end_at FROM summed_days WHERE start_at >= ? AND end_at <= ?"
        " ORDER BY start_at, end_at"
    )
    free_from_us = question.since_us
    for row in connection.execute(query, (question.since_us, question.until_us)):
        start_us, end_us = tuple(row)
        # Two zones' days may overlap; each moment is counted once.
        is_whole = not question.edges or _part(question, start_us) == _part(question, end_us - 1)
        if start_us >= free_from_us and is_whole:
            yield start_us, end_us
            free_from_us = end_us


def _part(question: Question, at_us: int) -> int:
    return min(max(bisect_right(question.edges, at_us) - 1, 0), max(question.parts - 1, 0))


def _between(days: Sequence[tuple[int, int]], question: Question) -> list[tuple[int, int]]:
    """What the days leave of the span."""
    starts = [question.since_us, *(end for _, end in days)]
    ends = [*(start for start, _ in days), question.until_us]
    return [(start, end) for start, end in zip(starts, ends, strict=True) if start < end]


def _add_day(
    connection: sqlite3.Connection, question: Question, start_us: int, end_us: int, fold: _Fold
) -> None:
    groups = [GROUPS[name] for name in question.by]
    figures = [f"sum(c.{name})" for name in FIGURES]
    query = f"SELECT {', '.join(groups + figures)} FROM daily c WHERE start_at = ? AND end_at = ?"
    values: list[str | int] = [start_us, end_us]
    if question.where is not None:
        condition, bound = where_sql(question.where, COST)
        query += f" AND {condition}"
        values += bound
    part = _part(question, start_us)
    for row in _grouped(connection, query, groups, values):
        fold.add(row, part)


def _add_rows(
    connection: sqlite3.Connection, question: Question, since_us: int, until_us: int, fold: _Fold
) -> None:
    is_corrected = has_corrections(connection)
    groups = [GROUPS[name] for name in question.by]
    figures = figures_sql(is_corrected=is_corrected)
    parted = [*groups, _part_sql(question)] if question.parts > 1 else groups
    query = f"SELECT {''.join(f'{one}, ' for one in parted)}{figures} FROM calls c"
    query += CORRECTIONS if is_corrected else ""
    query += " WHERE c.seq >= ? AND c.seq < ?"
    values: list[str | int] = [seq_at(since_us), seq_at(until_us)]
    if question.where is not None:
        condition, bound = where_sql(question.where, CORRECTED_COST if is_corrected else COST)
        query += f" AND {condition}"
        values += bound
    depth = len(groups)
    for row in _grouped(connection, query, parted, values):
        if question.parts > 1:
            fold.add((*row[:depth], *row[depth + 1 :]), int(row[depth]))
        else:
            fold.add(row, 0)


def _grouped(
    connection: sqlite3.Connection, query: str, groups: Sequence[str], values: Sequence[str | int]
) -> Iterator[tuple[str | int, ...]]:
    """The rows of a grouped query; no row where nothing was summed."""
    query += f" GROUP BY {', '.join(groups)}" if groups else ""
    for row in connection.execute(query, values):
        # Without groups SQL gives a row even for no call: one whose figures are NULL.
        if row[-1] is not None:
            yield tuple(row)


def _part_sql(question: Question) -> str:
    """The number of the part that a call began in, from its row key.

    Parts that are equally long are counted by division, so that a quarter of days is no chain of
    ninety comparisons; a day of a clock change begins a new run.
    """
    edges = [edge // 1000 for edge in question.edges]
    lengths = [end - start for start, end in pairwise(edges)]
    runs: list[tuple[int, int]] = []
    """Index of the first part of each run, and the parts' length in milliseconds."""
    for at, length in enumerate(lengths):
        if not runs or runs[-1][1] != length:
            runs.append((at, length))
    branches = []
    for (at, length), (after, _) in pairwise([*runs, (len(lengths), 0)]):
        number = f"{at} + ((c.seq >> 21) - {edges[at]}) / {max(length, 1)}"
        branches.append(f"WHEN (c.seq >> 21) < {edges[after]} THEN {number}")
    last = len(lengths) - 1
    return f"max(0, min({last}, CASE {' '.join(branches)} ELSE {last} END))"


def _with_names(connection: sqlite3.Connection, at: int, found: Sequence[Sum]) -> list[Sum]:
    """The same sums with keys by their names; a key that is not in the table keeps its id."""
    names = dict(map(tuple, connection.execute("SELECT id, name FROM keys")))
    return [
        replace(one, by=(*one.by[:at], names.get(one.by[at], one.by[at]), *one.by[at + 1 :]))
        for one in found
    ]
