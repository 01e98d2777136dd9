"""Money that is only held is waited for: in turn, and no longer than the caller said."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ferrycli.rules.budget import Admission
from ferrycli.rules.denials import BudgetBusy, BudgetRefusal, BudgetSpent, left_waiting
from ferrycli.rules.errors import FerryError
from ferrycli.store import changes, corrections, grant_changes
from ferrycli.store.ids import NewId
from ferrycli.store.ledger import Ledger
from ferrycli.store.messages import Admit, Deny, Message, Stale, Verdict, Waits
from tests.store.kit import (
    DAY_US,
    NOON,
    USD,
    Clock,
    Ids,
    looking,
    make_key,
    running,
    soon,
    staged,
)
from tests.store.kit import admit as asking
from tests.store.kit import settled as ended
from tests.store.money_setting import IS_SOAK
from tests.store.teller import MONTH_START, Teller, estimated, released, settled, to


@pytest.fixture
def teller(path: Path, clock: Clock) -> Iterator[Teller]:
    found = Teller(path, clock)
    found.budget("b", 100)
    found.desk.refresh()
    yield found
    found.close()


@dataclass
class Queue:
    """Those that wait, as the ledger keeps them between batches: the first first."""

    teller: Teller
    parked: list[Admit]

    def do(self, *messages: Message) -> list[Verdict | None]:
        """One batch: verdicts of `messages`; those that wait stay or go."""
        waiting = list(self.parked)
        verdicts = self.teller.do(*messages, waiting=waiting)
        self.parked = []
        self.answers: dict[int, Verdict | None] = {}
        asked = [*waiting, *(one for one in messages if isinstance(one, Admit))]
        said = [
            *verdicts[len(messages) :],
            *(v for m, v in zip(messages, verdicts, strict=False) if isinstance(m, Admit)),
        ]
        for question, verdict in zip(asked, said, strict=True):
            if isinstance(verdict, Waits):
                assert verdict.places
                self.parked.append(question._replace(waits=verdict))
            else:
                self.answers[question.opening.seq] = verdict
        return verdicts[: len(messages)]

    def ask(self, hold: int, **more: str) -> NewId:
        new = self.teller.new()
        self.do(self.teller.admit(new, to(hold), may_wait=True, **more))
        return new

    def waits(self, *calls: NewId) -> bool:
        """Whether these wait, and no others, in this order."""
        return [one.opening.seq for one in self.parked] == [new.seq for new in calls]

    def goes(self, *calls: NewId) -> bool:
        """Whether the last batch let these go, and answered no others."""
        assert all(isinstance(one, Admission) for one in self.answers.values())
        return list(self.answers) == [new.seq for new in calls]


@pytest.fixture
def queue(teller: Teller) -> Queue:
    return Queue(teller, [])


# One call ----------------------------------------------------------------------------------------


def test_a_call_waits_for_money_that_is_held_and_goes_when_it_comes_back(queue: Queue) -> None:
    first, second = queue.ask(60), queue.ask(41)
    assert queue.waits(second)
    queue.do(settled(first, 59))
    assert queue.goes(second)
    assert queue.teller.window("b") == (59, 41, 0)
    assert queue.teller.faults() == []


def test_a_call_that_nothing_was_billed_for_wakes_who_waits_for_it(queue: Queue) -> None:
    first, second = queue.ask(60), queue.ask(60)
    queue.do(released(first))
    assert queue.goes(second)


def test_what_stays_in_doubt_does_not_come_back(queue: Queue) -> None:
    first, second = queue.ask(60), queue.ask(60)
    queue.do(estimated(first, 10))
    (verdict,) = queue.answers.values()
    assert isinstance(verdict, BudgetSpent)
    assert (verdict.spent_nanousd, verdict.doubt_nanousd) == (10, 50)
    assert queue.teller.call(second)["state"] == "denied"


def test_a_call_that_waits_has_no_row_and_holds_nothing(queue: Queue) -> None:
    queue.ask(60)
    queue.ask(41)
    assert len(queue.teller.rows("SELECT * FROM calls")) == 1
    assert queue.teller.window("b") == (0, 60, 0)
    queue.do()
    assert queue.answers == {}


@pytest.mark.parametrize("is_open", [True, False])
def test_who_may_not_wait_is_told_at_once_that_money_is_held(queue: Queue, is_open: bool) -> None:
    queue.ask(60)
    if is_open:
        # Behind one that waits, too: there is no place for it in the queue.
        queue.ask(50)
    _, verdict = queue.teller.ask(to(41))
    assert isinstance(verdict, BudgetBusy)
    assert (verdict.held_nanousd, verdict.needed_nanousd) == (60, 41)


def test_one_that_has_waited_long_enough_is_told_that_money_is_held(queue: Queue) -> None:
    queue.ask(60)
    second = queue.ask(41)
    queue.parked = [one._replace(may_wait=False) for one in queue.parked]
    queue.do()
    (verdict,) = queue.answers.values()
    assert isinstance(verdict, BudgetBusy)
    row = queue.teller.call(second)
    assert (row["state"], row["error_code"], row["cost_nanousd"]) == ("denied", "budget_busy", 0)


def test_one_that_has_waited_long_enough_goes_if_its_money_is_there_by_then(queue: Queue) -> None:
    first, second = queue.ask(60), queue.ask(41)
    queue.parked = [one._replace(may_wait=False) for one in queue.parked]
    queue.do(settled(first, 0))
    assert queue.goes(second)


def test_a_call_waits_for_what_budgets_that_expect_hold_too(teller: Teller, queue: Queue) -> None:
    teller.change("budgets", "b", limit_nanousd=10**9)
    teller.budget("e", 10, mode="expected")
    teller.desk.refresh()
    first = queue.ask(60)
    # 6 nano-dollars are expected of the first, 5 of the second.
    second = queue.ask(50)
    assert queue.waits(second)
    queue.do(settled(first, 5))
    assert queue.goes(second)


def test_spent_money_is_not_waited_for(queue: Queue) -> None:
    first = queue.ask(60)
    queue.do(settled(first, 60))
    queue.ask(30)
    new = queue.teller.new()
    (verdict,) = queue.do(queue.teller.admit(new, to(41), may_wait=True))
    assert isinstance(verdict, BudgetSpent)
    assert queue.parked == []


# In turn -----------------------------------------------------------------------------------------


def test_who_came_first_goes_first_even_if_less_would_do_for_another(queue: Queue) -> None:
    first, large, small = queue.ask(60), queue.ask(90), queue.ask(5)
    assert queue.waits(large, small)
    queue.do(settled(first, 5))
    assert queue.goes(large, small)
    assert queue.teller.window("b") == (5, 95, 0)


def test_who_came_first_and_still_lacks_money_keeps_the_others_behind(queue: Queue) -> None:
    calls = [queue.ask(40), queue.ask(40)]
    large, small = queue.ask(90), queue.ask(5)
    queue.do(settled(calls[0], 1))
    assert queue.waits(large, small)
    queue.do(settled(calls[1], 1))
    assert queue.goes(large, small)


def test_a_newcomer_of_the_batch_that_brings_money_back_stands_behind(queue: Queue) -> None:
    first, large = queue.ask(60), queue.ask(90)
    late = queue.teller.new()
    small = queue.teller.admit(late, to(5), may_wait=True)
    (verdict, _) = queue.do(small, settled(first, 6))
    assert isinstance(verdict, Waits)
    assert queue.goes(large)
    assert queue.waits(late)
    (verdict,) = queue.do(released(large))
    assert queue.goes(late)


def test_those_behind_go_when_who_is_before_them_gives_up(queue: Queue) -> None:
    queue.ask(60)
    large, small = queue.ask(90), queue.ask(5)
    queue.parked[0] = queue.parked[0]._replace(may_wait=False)
    queue.do()
    assert isinstance(queue.answers[large.seq], BudgetBusy)
    assert isinstance(queue.answers[small.seq], Admission)


def test_a_later_call_on_another_window_passes(teller: Teller, queue: Queue) -> None:
    teller.budget("u", 100, pairs=[["user", "*"]])
    teller.change("budgets", "b", limit_nanousd=10**9)
    teller.desk.refresh()
    queue.ask(60, user="ann")
    ann = queue.ask(50, user="ann")
    bob = queue.ask(50, user="bob")
    assert queue.goes(bob)
    nobody = queue.ask(50)
    assert queue.goes(nobody)
    assert queue.waits(ann)
    assert {p for one in queue.parked for p in one.short} == {("u", '["ann"]')}


def test_a_call_that_costs_nothing_waits_for_nobody(queue: Queue) -> None:
    """A zero-priced target always fits."""
    queue.ask(60)
    large = queue.ask(90)
    free = queue.ask(0)
    assert queue.goes(free)
    assert queue.waits(large)
    row = queue.teller.call(free)
    assert (row["hold_nanousd"], row["free_nanousd"]) == (0, 40)


def test_a_call_goes_where_no_window_is_waited_for(teller: Teller, queue: Queue) -> None:
    """Its own second target is outside of the window that others wait for."""
    teller.budget("p", 50, pairs=[["provider", "up"]])
    teller.desk.refresh()
    queue.ask(30)
    large = queue.ask(45)
    new = teller.new()
    targets = to(5, "up"), to(5, "down")
    (verdict,) = queue.do(teller.admit(new, *targets, may_wait=True))
    assert isinstance(verdict, Admission)
    assert verdict.index == 1
    assert queue.waits(large)


def test_a_call_that_spent_money_refuses_does_not_stand_in_line_for_it(
    teller: Teller, queue: Queue
) -> None:
    teller.budget("s", 4, pairs=[["user", "ann"]])
    teller.desk.refresh()
    queue.ask(60)
    large = queue.ask(90)
    new = teller.new()
    (verdict,) = queue.do(teller.admit(new, to(5), may_wait=True, user="ann"))
    assert isinstance(verdict, BudgetSpent)
    assert verdict.budget == "s"
    assert queue.waits(large)


def test_a_raised_limit_wakes_all_who_wait(teller: Teller, queue: Queue) -> None:
    """They are asked to build their questions again: limits are not all that may have changed."""
    queue.ask(60)
    second, third = queue.ask(41), queue.ask(42)
    teller.change("budgets", "b", limit_nanousd=200)
    queue.do()
    assert [type(one) for one in queue.answers.values()] == [Stale, Stale]
    again = [
        teller.admit(new, to(hold), may_wait=True) for new, hold in ((second, 41), (third, 42))
    ]
    queue.do(*again)
    assert queue.goes(second, third)


def test_doubt_that_is_set_free_wakes_who_waits(teller: Teller, queue: Queue) -> None:
    first, _ = queue.ask(30), queue.ask(30)
    queue.do(estimated(first, 0))
    third = queue.ask(41)
    assert queue.waits(third)
    teller.other.execute("BEGIN IMMEDIATE")
    assert corrections.release_doubt(teller.other, "b", None, teller.clock(), lambda: "x_1") == 30
    teller.other.execute("COMMIT")
    queue.do()
    assert queue.goes(third)


def test_a_call_that_waited_into_a_new_window_goes(teller: Teller, queue: Queue) -> None:
    queue.ask(60)
    second = queue.ask(41)
    teller.clock.now_us = MONTH_START + 30 * DAY_US
    queue.parked = [one._replace(may_wait=False) for one in queue.parked]
    queue.do()
    assert queue.goes(second)
    # It belongs to the window of its admission.
    (found,) = json.loads(teller.call(second)["windows"])
    assert found == ["b", "", MONTH_START + 30 * DAY_US]


def test_two_with_one_idempotency_key_do_not_both_go(queue: Queue) -> None:
    first = queue.ask(60)
    calls = [queue.teller.new() for _ in range(2)]
    for new in calls:
        queue.do(queue.teller.admit(new, to(41), may_wait=True, idempotency_key="k"))
    assert queue.waits(*calls)
    queue.do(settled(first, 0))
    verdicts = list(queue.answers.values())
    assert isinstance(verdicts[0], Admission)
    assert isinstance(verdicts[1], FerryError)
    assert verdicts[1].code == "duplicate_call"
    assert queue.parked == []


def test_a_file_that_refuses_leaves_all_who_wait_as_they_were(queue: Queue) -> None:
    first, second = queue.ask(60), queue.ask(41)
    with queue.teller.failing("COMMIT"):
        queue.teller.do(settled(first, 0), waiting=queue.parked)
    queue.do(settled(first, 0))
    assert queue.goes(second)


# Any order ---------------------------------------------------------------------------------------

TENANTS = st.sampled_from(["acme", "bolt"])
USERS = st.sampled_from(["", "ann", "bob"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), TENANTS, USERS, st.integers(1, 60), st.booleans()),
        st.tuples(st.just("end"), st.integers(0, 30), st.integers(0, 100), st.booleans()),
        st.tuples(st.just("late"), st.integers(0, 5)),
        st.tuples(st.just("batch")),
    ),
    max_size=40,
)
LIMITS = {"a": 100, "u": 60, "all": 150}


def places(tenant: str, user: str) -> set[tuple[str, str]]:
    found = {("all", "")} | ({("a", "")} if tenant == "acme" else set())
    return found | ({("u", f'["{user}"]')} if user else set())


@pytest.mark.soak
@settings(
    max_examples=1_000 if IS_SOAK else 40,
    deadline=None,
    derandomize=not IS_SOAK,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(STEPS)
def test_in_any_order_nothing_goes_over_a_limit_and_nobody_is_passed_by(
    steps: list[tuple[object, ...]],
) -> None:
    with tempfile.TemporaryDirectory(prefix="ferry-waiting-") as directory:
        path = Path(directory) / "ferry.db"
        changes.prepare(path)
        teller = Teller(path, Clock(NOON))
        teller.budget("a", LIMITS["a"])
        teller.budget("u", LIMITS["u"], pairs=[["user", "*"]])
        teller.budget("all", LIMITS["all"], pairs=[])
        teller.desk.refresh()
        try:
            _Play(teller).play(steps)
        finally:
            teller.close()


class _Play:
    """Clients that ask, wait, end and give up; batches of any size."""

    def __init__(self, teller: Teller) -> None:
        self.teller = teller
        self.queue = Queue(teller, [])
        self.batch: list[Message] = []
        self.holds: dict[int, int] = {}
        self.places: dict[int, set[tuple[str, str]]] = {}
        self.flying: list[NewId] = []
        self.ids: dict[int, NewId] = {}

    def play(self, steps: list[tuple[object, ...]]) -> None:
        for step in steps:
            match step:
                case ("ask", str(tenant), str(user), int(hold), bool(is_alone)):
                    new = self.teller.new()
                    self.ids[new.seq], self.holds[new.seq] = new, hold
                    self.places[new.seq] = places(tenant, user)
                    more = {"tenant": tenant} | ({"user": user} if user else {})
                    self.batch.append(self.teller.admit(new, to(hold), may_wait=True, **more))
                    if is_alone:
                        self.run()
                case ("end", int(which), int(percent), bool(is_known)) if self.flying:
                    new = self.flying.pop(which % len(self.flying))
                    cost = self.holds[new.seq] * percent // 100
                    end = settled(new, cost) if is_known else estimated(new, cost)
                    self.batch.append(end)
                case ("late", int(which)) if self.queue.parked:
                    at = which % len(self.queue.parked)
                    self.queue.parked[at] = self.queue.parked[at]._replace(may_wait=False)
                    self.run()
                case ("batch",):
                    self.run()
        self.run()
        while self.flying:
            self.batch.append(settled(self.flying.pop(0), 0))
            self.run()
        assert self.queue.parked == [], "nothing is in flight, and somebody waits"
        assert all(one[1] == 0 for one in self.amounts().values())
        assert self.teller.faults() == []

    def amounts(self) -> dict[tuple[str, str], tuple[int, int, int]]:
        found = self.teller.rows("SELECT * FROM windows")
        return {
            (one["budget_id"], one["subject"]): (
                one["spent_nanousd"],
                one["held_nanousd"],
                one["doubt_nanousd"],
            )
            for one in found
        }

    def run(self) -> None:
        before = {one.opening.seq: one.short for one in self.queue.parked}
        last_time = {one.opening.seq for one in self.queue.parked if not one.may_wait}
        batch, self.batch = self.batch, []
        self.queue.do(*batch)
        after = {one.opening.seq: one.short for one in self.queue.parked}
        amounts = self.amounts()
        for (budget, subject), each in amounts.items():
            assert sum(each) <= LIMITS[budget], (budget, subject, each)
        arrived = list(before)
        for seq, verdict in self.queue.answers.items():
            if isinstance(verdict, Admission):
                assert verdict.hold_nanousd == self.holds[seq]
                self.flying.append(self.ids[seq])
                # Whoever came before, and waits for one of its windows as it did, is passed by.
                ahead = arrived[: arrived.index(seq)] if seq in before else arrived
                for other in ahead if seq not in last_time else ():
                    lacking = before[other] & after.get(other, frozenset())
                    assert not lacking & self.places[seq], "a later call has passed"
            else:
                assert isinstance(verdict, BudgetRefusal)
                # Spent money is gone whatever comes back; who is told of held money could go.
                gone = any(
                    amounts[place][0] + amounts[place][2] + self.holds[seq] > LIMITS[place[0]]
                    for place in self.places[seq] & amounts.keys()
                )
                assert gone or isinstance(verdict, BudgetBusy)
        taken: set[tuple[str, str]] = set()
        for seq, short in after.items():
            mine = self.places[seq]
            used = {place: sum(amounts.get(place, (0, 0, 0))) for place in mine}
            fits = all(used[place] + self.holds[seq] <= LIMITS[place[0]] for place in mine)
            assert not fits or mine & taken, "a call waits that could go"
            taken |= short


# Through the ledger ------------------------------------------------------------------------------


async def parked(ledger: Ledger, count: int) -> None:
    await soon(lambda: len(ledger._parked) == count and ledger.messages_waiting == 0)


@staged
async def test_a_settlement_wakes_the_caller_that_waits(path: Path, clock: Clock, ids: Ids) -> None:
    key = make_key(path, budget="10/month")
    async with running(path, clock) as ledger:
        epoch, first, second = ledger.books.epoch, ids.make(), ids.make()
        await ledger.admit(asking(first, key.id, epoch, 6 * USD), wait_s=20)
        task = asyncio.create_task(ledger.admit(asking(second, key.id, epoch, 5 * USD), wait_s=20))
        await parked(ledger, 1)
        assert not task.done()
        ledger.settle_soon(ended(first, USD))
        assert isinstance(await asyncio.wait_for(task, 10), Admission)


@staged
async def test_a_caller_is_told_busy_when_its_time_is_over(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path, budget="10/month")
    async with running(path, clock) as ledger:
        epoch = ledger.books.epoch
        await ledger.admit(asking(ids.make(), key.id, epoch, 6 * USD))
        asked = asking(ids.make(), key.id, epoch, 5 * USD)
        for wait_s in (0.0, 0.05):
            verdict = await asyncio.wait_for(ledger.admit(asked, wait_s=wait_s), 10)
            assert isinstance(verdict, BudgetBusy)
            assert verdict.retry_after_s == 1
            asked = asking(ids.make(), key.id, epoch, 5 * USD)


@staged
async def test_a_caller_that_has_gone_is_dropped_and_those_behind_it_go_at_once(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path, budget="10/month")
    async with running(path, clock) as ledger:
        epoch, gone, behind = ledger.books.epoch, ids.make(), ids.make()
        await ledger.admit(asking(ids.make(), key.id, epoch, 6 * USD))
        leaver = asyncio.create_task(ledger.admit(asking(gone, key.id, epoch, 9 * USD), wait_s=60))
        await parked(ledger, 1)
        task = asyncio.create_task(ledger.admit(asking(behind, key.id, epoch, USD), wait_s=60))
        await parked(ledger, 2)
        leaver.cancel()
        # Long before its own time is over: nobody before it waits any more.
        assert isinstance(await asyncio.wait_for(task, 10), Admission)
        await parked(ledger, 0)
    with looking(path) as connection:
        found = connection.execute("SELECT state, error_code FROM calls WHERE seq = ?", [gone.seq])
        assert list(map(tuple, found)) == [("denied", "left_waiting")]


@staged
async def test_the_row_of_a_caller_that_has_gone_says_what_it_waited_for(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path, budget="10/month")
    async with running(path, clock) as ledger:
        epoch, gone, busy = ledger.books.epoch, ids.make(), ids.make()
        await ledger.admit(asking(ids.make(), key.id, epoch, 6 * USD))
        leaver = asyncio.create_task(ledger.admit(asking(gone, key.id, epoch, 5 * USD), wait_s=60))
        await parked(ledger, 1)
        leaver.cancel()
        await parked(ledger, 0)
        assert isinstance(await ledger.admit(asking(busy, key.id, epoch, 5 * USD)), BudgetBusy)
        (budget,) = ledger.books.budgets
    with looking(path) as connection:
        left, refused = (
            connection.execute("SELECT * FROM calls WHERE seq = ?", [one.seq]).fetchone()
            for one in (gone, busy)
        )
    assert (left["status"], left["error_code"], left["budget_id"]) == (499, "left_waiting", budget)
    assert refused["reason"]
    assert left["reason"] == f"the client left while its call waited: {refused['reason']}"
    for name in ("rule", "free_nanousd", "state", "outcome", "hold_nanousd"):
        assert left[name] == refused[name], name


def test_who_waits_behind_others_is_short_of_what_is_truly_held(queue: Queue) -> None:
    queue.ask(60)
    first, second = queue.ask(90), queue.ask(10)
    assert queue.waits(first, second)
    for question in queue.parked:
        assert question.waits is not None
        assert question.waits.refusal.held_nanousd == 60


def test_who_left_the_queue_of_a_budget_that_is_gone_has_a_row(queue: Queue) -> None:
    queue.ask(60)
    left = queue.ask(90)
    (question,) = queue.parked
    assert question.waits is not None
    queue.parked = []
    queue.teller.change("budgets", "b", removed_at=1)
    queue.do(Deny(question.opening, left_waiting(question.waits.refusal)))
    row = queue.teller.call(left)
    assert (row["error_code"], row["budget_id"]) == ("left_waiting", "b")


@staged
async def test_a_raised_limit_wakes_the_caller(path: Path, clock: Clock, ids: Ids) -> None:
    key = make_key(path, budget="10/month")
    async with running(path, clock) as ledger:
        epoch = ledger.books.epoch
        await ledger.admit(asking(ids.make(), key.id, epoch, 6 * USD))
        new = ids.make()
        task = asyncio.create_task(ledger.admit(asking(new, key.id, epoch, 5 * USD), wait_s=60))
        await parked(ledger, 1)
        with looking(path) as other:
            other.execute("UPDATE budgets SET limit_nanousd = ?", [20 * USD])
        verdict = await asyncio.wait_for(task, 10)
        assert isinstance(verdict, Stale)
        asked = asking(new, key.id, verdict.books.epoch, 5 * USD)
        assert isinstance(await asyncio.wait_for(ledger.admit(asked, wait_s=60), 10), Admission)


@staged
async def test_doubt_that_is_set_free_wakes_the_caller(path: Path, clock: Clock, ids: Ids) -> None:
    key = make_key(path, budget="10/month")
    async with running(path, clock) as ledger:
        epoch, first = ledger.books.epoch, ids.make()
        await ledger.admit(asking(first, key.id, epoch, 3 * USD))
        ledger.settle_soon(ended(first, 0, is_cost_known=False))
        await ledger.admit(asking(ids.make(), key.id, epoch, 3 * USD))
        asked = asking(ids.make(), key.id, epoch, 5 * USD)
        task = asyncio.create_task(ledger.admit(asked, wait_s=60))
        await parked(ledger, 1)
        (budget,) = ledger.books.budgets
        released = await asyncio.to_thread(grant_changes.release_doubt, path, budget)
        assert released == 3 * USD
        assert isinstance(await asyncio.wait_for(task, 10), Admission)


@staged
async def test_a_ledger_that_stops_answers_those_that_wait(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path, budget="10/month")
    async with running(path, clock) as ledger:
        epoch = ledger.books.epoch
        await ledger.admit(asking(ids.make(), key.id, epoch, 6 * USD))
        asked = asking(ids.make(), key.id, epoch, 5 * USD)
        task = asyncio.create_task(ledger.admit(asked, wait_s=60))
        await parked(ledger, 1)
    assert isinstance(await asyncio.wait_for(task, 10), BudgetBusy)


@staged
async def test_a_hundred_callers_are_served_in_the_order_in_which_they_came(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path, budget="1/month")
    order: list[int] = []
    async with running(path, clock) as ledger:

        async def call(number: int, new: NewId) -> None:
            asked = asking(new, key.id, ledger.books.epoch, USD * 6 // 10)
            verdict = await ledger.admit(asked, wait_s=60)
            assert isinstance(verdict, Admission), verdict
            order.append(number)
            ledger.settle_soon(ended(new, 0))

        calls = [call(number, ids.make()) for number in range(100)]
        await asyncio.wait_for(asyncio.gather(*calls), 30)
    assert order == sorted(order)
