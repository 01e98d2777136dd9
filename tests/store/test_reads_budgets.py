"""Budgets as they stand: windows of now, grants and boosts, and which of them a selector means."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ferrycli.rules.errors import BudgetAmbiguous, NoSuchBudget
from ferrycli.rules.pace import Recent
from ferrycli.rules.selectors import parse_selector
from ferrycli.rules.standings import Standing
from ferrycli.store import reads, reads_budgets, reads_pace
from ferrycli.store.budget_changes import remove_budget, set_budget
from ferrycli.store.grant_changes import boost, topup
from ferrycli.store.planning import BudgetPlan, Money
from tests.store.kit import DAY_US, NOON, SECOND_US, USD, Clock, looking, make_key, rows
from tests.store.past import HOUR_US, Past, plan, rules

MONTH = NOON - 17 * DAY_US - 12 * HOUR_US


@pytest.fixture
def reader(path: Path) -> Iterator[sqlite3.Connection]:
    with reads.opened(path) as connection:
        yield connection


def window(path: Path, budget_id: str, subject: str, start: int, *amounts: int) -> None:
    with looking(path) as connection:
        connection.execute(
            "INSERT OR REPLACE INTO windows VALUES (?, ?, ?, ?, ?, ?)",
            (budget_id, subject, start, *(one * USD for one in amounts)),
        )


def amounts(standing: Standing | None) -> tuple[int, ...]:
    """Spent, held, doubt and limit, in dollars."""
    assert standing is not None
    found = (standing.spent, standing.held, standing.doubt, standing.limit_nanousd)
    return tuple(one // USD for one in found)


def test_a_budget_of_which_nothing_was_seen_stands_at_nothing(
    path: Path, reader: sqlite3.Connection, clock: Clock
) -> None:
    set_budget(path, plan("tenant=acme", 50, owner="ops", allow_unpriced=True))
    clock.move(1)
    set_budget(path, plan("user=*"))
    one, each = reads_budgets.budgets(reader, NOON)
    assert amounts(one.fullest) == (0, 0, 0, 50)
    assert (one.terms.owner, one.terms.allow_unpriced, one.revision) == ("ops", True, 1)
    assert [str(rule) for rule in one.terms.rules] == ["50% notify", "80% downgrade", "100% block"]
    assert (each.standings, each.fullest) == ((), None)


def test_the_window_of_the_moment_is_what_counts(path: Path, reader: sqlite3.Connection) -> None:
    id = set_budget(path, plan("tenant=acme", 50)).terms.id
    window(path, id, "", MONTH, 7, 2, 1)
    window(path, id, "", MONTH - 31 * DAY_US, 40, 0, 0)
    (now,) = reads_budgets.budgets(reader, NOON)
    assert amounts(now.fullest) == (7, 2, 1, 50)
    assert now.standings[0].resets_at_us == MONTH + 30 * DAY_US
    (before,) = reads_budgets.budgets(reader, MONTH - 1)
    assert amounts(before.fullest) == (40, 0, 0, 50)
    (after,) = reads_budgets.budgets(reader, MONTH + 30 * DAY_US)
    assert amounts(after.fullest) == (0, 0, 0, 50)


def test_each_value_has_a_standing_and_the_fullest_comes_first(
    path: Path, reader: sqlite3.Connection
) -> None:
    id = set_budget(path, plan("user=*", 50)).terms.id
    for user, spent in (("a", 3), ("b", 30), ("c", 0)):
        window(path, id, f'["{user}"]', MONTH, spent, 1, 0)
    (found,) = reads_budgets.budgets(reader, NOON)
    assert [one.subject for one in found.standings] == ['["b"]', '["a"]', '["c"]']


def test_a_rolling_window_is_the_sum_of_the_buckets_that_overlap_it(
    path: Path, reader: sqlite3.Connection
) -> None:
    id = set_budget(path, plan("tenant=acme", 50, "rolling 7d")).terms.id
    now = NOON + 10 * 60_000_000
    for hours_ago, spent in ((0, 1), (1, 2), (168, 4), (169, 8), (-1, 16)):
        window(path, id, "", NOON - hours_ago * HOUR_US, spent, 0, 0)
    (found,) = reads_budgets.budgets(reader, now)
    assert amounts(found.fullest) == (1 + 2 + 4, 0, 0, 50)
    assert found.standings[0].resets_at_us is None
    (earlier,) = reads_budgets.budgets(reader, NOON - 1)
    assert amounts(earlier.fullest) == (2 + 4, 0, 0, 50)


def test_a_boost_raises_the_limit_while_it_counts(
    path: Path, reader: sqlite3.Connection, clock: Clock
) -> None:
    make_key(path, "acme", "50/month")
    clock.move(60)
    boost(path, "acme", 20 * USD, NOON + DAY_US)
    limits = [
        amounts(reads_budgets.budgets(reader, at)[0].fullest)[3]
        for at in (NOON, clock.now_us, NOON + DAY_US - 1, NOON + DAY_US)
    ]
    assert limits == [50, 70, 70, 50]


def test_a_balance_stands_at_what_was_granted_less_what_expired_unused(
    path: Path, reader: sqlite3.Connection, clock: Clock
) -> None:
    selector = parse_selector("tenant=acme")
    id = set_budget(path, BudgetPlan(selector, balance=Money(20 * USD))).terms.id
    clock.move(1)
    topup(path, selector, 10 * USD, expires_at=NOON + DAY_US)
    window(path, id, "", 0, 6, 1, 0)
    with looking(path) as connection:
        connection.execute(
            "UPDATE grants SET drawn_nanousd = ?, held_nanousd = ? WHERE expires_at NOT NULL",
            (6 * USD, USD),
        )
    (now,) = reads_budgets.budgets(reader, NOON)
    (standing,) = now.standings
    assert amounts(standing) == (6, 1, 0, 30)
    assert (standing.free, standing.base, standing.used) == (23 * USD, 30 * USD, 6 * USD)
    assert standing.alert_start_us == now.grants[0].created_at == NOON + SECOND_US
    (later,) = reads_budgets.budgets(reader, NOON + DAY_US)
    # Of the 10 that expired 6 are spent and 1 is held: 3 are gone.
    assert amounts(later.fullest) == (6, 1, 0, 27)
    assert [one.expires_at for one in later.grants] == [NOON + DAY_US, None]
    assert later.grants[0].remaining_nanousd == 3 * USD


def test_removed_budgets_are_left_out(path: Path, reader: sqlite3.Connection) -> None:
    set_budget(path, plan("tenant=acme"))
    remove_budget(path, parse_selector("tenant=acme"))
    assert reads_budgets.budgets(reader, NOON) == []


# Which are meant ----------------------------------------------------------------------------


def test_a_selector_means_its_own_budgets_or_else_one_window_of_a_star(
    path: Path, reader: sqlite3.Connection
) -> None:
    each = set_budget(path, plan("tenant=acme,user=*")).terms.id
    set_budget(path, plan("user=*"))
    own = set_budget(path, plan("tenant=acme,user=u1")).terms.id
    window(path, each, '["u1"]', MONTH, 3, 0, 0)
    window(path, each, '["u2"]', MONTH, 4, 0, 0)

    def about(text: str) -> list[tuple[str, list[str]]]:
        found = reads_budgets.about(reader, parse_selector(text), NOON)
        return [(one.terms.id, [each.subject for each in one.standings]) for one in found]

    assert about("tenant=acme,user=u1") == [(own, [""])]
    assert about("tenant=acme,user=u2") == [(each, ['["u2"]'])]
    assert about("tenant=acme,user=new") == [(each, ['["new"]'])]
    assert about("tenant=bolt,user=u2") == []
    assert about("tenant=acme") == []
    assert about("tenant=acme,user=*") == [(each, ['["u2"]', '["u1"]'])]


def test_one_of_several_is_named_by_its_period(
    path: Path, reader: sqlite3.Connection, clock: Clock
) -> None:
    selector = parse_selector("tenant=acme")
    for period in ("day", "rolling 7d"):
        set_budget(path, plan("tenant=acme", period=period))
        clock.move(1)
    set_budget(path, BudgetPlan(selector, balance=Money(USD)))
    found = reads_budgets.of_selector(reader, selector, NOON)
    assert len(found) == 3
    for period in ("day", "rolling 7d", "balance"):
        one = reads_budgets.one_of(found, selector, period)
        assert reads_budgets.period_named(one.terms) == period
    with pytest.raises(BudgetAmbiguous) as several:
        reads_budgets.one_of(found, selector)
    assert several.value.periods == ("day", "rolling 7d", "balance")
    with pytest.raises(NoSuchBudget) as missing:
        reads_budgets.one_of(found, selector, "week")
    assert (missing.value.period, len(missing.value.known)) == ("week", 3)
    with pytest.raises(NoSuchBudget) as nothing:
        reads_budgets.one_of([], selector, "week")
    assert nothing.value.period == ""


def test_selectors_of_all_budgets_are_listed_once(path: Path, reader: sqlite3.Connection) -> None:
    for period in ("day", "week"):
        set_budget(path, plan("tenant=acme", period=period))
    set_budget(path, plan("feature=chat"))
    assert reads_budgets.selectors(reader) == ("feature=chat", "tenant=acme")


# What stands beside -------------------------------------------------------------------------


def test_notices_are_of_one_budget_or_of_one_window(
    path: Path, reader: sqlite3.Connection, clock: Clock
) -> None:
    past = Past(path)
    past.call(NOON - 9, 9 * USD, user="a", tenant="acme")
    past.call(NOON - 9, 6 * USD, user="b", tenant="acme")
    made = set_budget(path, plan("user=*", 10, "total", **rules("50% notify", "80% block")))
    set_budget(path, plan("tenant=acme", 10, "total"))
    found = reads_budgets.alerts_of(reader, made.terms.id)
    assert [(one.subject, one.threshold) for one in found] == [
        ('["a"]', 80), ('["a"]', 50), ('["b"]', 50),
    ]  # fmt: skip
    assert (found[0].state, found[0].channels, found[0].told_at) == ("new", "", None)
    one = reads_budgets.alerts_of(reader, made.terms.id, '["b"]')
    assert [(each.subject, each.threshold) for each in one] == [('["b"]', 50)]
    (alert, *_) = rows(path, "SELECT * FROM alerts WHERE threshold = 80")
    with looking(path) as connection:
        connection.execute("INSERT INTO deliveries (alert_id, channel) VALUES (?, 'b')",
                           [alert["id"]])  # fmt: skip
        connection.execute(
            "UPDATE alerts SET state = 'told', told_at = 5 WHERE id = ?", [alert["id"]]
        )
    told = reads_budgets.alerts_of(reader, made.terms.id)[0]
    assert (told.state, told.channels, told.told_at) == ("told", "b", 5)


def test_a_window_that_has_refused_is_exhausted_before_all_is_spent(
    path: Path, reader: sqlite3.Connection
) -> None:
    made = set_budget(path, plan("tenant=acme", 50))
    window(path, made.terms.id, "", MONTH, 49, 0, 0)
    assert not reads_budgets.exhausted(reader, reads_budgets.budgets(reader, NOON))

    def told(limit: int, start: int, threshold: int = 100) -> None:
        with looking(path) as connection:
            connection.execute(
                "INSERT INTO alerts (id, kind, budget_id, window_start, threshold, limit_nanousd)"
                " VALUES (?, 'budget', ?, ?, ?, ?)",
                (f"{limit}{start}{threshold}", made.terms.id, start, threshold, limit * USD),
            )

    told(40, MONTH)
    told(50, MONTH - 1)
    told(50, MONTH, 80)
    assert not reads_budgets.exhausted(reader, reads_budgets.budgets(reader, NOON))
    told(50, MONTH)
    found = reads_budgets.exhausted(reader, reads_budgets.budgets(reader, NOON))
    assert found == {(made.terms.id, "")}


def test_a_rolling_window_that_has_refused_is_exhausted_until_it_falls(
    path: Path, reader: sqlite3.Connection
) -> None:
    made = set_budget(path, plan("tenant=acme", 50, "rolling 7d"))
    window(path, made.terms.id, "", NOON - NOON % HOUR_US, 49, 0, 0)
    for start, wanted in ((NOON - NOON % HOUR_US, set()), (0, {(made.terms.id, "")})):
        with looking(path) as connection:
            connection.execute(
                "INSERT INTO alerts (id, kind, budget_id, window_start, threshold, limit_nanousd)"
                " VALUES (?, 'budget', ?, ?, 100, ?)",
                (f"a_{start}", made.terms.id, start, 50 * USD),
            )
        assert reads_budgets.exhausted(reader, reads_budgets.budgets(reader, NOON)) == wanted


@pytest.mark.parametrize(
    ("selector", "period", "wanted"),
    [
        ("tenant=acme", "total", 3),
        ("tenant=acme,feature=chat", "total", 2),
        ("key=acme", "total", 2),
        ("tenant=(none)", "total", 4),
        ("user=u1", "total", 3),
        ("tag:plan=gold", "total", 2),
        ("tenant=acme", "month", None),
        ("user=*", "total", None),
    ],
)
def test_the_pace_of_what_never_ends_is_what_the_last_week_spent(
    path: Path, selector: str, period: str, wanted: int | None
) -> None:
    key = make_key(path, "acme").id
    past = Past(path)
    past.call(NOON - 9 * DAY_US, 100 * USD, tenant="acme", user="u1", key=key)
    past.call(NOON - 6 * DAY_US, USD, tenant="acme", user="u1")
    more: dict[str, Any] = {"feature": "chat", "tags": {"plan": "gold"}, "user": "u1"}
    past.call(NOON - 9, 2 * USD, tenant="acme", key=key, **more)
    past.call(NOON - 9, 4 * USD)
    set_budget(path, plan(selector, 500, period))
    with closing(sqlite3.connect(path)) as connection:
        found = reads_budgets.budgets(connection, NOON)
        recent = reads_pace.recent(connection, found, NOON)
    got = {id: one.spent_nanousd for id, one in recent.items()}
    assert got == ({} if wanted is None else {found[0].terms.id: wanted * USD})


@pytest.mark.parametrize("selector", ["tenant=acme", "tenant=acme,user=u1"])
@pytest.mark.parametrize(
    ("calls", "passed_us"),
    [
        ([9 * DAY_US, HOUR_US], 7 * DAY_US),
        ([2 * DAY_US, HOUR_US], 2 * DAY_US),
        ([SECOND_US], SECOND_US),
    ],
)
def test_the_pace_of_what_counts_all_is_of_the_time_since_its_first_call(
    path: Path, selector: str, calls: list[int], passed_us: int
) -> None:
    past = Past(path)
    past.call(NOON - 6 * DAY_US, USD, tenant="other", user="u1")
    for ago in calls:
        past.call(NOON - ago, USD, tenant="acme", user="u1")
    set_budget(path, plan(selector, 500, "total"))
    with closing(sqlite3.connect(path)) as connection:
        (got,) = reads_pace.recent(
            connection, reads_budgets.budgets(connection, NOON), NOON
        ).values()
    assert got == Recent(sum(USD for ago in calls if ago < 7 * DAY_US), passed_us)


@pytest.mark.parametrize(
    "made",
    [
        plan("tenant=acme", 500, "total", counts_from_now=True),
        plan("tenant=acme", None, "total", balance=Money(500 * USD)),
    ],
)
def test_the_pace_of_what_counts_from_now_on_is_of_the_time_since_then(
    path: Path, made: BudgetPlan
) -> None:
    past = Past(path)
    past.call(NOON - 9, USD, tenant="acme")
    id = set_budget(path, made).terms.id
    past.call(NOON + HOUR_US, 2 * USD, tenant="acme")
    window(path, id, "", 0, 2, 0, 0)
    for passed_us, wanted in ((2 * HOUR_US, 2 * HOUR_US), (9 * DAY_US, 7 * DAY_US)):
        now_us = NOON + passed_us
        with closing(sqlite3.connect(path)) as connection:
            found = reads_budgets.budgets(connection, now_us)
            assert reads_pace.recent(connection, found, now_us)[id].passed_us == wanted
