"""Cards out of the catalogue: rates worked out by hand, and agreement with its own arithmetic."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random

import pytest
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, Provider
from genai_prices.types import Usage as CatalogueUsage

from ferrycli.prices.catalogue import catalogue_version, find_card, model_ids, provider_id
from ferrycli.rules.errors import UnpricedUsage
from ferrycli.rules.money import nanousd
from ferrycli.rules.pricing import Cost, Rate, RateCard, price_call
from ferrycli.rules.usage import Usage
from tests.rules.arithmetic import dollars, mtok

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def us(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def at_day(day: str, clock: str = "12:00:00") -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}+00:00")


def card_of(catalogue: str, model: str, at: datetime = NOON) -> RateCard:
    card = find_card(catalogue, model, us(at))
    assert card is not None
    return card


def rate(text: str, search: str = "") -> Rate:
    """`in read write 1h out` in dollars a million, `-` for none; `search` a thousand searches."""
    fresh, read, write, hour, out = (None if one == "-" else dollars(one) for one in text.split())
    return Rate(
        input=fresh,
        cache_read=read,
        cache_write_5m=write,
        cache_write_30m=write,
        cache_write_1h=hour,
        output=out,
        web_search=dollars(search) * 1_000 if search else None,
    )


# Rates by hand ------------------------------------------------------------------------------

BEFORE, AFTER = at_day("2026-08-20", "23:59:59"), at_day("2026-08-21", "00:00:00")

RATES: list[tuple[str, str, datetime, int, str, Rate]] = [
    ("openai", "gpt-4o-mini", NOON, 100, "", rate("0.15 0.075 - - 0.6", "10")),
    ("openai", "gpt-4o-mini", NOON, 100, "default", rate("0.15 0.075 - - 0.6", "10")),
    ("openai", "gpt-4o-mini", NOON, 100, "priority", rate("0.25 0.125 - - 1", "10")),
    # A long context reprices the whole request, from the token after the step.
    ("openai", "gpt-5.6-sol", NOON, 272_000, "", rate("4 0.4 5 - 20", "10")),
    ("openai", "gpt-5.6-sol", NOON, 272_001, "", rate("8 0.8 10 - 30", "10")),
    ("openai", "gpt-5.6-sol", NOON, 272_000, "flex", rate("2 0.2 2.5 - 10", "10")),
    ("openai", "gpt-5.6-sol", NOON, 272_001, "flex", rate("4 0.4 5 - 15", "10")),
    ("openai", "gpt-5.6-sol", NOON, 272_001, "priority", rate("16 1.6 20 - 60", "10")),
    # The price was cut at the beginning of a day in UTC.
    ("openai", "gpt-5.6-sol", BEFORE, 8, "", rate("5 0.5 6.25 - 30", "10")),
    ("openai", "gpt-5.6-sol", BEFORE, 272_001, "", rate("10 1 12.5 - 45", "10")),
    ("openai", "gpt-5.6-sol", AFTER, 8, "", rate("4 0.4 5 - 20", "10")),
    # A tier with one price for any length.
    ("openai", "gpt-5.4", NOON, 272_001, "", rate("5 0.5 - - 22.5", "10")),
    ("openai", "gpt-5.4", NOON, 272_001, "priority", rate("5 0.5 - - 30", "10")),
    ("anthropic", "claude-sonnet-4-5", NOON, 200_000, "", rate("3 0.3 3.75 6 15", "10")),
    ("anthropic", "claude-sonnet-4-5", NOON, 200_001, "", rate("6 0.6 7.5 12 22.5", "10")),
    ("anthropic", "claude-haiku-5-5", NOON, 100_000, "", rate("0.1 0.01 0.125 0.2 0.5", "10")),
    ("anthropic", "claude-haiku-5-5", NOON, 100_001, "", rate("0.5 0.05 0.625 1 2.5", "10")),
    ("google", "gemini-2.5-pro", NOON, 200_000, "", rate("1.25 0.125 - - 10", "35")),
    ("google", "gemini-2.5-pro", NOON, 200_001, "", rate("2.5 0.25 - - 15", "35")),
    ("x-ai", "grok-4.5", NOON, 199_999, "", rate("2 0.3 - - 6")),
    ("x-ai", "grok-4.5", NOON, 200_000, "", rate("4 0.6 - - 12")),
]
V4_PRO = [
    (at_day("2026-08-16"), "0.435 0.003625 - - 0.87"),
    (at_day("2026-08-17", "00:59:59"), "0.66 0.022 - - 1.98"),
    (at_day("2026-11-20", "01:00:00"), "1.32 0.044 - - 3.96"),
    (at_day("2026-11-20", "03:59:59"), "1.32 0.044 - - 3.96"),
    (at_day("2026-11-20", "04:00:00"), "0.66 0.022 - - 1.98"),
    (at_day("2026-11-20", "06:00:00"), "1.32 0.044 - - 3.96"),
    (at_day("2026-11-20", "10:00:00"), "0.66 0.022 - - 1.98"),
]
RATES += [("deepseek", "deepseek-v4-pro", at, 100, "", rate(text)) for at, text in V4_PRO]


@pytest.mark.parametrize(("catalogue", "model", "at", "input_total", "tier", "expected"), RATES)
def test_a_rate_is_what_its_provider_publishes(
    catalogue: str, model: str, at: datetime, input_total: int, tier: str, expected: Rate
) -> None:
    card = card_of(catalogue, model, at)
    assert card.rate(input_total, tier) == (expected, True)
    assert (card.provider, card.model) == (catalogue, model)
    assert card.version == catalogue_version()
    assert not card.is_incomplete


def test_speech_and_pictures_have_rates_of_their_own() -> None:
    got, _ = card_of("openai", "gpt-realtime").rate(100, "")
    assert (got.input, got.audio_in, got.image_in) == (dollars("4"), dollars("32"), dollars("5"))
    assert (got.output, got.audio_out) == (dollars("16"), dollars("64"))


def test_a_recorded_call_costs_what_was_worked_out_by_hand() -> None:
    card = card_of("openai", "gpt-5.6-sol", at_day("2026-07-15"))
    written = price_call(Usage(input=8, cache_write_30m=4_012, output=4), card, "default")
    assert written.total == mtok("5", 8) + mtok("6.25", 4_012) + mtok("30", 4)
    assert written.total == dollars("0.025235")
    read = price_call(Usage(input=8, cache_read=4_012, output=4), card, "default")
    assert read.total == mtok("5", 8) + mtok("0.5", 4_012) + mtok("30", 4) == dollars("0.002166")


@pytest.mark.parametrize("tier", ["flex", "priority", "ultrafast", "nonsense"])
def test_a_tier_without_a_price_is_billed_plainly_and_marked(tier: str) -> None:
    # Before it had prices of its own, or never.
    card = card_of("openai", "gpt-5.6-sol", at_day("2026-10-11"))
    assert card.rate(100, tier) == (rate("4 0.4 5 - 20", "10"), False)
    assert price_call(Usage(input=100), card, tier).is_incomplete


@pytest.mark.parametrize(
    ("catalogue", "model", "tier", "expected"),
    [
        ("anthropic", "claude-opus-5-5", "fast", rate("8 0.4 10 16 40", "10")),
        ("anthropic", "claude-opus-5-5", "batch", rate("2 0.1 2.5 4 10", "10")),
        ("openai", "gpt-5.6-sol", "batch", rate("2 0.2 2.5 - 10", "10")),
        # Its page has no price of batch for cached input.
        ("openai", "gpt-4o-mini", "batch", rate("0.075 0.075 - - 0.3", "10")),
        ("google", "gemini-2.5-flash", "batch", rate("0.15 0.03 - - 1.25", "35")),
    ],
)
def test_batch_and_fast_modes_are_tiers_that_only_who_asks_is_billed(
    catalogue: str, model: str, tier: str, expected: Rate
) -> None:
    card = card_of(catalogue, model)
    got, is_sure = card.rate(100, tier)
    assert (replace(got, audio_in=None), is_sure) == (expected, True)
    assert tier in card.only_asked


def test_a_service_tier_may_be_billed_unasked() -> None:
    card = card_of("openai", "gpt-5.6-sol")
    assert set(dict(card.tiers)) == {"flex", "priority", "fast", "batch"}
    assert card.only_asked == ("batch",)


# Names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("catalogue", "model", "expected"),
    [
        ("openai", "gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("openai", "openai/gpt-4o-mini", "gpt-4o-mini"),
        ("openai", "GPT-4o-mini", "gpt-4o-mini"),
        ("google", "models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("google", "google/gemini-2.5-pro", "gemini-2.5-pro"),
        ("anthropic", "anthropic/claude-sonnet-4-5", "claude-sonnet-4-5"),
        ("anthropic", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("anthropic", "claude-sonnet-5-latest", "claude-sonnet-5"),
        ("openai", "gpt-4o-latest", "gpt-4o"),
        ("openai", "openai/gpt-4o-2099-01-31", "gpt-4o"),
        ("google", "publishers/google/models/gemini-2.5-pro", "gemini-2.5-pro"),
        (
            "google",
            "projects/p/locations/eu/publishers/google/models/gemini-2.5-pro",
            "gemini-2.5-pro",
        ),
        ("google", "claude-opus-5@20260101", "claude-opus-5"),
        ("openrouter", "openai/gpt-4o:nitro", "openai/gpt-4o"),
        ("openrouter", "openai/gpt-4o:floor", "openai/gpt-4o"),
        ("openrouter", "openai/gpt-4o:exacto", "openai/gpt-4o"),
        ("openrouter", "openai/gpt-4o:extended", "openai/gpt-4o:extended"),
        ("groq", "openai/gpt-oss-20b", "openai/gpt-oss-20b"),
        ("azure", "gpt-4o-2024-11-20", "gpt-4o"),
        ("aws", "us.anthropic.claude-opus-5", "regional.anthropic.claude-opus-5"),
        ("aws", "eu.anthropic.claude-opus-5", "regional.anthropic.claude-opus-5"),
        ("aws", "anthropic.claude-opus-5", "regional.anthropic.claude-opus-5"),
        ("aws", "global.anthropic.claude-opus-5", "global.anthropic.claude-opus-5"),
        ("aws", "apac.amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"),
        ("aws", "openai.gpt-oss-120b", "openai.gpt-oss-120b-1:0"),
        (
            "aws",
            "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-opus-5",
            "regional.anthropic.claude-opus-5",
        ),
        (
            "aws",
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
            "amazon.nova-lite-v1:0",
        ),
    ],
)
def test_a_model_is_known_by_the_names_that_clients_send(
    catalogue: str, model: str, expected: str
) -> None:
    assert card_of(catalogue, model).model == expected


@pytest.mark.parametrize(
    ("catalogue", "model"),
    [
        ("openai", "no-such-model"),
        ("", "gpt-4o-mini"),
        ("no-such-provider", "gpt-4o-mini"),
        ("openai", ""),
        ("openrouter", "minimax/minimax-m2:free"),
        # In the catalogue, and without any price there: unknown is not free.
        ("azure", "mai-ds-r1:free"),
        # Which model an application's own profile is for, its ARN does not say.
        ("aws", "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"),
        ("aws", "nova-lite"),
        ("openrouter", "openai/gpt-4o:online"),
        ("openrouter", "openai/gpt-4o:thinking"),
        # Priced by the hour or the page: no bucket can say it.
        ("openai", "whisper-1"),
    ],
)
def test_what_has_no_price_has_no_card(catalogue: str, model: str) -> None:
    assert find_card(catalogue, model, us(NOON)) is None


@pytest.mark.parametrize(
    ("catalogue", "model"),
    [
        ("perplexity", "sonar"),
        ("openai", "gpt-4o-search-preview"),
        ("google", "gemini-2.5-flash-image"),
        ("google", "gemini-omni-1.1-flash"),
        ("google", "gemini-3.8-live"),
        ("mistral", "voxtral-small-24b-2507"),
        # Known, but not what it costs there.
        ("aws", "us-gov.anthropic.claude-opus-5"),
    ],
)
def test_a_card_that_cannot_say_all_that_is_billed_is_incomplete(
    catalogue: str, model: str
) -> None:
    card = card_of(catalogue, model)
    assert card.is_incomplete
    assert price_call(Usage(input=1), card, "").is_incomplete


def test_short_answers_are_on_the_card() -> None:
    assert card_of("openai", "gpt-3.5-turbo").output_tokens_max == 4_096
    assert card_of("openai", "gpt-4").output_tokens_max == 8_192
    assert card_of("openai", "gpt-4o-mini").output_tokens_max is None
    assert card_of("openai", "gpt-4o-mini").context_tokens_max == 128_000


@pytest.mark.parametrize(
    ("name", "base_url", "expected"),
    [
        ("openai", "https://api.openai.com/v1", "openai"),
        ("openai", "", "openai"),
        ("anthropic", "https://api.anthropic.com/v1", "anthropic"),
        ("gemini", "https://generativelanguage.googleapis.com/v1beta/openai", "google"),
        ("openrouter", "https://openrouter.ai/api/v1", "openrouter"),
        ("bedrock", "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1", "aws"),
        ("work", "https://api.openai.com/v1", "openai"),
        ("fast", "https://api.groq.com/openai/v1", "groq"),
        ("eu", "https://acme.openai.azure.com/openai/v1", "azure"),
        ("xai", "https://api.x.ai/v1", "x-ai"),
        ("ollama", "http://localhost:11434/v1", ""),
        ("local", "http://localhost:8000/v1", ""),
        ("sim", "", ""),
        ("local", "", ""),
    ],
)
def test_a_provider_is_known_by_its_name_or_its_address(
    name: str, base_url: str, expected: str
) -> None:
    assert provider_id(name, base_url) == expected


@pytest.mark.parametrize(
    ("name", "base_url", "expected"),
    [
        ("google-via-groq", "https://api.groq.com/openai/v1", "groq"),
        ("mistral-local", "http://localhost:8000/v1", ""),
        ("openai-like", "https://api.openai.com.attacker.example/v1", ""),
    ],
)
def test_a_likeness_is_no_provider(name: str, base_url: str, expected: str) -> None:
    assert provider_id(name, base_url) == expected


def test_the_models_of_a_provider_are_listed() -> None:
    assert "gpt-4o-mini" in model_ids("openai")
    assert model_ids("no-such-provider") == model_ids("") == []


# All of the catalogue -----------------------------------------------------------------------

PRICED_KEYS = frozenset(
    "input_mtok output_mtok cache_read_mtok cache_write_mtok cache_write_1h_mtok".split()
)
BESIDE_KEYS = PRICED_KEYS | frozenset(
    "input_audio_mtok output_audio_mtok input_image_mtok cache_audio_read_mtok"
    " cache_image_read_mtok output_image_mtok output_video_mtok input_video_mtok"
    " web_searches_kcount storage_searches_kcount audio_hours input_audio_hours".split()
)
"""Prices of things that the usages here have none of: they change nothing."""
SIZES = [
    *(1, 2, 999, 31_999, 32_000, 32_001, 99_999, 100_000, 100_001, 128_000, 128_001),
    *(199_999, 200_000, 200_001, 256_000, 256_001, 272_000, 272_001, 512_001, 2_000_000),
]
MOMENTS = [NOON, at_day("2026-07-15", "02:00:00"), at_day("2027-01-02", "23:59:59")]


@cache
def every_model() -> tuple[tuple[Provider, ModelInfo], ...]:
    """Models that their own id finds; some ids of the catalogue are patterns' names."""
    snapshot = get_snapshot()
    found = []
    for provider in snapshot.providers:
        for model in provider.models:
            try:
                known = snapshot.find_provider_model(model.id, None, provider.id, None)
            except LookupError:
                continue
            assert known == (provider, model)
            found.append(known)
    return tuple(found)


