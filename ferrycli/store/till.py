"""What is in the windows and grants: as it is committed, and as one batch would leave it.

`Till` is read from the file as it is asked for; `Change` lies over it while a batch is judged and
counts only after COMMIT: where that fails, both are dropped and read again. A rolling window is the
sum of its buckets. Invariants: what `Till` holds equals the file; a standing that a batch judges by
moves with its windows. Source: docs/money.md, sections 5 and 7.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from json.encoder import encode_basestring_ascii
from typing import NamedTuple

from ferrycli.rules.standings import Standing
from ferrycli.store.books import GrantTerms

WINDOWS_KEPT_MAX = 100_000
"""Windows in memory; past it they are read again from the file."""
_NEVER = 1 << 63
"""Later than the start of any window."""

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

    key: WindowKey
    parts: tuple[tuple[str, int], ...] = ()
    """Grant and nano-dollars, in the order in which they are drawn."""

    @property
    def budget_id(self) -> str:
        """The window's budget."""
        return self.key[0]


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
        self._grants: dict[str, Drawn] = {}
        self.generation = 0
        """How often everything was dropped: what was made of it before holds no longer."""

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
        self.generation += 1
        self._windows.clear()
        self._grants.clear()

    def amounts(self, key: WindowKey) -> Amounts:
        """Of one window or bucket; zeros where it does not exist yet."""
        if (known := self._windows.get(key)) is None:
            row = self._connection.execute(_READ_WINDOW, key).fetchone()
            known = self._windows[key] = Amounts(*row) if row else Amounts()
        return known

    def sum_from(self, budget_id: str, subject: str, first: int) -> Amounts:
        """Of a rolling window: the sum of its buckets from the one that starts at `first`.

        Read from the file: it is asked for once, until another bucket is the first.
        """
        row = self._connection.execute(_READ_BUCKETS, (budget_id, subject, first)).fetchone()
        return Amounts(*row)

    def drawn(self, grant_id: str) -> Drawn:
        """Of one grant."""
        if (known := self._grants.get(grant_id)) is None:
            row = self._connection.execute(_READ_GRANT, [grant_id]).fetchone()
            known = self._grants[grant_id] = Drawn(*row) if row else Drawn()
        return known

    def accept(self, change: Change) -> None:
        """`change` is committed: nothing of it is to be written any more."""
        if len(self._windows) > WINDOWS_KEPT_MAX:
            self.forget()
            return
        for cell in change.moved:
            self._windows[cell.key] = cell.before = cell.amounts
            cell.has_moved = False
        change.moved.clear()
        self._grants.update(change.grants)
        change.grants.clear()


class Cell:
    """A window or bucket as a batch leaves it."""

    __slots__ = ("before", "doubt", "grants", "has_moved", "held", "key", "spent", "standing")

    def __init__(self, key: WindowKey, before: Amounts, grants: Sequence[GrantTerms]) -> None:
        self.key = key
        self.grants = grants
        """Of a prepaid budget those that are usable now, in the order in which they are drawn."""
        self.before = before
        """As it is committed."""
        self.spent, self.held, self.doubt = before
        self.has_moved = False
        self.standing: Standing | None = None
        """That which batches judge by, where this counts in it."""

    @property
    def amounts(self) -> Amounts:
        """As they are now."""
        return Amounts(self.spent, self.held, self.doubt)

    def added_to(self, amounts: Amounts) -> Amounts:
        """`amounts` with what the batch has added here."""
        was = self.before
        return Amounts(
            amounts.spent + self.spent - was.spent,
            amounts.held + self.held - was.held,
            amounts.doubt + self.doubt - was.doubt,
        )


