"""`ferry report`: rows add up, to the nano-dollar, whatever is asked by."""

from __future__ import annotations

import csv
import io
import random
import sqlite3
from contextlib import closing
from decimal import Decimal
from itertools import combinations

import pytest

from ferrycli.store.sums import FIGURES, GROUPS
from tests.cli.driver import Ferry
from tests.cli.filled import CENT, call

PLAIN = {"NO_COLOR": "1"}


def test_last_week_is_what_the_rows_say(filled: Ferry) -> None:
    sheet = filled("report", "--json").json
    assert sheet["schema"] == "ferry.report/1"
    assert (sheet["since"], sheet["until"]) == (
        "2026-11-15T23:00:00.000000Z",
        "2026-11-22T23:00:00.000000Z",
    )
    assert sheet["by"] == ["tenant"]
    assert [(row["tenant"], row["calls"], row["cost_nanousd"]) for row in sheet["rows"]] == [
        ("acme", 3, 360 * CENT),
        ("globex", 2, 120 * CENT),
        ("", 1, 20 * CENT),
    ]
    assert sheet["total"]["cost_nanousd"] == 500 * CENT


def test_an_empty_last_week_gives_this_week_and_says_so(filled: Ferry) -> None:
    with closing(sqlite3.connect(filled.database)) as connection:
        connection.execute("DELETE FROM calls WHERE seq < (SELECT max(seq) FROM calls) - (1 << 41)")
        connection.commit()
    said = filled("report", columns=80, environment=PLAIN)
    assert "last week is empty · week 48 so far · Mon 23 Nov 2026" in said.out
    assert filled("report", "--json").json["since"] == "2026-11-22T23:00:00.000000Z"


def test_unpriced_calls_are_named_and_never_0_in_silence(filled: Ferry) -> None:
    said = filled("report", "--since", "today", columns=80, environment=PLAIN)
    rows = {words[0]: words[1] for line in said.out.splitlines() if len(words := line.split()) > 1}
    assert (rows["globex"], rows["total"], rows["acme"]) == ("unpriced", "≥0.1200", "0.1200")
    assert "! 1 call unpriced, in no amount above" in said.out


def test_a_dimension_named_twice_counts_once(filled: Ferry) -> None:
    assert filled("report", "--by", "Tenant, tenant,model", "--json").json["by"] == [
        "tenant",
        "model",
    ]


def test_a_report_of_nothing_is_still_an_object(filled: Ferry) -> None:
    said = filled("report", "--since", "2020-01-01", "--json")
    assert said.json["rows"] == []
    total = said.json["total"]
    assert {total[name] for name in FIGURES} == {0}
    assert said.err == ""


def test_an_empty_span_still_says_what_is_gone(filled: Ferry) -> None:
    """On 21 November nobody called; on the 20th globex spent 50 cents."""
    said = filled("report", "--since", "2026-11-21", "--json").json
    assert (said["rows"], said["total"]["calls"]) == ([], 0)
    assert said["total"]["previous_cost_nanousd"] == 50 * CENT
    assert said["gone"] == {"rows": 1, "previous_cost_nanousd": 50 * CENT}


@pytest.fixture
def crowded(ferry: Ferry) -> Ferry:
    """400 calls of chance, with corrections, by plain INSERTs."""
    ferry("keys", "create", "web", "--quiet")
    chance = random.Random(11)
    names = [
        "",
        "acme",
        "globex",
        "a-name-that-is-longer-than-any-column-would-ever-like",
        "日本語",
    ]
    with closing(sqlite3.connect(ferry.database)) as connection:
        for number in range(400):
            at = f"2026-11-{chance.randint(16, 22)}T{chance.randint(0, 22):02}:{number % 60:02}:00"
            id = call(
                connection, f"{at}+00:00", number, None, cost_nanousd=chance.choice(
                    [None, 0, 1, 225, chance.randint(0, 10**12), chance.randint(0, 10**7)]
                ),
                tenant=chance.choice(names), feature=chance.choice(names),
                user=chance.choice(names), assistant=chance.choice(names),
                thread=chance.choice(names), provider=chance.choice(names),
                model=chance.choice(names), route=chance.choice(names),
                outcome=chance.choice(["ok", "left"]), n_input=chance.randint(0, 10**6),
                cost_source=chance.choice(["reported", "estimated", "unpriced"]),
            )  # fmt: skip
            if chance.random() < 0.2:
                connection.execute(
                    "INSERT INTO corrections (id, call_seq, delta_nanousd)"
                    " SELECT ?, seq, ? FROM calls WHERE id = ?",
                    [f"x{number}", chance.randint(-(10**9), 10**9), id],
                )
        connection.commit()
    return ferry


