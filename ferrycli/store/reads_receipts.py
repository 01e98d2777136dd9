"""Calls as programs get them: the object `ferry.call/1`, and the whole receipt of one call.

Through a read-only connection and the database driver alone, as `store/reads.py`.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from ferrycli.rules.errors import IdAmbiguous, NoSuchCall
from ferrycli.rules.stamps import iso, milliseconds
from ferrycli.store.ids import SEQ_PREFIX_LENGTH
from ferrycli.store.reads import CallRow, call
from ferrycli.store.where import DOUBT_RELEASED

SCHEMA = "ferry.call/1"
ROWS_MAX = 1_000
"""Lines, attempts and corrections of a call that a receipt names, of each."""


def call_json(row: CallRow) -> dict[str, Any]:
    """The object `ferry.call/1`.

    `input_tokens` is the whole input, cached and written included; cost and doubt are effective
    (corrections included), the cost null where the call is unpriced or in flight.
    """
    return {
        "schema": SCHEMA,
        "id": row.id,
        "started_at": iso(row.started_at),
        "first_byte_ms": milliseconds(row.started_at, row.first_byte_at),
        "latency_ms": milliseconds(row.started_at, row.finished_at),
        "key": row.key,
        "tenant": row.tenant,
        "user": row.user,
        "assistant": row.assistant,
        "thread": row.thread,
        "feature": row.feature,
        "tags": json.loads(row.tags) if row.tags else {},
        "endpoint": row.endpoint,
        "stream": bool(row.is_stream),
        "priority": row.priority,
        "route": row.route,
        "requested_model": row.requested_model,
        "provider": row.provider,
        "model": row.model,
        "input_tokens": row.input_tokens,
        "cache_read_tokens": row.n_cache_read,
        "cache_write_tokens": row.cache_write_tokens,
        "output_tokens": row.output_tokens,
        "reasoning_tokens": row.n_reasoning,
        "cost_nanousd": row.cost_nanousd,
        "doubt_nanousd": row.doubt_nanousd,
        "provider_cost_nanousd": row.provider_cost_nanousd,
        "cost_source": row.cost_source,
        "state": row.state,
        "outcome": row.outcome,
        "status": row.status,
        "error": row.error_code,
        "attempts": row.attempts,
        "downgraded_from": row.downgraded_from,
    }


def receipt(connection: sqlite3.Connection, id: str, key_id: str | None) -> dict[str, Any]:
    """All that is known of the call `id`: `call_json`, and what it came to, part by part.

    `key_id`: only of a call of this key; None: of any. The id may lack its end, but not so much
    of it that calls of other moments begin the same. Raises `NoSuchCall`, which tells nothing of
    calls of others.
    """
    return whole(connection, _found(connection, id, key_id))


def whole(connection: sqlite3.Connection, row: CallRow) -> dict[str, Any]:
    """The receipt of the call that `row` is of."""
    return {
        **call_json(row),
        "finished_at": iso(row.finished_at),
        "finish_reason": row.finish_reason,
        "rule": row.rule,
        "reason": row.reason,
        "tier": row.tier,
        "price_version": row.price_version,
        "price_incomplete": bool(row.is_price_incomplete),
        "hold_nanousd": row.hold_nanousd,
        "max_tokens": row.output_sent,
        "client_retry": row.client_retry,
        "sources": json.loads(row.sources) if row.sources else {},
        "cost": {
            "input_nanousd": row.cost_input_nanousd,
            "cache_read_nanousd": row.cost_cache_read_nanousd,
            "cache_write_nanousd": row.cost_cache_write_nanousd,
            "output_nanousd": row.cost_output_nanousd,
            "other_nanousd": row.cost_other_nanousd,
        },
        "lines": _rows(connection, _LINES, row.seq),
        "tries": _rows(connection, _ATTEMPTS, row.seq),
        "corrections": _rows(connection, _CORRECTIONS, row.seq),
    }


@dataclass(frozen=True, slots=True)
class TryRow:
    """One attempt of a call that had several, or that went no further after its first."""

    number: int
    provider: str
    model: str
    route: str
    started_at: int
    finished_at: int | None
    state: str
    status: int
    error: str
    reason: str
    """Of one that failed: `503 overloaded`."""
    hold_nanousd: int
    doubt_nanousd: int
    cost_nanousd: int | None
    """None: it was billed and has no price."""
    cost_source: str
    """`provider`, `reported`, `estimated` or `unpriced`; empty where nothing was billed."""


def tries(connection: sqlite3.Connection, seq: int) -> tuple[TryRow, ...]:
    """The attempts of a call, in order; none of one that had but one."""
    return tuple(TryRow(*row) for row in connection.execute(_ATTEMPTS, (seq, ROWS_MAX)))


@dataclass(frozen=True, slots=True)
class CorrectionRow:
    """What was said of a call after its end."""

    delta_nanousd: int
    doubt_delta_nanousd: int
    """0 or below: what is in doubt no more."""
    reason: str
    """An operator's note, `late` or `release-doubt`."""
    source: str
    """`operator`, or `settlement`: one that came for a recovered call."""
    created_at: int

    @property
    def is_of_cost(self) -> bool:
        """Whether it says what the call cost, and not only that its doubt is over."""
        return self.delta_nanousd != 0 or self.reason != DOUBT_RELEASED


