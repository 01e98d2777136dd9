"""Events as a batch records them: costs that happened, whatever any budget says, each id once.

An event counts for the moment when it occurred: its row key, its windows and its day are of that.
Of the events of one question all are recorded or none. Source: docs/events.md.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ferrycli.rules.denials import Refusal
from ferrycli.rules.meters import (
    METER,
    Charge,
    DuplicateEvent,
    Receipt,
    charge,
    counted_us,
    meter_prices,
)
from ferrycli.rules.pricing import Override
from ferrycli.store.books import Books
from ferrycli.store.ids import CHANCE_AT_BITS, NewId, id_at
from ferrycli.store.messages import Event, Events, Recorded
from ferrycli.store.rows import BilledLine, Closing, Decided, finished_values, lines_values
from ferrycli.store.standings import Period, Standings
from ferrycli.store.till import Place, windows_text
from ferrycli.store.writes import Writes

STATUS = 200
"""What whoever told an event was answered with."""

_FIND = (
    "SELECT e.body_hash, c.id, c.model, l.quantity, c.cost_nanousd, c.cost_source, c.admitted_at"
    " FROM events e JOIN calls c ON c.seq = e.call_seq"
    " JOIN lines l ON l.call_seq = c.seq WHERE e.key_id = ? AND e.event_id = ?"
)
_IS_TAKEN = "SELECT 1 FROM calls WHERE seq = ?"

_Name = tuple[str, str]
"""Key id, and the event's own."""
_Known = tuple[int, Receipt]
"""The hash of what an event said, and what it was answered."""


@dataclass(frozen=True, slots=True)
class _New:
    """An event that is to be recorded."""

    event: Event
    id: NewId
    charge: Charge


class Happenings:
    """The part of a batch that records events."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        books: Books,
        standings: Standings,
        period: Period,
        instance_id: str,
        now_us: int,
    ) -> None:
        self._connection = connection
        self._books = books
        self._change = standings.change
        self._standings = standings
        self._period = period
        self._instance_id = instance_id
        self._now = now_us
        self._known: dict[_Name, _Known] = {}
        """Of this batch: they are not in the file yet."""
        self._taken: set[int] = set()

    def record(
        self, question: Events, writes: Writes, number: Callable[[], int]
    ) -> Recorded | Refusal:
        """Record what was not before. `number` gives the ledger's own numbers.

        Refused, with nothing recorded: an id that stands for another event, and an amount that no
        event can have.
        """
        prices = meter_prices(self._books.overrides)
        receipts: list[Receipt] = []
        found: dict[_Name, _Known] = {}
        new: list[_New] = []
        for event in question.events:
            name = (event.opening.key_id, event.id)
            known = found.get(name) or self._known.get(name) or self._in_file(name)
            if known is None:
                try:
                    new.append(self._new(event, prices))
                except Refusal as refusal:
                    return refusal
                receipts.append(_receipt(new[-1]))
                found[name] = (event.body_hash, replace(receipts[-1], is_duplicate=True))
                continue
            body_hash, receipt = known
            if body_hash != event.body_hash:
                return _duplicate(receipt)
            receipts.append(receipt)
        for one in new:
            self._write(one, writes, number)
        self._known |= found
        return Recorded(tuple(receipts))

    def _in_file(self, name: _Name) -> _Known | None:
        row = self._connection.execute(_FIND, name).fetchone()
        if row is None:
            return None
        body_hash, call, meter, quantity, cost, source, counted = row
        return body_hash, Receipt(name[1], call, meter, quantity, cost, source, counted, True)

    def _new(self, event: Event, prices: Sequence[Override]) -> _New:
        at_us = counted_us(event.occurred_us, self._now)
        meter = event.opening.model
        cost = charge(meter, event.quantity, event.cost_nanousd, prices, at_us)
        return _New(event, self._id(at_us), cost)

    def _id(self, at_us: int) -> NewId:
        """One whose row key is free: many events may be told of one moment."""
        made = id_at(at_us, secrets.randbits(CHANCE_AT_BITS))
        while made.seq in self._taken or self._is_in_file(made.seq):
            made = id_at(at_us, secrets.randbits(CHANCE_AT_BITS))
        self._taken.add(made.seq)
        return made

    def _is_in_file(self, seq: int) -> bool:
        return self._connection.execute(_IS_TAKEN, [seq]).fetchone() is not None

    def _write(self, new: _New, writes: Writes, number: Callable[[], int]) -> None:
        event, id, at_us = new.event, new.id, new.id.at_us
        places = self._places(event, at_us)
        cost = new.charge.cost
        amount = None if cost is None else cost.total
        self._change.release(places, 0, amount or 0, 0)
        opening = event.opening._replace(
            seq=id.seq,
            id=id.text("c"),
            started_at=at_us,
            price_version=new.charge.price_version,
        )
        decided = Decided(
            state="settled",
            outcome="ok",
            admitted_at=at_us,
            finished_at=at_us,
            hold_nanousd=0,
            output_held=None,
            output_sent=None,
            free_nanousd=None,
            budget_id="",
            windows=windows_text(places),
            epoch=self._books.epoch,
            instance_id=self._instance_id,
            admit_no=number(),
        )
        closing = Closing(
            id.seq,
            "settled",
            "ok",
            at_us,
            status=STATUS,
            cost=cost,
            cost_source=new.charge.source,
            provider_cost_nanousd=event.cost_nanousd,
        )
        writes.finished.append(finished_values(opening, decided, closing, 0, number()))
        named = (opening.key_id, event.id, id.seq, event.body_hash, self._now)
        writes.events.append(named)
        rate = new.charge.rate_nanousd
        line = BilledLine(METER, opening.model, METER, event.quantity, rate, amount)
        writes.lines += lines_values(id.seq, (line,))

    def _places(self, event: Event, at_us: int) -> tuple[Place, ...]:
        """The windows that an event of that moment counts in."""
        return tuple(
            Place((terms.id, subject, self._period(terms, at_us)[0]))
            for terms, subject in self._books.matching(event.facts)
            # As of calls, whatever the clock says: but what is past, a budget may not count.
            if at_us == self._now or terms.counts_from_us <= at_us
        )


def _receipt(new: _New) -> Receipt:
    cost = new.charge.cost
    return Receipt(
        event=new.event.id,
        call=new.id.text("c"),
        meter=new.event.opening.model,
        quantity=new.event.quantity,
        cost_nanousd=None if cost is None else cost.total,
        cost_source=new.charge.source,
        counted_us=new.id.at_us,
        is_duplicate=False,
    )


def _duplicate(first: Receipt) -> DuplicateEvent:
    return DuplicateEvent(
        event=first.event,
        call=first.call,
        state="settled",
        outcome="ok",
        provider=METER,
        model=first.meter,
        quantity=first.quantity,
        cost_nanousd=first.cost_nanousd,
    )
