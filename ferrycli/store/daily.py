"""Summaries of days that have ended, made from the rows behind the calls.

A day is summed when nothing of it can change any more: some minutes after its end, with no call of
it in flight. The sums are read in one moment and written in short transactions, so that the ledger
never waits; a day counts only once its row in `summed_days` is there. A correction takes that row
away, and the day is summed again.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import tzinfo
from pathlib import Path

from ferrycli.rules.errors import FerryError
from ferrycli.rules.spans import days
from ferrycli.rules.windows import MICROSECONDS, day_start, from_us
from ferrycli.store.connect import open_writer
from ferrycli.store.counting import LAST_EVENT
from ferrycli.store.ids import seq_at
from ferrycli.store.sums import FIGURES, figures_sql
from ferrycli.store.where import CORRECTIONS

CLOSED_AFTER_US = 300 * MICROSECONDS
"""A call may be written a moment after it began, and a clock may be set back a little."""
WAIT_S = 60.0
FIRST_WAIT_S = 2.0
"""A server that starts answers calls first."""
ROWS_IN_TRANSACTION = 1_000

_DIMENSIONS = (
    "tenant",
    "feature",
    "assistant",
    "provider",
    "model",
    "route",
    "key_id",
    "outcome",
)
_GROUPS = ", ".join(f"c.{name}" for name in _DIMENSIONS)
DAY_COLUMNS = ("start_at", "end_at", *_DIMENSIONS, *FIGURES)
"""Columns of `daily`, in the order of `day_sums_sql`."""
_INSERT = (
    f"INSERT INTO daily ({', '.join(DAY_COLUMNS)}) VALUES ({', '.join('?' * len(DAY_COLUMNS))})"
)


def day_sums_sql(*, is_corrected: bool) -> str:
    """What `daily` holds of one day, recomputed from the rows; binds start, end, and row keys."""
    return (
        f"SELECT ?, ?, {_GROUPS}, {figures_sql(is_corrected=is_corrected)} FROM calls c"
        + (CORRECTIONS if is_corrected else "")
        + f" WHERE c.seq >= ? AND c.seq < ? GROUP BY {_GROUPS}"
    )


def unsummed(
    connection: sqlite3.Connection, zone: tzinfo, now_us: int
) -> Iterator[tuple[int, int]]:
    """Days of `zone` that have ended, hold calls and are not summed yet; the latest first."""
    edges = [
        connection.execute(f"SELECT seq FROM calls ORDER BY seq {way} LIMIT 1").fetchone()
        for way in ("ASC", "DESC")
    ]
    if edges[0] is None:
        return
    first_us, last_us = ((edge[0] >> 21) * 1000 for edge in edges)
    summed = set(map(tuple, connection.execute("SELECT start_at, end_at FROM summed_days")))
    since_us = day_start(from_us(first_us, zone).date(), zone)
    until_us = min(now_us - CLOSED_AFTER_US, last_us + 86_400 * MICROSECONDS * 2)
    for day in reversed(days(since_us, until_us, zone)):
        if day not in summed:
            yield day


def sum_day(connection: sqlite3.Connection, start_us: int, end_us: int, now_us: int) -> bool:
    """Write the summary of one day; False where a call of it is still in flight."""
    bounds = (seq_at(start_us), seq_at(end_us))
    connection.execute("BEGIN")
    try:
        open_calls = (
            "SELECT EXISTS (SELECT 1 FROM calls WHERE state = 'held' AND seq >= ? AND seq < ?)"
        )
        if connection.execute(open_calls, bounds).fetchone()[0]:
            return False
        corrections = _corrections(connection, bounds)
        (last_event,) = connection.execute(LAST_EVENT).fetchone()
        query = day_sums_sql(is_corrected=corrections > 0)
        rows = connection.execute(query, (start_us, end_us, *bounds)).fetchall()
    finally:
        connection.execute("ROLLBACK")
    _clear(connection, start_us, end_us)
    for some in _batches(rows):
        _write(connection, _INSERT, some)
    connection.execute("BEGIN IMMEDIATE")
    try:
        # A correction or an event that came meanwhile is in the next summary, and must not be lost
        # in this; nor must rows, should another process be at the same day.
        held = "SELECT count(*) FROM daily WHERE start_at = ? AND end_at = ?"
        is_whole = (
            _corrections(connection, bounds) == corrections
            and not _has_event_since(connection, bounds, last_event)
            and connection.execute(held, (start_us, end_us)).fetchone()[0] == len(rows)
        )
        if is_whole:
            connection.execute(
                "INSERT OR REPLACE INTO summed_days VALUES (?, ?, ?)", (start_us, end_us, now_us)
            )
    finally:
        connection.execute("COMMIT")
    return is_whole


def _clear(connection: sqlite3.Connection, start_us: int, end_us: int) -> None:
    """Remove what there is of a day's summary, some rows at a time; it counts no more."""
    names = ", ".join(_DIMENSIONS)
    rows = (
        f"DELETE FROM daily WHERE start_at = ? AND end_at = ? AND ({names}) IN (SELECT {names}"
        f" FROM daily WHERE start_at = ? AND end_at = ? LIMIT {ROWS_IN_TRANSACTION})"
    )
    day = (start_us, end_us)
    removed = 1
    while removed > 0:
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Each time: another process may have made the day whole between two of these.
            connection.execute("DELETE FROM summed_days WHERE start_at = ? AND end_at = ?", day)
            removed = connection.execute(rows, day * 2).rowcount
        finally:
            connection.execute("COMMIT")


