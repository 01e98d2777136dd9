"""What budgets rest on, for any card, usage and limit: no line under its cost, no cost over a
ceiling, no hold over what is free."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from ferrycli.rules.budget import (
    OUTPUT_TOKENS_FLOOR,
    Admission,
    Ask,
    doubt_of,
    judge,
    smallest_hold,
)
from ferrycli.rules.ceilings import Bounds, Ceiling, ceiling
from ferrycli.rules.denials import BudgetBusy, BudgetRefusal, BudgetSpent
from ferrycli.rules.pricing import Rate, RateCard, Step, price, price_call
from ferrycli.rules.standings import Standing, Terms
from ferrycli.rules.usage import BUCKETS, WRITE_BUCKETS, Usage
from tests.changed import replace

DrawInt = Callable[[st.SearchStrategy[int]], int]
BOOLEANS = st.booleans()
AMOUNTS = st.one_of(st.integers(0, 30), st.integers(0, 10**12))
RATES = st.builds(
    Rate,
    input=AMOUNTS,
    output=AMOUNTS,
    **{bucket: st.none() | AMOUNTS for bucket in BUCKETS if bucket not in ("input", "output")},
)
STARTS = (1, 2, 9, 100, 128_000, 200_000, 272_000)


@st.composite
def cards(draw: st.DrawFn) -> RateCard:
    """A card of up to four steps, with any of three tiers that have steps of their own."""
    tiers = draw(st.sets(st.sampled_from(["flex", "batch", "priority"])))
    return RateCard(
        provider="p",
        model="m",
        steps=_steps(draw),
        tiers=tuple((tier, _steps(draw)) for tier in sorted(tiers)),
    )


def _steps(draw: st.DrawFn) -> tuple[Step, ...]:
    starts = draw(st.lists(st.sampled_from(STARTS), unique=True, max_size=3))
    return tuple(Step(start, draw(RATES)) for start in [0, *sorted(starts)])


def bounds() -> st.SearchStrategy[Bounds]:
    near = [start + by for start in STARTS for by in (-1, 0, 1)]
    return st.builds(
        Bounds,
        input_tokens_max=st.one_of(st.sampled_from(near), st.integers(0, 300_000)),
        choices=st.integers(1, 128),
        tier=st.sampled_from(["", "default", "auto", "flex", "batch", "priority"]),
        writes_cache=st.booleans(),
        has_audio=st.booleans(),
    )


def split(draw: DrawInt, whole: int, buckets: list[str]) -> dict[str, int]:
    """`whole` tokens put into `buckets`, each with any share; often all in one."""
    shares = {}
    for bucket in buckets:
        shares[bucket] = draw(st.sampled_from([0, whole]) | st.integers(0, whole))
        whole -= shares[bucket]
    return shares


def used_within(draw: DrawInt, within: Bounds, output_max: int) -> Usage:
    """Any usage that a provider may report of a request within the bounds."""
    inputs = ["input", "cache_read", "image_in"]
    inputs += WRITE_BUCKETS if within.writes_cache else ()
    outputs = ["output"]
    if within.has_audio:
        inputs.append("audio_in")
        outputs.append("audio_out")
    most = within.input_tokens_max
    near = [at for start in STARTS for at in (start, start + 1) if at <= most]
    input_total = draw(st.sampled_from([most, *near]) | st.integers(0, most))
    output_total = draw(st.sampled_from([0, output_max * within.choices]))
    return Usage(**split(draw, input_total, inputs), **split(draw, output_total, outputs))


def servable(within: Bounds, card: RateCard) -> list[str]:
    """Tiers that the reply may name: the one asked for, the standard one or none, and any of the
    card's where the request leaves it to the provider."""
    chosen = [tier for tier, _ in card.tiers] if within.tier in ("", "auto") else [within.tier]
    return ["", "default", *chosen]


USAGES = st.builds(Usage, **{bucket: st.integers(0, 10**12) for bucket in BUCKETS})


@given(USAGES, RATES.map(lambda rate: replace(rate, web_search=rate.web_search or 0)))
def test_no_line_is_under_its_exact_cost_or_a_nano_dollar_above(usage: Usage, rate: Rate) -> None:
    for bucket, amount in price(usage, rate).lines:
        alone = Usage(**{bucket: getattr(usage, bucket)})
        assert price(alone, rate).lines == ((bucket, amount),)
        own = getattr(rate, bucket)
        if own is not None:
            true_cost = Fraction(getattr(usage, bucket) * own, 1_000_000)
            assert 0 <= amount - true_cost < 1


@given(RATES, st.sampled_from([(1, 2), (5, 4), (11, 10), (2, 1), (1, 10), (1, 40), (7, 4)]))
def test_a_scaled_rate_is_never_under_and_above_by_less_than_one(
    rate: Rate, ratio: tuple[int, int]
) -> None:
    scaled = rate.scaled(*ratio)
    for field in fields(Rate):
        plain, made = getattr(rate, field.name), getattr(scaled, field.name)
        assert (plain is None) == (made is None)
        if plain is not None:
            assert 0 <= made - Fraction(plain * ratio[0], ratio[1]) < 1


