"""What is in the windows and grants: as it is committed, and as one batch would leave it.

`Till` is read from the file as it is asked for; `Change` lies over it while a batch is judged and
replaces it only after COMMIT. A rolling window is the sum of its buckets. Invariant: what `Till`
holds equals the file. Source: docs/money.md, sections 5 and 7.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from ferrycli.store.books import GrantTerms

WINDOWS_KEPT_MAX = 100_000
"""Windows in memory; past it they are read again from the file."""

WindowKey = tuple[str, str, int]
"""Budget id, subject, start."""


class Amounts(NamedTuple):
    """Nano-dollars of a window."""

    spent: int = 0
    held: int = 0
    doubt: int = 0


class Drawn(NamedTuple):
    """Nano-dollars of a grant that are not free any more."""

    held: int = 0
    doubt: int = 0
    drawn: int = 0


class Place(NamedTuple):
    """A window that a hold counts in, and of a prepaid budget the grants that it is held of."""

    budget_id: str
    subject: str
    start: int
    parts: tuple[tuple[str, int], ...] = ()
    """Grant and nano-dollars, in the order in which they are drawn."""

    @property
    def key(self) -> WindowKey:
        """The window's key."""
        return self.budget_id, self.subject, self.start


_READ_WINDOW = (
    "SELECT spent_nanousd, held_nanousd, doubt_nanousd FROM windows"
    " WHERE budget_id = ? AND subject = ? AND start = ?"
)
_READ_BUCKETS = (
    "SELECT coalesce(sum(spent_nanousd), 0), coalesce(sum(held_nanousd), 0),"
    " coalesce(sum(doubt_nanousd), 0) FROM windows"
    " WHERE budget_id = ? AND subject = ? AND start >= ?"
)
_WRITE_WINDOW = (
    "INSERT INTO windows (budget_id, subject, start, spent_nanousd, held_nanousd, doubt_nanousd)"
    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (budget_id, subject, start) DO UPDATE SET"
    " spent_nanousd = excluded.spent_nanousd, held_nanousd = excluded.held_nanousd,"
    " doubt_nanousd = excluded.doubt_nanousd"
)
_READ_GRANT = "SELECT held_nanousd, doubt_nanousd, drawn_nanousd FROM grants WHERE id = ?"
_WRITE_GRANT = (
    "UPDATE grants SET held_nanousd = ?, doubt_nanousd = ?, drawn_nanousd = ? WHERE id = ?"
)


