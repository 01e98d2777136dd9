"""Prices: each line is rounded up once, nothing is free by omission, and a ceiling is one."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from ferrycli.rules.ceilings import HOLD_LINES, Bounds, Ceiling, ceiling
from ferrycli.rules.errors import UnpricedUsage
from ferrycli.rules.pricing import (
    TARIFFS_KEPT_MAX,
    Cost,
    Factor,
    Override,
    Rate,
    RateCard,
    Step,
    ceil_cost,
    price,
    price_call,
    rate_of,
    unbilled,
)
from ferrycli.rules.usage import BUCKETS, Usage
from tests.rules.arithmetic import dollars, mtok

SONNET = Rate(
    input=dollars("3"),
    cache_read=dollars("0.30"),
    cache_write_5m=dollars("3.75"),
    cache_write_1h=dollars("6"),
    output=dollars("15"),
    web_search=dollars("10000"),
)
"""Dollars per million; a search is $10 per thousand."""
SPOKEN = Rate(
    input=dollars("2.50"),
    output=dollars("10"),
    audio_in=dollars("40"),
    audio_out=dollars("80"),
    image_in=dollars("5"),
)
ODD = Rate(input=dollars("0.075"), output=dollars("0.000001"))

PRICED = [
    (SONNET, Usage(), 0),
    (SONNET, Usage(input=1_200, output=80), mtok("3", 1_200) + mtok("15", 80)),
    (SONNET, Usage(output=1), mtok("15", 1)),
    (
        SONNET,
        Usage(input=10, cache_read=90_000, cache_write_5m=500, cache_write_1h=700, output=3),
        mtok("3", 10) + mtok("0.30", 90_000) + mtok("3.75", 500) + mtok("6", 700) + mtok("15", 3),
    ),
    (SONNET, Usage(web_search=3), 3 * dollars("0.010")),
    (SONNET, Usage(output=100, reasoning=90), mtok("15", 100)),
    (
        SPOKEN,
        Usage(input=7, audio_in=11, image_in=13, output=17, audio_out=19),
        mtok("2.50", 7) + mtok("40", 11) + mtok("5", 13) + mtok("10", 17) + mtok("80", 19),
    ),
    (ODD, Usage(input=3), 225),
    (ODD, Usage(output=1), 1),
    (ODD, Usage(output=1_000), 1),
    (ODD, Usage(output=1_001), 2),
    (ODD, Usage(input=3, output=1_001), mtok("0.075", 3) + 2),
]


@pytest.mark.parametrize(("rate", "usage", "expected"), PRICED)
def test_a_call_costs_the_sum_of_its_lines(rate: Rate, usage: Usage, expected: int) -> None:
    cost = price(usage, rate)
    assert cost.total == expected
    assert not cost.is_incomplete
    used = tuple(bucket for bucket in BUCKETS if getattr(usage, bucket))
    assert tuple(bucket for bucket, _ in cost.lines) == used


ROUNDED = [(0, 1, 0), (1, 0, 0), (1, 1, 1), (999_999, 1, 1), (10**6, 1, 1), (10**6 + 1, 1, 2)]


@pytest.mark.parametrize(("quantity", "rate", "expected"), ROUNDED)
def test_a_line_is_rounded_up_to_a_nano_dollar(quantity: int, rate: int, expected: int) -> None:
    assert ceil_cost(quantity, rate) == expected


def test_amounts_past_any_float_are_exact() -> None:
    assert ceil_cost(10**12, 10**18 + 1) == 10**6 * (10**18 + 1)


FALLBACKS = [
    # What a bucket without a rate of its own is billed as, and whether that is sure.
    ("cache_read", Rate(input=7_000_000), "7", True),
    ("cache_write_5m", Rate(input=7_000_000), "7", True),
    ("cache_write_30m", Rate(input=7_000_000), "7", True),
    ("cache_write_30m", Rate(input=7_000_000, cache_write_5m=8_000_000), "8", True),
    ("image_in", Rate(input=7_000_000), "7", True),
    ("cache_write_1h", Rate(input=7_000_000), "7", False),
    ("cache_write_1h", Rate(input=7_000_000, cache_write_5m=8_000_000), "8", False),
    ("cache_write_12h", Rate(input=7_000_000), "7", False),
    ("cache_write_12h", Rate(input=7_000_000, cache_write_5m=8_000_000), "8", False),
    ("cache_write_12h", Rate(input=7_000_000, cache_write_1h=9_000_000), "9", False),
    ("audio_in", Rate(input=7_000_000), "7", False),
    ("audio_out", Rate(output=7_000_000), "7", False),
    # A rate of its own counts, also where it is 0.
    ("cache_read", Rate(input=7_000_000, cache_read=0), "0", True),
    ("cache_write_30m", Rate(input=7_000_000, cache_write_30m=0), "0", True),
    ("cache_write_12h", Rate(input=7_000_000, cache_write_12h=9_000_000), "9", True),
    ("audio_out", Rate(output=7_000_000, audio_out=9_000_000), "9", True),
]


@pytest.mark.parametrize(("bucket", "rate", "milli_usd", "is_sure"), FALLBACKS)
def test_a_missing_rate_bills_as_what_holds_the_bucket(
    bucket: str, rate: Rate, milli_usd: str, is_sure: bool
) -> None:
    cost = price(Usage(**{bucket: 1_234_567}), rate)
    assert cost.lines == ((bucket, mtok(f"{milli_usd}e-3", 1_234_567)),)
    assert cost.is_incomplete is not is_sure


def test_one_unsure_line_makes_the_whole_cost_unsure() -> None:
    usage = Usage(input=1, cache_write_12h=1, output=1, web_search=1)
    assert price(usage, SONNET).is_incomplete


ALL_BUT_INPUT = Rate(output=1, web_search=1)
ALL_BUT_OUTPUT = Rate(input=1, web_search=1)
UNPRICED = [
    *((bucket, ALL_BUT_INPUT) for bucket in BUCKETS[:6]),
    ("audio_in", ALL_BUT_INPUT),
    ("image_in", ALL_BUT_INPUT),
    ("output", ALL_BUT_OUTPUT),
    ("audio_out", ALL_BUT_OUTPUT),
    ("web_search", Rate(input=1, output=1)),
]


@pytest.mark.parametrize(("bucket", "rate"), UNPRICED)
def test_a_used_bucket_without_any_rate_is_unpriced_and_an_empty_one_is_not(
    bucket: str, rate: Rate
) -> None:
    with pytest.raises(UnpricedUsage):
        price(Usage(**{bucket: 1}), rate)
    assert price(Usage(**{bucket: 0}), rate).total == 0


def test_cost_of_some_buckets_is_the_sum_of_their_lines() -> None:
    cost = Cost((("input", 3), ("cache_read", 5), ("output", 7)))
    assert cost.of("input", "cache_read") == 3 + 5
    assert cost.of("web_search") == 0
    assert cost.of("input", "cache_read", "output") == cost.total == 3 + 5 + 7


SCALED = [(10, 1, 2, 5), (11, 1, 2, 6), (0, 2, 1, 0), (3, 5, 4, 4), (4, 5, 4, 5), (1, 1, 1, 1)]


@pytest.mark.parametrize(("rate", "numerator", "denominator", "expected"), SCALED)
def test_a_scaled_rate_is_rounded_up_once(
    rate: int, numerator: int, denominator: int, expected: int
) -> None:
    every = Rate(*[rate] * len(fields(Rate)))
    assert every.scaled(numerator, denominator) == Rate(*[expected] * len(fields(Rate)))


def test_scaling_leaves_missing_rates_missing() -> None:
    assert Rate(input=2).scaled(3, 1) == Rate(input=6)


# Cards ----------------------------------------------------------------------------------------

STEPPED = RateCard(
    provider="openai",
    model="gpt-5.6",
    steps=(
        Step(0, Rate(input=dollars("2"), cache_read=dollars("0.2"), output=dollars("10"))),
        Step(272_000, Rate(input=dollars("4"), cache_read=dollars("0.4"), output=dollars("15"))),
    ),
    tiers=(
        ("flex", (Step(0, Rate(input=dollars("1"), output=dollars("5"))),)),
        (
            "priority",
            (
                Step(0, Rate(input=dollars("5"), output=dollars("25"))),
                Step(272_000, Rate(input=dollars("9"), output=dollars("30"))),
            ),
        ),
    ),
)

CALLS = [
    (Usage(input=272_000, output=10), "", mtok("2", 272_000) + mtok("10", 10)),
    (Usage(input=272_001, output=10), "", mtok("4", 272_001) + mtok("15", 10)),
    (
        Usage(input=1, cache_read=272_000, output=10),
        "",
        mtok("4", 1) + mtok("0.4", 272_000) + mtok("15", 10),
    ),
    (
        Usage(input=1, cache_write_12h=271_998, audio_in=1, image_in=1, output=1),
        "",
        mtok("4", 1) + mtok("4", 271_998) + mtok("4", 1) + mtok("4", 1) + mtok("15", 1),
    ),
    (Usage(input=0, output=272_001), "", mtok("10", 272_001)),
    *(
        (Usage(input=100, output=10), tier, mtok("2", 100) + mtok("10", 10))
        for tier in ("default", "standard", "auto", "on_demand", "scale")
    ),
    (Usage(input=100, output=10), "flex", mtok("1", 100) + mtok("5", 10)),
    (Usage(input=300_000, output=10), "flex", mtok("1", 300_000) + mtok("5", 10)),
    (Usage(input=272_000, output=10), "priority", mtok("5", 272_000) + mtok("25", 10)),
    (Usage(input=272_001, output=10), "priority", mtok("9", 272_001) + mtok("30", 10)),
    (Usage(input=100, output=10), "ultrafast", mtok("2", 100) + mtok("10", 10)),
]


@pytest.mark.parametrize(("usage", "tier", "expected"), CALLS)
def test_the_tier_of_the_reply_and_the_whole_input_choose_the_rate(
    usage: Usage, tier: str, expected: int
) -> None:
    assert price_call(usage, STEPPED, tier).total == expected


SURENESS = [("", True), ("default", True), ("flex", True), ("ultrafast", False), ("batch", False)]


@pytest.mark.parametrize(("tier", "is_sure"), SURENESS)
def test_a_tier_that_the_card_lacks_is_marked_incomplete(tier: str, is_sure: bool) -> None:
    assert price_call(Usage(input=1), STEPPED, tier).is_incomplete is not is_sure


def test_an_incomplete_card_makes_every_cost_incomplete() -> None:
    card = replace(STEPPED, is_incomplete=True)
    assert price_call(Usage(input=1), card, "").is_incomplete


def test_a_fee_that_is_not_known_leaves_the_rest_priced_and_the_cost_incomplete() -> None:
    cost = price_call(Usage(input=7, output=3, web_search=1), STEPPED, "")
    assert cost.lines == (("input", mtok("2", 7)), ("output", mtok("10", 3)))
    assert cost.is_incomplete
    # A model that costs nothing does not make its searches free.
    assert price(Usage(input=7, web_search=1), Rate(input=0, output=0)) == Cost(
        (("input", 0),), True
    )


def test_a_fee_alone_that_is_not_known_is_unpriced() -> None:
    with pytest.raises(UnpricedUsage) as caught:
        price_call(Usage(web_search=1), STEPPED, "")
    assert caught.value.bucket == "web_search"


# Factors --------------------------------------------------------------------------------------

US = Factor("us", 11, 10)
ULTRAFAST = Factor("ultrafast", 6, 1)
FLEX = Factor("flex", 1, 2, unsure=("cache_read",))
DEAR = Factor(
    "priority", 2, 1, unsure=tuple(bucket for bucket in BUCKETS if bucket != "web_search")
)
PLAIN = Rate(
    input=dollars("4"), cache_read=dollars("0.4"), output=dollars("20"), web_search=dollars("10000")
)
SCALING = RateCard(
    provider="p",
    model="m",
    steps=(Step(0, PLAIN),),
    tiers=(
        ("fast", (Step(0, Rate(input=dollars("8"), output=dollars("40"))),)),
        ("batch", (Step(0, Rate(input=dollars("2"), output=dollars("10"))),)),
    ),
    factors=(US, ULTRAFAST, FLEX, DEAR),
    only_asked=("fast", "batch", "ultrafast", "flex", "priority"),
)
USED = Usage(input=100, cache_read=1_000, output=10, web_search=2)
SEARCHES = 2 * dollars("0.01")

SERVED = [
    ("", mtok("4", 100) + mtok("0.4", 1_000) + mtok("20", 10) + SEARCHES, True),
    ("standard+global", mtok("4", 100) + mtok("0.4", 1_000) + mtok("20", 10) + SEARCHES, True),
    ("us", mtok("4.4", 100) + mtok("0.44", 1_000) + mtok("22", 10) + SEARCHES, True),
    ("Standard+US", mtok("4.4", 100) + mtok("0.44", 1_000) + mtok("22", 10) + SEARCHES, True),
    ("ultrafast", mtok("24", 100) + mtok("2.4", 1_000) + mtok("120", 10) + SEARCHES, True),
    (
        "us+ultrafast",
        mtok("26.4", 100) + mtok("2.64", 1_000) + mtok("132", 10) + SEARCHES,
        True,
    ),
    # What may not be halved is billed whole, and said to be unsure.
    ("flex", mtok("2", 100) + mtok("0.4", 1_000) + mtok("10", 10) + SEARCHES, False),
    ("on_demand_flex", mtok("2", 100) + mtok("0.4", 1_000) + mtok("10", 10) + SEARCHES, False),
    ("priority", mtok("8", 100) + mtok("0.8", 1_000) + mtok("40", 10) + SEARCHES, False),
    ("us+nowhere", mtok("4.4", 100) + mtok("0.44", 1_000) + mtok("22", 10) + SEARCHES, False),
]


@pytest.mark.parametrize(("tier", "expected", "is_sure"), SERVED)
def test_words_of_the_tier_scale_tokens_and_no_fee(tier: str, expected: int, is_sure: bool) -> None:
    cost = price_call(USED, SCALING, tier)
    assert (cost.total, cost.is_incomplete) == (expected, not is_sure)


SERVED_TOKENS = [
    ("fast", mtok("8", 100) + mtok("40", 10), True),
    ("fast+us", mtok("8.8", 100) + mtok("44", 10), True),
    ("batch", mtok("2", 100) + mtok("10", 10), True),
    ("flex", mtok("2", 100) + mtok("10", 10), True),
    ("priority", mtok("8", 100) + mtok("40", 10), False),
    # Of two tiers at once nobody says what they cost together.
    ("fast+batch", mtok("8", 100) + mtok("40", 10), False),
]


@pytest.mark.parametrize(("tier", "expected", "is_sure"), SERVED_TOKENS)
def test_steps_of_a_tier_come_before_factors(tier: str, expected: int, is_sure: bool) -> None:
    cost = price_call(Usage(input=100, output=10), SCALING, tier)
    assert (cost.total, cost.is_incomplete) == (expected, not is_sure)


def test_a_tier_with_steps_of_its_own_is_not_scaled_as_well() -> None:
    card = replace(SCALING, factors=(Factor("fast", 3, 1),))
    assert card.rate(1, "fast")[0].input == dollars("8")


def test_a_bucket_without_a_rate_of_its_own_is_not_halved_either() -> None:
    rate = FLEX.applied(Rate(input=10, output=20))
    assert rate == Rate(input=5, cache_read=10, output=10)


def test_rates_that_are_only_bounds_make_what_uses_them_incomplete() -> None:
    card = replace(SCALING, unsure=("output",))
    assert price_call(Usage(output=1), card, "").is_incomplete
    assert not price_call(Usage(input=1), card, "").is_incomplete


def test_a_tier_of_the_operators_own_may_be_called_as_a_standard_one() -> None:
    own = (Step(0, Rate(input=dollars("1"), output=dollars("1"))),)
    card = replace(SCALING, tiers=(("default", own),))
    assert card.rate(1, "default") == (own[0].rate, True)


SCALED_CEILINGS = [
    # Nobody asked for it, and the place may be the account's own.
    (SCALING, Bounds(1_000), "4.4", "22"),
    (SCALING, Bounds(1_000, tier="us"), "4.4", "22"),
    (SCALING, Bounds(1_000, tier="auto+us"), "4.4", "22"),
    (SCALING, Bounds(1_000, tier="fast"), "8.8", "44"),
    (SCALING, Bounds(1_000, tier="fast+us"), "8.8", "44"),
    (SCALING, Bounds(1_000, tier="ultrafast"), "26.4", "132"),
    (SCALING, Bounds(1_000, tier="flex"), "4.4", "22"),
    (SCALING, Bounds(1_000, tier="batch"), "4.4", "22"),
    (SCALING, Bounds(1_000, tier="priority"), "8.8", "44"),
    (replace(SCALING, only_asked=()), Bounds(1_000, tier="default"), "52.8", "264"),
    (replace(SCALING, factors=()), Bounds(1_000), "4", "20"),
    (replace(SCALING, factors=(), only_asked=()), Bounds(1_000), "8", "40"),
    (replace(SCALING, factors=(), only_asked=()), Bounds(1_000, tier="default"), "4", "20"),
]


@pytest.mark.parametrize(("card", "bounds", "input_usd", "output_usd"), SCALED_CEILINGS)
def test_a_ceiling_counts_what_was_asked_and_what_may_come_unasked(
    card: RateCard, bounds: Bounds, input_usd: str, output_usd: str
) -> None:
    found = ceiling(card, bounds)
    assert found == Ceiling(mtok(input_usd, 1_000) + HOLD_LINES + 1, dollars(output_usd))


@pytest.mark.parametrize("tier", ["fast+nowhere", "nowhere", "us+nowhere"])
def test_a_word_that_no_card_knows_has_no_ceiling(tier: str) -> None:
    assert ceiling(SCALING, Bounds(1_000, tier=tier)) is None


def card_of(rate: Rate, **terms: object) -> RateCard:
    return replace(RateCard("p", "m", (Step(0, rate),)), **terms)  # type: ignore[arg-type]


FREE = Rate(input=0, output=0)
FREENESS = [
    (card_of(FREE), True),
    (card_of(replace(FREE, cache_read=0, web_search=0)), True),
    (card_of(replace(FREE, input=1)), False),
    (card_of(replace(FREE, output=1)), False),
    (card_of(replace(FREE, web_search=1)), False),
    (card_of(FREE, steps=(Step(0, FREE), Step(1_000, replace(FREE, output=1)))), False),
    (card_of(FREE, tiers=(("priority", (Step(0, replace(FREE, input=1)),)),)), False),
    (card_of(FREE, tiers=(("priority", (Step(0, FREE),)),)), True),
    (STEPPED, False),
]


@pytest.mark.parametrize(("card", "is_free"), FREENESS)
def test_a_card_is_free_if_no_rate_of_any_step_or_tier_costs(card: RateCard, is_free: bool) -> None:
    assert card.is_free is is_free


@pytest.mark.parametrize(
    "card",
    [
        card_of(Rate()),
        card_of(Rate(input=0)),
        card_of(Rate(output=0)),
        card_of(FREE, steps=()),
        card_of(FREE, is_incomplete=True),
    ],
)
def test_a_missing_rate_makes_no_card_free(card: RateCard) -> None:
    assert not card.is_free


# Ceilings -------------------------------------------------------------------------------------

ALL_RATES = Rate(
    input=dollars("2"),
    cache_read=dollars("1"),
    cache_write_5m=dollars("3"),
    cache_write_30m=dollars("4"),
    cache_write_1h=dollars("5"),
    cache_write_12h=dollars("6"),
    output=dollars("10"),
    audio_in=dollars("7"),
    audio_out=dollars("20"),
)
RISING = card_of(
    ALL_RATES,
    steps=(
        Step(0, Rate(input=dollars("2"), output=dollars("10"))),
        Step(1_000, Rate(input=dollars("1"), output=dollars("12"))),
        Step(2_000, Rate(input=dollars("4"), output=dollars("11"))),
    ),
)

CEILINGS = [
    # Card, bounds, dollars a million of the dearest input and output.
    (card_of(ALL_RATES), Bounds(1_000), "2", "10"),
    (card_of(ALL_RATES), Bounds(1_000, writes_cache=True), "6", "10"),
    (card_of(ALL_RATES), Bounds(1_000, has_audio=True), "7", "20"),
    (card_of(ALL_RATES), Bounds(1_000, has_audio=True, writes_cache=True), "7", "20"),
    (card_of(replace(ALL_RATES, cache_read=dollars("9"))), Bounds(1_000), "9", "10"),
    (card_of(replace(ALL_RATES, image_in=dollars("9"))), Bounds(1_000), "9", "10"),
    (card_of(replace(ALL_RATES, audio_out=dollars("5"))), Bounds(9, has_audio=True), "7", "10"),
    (card_of(ALL_RATES), Bounds(0), "0", "10"),
    (card_of(ALL_RATES), Bounds(1_000, tier="default"), "2", "10"),
    (card_of(ALL_RATES), Bounds(1_000, tier="flex"), "2", "10"),
    (card_of(ALL_RATES), Bounds(1_000, tier="batch"), "2", "10"),
    (RISING, Bounds(0), "0", "10"),
    (RISING, Bounds(1_000), "2", "10"),
    (RISING, Bounds(1_001), "2", "12"),
    (RISING, Bounds(2_000), "2", "12"),
    (RISING, Bounds(2_001), "4", "12"),
    (STEPPED, Bounds(272_000, tier="default"), "2", "10"),
    (STEPPED, Bounds(272_001, tier="default"), "4", "15"),
    # Left to the provider, it may be served in the dearest.
    (STEPPED, Bounds(272_000), "5", "25"),
    (STEPPED, Bounds(272_001, tier="auto"), "9", "30"),
    (STEPPED, Bounds(272_000, tier="flex"), "2", "10"),
    (STEPPED, Bounds(272_000, tier="priority"), "5", "25"),
    (STEPPED, Bounds(272_001, tier="priority"), "9", "30"),
    # What has no answer needs no rate for one.
    (card_of(Rate(input=dollars("2"))), Bounds(1_000, has_output=False), "2", "0"),
    (card_of(ALL_RATES), Bounds(1_000, has_output=False), "2", "0"),
]


@pytest.mark.parametrize(("card", "bounds", "input_usd", "output_usd"), CEILINGS)
def test_a_ceiling_takes_the_dearest_rate_that_the_bounds_reach(
    card: RateCard, bounds: Bounds, input_usd: str, output_usd: str
) -> None:
    found = ceiling(card, bounds)
    assert found is not None
    fixed = mtok(input_usd, bounds.input_tokens_max) + HOLD_LINES + bounds.choices
    assert found == Ceiling(fixed, dollars(output_usd))
    assert found.at(777) == fixed + mtok(output_usd, 777)


@pytest.mark.parametrize("choices", [1, 2, 128])
def test_every_choice_may_answer_with_the_whole_bound(choices: int) -> None:
    found = ceiling(card_of(ALL_RATES), Bounds(1_000, choices))
    assert found is not None
    assert found.at(500) == mtok("2", 1_000) + mtok("10", 500 * choices) + HOLD_LINES + choices
    assert found.at(0) >= mtok("2", 1_000) + 12


UNSTATED = [
    (card_of(Rate(input=1)), Bounds(1)),
    (card_of(Rate(output=1)), Bounds(1)),
    (card_of(Rate(output=1, cache_read=1)), Bounds(1)),
    (card_of(Rate()), Bounds(0)),
    (card_of(ALL_RATES), Bounds(1, tier="priority")),
    (STEPPED, Bounds(1, tier="ultrafast")),
    (card_of(ALL_RATES, steps=(Step(0, ALL_RATES), Step(9, Rate(input=1)))), Bounds(10)),
    (card_of(ALL_RATES, tiers=(("flex", (Step(0, Rate(input=1)),)),)), Bounds(1, tier="flex")),
]


@pytest.mark.parametrize(("card", "bounds"), UNSTATED)
def test_a_ceiling_that_a_missing_rate_hides_is_not_stated(card: RateCard, bounds: Bounds) -> None:
    assert ceiling(card, bounds) is None


@pytest.mark.parametrize(("input_tokens_max", "input_usd"), [(0, "0"), (1, "2"), (2, "4")])
def test_a_step_above_one_token_is_reached_by_two(input_tokens_max: int, input_usd: str) -> None:
    dear = replace(ALL_RATES, input=dollars("4"), output=dollars("11"))
    found = ceiling(
        card_of(ALL_RATES, steps=(Step(0, ALL_RATES), Step(1, dear))), Bounds(input_tokens_max)
    )
    assert found is not None
    assert found.input_nanousd == mtok(input_usd, input_tokens_max) + HOLD_LINES + 1
    assert found.output_rate == dollars("11" if input_tokens_max > 1 else "10")


def test_a_step_out_of_reach_hides_nothing() -> None:
    card = card_of(ALL_RATES, steps=(Step(0, ALL_RATES), Step(9, Rate(input=1))))
    assert ceiling(card, Bounds(9)) is not None


def test_a_card_that_cannot_say_a_fee_has_no_ceiling() -> None:
    assert ceiling(card_of(ALL_RATES, is_incomplete=True), Bounds(1)) is None


@pytest.mark.parametrize("asked", ["", "auto"])
def test_a_tier_that_the_provider_may_choose_is_bounded_by_its_dearest(asked: str) -> None:
    """OpenAI serves `auto`, and no tier at all, as the project is set up: that may be priority."""
    limits = ceiling(STEPPED, Bounds(100, tier=asked))
    assert limits is not None
    assert limits.at(10) >= price_call(Usage(input=100, output=10), STEPPED, "priority").total


AFFORDED = [
    (Ceiling(100, 15_000_000), 99, -1),
    (Ceiling(100, 15_000_000), 100, 0),
    (Ceiling(100, 15_000_000), 114, 0),
    (Ceiling(100, 15_000_000), 115, 1),
    (Ceiling(100, 15_000_000), 129, 1),
    (Ceiling(100, 15_000_000), 130, 2),
    (Ceiling(100, 1), 100, 0),
    (Ceiling(100, 1), 101, 10**6),
    (Ceiling(100, 15_000_000), -5, -1),
]


@pytest.mark.parametrize(("limits", "amount", "expected"), AFFORDED)
def test_money_affords_the_longest_answer_that_fits(
    limits: Ceiling, amount: int, expected: int
) -> None:
    assert limits.affords(amount) == expected


def test_money_affords_any_answer_where_output_is_free() -> None:
    limits = Ceiling(100, 0)
    assert limits.affords(99) == -1
    assert limits.affords(100) >= 10**12
    assert limits.at(limits.affords(100)) == 100


def test_an_override_holds_from_the_start_of_time_and_for_the_plain_tier() -> None:
    override = Override("r_1", "openai", "gpt-*", SONNET)
    assert (override.tier, override.from_us) == ("", 0)


def test_a_predicted_answer_may_be_billed_beside_the_answer() -> None:
    found = ceiling(card_of(ALL_RATES), Bounds(1_000, 2, predicted_tokens_max=300))
    plain = ceiling(card_of(ALL_RATES), Bounds(1_000, 2))
    assert found is not None
    assert plain is not None
    assert found.at(50) == plain.at(50) + mtok("10", 300 * 2)


def test_what_nobody_bills_costs_nothing_whatever_was_used() -> None:
    card = unbilled("p", "m")
    assert card.is_free
    assert price_call(Usage(input=1_000, output=10), card, "priority").total == 0


@pytest.mark.parametrize(
    ("bucket", "expected"),
    [("input", 7), ("cache_read", 7), ("output", None), ("web_search", None)],
)
def test_a_bucket_s_rate_is_its_own_or_that_of_what_holds_it(
    bucket: str, expected: int | None
) -> None:
    assert rate_of(Rate(input=7), bucket) == expected


def test_a_card_keeps_no_more_tiers_than_it_may() -> None:
    """Callers and providers choose their words."""
    card = replace(SCALING)
    sure = price_call(Usage(input=1_000), card, "fast")
    for number in range(TARIFFS_KEPT_MAX + 1):
        assert price_call(Usage(input=1), card, f"tier-{number}").is_incomplete
        assert len(card.tariffs) <= TARIFFS_KEPT_MAX
    assert price_call(Usage(input=1_000), card, "fast") == sure
