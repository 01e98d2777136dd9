"""What the catalogue lacks and is published: each entry by what it makes a call cost."""

from __future__ import annotations

import re

import pytest

from ferrycli.prices import overlay
from ferrycli.prices.cards import Cards, published, source
from ferrycli.prices.catalogue import catalogue_version, find_card
from ferrycli.prices.overlay import EDITION, FEES, FORMER, KEPT, PLACED, SCALED
from ferrycli.rules.ceilings import Bounds, ceiling
from ferrycli.rules.pricing import Override, Rate, RateCard, price_call
from ferrycli.rules.usage import Usage
from tests.rules.arithmetic import dollars, mtok

NOW_US = 1_795_176_000_000_000
"""2026-11-20 12:00 UTC."""

TOKENS = Usage(input=1_000, output=100)


def card_of(catalogue: str, model: str, place: str = "") -> RateCard:
    card = published(catalogue, model, NOW_US, place)
    assert card is not None
    return card


def cost(catalogue: str, model: str, tier: str, usage: Usage = TOKENS) -> tuple[int, bool]:
    made = price_call(usage, card_of(catalogue, model), tier)
    return made.total, made.is_incomplete


def test_every_entry_names_where_it_is_from() -> None:
    sources = [one.source for one in SCALED] + [one.source for one in PLACED]
    sources += [one.source for one in FEES] + [one.source for one in KEPT]
    sources += [one.source for one in FORMER]
    for said in sources:
        assert re.search(r"https://|^the same p", said), said


TIERS = [
    # Ultrafast: six times, for the one model whose price is published.
    ("openai", "gpt-6-astra", "", mtok("10", 1_000) + mtok("50", 100), True),
    ("openai", "gpt-6-astra", "ultrafast", mtok("60", 1_000) + mtok("300", 100), True),
    ("openai", "gpt-6.1-sol", "ultrafast", mtok("2", 1_000) + mtok("10", 100), False),
    # Where inference runs: 1.1 times, on top of fast mode too; older models refuse to be asked.
    ("anthropic", "claude-opus-5-5", "standard+us", mtok("4.4", 1_000) + mtok("22", 100), True),
    ("anthropic", "claude-opus-5-5", "standard+global", mtok("4", 1_000) + mtok("20", 100), True),
    ("anthropic", "claude-opus-5-5", "fast+us", mtok("8.8", 1_000) + mtok("44", 100), True),
    ("anthropic", "claude-opus-4-5", "us", mtok("5", 1_000) + mtok("25", 100), False),
    ("anthropic", "claude-sonnet-4-5", "not_available", mtok("3", 1_000) + mtok("15", 100), True),
    # Gemini's tiers.
    ("google", "gemini-2.5-flash", "flex", mtok("0.15", 1_000) + mtok("1.25", 100), True),
    ("google", "gemini-2.5-flash", "on_demand_flex", mtok("0.15", 1_000) + mtok("1.25", 100), True),
    ("google", "gemini-3.8-flash", "priority", mtok("1.35", 1_000) + mtok("6.75", 100), True),
    ("google", "gemini-2.5-flash", "priority", mtok("0.6", 1_000) + mtok("5", 100), False),
    ("google", "gemini-2.5-flash", "provisioned", mtok("0.3", 1_000) + mtok("2.5", 100), False),
    # No page of AWS that can be read has figures.
    ("aws", "us.amazon.nova-pro-v1:0", "flex", mtok("0.8", 1_000) + mtok("3.2", 100), False),
    ("aws", "us.amazon.nova-pro-v1:0", "priority", mtok("0.8", 1_000) + mtok("3.2", 100), False),
    ("aws", "us.amazon.nova-pro-v1:0", "default", mtok("0.8", 1_000) + mtok("3.2", 100), True),
    ("x-ai", "grok-4.5", "priority", mtok("2", 1_000) + mtok("6", 100), False),
]  # fmt: skip


@pytest.mark.parametrize(("catalogue", "model", "tier", "expected", "is_sure"), TIERS)
def test_a_tier_costs_what_is_published(
    catalogue: str, model: str, tier: str, expected: int, is_sure: bool
) -> None:
    assert cost(catalogue, model, tier) == (expected, not is_sure)


