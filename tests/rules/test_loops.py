"""The loop guard: what it counts, when it speaks, and what it forgets."""

from __future__ import annotations

import pytest

from ferrycli.rules.denials import LoopDetected
from ferrycli.rules.loops import HASHES_MAX, PARTS, RELEASES_MAX, LoopGuard, LoopSeen
from ferrycli.rules.words import words

SECOND = 1_000_000
HOUR = 3_600 * SECOND
PART = HOUR // 12
NOW = 1_795_000_800 * SECOND
"""The first moment of a part of the window."""
RUN = ("key_1", "th_1")


def test_memory_has_bounds_and_the_window_its_parts() -> None:
    assert (HASHES_MAX, RELEASES_MAX, PARTS) == (20_000, 10_000, 12)
    assert NOW % PART == 0


def guard(request_max: int = 2, message_max: int = 3, **bounds: int) -> LoopGuard:
    return LoopGuard(request_max, message_max, HOUR, **bounds)


def said(guard: LoopGuard, *calls: tuple[int, int, int]) -> list[LoopSeen | None]:
    """What is said of calls in one thread: request, message and microseconds after `NOW`."""
    return [guard.note(RUN, request, message, NOW + at_us) for request, message, at_us in calls]


def request(times: int) -> LoopSeen:
    return LoopSeen("request", times, "th_1")


def message(times: int) -> LoopSeen:
    return LoopSeen("message", times, "th_1")


def test_the_same_request_is_told_from_the_first_one_too_many() -> None:
    calls = [(7, 0, at) for at in range(4)]
    assert said(guard(), *calls) == [None, None, request(3), request(4)]


def test_the_same_message_is_told_though_the_request_grows() -> None:
    calls = [(at + 1, 9, at) for at in range(5)]
    assert said(guard(), *calls) == [None, None, None, message(4), message(5)]


def test_others_may_come_between() -> None:
    calls = [(7, 0, 0), (8, 0, 1), (7, 0, 2), (9, 0, 3), (7, 0, 4)]
    assert said(guard(), *calls) == [None, None, None, None, request(3)]


def test_where_both_repeat_the_request_is_told_and_both_are_counted() -> None:
    one = guard(request_max=4, message_max=2)
    assert said(one, *[(7, 9, at) for at in range(5)])[2:] == [message(3), message(4), request(5)]


def test_a_request_and_a_message_of_one_hash_are_two_things() -> None:
    assert said(guard(), (7, 7, 0), (7, 1, 1), (1, 7, 2), (2, 7, 3)) == [None] * 4


@pytest.mark.parametrize(
    ("request_max", "message_max", "hashes"),
    [(0, 0, (7, 9)), (0, 3, (7, 0)), (2, 0, (0, 9)), (2, 3, (0, 0))],
)
def test_what_is_off_or_not_there_is_not_counted(
    request_max: int, message_max: int, hashes: tuple[int, int]
) -> None:
    one = guard(request_max, message_max)
    assert said(one, *[(*hashes, at) for at in range(30)]) == [None] * 30


def test_calls_without_a_thread_are_no_loop() -> None:
    one = guard()
    assert [one.note(("key_1", ""), 7, 9, NOW) for _ in range(9)] == [None] * 9


def test_threads_and_keys_are_counted_apart() -> None:
    one = guard(request_max=1)
    places = [("key_1", "th_1"), ("key_1", "th_2"), ("key_2", "th_1")]
    assert [one.note(place, 7, 0, NOW) for place in places] == [None] * 3
    assert one.note(("key_2", "th_1"), 7, 0, NOW) == request(2)


@pytest.mark.parametrize(
    ("after_us", "found"),
    [
        (HOUR - 1, request(3)),
        (HOUR, request(3)),
        # Its part overlaps the window no longer.
        (HOUR + PART - 1, request(3)),
        (HOUR + PART, None),
    ],
)
def test_what_is_older_than_the_window_is_forgotten_part_by_part(
    after_us: int, found: LoopSeen | None
) -> None:
    assert said(guard(), (7, 0, 0), (7, 0, 1), (7, 0, after_us))[-1] == found


