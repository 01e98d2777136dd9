"""The card of one call: what it says of the money that it was held of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC
from typing import Any

import pytest

from ferrycli.report.call_card import CORRECTIONS_SHOWN, call_card
from ferrycli.report.calls import cost_text
from ferrycli.store.reads import BudgetRow, CallRow
from ferrycli.store.reads_receipts import CorrectionRow, LineRow, TryRow
from tests.store.kit import NOON

USD = 1_000_000_000


def made(kind: type[Any], **values: Any) -> Any:
    """Empty text, and 0 of what is no text, where `values` says nothing."""
    return kind(**{field.name: "" if field.type == "str" else 0 for field in fields(kind)} | values)


def drawn(
    row: CallRow,
    budget: BudgetRow | None = None,
    tried: Sequence[TryRow] = (),
    said: Sequence[CorrectionRow] = (),
    width: int = 100,
    billed: Sequence[LineRow] = (),
) -> str:
    return "\n".join(line.plain for line in call_card(row, tried, said, budget, UTC, width, billed))


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


def corrected(delta: int, doubt: int = 0, reason: str = "", source: str = "operator") -> Any:
    return CorrectionRow(delta, doubt, reason, source, NOON)


def squeezed(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


ESTIMATED = made(
    CallRow, id="c_1", state="settled", outcome="left", started_at=NOON, n_input=100,
    cost_input_nanousd=50_000_000, cost_nanousd=50_000_000, doubt_nanousd=30_000_000,
    cost_source="estimated", price_version="v1",
)  # fmt: skip
UNPRICED = replace(
    ESTIMATED, cost_input_nanousd=0, cost_nanousd=None, doubt_nanousd=0, cost_source="unpriced",
    price_version="",
)  # fmt: skip
REPORTED = replace(ESTIMATED, doubt_nanousd=0, cost_source="reported")
INCOMPLETE = replace(REPORTED, is_price_incomplete=1)
BILL = corrected(22_500_000, -30_000_000, "invoice of November")
BILLED = (
    "corrected 2026-11-18 12:00 +$0.0225, $0.03 no longer in doubt operator: invoice of November"
)
HISTORY: dict[str, tuple[CallRow, list[CorrectionRow], int, int, list[str]]] = {
    # The row as it was settled, corrections, cost and doubt by them, and what is said.
    "estimated": (ESTIMATED, [BILL], 72_500_000, 0, [
        "corrections – – 0.0225",
        "total 0.0725",
        "at first ≈$0.05, $0.03 in doubt",
        "estimated: the provider reported no usage · v1",
        BILLED,
    ]),
    "unpriced": (UNPRICED, [corrected(500_000_000)], 500_000_000, 0, [
        # What has no price is not 0.
        "input 100 – –",
        "corrections – – 0.5",
        "total 0.5",
        "at first unpriced: no price was known",
        "corrected 2026-11-18 12:00 +$0.50 operator",
    ]),
    "reported": (REPORTED, [corrected(-50_000_000, 0, "free")], 0, 0, [
        "total 0",
        "at first $0.05",
        "usage as the provider reported it · v1",
        "corrected 2026-11-18 12:00 -$0.05 operator: free",
    ]),
    "incomplete": (INCOMPLETE, [corrected(1)], 50_000_001, 0, [
        "total 0.050000001",
        "at first ≈$0.05",
        "the price was incomplete",
    ]),
    "confirmed": (ESTIMATED, [corrected(0, -30_000_000)], 50_000_000, 0, [
        "total 0.05",
        "at first ≈$0.05, $0.03 in doubt",
        "corrected 2026-11-18 12:00 +$0.00, $0.03 no longer in doubt operator",
    ]),
    "several": (ESTIMATED, [BILL, corrected(-2_500_000, 0, "", "settlement")], 70_000_000, 0, [
        "corrections – – 0.02",
        "total 0.07",
        BILLED,
        "corrected 2026-11-18 12:00 -$0.0025 settlement",
    ]),
    "in doubt": (ESTIMATED, [corrected(10_000_000, -10_000_000)], 60_000_000, 20_000_000, [
        "total ≈0.06",
        "at first ≈$0.05, $0.03 in doubt",
        "$0.02 in doubt, counted against limits",
    ]),
    # That nothing is in doubt any more says nothing of the cost.
    "released": (ESTIMATED, [corrected(0, -30_000_000, "release-doubt")], 50_000_000, 0, [
        "total ≈0.05",
        "estimated: the provider reported no usage · v1",
        "corrected 2026-11-18 12:00 $0.03 no longer in doubt operator: release-doubt",
    ]),
}  # fmt: skip


@pytest.mark.parametrize("name", HISTORY)
def test_corrected_call_says_what_it_costs_and_what_was_said_of_it(name: str) -> None:
    settled, said, cost, doubt, lines = HISTORY[name]
    is_corrected = int(any(one.is_of_cost for one in said))
    row = replace(settled, cost_nanousd=cost, doubt_nanousd=doubt, is_corrected=is_corrected)
    shown = squeezed(drawn(row, said=said))
    assert [line for line in shown if line in lines] == lines
    assert [line for line in shown if "no price is known" in line] == []
    assert ("at first" in " ".join(shown)) == bool(is_corrected)
    # In a list the same sign stands before it.
    assert cost_text(row).startswith("≈") == any(line.startswith("total ≈") for line in lines)


def test_a_note_of_a_correction_does_nothing_to_a_terminal() -> None:
    row = replace(UNPRICED, cost_nanousd=1, is_corrected=1)
    said = drawn(row, said=[corrected(1, 0, "[/x]\x1b[31m\u202eevil\n\tbill")])
    assert "operator: [/x][31mevilbill" in said
    assert not set(said) & set("\x1b\u202e\t")


def test_of_many_corrections_the_latest_are_shown() -> None:
    row = replace(UNPRICED, cost_nanousd=300, is_corrected=1)
    some = [corrected(1, 0, f"note {number}") for number in range(CORRECTIONS_SHOWN + 2)]
    shown = squeezed(drawn(row, said=some))
    assert sum(line.startswith("corrected ") for line in shown) == CORRECTIONS_SHOWN
    assert "2 more, earlier" in shown
    assert any(line.endswith(f"note {CORRECTIONS_SHOWN + 1}") for line in shown)
    assert not any(line.endswith("note 1") for line in shown)


ATTEMPTS = [
    # Who said it, amount and doubt, the doubt that is left; then cost, doubt and source of each.
    ("operator", 10_000_000, -23_190_000, 0, ["≈0.06681 – estimated", "0.0111 – corrected"]),
    ("operator", -5_000_000, -23_190_000, 0, ["0.06291 – corrected", "0 – corrected"]),
    ("settlement", 10_000_000, 0, 23_190_000,
     ["≈0.06681 0.02319 estimated", "0.0111 – corrected"]),
]  # fmt: skip


@pytest.mark.parametrize(("source", "delta", "freed", "doubt", "shown"), ATTEMPTS)
def test_attempts_of_a_corrected_call_come_to_what_budgets_count(
    source: str, delta: int, freed: int, doubt: int, shown: list[str]
) -> None:
    cost = FALLEN_BACK.cost_nanousd + delta
    row = replace(FALLEN_BACK, cost_nanousd=cost, doubt_nanousd=doubt, is_corrected=1)
    said = drawn(row, tried=[FAILED, ANSWERED], said=[corrected(delta, freed, "", source)])
    lines = squeezed(said)
    assert f"1 first/m-busy 529 overloaded_error {shown[0]}" in lines
    assert f"2 second/m-1 200 {shown[1]}" in lines
    # A settlement says what the last attempt cost alone.
    sign = "" if source == "operator" else "≈"
    assert any(line.startswith(f"total {sign}0.0") for line in lines)
    assert "$0.07 was estimated: what attempts that failed may have cost" in said
    assert "is estimated" not in said


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
        more = drawn(
            replace(row, cost_nanousd=cost + USD, is_corrected=1), None, (), [corrected(USD)],
            billed=[line],
        )  # fmt: skip
        assert "+$1.00  operator" in more
