"""Circuits: when a target is left alone, for how long, and who may look whether it is back."""

from __future__ import annotations

import pytest

from ferrycli.rules.circuit import (
    CIRCUITS_MAX,
    CLOSED,
    FAILURES_MIN,
    HALF_OPEN,
    IN_A_ROW_MAX,
    OPEN,
    OPEN_S_FIRST,
    OPEN_S_MAX,
    PROBE_S_MAX,
    WINDOW_S,
    Circuits,
    CircuitState,
    Permit,
)
from ferrycli.rules.failures import Failure, classify

SECOND = 1_000_000
NOW = 1_794_906_000 * SECOND
X, Y = "openai/gpt-x", "anthropic/claude-y"
DOWN = classify(500)
BUSY = classify(503, "overloaded")


def sent(circuits: Circuits, target: str, now_us: int) -> Permit:
    permit = circuits.claim(target, now_us)
    assert permit is not None
    return permit


def fail(
    circuits: Circuits, times: int, now_us: int = NOW, failure: Failure = DOWN, target: str = X
) -> CircuitState | None:
    """What the last of so many failures changed."""
    state = None
    for _ in range(times):
        state = circuits.note_failure(sent(circuits, target, now_us), failure, now_us)
    return state


def succeed(circuits: Circuits, times: int, now_us: int = NOW) -> None:
    for _ in range(times):
        assert circuits.note_success(sent(circuits, X, now_us), now_us) is None


def opened(now_us: int = NOW) -> Circuits:
    circuits = Circuits()
    fail(circuits, FAILURES_MIN, now_us)
    return circuits


def test_a_target_that_nothing_is_known_of_is_open_to_all() -> None:
    circuits = Circuits()
    assert circuits.allows(X, NOW)
    assert circuits.blocked(X, NOW) is None
    assert circuits.state(X, NOW) == CircuitState()


def test_the_fifth_failure_opens_and_the_fourth_does_not() -> None:
    circuits = Circuits()
    assert fail(circuits, FAILURES_MIN - 1) is None
    assert circuits.allows(X, NOW)
    until = NOW + OPEN_S_FIRST * SECOND
    assert fail(circuits, 1) == CircuitState(OPEN, NOW, until, "500")
    assert not circuits.allows(X, NOW)
    assert circuits.claim(X, NOW) is None
    assert circuits.allows(Y, NOW)


@pytest.mark.parametrize(
    ("successes", "failures", "opens"), [(5, 5, True), (6, 5, False), (6, 6, True)]
)
def test_half_of_the_calls_must_have_failed(successes: int, failures: int, opens: bool) -> None:
    circuits = Circuits()
    succeed(circuits, successes)
    assert (fail(circuits, failures) is not None) is opens


def test_failures_in_a_row_open_whatever_was_before() -> None:
    circuits = Circuits()
    succeed(circuits, 1_000)
    assert fail(circuits, IN_A_ROW_MAX - 1) is None
    succeed(circuits, 1)
    assert fail(circuits, IN_A_ROW_MAX - 1) is None
    changed = fail(circuits, 1)
    assert changed is not None
    assert changed.state == OPEN


@pytest.mark.parametrize(("after_s", "opens"), [(WINDOW_S - 1, True), (WINDOW_S, False)])
def test_what_is_older_than_the_window_does_not_count(after_s: int, opens: bool) -> None:
    circuits = Circuits()
    fail(circuits, FAILURES_MIN - 1)
    assert (fail(circuits, 1, NOW + after_s * SECOND) is not None) is opens


ASKED = [
    # Failure, what its Retry-After says, and for how long the circuit is open; None: it is not.
    (classify(429), 7.0, 7.0),
    (classify(503), 1.0, 1.0),
    (classify(529), 60.0, 60.0),
    (classify(529), 61.0, 60.0),
    (classify(429), 0.999, None),
    (classify(429), None, None),
    (classify(500), 7.0, None),
    (classify(400), 7.0, None),
    (classify(429, "insufficient_quota"), 7.0, 7.0),
]


