"""What the price catalogue lacks and is published all the same: factors, fees, writes, places.

Every entry names the page that says so. What no page says is not here: then the tier or the fee
stays without a price, and the cost says that it is incomplete. All figures as of `EDITION`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from ferrycli.prices.names import FREE
from ferrycli.rules.money import parse_usd
from ferrycli.rules.pricing import Factor, Rate, RateCard, Step
from ferrycli.rules.usage import BUCKETS

EDITION = "overlay 2026-11"
"""How a card names this file: first where its figures are from here, last where it only adds."""

_TOKENS = tuple(bucket for bucket in BUCKETS if bucket != "web_search")


@dataclass(frozen=True, slots=True)
class Scaled:
    """A word of the served tier that multiplies the rates of tokens."""

    catalogue: str
    models: tuple[str, ...]
    """Globs of the catalogue's ids. Of two entries for one word the first that matches counts."""
    factor: Factor
    source: str
    is_only_asked: bool = True
    """Whether nobody is billed it who did not ask for it in the request."""


SCALED: tuple[Scaled, ...] = (
    # GPT-5.6 Sol and GPT-6.1 Sol are served so too, at a price that is not published.
    Scaled(
        "openai",
        ("gpt-6-astra",),
        Factor("ultrafast", 6, 1),
        "https://developers.openai.com/api/docs/guides/ultrafast-mode and"
        " https://vercel.com/changelog/openai-ultrafast-mode-now-available-on-ai-gateway",
    ),
    # A workspace may be set up for it: then a request need not say so. Older models refuse it.
    Scaled(
        "anthropic",
        (
            "claude-opus-4-[678]",
            "claude-sonnet-4-6",
            *(f"claude-{line}-5*" for line in ("opus", "sonnet", "haiku", "fable", "mythos")),
        ),
        Factor("us", 11, 10),
        "https://docs.aws.amazon.com/claude-platform/latest/userguide/data-residency.md and"
        " https://platform.claude.com/docs/en/manage-claude/data-residency.md",
        is_only_asked=False,
    ),
    # Half of what a token costs; of cached ones some models' pages say that they stay as they are.
    Scaled(
        "google",
        ("gemini-*",),
        Factor("flex", 1, 2, unsure=("cache_read",)),
        "https://ai.google.dev/gemini-api/docs/optimization.md.txt",
    ),
    Scaled(
        "google",
        ("gemini-3.7-flash", "gemini-3.8-flash", "gemini-4-argon"),
        Factor("priority", 9, 5),
        "https://ai.google.dev/gemini-api/docs/pricing, in the catalogue's notes on these models",
    ),
    # "75 to 100 % more than standard": the most of it, and said to be unsure.
    Scaled(
        "google",
        ("gemini-*",),
        Factor("priority", 2, 1, unsure=_TOKENS),
        "https://ai.google.dev/gemini-api/docs/optimization.md.txt",
    ),
)


@dataclass(frozen=True, slots=True)
class Placed:
    """An address in a place of its own, which costs more than the provider's usual one."""

    catalogue: str
    models: tuple[str, ...]
    places: tuple[str, ...]
    """Globs over what `regions.endpoint_place` gives."""
    numerator: int
    denominator: int
    source: str
    is_sure: bool = True
    """Whether it is known to be so for these models; if not, it is the most that is published."""


_VERTEX_CLAUDE = (
    "claude-*-4-[5678]",
    *(f"claude-{line}-5*" for line in ("opus", "sonnet", "haiku", "fable", "mythos")),
)
_OPENAI_BEFORE = (
    *("gpt-3*", "gpt-4*", "gpt-5", "gpt-5-*", "gpt-5.[123]*", "o[134]*", "text-embedding-*"),
    *("whisper-*", "tts-*", "chatgpt-*", "ft:gpt-3*", "ft:gpt-4*"),
)
"""Models from before 5 March 2026, which cost the same in every place."""

PLACED: tuple[Placed, ...] = (
    Placed(
        "openai",
        ("gpt-5.[456]*", "gpt-6*"),
        ("us", "eu", "au", "in", "jp"),
        11,
        10,
        "https://developers.openai.com/api/docs/guides/data-residency.md",
    ),
    Placed("openai", _OPENAI_BEFORE, ("*",), 1, 1, "the same page: not before 5 March 2026"),
    Placed("openai", ("*",), ("*",), 11, 10, "the same page; when they came is not", is_sure=False),
    Placed("x-ai", ("*",), ("us*",), 11, 10, "https://docs.x.ai/developers/pricing"),
    Placed(
        "google",
        _VERTEX_CLAUDE,
        ("*",),
        11,
        10,
        "https://docs.claude.com/en/docs/build-with-claude/claude-on-vertex-ai and the catalogue's"
        " notes on these models",
    ),
    Placed("google", ("claude-*",), ("*",), 1, 1, "the same page: not before Sonnet 4.5"),
    Placed(
        "google",
        ("gemini-*",),
        ("*",),
        11,
        10,
        "the same premium, which is charged for some of them: of which, no page says",
        is_sure=False,
    ),
)


def _written(input: str, cache_read: str, cache_write: str, output: str) -> Rate:
    """Dollars a million tokens."""
    fresh, read, write, answer = map(parse_usd, (input, cache_read, cache_write, output))
    return Rate(fresh, read, write, write, output=answer)


