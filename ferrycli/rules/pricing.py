"""What usage costs: rates, and rate cards with steps and tiers.

Whole nano-dollars, rounded up once on each line. A missing rate never makes anything free: a
bucket falls back to the rate of the bucket that holds it, or the usage is unpriced.
Source: docs/money.md, sections 1 to 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

from msgspec import Struct

from ferrycli.rules.errors import UnpricedUsage
from ferrycli.rules.money import UNITS_PER_RATE
from ferrycli.rules.usage import BUCKETS, Usage

STANDARD_TIERS = frozenset(
    {"", "default", "standard", "standard_only", "auto", "on_demand", "scale"}
    | {"global", "not_available"}
)
"""Words of served tiers that cost the plain rate; the last two are Anthropic's of its places."""

_SAME_TIER = {"on_demand_flex": "flex", "on_demand_priority": "priority"}
"""Vertex's names of Gemini's tiers."""

COUNTED_BUCKETS = frozenset({"web_search"})
"""Things that are billed by the piece, beside the tokens: no tier scales their fee."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Nano-dollars per million units of each bucket; None where there is no rate of its own."""

    input: int | None = None
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_30m: int | None = None
    cache_write_1h: int | None = None
    cache_write_12h: int | None = None
    output: int | None = None
    audio_in: int | None = None
    audio_out: int | None = None
    image_in: int | None = None
    web_search: int | None = None

    def scaled(self, numerator: int, denominator: int) -> Rate:
        """Every rate times an integer ratio, rounded up once."""
        scaled = {
            field.name: -(-rate * numerator // denominator)
            for field in fields(self)
            if (rate := getattr(self, field.name)) is not None
        }
        return replace(self, **scaled)


_PARENTS = {
    "cache_read": "input",
    "cache_write_5m": "input",
    "cache_write_30m": "cache_write_5m",
    "cache_write_1h": "cache_write_5m",
    "cache_write_12h": "cache_write_1h",
    "audio_in": "input",
    "image_in": "input",
    "audio_out": "output",
}
"""Whose rate bills a bucket that has none of its own."""

_SURE_PARENTS = frozenset({"cache_read", "cache_write_5m", "cache_write_30m", "image_in"})
"""Buckets for which the parent's rate is what providers bill; for others it is a lower bound."""


class Cost(Struct, frozen=True):
    """What usage came to, in nano-dollars, one line per bucket that was used."""

    lines: tuple[tuple[str, int], ...] = ()
    is_incomplete: bool = False
    """A multiplier or a rate that the provider applies is not known: the true cost may differ."""

    @property
    def total(self) -> int:
        """The sum of the lines."""
        return sum(amount for _, amount in self.lines)

    def of(self, *buckets: str) -> int:
        """The sum of the lines of these buckets."""
        return sum(amount for bucket, amount in self.lines if bucket in buckets)


def price(usage: Usage, rate: Rate) -> Cost:
    """What `usage` costs at `rate`, in whole nano-dollars.

    Buckets are disjoint: cached tokens are not counted again as input.
    A cache rate of None bills that bucket as plain input, never as free.
    Rounds up, once, on each line: 3 tokens at $0.075/M are 225, not 0.
    A fee that is not known beside tokens that are priced makes the cost incomplete.
    Raises UnpricedUsage if a bucket is non-empty and has no rate.
    Source: docs/money.md, section 2.
    """
    return _priced(usage, _amounts_of(rate), is_incomplete=False)


_Amounts = Sequence[tuple[str, int | None, bool]]
"""Each bucket with the rate that bills it, None where nothing does, and whether that is sure."""


def _amounts_of(rate: Rate, bounds: frozenset[str] = frozenset()) -> _Amounts:
    """What bills each bucket; `bounds` are those whose rate is the most that it may be."""
    found = ((bucket, *_rate_of(rate, bucket)) for bucket in BUCKETS)
    return tuple((name, amount, is_sure and name not in bounds) for name, amount, is_sure in found)


def _priced(usage: Usage, amounts: _Amounts, *, is_incomplete: bool) -> Cost:
    lines = []
    without_fee = ""
    for bucket, amount, is_sure in amounts:
        if not (quantity := getattr(usage, bucket)):
            continue
        if amount is None:
            if bucket not in COUNTED_BUCKETS:
                raise UnpricedUsage(bucket)
            without_fee = bucket
            continue
        if not is_sure:
            is_incomplete = True
        lines.append((bucket, -(-quantity * amount // UNITS_PER_RATE)))
    if without_fee and not lines:
        raise UnpricedUsage(without_fee)
    return Cost(tuple(lines), is_incomplete or without_fee != "")


def ceil_cost(quantity: int, rate: int) -> int:
    """`quantity` units at `rate` nano-dollars per million, rounded up."""
    return -(-quantity * rate // UNITS_PER_RATE)


def rate_of(rate: Rate, bucket: str) -> int | None:
    """Nano-dollars per million units of `bucket`; None where nothing says it."""
    return _rate_of(rate, bucket)[0]


def _rate_of(rate: Rate, bucket: str) -> tuple[int | None, bool]:
    is_sure = True
    amount = getattr(rate, bucket)
    while amount is None and bucket in _PARENTS:
        is_sure = is_sure and bucket in _SURE_PARENTS
        bucket = _PARENTS[bucket]
        amount = getattr(rate, bucket)
    return amount, is_sure


@dataclass(frozen=True, slots=True)
class Step:
    """The rate of requests whose whole input is more than `input_above` tokens."""

    input_above: int
    rate: Rate


@dataclass(frozen=True, slots=True)
class Factor:
    """What a word of the served tier does to every rate of tokens: `fast`, or `us` for a place."""

    word: str
    numerator: int
    denominator: int
    unsure: tuple[str, ...] = ()
    """Buckets of which the provider does not say so: they are billed at the dearer of both rates,
    and the cost is incomplete."""

    def applied(self, rate: Rate) -> Rate:
        """`rate` under this factor; a fee stays as it is."""
        kept = COUNTED_BUCKETS
        if self.numerator < self.denominator:
            kept = kept.union(self.unsure)
        own = {bucket: rate_of(rate, bucket) for bucket in kept}
        return replace(rate.scaled(self.numerator, self.denominator), **own)


@dataclass(frozen=True, slots=True)
class RateCard:
    """All prices of one model at one provider at one time: steps, and steps per tier."""

    provider: str
    model: str
    """The name under which the price was found: a catalogue id or an override's glob."""
    steps: tuple[Step, ...]
    """Ascending; the first is above 0."""
    tiers: tuple[tuple[str, tuple[Step, ...]], ...] = ()
    version: str = ""
    """Where the card comes from: `genai-prices 0.2.3` or `override r_…`."""
    context_tokens_max: int | None = None
    output_tokens_max: int | None = None
    is_incomplete: bool = False
    """The provider also bills something that the card cannot say, such as a fee per request."""
    factors: tuple[Factor, ...] = ()
    """Words of the tier that scale the rates, where the card has no steps for them."""
    only_asked: tuple[str, ...] = ()
    """Tiers and factors that nobody is billed who did not ask for them by name."""
    unsure: tuple[str, ...] = ()
    """Buckets whose rates here are the most that they may be, not what is known to be billed."""
    tariffs: dict[str, Tariff] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What was worked out of the fields above for each tier that was met, at most
    `TARIFFS_KEPT_MAX`."""

    @property
    def is_free(self) -> bool:
        """Whether the card says of everything on it that it costs nothing.

        A rate that is missing says nothing: input and output must stand there as 0.
        """
        return self.tariff("").is_free

    def _costs_nothing(self, every: Sequence[Step]) -> bool:
        return (
            bool(self.steps)
            and not self.is_incomplete
            and all(step.rate.input == 0 and step.rate.output == 0 for step in every)
            and not any(
                getattr(step.rate, field.name) for step in every for field in fields(step.rate)
            )
        )

    def words(self, tier: str) -> tuple[str, ...]:
        """The words of `tier`, joined by `+` in it, that may change the rate."""
        said = (_SAME_TIER.get(word, word) for word in tier.lower().split("+"))
        own = {name for name, _ in self.tiers}
        return tuple(word for word in said if word in own or word not in STANDARD_TIERS)

    def rate(self, input_total: int, tier: str) -> tuple[Rate, bool]:
        """The rate for a request of `input_total` tokens served in `tier`; whether it is sure.

        `tier` may be of several words: `fast+us`. One that the card lacks and that is no standard
        one is billed at the plain rate and is not sure.
        """
        tariff = self.tariff(tier)
        return tariff.step(input_total)[1], tariff.is_sure

    def tariff(self, tier: str) -> Tariff:
        """All rates of calls that are served in `tier`."""
        known = self.tariffs.get(tier)
        if known is None:
            if len(self.tariffs) >= TARIFFS_KEPT_MAX:
                self.tariffs.clear()
            known = self.tariffs[tier] = self._tariff(tier)
        return known

    def _tariff(self, tier: str) -> Tariff:
        steps, factors, is_sure = self._served(tier)
        bounds = self.unsure_buckets(tier)
        compiled = []
        for step in steps:
            rate = step.rate
            for factor in factors:
                rate = factor.applied(rate)
            compiled.append((step.input_above, rate, _amounts_of(rate, bounds)))
        every = [*self.steps, *(step for _, steps in self.tiers for step in steps)]
        return Tariff(
            tuple(compiled),
            is_sure,
            self._costs_nothing(every),
            tuple({step.input_above for step in every}),
        )

    def unsure_buckets(self, tier: str) -> frozenset[str]:
        """Buckets whose rate in `tier` is a bound, not what is known to be billed."""
        _, factors, _ = self._served(tier)
        return frozenset(self.unsure).union(*(factor.unsure for factor in factors))

    def _served(self, tier: str) -> tuple[tuple[Step, ...], list[Factor], bool]:
        # Most calls name no tier, and several rates are looked up for each.
        words = self.words(tier) if tier else ()
        if not words:
            return self.steps, [], True
        known, factors = dict(self.tiers), {factor.word: factor for factor in self.factors}
        priced = [word for word in words if word in known]
        scaling = [factors[word] for word in words if word in factors and word not in known]
        # Of two tiers with steps of their own nobody says what they cost together.
        is_sure = len(priced) <= 1 and len(priced) + len(scaling) == len(words)
        return known[priced[0]] if priced else self.steps, scaling, is_sure


TARIFFS_KEPT_MAX = 256
"""Callers and providers choose the words of tiers, so there may be any number."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """The rates of one tier of a card, for every length of input."""

    steps: tuple[tuple[int, Rate, _Amounts], ...]
    """Input above which a step counts, its rate, and what bills each bucket."""
    is_sure: bool
    is_free: bool
    """Of the whole card."""
    thresholds: tuple[int, ...]
    """`input_above` of every step on the card."""
    dearest: dict[tuple[object, ...], tuple[int | None, int | None]] = field(
        default_factory=dict, repr=False, compare=False
    )
    """The dearest rates of input and output, as `rules/ceilings.py` has worked them out."""

    def step(self, input_total: int) -> tuple[int, Rate, _Amounts]:
        """The step of a request of so many input tokens."""
        chosen = self.steps[0]
        for step in self.steps:
            if input_total > step[0]:
                chosen = step
        return chosen


UNBILLED = "unbilled"
"""The version of the card of what no provider bills."""


def unbilled(provider: str, model: str) -> RateCard:
    """The card of an endpoint that providers answer for nothing, such as a count of tokens."""
    return RateCard(provider, model, (Step(0, Rate(input=0, output=0)),), version=UNBILLED)


def price_call(usage: Usage, card: RateCard, tier: str) -> Cost:
    """What `usage` costs on `card`, served in `tier` (as the reply names it; "" if it does not).

    A long-context step reprices the whole request. Raises UnpricedUsage as `price` does.
    """
    tariff = card.tariff(tier)
    _, _, amounts = tariff.step(usage.input_total)
    return _priced(usage, amounts, is_incomplete=card.is_incomplete or not tariff.is_sure)


@dataclass(frozen=True, slots=True)
class Override:
    """A price that the operator set. It beats the catalogue for the models that it matches."""

    id: str
    provider: str
    model_glob: str
    rate: Rate
    tier: str = ""
    from_us: int = 0
