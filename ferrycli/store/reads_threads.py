"""Reads of threads: how much one has called of late.

Through a read-only connection and the database driver alone, as `store/reads.py`.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from ferrycli.rules.errors import NoSuchThread
from ferrycli.store.ids import seq_at

_RECENT = (
    "SELECT coalesce(sum(CASE state WHEN 'denied' THEN repeats ELSE 1 END), 0),"
    " coalesce(sum(CASE state WHEN 'denied' THEN repeats END), 0)"
    " FROM calls WHERE seq >= ? AND thread = ?"
)


@dataclass(frozen=True, slots=True)
class ThreadFacts:
    """What a thread has called since some moment."""

    thread: str
    calls: int
    """Refused ones included."""
    calls_refused: int


def recent(connection: sqlite3.Connection, thread: str, since_us: int) -> ThreadFacts:
    """The calls of `thread` since then. Raises `NoSuchThread` where there are none.

    Calls without a thread are no thread.
    """
    calls, refused = connection.execute(_RECENT, (seq_at(since_us), thread)).fetchone()
    if not calls or not thread:
        raise NoSuchThread(thread, since_us)
    return ThreadFacts(thread, calls, refused)