def any_usage(random: Random) -> Usage:
    whole = random.choice(SIZES)
    cuts = sorted(random.randint(0, whole) for _ in range(3))
    return Usage(
        input=cuts[0],
        cache_read=cuts[1] - cuts[0],
        cache_write_5m=cuts[2] - cuts[1],
        cache_write_1h=whole - cuts[2],
        output=random.choice([0, 1, 7, 8_191, 100_000]),
    )


def theirs(usage: Usage, model: ModelInfo, provider: Provider, at: datetime, tier: str) -> int:
    """The catalogue's own sum in nano-dollars, rounded up once."""
    reported = CatalogueUsage(
        input_tokens=usage.input_total,
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=usage.cache_write,
        cache_write_1h_tokens=usage.cache_write_1h,
        output_tokens=usage.output,
    )
    ((kind, value),) = next(
        (one.when for one in model.price_variants or () if tier in one.when.values()), {"": ""}
    ).items()
    context = {kind: value} if tier else None
    calculated = model.calc_price(
        reported, provider, genai_request_timestamp=at, price_context=context
    )
    return nanousd(calculated.total_price)


def ours(usage: Usage, card: RateCard, tier: str) -> Cost | None:
    try:
        return price_call(usage, card, tier)
    except UnpricedUsage:
        return None


