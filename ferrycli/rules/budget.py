"""Whether a call may spend at one target, and how much is held for it.

`judge` sees the standings of every budget that matches and says what is held and how the answer is
bounded; which target is taken is decided in `rules/admission.py`. Pure. Source: docs/money.md,
section 5.
"""

from __future__ import annotations

from dataclasses import replace

from msgspec import Struct, structs

from ferrycli.rules.ceilings import Ceiling
from ferrycli.rules.denials import (
    BudgetBusy,
    BudgetRefusal,
    BudgetSpent,
    CallUnbounded,
    ModelUnpriced,
    Refusal,
)
from ferrycli.rules.estimate import likely_answer
from ferrycli.rules.pricing import ceil_cost
from ferrycli.rules.selectors import subject_values
from ferrycli.rules.standings import Standing

EXPECTED_OUTPUT_TOKENS = 1_024
"""`e` until answers were seen: the 95th percentile of a route's and feature's answers."""
OUTPUT_TOKENS_FLOOR = 256
OPEN_ABOVE = 8_192
"""A caller's limit above this is read as no limit: SDKs that must send one send 32,000."""
WHOLE_SHARE = 100
"""A ceiling of at most one part in this of what is free is held as it is."""
OPEN_SHARE = 64
"""An open answer is bounded by what one part in this of what is free pays for."""


class Ask(Struct, frozen=True):
    """What one candidate of a call needs, as `judge` must know it."""

    target: str
    """`provider/model`, for refusals."""
    ceiling: Ceiling | None
    """None: the most that the call can cost cannot be stated."""
    is_priced: bool
    is_free: bool
    output_asked: int | None
    """The caller's own limit, for one choice; None where it set none."""
    output_max: int | None
    """The most that the model can answer; None where that is not known."""
    expected_nanousd: int
    """What the call probably costs: what is held where no budget matches."""
    unbounded_field: str = ""
    expected_output_tokens: int = EXPECTED_OUTPUT_TOKENS
    """`e`, from which `expected_nanousd` is."""
    thinking_tokens: int = 0
    """The caller's budget for thoughts, which come out of the answer's bound."""
    answer_rate: int = 0
    """Nano-dollars per million tokens of what the answer probably is, all choices together."""
    is_bounded_here: bool = False
    """`output_asked` is ferry's own bound (of a route or an assignment): the request lacks it."""
    is_left_open: bool = False
    """So it is, and the caller's own limit is none: the answer may be bounded further."""

    @property
    def is_open(self) -> bool:
        """Whether the caller has left the length of the answer to ferry."""
        return self.is_left_open or is_open(self.output_asked)


def expecting(ask: Ask, expected_tokens: int) -> Ask:
    """`ask` with another `e`, and what the call probably costs by that."""
    if expected_tokens == ask.expected_output_tokens:
        return ask
    was = likely_answer(ask.expected_output_tokens, ask.output_asked)
    more = likely_answer(expected_tokens, ask.output_asked) - was
    cost = max(0, ask.expected_nanousd + ceil_cost(more, ask.answer_rate))
    return structs.replace(ask, expected_output_tokens=expected_tokens, expected_nanousd=cost)


class Admission(Struct, frozen=True):
    """A call may go: what is held, and the bound that goes into the outgoing request."""

    hold_nanousd: int
    output_bound: int | None = None
    """Tokens per choice that ferry sets; None: the request goes as it came."""
    free_nanousd: int | None = None
    """Least free money of the matching budgets before this hold; None without a budget."""
    binding: str = ""
    """The id of the budget with the least free money."""
    output_held: int | None = None
    """Tokens per choice that the hold covers; None where no ceiling was held."""
    index: int = 0
    """Which of the call's candidates goes."""
    tier: str = "normal"
    fallbacks: tuple[int, ...] = ()
    """Candidates of the same tier that fit as well, in order: where a failed call goes next."""
    rule: str = ""
    """The rule that chose the tier: `tenant=acme: 80% downgrade`."""
    reason: str = ""


