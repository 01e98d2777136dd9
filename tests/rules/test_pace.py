"""Pace: how fast a window is spent, and the moment at which it runs out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.pace import (
    DAY_US,
    FAR_US,
    PASSED_PERCENT_MIN,
    PASSED_US_MIN,
    RECENT_US,
    Pace,
    Recent,
    pace,
)
from tests.rules.arithmetic import dollars

START = 1_793_491_200_000_000
END = START + 30 * DAY_US


def test_limits_are_those_that_the_rows_below_were_written_for() -> None:
    assert (RECENT_US, FAR_US) == (7 * DAY_US, 3_650 * DAY_US)
    assert (PASSED_US_MIN, PASSED_PERCENT_MIN) == (DAY_US // 24, 1)


WITH_END = [
    # spent, limit, days passed, ratio, days from the start until it runs out
    ("0", "50", 10, 0, None),
    ("25", "50", 15, 100, None),
    ("25", "50", 10, 150, 20),
    ("10", "50", 15, 40, None),
    ("49", "50", 28, 105, 1_400 / 49),
    ("1", "3", 10, 100, None),
    # Nothing is left: it ran out, whenever that was.
    ("50", "50", 10, 300, 10),
    ("80", "50", 10, 480, 10),
    # No share of the window has passed, or there is no limit to have a share of.
    ("0", "50", 0, None, None),
    ("25", "50", 0, None, None),
    ("50", "50", 0, None, 0),
    ("0", "0", 10, None, None),
    ("1", "0", 10, None, 10),
    # The clock went back.
    ("25", "50", -1, None, None),
]


@pytest.mark.parametrize(("spent", "limit", "passed", "ratio", "runs_out"), WITH_END)
def test_a_window_with_an_end_runs_out_at_the_pace_of_its_own(
    spent: str, limit: str, passed: int, ratio: int | None, runs_out: float | None
) -> None:
    found = pace(dollars(spent), START, START + passed * DAY_US, END, dollars(limit))
    assert found.ratio_percent == ratio
    if runs_out is None:
        assert found.runs_out_at_us is None
    else:
        assert found.runs_out_at_us is not None
        assert abs(found.runs_out_at_us - (START + runs_out * DAY_US)) <= 1


def test_what_would_run_out_at_the_very_end_does_not_run_out() -> None:
    assert pace(50, START, START + 15 * DAY_US, END, 100) == Pace(100, None)
    # A microsecond before the end is before it.
    assert pace(1, 0, DAY_US, 2 * DAY_US + 1, 2) == Pace(100, 2 * DAY_US)
    assert pace(1, 0, DAY_US, 2 * DAY_US, 2) == Pace(100, None)


@pytest.mark.parametrize(
    ("days", "passed_us", "has_pace"),
    [
        (1, PASSED_US_MIN - 1, False),
        (1, PASSED_US_MIN, True),
        (7, 7 * DAY_US // 100 - 1, False),
        (7, 7 * DAY_US // 100, True),
        (30, PASSED_US_MIN, False),
        (30, 30 * DAY_US // 100, True),
    ],
)
def test_a_window_has_a_pace_once_enough_of_it_has_passed_to_judge_by(
    days: int, passed_us: int, has_pace: bool
) -> None:
    found = pace(dollars("1"), START, START + passed_us, START + days * DAY_US, dollars("3"))
    assert (found.ratio_percent is not None, found.runs_out_at_us is not None) == (has_pace,) * 2
    spent = pace(dollars("3"), START, START + passed_us, START + days * DAY_US, dollars("3"))
    assert spent.runs_out_at_us == START + passed_us


def test_a_rolling_window_is_its_span() -> None:
    now_us = START
    found = pace(dollars("40"), now_us - 7 * DAY_US, now_us, now_us, dollars("50"))
    assert found == Pace(80, None)


WITHOUT_END = [
    # spent, limit, spent in the last seven days, days until it runs out
    ("10", "50", "7", 40),
    ("10", "50", "14", 20),
    ("10", "50", "0", None),
    ("0", "50", "0", None),
    ("50", "50", "7", 0),
    ("60", "50", "0", 0),
    ("1", "3651", "7", 3_650),
    ("1", "3652", "7", None),
]


@pytest.mark.parametrize(("spent", "limit", "recent", "days"), WITHOUT_END)
def test_a_budget_without_an_end_runs_out_at_the_pace_of_late(
    spent: str, limit: str, recent: str, days: int | None
) -> None:
    now_us = START + 20 * DAY_US
    late = Recent(dollars(recent), RECENT_US)
    found = pace(dollars(spent), 0, now_us, None, dollars(limit), late)
    assert found == Pace(None, None if days is None else now_us + days * DAY_US)


@pytest.mark.parametrize(
    ("passed_us", "left_us"),
    [
        (2 * DAY_US, 8 * DAY_US),
        (PASSED_US_MIN, 4 * PASSED_US_MIN),
        # Too short a time says nothing of the next years.
        (PASSED_US_MIN - 1, None),
        (1_000_000, None),
        (0, None),
        (-1, None),
    ],
)
def test_a_younger_budget_is_asked_for_its_own_time(passed_us: int, left_us: int | None) -> None:
    found = pace(10, START, START + passed_us, None, 50, Recent(10, passed_us))
    assert found.runs_out_at_us == (None if left_us is None else START + passed_us + left_us)
    # What is used up is used up, however young.
    spent = pace(50, START, START + passed_us, None, 50, Recent(50, passed_us))
    assert spent.runs_out_at_us == START + passed_us


@given(
    st.integers(1, 10**12),
    st.integers(1, 10**12),
    st.integers(1, 30 * DAY_US - 1),
)
def test_at_the_moment_that_is_told_all_is_spent_and_before_it_something_is_left(
    spent: int, limit: int, passed_us: int
) -> None:
    now_us = START + passed_us
    found = pace(spent, START, now_us, END, limit)
    if passed_us * 100 < 30 * DAY_US and spent < limit:
        assert found == Pace(None, None)
    elif found.runs_out_at_us is None:
        assert spent * 30 * DAY_US <= limit * passed_us
    elif spent < limit:
        assert now_us < found.runs_out_at_us < END
        assert spent * (found.runs_out_at_us - START) >= limit * passed_us
        assert spent * (found.runs_out_at_us - 1 - START) < limit * passed_us
