"""Second tries at the same target: at most a fifth as many as calls, over any run of 50 or more."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import pytest

from ferrycli.rules.retries import RETRY_SHARE, RUN_MIN, RetryBudget


def tries(calls: Iterable[int]) -> list[int]:
    """How many second tries each call got that wanted so many."""
    budget = RetryBudget()
    given = []
    for wanted in calls:
        budget.note_call()
        given.append(sum(budget.take() for _ in range(wanted)))
    return given


def worst_run(given: list[int]) -> float:
    """The largest share of second tries over any run of `RUN_MIN` calls or more."""
    sums = [0]
    for one in given:
        sums.append(sums[-1] + one)
    return max(
        (sums[end] - sums[start]) / (end - start)
        for start in range(len(given) - RUN_MIN + 1)
        for end in range(start + RUN_MIN, len(given) + 1)
    )


def storm(_: int) -> int:
    return 3


def bursts(at: int) -> int:
    return 5 if at % 70 < 20 else 0


def sparse(at: int) -> int:
    return int(at % 6 == 0)


SCHEDULES: list[Callable[[int], int]] = [storm, bursts, sparse]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_any_run_of_fifty_calls_or_more_keeps_the_share(schedule: Callable[[int], int]) -> None:
    given = tries(schedule(at) for at in range(400))
    assert 0 < worst_run(given) <= 0.2
    assert (RETRY_SHARE, RUN_MIN) == (0.2, 50)


def test_chance_keeps_the_share_too() -> None:
    chance = random.Random(4777)
    for _ in range(20):
        given = tries(chance.choice((0, 0, 1, 4)) for _ in range(200))
        assert worst_run(given) <= RETRY_SHARE


def test_the_first_call_may_be_tried_again_and_a_lone_failure_always() -> None:
    assert tries([1]) == [1]
    assert tries(sparse(at) for at in range(60))[::6] == [1] * 10


def test_a_dead_provider_gets_no_more_than_the_share_and_not_much_less() -> None:
    given = sum(tries(storm(at) for at in range(1_000)))
    assert 1_000 * 0.15 < given <= 1_000 * RETRY_SHARE


def test_a_quiet_day_saves_nothing_up() -> None:
    budget = RetryBudget()
    for _ in range(10_000):
        budget.note_call()
    assert [budget.take() for _ in range(3)] == [True, False, False]
