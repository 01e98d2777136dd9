"""`ferry keys`: budgets, balances, rules and limits of a key, and another secret for it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ferrycli.rules.keys import is_well_formed
from tests.cli.driver import Ferry

DOLLAR = 1_000_000_000
PLAIN = {"NO_COLOR": "1"}


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch, now_us: int) -> None:
    """The clock of these commands stands too."""
    for module in ("budgets", "budget_money", "budget_shown", "key_secrets"):
        monkeypatch.setattr(f"ferrycli.cli.{module}.now_us", lambda: now_us)


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def card(ferry: Ferry, name: str, columns: int = 100) -> str:
    said = ferry("keys", "show", name, columns=columns, environment=PLAIN)
    assert said.code == 0, said.err
    return said.out


def test_a_policy_is_read_back_when_a_key_is_made(ferry: Ferry) -> None:
    said = ferry(
        "keys", "create", "web", "--budget", "50/week", "--at", "60% notify", "--at", "100% free",
        "--mode", "expected", "--clamp", "always", "--rpm", "60", "--tpm", "100000", "--parallel",
        "4", columns=100, environment=PLAIN,
    )  # fmt: skip
    assert said.code == 0, said.err
    for line in (
        "budget      $50.00 a week, resets Mon 30 Nov 00:00 Europe/Berlin",
        "at 60 %     notify nobody: the budget has no owner, and `alerts.default` is not set",
        "at 100 %    all calls take their free route, or what costs nothing",
        "mode        expected: a call goes if what it probably costs is left",
        "a caller's own output limit that does not fit is lowered",
        "limits      60 calls a minute, 100,000 tokens a minute, 4 at once",
    ):
        assert line in said.out
    assert card(ferry, "web").count("at 60 %") == 1


def test_a_key_without_limits_says_how_to_have_them(ferry: Ferry) -> None:
    ferry("keys", "create", "web")
    assert "limits      none (--rpm, --tpm, --parallel)" in card(ferry, "web")
    assert ferry("keys", "set", "web", "--rpm", "5").code == 0
    assert "limits      5 calls a minute" in card(ferry, "web")
    assert ferry("keys", "set", "web", "--rpm", "0").code == 0
    assert "limits      none" in card(ferry, "web")


@pytest.mark.parametrize(
    "options",
    [
        ["--at", "90% block"],
        ["--mode", "soft"],
        ["--clamp", "always"],
        ["--budget", "5/day", "--at", "90% explode"],
        ["--budget", "5/day", "--at", "1001% block"],
        ["--budget", "5/day", "--mode", "lax"],
        ["--budget", "5/day", "--clamp", "lax"],
        ["--budget", "5/day", "--mode", "soft", "--at", "9% block"],
        ["--budget", "5/day", "--at", "9% notify nobody"],
        ["--budget", "5/day", "--at", "9% downgrade nowhere"],
        ["--budget", "5/day", "--at", "9% block", "--at", "20% free"],
        ["--budget", "5/day", "--role", "read"],
        ["--balance", "0"],
        ["--balance", "-5"],
        ["--balance", "x"],
        ["--rpm", "-1"],
        ["--parallel", "many"],
    ],
)
def test_money_that_cannot_be_makes_no_key(ferry: Ferry, options: list[str]) -> None:
    said = ferry("keys", "create", "web", *options)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: ")
    if ferry.database.exists():
        assert rows(ferry.database, "SELECT * FROM keys") == []
        assert rows(ferry.database, "SELECT * FROM budgets") == []


@pytest.mark.parametrize(
    "options",
    [
        ["--at", "9% notify nobody"],
        ["--mode", "soft"],
        ["--balance", "0"],
        ["--balance", "5", "--no-budget"],
    ],
)
def test_a_change_that_cannot_be_changes_nothing(filled: Ferry, options: list[str]) -> None:
    tables = ("keys", "budgets", "grants", "revisions", "meta")
    before = [rows(filled.database, f"SELECT * FROM {name}") for name in tables]
    assert filled("keys", "set", "acme-web", "--owner", "ben", *options).code == 2
    assert [rows(filled.database, f"SELECT * FROM {name}") for name in tables] == before


def test_a_rule_of_a_key_is_changed_alone(filled: Ferry) -> None:
    said = filled("keys", "set", "acme-web", "--at", "70% block", "--json")
    assert said.code == 0, said.err
    budget = said.json["budget"]
    assert (budget["rules"], budget["limit_nanousd"]) == (["70% block"], 50 * DOLLAR)
    assert budget["spent_nanousd"] == 3_720_000_000


def test_another_period_gives_no_money_anew(filled: Ferry) -> None:
    budget = filled("keys", "set", "acme-web", "--budget", "50/total", "--json").json["budget"]
    assert (budget["period"], budget["spent_nanousd"]) == ("total", 3_720_000_000)


def test_the_tightest_of_several_budgets_is_in_the_list(filled: Ferry) -> None:
    assert filled("budgets", "set", "acme-web", "--limit", "4/total").code == 0
    key = filled("keys", "show", "acme-web", "--json").json
    assert (key["budget"]["period"], len(key["budgets"])) == ("total", 2)
    table = filled("keys", "list", columns=100, environment=PLAIN).out
    assert "$4.00/total" in table
    assert "93%" in table
    assert card(filled, "acme-web").count("budget      $") == 2


def test_a_balance_is_listed_as_what_was_granted(ferry: Ferry) -> None:
    ferry("keys", "create", "trial", "--balance", "20")
    assert "$20.00 prepaid" in ferry("keys", "list", columns=100, environment=PLAIN).out
    said = ferry("keys", "boost", "trial", "+5")
    assert (said.code, said.err) == (0, "added $5.00 to key=trial: $25.00 is left\n")
    assert "balance     $25.00 prepaid, until it is used up" in card(ferry, "trial")


def test_a_boost_says_until_when_and_on_top_of_what(filled: Ferry) -> None:
    said = filled("keys", "boost", "acme-web", "+20", "--until", "friday")
    assert said.err == "added $20.00 to key=acme-web until Fri 00:00, on top of $50.00 a month\n"
    assert "boosted by $20.00 for a time" in card(filled, "acme-web")
    for bad in (["x"], ["+0"], ["5", "--until", "yesterday"], ["5", "--period", "fortnight"]):
        assert filled("keys", "boost", "acme-web", *bad).code == 2
    assert filled("keys", "boost", "acme-web", "5", "--period", "day").code == 3


def test_of_two_budgets_of_one_period_the_zone_says_which_is_boosted(filled: Ferry) -> None:
    made = filled("budgets", "set", "acme-web", "--limit", "9/month", "--zone", "Asia/Tokyo")
    assert made.code == 0
    assert filled("keys", "boost", "acme-web", "5", "--period", "month").code == 2
    said = filled("keys", "boost", "acme-web", "5", "--zone", "Asia/Tokyo")
    assert said.err.endswith("on top of $9.00 a month\n")
    assert filled("keys", "boost", "acme-web", "5", "--zone", "Mars/Base").code == 2


def test_a_rule_of_a_key_is_changed_alone_whatever_the_zone_of_its_budget(filled: Ferry) -> None:
    wanted = ["acme-app", "--limit", "9/month", "--zone", "Asia/Tokyo"]
    assert filled("keys", "create", "acme-app").code == 0
    assert filled("budgets", "set", *wanted).code == 0
    said = filled("keys", "set", "acme-app", "--at", "70% block", "--json")
    assert said.code == 0, said.err
    assert said.json["budget"]["rules"] == ["70% block"]


def test_a_key_keeps_the_zone_of_its_budget_and_of_two_none_is_changed(filled: Ferry) -> None:
    assert filled("keys", "create", "acme-app").code == 0
    wanted = ["acme-app", "--limit", "9/day", "--zone"]
    assert filled("budgets", "set", *wanted, "Asia/Tokyo").code == 0
    said = filled("keys", "set", "acme-app", "--budget", "8/day", "--json")
    (found,) = said.json["budgets"]
    assert (found["timezone"], found["limit_nanousd"]) == ("Asia/Tokyo", 8_000_000_000)
    assert filled("budgets", "set", *wanted, "Europe/Berlin").code == 0
    said = filled("keys", "set", "acme-app", "--budget", "8/day")
    assert said.code == 2
    assert "name one with `ferry budgets set key=acme-app --zone ZONE`: " in said.err


def test_a_second_balance_is_refused_by_the_key_s_name(ferry: Ferry) -> None:
    assert ferry("keys", "create", "trial", "--balance", "5").code == 0
    said = ferry("keys", "set", "trial", "--balance", "5")
    assert said.err.startswith("error: `key=trial` is a balance already\n")
    assert "`ferry budgets topup key=trial USD`" in said.err


# Rotated ------------------------------------------------------------------------------------


def test_a_pipe_gets_the_new_secret_alone(filled: Ferry) -> None:
    said = filled("keys", "rotate", "acme-web")
    assert is_well_formed(said.out.removesuffix("\n"))
    assert "The old one ends now." in said.err
    assert said.out.strip() not in said.err


def test_a_terminal_gets_a_line_that_a_triple_click_copies(filled: Ferry) -> None:
    said = filled("keys", "rotate", "acme-web", "--grace", "24h", columns=60)
    (secret,) = [line for line in said.out.splitlines() if line.startswith("fk_")]
    assert is_well_formed(secret)
    assert "opens until 2026-11-24 10:00 Europe/Berlin" in " ".join(said.out.split())
    shown = card(filled, "acme-web")
    assert secret not in shown
    assert "opens too, until 2026-11-24 10:00 Europe/Berlin" in shown


def test_quiet_gives_the_new_secret_and_nothing_else(filled: Ferry) -> None:
    said = filled("keys", "rotate", "acme-web", "--quiet", columns=80)
    assert (is_well_formed(said.out.strip()), said.err) == (True, "")


def test_what_cannot_be_rotated_is_left(filled: Ferry) -> None:
    before = rows(filled.database, "SELECT * FROM keys")
    assert filled("keys", "rotate", "nobody").code == 3
    assert filled("keys", "rotate", "acme-web", "--grace", "never").code == 2
    assert rows(filled.database, "SELECT * FROM keys") == before
    filled("keys", "revoke", "acme-web", "--yes")
    said = filled("keys", "rotate", "acme-web")
    assert (said.code, said.out) == (2, "")
    assert "is revoked, and that is for good" in said.err


def test_rotating_makes_no_file(ferry: Ferry) -> None:
    assert ferry("keys", "rotate", "web").code == 3
    assert ferry("keys", "boost", "web", "5").code == 3
    assert not ferry.database.exists()
