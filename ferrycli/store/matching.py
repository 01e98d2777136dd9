"""What was spent by calls that a selector matches: its pairs as SQL over rows of calls.

An attempt counts at its own target: those before a call's last one are rows of `attempts`, the last
is the call's own row. A call that has ended counts whole, corrections included and never below 0,
parted as `rules/shares.py` says; of a call in flight count the attempts that are over. Missing
values are empty; values are always bound. Source: docs/budgets.md.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from ferrycli.rules.selectors import ANY, TAG, Selector, subject_text
from ferrycli.rules.windows import MICROSECONDS
from ferrycli.store.ids import seq_at
from ferrycli.store.where import TAG_VALUE

Pairs = Sequence[tuple[str, str]]

ADMITTED_AFTER_US = 3_600 * MICROSECONDS
"""A call is admitted at most so long after its id, and with it its row key, was made."""

ENDED = "c.state NOT IN ('held', 'denied')"
"""Calls that are over: a denied one costs nothing."""
OPEN = "c.state = 'held'"

CORRECTIONS_ALL = (1 << 63) - 1
"""Above every row of `corrections`."""

_COLUMNS = {
    "key": "c.key_id",
    "tenant": "c.tenant",
    "user": 'c."user"',
    "assistant": "c.assistant",
    "thread": "c.thread",
    "feature": "c.feature",
    "provider": "c.provider",
    # Never the model in the reply: budgets are of what ferry asked for.
    "model": "coalesce(nullif(c.sent_model, ''), c.model)",
    "route": "c.route",
}
_OF_ATTEMPT = {"provider": "a.provider", "model": "a.model", "route": "a.route"}

_DELTA = "(SELECT sum(delta_nanousd) FROM corrections x WHERE x.call_seq = c.seq AND x.rowid <= ?)"
_WHOLE = f"max(0, coalesce(c.cost_nanousd, 0) + coalesce({_DELTA}, 0))"
"""Of a call, all attempts together; binds the last row of `corrections` that counts."""
_PAST = (
    "(SELECT coalesce(sum(max(coalesce(b.cost_nanousd, 0), 0)), 0) FROM attempts b"
    " WHERE b.call_seq = c.seq AND b.number < {before})"
)
_OWN = "max(coalesce(a.cost_nanousd, 0), 0)"
_OF_LAST = f"max(0, {_WHOLE} - {_PAST.format(before='c.attempts')})"
_OF_EARLIER = f"min({_OWN}, max(0, {_WHOLE} - {_PAST.format(before='a.number')}))"

_FROM_CALLS = f"calls c WHERE {ENDED}"
_FROM_EARLIER = (
    f"attempts a JOIN calls c ON c.seq = a.call_seq WHERE {ENDED} AND a.number < c.attempts"
)
# CROSS JOIN keeps the order: calls in flight are few, and have an index of their own.
_FROM_OPEN = f"calls c CROSS JOIN attempts a ON a.call_seq = c.seq WHERE {OPEN}"


def match_sql(pairs: Pairs, *, is_attempt: bool = False) -> tuple[str, list[str]]:
    """The condition on `calls c` that every pair holds, and what is bound in it.

    `is_attempt`: provider, model and route are those of `attempts a`, joined to the call.
    """
    parts: list[str] = []
    values: list[str] = []
    for dimension, wanted in pairs:
        column, bound = column_sql(dimension, is_attempt=is_attempt)
        values += bound
        if wanted == ANY:
            parts.append(f"{column} <> ''")
        else:
            parts.append(f"{column} = ?")
            values.append(wanted)
    return " AND ".join(parts) or "1", values


def column_sql(dimension: str, *, is_attempt: bool = False) -> tuple[str, list[str]]:
    """The SQL of a dimension's value, and what is bound in it."""
    if dimension.startswith(TAG):
        return TAG_VALUE, [dimension.removeprefix(TAG)]
    if is_attempt and dimension in _OF_ATTEMPT:
        return _OF_ATTEMPT[dimension], []
    return _COLUMNS[dimension], []


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which calls count, and how what they cost is parted. Times in UTC microseconds."""

    selector: Selector
    """With the key's id, not its name."""
    since_us: int
    """Calls admitted at this moment or later."""
    until_us: int | None = None
    """And before this one."""
    bucket_us: int = 0
    """Length of a bucket of a rolling period, counted from 1970; 0: all is one window."""
    start_us: int = 0
    """The start of that one window."""


