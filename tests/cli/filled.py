"""A database that a reviewer can add up: calls of the week of 16 Nov 2026 and of the Monday after.

Rows are written by plain INSERTs. Last week acme spent $3.60 in 3 calls (support-bot $3.00 in 2,
no feature $0.60 in 1), globex $1.20 in 2, and a call without tenant $0.20: $5.00 in 6.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from ferrycli.rules.attribution import Policy
from ferrycli.rules.windows import Allowance
from ferrycli.store import changes
from ferrycli.store.ids import NewId, compose
from tests.cli.driver import moment

CENT = 10_000_000
"""In nano-dollars."""

MONDAY = "2026-11-23T08:00:00+00:00"


def new_id(at_us: int, chance: int) -> NewId:
    """An id of a moment, the same in every run."""
    tick = (at_us // 1000 << 12) | ((at_us % 1000 << 12) // 1000)
    return NewId(compose(tick, chance << 53), at_us)


def insert(connection: sqlite3.Connection, table: str, **columns: Any) -> None:
    """One row, by a plain INSERT."""
    names = ", ".join(f'"{name}"' for name in columns)
    marks = ", ".join("?" * len(columns))
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(columns.values()))


def call(
    connection: sqlite3.Connection, at: str, number: int, cents: int | None = 0, **columns: Any
) -> str:
    """One finished call; its id. `cents`: what it cost; None: unpriced."""
    at_us = moment(at)
    id = new_id(at_us, number)
    nanousd = None if cents is None else cents * CENT
    row: dict[str, Any] = {
        "seq": id.seq, "id": id.text("c"), "state": "settled", "outcome": "ok",
        "started_at": at_us, "admitted_at": at_us + 2_000, "first_byte_at": at_us + 610_000,
        "finished_at": at_us + 2_400_000, "key_id": "", "tenant": "acme",
        "feature": "support-bot", "provider": "openai", "model": "gpt-5-mini",
        "requested_model": "gpt-5-mini", "endpoint": "chat.completions", "status": 200,
        "cost_nanousd": nanousd, "cost_input_nanousd": nanousd or 0, "cost_source": "reported",
        "price_version": "genai-prices 0.2.3", "n_input": 1_000, "n_cache_read": 500,
        "n_output": 200,
    }  # fmt: skip
    insert(connection, "calls", **(row | columns))
    return id.text("c")


def fill(path: Path) -> None:
    """Two keys, an override, and the calls."""
    pins = {"tenant": Policy.of("pin", "acme"), "feature": Policy.of("allow", "support-bot")}
    made = changes.create_key(
        path, changes.KeyPlan("acme-web", "ana@acme.io", "call", pins, (), None,
                              Allowance(50 * 100 * CENT, "month"), "Europe/Berlin")
    )  # fmt: skip
    with closing(sqlite3.connect(path)) as connection:
        budget = connection.execute("SELECT id FROM budgets").fetchone()[0]
        # Made by the clock of the machine, which the screens do not go by.
        connection.execute("UPDATE budgets SET counts_from = 0")
        start = moment("2026-11-01T00:00:00+01:00")
        window = json.dumps([[budget, "", start]])
        counted = {"key_id": made.id, "windows": window, "budget_id": budget}
        call(connection, "2026-11-16T09:00:00+00:00", 1, 100, **counted)
        call(connection, "2026-11-18T10:00:00+00:00", 2, 200, **counted)
        call(connection, "2026-11-18T11:00:00+00:00", 3, 60, feature="", **counted)
        call(connection, "2026-11-19T11:00:00+00:00", 4, 70, tenant="globex", feature="chat")
        call(connection, "2026-11-20T11:00:00+00:00", 5, 50, tenant="globex", feature="chat")
        call(connection, "2026-11-22T22:59:59+00:00", 6, 20, tenant="", feature="")
        _monday(connection, counted)
        insert(
            connection, "windows", budget_id=budget, subject="", start=start,
            spent_nanousd=372 * CENT, held_nanousd=8 * CENT, doubt_nanousd=3 * CENT,
        )  # fmt: skip
        connection.commit()


def _monday(connection: sqlite3.Connection, counted: dict[str, Any]) -> None:
    """A call of each kind: known, estimated, unpriced, denied, failed over, in flight."""
    nothing = dict.fromkeys(("n_input", "n_cache_read", "n_output", "cost_input_nanousd"), 0)
    call(
        connection, "2026-11-23T08:00:00+00:00", 11, 7, **counted, is_stream=1,
        tags=json.dumps({"plan": "gold"}), thread="th_9f2c", user="8841",
        sources=json.dumps({"tenant": "key", "feature": "default", "thread": "header"}),
        cost_input_nanousd=4 * CENT, cost_cache_read_nanousd=CENT, cost_output_nanousd=2 * CENT,
        n_reasoning=160, finish_reason="stop", hold_nanousd=9 * CENT, free_nanousd=4_600 * CENT,
        output_sent=4_096, priority="normal",
    )  # fmt: skip
    call(
        connection, "2026-11-23T08:00:10+00:00", 12, 5, **counted, outcome="left",
        cost_source="estimated", doubt_nanousd=3 * CENT, hold_nanousd=8 * CENT,
    )  # fmt: skip
    call(
        connection, "2026-11-23T08:00:20+00:00", 13, None, tenant="globex", feature="chat",
        provider="local", model="llama-in-the-cellar-70b-instruct", cost_source="unpriced",
        price_version="",
    )  # fmt: skip
    call(
        connection, "2026-11-23T08:00:30+00:00", 14, 0, **nothing, tenant="globex",
        feature="chat", state="denied", outcome="denied", status=429, cost_source="",
        error_code="insufficient_quota", first_byte_at=None,
        finished_at=moment("2026-11-23T08:00:30.001+00:00"),
    )  # fmt: skip
    call(
        connection, "2026-11-23T08:00:40+00:00", 15, 0, **nothing, state="released",
        outcome="failed", status=502, error_code="upstream_failed", attempts=2, cost_source="",
        first_byte_at=None, **counted,
    )  # fmt: skip
    call(
        connection, "2026-11-23T08:00:50+00:00", 16, None, **(nothing | counted), state="held",
        outcome="", status=0, cost_source="", first_byte_at=None, finished_at=None,
        hold_nanousd=8 * CENT,
    )  # fmt: skip
