"""What bounds the holder of one key now: the standings of given budgets, each for one subject.

Through a read-only connection and the database driver alone, as `store/reads.py`. Windows of others
are not looked at.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from ferrycli.rules.budget import Standing, Terms
from ferrycli.rules.windows import first_bucket, is_rolling
from ferrycli.store.reads_budgets import GrantRow, standing_of, window_at
from ferrycli.store.rows import quoted

_GRANTS = (
    f"SELECT {quoted(tuple(GrantRow.__dataclass_fields__))} FROM grants WHERE budget_id = ?"
    " ORDER BY expires_at IS NULL, expires_at, created_at, id"
)
_WINDOW = (
    "SELECT coalesce(sum(spent_nanousd), 0), coalesce(sum(held_nanousd), 0),"
    " coalesce(sum(doubt_nanousd), 0) FROM windows"
    " WHERE budget_id = ? AND subject = ? AND start BETWEEN ? AND ?"
)
_NEVER = (1 << 63) - 1


def standings(
    connection: sqlite3.Connection, budgets: Iterable[tuple[Terms, str]], now_us: int
) -> list[Standing]:
    """The standing of each budget for its subject, all of one moment."""
    connection.execute("BEGIN")
    try:
        return [_standing(connection, terms, subject, now_us) for terms, subject in budgets]
    finally:
        connection.execute("COMMIT")


def _standing(connection: sqlite3.Connection, terms: Terms, subject: str, now_us: int) -> Standing:
    start, end = window_at(terms, now_us)
    first, last = start, start
    if is_rolling(terms.period):
        first, last = first_bucket(terms.period, now_us), _NEVER
    amounts = connection.execute(_WINDOW, (terms.id, subject, first, last)).fetchone()
    grants = [GrantRow(*row) for row in connection.execute(_GRANTS, (terms.id,))]
    return standing_of(terms, grants, (start, end), tuple(amounts), subject, now_us)
