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
from ferrycli.store.reads_budgets import standing_in, window_at
from ferrycli.store.terms import TERMS, terms_of

Key = tuple[str, str, int]
"""Budget, subject, start."""

_TERMS = f"SELECT {TERMS} FROM budgets WHERE id = ? AND removed_at IS NULL"


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
    row = connection.execute(_TERMS, [key[0]]).fetchone()
    if row is None or not (terms := terms_of(row)).rules:
        return
    _, subject, start = key
    window: tuple[int, int | None] = (start, None)
    if is_rolling(terms.period):
        window = window_at(terms, now_us)
        if start < first_bucket(terms.period, now_us):
            return
    yield standing_in(connection, terms, window, subject, now_us)