def _corrections(connection: sqlite3.Connection, bounds: tuple[int, int]) -> int:
    query = "SELECT count(*) FROM corrections WHERE call_seq >= ? AND call_seq < ?"
    return int(connection.execute(query, bounds).fetchone()[0])


def _has_event_since(connection: sqlite3.Connection, bounds: tuple[int, int], last: int) -> bool:
    """Whether an event of the day was told after the row `last` of `events`."""
    query = (
        "SELECT EXISTS (SELECT 1 FROM events WHERE rowid > ? AND call_seq >= ? AND call_seq < ?)"
    )
    return bool(connection.execute(query, (last, *bounds)).fetchone()[0])


def _batches(rows: list[tuple[object, ...]]) -> Iterator[list[tuple[object, ...]]]:
    for at in range(0, len(rows), ROWS_IN_TRANSACTION):
        yield rows[at : at + ROWS_IN_TRANSACTION]


def _write(connection: sqlite3.Connection, statement: str, rows: list[tuple[object, ...]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany(statement, rows)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


class DayKeeper:
    """A thread that sums days as they end, while a server runs."""

    def __init__(self, path: Path, zone: tzinfo, now_us: Callable[[], int]) -> None:
        self._path = path
        self._zone = zone
        self._now_us = now_us
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ferry-days", daemon=True)

    def start(self) -> None:
        """Begin; the database has been migrated."""
        self._thread.start()

    def stop(self, patience_s: float) -> None:
        """End after the day that is being summed."""
        self._stopping.set()
        self._thread.join(patience_s)

    def _run(self) -> None:
        wait_s = FIRST_WAIT_S
        while not self._stopping.wait(wait_s):
            # Locked, full or gone: reports read the rows instead, and the next round tries.
            with suppress(sqlite3.Error, FerryError):
                self._round()
            wait_s = WAIT_S

    def _round(self) -> None:
        if not self._path.exists():
            return
        with closing(open_writer(self._path)) as connection:
            # What is made from the rows can be made again: no sync is waited for.
            connection.execute("PRAGMA synchronous=NORMAL")
            now_us = self._now_us()
            # A clock that was set back opens days again that had ended.
            connection.execute("DELETE FROM summed_days WHERE end_at > ?", (now_us,))
            for start_us, end_us in unsummed(connection, self._zone, now_us):
                if self._stopping.is_set():
                    return
                sum_day(connection, start_us, end_us, now_us)