@given(st.data(), cards(), bounds(), st.integers(0, 128_000))
def test_no_usage_within_the_bounds_costs_more_than_the_ceiling(
    data: st.DataObject, card: RateCard, within: Bounds, output_max: int
) -> None:
    limits = ceiling(card, within)
    known = dict(card.tiers)
    if limits is None:
        assert within.tier == "priority"
        assert within.tier not in known
        return
    usage = used_within(data.draw, within, output_max)
    served = data.draw(st.sampled_from(servable(within, card)))
    assert price_call(usage, card, served).total <= limits.at(output_max)


@given(st.data(), cards(), bounds())
def test_a_ceiling_is_above_the_dearest_usage_by_no_more_than_its_lines(
    data: st.DataObject, card: RateCard, within: Bounds
) -> None:
    """A ceiling that no usage comes near would refuse who can pay."""
    plain = replace(card, steps=card.steps[:1], tiers=())
    within = replace(within, tier="", has_audio=False)
    limits = ceiling(plain, within)
    assert limits is not None
    buckets = ["input", "cache_read", "image_in", *(WRITE_BUCKETS if within.writes_cache else ())]
    dearest = max(
        price(Usage(**{bucket: within.input_tokens_max}), plain.steps[0].rate).total
        for bucket in buckets
    )
    output = price(Usage(output=1_000 * within.choices), plain.steps[0].rate).total
    assert 12 <= limits.at(1_000) - dearest - output <= 12 + within.choices


@given(st.builds(Ceiling, st.integers(12, 10**10), st.integers(1, 10**13)), st.data())
def test_what_money_affords_is_the_inverse_of_the_ceiling(
    limits: Ceiling, data: st.DataObject
) -> None:
    amount = data.draw(st.integers(-10, 10**14))
    longest = limits.affords(amount)
    if amount < limits.at(0):
        assert longest < 0
        return
    assert limits.at(longest) <= amount < limits.at(longest + 1)
    asked = data.draw(st.integers(0, 10**6))
    assert (limits.at(asked) <= amount) == (asked <= longest)
    assert limits.affords(limits.at(asked)) >= asked


# Judging --------------------------------------------------------------------------------------

CEILINGS = st.builds(
    Ceiling, st.integers(12, 10**4) | st.integers(12, 10**9), st.just(0) | st.integers(1, 10**9)
)
LIMITS = st.none() | st.sampled_from([0, 1, 255, 256, 257, 8_192, 8_193]) | st.integers(0, 64_000)
ASKS = st.builds(
    Ask,
    target=st.just("p/m"),
    ceiling=CEILINGS,
    is_priced=st.just(True),
    is_free=st.just(False),
    output_asked=LIMITS,
    output_max=LIMITS,
    expected_nanousd=st.just(0),
    expected_output_tokens=st.sampled_from([1, 256, 1_024]) | st.integers(1, 10_000),
)


@st.composite
def standings(draw: st.DrawFn, clamps: tuple[str, ...] = ("unset", "always")) -> Standing:
    """A window with anything spent, held and in doubt; the limit may since have been lowered."""
    free = draw(st.sampled_from([-1, 0, 1]) | st.integers(-(10**6), 10**12))
    spent, held, doubt = (draw(st.just(0) | st.integers(0, 10**10)) for _ in range(3))
    budget = f"b_{draw(st.integers(0, 9))}"
    limit = max(0, free + spent + held + doubt)
    terms = Terms(budget, "key=k", "month", "UTC", limit, clamp=draw(st.sampled_from(clamps)))
    return Standing(terms, 0, None, spent, held, doubt)


MATCHING = st.lists(standings(), min_size=1, max_size=4).map(tuple)


def as_if_idle(standing: Standing) -> Standing:
    """The same window when every other call has ended and cost nothing."""
    return replace(standing, held=0)


@given(MATCHING, ASKS)
def test_no_admission_holds_more_than_is_free_in_any_window(
    matching: tuple[Standing, ...], ask: Ask
) -> None:
    verdict = judge(matching, ask)
    if isinstance(verdict, Admission):
        assert verdict.free_nanousd == min(standing.free for standing in matching)
        for standing in matching:
            used = standing.spent + standing.held + standing.doubt
            assert used + verdict.hold_nanousd <= standing.terms.limit_nanousd


@given(MATCHING, ASKS)
def test_a_hold_covers_every_answer_that_the_request_may_get(
    matching: tuple[Standing, ...], ask: Ask
) -> None:
    verdict = judge(matching, ask)
    if not isinstance(verdict, Admission):
        return
    assert ask.ceiling is not None
    limits = [
        limit
        for limit in (verdict.output_bound, ask.output_asked, ask.output_max)
        if limit is not None
    ]
    assert limits, "an answer that nothing bounds is under no hold"
    assert ask.ceiling.at(min(limits)) <= verdict.hold_nanousd