Spent = dict[tuple[str, int], int]
"""Nano-dollars by the window's subject and start."""


def spent(
    connection: sqlite3.Connection,
    wanted: Wanted,
    seqs: str = "",
    corrections: int = CORRECTIONS_ALL,
) -> Spent:
    """What matching calls that have ended cost, by window.

    `seqs`: only these calls, as a list in JSON. `corrections`: only those up to this row.
    """
    found: Spent = {}
    if wanted.selector.is_of_target:
        _sum(connection, wanted, _OF_LAST, _FROM_CALLS, seqs, corrections, found)
        _sum(connection, wanted, _OF_EARLIER, _FROM_EARLIER, seqs, corrections, found)
    else:
        _sum(connection, wanted, _WHOLE, _FROM_CALLS, seqs, corrections, found)
    return found


def first_at(connection: sqlite3.Connection, wanted: Wanted) -> int | None:
    """When the first of matching calls that have ended was admitted; None where none matches.

    Of a call of several attempts the last one's target counts.
    """
    condition, bound = match_sql(wanted.selector.pairs)
    query = (
        f"SELECT c.admitted_at FROM {_FROM_CALLS} AND c.seq >= ? AND c.admitted_at >= ?"
        f" AND {condition} ORDER BY c.seq LIMIT 1"
    )
    values = (seq_at(wanted.since_us - ADMITTED_AFTER_US), wanted.since_us, *bound)
    row = connection.execute(query, values).fetchone()
    return None if row is None else row[0]


def spent_in_flight(connection: sqlite3.Connection, wanted: Wanted) -> Spent:
    """What attempts that are over cost of calls that are not, by window."""
    found: Spent = {}
    _sum(connection, wanted, _OWN, _FROM_OPEN, "", None, found)
    return found


def _sum(
    connection: sqlite3.Connection,
    wanted: Wanted,
    cost: str,
    source: str,
    seqs: str,
    corrections: int | None,
    found: Spent,
) -> None:
    """Add one kind of entry to `found`. `corrections`: what `cost` binds; None: nothing."""
    is_attempt = source is not _FROM_CALLS
    pairs = wanted.selector.pairs
    starred = [column_sql(one, is_attempt=is_attempt) for one, value in pairs if value == ANY]
    values: list[str | int] = [value for _, bound in starred for value in bound]
    start = f"c.admitted_at - c.admitted_at % {wanted.bucket_us}" if wanted.bucket_us else "?"
    values += [] if wanted.bucket_us else [wanted.start_us]
    values += [] if corrections is None else [corrections]
    columns = "".join(f"{sql} AS v{at}, " for at, (sql, _) in enumerate(starred))
    query = f"SELECT {columns}{start} AS start, sum({cost}) FROM {source} AND c.admitted_at >= ?"
    values.append(wanted.since_us)
    if seqs:
        query += " AND c.seq IN (SELECT value FROM json_each(?))"
        values.append(seqs)
    elif source is not _FROM_OPEN:
        query += " AND c.seq >= ?"
        values.append(seq_at(wanted.since_us - ADMITTED_AFTER_US))
    if wanted.until_us is not None:
        query += " AND c.admitted_at < ?"
        values.append(wanted.until_us)
    condition, bound = match_sql(pairs, is_attempt=is_attempt)
    groups = "".join(f"v{at}, " for at in range(len(starred)))
    query += f" AND {condition} GROUP BY {groups}start"
    for *subject, at, amount in connection.execute(query, [*values, *bound]):
        if amount:
            key = (subject_text(subject) if subject else "", at)
            found[key] = found.get(key, 0) + amount
