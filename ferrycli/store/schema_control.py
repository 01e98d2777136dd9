"""What the third migration adds: budgets on anything, routes, limits, notices and their histories.

Frozen as SQL, as `store/migrations.py` says; a migration that comes later changes it by statements
of its own.
"""

from __future__ import annotations

import sqlite3

_TABLES = """
CREATE TABLE alerts (
    id TEXT NOT NULL, kind TEXT NOT NULL DEFAULT 'budget', budget_id TEXT NOT NULL DEFAULT '',
    subject TEXT NOT NULL DEFAULT '', window_start BIGINT NOT NULL DEFAULT 0,
    threshold BIGINT NOT NULL DEFAULT 0, limit_nanousd BIGINT NOT NULL DEFAULT 0,
    selector TEXT NOT NULL DEFAULT '', action TEXT NOT NULL DEFAULT '',
    owner TEXT NOT NULL DEFAULT '', channels TEXT NOT NULL DEFAULT '[]',
    spent_nanousd BIGINT NOT NULL DEFAULT 0, held_nanousd BIGINT NOT NULL DEFAULT 0,
    doubt_nanousd BIGINT NOT NULL DEFAULT 0, detail TEXT NOT NULL DEFAULT '{}',
    created_at BIGINT NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'new', told_at BIGINT,
    PRIMARY KEY (id)
);
CREATE TABLE deliveries (
    alert_id TEXT NOT NULL, channel TEXT NOT NULL, recipient TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT 'waiting', tries BIGINT NOT NULL DEFAULT 0,
    next_at BIGINT NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '', delivered_at BIGINT,
    PRIMARY KEY (alert_id, channel, recipient)
);
CREATE TABLE grants (
    id TEXT NOT NULL, budget_id TEXT NOT NULL, kind TEXT NOT NULL DEFAULT 'grant',
    external_id TEXT NOT NULL DEFAULT '', amount_nanousd BIGINT NOT NULL DEFAULT 0,
    note TEXT NOT NULL DEFAULT '', created_at BIGINT NOT NULL DEFAULT 0, expires_at BIGINT,
    voided_at BIGINT, balance_nanousd BIGINT NOT NULL DEFAULT 0,
    held_nanousd BIGINT NOT NULL DEFAULT 0, doubt_nanousd BIGINT NOT NULL DEFAULT 0,
    drawn_nanousd BIGINT NOT NULL DEFAULT 0, PRIMARY KEY (id)
);
CREATE TABLE routes (
    id TEXT NOT NULL, name TEXT NOT NULL, targets TEXT NOT NULL DEFAULT '[]',
    cheaper TEXT NOT NULL DEFAULT '', free TEXT NOT NULL DEFAULT '',
    settings TEXT NOT NULL DEFAULT '{}', created_at BIGINT NOT NULL DEFAULT 0,
    removed_at BIGINT, revision BIGINT NOT NULL DEFAULT 1, PRIMARY KEY (id)
);
CREATE TABLE assignments (
    id TEXT NOT NULL, selector TEXT NOT NULL, subject TEXT NOT NULL DEFAULT '[]',
    route TEXT NOT NULL DEFAULT '', output_max BIGINT, until_at BIGINT,
    created_at BIGINT NOT NULL DEFAULT 0, removed_at BIGINT,
    revision BIGINT NOT NULL DEFAULT 1, PRIMARY KEY (id)
);
CREATE TABLE limits (
    id TEXT NOT NULL, selector TEXT NOT NULL, subject TEXT NOT NULL DEFAULT '[]',
    rpm BIGINT, tpm BIGINT, parallel_max BIGINT, created_at BIGINT NOT NULL DEFAULT 0,
    removed_at BIGINT, revision BIGINT NOT NULL DEFAULT 1, PRIMARY KEY (id)
);
CREATE TABLE thread_releases (
    id TEXT NOT NULL, thread TEXT NOT NULL, released_at BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (id)
);
CREATE TABLE revisions (
    object TEXT NOT NULL, id TEXT NOT NULL, revision BIGINT NOT NULL,
    at BIGINT NOT NULL DEFAULT 0, content TEXT NOT NULL DEFAULT '{}',
    PRIMARY KEY (object, id, revision)
);
CREATE TABLE idempotency (
    key_id TEXT NOT NULL, idempotency_key TEXT NOT NULL, call_seq BIGINT NOT NULL DEFAULT 0,
    request_hash BIGINT NOT NULL DEFAULT 0, created_at BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (key_id, idempotency_key)
);
CREATE TABLE health (
    provider TEXT NOT NULL, model TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'closed',
    since BIGINT NOT NULL DEFAULT 0, until_at BIGINT, reason TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (provider, model)
)
"""

