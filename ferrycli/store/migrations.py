"""Migrations: an append-only list of functions of a connection and its dialect.

Each runs once, in a transaction of its own, and is recorded by name. What a migration once did is
frozen here as SQL: the classes of `store/tables.py` move on, and a test holds the sum of the
migrations against them. Nothing here imports sqlmodel, so that a server starts without it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ferrycli.rules.errors import DatabaseNewer, DatabaseUnusable
from ferrycli.store import schema_control, schema_events
from ferrycli.store.connect import FOREIGN, is_foreign


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: its name in the `migrations` table, and what it does."""

    name: str
    apply: Callable[[sqlite3.Connection, str], None]


_FIRST_TABLES = """
CREATE TABLE attempts (
    call_seq BIGINT NOT NULL, number BIGINT NOT NULL, provider TEXT NOT NULL DEFAULT '',
    model TEXT NOT NULL DEFAULT '', started_at BIGINT NOT NULL DEFAULT 0, finished_at BIGINT,
    state TEXT NOT NULL DEFAULT '', status BIGINT NOT NULL DEFAULT 0,
    error_code TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '',
    hold_nanousd BIGINT NOT NULL DEFAULT 0, doubt_nanousd BIGINT NOT NULL DEFAULT 0,
    cost_nanousd BIGINT, windows TEXT NOT NULL DEFAULT '', PRIMARY KEY (call_seq, number)
);
CREATE TABLE budgets (
    id TEXT NOT NULL, selector TEXT NOT NULL, subject TEXT NOT NULL DEFAULT '[]',
    key_id TEXT NOT NULL DEFAULT '', limit_nanousd BIGINT NOT NULL DEFAULT 0,
    period TEXT NOT NULL, zone TEXT NOT NULL DEFAULT 'UTC', mode TEXT NOT NULL DEFAULT 'strict',
    clamp TEXT NOT NULL DEFAULT 'unset', owner TEXT NOT NULL DEFAULT '',
    rules TEXT NOT NULL DEFAULT '[]', counts_from BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL DEFAULT 0, removed_at BIGINT, revision BIGINT NOT NULL DEFAULT 1,
    PRIMARY KEY (id)
);
CREATE TABLE calls (
    {key}, id TEXT NOT NULL, state TEXT NOT NULL, outcome TEXT NOT NULL DEFAULT '',
    started_at BIGINT NOT NULL DEFAULT 0, admitted_at BIGINT NOT NULL DEFAULT 0,
    first_byte_at BIGINT, finished_at BIGINT, key_id TEXT NOT NULL DEFAULT '',
    tenant TEXT NOT NULL DEFAULT '', "user" TEXT NOT NULL DEFAULT '',
    assistant TEXT NOT NULL DEFAULT '', thread TEXT NOT NULL DEFAULT '',
    feature TEXT NOT NULL DEFAULT '', provider TEXT NOT NULL DEFAULT '',
    model TEXT NOT NULL DEFAULT '', route TEXT NOT NULL DEFAULT '', cost_nanousd BIGINT,
    hold_nanousd BIGINT NOT NULL DEFAULT 0, doubt_nanousd BIGINT NOT NULL DEFAULT 0,
    expected_nanousd BIGINT, n_input BIGINT NOT NULL DEFAULT 0,
    n_cache_read BIGINT NOT NULL DEFAULT 0, n_cache_write_5m BIGINT NOT NULL DEFAULT 0,
    n_cache_write_30m BIGINT NOT NULL DEFAULT 0, n_cache_write_1h BIGINT NOT NULL DEFAULT 0,
    n_cache_write_12h BIGINT NOT NULL DEFAULT 0, n_output BIGINT NOT NULL DEFAULT 0,
    n_audio_in BIGINT NOT NULL DEFAULT 0, n_audio_out BIGINT NOT NULL DEFAULT 0,
    n_image_in BIGINT NOT NULL DEFAULT 0, n_web_search BIGINT NOT NULL DEFAULT 0,
    n_reasoning BIGINT NOT NULL DEFAULT 0, cost_input_nanousd BIGINT NOT NULL DEFAULT 0,
    cost_cache_read_nanousd BIGINT NOT NULL DEFAULT 0,
    cost_cache_write_nanousd BIGINT NOT NULL DEFAULT 0,
    cost_output_nanousd BIGINT NOT NULL DEFAULT 0, cost_other_nanousd BIGINT NOT NULL DEFAULT 0,
    provider_cost_nanousd BIGINT, cost_source TEXT NOT NULL DEFAULT '',
    is_price_incomplete BIGINT NOT NULL DEFAULT 0, price_version TEXT NOT NULL DEFAULT '',
    priority TEXT NOT NULL DEFAULT 'normal', endpoint TEXT NOT NULL DEFAULT '',
    is_stream BIGINT NOT NULL DEFAULT 0, requested_model TEXT NOT NULL DEFAULT '',
    sent_model TEXT NOT NULL DEFAULT '', region TEXT NOT NULL DEFAULT '',
    tier TEXT NOT NULL DEFAULT '', status BIGINT NOT NULL DEFAULT 0,
    error_code TEXT NOT NULL DEFAULT '', attempts BIGINT NOT NULL DEFAULT 1,
    downgraded_from TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '',
    client_retry BIGINT NOT NULL DEFAULT 0, finish_reason TEXT NOT NULL DEFAULT '',
    tags TEXT NOT NULL DEFAULT '', sources TEXT NOT NULL DEFAULT '',
    prefix_hash BIGINT NOT NULL DEFAULT 0, request_hash BIGINT NOT NULL DEFAULT 0,
    last_message_hash BIGINT NOT NULL DEFAULT 0, prefix_bytes BIGINT NOT NULL DEFAULT 0,
    request_bytes BIGINT NOT NULL DEFAULT 0, last_message_bytes BIGINT NOT NULL DEFAULT 0,
    input_bound BIGINT NOT NULL DEFAULT 0, choices BIGINT NOT NULL DEFAULT 1,
    tier_asked TEXT NOT NULL DEFAULT '', input_ceiling_nanousd BIGINT,
    output_rate_nanousd BIGINT, output_asked BIGINT, output_held BIGINT, output_sent BIGINT,
    expected_output BIGINT NOT NULL DEFAULT 0, free_nanousd BIGINT,
    budget_id TEXT NOT NULL DEFAULT '', windows TEXT NOT NULL DEFAULT '',
    rule TEXT NOT NULL DEFAULT '', epoch BIGINT NOT NULL DEFAULT 0,
    instance_id TEXT NOT NULL DEFAULT '', repeats BIGINT NOT NULL DEFAULT 1
);
CREATE TABLE corrections (
    id TEXT NOT NULL, call_seq BIGINT NOT NULL DEFAULT 0,
    delta_nanousd BIGINT NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',
    source TEXT NOT NULL DEFAULT '', created_at BIGINT NOT NULL DEFAULT 0, PRIMARY KEY (id)
);
CREATE TABLE instances (
    id TEXT NOT NULL, host TEXT NOT NULL DEFAULT '', pid BIGINT NOT NULL DEFAULT 0,
    address TEXT NOT NULL DEFAULT '', version TEXT NOT NULL DEFAULT '',
    started_at BIGINT NOT NULL DEFAULT 0, heartbeat_at BIGINT NOT NULL DEFAULT 0,
    stopped_at BIGINT, PRIMARY KEY (id)
);
CREATE TABLE keys (
    id TEXT NOT NULL, name TEXT NOT NULL UNIQUE, secret_sha256 TEXT NOT NULL UNIQUE,
    prefix TEXT NOT NULL DEFAULT '', last4 TEXT NOT NULL DEFAULT '',
    role TEXT NOT NULL DEFAULT 'call', owner TEXT NOT NULL DEFAULT '',
    policies TEXT NOT NULL DEFAULT '{}', models TEXT NOT NULL DEFAULT '[]',
    routes TEXT NOT NULL DEFAULT '[]', cidrs TEXT NOT NULL DEFAULT '[]', rpm BIGINT, tpm BIGINT,
    parallel_max BIGINT, created_at BIGINT NOT NULL DEFAULT 0, expires_at BIGINT,
    revoked_at BIGINT, last_used_at BIGINT, rotates_to TEXT NOT NULL DEFAULT '',
    version BIGINT NOT NULL DEFAULT 1, PRIMARY KEY (id)
);
CREATE TABLE learned (
    kind TEXT NOT NULL, subject TEXT NOT NULL, value BIGINT NOT NULL DEFAULT 0,
    samples BIGINT NOT NULL DEFAULT 0, updated_at BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (kind, subject)
);
CREATE TABLE lines (
    call_seq BIGINT NOT NULL, number BIGINT NOT NULL, provider TEXT NOT NULL DEFAULT '',
    model TEXT NOT NULL DEFAULT '', bucket TEXT NOT NULL DEFAULT '',
    quantity BIGINT NOT NULL DEFAULT 0, rate_nanousd BIGINT, cost_nanousd BIGINT,
    reason TEXT NOT NULL DEFAULT '', PRIMARY KEY (call_seq, number)
);
CREATE TABLE meta (
    name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (name)
);
CREATE TABLE migrations (
    name TEXT NOT NULL, applied_at BIGINT NOT NULL DEFAULT 0, PRIMARY KEY (name)
);
CREATE TABLE rates (
    id TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
    tier TEXT NOT NULL DEFAULT '', from_at BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL DEFAULT 0, removed_at BIGINT, input BIGINT, cache_read BIGINT,
    cache_write_5m BIGINT, cache_write_30m BIGINT, cache_write_1h BIGINT,
    cache_write_12h BIGINT, output BIGINT, audio_in BIGINT, audio_out BIGINT, image_in BIGINT,
    web_search BIGINT, note TEXT NOT NULL DEFAULT '', PRIMARY KEY (id)
);
CREATE TABLE windows (
    budget_id TEXT NOT NULL, subject TEXT NOT NULL, start BIGINT NOT NULL,
    spent_nanousd BIGINT NOT NULL DEFAULT 0, held_nanousd BIGINT NOT NULL DEFAULT 0,
    doubt_nanousd BIGINT NOT NULL DEFAULT 0, PRIMARY KEY (budget_id, subject, start)
);
"""