class Change:
    """What a batch would change; between two of them, nothing."""

    def __init__(self, till: Till) -> None:
        self._till = till
        self.usable: Callable[[str], Sequence[GrantTerms]] = lambda _: ()
        """The grants of a budget that are usable now, in the order in which they are drawn."""
        self.moved: list[Cell] = []
        """What is to be written."""
        self.grants: dict[str, Drawn] = {}
        self._cells: dict[WindowKey, Cell] = {}
        self._starts: dict[tuple[str, str], list[int]] = {}
        """Those of cells, by budget and subject."""
        self._followed: dict[tuple[str, str], tuple[int, int, Standing]] = {}
        """Standings that move, by budget and subject; the first and the last window of each."""

    def __len__(self) -> int:
        return len(self._cells)

    def follow(self, standing: Standing, first: int, *, is_sum: bool) -> None:
        """Give a standing the amounts of now, and from now on move it with them.

        `first`: the window that it is of; of a sum, the oldest bucket that counts.
        """
        budget_id, subject = place = standing.place
        last = _NEVER if is_sum else first
        if is_sum:
            amounts = self._till.sum_from(budget_id, subject, first)
        else:
            amounts = self._till.amounts((budget_id, subject, first))
        self._followed[place] = (first, last, standing)
        for cell in self._followed_cells(place):
            amounts = cell.added_to(amounts)
            cell.standing = standing
        standing.spent, standing.held, standing.doubt = amounts

    def spent_before(self, standing: Standing) -> int:
        """What was spent of a standing that moves, before this batch."""
        moved = (one for one in self._followed_cells(standing.place) if one.has_moved)
        return standing.spent - sum(one.spent - one.before.spent for one in moved)

    def _followed_cells(self, place: tuple[str, str]) -> Iterator[Cell]:
        first, last, _ = self._followed[place]
        for start in self._starts.get(place, ()):
            if first <= start <= last:
                yield self._cells[(*place, start)]

    def drawn(self, grant_id: str) -> Drawn:
        """As `Till.drawn`, with what this batch changes."""
        return self.grants.get(grant_id) or self._till.drawn(grant_id)

    def cell(self, key: WindowKey) -> Cell:
        """What holds the amounts of a window, and moves its standing with them."""
        if (cell := self._cells.get(key)) is not None:
            return cell
        budget_id, subject, start = key
        cell = self._cells[key] = Cell(key, self._till.amounts(key), self.usable(budget_id))
        place = (budget_id, subject)
        self._starts.setdefault(place, []).append(start)
        if (followed := self._followed.get(place)) is not None:
            first, last, standing = followed
            if first <= start <= last:
                cell.standing = standing
        return cell

    def hold(self, cells: Iterable[Cell], amount: int) -> None:
        """Hold `amount` in each of these windows."""
        for cell in cells:
            if not cell.has_moved:
                self._note_moved(cell)
            cell.held += amount
            if (standing := cell.standing) is not None:
                standing.held += amount

    def drawing(self, place: Place, amount: int) -> Place:
        """`place`, where `amount` is held of its grants; as it is recorded.

        Where the grants carry less than that, which only an advisory budget lets happen, the rest
        is held of none.
        """
        parts: list[tuple[str, int]] = []
        left = amount
        for grant in self.cell(place.key).grants:
            if not left:
                break
            part = min(left, self.remaining(grant))
            if part > 0:
                self._draw(grant.id, part, 0, 0)
                parts.append((grant.id, part))
                left -= part
        return Place(place.key, tuple(parts))

    def release(self, places: Iterable[Place], hold: int, cost: int, doubt: int) -> None:
        """End a hold: what it came to is spent, `doubt` of it stays counted, the rest is free."""
        for place in places:
            key, parts = place
            if (cell := self._cells.get(key)) is None:
                cell = self.cell(key)
            if not cell.has_moved:
                self._note_moved(cell)
            cell.spent += cost
            cell.held -= hold
            cell.doubt += doubt
            if (standing := cell.standing) is not None:
                standing.spent += cost
                standing.held -= hold
                standing.doubt += doubt
            if parts or cell.grants:
                self._release_grants(parts, cell.grants, cost, doubt)

    def _note_moved(self, cell: Cell) -> None:
        cell.has_moved = True
        self.moved.append(cell)

    def _release_grants(
        self,
        parts: Sequence[tuple[str, int]],
        grants: Sequence[GrantTerms],
        cost: int,
        doubt: int,
    ) -> None:
        """The cost is drawn of the grants that it was held of, then, where it is more than that,
        of what others still carry."""
        for grant_id, part in parts:
            taken = min(part, cost)
            unsure = min(part - taken, doubt)
            self._draw(grant_id, -part, unsure, taken)
            cost, doubt = cost - taken, doubt - unsure
        for grant in grants:
            if not cost:
                break
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
        if self.moved:
            values = [(*one.key, one.spent, one.held, one.doubt) for one in self.moved]
            connection.executemany(_WRITE_WINDOW, values)
        if self.grants:
            connection.executemany(_WRITE_GRANT, [(*one, id) for id, one in self.grants.items()])


def windows_text(places: Sequence[Place], texts: Sequence[str] = ()) -> str:
    """The windows of a hold, as its row keeps them; empty where there are none.

    `texts`: those of the places, where they are at hand, without parts of grants.
    """
    if not places:
        return ""
    every = [
        _with_parts(text, place.parts) if place.parts else text
        for place, text in zip(places, texts or map(place_text, places), strict=True)
    ]
    return f"[{', '.join(every)}]"


def place_text(place: Place) -> str:
    """One of these windows, as a list in JSON, without parts of grants."""
    return json.dumps(place.key)


def _with_parts(text: str, parts: Sequence[tuple[str, int]]) -> str:
    # By hand: a row is written for each call, and this is half of what encoding it costs.
    said = [f"[{encode_basestring_ascii(grant)}, {amount}]" for grant, amount in parts]
    return f"{text[:-1]}, [{', '.join(said)}]]"


def places_of(text: str) -> tuple[Place, ...]:
    """The windows of a hold, from its row."""
    if not text:
        return ()
    return tuple(
        Place((budget, subject, start), tuple((grant, part) for grant, part in chain(*parts)))
        for budget, subject, start, *parts in json.loads(text)
    )
