"""What a running server knows of the database: keys, budgets and overrides, at one epoch.

Loaded by the ledger thread, published as one immutable object, so that the event loop reads it
without a lock and never sees half a change.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ferrycli.rules.attribution import Policy
from ferrycli.rules.budget import Terms
from ferrycli.rules.keys import KeyTerms
from ferrycli.rules.pricing import Override, Rate
from ferrycli.rules.usage import BUCKETS


@dataclass(frozen=True, slots=True)
class Books:
    """Keys, budgets and overrides as they stood at `epoch`."""

    epoch: int = 0
    salt: bytes = b""
    keys: Mapping[str, KeyTerms] = field(default_factory=dict)
    """By the SHA-256 of the secret, in hex."""
    keys_by_id: Mapping[str, KeyTerms] = field(default_factory=dict)
    key_budgets: Mapping[str, tuple[Terms, ...]] = field(default_factory=dict)
    """Budgets of single keys, by the key's id: most are of this kind, and need no search."""
    other_budgets: tuple[Terms, ...] = ()
    overrides: tuple[Override, ...] = ()

    def matching(self, facts: Mapping[str, str]) -> tuple[Terms, ...]:
        """Every budget that a call with these `facts` (dimension to value) counts in."""
        own = self.key_budgets.get(facts["key"], ())
        return tuple(terms for terms in (*own, *self.other_budgets) if _matches(terms, facts))


def _matches(terms: Terms, facts: Mapping[str, str]) -> bool:
    return all(facts.get(dimension) == value for dimension, value in terms.subject)


def read_epoch(connection: sqlite3.Connection) -> int:
    """The number that counts changes of keys, budgets and overrides."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
    return int(row[0])


def load(connection: sqlite3.Connection) -> Books:
    """Read everything; the caller holds a transaction, so that it is of one moment."""
    keys = list(_keys(connection))
    by_key: dict[str, tuple[Terms, ...]] = {}
    others: list[Terms] = []
    for key_id, terms in _budgets(connection):
        if key_id:
            by_key[key_id] = (*by_key.get(key_id, ()), terms)
        else:
            others.append(terms)
    salt = connection.execute("SELECT value FROM meta WHERE name = 'salt'").fetchone()[0]
    return Books(
        read_epoch(connection),
        bytes.fromhex(salt),
        dict(keys),
        {key.id: key for _, key in keys},
        by_key,
        tuple(others),
        tuple(overrides(connection)),
    )


def _keys(connection: sqlite3.Connection) -> Iterable[tuple[str, KeyTerms]]:
    columns = "secret_sha256, id, name, last4, role, policies, models, expires_at, revoked_at"
    for row in connection.execute(f"SELECT {columns} FROM keys"):
        policies = {name: Policy(*pair) for name, pair in json.loads(row[5]).items()}
        models = tuple(json.loads(row[6]))
        yield (
            row[0],
            KeyTerms(row[1], row[2], row[3], row[4], policies, models, row[7], row[8]),
        )


def _budgets(connection: sqlite3.Connection) -> Iterable[tuple[str, Terms]]:
    columns = "key_id, id, selector, period, zone, limit_nanousd, mode, clamp, counts_from, subject"
    for row in connection.execute(f"SELECT {columns} FROM budgets WHERE removed_at IS NULL"):
        subject = tuple((dimension, value) for dimension, value in json.loads(row[9]))
        terms = Terms(
            id=row[1],
            selector=row[2],
            period=row[3],
            zone=row[4],
            limit_nanousd=row[5],
            mode=row[6],
            clamp=row[7],
            counts_from_us=row[8],
            subject=subject,
        )
        yield row[0], terms


def overrides(connection: sqlite3.Connection) -> Iterable[Override]:
    """Prices that the operator set, the latest first."""
    columns = f"id, provider, model, tier, from_at, {', '.join(BUCKETS)}"
    query = f"SELECT {columns} FROM rates WHERE removed_at IS NULL ORDER BY from_at DESC, id DESC"
    for row in connection.execute(query):
        yield Override(row[0], row[1], row[2], Rate(*row[5:]), row[3], row[4])
