"""Which call an `Idempotency-Key` stands for, for 24 hours: statements in the ledger's transaction.

Bound when a call is admitted, because then it goes out; unbound when it is released, because then
nothing was billed and a retry may go. Source: docs/money.md, section 8.
"""

from __future__ import annotations

import sqlite3

from ferrycli.rules.idempotency import Bound
from ferrycli.store.ids import seq_prefix, seq_us
from ferrycli.store.where import CORRECTED_COST, INPUT_TOKENS, OUTPUT_TOKENS

KEPT_US = 24 * 3600 * 1_000_000
EXPIRED_ROWS_MAX = 5_000
"""Rows that one `expire` takes out, in some 20 ms: a thousand for each second between two."""

_FIND = (
    "SELECT call_seq, request_hash FROM idempotency"
    " WHERE key_id = ? AND idempotency_key = ? AND created_at > ?"
)
_RECEIPT = (
    "SELECT c.id, c.state, c.outcome, c.provider, c.model,"
    f" {INPUT_TOKENS}, {OUTPUT_TOKENS}, {CORRECTED_COST} FROM calls c"
    " LEFT JOIN (SELECT call_seq, sum(delta_nanousd) AS delta FROM corrections"
    " WHERE call_seq = ?) d ON d.call_seq = c.seq WHERE c.seq = ?"
)
_BIND = (
    "INSERT INTO idempotency (key_id, idempotency_key, call_seq, request_hash, created_at)"
    " VALUES (?, ?, ?, ?, ?) ON CONFLICT (key_id, idempotency_key) DO UPDATE SET"
    " call_seq = excluded.call_seq, request_hash = excluded.request_hash,"
    " created_at = excluded.created_at"
)
_UNBIND = "DELETE FROM idempotency WHERE created_at = ? AND call_seq = ?"
_EXPIRE = (
    "DELETE FROM idempotency WHERE (key_id, idempotency_key) IN (SELECT key_id, idempotency_key"
    " FROM idempotency WHERE created_at <= ? ORDER BY created_at LIMIT ?)"
)
_NOT_BOUND = ("released", "denied")
"""States of calls for which nothing was billed, so that another may go."""


def find(
    connection: sqlite3.Connection, key_id: str, idempotency_key: str, now_us: int
) -> Bound | None:
    """The call that this key of this caller stands for; None where another may go.

    A call that was bound in the same transaction counts, also before its row is written.
    """
    values = (key_id, idempotency_key, now_us - KEPT_US)
    if (row := connection.execute(_FIND, values).fetchone()) is None:
        return None
    seq, request_hash = row
    receipt = connection.execute(_RECEIPT, (seq, seq)).fetchone()
    if receipt is None:
        return Bound(idempotency_key, seq, seq_prefix(seq), request_hash)
    bound = Bound(idempotency_key, seq, receipt[0], request_hash, *receipt[1:])
    return None if bound.state in _NOT_BOUND else bound


def bind(
    connection: sqlite3.Connection,
    key_id: str,
    idempotency_key: str,
    call_seq: int,
    request_hash: int,
) -> None:
    """Let this key of this caller stand for a call that goes out, from when the call began."""
    values = (key_id, idempotency_key, call_seq, request_hash, seq_us(call_seq))
    connection.execute(_BIND, values)


def unbind(connection: sqlite3.Connection, call_seq: int) -> None:
    """Nothing was billed for this call: its key, if it had one, stands for nothing."""
    # By its time as well, which is what the table has an index of.
    connection.execute(_UNBIND, (seq_us(call_seq), call_seq))


def expire(connection: sqlite3.Connection, now_us: int) -> int:
    """Take out bindings older than 24 hours, the oldest first; how many, at most a bounded part."""
    return connection.execute(_EXPIRE, (now_us - KEPT_US, EXPIRED_ROWS_MAX)).rowcount