_ROW_KEY = {"sqlite": "seq INTEGER PRIMARY KEY", "postgresql": "seq BIGINT PRIMARY KEY"}

_FIRST_INDEXES = (
    "CREATE INDEX calls_open ON calls (seq) WHERE state = 'held'",
    "CREATE INDEX ix_corrections_call_seq ON corrections (call_seq)",
)

_FIRST_TRIGGERS = (
    """CREATE TRIGGER calls_terminal BEFORE UPDATE OF {columns} ON calls WHEN OLD.state <> 'held'
    BEGIN SELECT RAISE(ABORT, 'a finished call never changes'); END""",
    """CREATE TRIGGER calls_repeats BEFORE UPDATE OF repeats ON calls WHEN OLD.state <> 'denied'
    BEGIN SELECT RAISE(ABORT, 'only denials are counted up'); END""",
    """CREATE TRIGGER calls_kept BEFORE DELETE ON calls WHEN OLD.state = 'held'
    BEGIN SELECT RAISE(ABORT, 'a call in flight is not deleted'); END""",
)
"""`{columns}` is every column but `repeats`."""

_WATCHED = {
    "keys": (
        "name, secret_sha256, role, policies, models, routes, cidrs, rpm, tpm, parallel_max,"
        " expires_at, revoked_at, version"
    ),
    "budgets": (
        "subject, limit_nanousd, period, zone, mode, clamp, rules, counts_from, removed_at,"
        " revision"
    ),
    "rates": "removed_at",
}
"""Tables whose change moves `meta.epoch`, and the columns of which an update counts."""