def test_cached_tokens_may_not_be_halved_with_the_rest() -> None:
    usage = Usage(input=1_000, cache_read=500, output=100)
    total = mtok("0.15", 1_000) + mtok("0.03", 500) + mtok("1.25", 100)
    assert cost("google", "gemini-2.5-flash", "flex", usage) == (total, True)


def test_a_tier_of_the_catalogue_is_left_as_it_is() -> None:
    card = card_of("google", "gemini-3.8-flash-tts")
    assert {"flex", "priority"} <= set(dict(card.tiers))
    assert {"flex", "priority"}.isdisjoint(factor.word for factor in card.factors)


WRITES = [
    ("openai", "gpt-5.6-sol", "", "8", True),
    ("openai", "gpt-5.6-sol", "flex", "4", True),
    ("openai", "gpt-5.6-sol", "priority", "16", True),
    # A model that bills no writes: as plain input, and who knows.
    ("openai", "gpt-4o", "", "2.5", False),
    ("anthropic", "claude-opus-5-5", "", "8", False),
]


@pytest.mark.parametrize(("catalogue", "model", "tier", "milli_usd", "is_sure"), WRITES)
def test_a_write_for_12_hours_costs_twice_the_input(
    catalogue: str, model: str, tier: str, milli_usd: str, is_sure: bool
) -> None:
    usage = Usage(cache_write_12h=1_000)
    assert cost(catalogue, model, tier, usage) == (mtok(milli_usd, 1_000), not is_sure)


def test_a_long_context_reprices_writes_for_12_hours_too() -> None:
    usage = Usage(input=1, cache_write_12h=272_000)
    assert cost("openai", "gpt-5.6-sol", "", usage)[0] == mtok("8", 1) + mtok("16", 272_000)


SEARCHES = [
    ("x-ai", "grok-4.5", 3 * dollars("0.005"), True),
    ("anthropic", "claude-opus-5-5", 3 * dollars("0.010"), True),
    ("google", "gemini-2.5-flash", 3 * dollars("0.035"), True),
    # No fee is known: the tokens are priced.
    ("groq", "openai/gpt-oss-20b", 0, False),
]


@pytest.mark.parametrize(("catalogue", "model", "fees", "is_sure"), SEARCHES)
def test_a_web_search_costs_its_fee(catalogue: str, model: str, fees: int, is_sure: bool) -> None:
    tokens, _ = cost(catalogue, model, "")
    usage = Usage(input=1_000, output=100, web_search=3)
    assert cost(catalogue, model, "", usage) == (tokens + fees, not is_sure)


PLACES = [
    ("openai", "gpt-5.6-sol", "eu", "4.4", True),
    ("openai", "gpt-5.4", "us", "2.75", True),
    ("openai", "gpt-4o-mini", "eu", "0.15", True),
    ("openai", "gpt-realtime-2", "eu", "4.4", False),
    ("openai", "gpt-5.6-sol", "", "4", True),
    ("x-ai", "grok-4.5", "us-east-1", "2.2", True),
    ("x-ai", "grok-4.5", "eu-west-1", "2", True),
    ("google", "claude-opus-5", "us-east5", "5.5", True),
    ("google", "claude-sonnet-4-5", "eu", "3.3", True),
    ("google", "claude-3-haiku", "us-east5", "0.25", True),
    ("google", "gemini-2.5-flash", "us-central1", "0.33", False),
    # Of Bedrock the profile says it, which is the model's own name.
    ("aws", "eu.anthropic.claude-opus-5", "eu-west-1", "5.5", True),
    ("aws", "global.anthropic.claude-opus-5", "eu-west-1", "5", True),
    ("aws", "us.amazon.nova-lite-v1:0", "us-east-1", "0.06", True),
]


@pytest.mark.parametrize(("catalogue", "model", "place", "milli_usd", "is_sure"), PLACES)
def test_an_address_in_a_place_of_its_own_costs_more(
    catalogue: str, model: str, place: str, milli_usd: str, is_sure: bool
) -> None:
    made = price_call(Usage(input=1_000), card_of(catalogue, model, place), "")
    assert (made.total, made.is_incomplete) == (mtok(milli_usd, 1_000), not is_sure)


