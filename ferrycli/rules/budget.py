"""Whether a call may spend, and how much is held for it.

`judge` sees the standings of every budget that matches and says which candidate is taken, what is
held, and how the answer is bounded. Pure. Source: docs/money.md, section 5.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ferrycli.rules.denials import (
    BudgetBusy,
    BudgetRefusal,
    BudgetSpent,
    CallUnbounded,
    ModelUnpriced,
    Refusal,
)
from ferrycli.rules.pricing import Ceiling

EXPECTED_OUTPUT_TOKENS = 1_024
"""`e` until answers were seen: the 95th percentile of a route's and feature's answers."""
OUTPUT_TOKENS_FLOOR = 256
OPEN_ABOVE = 8_192
"""A caller's limit above this is read as no limit: SDKs that must send one send 32,000."""
WHOLE_SHARE = 100
"""A ceiling of at most one part in this of what is free is held as it is."""
OPEN_SHARE = 64
"""An open answer is bounded by what one part in this of what is free pays for."""


@dataclass(frozen=True, slots=True)
class Terms:
    """A budget as it is judged."""

    id: str
    selector: str
    """`key=acme-web`, as a person writes it."""
    period: str
    zone: str
    limit_nanousd: int
    mode: str = "strict"
    clamp: str = "unset"
    """`unset`: a limit that the caller set is held whole or refused; `always`: it is lowered."""
    counts_from_us: int = 0
    subject: tuple[tuple[str, str], ...] = ()
    """Dimension and value pairs that a call must have; `key` holds the key's id."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One window of one budget, in nano-dollars."""

    terms: Terms
    window_start_us: int
    resets_at_us: int | None
    spent: int = 0
    held: int = 0
    doubt: int = 0

    @property
    def free(self) -> int:
        """What may still be held; below 0 where the limit was lowered under what is spent."""
        return self.terms.limit_nanousd - self.spent - self.held - self.doubt


@dataclass(frozen=True, slots=True)
class Ask:
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


@dataclass(frozen=True, slots=True)
class Admission:
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


def judge(standings: tuple[Standing, ...], ask: Ask) -> Admission | Refusal:
    """Whether `ask` may go under every standing, and what is held for it.

    Without budgets the expected cost is held, for show and for recovery, and nothing is bounded.
    A free target always fits; an unpriced or unbounded one never does.
    """
    if not standings:
        return Admission(ask.expected_nanousd)
    tightest = min(standings, key=lambda standing: standing.free)
    free, binding = tightest.free, tightest.terms.id
    if ask.is_free:
        return Admission(0, None, free, binding)
    if not ask.is_priced:
        return ModelUnpriced(ask.target, tightest.terms.selector)
    if ask.ceiling is None:
        return CallUnbounded(ask.target, tightest.terms.selector, ask.unbounded_field)
    size = _size(free, ask, ask.ceiling, may_clamp=_may_clamp(standings, ask, ask.ceiling))
    if size is not None:
        held, is_set = size
        hold = ask.ceiling.at(held)
        return Admission(hold, held if is_set else None, free, binding, held)
    return _refusal(standings, ask, ask.ceiling)


def _may_clamp(standings: tuple[Standing, ...], ask: Ask, ceiling: Ceiling) -> bool:
    """Whether every budget that the caller's own limit does not fit lets it be lowered."""
    longest = _longest(ask)
    return all(
        standing.terms.clamp == "always"
        for standing in standings
        if longest is None or ceiling.at(longest) > standing.free
    )


def _size(free: int, ask: Ask, ceiling: Ceiling, *, may_clamp: bool) -> tuple[int, bool] | None:
    """The output bound that fits into `free`, and whether ferry must set it; None: none fits.

    Source: docs/money.md, section 5.
    """
    is_open = ask.output_asked is None or ask.output_asked > OPEN_ABOVE
    longest = _longest(ask)
    if longest is not None:
        whole = ceiling.at(longest)
        if whole * WHOLE_SHARE <= free or (whole <= free and not is_open):
            return longest, False
    if not is_open and not may_clamp:
        return None
    affordable = ceiling.affords(free)
    bound = affordable
    if is_open:
        e = max(ask.expected_output_tokens, OUTPUT_TOKENS_FLOOR)
        bound = min(max(ceiling.affords(free // OPEN_SHARE), 2 * e), 8 * e, affordable)
    if longest is not None:
        bound = min(bound, longest)
    return None if bound < _floor(ask, longest) else (bound, True)


def _longest(ask: Ask) -> int | None:
    """The longest answer that the request allows; None where neither side bounds it."""
    known = [limit for limit in (ask.output_asked, ask.output_max) if limit is not None]
    return min(known) if known else None


def _floor(ask: Ask, longest: int | None) -> int:
    """The shortest answer worth selling: a cut answer is paid for and useless."""
    floor = max(ask.expected_output_tokens, OUTPUT_TOKENS_FLOOR)
    return floor if longest is None else min(floor, longest)


def smallest_hold(ask: Ask, ceiling: Ceiling, *, may_clamp: bool) -> int:
    """The least that must be free for `ask` to go."""
    longest = _longest(ask)
    is_open = ask.output_asked is None or ask.output_asked > OPEN_ABOVE
    if longest is not None and not is_open and not may_clamp:
        return ceiling.at(longest)
    return ceiling.at(_floor(ask, longest))


def _refusal(standings: tuple[Standing, ...], ask: Ask, ceiling: Ceiling) -> BudgetRefusal:
    """The refusal of the budget with the least free money; busy if what is held is the reason.

    What is held will end: so the call is judged once more as if nothing were held.
    """
    idle = tuple(replace(standing, held=0) for standing in standings)
    may_clamp = _may_clamp(idle, ask, ceiling)
    needed = smallest_hold(ask, ceiling, may_clamp=may_clamp)
    is_spent = min(standing.free for standing in idle) < needed
    named = min(standings, key=lambda one: one.free + one.held if is_spent else one.free)
    terms = named.terms
    return (BudgetSpent if is_spent else BudgetBusy)(
        budget=terms.id,
        owner_hint=terms.selector,
        period=terms.period,
        limit_nanousd=terms.limit_nanousd,
        spent_nanousd=named.spent,
        held_nanousd=named.held,
        doubt_nanousd=named.doubt,
        needed_nanousd=needed,
        window_start_us=named.window_start_us,
        resets_at_us=named.resets_at_us,
    )


def doubt_of(hold_nanousd: int, cost_nanousd: int) -> int:
    """What stays counted against limits when a dispatched call's true cost is not known."""
    return max(0, hold_nanousd - cost_nanousd)
