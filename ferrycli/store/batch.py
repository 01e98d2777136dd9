"""One transaction for all calls of a moment: judge, write rows and windows, or change nothing.

Invariants: standings in memory equal the windows table after every commit; whatever fails drops
them, and they are read again; a message is answered only after COMMIT. Source: docs/money.md,
section 5, "The batch".
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from zoneinfo import ZoneInfo

from ferrycli.rules.budget import Admission, Ask, Standing, Terms, doubt_of, judge
from ferrycli.rules.denials import Refusal
from ferrycli.rules.errors import FerryError
from ferrycli.rules.windows import window_end, window_start
from ferrycli.store import books as booklet
from ferrycli.store.books import Books
from ferrycli.store.rows import (
    CLOSE_CALL,
    INSERT_CALL,
    Closing,
    Decided,
    Opening,
    close_values,
    decided_values,
    opening_values,
)

WINDOWS_KEPT_MAX = 100_000
"""Windows in memory; past it they are read again from the file."""

OVERRUN = "overrun"
"""The `reason` of a call that cost more than was held for it."""

WindowKey = tuple[str, str, int]
"""Budget id, subject, start."""
Amounts = tuple[int, int, int]
"""Spent, held, doubt, in nano-dollars."""

_READ_WINDOW = (
    "SELECT spent_nanousd, held_nanousd, doubt_nanousd FROM windows"
    " WHERE budget_id = ? AND subject = ? AND start = ?"
)
_WRITE_WINDOW = (
    "INSERT INTO windows (budget_id, subject, start, spent_nanousd, held_nanousd, doubt_nanousd)"
    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (budget_id, subject, start) DO UPDATE SET"
    " spent_nanousd = excluded.spent_nanousd, held_nanousd = excluded.held_nanousd,"
    " doubt_nanousd = excluded.doubt_nanousd"
)


@dataclass(frozen=True, slots=True)
class Admit:
    """A question: may this call go?"""

    opening: Opening
    ask: Ask
    facts: Mapping[str, str]
    """Dimension to value, for the selectors of budgets; `key` is the key's id."""
    epoch: int
    """Of the books on which the question was built."""


@dataclass(frozen=True, slots=True)
class Deny:
    """A call of a known key that was refused before any budget was asked."""

    opening: Opening
    refusal: FerryError


@dataclass(frozen=True, slots=True)
class Stale:
    """The books moved on since the question was built: build it again on these."""

    books: Books


Verdict = Admission | FerryError | Stale
Message = Admit | Deny | Closing


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call in flight: what it holds, and in which windows."""

    hold_nanousd: int
    windows: tuple[WindowKey, ...]


class Desk:
    """Where messages are judged, on the ledger thread's own connection."""

    def __init__(
        self, connection: sqlite3.Connection, now_us: Callable[[], int], instance_id: str
    ) -> None:
        self._connection = connection
        self._now_us = now_us
        self._instance_id = instance_id
        self._windows: dict[WindowKey, Amounts] = {}
        self._open: dict[int, OpenCall] = {}
        self._version = -1
        self._periods: dict[str, tuple[int, int | None, Terms]] = {}
        self._zones: dict[str, tzinfo] = {}
        self.books = Books()
        self.calls_admitted = 0
        self.last_used: dict[str, int] = {}
        """Key id to UTC microseconds, since it was last written."""

    @property
    def standings(self) -> Mapping[WindowKey, Amounts]:
        """What is held in memory of the windows table, for checks."""
        return self._windows

    @property
    def calls_open(self) -> int:
        """Calls in flight."""
        return len(self._open)

    def refresh(self) -> bool:
        """Read the books again if another connection has committed; whether one had."""
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return False
        self._windows.clear()
        self._periods.clear()
        if booklet.read_epoch(self._connection) != self.books.epoch:
            self.books = self._load()
        self._version = version
        return True

    def _load(self) -> Books:
        """The books of one moment: in a transaction, of its own where none is open."""
        if self._connection.in_transaction:
            return booklet.load(self._connection)
        self._connection.execute("BEGIN")
        try:
            return booklet.load(self._connection)
        finally:
            self._connection.execute("COMMIT")

    def process(self, messages: Iterable[Message]) -> list[Verdict | None]:
        """Carry out `messages` in order in one transaction; a verdict for each `Admit`.

        Raises sqlite3.Error, having changed nothing, in the file or in memory.
        """
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            # After BEGIN: read before it, another's commit could fall between the two.
            self.refresh()
            draft = _Draft(self)
            verdicts = [draft.take(message) for message in messages]
            draft.write(self._connection)
            self._connection.execute("COMMIT")
        except BaseException:
            self.forget()
            raise
        if len(self._windows) > WINDOWS_KEPT_MAX:
            self._windows.clear()
        self._windows.update(draft.windows)
        self._open.update(draft.opened)
        self.calls_admitted += len(draft.opened)
        for seq in draft.closed:
            self._open.pop(seq, None)
        self.last_used.update(draft.used)
        return verdicts

    def forget(self) -> None:
        """Undo an open transaction and drop what is in memory: it is read again from the file."""
        self._windows.clear()
        self._version = -1
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def amounts(self, key: WindowKey) -> Amounts:
        """The committed amounts of a window; zeros where it does not exist yet."""
        if (known := self._windows.get(key)) is not None:
            return known
        row = self._connection.execute(_READ_WINDOW, key).fetchone()
        amounts = (row[0], row[1], row[2]) if row else (0, 0, 0)
        self._windows[key] = amounts
        return amounts

    def open_call(self, seq: int) -> OpenCall | None:
        """The call in flight with this row key."""
        return self._open.get(seq)

    def period(self, terms: Terms, now_us: int) -> tuple[int, int | None]:
        """Start and end of the window of `terms` that holds `now_us`."""
        known = self._periods.get(terms.id)
        if known is not None and known[2] is terms:
            start, end, _ = known
            if start <= now_us and (end is None or now_us < end):
                return start, end
        zone = self._zones.get(terms.zone)
        if zone is None:
            zone = self._zones[terms.zone] = ZoneInfo(terms.zone)
        start = window_start(terms.period, zone, now_us)
        end = window_end(terms.period, zone, start)
        self._periods[terms.id] = (start, end, terms)
        return start, end

    def now(self) -> int:
        """The one reading of the clock for a batch."""
        return self._now_us()

    @property
    def instance_id(self) -> str:
        """This server."""
        return self._instance_id


