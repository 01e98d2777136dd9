"""Values that a shell offers at a press of TAB, from a database that is only read.

Somebody waits at a prompt: the keys and the latest calls are looked at, never the whole table,
and no lock is waited for. Values are given as they are stored, and may come more than once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from ferrycli.rules.errors import DatabaseUnusable
from ferrycli.store.connect import FOREIGN, is_foreign

CALLS_SCANNED_MAX = 10_000
"""Their names lie in the first part of a row: some 5 ms."""
CALLS_OFFERED_MAX = 50
BUSY_MS = 50

DIMENSIONS = {
    "tenants": "tenant",
    "users": "user",
    "assistants": "assistant",
    "threads": "thread",
    "features": "feature",
}
"""Kinds of value that calls carry in a column of their own, and keys in a policy."""

KINDS = ("keys", *DIMENSIONS, "models", "routes", "calls")


def values(path: Path, kind: str) -> Iterator[str]:
    """What the database holds of one of `KINDS`; of calls, the ids of the latest.

    Raises `DatabaseUnusable` for another program's file, and what SQLite raises.
    """
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=BUSY_MS / 1000)) as connection:
        if is_foreign(connection):
            raise DatabaseUnusable(str(path), FOREIGN)
        for query in _queries(kind):
            for (value,) in connection.execute(query):
                if isinstance(value, str) and value:
                    yield value


def _queries(kind: str) -> tuple[str, ...]:
    """Statements of one column, those that answer at once first."""
    latest = f"AS value FROM calls ORDER BY seq DESC LIMIT {CALLS_SCANNED_MAX}"
    if kind in DIMENSIONS:
        column = DIMENSIONS[kind]
        policies = f"SELECT DISTINCT json_extract(policies, '$.{column}[1]') FROM keys"
        return (
            f"{policies} WHERE revoked_at IS NULL",
            f'SELECT DISTINCT value FROM (SELECT "{column}" {latest})',
        )
    named = "CASE WHEN provider <> '' AND model <> '' THEN provider || '/' || model END"
    return {
        "keys": ("SELECT name FROM keys WHERE revoked_at IS NULL ORDER BY name",),
        "models": (
            f"SELECT {named} FROM rates WHERE removed_at IS NULL",
            f"SELECT DISTINCT value FROM (SELECT {named} {latest})",
        ),
        "routes": ("SELECT name FROM routes WHERE removed_at IS NULL ORDER BY name",),
        "calls": (f"SELECT id FROM calls ORDER BY seq DESC LIMIT {CALLS_OFFERED_MAX}",),
    }[kind]
