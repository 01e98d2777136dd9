"""Where a card comes from: the operator's overrides first, then the catalogue, for a minute."""

from __future__ import annotations

import pytest

from ferrycli.prices import catalogue
from ferrycli.prices.cards import CARDS_KEPT_MAX, Cards
from ferrycli.prices.catalogue import catalogue_version, find_card
from ferrycli.prices.limits import output_tokens_max
from ferrycli.rules.errors import UnpricedUsage
from ferrycli.rules.pricing import Override, Rate, RateCard, Step, price_call
from ferrycli.rules.usage import Usage
from tests.rules.arithmetic import dollars, mtok

MINUTE_US = 60_000_000
NOW_US = 1_795_176_000_000_000
"""2026-11-20 12:00 UTC, the beginning of a minute."""

CHEAP = Rate(input=dollars("1"), output=dollars("2"))
DEAR = Rate(input=dollars("10"), output=dollars("20"))


def override(
    id_: str, glob: str = "*", rate: Rate = CHEAP, *, provider: str = "openai", **more: object
) -> Override:
    return Override(id_, provider, glob, rate, **more)  # type: ignore[arg-type]  # `tier`, `from_us`.


def version(cards: Cards, model: str = "gpt-4o-mini", at_us: int = NOW_US) -> str | None:
    card = cards.card("openai", "openai", model, at_us)
    return None if card is None else card.version