_COLUMNS = (
    ("budgets", "is_prepaid BIGINT NOT NULL DEFAULT 0"),
    ("budgets", "allow_unpriced BIGINT NOT NULL DEFAULT 0"),
    ("calls", "assignment TEXT NOT NULL DEFAULT ''"),
    ("calls", "admit_no BIGINT NOT NULL DEFAULT 0"),
    ("calls", "close_no BIGINT NOT NULL DEFAULT 0"),
    ("attempts", "route TEXT NOT NULL DEFAULT ''"),
    ("attempts", "cost_source TEXT NOT NULL DEFAULT ''"),
    ("attempts", "input_ceiling_nanousd BIGINT"),
    ("attempts", "output_rate_nanousd BIGINT"),
    ("attempts", "output_held BIGINT"),
    ("corrections", "doubt_delta_nanousd BIGINT NOT NULL DEFAULT 0"),
    ("keys", "previous_sha256 TEXT NOT NULL DEFAULT ''"),
    ("keys", "previous_last4 TEXT NOT NULL DEFAULT ''"),
    ("keys", "previous_until BIGINT"),
)

_INDEXES = (
    (
        "CREATE UNIQUE INDEX alerts_once ON alerts"
        " (kind, budget_id, subject, window_start, threshold, limit_nanousd)"
    ),
    "CREATE INDEX alerts_new ON alerts (created_at) WHERE state = 'new'",
    "CREATE INDEX deliveries_waiting ON deliveries (next_at) WHERE state = 'waiting'",
    "CREATE INDEX grants_of ON grants (budget_id)",
    (
        "CREATE UNIQUE INDEX grants_external ON grants (budget_id, external_id)"
        " WHERE external_id <> ''"
    ),
    "CREATE UNIQUE INDEX routes_name ON routes (name) WHERE removed_at IS NULL",
    "CREATE INDEX idempotency_age ON idempotency (created_at)",
)

_BUMP = "UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE name = 'epoch'"

_WATCHED = {
    "grants": "amount_nanousd, expires_at, voided_at",
    "routes": "name, targets, cheaper, free, settings, removed_at",
    "assignments": "subject, route, output_max, until_at, removed_at",
    "limits": "subject, rpm, tpm, parallel_max, removed_at",
    "thread_releases": "released_at",
}
"""Tables whose change moves `meta.epoch`, and the columns of which an update counts."""

_UPDATED = {
    "budgets": "owner, is_prepaid, allow_unpriced",
    "keys": "previous_sha256, previous_until",
}
"""Columns of older tables that count from now on."""

_TERMINAL = """CREATE TRIGGER calls_terminal BEFORE UPDATE OF {columns} ON calls
    WHEN OLD.state <> 'held' BEGIN SELECT RAISE(ABORT, 'a finished call never changes'); END"""


def apply(connection: sqlite3.Connection, _dialect: str) -> None:
    """Add the tables, columns, indexes and triggers."""
    for statement in _TABLES.split(";"):
        connection.execute(statement)
    for table, column in _COLUMNS:
        connection.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
    for statement in _INDEXES:
        connection.execute(statement)
    for table, columns in _WATCHED.items():
        for event in ("INSERT", "DELETE", f"UPDATE OF {columns}"):
            name = f"{table}_epoch_{event.split()[0].lower()}"
            connection.execute(f"CREATE TRIGGER {name} AFTER {event} ON {table} BEGIN {_BUMP}; END")
    for table, columns in _UPDATED.items():
        connection.execute(
            f"CREATE TRIGGER {table}_epoch_terms AFTER UPDATE OF {columns} ON {table}"
            f" BEGIN {_BUMP}; END"
        )
    names = [row[0] for row in connection.execute("SELECT name FROM pragma_table_info('calls')")]
    columns = ", ".join(f'"{name}"' for name in names if name != "repeats")
    connection.execute("DROP TRIGGER calls_terminal")
    connection.execute(_TERMINAL.replace("{columns}", columns))
    connection.execute("INSERT INTO meta VALUES ('sequence', '0')")
