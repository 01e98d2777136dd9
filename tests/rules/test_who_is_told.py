"""What a call is told: why it went where it went, or who refused it and what it needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ferrycli.rules.admission import Contender, Denial, Passage, decide
from ferrycli.rules.budget import Admission, Ask
from ferrycli.rules.ceilings import Ceiling
from ferrycli.rules.denials import BudgetBusy, BudgetRefusal, BudgetSpent, NoTarget
from ferrycli.rules.standings import Standing, Terms
from ferrycli.rules.thresholds import parse_rule
from tests.rules.arithmetic import dollars

LIMIT = dollars("100")
COST = dollars("1")


def window(spent: int, rule: str = "", *, id: str = "b", held: int = 0, **terms: Any) -> Standing:
    rules = (parse_rule(rule),) if rule else ()
    made = Terms(id, f"tenant={id}", "month", "UTC", LIMIT, rules=rules, **terms)
    return Standing(made, 1_000, 2_000, spent, held)


def target(cost: int, *standings: Standing, tier: str = "normal", **more: Any) -> Contender:
    given: dict[str, Any] = {
        "target": "up/m",
        "ceiling": Ceiling(cost, 0),
        "is_priced": True,
        "is_free": cost == 0,
        "output_asked": 100,
        "output_max": 64_000,
        "expected_nanousd": cost,
    } | more
    return Contender(Ask(**given), standings, tier)


def passed(*contenders: Contender) -> Admission:
    verdict = decide(contenders, is_critical=False)
    assert isinstance(verdict, Passage), verdict
    return verdict.admission


def refused(*contenders: Contender) -> BudgetRefusal:
    verdict = decide(contenders, is_critical=False)
    assert isinstance(verdict, Denial), verdict
    assert isinstance(verdict.refusal, BudgetRefusal)
    return verdict.refusal


# Why it went -------------------------------------------------------------------------------------


def test_the_reason_says_so_where_no_cheaper_target_can_carry_the_call() -> None:
    """Downgrade is active, and yet the call goes to its normal target: somebody will ask why."""
    full = window(dollars("83"), "80% downgrade")
    admission = passed(target(COST, full))
    assert (admission.tier, admission.rule) == ("normal", "tenant=b: 80% downgrade")
    assert admission.reason == "tenant=b: no cheaper target can carry it"


@pytest.mark.parametrize("spent", [0, LIMIT])
def test_a_call_that_no_rule_concerns_has_no_reason(spent: int) -> None:
    outside = window(spent, "80% downgrade", id="a", mode="soft")
    chosen = window(0)
    admission = passed(target(COST, chosen), target(COST, outside))
    assert (admission.index, admission.rule, admission.reason) == (0, "", "")


# Who refused it ----------------------------------------------------------------------------------

BARRED = [
    # Windows by id: spent, rule; and who is named.
    ({"a": (LIMIT, "100% block"), "b": (LIMIT + 5, "100% block")}, "b"),
    ({"a": (LIMIT + 5, "100% block"), "b": (LIMIT, "100% block")}, "a"),
    ({"a": (LIMIT // 2, "50% block"), "b": (LIMIT, "")}, "b"),
    ({"a": (LIMIT // 2, "50% free"), "b": (LIMIT - 1, "")}, "b"),
    # One that has less than the other, and enough for the call.
    ({"a": (LIMIT // 2, "50% block"), "b": (LIMIT // 2 + 1, "")}, "a"),
]


@pytest.mark.parametrize(("windows", "who"), BARRED)
def test_of_budgets_that_refuse_for_a_rule_or_for_money_the_one_with_least_is_named(
    windows: dict[str, tuple[int, str]], who: str
) -> None:
    standings = [window(spent, rule, id=id) for id, (spent, rule) in windows.items()]
    for order in (standings, standings[::-1]):
        refusal = refused(target(COST, *order))
        assert isinstance(refusal, BudgetSpent)
        assert refusal.budget == who


def test_who_refuses_by_a_rule_is_named_where_another_only_holds_its_money() -> None:
    """Nothing that comes back would let the call go."""
    barring, busy = window(LIMIT // 2, "50% block", id="a"), window(0, id="b", held=LIMIT)
    refusal = refused(target(COST, barring, busy))
    assert isinstance(refusal, BudgetSpent)
    assert refusal.budget == "a"


def test_who_holds_its_money_is_named_where_another_target_is_barred() -> None:
    barring, busy = window(LIMIT // 2, "50% block", id="a"), window(0, id="b", held=LIMIT)
    refusal = refused(target(COST, barring), target(COST, busy))
    assert isinstance(refusal, BudgetBusy)
    assert refusal.budget == "b"


NEEDED = [
    # The caller's limit, clamp, and the tokens that the shortest answer sold to it has.
    (None, "unset", 1_024),
    (None, "always", 1_024),
    (8_193, "unset", 1_024),
    (8_192, "unset", 8_192),
    (8_192, "always", 1_024),
    (100, "unset", 100),
    (100, "always", 100),
    (0, "unset", 0),
]


@pytest.mark.parametrize(("asked", "clamp", "tokens"), NEEDED)
def test_a_call_that_a_rule_refuses_is_told_the_least_that_it_would_have_held(
    asked: int | None, clamp: str, tokens: int
) -> None:
    """An open answer needs the shortest one that is sold, not its input alone."""
    full = window(LIMIT // 2, "50% block", clamp=clamp)
    ask: dict[str, Any] = {"ceiling": Ceiling(7, 1_000_000), "output_asked": asked}
    assert refused(target(COST, full, **ask)).needed_nanousd == 7 + tokens


@pytest.mark.parametrize("mode", ["expected", "soft"])
def test_elsewhere_it_is_told_what_it_would_probably_have_cost(mode: str) -> None:
    full = window(LIMIT // 2, "50% free", mode=mode)
    assert refused(target(COST, full, ceiling=Ceiling(7, 0))).needed_nanousd == COST
    strict = window(LIMIT // 2, "50% block")
    assert refused(target(COST, strict, ceiling=None)).needed_nanousd == COST


# Without a budget --------------------------------------------------------------------------------


@pytest.mark.parametrize("tier", ["cheaper", "free"])
@pytest.mark.parametrize("count", [1, 2])
def test_no_level_opens_for_calls_without_a_budget(tier: str, count: int) -> None:
    """One target more or less makes no difference."""
    contenders: Sequence[Contender] = [target(COST, tier=tier)] * count
    verdict = decide(contenders, is_critical=False)
    assert isinstance(verdict, Denial)
    assert isinstance(verdict.refusal, NoTarget)
