"""Modes, unpriced calls, ferry's own bounds, and what a standing says of itself."""

from __future__ import annotations

import pytest

from ferrycli.rules.admission import is_used_up
from ferrycli.rules.budget import Admission, Ask, expecting, judge, refusal_of
from ferrycli.rules.ceilings import Ceiling
from ferrycli.rules.denials import (
    BudgetBusy,
    BudgetRefusal,
    BudgetSpent,
    CallUnbounded,
    ModelUnpriced,
    Refusal,
)
from ferrycli.rules.standings import Standing, Terms
from tests.changed import replace

LIMIT = 1_000
CEILING = 50
EXPECTED = 20
ASK = Ask(
    target="openai/gpt-5.6",
    ceiling=Ceiling(CEILING, 0),
    is_priced=True,
    is_free=False,
    output_asked=5,
    output_max=64_000,
    expected_nanousd=EXPECTED,
)
UNPRICED = replace(ASK, is_priced=False, ceiling=None)
UNBOUNDED = replace(ASK, ceiling=None, unbounded_field="tools")


def window(
    mode: str,
    spent: int = 0,
    held: int = 0,
    doubt: int = 0,
    *,
    id: str = "b",
    allow_unpriced: bool = False,
) -> Standing:
    terms = Terms(id, f"key={id}", "month", "UTC", LIMIT, mode=mode, allow_unpriced=allow_unpriced)
    return Standing(terms, 1_000, 2_000, spent, held, doubt)


# Modes --------------------------------------------------------------------------------------------

MODES: list[tuple[str, int, int, int, type[Admission | Refusal]]] = [
    # Mode, spent, held, doubt, and the verdict on a call of at most 50 that probably costs 20.
    ("strict", 950, 0, 0, Admission),
    ("strict", 951, 0, 0, BudgetSpent),
    ("strict", 950, 1, 0, BudgetBusy),
    ("strict", 950, 0, 1, BudgetSpent),
    ("expected", 980, 0, 0, Admission),
    ("expected", 981, 0, 0, BudgetSpent),
    ("expected", 980, 1, 0, BudgetBusy),
    ("expected", 979, 1, 0, Admission),
    ("expected", 0, 980, 0, Admission),
    ("expected", 0, 981, 0, BudgetBusy),
    # Doubt does not count against what is expected.
    ("expected", 980, 0, 1_000, Admission),
    ("soft", 1_000, 0, 0, Admission),
    ("soft", 5_000, 5_000, 5_000, Admission),
]


@pytest.mark.parametrize(("mode", "spent", "held", "doubt", "verdict"), MODES)
def test_a_mode_says_what_fits_to_the_nano_dollar(
    mode: str, spent: int, held: int, doubt: int, verdict: type[Admission | Refusal]
) -> None:
    assert type(judge((window(mode, spent, held, doubt),), ASK)) is verdict


@pytest.mark.parametrize("mode", ["expected", "soft"])
@pytest.mark.parametrize("ask", [ASK, UNBOUNDED, replace(ASK, output_asked=None, output_max=None)])
def test_without_a_strict_budget_the_expected_cost_is_held_and_nothing_bounded(
    mode: str, ask: Ask
) -> None:
    assert judge((window(mode, 400),), ask) == Admission(EXPECTED, None, 600, "b")


def test_a_strict_budget_sizes_the_hold_that_all_the_others_count() -> None:
    strict, soft = window("strict", 100, id="s"), window("soft", 5_000, id="o")
    verdict = judge((soft, strict, window("expected", 500, id="e")), ASK)
    assert verdict == Admission(CEILING, None, 900, "s", 5)


REFUSES = [
    # A strict budget is asked first, then those of mode expected; soft ones never refuse.
    (951, 981, "s"),
    (951, 0, "s"),
    (950, 981, "e"),
]


@pytest.mark.parametrize(("strict", "expected", "named"), REFUSES)
def test_an_expected_budget_refuses_after_the_strict_ones(
    strict: int, expected: int, named: str
) -> None:
    matching = (
        window("soft", 9_000, id="o"),
        window("expected", expected, id="e"),
        window("strict", strict, id="s"),
    )
    refusal = judge(matching, ASK)
    assert isinstance(refusal, BudgetSpent)
    assert refusal.budget == named
    assert refusal.needed_nanousd == (CEILING if named == "s" else EXPECTED)


def test_a_call_without_a_ceiling_is_refused_by_the_strict_budget_alone() -> None:
    refusal = judge((window("soft", id="o"), window("strict", id="s")), UNBOUNDED)
    assert isinstance(refusal, CallUnbounded)
    assert (refusal.budget, refusal.field) == ("key=s", "tools")


