"""`ferry budgets`: what is made and changed, what is counted back, what is refused."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
from contextlib import closing
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ferrycli.cli import budget_terms
from ferrycli.rules.budget import refusal_of
from ferrycli.rules.channels import Channel
from ferrycli.rules.errors import ConfigBadValue
from ferrycli.rules.notice_words import message
from ferrycli.rules.words import words
from ferrycli.setup.notice_sample import sample_alert
from ferrycli.store import reads, reads_budgets
from tests.cli.driver import Ferry, moment
from tests.cli.filled import CENT, call

DOLLAR = 1_000_000_000
TABLES = ("budgets", "windows", "grants", "limits", "revisions", "alerts", "corrections", "meta")


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch, now_us: int) -> None:
    """The clock of these commands stands too."""
    for module in ("budgets", "budget_money", "budget_shown", "key_secrets"):
        monkeypatch.setattr(f"ferrycli.cli.{module}.now_us", lambda: now_us)


def rows(ferry: Ferry, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(ferry.database)) as connection:
        return connection.execute(query, values).fetchall()


def everything(ferry: Ferry) -> dict[str, list[tuple[Any, ...]]]:
    """All that a budget is made of, row by row."""
    return {name: rows(ferry, f"SELECT * FROM {name} ORDER BY 1, 2") for name in TABLES}


def one_set(ferry: Ferry, *arguments: str) -> dict[str, Any]:
    """The single window of the budget that `set` makes or changes."""
    said = ferry("budgets", "set", *arguments, "--json")
    assert said.code == 0, said.err
    (line,) = said.json_lines
    assert isinstance(line, dict)
    return line


def spent(ferry: Ferry, *arguments: str) -> dict[str, int]:
    """Cents counted back by a budget with `*`, by the value that it stands for."""
    said = ferry("budgets", "set", *arguments, "--json")
    assert said.code == 0, said.err
    return {
        "/".join((one["subject"] or {}).values()): one["spent_nanousd"] // CENT
        for one in said.json_lines
    }


def test_set_makes_a_budget_and_reads_it_back(filled: Ferry) -> None:
    said = filled("budgets", "set", "tenant=acme", "--limit", "50/month", columns=100)
    assert said.code == 0, said.err
    assert "Made budget tenant=acme: $50.00 a month." in said.out
    assert "Counted back to Sun 01 Nov 00:00: $3.72 is spent already (7%)." in said.out
    assert "resets Tue 01 Dec 00:00 Europe/Berlin" in said.out
    assert "! nobody will be told" in said.err
    (row,) = rows(
        filled,
        "SELECT limit_nanousd, period, zone, mode, rules, revision FROM budgets"
        " WHERE selector = 'tenant=acme'",
    )
    assert row[:4] == (50 * DOLLAR, "month", "Europe/Berlin", "strict")
    assert json.loads(row[4]) == ["50% notify", "80% downgrade", "100% block"]
    assert row[5] == 1


def test_the_same_selector_and_period_is_the_same_budget(filled: Ferry) -> None:
    made = one_set(filled, "tenant=acme", "--limit", "50/month")
    changed = one_set(filled, "tenant=acme", "--limit", "80/month", "--at", "90% block")
    kept = one_set(filled, "tenant=acme", "--limit", "81")
    assert made["id"] == changed["id"] == kept["id"]
    assert changed["rules"] == kept["rules"] == ["90% block"]
    assert (kept["period"], kept["limit_nanousd"]) == ("month", 81 * DOLLAR)
    assert kept["spent_nanousd"] == made["spent_nanousd"] == 372 * CENT
    history = rows(
        filled,
        "SELECT revision, json_extract(content, '$.limit_nanousd') FROM revisions"
        " WHERE object = 'budget' AND id = ? ORDER BY revision",
        made["id"],
    )
    assert history == [(1, 50 * DOLLAR), (2, 80 * DOLLAR), (3, 81 * DOLLAR)]
    assert rows(filled, "SELECT revision FROM budgets WHERE id = ?", made["id"]) == [(3,)]


def test_what_is_set_again_leaves_no_revision(filled: Ferry) -> None:
    one_set(filled, "tenant=acme", "--limit", "50/month")
    before = everything(filled)
    said = filled("budgets", "set", "tenant=acme", "--limit", "50/month", columns=100)
    assert "Budget tenant=acme is that already: $50.00 a month." in said.out
    assert everything(filled) == before


def test_another_period_is_another_budget(filled: Ferry) -> None:
    month = one_set(filled, "tenant=acme", "--limit", "50/month")
    week = one_set(filled, "tenant=acme", "--limit", "20/week")
    assert month["id"] != week["id"]
    assert (month["spent_nanousd"], week["spent_nanousd"]) == (372 * CENT, 12 * CENT)
    said = filled("budgets", "set", "tenant=acme", "--limit", "5")
    assert said.code == 2
    assert said.err.startswith("error: `tenant=acme` has 2 budgets\n")


@pytest.mark.parametrize(
    ("period", "acme", "globex"),
    [
        ("day", 12, 0),
        ("week", 12, 0),
        ("month", 372, 120),
        ("total", 372, 120),
        ("3d", 12, 50),
        ("5d", 272, 120),
    ],
)
def test_each_value_counts_back_to_the_start_of_its_window(
    filled: Ferry, period: str, acme: int, globex: int
) -> None:
    found = spent(filled, "tenant=*", "--limit", f"9/{period}")
    wanted = {"acme": acme, "globex": globex}
    assert found == {name: cents for name, cents in wanted.items() if cents}
    shown = filled("budgets", "show", "tenant=*", "--json").json_lines
    assert {one["subject"]["tenant"]: one["spent_nanousd"] // CENT for one in shown} == found


def test_a_rolling_window_is_kept_by_the_hour(filled: Ferry) -> None:
    made = one_set(filled, "tenant=acme", "--limit", "9/5d")
    kept = rows(
        filled,
        "SELECT start, spent_nanousd FROM windows WHERE budget_id = ? ORDER BY 1",
        made["id"],
    )
    assert kept == [
        (moment("2026-11-18T10:00:00+00:00"), 200 * CENT),
        (moment("2026-11-18T11:00:00+00:00"), 60 * CENT),
        (moment("2026-11-23T08:00:00+00:00"), 12 * CENT),
    ]


def test_two_stars_a_missing_value_and_a_model(filled: Ferry) -> None:
    assert spent(filled, "tenant=*,feature=*", "--limit", "9/month") == {
        "acme/support-bot": 312,
        "globex/chat": 120,
    }
    assert one_set(filled, "tenant=(none)", "--limit", "9/month")["spent_nanousd"] == 20 * CENT
    assert one_set(filled, "model=gpt-5-mini", "--limit", "9/month")["spent_nanousd"] == 512 * CENT
    assert spent(filled, "key=*", "--limit", "9/month") == {"acme-web": 372}


def test_a_tag_and_a_correction_count_back(filled: Ferry) -> None:
    with closing(sqlite3.connect(filled.database)) as connection:
        (seq,) = connection.execute("SELECT seq FROM calls WHERE thread = 'th_9f2c'").fetchone()
        connection.execute(
            "INSERT INTO corrections (id, call_seq, delta_nanousd) VALUES ('x_1', ?, ?)",
            (seq, -3 * CENT),
        )
        connection.commit()
    assert one_set(filled, "tag:plan=gold", "--limit", "9/total")["spent_nanousd"] == 4 * CENT


def test_from_now_counts_nothing_back(filled: Ferry) -> None:
    made = one_set(filled, "tenant=acme", "--limit", "9/month", "--from", "now")
    assert made["spent_nanousd"] == 0
    assert made["counts_from"] == "2026-11-23T09:00:00.000000Z"
    said = filled("budgets", "set", "tenant=acme", "--limit", "9/month", "--from", "now")
    assert (said.code, "counts already" in said.err) == (2, True)


def test_a_dry_run_says_what_it_would_make_and_makes_nothing(filled: Ferry) -> None:
    before = everything(filled)
    said = filled("budgets", "set", "tenant=*", "--limit", "1/month", "--dry-run", columns=100)
    assert said.code == 0, said.err
    assert "Would make budget tenant=*: $1.00 a month for each tenant." in said.out
    assert "2 have spent $4.92; 2 are over already: blocks at once." in said.out
    assert "nothing was changed" in said.err
    assert everything(filled) == before


BAD = [
    (3, ["nobody", "--limit", "5/day"]),
    (3, ["key=nobody,feature=chat", "--limit", "5/day"]),
    (2, ["colour=red", "--limit", "5/day"]),
    (2, ["tenant=", "--limit", "5/day"]),
    (2, ["tenant=a,tenant=b", "--limit", "5/day"]),
    (2, ["provider=nowhere", "--limit", "5/day"]),
    (2, ["route=nowhere", "--limit", "5/day"]),
    (2, ["tenant=acme", "--limit", "5/day", "--at", "1001% block"]),
    (2, ["tenant=acme", "--limit", "5/day", "--at", "0% block"]),
    (2, ["tenant=acme", "--limit", "5/day", "--at", "80% explode"]),
    (2, ["tenant=acme", "--limit", "5/day", "--at", "50% block", "--at", "80% downgrade"]),
    (2, ["tenant=acme", "--limit", "5/day", "--at", "50% block", "--at", "50% free"]),
    (2, ["tenant=acme", "--limit", "5/day", "--mode", "soft", "--at", "100% block"]),
    (2, ["tenant=acme", "--limit", "5/day", "--mode", "lax"]),
    (2, ["tenant=acme", "--limit", "5/day", "--clamp", "never"]),
    (2, ["tenant=acme", "--limit", "5/day", "--at", "50% notify nowhere"]),
    (2, ["tenant=acme", "--limit", "5/day", "--at", "80% downgrade nowhere"]),
    (2, ["tenant=acme", "--limit", "5/day", "--zone", "Europe/Berlni"]),
    (2, ["tenant=acme", "--limit", "5/day", "--zone", "../etc/passwd"]),
    (2, ["key=acme-web,tenant=globex", "--limit", "5/day"]),
    (2, ["key=acme-web,tenant=(none)", "--limit", "5/day"]),
    (2, ["tenant=acme", "--limit", "5/fortnight"]),
    (2, ["tenant=acme", "--limit", "5", "--period", "fortnight"]),
    (2, ["tenant=acme", "--limit", "5/day", "--period", "week"]),
    (2, ["tenant=acme", "--limit", "5"]),
    (2, ["tenant=acme", "--limit", "-5/day"]),
    (2, ["tenant=acme", "--limit", "nan/day"]),
    (2, ["tenant=acme", "--mode", "expected"]),
    (2, ["tenant=acme", "--limit", "5/day", "--from", "yesterday"]),
    (2, ["tenant=acme", "--limit", "5/day", "--balance", "5"]),
    (2, ["tenant=*", "--balance", "5"]),
    (2, ["tenant=acme", "--balance", "0"]),
    (2, ["tenant=acme", "--limit", "5/day", "--owner", "nobody-such"]),
    (2, ["tenant=acme", "--limit", "5/day", "--owner", "not an address"]),
    (2, ["tenant=acme"]),
]


@pytest.mark.parametrize(("code", "arguments"), BAD)
@pytest.mark.parametrize("tries", [[], ["--dry-run"]])
def test_what_cannot_be_a_budget_is_refused_and_changes_nothing(
    filled: Ferry, code: int, arguments: list[str], tries: list[str]
) -> None:
    before = everything(filled)
    said = filled("budgets", "set", *arguments, *tries)
    assert said.code == code, said.err
    assert said.err.startswith("error: ")
    assert said.out == ""
    assert everything(filled) == before


def test_a_refused_change_leaves_the_budget_as_it_was(filled: Ferry) -> None:
    one_set(filled, "tenant=acme", "--limit", "50/month")
    before = everything(filled)
    for bad in (["--mode", "soft"], ["--at", "80% downgrade no"], ["--at", "1001% block"]):
        assert filled("budgets", "set", "tenant=acme", "--limit", "5", *bad).code == 2
    assert everything(filled) == before


def test_limits_alone_make_no_budget(filled: Ferry) -> None:
    budgets = rows(filled, "SELECT * FROM budgets")
    said = filled("budgets", "set", "feature=chat", "--rpm", "60", "--parallel", "4")
    assert (said.code, said.err) == (0, "feature=chat: 60 calls a minute, 4 at once\n")
    assert rows(filled, "SELECT * FROM budgets") == budgets
    assert rows(filled, "SELECT selector, rpm, tpm, parallel_max FROM limits") == [
        ("feature=chat", 60, None, 4)
    ]


def test_list_gives_a_line_for_each_window(filled: Ferry) -> None:
    one_set(filled, "tenant=acme", "--limit", "50/month")
    spent(filled, "tenant=*", "--limit", "9/month")
    said = filled("budgets", "list", "--json")
    assert {(one["schema"], one["selector"], one["spent_nanousd"]) for one in said.json_lines} == {
        ("ferry.budget/1", "key=acme-web", 372 * CENT),
        ("ferry.budget/1", "tenant=acme", 372 * CENT),
        ("ferry.budget/1", "tenant=*", 372 * CENT),
        ("ferry.budget/1", "tenant=*", 120 * CENT),
    }
    piped = filled("budgets", "list").out.splitlines()
    assert piped[0].split("\t")[:3] == ["selector", "subject", "limit_usd"]
    assert len(piped) == 5
    table = filled("budgets", "list", columns=100).out
    assert "tenant=*" in table
    assert "each $9.00/month" in table


def test_a_list_of_nothing_names_the_command_and_makes_no_file(ferry: Ferry) -> None:
    said = ferry("budgets", "list", "--json")
    assert (said.code, said.out) == (0, "")
    assert "`ferry budgets set tenant=acme --limit 50/month`" in said.err
    assert ferry("budgets", "remove", "tenant=acme", "--yes").code == 3
    assert ferry("budgets", "topup", "tenant=acme", "5").code == 3
    assert not ferry.database.exists()


def test_show_finds_one_window_of_a_star(filled: Ferry) -> None:
    spent(filled, "tenant=*", "--limit", "9/month")
    shown = filled("budgets", "show", "tenant=globex", "--json").json
    assert (shown["selector"], shown["subject"]) == ("tenant=*", {"tenant": "globex"})
    assert (shown["spent_nanousd"], shown["grants"]) == (120 * CENT, [])
    assert "globex" in filled("budgets", "show", "tenant=globex", columns=100).out
    missing = filled("budgets", "show", "feature=chat")
    assert missing.code == 3
    assert missing.err.startswith("error: there is no budget `feature=chat`\n")


def test_check_leaves_with_5_where_one_is_at_its_limit(filled: Ferry) -> None:
    spent(filled, "tenant=*", "--limit", "4/month")  # acme: 93 %, globex: 30 %.
    assert filled("budgets", "check").code == 0
    said = filled("budgets", "check", "tenant=*", "--at", "90", "--json")
    assert (said.code, [one["subject"] for one in said.json_lines]) == (5, [{"tenant": "acme"}])
    assert filled("budgets", "check", "tenant=globex", "--at", "31").code == 0
    assert filled("budgets", "check", "tenant=globex", "--at", "30").code == 5
    assert filled("budgets", "check", "feature=x").code == 3
    spent(filled, "tenant=*", "--limit", "3")
    over = filled("budgets", "check", columns=100)
    assert over.code == 5
    assert "tenant=* (tenant=acme)  124%  $3.72 of $3.00/month spent" in over.out
    assert "1 of 2 budgets at 100 % or above" in over.err


def test_what_is_in_doubt_counts_in_a_check(filled: Ferry) -> None:
    # The key has spent 3.72 and 0.03 is in doubt.
    assert filled("keys", "set", "acme-web", "--budget", "3.75/month").code == 0
    assert filled("budgets", "check", "acme-web").code == 5
    assert filled("budgets", "set", "acme-web", "--limit", "3.76").code == 0
    assert filled("budgets", "check", "acme-web").code == 0


def test_remove_asks_and_keeps_what_was_counted(filled: Ferry) -> None:
    made = one_set(filled, "tenant=acme", "--limit", "50/month")
    before = everything(filled)
    piped = filled("budgets", "remove", "tenant=acme")
    assert (piped.code, "say it with `--yes`" in piped.err) == (2, True)
    refused = filled("budgets", "remove", "tenant=acme", typed="n\n")
    assert (refused.code, "nothing was changed" in refused.err) == (1, True)
    assert everything(filled) == before
    assert filled("budgets", "remove", "tenant=acme", "--yes").code == 0
    assert filled("budgets", "show", "tenant=acme").code == 3
    assert rows(filled, "SELECT removed_at, revision FROM budgets WHERE id = ?", made["id"]) == [
        (moment("2026-11-23T09:00:00+00:00"), 2)
    ]
    assert everything(filled)["windows"] == before["windows"]
    assert one_set(filled, "tenant=acme", "--limit", "50/month")["id"] != made["id"]


def test_of_two_budgets_the_period_says_which_is_removed(filled: Ferry) -> None:
    for limit in ("50/month", "20/week"):
        one_set(filled, "tenant=acme", "--limit", limit)
    assert filled("budgets", "remove", "tenant=acme", "--yes").code == 2
    assert filled("budgets", "remove", "tenant=acme", "--period", "day", "--yes").code == 3
    assert filled("budgets", "remove", "tenant=acme", "--period", "week", "--yes").code == 0
    assert filled("budgets", "show", "tenant=acme", "--json").json["period"] == "month"


@pytest.mark.parametrize("selector", ["tenant=acme", "key=acme-web"])
def test_of_two_zones_the_command_of_a_refusal_and_of_a_notice_raises_its_own(
    filled: Ferry, selector: str, now_us: int
) -> None:
    for zone in ("Asia/Tokyo", "Europe/Paris"):
        one_set(filled, selector, "--limit", "50/month", "--zone", zone, "--at", "1% block")
    with reads.opened(filled.database) as connection:
        found = {
            one.terms.zone: one
            for one in reads_budgets.budgets(connection, now_us)
            if one.terms.selector == selector
        }
    said = words(refusal_of(found["Asia/Tokyo"].standings[0], 1, is_spent=True)).hint
    notice = message(sample_alert(found["Asia/Tokyo"].terms, "a", now_us), ZoneInfo("UTC")).text
    limits = []
    for text in (re.findall("`ferry (.*?)`", said)[0], re.findall("it: ferry (.*)", notice)[0]):
        assert filled(*shlex.split(text)).code == 0, text
        query = "SELECT limit_nanousd FROM budgets WHERE selector = ? AND period = 'month'"
        limits.append(rows(filled, f"{query} AND zone = 'Asia/Tokyo'", selector)[0][0])
        paris = rows(filled, f"{query} AND zone = 'Europe/Paris'", selector)
        assert paris == [(50 * DOLLAR,)]
    assert min(limits) > 50 * DOLLAR


def test_of_two_budgets_of_one_period_the_zone_says_which(filled: Ferry) -> None:
    for zone in ("UTC", "Europe/Berlin"):
        one_set(filled, "tenant=acme", "--limit", "50/month", "--zone", zone)
    said = filled("budgets", "set", "tenant=acme", "--limit", "60")
    assert said.code == 2
    assert "`--zone ZONE`: `UTC` or `Europe/Berlin`" in said.err
    assert one_set(filled, "tenant=acme", "--limit", "60", "--zone", "UTC")["timezone"] == "UTC"
    said = filled("budgets", "set", "tenant=acme", "--limit", "70", "--zone", "Asia/Tokyo")
    assert said.code == 2
    assert "`tenant=acme` has no budget in that time zone" in said.err
    assert filled("budgets", "remove", "tenant=acme", "--yes").code == 2
    wanted = ["tenant=acme", "--period", "month", "--zone"]
    said = filled("budgets", "remove", *wanted, "Asia/Tokyo", "--yes")
    assert said.code == 3
    assert "it has `month UTC` and `month Europe/Berlin`" in said.err
    assert filled("budgets", "remove", *wanted, "UTC", "--yes").code == 0
    assert filled("budgets", "show", "tenant=acme", "--json").json["timezone"] == "Europe/Berlin"


@pytest.mark.parametrize(
    ("terms", "named"), [("--balance=5", "used_nanousd"), ("--limit=5/total", "spent_nanousd")]
)
def test_show_names_what_a_notice_was_of_as_the_notice_does(
    filled: Ferry, terms: str, named: str
) -> None:
    made = one_set(filled, "tenant=umbrella", terms)
    with closing(sqlite3.connect(filled.database)) as connection:
        connection.execute(
            "INSERT INTO alerts (id, kind, budget_id, threshold, spent_nanousd)"
            " VALUES ('a_1', 'budget', ?, 50, 7)",
            [made["id"]],
        )
        connection.commit()
    (alert,) = filled("budgets", "show", "tenant=umbrella", "--json").json["alerts"]
    assert {name: alert[name] for name in alert if name.endswith("nanousd")} == {
        "limit_nanousd": 0,
        named: 7,
    }


def test_a_topup_with_an_id_is_added_once(filled: Ferry) -> None:
    assert one_set(filled, "tenant=acme", "--balance", "5")["left_nanousd"] == 5 * DOLLAR
    added = ["budgets", "topup", "tenant=acme", "20", "--id", "pay_1", "--json"]
    first, again = filled(*added).json, filled(*added).json
    assert (first["is_new"], again["is_new"]) == (True, False)
    assert first["id"] == again["id"]
    assert first["balance_nanousd"] == 25 * DOLLAR
    shown = filled("budgets", "show", "tenant=acme", "--json").json
    assert shown["left_nanousd"] == 25 * DOLLAR
    assert {one["external_id"] for one in shown["grants"]} == {"", "pay_1"}
    before = everything(filled)
    for bad in (["0"], ["-1"], ["x"], ["5", "--expires", "2020-01-01"]):
        assert filled("budgets", "topup", "tenant=acme", *bad).code == 2
    assert filled("budgets", "topup", "tenant=globex", "5").code == 3
    assert filled("budgets", "topup", "acme-web", "5").code == 2
    assert everything(filled) == before


def test_a_boost_ends_with_the_window(filled: Ferry) -> None:
    added = filled("keys", "boost", "acme-web", "+20", "--json").json
    assert added["expires_at"] == "2026-11-30T23:00:00.000000Z"
    shown = filled("budgets", "show", "acme-web", "--json").json
    assert (shown["limit_nanousd"], shown["boost_nanousd"]) == (70 * DOLLAR, 20 * DOLLAR)
    assert [one["kind"] for one in shown["grants"]] == ["boost"]
    assert filled("keys", "boost", "nobody", "+20").code == 3


def test_a_key_may_be_made_with_a_balance(filled: Ferry) -> None:
    made = filled("keys", "create", "trial", "--balance", "20", "--json")
    assert made.code == 0, made.err
    shown = filled("budgets", "show", "trial", "--json").json
    assert (shown["is_prepaid"], shown["left_nanousd"]) == (True, 20 * DOLLAR)
    assert filled("keys", "boost", "trial", "5", "--until", "friday").code == 0
    assert filled("budgets", "show", "trial", "--json").json["left_nanousd"] == 25 * DOLLAR


def test_another_secret_keeps_id_and_budget(filled: Ferry) -> None:
    secrets = rows(filled, "SELECT id, secret_sha256 FROM keys")
    shown = filled("budgets", "show", "acme-web", "--json").json
    made = filled("keys", "rotate", "acme-web", "--grace", "24h", "--json").json
    assert made["previous_until"] == "2026-11-24T09:00:00.000000Z"
    ((id, hashed),) = rows(filled, "SELECT id, secret_sha256 FROM keys")
    assert (made["id"], id) == (id, secrets[0][0])
    assert hashed != secrets[0][1]
    assert filled("budgets", "show", "acme-web", "--json").json == shown


def test_release_doubt_frees_the_window_of_now_once(filled: Ferry) -> None:
    assert filled("budgets", "release-doubt", "acme-web").code == 2
    said = filled("budgets", "release-doubt", "acme-web", "--yes")
    assert (said.code, said.err) == (0, "set $0.03 of key=acme-web free\n")
    shown = filled("budgets", "show", "acme-web", "--json").json
    assert (shown["doubt_nanousd"], shown["spent_nanousd"]) == (0, 372 * CENT)
    again = filled("budgets", "release-doubt", "acme-web", "--yes")
    assert (again.code, "nothing is in doubt" in again.err) == (0, True)


def test_a_name_from_strangers_is_not_markup(filled: Ferry) -> None:
    with closing(sqlite3.connect(filled.database)) as connection:
        call(connection, "2026-11-23T08:30:00+00:00", 40, 100, tenant="[/red][bold]x")
        connection.commit()
    spent(filled, "tenant=*", "--limit", "9/month")
    for said in (filled("budgets", "list", columns=120), filled("budgets", "check", "--at", "1")):
        assert "[/red][bold]x" in said.out


def test_from_now_on_nothing_is_counted_back(filled: Ferry) -> None:
    said = filled("budgets", "set", "tenant=acme", "--limit", "5/day", "--from", "now", columns=80)
    assert "It counts from now on." in said.out


def test_one_value_shows_its_window_of_a_budget_that_names_more(filled: Ferry) -> None:
    one_set(filled, "tenant=globex,feature=*", "--limit", "9/month")
    shown = filled("budgets", "show", "feature=chat", "--json").json
    assert (shown["selector"], shown["subject"]) == ("tenant=globex,feature=*", {"feature": "chat"})
    assert shown["spent_nanousd"] == 120 * CENT
    assert filled("budgets", "check", "feature=chat").code == 0
    for wanted in ("feature=search", "tenant=globex", "feature=chat,user=ana"):
        assert filled("budgets", "show", wanted).code == 3
    # Setting free or testing is for what is named exactly.
    assert filled("budgets", "release-doubt", "feature=chat", "--yes").code == 3


def test_the_signs_of_a_list_are_explained_where_there_are_some(filled: Ferry) -> None:
    legend = "▲ 80% or more is used or in doubt, ! all of it."
    assert legend not in filled("budgets", "list", columns=80).out
    one_set(filled, "tenant=acme", "--limit", "4/month")
    assert legend in filled("budgets", "list", columns=80).out


# Owners -------------------------------------------------------------------------------------

OPS, MAIL = Channel("ops", "slack"), Channel("mail", "email")


@pytest.mark.parametrize(
    ("owner", "configured", "wanted"),
    [
        (None, (OPS,), ""),
        ("", (OPS,), ""),
        ("ops", (OPS,), ""),
        ("ana@acme.io", (OPS, MAIL), ""),
        ("ana@acme.io", (), ""),
        ("ana@acme.io", (OPS,), "a channel (`ops`), or an address, which a channel of kind email"),
        ("nobody", (OPS, MAIL), "a channel (`ops` or `mail`), or an address"),
        ("nobody", (), "a channel, of which there is none, or an address"),
        ("Ana <ana@acme.io>", (MAIL,), "a channel (`mail`), or an address"),
    ],
)
def test_an_owner_is_a_channel_or_an_address_that_can_be_reached(
    owner: str | None, configured: tuple[Channel, ...], wanted: str
) -> None:
    settings: Any = SimpleNamespace(channels=configured)
    if not wanted:
        assert budget_terms.owner(owner, settings) == owner
        return
    with pytest.raises(ConfigBadValue) as refused:
        budget_terms.owner(owner, settings)
    assert refused.value.wanted.startswith(wanted)


# Limits alone -------------------------------------------------------------------------------


def test_limits_without_a_budget_are_listed_shown_and_removed(filled: Ferry) -> None:
    made = filled("budgets", "set", "tenant=inv", "--rpm", "1", "--parallel", "4", "--json").json
    shape = {"schema": "ferry.limit/1", "selector": "tenant=inv", "rpm": 1, "tpm": None}
    listed = filled("budgets", "list", "--json").json_lines
    assert listed[-1] == made == {**shape, "parallel_max": 4}
    assert filled("budgets", "show", "tenant=inv", "--json").json == listed[-1]
    assert "  1 call a minute, 4 at once\n" in filled("budgets", "list", columns=80).out
    (row,) = [one for one in filled("budgets", "list").out.splitlines() if "tenant=inv" in one]
    assert (row.split("\t")[0], row.split("\t")[-3:]) == ("tenant=inv", ["1", "", "4"])
    card = filled("budgets", "show", "tenant=inv", columns=80)
    assert (card.code, "no budget" in card.out) == (0, True)
    assert filled("budgets", "check", "tenant=inv").code == 3
    assert filled("budgets", "remove", "tenant=inv", "--period", "day", "--yes").code == 3
    assert filled("budgets", "remove", "tenant=inv").code == 2
    removed = filled("budgets", "remove", "tenant=inv", "--yes")
    assert removed.err == "removed the limits of tenant=inv\n"
    assert filled("budgets", "show", "tenant=inv").code == 3


def test_limits_stay_when_the_budget_beside_them_is_removed(filled: Ferry) -> None:
    one_set(filled, "tenant=acme", "--limit", "50/month", "--rpm", "60")
    assert "limits      60 calls a minute" in filled("budgets", "show", "tenant=acme").out
    removed = filled("budgets", "remove", "tenant=acme", "--yes")
    assert removed.err.endswith("\nits limits stay: 60 calls a minute\n")
    assert filled("budgets", "show", "tenant=acme", "--json").json["rpm"] == 60


def test_limits_of_a_key_are_listed_shown_and_removed_too(filled: Ferry) -> None:
    assert filled("keys", "create", "web", "--rpm", "5").code == 0
    assert "  5 calls a minute\n" in filled("budgets", "list", columns=80).out
    assert filled("budgets", "show", "web", "--json").json["rpm"] == 5
    assert filled("budgets", "remove", "web", "--yes").code == 0
    assert filled("keys", "show", "web", "--json").json["rpm"] is None
