"""`ferry routes explain`: what a call would come to, decided as a server decides and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Any

import pytest

from ferrycli.report.explain import explain_json, explain_lines
from ferrycli.rules.admission import Contender, decide
from ferrycli.rules.attribution import Attribution
from ferrycli.rules.budget import Ask
from ferrycli.rules.ceilings import Bounds, ceiling
from ferrycli.rules.choices import Roads, Wanted, survey
from ferrycli.rules.circuit import OPEN, CircuitState
from ferrycli.rules.explained import Explained, explain
from ferrycli.rules.keys import KeyTerms
from ferrycli.rules.pricing import Rate, RateCard, Step
from ferrycli.rules.routes import Assignment, Assignments, Route, parse_target
from ferrycli.rules.routing import ProviderTerms
from ferrycli.rules.selectors import Selector
from ferrycli.rules.standings import Standing, Terms
from ferrycli.rules.thresholds import parse_rule

USD = 1_000_000_000
NOW = 1_794_906_000_000_000  # Tue 2026-11-17 09:00:00 UTC.
DAY_US = 86_400_000_000

KEY = KeyTerms("key_1", "web", "3f2a", models=("openai/*", "eu/*"))
PROVIDERS = (
    ProviderTerms("openai", "openai"),
    ProviderTerms("anthropic", "anthropic"),
    ProviderTerms("eu", "compatible"),
)
PRICES = {
    "openai/big": Rate(input=4 * USD, output=20 * USD),
    "openai/other": Rate(input=5 * USD, output=10 * USD),
    "openai/small": Rate(input=USD // 10, output=USD // 2),
    "eu/gift": Rate(input=0, output=0),
}
ROUTES = {
    name: Route(name, tuple(map(parse_target, targets)), cheaper, free)
    for name, targets, cheaper, free in (
        ("chat", ("openai/big if used<90", "openai/other", "anthropic/big"), "cheap", "gratis"),
        ("cheap", ("openai/small",), "", ""),
        ("gratis", ("eu/gift",), "", ""),
        ("bare", ("openai/big", "openai/other"), "", ""),
    )
}
ASSIGNED = Assignment("as_1", Selector((("tenant", "globex"),)), "tenant=globex", "cheap")


def card(target: str) -> RateCard | None:
    rate = PRICES.get(target)
    if rate is None:
        return None
    return RateCard("", target, (Step(0, rate),), output_tokens_max=1_000)


def budget(selector: str, spent: int, *rules: str, limit: int = 100) -> Standing:
    """A budget in dollars, with a window that ends in a day."""
    terms = Terms(
        f"b_{selector}", selector, "day", "UTC", limit * USD, rules=tuple(map(parse_rule, rules))
    )
    return Standing(terms, NOW, NOW + DAY_US, spent * USD)


def ask(target: str) -> Ask:
    found = card(target)
    return Ask(
        target=target,
        ceiling=ceiling(found, Bounds(1_000)) if found is not None else None,
        is_priced=found is not None,
        is_free=found is not None and found.is_free,
        output_asked=None,
        output_max=1_000,
        expected_nanousd=5,
    )


def explained(
    model: str = "chat",
    standings: Sequence[Standing] = (),
    blocked: Sequence[str] = (),
    **said: Any,
) -> Explained:
    key = said.pop("key", KEY)
    call = Wanted(model, key, Attribution(**said), input_tokens=500)
    states = {one: CircuitState(OPEN, NOW, NOW + 60_000_000, "503 overloaded") for one in blocked}
    roads = Roads(
        PROVIDERS,
        lambda provider, model: f"{provider.name}/{model}" in PRICES,
        lambda: list(PRICES),
        ROUTES,
        Assignments((ASSIGNED,)),
        blocked=states.get,
    )
    found = survey(call, roads, now_us=NOW)
    contenders = [
        Contender(ask(str(one.target)), tuple(standings), one.tier, one.via, one.condition)
        for one in found.choices
    ]
    decision = decide(contenders, is_critical=False) if contenders else None
    return explain(call, found, contenders, decision, card, NOW)


def text(value: Explained, width: int = 100) -> str:
    assignments = {ASSIGNED.id: ASSIGNED}
    return "\n".join(
        line.plain for line in explain_lines(value, UTC, width, assignments=assignments)
    )


def places(value: Explained) -> dict[str, int]:
    return {one.target: one.place for one in value.targets}


RULES = ("50% notify", "80% downgrade", "95% free", "110% block")


def test_without_budgets_the_first_target_goes_and_the_next_follows() -> None:
    value = explained()
    assert places(value) == {
        "openai/big": 1, "openai/other": 2, "openai/small": 0, "eu/gift": 0, "anthropic/big": 0,
    }  # fmt: skip
    drawn = text(value)
    assert "✓ goes to openai/big" in drawn
    assert "if that fails, to openai/other" in drawn
    assert "no budget matches" in drawn
    assert "anthropic/big  the key may not use it" in drawn
    assert "chat, asked for as the model" in drawn


def test_a_rule_that_is_active_moves_the_call_and_is_named() -> None:
    value = explained(standings=[budget("tenant=acme", 85, *RULES)], tenant="acme")
    assert places(value)["openai/small"] == 1
    assert places(value)["openai/big"] == 0
    drawn = text(value)
    assert "✓ goes to openai/small" in drawn
    assert "cheaper: tenant=acme: 80% downgrade" in drawn
    assert "$15.00 that is free of budget tenant=acme" in drawn
    assert "85%" in drawn


def test_a_rule_that_cannot_move_the_call_is_named_too() -> None:
    value = explained("openai/big", [budget("tenant=acme", 85, *RULES)], tenant="acme")
    drawn = text(value)
    assert "✓ goes to openai/big" in drawn
    assert "normal: tenant=acme: 80% downgrade" in drawn
    assert "no cheaper target can carry it" in drawn
    assert explain_json(value)["reason"] == "tenant=acme: no cheaper target can carry it"


def test_a_target_whose_condition_is_not_met_now_says_so() -> None:
    value = explained(standings=[budget("tenant=acme", 92, "99% notify")], tenant="acme")
    assert places(value)["openai/other"] == 1
    assert "openai/big  its condition is not met now: used<90" in text(value)
    assert "openai/big  while used<90" in text(explained())


def test_a_refusal_is_drawn_with_its_words_and_what_each_target_lacks() -> None:
    value = explained("bare", [budget("tenant=acme", 100, "100% block")], tenant="acme")
    assert value.admission is None
    assert set(places(value).values()) == {0}
    drawn = text(value)
    assert "✗ refused with HTTP 429 insufficient_quota" in drawn
    assert "budget `tenant=acme` has spent $100.00 of $100.00" in drawn
    assert drawn.count("✗ refused") == 3
    found = explain_json(value)
    assert (found["goes"], found["refusal"]["code"]) == (False, "insufficient_quota")
    assert found["hold_nanousd"] is None


def test_where_no_target_is_left_no_budget_is_asked() -> None:
    value = explained(
        "bare", [budget("tenant=acme", 1)], key=KeyTerms("key_2", "k", "0", models=("x",))
    )
    drawn = text(value)
    assert "✗ refused with HTTP 403 model_not_allowed" in drawn
    assert drawn.count("✗ dropped") == 2
    assert value.budgets == ()
    assert "no budget was asked: no target is left" in drawn
    assert "nothing bounds what it spends" not in drawn


def test_what_would_be_held_is_told() -> None:
    value = explained("bare", [budget("tenant=acme", 99, "100% block")], tenant="acme")
    first = value.targets[0]
    # 1,000 tokens in at $4 a million, 1,000 out at $20, and a nano-dollar for each of 13 lines.
    whole = 4 * USD // 1_000 + 20 * USD // 1_000 + 13
    assert (first.ceiling_nanousd, first.hold_nanousd) == (whole, whole)
    assert "$0.024000013 while it runs" in text(value)
    found = explain_json(value)
    assert (found["hold_nanousd"], found["free_nanousd"]) == (whole, USD)
    assert found["budgets"][0]["is_binding"] is True


@pytest.mark.parametrize(
    ("said", "model", "expected"),
    [
        ({"tenant": "globex"}, "chat", "cheap, assigned to tenant=globex (as_1)"),
        ({"route": "cheap"}, "chat", "cheap, as X-Ferry-Route says"),
        ({}, "cheap", "cheap, asked for as the model"),
        ({}, "openai/big", "none: the call names the model itself"),
    ],
)
def test_what_decided_is_told(said: dict[str, Any], model: str, expected: str) -> None:
    assert expected in text(explained(model, **said))


def test_open_circuits_are_told_with_their_time() -> None:
    drawn = text(explained("bare", blocked=["openai/big"]))
    assert "openai/big  its circuit is open until 09:01:00 UTC (503 overloaded)" in drawn
    drawn = text(explained("bare", blocked=["openai/big", "openai/other"]))
    assert "and there is no other" in drawn
    assert "✓ goes to openai/big" in drawn


def test_the_budget_with_the_least_free_money_is_first_where_it_is_fullest() -> None:
    some = [budget("tenant=acme", 10), budget("feature=chat", 60), budget("user=*", 30)]
    found = explain_json(explained("bare", some))
    assert [one["selector"] for one in found["budgets"]] == [
        "feature=chat",
        "user=*",
        "tenant=acme",
    ]
    assert [one["is_binding"] for one in found["budgets"]] == [True, False, False]


def test_the_object_has_every_target_kept_or_dropped() -> None:
    found = explain_json(explained(tenant="acme", tags=(("env", "dev"),)))
    assert (found["schema"], found["tenant"], found["tags"]) == (
        "ferry.explain/1", "acme", {"env": "dev"},
    )  # fmt: skip
    assert [(one["target"], one["tier"], one["is_kept"]) for one in found["targets"]] == [
        ("openai/big", "normal", True),
        ("openai/other", "normal", True),
        ("openai/small", "cheaper", True),
        ("eu/gift", "free", True),
        ("anthropic/big", "normal", False),
    ]
    assert found["targets"][4]["code"] == "key"
    assert found["targets"][3]["ceiling_nanousd"] == 0


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_tables_fit_their_terminal(width: int) -> None:
    some = [budget("tenant=acme,feature=report-writer", 85, *RULES), budget("user=*", 30)]
    drawn = text(explained(standings=some, tenant="acme"), width)
    tables = [line for line in drawn.splitlines() if "openai/" in line and "✓ goes to" not in line]
    assert tables
    assert max(map(len, tables)) <= width
    assert "user=*" in drawn