def test_rows_add_up_to_one_total_whatever_they_are_summed_by(crowded: Ferry) -> None:
    with closing(sqlite3.connect(crowded.database)) as connection:
        effective = connection.execute(
            "SELECT sum(max(0, coalesce(cost_nanousd, 0) + coalesce((SELECT sum(delta_nanousd)"
            " FROM corrections WHERE call_seq = seq), 0))) FROM calls"
        ).fetchone()[0]
    choices = [*combinations(GROUPS, 1), ("tenant", "feature"), ("model", "user", "thread")]
    for by in choices:
        sheet = crowded("report", "--by", ",".join(by), "--json").json
        assert sheet["total"]["cost_nanousd"] == effective
        assert sheet["total"]["calls"] == 400
        for figure in FIGURES:
            assert sum(row[figure] for row in sheet["rows"]) == sheet["total"][figure]
        keys = [tuple(row[name] for name in by) for row in sheet["rows"]]
        assert len(set(keys)) == len(keys)


def test_a_pipe_s_rows_add_up_too(crowded: Ferry) -> None:
    heading, *rows = [
        line.split("\t") for line in crowded("report", "--by", "model").out.splitlines()
    ]
    total = crowded("report", "--json").json["total"]
    at = heading.index("cost_usd")
    assert sum(Decimal(row[at]) for row in rows) * 10**9 == total["cost_nanousd"]


@pytest.mark.parametrize("columns", [60, 80, 100, 140])
@pytest.mark.parametrize("by", ["tenant", "tenant,feature", "model", "user,thread"])
def test_no_width_cuts_money_or_overflows(crowded: Ferry, columns: int, by: str) -> None:
    from rich.cells import cell_len

    wide = crowded("report", "--by", by, columns=160, environment=PLAIN).out
    amounts = {word for line in wide.splitlines() for word in line.split() if "." in word}
    said = crowded("report", "--by", by, columns=columns, environment=PLAIN)
    shown = said.out.partition("\n  next ")[0]
    assert all(cell_len(line) <= columns for line in shown.splitlines())
    money = {word for word in amounts if word.replace(",", "").replace(".", "").isdigit()}
    assert {word for word in money if word in said.out} == money


def test_csv_and_json_hold_the_same_sums(crowded: Ferry) -> None:
    read = list(csv.DictReader(io.StringIO(crowded("report", "--by", "model,user", "--csv").out)))
    sheet = crowded("report", "--by", "model,user", "--json").json
    assert len(read) == len(sheet["rows"])
    for name in FIGURES:
        column = name.replace("_nanousd", "_usd")
        scale = 10**9 if column != name else 1
        assert sum(Decimal(row[column]) for row in read) * scale == sheet["total"][name], name


@pytest.mark.parametrize("form", [["--json"], ["--csv"], []])
@pytest.mark.parametrize("top", ["0", "1", "3", "99"])
def test_rows_and_others_add_up_in_every_form(crowded: Ferry, form: list[str], top: str) -> None:
    whole = crowded("report", "--by", "user", "--json").json
    said = crowded("report", "--by", "user", "--top", top, *form)
    shown = int(top) if 0 < int(top) < len(whole["rows"]) else len(whole["rows"])
    if form == ["--json"]:
        assert said.json["total"] == whole["total"]
        assert said.json["rows"] == whole["rows"][:shown]
        others = said.json["others"] or {"calls": 0}
        assert sum(row["calls"] for row in said.json["rows"]) + others["calls"] == 400
    else:
        rows = list(csv.DictReader(io.StringIO(said.out), delimiter="," if form else "\t"))
        assert len(rows) == shown + (shown < len(whole["rows"]))
        assert sum(int(row["calls"]) for row in rows) == 400
        cost = sum(Decimal(row["cost_usd"]) for row in rows)
        assert cost * 10**9 == whole["total"]["cost_nanousd"]


def test_a_filter_leaves_what_it_says(filled: Ferry) -> None:
    sheet = filled("report", "--where", "tenant=acme and feature!=support-bot", "--json").json
    assert sheet["where"] == "tenant=acme and feature!=support-bot"
    assert [(row["tenant"], row["calls"]) for row in sheet["rows"]] == [("acme", 1)]
    listed = filled("calls", "list", "--since", "last-week", "--where", "cost>0.9", "--json")
    assert [row["cost_nanousd"] for row in listed.json_lines] == [200 * CENT, 100 * CENT]


@pytest.mark.parametrize(
    ("arguments", "told", "hint"),
    [
        (["--where", "tenant=acme and modle~gpt"], "there is no field `modle`", "`model`"),
        (["--by", "tennant"], "there is no dimension `tennant`", "did you mean `tenant`?"),
        (["--since", "2026-12"], "`2026-12` has not begun", "`this-week`"),
        (["--since", "soon"], "`soon` is no span of time", "`ferry help periods`"),
        (["--json", "--csv"], "`--json` and `--csv` are two forms", "choose one"),
        (["--top", "-1"], "invalid value for `--top`", "`ferry report --help`"),
    ],
)
def test_bad_input_is_told_with_what_mends_it(
    filled: Ferry, arguments: list[str], told: str, hint: str
) -> None:
    said = filled("report", *arguments)
    assert (said.code, said.out) == (2, "")
    assert told in said.err
    assert hint in said.err.partition("hint: ")[2]


def test_the_place_of_a_mistake_is_pointed_at(filled: Ferry) -> None:
    lines = filled("report", "--where", "tenant=acme and modle~gpt").err.splitlines()
    assert lines[2][lines[3].index("^") :].startswith("modle~gpt")
