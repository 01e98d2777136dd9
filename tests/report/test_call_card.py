"""The card of one call: what it says of the money that it was held of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC
from typing import Any

import pytest

from ferrycli.report.call_card import call_card
from ferrycli.store.reads import BudgetRow, CallRow
from ferrycli.store.reads_receipts import LineRow, TryRow
from tests.store.kit import NOON

USD = 1_000_000_000


def made(kind: type[Any], **values: Any) -> Any:
    """Empty text, and 0 of what is no text, where `values` says nothing."""
    return kind(**{field.name: "" if field.type == "str" else 0 for field in fields(kind)} | values)


def drawn(
    row: CallRow,
    budget: BudgetRow | None = None,
    tried: Sequence[TryRow] = (),
    width: int = 100,
    billed: Sequence[LineRow] = (),
) -> str:
    return "\n".join(line.plain for line in call_card(row, tried, budget, UTC, width, billed))


BUDGETS = [
    ("month", 50 * USD, 0, "$9.00 was free at admission of $50.00 this month, tenant=acme"),
    ("total", 50 * USD, 0, "$9.00 was free at admission of $50.00 in total, tenant=acme"),
    ("rolling 7d", USD, 0, "$9.00 was free at admission of $1.00 in the last 7 days, tenant=acme"),
    # The limit of a balance is what its grants carry: the row of the budget says 0.
    ("total", 0, 1, "$9.00 was free at admission of the balance of tenant=acme"),
]


@pytest.mark.parametrize(("period", "limit", "is_prepaid", "said"), BUDGETS)
def test_the_budget_is_named_with_its_limit_and_its_period(
    period: str, limit: int, is_prepaid: int, said: str
) -> None:
    row = made(CallRow, id="c_1", state="settled", started_at=NOON, free_nanousd=9 * USD)
    budget = made(
        BudgetRow,
        selector="tenant=acme",
        period=period,
        limit_nanousd=limit,
        is_prepaid=is_prepaid,
    )
    assert said in drawn(row, budget)


FAILED = made(
    TryRow, number=1, provider="first", model="m-busy", state="settled", status=200,
    error="overloaded_error", reason="529 overloaded_error", hold_nanousd=90_000_000,
    doubt_nanousd=23_190_000, cost_nanousd=66_810_000, cost_source="estimated",
)  # fmt: skip
ANSWERED = made(
    TryRow, number=2, provider="second", model="m-1", state="settled", status=200,
    cost_nanousd=1_100_000, cost_source="reported",
)  # fmt: skip
FALLEN_BACK = made(
    CallRow, id="c_1", state="settled", outcome="ok", status=200, started_at=NOON, attempts=2,
    n_input=100, n_output=20, cost_input_nanousd=1_000_000, cost_output_nanousd=100_000,
    cost_other_nanousd=66_810_000, cost_nanousd=67_910_000, cost_source="reported",
)  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 100])
def test_what_became_of_each_attempt_is_told(width: int) -> None:
    said = drawn(FALLEN_BACK, tried=[FAILED, ANSWERED], width=width)
    lines = [" ".join(line.split()) for line in said.splitlines()]
    source = (" estimated", " reported") if width > 60 else ("", "")
    assert f"1 first/m-busy 529 overloaded_error ≈0.06681 0.02319{source[0]}" in lines
    assert f"2 second/m-1 200 0.0011 –{source[1]}" in lines
    assert "attempt 1 – – 0.06681" in lines
    assert "total ≈0.06791" in lines
    assert max(map(len, said.splitlines())) <= max(width, 80)


def test_where_a_cost_is_from_is_true_of_each_part() -> None:
    said = drawn(FALLEN_BACK, tried=[FAILED, ANSWERED])
    assert "$0.07 is estimated: what attempts that failed may have cost" in said
    assert "the rest: usage as the provider reported it" in said
    known = made(TryRow, number=1, provider="first", model="m", reason="529", cost_source="")
    row = replace(FALLEN_BACK, cost_other_nanousd=0, cost_nanousd=1_100_000)
    said = drawn(row, tried=[known, ANSWERED])
    assert "estimated" not in said
    assert "not billed" in said


def test_denied_call_says_what_was_needed_and_which_rule_refused_it() -> None:
    row = made(
        CallRow, id="c_1", state="denied", outcome="denied", status=429, started_at=NOON,
        rule="tenant=acme: 100% block", reason="budget `tenant=acme` has spent $1.00 of $1.00",
    )  # fmt: skip
    said = drawn(row)
    assert "  rule        tenant=acme: 100% block\n" in said
    assert "  reason      budget `tenant=acme` has spent $1.00 of $1.00\n" in said


@pytest.mark.parametrize(
    ("source", "rate", "cost", "said"),
    [
        ("reported", 400_000_000, 480_000, ["a unit", "0.0000004 USD", "units as the event told"]),
        ("provider", None, 480_000, ["total", "0.00048", "the event's own figure"]),
        ("unpriced", None, None, ["unpriced: its meter has no price"]),
    ],
)
def test_an_event_says_how_many_units_and_what_they_came_to(
    source: str, rate: int | None, cost: int | None, said: list[str]
) -> None:
    row = made(
        CallRow, id="c_1", state="settled", outcome="ok", status=200, provider="meter",
        model="vector_read", endpoint="/ferry/v1/events", started_at=NOON, admitted_at=NOON,
        finished_at=NOON, cost_nanousd=cost, cost_other_nanousd=cost or 0, cost_source=source,
        price_version="override rate_1" if rate else "", provider_cost_nanousd=None,
        first_byte_at=None, output_sent=None, free_nanousd=None,
    )  # fmt: skip
    line = made(
        LineRow, bucket="meter", model="vector_read", quantity=1_200, rate_nanousd=rate,
        cost_nanousd=cost,
    )  # fmt: skip
    card = drawn(row, billed=[line])
    for text in ("meter/vector_read", "occurred", "1,200", *said):
        assert text in card
    for text in ("in one piece", "came in", "TOKENS"):
        assert text not in card
    if cost is not None:
        corrected = drawn(replace(row, cost_nanousd=cost + USD), billed=[line])
        assert "$1.00 by corrections" in corrected
