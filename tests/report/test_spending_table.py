"""How a report names its span and its amounts, and what is left of it where there is no room."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from rich.cells import cell_len

from ferrycli.report.budget_use import BudgetUse
from ferrycli.report.spending import Asked, Found, spending
from ferrycli.report.spending_table import span_words, spending_table, tokens
from ferrycli.rules.filters import Comparison, parse_filter
from ferrycli.rules.spans import before, parse_span, slots
from ferrycli.rules.windows import to_us
from ferrycli.store.sums import FIGURES, Sum

BERLIN = ZoneInfo("Europe/Berlin")
NOW = to_us(datetime(2026, 11, 23, 10, tzinfo=BERLIN))
DOLLAR = 1_000_000_000


def row(*names: str, cost: int = 0, slots: Sequence[int] = (), **figures: int) -> Sum:
    counted = dict.fromkeys(FIGURES, 0) | {"calls": 1, "cost_nanousd": cost} | figures
    return Sum(by=names, slots=tuple(slots), **counted)


def lines(
    now: Sequence[Sum],
    earlier: Sequence[Sum] = (),
    *,
    by: tuple[str, ...] = ("tenant",),
    span: str = "last-week",
    width: int = 100,
    rows_max: int = 0,
    uses: dict[tuple[str, ...], BudgetUse] | None = None,
    where: str = "",
    ferry: str = "",
) -> list[str]:
    asked = parse_span(span, NOW, BERLIN)
    parts = slots(asked, BERLIN)
    parted = [
        one if one.slots else replace(one, slots=(0,) * (len(parts.edges) - 1)) for one in now
    ]
    question = Asked(by, asked, before(asked, NOW, BERLIN), parts, where)
    sheet = spending(question, Found(parted, earlier, uses or {}))
    drawn = spending_table(sheet, NOW, BERLIN, width, rows_max=rows_max, ferry=ferry)
    return [str(line) if isinstance(line, str) else line.plain for line in drawn]


def named(shown: Sequence[str], name: str) -> str:
    [found] = [line for line in shown if line.split()[:1] == [name]]
    return found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("last-week", "week 47 · Mon 16 Nov – Sun 22 Nov 2026"),
        ("this-week", "week 48 so far · Mon 23 Nov 2026"),
        ("today", "today so far · Mon 23 Nov 2026"),
        ("yesterday", "yesterday · Sun 22 Nov 2026"),
        ("mtd", "November so far · Sun 01 Nov – Mon 23 Nov 2026"),
        ("last-month", "October · Thu 01 Oct – Sat 31 Oct 2026"),
        ("2026-W02", "week 2 · Mon 05 Jan – Sun 11 Jan 2026"),
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


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (1_284_370_000_000, "1,284.37"), (DOLLAR, "1.00"), (999_999_999, "1.0000"),
        (DOLLAR // 100, "0.0100"), (DOLLAR // 1_000, "0.001000"), (225, "<0.000001"),
        (0, "0.000000"),
    ],
)  # fmt: skip
def test_a_cheap_week_is_not_shown_as_free(cost: int, text: str) -> None:
    shown = lines([row("t0", cost=cost)])
    assert [named(shown, name).split()[1] for name in ("t0", "total")] == [text, text]


def test_a_small_amount_beside_a_large_one_is_not_shown_as_nothing() -> None:
    shown = lines([row("t0", cost=DOLLAR // 1_000), row("t1", cost=50 * DOLLAR)])
    assert [named(shown, name).split()[1] for name in ("t0", "t1")] == ["<0.01", "50.00"]


@pytest.mark.parametrize(
    ("now", "past", "text"),
    [
        (129, 100, "+29%"), (93, 100, "-7%"), (100, 100, "0%"), (351, 100, "+251%"),
        (1_099, 100, "+999%"), (1_100, 100, "×11"), (0, 100, "-100%"), (5, 0, "new"),
        (0, 0, "–"), (1_004, 1_000, "0%"), (1_005, 1_000, "+1%"),
    ],
)  # fmt: skip
def test_a_change_is_told_from_what_was_before(now: int, past: int, text: str) -> None:
    shown = lines(
        [row("t0", cost=now * DOLLAR), row("rest", cost=DOLLAR)],
        [row("t0", cost=past * DOLLAR), row("rest", cost=DOLLAR)],
    )
    assert "vs W46" in shown[3]
    assert named(shown, "t0").split()[2] == text


def test_without_anything_before_there_is_no_comparison() -> None:
    assert not any("vs W46" in line for line in lines([row("t0", cost=DOLLAR)]))


def test_what_is_gone_is_told_and_counts_in_the_total() -> None:
    shown = lines([row("a", cost=DOLLAR)], [row("a", cost=DOLLAR), row("b", cost=DOLLAR)])
    assert named(shown, "total").split()[2] == "-50%"
    assert "    1 row of W46 spent nothing now, $1.00 then" in shown


def test_a_level_stands_under_its_sum_and_others_on_their_own() -> None:
    now = [
        row("acme", "chat", cost=3 * DOLLAR, calls=3),
        row("globex", "chat", cost=2 * DOLLAR, calls=2),
        row("acme", "search", cost=2 * DOLLAR, calls=5),
        row("acme", "", cost=DOLLAR, calls=7),
        row("hooli", "chat", cost=DOLLAR // 2, calls=1),
    ]
    earlier = [row("acme", "gone", cost=4 * DOLLAR), row("acme", "chat", cost=2 * DOLLAR)]
    shown = lines(now, earlier, by=("tenant", "feature"), rows_max=2)
    body = [line[:16].rstrip() for line in shown[4:] if line.strip()][:9]
    assert body == [
        "  acme", "    chat", "    search", "    1 other", "  globex", "    chat", "  1 other",
        "  ──────────────", "  total",
    ]  # fmt: skip
    # acme: 6 dollars now, and 6 before, with what is gone.
    assert named(shown, "acme").split()[1:3] == ["6.00", "0%"]
    others = [line.split() for line in shown if line.strip().startswith("1 other")]
    assert [words[2] for words in others] == ["1.00", "0.50"]
    assert named(shown, "total").split()[1] == "8.50"


def test_others_are_compared_with_what_is_gone_beneath_them_too() -> None:
    """Else the rows of a level would not add up to what the total is compared with."""
    now = [row("acme", "chat", cost=9 * DOLLAR), row("globex", "chat", cost=3 * DOLLAR)]
    earlier = [
        row("acme", "chat", cost=9 * DOLLAR),
        row("globex", "chat", cost=DOLLAR),
        row("globex", "gone", cost=2 * DOLLAR),
    ]
    shown = lines(now, earlier, by=("tenant", "feature"), rows_max=1)
    [others] = [line.split() for line in shown if line.strip().startswith("1 other")]
    assert others[2:4] == ["3.00", "0%"]
    assert named(shown, "total").split()[1:3] == ["12.00", "0%"]


def test_budgets_stand_beside_rows_and_sums_and_are_told_where_they_are_near() -> None:
    def use(spent: int, limit: int = 100) -> BudgetUse:
        return BudgetUse("key=x", limit * DOLLAR, "week", spent * DOLLAR, 0, None)

    now = [
        row("a", "x", cost=9 * DOLLAR),
        row("b", "x", cost=8 * DOLLAR, denied_calls=3),
        row("c", "x", cost=7 * DOLLAR),
        row("d", "x", cost=6 * DOLLAR),
    ]
    uses = {("a",): use(100), ("b",): use(99), ("c", "x"): use(80), ("d",): use(79)}
    shown = lines(now, by=("tenant", "feature"), uses=uses)
    assert "BUDGET USED" in shown[3]
    assert named(shown, "a").endswith("██████ 100%/wk!")
    assert named(shown, "b").endswith("99%/wk!")
    assert named(shown, "d").endswith("████▋·  79%/wk")
    assert [line for line in shown if line.startswith(("  ! ", "  ▲ "))] == [
        "  ! a: 100% of $100.00 a week used",
        "  ! b: 99% of $100.00 a week used, 3 calls refused",
        "  ▲ c / x: 80% of $100.00 a week used",
    ]


def test_a_day_that_has_not_come_is_not_drawn_as_nothing() -> None:
    shown = lines([row("t0", cost=DOLLAR, slots=(DOLLAR, 0, 0, 0, 0, 0, 0))], span="this-week")
    assert "MTWTFSS" in shown[3]
    assert "█      " in named(shown, "t0")
    assert "▁" not in named(shown, "t0")


def test_unpriced_calls_are_in_no_amount_and_never_0() -> None:
    shown = lines(
        [
            row("t0", cost=DOLLAR, unpriced_calls=1, calls=2),
            row("t1", unpriced_calls=3, calls=3),
        ]
    )
    assert named(shown, "t0").split()[1] == "≥1.00"
    assert named(shown, "t1").split()[1] == "unpriced"
    assert named(shown, "total").split()[1] == "≥1.00"
    assert "  ! 4 calls unpriced, in no amount above: `ferry calls list --where unpriced`" in shown


@pytest.mark.parametrize("width", [60, 80, 100, 140])
@pytest.mark.parametrize(
    "name", ["acme", "[red]x[/red]", "x" * 300, "猫" * 90, "a\u202eb\x1b[31m", "e\u0301" * 99]
)
def test_no_name_is_wider_than_its_room_or_acts(name: str, width: int) -> None:
    now = [row(name, cost=1_284 * DOLLAR), row("", cost=DOLLAR)]
    shown = lines(now, [row(name, cost=DOLLAR)], width=width)
    first = next(at for at, line in enumerate(shown) if "TENANT" in line)
    table = shown[first : shown.index("", first)]
    assert [line for line in table if cell_len(line) > width] == []
    assert not set("".join(shown)) & set("\x1b\u202e")
    assert any("1,284.00" in line for line in table), "amounts stay"
    if name == "[red]x[/red]":
        assert any(name in line for line in table)


def test_columns_leave_in_their_order() -> None:
    def heads(width: int) -> set[str]:
        now = [row("a-tenant-of-ours", cost=1_284 * DOLLAR, calls=99_999, input_tokens=10**9)]
        use: dict[tuple[str, ...], BudgetUse] = {}
        use["a-tenant-of-ours",] = BudgetUse("k", DOLLAR, "week", DOLLAR, 0, None)
        shown = lines(now, [row("x", cost=DOLLAR)], width=width, uses=use)
        line = next(one for one in shown if "TENANT" in one)
        return set(line.replace("BUDGET USED", "BUDGET").split())

    every = {"TENANT", "USD", "vs", "W46", "MTWTFSS", "SHARE", "CALLS", "INPUT", "CACHED",
             "OUTPUT", "BUDGET"}  # fmt: skip
    assert heads(140) == every
    assert heads(100) == every - {"OUTPUT"}
    assert heads(80) <= every - {"OUTPUT", "INPUT", "CACHED"}
    assert heads(60) >= {"TENANT", "USD", "vs", "W46", "BUDGET"}


def test_the_next_commands_can_be_copied_and_read_back() -> None:
    shown = lines([row("it's, a\"b", cost=DOLLAR)], ferry="ferry --db x.db", width=60)
    assert "  next        ferry --db x.db report --by tenant,feature" in shown
    [calls] = [line.strip() for line in shown if "calls list" in line]

    words = shlex.split(calls)
    assert words[:7] == ["ferry", "--db", "x.db", "calls", "list", "--since", "last-week"]
    assert parse_filter(words[-1]) == Comparison("tenant", "=", "it's, a\"b")


def test_a_filter_is_told_above_the_table() -> None:
    assert "  where cost>1" in lines([row("t0", cost=DOLLAR)], where="cost>1")
