"""Reads of limits: requests and tokens a minute and calls at once, of selectors and of keys.

Through a read-only connection and the database driver alone, as `store/reads.py`.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from ferrycli.rules.selectors import Selector
from ferrycli.store.terms import pairs_of


@dataclass(frozen=True, slots=True)
class LimitRow:
    """Limits of what matches a selector; None: no limit."""

    selector: str
    """As it is written, with a key's name."""
    pairs: tuple[tuple[str, str], ...]
    """With a key's id."""
    rpm: int | None
    tpm: int | None
    parallel_max: int | None


def limits(connection: sqlite3.Connection) -> list[LimitRow]:
    """Every limit in force, the oldest first; then those that keys carry themselves."""
    rows = connection.execute(
        "SELECT selector, subject, rpm, tpm, parallel_max FROM limits"
        " WHERE removed_at IS NULL ORDER BY created_at, id"
    )
    found = [LimitRow(row[0], pairs_of(row[1]), *row[2:]) for row in rows]
    rows = connection.execute(
        "SELECT name, id, rpm, tpm, parallel_max FROM keys WHERE revoked_at IS NULL"
        " AND coalesce(rpm, tpm, parallel_max) IS NOT NULL ORDER BY created_at, id"
    )
    for name, id, *counts in rows:
        found.append(LimitRow(str(Selector((("key", name),))), (("key", id),), *counts))
    return found


def limits_about(
    connection: sqlite3.Connection, selector: Selector, *, is_exact: bool = False
) -> list[LimitRow]:
    """Limits of these pairs, with a key's id; or else, unless `is_exact`, of a `*` of theirs."""
    every = limits(connection)
    found = [one for one in every if one.pairs == selector.pairs]
    facts, dimensions = dict(selector.pairs), [name for name, _ in selector.pairs]
    if found or is_exact:
        return found
    return [
        one
        for one in every
        if [name for name, _ in one.pairs] == dimensions and Selector(one.pairs).subject(facts)
    ]
