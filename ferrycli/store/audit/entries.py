"""Every attempt of every call as an entry of its own: its target, its windows and its cost, as SQL.

Of a call with one attempt the entry is the call's row. Where there were several, those before the
last are rows of `attempts`, and the last one's cost is what they leave of the call's; a correction
is the last one's unless it takes off more than that has. The same, in Python, is `rules/shares.py`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from ferrycli.rules.selectors import TAG
from ferrycli.store.where import TAG_VALUE

ADMITTED = "c.state <> 'denied'"
"""Calls that went through admission."""

_OF_CALL = {
    "key": "c.key_id",
    "tenant": "c.tenant",
    "user": 'c."user"',
    "assistant": "c.assistant",
    "thread": "c.thread",
    "feature": "c.feature",
    "priority": "c.priority",
    "provider": "c.provider",
    # Never the model in the reply: budgets are of what ferry asked for.
    "model": "coalesce(nullif(c.sent_model, ''), c.model)",
    "route": "c.route",
}
_OF_ATTEMPT = {"provider": "a.provider", "model": "a.model", "route": "a.route"}

DELTAS = (
    "deltas AS MATERIALIZED (SELECT call_seq, sum(delta_nanousd) AS cost,"
    " sum(max(delta_nanousd, 0)) AS raised, sum(doubt_delta_nanousd) AS doubt FROM corrections"
    " GROUP BY call_seq)"
)
EARLIER = """
earlier AS MATERIALIZED (
    SELECT a.call_seq, a.number, a.number < c.attempts AS is_before, a.provider, a.model, a.route,
        a.windows,
        a.started_at, a.finished_at, a.hold_nanousd AS hold,
        coalesce(a.cost_nanousd, 0) AS cost, a.doubt_nanousd AS doubt,
        sum(coalesce(a.cost_nanousd, 0)) OVER up_to AS cost_up_to,
        sum(a.doubt_nanousd) OVER up_to AS doubt_up_to
    FROM attempts a JOIN calls c ON c.seq = a.call_seq
    WHERE a.number < c.attempts OR c.state = 'held'
    WINDOW up_to AS (PARTITION BY a.call_seq ORDER BY a.number)
),
past AS MATERIALIZED (
    SELECT call_seq, max(cost_up_to) AS cost, max(doubt_up_to) AS doubt,
        max(CASE WHEN is_before THEN finished_at END) AS finished_at
    FROM earlier GROUP BY call_seq
)"""
"""Attempts that ended before the last; of a call in flight each that is over."""

_COST = "coalesce(c.cost_nanousd, 0)"
_DOUBT = "c.doubt_nanousd"


@dataclass(frozen=True, slots=True)
class Extent:
    """What there is besides calls; what is empty need not be joined to each of them."""

    has_corrections: bool
    has_attempts: bool
    has_events: bool


def extent(connection: sqlite3.Connection) -> Extent:
    """What the database holds."""
    tables = ("corrections", "attempts", "events")
    queries = (f"SELECT EXISTS (SELECT 1 FROM {table})" for table in tables)
    return Extent(*(bool(connection.execute(query).fetchone()[0]) for query in queries))


def with_parts(of: Extent) -> list[str]:
    """The tables that `last_sql` and `earlier_sql` join, for a WITH clause."""
    return [
        *([DELTAS] if of.has_corrections else []),
        *([EARLIER] if of.has_attempts else []),
    ]


def joins(of: Extent) -> str:
    """What each call is joined to."""
    joined = " LEFT JOIN deltas d ON d.call_seq = c.seq" if of.has_corrections else ""
    if of.has_events:
        joined += " LEFT JOIN events v ON v.call_seq = c.seq"
    if of.has_attempts:
        joined += (
            " LEFT JOIN past p ON p.call_seq = c.seq"
            " LEFT JOIN attempts n ON n.call_seq = c.seq AND n.number = c.attempts"
        )
    return joined


def last_windows(of: Extent) -> str:
    """The windows of the last attempt: those of its own row, where it has one."""
    return "coalesce(nullif(n.windows, ''), c.windows)" if of.has_attempts else "c.windows"


def _corrected(amount: str, column: str, of: Extent) -> str:
    if not of.has_corrections:
        return amount
    return f"max(0, {amount} + coalesce(d.{column}, 0))"


def last_amount(column: str, of: Extent) -> str:
    """`cost` or `doubt` of the last attempt of a call that is over."""
    whole = _corrected(_COST if column == "cost" else _DOUBT, column, of)
    return f"max(0, {whole} - coalesce(p.{column}, 0))" if of.has_attempts else whole


def earlier_amount(column: str, of: Extent) -> str:
    """`cost` or `doubt` of an attempt before the last, as `a` of `earlier`."""
    whole = _corrected(_COST if column == "cost" else _DOUBT, column, of)
    up_to = f"a.{column}_up_to"
    return (
        f"CASE WHEN c.state = 'held' THEN a.{column}"
        f" ELSE min({up_to}, {whole}) - min({up_to} - a.{column}, {whole}) END"
    )


def last_most(of: Extent) -> str:
    """The most that the last attempt ever cost, before some corrections and after others."""
    if not of.has_corrections:
        return last_amount("cost", of)
    own = f"{_COST} - coalesce(p.cost, 0)" if of.has_attempts else _COST
    return f"max(0, {own}) + {raised(of)}"


def raised(of: Extent) -> str:
    """What corrections said that a call cost more, all together."""
    return "coalesce(d.raised, 0)" if of.has_corrections else "0"


def last_held_at(of: Extent) -> str:
    """When the last attempt was held: a further one after those before it had ended.

    An event, which counts for when it occurred, was first counted as it came.
    """
    moments = ["c.admitted_at"]
    if of.has_events:
        moments.append("coalesce(v.recorded_at, 0)")
    if of.has_attempts:
        moments += ["coalesce(n.started_at, 0)", "coalesce(p.finished_at, 0)"]
    return f"max({', '.join(moments)})" if len(moments) > 1 else moments[0]


def column(dimension: str, *, is_attempt: bool) -> tuple[str, list[str]]:
    """The SQL of a dimension's value, and what is bound in it."""
    if dimension.startswith(TAG):
        return TAG_VALUE, [dimension.removeprefix(TAG)]
    if is_attempt and dimension in _OF_ATTEMPT:
        return _OF_ATTEMPT[dimension], []
    return _OF_CALL[dimension], []


