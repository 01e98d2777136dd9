"""`ferry prices`: dollars per million in, whole nano-dollars kept, and the origin told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.driver import Ferry

DOLLAR = 1_000_000_000


def test_a_price_that_was_set_applies_and_says_so(ferry: Ferry) -> None:
    said = ferry(
        "prices", "set", "openai/gpt-5-mini", "--input", "3", "--output", "15", "--cache-read",
        "0.3", "--cache-write", "3.75", "--cache-write-1h", "6", "--audio-in", "1",
    )  # fmt: skip
    assert said.code == 0
    assert said.err.startswith("openai/gpt-5-mini costs, per million tokens: input $3, cached $0.3")
    shown = ferry("prices", "show", "openai/gpt-5-mini", "--json").json
    assert shown["origin"].startswith("override rate_")
    assert shown["prices"][0]["nanousd_per_million"] == {
        "input": 3 * DOLLAR,
        "cache_read": DOLLAR * 3 // 10,
        "cache_write_5m": DOLLAR * 375 // 100,
        "cache_write_30m": DOLLAR * 375 // 100,
        "cache_write_1h": 6 * DOLLAR,
        "output": 15 * DOLLAR,
        "audio_in": DOLLAR,
    }


def test_the_catalogue_s_price_says_its_edition(ferry: Ferry) -> None:
    shown = ferry("prices", "show", "openai/gpt-5-mini", "--json").json
    assert shown["origin"].startswith("genai-prices ")
    assert shown["provider"] == "openai"


def test_a_provider_may_have_another_name_in_the_catalogue(ferry: Ferry) -> None:
    assert ferry("prices", "show", "gemini/gemini-2.5-flash").code == 0


def test_a_bare_name_is_looked_for_everywhere(ferry: Ferry) -> None:
    assert "openai/gpt-5-mini" in ferry("prices", "show", "gpt-5-mini").out


def test_a_deployment_shows_the_price_of_its_model_where_it_is(
    ferry: Ferry, tmp_path: Path
) -> None:
    config = tmp_path / "prices.toml"
    config.write_text(
        '[providers.work]\nbase_url = "https://eu.api.openai.com/v1"\ncatalogue = "openai"\n'
        'aliases = { "my-gpt" = "gpt-5.6-sol" }\n'
    )
    given = {"FERRY_CONFIG": str(config)}
    shown = ferry("prices", "show", "work/my-gpt", "--json", environment=given).json
    assert shown["model"] == "gpt-5.6-sol"
    assert shown["prices"][0]["nanousd_per_million"]["input"] == DOLLAR * 44 // 10


def test_what_a_word_of_the_tier_makes_of_a_price_is_shown(ferry: Ferry) -> None:
    shown = ferry("prices", "show", "anthropic/claude-opus-5-5", "--json").json
    by_tier = {one["tier"]: one["nanousd_per_million"]["input"] for one in shown["prices"]}
    assert by_tier == {
        "": 4 * DOLLAR, "us": DOLLAR * 44 // 10, "fast": 8 * DOLLAR, "batch": 2 * DOLLAR
    }  # fmt: skip


def test_a_price_for_later_does_not_apply_now(ferry: Ferry) -> None:
    ferry("prices", "set", "local/x", "--input", "1", "--output", "1", "--from", "2026-11-24")
    assert ferry("prices", "show", "local/x").code == 3
    ferry("prices", "set", "local/x", "--input", "1", "--output", "1", "--from", "2026-11-23")
    assert ferry("prices", "show", "local/x").code == 0


def test_a_list_shows_what_was_set_with_its_day_and_tier(ferry: Ferry) -> None:
    ferry("prices", "set", "local/*", "--input", "0", "--output", "0", "--tier", "flex")
    ferry("prices", "set", "local/x", "--input", "1", "--output", "2", "--from", "2026-12-01")
    lines = ferry("prices", "list", "--json").json_lines
    assert {line["model"]: (line["tier"], line["from"]) for line in lines} == {
        "*": ("flex", None),
        "x": ("", "2026-11-30T23:00:00.000000Z"),  # Midnight in Berlin.
    }
    assert "2026-12-01" in ferry("prices", "list", columns=80).out
    heading, *rows = ferry("prices", "list").out.splitlines()
    assert [line.count("\t") for line in rows] == [heading.count("\t")] * 2


def test_no_price_of_one_s_own_is_said(ferry: Ferry) -> None:
    said = ferry("prices", "list", "--json")
    assert (said.code, said.out) == (0, "")
    assert said.err.startswith("no prices were set here")


def test_half_a_price_says_what_it_leaves_out(ferry: Ferry) -> None:
    said = ferry("prices", "set", "local/embed", "--input", "0.02")
    assert said.code == 0
    assert "its output has no price: calls that have output are unpriced" in said.err


@pytest.mark.parametrize(
    ("model", "warning"),
    [
        ("one/big", ""),
        ("one/big*", ""),
        ("two/anything", ""),
        ("onne/big", "no provider is configured as `onne`\n  did you mean `one`?\n"),
        ("one/bgi", "provider `one` does not list `bgi`\n  did you mean `big`?\n"),
    ],
)
def test_a_price_that_no_call_can_have_yet_is_set_with_a_warning(
    ferry: Ferry, tmp_path: Path, model: str, warning: str
) -> None:
    config = tmp_path / "prices.toml"
    tables = ('[providers.one]\nmodels = ["big", "small"]', "[providers.two]")
    config.write_text("\n".join(f'{one}\nbase_url = "http://127.0.0.1:1"' for one in tables))
    given = {"FERRY_CONFIG": str(config)}
    said = ferry("prices", "set", model, "--input", "1", "--output", "1", environment=given)
    assert said.code == 0
    assert said.err.partition("\n\n! this prices no call yet: ")[2] == warning
    assert model.partition("/")[2] in ferry("prices", "list").out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["gpt-5", "--input", "1"], "`gpt-5` is no value for `model`"),
        (["/x", "--input", "1"], "`/x` is no value for `model`"),
        (["*/odd", "--input", "1"], "`*/odd` is no value for `model`"),
        (["openai/x"], "`openai/x` is no price: neither --input nor --output was given"),
        (["openai/x", "--input", "free"], "`free` is no price: it is not a number of dollars"),
        (["openai/x", "--input", "-1"], "`-1` is no price"),
        (["openai/x", "--input", "inf"], "`inf` is no price"),
        (["openai/x", "--input", "1", "--from", "soon"], "`soon` is no value for `from`"),
        (["openai/x", "--input", "1", "--from", "2026-02-30"], "`2026-02-30` is no value"),
    ],
)
def test_what_is_no_price_is_refused_before_anything_is_made(
    ferry: Ferry, arguments: list[str], sentence: str
) -> None:
    said = ferry("prices", "set", *arguments)
    assert said.code == 2
    assert said.err.startswith(f"error: {sentence}")
    assert not ferry.database.exists()


def test_a_model_without_a_price_exits_3(ferry: Ferry) -> None:
    said = ferry("prices", "show", "openai/gpt-nonsense")
    assert said.code == 3
    assert said.err.startswith("error: there is no price for `openai/gpt-nonsense`\n")


def test_a_meter_is_priced_by_the_unit_and_shown_so(ferry: Ferry) -> None:
    said = ferry("prices", "set", "meter/vector_read", "--per", "0.0000004")
    assert (said.code, said.err) == (0, "meter/vector_read costs $0.0000004 a unit\n")
    shown = ferry("prices", "show", "meter/vector_read", "--json").json
    assert shown["nanousd_per_million"] == {"unit": 400_000_000}
    assert (shown["provider"], shown["model"]) == ("meter", "vector_read")
    assert shown["origin"].startswith("override rate_")
    assert "0.0000004 USD a unit" in ferry("prices", "show", "meter/vector_read").out
    assert ferry("prices", "show", "meter/memory_write").code == 3


def test_a_meter_s_price_may_begin_later_and_replaces_the_one_of_its_day(ferry: Ferry) -> None:
    for per, more in (("1", ()), ("2", ()), ("3", ("--from", "2026-11-24"))):
        assert ferry("prices", "set", "meter/mem_*", "--per", per, *more).code == 0
    listed = ferry("prices", "list", "--json").json_lines
    assert [one["nanousd_per_million"]["unit"] // DOLLAR for one in listed] == [
        3_000_000,
        2_000_000,
    ]
    shown = ferry("prices", "show", "meter/mem_write", "--json").json
    assert (shown["model"], shown["nanousd_per_million"]) == (
        "mem_write",
        {"unit": 2_000_000 * DOLLAR},
    )


def test_meters_are_listed_apart_from_models(ferry: Ferry) -> None:
    ferry("prices", "set", "meter/vector_read", "--per", "0.0000004")
    alone = ferry("prices", "list", columns=80).out
    assert "A UNIT" in alone
    assert "MODEL" not in alone
    ferry("prices", "set", "local/x", "--input", "1", "--output", "2")
    both = ferry("prices", "list", columns=80).out
    assert both.index("local/x") < both.index("USD per million tokens") < both.index("METER")
    heading, *rows = (line.split("\t") for line in ferry("prices", "list").out.splitlines())
    found = [dict(zip(heading, row, strict=True)) for row in rows]
    by_model = {row["model"]: (row["input"], row["per_unit"]) for row in found}
    assert by_model == {"local/x": ("1", ""), "meter/vector_read": ("", "0.0000004")}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["meter/x"], "`meter/x` is no price: a meter takes --per"),
        (["meter/x", "--input", "1"], "`meter/x` is no price: a meter takes --per"),
        (["meter/x", "--per", "1", "--output", "1"], "`meter/x` is no price: --per is for"),
        (["meter/x", "--per", "1", "--tier", "flex"], "`meter/x` is no price: --per is for"),
        (["openai/x", "--per", "1"], "`openai/x` is no price: --per is for meter/NAME alone"),
        (["openai/x", "--per", "1", "--input", "1"], "`openai/x` is no price: --per is for"),
        (["meter/x", "--per", "much"], "`much` is no price: it is not a number of dollars"),
        (["meter/x", "--per", "1000.1"], "`1000.1` is no price"),
        (["meter/x", "--per", "-1"], "`-1` is no price"),
    ],
)
def test_what_is_no_price_of_a_meter_is_refused(
    ferry: Ferry, arguments: list[str], why: str
) -> None:
    said = ferry("prices", "set", *arguments)
    assert said.code == 2
    assert said.err.startswith(f"error: {why}")
    assert not ferry.database.exists()


def test_fees_and_long_writes_can_be_set(ferry: Ferry) -> None:
    ferry(
        "prices", "set", "local/x", "--input", "1", "--output", "2",
        "--cache-write-12h", "2", "--web-search", "10",
    )  # fmt: skip
    shown = ferry("prices", "show", "local/x", "--json").json
    rates = shown["prices"][0]["nanousd_per_million"]
    assert (rates["cache_write_12h"], rates["web_search"]) == (2 * DOLLAR, 10_000 * DOLLAR)


def test_what_could_not_be_priced_is_told_until_it_is_mended(filled: Ferry) -> None:
    said = filled("prices", "check", "--json")
    assert said.code == 5
    (told,) = said.json_lines
    assert told == {
        "schema": "ferry.unpriced/1",
        "provider": "local",
        "model": "llama-in-the-cellar-70b-instruct",
        "tier": "",
        "why": "no price",
        "calls": 1,
        "unpriced_calls": 1,
        "input_tokens": 1_500,
        "output_tokens": 200,
        "web_searches": 0,
        "is_mended": False,
        "command": "ferry prices set local/llama-in-the-cellar-70b-instruct"
        " --input USD --output USD --cache-read USD",
    }
    assert filled("prices", "check", "--since", "2026-11-16..2026-11-22").code == 0
    filled("prices", "set", "local/llama*", "--input", "0", "--output", "0")
    said = filled("prices", "check", columns=80)
    assert (said.code, "priced since" in said.out, "prices set" in said.out) == (0, True, False)


def test_a_database_that_is_not_there_has_no_gap(ferry: Ferry) -> None:
    said = ferry("prices", "check")
    assert (said.code, said.out) == (0, "")
    assert said.err.startswith("every call of `last 7d` that was billed has its whole price")