class Till:
    """Committed amounts, read from the file when they are first asked for."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._windows: dict[WindowKey, Amounts] = {}
        self._sums: dict[tuple[str, str], tuple[int, Amounts]] = {}
        """Of rolling windows: the first bucket that counts, and the sum from there on."""
        self._grants: dict[str, Drawn] = {}

    @property
    def windows(self) -> Mapping[WindowKey, Amounts]:
        """What is in memory of the windows table, for checks."""
        return self._windows

    @property
    def grants(self) -> Mapping[str, Drawn]:
        """What is in memory of the grants, for checks."""
        return self._grants

    def forget(self) -> None:
        """Read everything again from the file."""
        self._windows.clear()
        self._sums.clear()
        self._grants.clear()

    def amounts(self, key: WindowKey) -> Amounts:
        """Of one window or bucket; zeros where it does not exist yet."""
        if (known := self._windows.get(key)) is None:
            row = self._connection.execute(_READ_WINDOW, key).fetchone()
            known = self._windows[key] = Amounts(*row) if row else Amounts()
        return known

    def sum_from(self, budget_id: str, subject: str, first: int) -> Amounts:
        """Of a rolling window: the sum of its buckets from the one that starts at `first`."""
        kept = self._sums.get((budget_id, subject))
        if kept is None or kept[0] != first:
            values = (budget_id, subject, first)
            row = self._connection.execute(_READ_BUCKETS, values).fetchone()
            kept = self._sums[budget_id, subject] = (first, Amounts(*row))
        return kept[1]

    def drawn(self, grant_id: str) -> Drawn:
        """Of one grant."""
        if (known := self._grants.get(grant_id)) is None:
            row = self._connection.execute(_READ_GRANT, [grant_id]).fetchone()
            known = self._grants[grant_id] = Drawn(*row) if row else Drawn()
        return known

    def accept(self, change: Change) -> None:
        """`change` is committed."""
        if len(self._windows) > WINDOWS_KEPT_MAX:
            self.forget()
            return
        for key, amounts in change.windows.items():
            self._windows[key] = amounts
            self._sums.pop(key[:2], None)
        self._grants.update(change.grants)


class Change:
    """What one batch would change."""

    def __init__(self, till: Till) -> None:
        self._till = till
        self.windows: dict[WindowKey, Amounts] = {}
        self.grants: dict[str, Drawn] = {}
        self._moved: dict[tuple[str, str], dict[int, Amounts]] = {}
        """What was added to each bucket of a window, for sums of rolling ones."""

    def amounts(self, key: WindowKey) -> Amounts:
        """As `Till.amounts`, with what this batch changes."""
        return self.windows.get(key) or self._till.amounts(key)

    def sum_from(self, budget_id: str, subject: str, first: int) -> Amounts:
        """As `Till.sum_from`, with what this batch changes."""
        spent, held, doubt = self._till.sum_from(budget_id, subject, first)
        for start, more in self._moved.get((budget_id, subject), {}).items():
            if start >= first:
                spent, held, doubt = spent + more.spent, held + more.held, doubt + more.doubt
        return Amounts(spent, held, doubt)

    def drawn(self, grant_id: str) -> Drawn:
        """As `Till.drawn`, with what this batch changes."""
        return self.grants.get(grant_id) or self._till.drawn(grant_id)

    def move(self, key: WindowKey, spent: int, held: int, doubt: int) -> None:
        """Add to a window's amounts."""
        was = self.amounts(key)
        self.windows[key] = Amounts(was.spent + spent, was.held + held, was.doubt + doubt)
        buckets = self._moved.setdefault(key[:2], {})
        had = buckets.get(key[2], Amounts())
        buckets[key[2]] = Amounts(had.spent + spent, had.held + held, had.doubt + doubt)

    def hold(self, place: Place, amount: int, grants: Sequence[GrantTerms], now_us: int) -> Place:
        """Hold `amount` in a window, of the usable ones of `grants`; the place as it is recorded.

        Where the grants carry less than that, which only an advisory budget lets happen, the rest
        is held of none.
        """
        self.move(place.key, 0, amount, 0)
        parts: list[tuple[str, int]] = []
        left = amount
        for grant in grants:
            if left and not grant.is_boost and grant.is_usable(now_us):
                part = min(left, self.remaining(grant))
                if part > 0:
                    self._draw(grant.id, part, 0, 0)
                    parts.append((grant.id, part))
                    left -= part
        return place._replace(parts=tuple(parts))

    def release(
        self,
        place: Place,
        hold: int,
        cost: int,
        doubt: int,
        grants: Sequence[GrantTerms],
        now_us: int,
    ) -> None:
        """End a hold: what it came to is spent, `doubt` of it stays counted, the rest is free.

        Of a prepaid budget the cost is drawn of the grants that it was held of, then, where it is
        more than that, of what others still carry.
        """
        self.move(place.key, cost, -hold, doubt)
        for grant_id, part in place.parts:
            taken = min(part, cost)
            unsure = min(part - taken, doubt)
            self._draw(grant_id, -part, unsure, taken)
            cost, doubt = cost - taken, doubt - unsure
        for grant in grants:
            if cost and not grant.is_boost and grant.is_usable(now_us):
                taken = max(0, min(cost, self.remaining(grant)))
                self._draw(grant.id, 0, 0, taken)
                cost -= taken

    def remaining(self, grant: GrantTerms) -> int:
        """What a grant still carries, whether or not it has expired."""
        held, doubt, drawn = self.drawn(grant.id)
        return grant.amount_nanousd - held - doubt - drawn

    def _draw(self, grant_id: str, held: int, doubt: int, drawn: int) -> None:
        if held or doubt or drawn:
            was = self.drawn(grant_id)
            self.grants[grant_id] = Drawn(was.held + held, was.doubt + doubt, was.drawn + drawn)

    def write(self, connection: sqlite3.Connection) -> None:
        """Into the file."""
        if self.windows:
            values = [(*key, *amounts) for key, amounts in self.windows.items()]
            connection.executemany(_WRITE_WINDOW, values)
        if self.grants:
            connection.executemany(_WRITE_GRANT, [(*one, id) for id, one in self.grants.items()])


def windows_text(places: Sequence[Place]) -> str:
    """The windows of a hold, as its row keeps them; empty where there are none."""
    if not places:
        return ""
    return json.dumps(
        [
            [one.budget_id, one.subject, one.start, *([one.parts] if one.parts else [])]
            for one in places
        ]
    )


def places_of(text: str) -> tuple[Place, ...]:
    """The windows of a hold, from its row."""
    if not text:
        return ()
    return tuple(
        Place(budget, subject, start, tuple((grant, part) for grant, part in chain(*parts)))
        for budget, subject, start, *parts in json.loads(text)
    )
