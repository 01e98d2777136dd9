"""A holder's standing is that of its own windows, with what boosts and grants add."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ferrycli.rules.standings import Standing, Terms
from ferrycli.rules.windows import bucket_us
from ferrycli.store import reads
from ferrycli.store.reads_holders import standings
from tests.store.kit import DAY_US, NOON, SECOND_US, USD, looking

WEDNESDAY = NOON - DAY_US // 2
HOUR_US = 3600 * SECOND_US


def window(path: Path, subject: str, start: int, *amounts: int, budget: str = "b_1") -> None:
    with looking(path) as connection:
        connection.execute(
            "INSERT INTO windows VALUES (?, ?, ?, ?, ?, ?)", (budget, subject, start, *amounts)
        )


def grant(path: Path, id: str, amount: int, **more: Any) -> None:
    values = {"id": id, "budget_id": "b_1", "amount_nanousd": amount, "created_at": 1} | more
    with looking(path) as connection:
        marks = ", ".join("?" * len(values))
        connection.execute(
            f"INSERT INTO grants ({', '.join(values)}) VALUES ({marks})", list(values.values())
        )


def standing(path: Path, subject: str = "", **more: Any) -> Standing:
    given: dict[str, Any] = {"period": "day", "limit_nanousd": 10 * USD} | more
    terms = Terms("b_1", "key=acme", zone="UTC", **given)
    with reads.opened(path) as connection:
        (found,) = standings(connection, [(terms, subject)], NOON)
        assert not connection.in_transaction
    return found


def test_window_of_now_and_of_this_subject_counts(path: Path) -> None:
    window(path, '["acme"]', WEDNESDAY, 3 * USD, 2 * USD, USD)
    window(path, '["globex"]', WEDNESDAY, 70 * USD, 0, 0)
    window(path, '["acme"]', WEDNESDAY - DAY_US, 70 * USD, 0, 0)
    window(path, '["acme"]', WEDNESDAY, 70 * USD, 0, 0, budget="b_2")
    found = standing(path, '["acme"]')
    assert (found.spent, found.held, found.doubt) == (3 * USD, 2 * USD, USD)
    assert (found.window_start_us, found.resets_at_us) == (WEDNESDAY, WEDNESDAY + DAY_US)
    assert found.free == 4 * USD


def test_window_that_nobody_used_is_empty(path: Path) -> None:
    found = standing(path)
    assert (found.spent, found.held, found.doubt, found.free) == (0, 0, 0, 10 * USD)


def test_rolling_window_is_the_sum_of_its_buckets(path: Path) -> None:
    assert bucket_us("rolling 7d") == HOUR_US
    for number in range(24 * 7 + 5):
        window(path, "", NOON - number * HOUR_US, 1, 10, 100)
    found = standing(path, period="rolling 7d")
    # The bucket that begins now, and 168 before it: every one that overlaps the span.
    assert (found.spent, found.held, found.doubt) == (169, 1_690, 16_900)


def test_boost_counts_while_it_lasts(path: Path) -> None:
    grant(path, "g_1", 5 * USD, kind="boost", expires_at=NOON + 1)
    grant(path, "g_2", 7 * USD, kind="boost", expires_at=NOON)
    assert standing(path).limit_nanousd == 15 * USD


def test_balance_is_what_its_grants_carry(path: Path) -> None:
    window(path, "", 0, 4 * USD, 0, 0)
    grant(path, "g_1", 20 * USD, drawn_nanousd=4 * USD, balance_nanousd=20 * USD)
    grant(path, "g_2", 9 * USD, expires_at=NOON - 1, balance_nanousd=25 * USD, created_at=2)
    found = standing(path, period="total", limit_nanousd=0, is_prepaid=True)
    assert (found.limit_nanousd, found.free, found.base) == (20 * USD, 16 * USD, 25 * USD)


def test_each_budget_has_its_standing_in_order(path: Path) -> None:
    window(path, "", WEDNESDAY, USD, 0, 0, budget="b_2")
    terms = [(Terms(id, "key=acme", "day", "UTC", USD), "") for id in ("b_3", "b_2", "b_1")]
    with reads.opened(path) as connection:
        found = standings(connection, terms, NOON)
    assert [(one.terms.id, one.spent) for one in found] == [("b_3", 0), ("b_2", USD), ("b_1", 0)]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_day_is_that_of_the_budgets_zone(path: Path, zone: str) -> None:
    terms = Terms("b_1", "key=acme", "day", zone, USD)
    with reads.opened(path) as connection:
        (found,) = standings(connection, [(terms, "")], NOON)
    offset_h = {"Europe/Berlin": -1, "America/New_York": 5}[zone]
    assert found.window_start_us == WEDNESDAY + offset_h * HOUR_US
