"""The pragmas on which the safety of the file rests, connection by connection."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ferrycli.store import changes
from ferrycli.store.connect import open_reader, open_writer

SYNC_FULL = 2


def pragma(connection: sqlite3.Connection, name: str) -> object:
    return next(iter(connection.execute(f"PRAGMA {name}").fetchone()))


def test_writer_syncs_every_commit_and_never_checkpoints_in_the_middle_of_a_batch(
    path: Path,
) -> None:
    connection = open_writer(path, busy_ms=70)
    try:
        assert pragma(connection, "journal_mode") == "wal"
        assert pragma(connection, "synchronous") == SYNC_FULL
        assert pragma(connection, "wal_autocheckpoint") == 0
        assert pragma(connection, "busy_timeout") == 70
    finally:
        connection.close()


def test_command_does_not_checkpoint_under_a_server(path: Path) -> None:
    """SQLite before 3.51.3 can corrupt a WAL file that a second connection checkpoints."""
    with changes.changing(path) as session:
        raw = session.connection().exec_driver_sql("PRAGMA wal_autocheckpoint").fetchone()
    assert raw is not None
    assert raw[0] == 0


def test_reader_is_for_reading_alone(path: Path) -> None:
    connection = open_reader(path)
    try:
        assert pragma(connection, "query_only") == 1
    finally:
        connection.close()