@pytest.mark.parametrize("mode", ["strict", "expected", "soft"])
def test_a_free_target_holds_nothing_in_any_mode(mode: str) -> None:
    verdict = judge((window(mode, 2_000),), replace(ASK, is_free=True))
    assert verdict == Admission(0, None, -1_000, "b")


# Unpriced -----------------------------------------------------------------------------------------

UNPRICED_IN = [
    # Windows as (id, mode, allows unpriced), and who refuses.
    ([("a", "strict", False)], "key=a"),
    ([("a", "expected", False)], "key=a"),
    ([("a", "soft", False)], None),
    ([("a", "strict", True)], None),
    ([("a", "expected", True)], None),
    ([("a", "strict", True), ("b", "strict", False)], "key=b"),
    ([("a", "soft", False), ("b", "expected", False)], "key=b"),
    ([("a", "soft", False), ("b", "strict", True)], None),
]


@pytest.mark.parametrize(("windows", "named"), UNPRICED_IN)
def test_a_call_that_nothing_prices_goes_where_every_budget_lets_it(
    windows: list[tuple[str, str, bool]], named: str | None
) -> None:
    matching = tuple(
        window(mode, 1_500, id=id, allow_unpriced=allows) for id, mode, allows in windows
    )
    verdict = judge(matching, UNPRICED)
    if named is None:
        assert isinstance(verdict, Admission)
        assert (verdict.hold_nanousd, verdict.output_bound, verdict.free_nanousd) == (0, None, -500)
    else:
        assert isinstance(verdict, ModelUnpriced)
        assert (verdict.target, verdict.budget) == ("openai/gpt-5.6", named)


# Ferry's own bound --------------------------------------------------------------------------------

RATED = replace(ASK, ceiling=Ceiling(10, 1_000_000), output_asked=500, is_bounded_here=True)
"""Its answer costs a nano-dollar a token."""
CLAMPS = Terms("b", "key=b", "month", "UTC", LIMIT, clamp="always")
OWN = [
    ((), RATED, 500),
    ((window("soft"),), RATED, 500),
    ((window("strict"),), RATED, 500),
    ((window("strict"),), replace(RATED, is_bounded_here=False), None),
    ((window("strict", 2_000),), replace(RATED, is_free=True), 500),
    # What a budget lowers stays lowered.
    ((Standing(CLAMPS, 1_000, None, 700),), replace(RATED, expected_output_tokens=256), 290),
    # An answer that the caller left open is no limit of the caller's, whatever a route allows.
    ((window("strict", 700),), replace(RATED, is_left_open=True, expected_output_tokens=256), 290),
    ((window("strict", 480),), replace(RATED, is_left_open=True, expected_output_tokens=256), 500),
]


@pytest.mark.parametrize(("standings", "ask", "bound"), OWN)
def test_ferrys_own_bound_goes_into_the_request_that_lacks_it(
    standings: tuple[Standing, ...], ask: Ask, bound: int | None
) -> None:
    verdict = judge(standings, ask)
    assert isinstance(verdict, Admission)
    assert verdict.output_bound == bound


def test_ferrys_own_bound_saves_no_call_that_does_not_fit() -> None:
    assert type(judge((window("strict", 500),), RATED)) is BudgetSpent


# Standing -----------------------------------------------------------------------------------------

FIGURES = [
    # Limit, extra, base, spent; then the limit in force, the base, what is used, and percent.
    (1_000, 0, None, 0, 1_000, 1_000, 0, 0),
    (1_000, 0, None, 799, 1_000, 1_000, 799, 79),
    (1_000, 0, None, 800, 1_000, 1_000, 800, 80),
    (1_000, 0, None, 2_505, 1_000, 1_000, 2_505, 250),
    # A boost raises the limit and what percentages are of.
    (1_000, 600, None, 800, 1_600, 1_600, 800, 50),
    # Nothing is always used up.
    (0, 0, None, 0, 0, 0, 0, 100),
    (-5, 0, None, 3, -5, -5, 3, 100),
    # Prepaid: grants of 5,000, of which 1,000 were left after the last one.
    (0, 5_000, 1_000, 4_000, 5_000, 1_000, 0, 0),
    (0, 5_000, 1_000, 4_799, 5_000, 1_000, 799, 79),
    (0, 5_000, 1_000, 5_000, 5_000, 1_000, 1_000, 100),
    (0, 5_000, 1_000, 5_100, 5_000, 1_000, 1_100, 110),
    (0, 0, 0, 0, 0, 0, 0, 100),
]


