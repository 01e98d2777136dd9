"""The price catalogue (genai-prices), compiled into rate cards.

The one module that imports it: 0.3 s and 20 MB that only pricing needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from importlib.metadata import version

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices

from ferrycli.prices.limits import output_tokens_max
from ferrycli.prices.names import FREE, names, place
from ferrycli.rules.money import nanousd
from ferrycli.rules.pricing import Rate, RateCard, Step

_BUCKETS_OF = {
    "input_mtok": ("input",),
    "output_mtok": ("output",),
    "cache_read_mtok": ("cache_read",),
    "cache_write_mtok": ("cache_write_5m", "cache_write_30m"),
    "cache_write_1h_mtok": ("cache_write_1h",),
    "input_audio_mtok": ("audio_in",),
    "output_audio_mtok": ("audio_out",),
    "input_image_mtok": ("image_in",),
    "web_searches_kcount": ("web_search",),
}
"""The catalogue's price keys, and the buckets that each bills."""

_UNITS_PER_MILLION = {"web_searches_kcount": 1000}
"""How often a price's own unit fits into a million; a price per million has 1."""

_ALSO_BILLED = frozenset(
    {
        "requests_kcount",
        "output_reasoning_mtok",
        "output_citation_mtok",
        "output_image_mtok",
        "output_video_mtok",
        "input_video_mtok",
        "audio_hours",
        "input_audio_hours",
    }
)
"""Prices that no bucket can say: a card with one of them is incomplete."""

_ONLY_ASKED = {"processing": "batch", "speed": "fast"}
"""Variants of a price that are no service tier, and the tier by which ferry calls each: nobody is
billed it who did not ask for it."""

_REGIONAL = "regional."
"""What the catalogue puts before the ids of all regional profiles of a model at Bedrock."""

_SEARCHES_BY_ITSELF = re.compile(r"-search-(?:preview|api)\b")
"""Models that search the web for every answer: OpenAI bills that beside their tokens."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@cache
def catalogue_version() -> str:
    """`genai-prices 0.2.3`: the version that a card names."""
    return f"genai-prices {version('genai-prices')}"


def provider_id(name: str, base_url: str) -> str:
    """The catalogue's id of a provider, by its configured name or its address; "" for none.

    The whole name and the whole host count: a likeness to a known provider is no reason to bill
    at its prices.
    """
    providers = get_snapshot().providers
    for provider in providers:
        if provider.id == name:
            return provider.id
    for provider in providers:
        matched = re.match(provider.api_pattern, base_url)
        if matched and (matched[0].endswith("/") or base_url[matched.end() :][:1] in ("", "/")):
            return provider.id
    return ""


def model_ids(catalogue: str, place: str = "") -> list[str]:
    """Names under which a provider's models can be asked for, as far as the catalogue has them.

    `place`: where the provider's address is; empty for everywhere.
    """
    mine = next((one for one in get_snapshot().providers if one.id == catalogue), None)
    if mine is None:
        return []
    # Those that were shut down are kept for what they cost; and of some the id is no name.
    ids = (_callable(model.id, place) for model in mine.models if not model.deprecated)
    # An id that ends so is the beginning of many names.
    ids = (one for one in ids if not one.endswith("-"))
    return [one for one in ids if one and _find(catalogue, one) is not None]


def _callable(id: str, place: str) -> str:
    """An id as it is called: Bedrock's regional ones by the profile of `place`, or not at all."""
    if not id.startswith(_REGIONAL):
        return id
    profile = next((one for one in ("us", "eu") if place.startswith(f"{one}-")), "")
    return f"{profile}.{id.removeprefix(_REGIONAL)}" if profile else ""


def find_card(catalogue: str, model: str, at_us: int) -> RateCard | None:
    """The card of `model` at `catalogue`'s prices of that moment; None where it is not known."""
    found = _find(catalogue, model)
    if found is None:
        return None
    provider, info, name = found
    at = _EPOCH + timedelta(microseconds=at_us)
    standard = info.get_prices(at)
    steps = _steps(standard)
    if steps is None:
        return None
    tiers = tuple(_tiers(info, standard, at))
    # Found only without the place of its profile: what it costs there is not known.
    is_elsewhere = catalogue == "aws" and place(model) != place(name)
    card = RateCard(
        provider=provider.id,
        model=info.id,
        steps=steps,
        tiers=tiers,
        version=catalogue_version(),
        context_tokens_max=info.context_window,
        output_tokens_max=output_tokens_max(info.id),
        is_incomplete=is_elsewhere
        or not _ALSO_BILLED.isdisjoint(_prices(standard))
        or _SEARCHES_BY_ITSELF.search(model) is not None,
        only_asked=tuple(name for name, _ in tiers if name in _only_asked(info)),
    )
    # What is free at one provider by its name is not for that free at another.
    return None if model.endswith(FREE) and catalogue != "openrouter" and card.is_free else card


def _find(catalogue: str, model: str) -> tuple[Provider, ModelInfo, str] | None:
    """Whose price it is, of which model, and the name under which it was found."""
    if not catalogue:
        return None
    for name in names(catalogue, model):
        try:
            return *get_snapshot().find_provider_model(name, None, catalogue, None), name
        except LookupError:
            continue
    return None


def _prices(price: ModelPrice) -> Mapping[str, Decimal | TieredPrices]:
    return {key: value for key, value in vars(price).items() if value is not None}


def _steps(price: ModelPrice) -> tuple[Step, ...] | None:
    """A rate per context length at which any price changes; None where nothing is priced."""
    prices = {key: value for key, value in _prices(price).items() if key in _BUCKETS_OF}
    if not {"input_mtok", "output_mtok"} & prices.keys():
        return None
    starts = {0}
    for value in prices.values():
        if isinstance(value, TieredPrices):
            starts.update(tier.start for tier in value.tiers)
    return tuple(Step(start, _rate(prices, start)) for start in sorted(starts))


def _rate(prices: Mapping[str, Decimal | TieredPrices], input_above: int) -> Rate:
    amounts = {}
    for key, value in prices.items():
        amount = value
        if isinstance(value, TieredPrices):
            amount = value.base
            for tier in value.tiers:
                amount = tier.price if tier.start <= input_above else amount
        assert isinstance(amount, Decimal)
        for bucket in _BUCKETS_OF[key]:
            amounts[bucket] = nanousd(amount * _UNITS_PER_MILLION.get(key, 1))
    return Rate(**amounts)


def _tiers(
    info: ModelInfo, standard: ModelPrice, at: datetime
) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """The service tiers that have prices of their own at that moment, batch and fast among them."""
    for tier, context in _contexts(info).items():
        priced = info.get_prices(at, context)
        if _prices(priced) != _prices(standard) and (steps := _steps(priced)) is not None:
            yield tier, steps


def _contexts(info: ModelInfo) -> dict[str, dict[str, str]]:
    """Tier to what the catalogue is asked for it."""
    found: dict[str, dict[str, str]] = {}
    for variant in info.price_variants or ():
        if len(variant.when) == 1 and _prices(variant.prices):
            ((kind, value),) = variant.when.items()
            if kind == "service_tier" or _ONLY_ASKED.get(kind) == value:
                found[value] = {kind: value}
    return found


def _only_asked(info: ModelInfo) -> set[str]:
    return {tier for tier, context in _contexts(info).items() if "service_tier" not in context}