@pytest.mark.parametrize(("failure", "asked_s", "open_s"), ASKED)
def test_a_provider_that_asks_is_left_alone_at_once(
    failure: Failure, asked_s: float | None, open_s: float | None
) -> None:
    circuits = Circuits()
    changed = circuits.note_failure(sent(circuits, X, NOW), failure, NOW, asked_s)
    assert (changed is None) is (open_s is None)
    if open_s is not None:
        until = NOW + int(open_s * SECOND)
        assert not circuits.allows(X, until - 1)
        assert circuits.allows(X, until)


NOT_COUNTED = [
    classify(400),
    classify(401),
    classify(404, "model_not_found"),
    classify(400, "context_length_exceeded"),
    classify(409),
    Failure("final", 429, "insufficient_quota"),
]


@pytest.mark.parametrize("failure", NOT_COUNTED)
def test_what_is_not_the_provider_s_fault_never_counts(failure: Failure) -> None:
    circuits = Circuits()
    assert fail(circuits, 50, failure=failure) is None
    assert circuits.state(X, NOW).state == CLOSED


def test_after_the_time_one_call_at_a_time_is_let_through() -> None:
    circuits = opened()
    later = NOW + OPEN_S_FIRST * SECOND
    assert not circuits.allows(X, later - 1)
    assert circuits.state(X, later).state == HALF_OPEN
    probe = sent(circuits, X, later)
    assert probe.change == CircuitState(HALF_OPEN, later, None, "500")
    assert circuits.claim(X, later) is None
    blocked = circuits.blocked(X, later)
    assert blocked is not None
    assert blocked.state == HALF_OPEN
    circuits.release(probe)
    second = sent(circuits, X, later)
    assert second.change is None
    assert second.probe != probe.probe


def test_a_probe_s_success_closes_and_forgets() -> None:
    circuits = opened()
    later = NOW + OPEN_S_FIRST * SECOND
    assert circuits.note_success(sent(circuits, X, later), later) == CircuitState(CLOSED, later)
    assert circuits.allows(X, later)
    assert fail(circuits, FAILURES_MIN - 1, later) is None
    changed = fail(circuits, 1, later)
    assert changed is not None
    assert changed.until_us == later + OPEN_S_FIRST * SECOND


