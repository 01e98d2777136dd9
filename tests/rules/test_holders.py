"""What bounds a key's holder for sure: what its calls always have, and nothing of others."""

from __future__ import annotations

import pytest

from ferrycli.rules.attribution import Policy
from ferrycli.rules.holders import sure_budgets, sure_facts, sure_limits
from ferrycli.rules.keys import KeyTerms
from ferrycli.rules.limits import LimitTerms
from ferrycli.rules.selectors import Selector
from ferrycli.rules.standings import Terms

KEY = KeyTerms(
    "key_1",
    "acme-web",
    "3f2a",
    policies={
        "tenant": Policy("pin", "acme"),
        "user": Policy("require"),
        "assistant": Policy("deny"),
        "feature": Policy("allow", "chat"),
        "priority": Policy("pin", "critical"),
    },
)

Pairs = tuple[tuple[str, str], ...]


def test_pinned_and_denied_dimensions_are_sure_and_no_other() -> None:
    assert sure_facts(KEY) == {"key": "key_1", "tenant": "acme", "assistant": ""}
    assert sure_facts(KeyTerms("key_2", "free", "0000")) == {"key": "key_2"}


CASES: list[tuple[Pairs, str | None]] = [
    ((("key", "key_1"),), ""),
    ((("key", "*"),), '["key_1"]'),
    ((("key", "key_2"),), None),
    ((("tenant", "acme"),), ""),
    ((("tenant", "*"),), '["acme"]'),
    ((("tenant", "globex"),), None),
    ((("key", "*"), ("tenant", "*")), '["key_1","acme"]'),
    ((("assistant", ""),), ""),
    ((("assistant", "*"),), None),
    ((("assistant", "bot"),), None),
    ((("user", "*"),), None),
    ((("user", ""),), None),
    ((("thread", ""),), None),
    ((("thread", "*"),), None),
    ((("feature", "chat"),), None),
    ((("provider", "openai"),), None),
    ((("route", ""),), None),
    ((("tag:team", ""),), None),
    ((("tenant", "acme"), ("feature", "chat")), None),
    ((("tenant", "acme"), ("thread", "*")), None),
    ((), ""),
]


@pytest.mark.parametrize(("pairs", "subject"), CASES)
def test_budget_bounds_every_call_or_is_not_told(pairs: Pairs, subject: str | None) -> None:
    facts = sure_facts(KEY)
    terms = Terms("b_1", "written", "month", "UTC", 1, subject=pairs)
    # As the books match: by subject, where a missing dimension counts as empty.
    found = Selector(pairs).subject(facts)
    matching = [] if found is None else [(terms, found)]
    expected = () if subject is None else ((terms, subject),)
    assert sure_budgets(matching, facts) == expected


@pytest.mark.parametrize(("pairs", "subject"), CASES)
def test_limit_bounds_every_call_or_is_not_told(pairs: Pairs, subject: str | None) -> None:
    facts = sure_facts(KEY)
    terms = LimitTerms("l_1", "written", pairs, 60, None, None)
    found = Selector(pairs).subject(facts)
    matching = [] if found is None else [(terms, found)]
    assert sure_limits(matching, facts) == (() if subject is None else (terms,))