@pytest.mark.parametrize(
    ("limit", "extra", "base", "spent", "limit_now", "base_now", "used", "percent"), FIGURES
)
def test_a_standing_says_what_percentages_are_of_and_what_is_used(
    limit: int,
    extra: int,
    base: int | None,
    spent: int,
    limit_now: int,
    base_now: int,
    used: int,
    percent: int,
) -> None:
    terms = Terms("b", "key=b", "month", "UTC", limit)
    one = Standing(terms, 1_000, None, spent, 7, 8, extra_nanousd=extra, base_nanousd=base)
    assert (one.limit_nanousd, one.base, one.used, one.percent) == (
        limit_now,
        base_now,
        used,
        percent,
    )
    assert one.free == limit_now - spent - 15


def test_a_standing_keeps_its_place_from_window_to_window() -> None:
    now = replace(window("strict"), subject='["acme"]')
    later = replace(now, window_start_us=2_000, resets_at_us=3_000, spent=5)
    assert now.place == later.place == ("b", '["acme"]')


# Refusals -----------------------------------------------------------------------------------------

KINDS: list[tuple[bool, type[BudgetRefusal]]] = [(True, BudgetSpent), (False, BudgetBusy)]


@pytest.mark.parametrize(("is_spent", "kind"), KINDS)
def test_a_refusal_tells_the_window_with_its_extra_and_its_subject(
    is_spent: bool, kind: type[BudgetRefusal]
) -> None:
    terms = replace(window("strict").terms, is_prepaid=True)
    subject = '["acme","chat"]'
    one = Standing(terms, 1_000, None, 11, 12, 13, subject, extra_nanousd=500)
    refusal = refusal_of(one, 99, is_spent=is_spent)
    assert type(refusal) is kind
    assert (refusal.budget, refusal.owner_hint, refusal.period) == ("b", "key=b", "month")
    assert (refusal.limit_nanousd, refusal.needed_nanousd) == (1_500, 99)
    assert (refusal.spent_nanousd, refusal.held_nanousd, refusal.doubt_nanousd) == (11, 12, 13)
    assert (refusal.window_start_us, refusal.resets_at_us) == (1_000, None)
    assert (refusal.subject, refusal.is_prepaid) == (("acme", "chat"), True)


EXPECTING = [
    # The caller's limit, `e`, and what the call probably costs: 20 with 256 tokens of answer.
    (None, 1_024, 20),
    (None, 4_000, 20 + 744),
    (None, 1_028, 21),
    (None, 256, 0),
    (300, 4_000, 20 + 44),
    (100, 4_000, 20),
    (200, 400, 0),
    (0, 4_000, 20),
]


@pytest.mark.parametrize(("asked", "e", "cost"), EXPECTING)
def test_what_a_call_probably_costs_follows_what_was_learned(
    asked: int | None, e: int, cost: int
) -> None:
    ask = replace(ASK, output_asked=asked, answer_rate=10**6)
    known = expecting(ask, e)
    assert (known.expected_output_tokens, known.expected_nanousd) == (e, cost)


LONG = replace(ASK, ceiling=Ceiling(0, 10**6), output_asked=600, expected_output_tokens=256)
"""Of at most 600, a nano-dollar a token; its shortest answer is 256."""
USED_UP = [
    (window("strict", 950), ASK, False),
    (window("strict", 951), ASK, True),
    (window("strict", 950, 50), ASK, False),
    (window("strict", 950, 0, 1), ASK, True),
    (window("expected", 980, 500), ASK, False),
    (window("expected", 981), ASK, True),
    (window("soft", 5_000), ASK, False),
    (window("strict", 5_000), replace(ASK, is_free=True), False),
    (window("strict", 5_000), UNPRICED, False),
    (window("strict", 5_000), UNBOUNDED, False),
    # A fifth is left, or more, of which a shorter answer could be paid.
    (window("strict", 800), LONG, True),
    (window("strict", 744), LONG, False),
    # Less than half is left, and not even the shortest answer could be.
    (window("strict", 745), LONG, True),
    (window("strict", 500), replace(LONG, ceiling=Ceiling(245, 10**6)), True),
    (window("strict", 500), replace(LONG, ceiling=Ceiling(244, 10**6)), False),
    (window("strict", 499), replace(LONG, ceiling=Ceiling(5_000, 10**6)), False),
    (window("expected", 500), replace(ASK, expected_nanousd=501), True),
    (window("expected", 499), replace(ASK, expected_nanousd=502), False),
    # What asks for more than there ever was uses nothing up.
    (window("strict"), replace(ASK, ceiling=Ceiling(5_000, 0)), False),
]


@pytest.mark.parametrize(("one", "ask", "is_it"), USED_UP)
def test_a_budget_is_used_up_that_refuses_a_call_and_has_little_left_but_what_is_held(
    one: Standing, ask: Ask, is_it: bool
) -> None:
    assert is_used_up(one, ask) is is_it
