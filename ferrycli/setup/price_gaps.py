"""Why recent calls have no price, or not a whole one, and the command that would mend it.

Reads one moment of the database, and prices what was used again, on the cards of now.
"""

from __future__ import annotations

import shlex

from ferrycli.prices.cards import Cards
from ferrycli.proxy.snapshot import Providers, Snapshot
from ferrycli.report.price_gaps import Found
from ferrycli.rules.errors import NoDatabase, UnpricedUsage
from ferrycli.rules.money import usd_exact
from ferrycli.rules.pricing import COUNTED_BUCKETS, Cost, RateCard, price_call
from ferrycli.rules.routing import Target
from ferrycli.rules.usage import Usage
from ferrycli.settings import Settings
from ferrycli.store import reads
from ferrycli.store.books import Books
from ferrycli.store.reads_prices import PriceGap, price_gaps

OPTIONS = {
    "input": "--input",
    "cache_read": "--cache-read",
    "cache_write_5m": "--cache-write",
    "cache_write_30m": "--cache-write",
    "cache_write_1h": "--cache-write-1h",
    "cache_write_12h": "--cache-write-12h",
    "output": "--output",
    "audio_in": "--audio-in",
    "audio_out": "--audio-out",
    "web_search": "--web-search",
}
"""By which option of `ferry prices set` each bucket has its price; pictures cost what text does."""

PER_OPTION = {"web_search": 1_000}
"""How often an option's own unit fits into a million: searches are priced by the thousand."""


def found(settings: Settings, since_us: int, until_us: int, now_us: int) -> list[Found]:
    """The gaps of calls that began in the span, the most calls first."""
    try:
        with reads.opened(settings.database) as connection:
            gaps = price_gaps(connection, since_us, until_us)
            overrides = reads.overrides(connection)
    except NoDatabase:
        return []
    providers = Providers.of(settings.providers)
    snapshot = Snapshot(Books(), Cards(overrides), providers)

    def card(gap: PriceGap) -> RateCard | None:
        if (provider := providers.by_name.get(gap.provider)) is None:
            # It is no longer configured: what the operator says of it counts all the same.
            return snapshot.cards.card(gap.provider, "", gap.model, now_us)
        return snapshot.card(Target(gap.provider, provider.kind, gap.model), now_us)

    return [_explained(gap, card(gap)) for gap in gaps]


def _explained(gap: PriceGap, card: RateCard | None) -> Found:
    if card is None:
        return Found(gap, "no price", _command(gap, None, ""))
    try:
        cost = price_call(gap.used, card, gap.tier)
    except UnpricedUsage as error:
        missing = error.bucket
    else:
        if not cost.is_incomplete:
            return Found(gap, "priced since", "")
        missing = _without_fee(gap.used, cost)
    if missing in COUNTED_BUCKETS:
        return Found(gap, "no fee for web searches", _command(gap, card, ""))
    if missing:
        return Found(gap, f"no price for {missing.replace('_', ' ')}", _command(gap, card, ""))
    if word := _unsure_word(gap, card):
        return Found(gap, f"no price for tier {word}", _command(gap, None, word))
    return Found(gap, "the price is not whole", _command(gap, card, ""))


def _without_fee(used: Usage, cost: Cost) -> str:
    priced = {bucket for bucket, _ in cost.lines}
    return next((one for one in COUNTED_BUCKETS if getattr(used, one) and one not in priced), "")


def _unsure_word(gap: PriceGap, card: RateCard) -> str:
    """The word of the tier that the card has no sure price for; empty where it is not the tier."""
    known = {name for name, _ in card.tiers}
    known |= {factor.word for factor in card.factors if not factor.unsure}
    return next((word for word in card.words(gap.tier) if word not in known), "")


def _command(gap: PriceGap, card: RateCard | None, tier: str) -> str:
    """What sets every bucket that these calls used; figures of `card` stand where it has them."""
    rate = card.rate(gap.used.input_total, "")[0] if card is not None else None
    amounts = {"--input": "USD", "--output": "USD"}
    for bucket, option in OPTIONS.items():
        own = getattr(rate, bucket, None)
        if own is not None:
            amounts[option] = usd_exact(own // PER_OPTION.get(bucket, 1))
        elif getattr(gap.used, bucket):
            amounts.setdefault(option, "USD")
    target = shlex.quote(f"{gap.provider}/{gap.model}")
    words = ["ferry prices set", target, *(f"{name} {amount}" for name, amount in amounts.items())]
    return " ".join([*words, *([f"--tier {shlex.quote(tier)}"] if tier else [])])