def corrections(connection: sqlite3.Connection, seq: int) -> tuple[CorrectionRow, ...]:
    """The corrections of a call, in order."""
    return tuple(CorrectionRow(*row) for row in connection.execute(_CORRECTIONS, (seq, ROWS_MAX)))


@dataclass(frozen=True, slots=True)
class LineRow:
    """One billed thing of a call that has lines."""

    number: int
    provider: str
    model: str
    bucket: str
    quantity: int
    rate_nanousd: int | None
    """Per million; None where the cost is not made of it."""
    cost_nanousd: int | None
    """None: unpriced."""
    reason: str


def lines(connection: sqlite3.Connection, seq: int) -> tuple[LineRow, ...]:
    """The lines of a call, in order; none of most."""
    return tuple(LineRow(*row) for row in connection.execute(_LINES, (seq, ROWS_MAX)))


_LINES = (
    "SELECT number, provider, model, bucket, quantity, rate_nanousd, cost_nanousd, reason"
    " FROM lines WHERE call_seq = ? ORDER BY number LIMIT ?"
)
_ATTEMPTS = (
    "SELECT number, provider, model, route, started_at, finished_at, state, status,"
    " error_code AS error, reason, hold_nanousd, doubt_nanousd, cost_nanousd, cost_source"
    " FROM attempts WHERE call_seq = ? ORDER BY number LIMIT ?"
)
_CORRECTIONS = (
    "SELECT delta_nanousd, doubt_delta_nanousd, reason, source, created_at"
    " FROM corrections WHERE call_seq = ? ORDER BY created_at, id LIMIT ?"
)


def _found(connection: sqlite3.Connection, id: str, key_id: str | None) -> CallRow:
    if len(id.removeprefix("c_")) < SEQ_PREFIX_LENGTH:
        raise NoSuchCall(id)
    try:
        row = call(connection, id)
    except IdAmbiguous:
        raise NoSuchCall(id) from None
    if key_id is not None and row.key_id != key_id:
        raise NoSuchCall(id)
    return row


def _rows(connection: sqlite3.Connection, query: str, seq: int) -> list[dict[str, Any]]:
    """The rows of a query of one call, by column; times in ISO 8601."""
    found = []
    for row in connection.execute(query, (seq, ROWS_MAX)):
        named = dict(zip(row.keys(), row, strict=True))
        found.append({name: iso(v) if name.endswith("_at") else v for name, v in named.items()})
    return found