def test_each_probe_s_failure_doubles_the_time_up_to_a_minute() -> None:
    circuits, now = opened(), NOW
    seconds = [OPEN_S_FIRST]
    for _ in range(6):
        now += seconds[-1] * SECOND
        changed = circuits.note_failure(sent(circuits, X, now), BUSY, now)
        assert changed is not None
        assert changed.reason == "503 overloaded"
        assert changed.until_us is not None
        seconds.append((changed.until_us - now) // SECOND)
    assert seconds == [5, 10, 20, 40, 60, 60, 60]


def test_a_probe_that_fails_by_the_request_s_own_fault_lets_another_look() -> None:
    circuits = opened()
    later = NOW + OPEN_S_FIRST * SECOND
    assert circuits.note_failure(sent(circuits, X, later), classify(400), later) is None
    assert circuits.state(X, later).state == HALF_OPEN
    assert circuits.allows(X, later)


def test_a_probe_that_never_comes_back_is_given_up() -> None:
    circuits = opened()
    later = NOW + OPEN_S_FIRST * SECOND
    lost = sent(circuits, X, later)
    assert not circuits.allows(X, later + PROBE_S_MAX * SECOND - 1)
    found = sent(circuits, X, later + PROBE_S_MAX * SECOND)
    # What the lost one says at last is nobody's probe any more.
    assert circuits.note_failure(lost, DOWN, later + 61 * SECOND) is None
    circuits.release(lost)
    assert not circuits.allows(X, later + 61 * SECOND)
    circuits.release(found)
    assert circuits.allows(X, later + 61 * SECOND)


def test_failures_of_calls_sent_before_it_opened_do_not_prolong_it() -> None:
    circuits = Circuits()
    early = [sent(circuits, X, NOW) for _ in range(20)]
    for permit in early:
        circuits.note_failure(permit, DOWN, NOW + SECOND)
    assert circuits.state(X, NOW + SECOND).until_us == NOW + (1 + OPEN_S_FIRST) * SECOND
    later = NOW + (1 + OPEN_S_FIRST) * SECOND
    sent(circuits, X, later)
    assert circuits.note_failure(early[0], DOWN, later) is None
    assert circuits.state(X, later).state == HALF_OPEN


def test_an_open_circuit_is_prolonged_by_what_the_provider_asks_for() -> None:
    circuits = Circuits()
    first, second, third = (sent(circuits, X, NOW) for _ in range(3))
    circuits.note_failure(first, BUSY, NOW, 10)
    assert circuits.note_failure(second, BUSY, NOW, 5) is None
    changed = circuits.note_failure(third, BUSY, NOW, 30)
    assert changed == CircuitState(OPEN, NOW, NOW + 30 * SECOND, "503 overloaded")


def test_the_last_target_is_sent_to_all_the_same_and_its_success_closes() -> None:
    circuits = opened()
    permit = circuits.claim(X, NOW, is_last=True)
    assert permit == Permit(X)
    assert circuits.note_failure(permit, DOWN, NOW) is None
    assert circuits.note_success(permit, NOW) == CircuitState(CLOSED, NOW)
    assert circuits.allows(X, NOW)


def test_a_clock_that_goes_back_keeps_no_target_closed_for_longer() -> None:
    circuits = opened(NOW)
    assert circuits.allows(X, NOW - 3_600 * SECOND)
    assert not circuits.allows(X, NOW)
    earlier = NOW - 3_600 * SECOND
    probe = sent(circuits, X, earlier)
    assert circuits.note_success(probe, earlier) is not None
    assert fail(circuits, FAILURES_MIN, earlier) is not None


def test_a_probe_of_a_time_to_come_bars_nobody() -> None:
    circuits = opened(NOW)
    sent(circuits, X, NOW + OPEN_S_MAX * SECOND)
    assert circuits.allows(X, NOW - 3_600 * SECOND)


def test_what_was_saved_is_taken_up_again() -> None:
    until = NOW + 20 * SECOND
    saved = {X: CircuitState(OPEN, NOW, until, "503"), Y: CircuitState(CLOSED, NOW)}
    circuits = Circuits(saved)
    assert circuits.blocked(X, NOW) == saved[X]
    assert circuits.allows(X, until)
    assert circuits.allows(Y, NOW)


def test_there_are_never_more_circuits_than_the_bound_and_open_ones_stay() -> None:
    circuits = opened()
    for at in range(CIRCUITS_MAX + 10):
        circuits.note_success(Permit(f"openai/{at}"), NOW)
    assert len(circuits.targets) == CIRCUITS_MAX
    assert not circuits.allows(X, NOW)


def test_where_every_circuit_is_open_the_oldest_goes() -> None:
    circuits = Circuits()
    for at in range(CIRCUITS_MAX + 1):
        circuits.note_failure(Permit(f"openai/{at}"), BUSY, NOW, 30)
    assert len(circuits.targets) == CIRCUITS_MAX
    assert circuits.allows("openai/0", NOW)
    assert not circuits.allows("openai/1", NOW)


def test_a_name_that_no_provider_knows_leaves_nothing_behind() -> None:
    circuits = Circuits()
    for at in range(100):
        permit = sent(circuits, f"openai/{at}", NOW)
        circuits.note_failure(permit, classify(404, "model_not_found"), NOW)
    assert len(circuits.targets) == 0