def entries_sql(dimensions: Sequence[str], of: Extent) -> tuple[str, list[str]]:
    """All entries, as seq, admitted_at, held_at, windows, hold, cost, most, raised, is_ended.

    Then is_several, is_event and each dimension, named `v0`, `v1` and so on. Calls in flight count
    with the attempts of theirs that are over.
    """
    queries, bound = [], []
    is_event = "v.call_seq IS NOT NULL" if of.has_events else "0"
    for is_attempt in (False, True) if of.has_attempts else (False,):
        columns = [column(name, is_attempt=is_attempt) for name in dimensions]
        bound += [value for _, values in columns for value in values]
        listed = "".join(f", {sql} AS v{at}" for at, (sql, _) in enumerate(columns))
        if is_attempt:
            queries.append(
                "SELECT c.seq, c.admitted_at, a.started_at, a.windows, a.hold,"
                f" {earlier_amount('cost', of)}, a.cost, {raised(of)}, 1, 1, 0{listed}"
                " FROM earlier a JOIN calls c ON c.seq = a.call_seq"
                + (" LEFT JOIN deltas d ON d.call_seq = c.seq" if of.has_corrections else "")
            )
        else:
            queries.append(
                "SELECT c.seq AS seq, c.admitted_at AS admitted_at,"
                f" {last_held_at(of)} AS held_at, {last_windows(of)} AS windows,"
                f" c.hold_nanousd AS hold, {last_amount('cost', of)} AS cost,"
                f" {last_most(of)} AS most, {raised(of)} AS raised, c.state <> 'held' AS is_ended,"
                f" c.attempts > 1 AS is_several, {is_event} AS is_event{listed}"
                f" FROM calls c{joins(of)} WHERE {ADMITTED}"
            )
    return " UNION ALL ".join(queries), bound
