"""What a correction makes true: percentages that a window has reached, noted as alerts.

Each once, as the ledger thread does for the windows that a batch moves. Works inside the
transaction of the correction.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Mapping

from ferrycli.rules.budget import Standing
from ferrycli.rules.thresholds import has_reached
from ferrycli.rules.windows import first_bucket, is_rolling
from ferrycli.store import alerts
from ferrycli.store.alarms import Alarms
from ferrycli.store.ids import IdMaker
from ferrycli.store.reads_budgets import BudgetFacts, budgets, standing_of, window_at

Key = tuple[str, str, int]
"""Budget, subject, start."""

AFTER_ALL = (1 << 63) - 1
"""A clock that was set back leaves buckets of later times, and they count."""

_PAIRS = "SELECT subject FROM budgets WHERE id = ? AND removed_at IS NULL"
_AMOUNTS = (
    "SELECT coalesce(sum(spent_nanousd), 0), coalesce(sum(held_nanousd), 0),"
    " coalesce(sum(doubt_nanousd), 0) FROM windows"
    " WHERE budget_id = ? AND subject = ? AND start BETWEEN ? AND ?"
)


def note(connection: sqlite3.Connection, moved: Mapping[Key, int], now_us: int) -> int:
    """Note what windows have reached that spent so much more by key; how many alerts are new."""
    ids = IdMaker(lambda: now_us, secrets.randbits)
    alarms = Alarms(connection)
    found = [
        alert
        # Also where no more is spent: doubt set free of an ended grant is lost with it.
        for key, more in moved.items()
        for standing in _standing(connection, key, now_us)
        for alert in alerts.crossed(standing, now_us)
        if not _is_old(standing, alert.threshold, more) and alarms.fires(standing, alert)
    ]
    return alerts.insert(connection, found, lambda: ids.make().text("a"))


def _is_old(standing: Standing, percent: int, more: int) -> bool:
    """Whether a rolling window had reached this before: it may have been told long ago.

    Of others the file itself refuses what is there.
    """
    return is_rolling(standing.terms.period) and has_reached(
        percent, standing.used - more, standing.base
    )


def _standing(connection: sqlite3.Connection, key: Key, now_us: int) -> Iterator[Standing]:
    """The window, with what boosts and grants add now; none of a budget that is gone.

    Of a rolling budget the span up to now, if the bucket is one of it.
    """
    facts = _facts(connection, key[0], now_us)
    if facts is None or not facts.terms.rules:
        return
    budget_id, subject, start = key
    first, last = start, start
    window: tuple[int, int | None] = (start, None)
    if is_rolling(facts.terms.period):
        first, last = first_bucket(facts.terms.period, now_us), AFTER_ALL
        window = window_at(facts.terms, now_us)
        if start < first:
            return
    spent, held, doubt = connection.execute(_AMOUNTS, (budget_id, subject, first, last)).fetchone()
    amounts = (spent, held, doubt)
    yield standing_of(facts.terms, facts.grants, window, amounts, subject, now_us)


def _facts(connection: sqlite3.Connection, budget_id: str, now_us: int) -> BudgetFacts | None:
    row = connection.execute(_PAIRS, [budget_id]).fetchone()
    if row is None:
        return None
    every = budgets(connection, now_us, row[0], has_windows=False)
    return next((one for one in every if one.terms.id == budget_id), None)
