"""What a planned budget means in a database: the one that it changes, or the terms of a new one.

A budget is named by selector, period and zone. What cannot be is refused here, before anything is
written; the same is asked again inside the transaction. Loads no table classes: a mistake is told
at once, and what would be made can be shown without making it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ferrycli.rules.clean import safe
from ferrycli.rules.errors import BudgetUnfit
from ferrycli.rules.routing import ProviderTerms
from ferrycli.rules.selectors import Selector
from ferrycli.rules.standings import Standing, Terms
from ferrycli.rules.thresholds import DEFAULT_RULES, Rule, check_rules, default_mode, parse_rule
from ferrycli.rules.windows import is_zoneless
from ferrycli.store import counting, selecting
from ferrycli.store.counting import Tally
from ferrycli.store.matching import Spent
from ferrycli.store.reads_budgets import (
    BudgetFacts,
    ambiguous,
    is_meant,
    of_selector,
    window_at,
    with_standings,
)
from ferrycli.store.selecting import Chosen

CLAMPS = ("unset", "always")
"""What becomes of a caller's limit that does not fit: the call is refused, or it is lowered."""
ZONELESS = "UTC"
"""The zone of periods that no zone moves: in total, rolling."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount that is added to a budget. Times in UTC microseconds."""

    amount_nanousd: int
    note: str = ""
    expires_at: int | None = None
    external_id: str = ""
    """The operator's own number of it; the same one is granted once."""
    kind: str = "grant"


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests and tokens a minute, calls at once. None leaves one as it is; 0 takes it away."""

    rpm: int | None = None
    tpm: int | None = None
    parallel_max: int | None = None

    def __bool__(self) -> bool:
        """Whether anything is named."""
        return any(one is not None for one in (self.rpm, self.tpm, self.parallel_max))


@dataclass(frozen=True, slots=True)
class BudgetPolicy:
    """What a key's options say of its budget; None and the empty text keep what is there."""

    rules: tuple[Rule, ...] | None = None
    mode: str = ""
    clamp: str = ""
    channels: tuple[str, ...] | None = None
    """Those configured; None: not checked."""

    def __bool__(self) -> bool:
        """Whether anything is named."""
        return self.rules is not None or bool(self.mode or self.clamp)


NO_LIMITS = Limits()
NO_POLICY = BudgetPolicy()


@dataclass(frozen=True, slots=True)
class BudgetPlan:
    """What a budget should be; None and the empty text keep what is there, or the default."""

    selector: Selector
    """With the key's name, its id or the beginning of one."""
    limit_nanousd: int | None = None
    period: str = ""
    """Canonical; empty: that of the one budget that is there."""
    zone: str = ""
    """Empty: that of the budget that is there, or `zone_default`."""
    zone_default: str = "UTC"
    rules: tuple[Rule, ...] | None = None
    mode: str = ""
    clamp: str = ""
    owner: str | None = None
    owner_default: str = ""
    """Whose a new budget is."""
    allow_unpriced: bool | None = None
    counts_from_now: bool = False
    balance: Money | None = None
    """The first grant of a prepaid budget, which has no limit and no period."""
    providers: tuple[ProviderTerms, ...] | None = None
    """Those configured; None: not checked."""
    channels: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class BudgetSet:
    """What a budget has become."""

    terms: Terms
    before: Terms | None
    """None: it is new."""
    standings: tuple[Standing, ...]
    """Of its windows now, the fullest first; of a new one, as counted back."""
    left_out: tuple[str, ...] = ()
    """Dimensions with `*` that calls of some key may be without."""
    is_kept: bool = True
    """False: nothing was changed, because that was only tried."""
    is_from_now: bool = False
    """Whether a new budget counts nothing back."""


@dataclass(frozen=True, slots=True)
class Aim:
    """A plan, seen against what is in the database."""

    chosen: Chosen
    before: BudgetFacts | None
    terms: Terms

    @property
    def is_each(self) -> bool:
        """Whether each value of some dimension has a window of its own."""
        return self.chosen.selector.is_each


def aim_of(
    connection: sqlite3.Connection,
    plan: BudgetPlan,
    now_us: int,
    standings: Sequence[Standing] | None = None,
) -> Aim:
    """What the plan means here. Raises what it is refused for.

    `standings`: of a budget of many windows, which are not read again under the lock.
    """
    found = selecting.chosen(connection, plan.selector)
    selecting.check_configured(connection, found, plan.providers, counts_events=True)
    pairs = Selector(found.pairs)
    there = of_selector(connection, pairs, now_us, has_windows=False)
    before = None
    if plan.balance is None:
        before = _same(plan, there, found)
    else:
        _check_balance(plan, there, str(found.selector))
    if before is not None and standings is not None:
        before = replace(before, standings=tuple(standings))
    elif before is not None:
        before = with_standings(connection, before, now_us)
    if before is not None and plan.counts_from_now:
        raise BudgetUnfit(str(found.selector), "counts_already")
    terms = _new_terms(plan, found, now_us) if before is None else before.terms
    if plan.limit_nanousd is not None:
        terms = replace(terms, limit_nanousd=plan.limit_nanousd)
    terms = _with_policy(plan, terms, is_new=before is None)
    check_rules(terms.rules, terms.mode)
    selecting.check_names(connection, terms.rules, plan.channels)
    return Aim(found, before, terms)


