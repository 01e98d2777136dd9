"""Routes and assignments as a running server knows them, read with the bare driver."""

from __future__ import annotations

import sqlite3

from ferrycli.rules.routes import Assignment, Route, route_of
from ferrycli.rules.selectors import Selector
from ferrycli.store.terms import pairs_of


def load_routes(
    connection: sqlite3.Connection,
) -> tuple[dict[str, Route], tuple[Assignment, ...]]:
    """Every route by name, and every assignment, the oldest first. Expired ones are there too."""
    columns = "name, targets, cheaper, free, settings"
    query = f"SELECT {columns} FROM routes WHERE removed_at IS NULL ORDER BY name"
    routes = {row[0]: route_of(*row) for row in connection.execute(query)}
    return routes, tuple(_assignments(connection))


def _assignments(connection: sqlite3.Connection) -> list[Assignment]:
    columns = "id, subject, selector, route, until_at, output_max"
    query = f"SELECT {columns} FROM assignments WHERE removed_at IS NULL ORDER BY id"
    return [
        Assignment(row[0], Selector(pairs_of(row[1])), *row[2:])
        for row in connection.execute(query)
    ]
