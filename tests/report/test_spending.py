"""Who spent what, as values: rows add up whatever is shown of them, in every form."""

from __future__ import annotations

import csv
import io
import random
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from ferrycli.report.budget_use import BudgetUse
from ferrycli.report.spending import (
    Asked,
    Found,
    Spending,
    dimensions,
    spending,
    spending_csv,
    spending_fields,
    spending_heading,
    spending_json,
)
from ferrycli.report.times import ago, iso, milliseconds, seconds
from ferrycli.rules.errors import BadField
from ferrycli.rules.money import nanousd
from ferrycli.rules.spans import before, parse_span, slots
from ferrycli.rules.windows import to_us
from ferrycli.store.sums import FIGURES, Sum

BERLIN = ZoneInfo("Europe/Berlin")
NOW = to_us(datetime(2026, 11, 23, 10, tzinfo=BERLIN))
DOLLAR = 1_000_000_000
SPAN = parse_span("last-week", NOW, BERLIN)
ASKED = Asked(("tenant",), SPAN, before(SPAN, NOW, BERLIN), slots(SPAN, BERLIN))


def row(*names: str, **figures: int) -> Sum:
    return Sum(by=names, slots=(0,) * 7, **(dict.fromkeys(FIGURES, 0) | figures))


def many(count: int, seed: int = 7) -> Spending:
    dice = random.Random(seed)
    rows = [row(f"t{at}", **{name: dice.randrange(10**12) for name in FIGURES})
            for at in range(count)]  # fmt: skip
    earlier = [row(f"t{at}", cost_nanousd=dice.randrange(10**12)) for at in range(count + 3)]
    return spending(ASKED, Found(rows, earlier))


def test_rows_of_equal_cost_keep_one_order() -> None:
    found = Found([row(name) for name in "cab"], ())
    assert [line.names for line in spending(ASKED, found).rows] == [("a",), ("b",), ("c",)]


@pytest.mark.parametrize("rows_max", [0, 1, 3, 9, 10, 11])
def test_rows_and_others_and_gone_add_up_to_the_total(rows_max: int) -> None:
    made = spending_json(many(10), rows_max)
    parts = [*made["rows"], *([made["others"]] if made["others"] else [])]
    assert (made["others"] is None) == (rows_max in (0, 10, 11))
    assert made["others"] is None or made["others"]["rows"] == 10 - rows_max
    for name in FIGURES:
        assert sum(part[name] for part in parts) == made["total"][name], name
    past = sum(part["previous_cost_nanousd"] for part in [*parts, made["gone"]])
    assert past == made["total"]["previous_cost_nanousd"]
    assert made["gone"]["rows"] == 3


def test_nothing_is_as_many_zeros_as_there_are_parts() -> None:
    made = spending_json(spending(ASKED, Found((), ())))
    assert made["total"]["slots_nanousd"] == [0] * (len(made["slots"]["edges"]) - 1)
    assert {made["total"][name] for name in FIGURES} == {0}


def test_the_object_says_what_it_is_of() -> None:
    made = spending_json(many(1))
    assert made["schema"] == "ferry.report/1"
    assert (made["since"], made["until"]) == (
        "2026-11-15T23:00:00.000000Z",
        "2026-11-22T23:00:00.000000Z",
    )
    assert made["compared"] == {
        "since": "2026-11-08T23:00:00.000000Z",
        "until": "2026-11-15T23:00:00.000000Z",
    }
    assert made["slots"]["unit"] == "day"
    assert len(made["slots"]["edges"]) == len(made["rows"][0]["slots_nanousd"]) + 1 == 8
    assert made["rows"][0]["budget"] is None


def test_a_budget_is_given_with_its_window() -> None:
    use = BudgetUse("key=k", 5 * DOLLAR, "week", DOLLAR, SPAN.since_us, SPAN.until_us)
    made = spending_json(spending(ASKED, Found([row("a")], (), {("a",): use})))
    assert made["rows"][0]["budget"] == {
        "selector": "key=k",
        "limit_nanousd": 5 * DOLLAR,
        "period": "week",
        "spent_nanousd": DOLLAR,
        "window_start": "2026-11-15T23:00:00.000000Z",
        "resets_at": "2026-11-22T23:00:00.000000Z",
    }


@pytest.mark.parametrize("rows_max", [0, 4])
def test_csv_and_rows_of_tabs_hold_what_the_object_holds(rows_max: int) -> None:
    sheet = many(9)
    made = spending_json(sheet, rows_max)
    wanted = [*made["rows"], *([made["others"]] if made["others"] else [])]
    read = list(csv.DictReader(io.StringIO("\n".join(spending_csv(sheet, rows_max)))))
    tabs = [
        dict(zip(spending_heading(sheet), map(str, fields), strict=True))
        for fields in spending_fields(sheet, rows_max)
    ]
    assert read == tabs
    assert len(read) == len(wanted)
    for got, part in zip(read, wanted, strict=True):
        for name in FIGURES:
            if name.endswith("_nanousd"):
                assert nanousd(Decimal(got[name.replace("_nanousd", "_usd")])) == part[name]
            else:
                assert int(got[name]) == part[name]
        assert nanousd(Decimal(got["previous_cost_usd"])) == part["previous_cost_nanousd"]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("=1+1", "'=1+1"), ("+x", "'+x"), ("-x", "'-x"), ("@x", "'@x"), ("a=b", "a=b"),
        ('say "x", y', 'say "x", y'), ("", ""), ("x\ny", "x\ny"),
    ],
)  # fmt: skip
def test_no_name_is_a_formula_in_csv(name: str, written: str) -> None:
    text = "\n".join(spending_csv(spending(ASKED, Found([row(name)], ()))))
    assert next(csv.DictReader(io.StringIO(text)))["tenant"] == written


def test_dimensions_are_read_in_any_case_with_their_other_names_and_once() -> None:
    assert dimensions("Tenant, tenant,MODEL") == ("tenant", "model")
    assert dimensions("agent,session,workflow") == ("assistant", "thread")
    for text in ("", "tenant,", "tennant"):
        with pytest.raises(BadField):
            dimensions(text)


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
