"""Events: recorded whatever any budget says, each id once, in the windows of when they occurred."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any

import pytest

from ferrycli.rules.denials import BadParameter, BudgetSpent
from ferrycli.rules.errors import LedgerUnavailable
from ferrycli.rules.meters import COST_NANOUSD_MAX, ENDPOINT, METER, DuplicateEvent
from ferrycli.store import corrections, counting, daily, reads, sums
from ferrycli.store.connect import open_writer
from ferrycli.store.ids import seq_us
from ferrycli.store.messages import Events, Recorded, Stale
from tests.store.kit import DAY_US, NOON, Clock, make_key, running, staged
from tests.store.kit import rows as rows_of
from tests.store.teller import HOUR_US, MONTH_START, Teller, happening, settled, to

RATE = 400_000_000
"""400 nano-dollars for a unit."""
MIDNIGHT = NOON - NOON % DAY_US
MONDAY = MIDNIGHT - 2 * DAY_US


@pytest.fixture
def teller(path: Path, clock: Clock) -> Iterator[Teller]:
    found = Teller(path, clock)
    found.meter_price("reads", RATE)
    found.desk.refresh()
    yield found
    found.clock.move(60)
    found.desk.refresh()
    found.do()
    assert found.faults() == []
    found.close()


def told(teller: Teller) -> list[dict[str, Any]]:
    return teller.rows("SELECT * FROM events ORDER BY rowid")


# What is recorded --------------------------------------------------------------------------------


def test_an_event_is_a_call_that_is_over_with_a_line_of_its_meter(teller: Teller) -> None:
    teller.budget("b", 10**6)
    teller.desk.refresh()
    (receipt,) = teller.tell(happening("e-1", 30, feature="search"))
    row = teller.called(receipt.call)
    assert {
        "state": "settled", "outcome": "ok", "endpoint": ENDPOINT, "provider": METER,
        "model": "reads", "key_id": "key_a", "tenant": "acme", "feature": "search",
        "cost_nanousd": 12_000, "cost_other_nanousd": 12_000, "cost_source": "reported",
        "price_version": "override rate_0", "provider_cost_nanousd": None, "status": 200,
        "hold_nanousd": 0, "doubt_nanousd": 0, "started_at": NOON, "admitted_at": NOON,
        "finished_at": NOON, "instance_id": "i_1",
    }.items() <= row.items()  # fmt: skip
    assert json.loads(row["windows"]) == [["b", "", MONTH_START]]
    assert 0 < row["admit_no"] < row["close_no"]
    assert teller.rows("SELECT * FROM lines") == [
        {
            "call_seq": row["seq"], "number": 1, "provider": METER, "model": "reads",
            "bucket": METER, "quantity": 30, "rate_nanousd": RATE, "cost_nanousd": 12_000,
            "reason": "",
        }
    ]  # fmt: skip
    (kept,) = told(teller)
    assert (kept["key_id"], kept["event_id"], kept["call_seq"]) == ("key_a", "e-1", row["seq"])
    assert kept["recorded_at"] == NOON
    assert (receipt.cost_nanousd, receipt.counted_us, receipt.is_duplicate) == (12_000, NOON, False)
    assert teller.window("b") == (12_000, 0, 0)
    assert teller.desk.last_used == {"key_a": NOON}


def test_what_no_price_says_is_unpriced_and_never_0(teller: Teller) -> None:
    teller.budget("b", 1_000)
    teller.desk.refresh()
    (receipt,) = teller.tell(happening("e", 5, "unknown"))
    row = teller.called(receipt.call)
    assert (row["cost_nanousd"], row["cost_source"]) == (None, "unpriced")
    (line,) = teller.rows("SELECT * FROM lines")
    assert (line["rate_nanousd"], line["cost_nanousd"], line["quantity"]) == (None, None, 5)
    assert teller.window("b") == (0, 0, 0)
    corrections.correct_to(teller.other, row["seq"], 700, "bill", "operator", "x_1", NOON)
    assert teller.window("b") == (700, 0, 0)


def test_what_it_says_itself_is_the_provider_s_figure(teller: Teller) -> None:
    (receipt,) = teller.tell(happening("e", 5, cost_nanousd=3))
    row = teller.called(receipt.call)
    assert (row["cost_nanousd"], row["provider_cost_nanousd"]) == (3, 3)
    assert (row["cost_source"], row["price_version"]) == ("provider", "")
    (line,) = teller.rows("SELECT * FROM lines")
    assert (line["rate_nanousd"], line["cost_nanousd"]) == (None, 3)


def test_the_price_is_that_of_the_moment_it_counts_for(teller: Teller) -> None:
    teller.meter_price("reads", 10 * RATE, NOON - HOUR_US)
    teller.desk.refresh()
    costs = [
        receipt.cost_nanousd
        for receipt in teller.tell(
            happening("a", 1),
            happening("b", 1, occurred_us=NOON - HOUR_US),
            happening("c", 1, occurred_us=NOON - HOUR_US - 1),
            happening("d", 1, occurred_us=NOON - 49 * HOUR_US),
        )
    ]
    assert costs == [4_000, 4_000, 400, 4_000]


# Budgets -----------------------------------------------------------------------------------------


def test_it_counts_in_every_window_that_matches_and_in_no_other(teller: Teller) -> None:
    for id, pairs in {
        "all": [],
        "tenant": [["tenant", "acme"]],
        "each": [["tenant", "*"]],
        "meter": [["provider", METER]],
        "reads": [["model", "reads"]],
        "tag": [["tag:job", "nightly"]],
        "other": [["tenant", "bolt"]],
        "route": [["route", "chat"]],
    }.items():
        teller.budget(id, 10**6, pairs=pairs)
    teller.desk.refresh()
    event = happening("e", 1)
    opening = event.opening._replace(tags='{"job": "nightly"}')
    teller.tell(replace(event, opening=opening, facts={**event.facts, "tag:job": "nightly"}))
    spent = {
        (one["budget_id"], one["subject"]): one["spent_nanousd"]
        for one in teller.rows("SELECT * FROM windows")
    }
    assert spent == {
        ("all", ""): 400, ("tenant", ""): 400, ("each", '["acme"]'): 400, ("meter", ""): 400,
        ("reads", ""): 400, ("tag", ""): 400,
    }  # fmt: skip


def test_over_the_limit_it_is_recorded_fires_rules_and_blocks_what_comes_next(
    teller: Teller,
) -> None:
    teller.budget("b", 1_000, "50% notify", "100% block")
    teller.desk.refresh()
    teller.tell(happening("a", 1))
    assert teller.told() == []
    teller.tell(happening("b", 3))
    assert teller.window("b") == (1_600, 0, 0)
    assert teller.told() == [50, 100]
    assert isinstance(teller.ask(to(1))[1], BudgetSpent)
    assert teller.tell(happening("c", 1))[0].cost_nanousd == 400


def test_in_one_batch_a_call_meets_what_the_event_before_it_took(teller: Teller) -> None:
    teller.budget("b", 1_000, "100% block")
    teller.desk.refresh()
    epoch = teller.desk.books.epoch
    event = Events((happening("a", 2),), epoch)
    recorded, refused = teller.do(event, teller.admit(teller.new(), to(201)))
    assert isinstance(recorded, Recorded)
    assert isinstance(refused, BudgetSpent)


def test_grants_are_drawn_by_expiry_and_what_none_carries_is_drawn_of_none(
    teller: Teller,
) -> None:
    teller.balance("b")
    teller.grant("late", "b", 500)
    teller.grant("soon", "b", 300, expires_at=NOON + HOUR_US)
    teller.desk.refresh()
    teller.tell(happening("a", 1))
    assert (teller.drawn("soon"), teller.drawn("late")) == ((0, 0, 300), (0, 0, 100))
    teller.tell(happening("b", 2))
    assert (teller.drawn("soon"), teller.drawn("late")) == ((0, 0, 300), (0, 0, 500))
    assert teller.window("b") == (1_200, 0, 0)
    assert isinstance(teller.ask(to(1))[1], BudgetSpent)


# When it counts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "counted"),
    [(None, NOON), (0, NOON), (13, NOON - 13 * HOUR_US), (48, NOON - 48 * HOUR_US), (49, NOON)],
)
def test_late_it_counts_in_the_windows_of_when_it_occurred(
    teller: Teller, hours: int | None, counted: int
) -> None:
    for period in ("day", "week", "month", "rolling 7d", "total"):
        teller.budget(f"b {period}", 10**6, period=period)
    teller.desk.refresh()
    occurred = None if hours is None else NOON - hours * HOUR_US
    (receipt,) = teller.tell(happening("e", 1, occurred_us=occurred))
    assert receipt.counted_us == counted
    row = teller.called(receipt.call)
    assert (row["started_at"], row["admitted_at"], row["finished_at"]) == (counted,) * 3
    assert seq_us(row["seq"]) // 1_000 == counted // 1_000
    starts = {one["budget_id"]: one["start"] for one in teller.rows("SELECT * FROM windows")}
    assert starts == {
        "b day": counted - counted % DAY_US,
        "b week": MONDAY,
        "b month": MONTH_START,
        "b rolling 7d": counted - counted % HOUR_US,
        "b total": 0,
    }


def test_a_window_that_is_over_is_told_too_and_the_next_has_all_its_money(
    teller: Teller,
) -> None:
    teller.budget("b", 1_000, "100% block", period="day", created_at=NOON - 3 * DAY_US)
    teller.desk.refresh()
    teller.tell(happening("e", 3, occurred_us=MIDNIGHT - 1))
    (alert,) = teller.rows("SELECT * FROM alerts")
    assert (alert["threshold"], alert["window_start"]) == (100, MIDNIGHT - DAY_US)
    teller.begin(to(1_000))


@pytest.mark.parametrize(("before_us", "spent"), [(0, 400), (1, 0)])
def test_a_budget_counts_none_of_before_it_counts_from(
    teller: Teller, before_us: int, spent: int
) -> None:
    teller.budget("b", 1_000, counts_from=NOON - HOUR_US, created_at=NOON - HOUR_US)
    teller.desk.refresh()
    teller.clock.move(5 * 3_600)
    teller.tell(happening("e", 1, occurred_us=NOON - HOUR_US - before_us))
    assert teller.window("b") == (spent, 0, 0)


def test_a_clock_that_was_set_back_loses_no_event_of_now(teller: Teller) -> None:
    teller.budget("b", 1_000, counts_from=NOON, created_at=NOON)
    teller.desk.refresh()
    teller.clock.move(-60)
    teller.tell(happening("e", 1))
    assert teller.window("b") == (400, 0, 0)


def test_a_budget_that_is_gone_when_it_comes_lacks_it(teller: Teller) -> None:
    """Though it was there when the event occurred."""
    teller.budget("b", 1_000)
    teller.clock.move(10 * 3_600)
    teller.change("budgets", "b", removed_at=teller.clock())
    teller.clock.move(5 * 3_600)
    teller.desk.refresh()
    teller.tell(happening("e", 1, occurred_us=NOON + 5 * HOUR_US))
    assert teller.window("b") == (0, 0, 0)


# Each id once ------------------------------------------------------------------------------------


def test_the_same_id_and_body_get_the_first_receipt_for_ever(teller: Teller) -> None:
    teller.budget("b", 10**6)
    teller.desk.refresh()
    event = happening("e", 30)
    (first,) = teller.tell(event)
    teller.meter_price("reads", 9 * RATE)
    teller.clock.move(400 * 24 * 3_600)
    teller.desk.refresh()
    corrections.correct(teller.other, teller.called(first.call)["seq"], 5, "", "", "x_1", NOON)
    teller.desk.refresh()
    assert teller.tell(event) == (replace(first, is_duplicate=True),)
    teller.die()
    assert teller.tell(event) == (replace(first, is_duplicate=True),)
    assert teller.window("b") == (12_005, 0, 0)
    assert len(told(teller)) == 1


def test_unpriced_ones_are_known_again_too(teller: Teller) -> None:
    event = happening("e", 30, "unknown")
    (first,) = teller.tell(event)
    assert teller.tell(event) == (replace(first, is_duplicate=True),)


def test_within_a_request_and_within_a_batch_it_is_recorded_once(teller: Teller) -> None:
    epoch = teller.desk.books.epoch
    event, other = happening("e", 3), happening("f", 4)
    verdicts = teller.do(Events((event, event), epoch), Events((other, event), epoch))
    first, second = verdicts
    assert isinstance(first, Recorded)
    assert isinstance(second, Recorded)
    assert [one.is_duplicate for one in first.receipts] == [False, True]
    assert [one.is_duplicate for one in second.receipts] == [False, True]
    assert first.receipts[0].call == first.receipts[1].call == second.receipts[1].call
    assert len(told(teller)) == 2


@pytest.mark.parametrize("is_in_file", [True, False])
def test_another_body_is_refused_with_the_receipt_and_nothing_is_recorded(
    teller: Teller, is_in_file: bool
) -> None:
    teller.budget("b", 10**6)
    teller.desk.refresh()
    epoch = teller.desk.books.epoch
    first, others = happening("e", 3), (happening("f", 9), happening("e", 4))
    messages = [Events((first,), epoch), Events(others, epoch)]
    if is_in_file:
        teller.do(messages.pop(0))
    verdict = teller.do(*messages)[-1]
    assert isinstance(verdict, DuplicateEvent)
    assert (verdict.event, verdict.quantity, verdict.cost_nanousd) == ("e", 3, 1_200)
    assert verdict.call == teller.rows("SELECT id FROM calls")[0]["id"]
    assert [one["event_id"] for one in told(teller)] == ["e"]
    assert teller.window("b") == (1_200, 0, 0)


def test_in_one_request_an_id_stands_for_one_event(teller: Teller) -> None:
    question = (happening("e", 3), happening("e", 4))
    (verdict,) = teller.do(Events(question, teller.desk.books.epoch))
    assert isinstance(verdict, DuplicateEvent)
    assert told(teller) == []
    assert teller.desk.last_used == {}


def test_an_id_is_of_its_key_alone(teller: Teller) -> None:
    teller.insert("keys", id="key_b", name="key_b", secret_sha256="b")
    teller.desk.refresh()
    receipts = teller.tell(happening("e", 3), happening("e", 4, key_id="key_b"))
    assert [one.is_duplicate for one in receipts] == [False, False]


def test_what_no_event_comes_to_is_refused_and_nothing_is_recorded(teller: Teller) -> None:
    teller.meter_price("disk", COST_NANOUSD_MAX)
    teller.desk.refresh()
    question = (happening("a", 3), happening("b", 1_000_001, "disk"))
    (verdict,) = teller.do(Events(question, teller.desk.books.epoch))
    assert isinstance(verdict, BadParameter)
    assert told(teller) == []
    assert teller.tell(happening("b", 1_000_000, "disk"))[0].cost_nanousd == COST_NANOUSD_MAX


def test_attributed_on_books_that_are_old_it_is_to_be_attributed_anew(teller: Teller) -> None:
    epoch = teller.desk.books.epoch
    (verdict,) = teller.do(Events((happening("a", 3),), epoch - 1))
    assert verdict == Stale(teller.desk.books)
    assert told(teller) == []


def test_many_of_one_moment_each_have_a_row_key(
    teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws = iter([1, 1, 1, 2, 2, 1, 3])
    monkeypatch.setattr(secrets, "randbits", lambda bits: next(draws) << bits - 8)
    moment = NOON - HOUR_US
    teller.tell(*(happening(str(at), 1, occurred_us=moment) for at in range(2)))
    teller.tell(happening("2", 1, occurred_us=moment))
    rows = teller.rows("SELECT seq, id FROM calls")
    assert len({one["seq"] for one in rows}) == len({one["id"] for one in rows}) == 3


@pytest.mark.parametrize("at", ["INSERT INTO calls", "INSERT INTO events", "INSERT INTO lines"])
def test_where_the_file_fails_nothing_is_recorded_and_a_retry_records_once(
    teller: Teller, at: str
) -> None:
    teller.budget("b", 10**6)
    teller.desk.refresh()
    event = happening("e", 1)
    with teller.failing(at):
        teller.tell(event)
    assert told(teller) == []
    teller.die()
    assert teller.tell(event)[0].is_duplicate is False
    assert teller.tell(event)[0].is_duplicate is True
    assert teller.window("b") == (400, 0, 0)


# Beside the ledger -------------------------------------------------------------------------------


def test_a_budget_that_is_being_set_misses_no_event_and_counts_none_twice(
    teller: Teller,
) -> None:
    """Its row key may be older than anything that was still to come."""
    teller.budget("b", 10**6, pairs=[["tenant", "acme"]], removed_at=1)
    teller.change("budgets", "b", removed_at=None)
    teller.desk.refresh()
    wanted = counting.wanted_of(teller.desk.books.budgets["b"], NOON)
    teller.change("budgets", "b", removed_at=NOON)
    teller.desk.refresh()
    teller.tell(happening("before", 1, occurred_us=NOON - 30 * HOUR_US))
    tally = counting.count(teller.other, wanted, NOON)
    assert sum(tally.spent.values()) == 400
    teller.tell(
        happening("late", 10, occurred_us=NOON - 40 * HOUR_US),
        happening("now", 100),
    )
    assert counting.caught_up(teller.other, tally) == {("", MONTH_START): 111 * 400}
    assert counting.as_it_stands(teller.other, tally) == {("", MONTH_START): 400}


def _calls_of(path: Path, start_us: int) -> tuple[int, int]:
    with reads.opened(path) as connection:
        question = sums.Question((), start_us, start_us + DAY_US)
        (found,) = sums.sums(connection, question)
    return found.calls, found.cost_nanousd


def test_a_day_that_was_summed_is_summed_again_with_what_is_told_late(teller: Teller) -> None:
    zone: tzinfo = UTC
    yesterday = MIDNIGHT - DAY_US
    teller.tell(happening("a", 1, occurred_us=yesterday + HOUR_US))
    writer = open_writer(teller.path)
    try:
        for start, end in daily.unsummed(writer, zone, NOON):
            assert daily.sum_day(writer, start, end, NOON)
        assert _calls_of(teller.path, yesterday) == (1, 400)
        before = teller.rows("SELECT start_at FROM summed_days")
        assert {"start_at": yesterday} in before
        teller.tell(happening("today", 1))
        assert teller.rows("SELECT start_at FROM summed_days") == before
        teller.tell(happening("b", 10, occurred_us=MIDNIGHT - 1))
        assert {"start_at": yesterday} not in teller.rows("SELECT start_at FROM summed_days")
        assert _calls_of(teller.path, yesterday) == (2, 4_400)
        assert daily.sum_day(writer, yesterday, MIDNIGHT, NOON)
        assert _calls_of(teller.path, yesterday) == (2, 4_400)
    finally:
        writer.close()


class _Meanwhile(sqlite3.Connection):
    """A connection of a day's keeper, between whose read and last word something happens."""

    happens: Any = None

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        if sql == "BEGIN IMMEDIATE" and self.happens is not None:
            happens, self.happens = self.happens, None
            happens()
        return super().execute(sql, *arguments)


