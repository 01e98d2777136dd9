"""Money that is added: balances and their top-ups, boosts for a time, doubt that is set free."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ferrycli.rules.errors import (
    BudgetAmbiguous,
    BudgetUnfit,
    FerryError,
    NoSuchBudget,
    NoSuchKey,
)
from ferrycli.rules.selectors import Selector, parse_selector
from ferrycli.store import changes, grant_changes, reads_budgets
from ferrycli.store.budget_changes import set_budget
from ferrycli.store.changes import KeyPlan
from ferrycli.store.grant_changes import boost, release_doubt, topup
from ferrycli.store.planning import BudgetPlan, Money
from tests.store.kit import DAY_US, NOON, SECOND_US, USD, Clock, looking, make_key, rows
from tests.store.past import HOUR_US, dump, plan

MONDAY = NOON + 4 * DAY_US + 12 * HOUR_US
"""When the week of that Wednesday ends, in UTC."""


def grants(path: Path) -> list[dict[str, Any]]:
    return rows(path, "SELECT * FROM grants ORDER BY created_at, id")


def limit(path: Path, selector: Selector, now_us: int) -> int:
    """What may be spent of the one budget, at a moment."""
    with looking(path) as connection:
        connection.row_factory = None
        pairs = Selector(
            tuple(
                (name, connection.execute("SELECT id FROM keys").fetchone()[0])
                if name == "key"
                else (name, value)
                for name, value in selector.pairs
            )
        )
        (found,) = reads_budgets.of_selector(connection, pairs, now_us)
    return found.standings[0].limit_nanousd


@pytest.fixture
def prepaid(path: Path) -> Selector:
    """`tenant=acme`, with a balance of 20."""
    selector = parse_selector("tenant=acme")
    set_budget(path, BudgetPlan(selector, balance=Money(20 * USD, "first")))
    return selector


def test_a_balance_is_a_budget_without_limit_or_period_of_its_own(
    path: Path, prepaid: Selector
) -> None:
    (budget,) = rows(path, "SELECT * FROM budgets")
    wanted = {"is_prepaid": 1, "limit_nanousd": 0, "period": "total", "mode": "strict",
              "counts_from": NOON}  # fmt: skip
    assert {name: budget[name] for name in wanted} == wanted
    (grant,) = grants(path)
    assert (grant["budget_id"], grant["kind"], grant["note"]) == (budget["id"], "grant", "first")
    assert grant["amount_nanousd"] == grant["balance_nanousd"] == 20 * USD
    assert limit(path, prepaid, NOON) == 20 * USD


def test_what_was_spent_before_is_not_drawn_of_a_balance(path: Path) -> None:
    with looking(path) as connection:
        connection.execute(
            "INSERT INTO calls (seq, id, state, tenant, cost_nanousd, admitted_at)"
            " VALUES (1, 'c', 'settled', 'acme', 5, 5)"
        )
    set_budget(path, BudgetPlan(parse_selector("tenant=acme"), balance=Money(USD)))
    assert rows(path, "SELECT * FROM windows") == []


def test_a_balance_and_a_limit_stand_beside_each_other(path: Path, prepaid: Selector) -> None:
    made = set_budget(path, plan("tenant=acme", 50, "month"))
    assert made.before is None
    assert len(rows(path, "SELECT * FROM budgets")) == 2
    added = topup(path, prepaid, USD)
    assert added.budget.is_prepaid
    changed = set_budget(path, plan("tenant=acme", None, "", owner="ops"))
    assert changed.terms.id == made.terms.id


def test_rules_and_owner_of_a_balance_are_changed(path: Path, prepaid: Selector) -> None:
    changed = set_budget(path, plan("tenant=acme", None, "", owner="ops"))
    assert (changed.terms.owner, changed.terms.is_prepaid) == ("ops", True)
    with pytest.raises(BudgetUnfit) as refused:
        set_budget(path, plan("tenant=acme", 50, ""))
    assert refused.value.why == "no_period"


def test_a_topup_adds_to_what_is_left(path: Path, prepaid: Selector, clock: Clock) -> None:
    clock.move(60)
    added = topup(path, prepaid, 5 * USD, "inv\x1boice", NOON + DAY_US, "pay_1")
    assert (added.amount_nanousd, added.balance_nanousd, added.is_new) == (5 * USD, 25 * USD, True)
    _, grant = grants(path)
    assert (grant["note"], grant["external_id"]) == ("invoice", "pay_1")
    assert (grant["created_at"], grant["expires_at"]) == (clock.now_us, NOON + DAY_US)
    assert limit(path, prepaid, clock.now_us) == 25 * USD
    assert limit(path, prepaid, NOON + DAY_US) == 20 * USD


def test_the_same_id_is_granted_once(path: Path, prepaid: Selector, clock: Clock) -> None:
    first = topup(path, prepaid, 5 * USD, "a", external_id="pay_1")
    clock.move(60)
    before = dump(path)
    again = topup(path, prepaid, 7 * USD, "b", external_id="pay_1")
    assert (again.grant_id, again.is_new) == (first.grant_id, False)
    assert (again.amount_nanousd, again.created_at) == (5 * USD, NOON)
    assert dump(path) == before
    assert topup(path, prepaid, 5 * USD, external_id="pay_2").is_new
    assert topup(path, prepaid, 5 * USD).is_new
    assert topup(path, prepaid, 5 * USD).is_new
    other = parse_selector("tenant=bolt")
    set_budget(path, BudgetPlan(other, balance=Money(USD)))
    assert topup(path, other, 5 * USD, external_id="pay_1").is_new


def test_a_balance_is_what_is_left_with_what_is_held(path: Path, prepaid: Selector) -> None:
    topup(path, prepaid, 10 * USD, expires_at=NOON + 5)
    topup(path, prepaid, 40 * USD)
    with looking(path) as connection:
        for drawn, held, doubt, amount in ((3, 2, 1, 20), (4, 1, 2, 10)):
            connection.execute(
                "UPDATE grants SET drawn_nanousd = ?, held_nanousd = ?, doubt_nanousd = ?"
                " WHERE amount_nanousd = ?",
                (drawn * USD, held * USD, doubt * USD, amount * USD),
            )
        connection.execute("UPDATE grants SET voided_at = 1 WHERE amount_nanousd = ?", (40 * USD,))
    # 20 less 3 drawn; 10 less 4; of what was voided, what is held and in doubt.
    assert topup(path, prepaid, 7 * USD).balance_nanousd == (17 + 6 + 7) * USD


def test_what_an_expired_grant_holds_is_left(path: Path, prepaid: Selector, clock: Clock) -> None:
    topup(path, prepaid, 10 * USD, expires_at=NOON + 5)
    with looking(path) as connection:
        connection.execute(
            "UPDATE grants SET held_nanousd = ?, doubt_nanousd = ? WHERE amount_nanousd = ?",
            (2 * USD, USD, 10 * USD),
        )
    clock.move(60)
    assert topup(path, prepaid, 7 * USD).balance_nanousd == (20 + 2 + 1 + 7) * USD


@pytest.mark.parametrize(
    ("selector", "amount", "kind"),
    [
        ("tenant=acme", 0, BudgetUnfit),
        ("tenant=limited", 5, BudgetUnfit),
        ("tenant=nobody", 5, NoSuchBudget),
        ("key=nobody", 5, NoSuchKey),
        ("tenant=acme,user=u1", 5, NoSuchBudget),
    ],
)
def test_a_topup_that_cannot_be_changes_nothing(
    path: Path, prepaid: Selector, selector: str, amount: int, kind: type[FerryError]
) -> None:
    set_budget(path, plan("tenant=limited"))
    before = dump(path)
    with pytest.raises(kind):
        topup(path, parse_selector(selector), amount * USD)
    assert dump(path) == before


# Boosts -------------------------------------------------------------------------------------


def test_a_boost_counts_until_the_window_ends(path: Path) -> None:
    made = make_key(path, "acme", "50/week")
    added = boost(path, "acme", 20 * USD)
    assert (added.expires_at, added.is_new, added.budget.period) == (MONDAY, True, "week")
    key = Selector((("key", made.id),))
    assert limit(path, key, MONDAY - 1) == 70 * USD
    assert limit(path, key, MONDAY) == 50 * USD
    (grant,) = grants(path)
    assert (grant["kind"], grant["balance_nanousd"]) == ("boost", 0)


def test_boosts_add_up_each_until_its_own_end(path: Path) -> None:
    made = make_key(path, "acme", "50/month")
    boost(path, made.id, 20 * USD, NOON + DAY_US)
    boost(path, "acme", 5 * USD, NOON + 2 * DAY_US)
    key = Selector((("key", made.id),))
    ends = [NOON, NOON + DAY_US, NOON + 2 * DAY_US]
    assert [limit(path, key, at) // USD for at in ends] == [75, 55, 50]


def test_a_boost_of_a_balance_is_a_topup_that_expires(path: Path) -> None:
    changes.create_key(path, KeyPlan("acme", balance_nanousd=20 * USD))
    added = boost(path, "acme", 5 * USD, NOON + DAY_US)
    assert (added.balance_nanousd, added.expires_at) == (25 * USD, NOON + DAY_US)
    assert [one["kind"] for one in grants(path)] == ["grant", "grant"]
    assert boost(path, "acme", 5 * USD).expires_at is None


def test_which_of_several_is_boosted_is_said_by_its_period(path: Path) -> None:
    make_key(path, "acme", "50/month")
    set_budget(path, plan("key=acme", 5, "day"))
    with pytest.raises(BudgetAmbiguous) as refused:
        boost(path, "acme", USD)
    assert set(refused.value.periods) == {"month", "day"}
    assert boost(path, "acme", USD, period="day").budget.period == "day"
    with pytest.raises(NoSuchBudget):
        boost(path, "acme", USD, period="week")
    changes.edit_key(path, "acme", changes.KeyEdit(balance_nanousd=USD))
    assert boost(path, "acme", USD, period="balance").budget.is_prepaid


def test_which_of_two_zones_is_boosted_is_said_by_its_zone(path: Path) -> None:
    make_key(path, "acme", "50/month")
    set_budget(path, plan("key=acme", 5, "month", zone="Europe/Berlin"))
    with pytest.raises(BudgetAmbiguous) as refused:
        boost(path, "acme", USD, period="month")
    assert set(refused.value.zones) == {"UTC", "Europe/Berlin"}
    assert boost(path, "acme", USD, zone="Europe/Berlin").budget.zone == "Europe/Berlin"
    assert boost(path, "acme", USD, period="month", zone="UTC").budget.zone == "UTC"
    with pytest.raises(NoSuchBudget):
        boost(path, "acme", USD, zone="Asia/Tokyo")


@pytest.mark.parametrize(
    ("key", "budget", "amount", "kind"),
    [
        ("nobody", "", 5, NoSuchKey),
        ("acme", "", 5, NoSuchBudget),
        ("acme", "5/total", 5, BudgetUnfit),
        ("acme", "5/7d", 5, BudgetUnfit),
        ("acme", "5/day", 0, BudgetUnfit),
    ],
)
def test_a_boost_that_cannot_be_changes_nothing(
    path: Path, key: str, budget: str, amount: int, kind: type[FerryError]
) -> None:
    make_key(path, "acme", budget)
    before = dump(path)
    with pytest.raises(kind):
        boost(path, key, amount * USD)
    assert dump(path) == before


def test_what_never_ends_is_boosted_until_a_day_that_is_named(path: Path) -> None:
    make_key(path, "acme", "5/7d")
    assert boost(path, "acme", USD, NOON + DAY_US).expires_at == NOON + DAY_US


def test_a_server_sees_what_is_added(path: Path, prepaid: Selector) -> None:
    def epoch() -> int:
        return int(rows(path, "SELECT value FROM meta WHERE name = 'epoch'")[0]["value"])

    before = epoch()
    topup(path, prepaid, USD)
    assert epoch() > before


# Doubt --------------------------------------------------------------------------------------


def test_doubt_is_set_free_for_all_or_for_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grant_changes, "CALLS_AT_ONCE", 2)
    made = set_budget(path, plan("user=*", 5, "total"))
    with looking(path) as connection:
        for number in range(5):
            subject = f'["u{number % 2}"]'
            connection.execute(
                "INSERT INTO calls (seq, id, state, admitted_at, doubt_nanousd, windows, attempts)"
                " VALUES (?, ?, 'settled', ?, 3, ?, 1)",
                (
                    (NOON // 1000 << 21) + number,
                    f"c_{number}",
                    NOON,
                    json.dumps([[made.terms.id, subject, 0]]),
                ),
            )
        for subject, amount in (('["u0"]', 9), ('["u1"]', 6)):
            connection.execute(
                "INSERT INTO windows VALUES (?, ?, 0, 0, 0, ?)", (made.terms.id, subject, amount)
            )

    def doubt() -> dict[str, int]:
        found = rows(path, "SELECT * FROM windows")
        return {one["subject"]: one["doubt_nanousd"] for one in found}

    assert release_doubt(path, made.terms.id, '["u1"]') == 6
    assert doubt() == {'["u0"]': 9, '["u1"]': 0}
    assert release_doubt(path, made.terms.id) == 9
    assert doubt() == {'["u0"]': 0, '["u1"]': 0}
    assert release_doubt(path, made.terms.id) == 0
    made_of = [one["id"].partition("_")[0] for one in rows(path, "SELECT * FROM corrections")]
    assert made_of == ["corr"] * 5


def test_the_clock_of_a_boost_is_in_microseconds(path: Path, clock: Clock) -> None:
    make_key(path, "acme", "5/day", "Europe/Berlin")
    assert boost(path, "acme", USD).expires_at == NOON + 11 * HOUR_US
    clock.move(11 * 3_600)
    later = boost(path, "acme", USD).expires_at
    assert later == NOON + 35 * HOUR_US
    assert (later - clock.now_us) // SECOND_US == 86_400