@dataclass(frozen=True, slots=True)
class Fee:
    """What each web search costs, in nano-dollars per million of them."""

    catalogue: str
    web_search: int
    source: str


FEES: tuple[Fee, ...] = (
    Fee("x-ai", parse_usd("5") * 1_000, "https://docs.x.ai/developers/pricing.md"),
)


@dataclass(frozen=True, slots=True)
class Kept:
    """Writes to a cache that is kept for 12 hours, as a multiple of plain input.

    For models that bill writes at all.
    """

    catalogue: str
    times: int
    source: str


KEPT: tuple[Kept, ...] = (
    Kept("openai", 2, "https://developers.openai.com/api/docs/guides/prompt-caching"),
)


@dataclass(frozen=True, slots=True)
class Former:
    """What a model cost before the price that the catalogue has for all times."""

    catalogue: str
    model: str
    until_us: int
    steps: tuple[Step, ...]
    source: str


FORMER: tuple[Former, ...] = (
    Former(
        "openrouter",
        "openai/gpt-5.6-sol",
        # 2026-08-21 00:00 UTC.
        1_787_270_400_000_000,
        (
            Step(0, _written("5", "0.5", "6.25", "30")),
            Step(272_000, _written("10", "1", "12.5", "45")),
        ),
        "https://developers.openai.com/api/docs/changelog: OpenAI's price, which OpenRouter passes"
        " on, as its replies of July 2026 say",
    ),
)


def free_card(catalogue: str, model: str) -> RateCard | None:
    """The card of a model that OpenRouter serves for nothing; None for any other.

    Source: https://openrouter.ai/docs/guides/routing/model-variants/free.md
    """
    if catalogue != "openrouter" or not model.endswith(FREE):
        return None
    return RateCard(catalogue, model, (Step(0, Rate(input=0, output=0)),), version=EDITION)


def overlaid(card: RateCard, place: str, at_us: int) -> RateCard:
    """The catalogue's `card` of that moment with what this file knows; `place`: of the address.

    Where that is nothing, `card` itself.
    """
    made = _with_rates(_with_factors(_formerly(card, at_us)))
    if place:
        made = _in_place(made, place)
    if made == card:
        return card
    is_other = [_plain(step.rate) for step in made.steps] != [
        _plain(one.rate) for one in card.steps
    ]
    said = (EDITION, card.version) if is_other else (card.version, EDITION)
    return replace(made, version=", ".join(said))


def _plain(rate: Rate) -> tuple[int | None, ...]:
    return rate.input, rate.cache_read, rate.output


def _matches(card: RateCard, catalogue: str, models: tuple[str, ...]) -> bool:
    return card.provider == catalogue and any(fnmatchcase(card.model, glob) for glob in models)


def _formerly(card: RateCard, at_us: int) -> RateCard:
    for one in FORMER:
        if at_us < one.until_us and (one.catalogue, one.model) == (card.provider, card.model):
            return replace(card, steps=one.steps, tiers=())
    return card


def _with_factors(card: RateCard) -> RateCard:
    known = {name for name, _ in card.tiers}
    only_asked = list(card.only_asked)
    factors: dict[str, Factor] = {}
    for one in SCALED:
        word = one.factor.word
        if not _matches(card, one.catalogue, one.models) or word in factors or word in known:
            continue
        factors[word] = one.factor
        only_asked += [word] if one.is_only_asked else []
    return replace(card, factors=tuple(factors.values()), only_asked=tuple(only_asked))


def _with_rates(card: RateCard) -> RateCard:
    """Rates that are missing: a fee for each search, writes for 12 hours."""
    fee = next((one.web_search for one in FEES if one.catalogue == card.provider), None)
    times = next((one.times for one in KEPT if one.catalogue == card.provider), None)

    def filled(rate: Rate) -> Rate:
        if fee is not None and rate.web_search is None:
            rate = replace(rate, web_search=fee)
        bills_writes = rate.cache_write_30m is not None and rate.cache_write_12h is None
        if times is not None and bills_writes and rate.input is not None:
            rate = replace(rate, cache_write_12h=rate.input * times)
        return rate

    def every(steps: tuple[Step, ...]) -> tuple[Step, ...]:
        return tuple(Step(step.input_above, filled(step.rate)) for step in steps)

    tiers = tuple((name, every(steps)) for name, steps in card.tiers)
    return replace(card, steps=every(card.steps), tiers=tiers)


def _in_place(card: RateCard, place: str) -> RateCard:
    found = (
        one
        for one in PLACED
        if _matches(card, one.catalogue, one.models)
        and any(fnmatchcase(place, glob) for glob in one.places)
    )
    one = next(found, None)
    if one is None:
        return card
    factor = Factor(place, one.numerator, one.denominator)

    def every(steps: tuple[Step, ...]) -> tuple[Step, ...]:
        return tuple(Step(step.input_above, factor.applied(step.rate)) for step in steps)

    return replace(
        card,
        steps=every(card.steps),
        tiers=tuple((name, every(steps)) for name, steps in card.tiers),
        unsure=card.unsure if one.is_sure else _TOKENS,
    )
