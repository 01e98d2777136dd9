"""What usage costs: rates, rate cards with steps and tiers, and the most a call can cost.

Whole nano-dollars, rounded up once on each line. A missing rate never makes anything free: a
bucket falls back to the rate of the bucket that holds it, or the usage is unpriced.
Source: docs/money.md, sections 1 to 3.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from ferrycli.rules.errors import UnpricedUsage
from ferrycli.rules.money import UNITS_PER_RATE
from ferrycli.rules.usage import BUCKETS, WRITE_BUCKETS, Usage

HOLD_LINES = 12
"""A hold is this many nano-dollars above the ceiling: the sum of the lines' own roundings."""

STANDARD_TIERS = frozenset(
    {"", "default", "standard", "standard_only", "auto", "on_demand", "scale"}
    | {"global", "not_available"}
)
"""Words of served tiers that cost the plain rate; the last two are Anthropic's of its places."""

_SAME_TIER = {"on_demand_flex": "flex", "on_demand_priority": "priority"}
"""Vertex's names of Gemini's tiers."""

CHOSEN_BY_PROVIDER = frozenset({"", "auto"})
"""What a request says that leaves the tier to the provider."""

CHEAPER_TIERS = frozenset({"flex", "batch"})
"""Tiers that never cost more than the plain rate: it bounds them where a card lacks theirs."""

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


@dataclass(frozen=True, slots=True)
class Cost:
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
    lines = []
    is_incomplete = False
    without_fee = ""
    for bucket in BUCKETS:
        if not (quantity := getattr(usage, bucket)):
            continue
        amount, is_sure = _rate_of(rate, bucket)
        if amount is None:
            if bucket not in COUNTED_BUCKETS:
                raise UnpricedUsage(bucket)
            without_fee = bucket
            continue
        is_incomplete |= not is_sure
        lines.append((bucket, ceil_cost(quantity, amount)))
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

    @property
    def is_free(self) -> bool:
        """Whether the card says of everything on it that it costs nothing.

        A rate that is missing says nothing: input and output must stand there as 0.
        """
        every = [*self.steps, *(step for _, steps in self.tiers for step in steps)]
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
        steps, factors, is_sure = self._served(tier)
        chosen = steps[0]
        for step in steps:
            if input_total > step.input_above:
                chosen = step
        rate = chosen.rate
        for factor in factors:
            rate = factor.applied(rate)
        return rate, is_sure

    def unsure_buckets(self, tier: str) -> frozenset[str]:
        """Buckets whose rate in `tier` is a bound, not what is known to be billed."""
        _, factors, _ = self._served(tier)
        return frozenset(self.unsure).union(*(factor.unsure for factor in factors))

    def _served(self, tier: str) -> tuple[tuple[Step, ...], list[Factor], bool]:
        words = self.words(tier)
        if not words:
            return self.steps, [], True
        known, factors = dict(self.tiers), {factor.word: factor for factor in self.factors}
        priced = [word for word in words if word in known]
        scaling = [factors[word] for word in words if word in factors and word not in known]
        # Of two tiers with steps of their own nobody says what they cost together.
        is_sure = len(priced) <= 1 and len(priced) + len(scaling) == len(words)
        return known[priced[0]] if priced else self.steps, scaling, is_sure


UNBILLED = "unbilled"
"""The version of the card of what no provider bills."""


def unbilled(provider: str, model: str) -> RateCard:
    """The card of an endpoint that providers answer for nothing, such as a count of tokens."""
    return RateCard(provider, model, (Step(0, Rate(input=0, output=0)),), version=UNBILLED)


