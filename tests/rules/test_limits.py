"""Limits by the minute: what fits, when it fits again, and that nothing is counted twice."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrycli.rules.denials import LoopDetected, RateLimited
from ferrycli.rules.limits import (
    IN_FLIGHT_TRIES,
    SPAN_S,
    SUBJECTS_MAX,
    Exceeded,
    Limiter,
    LimitTerms,
)
from ferrycli.rules.words import words

SECOND = 1_000_000
NOW = 1_795_000_000 * SECOND
NONE = LimitTerms("l_1", "tenant=acme", (("tenant", "acme"),), None, None, None)
RPM = replace(NONE, rpm=3)
TPM = replace(NONE, tpm=1_000)
PARALLEL = replace(NONE, parallel_max=2)


def test_a_minute_has_sixty_seconds_and_memory_a_bound() -> None:
    assert (SPAN_S, SUBJECTS_MAX, IN_FLIGHT_TRIES) == (60, 20_000, 64)


@dataclass
class Meter:
    """A limiter with one limit, whose calls end at once."""

    terms: LimitTerms
    seq: int = 0

    def __post_init__(self) -> None:
        self.limiter = Limiter()

    def check(self, at_us: int, tokens: int = 0, subject: str = "") -> Exceeded | None:
        return self.limiter.check([(self.terms, subject)], tokens, at_us)

    def take(self, at_us: int, tokens: int = 0, subject: str = "") -> int:
        self.seq += 1
        self.limiter.take(self.seq, [(self.terms, subject)], tokens, at_us)
        return self.seq

    def call(self, at_us: int, tokens: int = 0, subject: str = "") -> None:
        self.limiter.settle(self.take(at_us, tokens, subject), tokens, at_us)


def retry_of(exceeded: Exceeded | None) -> int | None:
    return None if exceeded is None else exceeded.retry_after_s


# Calls ------------------------------------------------------------------------------------------


def test_the_call_after_the_last_allowed_one_is_told_when_the_first_has_passed() -> None:
    meter = Meter(RPM)
    for at_s in (0, 10, 20):
        assert meter.check(NOW + at_s * SECOND) is None
        meter.call(NOW + at_s * SECOND)
    assert meter.check(NOW + 20 * SECOND) == Exceeded(RPM, "rpm", 3, 3, 40)


@pytest.mark.parametrize(
    ("after_us", "retry"),
    [
        (0, 60), (1, 60), (SECOND, 59), (SECOND + 1, 59), (59 * SECOND, 1),
        (60 * SECOND - 1, 1), (60 * SECOND, None), (3_600 * SECOND, None),
    ],
)  # fmt: skip
def test_a_second_leaves_the_minute_sixty_seconds_after_it_began(
    after_us: int, retry: int | None
) -> None:
    meter = Meter(replace(RPM, rpm=1))
    meter.call(NOW)
    assert retry_of(meter.check(NOW + after_us)) == retry


def test_a_call_late_in_its_second_leaves_the_minute_with_it() -> None:
    meter = Meter(replace(RPM, rpm=1))
    meter.call(NOW + SECOND - 1)
    assert retry_of(meter.check(NOW + SECOND - 1)) == 60
    assert meter.check(NOW + 60 * SECOND) is None


def test_who_waits_as_long_as_he_is_told_is_let_in() -> None:
    meter = Meter(RPM)
    for at_us in (NOW, NOW + 7 * SECOND + 5, NOW + 9 * SECOND):
        meter.call(at_us)
    at_us = NOW + 9 * SECOND + 123_456
    retry = retry_of(meter.check(at_us))
    assert retry == 51
    assert meter.check(at_us + (retry - 1) * SECOND) is not None
    assert meter.check(at_us + retry * SECOND) is None


def test_no_call_at_all_fits_where_none_is_allowed() -> None:
    assert Meter(replace(RPM, rpm=0)).check(NOW) == Exceeded(replace(RPM, rpm=0), "rpm", 0, 0, 60)


def test_a_limit_that_was_lowered_waits_for_as_many_as_are_over_it() -> None:
    meter = Meter(RPM)
    for at_s in (0, 10, 20):
        meter.call(NOW + at_s * SECOND)
    meter.terms = replace(RPM, rpm=1)
    assert retry_of(meter.check(NOW + 20 * SECOND)) == 60


def test_subjects_and_limits_are_counted_apart() -> None:
    meter = Meter(replace(RPM, rpm=1))
    meter.call(NOW, subject='["a"]')
    assert meter.check(NOW, subject='["a"]') is not None
    assert meter.check(NOW, subject='["b"]') is None
    meter.terms = replace(RPM, rpm=1, id="l_2")
    assert meter.check(NOW, subject='["a"]') is None


def test_asking_counts_nothing() -> None:
    meter = Meter(replace(RPM, rpm=1))
    assert [meter.check(NOW) for _ in range(5)] == [None] * 5


def test_what_is_not_limited_is_not_refused() -> None:
    meter = Meter(NONE)
    for _ in range(5):
        meter.take(NOW, 10**9)
    assert meter.check(NOW, 10**9) is None
    assert Limiter().check([], 10**9, NOW) is None


# Tokens -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tokens", "retry"), [(0, None), (400, None), (401, 50), (700, 50), (701, 55), (1_000, 55),
                          (5_000, 55)],
)  # fmt: skip
def test_a_call_waits_until_its_tokens_fit(tokens: int, retry: int | None) -> None:
    meter = Meter(TPM)
    meter.call(NOW, 300)
    meter.call(NOW + 5 * SECOND, 300)
    found = meter.check(NOW + 10 * SECOND, tokens)
    assert retry_of(found) == retry
    assert found is None or (found.kind, found.limit, found.used) == ("tpm", 1_000, 600)


def test_a_call_larger_than_a_minute_goes_alone_and_then_nothing_goes() -> None:
    meter = Meter(TPM)
    assert meter.check(NOW, 5_000) is None
    meter.call(NOW, 5_000)
    assert retry_of(meter.check(NOW + SECOND, 1)) == 59
    assert retry_of(meter.check(NOW + SECOND, 5_000)) == 59
    assert meter.check(NOW + 60 * SECOND, 5_000) is None


def test_no_token_fits_where_none_is_allowed() -> None:
    meter = Meter(replace(TPM, tpm=0))
    assert retry_of(meter.check(NOW, 1)) == 60
    assert meter.check(NOW, 0) is None


def test_what_a_call_did_not_use_comes_back_as_it_ends() -> None:
    meter = Meter(TPM)
    seq = meter.take(NOW, 1_000)
    assert meter.check(NOW + SECOND, 1) is not None
    meter.limiter.settle(seq, 100, NOW + 2 * SECOND)
    assert meter.check(NOW + 2 * SECOND, 900) is None
    assert retry_of(meter.check(NOW + 2 * SECOND, 901)) == 58


def test_what_a_call_used_beyond_its_hold_counts_from_its_end() -> None:
    meter = Meter(TPM)
    seq = meter.take(NOW, 100)
    meter.limiter.settle(seq, 1_000, NOW + 30 * SECOND)
    assert retry_of(meter.check(NOW + 30 * SECOND, 1)) == 30
    assert retry_of(meter.check(NOW + 60 * SECOND, 101)) == 30
    assert meter.check(NOW + 60 * SECOND, 100) is None


def test_a_call_that_outlasts_its_minute_leaves_no_tokens_behind() -> None:
    meter = Meter(TPM)
    seq = meter.take(NOW, 1_000)
    assert meter.check(NOW + 60 * SECOND, 1_000) is None
    meter.limiter.settle(seq, 10, NOW + 61 * SECOND)
    meter.call(NOW + 61 * SECOND, 400)
    assert meter.check(NOW + 61 * SECOND, 600) is None
    assert meter.check(NOW + 61 * SECOND, 601) is not None


# At once ----------------------------------------------------------------------------------------


def test_a_call_that_ends_makes_room_for_one() -> None:
    meter = Meter(PARALLEL)
    first = meter.take(NOW)
    meter.take(NOW)
    assert meter.check(NOW) == Exceeded(PARALLEL, "parallel", 2, 2, 1)
    assert meter.check(NOW + 3_600 * SECOND) is not None
    meter.limiter.settle(first, 0, NOW)
    assert meter.check(NOW) is None


def test_a_call_ends_once_and_is_taken_once() -> None:
    meter = Meter(PARALLEL)
    first = meter.take(NOW)
    meter.limiter.take(first, [(PARALLEL, "")], 0, NOW)
    meter.take(NOW)
    for _ in range(3):
        meter.limiter.settle(first, 0, NOW)
    meter.limiter.settle(99, 0, NOW)
    assert meter.check(NOW) is None
    meter.take(NOW)
    assert meter.check(NOW) is not None


def test_of_several_limits_the_longest_wait_is_told() -> None:
    every = replace(NONE, rpm=1, tpm=10, parallel_max=1)
    other = replace(NONE, id="l_2", tpm=10)
    limiter = Limiter()
    limiter.take(1, [(other, "")], 10, NOW)
    limiter.settle(1, 10, NOW)
    limiter.take(2, [(every, "")], 5, NOW - 20 * SECOND)
    assert limiter.check([(every, "")], 6, NOW) == Exceeded(every, "rpm", 1, 1, 40)
    assert limiter.check([(every, ""), (other, "")], 6, NOW) == Exceeded(other, "tpm", 10, 10, 60)
    assert limiter.check([(other, ""), (every, "")], 6, NOW) == Exceeded(other, "tpm", 10, 10, 60)


# Clocks -----------------------------------------------------------------------------------------


def test_a_clock_that_goes_back_a_little_forgets_nothing() -> None:
    meter = Meter(replace(RPM, rpm=2))
    meter.call(NOW)
    meter.call(NOW - 30 * SECOND)
    assert retry_of(meter.check(NOW - 30 * SECOND)) == 60
    assert retry_of(meter.check(NOW)) == 60
    assert meter.check(NOW + 60 * SECOND) is None


def test_a_clock_that_goes_back_far_locks_nobody_out() -> None:
    meter = Meter(replace(RPM, rpm=1))
    meter.call(NOW)
    assert meter.check(NOW - 59 * SECOND) is not None
    assert meter.check(NOW - 60 * SECOND) is None


# Memory -----------------------------------------------------------------------------------------


def test_the_subject_taken_longest_ago_is_forgotten_and_none_in_flight() -> None:
    limiter, one = Limiter(subjects_max=2), replace(NONE, rpm=1, parallel_max=1)
    limiter.take(1, [(one, "a")], 0, NOW)
    for seq, subject in ((2, "b"), (3, "c"), (4, "d")):
        limiter.take(seq, [(one, subject)], 0, NOW)
        limiter.settle(seq, 0, NOW)
    refused = {name: limiter.check([(one, name)], 0, NOW) is not None for name in "abcd"}
    assert refused == {"a": True, "b": False, "c": False, "d": True}


def test_memory_is_bounded_even_where_everything_is_in_flight() -> None:
    limiter, one = Limiter(subjects_max=3), replace(NONE, parallel_max=1)
    for seq in range(10):
        limiter.take(seq, [(one, str(seq))], 0, NOW)
    held = [limiter.check([(one, str(seq))], 0, NOW) is not None for seq in range(10)]
    assert sum(held) == 3
    # Those that were forgotten may still end.
    for seq in range(10):
        limiter.settle(seq, 0, NOW)
    assert not any(limiter.check([(one, str(seq))], 0, NOW) for seq in range(10))


# Rolling back -----------------------------------------------------------------------------------

EVERY = replace(NONE, rpm=50, tpm=5_000, parallel_max=10)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["take", "settle"]),
        st.integers(1, 12),
        st.integers(0, 400),
        st.integers(0, 3 * SECOND),
        st.sampled_from(["a", "b"]),
    ),
    max_size=25,
)
Step = tuple[str, int, int, int, str]


def run(limiter: Limiter, steps: list[Step], now_us: int) -> int:
    for what, seq, tokens, after_us, subject in steps:
        now_us += after_us
        if what == "take":
            limiter.take(seq, [(EVERY, subject), (NONE, "")], tokens, now_us)
        else:
            limiter.settle(seq, tokens, now_us)
    return now_us


def state(limiter: Limiter, now_us: int) -> list[object]:
    """What is left of each limit, found by asking with limits that refuse at every figure."""
    return [
        [limiter.check([(tight, subject)], 1, at_us) for tight in TIGHT]
        for subject in ("a", "b", "")
        for at_us in range(now_us, now_us + 62 * SECOND, 7 * SECOND)
    ]


TIGHT = (replace(NONE, rpm=0), replace(NONE, tpm=0), replace(NONE, parallel_max=0))


@given(STEPS, STEPS, STEPS)
def test_a_batch_that_is_rolled_back_never_was(
    kept: list[Step], undone: list[Step], later: list[Step]
) -> None:
    with_undo, without = Limiter(), Limiter()
    now_us = run(with_undo, kept, NOW)
    run(without, kept, NOW)
    with_undo.commit()
    now_us = run(with_undo, undone, now_us)
    with_undo.rollback()
    assert state(with_undo, now_us) == state(without, now_us)
    then_us = [run(limiter, later, now_us) for limiter in (with_undo, without)]
    assert state(with_undo, then_us[0]) == state(without, then_us[1])


def test_what_was_committed_stays() -> None:
    meter = Meter(replace(RPM, rpm=1))
    meter.take(NOW)
    meter.limiter.commit()
    meter.limiter.rollback()
    assert meter.check(NOW) is not None


# Words ------------------------------------------------------------------------------------------

TOLD = [
    (RateLimited("key=acme-web", "rpm", 60, 60, 12),
     "key `acme-web` has made 60 of 60 calls in the last minute"),
    (RateLimited("tenant=acme", "tpm", 100_000, 95_000, 12),
     ("`tenant=acme` has used 95,000 of 100,000 tokens in the last minute, and this call needs"
      " more than is left")),
    (RateLimited("key=web,thread=*", "parallel", 4, 4, 12),
     "`key=web,thread=*` has 4 of 4 calls in flight"),
    (RateLimited("tenant=acme", "throttle", 10, 10, 12),
     "budget `tenant=acme` is throttled: 10 of 10 calls were made in the last minute"),
    (RateLimited("key=acme-web", "throttle", 10, 10, 12),
     "the budget of key `acme-web` is throttled: 10 of 10 calls were made in the last minute"),
    (RateLimited("tenant=acme", "other", 10, 10, 12), "`tenant=acme` has used 10 of 10"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "sentence"), TOLD)
def test_a_refusal_names_the_limit_and_when_to_come_again(
    error: RateLimited, sentence: str
) -> None:
    assert words(error).sentence == sentence
    assert words(error).hint == "try again in 12 s"


def test_each_refusal_has_its_own_time_to_wait() -> None:
    first, second = (RateLimited("key=k", "rpm", 1, 1, retry) for retry in (7, 60))
    assert (first.retry_after_s, second.retry_after_s) == (7, 60)
    assert (first.status, first.code, first.kind) == (
        429, "rate_limit_exceeded", "rate_limit_error",
    )  # fmt: skip
    assert LoopDetected("t", "request", 11).retry_after_s is None
