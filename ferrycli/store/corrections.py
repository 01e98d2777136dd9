"""Corrections: signed amounts against calls that are over, and the windows that follow them.

Nothing recorded is edited. Everything here works inside a transaction that the caller holds, on
the driver alone, so that the ledger thread and commands use the same. A correction counts in the
windows of the call's admission, and in budgets that were set afterwards and count back to it.
Source: docs/money.md, section 3.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ferrycli.rules.errors import CallNotEnded, NoSuchCall
from ferrycli.rules.selectors import TAG, Selector
from ferrycli.rules.shares import Parts, parted
from ferrycli.rules.windows import first_bucket, is_rolling, window_start
from ferrycli.store import corrected_grants, crossings
from ferrycli.store.ids import seq_at, seq_prefix
from ferrycli.store.matching import ADMITTED_AFTER_US
from ferrycli.store.terms import pairs_of
from ferrycli.store.where import DOUBT_RELEASED

_ENDED = frozenset({"settled", "released", "recovered"})

_READ_CALL = (
    'SELECT state, admitted_at, key_id, tenant, "user", assistant, thread, feature, priority, tags,'
    " provider, coalesce(nullif(sent_model, ''), model), route, windows, cost_nanousd,"
    " doubt_nanousd, attempts FROM calls WHERE seq = ?"
)
_READ_ATTEMPTS = (
    "SELECT provider, model, route, windows, coalesce(cost_nanousd, 0), doubt_nanousd FROM attempts"
    " WHERE call_seq = ? AND number < ? ORDER BY number"
)
_READ_WINDOWS = "SELECT windows FROM attempts WHERE call_seq = ? AND number = ? AND windows <> ''"
_READ_SO_FAR = (
    "SELECT coalesce(sum(delta_nanousd), 0), coalesce(sum(doubt_delta_nanousd), 0)"
    " FROM corrections WHERE call_seq = ?"
)
_INSERT = (
    "INSERT INTO corrections (id, call_seq, delta_nanousd, reason, source, created_at,"
    " doubt_delta_nanousd) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_MOVE_WINDOW = (
    "INSERT INTO windows (budget_id, subject, start, spent_nanousd, doubt_nanousd)"
    " VALUES (?, ?, ?, ?, ?) ON CONFLICT (budget_id, subject, start) DO UPDATE SET"
    " spent_nanousd = spent_nanousd + excluded.spent_nanousd,"
    " doubt_nanousd = doubt_nanousd + excluded.doubt_nanousd"
)
_NAMED = (
    "json_extract(w.value, '$[0]') = ?2 AND json_extract(w.value, '$[2]') >= ?3"
    " AND (?4 IS NULL OR json_extract(w.value, '$[1]') = ?4)"
)
_DOUBTFUL = (
    "SELECT DISTINCT c.seq FROM calls c, json_each(c.windows) w WHERE c.seq >= ?1"
    f" AND c.state <> 'held' AND c.doubt_nanousd > 0 AND c.windows <> '' AND {_NAMED}"
    " UNION SELECT a.call_seq FROM attempts a, json_each(a.windows) w"
    " JOIN calls c ON c.seq = a.call_seq AND c.state <> 'held'"
    f" WHERE a.call_seq >= ?1 AND a.doubt_nanousd > 0 AND a.windows <> '' AND {_NAMED} ORDER BY 1"
)
_COUNTING_BACK = (
    "SELECT id, subject, period, zone, is_prepaid FROM budgets"
    " WHERE removed_at IS NULL AND counts_from <= ?"
)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt of a call, as it was recorded."""

    provider: str
    model: str
    route: str
    windows: str
    cost: int
    doubt: int

    def places(self) -> Iterator[tuple[str, str, int, Parts]]:
        """The windows that it counts in, each with the grants that it was held of."""
        for budget, subject, start, *parts in json.loads(self.windows or "[]"):
            yield budget, subject, start, parts[0] if parts else []


@dataclass(frozen=True, slots=True)
class _Ended:
    """A call that is over, with what corrections have said of it so far."""

    seq: int
    admitted_us: int
    facts: dict[str, str]
    attempts: tuple[_Attempt, ...]
    cost: int
    """Of all attempts, as it was settled; 0 where it has no price."""
    doubt: int
    delta: int
    doubt_delta: int

    def shares(self, delta: int, doubt_delta: int) -> list[tuple[int, int]]:
        """Cost and doubt of each attempt where corrections come to these sums."""
        costs = parted(self.cost + delta, [one.cost for one in self.attempts[:-1]])
        doubts = parted(self.doubt + doubt_delta, [one.doubt for one in self.attempts[:-1]])
        return list(zip(costs, doubts, strict=True))

    def is_doubtful(self, budget_id: str, subject: str | None, first: int) -> bool:
        """Whether doubt is left in a window of a budget that starts at `first` or later."""
        shares = self.shares(self.delta, self.doubt_delta)
        return any(
            doubt > 0 and budget == budget_id and start >= first and subject in (None, of)
            for attempt, (_, doubt) in zip(self.attempts, shares, strict=True)
            for budget, of, start, _ in attempt.places()
        )


