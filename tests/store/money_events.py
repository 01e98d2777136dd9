"""Events in the machine of `test_money_machine.py`: told late, twice, otherwise, or too early."""

from __future__ import annotations

import json
import sqlite3
from typing import Any
from zlib import crc32

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from ferrycli.rules.meters import ENDPOINT, METER, DuplicateEvent, Receipt
from ferrycli.store.messages import Event, Events, Message, Recorded, Stale
from ferrycli.store.rows import Opening
from tests.store import money_setting as given
from tests.store.kit import Clock
from tests.store.money_model import HOUR_US, Attempt, Call, Model

RATES = {"reads": 1_500_000, "writes": 7_000_000}
"""Nano-dollars per million units."""
METERS = (*RATES, "odd")
LATE_HOURS_MAX = 48

Told = tuple[str, str, int, int | None, int | None]
"""Id, meter, quantity, what it says that it cost, and how many hours ago it occurred."""

TOLD = st.lists(
    st.tuples(
        st.sampled_from(["e1", "e2", "e3", "e4"]),
        st.sampled_from(METERS),
        given.SMALL,
        st.none() | given.SMALL,
        st.sampled_from([None, None, 0, 1, 5, 30, LATE_HOURS_MAX, LATE_HOURS_MAX + 1, -1]),
    ),
    min_size=1,
    max_size=3,
)


class Happenings(RuleBasedStateMachine):
    """What of the machine is about events."""

    other: sqlite3.Connection
    clock: Clock
    model: Model
    queue: list[Message]
    known_epoch: int

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[tuple[str, str], tuple[int, Receipt]] = {}
        """Key and id to what was told first, and what was answered."""
        self.again: list[Events] = []

    def look(self) -> None:
        raise NotImplementedError

    def carry_out(self) -> None:
        raise NotImplementedError

    def finish(self, call: Call, state: str, cost: int | None, is_known: bool) -> None:
        raise NotImplementedError

    def meters_are_priced(self) -> None:
        for meter, rate in RATES.items():
            self.other.execute(
                "INSERT INTO rates (id, provider, model, input) VALUES (?, ?, ?, ?)",
                [f"rate_{meter}", METER, meter, rate],
            )

    @rule(
        caller=given.CALLERS,
        told=TOLD,
        is_old=st.sampled_from([False] * 7 + [True]),
        waits=st.booleans(),
    )
    def costs_happen(
        self, caller: dict[str, str], told: list[Told], is_old: bool, waits: bool
    ) -> None:
        """Recorded, whatever any budget says, and each once."""
        self.look()
        events = tuple(self.event(caller, *one) for one in told)
        self.again.append(Events(events, 0))
        self.queue.append(Events(events, self.known_epoch - is_old))
        if not waits:
            self.carry_out()

    @rule(data=st.data())
    def costs_are_told_again(self, data: st.DataObject) -> None:
        """Word for word, after whatever has happened since."""
        if self.again:
            self.look()
            question = data.draw(st.sampled_from(self.again))
            self.queue.append(Events(question.events, self.known_epoch))
            self.carry_out()

    def event(
        self,
        caller: dict[str, str],
        id: str,
        meter: str,
        quantity: int,
        stated: int | None,
        hours: int | None,
    ) -> Event:
        plan = caller["tag:plan"]
        opening = Opening(
            0, "", 0, caller["key"], tenant=caller["tenant"], user=caller["user"], provider=METER,
            model=meter, endpoint=ENDPOINT, tags=json.dumps({"plan": plan}) if plan else "",
        )  # fmt: skip
        facts = {**caller, "provider": METER, "model": meter, "route": ""}
        occurred_us = None if hours is None else self.clock() - hours * HOUR_US
        said = repr((caller, meter, quantity, stated, occurred_us))
        return Event(id, opening, facts, quantity, crc32(said.encode()), stated, occurred_us)

    def told(self, question: Events, verdict: Any) -> None:
        """All of them or none; what was told before is answered as it was, and costs nothing."""
        if question.epoch != self.known_epoch:
            assert isinstance(verdict, Stale)
            return
        known = dict(self.known)
        for at, event in enumerate(question.events):
            name = (event.opening.key_id, event.id)
            if name not in known:
                receipt = verdict.receipts[at] if isinstance(verdict, Recorded) else None
                known[name] = (event.body_hash, receipt)  # type: ignore[assignment]
            elif known[name][0] != event.body_hash:
                assert isinstance(verdict, DuplicateEvent)
                assert verdict.event == event.id
                return
        assert isinstance(verdict, Recorded)
        for event, receipt in zip(question.events, verdict.receipts, strict=True):
            name = (event.opening.key_id, event.id)
            if receipt.is_duplicate:
                first = self.known[name][1]
                assert (first.call, first.cost_nanousd, first.counted_us) == (
                    receipt.call,
                    receipt.cost_nanousd,
                    receipt.counted_us,
                )
            else:
                assert name not in self.known
                self.known[name] = (event.body_hash, receipt)
                self.happened(event, receipt)

    def happened(self, event: Event, receipt: Receipt) -> None:
        now, occurred = self.clock(), event.occurred_us
        is_late = occurred is not None and now - LATE_HOURS_MAX * HOUR_US <= occurred < now
        counted = occurred if is_late and occurred is not None else now
        rate = RATES.get(event.opening.model)
        cost = event.cost_nanousd
        if cost is None and rate is not None:
            cost = -(-event.quantity * rate // 1_000_000)
        assert (receipt.cost_nanousd, receipt.counted_us) == (cost, counted)
        query = "SELECT seq FROM calls WHERE id = ?"
        (seq,) = self.other.execute(query, [receipt.call]).fetchone()
        facts = dict(event.facts)
        # Of the past, what budgets count back to; of now, all that match.
        places = [] if is_late else self.model.hold(facts, 0, now)
        call = Call(counted, [Attempt(facts, 0, places, False, None)])
        self.model.calls[seq] = call
        self.finish(call, "settled", cost, True)
