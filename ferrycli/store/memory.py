"""What the ledger thread has in memory: books, amounts, calls in flight, and what it has learned.

Everything that comes from the file is dropped and read again where a transaction fails. Used by the
ledger thread alone.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Mapping

from ferrycli.rules.limits import Limiter
from ferrycli.rules.standings import Terms
from ferrycli.store import books as booklet
from ferrycli.store.alarms import Alarms
from ferrycli.store.books import Books
from ferrycli.store.endings import OpenCall
from ferrycli.store.ids import IdMaker
from ferrycli.store.learned import Learned
from ferrycli.store.manners import Manners
from ferrycli.store.standings import Periods, Standings
from ferrycli.store.storms import Storms
from ferrycli.store.till import Amounts, Change, Till, WindowKey

_READ_SEQUENCE = "SELECT value FROM meta WHERE name = 'sequence'"


class Memory:
    """Of one server."""

    def __init__(
        self, connection: sqlite3.Connection, now_us: Callable[[], int], instance_id: str
    ) -> None:
        self.connection = connection
        self.instance_id = instance_id
        """This server."""
        self.till = Till(connection)
        self.limiter = Limiter()
        self.learned = Learned()
        self.manners = Manners()
        self.alarms = Alarms(connection)
        self.storms = Storms()
        self.books = Books()
        self.calls_admitted = 0
        self.last_used: dict[str, int] = {}
        """Key id to UTC microseconds, since it was last written."""
        self.sequence = int(connection.execute(_READ_SEQUENCE).fetchone()[0])
        """The last of the ledger's own numbers."""
        self._ids = IdMaker(now_us, secrets.randbits)
        self._now_us = now_us
        self._open: dict[int, OpenCall] = {}
        self._version = -1
        self._unchecked: tuple[Terms, ...] = ()
        self.has_moved = False
        """Whether calls that wait may go by what is not in any message: they are asked again."""
        self.period = Periods()
        self._standings: tuple[int, Standings] | None = None
        """With the till's generation that they are of."""
        self.learned.load(connection)
        self.manners.load(connection)

    @property
    def standings(self) -> Mapping[WindowKey, Amounts]:
        """What is held in memory of the windows table, for checks."""
        return self.till.windows

    def standings_at(self, now_us: int) -> Standings:
        """Those by which a batch of that moment judges: the last one's, for as long as they stand.

        What a batch moved that was not committed is gone with the till's generation.
        """
        till = self.till
        if self._standings is not None:
            generation, standings = self._standings
            if generation == till.generation and standings.last_to(now_us, self.books):
                return standings
        standings = Standings(self.books, Change(till), self.period, now_us)
        self._standings = (till.generation, standings)
        return standings

    @property
    def calls_open(self) -> int:
        """Calls in flight."""
        return len(self._open)

    def _load(self) -> Books:
        """The books of one moment: in a transaction, of its own where none is open."""
        if self.connection.in_transaction:
            return booklet.load(self.connection)
        self.connection.execute("BEGIN")
        try:
            return booklet.load(self.connection)
        finally:
            self.connection.execute("COMMIT")

    def note_time(self) -> None:
        """Time has passed: a boost or a grant may have ended, and with it a limit is another."""
        timed = (
            self.books.budgets[id]
            for id, grants in self.books.grants.items()
            if id in self.books.budgets and any(one.expires_us is not None for one in grants)
        )
        self._unchecked = (*self._unchecked, *timed)

    def has_changed_terms(self) -> bool:
        """Whether a budget changed since the last batch, so that one is due."""
        return bool(self._unchecked)

    def open_call(self, seq: int) -> OpenCall | None:
        """The call in flight with this row key."""
        return self._open.get(seq)

    def take_over(self, calls: Mapping[int, OpenCall]) -> None:
        """Calls that another server left in flight, to be closed by this one."""
        self._open.update(calls)

    def now(self) -> int:
        """The one reading of the clock for a batch."""
        return self._now_us()

    def new_id(self, prefix: str) -> str:
        """A fresh id, as it is shown."""
        return self._ids.make().text(prefix)
