"""The server that was seen last, as it wrote itself into the database."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerRow:
    """One server: where it ran and when it last gave a sign of life. Times in UTC microseconds."""

    host: str
    pid: int
    address: str
    heartbeat_at: int
    stopped_at: int | None
    """None while it runs, and for one that died."""


def latest_server(connection: sqlite3.Connection) -> ServerRow | None:
    """The server whose heartbeat is the latest; None where none ever was."""
    columns = ", ".join(ServerRow.__dataclass_fields__)
    query = f"SELECT {columns} FROM instances ORDER BY heartbeat_at DESC LIMIT 1"
    row = connection.execute(query).fetchone()
    return ServerRow(*row) if row else None