def correct(
    connection: sqlite3.Connection,
    call_seq: int,
    delta_nanousd: int,
    reason: str,
    source: str,
    id_text: str,
    now_us: int,
    doubt_delta_nanousd: int = 0,
) -> None:
    """Record that a call cost `delta_nanousd` more or less, and move every window that it is in.

    `doubt_delta_nanousd` is 0 or below, and takes off at most the doubt that is left. Of a call
    with several attempts the last one's windows move, unless more comes off than it has. A
    percentage that a window reaches by this is noted as an alert. Raises `NoSuchCall`, or
    `CallNotEnded` for a call in flight and one that was denied.
    """
    call = _read(connection, call_seq)
    _record(connection, call, id_text, delta_nanousd, doubt_delta_nanousd, (reason, source, now_us))


def correct_to(
    connection: sqlite3.Connection,
    call_seq: int,
    cost_nanousd: int,
    reason: str,
    source: str,
    id_text: str,
    now_us: int,
) -> bool:
    """Record what a call truly cost, and free its doubt; whether that changed anything.

    Raises as `correct` does.
    """
    call = _read(connection, call_seq)
    delta, doubt = cost_nanousd - (call.cost + call.delta), call.doubt + call.doubt_delta
    if is_new := bool(delta or doubt):
        _record(connection, call, id_text, delta, -doubt, (reason, source, now_us))
    return is_new


def _record(
    connection: sqlite3.Connection,
    call: _Ended,
    id_text: str,
    delta: int,
    doubt_delta: int,
    said: tuple[str, str, int],
) -> None:
    """As `_corrected`, and note what that makes a window reach."""
    moved = _corrected(connection, call, id_text, delta, doubt_delta, said)
    crossings.note(connection, moved, said[2])


def _corrected(
    connection: sqlite3.Connection,
    call: _Ended,
    id_text: str,
    delta: int,
    doubt_delta: int,
    said: tuple[str, str, int],
) -> dict[crossings.Key, int]:
    """Record the correction of `call` and move its windows; how much more each has spent.

    `said`: reason, source and time.
    """
    freed = -min(-doubt_delta, call.doubt + call.doubt_delta)
    connection.execute(_INSERT, (id_text, call.seq, delta, *said, freed))
    before = call.shares(call.delta, call.doubt_delta)
    after = call.shares(call.delta + delta, call.doubt_delta + freed)
    moved: dict[crossings.Key, int] = {}
    settled = call.shares(0, 0)
    for attempt, (cost, _), was, now in zip(call.attempts, settled, before, after, strict=True):
        if was != now:
            for key in _move(connection, call, attempt, cost, was, now, said[2]):
                moved[key] = moved.get(key, 0) + now[0] - was[0]
    return moved


def late(
    connection: sqlite3.Connection,
    call_seq: int,
    cost_nanousd: int,
    id_text: str,
    now_us: int,
    reason: str = "late",
    source: str = "settlement",
) -> bool:
    """Correct a recovered call to what it truly cost, and free its doubt; whether that changed it.

    `cost_nanousd` is that of its last attempt, whose doubt is freed; earlier ones stay as they
    were estimated. False for a call that was not recovered, and for one that this was said of
    already.
    """
    try:
        call = _read(connection, call_seq)
    except (NoSuchCall, CallNotEnded):
        return False
    (state,) = connection.execute("SELECT state FROM calls WHERE seq = ?", [call_seq]).fetchone()
    earlier = sum(one.cost for one in call.attempts[:-1])
    delta = earlier + cost_nanousd - (call.cost + call.delta)
    doubt = call.shares(call.delta, call.doubt_delta)[-1][1]
    if state != "recovered" or not (delta or doubt):
        return False
    _record(connection, call, id_text, delta, -doubt, (reason, source, now_us))
    return True


def doubtful(
    connection: sqlite3.Connection, budget_id: str, subject: str | None, now_us: int
) -> list[int]:
    """Row keys of calls that may have doubt in the current window of a budget.

    `subject`: of this value of its `*`; None: of every. Reads, and may read long: to be asked
    before the write lock is taken. The doubt of attempts whose call is in flight is not among it.
    """
    first = _first(connection, budget_id, now_us)
    if first is None:
        return []
    # A row key may be older than its admission by the time that a call waited.
    values = (seq_at(first - ADMITTED_AFTER_US), budget_id, first, subject)
    return [row[0] for row in connection.execute(_DOUBTFUL, values)]


