"""A key's own money, with the key: budget, balance, rules, limits; and another secret for it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ferrycli.rules.errors import (
    BadSelector,
    BudgetUnfit,
    FerryError,
    KeyRevoked,
    NoSuchKey,
    RuleUnknownName,
)
from ferrycli.rules.keys import is_well_formed
from ferrycli.rules.thresholds import parse_rule
from ferrycli.rules.windows import Allowance
from ferrycli.store import books, changes
from ferrycli.store.budget_changes import set_budget
from ferrycli.store.changes import KeyEdit, KeyPlan
from ferrycli.store.planning import BudgetPolicy, Limits
from tests.store.kit import DAY_US, NOON, SECOND_US, USD, Clock, looking, make_key, rows
from tests.store.past import HOUR_US, Past, budgets, dump, plan, windows


def policy(*texts: str, **more: Any) -> BudgetPolicy:
    return BudgetPolicy(tuple(parse_rule(text) for text in texts) or None, **more)


def key_of(path: Path, name: str) -> dict[str, Any]:
    (found,) = [one for one in rows(path, "SELECT * FROM keys") if one["name"] == name]
    return found


def allow(text: str) -> Allowance:
    return Allowance.parse(text)


# Made with the key --------------------------------------------------------------------------


def test_a_budget_of_a_key_has_the_usual_rules_and_its_owner(path: Path) -> None:
    made = changes.create_key(path, KeyPlan("acme", owner="ana", allowance=allow("50/month")))
    (row,) = budgets(path)
    assert json.loads(row["rules"]) == ["50% notify", "80% downgrade", "100% block"]
    assert (row["mode"], row["clamp"], row["owner"]) == ("strict", "unset", "ana")
    assert (row["key_id"], row["counts_from"]) == (made.id, NOON)
    (kept,) = rows(path, "SELECT * FROM revisions")
    assert (kept["object"], kept["id"], kept["revision"]) == ("budget", row["id"], 1)


def test_rules_mode_and_clamp_are_those_that_were_written(path: Path) -> None:
    given = policy("90% notify", mode="expected", clamp="always")
    changes.create_key(path, KeyPlan("acme", allowance=allow("5/7d"), policy=given))
    (row,) = budgets(path)
    assert (row["rules"], row["mode"], row["clamp"]) == ('["90% notify"]', "expected", "always")
    assert (row["period"], row["zone"]) == ("rolling 7d", "UTC")


def test_a_balance_of_a_key_is_its_first_grant(path: Path) -> None:
    made = changes.create_key(path, KeyPlan("acme", balance_nanousd=20 * USD))
    (row,) = budgets(path)
    (grant,) = rows(path, "SELECT * FROM grants")
    assert (row["is_prepaid"], row["key_id"], row["selector"]) == (1, made.id, "key=acme")
    assert (grant["budget_id"], grant["amount_nanousd"]) == (row["id"], 20 * USD)


def test_written_rules_are_of_the_limit_where_a_key_has_a_balance_too(path: Path) -> None:
    given = KeyPlan(
        "acme", allowance=allow("5/day"), balance_nanousd=USD, policy=policy("90% block")
    )
    changes.create_key(path, given)
    found = {one["is_prepaid"]: json.loads(one["rules"]) for one in budgets(path)}
    assert found == {0: ["90% block"], 1: ["50% notify", "80% downgrade", "100% block"]}


def test_limits_of_a_key_are_kept_with_it(path: Path) -> None:
    changes.create_key(path, KeyPlan("acme", limits=Limits(60, 1_000, 4)))
    row = key_of(path, "acme")
    assert (row["rpm"], row["tpm"], row["parallel_max"]) == (60, 1_000, 4)
    changes.edit_key(path, "acme", KeyEdit(limits=Limits(rpm=0, tpm=2_000)))
    row = key_of(path, "acme")
    assert (row["rpm"], row["tpm"], row["parallel_max"]) == (None, 2_000, 4)


REFUSED: dict[str, tuple[KeyPlan, type[FerryError]]] = {
    "a key that makes no calls": (
        KeyPlan("new", role="read", allowance=allow("5/day")),
        BadSelector,
    ),
    "an unknown channel": (
        KeyPlan("new", allowance=allow("5/day"), policy=policy("9% notify nobody", channels=())),
        RuleUnknownName,
    ),
    "an unknown route": (
        KeyPlan("new", allowance=allow("5/day"), policy=policy("9% free nowhere")),
        RuleUnknownName,
    ),
    "a balance of nothing": (KeyPlan("new", balance_nanousd=0), BudgetUnfit),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_key_whose_budget_cannot_be_is_not_made(path: Path, name: str) -> None:
    given, kind = REFUSED[name]
    before = dump(path)
    with pytest.raises(kind):
        changes.create_key(path, given)
    assert dump(path) == before


# Changed with the key -----------------------------------------------------------------------


def test_another_period_counts_back_so_that_no_change_gives_money_anew(
    path: Path, clock: Clock
) -> None:
    made = make_key(path, "acme", "50/month")
    past = Past(path)
    past.call(NOON - 3 * DAY_US, 7 * USD, key=made.id)
    past.call(NOON - HOUR_US, 4 * USD, key=made.id)
    clock.move(60)
    changes.edit_key(path, "acme", KeyEdit(allowance=allow("20/week")))
    (row,) = budgets(path)
    week = NOON - 2 * DAY_US - 12 * HOUR_US
    assert (row["period"], row["counts_from"], row["key_id"]) == ("week", week, made.id)
    assert windows(path, row["id"]) == {("", week): 4 * USD}


def test_a_limit_already_passed_is_told_at_once(path: Path) -> None:
    made = make_key(path, "acme")
    Past(path).call(NOON - HOUR_US, 9 * USD, key=made.id)
    changes.edit_key(path, "acme", KeyEdit(allowance=allow("10/week")))
    told = rows(path, "SELECT * FROM alerts ORDER BY threshold")
    assert [one["threshold"] for one in told] == [50, 80]


def test_a_rule_alone_changes_the_one_budget(path: Path) -> None:
    make_key(path, "acme", "50/month")
    changes.edit_key(path, "acme", KeyEdit(policy=policy("70% block")))
    (row,) = budgets(path)
    assert (row["rules"], row["limit_nanousd"]) == ('["70% block"]', 50 * USD)
    changes.edit_key(path, "acme", KeyEdit(policy=policy(clamp="always")))
    assert [(one["clamp"], one["rules"]) for one in budgets(path)] == [("always", '["70% block"]')]


def test_a_rule_for_no_budget_is_refused(path: Path) -> None:
    make_key(path, "acme")
    before = dump(path)
    with pytest.raises(BudgetUnfit):
        changes.edit_key(path, "acme", KeyEdit(owner="ben", policy=policy("70% block")))
    assert dump(path) == before


def test_one_limit_is_replaced_and_several_stay(path: Path) -> None:
    make_key(path, "acme", "50/month")
    changes.edit_key(path, "acme", KeyEdit(allowance=allow("5/day")))
    assert [one["period"] for one in budgets(path)] == ["day"]
    set_budget(path, plan("key=acme", 60, "month"))
    changes.edit_key(path, "acme", KeyEdit(allowance=allow("70/month")))
    found = {one["period"]: one["limit_nanousd"] // USD for one in budgets(path)}
    assert found == {"day": 5, "month": 70}
    changes.edit_key(path, "acme", KeyEdit(allowance=allow("9/week")))
    assert {one["period"] for one in budgets(path)} == {"day", "week", "month"}


def test_a_balance_is_added_once_and_stays_beside_a_limit(path: Path) -> None:
    make_key(path, "acme", "50/month")
    changes.edit_key(path, "acme", KeyEdit(balance_nanousd=USD))
    changes.edit_key(path, "acme", KeyEdit(allowance=allow("5/day")))
    assert {(one["period"], one["is_prepaid"]) for one in budgets(path)} == {
        ("day", 0),
        ("total", 1),
    }
    with pytest.raises(BudgetUnfit) as refused:
        changes.edit_key(path, "acme", KeyEdit(balance_nanousd=USD))
    assert refused.value.why == "has_balance"
    changes.edit_key(path, "acme", KeyEdit(removes_budget=True))
    assert budgets(path) == []


def test_a_new_owner_has_the_budgets_that_were_the_old_ones(path: Path) -> None:
    changes.create_key(path, KeyPlan("acme", owner="ana", allowance=allow("5/day")))
    set_budget(path, plan("key=acme", 60, "month", owner="ops"))
    changes.edit_key(path, "acme", KeyEdit(owner="ben"))
    assert {one["period"]: one["owner"] for one in budgets(path)} == {"day": "ben", "month": "ops"}


# Rotated ------------------------------------------------------------------------------------


def opened(path: Path, secret: str) -> tuple[str, int | None] | None:
    """The key's id that a server knows this secret by, and until when it does."""
    with looking(path) as connection:
        connection.row_factory = None
        found = books.load(connection)
    sha256 = hashlib.sha256(secret.encode()).hexdigest()
    key = found.keys.get(sha256)
    return None if key is None else (key.id, found.retiring.get(sha256))


