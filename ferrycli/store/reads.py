"""Reads for people: calls, keys, prices and budgets, through a read-only connection.

Uses the database driver alone, because importing the table classes costs half a second. Rows are
given as plain dataclasses; amounts in nano-dollars, times in UTC microseconds. A call's cost is
effective: cost and corrections, never below 0.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ferrycli.rules.errors import (
    DatabaseOlder,
    DatabaseUnusable,
    IdAmbiguous,
    NoDatabase,
    NoSuchCall,
    NoSuchKey,
)
from ferrycli.rules.filters import Expression, Value
from ferrycli.rules.pricing import Override
from ferrycli.store import books, migrations
from ferrycli.store.connect import open_reader
from ferrycli.store.ids import prefix_range, seq_at
from ferrycli.store.rows import quoted
from ferrycli.store.where import (
    CORRECTED_COST,
    CORRECTED_DOUBT,
    CORRECTIONS,
    IS_CORRECTED,
    where_sql,
)

Connection = sqlite3.Connection
"""What reads are asked through, for rooms that may not name the driver."""

CALL_COLUMNS = (
    "seq", "id", "state", "outcome", "started_at", "admitted_at", "first_byte_at",
    "finished_at", "key_id", "tenant", "user", "assistant", "thread", "feature", "provider",
    "model", "route", "hold_nanousd", "n_input", "n_cache_read",
    "n_cache_write_5m", "n_cache_write_30m", "n_cache_write_1h", "n_cache_write_12h", "n_output",
    "n_audio_in", "n_audio_out", "n_image_in", "n_web_search", "n_reasoning",
    "cost_input_nanousd", "cost_cache_read_nanousd", "cost_cache_write_nanousd",
    "cost_output_nanousd", "cost_other_nanousd", "provider_cost_nanousd", "cost_source",
    "is_price_incomplete", "price_version", "priority", "endpoint", "is_stream",
    "requested_model", "tier", "status", "error_code", "attempts", "downgraded_from", "reason",
    "rule", "client_retry", "finish_reason", "tags", "sources", "output_asked", "output_sent",
    "free_nanousd", "budget_id", "input_bound",
)  # fmt: skip
"""Columns of `calls` that `CallRow` carries as they are."""


_SELECT_CALLS = (
    "SELECT " + ", ".join(f'c."{name}"' for name in CALL_COLUMNS) + ","
    f" coalesce(k.name, c.key_id), {CORRECTED_COST}, {CORRECTED_DOUBT}, {IS_CORRECTED}"
    f" FROM calls c LEFT JOIN keys k ON k.id = c.key_id{CORRECTIONS}"
)


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call as it is shown. Counts are of disjoint buckets."""

    seq: int
    id: str
    state: str
    outcome: str
    started_at: int
    admitted_at: int
    first_byte_at: int | None
    finished_at: int | None
    key_id: str
    tenant: str
    user: str
    assistant: str
    thread: str
    feature: str
    provider: str
    model: str
    route: str
    hold_nanousd: int
    n_input: int
    n_cache_read: int
    n_cache_write_5m: int
    n_cache_write_30m: int
    n_cache_write_1h: int
    n_cache_write_12h: int
    n_output: int
    n_audio_in: int
    n_audio_out: int
    n_image_in: int
    n_web_search: int
    n_reasoning: int
    cost_input_nanousd: int
    cost_cache_read_nanousd: int
    cost_cache_write_nanousd: int
    cost_output_nanousd: int
    cost_other_nanousd: int
    provider_cost_nanousd: int | None
    cost_source: str
    is_price_incomplete: int
    price_version: str
    priority: str
    endpoint: str
    is_stream: int
    requested_model: str
    tier: str
    status: int
    error_code: str
    attempts: int
    downgraded_from: str
    reason: str
    rule: str
    client_retry: int
    finish_reason: str
    tags: str
    sources: str
    output_asked: int | None
    output_sent: int | None
    free_nanousd: int | None
    budget_id: str
    input_bound: int
    key: str
    """The key's name; its id where the key is not in the table."""
    cost_nanousd: int | None
    """Effective: corrections included. None: unpriced, or in flight."""
    doubt_nanousd: int
    """What is left of it: corrections included."""
    is_corrected: int
    """A correction says what it cost."""

    @property
    def is_approximate(self) -> bool:
        """Whether its cost may be another; it may not where a correction has left no doubt."""
        is_settled = self.is_corrected and not self.doubt_nanousd
        is_guess = self.cost_source == "estimated" or self.is_price_incomplete
        return bool(is_guess and not is_settled)

    @property
    def input_tokens(self) -> int:
        """The whole input, cached and written tokens included."""
        return (
            self.n_input
            + self.n_cache_read
            + self.cache_write_tokens
            + self.n_audio_in
            + self.n_image_in
        )

    @property
    def cache_write_tokens(self) -> int:
        """Tokens written to a cache, for whatever time."""
        return (
            self.n_cache_write_5m
            + self.n_cache_write_30m
            + self.n_cache_write_1h
            + self.n_cache_write_12h
        )

    @property
    def output_tokens(self) -> int:
        """The whole output, reasoning and audio included."""
        return self.n_output + self.n_audio_out


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as it is listed."""

    id: str
    name: str
    prefix: str
    last4: str
    role: str
    owner: str
    policies: str
    models: str
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    last_used_at: int | None
    rpm: int | None = None
    tpm: int | None = None
    parallel_max: int | None = None
    previous_last4: str = ""
    previous_until: int | None = None
    """Until when the secret before the last rotation opens."""


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """A budget and the amounts of one of its windows."""

    id: str
    selector: str
    key_id: str
    limit_nanousd: int
    period: str
    zone: str
    mode: str
    window_start: int
    spent_nanousd: int
    held_nanousd: int
    doubt_nanousd: int
    is_prepaid: int


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection to a database of this version; closed at the end.

    Raises `NoDatabase`, `DatabaseUnusable`, `DatabaseNewer` or `DatabaseOlder`.
    """
    with closing(open_reader(path)) as connection:
        pending = migrations.check(connection, path)
        # A file that was made and not filled holds nothing yet, as if it were not there.
        if len(pending) == len(migrations.MIGRATIONS):
            raise NoDatabase(str(path))
        if pending:
            raise DatabaseOlder(str(path), pending[0].name)
        try:
            yield connection
        except sqlite3.Error as error:
            raise DatabaseUnusable(str(path), str(error)) from error


