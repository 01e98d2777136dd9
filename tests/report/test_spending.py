"""How a report names its span and its amounts."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from ferrycli.report.spending import Spending, span_words, spending_table, tokens
from ferrycli.report.times import ago, iso, milliseconds, seconds
from ferrycli.rules.spans import parse_span
from ferrycli.rules.windows import to_us
from ferrycli.store.reads import Sum

BERLIN = ZoneInfo("Europe/Berlin")
NOW = to_us(datetime(2026, 11, 23, 10, tzinfo=BERLIN))
DOLLAR = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("last-week", "last week · Mon 16 Nov – Sun 22 Nov 2026"),
        ("this-week", "this week so far · Mon 23 Nov 2026"),
        ("today", "today so far · Mon 23 Nov 2026"),
        ("yesterday", "yesterday · Sun 22 Nov 2026"),
        ("mtd", "this month so far · Sun 01 Nov – Mon 23 Nov 2026"),
        ("2026-W53", "2026-w53 · Mon 28 Dec 2026 – Sun 03 Jan 2027"),
        ("2025-W52..2026-W01", "2025-w52..2026-w01 · Mon 22 Dec 2025 – Sun 04 Jan 2026"),
        ("24h", "last 24h · 22 Nov 10:00 – 23 Nov 2026 10:00"),
        ("90m", "last 90m · 23 Nov 08:30 – 23 Nov 2026 10:00"),
    ],
)
def test_a_span_is_named_with_its_days_and_zone(text: str, words: str) -> None:
    assert span_words(parse_span(text, NOW, BERLIN), NOW, BERLIN) == f"{words} · Europe/Berlin"


def test_tokens_keep_the_digits_that_tell_their_size() -> None:
    assert [tokens(count) for count in (0, 999, 1_000, 1_949, 147_100, 13_550_000, 10**10)] == [
        "0", "999", "1.0k", "1.9k", "147.1k", "13.5M", "10.0G",
    ]  # fmt: skip


def shown(*costs: int) -> list[str]:
    rows = [Sum((f"t{at}",), 1, 10, 0, 1, cost, 0, 0, 0) for at, cost in enumerate(costs)]
    span = parse_span("last-week", NOW, BERLIN)
    lines = spending_table(Spending.of(["tenant"], span, rows), NOW, BERLIN, 100)
    return [line.plain.split()[1] for line in lines if line.plain.startswith(("  t0", "  total"))]


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (1_284_370_000_000, "1,284.37"), (DOLLAR, "1.00"), (999_999_999, "1.0000"),
        (DOLLAR // 100, "0.0100"), (DOLLAR // 1_000, "0.001000"), (225, "<0.000001"),
        (0, "0.000000"),
    ],
)  # fmt: skip
def test_a_cheap_week_is_not_shown_as_free(cost: int, text: str) -> None:
    assert shown(cost) == [text, text]


def test_a_small_amount_beside_a_large_one_is_not_shown_as_nothing() -> None:
    assert shown(DOLLAR // 1_000, 50 * DOLLAR) == ["<0.01", "50.00"]


def test_rows_of_equal_cost_keep_one_order() -> None:
    rows = [Sum((name,), 1, 0, 0, 0, 0, 0, 0, 0) for name in "cab"]
    span = parse_span("today", NOW, BERLIN)
    assert [row.by[0] for row in Spending.of(["tenant"], span, rows).rows] == ["a", "b", "c"]


def test_times_are_written_for_programs_and_for_people() -> None:
    assert iso(NOW) == "2026-11-23T09:00:00.000000Z"
    assert iso(None) is None
    assert [milliseconds(0, at) for at in (None, 499, 500, 1_500, -5)] == [None, 0, 1, 2, 0]
    assert [seconds(at) for at in (None, 0, 610_000, 9_994_000, 12_400_000)] == [
        "", "0.00s", "0.61s", "9.99s", "12s",
    ]  # fmt: skip
    assert [ago(NOW - at * 1_000_000, NOW) for at in (0, 59, 60, 7_200, 172_800)] == [
        "just now", "just now", "1 min ago", "2 h ago", "2 d ago",
    ]  # fmt: skip
    assert ago(None, NOW) == "never"