_BUMP = "UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE name = 'epoch'"


def _first(connection: sqlite3.Connection, dialect: str) -> None:
    for statement in _FIRST_TABLES.replace("{key}", _ROW_KEY[dialect]).split(";"):
        if statement.strip():
            connection.execute(statement)
    names = [row[0] for row in connection.execute("SELECT name FROM pragma_table_info('calls')")]
    columns = ", ".join(f'"{name}"' for name in names if name != "repeats")
    for statement in (*_FIRST_INDEXES, *_FIRST_TRIGGERS):
        connection.execute(statement.replace("{columns}", columns))
    for table, columns in _WATCHED.items():
        for event in ("INSERT", "DELETE", f"UPDATE OF {columns}"):
            name = f"{table}_epoch_{event.split()[0].lower()}"
            connection.execute(f"CREATE TRIGGER {name} AFTER {event} ON {table} BEGIN {_BUMP}; END")
    connection.execute(
        "INSERT INTO meta VALUES ('epoch', '1'), ('salt', ?)", [secrets.token_hex(16)]
    )


_DAILY_TABLES = """
CREATE TABLE daily (
    start_at BIGINT NOT NULL, end_at BIGINT NOT NULL, tenant TEXT NOT NULL,
    feature TEXT NOT NULL, assistant TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
    route TEXT NOT NULL, key_id TEXT NOT NULL, outcome TEXT NOT NULL,
    calls BIGINT NOT NULL DEFAULT 0, input_tokens BIGINT NOT NULL DEFAULT 0,
    cache_read_tokens BIGINT NOT NULL DEFAULT 0, cache_write_tokens BIGINT NOT NULL DEFAULT 0,
    output_tokens BIGINT NOT NULL DEFAULT 0, cost_nanousd BIGINT NOT NULL DEFAULT 0,
    cost_input_nanousd BIGINT NOT NULL DEFAULT 0,
    cost_cache_read_nanousd BIGINT NOT NULL DEFAULT 0,
    cost_cache_write_nanousd BIGINT NOT NULL DEFAULT 0,
    cost_output_nanousd BIGINT NOT NULL DEFAULT 0, cost_other_nanousd BIGINT NOT NULL DEFAULT 0,
    unpriced_calls BIGINT NOT NULL DEFAULT 0, estimated_calls BIGINT NOT NULL DEFAULT 0,
    failed_calls BIGINT NOT NULL DEFAULT 0, denied_calls BIGINT NOT NULL DEFAULT 0,
    open_calls BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (
        start_at, end_at, tenant, feature, assistant, provider, model, route, key_id, outcome
    )
){tail};
CREATE TABLE summed_days (
    start_at BIGINT NOT NULL, end_at BIGINT NOT NULL, summed_at BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (start_at, end_at)
)
"""