def price_call(usage: Usage, card: RateCard, tier: str) -> Cost:
    """What `usage` costs on `card`, served in `tier` (as the reply names it; "" if it does not).

    A long-context step reprices the whole request. Raises UnpricedUsage as `price` does.
    """
    rate, is_sure = card.rate(usage.input_total, tier)
    cost = price(usage, rate)
    unsure = card.unsure_buckets(tier)
    is_sure = is_sure and unsure.isdisjoint(bucket for bucket, _ in cost.lines)
    return cost if is_sure and not card.is_incomplete else replace(cost, is_incomplete=True)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that a request may use, and the terms on which it may be billed."""

    input_tokens_max: int
    choices: int = 1
    """Answers asked for: the output bound counts for each."""
    tier: str = ""
    """The service tier that the request asks for."""
    writes_cache: bool = False
    """The request, or its provider by itself, may write input to a cache."""
    has_audio: bool = False
    has_output: bool = True
    """False: what is asked for has no answer that is billed, such as embeddings."""
    predicted_tokens_max: int = 0
    """A predicted answer's tokens: rejected ones are billed as output, beside the answer."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most that a call can cost, as a straight line over its output bound."""

    input_nanousd: int
    """What does not depend on the answer: the whole input bound at the dearest rate, a predicted
    answer, and `HOLD_LINES` for roundings."""
    output_rate: int
    """Nano-dollars per million output tokens, all choices together."""

    def at(self, output_tokens: int) -> int:
        """The ceiling where each choice may answer with `output_tokens`."""
        return self.input_nanousd + ceil_cost(output_tokens, self.output_rate)

    def affords(self, amount_nanousd: int) -> int:
        """The largest output bound whose ceiling is at most `amount_nanousd`; below 0: none."""
        left = amount_nanousd - self.input_nanousd
        if left < 0:
            return -1
        if self.output_rate == 0:
            return COUNT_UNBOUNDED
        return left * UNITS_PER_RATE // self.output_rate


COUNT_UNBOUNDED = 1 << 60
"""What a free output bucket affords."""


def ceiling(card: RateCard, bounds: Bounds) -> Ceiling | None:
    """The most that a call within `bounds` can cost on `card`; None if that cannot be stated.

    None: input or output has no rate, the provider also bills what the card cannot say, or the
    tier asked for is dearer and not on the card.
    """
    known, factors = dict(card.tiers), {factor.word: factor for factor in card.factors}
    words = card.words(bounds.tier)
    is_known = all(word in known or word in factors or word in CHEAPER_TIERS for word in words)
    if card.is_incomplete or not is_known:
        return None
    # A request for flex may be served at the plain rate, so both count. One that names no tier is
    # served as the account is set up at the provider: that may be its dearest. So may the place.
    chosen = [word for word in words if word in known]
    if all(word in CHOSEN_BY_PROVIDER for word in bounds.tier.split("+") if word not in factors):
        chosen = [word for word in known if word not in card.only_asked]
    steps = [*card.steps, *(step for word in chosen for step in known[word])]
    reached = [step.rate for step in steps if step.input_above < max(bounds.input_tokens_max, 1)]
    for word, factor in factors.items():
        is_dearer = factor.numerator > factor.denominator
        if is_dearer and (word in words or word not in card.only_asked):
            reached = [factor.applied(rate) for rate in reached]
    buckets = ["input", "cache_read", "image_in"]
    buckets += WRITE_BUCKETS if bounds.writes_cache else ()
    buckets += ["audio_in"] if bounds.has_audio else []
    input_rate = _dearest(reached, buckets)
    answer = ["output", "audio_out"] if bounds.has_audio else ["output"]
    output_rate = _dearest(reached, answer) if bounds.has_output else 0
    if input_rate is None or output_rate is None:
        return None
    predicted = ceil_cost(bounds.predicted_tokens_max * bounds.choices, output_rate)
    return Ceiling(
        ceil_cost(bounds.input_tokens_max, input_rate) + predicted + HOLD_LINES + bounds.choices,
        output_rate * bounds.choices,
    )


def _dearest(rates: list[Rate], buckets: list[str]) -> int | None:
    amounts = [_rate_of(rate, bucket)[0] for rate in rates for bucket in buckets]
    known = [amount for amount in amounts if amount is not None]
    return max(known) if len(known) == len(amounts) else None


@dataclass(frozen=True, slots=True)
class Override:
    """A price that the operator set. It beats the catalogue for the models that it matches."""

    id: str
    provider: str
    model_glob: str
    rate: Rate
    tier: str = ""
    from_us: int = 0
