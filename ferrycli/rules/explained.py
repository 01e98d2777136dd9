"""What would happen to a call now, as values: its targets, the budgets asked, and the verdict.

Built from what a server would decide on, by the same functions; nothing is sent. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ferrycli.rules.admission import Contender, Denial, Passage
from ferrycli.rules.budget import Admission, Ask, judge
from ferrycli.rules.choices import Choice, Choices, Dropped, Wanted, refusal_of
from ferrycli.rules.errors import FerryError
from ferrycli.rules.pricing import RateCard
from ferrycli.rules.standings import Standing
from ferrycli.rules.thresholds import Rule, active


@dataclass(frozen=True, slots=True)
class ExplainedTarget:
    """One target, kept or dropped. Amounts in nano-dollars."""

    target: str
    """Empty for a route that is not there."""
    tier: str
    route: str = ""
    via: str = ""
    place: int = 0
    """1: the call goes there; 2 and on: where it goes if those before fail; 0: nowhere near."""
    choice: Choice | None = None
    """None: it is dropped."""
    dropped: Dropped | None = None
    is_wanted: bool = True
    """False: its condition on what is used is not met."""
    refusal: FerryError | None = None
    """What a budget would say to a call there."""
    is_free: bool = False
    input_nanousd: int | None = None
    """Per million tokens; None: no price."""
    output_nanousd: int | None = None
    ceiling_nanousd: int | None = None
    """The most that the call can cost there; None: that cannot be stated."""
    hold_nanousd: int | None = None
    """What would be held; None: it would not go."""
    output_bound: int | None = None
    """Tokens per choice that ferry would set; None: the request would go as it is."""


@dataclass(frozen=True, slots=True)
class ExplainedBudget:
    """One window that the call would count in, and what its rules say there now."""

    standing: Standing
    rule: Rule | None = None
    """Of downgrade, free and block the one that is active."""
    throttle: Rule | None = None
    is_binding: bool = False
    """Whether it has the least free money."""


@dataclass(frozen=True, slots=True)
class Explained:
    """What would happen to a call."""

    wanted: Wanted
    found: Choices
    targets: tuple[ExplainedTarget, ...]
    """Those that were kept, in the order in which they are tried, then those that were dropped."""
    budgets: tuple[ExplainedBudget, ...]
    now_us: int
    admission: Admission | None = None
    refusal: FerryError | None = None
    """Why it would not go; one of the two is None."""


def explain(
    wanted: Wanted,
    found: Choices,
    contenders: Sequence[Contender],
    decision: Passage | Denial | None,
    card: Callable[[str], RateCard | None],
    now_us: int,
) -> Explained:
    """What `decision` on `contenders`, one for each of `found.choices`, comes to.

    None: nothing was left to decide on, and no budget was asked.
    """
    admission = decision.admission if isinstance(decision, Passage) else None
    refusal: FerryError | None = None
    if isinstance(decision, Denial):
        refusal = decision.refusal
    elif decision is None:
        refusal = refusal_of(found, wanted)
    kept = [
        _kept(at, choice, contender, admission, card)
        for at, (choice, contender) in enumerate(zip(found.choices, contenders, strict=True))
    ]
    dropped = [_dropped(one, card) for one in found.dropped]
    budgets = _budgets(contenders, admission)
    return Explained(wanted, found, (*kept, *dropped), budgets, now_us, admission, refusal)


def _kept(
    at: int,
    choice: Choice,
    contender: Contender,
    admission: Admission | None,
    card: Callable[[str], RateCard | None],
) -> ExplainedTarget:
    ask = contender.ask
    # As the ledger asks conditions.
    fullest = max((one.percent for one in contender.standings), default=0)
    is_wanted = contender.condition is None or contender.condition(fullest)
    verdict = judge(contender.standings, ask)
    place = 0
    if admission is not None:
        order = (admission.index, *admission.fallbacks)
        place = order.index(at) + 1 if at in order else 0
        verdict = admission if place == 1 else verdict
    goes = verdict if isinstance(verdict, Admission) else None
    rates = _rates(card(str(choice.target)))
    return ExplainedTarget(
        target=str(choice.target),
        tier=choice.tier,
        route=choice.route,
        via=choice.via,
        place=place,
        choice=choice,
        is_wanted=is_wanted,
        refusal=None if isinstance(verdict, Admission) else verdict,
        is_free=ask.is_free,
        input_nanousd=rates[0],
        output_nanousd=rates[1],
        ceiling_nanousd=_ceiling(ask),
        hold_nanousd=goes.hold_nanousd if goes is not None else None,
        output_bound=goes.output_bound if goes is not None else None,
    )


def _dropped(dropped: Dropped, card: Callable[[str], RateCard | None]) -> ExplainedTarget:
    found = card(dropped.target) if dropped.target else None
    rates = _rates(found)
    return ExplainedTarget(
        target=dropped.target,
        tier=dropped.tier,
        route=dropped.route,
        via=dropped.via,
        dropped=dropped,
        is_free=found is not None and found.is_free,
        input_nanousd=rates[0],
        output_nanousd=rates[1],
    )


def _rates(card: RateCard | None) -> tuple[int | None, int | None]:
    if card is None:
        return None, None
    return card.steps[0].rate.input, card.steps[0].rate.output


def _ceiling(ask: Ask) -> int | None:
    """Of the longest answer that the request allows; None where nothing bounds that."""
    if ask.is_free:
        return 0
    known = [one for one in (ask.output_asked, ask.output_max) if one is not None]
    return ask.ceiling.at(min(known)) if ask.ceiling is not None and known else None


def _budgets(
    contenders: Sequence[Contender], admission: Admission | None
) -> tuple[ExplainedBudget, ...]:
    """Every window that some candidate counts in, the fullest first."""
    places: dict[tuple[str, str], Standing] = {}
    for contender in contenders:
        for one in contender.standings:
            places.setdefault(one.place, one)
    found = []
    for one in sorted(places.values(), key=lambda one: one.percent, reverse=True):
        now = active(one.terms.rules, one.used, one.base)
        is_binding = admission is not None and admission.binding == one.terms.id
        found.append(ExplainedBudget(one, now.steering, now.throttle, is_binding))
    return tuple(found)