@pytest.mark.parametrize("at", MOMENTS, ids=str)
def test_every_model_costs_what_the_catalogue_itself_says(at: datetime) -> None:
    random = Random(20_261_120)
    compared = 0
    for provider, model in every_model():
        keys = {key for key, value in vars(model.get_prices(at)).items() if value is not None}
        card = find_card(provider.id, model.id, us(at))
        if not {"input_mtok", "output_mtok"} & keys:
            assert card is None, (provider.id, model.id)
            continue
        assert card is not None, (provider.id, model.id)
        if not keys <= BESIDE_KEYS:
            assert card.is_incomplete, (provider.id, model.id, keys)
            continue
        for tier in ("", *dict(card.tiers)):
            for _ in range(4):
                usage = any_usage(random)
                if "output_mtok" not in keys:
                    usage = Usage(input=usage.input_total)
                cost = ours(usage, card, tier)
                wanted = theirs(usage, model, provider, at, tier)
                where = (provider.id, model.id, tier, usage)
                assert cost is not None, where
                # Each line is rounded up, their sum once.
                assert 0 <= cost.total - wanted < max(len(cost.lines), 1), where
                compared += 1
    assert compared > 7_000


def test_a_bucket_without_a_price_is_unpriced_never_free() -> None:
    without_output = [
        (provider.id, model.id)
        for provider, model in every_model()
        if (card := find_card(provider.id, model.id, us(NOON))) is not None
        and card.steps[0].rate.output is None
    ]
    assert len(without_output) > 50
    for catalogue, model_id in without_output:
        card = card_of(catalogue, model_id)
        assert ours(Usage(input=1), card, "") is not None
        with pytest.raises(UnpricedUsage):
            price_call(Usage(output=1), card, "")


def test_steps_ascend_and_begin_at_nothing() -> None:
    for provider, model in every_model():
        if (card := find_card(provider.id, model.id, us(NOON))) is None:
            continue
        for steps in (card.steps, *dict(card.tiers).values()):
            starts = [step.input_above for step in steps]
            assert starts[0] == 0, (provider.id, model.id)
            assert starts == sorted(set(starts)), (provider.id, model.id)
