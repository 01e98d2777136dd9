"""What a denied row says of why: the rule that refused, and words without the caller's own."""

from __future__ import annotations

import pytest

from ferrycli.rules.budget import refusal_of
from ferrycli.rules.denials import BadParameter, LoopDetected, RateLimited
from ferrycli.rules.errors import FerryError
from ferrycli.rules.standings import Standing, Terms
from ferrycli.rules.thresholds import parse_rule
from ferrycli.store.refused import free_of, reason_of, rule_of


def standing(spent: int, *rules: str) -> Standing:
    """Of $100 a month for tenant acme."""
    terms = Terms(
        "b", "tenant=acme", "month", "UTC", 100, rules=tuple(parse_rule(one) for one in rules)
    )
    return Standing(terms, 0, None, spent=spent)


RULES = [
    # What is spent of 100, the rules, and the one that refuses.
    (100, ("80% downgrade", "100% block"), "tenant=acme: 100% block"),
    (100, ("100% free",), "tenant=acme: 100% free"),
    (90, ("80% block all", "100% notify"), "tenant=acme: 80% block all"),
    # It has no money for the call: that is 100 %.
    (99, ("80% downgrade", "100% block"), "tenant=acme: 100% block"),
    (99, ("80% downgrade", "100% notify"), ""),
    (99, ("120% block",), ""),
    (99, (), ""),
]


@pytest.mark.parametrize(("spent", "rules", "said"), RULES)
def test_rule_that_refuses_is_named(spent: int, rules: tuple[str, ...], said: str) -> None:
    one = standing(spent, *rules)
    assert rule_of(refusal_of(one, 5, is_spent=True), one) == said
    assert rule_of(refusal_of(one, 5, is_spent=False), one) == ""


OTHERS: list[tuple[FerryError, str, bool]] = [
    # A refusal, the limit that it names, and whether its words are kept.
    (RateLimited("key=web", "rpm", 60, 60), "key=web: rpm 60", True),
    (RateLimited("tenant=acme", "throttle", 3, 3), "tenant=acme: throttle 3/min", True),
    (LoopDetected("t-1", "request", 25), "", True),
    (BadParameter("model", "what the caller wrote", "the name of a model"), "", False),
]


@pytest.mark.parametrize(("refusal", "rule", "is_kept"), OTHERS)
def test_what_no_budget_refuses_has_no_amounts(
    refusal: FerryError, rule: str, is_kept: bool
) -> None:
    assert rule_of(refusal, None) == rule
    assert bool(reason_of(refusal)) == is_kept
    assert free_of(refusal) is None


def test_what_was_needed_is_kept_in_words() -> None:
    refusal = refusal_of(standing(90), 20, is_spent=True)
    assert "this call needs $0.000000020 of $0.000000010 left" in reason_of(refusal)
    assert free_of(refusal) == 10
