"""Connections to the SQLite file, with the pragmas on which its safety rests.

Only the server's ledger connection checkpoints: every other sets `wal_autocheckpoint=0`, because
SQLite before 3.51.3 can corrupt a WAL database when one connection checkpoints while another
commits. Readers are `mode=ro` and `query_only`.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from ferrycli.rules.errors import DatabaseUnusable, NoDatabase

WRITER_BUSY_MS = 5_000
"""How long a command waits for the server's transaction, which takes milliseconds."""
READER_BUSY_MS = 5_000
FILE_MODE = 0o600
FOREIGN = "it is a SQLite file of another program"
STATEMENTS_CACHED_MAX = 256


def open_writer(path: Path, *, busy_ms: int = WRITER_BUSY_MS) -> sqlite3.Connection:
    """A connection that may write; makes the file (0600) where there is none.

    Transactions are begun by hand (`BEGIN IMMEDIATE`). Raises `DatabaseUnusable`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Made by hand, so that it is never readable by others, not even for a moment. Only where
        # it is missing: closing any descriptor of the file ends the POSIX locks of this process,
        # and the next process to leave would take the WAL away from under an open connection.
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, FILE_MODE))
        connection = sqlite3.connect(
            path,
            isolation_level=None,
            check_same_thread=False,
            timeout=busy_ms / 1000,
            cached_statements=STATEMENTS_CACHED_MAX,
        )
    except (OSError, sqlite3.Error) as error:
        raise DatabaseUnusable(str(path), _why(error)) from None
    try:
        # Looked at before anything is changed: WAL mode is written into the file.
        if is_foreign(connection):
            raise DatabaseUnusable(str(path), FOREIGN)
        connection.execute("PRAGMA journal_mode=WAL").fetchone()
        connection.execute("PRAGMA wal_autocheckpoint=0").fetchone()
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA temp_store=MEMORY")
    except DatabaseUnusable:
        connection.close()
        raise
    except sqlite3.Error as error:
        connection.close()
        raise DatabaseUnusable(str(path), _why(error)) from None
    return connection


def is_foreign(connection: sqlite3.Connection) -> bool:
    """Whether the file holds tables, and they are not ferry's."""
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    return bool(names) and "migrations" not in names


def open_reader(path: Path) -> sqlite3.Connection:
    """A read-only connection. Raises `NoDatabase` or `DatabaseUnusable`."""
    if not path.exists():
        raise NoDatabase(str(path))
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?mode=ro",
            uri=True,
            isolation_level=None,
            timeout=READER_BUSY_MS / 1000,
        )
    except sqlite3.Error as error:
        raise DatabaseUnusable(str(path), _why(error)) from None
    try:
        connection.execute("PRAGMA query_only=1")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        connection.close()
        raise DatabaseUnusable(str(path), _why(error)) from None
    connection.row_factory = sqlite3.Row
    return connection


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return str(error)