@given(MATCHING, ASKS)
def test_a_bound_never_raises_a_limit_and_never_sells_a_cut_answer(
    matching: tuple[Standing, ...], ask: Ask
) -> None:
    verdict = judge(matching, ask)
    if not isinstance(verdict, Admission) or verdict.output_bound is None:
        return
    known = [limit for limit in (ask.output_asked, ask.output_max) if limit is not None]
    floor = max(ask.expected_output_tokens, OUTPUT_TOKENS_FLOOR)
    assert verdict.output_bound >= min([floor, *known])
    assert all(verdict.output_bound <= limit for limit in known)


@given(MATCHING, ASKS)
def test_a_refusal_is_busy_exactly_if_the_call_would_fit_without_the_calls_in_flight(
    matching: tuple[Standing, ...], ask: Ask
) -> None:
    verdict = judge(matching, ask)
    would_fit = isinstance(judge(tuple(map(as_if_idle, matching)), ask), Admission)
    if isinstance(verdict, BudgetRefusal):
        assert isinstance(verdict, BudgetBusy) == would_fit
        assert isinstance(verdict, BudgetSpent) != would_fit
        assert verdict.budget in {standing.terms.id for standing in matching}
    else:
        assert isinstance(verdict, Admission)


@given(MATCHING, ASKS)
def test_nothing_in_flight_never_reads_as_busy(matching: tuple[Standing, ...], ask: Ask) -> None:
    assert not isinstance(judge(tuple(map(as_if_idle, matching)), ask), BudgetBusy)


@given(standings(), ASKS)
def test_a_call_goes_exactly_if_its_smallest_hold_is_free(standing: Standing, ask: Ask) -> None:
    assert ask.ceiling is not None
    smallest = smallest_hold(ask, ask.ceiling, may_clamp=standing.terms.clamp == "always")
    verdict = judge((standing,), ask)
    assert isinstance(verdict, Admission) == (smallest <= standing.free)


@given(standings(), ASKS)
def test_the_needed_amount_is_what_lets_the_same_call_go(standing: Standing, ask: Ask) -> None:
    verdict = judge((standing,), ask)
    if not isinstance(verdict, BudgetRefusal):
        return
    missing = verdict.needed_nanousd - standing.free
    assert missing > 0
    for raise_by, goes in ((missing - 1, False), (missing, True)):
        limit = standing.terms.limit_nanousd + raise_by
        raised = replace(standing, terms=replace(standing.terms, limit_nanousd=limit))
        assert isinstance(judge((raised,), ask), Admission) == goes


@given(standings(), ASKS, st.integers(1, 10**10))
def test_more_free_money_never_refuses_and_never_shortens(
    standing: Standing, ask: Ask, more: int
) -> None:
    limit = standing.terms.limit_nanousd + more
    raised = replace(standing, terms=replace(standing.terms, limit_nanousd=limit))
    before, after = judge((standing,), ask), judge((raised,), ask)
    if isinstance(before, Admission):
        assert isinstance(after, Admission)
        assert after.hold_nanousd >= before.hold_nanousd


@given(st.lists(ASKS, min_size=1, max_size=30), st.integers(0, 10**10), st.data())
def test_no_run_of_calls_spends_over_the_limit_whatever_they_come_to(
    asks: list[Ask], limit: int, data: st.DataObject
) -> None:
    """Admit, settle at any cost up to the hold, with doubt or without: never over, and held ends
    at nothing."""
    now = Standing(Terms("b_1", "key=k", "month", "UTC", limit), 0, None)
    open_holds: list[int] = []
    for ask in asks:
        verdict = judge((now,), ask)
        if isinstance(verdict, Admission):
            open_holds.append(verdict.hold_nanousd)
            now = replace(now, held=now.held + verdict.hold_nanousd)
        assert now.free >= 0
        is_ended = data.draw(BOOLEANS)
        if open_holds and is_ended:
            now = _settled(now, open_holds.pop(), data)
    while open_holds:
        now = _settled(now, open_holds.pop(), data)
    assert now.held == 0
    assert now.spent + now.doubt <= limit


def _settled(now: Standing, hold: int, data: st.DataObject) -> Standing:
    cost = data.draw(st.sampled_from([0, hold]) | st.integers(0, hold))
    doubt = doubt_of(hold, cost) if data.draw(BOOLEANS) else 0
    return replace(now, held=now.held - hold, spent=now.spent + cost, doubt=now.doubt + doubt)


@given(ASKS, bounds(), cards(), st.data())
def test_no_admitted_call_costs_more_than_its_hold(
    ask: Ask, within: Bounds, card: RateCard, data: st.DataObject
) -> None:
    """From the card to the bill: I5, over every step and tier that the request can be served at."""
    limits = ceiling(card, within)
    assume(limits is not None)
    verdict = judge((data.draw(standings()),), replace(ask, ceiling=limits))
    if not isinstance(verdict, Admission):
        return
    known = [
        limit
        for limit in (verdict.output_bound, ask.output_asked, ask.output_max)
        if limit is not None
    ]
    usage = used_within(data.draw, within, min(known))
    served = data.draw(st.sampled_from(servable(within, card)))
    assert price_call(usage, card, served).total <= verdict.hold_nanousd