def test_a_place_scales_every_tier_and_step() -> None:
    card = card_of("openai", "gpt-5.6-sol", "eu")
    assert card.rate(272_001, "priority")[0].output == dollars("66")
    assert card.rate(1, "")[0].web_search == dollars("10000")


def test_who_asks_for_nothing_holds_what_may_come_unasked() -> None:
    claude = ceiling(card_of("anthropic", "claude-opus-5-5"), Bounds(1_000, tier=""))
    astra = ceiling(card_of("openai", "gpt-6-astra"), Bounds(1_000, tier="default"))
    assert claude is not None
    assert astra is not None
    # A workspace may keep to the US; nobody is served ultrafast who did not say so.
    assert claude.output_rate == dollars("22")
    assert astra.output_rate == dollars("50")


CUT_US = 1_787_270_400_000_000
"""2026-08-21 00:00 UTC."""

FORMERLY = [
    (CUT_US - 1, 1_000, "5", "30"),
    (CUT_US, 1_000, "2", "10"),
    (CUT_US - 1, 272_001, "10", "45"),
]


@pytest.mark.parametrize(("at_us", "tokens", "input_usd", "output_usd"), FORMERLY)
def test_openrouter_s_former_price_is_known(
    at_us: int, tokens: int, input_usd: str, output_usd: str
) -> None:
    card = published("openrouter", "openai/gpt-5.6-sol", at_us)
    assert card is not None
    made = price_call(Usage(input=tokens, output=10), card, "")
    assert made.total == mtok(input_usd, tokens) + mtok(output_usd, 10)


FREE = [
    ("openrouter", "minimax/minimax-m2:free", True),
    ("openrouter", "nobody/knows-it:free", True),
    ("openrouter", "nobody/knows-it", False),
    ("azure", "mai-ds-r1:free", False),
    ("openai", "gpt-4o:free", False),
    ("", "anything:free", False),
]


@pytest.mark.parametrize(("catalogue", "model", "is_free"), FREE)
def test_only_openrouter_s_free_models_cost_nothing(
    catalogue: str, model: str, is_free: bool
) -> None:
    card = published(catalogue, model, NOW_US)
    assert (card is not None and card.is_free) is is_free


VERSIONS = [
    ("openai", "gpt-4o-mini", "", catalogue_version(), "catalogue"),
    ("openai", "gpt-4o-mini", "eu", catalogue_version(), "catalogue"),
    ("openai", "gpt-6-astra", "", f"{catalogue_version()}, {EDITION}", "catalogue"),
    ("openai", "gpt-5.4", "eu", f"{EDITION}, {catalogue_version()}", "overlay"),
    ("openrouter", "nobody/knows-it:free", "", EDITION, "overlay"),
]


@pytest.mark.parametrize(("catalogue", "model", "place", "version", "origin"), VERSIONS)
def test_a_card_says_whose_price_it_is(
    catalogue: str, model: str, place: str, version: str, origin: str
) -> None:
    card = card_of(catalogue, model, place)
    assert (card.version, source(card)) == (version, origin)


def test_what_nothing_changes_is_the_catalogue_s_own_card() -> None:
    card = find_card("openai", "gpt-4o-mini", NOW_US)
    assert card is not None
    assert overlay.overlaid(card, "nowhere", NOW_US) is card


ALIASED = Rate(input=dollars("1"), output=dollars("2"))


@pytest.mark.parametrize("glob", ["gpt-4o", "my-deployment", "my-*"])
def test_a_deployment_is_priced_as_its_model_and_overridden_by_either_name(glob: str) -> None:
    plain = Cards([]).card("work", "azure", "my-deployment", NOW_US, priced_as="gpt-4o")
    assert plain is not None
    assert (plain.model, plain.steps[0].rate.input) == ("gpt-4o", dollars("2.5"))
    cards = Cards([Override("rate_1", "work", glob, ALIASED)])
    card = cards.card("work", "azure", "my-deployment", NOW_US, priced_as="gpt-4o")
    assert card is not None
    assert (card.steps[0].rate, source(card)) == (ALIASED, "override")
    assert Cards([]).card("work", "azure", "my-deployment", NOW_US) is None
