"""Calls that come too often, at the desk: storms of denials, one key twice, limits, throttles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ferrycli.rules.budget import Admission
from ferrycli.rules.denials import (
    BudgetBusy,
    BudgetSpent,
    DuplicateCall,
    IdempotencyMismatch,
    NoSuchPath,
    RateLimited,
)
from ferrycli.rules.usage import Usage
from ferrycli.store import reads, sums
from ferrycli.store.messages import Admit, Candidate, Deny, Verdict, Waits
from ferrycli.store.rows import Opening
from ferrycli.store.storms import ROWS_A_MINUTE, STORMS_MAX, Storms
from tests.store.kit import NOON, SECOND_US, Clock
from tests.store.teller import Teller, failed, released, settled, to

MINUTE_US = 60 * SECOND_US


@pytest.fixture
def teller(path: Path, clock: Clock) -> Iterator[Teller]:
    found = Teller(path, clock)
    yield found
    assert found.faults() == []
    found.close()


# Storms ------------------------------------------------------------------------------------------


def denied(teller: Teller) -> list[int]:
    """How many denials each row stands for."""
    found = teller.rows("SELECT * FROM calls WHERE state = 'denied' ORDER BY seq")
    return [row["repeats"] for row in found]


@pytest.fixture
def spent(teller: Teller) -> Teller:
    """A budget of which nothing is left."""
    teller.budget("b", 10)
    teller.desk.refresh()
    teller.spend(10)
    return teller


def test_past_sixty_a_minute_one_row_counts_up(spent: Teller) -> None:
    for _ in range(ROWS_A_MINUTE):
        spent.ask(to(5))
    assert denied(spent) == [1] * 60
    for _ in range(140):
        _, verdict = spent.ask(to(5))
        assert isinstance(verdict, BudgetSpent)
    assert denied(spent) == [1] * 59 + [141]


def test_a_storm_within_one_batch_is_one_too(spent: Teller) -> None:
    asked = [spent.admit(spent.new(), to(5)) for _ in range(500)]
    assert all(isinstance(one, BudgetSpent) for one in spent.do(*asked))
    assert denied(spent) == [1] * 59 + [441]


def test_no_denial_is_lost_from_the_sums(spent: Teller) -> None:
    for _ in range(200):
        spent.ask(to(5))
    with reads.opened(spent.path) as connection:
        (found,) = sums.sums(connection, sums.Question((), 0, 1 << 60))
    assert (found.calls, found.denied_calls, found.cost_nanousd) == (201, 200, 10)


def test_a_storm_is_of_one_key_thread_and_reason(spent: Teller) -> None:
    spent.budget("o", 10, pairs=[["tenant", "bolt"]], mode="expected")
    spent.desk.refresh()
    for _ in range(ROWS_A_MINUTE):
        spent.ask(to(5))
    spent.ask(to(5), thread="t1")
    # Another reason: the other tenant's budget is busy, not spent.
    spent.begin(to(90), tenant="bolt")
    _, verdict = spent.ask(to(20), tenant="bolt")
    assert isinstance(verdict, BudgetBusy)
    assert denied(spent) == [1] * 62
    spent.ask(to(5))
    assert sorted(denied(spent)) == [1] * 61 + [2]


def test_a_minute_later_there_are_rows_again(spent: Teller) -> None:
    for _ in range(70):
        spent.ask(to(5))
    spent.clock.now_us = NOON + MINUTE_US - 1
    spent.ask(to(5))
    assert denied(spent) == [1] * 59 + [12]
    spent.clock.now_us = NOON + MINUTE_US
    for _ in range(61):
        spent.ask(to(5))
    assert denied(spent) == [1] * 59 + [12] + [1] * 59 + [2]


def test_calls_that_no_budget_was_asked_about_storm_too(teller: Teller) -> None:
    for _ in range(100):
        new = teller.new()
        opening = Opening(new.seq, new.text("c"), new.at_us, "key_a")
        assert teller.do(Deny(opening, NoSuchPath("GET", "/x"))) == [None]
    assert denied(teller) == [1] * 59 + [41]


def test_a_batch_that_fails_leaves_no_row_to_count_up_that_is_not_there(spent: Teller) -> None:
    for _ in range(59):
        spent.ask(to(5))
    with spent.failing("COMMIT"):
        spent.ask(to(5))
    # What was in memory was dropped with it: the minute begins anew.
    for _ in range(61):
        spent.ask(to(5))
    assert denied(spent) == [1] * 59 + [1] * 59 + [2]


def test_a_clock_that_is_set_back_starts_a_minute_anew() -> None:
    storms = Storms()
    reason = ("key", "", "x")
    found = [storms.seen(reason, seq, NOON) for seq in range(61)]
    assert found == [None] * 60 + [59]
    assert storms.seen(reason, 100, NOON - 1) is None
    assert [storms.seen(reason, seq, NOON) for seq in range(101, 161)] == [None] * 59 + [159]


def test_the_reason_not_seen_for_longest_is_forgotten_first() -> None:
    storms = Storms()
    for seq in range(60):
        storms.seen(("first", "", ""), seq, NOON)
        storms.seen(("second", "", ""), seq, NOON)
    for number in range(STORMS_MAX - 2):
        storms.seen((f"{number}", "", ""), number, NOON)
    assert storms.seen(("first", "", ""), 60, NOON) == 59
    storms.seen(("new", "", ""), 0, NOON)
    assert storms.seen(("second", "", ""), 60, NOON) is None
    assert storms.seen(("first", "", ""), 61, NOON) == 59


# Idempotency-Key ---------------------------------------------------------------------------------


def keyed(teller: Teller, key: str = "k", hash: int = 7, **more: Any) -> Admit:
    return teller.admit(teller.new(), to(5), idempotency_key=key, request_hash=hash, **more)


def test_a_second_call_with_the_key_gets_the_receipt_of_the_first(teller: Teller) -> None:
    teller.budget("b", 100)
    teller.desk.refresh()
    first = keyed(teller)
    (verdict,) = teller.do(first)
    assert isinstance(verdict, Admission)
    (verdict,) = teller.do(keyed(teller))
    assert isinstance(verdict, DuplicateCall)
    assert (verdict.call, verdict.state, verdict.cost_nanousd) == (first.opening.id, "held", None)
    teller.do(settled(first.opening, 3, usage=Usage(input=11, output=22)))
    (verdict,) = teller.do(keyed(teller))
    assert isinstance(verdict, DuplicateCall)
    assert (verdict.state, verdict.outcome, verdict.cost_nanousd) == ("settled", "ok", 3)
    assert (verdict.input_tokens, verdict.output_tokens) == (11, 22)
    assert (verdict.status, teller.window("b")) == (409, (3, 0, 0))


def test_another_body_under_the_key_is_refused_as_such(teller: Teller) -> None:
    teller.do(keyed(teller))
    (verdict,) = teller.do(keyed(teller, hash=8))
    assert isinstance(verdict, IdempotencyMismatch)
    assert verdict.status == 422


def test_two_in_one_batch_are_one_call(teller: Teller) -> None:
    first, second = teller.do(keyed(teller), keyed(teller))
    assert isinstance(first, Admission)
    assert isinstance(second, DuplicateCall)
    assert [row["state"] for row in teller.rows("SELECT * FROM calls ORDER BY seq")] == [
        "held",
        "denied",
    ]


def test_a_key_is_of_one_caller(teller: Teller) -> None:
    teller.insert("keys", id="key_b", name="key_b", secret_sha256="b")
    teller.desk.refresh()
    asked = keyed(teller)
    opening = Opening(teller.new().seq, "c_x", NOON, "key_b", request_hash=7)
    other = Admit(opening, asked.candidates, teller.desk.books.epoch, idempotency_key="k")
    verdicts = teller.do(asked, other)
    assert [type(one) for one in verdicts] == [Admission, Admission]


def test_a_call_that_was_released_binds_nothing(teller: Teller) -> None:
    first = keyed(teller)
    teller.do(first)
    teller.do(released(first.opening))
    (verdict,) = teller.do(keyed(teller, hash=8))
    assert isinstance(verdict, Admission)


def test_a_call_that_was_denied_binds_nothing(spent: Teller) -> None:
    (verdict,) = spent.do(keyed(spent))
    assert isinstance(verdict, BudgetSpent)
    spent.change("budgets", "b", limit_nanousd=100)
    spent.desk.refresh()
    (verdict,) = spent.do(keyed(spent, hash=8))
    assert isinstance(verdict, Admission)


def test_a_call_that_a_limit_stops_binds_nothing(teller: Teller) -> None:
    limit(teller, rpm=1)
    teller.begin(to(5))
    assert isinstance(teller.do(keyed(teller))[0], RateLimited)
    teller.clock.move(60)
    assert isinstance(teller.do(keyed(teller, hash=8))[0], Admission)


def test_a_recovered_call_stays_bound(teller: Teller) -> None:
    """It went out: who would send it again would pay twice."""
    teller.do(keyed(teller))
    teller.die()
    (verdict,) = teller.do(keyed(teller))
    assert isinstance(verdict, DuplicateCall)
    assert verdict.state == "recovered"


def test_a_key_is_bound_for_24_hours(teller: Teller) -> None:
    first = keyed(teller)
    teller.do(first)
    teller.do(settled(first.opening, 3))
    began = first.opening.started_at
    teller.clock.now_us = began + 24 * 60 * MINUTE_US - 1
    (verdict,) = teller.do(keyed(teller))
    assert isinstance(verdict, DuplicateCall)
    teller.clock.now_us = began + 24 * 60 * MINUTE_US
    (verdict,) = teller.do(keyed(teller, hash=8))
    assert isinstance(verdict, Admission)
    (verdict,) = teller.do(keyed(teller))
    assert isinstance(verdict, IdempotencyMismatch)


def test_a_batch_that_fails_binds_nothing(teller: Teller) -> None:
    with teller.failing("COMMIT"):
        teller.do(keyed(teller))
    assert isinstance(teller.do(keyed(teller, hash=8))[0], Admission)


def test_a_call_that_was_billed_before_it_failed_stays_bound(teller: Teller) -> None:
    first = keyed(teller)
    teller.do(first)
    new = released(first.opening)

    assert isinstance(teller.again(first.opening, failed(2), to(5, "down")), Admission)
    teller.do(new)
    (verdict,) = teller.do(keyed(teller))
    assert isinstance(verdict, DuplicateCall)
    assert (verdict.state, verdict.cost_nanousd) == ("settled", 2)


# Limits by the minute ----------------------------------------------------------------------------


def limit(teller: Teller, pairs: str = '[["tenant", "acme"]]', **limits: int) -> None:
    teller.insert("limits", id="l", selector="tenant=acme", subject=pairs, **limits)
    teller.desk.refresh()


def limited(verdict: Verdict | None) -> tuple[str, int, int, int]:
    """What, how much, how much is used, and when to come again."""
    assert isinstance(verdict, RateLimited), verdict
    return verdict.what, verdict.limit, verdict.used, verdict.retry_after_s


def test_so_many_calls_a_minute_go(teller: Teller) -> None:
    limit(teller, rpm=3)
    verdicts = teller.do(*(teller.admit(teller.new(), to(5)) for _ in range(4)))
    assert [type(one) for one in verdicts[:3]] == [Admission] * 3
    assert limited(verdicts[3]) == ("rpm", 3, 3, 60)
    teller.clock.move(59)
    assert limited(teller.ask(to(5))[1]) == ("rpm", 3, 3, 1)
    teller.clock.move(1)
    assert isinstance(teller.ask(to(5))[1], Admission)


def test_a_denied_call_takes_nothing_of_a_limit(teller: Teller) -> None:
    teller.budget("b", 10)
    limit(teller, rpm=2)
    for _ in range(5):
        assert isinstance(teller.ask(to(11))[1], BudgetSpent)
    assert isinstance(teller.ask(to(5))[1], Admission)
    assert isinstance(teller.ask(to(5))[1], Admission)
    assert limited(teller.ask(to(5))[1])[0] == "rpm"


def test_a_call_that_a_limit_stops_holds_no_money(teller: Teller) -> None:
    teller.budget("b", 100)
    limit(teller, rpm=1)
    teller.begin(to(5))
    new, verdict = teller.ask(to(5))
    assert limited(verdict)[0] == "rpm"
    row = teller.call(new)
    assert (row["state"], row["error_code"], row["status"]) == (
        "denied",
        "rate_limit_exceeded",
        429,
    )
    assert teller.window("b") == (0, 5, 0)


def test_so_many_calls_are_in_flight_at_once(teller: Teller) -> None:
    limit(teller, parallel_max=2)
    calls = [teller.begin(to(5)) for _ in range(2)]
    assert limited(teller.ask(to(5))[1]) == ("parallel", 2, 2, 1)
    teller.do(released(calls[0]))
    teller.begin(to(5))
    assert limited(teller.ask(to(5))[1])[0] == "parallel"


def test_a_further_attempt_is_the_same_call_in_flight(teller: Teller) -> None:
    limit(teller, parallel_max=1, rpm=9)
    new = teller.begin(to(5))
    assert isinstance(teller.again(new, failed(), to(5, "down")), Admission)
    assert limited(teller.ask(to(5))[1])[0] == "parallel"
    teller.do(settled(new, 5))
    teller.begin(to(5))


def test_tokens_are_held_like_money_and_put_right_at_the_end(teller: Teller) -> None:
    limit(teller, tpm=1_000)
    first = teller.begin(to(5), tokens=800)
    assert limited(teller.ask(to(5), tokens=201)[1]) == ("tpm", 1_000, 800, 60)
    teller.do(settled(first, 5, usage=Usage(input=100, output=50)))
    second = teller.begin(to(5), tokens=850)
    assert limited(teller.ask(to(5), tokens=1)[1])[:3] == ("tpm", 1_000, 1_000)
    teller.do(released(second))
    teller.begin(to(5), tokens=850)


def test_limits_of_a_key_are_its_own_columns(teller: Teller) -> None:
    teller.change("keys", "key_a", rpm=1)
    teller.desk.refresh()
    teller.begin(to(5), tenant="bolt")
    _, verdict = teller.ask(to(5))
    assert limited(verdict) == ("rpm", 1, 1, 60)
    assert isinstance(verdict, RateLimited)
    assert verdict.selector == "key=key_a"


def test_each_value_of_a_star_has_a_minute_of_its_own(teller: Teller) -> None:
    limit(teller, '[["user", "*"]]', rpm=1)
    teller.begin(to(5), user="ann")
    teller.begin(to(5), user="bob")
    teller.begin(to(5))
    teller.begin(to(5))
    assert limited(teller.ask(to(5), user="ann")[1])[0] == "rpm"


def test_a_limit_on_a_provider_counts_calls_that_go_there(teller: Teller) -> None:
    """Not those that would have gone there, had their first target had the money."""
    teller.budget("u", 10, pairs=[["provider", "up"]])
    limit(teller, '[["provider", "down"]]', rpm=2)
    teller.begin(to(20, "up"), to(20, "down"))
    teller.begin(to(20, "down"))
    assert limited(teller.ask(to(20, "up"), to(20, "down"))[1])[0] == "rpm"
    teller.begin(to(5, "up"), to(5, "down"))


def test_a_batch_that_fails_takes_nothing_of_a_limit(teller: Teller) -> None:
    limit(teller, rpm=1, tpm=100, parallel_max=1)
    with teller.failing("COMMIT"):
        teller.begin(to(5), tokens=100)
    new = teller.begin(to(5), tokens=100)
    # Nor does it give anything back.
    with teller.failing("COMMIT"):
        teller.do(settled(new, 5))
    assert limited(teller.ask(to(5))[1])[0] == "rpm"
    teller.clock.move(60)
    assert limited(teller.ask(to(5))[1])[0] == "parallel"


def test_a_limit_on_one_target_does_not_stop_a_call_that_goes_to_another(teller: Teller) -> None:
    teller.budget("u", 10, pairs=[["provider", "up"]])
    limit(teller, '[["provider", "up"]]', rpm=1)
    teller.begin(to(10, "up"))
    assert limited(teller.ask(to(0, "up"), to(5, "down"))[1])[0] == "rpm"
    teller.begin(to(5, "up"), to(5, "down"))


def test_a_call_that_waits_takes_of_a_limit_when_it_goes(teller: Teller) -> None:
    teller.budget("b", 10)
    limit(teller, rpm=2)
    first = teller.begin(to(10))
    waiting = teller.admit(teller.new(), to(10), may_wait=True)
    (verdict,) = teller.do(waiting)
    assert isinstance(verdict, Waits)
    teller.begin(to(0))
    (_, verdict) = teller.do(settled(first, 0), waiting=[waiting])
    assert limited(verdict)[0] == "rpm"


# Throttles ---------------------------------------------------------------------------------------


def test_a_throttle_acts_from_its_percentage(teller: Teller) -> None:
    teller.budget("b", 100, "50% throttle 2/min", mode="strict")
    teller.desk.refresh()
    for _ in range(5):
        teller.spend(9)
    teller.spend(5)
    teller.clock.move(61)
    for _ in range(2):
        teller.begin(to(1))
    _, verdict = teller.ask(to(1))
    assert limited(verdict) == ("throttle", 2, 2, 60)
    assert isinstance(verdict, RateLimited)
    assert verdict.selector == "tenant=acme"
    teller.clock.move(60)
    teller.begin(to(1))


def test_of_two_throttles_the_lower_counts_and_each_budget_has_its_own(teller: Teller) -> None:
    teller.budget("b", 100, "10% throttle 5/min", "20% throttle 1/min")
    teller.budget("c", 1_000, "1% throttle 3/min", pairs=[["key", "key_a"]])
    teller.desk.refresh()
    teller.spend(20)
    teller.clock.move(61)
    teller.begin(to(1))
    assert limited(teller.ask(to(1))[1])[:2] == ("throttle", 1)
    for _ in range(2):
        teller.begin(to(1), tenant="bolt")
    assert limited(teller.ask(to(1), tenant="bolt")[1])[:2] == ("throttle", 3)


def test_each_value_of_a_star_is_throttled_by_itself(teller: Teller) -> None:
    teller.budget("u", 100, "50% throttle 1/min", pairs=[["user", "*"]])
    teller.desk.refresh()
    teller.spend(50, user="ann")
    teller.clock.move(61)
    teller.begin(to(1), user="ann")
    assert limited(teller.ask(to(1), user="ann")[1])[0] == "throttle"
    for _ in range(3):
        teller.begin(to(1), user="bob")


def test_a_throttled_call_is_denied_with_a_row_and_holds_nothing(teller: Teller) -> None:
    teller.budget("b", 100, "50% throttle 1/min")
    teller.desk.refresh()
    teller.spend(50)
    teller.clock.move(61)
    teller.begin(to(1))
    new, verdict = teller.ask(to(1))
    assert limited(verdict)[0] == "throttle"
    found = teller.call(new)
    assert (found["error_code"], found["rule"]) == (
        "rate_limit_exceeded",
        "tenant=acme: throttle 1/min",
    )
    assert "1 of 1 calls were made in the last minute" in found["reason"]
    assert teller.window("b") == (50, 1, 0)


def test_a_target_outside_of_a_throttled_budget_is_not_throttled(teller: Teller) -> None:
    teller.budget("u", 100, "50% throttle 1/min", pairs=[["provider", "up"]])
    teller.desk.refresh()
    teller.spend(50)
    teller.clock.move(61)
    teller.begin(to(1))
    other: Candidate = to(1, "down")
    teller.begin(other)
