"""Budgets made, changed and removed: ids, revisions, and sums counted back against plain Python."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ferrycli.rules.errors import BudgetAmbiguous, BudgetUnfit, NoSuchBudget, RulesClash
from ferrycli.rules.selectors import parse_selector
from ferrycli.rules.thresholds import parse_rule
from ferrycli.rules.windows import from_us, parse_period
from ferrycli.store import budget_changes, changes, plan_changes
from ferrycli.store.planning import BudgetPlan, Money
from tests.cli.filled import call
from tests.store.crowd import correct, midnight
from tests.store.kit import DAY_US, NOON, USD, Clock, looking

BERLIN = "Europe/Berlin"
CENT = USD // 100
HOUR_US = DAY_US // 24


@dataclass(frozen=True)
class One:
    """A call by hand: when it was admitted, and what it cost with corrections."""

    at_us: int
    tenant: str
    feature: str
    nanousd: int


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(changes, "now_us", clock)
    return clock


@pytest.fixture
def path(tmp_path: Path, clock: Clock) -> Path:
    path = tmp_path / "ferry.db"
    changes.prepare(path)
    return path


@pytest.fixture
def calls(path: Path) -> list[One]:
    """Some hundred calls of the last forty days; a few corrected, held or denied."""
    chance = random.Random(11)
    made: list[One] = []
    with looking(path) as connection:
        connection.execute("BEGIN")
        for number in range(400):
            at_us = NOON - 1 - chance.randrange(40 * DAY_US)
            tenant = chance.choice(("", "acme", "acme", "globex", "日本語"))
            feature = chance.choice(("", "chat", "search"))
            state = chance.choice(("settled",) * 6 + ("recovered", "held", "denied"))
            cents = chance.randrange(500)
            id = call(
                connection, _iso(at_us), number, cents, tenant=tenant, feature=feature,
                state=state, admitted_at=at_us,
            )  # fmt: skip
            nanousd = 0 if state in ("held", "denied") else cents * CENT
            if nanousd and chance.random() < 0.1:
                delta = chance.choice((-9 * USD, -1, 7))
                query = "SELECT seq FROM calls WHERE id = ?"
                (seq,) = connection.execute(query, [id]).fetchone()
                correct(connection, [(f"x{number}", seq, delta)])
                nanousd = max(0, nanousd + delta)
            made.append(One(at_us, tenant, feature, nanousd))
        connection.execute("COMMIT")
    return made


def _iso(at_us: int) -> str:
    return from_us(at_us).isoformat()


def plan(
    selector: str, limit: int | None = 50 * USD, period: str = "month", **more: Any
) -> BudgetPlan:
    period = period and parse_period(period)
    return BudgetPlan(parse_selector(selector), limit, period, **{"zone_default": BERLIN, **more})


def windows(path: Path, id: str) -> dict[tuple[str, int], int]:
    query = "SELECT subject, start, spent_nanousd FROM windows WHERE budget_id = ?"
    with looking(path) as connection:
        return {(row[0], row[1]): row[2] for row in connection.execute(query, [id])}


def history(path: Path, id: str) -> list[tuple[int, dict[str, Any]]]:
    query = "SELECT revision, content FROM revisions WHERE id = ? ORDER BY revision"
    with looking(path) as connection:
        return [(row[0], json.loads(row[1])) for row in connection.execute(query, [id])]


def dump(path: Path) -> list[str]:
    with looking(path) as connection:
        return list(connection.iterdump())


def starts(period: str) -> int:
    """When the window of `NOON`, Wednesday 18 November 2026, began in Berlin."""
    days = {"day": 18, "week": 16, "month": 1}
    return midnight(date(2026, 11, days[period]), ZoneInfo(BERLIN))


def test_a_change_keeps_the_id_and_leaves_a_revision(path: Path, clock: Clock) -> None:
    made = budget_changes.set_budget(path, plan("tenant=acme", owner_default="ana"))
    clock.move(60)
    rules = (parse_rule("90% block"),)
    changed = budget_changes.set_budget(path, plan("tenant=acme", 80 * USD, "", rules=rules))
    assert made.before is None
    assert changed.before == made.terms
    assert changed.terms.id == made.terms.id
    assert changed.terms.counts_from_us == made.terms.counts_from_us
    (first, was), (second, now) = history(path, made.terms.id)
    assert (first, second) == (1, 2)
    assert (was["limit_nanousd"], now["limit_nanousd"]) == (50 * USD, 80 * USD)
    assert (was["owner"], now["owner"]) == ("ana", "ana")
    assert json.loads(now["rules"]) == ["90% block"]


def test_another_period_or_zone_is_another_budget(path: Path) -> None:
    ids = [
        budget_changes.set_budget(path, one).terms.id
        for one in (
            plan("tenant=acme"),
            plan("tenant=acme", period="week"),
            plan("tenant=acme", zone="Asia/Tokyo"),
            plan("tenant=acme,feature=chat"),
            plan("tenant=acme", period="7d"),
        )
    ]
    assert len(set(ids)) == 5
    # No zone moves a rolling period: it is the same budget.
    assert (
        budget_changes.set_budget(path, plan("tenant=acme", period="7d", zone=BERLIN)).terms.id
        == ids[4]
    )


@pytest.mark.parametrize("period", ["day", "week", "month"])
@pytest.mark.parametrize("dimensions", [("tenant",), ("tenant", "feature")])
def test_each_value_counts_back_as_by_hand(
    path: Path, calls: list[One], period: str, dimensions: tuple[str, ...]
) -> None:
    selector = ",".join(f"{name}=*" for name in dimensions)
    made = budget_changes.set_budget(path, plan(selector, period=period))
    start = starts(period)
    wanted: dict[tuple[str, int], int] = {}
    for one in calls:
        values = [getattr(one, name) for name in dimensions]
        if one.at_us >= start and all(values):
            key = (json.dumps(values, ensure_ascii=False, separators=(",", ":")), start)
            wanted[key] = wanted.get(key, 0) + one.nanousd
    wanted = {key: amount for key, amount in wanted.items() if amount}
    assert windows(path, made.terms.id) == wanted
    assert made.terms.counts_from_us == start
    assert {one.subject: one.spent for one in made.standings} == {
        subject: amount for (subject, _), amount in wanted.items()
    }


def test_a_rolling_period_counts_back_by_the_hour(path: Path, calls: list[One]) -> None:
    made = budget_changes.set_budget(path, plan("tenant=acme", period="7d"))
    first = NOON - 7 * DAY_US  # On the hour, so the oldest bucket begins right there.
    wanted: dict[tuple[str, int], int] = {}
    for one in calls:
        if one.tenant == "acme" and one.at_us >= first and one.nanousd:
            key = ("", one.at_us - one.at_us % HOUR_US)
            wanted[key] = wanted.get(key, 0) + one.nanousd
    assert windows(path, made.terms.id) == wanted
    assert [one.spent for one in made.standings] == [sum(wanted.values())]


def test_in_total_counts_back_to_the_first_call(path: Path, calls: list[One]) -> None:
    made = budget_changes.set_budget(path, plan("tenant=(none)", period="total"))
    wanted = sum(one.nanousd for one in calls if not one.tenant)
    assert list(windows(path, made.terms.id).values()) == [wanted]


def test_many_windows_are_laid_out_beforehand(
    path: Path, calls: list[One], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = budget_changes.set_budget(path, plan("tenant=*,feature=*"))
    expected = windows(path, small.terms.id)
    budget_changes.remove_budget(path, parse_selector("tenant=*,feature=*"))
    monkeypatch.setattr(budget_changes, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(plan_changes, "ROWS_AT_ONCE", 2)
    many = budget_changes.set_budget(path, plan("tenant=*,feature=*"))
    assert len(expected) > 2
    assert windows(path, many.terms.id) == expected
    assert [revision for revision, _ in history(path, many.terms.id)] == [1]
    with looking(path) as connection:
        row = connection.execute("SELECT removed_at FROM budgets WHERE id = ?", [many.terms.id])
        assert tuple(row.fetchone()) == (None,)


def test_what_is_over_when_it_is_made_is_told_once(path: Path, calls: list[One]) -> None:
    query = "SELECT threshold, id FROM alerts WHERE budget_id = ? ORDER BY threshold"
    made = budget_changes.set_budget(path, plan("tenant=acme", CENT))
    budget_changes.set_budget(path, plan("tenant=acme", CENT, owner="ana"))
    budget_changes.set_budget(path, plan("tenant=acme", CENT))
    with looking(path) as connection:
        found = connection.execute(query, [made.terms.id]).fetchall()
    told = [row[0] for row in found]
    assert len(told) == len(set(told))
    assert 100 in told
    # As those that a server notes: docs/notices.md shows one.
    assert all(row[1].startswith("a_") for row in found)


def test_from_now_and_balances_count_nothing_back(path: Path, calls: list[One]) -> None:
    now = budget_changes.set_budget(path, plan("tenant=acme", counts_from_now=True))
    prepaid = budget_changes.set_budget(
        path, plan("tenant=globex", None, "", balance=Money(5 * USD))
    )
    assert windows(path, now.terms.id) == windows(path, prepaid.terms.id) == {}
    assert now.terms.counts_from_us == NOON
    assert [one.free for one in prepaid.standings] == [5 * USD]


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (plan("tenant=globex", None), BudgetUnfit),
        (plan("tenant=globex", 5 * USD, ""), BudgetUnfit),
        (plan("tenant=acme", counts_from_now=True), BudgetUnfit),
        (plan("tenant=*", None, "", balance=Money(USD)), BudgetUnfit),
        (plan("tenant=acme", None, "", balance=Money(0)), BudgetUnfit),
        (
            plan("tenant=acme", rules=(parse_rule("50% block"), parse_rule("80% downgrade"))),
            RulesClash,
        ),
    ],
)
def test_what_is_refused_changes_nothing(
    path: Path, bad: BudgetPlan, error: type[Exception]
) -> None:
    budget_changes.set_budget(path, plan("tenant=acme"))
    before = dump(path)
    with pytest.raises(error):
        budget_changes.set_budget(path, bad)
    assert dump(path) == before


def test_removing_needs_to_know_which(path: Path) -> None:
    acme = parse_selector("tenant=acme")
    month = budget_changes.set_budget(path, plan("tenant=acme"))
    budget_changes.set_budget(path, plan("tenant=acme", period="week"))
    before = dump(path)
    with pytest.raises(BudgetAmbiguous):
        budget_changes.remove_budget(path, acme)
    with pytest.raises(NoSuchBudget):
        budget_changes.remove_budget(path, acme, "day")
    assert dump(path) == before
    assert budget_changes.remove_budget(path, acme, "month").terms == month.terms
    (_, (revision, row)) = history(path, month.terms.id)
    assert (revision, row["removed_at"]) == (2, NOON)
    assert budget_changes.remove_budget(path, acme).terms.period == "week"
