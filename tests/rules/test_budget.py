"""Judging: rules 1 to 4 of sizing, each at its boundary, and who is refused for what."""

from __future__ import annotations

import pytest

from ferrycli.rules.budget import (
    EXPECTED_OUTPUT_TOKENS,
    OPEN_ABOVE,
    OUTPUT_TOKENS_FLOOR,
    Admission,
    Ask,
    doubt_of,
    judge,
    smallest_hold,
)
from ferrycli.rules.ceilings import Ceiling
from ferrycli.rules.denials import (
    BudgetBusy,
    BudgetSpent,
    CallUnbounded,
    ModelUnpriced,
)
from ferrycli.rules.standings import Standing, Terms
from tests.changed import replace
from tests.rules.arithmetic import dollars, mtok

E = EXPECTED_OUTPUT_TOKENS
INPUT = 5_000
"""What the input of the asks below costs at most, in nano-dollars."""
LINE = Ceiling(INPUT, dollars("15"))


def at(output_tokens: int) -> int:
    """The ceiling of the asks below: the input, and output at $15 a million."""
    return INPUT + mtok("15", output_tokens)


ASK = Ask(
    target="openai/gpt-5.6",
    ceiling=LINE,
    is_priced=True,
    is_free=False,
    output_asked=None,
    output_max=64_000,
    expected_nanousd=7_777,
)


def standing(
    free: int, *, spent: int = 0, held: int = 0, doubt: int = 0, clamp: str = "unset", id: str = "b"
) -> Standing:
    """A window with `free` left."""
    limit = free + spent + held + doubt
    terms = Terms(id, f"key={id}", "month", "UTC", limit, clamp=clamp)
    return Standing(terms, 1_000, 2_000, spent, held, doubt)


def test_the_figures_of_the_design_are_the_ones_in_force() -> None:
    assert (EXPECTED_OUTPUT_TOKENS, OUTPUT_TOKENS_FLOOR, OPEN_ABOVE) == (1_024, 256, 8_192)


# Rule 1 and 3: a ceiling that is held whole ------------------------------------------------------

WHOLE = [
    # Free, the caller's limit, the model's maximum, the answer that is held for.
    (at(64_000) * 100, None, 64_000, 64_000),
    (at(64_000) * 100, 100_000, 64_000, 64_000),
    (at(32_000) * 100, 32_000, 64_000, 32_000),
    (at(8_193) * 100, 8_193, 64_000, 8_193),
    (at(0) * 100, 0, 64_000, 0),
    # A limit that the caller set is held whole if it fits at all.
    (at(8_192), 8_192, 64_000, 8_192),
    (at(8_192) * 100 - 1, 8_192, 64_000, 8_192),
    (at(1), 1, 64_000, 1),
    (at(0), 0, 64_000, 0),
    (at(500), 500, None, 500),
    (at(500), 8_192, 500, 500),
]


@pytest.mark.parametrize(("free", "asked", "output_max", "held_for"), WHOLE)
def test_a_ceiling_that_fits_is_held_and_the_request_goes_as_it_came(
    free: int, asked: int | None, output_max: int | None, held_for: int
) -> None:
    ask = replace(ASK, output_asked=asked, output_max=output_max)
    assert judge((standing(free),), ask) == Admission(at(held_for), None, free, "b", held_for)


# Rule 2: an open answer is bounded ----------------------------------------------------------------

OPEN_E = 300
"""An `e` whose 8 e is under the limits that count as open."""

OPEN = [
    # One nano-dollar under 100 ceilings, the answer is bounded: by 8 e.
    (at(64_000) * 100 - 1, None, 64_000, E, 8 * E),
    (at(32_000) * 100 - 1, 32_000, 64_000, E, 8 * E),
    (at(8_193) * 100 - 1, 8_193, 64_000, E, 8 * E),
    # What 1/64 of free pays for after the input, up to 8 e.
    (at(8 * E) * 64, None, 64_000, E, 8 * E),
    (at(8 * E) * 64 - 1, None, 64_000, E, 8 * E - 1),
    (at(8 * E - 1) * 64, None, 64_000, E, 8 * E - 1),
    (at(5_000) * 64, None, 64_000, E, 5_000),
    (at(2 * E + 1) * 64, None, 64_000, E, 2 * E + 1),
    (at(2 * E + 1) * 64 - 1, None, 64_000, E, 2 * E),
    # At least 2 e, where that fits.
    (at(2 * E) * 64, None, 64_000, E, 2 * E),
    (at(2 * E) * 2, None, 64_000, E, 2 * E),
    (at(2 * E), None, 64_000, E, 2 * E),
    # Else whatever fits, down to the floor.
    (at(2 * E) - 1, None, 64_000, E, 2 * E - 1),
    (at(E + 1), None, 64_000, E, E + 1),
    (at(E), None, 64_000, E, E),
    # At most the model's maximum and the caller's limit.
    (at(5_000) * 64, None, 4_999, E, 4_999),
    (at(1_500), None, 1_500, E, 1_500),
    (at(1_500) - 1, None, 1_500, E, 1_499),
    (at(8 * 1_100) * 64, 8_193, 64_000, 1_100, 8_193),
    # Nobody bounds it: ferry does, however much is free.
    (at(64_000) * 10_000, None, None, E, 8 * E),
    (at(8_193) * 10_000, 8_193, None, E, None),
    # Another e.
    (at(8 * OPEN_E) * 64, None, 64_000, OPEN_E, 8 * OPEN_E),
    (at(2 * OPEN_E), None, 64_000, OPEN_E, 2 * OPEN_E),
    (at(OPEN_E), None, 64_000, OPEN_E, OPEN_E),
    # An e under the floor counts as the floor.
    (at(64_000) * 50, None, 64_000, 1, 8 * 256),
    (at(2 * 256), None, 64_000, 255, 2 * 256),
    (at(256), None, 64_000, 10, 256),
    # A model whose longest answer is under the floor is held whole.
    (at(100), None, 100, E, 100),
]


