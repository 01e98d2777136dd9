"""Any order of events keeps the books, with everything that budgets can do: I1 to I12, each step.

What ought to be is kept a second time (`tests/store/money_model.py`) and compared with the file and
with memory after every step; besides, the audit must find nothing.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ferrycli.rules.budget import Admission, Ask
from ferrycli.rules.ceilings import Ceiling
from ferrycli.rules.denials import BudgetBusy, BudgetSpent, ModelUnpriced, NoSuchPath, NoTarget
from ferrycli.rules.errors import LedgerUnavailable
from ferrycli.rules.pricing import Cost
from ferrycli.store import audit, corrections, migrations
from ferrycli.store.batch import Desk
from ferrycli.store.connect import open_reader, open_writer
from ferrycli.store.ids import IdMaker
from ferrycli.store.messages import Admit, Again, Candidate, Deny, Ended, Events, Message, Stale
from ferrycli.store.recovery import recover
from ferrycli.store.rows import Aim, Closing, Opening
from ferrycli.store.standings import Periods, Standings
from ferrycli.store.till import Change, Till
from tests.store import money_setting as given
from tests.store.kit import NOON, Clock
from tests.store.money_events import Happenings
from tests.store.money_model import HOUR_US, NEVER, Attempt, Call, Grant, Limit, Model
from tests.store.money_setting import Flaky


class Money(Happenings):
    """A desk, a second hand on its file, and a memory of what ought to be there."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="ferry-money-"))
        self.path = self.directory / "ferry.db"
        self.clock = Clock(NOON)
        self.ids = IdMaker(self.clock, lambda bits: 0)
        self.model = Model()
        self.queue: list[Message] = []
        self.seen: dict[int, tuple[Any, ...]] = {}
        self.numbers = iter(range(10**9))
        self.known_epoch = 0
        self.latest = NOON

    @initialize()
    def begin(self) -> None:
        first = open_writer(self.path)
        migrations.migrate(first, self.path, NOON)
        first.close()
        self.other = sqlite3.connect(self.path, isolation_level=None)
        self.other.execute("PRAGMA synchronous=OFF")
        self.other.execute("PRAGMA wal_autocheckpoint=0")
        for key in given.KEYS:
            self.other.execute(
                "INSERT INTO keys (id, name, secret_sha256) VALUES (?, ?, ?)", [key, key, key]
            )
        self.meters_are_priced()
        self.budget_is_made(
            (("key", "key_a"),), "month", "UTC", 150, "strict", given.RULES[2], True
        )
        self.budget_is_made((("tenant", "acme"),), "day", "Europe/Berlin", 120, "strict", (), True)
        self.open_desk()

    def open_desk(self) -> None:
        self.connection = sqlite3.connect(self.path, isolation_level=None, factory=Flaky)
        self.connection.execute("PRAGMA wal_autocheckpoint=0").fetchone()
        self.connection.execute("PRAGMA synchronous=OFF")
        self.server = self.fresh("i")
        self.connection.execute("INSERT INTO instances (id) VALUES (?)", [self.server])
        self.desk = Desk(self.connection, self.clock, self.server)
        self.look()

    def teardown(self) -> None:
        if hasattr(self, "other"):
            self.connection.close()
            self.other.close()
        shutil.rmtree(self.directory)

    def fresh(self, prefix: str) -> str:
        return f"{prefix}_{next(self.numbers):04}"

    @contextmanager
    def changing(self) -> Iterator[None]:
        """One transaction of another process."""
        self.other.execute("BEGIN IMMEDIATE")
        yield
        self.other.execute("COMMIT")

    # Another process ----------------------------------------------------------------------------

    @precondition(lambda self: len(self.model.limits) < 8)
    @rule(
        pairs=given.SELECTORS,
        period=st.sampled_from(given.PERIODS),
        zone=st.sampled_from(given.ZONES),
        limit=st.integers(0, 120),
        mode=st.sampled_from(["strict", "strict", "soft", "expected"]),
        rules=st.sampled_from(given.RULES),
        counts_back=st.booleans(),
    )
    def budget_is_made(
        self,
        pairs: tuple[tuple[str, str], ...],
        period: str,
        zone: str,
        limit: int,
        mode: str,
        rules: tuple[str, ...],
        counts_back: bool,
    ) -> None:
        """Set anew: it counts what calls that are over have spent since its window began."""
        now = self.clock()
        made = Limit(self.fresh("b"), pairs, period, zone, limit, mode, rules)
        made.counts_from = made.first(now) if counts_back else self.from_now()
        self.model.limits[made.id] = made
        with self.changing():
            self.insert_budget(made)
            for (_, subject, start), spent in self.model.unheld(made).items():
                values = (made.id, subject, start, spent)
                self.other.execute("INSERT INTO windows VALUES (?, ?, ?, ?, 0, 0)", values)

    @precondition(lambda self: len(self.model.limits) < 8)
    @rule(
        pairs=given.SELECTORS.filter(lambda pairs: all(value != "*" for _, value in pairs)),
        amount=st.integers(1, 120),
    )
    def balance_is_made(self, pairs: tuple[tuple[str, str], ...], amount: int) -> None:
        made = Limit(
            self.fresh("b"), pairs, "total", "UTC", 0, "strict", given.RULES[2], is_prepaid=True
        )
        made.counts_from = self.from_now()
        self.model.limits[made.id] = made
        with self.changing():
            self.insert_budget(made)
            self.insert_grant(made, amount, NEVER, is_boost=False)

    def from_now(self) -> int:
        """Later than every call so far, whatever the clock did."""
        return 1 + max([self.clock(), *(one.admitted for one in self.model.calls.values())])

    def insert_budget(self, made: Limit) -> None:
        self.other.execute(
            "INSERT INTO budgets (id, selector, subject, limit_nanousd, period, zone, mode, rules,"
            " counts_from, created_at, is_prepaid) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                made.id, made.id, json.dumps(made.pairs), made.limit, made.period, made.zone,
                made.mode, json.dumps(made.rules), made.counts_from, self.clock(), made.is_prepaid,
            ],
        )  # fmt: skip
        self.keep_revision(made)

    def keep_revision(self, limit: Limit) -> None:
        content = {"limit_nanousd": limit.limit, "mode": limit.mode, "rules": list(limit.rules)}
        self.other.execute(
            "INSERT INTO revisions VALUES ('budget', ?, ?, ?, ?)",
            [limit.id, limit.revision, self.clock(), json.dumps(content)],
        )

    def insert_grant(self, limit: Limit, amount: int, expires: int, *, is_boost: bool) -> None:
        now = self.clock()
        left = sum(
            one.amount - one.drawn if one.is_usable(now) else one.held + one.doubt
            for one in limit.grants
        )
        made = Grant(self.fresh("g"), amount, now, is_boost, expires)
        made.balance = 0 if is_boost else left + amount
        limit.grants.append(made)
        self.other.execute(
            "INSERT INTO grants (id, budget_id, kind, amount_nanousd, created_at, expires_at,"
            " balance_nanousd) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                made.id, limit.id, "boost" if is_boost else "grant", amount, now,
                None if expires == NEVER else expires, made.balance,
            ],
        )  # fmt: skip

    def some_limit(self, data: st.DataObject) -> Limit:
        standing = [one for one in self.model.limits.values() if not one.is_removed]
        return data.draw(st.sampled_from(standing))

    @precondition(lambda self: any(not one.is_removed for one in self.model.limits.values()))
    @rule(data=st.data(), limit=st.integers(0, 200), rules=st.none() | st.sampled_from(given.RULES))
    def budget_is_changed(
        self, data: st.DataObject, limit: int, rules: tuple[str, ...] | None
    ) -> None:
        """Raised or lowered, and perhaps under other rules."""
        changed = self.some_limit(data)
        if not changed.is_prepaid:
            changed.limit = limit
        changed.rules = changed.rules if rules is None else rules
        self.write_limit(changed)

    def write_limit(self, changed: Limit) -> None:
        changed.revision += 1
        with self.changing():
            self.other.execute(
                "UPDATE budgets SET limit_nanousd = ?, rules = ?, revision = ?, removed_at = ?"
                " WHERE id = ?",
                [
                    changed.limit, json.dumps(changed.rules), changed.revision,
                    self.clock() if changed.is_removed else None, changed.id,
                ],
            )  # fmt: skip
            self.keep_revision(changed)

    @precondition(lambda self: any(not one.is_removed for one in self.model.limits.values()))
    @rule(data=st.data())
    def budget_is_removed(self, data: st.DataObject) -> None:
        gone = self.some_limit(data)
        gone.frozen = self.model.unheld(gone)
        gone.is_removed = True
        self.write_limit(gone)

    @precondition(lambda self: any(not one.is_removed for one in self.model.limits.values()))
    @rule(data=st.data(), amount=st.integers(1, 100), hours=st.sampled_from([0, 1, 30, 24 * 40]))
    def money_is_added(self, data: st.DataObject, amount: int, hours: int) -> None:
        """A top-up of a prepaid budget, or a boost of another for a time."""
        limit = self.some_limit(data)
        expires = self.clock() + hours * HOUR_US if hours else NEVER
        with self.changing():
            self.insert_grant(limit, amount, expires, is_boost=not limit.is_prepaid)

    @precondition(lambda self: any(one.grants for one in self.model.limits.values()))
    @rule(data=st.data(), is_voided=st.booleans())
    def money_is_taken_back(self, data: st.DataObject, is_voided: bool) -> None:
        """It expires at once, or is voided."""
        every = [grant for one in self.model.limits.values() for grant in one.grants]
        gone = data.draw(st.sampled_from(every))
        column = "voided_at" if is_voided else "expires_at"
        gone.is_voided = gone.is_voided or is_voided
        gone.expires = gone.expires if is_voided else min(gone.expires, self.clock())
        values = (self.clock() if is_voided else gone.expires, gone.id)
        self.other.execute(f"UPDATE grants SET {column} = ? WHERE id = ?", values)

    @rule()
    def something_else_is_written(self) -> None:
        """The file changes, and no key or budget does."""
        self.other.execute("UPDATE keys SET last_used_at = ?", [next(self.numbers)])

    @precondition(lambda self: self.over())
    @rule(data=st.data(), delta=st.integers(-60, 60), doubt=st.sampled_from([0, 0, -1, -15, -100]))
    def call_is_corrected(self, data: st.DataObject, delta: int, doubt: int) -> None:
        seq = data.draw(st.sampled_from(self.over()))
        call = self.model.calls[seq]
        with self.changing():
            corrections.correct(
                self.other, seq, delta, "test", "operator", self.fresh("x"), self.clock(), doubt
            )
        call.delta += delta
        call.doubt_delta -= min(-doubt, call.doubt + call.doubt_delta)
        self.sync_grants()

    @precondition(lambda self: any(not one.is_removed for one in self.model.limits.values()))
    @rule(data=st.data())
    def doubt_is_released(self, data: st.DataObject) -> None:
        limit = self.some_limit(data)
        first = limit.first(self.clock())
        wanted = [
            call
            for call in self.model.calls.values()
            if call.is_over
            and any(
                place.budget == limit.id and place.start >= first and doubt
                for attempt, _, doubt in call.shares()
                for place in attempt.places
            )
        ]
        with self.changing():
            released = corrections.release_doubt(
                self.other, limit.id, None, self.clock(), lambda: self.fresh("x")
            )
        assert released == sum(call.doubt + call.doubt_delta for call in wanted)
        for call in wanted:
            call.doubt_delta = -call.doubt
        self.sync_grants()

    def over(self) -> list[int]:
        return [seq for seq, call in self.model.calls.items() if call.is_over]

    def sync_grants(self) -> None:
        """What corrections do to grants is held against sums alone, by the audit."""
        query = "SELECT id, held_nanousd, doubt_nanousd, drawn_nanousd FROM grants"
        rows = {row[0]: row[1:] for row in self.other.execute(query)}
        for limit in self.model.limits.values():
            for one in limit.grants:
                one.held, one.doubt, one.drawn = rows[one.id]

    @rule(hours=st.sampled_from([1, 7, 24, 24 * 7, 24 * 31, 24 * 400]))
    def clock_jumps(self, hours: int) -> None:
        """Holds that are open go on into another period; nobody is asked for so long."""
        self.carry_out()
        self.clock.move(hours * 3_600)

    @precondition(lambda self: self.clock() == self.latest)
    @rule()
    def clock_is_set_back(self) -> None:
        """By an hour; not again before it has caught up."""
        self.tick()
        self.clock.move(-3_600)

    @rule(seconds=st.integers(1, 900))
    def time_goes_on(self, seconds: int) -> None:
        self.tick()
        self.clock.move(seconds)

    def tick(self) -> None:
        """What the ledger thread does when nothing is asked."""
        self.look()
        if self.desk.has_changed_terms():
            self.carry_out()

    # Calls: what queues, in order ---------------------------------------------------------------

    def candidates(
        self, caller: dict[str, str], asks: list[tuple[str, str, int, str]]
    ) -> tuple[Candidate, ...]:
        return tuple(self.candidate(caller, *one) for one in asks)

    def candidate(
        self, caller: dict[str, str], provider: str, kind: str, ceiling: int, tier: str
    ) -> Candidate:
        model = f"m-{provider}"
        expected = None if kind == "unpriced" else 0 if kind == "free" else ceiling * 2 // 3
        bound = None
        if kind != "unpriced":
            rate = given.OPEN_RATE if kind == "open" else 0
            bound = Ceiling(0 if kind == "free" else ceiling, rate)
        asked = Ask(
            f"{provider}/{model}",
            bound,
            is_priced=kind != "unpriced",
            is_free=kind == "free",
            output_asked=None if kind == "open" else 100,
            output_max=64_000,
            expected_nanousd=expected or 0,
            expected_output_tokens=given.TOKENS,
        )
        aim = Aim(
            provider, model, "chat", model, expected, "",
            input_ceiling_nanousd=bound.input_nanousd if bound else None,
            output_rate_nanousd=bound.output_rate if bound else None,
        )  # fmt: skip
        facts = {**caller, "provider": provider, "model": model, "route": "chat"}
        return Candidate(asked, facts, aim, tier)

    def opening(self, caller: dict[str, str]) -> Opening:
        new = self.ids.make()
        plan = caller["tag:plan"]
        return Opening(
            new.seq, new.text("c"), new.at_us, caller["key"], tenant=caller["tenant"],
            user=caller["user"], tags=json.dumps({"plan": plan}) if plan else "",
        )  # fmt: skip

    @rule(caller=given.CALLERS, asks=given.ASKS, is_old=st.sampled_from([False] * 7 + [True]))
    def call_is_asked(
        self, caller: dict[str, str], asks: list[tuple[str, str, int, str]], is_old: bool
    ) -> None:
        epoch = self.known_epoch - is_old
        self.queue.append(Admit(self.opening(caller), self.candidates(caller, asks), epoch))

    @rule(caller=given.CALLERS, provider=st.sampled_from(given.PROVIDERS), ceiling=given.SMALL)
    def call_goes(self, caller: dict[str, str], provider: str, ceiling: int) -> None:
        """The common case: asked on the books of now, and judged at once with what queued."""
        self.look()
        self.call_is_asked(caller, [(provider, "paid", ceiling, "normal")], False)
        self.carry_out()

    def flights(self) -> list[int]:
        return [seq for seq, call in self.model.calls.items() if not call.is_over]

    def under_way(self) -> list[int]:
        """Calls in flight of which an attempt is."""
        return [seq for seq in self.flights() if not self.model.calls[seq].last.is_over]

    @precondition(lambda self: self.under_way())
    @rule(data=st.data(), cost=st.integers(0, 60), is_known=st.booleans())
    def call_settles(self, data: st.DataObject, cost: int, is_known: bool) -> None:
        seq = data.draw(st.sampled_from(self.under_way()))
        self.queue.append(self.settled(seq, cost, is_known))
        self.carry_out()

    def settled(self, seq: int, cost: int | None, is_known: bool) -> Closing:
        whole = None if cost is None else Cost((("input", cost // 2), ("output", -(-cost // 2))))
        source = "unpriced" if cost is None else "reported" if is_known else "estimated"
        return Closing(
            seq, "settled", "ok", self.clock(), cost=whole, is_cost_known=is_known,
            cost_source=source,
        )  # fmt: skip

    @rule(
        data=st.data(),
        cost=st.none() | st.integers(0, 60),
        is_known=st.booleans(),
        is_released=st.booleans(),
    )
    def call_ends(
        self, data: st.DataObject, cost: int | None, is_known: bool, is_released: bool
    ) -> None:
        """A call in flight, one that waits, one that is over already, or one that never was."""
        waiting = [one.opening.seq for one in self.queue if isinstance(one, Admit)]
        seq = data.draw(st.sampled_from([*self.model.calls, *waiting, 1]))
        call = self.model.calls.get(seq)
        if is_released or (call is not None and not call.is_over and call.last.is_over):
            # Whose last attempt is over already costs nothing more.
            self.queue.append(Closing(seq, "released", "failed", self.clock()))
        else:
            self.queue.append(self.settled(seq, cost, is_known))

    @rule(caller=given.CALLERS)
    def call_is_denied(self, caller: dict[str, str]) -> None:
        self.queue.append(Deny(self.opening(caller), NoSuchPath("GET", "/x")))

    def trying(self) -> list[int]:
        """Calls that may go on: nothing else happens between two attempts for long."""
        now = self.clock()
        return [seq for seq in self.flights() if self.model.calls[seq].last.ended in (0, now)]

    @precondition(lambda self: self.trying())
    @rule(
        data=st.data(),
        cost=st.none() | given.SMALL,
        is_billed=st.booleans(),
        asks=given.NEXT_ASKS,
        is_old=st.sampled_from([False] * 5 + [True]),
    )
    def attempt_fails(
        self,
        data: st.DataObject,
        cost: int | None,
        is_billed: bool,
        asks: list[tuple[str, str, int, str]],
        is_old: bool,
    ) -> None:
        """The provider failed before the first byte: the ledger is asked where else to go."""
        self.look()
        seq = data.draw(st.sampled_from(self.trying()))
        last = self.model.calls[seq].last
        if cost is not None and last.keeps_doubt:
            # An estimate is at most the hold.
            cost = min(cost, last.hold)
        whole = None if cost is None else Cost((("estimate", cost),))
        ended = Ended(self.clock(), 503, "overloaded", "failed", whole, is_billed)
        caller = {name: last.facts[name] for name in ("key", "tenant", "user", "tag:plan")}
        question = Again(seq, ended, self.candidates(caller, asks), self.known_epoch - is_old)
        self.queue.append(question)
        self.carry_out()

    # The desk -----------------------------------------------------------------------------------

    @precondition(lambda self: self.queue)
    @rule()
    def batch_is_carried_out(self) -> None:
        self.carry_out()

    def carry_out(self) -> None:
        queue, self.queue = self.queue, []
        self.observe(queue, self.desk.process(queue))

    @precondition(lambda self: self.queue)
    @rule(at=st.sampled_from(["BEGIN", "COMMIT", "INSERT", "UPDATE", "PRAGMA", "SELECT"]))
    def batch_fails(self, at: str) -> None:
        """The file says no: nothing has changed, and what queues may be tried again."""
        before = self.file()
        self.connection.fails_at = at
        try:
            verdicts = self.desk.process(self.queue)
        except sqlite3.OperationalError:
            assert self.file() == before
        else:
            assert at not in ("BEGIN", "COMMIT", "PRAGMA")
            queue, self.queue = self.queue, []
            self.observe(queue, verdicts)
        finally:
            self.connection.fails_at = ""

    @rule(is_torn=st.booleans())
    def server_dies(self, is_torn: bool) -> None:
        """Between two batches, or inside one; the next server recovers what was in flight."""
        if is_torn and self.queue:
            self.connection.fails_at = "COMMIT"
            self.desk.forget = lambda: None  # type: ignore[method-assign]
            with pytest.raises(sqlite3.OperationalError):
                self.desk.process(self.queue)
        self.connection.close()
        self.queue.clear()
        self.open_desk()
        open_calls = self.flights()
        assert recover(self.desk) == len(open_calls)
        self.known_epoch = self.desk.books.epoch
        for seq in open_calls:
            call = self.model.calls[seq]
            cost = call.last.expected
            if call.last.places and cost is not None:
                cost = min(cost, call.last.hold)
            if call.last.is_over:
                cost = 0
            self.finish(call, "recovered", cost, False)

    @rule()
    def ledger_is_idle(self) -> None:
        self.tick()

    @rule()
    def memory_is_dropped(self) -> None:
        self.desk.forget()

    def look(self) -> None:
        self.desk.refresh()
        self.known_epoch = self.desk.books.epoch

    # What ought to have happened ----------------------------------------------------------------

    def observe(self, queue: list[Message], verdicts: list[Any]) -> None:
        """What the batch came to, in the order of its messages."""
        assert len(verdicts) == len(queue)
        (epoch,) = self.other.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
        assert self.desk.books.epoch == int(epoch), "judged on books that are not the file's"
        self.known_epoch = int(epoch)
        closed: set[int] = set()
        late: list[Closing] = []
        for message, verdict in zip(queue, verdicts, strict=True):
            match message:
                case Admit():
                    self.answered(message, verdict)
                case Again():
                    self.went_on(message, verdict)
                case Deny():
                    self.model.denials += 1
                case Events():
                    self.told(message, verdict)
                case Closing():
                    call = self.model.calls.get(message.seq)
                    if call is not None and not call.is_over:
                        closed.add(message.seq)
                        cost, is_known = message.cost_nanousd, message.is_cost_known
                        self.finish(call, message.state, cost, is_known)
                    elif message.seq not in closed:
                        late.append(message)
                case _:
                    raise AssertionError(message)
        for closing in late:
            self.corrected_late(closing)

    def finish(self, call: Call, state: str, cost: int | None, is_known: bool) -> None:
        """What a call came to is known."""
        was_over = call.last.is_over
        self.model.end(call, cost or 0, self.clock(), is_known=is_known and cost is not None)
        past = call.attempts[:-1] if not was_over else call.attempts
        has_past = any(one.cost or one.doubt or not one.is_priced for one in past)
        call.is_priced = cost is not None or has_past
        call.state = "settled" if state == "released" and has_past else state

    def corrected_late(self, closing: Closing) -> None:
        """A settlement for a call that was recovered is its better figure."""
        call = self.model.calls.get(closing.seq)
        if (
            call is None
            or call.state != "recovered"
            or closing.state != "settled"
            or closing.cost_nanousd is None
        ):
            return
        earlier = sum(one.cost for one in call.attempts[:-1])
        call.delta = earlier + closing.cost_nanousd - call.cost
        call.doubt_delta -= call.shares()[-1][2]
        self.sync_grants()

    def answered(self, question: Admit, verdict: Any) -> None:
        if question.epoch != self.known_epoch:
            assert isinstance(verdict, Stale)
            return
        if not isinstance(verdict, Admission):
            self.model.denials += 1
            self.refused(question.candidates, verdict)
            return
        candidate = question.candidates[verdict.index]
        attempt = self.attempt(candidate, verdict)
        self.model.calls[question.opening.seq] = Call(self.clock(), [attempt])

    def went_on(self, question: Again, verdict: Any) -> None:
        if question.epoch != self.known_epoch:
            assert isinstance(verdict, Stale)
            return
        call = self.model.calls[question.seq]
        if call.is_over:
            assert isinstance(verdict, LedgerUnavailable)
            return
        ended = question.ended
        cost = ended.cost.total if ended.is_billed and ended.cost is not None else 0
        if not call.last.is_over:
            self.model.end(call, cost, self.clock(), is_known=not ended.is_billed)
            call.last.is_priced = not ended.is_billed or ended.cost is not None
        if isinstance(verdict, Admission):
            call.attempts.append(self.attempt(question.candidates[verdict.index], verdict))
        elif question.candidates:
            self.refused(question.candidates, verdict)
        else:
            assert isinstance(verdict, LedgerUnavailable)

    def attempt(self, candidate: Candidate, verdict: Admission) -> Attempt:
        """I3, and what it rests on: the hold is the ceiling of the bound that goes out."""
        facts, asked, now = dict(candidate.facts), candidate.ask, self.clock()
        matching = self.model.matching(facts)
        strict = [one for one in matching if one[0].mode == "strict"]
        free = [self.model.free(limit, subject, now) for limit, subject in strict or matching]
        assert verdict.free_nanousd == (min(free) if free else None)
        if strict and asked.is_priced and not asked.is_free:
            assert asked.ceiling is not None
            assert verdict.output_held is not None
            assert verdict.hold_nanousd == asked.ceiling.at(verdict.output_held)
            assert verdict.hold_nanousd <= min(free)
            assert verdict.output_bound in (None, verdict.output_held)
        else:
            assert verdict.output_held is None
            is_free = asked.is_free and matching
            assert verdict.hold_nanousd == (0 if is_free else asked.expected_nanousd)
        for limit, subject in matching:
            assert asked.is_free or not self.is_blocked(limit, subject)
        places = self.model.hold(facts, verdict.hold_nanousd, now)
        assert candidate.aim is not None
        return Attempt(
            facts,
            verdict.hold_nanousd,
            places,
            verdict.output_held is not None,
            candidate.aim.expected_nanousd,
        )

    def is_blocked(self, limit: Limit, subject: str) -> bool:
        """Whether a rule that ends spending has been reached."""
        if limit.is_prepaid or not limit.rules:
            return False
        used = self.model.spent(limit, subject, self.clock())
        top = limit.top(self.clock())
        reached = [
            rule
            for rule in limit.rules
            if used * 100 >= int(rule.split("%")[0]) * top
            and rule.split()[1] in ("downgrade", "free", "block")
        ]
        last = max(reached, key=lambda rule: int(rule.split("%")[0]), default="")
        return bool(last) and last.split()[1] != "downgrade"

    def refused(self, candidates: tuple[Candidate, ...], refusal: Any) -> None:
        """P2: a candidate that no rule stops is not refused where its smallest hold was free."""
        first = candidates[0]
        if isinstance(refusal, NoTarget):
            assert all(one.tier != "normal" for one in candidates)
            return
        assert isinstance(refusal, BudgetSpent | BudgetBusy | ModelUnpriced)
        matching = self.model.matching(dict(first.facts))
        if len(candidates) > 1 or first.tier != "normal" or any(one.rules for one, _ in matching):
            return
        now, asked = self.clock(), first.ask
        assert not asked.is_free
        if asked.is_priced:
            assert asked.ceiling is not None
            smallest = asked.ceiling.at(given.TOKENS if asked.output_asked is None else 100)
            needed = {"strict": smallest, "expected": asked.expected_nanousd, "soft": -NEVER}
            assert any(
                needed[limit.mode] > self.model.free(limit, subject, now)
                for limit, subject in matching
            )

    # What holds after every step ----------------------------------------------------------------

    def file(self) -> Any:
        tables = ("calls", "windows", "grants", "attempts", "corrections", "alerts", "meta")
        return [self.other.execute(f"SELECT * FROM {table}").fetchall() for table in tables]

    @invariant()
    def windows_are_what_they_ought_to_be(self) -> None:
        if not hasattr(self, "other"):
            return
        columns = "budget_id, subject, start, spent_nanousd, held_nanousd, doubt_nanousd"
        table = {
            row[:3]: list(row[3:]) for row in self.other.execute(f"SELECT {columns} FROM windows")
        }
        assert {spot: row for spot, row in table.items() if any(row)} == self.model.amounts()
        query = "SELECT id, held_nanousd, doubt_nanousd, drawn_nanousd FROM grants ORDER BY id"
        assert self.other.execute(query).fetchall() == sorted(
            (one.id, one.held, one.doubt, one.drawn)
            for limit in self.model.limits.values()
            for one in limit.grants
        )

    @invariant()
    def rows_are_what_happened(self) -> None:
        """I4, I10: each call once, in the state that it was brought to, and there for good."""
        if not hasattr(self, "other"):
            return
        query = "SELECT seq, state, cost_nanousd, doubt_nanousd FROM calls WHERE state <> 'denied'"
        rows = {row[0]: row[1:] for row in self.other.execute(query)}
        assert rows == {
            seq: (
                call.state,
                call.cost if call.is_over and call.is_priced else None,
                call.doubt if call.is_over else 0,
            )
            for seq, call in self.model.calls.items()
        }
        assert self.desk.calls_open == len(self.flights())
        (denials,) = self.other.execute(
            "SELECT coalesce(sum(repeats), 0) FROM calls WHERE state = 'denied'"
        ).fetchone()
        assert denials == self.model.denials
        whole = {
            row[0]: row
            for row in self.other.execute(
                "SELECT * FROM calls WHERE state NOT IN ('held', 'denied')"
            )
        }
        for seq, row in self.seen.items():
            assert whole[seq] == row, "a finished call has changed"
        self.seen = whole

    @invariant()
    def memory_is_the_file(self) -> None:
        """I12: what is in memory stands in the file; what is not there is 0."""
        if not hasattr(self, "desk") or self.desk.refresh() or self.desk.has_changed_terms():
            return
        for key, amounts in self.desk.till.windows.items():
            assert list(amounts) == self.model.amounts().get(key, [0, 0, 0])
        grants = {
            one.id: (one.held, one.doubt, one.drawn)
            for limit in self.model.limits.values()
            for one in limit.grants
        }
        for id, drawn in self.desk.till.grants.items():
            assert tuple(drawn) == grants[id]
        now = self.clock()
        found = Standings(self.desk.books, Change(Till(self.connection)), Periods(), now)
        for standing in [*self.desk.standings_at(now).known.values()]:
            assert standing == found.now(standing.terms, standing.subject)

    @invariant()
    def audit_finds_nothing(self) -> None:
        """I1 to I11, as `ferry audit` has them."""
        if not hasattr(self, "desk"):
            return
        now = self.clock()
        self.latest = max(self.latest, now)
        self.other.execute("UPDATE instances SET heartbeat_at = ?", [now])
        reader = open_reader(self.path)
        try:
            faults = [
                (one.name, fault)
                for one in audit.run(reader, now, given.FOREVER_S)
                for fault in one.faults
            ]
        finally:
            reader.close()
        assert faults == [], faults


@pytest.mark.soak
def test_any_order_of_events_keeps_the_books() -> None:
    run_state_machine_as_test(
        Money,
        settings=settings(
            max_examples=2_000 if given.IS_SOAK else 30,
            stateful_step_count=100 if given.IS_SOAK else 40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