@pytest.mark.parametrize(("hours", "is_whole"), [(13, False), (40, True), (0, True)])
def test_an_event_that_comes_while_its_day_is_summed_is_not_lost_in_it(
    teller: Teller, hours: int, is_whole: bool
) -> None:
    yesterday = MIDNIGHT - DAY_US
    teller.tell(happening("a", 1, occurred_us=yesterday + HOUR_US))
    keeper = sqlite3.connect(teller.path, isolation_level=None, factory=_Meanwhile)
    keeper.execute("PRAGMA wal_autocheckpoint=0")
    try:
        event = happening("b", 10, occurred_us=NOON - hours * HOUR_US)
        keeper.happens = lambda: teller.tell(event)
        assert daily.sum_day(keeper, yesterday, MIDNIGHT, NOON) is is_whole
    finally:
        keeper.close()
    assert _calls_of(teller.path, yesterday) == ((1, 400) if is_whole else (2, 4_400))


def test_corrections_of_a_late_event_move_the_windows_that_it_is_in(teller: Teller) -> None:
    teller.budget("b", 10**6, period="day")
    teller.desk.refresh()
    (receipt,) = teller.tell(happening("e", 1, occurred_us=MIDNIGHT - 1))
    # A budget made since counts it by its correction, if it counts back so far.
    teller.budget("later", 10**6)
    teller.insert("windows", budget_id="later", subject="", start=MONTH_START, spent_nanousd=400)
    seq = teller.called(receipt.call)["seq"]
    corrections.correct(teller.other, seq, 100, "", "operator", "x_1", NOON)
    assert {
        (one["budget_id"], one["start"]): one["spent_nanousd"]
        for one in teller.rows("SELECT * FROM windows")
    } == {("b", MIDNIGHT - DAY_US): 500, ("later", MONTH_START): 500}


