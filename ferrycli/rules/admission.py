"""Which of a call's candidates goes: tiers, the levels that budgets allow, and the fallback list.

Each budget that matches allows levels by the rule of its that is active; the call may use what all
of them allow. Normal targets are tried first; cheaper and free ones open through an active rule of
some budget, or, where a budget has a rule of that kind at all, when no normal target fits into
what is not spent. Pure. Source: docs/money.md, sections 5 and 6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from msgspec import structs

from ferrycli.rules.budget import Admission, Ask, judge, refusal_of, smallest_hold
from ferrycli.rules.denials import BudgetBusy, BudgetSpent, NoTarget, Refusal
from ferrycli.rules.standings import Standing
from ferrycli.rules.thresholds import Active, Rule, active

TIERS = ("normal", "cheaper", "free")
USED_UP_SHARE = 5
"""One part in this is little: a window that has not got more, and refuses a call, is used up."""
_OPENS = {"downgrade": "cheaper", "free": "free"}
"""Actions, and the tier that each opens."""


class Contender(NamedTuple):
    """One target that may carry a call, with the standing of every budget that it counts in."""

    ask: Ask
    standings: tuple[Standing, ...]
    tier: str = "normal"
    via: str = ""
    """The route that a budget's rule names; empty for the asked route's own."""
    condition: Callable[[int], bool] | None = None
    """Of the percentage that the fullest matching budget has used: whether the target is one."""


@dataclass(frozen=True, slots=True)
class Denial:
    """No candidate goes."""

    refusal: Refusal
    exhausted: tuple[Standing, ...] = ()
    """Budgets that refused every paid candidate for money that is spent."""
    short: tuple[Standing, ...] = ()
    """Budgets whose holds the call could wait for."""


class Passage(NamedTuple):
    """A candidate goes."""

    admission: Admission
    exhausted: tuple[Standing, ...] = ()
    """As of `Denial`: a call that costs nothing may go on when the money is spent."""


@dataclass(frozen=True, slots=True)
class _Opening:
    """A tier that is open, and why."""

    tier: str
    via: str
    rule: str = ""
    reason: str = ""


def decide(contenders: Sequence[Contender], *, is_critical: bool) -> Passage | Denial:
    """The first tier with a candidate that fits, and its candidates in order.

    `contenders` are in the order in which they are to be tried, within each tier.
    """
    if (passage := _undisturbed(contenders)) is not None:
        return passage
    usable = [(index, one) for index, one in enumerate(contenders) if _is_wanted(one)]
    if not usable:
        return Denial(NoTarget(contenders[0].ask.target))
    return _Round(usable, is_critical=is_critical).decide()


def _undisturbed(contenders: Sequence[Contender]) -> Passage | None:
    """What becomes of most calls: no rule is reached, and every normal target fits.

    None where a budget or a condition has a say in which target it is: what `_Round` then finds
    out is the same, wherever this gives a passage.
    """
    fitting: list[tuple[int, Admission]] = []
    for index, one in enumerate(contenders):
        if one.condition is not None:
            return None
        if one.tier != "normal" or one.via:
            continue
        for standing in one.standings:
            if not standing.is_quiet:
                return None
        verdict = judge(one.standings, one.ask)
        if not isinstance(verdict, Admission):
            return None
        fitting.append((index, verdict))
    if not fitting:
        return None
    index, admission = fitting[0]
    if index or len(fitting) > 1:
        fallbacks = tuple([other for other, _ in fitting[1:]])
        admission = structs.replace(admission, index=index, fallbacks=fallbacks)
    return Passage(admission)


def _is_wanted(contender: Contender) -> bool:
    if contender.condition is None:
        return True
    return contender.condition(max((one.percent for one in contender.standings), default=0))


class _Round:
    """One call's candidates, judged once each."""

    def __init__(self, usable: Sequence[tuple[int, Contender]], *, is_critical: bool) -> None:
        self._usable = usable
        self._is_critical = is_critical
        self._cheaper = {one.via for _, one in usable if one.tier == "cheaper"}
        """The routes, as rules name them, of the cheaper targets that could carry the call."""
        self._active: dict[tuple[str, str], Active] = {}
        self._standings: dict[tuple[str, str], Standing] = {}
        for _, contender in usable:
            for one in contender.standings:
                if one.place not in self._active:
                    self._active[one.place] = active(one.terms.rules, one.used, one.base)
                    self._standings[one.place] = one
        self._verdicts: dict[int, Admission | Refusal] = {}

    def decide(self) -> Passage | Denial:
        opened = [_Opening("normal", ""), *self._opened_now()]
        if (passage := self._first_that_fits(opened)) is not None:
            return passage
        if not self._waits():
            later = list(self._opened_by_need())
            if later and (passage := self._first_that_fits(later)) is not None:
                return passage
        return self._denial()

    def _opened_now(self) -> Iterator[_Opening]:
        """Tiers beyond the normal one that an active rule opens."""
        for place, rules in self._active.items():
            rule = rules.steering
            if rule is not None and rule.action in _OPENS and self._concerns(rule):
                standing = self._standings[place]
                yield _opening(standing, rule, f"{standing.percent} % used")

    def _opened_by_need(self) -> Iterator[_Opening]:
        """Tiers that a budget has a rule for, reached or not."""
        for standing in self._standings.values():
            for rule in standing.terms.rules:
                if rule.action in _OPENS:
                    yield _opening(standing, rule, "the normal route does not fit")

    def _concerns(self, rule: Rule) -> bool:
        return rule.action != "downgrade" or rule.is_all or not self._is_critical

    def _first_that_fits(self, opened: Sequence[_Opening]) -> Passage | None:
        for tier in TIERS:
            fitting: list[tuple[int, Contender, Admission, _Opening]] = []
            for index, contender in self._usable:
                way = _way(opened, contender)
                if contender.tier != tier or way is None or self._is_passed_over(contender):
                    continue
                verdict = self._judged(index, contender)
                if isinstance(verdict, Admission):
                    fitting.append((index, contender, verdict, way))
            if fitting:
                index, contender, admission, way = fitting[0]
                way = self._undiverted(contender) or way
                admission = structs.replace(
                    admission,
                    index=index,
                    tier=tier,
                    fallbacks=tuple(other for other, *_ in fitting[1:]),
                    rule=way.rule,
                    reason=way.reason,
                )
                return Passage(admission, self._exhausted())
        return None

    def _diverting(self, contender: Contender) -> Iterator[tuple[Standing, Rule]]:
        """The active rules by which a call that this normal target would carry goes cheaper."""
        if contender.tier == "normal":
            for standing in contender.standings:
                rule = self._active[standing.place].steering
                if rule is not None and rule.action == "downgrade" and self._concerns(rule):
                    yield standing, rule

    def _is_passed_over(self, contender: Contender) -> bool:
        """Whether a cheaper target that can carry the call takes this one's place."""
        return any(rule.route in self._cheaper for _, rule in self._diverting(contender))

    def _undiverted(self, contender: Contender) -> _Opening | None:
        """Why a call stays at a normal target though a rule would have it go cheaper."""
        for standing, rule in self._diverting(contender):
            return _opening(standing, rule, "no cheaper target can carry it")
        return None

    def _judged(self, index: int, contender: Contender) -> Admission | Refusal:
        if index not in self._verdicts:
            verdict = judge(contender.standings, contender.ask)
            self._verdicts[index] = self._barred(contender, verdict) or verdict
        return self._verdicts[index]

    def _barred(self, contender: Contender, verdict: Admission | Refusal) -> Refusal | None:
        """The refusal of a budget whose active rule lets nothing go that costs; None: none has one.

        Of it and one that has no money for the call, that of the budget with less.
        """
        barring = [one for one in contender.standings if not self._allows(one, contender.ask)]
        if not barring:
            return None
        tightest = min(barring, key=lambda one: one.free)
        told = refusal_of(tightest, _needed(tightest, contender.ask), is_spent=True)
        if isinstance(verdict, BudgetSpent) and verdict.free_nanousd < told.free_nanousd:
            return verdict
        return told

    def _allows(self, standing: Standing, ask: Ask) -> bool:
        rule = self._active[standing.place].steering
        if rule is None or rule.action == "downgrade":
            return True
        return ask.is_free and not (rule.action == "block" and rule.is_all)

    def _refusals(self) -> list[Refusal]:
        return [one for one in self._verdicts.values() if isinstance(one, Refusal)]

    def _waits(self) -> bool:
        return any(isinstance(one, BudgetBusy) for one in self._refusals())

    def _denial(self) -> Denial:
        """Names the budget with the least free money; busy before spent, and both before others."""
        refusals = self._refusals()
        for kind in (BudgetBusy, BudgetSpent):
            of_budgets = [one for one in refusals if isinstance(one, kind)]
            if of_budgets:
                named = min(of_budgets, key=lambda one: one.free_nanousd)
                is_busy = kind is BudgetBusy
                return Denial(
                    named,
                    () if is_busy else self._exhausted(),
                    tuple(self._short()) if is_busy else (),
                )
        return Denial(refusals[0] if refusals else NoTarget(self._usable[0][1].ask.target))

    def _paid(self) -> list[Contender]:
        """The candidates that cost something and were tried."""
        return [
            one for index, one in self._usable if index in self._verdicts and not one.ask.is_free
        ]

    def _exhausted(self) -> tuple[Standing, ...]:
        """Budgets that every paid candidate counts in, and that are used up for each of them."""
        paid = self._paid()
        if not paid or any(
            isinstance(self._verdicts[index], Admission)
            for index, one in self._usable
            if index in self._verdicts and not one.ask.is_free
        ):
            return ()
        shared = [
            one
            for one in paid[0].standings
            if all(one.place in {other.place for other in each.standings} for each in paid)
        ]
        return tuple(
            one for one in shared if all(is_used_up(one, contender.ask) for contender in paid)
        )

    def _short(self) -> Iterator[Standing]:
        """Budgets that are short only of what is held."""
        for index, contender in self._usable:
            if isinstance(self._verdicts.get(index), BudgetBusy):
                for one in contender.standings:
                    if isinstance(judge((one,), contender.ask), BudgetBusy):
                        yield one


