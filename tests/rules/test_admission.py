"""Which candidate goes: the table of levels, what opens them, who is named, and what is next."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ferrycli.rules.admission import Contender, Denial, Passage, decide
from ferrycli.rules.budget import Admission, Ask
from ferrycli.rules.ceilings import Ceiling
from ferrycli.rules.denials import (
    BudgetBusy,
    BudgetRefusal,
    BudgetSpent,
    CallUnbounded,
    ModelUnpriced,
    NoTarget,
    Refusal,
)
from ferrycli.rules.standings import Standing, Terms
from ferrycli.rules.thresholds import parse_rule
from tests.changed import replace

LIMIT = 1_000
COST = 10
"""What a paid candidate of these tests costs at most, in nano-dollars."""
PAID = Ask(
    target="p/paid",
    ceiling=Ceiling(COST, 0),
    is_priced=True,
    is_free=False,
    output_asked=5,
    output_max=64_000,
    expected_nanousd=7,
)
ZERO = replace(PAID, target="p/zero", ceiling=Ceiling(0, 0), is_free=True, expected_nanousd=0)
UNPRICED = replace(PAID, target="p/unpriced", ceiling=None, is_priced=False)
UNBOUNDED = replace(PAID, target="p/unbounded", ceiling=None, unbounded_field="tools")


def costing(nanousd: int) -> Ask:
    return replace(PAID, ceiling=Ceiling(nanousd, 0))


def budget(
    *rules: str,
    spent: int = 0,
    held: int = 0,
    limit: int = LIMIT,
    mode: str = "strict",
    id: str = "b",
) -> Standing:
    """A window with rules as a person writes them."""
    parsed = tuple(parse_rule(rule) for rule in rules)
    terms = Terms(id, f"key={id}", "month", "UTC", limit, mode=mode, rules=parsed)
    return Standing(terms, 1_000, 2_000, spent, held)


def one(kind: str, *standings: Standing, cost: int = COST) -> Contender:
    """A candidate as `normal`, `cheaper@cheap` or `free:zero`: tier, route, what it costs."""
    tier_and_via, _, price = kind.partition(":")
    tier, _, via = tier_and_via.partition("@")
    ask = {"": costing(cost), "zero": ZERO, "unpriced": UNPRICED, "unbounded": UNBOUNDED}[price]
    return Contender(ask, standings, tier, via)


def decided(kinds: str, *standings: Standing, is_critical: bool = False) -> Passage | Denial:
    """What becomes of these candidates, each of which counts in every standing."""
    contenders = [one(kind, *standings) for kind in kinds.split()]
    return decide(contenders, is_critical=is_critical)


def gone(verdict: Passage | Denial) -> Admission:
    assert isinstance(verdict, Passage), verdict
    return verdict.admission


def denied(verdict: Passage | Denial) -> Refusal:
    assert isinstance(verdict, Denial), verdict
    return verdict.refusal


def named(verdict: Passage | Denial) -> str:
    refusal = denied(verdict)
    assert isinstance(refusal, BudgetRefusal)
    return refusal.budget


def order(verdict: Passage | Denial) -> tuple[int, ...]:
    """The candidates that may carry the call, first to last; none of a denial."""
    if isinstance(verdict, Denial):
        return ()
    return verdict.admission.index, *verdict.admission.fallbacks


# The table of levels ------------------------------------------------------------------------------

ALL = "normal cheaper free:zero"
LEVELS = [
    # The active rule, the candidates, and which go: for a normal call, and for a critical one.
    ("", ALL, (0,), (0,)),
    ("80% notify", ALL, (0,), (0,)),
    ("80% throttle 5/min", ALL, (0,), (0,)),
    ("", "cheaper free:zero", (), ()),
    ("80% notify", "cheaper free:zero", (), ()),
    ("80% throttle 5/min", "cheaper free:zero", (), ()),
    # Downgrade: cheaper first; normal only where there is no cheaper one; never free.
    ("80% downgrade", ALL, (1,), (0,)),
    ("80% downgrade", "normal free:zero", (0,), (0,)),
    ("80% downgrade", "normal normal", (0, 1), (0, 1)),
    ("80% downgrade", "normal:zero cheaper", (1,), (0,)),
    ("80% downgrade", "cheaper cheaper", (0, 1), (0, 1)),
    ("80% downgrade", "free:zero free:zero", (), ()),
    ("80% downgrade all", ALL, (1,), (1,)),
    ("80% downgrade all", "normal free:zero", (0,), (0,)),
    ("80% downgrade all", "normal:zero cheaper", (1,), (1,)),
    # Free: whatever costs nothing, in the order of the levels.
    ("80% free", ALL, (2,), (2,)),
    ("80% free", "normal:zero cheaper:zero free:zero", (0,), (0,)),
    ("80% free", "normal cheaper:zero free:zero", (2,), (2,)),
    ("80% free", "normal cheaper free", (), ()),
    ("80% free", "normal normal:zero normal:zero", (1, 2), (1, 2)),
    # Block: only a normal one that costs nothing, for no rule opens the others.
    ("80% block", ALL, (), ()),
    ("80% block", "normal:zero cheaper:zero free:zero", (0,), (0,)),
    ("80% block", "normal normal:zero", (1,), (1,)),
    ("80% block", "normal cheaper:zero free:zero", (), ()),
    ("80% block all", ALL, (), ()),
    ("80% block all", "normal:zero cheaper:zero free:zero", (), ()),
]


@pytest.mark.parametrize(("rule", "kinds", "goes", "goes_critical"), LEVELS)
def test_a_call_uses_the_levels_that_the_active_rule_allows(
    rule: str, kinds: str, goes: tuple[int, ...], goes_critical: tuple[int, ...]
) -> None:
    window = budget(*[rule] if rule else [], spent=800)
    assert order(decided(kinds, window)) == goes
    assert order(decided(kinds, window, is_critical=True)) == goes_critical


HIGHEST = [
    (("50% downgrade", "80% block"), "normal cheaper", ()),
    (("50% downgrade", "80% block"), "normal cheaper:zero", (1,)),
    (("50% downgrade", "80% block all"), "normal cheaper:zero", ()),
    (("50% downgrade", "80% free"), ALL, (2,)),
    (("50% downgrade", "80% free"), "normal cheaper:zero free", (1,)),
    (("50% downgrade", "90% block"), ALL, (1,)),
]


@pytest.mark.parametrize(("rules", "kinds", "goes"), HIGHEST)
def test_of_one_budgets_rules_the_highest_reached_says_what_goes(
    rules: tuple[str, ...], kinds: str, goes: tuple[int, ...]
) -> None:
    assert order(decided(kinds, budget(*rules, spent=800))) == goes


THRESHOLDS = [
    # Of a limit of 1,000: one nano-dollar under, at, and over the percentage.
    ("80% downgrade", 799, 0),
    ("80% downgrade", 800, 1),
    ("80% downgrade", 801, 1),
    ("80% free", 799, 0),
    ("80% free", 800, 2),
    ("80% free", 801, 2),
    ("80% block", 799, 0),
    ("80% block", 800, None),
    ("80% block", 801, None),
]


@pytest.mark.parametrize(("rule", "spent", "index"), THRESHOLDS)
def test_a_rule_acts_from_its_percentage_to_the_nano_dollar(
    rule: str, spent: int, index: int | None
) -> None:
    goes = order(decided(ALL, budget(rule, spent=spent)))
    assert goes == (() if index is None else (index,))


def test_what_is_held_trips_no_rule() -> None:
    assert order(decided(ALL, budget("80% block", spent=799, held=191))) == (0,)


# Reasons and routes -------------------------------------------------------------------------------


def test_the_admission_says_the_rule_that_opened_its_tier() -> None:
    admission = gone(decided(ALL, budget("80% downgrade", spent=805)))
    assert (admission.tier, admission.rule) == ("cheaper", "key=b: 80% downgrade")
    assert admission.reason == "key=b: 80 % used"


def test_a_normal_target_needs_no_rule() -> None:
    admission = gone(decided(ALL, budget("80% downgrade", spent=799)))
    assert (admission.tier, admission.rule, admission.reason) == ("normal", "", "")


VIA = [
    ("80% downgrade cheap", "normal cheaper cheaper@cheap", (2,)),
    ("80% downgrade cheap", "normal cheaper@cheap cheaper@other cheaper@cheap", (1, 3)),
    ("80% downgrade cheap", "normal cheaper", (0,)),
    ("80% downgrade cheap", "normal cheaper@other", (0,)),
    ("80% downgrade", "normal cheaper@cheap", (0,)),
    ("80% free gratis", "normal free:zero free@gratis:zero", (2,)),
    ("80% free gratis", "normal free:zero", ()),
]


@pytest.mark.parametrize(("rule", "kinds", "goes"), VIA)
def test_a_rule_that_names_a_route_opens_that_route_alone(
    rule: str, kinds: str, goes: tuple[int, ...]
) -> None:
    assert order(decided(kinds, budget(rule, spent=800))) == goes


# Opened by need -----------------------------------------------------------------------------------

NEED = [
    # Rules, the candidates, and which goes where 5 nano-dollars are left and paid ones cost 10.
    (("100% downgrade",), ALL, None),
    (("100% free",), ALL, 2),
    (("100% free",), "normal cheaper:zero", None),
    (("100% downgrade",), "normal cheaper:zero", 1),
    (("100% downgrade cheap",), "normal cheaper:zero cheaper@cheap:zero", 2),
    (("99% downgrade", "100% free"), ALL, 2),
    (("99% downgrade", "100% free"), "normal cheaper:zero free:zero", 1),
    (("50% notify", "100% block"), ALL, None),
    ((), ALL, None),
]


@pytest.mark.parametrize(("rules", "kinds", "index"), NEED)
def test_a_tier_of_a_rule_not_reached_opens_when_normal_does_not_fit(
    rules: tuple[str, ...], kinds: str, index: int | None
) -> None:
    for is_critical in (False, True):
        goes = order(decided(kinds, budget(*rules, spent=995), is_critical=is_critical))
        assert goes == (() if index is None else (index,))


@pytest.mark.parametrize(("left", "tier"), [(9, None), (10, "cheaper"), (29, "cheaper")])
def test_a_cheaper_target_that_still_fits_carries_what_normal_cannot(
    left: int, tier: str | None
) -> None:
    window = budget("100% downgrade", spent=LIMIT - left)
    verdict = decide([one("normal", window, cost=30), one("cheaper", window)], is_critical=False)
    if tier is None:
        assert isinstance(denied(verdict), BudgetSpent)
        return
    admission = gone(verdict)
    assert (admission.tier, admission.rule) == (tier, "key=b: 100% downgrade")
    assert admission.reason == "key=b: the normal route does not fit"


def test_money_that_is_only_held_opens_no_tier() -> None:
    verdict = decided(ALL, budget("100% free", held=995))
    assert isinstance(denied(verdict), BudgetBusy)


# Several budgets ----------------------------------------------------------------------------------

TWO = [
    # The rules of two budgets with 800 of 1,000 spent, the candidates, and which go.
    ("80% notify", "80% downgrade", ALL, (1,)),
    ("80% downgrade", "80% free", ALL, (2,)),
    ("80% free", "80% downgrade", "normal:zero cheaper:zero free:zero", (1,)),
    ("80% downgrade", "80% block", ALL, ()),
    ("80% downgrade", "80% block", "normal cheaper:zero", (1,)),
    ("80% downgrade", "80% block all", "normal:zero cheaper:zero", ()),
    ("80% free", "80% block", ALL, (2,)),
    ("80% downgrade a", "80% downgrade b", "normal cheaper@a cheaper@b", (1, 2)),
    ("80% downgrade a", "80% downgrade b", "normal cheaper@b", (1,)),
]


@pytest.mark.parametrize(("first", "second", "kinds", "goes"), TWO)
def test_two_budgets_allow_what_both_allow(
    first: str, second: str, kinds: str, goes: tuple[int, ...]
) -> None:
    rules = {"a": first, "b": second}
    windows = [budget(rule, spent=800, id=id) for id, rule in rules.items()]
    assert order(decided(kinds, *windows)) == goes
    assert order(decided(kinds, *reversed(windows))) == goes


def test_a_budget_of_one_candidate_bars_no_other() -> None:
    blocked = budget("80% block", spent=800, id="a")
    contenders = [one("normal", blocked), one("normal", budget(id="b")), one("normal")]
    assert order(decide(contenders, is_critical=False)) == (1, 2)


# What goes next -----------------------------------------------------------------------------------


def test_fallbacks_are_the_tiers_other_candidates_that_fit_in_order() -> None:
    window = budget(spent=LIMIT - COST)
    dear = one("normal", window, cost=COST + 1)
    near = one("normal", window)
    contenders = [dear, near, one("cheaper", window), dear, near, one("normal:unpriced", window)]
    assert order(decide([*contenders, near], is_critical=False)) == (1, 4, 6)


def test_a_lone_candidate_without_a_budget_goes_at_once() -> None:
    assert decided("normal") == Passage(Admission(7))


def test_candidates_without_a_budget_go_in_their_order() -> None:
    assert decided("normal normal cheaper") == Passage(Admission(7, fallbacks=(1,)))


@pytest.mark.parametrize(("left", "goes"), [(9, ()), (10, (0,)), (11, (0,))])
def test_a_call_goes_where_its_ceiling_is_free_to_the_nano_dollar(
    left: int, goes: tuple[int, ...]
) -> None:
    assert order(decided("normal", budget(spent=LIMIT - left))) == goes


# Denials ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("frees", "least"), [((5, 3, 4), "b"), ((1, 3, 4), "a"), ((3, 3, 2), "c")])
def test_a_denial_names_the_budget_with_the_least_free(frees: tuple[int, ...], least: str) -> None:
    windows = [budget(spent=LIMIT - free, id=id) for id, free in zip("abc", frees, strict=True)]
    assert named(decide([one("normal", each) for each in windows], is_critical=False)) == least
    assert named(decided("normal", *windows)) == least


KINDS: list[tuple[str, type[Refusal]]] = [
    ("spent held", BudgetBusy),
    ("held spent", BudgetBusy),
    ("unpriced spent", BudgetSpent),
    ("unbounded held", BudgetBusy),
    ("unpriced unbounded", ModelUnpriced),
    ("unbounded unpriced", CallUnbounded),
]


@pytest.mark.parametrize(("kinds", "refusal"), KINDS)
def test_busy_is_told_before_spent_and_both_before_all_else(
    kinds: str, refusal: type[Refusal]
) -> None:
    each = {
        "spent": one("normal", budget(spent=LIMIT, id="s")),
        "held": one("normal", budget(held=LIMIT - 1, id="h")),
        "unpriced": one("normal:unpriced", budget()),
        "unbounded": one("normal:unbounded", budget()),
    }
    verdict = decide([each[kind] for kind in kinds.split()], is_critical=False)
    assert type(denied(verdict)) is refusal


NEEDED = [("normal", COST), ("normal:unbounded", PAID.expected_nanousd), ("normal:zero", 0)]


@pytest.mark.parametrize(("kind", "needed"), NEEDED)
def test_a_blocking_rule_refuses_as_spent_and_says_what_was_needed(kind: str, needed: int) -> None:
    refusal = denied(decided(kind, budget("50% block all", spent=500)))
    assert isinstance(refusal, BudgetSpent)
    assert (refusal.needed_nanousd, refusal.spent_nanousd) == (needed, 500)


def test_a_blocking_rule_counts_the_callers_whole_limit_as_needed() -> None:
    ask = replace(PAID, ceiling=Ceiling(COST, 1_000_000))
    contender = Contender(ask, (budget("50% block", spent=500),))
    refusal = denied(decide([contender], is_critical=False))
    assert isinstance(refusal, BudgetSpent)
    assert refusal.needed_nanousd == COST + 5


def test_without_a_tried_candidate_the_first_wanted_one_is_named() -> None:
    refusal = denied(decided("cheaper free:zero", budget()))
    assert isinstance(refusal, NoTarget)
    assert refusal.target == "p/paid"


# Exhausted ----------------------------------------------------------------------------------------


def ids(standings: tuple[Standing, ...]) -> str:
    return " ".join(each.terms.id for each in standings)


EXHAUSTED = [
    # Money left, held, rules, the candidates, and whether the window is exhausted.
    (10, 0, (), "normal", False),
    (9, 0, (), "normal", True),
    (0, 0, (), "normal normal", True),
    (9, 0, (), "normal:zero", False),
    (9, 0, (), "normal:unpriced", False),
    (9, 0, (), "normal:unbounded", False),
    (9, 0, (), "normal normal:unpriced", False),
    (100, 95, (), "normal", False),
    (9, 1, (), "normal", True),
    (9, 0, ("100% free",), ALL, True),
    (9, 0, ("80% free",), ALL, True),
    (9, 0, ("80% downgrade",), "normal cheaper", True),
    (0, 0, ("100% block",), "normal", True),
    # A rule in the way is not money spent.
    (200, 0, ("80% block",), "normal", False),
    (200, 0, ("80% free",), ALL, False),
]


@pytest.mark.parametrize(("left", "held", "rules", "kinds", "is_exhausted"), EXHAUSTED)
def test_a_window_is_exhausted_when_its_spent_money_refused_all_that_is_paid(
    left: int, held: int, rules: tuple[str, ...], kinds: str, is_exhausted: bool
) -> None:
    verdict = decided(kinds, budget(*rules, spent=LIMIT - left, held=held))
    assert ids(verdict.exhausted) == ("b" if is_exhausted else "")


def test_a_free_target_goes_on_where_its_window_is_exhausted() -> None:
    verdict = decided("normal normal:zero", budget(spent=LIMIT))
    assert (order(verdict), ids(verdict.exhausted)) == ((1,), "b")


def test_a_window_of_which_one_paid_candidate_goes_is_not_exhausted() -> None:
    window = budget("100% downgrade", spent=LIMIT - COST)
    verdict = decide([one("normal", window, cost=11), one("cheaper", window)], is_critical=False)
    assert (order(verdict), ids(verdict.exhausted)) == ((1,), "")


def test_only_a_budget_that_every_paid_candidate_counts_in_is_exhausted() -> None:
    shared = budget(spent=LIMIT, id="shared")
    alone = budget(spent=LIMIT, id="alone")
    rich = budget(id="rich")
    contenders = [one("normal", alone, shared, rich), one("normal", rich, shared)]
    assert ids(decide(contenders, is_critical=False).exhausted) == "shared"


def test_a_soft_budget_is_never_exhausted() -> None:
    verdict = decided("normal", budget(spent=LIMIT, mode="soft"))
    assert (order(verdict), verdict.exhausted) == ((0,), ())


# Short --------------------------------------------------------------------------------------------


def test_a_busy_denial_says_which_budgets_to_wait_for() -> None:
    held, rich, spent = budget(held=LIMIT, id="held"), budget(id="rich"), budget(spent=LIMIT)
    contenders = [one("normal", rich, held), one("normal", spent), one("normal", held, rich)]
    verdict = decide(contenders, is_critical=False)
    assert isinstance(verdict, Denial)
    assert {each.terms.id for each in verdict.short} == {"held"}
    assert (named(verdict), verdict.exhausted) == ("held", ())


def test_a_candidate_that_was_not_tried_is_not_waited_for() -> None:
    untried = one("cheaper", budget(held=LIMIT, id="untried"))
    verdict = decide([one("normal", budget(held=LIMIT)), untried], is_critical=False)
    assert isinstance(verdict, Denial)
    assert ids(verdict.short) == "b"


def test_nobody_waits_for_money_that_is_spent() -> None:
    verdict = decided("normal", budget(spent=LIMIT, held=5))
    assert isinstance(verdict, Denial)
    assert verdict.short == ()


# Conditions ---------------------------------------------------------------------------------------


def when(condition: Callable[[int], bool], *standings: Standing) -> Contender:
    return one("normal", *standings)._replace(condition=condition)


@pytest.mark.parametrize(("spent", "index"), [(799, 1), (800, 0), (801, 0)])
def test_a_condition_is_asked_of_the_percentage_used_rounded_down(spent: int, index: int) -> None:
    window = budget(spent=spent)
    verdict = decide(
        [when(lambda used: used >= 80, window), one("normal", window)], is_critical=False
    )
    assert gone(verdict).index == index


@pytest.mark.parametrize("ids_spent", [(("a", 300), ("b", 700)), (("a", 700), ("b", 300))])
def test_a_condition_sees_the_fullest_budget(ids_spent: tuple[tuple[str, int], ...]) -> None:
    windows = [budget(spent=spent, id=id) for id, spent in ids_spent]
    assert order(decide([when(lambda used: used == 70, *windows)], is_critical=False)) == (0,)


def test_a_condition_without_a_budget_sees_nothing_used() -> None:
    assert order(decide([when(lambda used: used == 0)], is_critical=False)) == (0,)


def test_where_no_condition_is_met_there_is_no_target() -> None:
    contenders = [when(lambda used: used > 0), when(lambda used: used > 50, budget(spent=500))]
    verdict = decide(contenders, is_critical=False)
    refusal = denied(verdict)
    assert isinstance(refusal, NoTarget)
    assert (refusal.target, verdict.exhausted) == ("p/paid", ())


def test_a_cheaper_target_whose_condition_is_not_met_holds_no_normal_one_back() -> None:
    window = budget("80% downgrade", spent=800)
    cheaper = one("cheaper", window)._replace(condition=lambda used: used > 80)
    assert order(decide([one("normal", window), cheaper], is_critical=False)) == (0,)