def release_doubt(
    connection: sqlite3.Connection,
    budget_id: str,
    subject: str | None,
    now_us: int,
    make_id: Callable[[], str],
    calls: list[int] | None = None,
) -> int:
    """Free the doubt of the current window of a budget; how many nano-dollars were released.

    `calls`: of these alone, as `doubtful` found them. Their doubt leaves every other window that
    they count in as well.
    """
    seqs = doubtful(connection, budget_id, subject, now_us) if calls is None else calls
    first = _first(connection, budget_id, now_us)
    released = 0
    moved: dict[crossings.Key, int] = {}
    said = (DOUBT_RELEASED, "operator", now_us)
    for seq in seqs:
        call = _read(connection, seq)
        left = call.doubt + call.doubt_delta
        if first is not None and call.is_doubtful(budget_id, subject, first):
            moved |= _corrected(connection, call, make_id(), 0, -left, said)
            released += left
    # Once for all: each call moves the same windows.
    crossings.note(connection, moved, now_us)
    return released


def _first(connection: sqlite3.Connection, budget_id: str, now_us: int) -> int | None:
    """The first start of a window of a budget that counts now; None where there is no such."""
    query = "SELECT period, zone FROM budgets WHERE id = ?"
    row = connection.execute(query, [budget_id]).fetchone()
    if row is None:
        return None
    period, zone = row
    if is_rolling(period):
        return first_bucket(period, now_us)
    return window_start(period, ZoneInfo(zone), now_us)


def _read(connection: sqlite3.Connection, seq: int) -> _Ended:
    row = connection.execute(_READ_CALL, [seq]).fetchone()
    if row is None:
        raise NoSuchCall(seq_prefix(seq))
    state, admitted_us, *named, tags, provider, model, route, windows, cost, doubt, count = row
    if state not in _ENDED:
        raise CallNotEnded(seq_prefix(seq), state)
    names = ("key", "tenant", "user", "assistant", "thread", "feature", "priority")
    facts = dict(zip(names, named, strict=True))
    facts |= {f"{TAG}{name}": value for name, value in json.loads(tags or "{}").items()}
    earlier = [_Attempt(*one) for one in connection.execute(_READ_ATTEMPTS, (seq, count))]
    delta, doubt_delta = connection.execute(_READ_SO_FAR, [seq]).fetchone()
    own = connection.execute(_READ_WINDOWS, (seq, count)).fetchone()
    last = _Attempt(provider, model, route, own[0] if own else windows, 0, 0)
    attempts = (*earlier, last)
    return _Ended(seq, admitted_us, facts, attempts, cost or 0, doubt, delta, doubt_delta)


def _move(
    connection: sqlite3.Connection,
    call: _Ended,
    attempt: _Attempt,
    cost: int,
    was: tuple[int, int],
    now: tuple[int, int],
    now_us: int,
) -> Iterator[crossings.Key]:
    """Bring the windows of one attempt from what it came to, cost and doubt, to what it is now."""
    spent, doubt = now[0] - was[0], now[1] - was[1]
    recorded = set()
    for budget, subject, start, parts in attempt.places():
        recorded.add(budget)
        connection.execute(_MOVE_WINDOW, (budget, subject, start, spent, doubt))
        if parts or _is_prepaid(connection, budget):
            corrected_grants.move(connection, budget, parts, cost, was, now, now_us)
        yield budget, subject, start
    if not spent:
        return
    for budget, subject, start, is_prepaid in _counting_back(connection, call, attempt):
        if budget not in recorded:
            connection.execute(_MOVE_WINDOW, (budget, subject, start, spent, 0))
            if is_prepaid:
                corrected_grants.move(connection, budget, (), 0, (0, 0), (spent, 0), now_us)
            yield budget, subject, start


def _is_prepaid(connection: sqlite3.Connection, budget_id: str) -> bool:
    query = "SELECT is_prepaid FROM budgets WHERE id = ?"
    row = connection.execute(query, [budget_id]).fetchone()
    return row is not None and bool(row[0])


def _counting_back(
    connection: sqlite3.Connection, call: _Ended, attempt: _Attempt
) -> Iterator[tuple[str, str, int, bool]]:
    """Budgets in force that count a call of that time and match, with its window."""
    facts = call.facts | {
        "provider": attempt.provider,
        "model": attempt.model,
        "route": attempt.route,
    }
    rows = connection.execute(_COUNTING_BACK, [call.admitted_us]).fetchall()
    for budget, pairs, period, zone, is_prepaid in rows:
        selector = Selector(pairs_of(pairs))
        if (subject := selector.subject(facts)) is not None:
            start = window_start(period, ZoneInfo(zone), call.admitted_us)
            yield budget, subject, start, bool(is_prepaid)