def judge(standings: tuple[Standing, ...], ask: Ask) -> Admission | Refusal:
    """Whether `ask` may go under every standing, and what is held for it.

    Without budgets the expected cost is held, for show and for recovery, and nothing is bounded;
    so it is where no budget is strict. A free target always fits; an unpriced or unbounded one
    fits into no strict budget. What budgets of mode `expected` refuse is refused last; `soft`
    ones refuse nothing.
    """
    verdict = _judged(standings, ask)
    if not ask.is_bounded_here or isinstance(verdict, Refusal) or verdict.output_bound is not None:
        return verdict
    return structs.replace(verdict, output_bound=ask.output_asked)


def _judged(standings: tuple[Standing, ...], ask: Ask) -> Admission | Refusal:
    if not standings:
        return Admission(ask.expected_nanousd)
    strict = tuple([one for one in standings if one.terms.mode == "strict"])
    tightest, free = _tightest(strict or standings)
    binding = tightest.terms.id
    if ask.is_free:
        return Admission(0, None, free, binding)
    if not ask.is_priced:
        return _without_price(standings, ask, Admission(0, None, free, binding))
    verdict: Admission | Refusal = Admission(ask.expected_nanousd, None, free, binding)
    if strict:
        verdict = _held_strictly(strict, ask, tightest, free)
    refusal = _within_expected(standings, ask)
    if isinstance(verdict, Admission):
        return refusal or verdict
    # What others hold is not waited for where another budget's money is spent.
    if isinstance(verdict, BudgetBusy) and isinstance(refusal, BudgetSpent):
        return refusal
    return verdict


def _tightest(standings: tuple[Standing, ...]) -> tuple[Standing, int]:
    """The first of those with the least free money, and how much that is."""
    tightest, least = standings[0], standings[0].free
    for one in standings[1:]:
        if (free := one.free) < least:
            tightest, least = one, free
    return tightest, least


def _held_strictly(
    strict: tuple[Standing, ...], ask: Ask, tightest: Standing, free: int
) -> Admission | Refusal:
    """The ceiling of a bounded answer, held, or the refusal of what does not fit."""
    if ask.ceiling is None:
        return CallUnbounded(ask.target, tightest.terms.selector, ask.unbounded_field)
    size = _size(free, strict, ask, ask.ceiling)
    if size is None:
        return _refusal(strict, ask, ask.ceiling)
    held, is_set = size
    hold = ask.ceiling.at(held)
    return Admission(hold, held if is_set else None, free, tightest.terms.id, held)


def _without_price(
    standings: tuple[Standing, ...], ask: Ask, admission: Admission
) -> Admission | Refusal:
    """A call that nothing prices: refused by the first budget that is no mere advice."""
    for one in standings:
        if one.terms.mode != "soft" and not one.terms.allow_unpriced:
            return ModelUnpriced(ask.target, one.terms.selector)
    return admission


def _within_expected(standings: tuple[Standing, ...], ask: Ask) -> BudgetRefusal | None:
    """The refusal of a budget of mode `expected` that the expected cost does not fit.

    Of one whose money is spent rather than one where it is only held.
    """
    needed = ask.expected_nanousd
    refused: BudgetRefusal | None = None
    for one in standings:
        if one.terms.mode == "expected" and one.spent + one.held + needed > one.limit_nanousd:
            if one.spent + needed > one.limit_nanousd:
                return refusal_of(one, needed, is_spent=True)
            refused = refused or refusal_of(one, needed, is_spent=False)
    return refused


def _may_clamp(standings: tuple[Standing, ...], ask: Ask, ceiling: Ceiling) -> bool:
    """Whether every budget that the caller's own limit does not fit lets it be lowered."""
    longest = _longest(ask)
    return all(
        standing.terms.clamp == "always"
        for standing in standings
        if longest is None or ceiling.at(longest) > standing.free
    )


