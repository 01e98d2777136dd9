"""Any order of events keeps the books: the invariants of docs/money.md, section 4, step by step.

What should be so is kept here a second time, in plain dictionaries and local dates, and compared
with the file after every step. Nothing of the code under test takes part in that.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ferrycli.rules.budget import Admission, Ask
from ferrycli.rules.denials import (
    BudgetBusy,
    BudgetSpent,
    ModelUnpriced,
    NoSuchPath,
)
from ferrycli.rules.pricing import Ceiling, Cost
from ferrycli.store import migrations, reads, recovery, sums
from ferrycli.store.batch import Desk
from ferrycli.store.messages import Admit, Candidate, Deny, Message, Stale
from ferrycli.store.connect import open_writer
from ferrycli.store.ids import IdMaker, NewId
from ferrycli.store.rows import Closing, Opening
from tests.store.kit import NOON, Clock

KEYS = ("key_a", "key_b")
TENANTS = ("acme", "bolt")
FEATURES = ("", "chat")
PERIODS = ("day", "week", "month", "total")
ZONES = ("UTC", "Europe/Berlin")
EXPECTED_OUTPUT, OPEN_RATE = 1_024, 10_000
"""A hundred tokens a nano-dollar."""
IS_SOAK = bool(os.environ.get("FERRY_SOAK"))

SMALL = st.integers(0, 40)
PLACES = st.tuples(st.sampled_from(KEYS), st.sampled_from(TENANTS), st.sampled_from(FEATURES))


class Flaky(sqlite3.Connection):
    """A connection on which one statement fails, as on a disk that is full."""

    fails_at = ""

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        self._break(sql)
        return super().execute(sql, *arguments)

    def executemany(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        self._break(sql)
        return super().executemany(sql, *arguments)

    def _break(self, sql: str) -> None:
        if self.fails_at and sql.startswith(self.fails_at):
            self.fails_at = ""
            raise sqlite3.OperationalError("disk I/O error")


@dataclass
class Limit:
    """A budget, as the file has it."""

    id: str
    subject: tuple[tuple[str, str], ...]
    period: str
    zone: str
    limit: int

    def start(self, now_us: int) -> int:
        """Written anew, on local dates."""
        if self.period == "total":
            return 0
        zone = ZoneInfo(self.zone)
        local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=now_us)).astimezone(zone)
        day = local.date()
        while (self.period == "week" and day.isoweekday() != 1) or (
            self.period == "month" and day.day != 1
        ):
            day -= timedelta(days=1)
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
        return int(midnight.timestamp()) * 1_000_000


@dataclass
class Flight:
    """A call that is held, as it should be."""

    hold: int
    expected: int | None
    places: tuple[tuple[str, int], ...]


@dataclass
class Books:
    """What should be so: amounts by (budget, start), calls by row key."""

    amounts: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    flights: dict[int, Flight] = field(default_factory=dict)
    finished: dict[int, tuple[str, int | None, int]] = field(default_factory=dict)
    """State, cost, doubt."""

    def of(self, place: tuple[str, int]) -> list[int]:
        return self.amounts.get(place, [0, 0, 0])

    def move(self, places: tuple[tuple[str, int], ...], *by: int) -> None:
        for place in places:
            self.amounts[place] = [a + b for a, b in zip(self.of(place), by, strict=True)]

    def finish(self, seq: int, state: str, cost: int | None, is_known: bool) -> None:
        if (flight := self.flights.pop(seq, None)) is None:
            return
        is_doubtful = bool(flight.places) and (not is_known or cost is None)
        doubt = max(0, flight.hold - (cost or 0)) if is_doubtful else 0
        self.move(flight.places, cost or 0, -flight.hold, doubt)
        self.finished[seq] = (state, cost, doubt)


class Money(RuleBasedStateMachine):
    """A desk, a second hand on its file, and a memory of what ought to be there."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="ferry-machine-"))
        self.path = self.directory / "ferry.db"
        self.clock = Clock(NOON)
        self.ids = IdMaker(self.clock, lambda bits: 0)
        self.books = Books()
        self.limits: dict[str, Limit] = {}
        self.queue: list[tuple[Message, Any]] = []
        self.seen: dict[int, tuple[Any, ...]] = {}
        self.numbers = iter(range(10**9))

    @initialize()
    def begin(self) -> None:
        first = open_writer(self.path)
        migrations.migrate(first, self.path, NOON)
        first.close()
        self.other = sqlite3.connect(self.path, isolation_level=None)
        self.other.execute("PRAGMA synchronous=OFF")
        for key in KEYS:
            self.other.execute(
                "INSERT INTO keys (id, name, secret_sha256) VALUES (?, ?, ?)", [key, key, key]
            )
        self.budget_of((("key", "key_a"),), "month", "UTC", 150)
        self.budget_of((("tenant", "acme"),), "day", "Europe/Berlin", 120)
        self.open_desk()

    def open_desk(self) -> None:
        self.connection = sqlite3.connect(self.path, isolation_level=None, factory=Flaky)
        self.connection.execute("PRAGMA wal_autocheckpoint=0").fetchone()
        self.connection.execute("PRAGMA synchronous=OFF")
        self.desk = Desk(self.connection, self.clock, f"i_{next(self.numbers)}")
        self.desk.refresh()
        self.known_epoch = self.desk.books.epoch

    def teardown(self) -> None:
        if hasattr(self, "other"):
            self.sums_are_equal()
            self.connection.close()
            self.other.close()
        shutil.rmtree(self.directory)

    # Another process ------------------------------------------------------------------------

    @rule(
        subject=st.one_of(
            st.tuples(st.tuples(st.just("key"), st.sampled_from(KEYS))),
            st.tuples(st.tuples(st.just("tenant"), st.sampled_from(TENANTS))),
            st.tuples(
                st.tuples(st.just("feature"), st.just("chat")),
                st.tuples(st.just("tenant"), st.sampled_from(TENANTS)),
            ),
            st.just(()),
        ),
        period=st.sampled_from(PERIODS),
        zone=st.sampled_from(ZONES),
        limit=st.integers(0, 120),
    )
    @precondition(lambda self: len(self.limits) < 8)
    def budget_is_made(
        self, subject: tuple[tuple[str, str], ...], period: str, zone: str, limit: int
    ) -> None:
        self.budget_of(subject, period, zone, limit)

    def budget_of(
        self, subject: tuple[tuple[str, str], ...], period: str, zone: str, limit: int
    ) -> None:
        made = Limit(f"b_{next(self.numbers)}", subject, period, zone, limit)
        own = subject[0][1] if subject and subject[0][0] == "key" else ""
        self.other.execute(
            "INSERT INTO budgets (id, selector, subject, key_id, limit_nanousd, period, zone)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            [made.id, made.id, json.dumps(subject), own, limit, period, zone],
        )
        self.limits[made.id] = made

    @precondition(lambda self: self.limits)
    @rule(data=st.data(), limit=st.integers(0, 200))
    def budget_is_raised_or_lowered(self, data: st.DataObject, limit: int) -> None:
        changed = self.limits[data.draw(st.sampled_from(sorted(self.limits)))]
        changed.limit = limit
        self.other.execute(
            "UPDATE budgets SET limit_nanousd = ?, revision = revision + 1 WHERE id = ?",
            [limit, changed.id],
        )

    @precondition(lambda self: self.limits)
    @rule(data=st.data())
    def budget_is_removed(self, data: st.DataObject) -> None:
        gone = data.draw(st.sampled_from(sorted(self.limits)))
        del self.limits[gone]
        self.other.execute("UPDATE budgets SET removed_at = 1 WHERE id = ?", [gone])

    @rule()
    def something_else_is_written(self) -> None:
        """The file changes, and no key or budget does."""
        self.other.execute("UPDATE keys SET last_used_at = ?", [next(self.numbers)])

    @rule(hours=st.sampled_from([-1, 1, 7, 24, 24 * 7, 24 * 31, 24 * 400]))
    def clock_jumps(self, hours: int) -> None:
        self.clock.move(hours * 3_600)

    # Calls: what queues, in order -----------------------------------------------------------

    def opening(self, new: NewId, place: tuple[str, str, str], expected: int | None) -> Opening:
        key, tenant, feature = place
        return Opening(
            new.seq,
            new.text("c"),
            new.at_us,
            key,
            tenant=tenant,
            feature=feature,
            expected_nanousd=expected,
        )

    @rule(
        place=PLACES,
        hold=SMALL,
        expected=st.one_of(st.none(), SMALL),
        kind=st.sampled_from(["paid", "paid", "paid", "open", "free", "unpriced"]),
        is_old=st.sampled_from([False] * 7 + [True]),
    )
    def call_is_asked(
        self,
        place: tuple[str, str, str],
        hold: int,
        expected: int | None,
        kind: str,
        is_old: bool,
    ) -> None:
        self.question(place, hold, expected, kind, is_old)

    def question(
        self, place: tuple[str, str, str], hold: int, expected: int | None, kind: str, is_old: bool
    ) -> None:
        new = self.ids.make()
        asked = Ask(
            "up/m-1",
            None if kind == "unpriced" else Ceiling(hold, OPEN_RATE if kind == "open" else 0),
            kind != "unpriced",
            kind == "free",
            None if kind == "open" else 100,
            64_000,
            expected or 0,
            expected_output_tokens=EXPECTED_OUTPUT,
        )
        facts = {"key": place[0], "tenant": place[1], "feature": place[2]}
        epoch = self.known_epoch - is_old
        opened = self.opening(new, place, expected)
        question = Admit(opened, (Candidate(asked, facts),), epoch)
        self.queue.append((question, kind))

    @rule(place=PLACES, hold=SMALL, expected=SMALL)
    def call_goes(self, place: tuple[str, str, str], hold: int, expected: int) -> None:
        """The common case: asked on the books of now, and judged at once with what queued."""
        self.look()
        self.question(place, hold, expected, "paid", False)
        self.carry_out()

    @precondition(lambda self: self.books.flights)
    @rule(data=st.data(), cost=st.integers(0, 60), is_known=st.booleans())
    def call_settles(self, data: st.DataObject, cost: int, is_known: bool) -> None:
        seq = data.draw(st.sampled_from(sorted(self.books.flights)))
        whole = Cost((("output", cost),))
        closing = Closing(seq, "settled", "ok", self.clock(), cost=whole, is_cost_known=is_known)
        self.queue.append((closing, None))
        self.carry_out()

    @rule(place=PLACES)
    def call_is_denied(self, place: tuple[str, str, str]) -> None:
        denial = Deny(self.opening(self.ids.make(), place, None), NoSuchPath("GET", "/x"))
        self.queue.append((denial, None))

    @rule(
        data=st.data(),
        cost=st.one_of(st.none(), st.integers(0, 60)),
        is_known=st.booleans(),
        is_released=st.booleans(),
    )
    def call_ends(
        self, data: st.DataObject, cost: int | None, is_known: bool, is_released: bool
    ) -> None:
        """A call in flight, one that waits, one that is finished, or one that never was."""
        waiting = [m.opening.seq for m, _ in self.queue if isinstance(m, Admit)]
        known = [*self.books.flights, *waiting, *self.books.finished, 1]
        seq = data.draw(st.sampled_from(known))
        if is_released:
            closing = Closing(seq, "released", "failed", self.clock())
        else:
            whole = (
                None if cost is None else Cost((("input", cost // 2), ("output", -(-cost // 2))))
            )
            closing = Closing(
                seq, "settled", "ok", self.clock(), cost=whole, is_cost_known=is_known
            )
        self.queue.append((closing, None))

    # The desk -------------------------------------------------------------------------------

    @precondition(lambda self: self.queue)
    @rule()
    def batch_is_carried_out(self) -> None:
        self.carry_out()

    def carry_out(self) -> None:
        queue, self.queue = self.queue, []
        self.observe(queue, self.desk.process([message for message, _ in queue]))

    @precondition(lambda self: self.queue)
    @rule(at=st.sampled_from(["BEGIN", "COMMIT", "INSERT", "UPDATE", "PRAGMA", "SELECT"]))
    def batch_fails(self, at: str) -> None:
        """The file says no: nothing has changed, and what queues may be tried again."""
        before = self.file()
        self.connection.fails_at = at
        try:
            verdicts = self.desk.process([message for message, _ in self.queue])
        except sqlite3.OperationalError:
            assert self.file() == before
        else:
            # No such statement came up in this batch.
            assert at not in ("BEGIN", "COMMIT", "PRAGMA")
            queue, self.queue = self.queue, []
            self.observe(queue, verdicts)
        finally:
            self.connection.fails_at = ""

    def observe(self, queue: list[tuple[Message, Any]], verdicts: list[Any]) -> None:
        """What the batch came to, in the order of its messages."""
        assert len(verdicts) == len(queue)
        (epoch,) = self.other.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
        assert self.desk.books.epoch == int(epoch), "judged on books that are not the file's"
        self.known_epoch = int(epoch)
        for (message, kind), verdict in zip(queue, verdicts, strict=True):
            if isinstance(message, Admit):
                self.answered(message, kind, verdict)
            else:
                assert verdict is None
            if isinstance(message, Deny):
                self.books.finished[message.opening.seq] = ("denied", 0, 0)
            elif isinstance(message, Closing):
                self.books.finish(
                    message.seq, message.state, message.cost_nanousd, message.is_cost_known
                )

    def answered(self, question: Admit, kind: str, verdict: Any) -> None:
        seq, asked = question.opening.seq, question.candidates[0].ask
        if question.epoch != self.known_epoch:
            assert isinstance(verdict, Stale)
            return
        matching = [
            one
            for one in self.limits.values()
            if all(question.candidates[0].facts[name] == value for name, value in one.subject)
        ]
        places = tuple((one.id, one.start(self.clock())) for one in matching)
        free = [
            one.limit - sum(self.books.of(place))
            for one, place in zip(matching, places, strict=True)
        ]
        if not matching:
            assert isinstance(verdict, Admission)
            assert verdict.hold_nanousd == asked.expected_nanousd
        elif kind == "free":
            assert isinstance(verdict, Admission)
            assert verdict.hold_nanousd == 0
        elif kind == "unpriced":
            assert isinstance(verdict, ModelUnpriced)
        elif isinstance(verdict, Admission):
            # I3, and what it rests on: the hold is the ceiling of the bound that goes out.
            assert verdict.hold_nanousd <= min(free)
            assert asked.ceiling is not None
            bound = verdict.output_bound
            wanted = asked.ceiling.at(bound) if bound is not None else asked.ceiling.input_nanousd
            assert verdict.hold_nanousd == wanted
            assert bound is None or bound >= EXPECTED_OUTPUT
        else:
            # P2: nothing is refused whose smallest hold was free.
            assert isinstance(verdict, BudgetSpent | BudgetBusy)
            assert asked.ceiling is not None
            smallest = asked.ceiling.at(EXPECTED_OUTPUT if kind == "open" else 100)
            assert smallest > min(free)
        if isinstance(verdict, Admission):
            assert verdict.free_nanousd == (min(free) if free else None)
            self.books.move(places, 0, verdict.hold_nanousd, 0)
            self.books.flights[seq] = Flight(
                verdict.hold_nanousd, question.opening.expected_nanousd, places
            )
        else:
            self.books.finished[seq] = ("denied", 0, 0)

    @rule(is_torn=st.booleans())
    def server_dies(self, is_torn: bool) -> None:
        """Between two batches, or inside one; the next server recovers what was in flight."""
        if is_torn and self.queue:
            messages = [message for message, _ in self.queue]
            self.connection.fails_at = "COMMIT"
            self.desk.forget = lambda: None  # type: ignore[method-assign]
            with pytest.raises(sqlite3.OperationalError):
                self.desk.process(messages)
        self.connection.close()
        self.queue.clear()
        self.open_desk()
        count = recovery.recover(self.desk)
        assert count == len(self.books.flights)
        for seq, flight in list(self.books.flights.items()):
            cost = flight.expected
            if flight.places and cost is not None:
                cost = min(cost, flight.hold)
            self.books.finish(seq, "recovered", cost, False)

    @rule()
    def ledger_is_idle(self) -> None:
        self.look()

    def look(self) -> None:
        self.desk.refresh()
        self.known_epoch = self.desk.books.epoch

    @rule()
    def memory_is_dropped(self) -> None:
        self.desk.forget()

    # What holds after every step ------------------------------------------------------------

    def file(self) -> Any:
        return (
            self.other.execute("SELECT * FROM calls ORDER BY seq").fetchall(),
            self.other.execute("SELECT * FROM windows ORDER BY 1, 2, 3").fetchall(),
        )

    @invariant()
    def rows_are_what_happened(self) -> None:
        """I4, I10, I11: each call once, in the state that it was brought to, and there for good."""
        if not hasattr(self, "other"):
            return
        query = "SELECT seq, state, cost_nanousd, doubt_nanousd, hold_nanousd, windows FROM calls"
        rows = {row[0]: row[1:] for row in self.other.execute(query)}
        held = {seq: row for seq, row in rows.items() if row[0] == "held"}
        assert held.keys() == self.books.flights.keys()
        assert self.desk.calls_open == len(held)
        for seq, (_, cost, doubt, hold, places) in held.items():
            flight = self.books.flights[seq]
            assert (cost, doubt, hold) == (None, 0, flight.hold)
            found = sorted((b, start) for b, _, start in json.loads(places or "[]"))
            assert found == sorted(flight.places)
        ended = {seq: row[:3] for seq, row in rows.items() if row[0] != "held"}
        assert ended == self.books.finished
        whole = {
            row[0]: row for row in self.other.execute("SELECT * FROM calls WHERE state <> 'held'")
        }
        for seq, row in self.seen.items():
            assert whole[seq] == row, "a finished call has changed"
        self.seen = whole

    @invariant()
    def windows_are_sums_of_rows(self) -> None:
        """I1, I2: from the rows alone, by the windows that each names."""
        if not hasattr(self, "other"):
            return
        summed: dict[tuple[str, int], list[int]] = {}
        query = (
            "SELECT state, cost_nanousd, hold_nanousd, doubt_nanousd, windows FROM calls"
            " WHERE windows <> ''"
        )
        for state, cost, hold, doubt, places in self.other.execute(query):
            for budget, _, start in json.loads(places):
                amounts = summed.setdefault((budget, start), [0, 0, 0])
                if state == "held":
                    amounts[1] += hold
                else:
                    amounts[0] += cost or 0
                    amounts[2] += doubt
        columns = "budget_id, start, spent_nanousd, held_nanousd, doubt_nanousd"
        table = {
            (budget, start): list(amounts)
            for budget, start, *amounts in self.other.execute(f"SELECT {columns} FROM windows")
        }
        assert table == summed == self.books.amounts
        assert all(amount >= 0 for amounts in table.values() for amount in amounts)

    @invariant()
    def memory_is_the_table(self) -> None:
        """I12: what is in memory stands in the file; what is not there is 0."""
        if not hasattr(self, "other"):
            return
        for (budget, _, start), amounts in self.desk.standings.items():
            assert list(amounts) == self.books.of((budget, start))

    @invariant()
    def parts_add_up(self) -> None:
        """I6: a cost is the sum of its parts."""
        if hasattr(self, "other"):
            parts = " + ".join(
                f"cost_{part}_nanousd"
                for part in ("input", "cache_read", "cache_write", "output", "other")
            )
            query = f"SELECT count(*) FROM calls WHERE coalesce(cost_nanousd, 0) <> {parts}"
            assert self.other.execute(query).fetchone()[0] == 0

    def sums_are_equal(self) -> None:
        """I7: by whatever they are grouped, sums come to the same."""
        with reads.opened(self.path) as connection:
            total = sum(cost or 0 for _, cost, _ in self.books.finished.values())
            for name in ("tenant", "feature", "key", "outcome"):
                found = sums.sums(connection, sums.Question((name,), 0, 1 << 60))
                assert sum(one.cost_nanousd for one in found) == total
                assert sum(one.calls for one in found) == len(self.books.finished) + len(
                    self.books.flights
                )


@pytest.mark.soak
def test_any_order_of_events_keeps_the_books() -> None:
    run_state_machine_as_test(
        Money,
        settings=settings(
            max_examples=2_000 if IS_SOAK else 200,
            stateful_step_count=200 if IS_SOAK else 100,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
