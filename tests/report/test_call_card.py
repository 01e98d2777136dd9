"""The card of one call: what it says of the money that it was held of."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC
from typing import Any

import pytest

from ferrycli.report.call_card import call_card
from ferrycli.store.reads import BudgetRow, CallRow
from tests.store.kit import NOON

USD = 1_000_000_000


def made(kind: type[Any], **values: Any) -> Any:
    """Empty text, and 0 of what is no text, where `values` says nothing."""
    return kind(**{field.name: "" if field.type == "str" else 0 for field in fields(kind)} | values)


def drawn(row: CallRow, budget: BudgetRow | None = None) -> str:
    return "\n".join(line.plain for line in call_card(row, budget, UTC, 100))


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