def test_rotation_keeps_the_key_and_its_budget(path: Path, clock: Clock) -> None:
    first = make_key(path, "acme", "5/month")
    before = key_of(path, "acme")
    kept = budgets(path)
    clock.move(60)
    second = changes.rotate_key(path, "acme", clock.now_us + DAY_US)
    assert (second.id, second.name) == (first.id, "acme")
    assert is_well_formed(second.secret)
    assert second.secret != first.secret
    assert budgets(path) == kept
    changed = {"secret_sha256", "last4", "previous_sha256", "previous_last4", "previous_until",
               "version"}  # fmt: skip
    after = key_of(path, "acme")
    assert {name for name in after if after[name] != before[name]} == changed
    assert after["last4"] == second.last4 == second.secret[-4:]
    assert after["previous_last4"] == first.last4
    assert opened(path, second.secret) == (first.id, None)
    assert opened(path, first.secret) == (first.id, clock.now_us + DAY_US)


@pytest.mark.parametrize("grace", [None, NOON, NOON - SECOND_US])
def test_without_grace_the_old_secret_ends_at_once(path: Path, grace: int | None) -> None:
    first = make_key(path, "acme")
    second = changes.rotate_key(path, first.id, grace)
    assert opened(path, first.secret) is None
    assert opened(path, second.secret) is not None
    assert key_of(path, "acme")["previous_until"] is None


def test_the_secret_before_the_last_one_ends_with_the_next_rotation(path: Path) -> None:
    first = make_key(path, "acme")
    second = changes.rotate_key(path, "acme", NOON + DAY_US)
    third = changes.rotate_key(path, "acme", NOON + DAY_US)
    assert opened(path, first.secret) is None
    assert opened(path, second.secret) == (first.id, NOON + DAY_US)
    assert opened(path, third.secret) == (first.id, None)


def test_a_revoked_key_gets_no_other_secret(path: Path) -> None:
    make_key(path, "acme")
    changes.revoke_key(path, "acme")
    before = dump(path)
    with pytest.raises(KeyRevoked):
        changes.rotate_key(path, "acme")
    with pytest.raises(NoSuchKey):
        changes.rotate_key(path, "nobody")
    assert dump(path) == before


def test_a_rotated_secret_is_nowhere_in_the_file(path: Path) -> None:
    make_key(path, "acme")
    made = changes.rotate_key(path, "acme", NOON + DAY_US)
    seen = "\n".join(dump(path))
    assert made.secret not in seen
    assert made.secret[3:20] not in seen
    assert hashlib.sha256(made.secret.encode()).hexdigest() in seen
