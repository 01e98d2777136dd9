"""Whether a database holds what it should: the file, its references, its windows and its days.

All checks read one moment of the database, through a read-only connection, and change nothing.
These are the quick ones; `store/audit` checks every invariant. Source: docs/money.md,
section 10.
"""

from __future__ import annotations

import sqlite3

from ferrycli.store.audit import sums, windows
from ferrycli.store.audit.faults import FAULTS_MAX, Check, Fault, check


def run(connection: sqlite3.Connection) -> list[Check]:
    """The quick checks, on one moment of the database; only the first where the file is damaged."""
    connection.execute("BEGIN")
    try:
        pages = file(connection)
        # Sums over pages that are torn would tell nothing, or fail.
        if pages.faults:
            return [pages]
        return [pages, references(connection), _windows(connection), _days(connection)]
    finally:
        connection.execute("ROLLBACK")


def file(connection: sqlite3.Connection) -> Check:
    """Whether SQLite finds its own pages sound."""
    try:
        rows = connection.execute(f"PRAGMA integrity_check({FAULTS_MAX})").fetchall()
        lines = [str(row[0]) for row in rows if row[0] != "ok"]
    except sqlite3.DatabaseError as error:
        lines = [str(error)]
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    return check("file", "pages are sound", pages, (Fault("file", line) for line in lines))


_REFERENCES = (
    ("budgets", "key_id", "keys", "id", "key_id <> '' AND removed_at IS NULL"),
    ("windows", "budget_id", "budgets", "id", "1"),
    ("grants", "budget_id", "budgets", "id", "1"),
    ("corrections", "call_seq", "calls", "seq", "1"),
    ("attempts", "call_seq", "calls", "seq", "1"),
    ("lines", "call_seq", "calls", "seq", "1"),
    ("events", "call_seq", "calls", "seq", "1"),
)
"""Table, its column, the table and column that it names, and the rows that must name one."""


def references(connection: sqlite3.Connection) -> Check:
    """Whether rows that name another row name one that is there."""
    faults: list[Fault] = []
    count = 0
    for table, column, other, other_column, condition in _REFERENCES:
        count += connection.execute(f"SELECT count(*) FROM {table} WHERE {condition}").fetchone()[0]
        query = (
            f"SELECT {column} FROM {table} WHERE {condition}"
            f" AND {column} NOT IN (SELECT {other_column} FROM {other}) LIMIT {FAULTS_MAX}"
        )
        faults += [
            Fault(f"{table} {row[0]}", f"no such row in {other}")
            for row in connection.execute(query)
        ]
    return check("references", "rows that name another row name one that is there", count, faults)


def _windows(connection: sqlite3.Connection) -> Check:
    """I1 and I2 in one."""
    spent = windows.spent(connection, windows.match(connection))
    held = windows.held(connection)
    faults = sorted((*spent.faults, *held.faults), key=lambda fault: fault.subject)
    return check("windows", "windows equal the sums of their calls", spent.count, faults)


def _days(connection: sqlite3.Connection) -> Check:
    (count,) = connection.execute("SELECT count(*) FROM summed_days").fetchone()
    faults = sums.day_faults(connection)
    return check("days", "summaries of days equal their calls", count, faults)