class _Draft:
    """What one batch would change; it replaces the standings only after COMMIT."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._now = desk.now()
        self.windows: dict[WindowKey, Amounts] = {}
        self.opened: dict[int, OpenCall] = {}
        self.closed: set[int] = set()
        self.used: dict[str, int] = {}
        self._inserts: list[tuple[object, ...]] = []
        self._updates: list[tuple[object, ...]] = []

    def take(self, message: Message) -> Verdict | None:
        if isinstance(message, Admit):
            return self._admit(message)
        if isinstance(message, Closing):
            self._close(message)
        else:
            self._insert_denied(message.opening, message.refusal)
        return None

    def _admit(self, question: Admit) -> Verdict:
        books = self._desk.books
        if question.epoch != books.epoch:
            return Stale(books)
        opening = question.opening
        if (key := books.keys_by_id.get(opening.key_id)) is not None:
            try:
                key.check(self._now)
            except Refusal as refusal:
                self._insert_denied(opening, refusal)
                return refusal
        standings = tuple(self._standing(terms) for terms in books.matching(question.facts))
        verdict = judge(standings, question.ask)
        if not isinstance(verdict, Admission):
            self._insert_denied(opening, verdict)
            return verdict
        self._hold(opening, verdict, standings)
        return verdict

    def _standing(self, terms: Terms) -> Standing:
        start, end = self._desk.period(terms, self._now)
        return Standing(terms, start, end, *self._amounts((terms.id, "", start)))

    def _amounts(self, key: WindowKey) -> Amounts:
        return self.windows.get(key) or self._desk.amounts(key)

    def _move(self, key: WindowKey, spent: int, held: int, doubt: int) -> None:
        was = self._amounts(key)
        self.windows[key] = (was[0] + spent, was[1] + held, was[2] + doubt)

    def _hold(
        self, opening: Opening, admission: Admission, standings: tuple[Standing, ...]
    ) -> None:
        keys = tuple((one.terms.id, "", one.window_start_us) for one in standings)
        for key in keys:
            self._move(key, 0, admission.hold_nanousd, 0)
        self.opened[opening.seq] = OpenCall(admission.hold_nanousd, keys)
        self.used[opening.key_id] = self._now
        decided = Decided(
            state="held",
            outcome="",
            admitted_at=self._now,
            finished_at=None,
            hold_nanousd=admission.hold_nanousd,
            output_held=admission.output_held,
            output_sent=admission.output_bound,
            free_nanousd=admission.free_nanousd,
            budget_id=admission.binding,
            windows=json.dumps(keys) if keys else "",
            epoch=self._desk.books.epoch,
            instance_id=self._desk.instance_id,
        )
        self._inserts.append((*opening_values(opening), *decided_values(decided)))

    def _insert_denied(self, opening: Opening, refusal: FerryError) -> None:
        decided = Decided(
            state="denied",
            outcome="denied",
            admitted_at=self._now,
            finished_at=self._now,
            hold_nanousd=0,
            output_held=None,
            output_sent=None,
            free_nanousd=None,
            budget_id=getattr(refusal, "budget", ""),
            windows="",
            epoch=self._desk.books.epoch,
            instance_id=self._desk.instance_id,
            status=refusal.status,
            error_code=refusal.code,
            cost_nanousd=0,
        )
        self._inserts.append((*opening_values(opening), *decided_values(decided)))

    def _close(self, closing: Closing) -> None:
        """Finish a call once; a closing for a call that is not in flight changes nothing."""
        call = self.opened.get(closing.seq) or self._desk.open_call(closing.seq)
        if call is None or closing.seq in self.closed:
            return
        cost = closing.cost_nanousd or 0
        is_doubtful = not closing.is_cost_known or closing.cost is None
        doubt = doubt_of(call.hold_nanousd, cost) if call.windows and is_doubtful else 0
        for key in call.windows:
            self._move(key, cost, -call.hold_nanousd, doubt)
        self.closed.add(closing.seq)
        if call.windows and cost > call.hold_nanousd:
            # A provider billed more than it was allowed: the row says so.
            closing = replace(closing, reason=OVERRUN)
        self._updates.append(close_values(closing, doubt))

    def write(self, connection: sqlite3.Connection) -> None:
        """Rows first, then what became of them: a call may open and close in one batch."""
        if self._inserts:
            connection.executemany(INSERT_CALL, self._inserts)
        if self._updates:
            connection.executemany(CLOSE_CALL, self._updates)
        if self.windows:
            connection.executemany(
                _WRITE_WINDOW, [(*key, *amounts) for key, amounts in self.windows.items()]
            )