@pytest.mark.parametrize(("free", "asked", "output_max", "e", "bound"), OPEN)
def test_an_open_answer_is_bounded_between_2e_and_8e_by_what_is_free(
    free: int, asked: int | None, output_max: int | None, e: int, bound: int | None
) -> None:
    ask = replace(ASK, output_asked=asked, output_max=output_max, expected_output_tokens=e)
    held_for = bound if bound is not None else asked
    assert held_for is not None
    assert judge((standing(free),), ask) == Admission(at(held_for), bound, free, "b", held_for)


THOUGHTS = 4_000
"""What the caller allows for thoughts, inside the answer's bound."""

THINKING = [
    # Free, and the answer that is held for: 8 e, 1/64 of free, 2 e, and the floor, each and them.
    (at(32_000) * 100 - 1, THOUGHTS + 8 * E),
    (at(THOUGHTS + 8 * E - 1) * 64, THOUGHTS + 8 * E - 1),
    (at(THOUGHTS + 2 * E) * 2, THOUGHTS + 2 * E),
    (at(THOUGHTS + 2 * E) - 1, THOUGHTS + 2 * E - 1),
    (at(THOUGHTS + E), THOUGHTS + E),
    (at(THOUGHTS + E) - 1, None),
]


@pytest.mark.parametrize(("free", "bound"), THINKING)
def test_no_bound_is_below_the_callers_thoughts_and_the_floor(free: int, bound: int | None) -> None:
    ask = replace(ASK, output_asked=32_000, thinking_tokens=THOUGHTS)
    verdict = judge((standing(free),), ask)
    if bound is None:
        assert isinstance(verdict, BudgetSpent)
    else:
        assert verdict == Admission(at(bound), bound, free, "b", bound)


FREE_OUTPUT = [
    (INPUT, 2 * E),
    (INPUT * 64 - 1, 2 * E),
    (INPUT * 64, 8 * E),
    (INPUT * 100 - 1, 8 * E),
    (INPUT * 100, None),
]


@pytest.mark.parametrize(("free", "bound"), FREE_OUTPUT)
def test_an_answer_that_costs_nothing_is_bounded_by_what_its_input_takes(
    free: int, bound: int | None
) -> None:
    ask = replace(ASK, ceiling=Ceiling(INPUT, 0))
    held_for = 64_000 if bound is None else bound
    assert judge((standing(free),), ask) == Admission(INPUT, bound, free, "b", held_for)


# Rules 3 and 4: what does not fit -----------------------------------------------------------------

TOO_SMALL = [
    # Free, the caller's limit, the model's maximum, e, clamp, and what would have to be free.
    (at(8_192) - 1, 8_192, 64_000, E, "unset", at(8_192)),
    (at(1) - 1, 1, 64_000, E, "unset", at(1)),
    (at(0) - 1, 0, 64_000, E, "unset", at(0)),
    (at(500) - 1, 8_192, 500, E, "unset", at(500)),
    (at(E) - 1, None, 64_000, E, "unset", at(E)),
    (at(E) - 1, None, None, E, "unset", at(E)),
    (at(E) - 1, 8_193, 64_000, E, "unset", at(E)),
    (at(256) - 1, None, 64_000, 256, "unset", at(256)),
    (at(256) - 1, None, 64_000, 10, "unset", at(256)),
    (at(257) - 1, None, 64_000, 257, "unset", at(257)),
    (at(100) - 1, None, 100, E, "unset", at(100)),
    (at(E) - 1, 8_192, 64_000, E, "always", at(E)),
    (at(300) - 1, 300, 64_000, E, "always", at(300)),
    (0, None, 64_000, E, "unset", at(E)),
    (-1, None, 64_000, E, "unset", at(E)),
    (-dollars("5"), 100, 64_000, E, "always", at(100)),
]


