"""The audit: the invariants of money, each checked on a live database.

All checks read one moment, through a read-only connection, and change nothing. What they sum up is
recomputed from the rows of calls, attempts and corrections. Source: docs/money.md, section 10.
"""

from __future__ import annotations

import sqlite3

from ferrycli.store import (
    audit_alerts,
    audit_calls,
    audit_grants,
    audit_limits,
    audit_sums,
    audit_windows,
)
from ferrycli.store.audit_terms import histories
from ferrycli.store.checks import file, references
from ferrycli.store.faults import Check

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
        matching = audit_windows.match(connection)
        return [
            pages,
            references(connection),
            audit_windows.spent(connection, matching),
            audit_windows.held(connection),
            audit_limits.within(connection, matching, budgets, now_us),
            audit_calls.ended(connection, now_us, deadline_s),
            audit_calls.paid(connection),
            audit_calls.added_up(connection),
            audit_sums.equal(connection),
            audit_alerts.told(connection, budgets, now_us),
            audit_grants.balanced(connection, matching, budgets),
            audit_calls.kept(connection),
            audit_windows.complete(connection, matching),
            Check("I12 memory", "a server's memory is not looked at: its tests do that", 0, ()),
        ]
    finally:
        connection.execute("ROLLBACK")
