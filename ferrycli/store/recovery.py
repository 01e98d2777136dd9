"""Calls whose server died: finished as `recovered`, with an estimate and the rest in doubt.

Runs in the ledger thread before it takes a question, in one transaction, so that a crash inside
recovery changes nothing. The calls are taken over and closed like any other. Source:
docs/money.md, section 8.
"""

from __future__ import annotations

import json
import sqlite3

from ferrycli.rules.pricing import Cost
from ferrycli.rules.selectors import TAG
from ferrycli.store.batch import Desk
from ferrycli.store.endings import OpenCall
from ferrycli.store.rows import Aim, Closing, quoted
from ferrycli.store.till import places_of

_COLUMNS = (
    "seq", "admitted_at", "key_id", "tenant", "user", "assistant", "thread", "feature", "tags",
    "provider", "model", "route", "sent_model", "expected_nanousd", "price_version",
    "input_bound", "input_ceiling_nanousd", "output_rate_nanousd", "hold_nanousd", "output_held",
    "windows", "epoch", "choices", "attempts", "reason",
)  # fmt: skip
_OPEN = f"SELECT {quoted(_COLUMNS)} FROM calls WHERE state = 'held' ORDER BY seq"
_ATTEMPTS = (
    "SELECT count(*), coalesce(sum(cost_nanousd), 0), coalesce(sum(doubt_nanousd), 0),"
    " coalesce(max(cost_source = 'unpriced'), 0) FROM attempts WHERE call_seq = ?"
)


def recover(desk: Desk) -> int:
    """Finish every call in state `held`; how many there were.

    The desk is that of the only server of this database. What a call costs is the estimate of its
    admission, at most its hold where a budget held it; it stands in `cost_other_nanousd`, because
    no bucket is known.
    """
    cursor = desk.connection.execute(_OPEN)
    rows = [dict(zip(_COLUMNS, row, strict=True)) for row in cursor.fetchall()]
    if not rows:
        return 0
    calls = {row["seq"]: _call(desk.connection, row) for row in rows}
    desk.take_over(calls)
    now_us = desk.now()
    desk.process([_closing(row["seq"], calls[row["seq"]], now_us) for row in rows])
    return len(rows)


def _call(connection: sqlite3.Connection, row: dict[str, object]) -> OpenCall:
    """A call in flight, from its row and those of its attempts that have ended."""
    attempts = int(str(row["attempts"]))
    ended, cost, doubt, is_unpriced = connection.execute(_ATTEMPTS, [row["seq"]]).fetchone()
    tags = json.loads(str(row["tags"])) if row["tags"] else {}
    facts = {f"{TAG}{name}": str(value) for name, value in tags.items()}
    for name in ("tenant", "user", "assistant", "thread", "feature", "provider", "route"):
        facts[name] = str(row[name])
    return OpenCall(
        hold_nanousd=_whole(row["hold_nanousd"]) if ended < attempts else 0,
        places=places_of(str(row["windows"])) if ended < attempts else (),
        facts={**facts, "key": str(row["key_id"]), "model": str(row["sent_model"])},
        aim=Aim(
            provider=str(row["provider"]),
            model=str(row["model"]),
            route=str(row["route"]),
            sent_model=str(row["sent_model"]),
            expected_nanousd=_maybe(row["expected_nanousd"]),
            price_version=str(row["price_version"]),
            input_bound=_whole(row["input_bound"]),
            input_ceiling_nanousd=_maybe(row["input_ceiling_nanousd"]),
            output_rate_nanousd=_maybe(row["output_rate_nanousd"]),
        ),
        feature=str(row["feature"]),
        admitted_at=_whole(row["admitted_at"]),
        epoch=_whole(row["epoch"]),
        output_held=_maybe(row["output_held"]) if ended < attempts else None,
        choices=_whole(row["choices"]),
        attempt=attempts,
        attempt_at=_whole(row["admitted_at"]) if ended < attempts else -1,
        past_cost_nanousd=cost,
        past_doubt_nanousd=doubt,
        is_past_unpriced=bool(is_unpriced),
    )


def _whole(value: object) -> int:
    assert isinstance(value, int)
    return value


def _maybe(value: object) -> int | None:
    return None if value is None else _whole(value)


def _closing(seq: int, call: OpenCall, now_us: int) -> Closing:
    """The end of a call of which nothing more will be heard."""
    expected = call.aim.expected_nanousd
    if expected is not None and call.places:
        expected = min(expected, call.hold_nanousd)
    if call.is_waiting:
        expected = 0
    return Closing(
        seq,
        "recovered",
        "recovered",
        now_us,
        cost=None if expected is None else Cost((("estimate", expected),)),
        is_cost_known=call.is_waiting,
        cost_source="unpriced" if expected is None else "estimated",
        attempts=call.attempt,
    )
