"""What stands in a window: rolling sums, a window for each value, boosts, balances, latecomers."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ferrycli.rules.budget import Admission
from ferrycli.rules.denials import BudgetBusy, BudgetRefusal, BudgetSpent
from ferrycli.rules.selectors import Selector
from ferrycli.store import changes, corrections, grant_changes
from ferrycli.store.ids import NewId
from ferrycli.store.messages import Verdict
from tests.store.kit import DAY_US, NOON, SECOND_US, Clock
from tests.store.money_setting import IS_SOAK
from tests.store.teller import (
    HOUR_US,
    MONTH_START,
    Teller,
    estimated,
    released,
    settled,
    to,
)

QUICK = settings(
    max_examples=1_000 if IS_SOAK else 30,
    deadline=None,
    derandomize=not IS_SOAK,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def teller(path: Path, clock: Clock) -> Iterator[Teller]:
    found = Teller(path, clock)
    yield found
    assert found.faults() == []
    found.close()


def free(verdict: Verdict | None) -> int | None:
    assert isinstance(verdict, Admission), verdict
    return verdict.free_nanousd


def look(teller: Teller, **more: str) -> int | None:
    """What is free, as a call that costs nothing finds it."""
    return free(teller.ask(to(0), **more)[1])


# Rolling windows ---------------------------------------------------------------------------------

SPANS = [
    # Period, its span and its buckets.
    ("rolling 7d", 7 * DAY_US, HOUR_US),
    ("rolling 2d", 2 * DAY_US, HOUR_US),
    ("rolling 36h", 36 * HOUR_US, 36 * HOUR_US // 48),
    ("rolling 1h", HOUR_US, HOUR_US // 48),
]


@pytest.mark.parametrize(("period", "span_us", "bucket_us"), SPANS)
@pytest.mark.parametrize("place", ["first", "last"])
def test_a_rolling_window_counts_every_bucket_that_overlaps_its_span(
    teller: Teller, period: str, span_us: int, bucket_us: int, place: str
) -> None:
    teller.budget("b", 100, period=period)
    teller.desk.refresh()
    start = NOON - NOON % bucket_us
    last = start + bucket_us - 1
    teller.clock.now_us = start if place == "first" else last
    teller.spend(30)
    # Until the bucket's last moment is a whole span old.
    for age, left in ((0, 70), (span_us - 1, 70), (span_us, 100), (2 * span_us, 100)):
        teller.clock.now_us = last + age
        assert look(teller) == left


def test_a_rolling_window_is_never_less_than_its_span(teller: Teller) -> None:
    teller.budget("b", 100, period="rolling 1h")
    teller.desk.refresh()
    teller.spend(100)
    spent_at = teller.clock()
    teller.clock.now_us = spent_at + HOUR_US - 1
    assert isinstance(teller.ask(to(1))[1], BudgetSpent)
    teller.clock.now_us = spent_at + HOUR_US + HOUR_US // 48
    assert look(teller) == 100


def test_what_is_held_and_in_doubt_rolls_out_with_its_bucket(teller: Teller) -> None:
    teller.budget("b", 100, period="rolling 1h")
    teller.desk.refresh()
    doubtful, holding = teller.begin(to(20)), teller.begin(to(30))
    teller.do(estimated(doubtful, 5))
    assert look(teller) == 50
    teller.clock.move(2 * 3_600)
    assert look(teller) == 100
    # The hold ends where it began, and is no part of the span of now.
    teller.do(settled(holding, 30))
    assert look(teller) == 100
    assert teller.window("b") == (35, 0, 15)


def test_no_daylight_saving_moves_a_rolling_window(teller: Teller) -> None:
    """2026-10-25 03:00 came twice in Berlin."""
    teller.clock.now_us = NOON - 24 * DAY_US - 13 * HOUR_US
    teller.budget("b", 100, period="rolling 24h", zone="Europe/Berlin")
    teller.desk.refresh()
    teller.spend(30)
    teller.clock.move(24 * 3_600 - 1)
    assert look(teller) == 70
    teller.clock.move(3_600)
    assert look(teller) == 100


def test_calls_of_one_batch_see_what_those_before_them_did_to_a_rolling_sum(
    teller: Teller,
) -> None:
    teller.budget("b", 100, period="rolling 7d")
    teller.desk.refresh()
    teller.spend(10)
    teller.clock.move(7_200)
    calls = [teller.new() for _ in range(3)]
    asked = [teller.admit(new, to(40)) for new in calls]
    verdicts = teller.do(asked[0], asked[1], settled(calls[0], 1), asked[2])
    assert [free(one) for one in (verdicts[0], verdicts[1])] == [90, 50]
    assert free(verdicts[3]) == 100 - 10 - 1 - 40


ROLLS = st.lists(
    st.tuples(
        st.integers(0, 90 * 60),
        st.integers(0, 25),
        st.sampled_from(["spend", "spend", "hold", "doubt", "restart", "two"]),
    ),
    max_size=15,
)


@pytest.mark.soak
@QUICK
@given(ROLLS)
def test_a_rolling_sum_is_that_of_its_calls(steps: list[tuple[int, int, str]]) -> None:
    """Written anew: every call by its moment, and no buckets but for their edges."""
    with tempfile.TemporaryDirectory(prefix="ferry-rolling-") as directory:
        path = Path(directory) / "ferry.db"
        changes.prepare(path)
        clock = Clock(NOON)
        teller = Teller(path, clock)
        teller.budget("b", 10_000, period="rolling 4h")
        teller.desk.refresh()
        bucket_us = 4 * HOUR_US // 48
        counted: list[tuple[int, int]] = []
        try:
            for seconds, amount, what in steps:
                clock.move(seconds)
                if what == "restart":
                    teller.die()
                    continue
                for _ in range(2 if what == "two" else 1):
                    new = teller.begin(to(amount))
                    counted.append((clock(), amount))
                    if what in ("spend", "two"):
                        teller.do(settled(new, amount))
                    elif what == "doubt":
                        teller.do(estimated(new, amount // 2))
                wanted = sum(
                    amount
                    for at, amount in counted
                    if at - at % bucket_us + bucket_us > clock() - 4 * HOUR_US + 1
                )
                assert look(teller) == 10_000 - wanted
            assert teller.faults() == []
        finally:
            teller.close()


# A window for each value -------------------------------------------------------------------------


def test_each_value_of_a_star_has_a_window_of_its_own(teller: Teller) -> None:
    teller.budget("u", 100, pairs=[["user", "*"]])
    teller.desk.refresh()
    for user in ("ann", 'bob "b"', "日本", "*"):
        assert look(teller, user=user) == 100
        teller.spend(60, user=user)
        assert isinstance(teller.ask(to(41), user=user)[1], BudgetSpent)
        assert look(teller, user=user) == 40
    found = {json.loads(one["subject"])[0] for one in teller.rows("SELECT * FROM windows")}
    assert found == {"ann", 'bob "b"', "日本", "*"}


def test_a_star_is_every_value_but_the_missing_one(teller: Teller) -> None:
    teller.budget("u", 100, pairs=[["user", "*"]])
    teller.budget("none", 10, pairs=[["user", ""]])
    teller.desk.refresh()
    teller.spend(10)
    teller.spend(60, user="ann")
    assert (teller.window("none"), teller.window("u", '["ann"]')) == ((10, 0, 0), (60, 0, 0))
    refusal = teller.ask(to(1))[1]
    assert isinstance(refusal, BudgetSpent)
    assert refusal.budget == "none"
    assert isinstance(teller.ask(to(40), user="ann")[1], Admission)


def test_two_stars_are_a_window_for_each_pair(teller: Teller) -> None:
    teller.budget("b", 100, pairs=[["tenant", "acme"], ["user", "*"], ["thread", "*"]])
    teller.desk.refresh()
    teller.spend(70, user="ann", thread="t1")
    assert look(teller, user="ann", thread="t2") == 100
    assert look(teller, user="t1", thread="ann") == 100
    assert look(teller, user="ann", thread="t1") == 30
    assert free(teller.ask(to(0), user="ann")[1]) is None


def test_the_first_calls_of_a_new_value_meet_each_other(teller: Teller) -> None:
    """Its window is made in the transaction that judges them."""
    teller.budget("u", 100, pairs=[["user", "*"]])
    teller.desk.refresh()
    asked = [teller.admit(teller.new(), to(60), user="new") for _ in range(2)]
    first, second = teller.do(*asked)
    assert isinstance(first, Admission)
    assert isinstance(second, BudgetBusy)
    assert second.subject == ("new",)


def test_a_value_counts_in_a_new_window_each_period(teller: Teller) -> None:
    teller.budget("u", 100, pairs=[["user", "*"]], period="day", zone="America/New_York")
    teller.desk.refresh()
    teller.spend(70, user="ann")
    # Noon of UTC is seven in New York.
    teller.clock.move(17 * 3_600 - 1)
    assert look(teller, user="ann") == 30
    teller.clock.move(1)
    assert look(teller, user="ann") == 100


def test_a_budget_on_a_tag_counts_calls_that_carry_it(teller: Teller) -> None:
    teller.budget("g", 100, pairs=[["tag:plan", "*"]])
    teller.desk.refresh()
    tags = '{"plan": "gold"}'
    new = teller.begin(to(30, facts={"tag:plan": "gold"}), tags=tags)
    teller.do(settled(new, 30))
    assert teller.window("g", '["gold"]') == (30, 0, 0)
    teller.spend(20)
    assert len(teller.rows("SELECT * FROM windows")) == 1


# Boosts ------------------------------------------------------------------------------------------


def boost(teller: Teller, id: str, amount: int, until_us: int) -> None:
    teller.grant(id, "b", amount, kind="boost", expires_at=until_us)


def test_a_boost_counts_on_the_next_admission_and_until_its_last_moment(teller: Teller) -> None:
    teller.budget("b", 100)
    teller.desk.refresh()
    teller.spend(100)
    assert isinstance(teller.ask(to(1))[1], BudgetSpent)
    boost(teller, "g", 20, NOON + HOUR_US)
    teller.desk.refresh()
    assert look(teller) == 20
    teller.clock.now_us = NOON + HOUR_US - 1
    assert look(teller) == 20
    teller.clock.now_us = NOON + HOUR_US
    refusal = teller.ask(to(1))[1]
    assert isinstance(refusal, BudgetSpent)
    assert refusal.limit_nanousd == 100


def test_a_boost_that_ends_leaves_what_was_spent_of_it_over_the_limit(teller: Teller) -> None:
    teller.budget("b", 100)
    boost(teller, "g", 50, NOON + HOUR_US)
    teller.desk.refresh()
    teller.spend(140)
    assert look(teller) == 10
    teller.clock.move(3_600)
    assert look(teller) == -40


def test_boosts_add_up_and_percentages_are_of_the_sum(teller: Teller) -> None:
    teller.budget("b", 100, "50% notify")
    boost(teller, "g1", 60, NOON + HOUR_US)
    boost(teller, "g2", 40, NOON + 2 * HOUR_US)
    teller.desk.refresh()
    assert look(teller) == 200
    teller.spend(99)
    assert teller.told() == []
    teller.spend(1)
    assert teller.alerts() == [("b", "", 50, 200)]


def test_a_boost_is_never_drawn(teller: Teller) -> None:
    teller.budget("b", 10)
    boost(teller, "g", 100, NOON + HOUR_US)
    teller.desk.refresh()
    teller.spend(90)
    assert teller.drawn("g") == (0, 0, 0)


# Balances ----------------------------------------------------------------------------------------


def test_a_balance_is_what_its_grants_still_carry(teller: Teller) -> None:
    teller.balance("p", 30, 20)
    teller.desk.refresh()
    assert look(teller) == 50
    teller.spend(35)
    assert look(teller) == 15
    assert (teller.drawn("p1"), teller.drawn("p2")) == ((0, 0, 30), (0, 0, 5))
    refusal = teller.ask(to(16))[1]
    assert isinstance(refusal, BudgetSpent)
    assert (refusal.limit_nanousd, refusal.spent_nanousd, refusal.is_prepaid) == (50, 35, True)
    teller.grant("p3", "p", 10)
    teller.desk.refresh()
    assert look(teller) == 25


def test_grants_are_drawn_by_expiry_and_then_by_age(teller: Teller) -> None:
    teller.balance("p")
    grants = [
        # Id, made so many seconds ago, and when it expires.
        ("never_old", 50, None),
        ("late", 40, NOON + 3 * HOUR_US),
        ("soon_young", 10, NOON + HOUR_US),
        ("soon_old", 30, NOON + HOUR_US),
        ("never_young", 20, None),
    ]
    for id, ago, expires in grants:
        teller.grant(id, "p", 10, created_at=NOON - ago * SECOND_US, expires_at=expires)
    teller.desk.refresh()
    order = ["soon_old", "soon_young", "late", "never_old", "never_young"]
    new = teller.begin(to(50))
    (place,) = json.loads(teller.call(new)["windows"])
    assert place[3] == [[id, 10] for id in order]
    teller.do(settled(new, 25))
    assert [teller.drawn(id)[2] for id in order] == [10, 10, 5, 0, 0]


def test_what_a_call_holds_does_not_expire_until_it_ends(teller: Teller) -> None:
    teller.balance("p")
    teller.grant("g", "p", 50, expires_at=NOON + HOUR_US)
    teller.desk.refresh()
    new = teller.begin(to(30))
    teller.clock.now_us = NOON + HOUR_US
    # The 20 that nobody holds have expired, and the 30 are not free for anyone else.
    assert look(teller) == 0
    assert isinstance(teller.ask(to(1))[1], BudgetRefusal)
    teller.do(settled(new, 25))
    assert teller.drawn("g") == (0, 0, 25)
    assert isinstance(teller.ask(to(1))[1], BudgetSpent)
    assert look(teller) == 0


def test_what_comes_back_to_a_grant_that_has_expired_is_gone(teller: Teller) -> None:
    teller.balance("p", 10)
    teller.grant("g", "p", 50, expires_at=NOON + HOUR_US)
    teller.desk.refresh()
    new = teller.begin(to(50))
    assert teller.drawn("g") == (50, 0, 0)
    teller.clock.move(3_600)
    assert look(teller) == 10
    teller.do(released(new))
    assert look(teller) == 10


def test_a_grant_that_is_voided_counts_no_more_but_for_what_is_held_of_it(teller: Teller) -> None:
    teller.balance("p", 50, 30)
    teller.desk.refresh()
    new = teller.begin(to(20))
    teller.change("grants", "p1", voided_at=NOON)
    teller.desk.refresh()
    assert look(teller) == 30
    teller.do(settled(new, 15))
    assert (teller.drawn("p1"), teller.drawn("p2")) == ((0, 0, 15), (0, 0, 0))
    assert look(teller) == 30


def test_a_cost_beyond_its_hold_is_drawn_of_what_else_there_is(teller: Teller) -> None:
    teller.balance("p", 20, 30)
    teller.desk.refresh()
    new = teller.begin(to(20))
    teller.do(settled(new, 27))
    assert (teller.drawn("p1"), teller.drawn("p2")) == ((0, 0, 20), (0, 0, 7))
    other = teller.begin(to(23))
    teller.do(settled(other, 40))
    # What no grant carries is owed: the next top-up pays for it.
    assert (teller.drawn("p1"), teller.drawn("p2")) == ((0, 0, 20), (0, 0, 30))
    assert look(teller) == -17
    teller.grant("p3", "p", 20)
    teller.desk.refresh()
    assert look(teller) == 3


def test_doubt_stays_with_the_grants_that_it_was_held_of(teller: Teller) -> None:
    teller.balance("p", 20, 30)
    teller.desk.refresh()
    new = teller.begin(to(40))
    teller.do(estimated(new, 5))
    assert (teller.drawn("p1"), teller.drawn("p2")) == ((0, 15, 5), (0, 20, 0))
    assert look(teller) == 10
    teller.other.execute("BEGIN IMMEDIATE")
    corrections.release_doubt(teller.other, "p", None, teller.clock(), lambda: "x_1")
    teller.other.execute("COMMIT")
    assert look(teller) == 45
    assert (teller.drawn("p1"), teller.drawn("p2")) == ((0, 0, 5), (0, 0, 0))


def test_two_balances_that_match_are_both_drawn(teller: Teller) -> None:
    teller.balance("p", 50)
    teller.balance("q", 40, pairs=[["key", "key_a"]])
    teller.desk.refresh()
    teller.spend(30)
    assert (teller.drawn("p1"), teller.drawn("q1")) == ((0, 0, 30), (0, 0, 30))
    refusal = teller.ask(to(11))[1]
    assert isinstance(refusal, BudgetSpent)
    assert refusal.budget == "q"


PERCENTS = [
    # What is spent of 100 before a top-up of 60, and how much after it reaches 50 % of the rest.
    (0, 80),
    (40, 60),
    (99, 31),
    (100, 30),
]


@pytest.mark.parametrize(("before", "half"), PERCENTS)
def test_percentages_are_of_what_remained_after_the_last_grant(
    teller: Teller, before: int, half: int
) -> None:
    teller.balance("p", 100, rules=["50% notify"])
    teller.desk.refresh()
    teller.spend(before)
    teller.clock.move(60)
    teller.grant("p2", "p", 60)
    teller.desk.refresh()
    teller.do()
    told = teller.told("p")
    teller.spend(half - 1)
    assert teller.told("p") == told
    teller.spend(1)
    assert teller.told("p") == [*told, 50]
    (row,) = teller.rows("SELECT * FROM alerts ORDER BY rowid DESC LIMIT 1")
    assert (row["window_start"], row["limit_nanousd"]) == (NOON + 60 * SECOND_US, 160 - before)


def test_a_top_up_pays_first_what_was_spent_beyond_all_grants(teller: Teller) -> None:
    teller.balance("p", 20, rules=["50% notify"])
    teller.desk.refresh()
    new = teller.begin(to(20))
    teller.do(settled(new, 35))
    teller.clock.move(60)
    added = grant_changes.topup(teller.path, Selector((("tenant", "acme"),)), 25)
    teller.desk.refresh()
    teller.do()
    # Ten remain, of which none is used: it is no news that half is.
    assert (look(teller), added.balance_nanousd) == (10, 10)
    assert teller.told("p") == [50]
    teller.spend(4)
    assert teller.told("p") == [50]
    teller.spend(1)
    assert teller.told("p") == [50, 50]


def test_what_is_in_doubt_at_a_top_up_is_not_used_of_it(teller: Teller) -> None:
    teller.balance("p", 100, rules=["50% notify"])
    teller.desk.refresh()
    teller.do(estimated(teller.begin(to(40)), 10))
    teller.clock.move(60)
    added = grant_changes.topup(teller.path, Selector((("tenant", "acme"),)), 40)
    teller.desk.refresh()
    # 100 can be held, and 30 are in doubt.
    assert (look(teller), added.balance_nanousd) == (100, 130)
    teller.spend(64)
    assert teller.told("p") == []
    teller.spend(1)
    assert teller.told("p") == [50]


def test_a_correction_of_what_a_balance_never_held_is_drawn_of_it(teller: Teller) -> None:
    teller.desk.refresh()
    new = teller.spend(10)
    # The command waited for the file while the call was admitted.
    teller.balance("p", 60, counts_from=teller.clock())
    teller.other.execute("BEGIN IMMEDIATE")
    corrections.correct(teller.other, new.seq, 5, "price", "operator", "x_1", teller.clock())
    teller.other.execute("COMMIT")
    assert (teller.window("p"), teller.drawn("p1")) == ((5, 0, 0), (0, 0, 5))


def test_doubt_of_a_call_that_a_balance_never_held_is_in_doubt_of_it(teller: Teller) -> None:
    teller.budget("b", 100)
    teller.desk.refresh()
    new = teller.begin(to(30))
    teller.balance("p", 60, counts_from=teller.clock())
    teller.do(estimated(new, 10))
    assert (teller.window("p"), teller.drawn("p1")) == ((10, 0, 20), (0, 20, 10))
    teller.other.execute("BEGIN IMMEDIATE")
    corrections.correct(teller.other, new.seq, 5, "bill", "operator", "x_1", teller.clock(), -20)
    teller.other.execute("COMMIT")
    teller.desk.refresh()
    assert (teller.window("p"), teller.drawn("p1")) == ((15, 0, 0), (0, 0, 15))


GRANT_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("topup"), st.integers(1, 60), st.sampled_from([0, 0, 1, 5])),
        st.tuples(st.just("ask"), st.integers(1, 60)),
        st.tuples(st.just("end"), st.integers(0, 9), st.integers(0, 110), st.sampled_from("kkde")),
        st.tuples(st.just("void"), st.integers(0, 9)),
        st.tuples(st.just("hour")),
        st.tuples(st.just("restart")),
        st.tuples(st.just("record"), st.integers(1, 30)),
    ),
    max_size=25,
)


@dataclass
class _Money:
    """One grant, by hand: what of it is held, in doubt and drawn is read from the file."""

    id: str
    amount: int
    ends_us: int
    is_voided: bool = False


@dataclass
class _Balance:
    teller: Teller
    grants: list[_Money] = field(default_factory=list)
    flying: list[tuple[NewId, int]] = field(default_factory=list)

    def usable(self, one: _Money) -> bool:
        return not one.is_voided and self.teller.clock() < one.ends_us

    def check(self) -> None:
        """I9: granted = remaining + held + doubt + drawn + expired + voided, each at least 0."""
        held = doubt = drawn = free = 0
        for one in self.grants:
            parts = self.teller.drawn(one.id)
            left = one.amount - sum(parts)
            assert min(*parts, left) >= 0, (one, parts)
            held, doubt, drawn = held + parts[0], doubt + parts[1], drawn + parts[2]
            free += left if self.usable(one) else 0
        window = self.teller.window("p")
        assert (held, doubt) == window[1:]
        owed = window[0] - drawn
        assert owed >= 0
        assert look(self.teller) == free - owed
        assert self.teller.faults() == []


@pytest.mark.soak
@QUICK
@given(GRANT_STEPS)
def test_a_balance_adds_up_after_every_step(steps: Sequence[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory(prefix="ferry-balance-") as directory:
        path = Path(directory) / "ferry.db"
        changes.prepare(path)
        teller = Teller(path, Clock(NOON))
        teller.balance("p", 40)
        teller.desk.refresh()
        balance = _Balance(teller, [_Money("p1", 40, 10**18)])
        try:
            for number, step in enumerate(steps):
                _step(balance, number, step)
                balance.check()
        finally:
            teller.close()


def _step(balance: _Balance, number: int, step: tuple[object, ...]) -> None:
    teller, clock = balance.teller, balance.teller.clock
    match step:
        case ("topup", int(amount), int(hours)):
            ends = clock() + hours * HOUR_US if hours else 10**18
            made = _Money(f"g{number}", amount, ends)
            teller.grant(made.id, "p", amount, expires_at=ends if hours else None)
            balance.grants.append(made)
            teller.desk.refresh()
        case ("ask", int(hold)):
            before = look(teller)
            new, verdict = teller.ask(to(hold))
            assert before is not None
            assert isinstance(verdict, Admission) == (before >= hold)
            if isinstance(verdict, Admission):
                balance.flying.append((new, hold))
        case ("end", int(which), int(percent), str(how)) if balance.flying:
            new, hold = balance.flying.pop(which % len(balance.flying))
            cost = hold * percent // 100
            if how == "d":
                teller.do(estimated(new, min(cost, hold)))
            elif how == "e":
                teller.do(released(new))
            else:
                teller.do(settled(new, cost))
        case ("void", int(which)):
            gone = balance.grants[which % len(balance.grants)]
            gone.is_voided = True
            teller.change("grants", gone.id, voided_at=clock())
            teller.desk.refresh()
        case ("hour",):
            clock.move(3_600)
        case ("restart",):
            teller.die()
            balance.flying.clear()
        case ("record", int(cost)):
            teller.record(cost)


# Latecomers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("after_us", "spent"), [(-1, 25), (0, 25), (1, 0)])
def test_a_budget_made_during_a_call_counts_it_if_it_counts_back_so_far(
    teller: Teller, after_us: int, spent: int
) -> None:
    teller.budget("b", 100)
    teller.desk.refresh()
    new = teller.begin(to(30))
    admitted = teller.clock()
    teller.clock.move(10)
    teller.budget("n", 100, counts_from=admitted + after_us)
    teller.desk.refresh()
    assert teller.window("n") == (0, 0, 0)
    teller.do(settled(new, 25))
    assert teller.window("n") == (spent, 0, 0)
    assert teller.window("b") == (25, 0, 0)
    assert ("n" in {one[0] for one in json.loads(teller.call(new)["windows"])}) == bool(spent)


def test_it_counts_in_the_window_of_its_admission_there_too(teller: Teller) -> None:
    teller.clock.now_us = MONTH_START + 30 * DAY_US - SECOND_US
    new = teller.begin(to(30))
    teller.clock.move(2)
    teller.budget("n", 100)
    teller.desk.refresh()
    teller.do(settled(new, 25))
    (row,) = teller.rows("SELECT * FROM windows")
    assert (row["start"], row["spent_nanousd"]) == (MONTH_START, 25)


def test_a_balance_made_during_a_call_pays_for_it(teller: Teller) -> None:
    new = teller.begin(to(30))
    teller.balance("p", 100)
    teller.desk.refresh()
    teller.do(settled(new, 25))
    assert teller.drawn("p1") == (0, 0, 25)
    assert look(teller) == 75


def test_what_is_in_doubt_counts_in_budgets_made_during_the_call_too(teller: Teller) -> None:
    """Never over, by what providers bill: where nothing was reported, the high side counts."""
    teller.budget("b", 100)
    teller.desk.refresh()
    new = teller.begin(to(30))
    teller.budget("n", 100)
    teller.desk.refresh()
    teller.do(estimated(new, 10))
    assert teller.window("b") == teller.window("n") == (10, 0, 20)
    assert look(teller) == 70


def test_a_star_made_during_a_call_finds_its_value(teller: Teller) -> None:
    new = teller.begin(to(30), user="ann")
    teller.budget("u", 100, pairs=[["user", "*"]])
    teller.desk.refresh()
    teller.do(settled(new, 25))
    assert teller.window("u", '["ann"]') == (25, 0, 0)


def test_a_call_that_ends_in_the_batch_that_first_sees_a_budget_counts_in_it(
    teller: Teller,
) -> None:
    new = teller.begin(to(30))
    teller.budget("n", 100)
    teller.do(settled(new, 25))
    assert teller.window("n") == (25, 0, 0)


def test_a_budget_that_was_removed_gets_back_what_was_held_and_counts_no_more(
    teller: Teller,
) -> None:
    teller.budget("b", 100)
    teller.budget("r", 100)
    teller.desk.refresh()
    first, second = teller.begin(to(30)), teller.begin(to(30))
    teller.do(settled(first, 20))
    teller.change("budgets", "r", removed_at=teller.clock())
    teller.desk.refresh()
    third = teller.begin(to(30))
    assert teller.window("r") == (20, 30, 0)
    teller.do(settled(second, 10), settled(third, 5))
    assert teller.window("r")[1:] == (0, 0)
    assert teller.window("b") == (35, 0, 0)
    assert {one[0] for one in json.loads(teller.call(third)["windows"])} == {"b"}


def test_a_budget_that_was_removed_refuses_nobody(teller: Teller) -> None:
    teller.budget("b", 10)
    teller.desk.refresh()
    teller.spend(10)
    assert isinstance(teller.ask(to(1))[1], BudgetSpent)
    teller.change("budgets", "b", removed_at=teller.clock())
    teller.desk.refresh()
    assert free(teller.ask(to(1))[1]) is None


def test_what_happened_counts_in_every_window_and_is_never_refused(teller: Teller) -> None:
    """An event carries its window over the limit, and stops what comes next."""
    teller.budget("b", 100, "100% block")
    teller.balance("p", 50)
    teller.desk.refresh()
    id = teller.record(130)
    assert (teller.window("b"), teller.window("p")) == ((130, 0, 0), (130, 0, 0))
    assert teller.drawn("p1") == (0, 0, 50)
    row = teller.called(id)
    assert (row["state"], row["cost_nanousd"], row["hold_nanousd"]) == ("settled", 130, 0)
    assert teller.told() == [100]
    assert isinstance(teller.ask(to(1))[1], BudgetSpent)