@pytest.mark.parametrize(("free", "asked", "output_max", "e", "clamp", "needed"), TOO_SMALL)
def test_a_call_whose_smallest_hold_is_not_free_is_refused_as_spent(
    free: int, asked: int | None, output_max: int | None, e: int, clamp: str, needed: int
) -> None:
    ask = replace(ASK, output_asked=asked, output_max=output_max, expected_output_tokens=e)
    window = standing(free, spent=dollars("6"), doubt=3, clamp=clamp)
    refusal = judge((window,), ask)
    assert isinstance(refusal, BudgetSpent)
    assert refusal.needed_nanousd == needed == smallest_hold(ask, LINE, may_clamp=clamp == "always")
    fits = judge((standing(needed, clamp=clamp),), ask)
    assert isinstance(fits, Admission)
    assert fits.hold_nanousd == needed


CLAMPED = [
    (at(8_192), 8_192, None, at(8_192)),
    (at(8_192) - 1, 8_192, 8_191, at(8_191)),
    (at(E), 8_192, E, at(E)),
    (at(300), 300, None, at(300)),
    (at(5_000), 8_192, 5_000, at(5_000)),
]


@pytest.mark.parametrize(("free", "asked", "bound", "hold"), CLAMPED)
def test_a_budget_that_clamps_lowers_the_callers_limit_to_what_fits(
    free: int, asked: int, bound: int | None, hold: int
) -> None:
    window = standing(free, clamp="always")
    verdict = judge((window,), replace(ASK, output_asked=asked))
    assert isinstance(verdict, Admission)
    assert (verdict.hold_nanousd, verdict.output_bound, verdict.binding) == (hold, bound, "b")


# Who is refused, and why --------------------------------------------------------------------------

NEEDED = at(E)
BUSY = [
    # Free, held, and whether the smallest hold fits when what is held comes back.
    (NEEDED - 1, 0, False),
    (NEEDED - 1, 1, True),
    (NEEDED - 2, 1, False),
    (0, NEEDED, True),
    (0, NEEDED - 1, False),
    (-5, NEEDED + 5, True),
    (-5, NEEDED + 4, False),
]


@pytest.mark.parametrize(("free", "held", "is_busy"), BUSY)
def test_money_that_is_held_is_busy_and_money_that_is_spent_is_spent(
    free: int, held: int, is_busy: bool
) -> None:
    refusal = judge((standing(free, held=held, spent=dollars("1")),), ASK)
    assert type(refusal) is (BudgetBusy if is_busy else BudgetSpent)


LOWERED = [
    # How the budget treats a limit of 2,000 tokens that the caller set, and what must be free.
    ("unset", at(2_000)),
    ("always", at(E)),
]


@pytest.mark.parametrize(("clamp", "needed"), LOWERED)
def test_a_busy_budget_says_what_must_be_free_now(clamp: str, needed: int) -> None:
    refusal = judge(
        (standing(needed - 1, held=dollars("1"), clamp=clamp),), replace(ASK, output_asked=2_000)
    )
    assert isinstance(refusal, BudgetBusy)
    assert refusal.needed_nanousd == needed


def test_doubt_does_not_come_back_when_calls_end() -> None:
    refusal = judge((standing(NEEDED - 1, doubt=dollars("1")),), ASK)
    assert type(refusal) is BudgetSpent


def test_a_refusal_carries_the_window_as_it_stands() -> None:
    refusal = judge((standing(7, spent=11, held=NEEDED, doubt=13, id="acme"),), ASK)
    assert isinstance(refusal, BudgetBusy)
    assert {name: getattr(refusal, name) for name in refusal.__dataclass_fields__} == {
        "budget": "acme",
        "owner_hint": "key=acme",
        "period": "month",
        "zone": "UTC",
        "needs_zone": False,
        "limit_nanousd": 7 + 11 + NEEDED + 13,
        "spent_nanousd": 11,
        "held_nanousd": NEEDED,
        "doubt_nanousd": 13,
        "needed_nanousd": NEEDED,
        "window_start_us": 1_000,
        "resets_at_us": 2_000,
        "subject": (),
        "is_prepaid": False,
    }
    assert (refusal.code, refusal.status, refusal.retry_after_s) == ("budget_busy", 429, 1)


def test_a_refusal_for_spent_money_tells_clients_not_to_try_again() -> None:
    assert (BudgetSpent.code, BudgetSpent.status) == ("insufficient_quota", 429)
    assert BudgetSpent.may_retry is False
    assert BudgetSpent.retry_after_s is None