def calls(
    connection: sqlite3.Connection,
    since_us: int,
    until_us: int,
    limit: int | None = None,
    where: Expression | None = None,
) -> Iterator[CallRow]:
    """Calls that began in the span, the latest first; one at a time, so that memory is bounded."""
    query = f"{_SELECT_CALLS} WHERE c.seq >= ? AND c.seq < ?"
    values: list[Value] = [seq_at(since_us), seq_at(until_us)]
    if where is not None:
        condition, bound = where_sql(where, CORRECTED_COST)
        query += f" AND {condition}"
        values += bound
    query += " ORDER BY c.seq DESC"
    if limit is not None:
        query += " LIMIT ?"
        values.append(limit)
    for row in connection.execute(query, values):
        yield CallRow(*row)


def call(connection: sqlite3.Connection, prefix: str) -> CallRow:
    """The one call whose id begins with `prefix`. Raises `NoSuchCall` or `IdAmbiguous`."""
    bounds = prefix_range(prefix)
    if bounds is None:
        raise NoSuchCall(prefix)
    wanted = "c_" + prefix.strip().removeprefix("c_").upper().translate(
        str.maketrans("ILOU", "110V")
    )
    query = f"{_SELECT_CALLS} WHERE c.seq BETWEEN ? AND ? AND substr(c.id, 1, ?) = ? LIMIT 20"
    rows = connection.execute(query, (*bounds, len(wanted), wanted)).fetchall()
    if not rows:
        raise NoSuchCall(prefix)
    if len(rows) > 1:
        raise IdAmbiguous("call", prefix, len(rows))
    return CallRow(*rows[0])