def is_used_up(standing: Standing, ask: Ask) -> bool:
    """Whether this budget alone refuses `ask` even if nothing were held, and has little left.

    Little: a fifth; or half, where not even the call's shortest answer can be paid. One call that
    asks for more than there ever was uses nothing up.
    """
    idle = replace(standing, held=0)
    if not isinstance(judge((idle,), ask), BudgetSpent):
        return False
    if idle.free * USED_UP_SHARE <= idle.base:
        return True
    shortest = ask.expected_nanousd
    if standing.terms.mode == "strict" and ask.ceiling is not None:
        shortest = smallest_hold(ask, ask.ceiling, may_clamp=True)
    return idle.free < shortest and idle.free * 2 <= idle.base


def _opening(standing: Standing, rule: Rule, why: str) -> _Opening:
    selector = standing.terms.selector
    return _Opening(_OPENS[rule.action], rule.route, f"{selector}: {rule}", f"{selector}: {why}")


def _way(opened: Iterable[_Opening], contender: Contender) -> _Opening | None:
    """Why the candidate's tier is open; None where it is not."""
    for one in opened:
        if one.tier == contender.tier and one.via == contender.via:
            return one
    return None


def _needed(standing: Standing, ask: Ask) -> int:
    """The least that the call would hold in this budget."""
    if ask.ceiling is None or standing.terms.mode != "strict":
        return ask.expected_nanousd
    return smallest_hold(ask, ask.ceiling, may_clamp=standing.terms.clamp == "always")
