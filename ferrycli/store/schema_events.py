"""What the fourth migration adds: the ids of events.

Frozen as SQL, as `store/migrations.py` says.
"""

from __future__ import annotations

import sqlite3

_TABLE = """
CREATE TABLE events (
    key_id TEXT NOT NULL, event_id TEXT NOT NULL, call_seq BIGINT NOT NULL DEFAULT 0,
    body_hash BIGINT NOT NULL DEFAULT 0, recorded_at BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (key_id, event_id)
)
"""
_INDEX = "CREATE UNIQUE INDEX events_call ON events (call_seq)"

_UNSUM = """CREATE TRIGGER events_unsum AFTER INSERT ON events BEGIN
    DELETE FROM summed_days WHERE start_at <= (NEW.call_seq >> 21) * 1000
        AND start_at > (NEW.call_seq >> 21) * 1000 - 172800000000
        AND end_at > (NEW.call_seq >> 21) * 1000;
END"""
"""An event may count for a day that is summed already. No day is longer than two: so a handful of
rows is looked at, for each event."""


def apply(connection: sqlite3.Connection, _dialect: str) -> None:
    """Add the table, its index and its trigger."""
    for statement in (_TABLE, _INDEX, _UNSUM):
        connection.execute(statement)
