"""The audit: the invariants of money, each checked on a live database.

All checks read one moment, through a read-only connection, and change nothing. What they sum up is
recomputed from the rows of calls, attempts and corrections. Source: docs/money.md, section 10.
"""

from __future__ import annotations

import sqlite3

from ferrycli.store.audit import alerts, calls, grants, limits, sums, windows
from ferrycli.store.audit.checks import file, references
from ferrycli.store.audit.faults import Check
from ferrycli.store.audit.terms import histories

DEADLINE_S = 900.0
"""What a call may take where nothing else is configured."""


def run(connection: sqlite3.Connection, now_us: int, deadline_s: float = DEADLINE_S) -> list[Check]:
    """Every check, on one moment of the database; only the first where the file is damaged.

    `deadline_s`: how long a call may take at most, unless a route says longer.
    """
    connection.execute("BEGIN")
    try:
        pages = file(connection)
        # Sums over pages that are torn would tell nothing, or fail.
        if pages.faults:
            return [pages]
        budgets = histories(connection)
        matching = windows.match(connection)
        return [
            pages,
            references(connection),
            windows.spent(connection, matching),
            windows.held(connection),
            limits.within(connection, matching, budgets, now_us),
            calls.ended(connection, now_us, deadline_s),
            calls.paid(connection),
            calls.added_up(connection),
            sums.equal(connection),
            alerts.told(connection, budgets, now_us),
            grants.balanced(connection, matching, budgets),
            calls.kept(connection),
            windows.complete(connection, matching),
            Check("I12 memory", "a server's memory is not looked at: its tests do that", 0, ()),
        ]
    finally:
        connection.execute("ROLLBACK")