@pytest.mark.parametrize(
    ("glob", "model", "is_overridden"),
    [
        ("gpt-4o-mini", "gpt-4o-mini", True),
        ("gpt-4o*", "gpt-4o-mini", True),
        ("*", "gpt-4o-mini", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("GPT-4o-mini", "gpt-4o-mini", False),
        ("gpt-?o-mini", "gpt-4o-mini", True),
        ("org/*", "org/model", True),
    ],
)
def test_an_override_is_for_what_its_glob_matches(
    glob: str, model: str, is_overridden: bool
) -> None:
    card = Cards([override("r_1", glob)]).card("openai", "openai", model, NOW_US)
    assert card is not None
    assert (card.version == "override r_1") is is_overridden
    assert (card.model == glob) is (is_overridden or glob == model)


def test_an_override_is_for_its_provider_alone() -> None:
    cards = Cards([override("r_1", provider="work")])
    assert version(cards) == catalogue_version()
    other = cards.card("work", "openai", "gpt-4o-mini", NOW_US)
    assert other is not None
    assert (other.provider, other.version) == ("work", "override r_1")


def test_an_override_holds_from_its_moment() -> None:
    cards = Cards([override("r_1", from_us=NOW_US)])
    assert version(cards, at_us=NOW_US - MINUTE_US) == catalogue_version()
    assert version(cards, at_us=NOW_US) == "override r_1"


def test_the_latest_override_wins() -> None:
    cards = Cards([override("r_2", "gpt-*", DEAR), override("r_1", "gpt-4o-mini", CHEAP)])
    assert version(cards) == "override r_2"
    ahead = override("r_3", "*", CHEAP, from_us=NOW_US + MINUTE_US)
    cards = Cards([ahead, override("r_2", "gpt-*", DEAR), override("r_1")])
    assert version(cards) == "override r_2"
    assert version(cards, at_us=NOW_US + MINUTE_US) == "override r_3"
    assert version(cards, "other") == "override r_1"


def test_a_tier_has_the_price_that_was_set_for_it() -> None:
    latest = Rate(input=dollars("4"), output=dollars("8"))
    cards = Cards(
        [
            override("r_4", "*", latest, tier="priority"),
            override("r_3", "*", DEAR, tier="priority"),
            override("r_2", "other", DEAR, tier="flex"),
            override("r_1", "*", CHEAP),
        ]
    )
    card = cards.card("openai", "openai", "gpt-4o-mini", NOW_US)
    assert card is not None
    assert card.rate(1, "") == (CHEAP, True)
    assert card.rate(1, "priority") == (latest, True)
    assert card.rate(1, "flex") == (CHEAP, False)


def test_a_price_set_for_a_tier_alone_counts() -> None:
    card = Cards([override("r_1", "*", DEAR, tier="priority")]).card(
        "openai", "openai", "gpt-4o-mini", NOW_US
    )
    assert card is not None
    assert card.rate(1, "priority") == (DEAR, True)
    assert card.rate(1, "")[0].input == dollars("0.15")


def test_an_override_prices_what_the_catalogue_does_not_know() -> None:
    cards = Cards([override("r_1", "house-*", provider="local")])
    card = cards.card("local", "", "house-7b", NOW_US)
    assert card is not None
    cost = price_call(Usage(input=1_200, cache_read=100, output=80), card, "")
    assert cost.total == mtok("1", 1_200) + mtok("1", 100) + mtok("2", 80)
    assert cards.card("local", "", "other", NOW_US) is None


def test_an_override_to_nothing_is_free_and_one_without_an_output_is_not() -> None:
    free = Rate(input=0, output=0)
    card = Cards([override("r_1", "*", free)]).card("openai", "openai", "gpt-4o-mini", NOW_US)
    assert card is not None
    assert card.is_free
    assert price_call(Usage(input=10, output=10), card, "").total == 0
    half = Rate(input=dollars("1"))
    card = Cards([override("r_1", "*", half)]).card("openai", "openai", "gpt-4o-mini", NOW_US)
    assert card is not None
    with pytest.raises(UnpricedUsage):
        price_call(Usage(input=10, output=10), card, "")


def test_what_nothing_prices_has_no_card() -> None:
    cards = Cards([])
    assert cards.card("openai", "openai", "no-such-model", NOW_US) is None
    assert cards.card("local", "", "gpt-4o-mini", NOW_US) is None
    # Asked again, it is still not there.
    assert cards.card("local", "", "gpt-4o-mini", NOW_US) is None
    assert cards.overrides == ()


def test_a_card_is_compiled_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counted(provider: str, model: str, at_us: int) -> RateCard | None:
        asked.append(at_us)
        return find_card(provider, model, at_us)

    monkeypatch.setattr(catalogue, "find_card", counted)
    cards = Cards([])
    for at_us in (NOW_US, NOW_US + 1, NOW_US + MINUTE_US - 1, NOW_US + MINUTE_US, NOW_US - 1):
        assert cards.card("openai", "openai", "gpt-4o-mini", at_us) is not None
    assert asked == [NOW_US, NOW_US + MINUTE_US, NOW_US - 1]


def test_a_price_changes_with_the_minute_at_which_it_does() -> None:
    # DeepSeek's dear hours begin at 01:00 UTC.
    one = NOW_US - 11 * 60 * MINUTE_US
    cards = Cards([])
    inputs = [
        card.steps[0].rate.input
        for at_us in (one - 1, one, one + MINUTE_US)
        if (card := cards.card("deepseek", "deepseek", "deepseek-v4-pro", at_us)) is not None
    ]
    assert inputs == [dollars("0.66"), dollars("1.32"), dollars("1.32")]


def test_two_providers_of_one_model_have_a_card_each() -> None:
    cards = Cards([override("r_1", provider="work")])
    assert version(cards) == catalogue_version()
    work = cards.card("work", "openai", "gpt-4o-mini", NOW_US)
    assert work is not None
    assert work.steps == (Step(0, CHEAP),)
    assert version(cards) == catalogue_version()


def test_names_that_clients_make_up_do_not_fill_memory() -> None:
    cards = Cards([])
    for at in range(CARDS_KEPT_MAX + 10):
        assert cards.card("local", "", f"made-up-{at}", NOW_US) is None
    assert len(cards._kept) <= CARDS_KEPT_MAX


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("gpt-3.5-turbo-1106", 4_096),
        ("gpt-4", 8_192),
        ("gpt-4-0613", 8_192),
        ("gpt-4-turbo-2024-04-09", 4_096),
        ("gpt-4o", None),
        ("gpt-4o-2024-05-13", 4_096),
        ("gpt-4.1", None),
        ("claude-3-haiku-20240307", 4_096),
        ("claude-sonnet-4-5", None),
        ("", None),
    ],
)
def test_only_models_of_short_answers_are_bounded(model: str, tokens: int | None) -> None:
    assert output_tokens_max(model) == tokens