_TABLE_TAIL = {"sqlite": " WITHOUT ROWID", "postgresql": ""}

_UNSUM = """CREATE TRIGGER corrections_unsum AFTER INSERT ON corrections BEGIN
    DELETE FROM summed_days WHERE start_at <= (NEW.call_seq >> 21) * 1000
        AND end_at > (NEW.call_seq >> 21) * 1000;
END"""
"""The summary of a day whose call was corrected is no longer true. A row key holds milliseconds
above its 21 lowest bits, and days begin on whole ones."""


def _daily(connection: sqlite3.Connection, dialect: str) -> None:
    for statement in _DAILY_TABLES.replace("{tail}", _TABLE_TAIL[dialect]).split(";"):
        connection.execute(statement)
    connection.execute(_UNSUM)


MIGRATIONS: tuple[Migration, ...] = (
    Migration("0001_first", _first),
    Migration("0002_daily", _daily),
    Migration("0003_control", schema_control.apply),
    Migration("0004_events", schema_events.apply),
)


def applied(connection: sqlite3.Connection) -> list[str]:
    """Names of the migrations that this database has had, oldest first; none for a new file."""
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    if "migrations" not in tables:
        return []
    return [row[0] for row in connection.execute("SELECT name FROM migrations ORDER BY name")]


def check(connection: sqlite3.Connection, path: Path) -> list[Migration]:
    """The migrations that are still to be applied.

    Raises `DatabaseNewer` where the file has had one that this program does not know, and
    `DatabaseUnusable` where it holds somebody else's tables.
    """
    try:
        # In this order: another process may make the tables between the two.
        foreign = is_foreign(connection)
        done = applied(connection)
    except sqlite3.DatabaseError as error:
        raise DatabaseUnusable(str(path), str(error)) from None
    known = {migration.name for migration in MIGRATIONS}
    for name in done:
        if name not in known:
            raise DatabaseNewer(str(path), name)
    if not done and foreign:
        raise DatabaseUnusable(str(path), FOREIGN)
    return [migration for migration in MIGRATIONS if migration.name not in done]


def migrate(connection: sqlite3.Connection, path: Path, now_us: int) -> list[str]:
    """Apply what is missing, after a backup beside the file; the names of what was applied.

    A migration that is killed half-way has not happened: each is one transaction. Two processes
    that start at once are kept apart by the database's own lock.
    """
    pending = check(connection, path)
    if not pending:
        return []
    if len(pending) < len(MIGRATIONS):
        _backup(connection, path.with_name(f"{path.name}.before-{pending[0].name}"))
    names = []
    for migration in pending:
        connection.execute("BEGIN IMMEDIATE")
        try:
            if migration.name not in applied(connection):
                migration.apply(connection, "sqlite")
                connection.execute("INSERT INTO migrations VALUES (?, ?)", [migration.name, now_us])
                names.append(migration.name)
            connection.execute("COMMIT")
        except BaseException:
            # A full disk may have ended the transaction by itself.
            with contextlib.suppress(sqlite3.OperationalError):
                connection.execute("ROLLBACK")
            raise
    return names


def _backup(connection: sqlite3.Connection, target: Path) -> None:
    """A copy at `target`, whole or not at all; one that is there already is the older, and stays.

    Of two processes that migrate at once the second may copy what the first has changed.
    """
    partial = target.with_name(f"{target.name}.{secrets.token_hex(4)}")
    copy = sqlite3.connect(partial)
    try:
        partial.chmod(0o600)
        connection.backup(copy)
    finally:
        copy.close()
    with contextlib.suppress(FileExistsError):
        os.link(partial, target)
    partial.unlink()
