"""Whatever the candidates and standings: who goes has the money, who does not had no target."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.admission import Contender, Denial, Passage, decide
from ferrycli.rules.budget import Ask
from ferrycli.rules.ceilings import Ceiling
from ferrycli.rules.denials import BudgetBusy, BudgetSpent
from ferrycli.rules.standings import Standing, Terms
from ferrycli.rules.thresholds import parse_rule

LIMIT = 20
RULES = ("", "50% downgrade", "50% downgrade all", "80% free", "90% block", "100% block all")


def window(at: int, spent: int, held: int, doubt: int, mode: str, rule: str) -> Standing:
    rules = (parse_rule(rule),) if rule else ()
    terms = Terms(f"b{at}", f"tenant={at}", "month", "UTC", LIMIT, mode=mode, rules=rules)
    return Standing(terms, 1_000, 2_000, spent, held, doubt)


def target(cost: int, tier: str, *standings: Standing) -> Contender:
    """A target that costs just so much; of 0 a zero-priced one."""
    ask = Ask("up/m", Ceiling(cost, 0), True, cost == 0, 100, 1_000, cost)
    return Contender(ask, standings, tier)


WINDOWS = st.builds(
    window,
    st.integers(0, 3),
    st.integers(0, 22),
    st.sampled_from([0, 0, 3, 12]),
    st.sampled_from([0, 0, 5]),
    st.sampled_from(["strict", "strict", "expected", "soft"]),
    st.sampled_from(RULES),
)
TIERS = st.sampled_from(["normal", "normal", "cheaper", "free"])


@st.composite
def calls(draw: st.DrawFn) -> list[Contender]:
    pool = {one.terms.id: one for one in draw(st.lists(WINDOWS, max_size=4))}
    return [
        target(
            0 if tier == "free" else draw(st.sampled_from([0, 1, 2, 5, 9, 21])),
            tier,
            *[one for one in pool.values() if draw(st.booleans())],
        )
        for tier in draw(st.lists(TIERS, min_size=1, max_size=5))
    ]


def fits(one: Contender, *, is_idle: bool = False) -> bool:
    """Whether there is money for it, by hand; `is_idle`: once nothing is held."""
    cost = one.ask.expected_nanousd
    for each in one.standings if cost else ():
        held = 0 if is_idle else each.held
        doubt = each.doubt if each.terms.mode == "strict" else 0
        if each.terms.mode != "soft" and each.spent + held + doubt + cost > LIMIT:
            return False
    return True


def bars(each: Standing, one: Contender, tiers: Sequence[str], *, is_critical: bool) -> bool:
    """Whether the one rule of a budget is active and keeps a target from calls."""
    if not each.terms.rules or each.spent * 100 < each.terms.rules[0].percent * LIMIT:
        return False
    (rule,) = each.terms.rules
    if rule.action == "downgrade":
        is_for_it = rule.is_all or not is_critical
        return is_for_it and one.tier == "normal" and "cheaper" in tiers
    return rule.is_all or one.ask.expected_nanousd > 0


@given(calls(), st.booleans())
def test_whoever_goes_has_the_money_and_whoever_does_not_had_no_normal_target(
    contenders: list[Contender], is_critical: bool
) -> None:
    tiers = [one.tier for one in contenders]

    def may_go(at: int, *, is_idle: bool = False) -> bool:
        one = contenders[at]
        return fits(one, is_idle=is_idle) and not any(
            bars(each, one, tiers, is_critical=is_critical) for each in one.standings
        )

    every = range(len(contenders))
    normal = [at for at in every if tiers[at] == "normal" and may_go(at)]
    verdict = decide(contenders, is_critical=is_critical)
    if isinstance(verdict, Passage):
        order = [verdict.admission.index, *verdict.admission.fallbacks]
        tier = verdict.admission.tier
        # All that fit of the first tier that has any, in their order, and no others.
        assert order == [at for at in every if tiers[at] == tier and may_go(at)]
        assert tier == "normal" or not normal
        cost = contenders[order[0]].ask.expected_nanousd
        assert verdict.admission.hold_nanousd == cost
        assert not (cost and verdict.exhausted)
        return
    assert isinstance(verdict, Denial)
    assert not normal
    later = [at for at in every if may_go(at, is_idle=True) and not may_go(at)]
    if isinstance(verdict.refusal, BudgetBusy):
        assert later
        assert verdict.short
        assert not verdict.exhausted
    else:
        assert not [at for at in later if tiers[at] == "normal"]
        assert not verdict.short


@given(calls(), st.booleans())
def test_a_condition_that_always_holds_changes_nothing(
    contenders: list[Contender], is_critical: bool
) -> None:
    """Where no rule and no condition has a say, the decision takes a shorter way."""
    asked = [one._replace(condition=lambda _: True) for one in contenders]
    whole, verdict = (decide(one, is_critical=is_critical) for one in (asked, contenders))
    if isinstance(whole, Passage):
        assert verdict == whole
        return
    assert isinstance(verdict, Denial)
    assert repr(verdict) == repr(whole)


@given(calls(), st.booleans())
def test_what_is_used_up_had_no_money_for_any_paid_target(
    contenders: list[Contender], is_critical: bool
) -> None:
    verdict = decide(contenders, is_critical=is_critical)
    for used_up in verdict.exhausted:
        costs = [one.ask.expected_nanousd for one in contenders if used_up in one.standings]
        doubt = used_up.doubt if used_up.terms.mode == "strict" else 0
        tried = [cost for cost in costs if cost and used_up.spent + doubt + cost > LIMIT]
        assert tried
        assert used_up.terms.mode != "soft"


def test_held_money_is_not_waited_for_where_another_budgets_is_spent() -> None:
    """Whatever comes back to the strict one, the other lets the call go no more."""
    held = window(0, 0, LIMIT, 0, "strict", "")
    busy = window(1, 0, LIMIT, 0, "expected", "")
    spent = window(2, LIMIT, 0, 0, "expected", "")
    for standings in ((held, spent), (spent, held), (busy, spent), (busy, held, spent)):
        verdict = decide([target(1, "normal", *standings)], is_critical=False)
        assert isinstance(verdict, Denial)
        assert isinstance(verdict.refusal, BudgetSpent)
        assert (verdict.refusal.budget, verdict.short) == ("b2", ())
    verdict = decide([target(1, "normal", busy, held)], is_critical=False)
    assert isinstance(verdict, Denial)
    assert isinstance(verdict.refusal, BudgetBusy)
