"""What bounds the holder of one key now: the standings of given budgets, each for one subject.

Through a read-only connection and the database driver alone, as `store/reads.py`. Windows of others
are not looked at.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from ferrycli.rules.standings import Standing, Terms
from ferrycli.store.reads_budgets import standing_in, window_at


def standings(
    connection: sqlite3.Connection, budgets: Iterable[tuple[Terms, str]], now_us: int
) -> list[Standing]:
    """The standing of each budget for its subject, all of one moment."""
    connection.execute("BEGIN")
    try:
        return [
            standing_in(connection, terms, window_at(terms, now_us), subject, now_us)
            for terms, subject in budgets
        ]
    finally:
        connection.execute("COMMIT")