# The thread --------------------------------------------------------------------------------------


@staged
async def test_the_thread_answers_when_it_is_on_disk(path: Path, clock: Clock) -> None:
    key = make_key(path, budget="50/month")
    async with running(path, clock) as ledger:
        event = happening("e", 3, key_id=key.id, cost_nanousd=7)
        verdict = await ledger.record(Events((event,), ledger.books.epoch - 1))
        assert isinstance(verdict, Stale)
        verdict = await ledger.record(Events((event,), verdict.books.epoch))
        assert isinstance(verdict, Recorded)
        (row,) = rows_of(path)
        assert (row["id"], row["cost_nanousd"]) == (verdict.receipts[0].call, 7)


@staged
async def test_what_cannot_be_written_is_refused_and_takes_no_neighbour_along(
    path: Path, clock: Clock
) -> None:
    key = make_key(path)
    async with running(path, clock) as ledger:
        event = happening("e", 3, key_id=key.id, cost_nanousd=7)
        await ledger.refresh()
        epoch = ledger.books.epoch
        broken = replace(event, id="broken", quantity=1 << 70)
        verdict = await ledger.record(Events((broken,), epoch))
        assert isinstance(verdict, LedgerUnavailable)
        assert isinstance(await ledger.record(Events((event,), epoch)), Recorded)
    assert len(rows_of(path)) == 1


def test_settlements_are_not_disturbed(teller: Teller) -> None:
    teller.budget("b", 10**6, "100% block")
    teller.desk.refresh()
    new = teller.begin(to(500))
    teller.do(Events((happening("e", 1),), teller.desk.books.epoch), settled(new, 300))
    assert teller.window("b") == (700, 0, 0)