def test_slow_repeats_are_no_loop() -> None:
    every_hour = [(7, 0, nth * (HOUR + PART)) for nth in range(9)]
    assert said(guard(request_max=1), *every_hour) == [None] * 9


def test_a_clock_that_goes_back_does_not_hold_a_thread_for_ever() -> None:
    one = guard(request_max=1)
    assert said(one, (7, 0, 0), (7, 0, -HOUR)) == [None, request(2)]
    assert said(one, (7, 0, -3 * HOUR)) == [None]


# Released ---------------------------------------------------------------------------------------


def test_a_released_thread_begins_anew_under_every_key() -> None:
    one = guard(request_max=1)
    for place in (RUN, ("key_2", "th_1"), ("key_1", "th_2")):
        one.note(place, 7, 0, NOW)
    one.release("th_1", NOW + 1)
    assert one.note(RUN, 7, 0, NOW + 2) is None
    assert one.note(("key_2", "th_1"), 7, 0, NOW + 2) is None
    assert one.note(("key_1", "th_2"), 7, 0, NOW + 2) == LoopSeen("request", 2, "th_2")
    assert one.note(RUN, 7, 0, NOW + 3) == request(2)


def test_a_release_that_is_read_again_releases_nothing_again() -> None:
    one = guard(request_max=1)
    one.note(RUN, 7, 0, NOW)
    one.release("th_1", NOW + 1)
    one.note(RUN, 7, 0, NOW + 2)
    for at_us in (NOW + 1, NOW):
        one.release("th_1", at_us)
        assert one.note(RUN, 7, 0, NOW + 3) is not None


def test_what_was_seen_after_a_release_stays() -> None:
    one = guard(request_max=2)
    said(one, (7, 0, 0), (7, 0, 0), (7, 0, PART))
    one.release("th_1", NOW + PART)
    assert one.note(RUN, 7, 0, NOW + PART + 1) is None
    assert one.note(RUN, 7, 0, NOW + PART + 2) == request(3)


def test_a_thread_that_was_released_before_it_was_seen_is_counted() -> None:
    one = guard(request_max=1)
    one.release("th_1", NOW + HOUR)
    assert said(one, (7, 0, 0), (7, 0, 1)) == [None, request(2)]


# Memory -----------------------------------------------------------------------------------------


def test_the_hash_seen_longest_ago_is_forgotten() -> None:
    one = guard(request_max=1, hashes_max=2)
    said(one, (1, 0, 0), (2, 0, 1), (1, 0, 2), (3, 0, 3))
    assert said(one, (1, 0, 4)) == [request(3)]
    assert said(one, (2, 0, 5)) == [None]


def test_the_release_longest_ago_is_forgotten() -> None:
    one = guard(request_max=1, releases_max=1)
    for thread in ("th_1", "th_2"):
        one.note(("key_1", thread), 7, 0, NOW)
        one.release(thread, NOW + 1)
    assert one.note(("key_1", "th_2"), 7, 0, NOW + 2) is None
    assert one.note(RUN, 7, 0, NOW + 2) == request(2)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (LoopDetected("th_9f2c", "request", 11),
         "thread `th_9f2c` has sent the same request 11 times"),
        (LoopDetected("th 9", "message", 1_097),
         "thread `th 9` has sent the same last message 1,097 times"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_thread_and_the_command(error: LoopDetected, sentence: str) -> None:
    assert words(error).sentence == sentence
    name = "th_9f2c" if "_" in error.thread else "'th 9'"
    assert words(error).hint.endswith(f"with `ferry threads release {name}`")
    assert (error.status, error.code, error.may_retry) == (429, "loop_detected", False)
    assert error.retry_after_s is None
