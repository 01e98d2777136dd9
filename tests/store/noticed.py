"""Alerts as the ledger writes them, and what became of them, seen by another hand."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ferrycli.store.connect import open_writer
from ferrycli.store.migrations import migrate

NOON = 1_795_003_200_000_000
"""2026-11-18 12:00 UTC."""
SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
USD = 1_000_000_000


class Hand:
    """A clock in hand: UTC microseconds that move only when they are told to."""

    def __init__(self) -> None:
        self.now_us = NOON

    def __call__(self) -> int:
        return self.now_us

    def move(self, seconds: float) -> None:
        self.now_us += int(seconds * SECOND_US)


def prepare(path: Path) -> Path:
    """An empty database, brought up to date."""
    with closing(open_writer(path)) as connection:
        migrate(connection, path, NOON)
    return path


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """Another connection; each statement is a transaction."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=5)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("PRAGMA synchronous=OFF")
        yield connection


def alert(path: Path, id: str, **more: Any) -> None:
    """Write one alert as the ledger does: of a month's budget that has reached 80 %."""
    with writing(path) as connection:
        insert(connection, id, **more)


def insert(connection: sqlite3.Connection, id: str, **more: Any) -> None:
    """As `alert`."""
    row: dict[str, Any] = {
        "id": id,
        "kind": "budget",
        "budget_id": f"b_{id}",
        "window_start": NOON - 17 * 24 * HOUR_US,
        "threshold": 80,
        "limit_nanousd": 50 * USD,
        "selector": "tenant=acme",
        "action": "80% notify",
        "owner": "ops",
        "channels": "[]",
        "spent_nanousd": 40 * USD,
        "detail": json.dumps({"period": "month", "zone": "Europe/Berlin"}),
        "created_at": NOON,
    } | more
    names = ", ".join(row)
    connection.execute(
        f"INSERT INTO alerts ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values())
    )


def rows(path: Path, query: str) -> list[dict[str, Any]]:
    with writing(path) as connection:
        return [dict(row) for row in connection.execute(query)]


def alerts(path: Path) -> dict[str, str]:
    """Id to state."""
    found = rows(path, "SELECT id, state FROM alerts ORDER BY id")
    return {row["id"]: row["state"] for row in found}


def deliveries(path: Path) -> dict[tuple[str, str, str], tuple[str, int, str]]:
    """Alert, channel and recipient to state, tries and error."""
    found = rows(path, "SELECT * FROM deliveries ORDER BY alert_id, channel, recipient")
    return {
        (row["alert_id"], row["channel"], row["recipient"]): (
            row["state"],
            row["tries"],
            row["error"],
        )
        for row in found
    }