SEVERAL = [
    # Windows as (id, free, held); who is named, and whether for money that is spent.
    ([("a", NEEDED - 1, 0), ("b", NEEDED, 0)], "a", True),
    ([("a", NEEDED, 0), ("b", NEEDED - 1, 0)], "b", True),
    ([("a", NEEDED - 1, 9), ("b", NEEDED, 0)], "a", False),
    ([("a", NEEDED - 5, 9), ("b", NEEDED - 9, 9)], "b", False),
    # What never comes back is named before what does.
    ([("a", 0, dollars("1")), ("b", NEEDED - 1, 0)], "b", True),
    ([("a", 0, dollars("1")), ("b", NEEDED - 1, 1)], "a", False),
]


@pytest.mark.parametrize(("windows", "named", "is_spent"), SEVERAL)
def test_of_several_budgets_the_one_that_stands_in_the_way_is_named(
    windows: list[tuple[str, int, int]], named: str, is_spent: bool
) -> None:
    matching = tuple(standing(free, held=held, id=id) for id, free, held in windows)
    refusal = judge(matching, ASK)
    assert type(refusal) is (BudgetSpent if is_spent else BudgetBusy)
    assert isinstance(refusal, BudgetSpent | BudgetBusy)
    assert refusal.budget == named


def test_the_least_free_of_several_budgets_sizes_the_hold() -> None:
    matching = tuple(standing(free, id=id) for id, free in (("a", at(9_000)), ("b", at(E))))
    assert judge(matching, ASK) == Admission(at(E), E, at(E), "b", E)


def test_a_call_of_a_clamping_budget_still_fits_into_every_other() -> None:
    matching = (
        standing(at(8_000), clamp="always", id="a"),
        standing(at(8_100), clamp="always", id="b"),
    )
    verdict = judge(matching, replace(ASK, output_asked=8_192))
    assert verdict == Admission(at(8_000), 8_000, at(8_000), "a", 8_000)


def test_a_budget_that_does_not_clamp_is_not_clamped_by_another() -> None:
    matching = (standing(at(8_000), clamp="always", id="a"), standing(at(8_100), id="b"))
    assert not isinstance(judge(matching, replace(ASK, output_asked=8_192)), Admission)


def test_a_budget_that_does_not_clamp_refuses_as_spent_where_nothing_is_held() -> None:
    matching = (standing(at(8_000), clamp="always", id="a"), standing(at(8_100), id="b"))
    assert type(judge(matching, replace(ASK, output_asked=8_192))) is BudgetSpent


# Without money, price or bound --------------------------------------------------------------------

EMPTY = standing(0, spent=dollars("50"))
OVER = standing(-5, spent=dollars("50"))


@pytest.mark.parametrize("window", [EMPTY, OVER])
def test_a_free_target_always_fits(window: Standing) -> None:
    ask = replace(ASK, is_free=True)
    assert judge((window,), ask) == Admission(0, None, window.free, "b")


def test_an_unpriced_target_never_fits() -> None:
    verdict = judge((standing(dollars("1000000")),), replace(ASK, is_priced=False, ceiling=None))
    assert isinstance(verdict, ModelUnpriced)
    assert (verdict.target, verdict.budget) == ("openai/gpt-5.6", "key=b")


def test_a_call_without_a_ceiling_never_fits_and_names_the_field() -> None:
    ask = replace(ASK, ceiling=None, unbounded_field="web_search_options")
    verdict = judge((standing(dollars("1000000")),), ask)
    assert isinstance(verdict, CallUnbounded)
    assert (verdict.target, verdict.budget) == ("openai/gpt-5.6", "key=b")
    assert verdict.field == "web_search_options"


@pytest.mark.parametrize("ask", [ASK, replace(ASK, is_priced=False, ceiling=None)])
def test_without_a_budget_nothing_is_refused_or_bounded(ask: Ask) -> None:
    assert judge((), ask) == Admission(7_777, None, None, "")


DOUBTS = [(100, 30, 70), (100, 0, 100), (100, 100, 0), (100, 101, 0), (0, 0, 0)]


@pytest.mark.parametrize(("hold", "cost", "doubt"), DOUBTS)
def test_doubt_is_the_rest_of_the_hold_and_never_below_zero(
    hold: int, cost: int, doubt: int
) -> None:
    assert doubt_of(hold, cost) == doubt


def test_free_money_is_the_limit_less_spent_held_and_doubt() -> None:
    window = standing(1, spent=20, held=300, doubt=4_000)
    assert window.terms.limit_nanousd == 4_321
    assert window.free == 4_321 - 20 - 300 - 4_000
