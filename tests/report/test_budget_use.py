"""A budget stands beside a row only where it bounds just the calls of that row."""

from __future__ import annotations

import json

import pytest

from ferrycli.report.budget_use import uses
from ferrycli.rules.selectors import subject_text
from ferrycli.rules.standings import Standing, Terms
from ferrycli.rules.windows import MICROSECONDS
from ferrycli.store.reads import KeyRow
from ferrycli.store.reads_budgets import BudgetFacts

DAY_US = 86_400 * MICROSECONDS
MONDAY = 1_794_787_200 * MICROSECONDS  # 2026-11-16 00:00 UTC
SUNDAY = MONDAY + 7 * DAY_US - 1
DOLLAR = 1_000_000_000


def key(name: str, revoked_at: int | None = None, **pins: str) -> KeyRow:
    policies = {dimension: ["pin", value] for dimension, value in pins.items()}
    policies |= {"user": ["allow", "somebody"]}
    return KeyRow(
        f"key_{name}", name, "fk_", "abcd", "call", "", json.dumps(policies), "[]", 0, None,
        revoked_at, None,
    )  # fmt: skip


def facts(
    pairs: dict[str, str], spent: dict[str, int], *, limit: int = 50, key_id: str = "",
    counts_from: int = 0, extra: int = 0,
) -> BudgetFacts:  # fmt: skip
    """A week's budget; `spent`: dollars by the value of its `*`, or by the empty text."""
    terms = Terms(
        "b", ",".join(f"{name}={value}" for name, value in pairs.items()), "week", "UTC",
        limit * DOLLAR, counts_from_us=counts_from, subject=tuple(pairs.items()),
    )  # fmt: skip
    standings = tuple(
        Standing(
            terms, MONDAY, MONDAY + 7 * DAY_US, amount * DOLLAR,
            subject=subject_text([value]) if value else "", extra_nanousd=extra * DOLLAR,
        )
        for value, amount in spent.items()
    )  # fmt: skip
    return BudgetFacts(terms, key_id, 0, 1, standings, ())


def own(name: str, spent: int = 7, limit: int = 50) -> BudgetFacts:
    return facts({"key": f"key_{name}"}, {"": spent}, limit=limit, key_id=f"key_{name}")


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
    found = uses(by, KEYS[keys], [own("a")], SUNDAY)
    assert set(found) == values
    for use in found.values():
        assert (use.spent_nanousd, use.limit_nanousd) == (7 * DOLLAR, 50 * DOLLAR)
        assert (use.window_start, use.resets_at) == (MONDAY, MONDAY + 7 * DAY_US)


def test_both_pins_of_a_key_name_its_row() -> None:
    keys = [key("a", tenant="acme", feature="chat")]
    assert set(uses(("feature", "tenant"), keys, [own("a")], SUNDAY)) == {("chat", "acme")}
    assert uses(("tenant",), keys, [own("a")], SUNDAY) == {}


@pytest.mark.parametrize(
    ("pairs", "spent", "by", "wanted"),
    [
        ({"tenant": "acme"}, {"": 3}, ("tenant",), {("acme",): 3}),
        ({"tenant": "acme"}, {"": 3}, ("feature",), {}),
        ({"tenant": "acme"}, {"": 3}, ("tenant", "feature"), {}),
        ({"tenant": ""}, {"": 3}, ("tenant",), {("",): 3}),
        ({"tenant": "*"}, {"acme": 3, "bolt": 4}, ("tenant",), {("acme",): 3, ("bolt",): 4}),
        ({"tenant": "*"}, {}, ("tenant",), {}),
        (
            {"tenant": "acme", "user": "*"}, {"u1": 3, "u2": 4}, ("user", "tenant"),
            {("u1", "acme"): 3, ("u2", "acme"): 4},
        ),
        ({"key": "*"}, {"key_a": 3, "key_gone": 4}, ("key",), {("a",): 3, ("key_gone",): 4}),
        ({"key": "key_a", "tenant": "acme"}, {"": 3}, ("tenant", "key"), {("acme", "a"): 3}),
        ({"tag:plan": "gold"}, {"": 3}, ("tenant",), {}),
    ],
)  # fmt: skip
def test_a_selector_stands_beside_the_values_that_it_is_for(
    pairs: dict[str, str],
    spent: dict[str, int],
    by: tuple[str, ...],
    wanted: dict[tuple[str, ...], int],
) -> None:
    found = uses(by, [key("a")], [facts(pairs, spent)], SUNDAY)
    assert {values: use.spent_nanousd // DOLLAR for values, use in found.items()} == wanted


def test_the_tightest_of_several_is_shown() -> None:
    keys = [key("a", tenant="acme")]
    loose, tight = facts({"tenant": "acme"}, {"": 30}), facts({"tenant": "*"}, {"acme": 8}, limit=9)
    found = uses(("tenant",), keys, [own("a"), loose, tight], SUNDAY)
    assert found[("acme",)].selector == "tenant=*"
    assert uses(("tenant",), keys, [tight, own("a", 50)], SUNDAY)[("acme",)].selector == "key=key_a"


def test_what_a_boost_adds_is_in_the_limit() -> None:
    found = uses(("tenant",), [], [facts({"tenant": "acme"}, {"": 3}, extra=20)], SUNDAY)
    assert found[("acme",)].limit_nanousd == 70 * DOLLAR


def test_a_budget_that_counts_from_later_on_says_nothing_of_the_span() -> None:
    later = facts({"tenant": "acme"}, {"": 0}, counts_from=SUNDAY + 1)
    assert uses(("tenant",), [], [later], SUNDAY) == {}
    assert set(uses(("tenant",), [], [later], SUNDAY + 1)) == {("acme",)}
