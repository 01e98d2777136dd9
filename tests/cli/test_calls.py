"""`ferry calls`: the fields that programs rely on, and what is said where there is nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.cli.driver import Ferry
from tests.cli.filled import call

FIELDS = """
schema id started_at first_byte_ms latency_ms key tenant user assistant thread feature tags
endpoint stream priority route requested_model provider model input_tokens cache_read_tokens
cache_write_tokens output_tokens reasoning_tokens cost_nanousd doubt_nanousd
provider_cost_nanousd cost_source state outcome status error attempts downgraded_from
""".split()


def test_json_has_exactly_the_fields_that_programs_rely_on(filled: Ferry) -> None:
    lines = filled("calls", "list", "--since", "7d", "--json").json_lines
    assert len(lines) == 12
    assert all(list(line) == FIELDS for line in lines)


def test_the_latest_call_is_first(filled: Ferry) -> None:
    times = [line["started_at"] for line in filled("calls", "list", "--json").json_lines]
    assert times == sorted(times, reverse=True)


def test_a_call_is_told_in_the_types_that_were_promised(filled: Ferry) -> None:
    known = filled("calls", "show", "c_01M83PPH00E0", "--json").json
    assert known["started_at"] == "2026-11-23T08:00:00.000000Z"
    assert known["tags"] == {"plan": "gold"}
    assert known["stream"] is True
    assert (known["first_byte_ms"], known["latency_ms"]) == (610, 2_400)
    assert (known["input_tokens"], known["cache_read_tokens"]) == (1_500, 500)
    assert known["cost_nanousd"] == 70_000_000
    assert known["key"] == "acme-web"
    assert (known["tries"], known["lines"], known["corrections"]) == ([], [], [])
    assert known["cost"]["cache_read_nanousd"] == 10_000_000


def test_what_has_no_cost_is_null_and_never_0(filled: Ferry) -> None:
    by_state = {
        (line["state"], line["cost_source"]): line
        for line in filled("calls", "list", "--json").json_lines
    }
    assert by_state["held", ""]["cost_nanousd"] is None
    assert by_state["settled", "unpriced"]["cost_nanousd"] is None
    assert by_state["denied", ""]["cost_nanousd"] == 0
    assert by_state["held", ""]["latency_ms"] is None


def test_the_limit_bounds_both_forms(filled: Ferry) -> None:
    assert len(filled("calls", "list", "--limit", "2", "--json").json_lines) == 2
    assert len(filled("calls", "list", "--limit", "2").out.splitlines()) == 1 + 2
    assert (
        "the latest 2, more with --limit" in filled("calls", "list", "--limit", "2", columns=80).err
    )


def test_a_pipe_gets_whole_names_and_every_place(filled: Ferry) -> None:
    heading, *rows = [
        line.split("\t") for line in filled("calls", "list", "--since", "7d").out.splitlines()
    ]
    assert all(len(row) == len(heading) for row in rows)
    cost = heading.index("cost_usd")
    assert [row[cost] for row in rows] == [
        "", "0", "0", "unpriced", "0.05", "0.07", "0.2", "0.5", "0.7", "0.6", "2", "1",
    ]  # fmt: skip
    assert "llama-in-the-cellar-70b-instruct" in rows[3]


def cost_in_pipe(ferry: Ferry, id: str) -> str:
    """`cost_usd` of one call, as a row of tabs has it."""
    heading, *rows = [line.split("\t") for line in ferry("calls", "list").out.splitlines()]
    (row,) = (row for row in rows if row[heading.index("id")] == id)
    return row[heading.index("cost_usd")]


def test_what_was_unpriced_and_is_corrected_has_a_cost_in_every_form(filled: Ferry) -> None:
    lines = filled("calls", "list", "--json").json_lines
    (id,) = (line["id"] for line in lines if line["cost_source"] == "unpriced")
    assert cost_in_pipe(filled, id) == "unpriced"
    filled("calls", "correct", id, "--cost", "0.5")
    assert cost_in_pipe(filled, id) == "0.5"
    assert filled("calls", "show", id, "--json").json["cost_nanousd"] == 500_000_000
    assert "unpriced" not in filled("calls", "list", columns=100).out


def test_a_name_that_slipped_in_raw_acts_nowhere(filled: Ferry) -> None:
    bad = "\x1b[2J\tgpt\n\u202e\x9b31m"
    with closing(sqlite3.connect(filled.database)) as connection:
        at = "2026-11-23T08:30:00+00:00"
        id = call(connection, at, 99, 1, model=bad, tenant=bad, provider=bad, feature="[bold]")
        connection.commit()
    for arguments in (["calls", "list"], ["calls", "show", id], ["report", "--since", "today"]):
        for columns in (0, 80):
            for form in ([], ["--json"]):
                said = filled(*arguments, *form, columns=columns, environment={"NO_COLOR": "1"})
                assert said.code == 0, said.err
                assert not set(said.out) & set("\x1b\u202e\x9b")
    assert filled("calls", "show", id, "--json").json["model"] == bad
    tabs = {line.count("\t") for line in filled("calls", "list").out.splitlines()}
    assert len(tabs) == 1


@pytest.mark.parametrize("arguments", [["calls", "list"], ["report"], ["db", "status"]])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_no_database_is_no_error_and_makes_none(
    ferry: Ferry, arguments: list[str], form: list[str]
) -> None:
    said = ferry(*arguments, *form)
    assert said.code == 0
    assert said.err.startswith("no ")
    if arguments == ["report"] and form:
        assert said.json["total"]["calls"] == 0, "a program still gets its object"
    else:
        assert said.out == ""
    assert not ferry.database.exists()


def test_the_first_call_can_be_copied(ferry: Ferry) -> None:
    said = ferry("calls", "list", columns=80, environment={"FERRY_LISTEN": "0.0.0.0:8080"})
    assert "curl -s http://127.0.0.1:8080/v1/chat/completions \\\n" in said.err
    first, *rest = said.err.splitlines()
    assert first == f"no calls yet: no database at `{ferry.database}`"
    assert all(len(line) <= 80 for line in rest)


def test_an_empty_span_says_where_the_latest_call_is(filled: Ferry) -> None:
    said = filled("calls", "list", "--since", "2026-11-01", "--json")
    assert (said.code, said.out) == (0, "")
    assert said.err.startswith(
        "no calls in `2026-11-01`; the latest began 2026-11-23 09:00 Europe/Berlin\n"
    )


@pytest.mark.parametrize(
    ("id", "sentence"),
    [
        ("c_01M83PPH00E0082R00000000ZZ", "there is no call `c_01M83PPH00E0082R00000000ZZ`"),
        ("nonsense!", "there is no call `nonsense!`"),
        ("c_01M8", "`c_01M8` begins 7 call ids or more"),
    ],
)
def test_a_call_that_is_not_one_exits_3(filled: Ferry, id: str, sentence: str) -> None:
    said = filled("calls", "show", id)
    assert said.code == 3
    assert said.err.startswith(f"error: {sentence}\n")


def test_a_rolling_period_is_told_in_words(filled: Ferry) -> None:
    filled("budgets", "set", "tenant=acme", "--limit", "9/rolling 7d")
    with closing(sqlite3.connect(filled.database)) as connection:
        query = "SELECT id FROM budgets WHERE selector = 'tenant=acme'"
        (budget,) = connection.execute(query).fetchone()
        of_budget = {"budget_id": budget, "free_nanousd": 3_000_000_000}
        id = call(connection, "2026-11-23T08:30:00+00:00", 99, 5, **of_budget)
        connection.commit()
    said = filled("calls", "show", id, columns=100).out
    assert "$3.00 was free at admission of $9.00 in the last 7 days, tenant=acme" in said


def test_show_without_a_database_is_an_error(ferry: Ferry) -> None:
    assert ferry("calls", "show", "c_01M8").code == 3


def test_a_file_of_another_program_is_told(ferry: Ferry) -> None:
    ferry.database.write_bytes(b"not a database at all, but long enough to be read as one" * 99)
    said = ferry("calls", "list")
    assert said.code == 6
    assert said.err.startswith(f"error: cannot use `{ferry.database}`: file is not a database\n")


def test_an_empty_file_is_as_no_database(ferry: Ferry) -> None:
    ferry.database.touch()
    said = ferry("calls", "list")
    assert (said.code, said.err.splitlines()[0]) == (0, "no calls yet")


def test_what_a_call_truly_cost_is_said_once_and_counts_from_then_on(filled: Ferry) -> None:
    said = filled("calls", "correct", "c_01M83PPH00E0", "--cost", "0.0725", "--note", "invoice")
    assert said.err.endswith(" cost $0.0725, was $0.07\n")
    assert filled("calls", "show", "c_01M83PPH00E0", "--json").json["cost_nanousd"] == 72_500_000
    again = filled("calls", "correct", "c_01M83PPH00E0", "--cost", "0.0725")
    assert again.err.endswith(" cost $0.0725 already; nothing was changed\n")
    made = filled("calls", "correct", "c_01M83PPH00E0", "--cost", "0", "--json").json
    assert (made["was_nanousd"], made["cost_nanousd"], made["is_new"]) == (72_500_000, 0, True)


def test_card_of_a_corrected_call_has_its_cost_and_its_history(filled: Ferry) -> None:
    id = "c_01M83PPT"
    filled("calls", "correct", id, "--cost", "0.1", "--note", "invoice \x1b[2J\n of November")
    filled("calls", "correct", id, "--cost", "0.0725")
    plain = {"NO_COLOR": "1"}
    shown = filled("calls", "show", id, columns=100, environment=plain).out
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "total 0.0725" in lines
    first = lines.index("at first ≈$0.05, $0.03 in doubt")
    added = "corrected 2026-11-23 10:00 +$0.05, $0.03 no longer in doubt operator: invoice"
    assert lines[first + 1 : first + 5] == [
        "estimated: the provider reported no usage · genai-prices 0.2.3",
        f"{added} [2J of November",
        "corrected 2026-11-23 10:00 -$0.0275 operator",
        "",
    ]
    assert "≈" not in filled("calls", "list", columns=100, environment=plain).out


@pytest.mark.parametrize(
    ("id", "cost", "told"),
    [
        ("c_01M83PPH00E0", "0.5", "cost $0.50, was $0.07"),
        ("c_01M83PPH00E0", "0", "cost $0.00, was $0.07"),
        ("c_01M83PPH00E0", "0.000225", "cost $0.000225, was $0.07"),
        ("c_01M83PPH00E0", "1234.5", "cost $1,234.50, was $0.07"),
        ("c_01M83PPH00E0", "0.07", "cost $0.07 already; nothing was changed"),
        # Estimated, with a doubt; unpriced.
        ("c_01M83PPT", "0.1", "cost $0.10, was $0.05; $0.03 is in doubt no more"),
        ("c_01M83PQ4", "2", "cost $2.00, was unpriced"),
    ],
)
def test_amounts_of_a_correction_have_cents_and_all_their_places(
    filled: Ferry, id: str, cost: str, told: str
) -> None:
    said = filled("calls", "correct", id, "--cost", cost)
    assert said.err.partition(" ")[2] == f"{told}\n"


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["c_01M83PPH00E0", "--cost", "-1"], 2, "-1"),
        (["c_01M83PPH00E0", "--cost", "much"], 2, "much"),
        (["c_0000", "--cost", "1"], 3, "there is no call"),
    ],
)
def test_correction_that_makes_no_sense_is_refused(
    filled: Ferry, arguments: list[str], code: int, why: str
) -> None:
    said = filled("calls", "correct", *arguments)
    assert said.code == code
    assert why in said.err
