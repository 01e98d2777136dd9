"""The audit of events: those that were told pass, and each planted fault is found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.kit import NOON, Clock
from tests.store.teller import HOUR_US, Teller, happening, to


@pytest.fixture
def teller(path: Path, clock: Clock) -> Iterator[Teller]:
    """Every kind of event, a call, and nothing that keeps finished calls as they are."""
    found = Teller(path, clock)
    found.budget("b", 10**6, period="day", created_at=NOON - 4 * 24 * HOUR_US)
    found.balance("p", 5_000)
    found.meter_price("reads", 400_000_000)
    found.desk.refresh()
    found.tell(
        happening("priced", 3),
        happening("late", 3, occurred_us=NOON - 47 * HOUR_US),
        happening("stated", 3, cost_nanousd=77),
        happening("unpriced", 3, "other"),
    )
    found.spend(500)
    found.clock.move(60)
    found.desk.refresh()
    found.do()
    assert found.faults() == []
    for name in ("calls_terminal", "calls_repeats"):
        found.other.execute(f"DROP TRIGGER {name}")
    yield found
    found.close()


SEQ = "(SELECT call_seq FROM events WHERE event_id = '{}')"


@pytest.mark.parametrize(
    ("event", "statement", "said"),
    [
        ("priced", "DELETE FROM events WHERE call_seq = {}", "no event is known"),
        ("priced", "UPDATE events SET key_id = 'key_b' WHERE call_seq = {}", "not what those are"),
        ("priced", "UPDATE calls SET endpoint = '/v1/x' WHERE seq = {}", "not what those are"),
        ("priced", "UPDATE calls SET provider = 'up' WHERE seq = {}", "not what those are"),
        ("priced", "UPDATE calls SET state = 'released' WHERE seq = {}", "not what those are"),
        ("priced", "UPDATE calls SET outcome = 'left' WHERE seq = {}", "not what those are"),
        ("priced", "UPDATE calls SET attempts = 2 WHERE seq = {}", "not what those are"),
        ("priced", "UPDATE calls SET finished_at = 1 WHERE seq = {}", "not what those are"),
        ("priced", "UPDATE calls SET doubt_nanousd = 1 WHERE seq = {}", "not what those are"),
        ("late", "UPDATE events SET recorded_at = 1 WHERE call_seq = {}", "cannot count for"),
        (
            "late",
            "UPDATE events SET recorded_at = recorded_at + 7200000000 WHERE call_seq = {}",
            "cannot count for",
        ),
        ("priced", "DELETE FROM lines WHERE call_seq = {}", "has 0 lines"),
        ("priced", "UPDATE lines SET model = 'x' WHERE call_seq = {}", "another's"),
        ("priced", "UPDATE lines SET provider = 'x' WHERE call_seq = {}", "another's"),
        ("priced", "UPDATE lines SET bucket = 'input' WHERE call_seq = {}", "another's"),
        (
            "priced",
            "INSERT INTO lines (call_seq, number) VALUES ({}, 2)",
            "has 2 lines",
        ),
        (
            "priced",
            "UPDATE lines SET quantity = 4 WHERE call_seq = {}",
            "is_now=1200, should_be=1600",
        ),
        (
            "priced",
            "UPDATE lines SET rate_nanousd = 400000001 WHERE call_seq = {}",
            "should_be=1201",
        ),
        ("priced", "UPDATE lines SET rate_nanousd = NULL WHERE call_seq = {}", "nothing says it"),
        ("priced", "UPDATE lines SET cost_nanousd = 0 WHERE call_seq = {}", "cost of its line"),
        (
            "priced",
            "UPDATE calls SET cost_source = 'unpriced' WHERE seq = {}",
            "what='cost', is_now=1200, should_be=None",
        ),
        (
            "priced",
            "UPDATE calls SET cost_input_nanousd = 1200, cost_other_nanousd = 0 WHERE seq = {}",
            "cost of what is no token",
        ),
        (
            "stated",
            "UPDATE calls SET provider_cost_nanousd = 78 WHERE seq = {}",
            "is_now=77, should_be=78",
        ),
        (
            "stated",
            "UPDATE calls SET provider_cost_nanousd = NULL WHERE seq = {}",
            "nothing says it",
        ),
        ("stated", "UPDATE calls SET cost_source = 'estimated' WHERE seq = {}", "nothing says it"),
        (
            "unpriced",
            "UPDATE calls SET cost_nanousd = 0 WHERE seq = {}",
            "is_now=0, should_be=None",
        ),
    ],
)
def test_each_planted_fault_of_an_event_is_found(
    teller: Teller, event: str, statement: str, said: str
) -> None:
    teller.other.execute(statement.format(SEQ.format(event)))
    faults = [one for one in teller.faults() if one.startswith("I6")]
    assert any(said in one for one in faults), faults


def test_what_an_event_took_stands_in_its_windows_and_grants(teller: Teller) -> None:
    teller.other.execute("UPDATE windows SET spent_nanousd = spent_nanousd - 77")
    assert {one.split()[0] for one in teller.faults()} >= {"I1", "I9"}


def test_an_event_that_a_budget_lacks_is_found(teller: Teller) -> None:
    """It occurred before the budget was made, and came when that had counted for hours."""
    teller.budget("new", 10**6)
    teller.clock.move(3 * 3_600)
    teller.desk.refresh()
    (receipt,) = teller.tell(happening("e", 0, occurred_us=NOON - HOUR_US))
    teller.other.execute(
        "UPDATE calls SET windows = replace(windows, '\"new\"', '\"x\"') WHERE id = ?",
        [receipt.call],
    )
    assert any(one.startswith("I11") and "new" in one for one in teller.faults())


def test_an_event_of_a_row_that_is_not_there_is_found(teller: Teller) -> None:
    teller.insert("events", key_id="key_a", event_id="x", call_seq=5)
    assert any(one.startswith("references") and "events 5" in one for one in teller.faults())


def test_denied_requests_are_no_events(teller: Teller) -> None:
    teller.change("budgets", "b", limit_nanousd=1)
    teller.desk.refresh()
    teller.ask(to(1_000), endpoint="/ferry/v1/events")
    assert [one for one in teller.faults() if one.startswith("I6")] == []
