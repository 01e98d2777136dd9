"""A budget stands beside a row only where it bounds just the calls of that row."""

from __future__ import annotations

import json

import pytest

from ferrycli.report.budget_use import uses, windows_wanted
from ferrycli.rules.windows import MICROSECONDS
from ferrycli.store.reads import BudgetRow, KeyRow

DAY_US = 86_400 * MICROSECONDS
MONDAY = 1_794_787_200 * MICROSECONDS  # 2026-11-16 00:00 UTC
DOLLAR = 1_000_000_000


def key(name: str, revoked_at: int | None = None, **pins: str) -> KeyRow:
    policies = {dimension: ["pin", value] for dimension, value in pins.items()}
    policies |= {"user": ["allow", "somebody"]}
    return KeyRow(
        f"key_{name}", name, "fk_", "abcd", "call", "", json.dumps(policies), "[]", 0, None,
        revoked_at, None,
    )  # fmt: skip


def budget(name: str, period: str = "week") -> BudgetRow:
    id = f"b_{name}"
    return BudgetRow(id, f"key={name}", f"key_{name}", 50 * DOLLAR, period, "UTC", "strict",
                     0, 0, 0, 0)  # fmt: skip


KEYS = {
    "alone": [key("a", tenant="acme")],
    "two keys": [key("a", tenant="acme"), key("b", tenant="acme")],
    "two keys, one revoked without a budget": [
        key("a", tenant="acme"),
        key("b", revoked_at=1, tenant="acme"),
    ],
    "a narrower key beside": [key("a", tenant="acme"), key("b", tenant="acme", feature="x")],
    "nothing pinned": [key("a")],
    "another dimension pinned": [key("a", feature="acme")],
}


@pytest.mark.parametrize(
    ("keys", "by", "values"),
    [
        ("alone", ("tenant",), {("acme",)}),
        ("alone", ("key",), {("a",)}),
        ("alone", ("feature",), set()),
        ("alone", ("tenant", "feature"), set()),
        ("alone", ("user",), set()),
        ("two keys", ("tenant",), set()),
        ("two keys", ("key",), {("a",)}),
        ("two keys, one revoked without a budget", ("tenant",), {("acme",)}),
        ("a narrower key beside", ("tenant",), {("acme",)}),
        ("nothing pinned", ("tenant",), set()),
        ("another dimension pinned", ("tenant",), set()),
    ],
)
def test_a_budget_is_shown_where_it_is_all_that_may_be_spent(
    keys: str, by: tuple[str, ...], values: set[tuple[str, ...]]
) -> None:
    found = uses(by, KEYS[keys], [budget("a")], {"b_a": MONDAY}, {"b_a": 7 * DOLLAR})
    assert set(found) == values
    for use in found.values():
        assert (use.spent_nanousd, use.limit_nanousd) == (7 * DOLLAR, 50 * DOLLAR)
        assert (use.window_start, use.resets_at) == (MONDAY, MONDAY + 7 * DAY_US)


def test_both_pins_of_a_key_name_its_row() -> None:
    keys = [key("a", tenant="acme", feature="chat")]
    starts = {"b_a": MONDAY}
    assert set(uses(("feature", "tenant"), keys, [budget("a")], starts, {})) == {("chat", "acme")}
    assert uses(("tenant",), keys, [budget("a")], starts, {}) == {}


def test_a_window_without_a_call_has_spent_nothing() -> None:
    use = uses(("key",), KEYS["alone"], [budget("a", "total")], {"b_a": 0}, {})[("a",)]
    assert (use.spent_nanousd, use.resets_at) == (0, None)


def test_the_window_is_the_one_that_holds_the_moment() -> None:
    budgets = [budget("a", "day"), budget("b", "month"), budget("c", "total"), budget("d")]
    at = MONDAY + 5 * DAY_US + 1
    november = MONDAY - 15 * DAY_US
    assert windows_wanted(budgets, at) == {
        "b_a": MONDAY + 5 * DAY_US, "b_b": november, "b_c": 0, "b_d": MONDAY,
    }  # fmt: skip
