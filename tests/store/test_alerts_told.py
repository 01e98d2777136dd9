"""Each threshold is told once: for its window, percentage and limit, however it was reached."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ferrycli.rules.budget import Admission
from ferrycli.rules.denials import BudgetBusy, BudgetSpent
from ferrycli.store import corrections
from ferrycli.store.ids import NewId
from tests.store.kit import DAY_US, NOON, Clock
from tests.store.teller import HOUR_US, MONTH_START, Teller, estimated, failed, settled, to

RULES = ("50% notify", "80% notify ops", "100% block")


@pytest.fixture
def teller(path: Path, clock: Clock) -> Iterator[Teller]:
    found = Teller(path, clock)
    yield found
    # What has changed a moment ago the audit leaves alone: a server may be about to look.
    found.clock.move(60)
    found.desk.refresh()
    found.do()
    assert found.faults() == []
    found.close()


def month(teller: Teller, *rules: str, limit: int = 1_000, **more: Any) -> None:
    teller.budget("b", limit, *(rules or RULES), **more)
    teller.desk.refresh()


# By settlement -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("spent", "told"), [(499, []), (500, [50]), (501, [50]), (799, [50])])
def test_a_threshold_is_told_from_its_last_nano_dollar_on(
    teller: Teller, spent: int, told: list[int]
) -> None:
    month(teller)
    teller.spend(spent)
    assert teller.told() == told


def test_each_threshold_is_told_once_however_many_calls_come(teller: Teller) -> None:
    month(teller)
    for _ in range(40):
        teller.spend(25)
    assert teller.alerts() == [("b", "", percent, 1_000) for percent in (50, 80, 100)]


def test_one_settlement_tells_every_threshold_that_it_passes(teller: Teller) -> None:
    month(teller)
    teller.spend(1_000)
    assert teller.told() == [50, 80, 100]


def test_all_that_one_batch_passes_is_told_in_it(teller: Teller) -> None:
    month(teller)
    calls = [teller.begin(to(300)) for _ in range(3)]
    teller.do(*(settled(new, 300) for new in calls))
    assert teller.told() == [50, 80]


def test_what_is_held_or_in_doubt_tells_nothing(teller: Teller) -> None:
    month(teller)
    new = teller.begin(to(900))
    assert teller.told() == []
    teller.do(estimated(new, 499))
    assert teller.told() == []


def test_the_row_says_what_stood_there_and_what_the_rules_were(teller: Teller) -> None:
    month(teller, "80% notify ops, mail", "80% downgrade", owner="team")
    new = teller.begin(to(100))
    teller.begin(to(50))
    teller.do(estimated(new, 40))
    teller.spend(760)
    (row,) = teller.rows("SELECT * FROM alerts")
    assert (row["kind"], row["threshold"], row["limit_nanousd"]) == ("budget", 80, 1_000)
    assert (row["spent_nanousd"], row["held_nanousd"], row["doubt_nanousd"]) == (800, 50, 60)
    assert row["action"] == "80% notify ops mail, 80% downgrade"
    assert json.loads(row["channels"]) == ["ops", "mail"]
    assert (row["owner"], row["selector"], row["state"]) == ("team", "tenant=acme", "new")
    assert (row["window_start"], row["created_at"]) == (MONTH_START, NOON)


def test_each_value_of_a_star_is_told_of_by_itself(teller: Teller) -> None:
    month(teller, pairs=[["user", "*"]])
    for user, cost in (("ann", 500), ("bob", 499), ("ann", 100), ("bob", 1)):
        teller.spend(cost, user=user)
    assert teller.alerts() == [("b", '["ann"]', 50, 1_000), ("b", '["bob"]', 50, 1_000)]


def test_a_new_window_is_told_of_anew(teller: Teller) -> None:
    month(teller)
    teller.spend(500)
    teller.clock.now_us = MONTH_START + 30 * DAY_US
    teller.spend(499)
    assert teller.told() == [50]
    teller.spend(1)
    starts = [row["window_start"] for row in teller.rows("SELECT * FROM alerts ORDER BY rowid")]
    assert starts == [MONTH_START, MONTH_START + 30 * DAY_US]


def test_a_call_that_ends_in_the_next_month_tells_of_the_month_it_began_in(teller: Teller) -> None:
    month(teller)
    new = teller.begin(to(600))
    teller.clock.now_us = MONTH_START + 30 * DAY_US
    teller.do(settled(new, 600))
    (row,) = teller.rows("SELECT * FROM alerts")
    assert (row["threshold"], row["window_start"]) == (50, MONTH_START)


def test_percentages_over_a_hundred_are_told(teller: Teller) -> None:
    month(teller, "120% notify", "200% notify", mode="soft")
    for _ in range(4):
        teller.spend(600)
    assert teller.told() == [120, 200]


def test_what_happened_tells_too(teller: Teller) -> None:
    month(teller)
    teller.record(850)
    assert teller.told() == [50, 80]


def test_two_budgets_are_told_of_each_by_itself(teller: Teller) -> None:
    month(teller)
    teller.budget("c", 2_000, *RULES, pairs=[["key", "key_a"]])
    teller.desk.refresh()
    teller.spend(1_000)
    assert (teller.told("b"), teller.told("c")) == ([50, 80, 100], [50])


# By a change of the budget -----------------------------------------------------------------------


def test_a_lowered_limit_tells_what_it_has_reached_before_any_call(teller: Teller) -> None:
    month(teller)
    teller.spend(450)
    assert teller.told() == []
    teller.change("budgets", "b", limit_nanousd=900)
    assert teller.desk.refresh()
    assert teller.desk.has_changed_terms()
    teller.do()
    assert teller.alerts() == [("b", "", 50, 900)]
    assert not teller.desk.has_changed_terms()
    teller.do()
    assert len(teller.alerts()) == 1


def test_a_lowered_limit_tells_of_every_value_of_a_star(teller: Teller) -> None:
    month(teller, pairs=[["user", "*"]])
    for user, cost in (("ann", 450), ("bob", 440), ("cat", 100)):
        teller.spend(cost, user=user)
    teller.change("budgets", "b", limit_nanousd=880)
    teller.do()
    assert sorted(teller.alerts()) == [("b", '["ann"]', 50, 880), ("b", '["bob"]', 50, 880)]


def test_a_raise_tells_anew_when_its_own_percentage_is_reached(teller: Teller) -> None:
    month(teller)
    teller.spend(500)
    teller.change("budgets", "b", limit_nanousd=2_000)
    teller.do()
    assert teller.told() == [50]
    teller.spend(500)
    assert teller.alerts() == [("b", "", 50, 1_000), ("b", "", 50, 2_000)]
    # And back again: that was told.
    teller.change("budgets", "b", limit_nanousd=1_000)
    teller.do()
    assert teller.alerts()[2:] == [("b", "", 80, 1_000), ("b", "", 100, 1_000)]


def test_a_rule_that_is_added_tells_if_it_is_reached(teller: Teller) -> None:
    month(teller)
    teller.spend(700)
    teller.change("budgets", "b", rules='["50% notify", "60% notify", "90% notify"]')
    teller.do()
    assert teller.told() == [50, 60]


def test_a_budget_set_over_past_spend_tells_at_once(teller: Teller) -> None:
    month(teller, "50% notify")
    teller.spend(100)
    teller.insert("windows", budget_id="n", subject="", start=MONTH_START, spent_nanousd=100)
    teller.budget("n", 100, *RULES)
    teller.do()
    assert teller.told("n") == [50, 80, 100]


# By a boost --------------------------------------------------------------------------------------


def boosted(teller: Teller, *rules: str) -> None:
    """A limit of 1,000 that is 2,000 for an hour."""
    month(teller, *rules)
    teller.grant("g", "b", 1_000, kind="boost", expires_at=NOON + HOUR_US)
    teller.desk.refresh()


def test_the_end_of_a_boost_tells_what_is_reached_without_it(teller: Teller) -> None:
    boosted(teller)
    teller.spend(900)
    assert teller.told() == []
    teller.clock.move(3_600)
    teller.spend(1)
    assert teller.alerts() == [("b", "", 50, 1_000), ("b", "", 80, 1_000)]


def test_also_where_the_next_call_is_refused(teller: Teller) -> None:
    """A rule refuses it, and there is money: nothing is used up, and yet 80 % has been reached."""
    boosted(teller, "50% notify", "80% block")
    teller.spend(900)
    teller.clock.move(3_600)
    assert isinstance(teller.ask(to(1))[1], BudgetSpent)
    assert teller.alerts() == [("b", "", 50, 1_000), ("b", "", 80, 1_000)]
    assert isinstance(teller.ask(to(1))[1], BudgetSpent)
    assert len(teller.alerts()) == 2


def test_a_boost_tells_of_the_limit_that_it_makes(teller: Teller) -> None:
    month(teller)
    teller.spend(600)
    teller.grant("g", "b", 1_000, kind="boost", expires_at=NOON + HOUR_US)
    teller.desk.refresh()
    teller.spend(400)
    assert teller.alerts() == [("b", "", 50, 1_000), ("b", "", 50, 2_000)]
    teller.clock.move(3_600)
    teller.record(0)
    assert teller.alerts()[2:] == [("b", "", 80, 1_000), ("b", "", 100, 1_000)]


def test_a_server_that_starts_after_the_end_of_a_boost_tells(teller: Teller) -> None:
    boosted(teller)
    teller.spend(900)
    teller.clock.move(3_600)
    teller.die()
    teller.do()
    assert teller.told() == [50, 80]


# Used up -----------------------------------------------------------------------------------------


def test_a_strict_budget_that_ends_at_997_has_told_100_percent_once(teller: Teller) -> None:
    month(teller)
    teller.spend(997)
    assert teller.told() == [50, 80]
    for _ in range(3):
        assert isinstance(teller.ask(to(4))[1], BudgetSpent)
    assert teller.alerts() == [("b", "", percent, 1_000) for percent in (50, 80, 100)]
    (row,) = teller.rows("SELECT * FROM alerts WHERE threshold = 100")
    assert row["spent_nanousd"] == 997
    # A smaller call goes, and its last nano-dollar is no news.
    teller.spend(3)
    assert teller.told() == [50, 80, 100]


def test_it_is_told_in_the_transaction_that_refused(teller: Teller) -> None:
    month(teller)
    teller.spend(997)
    with teller.failing("COMMIT"):
        teller.ask(to(4))
    assert teller.told() == [50, 80]
    teller.ask(to(4))
    assert teller.told() == [50, 80, 100]


def test_money_that_is_held_is_not_used_up(teller: Teller) -> None:
    month(teller)
    teller.spend(700)
    teller.begin(to(299))
    assert isinstance(teller.ask(to(4))[1], BudgetBusy)
    assert teller.told() == [50]


def test_a_raise_ends_it_and_it_is_told_again(teller: Teller) -> None:
    month(teller)
    teller.spend(997)
    teller.ask(to(4))
    teller.change("budgets", "b", limit_nanousd=1_200)
    teller.desk.refresh()
    teller.spend(202)
    teller.ask(to(4))
    assert teller.alerts() == [
        *(("b", "", percent, 1_000) for percent in (50, 80, 100)),
        *(("b", "", percent, 1_200) for percent in (50, 80, 100)),
    ]


def test_a_restart_does_not_tell_it_again(teller: Teller) -> None:
    month(teller)
    teller.spend(997)
    teller.ask(to(4))
    teller.die()
    teller.ask(to(4))
    assert teller.told() == [50, 80, 100]


def test_a_budget_without_a_rule_at_100_has_nothing_to_tell(teller: Teller) -> None:
    month(teller, "50% notify", mode="strict")
    teller.spend(997)
    teller.ask(to(4))
    assert teller.told() == [50]


def test_a_call_that_goes_for_nothing_tells_what_its_paid_target_used_up(teller: Teller) -> None:
    month(teller, "50% notify", "100% free")
    teller.spend(997)
    _, verdict = teller.ask(to(4), to(0, "zero", "free"))
    assert isinstance(verdict, Admission)
    assert (verdict.tier, teller.told()) == ("free", [50, 100])


def test_a_further_attempt_that_is_refused_tells_it(teller: Teller) -> None:
    month(teller)
    teller.spend(990)
    new = teller.begin(to(5))
    assert isinstance(teller.again(new, failed(), to(20, "down")), BudgetSpent)
    assert teller.told() == [50, 80, 100]


def test_a_balance_that_is_used_up_is_told_once_for_each_top_up(teller: Teller) -> None:
    teller.balance("p", 1_000, rules=["80% notify", "100% block"])
    teller.desk.refresh()
    teller.spend(997)
    for _ in range(2):
        assert isinstance(teller.ask(to(4))[1], BudgetSpent)
    assert teller.told("p") == [80, 100]
    teller.clock.move(60)
    teller.grant("p2", "p", 97)
    teller.desk.refresh()
    teller.do()
    assert teller.told("p") == [80, 100]
    teller.spend(100)
    assert teller.alerts()[2:] == [("p", "", 80, 100), ("p", "", 100, 100)]


# Rolling -----------------------------------------------------------------------------------------


def rolling(teller: Teller, *rules: str) -> None:
    month(teller, *(rules or ("80% notify",)), period="rolling 4h", mode="soft")


def test_a_rolling_window_that_stays_over_tells_once(teller: Teller) -> None:
    rolling(teller)
    for _ in range(60):
        teller.spend(100)
        teller.clock.move(1_200)
    assert teller.told() == [80]


@pytest.mark.parametrize(("rest", "told"), [(750, [80]), (749, [80, 80])])
def test_it_tells_again_once_it_has_fallen_five_points(
    teller: Teller, rest: int, told: list[int]
) -> None:
    rolling(teller)
    teller.spend(1_000 - rest)
    teller.clock.move(7_200)
    teller.spend(rest)
    assert teller.told() == [80]
    # The first call has rolled out, and `rest` is left.
    teller.clock.move(7_200 + 600)
    teller.spend(0)
    teller.spend(300)
    assert teller.told() == told


def test_it_tells_again_where_nobody_looked_while_it_was_low(teller: Teller) -> None:
    """A long call was admitted over the threshold, and ends when all else has rolled out."""
    rolling(teller)
    teller.spend(850)
    teller.clock.move(3_600 * 3)
    long = teller.begin(to(900))
    teller.clock.move(3_600 + 600)
    teller.do(settled(long, 900))
    assert teller.told() == [80, 80]


def test_it_tells_again_of_what_happened_all_at_once(teller: Teller) -> None:
    rolling(teller)
    teller.record(850)
    teller.clock.move(3_600 * 5)
    teller.record(850)
    assert teller.told() == [80, 80]


def test_a_restart_does_not_tell_a_rolling_window_again(teller: Teller) -> None:
    rolling(teller)
    teller.spend(850)
    teller.die()
    teller.do()
    teller.spend(10)
    teller.clock.move(3_600)
    teller.spend(10)
    assert teller.told() == [80]


def test_a_restart_in_between_does_not_keep_it_from_telling_again(teller: Teller) -> None:
    rolling(teller)
    teller.spend(850)
    teller.clock.move(3_600 * 4 + 600)
    teller.die()
    teller.do()
    teller.spend(0)
    teller.spend(850)
    assert teller.told() == [80, 80]


def test_each_percentage_of_a_rolling_window_is_armed_by_itself(teller: Teller) -> None:
    rolling(teller, "50% notify", "80% notify")
    teller.spend(200)
    teller.clock.move(7_200)
    teller.spend(600)
    teller.clock.move(7_200 + 600)
    # 600 are left: under 75 %, and over 45 %.
    teller.spend(300)
    assert teller.told() == [50, 80, 80]


def test_what_a_command_told_of_a_rolling_window_the_server_does_not_tell_again(
    teller: Teller,
) -> None:
    rolling(teller)
    teller.spend(850)
    teller.clock.move(3_600 * 5)
    new = teller.spend(100)
    assert teller.told() == [80]
    teller.other.execute("BEGIN IMMEDIATE")
    corrections.correct(teller.other, new.seq, 750, "price", "operator", "x_1", teller.clock())
    teller.other.execute("COMMIT")
    assert teller.told() == [80, 80]
    teller.clock.move(600)
    teller.spend(10)
    assert teller.told() == [80, 80]


def corrected(teller: Teller, new: NewId, *deltas: int) -> None:
    """By commands of other processes, while the server looks at nothing."""
    for number, delta in enumerate(deltas):
        teller.clock.move(1)
        id = f"x_{teller.clock()}_{number}"
        teller.other.execute("BEGIN IMMEDIATE")
        corrections.correct(teller.other, new.seq, delta, "why", "operator", id, teller.clock())
        teller.other.execute("COMMIT")


@pytest.mark.parametrize(("rest", "told"), [(750, [80]), (749, [80, 80])])
def test_it_tells_again_of_a_fall_within_the_bucket_in_which_it_told(
    teller: Teller, rest: int, told: list[int]
) -> None:
    rolling(teller)
    new = teller.spend(850)
    corrected(teller, new, rest - 850)
    teller.spend(300)
    assert teller.told() == told


def test_what_fell_and_rose_between_two_commands_is_told_by_the_second(teller: Teller) -> None:
    rolling(teller)
    new = teller.spend(850)
    corrected(teller, new, -500, 500)
    assert teller.told() == [80, 80]
    teller.clock.move(1)
    teller.spend(10)
    assert teller.told() == [80, 80]


def test_each_attempt_that_a_correction_moves_counts_where_it_began(teller: Teller) -> None:
    """Of one call in two buckets, what both had before is what has fallen or has not."""
    rolling(teller)
    new = teller.begin(to(870))
    teller.clock.move(600)
    teller.again(new, failed(870), to(130))
    teller.do(settled(new, 130))
    assert teller.told() == [80]
    corrected(teller, new, -260, 260)
    assert teller.told() == [80, 80]


def test_a_restart_keeps_that_it_had_fallen(teller: Teller) -> None:
    rolling(teller)
    teller.spend(110)
    teller.clock.move(7_200)
    teller.spend(740)
    teller.clock.move(7_200 + 600)
    teller.spend(40)
    teller.die()
    teller.spend(30)
    assert teller.told() == [80, 80]


def test_a_restart_keeps_that_it_was_told_though_that_is_longer_ago_than_its_span(
    teller: Teller,
) -> None:
    rolling(teller)
    for _ in range(30):
        teller.spend(100)
        teller.clock.move(1_200)
    teller.die()
    teller.spend(100)
    assert teller.told() == [80]


def test_a_batch_that_fails_tells_again_when_it_is_done_again(teller: Teller) -> None:
    rolling(teller)
    corrected(teller, teller.spend(850), -500)
    new = teller.begin(to(500))
    with teller.failing("COMMIT"):
        teller.do(settled(new, 500))
    assert teller.told() == [80]
    teller.do(settled(new, 500))
    assert teller.told() == [80, 80]


def test_it_tells_again_of_a_limit_that_was_another_when_it_fell(teller: Teller) -> None:
    rolling(teller)
    new = teller.spend(850)
    teller.change("budgets", "b", limit_nanousd=2_000)
    corrected(teller, new, -500)
    teller.desk.refresh()
    teller.spend(500)
    teller.clock.move(60)
    teller.change("budgets", "b", limit_nanousd=1_000)
    teller.do()
    assert teller.told() == [80, 80]


def test_a_rolling_window_that_is_used_up_under_its_limit_tells_once(teller: Teller) -> None:
    month(teller, "100% block", period="rolling 4h")
    teller.spend(890)
    for _ in range(3):
        assert isinstance(teller.ask(to(200))[1], BudgetSpent)
        teller.clock.move(600)
    assert teller.told() == [100]


@pytest.mark.parametrize(("rest", "told"), [(840, [100]), (839, [100, 100])])
def test_it_tells_again_once_it_has_fallen_five_points_under_what_it_was_told_at(
    teller: Teller, rest: int, told: list[int]
) -> None:
    month(teller, "100% block", period="rolling 4h")
    new = teller.spend(890)
    teller.ask(to(200))
    corrected(teller, new, rest - 890)
    # Without a look at what has risen in between.
    teller.ask(to(1_000 - rest + 1))
    assert teller.told() == told


def test_of_many_windows_only_those_are_looked_at_that_may_have_reached_something(
    teller: Teller,
) -> None:
    for period in ("month", "rolling 4h"):
        id = period[0]
        teller.budget(id, 1_000, "80% notify", pairs=[["user", "*"]], period=period, mode="soft")
        start = MONTH_START if period == "month" else NOON - NOON % 300_000_000
        for number in range(20):
            spent = 500 + number
            subject = f'["u{number}"]'
            values = {"budget_id": id, "subject": subject, "start": start}
            teller.insert("windows", **values, spent_nanousd=spent)
    teller.do()
    assert teller.alerts() == []
    looked_at = len(teller.desk.till.windows)
    for id in "mr":
        # 80 % of 640 is 512.
        teller.change("budgets", id, limit_nanousd=640)
    teller.do()
    told = sorted(teller.alerts())
    assert told == sorted((id, f'["u{n}"]', 80, 640) for id in "mr" for n in range(12, 20))
    assert (looked_at, len(teller.desk.till.windows)) == (0, 8)
    teller.other.execute("DELETE FROM windows")
    teller.other.execute("DELETE FROM alerts")


@pytest.mark.parametrize("percent", [1, 5, 6])
def test_a_low_percentage_is_armed_again_where_nothing_is_left(
    teller: Teller, percent: int
) -> None:
    rolling(teller, f"{percent}% notify")
    teller.spend(100)
    for _ in range(2):
        teller.clock.move(3_600 * 5)
        teller.spend(100)
    assert teller.told() == [percent] * 3


def test_a_limit_of_nothing_is_told_once_for_a_rolling_window(teller: Teller) -> None:
    month(teller, "80% notify", limit=0, period="rolling 4h", mode="soft")
    for _ in range(3):
        teller.spend(0)
        teller.clock.move(3_600)
    assert teller.told() == [80]


def test_a_limit_changed_is_told_for_a_rolling_window_too(teller: Teller) -> None:
    rolling(teller)
    teller.spend(850)
    teller.change("budgets", "b", limit_nanousd=900)
    teller.do()
    teller.change("budgets", "b", limit_nanousd=1_000)
    teller.do()
    assert teller.alerts() == [("b", "", 80, 1_000), ("b", "", 80, 900)]


def test_of_two_changes_since_the_last_batch_the_last_one_counts(teller: Teller) -> None:
    """The first was read, and judged by nobody."""
    month(teller)
    teller.spend(850)
    told = teller.alerts()
    for limit in (900, 2_000):
        teller.change("budgets", "b", limit_nanousd=limit)
        teller.desk.refresh()
    teller.do()
    assert teller.alerts() == told
    admission = teller.ask(to(0))[1]
    assert isinstance(admission, Admission)
    assert admission.free_nanousd == 2_000 - 850


# Crashes -----------------------------------------------------------------------------------------


def test_a_restart_tells_nothing_again(teller: Teller) -> None:
    month(teller)
    teller.spend(850)
    for _ in range(3):
        teller.die()
        teller.do()
        teller.spend(1)
    assert teller.told() == [50, 80]


def test_what_was_reached_while_no_server_ran_is_told_at_the_next_start(teller: Teller) -> None:
    month(teller)
    teller.spend(450)
    teller.connection.close()
    teller.change("budgets", "b", limit_nanousd=500)
    teller.open()
    teller.do()
    assert teller.alerts() == [("b", "", 50, 500), ("b", "", 80, 500)]


def test_a_batch_that_fails_tells_when_it_is_done_again(teller: Teller) -> None:
    month(teller)
    new = teller.begin(to(850))
    with teller.failing("COMMIT"):
        teller.do(settled(new, 850))
    assert teller.told() == []
    teller.do(settled(new, 850))
    assert teller.told() == [50, 80]


def test_recovered_calls_tell_what_their_estimates_reach(teller: Teller) -> None:
    month(teller)
    teller.begin(to(900, expected=600))
    assert teller.die() == 1
    assert teller.told() == [50]


def test_a_late_settlement_tells_what_it_reaches(teller: Teller) -> None:
    month(teller)
    new = teller.begin(to(900, expected=450))
    teller.die()
    teller.do(settled(new, 850))
    assert teller.told() == [50, 80]


def test_a_correction_tells_and_the_server_does_not_tell_it_again(teller: Teller) -> None:
    month(teller)
    new = teller.spend(450)
    teller.other.execute("BEGIN IMMEDIATE")
    corrections.correct(teller.other, new.seq, 400, "why", "operator", "x_1", teller.clock())
    teller.other.execute("COMMIT")
    assert teller.told() == [50, 80]
    teller.spend(10)
    assert teller.told() == [50, 80]


# Overruns ----------------------------------------------------------------------------------------


def test_a_cost_over_its_hold_is_told_once(teller: Teller) -> None:
    month(teller)
    new = teller.begin(to(100))
    teller.do(settled(new, 107))
    teller.do(settled(new, 107))
    (row,) = teller.rows("SELECT * FROM alerts WHERE kind = 'overrun'")
    assert (row["subject"], row["created_at"]) == (str(new.seq), NOON)
    assert json.loads(row["detail"]) == {
        "hold_nanousd": 100,
        "cost_nanousd": 107,
        "target": "up/m-up",
    }
    assert teller.call(new)["reason"] == "overrun"


@pytest.mark.parametrize("cost", [99, 100])
def test_a_cost_within_its_hold_is_none(teller: Teller, cost: int) -> None:
    month(teller)
    teller.do(settled(teller.begin(to(100)), cost))
    assert teller.alerts("overrun") == []


def test_without_a_strict_budget_nothing_was_promised(teller: Teller) -> None:
    month(teller, "50% notify", mode="soft")
    teller.do(settled(teller.begin(to(100)), 500))
    assert teller.alerts("overrun") == []
    assert teller.told() == [50]


def test_marks_that_were_forgotten_tell_nothing_twice(
    teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ferrycli.store.alarms.WINDOWS_KEPT_MAX", 2)
    month(teller, *RULES, pairs=[["user", "*"]])
    for _ in range(3):
        for user in ("ann", "bob", "cat"):
            teller.spend(200, user=user)
    assert len(teller.alerts()) == len(set(teller.alerts())) == 3
