"""What a running server knows of the database: keys, budgets, routes and prices, at one epoch.

Loaded by the ledger thread, published as one immutable object, so that the event loop reads it
without a lock and never sees half a change.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ferrycli.rules.attribution import Policy
from ferrycli.rules.keys import KeyTerms
from ferrycli.rules.limits import LimitTerms
from ferrycli.rules.pricing import Override, Rate
from ferrycli.rules.routes import Assignment, Route
from ferrycli.rules.selectors import Facts, Matcher, matcher
from ferrycli.rules.standings import Terms
from ferrycli.rules.usage import BUCKETS
from ferrycli.store.routebooks import load_routes
from ferrycli.store.terms import TERMS, pairs_of, terms_of

RELEASES_KEPT_MAX = 1_000


@dataclass(frozen=True, slots=True)
class GrantTerms:
    """Money added to a budget: a top-up of a prepaid one, or a boost of another for a time."""

    id: str
    budget_id: str
    is_boost: bool
    amount_nanousd: int
    created_us: int
    expires_us: int | None
    voided_us: int | None
    balance_nanousd: int
    """What was left of the budget right after this grant, what was held and in doubt included."""

    def is_usable(self, now_us: int) -> bool:
        """Whether it counts at `now_us`."""
        return self.voided_us is None and (self.expires_us is None or now_us < self.expires_us)


@dataclass(frozen=True, slots=True)
class Books:
    """Keys, budgets, routes, limits and overrides as they stood at `epoch`."""

    epoch: int = 0
    salt: bytes = b""
    keys: Mapping[str, KeyTerms] = field(default_factory=dict)
    """By the SHA-256 of the secret, in hex; a rotated key under both."""
    keys_by_id: Mapping[str, KeyTerms] = field(default_factory=dict)
    retiring: Mapping[str, int] = field(default_factory=dict)
    """Hashes of secrets that were rotated away, and until when they open."""
    budgets: Mapping[str, Terms] = field(default_factory=dict)
    key_budgets: Mapping[str, tuple[Terms, ...]] = field(default_factory=dict)
    """Budgets of single keys, by the key's id."""
    budget_matcher: Matcher[Terms] = field(default_factory=Matcher)
    grants: Mapping[str, tuple[GrantTerms, ...]] = field(default_factory=dict)
    """By budget, in the order in which they are drawn: by expiry, then age."""
    limit_matcher: Matcher[LimitTerms] = field(default_factory=Matcher)
    routes: Mapping[str, Route] = field(default_factory=dict)
    assignments: tuple[Assignment, ...] = ()
    overrides: tuple[Override, ...] = ()
    thread_releases: tuple[tuple[str, int], ...] = ()
    """Threads that were let go on, and when."""

    def matching(self, facts: Facts) -> tuple[tuple[Terms, str], ...]:
        """Every budget that a call with these `facts` counts in, with its window's subject."""
        return self.budget_matcher.matching(facts)


