"""What a correction makes true: percentages that a window has reached, noted as alerts.

Each once, as the ledger thread does for the windows that a batch moves. Works inside the
transaction of the correction.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import replace

from ferrycli.rules.standings import Standing
from ferrycli.rules.windows import first_bucket, is_rolling
from ferrycli.store import alerts
from ferrycli.store.alarms import END_NOTICE, Alarms
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
    # Also where no more is spent: doubt set free of an ended grant is lost with it.
    standings = [
        (standing, more)
        for place, starts in _by_place(moved).items()
        for standing, more in _standings(connection, place, starts, now_us)
    ]
    for standing, more in standings:
        if is_rolling(standing.terms.period):
            before = replace(standing, spent=standing.spent - more)
            connection.executemany(END_NOTICE, alarms.ended(before))
    found = [
        alert
        for standing, _ in standings
        for alert in alerts.crossed(standing, now_us)
        if alarms.fires(alert)
    ]
    return alerts.insert(connection, found, lambda: ids.make().text("a"))


def _by_place(moved: Mapping[Key, int]) -> dict[tuple[str, str], dict[int, int]]:
    """What was spent more, by budget and subject, and then by start."""
    places: dict[tuple[str, str], dict[int, int]] = {}
    for (budget_id, subject, start), more in moved.items():
        places.setdefault((budget_id, subject), {})[start] = more
    return places


def _standings(
    connection: sqlite3.Connection,
    place: tuple[str, str],
    starts: Mapping[int, int],
    now_us: int,
) -> Iterator[tuple[Standing, int]]:
    """The windows of a place, with what boosts and grants add now, and what each spent more.

    None of a budget that is gone. Of a rolling one the span up to now, if a bucket is one of it.
    """
    budget_id, subject = place
    row = connection.execute(_TERMS, [budget_id]).fetchone()
    if row is None or not (terms := terms_of(row)).rules:
        return
    windows: dict[tuple[int, int | None], int] = {(start, None): starts[start] for start in starts}
    if is_rolling(terms.period):
        first = first_bucket(terms.period, now_us)
        within = [more for start, more in starts.items() if start >= first]
        windows = {window_at(terms, now_us): sum(within)} if within else {}
    for window, more in windows.items():
        yield standing_in(connection, terms, window, subject, now_us), more