def _check_balance(plan: BudgetPlan, there: Sequence[BudgetFacts], text: str) -> None:
    """Nothing, where a balance can be made. `text`: the selector, with a key's name."""
    if plan.selector.is_each:
        raise BudgetUnfit(text, "each_balance")
    if any(one.terms.is_prepaid for one in there):
        raise BudgetUnfit(text, "has_balance")
    if plan.balance is not None and plan.balance.amount_nanousd <= 0:
        raise BudgetUnfit(text, "amount")


def _same(plan: BudgetPlan, there: Sequence[BudgetFacts], found: Chosen) -> BudgetFacts | None:
    """The budget that the plan changes; None: it makes one."""
    text = str(found.selector)
    limited = [one for one in there if not one.terms.is_prepaid]
    if not plan.period:
        meant = [one for one in limited if is_meant(one.terms, zone=plan.zone)]
        if len(meant) > 1:
            raise ambiguous(text, meant)
        if meant:
            return meant[0]
        if limited:
            raise BudgetUnfit(text, "other_zone")
        if there and plan.limit_nanousd is None:
            # The balance's own rules and owner.
            return there[0]
        raise BudgetUnfit(text, "no_limit" if plan.limit_nanousd is None else "no_period")
    same = [one for one in limited if is_meant(one.terms, plan.period, plan.zone)]
    if len(same) > 1:
        raise ambiguous(text, same)
    if not same and plan.limit_nanousd is None:
        raise BudgetUnfit(text, "no_limit")
    return same[0] if same else None


def _new_terms(plan: BudgetPlan, found: Chosen, now_us: int) -> Terms:
    """A budget without its policy. Its id is made when it is written."""
    period = plan.period or "total"
    terms = Terms(
        id="",
        selector=str(found.selector),
        period=period,
        zone=ZONELESS if is_zoneless(period) else plan.zone or plan.zone_default,
        limit_nanousd=0,
        mode="",
        subject=found.pairs,
        is_prepaid=plan.balance is not None,
        owner=safe(plan.owner_default),
    )
    counts_back = not plan.counts_from_now and plan.balance is None
    since = counting.wanted_of(terms, now_us).since_us if counts_back else now_us
    return replace(terms, counts_from_us=since)


def _with_policy(plan: BudgetPlan, terms: Terms, *, is_new: bool) -> Terms:
    """Rules and mode that belong together: a mode that nobody chose follows the rules."""
    rules, mode = plan.rules, plan.mode
    if is_new and rules is None:
        rules = default_rules(mode)
    if not mode and rules is not None and (is_new or terms.mode == default_mode(terms.rules)):
        mode = default_mode(rules)
    return replace(
        terms,
        rules=terms.rules if rules is None else tuple(rules),
        mode=mode or terms.mode,
        clamp=plan.clamp or terms.clamp or CLAMPS[0],
        owner=terms.owner if plan.owner is None else safe(plan.owner),
        allow_unpriced=terms.allow_unpriced if plan.allow_unpriced is None else plan.allow_unpriced,
    )


def default_rules(mode: str = "") -> tuple[Rule, ...]:
    """Rules of a budget for which nobody wrote any; a soft one tells where others block."""
    rules = tuple(parse_rule(text) for text in DEFAULT_RULES)
    if mode != "soft":
        return rules
    return tuple(replace(one, action="notify") if one.action == "block" else one for one in rules)


def tally_of(
    connection: sqlite3.Connection, plan: BudgetPlan, aim: Aim, now_us: int
) -> Tally | None:
    """What a new budget has to count back; None where it counts from now on, or is not new."""
    if aim.before is not None or plan.counts_from_now or plan.balance is not None:
        return None
    return counting.count(connection, counting.wanted_of(aim.terms, now_us), now_us)


def tried(connection: sqlite3.Connection, plan: BudgetPlan, now_us: int) -> BudgetSet:
    """What the plan would make; changes nothing. Raises as the change itself would."""
    aim = aim_of(connection, plan, now_us)
    tally = tally_of(connection, plan, aim, now_us)
    spent = counting.as_it_stands(connection, tally) if tally else {}
    left_out = selecting.left_out(connection, aim.chosen.selector)
    return replace(outcome(plan, aim, spent, now_us), left_out=left_out, is_kept=False)


def outcome(plan: BudgetPlan, aim: Aim, spent: Spent, now_us: int) -> BudgetSet:
    """What the plan makes, where a new budget's windows hold `spent`."""
    if aim.before is not None:
        standings = tuple(replace(one, terms=aim.terms) for one in aim.before.standings)
        return BudgetSet(aim.terms, aim.before.terms, standings)
    window = window_at(aim.terms, now_us)
    if plan.balance is not None:
        amount = plan.balance.amount_nanousd
        new = Standing(
            aim.terms, *window, extra_nanousd=amount, base_nanousd=amount, alert_start_us=now_us
        )
        return BudgetSet(aim.terms, None, (new,))
    sums: dict[str, int] = {} if aim.is_each else {"": 0}
    for (subject, _), amount in spent.items():
        sums[subject] = sums.get(subject, 0) + amount
    fullest = sorted(sums.items(), key=lambda one: (-one[1], one[0]))
    standings = tuple(
        Standing(aim.terms, *window, amount, subject=subject) for subject, amount in fullest
    )
    return BudgetSet(aim.terms, None, standings, is_from_now=plan.counts_from_now)
