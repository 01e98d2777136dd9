"""Counting back: what a new budget's windows have spent already, without holding up the ledger.

All that has ended is summed before the write lock is taken, in one read of its own; under the lock
only what ended or was corrected meanwhile is added. So no call is missed and none counts twice.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ferrycli.rules.selectors import Selector
from ferrycli.rules.standings import Terms
from ferrycli.rules.windows import (
    MICROSECONDS,
    bucket_us,
    first_bucket,
    is_rolling,
    window_end,
    window_start,
)
from ferrycli.store.ids import seq_at
from ferrycli.store.matching import ENDED, Spent, Wanted, spent, spent_in_flight

RECENT_US = 180 * MICROSECONDS
"""A row is written at most so long after its row key was made: what is older was there to see.

A call waits for money a minute at the most."""

_RECENT = f"SELECT c.seq FROM calls c WHERE c.seq >= ? AND {ENDED}"
_OPEN = "SELECT seq FROM calls WHERE state = 'held'"
_LAST_CORRECTION = "SELECT coalesce(max(rowid), 0) FROM corrections"
LAST_EVENT = "SELECT coalesce(max(rowid), 0) FROM events"
_TOLD = "SELECT call_seq FROM events WHERE rowid > ?"
# Without DISTINCT, for which all of an index would be read, under the lock.
_CORRECTED = "SELECT call_seq FROM corrections WHERE rowid > ?"


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted, and what must be looked at again."""

    wanted: Wanted
    spent: Spent
    """By calls that had ended."""
    open_seqs: frozenset[int]
    """Calls that were in flight."""
    recent_from: int
    recent_seqs: frozenset[int]
    """Calls from that row key on that had ended."""
    corrections: int
    """The last row of `corrections` that was seen."""
    events: int
    """The last row of `events` that was seen: the row key of one that comes later may be old."""


def wanted_of(terms: Terms, now_us: int) -> Wanted:
    """What a budget with these terms counts back to: the start of its window of `now_us`."""
    selector = Selector(terms.subject)
    if is_rolling(terms.period):
        first_us = first_bucket(terms.period, now_us)
        return Wanted(selector, first_us, bucket_us=bucket_us(terms.period))
    zone = ZoneInfo(terms.zone)
    start_us = window_start(terms.period, zone, now_us)
    end_us = window_end(terms.period, zone, start_us)
    return Wanted(selector, start_us, end_us, start_us=start_us)


def count(connection: sqlite3.Connection, wanted: Wanted, now_us: int) -> Tally:
    """What matching calls cost until now; reads one moment of the database, outside any lock."""
    connection.execute("BEGIN")
    try:
        (last,) = connection.execute(_LAST_CORRECTION).fetchone()
        (last_event,) = connection.execute(LAST_EVENT).fetchone()
        recent_from = seq_at(now_us - RECENT_US)
        return Tally(
            wanted,
            spent(connection, wanted, corrections=last),
            frozenset(row[0] for row in connection.execute(_OPEN)),
            recent_from,
            frozenset(row[0] for row in connection.execute(_RECENT, (recent_from,))),
            last,
            last_event,
        )
    finally:
        connection.execute("ROLLBACK")


def as_it_stands(connection: sqlite3.Connection, tally: Tally) -> Spent:
    """The sums of `tally` for somebody who only looks, and changes nothing."""
    found = dict(tally.spent)
    _add(found, spent_in_flight(connection, tally.wanted), 1)
    return found


def caught_up(connection: sqlite3.Connection, tally: Tally) -> Spent:
    """The sums of `tally` as they are now; within the transaction that makes them count."""
    ended = {
        row[0]
        for row in connection.execute(_RECENT, (tally.recent_from,))
        if row[0] not in tally.recent_seqs
    }
    ended |= _ended_of(connection, tally.open_seqs)
    ended |= {row[0] for row in connection.execute(_TOLD, (tally.events,))}
    corrected = {
        row[0]
        for row in connection.execute(_CORRECTED, (tally.corrections,))
        if row[0] not in ended
    }
    found = dict(tally.spent)
    _add(found, spent_in_flight(connection, tally.wanted), 1)
    _add(found, spent(connection, tally.wanted, json.dumps(sorted(ended))), 1)
    if corrected:
        seqs = json.dumps(sorted(corrected))
        _add(found, spent(connection, tally.wanted, seqs), 1)
        _add(found, spent(connection, tally.wanted, seqs, tally.corrections), -1)
    return {key: amount for key, amount in found.items() if amount}


def _ended_of(connection: sqlite3.Connection, seqs: frozenset[int]) -> set[int]:
    query = f"SELECT c.seq FROM calls c WHERE {ENDED} AND c.seq IN (SELECT value FROM json_each(?))"
    return {row[0] for row in connection.execute(query, (json.dumps(sorted(seqs)),))}


def _add(found: Spent, more: Spent, sign: int) -> None:
    for key, amount in more.items():
        found[key] = found.get(key, 0) + sign * amount