def read_epoch(connection: sqlite3.Connection) -> int:
    """The number that counts changes of keys, budgets and overrides."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
    return int(row[0])


def load(connection: sqlite3.Connection) -> Books:
    """Read everything; the caller holds a transaction, so that it is of one moment."""
    keys: dict[str, KeyTerms] = {}
    retiring: dict[str, int] = {}
    limits: list[tuple[LimitTerms, tuple[tuple[str, str], ...]]] = []
    for row in _key_rows(connection):
        keys[row.sha256] = row.terms
        if row.previous_sha256:
            keys[row.previous_sha256] = row.terms
            retiring[row.previous_sha256] = row.previous_until
        if row.limit is not None:
            limits.append((row.limit, row.limit.pairs))
    budgets: dict[str, Terms] = {}
    by_key: dict[str, tuple[Terms, ...]] = {}
    for key_id, terms in _budgets(connection):
        budgets[terms.id] = terms
        if key_id:
            by_key[key_id] = (*by_key.get(key_id, ()), terms)
    limits += [(one, one.pairs) for one in _limits(connection)]
    routes, assignments = load_routes(connection)
    salt = connection.execute("SELECT value FROM meta WHERE name = 'salt'").fetchone()[0]
    return Books(
        epoch=read_epoch(connection),
        salt=bytes.fromhex(salt),
        keys=keys,
        keys_by_id={key.id: key for key in keys.values()},
        retiring=retiring,
        budgets=budgets,
        key_budgets=by_key,
        budget_matcher=matcher((one, one.subject) for one in budgets.values()),
        grants=_grants(connection),
        limit_matcher=matcher(limits),
        routes=routes,
        assignments=assignments,
        overrides=tuple(overrides(connection)),
        thread_releases=tuple(_releases(connection)),
    )


@dataclass(frozen=True, slots=True)
class _KeyRow:
    sha256: str
    terms: KeyTerms
    previous_sha256: str
    previous_until: int
    limit: LimitTerms | None


def _key_rows(connection: sqlite3.Connection) -> Iterable[_KeyRow]:
    columns = (
        "secret_sha256, id, name, last4, role, policies, models, expires_at, revoked_at, rpm, tpm,"
        " parallel_max, previous_sha256, previous_until"
    )
    for row in connection.execute(f"SELECT {columns} FROM keys"):
        policies = {name: Policy(*pair) for name, pair in json.loads(row[5]).items()}
        models = tuple(json.loads(row[6]))
        terms = KeyTerms(row[1], row[2], row[3], row[4], policies, models, row[7], row[8])
        has_limit = any(limit is not None for limit in row[9:12])
        pairs = (("key", row[1]),)
        limit = LimitTerms(row[1], f"key={row[2]}", pairs, *row[9:12]) if has_limit else None
        yield _KeyRow(row[0], terms, row[12], row[13] or 0, limit)


def _limits(connection: sqlite3.Connection) -> Iterable[LimitTerms]:
    query = "SELECT id, selector, subject, rpm, tpm, parallel_max FROM limits"
    for row in connection.execute(f"{query} WHERE removed_at IS NULL"):
        yield LimitTerms(row[0], row[1], pairs_of(row[2]), *row[3:6])


def _releases(connection: sqlite3.Connection) -> Iterable[tuple[str, int]]:
    query = "SELECT thread, released_at FROM thread_releases ORDER BY released_at DESC LIMIT ?"
    for row in connection.execute(query, [RELEASES_KEPT_MAX]):
        yield row[0], row[1]


def _grants(connection: sqlite3.Connection) -> dict[str, tuple[GrantTerms, ...]]:
    found: dict[str, tuple[GrantTerms, ...]] = {}
    query = (
        "SELECT id, budget_id, kind = 'boost', amount_nanousd, created_at, expires_at, voided_at,"
        " balance_nanousd FROM grants ORDER BY expires_at IS NULL, expires_at, created_at, id"
    )
    for row in connection.execute(query):
        grant = GrantTerms(row[0], row[1], bool(row[2]), *row[3:])
        found[grant.budget_id] = (*found.get(grant.budget_id, ()), grant)
    return found


def _budgets(connection: sqlite3.Connection) -> Iterable[tuple[str, Terms]]:
    for row in connection.execute(f"SELECT key_id, {TERMS} FROM budgets WHERE removed_at IS NULL"):
        yield row[0], terms_of(row[1:])


def overrides(connection: sqlite3.Connection) -> Iterable[Override]:
    """Prices that the operator set, the latest first."""
    columns = f"id, provider, model, tier, from_at, {', '.join(BUCKETS)}"
    query = f"SELECT {columns} FROM rates WHERE removed_at IS NULL ORDER BY from_at DESC, id DESC"
    for row in connection.execute(query):
        yield Override(row[0], row[1], row[2], Rate(*row[5:]), row[3], row[4])