def keys(connection: sqlite3.Connection) -> list[KeyRow]:
    """Every key, the oldest first."""
    columns = quoted(tuple(KeyRow.__dataclass_fields__))
    rows = connection.execute(f"SELECT {columns} FROM keys ORDER BY created_at, id")
    return [KeyRow(*row) for row in rows]


def key(connection: sqlite3.Connection, name: str) -> KeyRow:
    """The key of this name, or whose id begins so. Raises `NoSuchKey` or `IdAmbiguous`."""
    every = keys(connection)
    for row in every:
        if row.name == name:
            return row
    found = [row for row in every if len(name) > len("key_") and row.id.startswith(name)]
    if len(found) > 1:
        raise IdAmbiguous("key", name, len(found))
    if not found:
        raise NoSuchKey(name, tuple(row.name for row in every))
    return found[0]


def budgets(connection: sqlite3.Connection) -> list[BudgetRow]:
    """Every budget with its latest window; zeros and start 0 where nothing was held yet.

    Of one with `*` zeros: `reads_budgets` has all windows, and what a rolling one comes to.
    """
    query = (
        "SELECT b.id, b.selector, b.key_id, b.limit_nanousd, b.period, b.zone, b.mode,"
        " coalesce(w.start, 0), coalesce(w.spent_nanousd, 0), coalesce(w.held_nanousd, 0),"
        " coalesce(w.doubt_nanousd, 0), b.is_prepaid FROM budgets b"
        " LEFT JOIN windows w ON w.budget_id = b.id"
        " AND w.subject = '' AND w.start = (SELECT max(start) FROM windows WHERE budget_id = b.id)"
        " WHERE b.removed_at IS NULL ORDER BY b.created_at, b.id"
    )
    return [BudgetRow(*row) for row in connection.execute(query)]


def overrides(connection: sqlite3.Connection) -> list[Override]:
    """Prices that the operator set, the latest first."""
    return list(books.overrides(connection))


@dataclass(frozen=True, slots=True)
class Status:
    """What a database file holds."""

    calls: int
    calls_open: int
    keys: int
    first_call_at: int | None
    last_call_at: int | None
    page_bytes: int
    migrations: tuple[str, ...]
    instance: str
    """The server seen last, as `host pid`; empty where none ever was."""
    heartbeat_at: int | None


def status(connection: sqlite3.Connection) -> Status:
    """Counts and times of the file. Source: `ferry db status`."""

    def one(query: str) -> tuple[int, ...]:
        return tuple(connection.execute(query).fetchone())

    instance = connection.execute(
        "SELECT host, pid, heartbeat_at FROM instances ORDER BY heartbeat_at DESC LIMIT 1"
    ).fetchone()
    # min and max of the row key apart: together they would scan the table.
    return Status(
        calls=one("SELECT count(*) FROM calls")[0],
        calls_open=one("SELECT count(*) FROM calls WHERE state = 'held'")[0],
        keys=one("SELECT count(*) FROM keys WHERE revoked_at IS NULL")[0],
        first_call_at=_edge(connection, "ASC"),
        last_call_at=latest_call_at(connection),
        page_bytes=one("PRAGMA page_size")[0] * one("PRAGMA page_count")[0],
        migrations=tuple(migrations.applied(connection)),
        instance=f"{instance[0]} {instance[1]}" if instance else "",
        heartbeat_at=instance[2] if instance else None,
    )


def latest_call_at(connection: sqlite3.Connection) -> int | None:
    """When the latest call began; None where there is none."""
    return _edge(connection, "DESC")


def _edge(connection: sqlite3.Connection, order: str) -> int | None:
    query = f"SELECT started_at FROM calls ORDER BY seq {order} LIMIT 1"
    row = connection.execute(query).fetchone()
    return row[0] if row else None