def _size(
    free: int, strict: tuple[Standing, ...], ask: Ask, ceiling: Ceiling
) -> tuple[int, bool] | None:
    """The output bound that fits into `free`, and whether ferry must set it; None: none fits.

    Source: docs/money.md, section 5.
    """
    longest = _longest(ask)
    if longest is not None:
        whole = ceiling.at(longest)
        if whole * WHOLE_SHARE <= free or (whole <= free and not ask.is_open):
            return longest, False
    if not ask.is_open and not _may_clamp(strict, ask, ceiling):
        return None
    affordable = ceiling.affords(free)
    bound = affordable
    if ask.is_open:
        e = max(ask.expected_output_tokens, OUTPUT_TOKENS_FLOOR)
        least, most = 2 * e + ask.thinking_tokens, 8 * e + ask.thinking_tokens
        bound = min(max(ceiling.affords(free // OPEN_SHARE), least), most, affordable)
    if longest is not None:
        bound = min(bound, longest)
    return None if bound < _floor(ask, longest) else (bound, True)


def is_open(limit: int | None) -> bool:
    """Whether a caller's limit, in tokens of one choice, is none."""
    return limit is None or limit > OPEN_ABOVE


def _longest(ask: Ask) -> int | None:
    """The longest answer that the request allows; None where neither side bounds it."""
    asked, most = ask.output_asked, ask.output_max
    if asked is None or most is None:
        return most if asked is None else asked
    return min(asked, most)


def _floor(ask: Ask, longest: int | None) -> int:
    """The shortest answer worth selling: a cut answer is paid for and useless."""
    floor = max(ask.expected_output_tokens, OUTPUT_TOKENS_FLOOR) + ask.thinking_tokens
    return floor if longest is None else min(floor, longest)


def smallest_hold(ask: Ask, ceiling: Ceiling, *, may_clamp: bool) -> int:
    """The least that must be free for `ask` to go."""
    longest = _longest(ask)
    if longest is not None and not ask.is_open and not may_clamp:
        return ceiling.at(longest)
    return ceiling.at(_floor(ask, longest))


def _refusal(standings: tuple[Standing, ...], ask: Ask, ceiling: Ceiling) -> BudgetRefusal:
    """The refusal of the budget with the least free money; busy if what is held is the reason.

    What is held will end: so the call is judged once more as if nothing were held.
    """
    idle = tuple(replace(standing, held=0) for standing in standings)
    needed = smallest_hold(ask, ceiling, may_clamp=_may_clamp(idle, ask, ceiling))
    is_spent = min(one.free for one in idle) < needed
    if not is_spent:
        needed = smallest_hold(ask, ceiling, may_clamp=_may_clamp(standings, ask, ceiling))
    named = min(standings, key=lambda one: one.free + one.held if is_spent else one.free)
    return refusal_of(named, needed, is_spent=is_spent)


def refusal_of(standing: Standing, needed_nanousd: int, *, is_spent: bool) -> BudgetRefusal:
    """What the caller is told of a budget that has not got `needed_nanousd`."""
    terms = standing.terms
    return (BudgetSpent if is_spent else BudgetBusy)(
        budget=terms.id,
        owner_hint=terms.selector,
        period=terms.period,
        limit_nanousd=standing.limit_nanousd,
        spent_nanousd=standing.spent,
        held_nanousd=standing.held,
        doubt_nanousd=standing.doubt,
        needed_nanousd=needed_nanousd,
        window_start_us=standing.window_start_us,
        resets_at_us=standing.resets_at_us,
        subject=subject_values(standing.subject),
        is_prepaid=terms.is_prepaid,
        zone=terms.zone,
        needs_zone=terms.needs_zone,
    )


def doubt_of(hold_nanousd: int, cost_nanousd: int) -> int:
    """What stays counted against limits when a dispatched call's true cost is not known."""
    return max(0, hold_nanousd - cost_nanousd)
