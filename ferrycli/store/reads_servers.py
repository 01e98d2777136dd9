"""The server that was seen last, and what it knew of its targets, as it wrote them down."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from ferrycli.rules.circuit import CLOSED, CircuitState

_READ_HEALTH = "SELECT provider, model, state, since, until_at, reason FROM health WHERE state <> ?"


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


def circuits(connection: sqlite3.Connection) -> dict[str, CircuitState]:
    """The circuits that are not closed, by `provider/model`."""
    rows = connection.execute(_READ_HEALTH, [CLOSED])
    return {f"{row[0]}/{row[1]}": CircuitState(*row[2:]) for row in rows}
