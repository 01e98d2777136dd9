"""The most that a call can cost on a rate card, as a straight line over its answer's bound.

Every rate that may be billed counts, each bucket at the dearest. Source: docs/money.md, section 5.
"""

from __future__ import annotations

from msgspec import Struct

from ferrycli.rules.money import UNITS_PER_RATE
from ferrycli.rules.pricing import Rate, RateCard, ceil_cost, rate_of
from ferrycli.rules.usage import WRITE_BUCKETS

HOLD_LINES = 12
"""A hold is this many nano-dollars above the ceiling: the sum of the lines' own roundings."""

CHOSEN_BY_PROVIDER = frozenset({"", "auto"})
"""What a request says that leaves the tier to the provider."""

CHEAPER_TIERS = frozenset({"flex", "batch"})
"""Tiers that never cost more than the plain rate: it bounds them where a card lacks theirs."""

COUNT_UNBOUNDED = 1 << 60
"""What a free output bucket affords."""


class Bounds(Struct, frozen=True):
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


class Ceiling(Struct, frozen=True):
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


def ceiling(card: RateCard, bounds: Bounds) -> Ceiling | None:
    """The most that a call within `bounds` can cost on `card`; None if that cannot be stated.

    None: input or output has no rate, the provider also bills what the card cannot say, or the
    tier asked for is dearer and not on the card.
    """
    tariff = card.tariff(bounds.tier)
    input_max = max(bounds.input_tokens_max, 1)
    reached = 0
    for above in tariff.thresholds:
        reached += above < input_max
    # The steps that count are nested sets: their number names them.
    place = (reached, bounds.writes_cache, bounds.has_audio, bounds.has_output)
    dearest = tariff.dearest.get(place)
    if dearest is None:
        dearest = tariff.dearest[place] = _dearest_of(card, bounds)
    input_rate, output_rate = dearest
    if input_rate is None or output_rate is None:
        return None
    predicted = ceil_cost(bounds.predicted_tokens_max * bounds.choices, output_rate)
    return Ceiling(
        ceil_cost(bounds.input_tokens_max, input_rate) + predicted + HOLD_LINES + bounds.choices,
        output_rate * bounds.choices,
    )


def _dearest_of(card: RateCard, bounds: Bounds) -> tuple[int | None, int | None]:
    """The dearest rates of input and of output that may be billed; None where it is not known."""
    known, factors = dict(card.tiers), {factor.word: factor for factor in card.factors}
    words = card.words(bounds.tier)
    is_known = all(word in known or word in factors or word in CHEAPER_TIERS for word in words)
    if card.is_incomplete or not is_known:
        return None, None
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
    answer = ["output", "audio_out"] if bounds.has_audio else ["output"]
    return _dearest(reached, buckets), _dearest(reached, answer) if bounds.has_output else 0


def _dearest(rates: list[Rate], buckets: list[str]) -> int | None:
    amounts = [rate_of(rate, bucket) for rate in rates for bucket in buckets]
    known = [amount for amount in amounts if amount is not None]
    return max(known) if len(known) == len(amounts) else None
