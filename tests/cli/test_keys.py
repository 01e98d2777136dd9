"""`ferry keys`: what is made, where the secret goes, what is refused."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing

import pytest

from ferrycli.rules.keys import is_well_formed
from tests.cli.driver import Ferry

DOLLAR = 1_000_000_000


def secret_hashes(ferry: Ferry) -> list[str]:
    with closing(sqlite3.connect(ferry.database)) as connection:
        return [row[0] for row in connection.execute("SELECT secret_sha256 FROM keys")]


def test_a_pipe_gets_the_secret_alone(ferry: Ferry) -> None:
    said = ferry("keys", "create", "--tenant", "acme")
    secret = said.out.removesuffix("\n")
    assert said.code == 0
    assert is_well_formed(secret)
    assert secret_hashes(ferry) == [hashlib.sha256(secret.encode()).hexdigest()]
    assert secret not in said.err
    assert "Created key acme for acme." in said.err


def test_forced_colour_never_puts_more_than_the_secret_into_a_pipe(ferry: Ferry) -> None:
    said = ferry(
        "keys", "create", "--color", "always", "--tenant", "a", environment={"FORCE_COLOR": "1"}
    )
    assert is_well_formed(said.out.removesuffix("\n"))


def test_a_terminal_gets_lines_that_a_triple_click_copies(ferry: Ferry) -> None:
    said = ferry("keys", "create", "web", columns=80)
    secret = next(line for line in said.out.splitlines() if line.startswith("fk_"))
    assert is_well_formed(secret)
    assert f"\nexport OPENAI_API_KEY={secret}\n" in said.out
    assert "\nexport OPENAI_BASE_URL=http://127.0.0.1:4777/v1\n" in said.out


def test_quiet_says_nothing_else_even_on_a_terminal(ferry: Ferry) -> None:
    said = ferry("keys", "create", "web", "--quiet", columns=80)
    assert is_well_formed(said.out.removesuffix("\n"))
    assert said.err == ""


def test_json_has_the_fields_that_programs_rely_on(ferry: Ferry) -> None:
    said = ferry(
        "keys", "create", "web", "--tenant", "acme", "--default", "feature=chat", "--require",
        "user", "--deny", "thread", "--model", "openai/gpt-*", "--budget", "50/month",
        "--expires", "2027-01-01", "--owner", "ana", "--role", "call", "--json",
    )  # fmt: skip
    made = said.json
    assert said.err == ""
    assert (made["schema"], made["name"]) == ("ferry.key/1", "web")
    assert made["id"].startswith("key_")
    assert made["secret"].endswith(made["last4"])
    assert made["policies"] == {
        "tenant": {"mode": "pin", "value": "acme"},
        "feature": {"mode": "allow", "value": "chat"},
        "user": {"mode": "require", "value": ""},
        "thread": {"mode": "deny", "value": ""},
    }
    assert made["models"] == ["openai/gpt-*"]
    assert made["budget"]["limit_nanousd"] == 50 * DOLLAR
    assert made["budget"]["resets_at"] == "2026-11-30T23:00:00.000000Z"  # Midnight in Berlin.
    assert made["expires_at"] == "2026-12-31T23:00:00.000000Z"
    shown = ferry("keys", "show", "web", "--json").json
    assert shown == {name: value for name, value in made.items() if name != "secret"}


def test_a_key_without_a_name_is_called_after_whom_it_is_for(ferry: Ferry) -> None:
    names = [
        ferry("keys", "create", "--tenant", "Acme Inc", "--feature", "chat", "--json").json["name"]
        for _ in range(2)
    ]
    assert names == ["acme-inc-chat", "acme-inc-chat-2"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--budget", "50"], "`50` is no budget"),
        (["--budget", "50/fortnight"], "`50/fortnight` is no budget"),
        (["--budget", "-1/month"], "`-1` is no amount of money"),
        (["--budget", "nan/month"], "`nan` is no amount of money"),
        (["--budget", "1e99/month"], "`1e99` is no amount of money"),
        (["--expires", "2020-01-01"], "`2020-01-01` is no value for `expires`"),
        (["--expires", "soon"], "`soon` is no value for `expires`"),
        (["--role", "boss"], "there is no role `boss`"),
        (["--default", "feature"], "`--default feature` is no policy of a key"),
        (["--default", "colour=red"], "there is no dimension `colour`"),
        (["--require", "tennant"], "there is no dimension `tennant`"),
        (["--tenant", ""], "`--tenant ''` is no policy of a key"),
        (["--tenant", "a", "--deny", "tenant"], "`pin and deny of tenant` is no policy of a key"),
        (["--priority", "high"], "there is no priority `high`"),
        (["a b"], "`a b` is no value for `name`"),
        (["key_x"], "`key_x` is no value for `name`"),
        (["x" * 65], f"`{'x' * 65}` is no value for `name`"),
        (["\x1b[31m"], "`[31m` is no value for `name`"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_key_is_refused_before_anything_is_made(
    ferry: Ferry, arguments: list[str], sentence: str
) -> None:
    said = ferry("keys", "create", *arguments)
    assert said.code == 2
    assert said.err.startswith(f"error: {sentence}")
    assert said.out == ""
    assert not ferry.database.exists()


def test_a_name_is_given_once(ferry: Ferry) -> None:
    ferry("keys", "create", "web")
    said = ferry("keys", "create", "web")
    assert said.code == 2
    assert said.err.startswith("error: there is already a key `web`\n")


def test_names_from_strangers_are_never_read_as_markup(ferry: Ferry) -> None:
    ferry("keys", "create", "web", "--tenant", "[/red]\x1b[2J[bold]", "--owner", "[link=x]")
    for said in (ferry("keys", "list", columns=100), ferry("keys", "show", "web", columns=100)):
        assert said.code == 0
        assert "[/red][2J[bold]" in said.out
        assert "\x1b[2J" not in said.out


def test_no_keys_yet_names_the_command_that_makes_one(ferry: Ferry) -> None:
    said = ferry("keys", "list", "--json")
    assert (said.code, said.out) == (0, "")
    assert "`ferry keys create --tenant acme" in said.err
    assert not ferry.database.exists()


def test_a_list_shows_this_month_and_not_the_last(filled: Ferry) -> None:
    with closing(sqlite3.connect(filled.database)) as connection:
        connection.execute("UPDATE windows SET start = start - 86400000000")
        connection.commit()
    assert filled("keys", "list", "--json").json["budget"]["spent_nanousd"] == 0


NAMING = [["show"], ["set", "--no-expiry"], ["revoke", "--yes"]]


@pytest.mark.parametrize("command", NAMING)
def test_a_key_that_is_not_there_exits_3(filled: Ferry, command: list[str]) -> None:
    said = filled("keys", *command, "acme-wbe")
    assert said.code == 3
    assert said.err == (
        "error: there is no key `acme-wbe`\n\n"
        "hint: did you mean `acme-web`? `ferry keys list` shows all\n"
    )


@pytest.mark.parametrize("command", NAMING)
def test_without_a_database_nothing_is_made_to_look_into(ferry: Ferry, command: list[str]) -> None:
    assert ferry("keys", *command, "x").code == 3
    assert not ferry.database.exists()


def test_set_changes_what_it_names_and_leaves_the_rest(filled: Ferry) -> None:
    said = filled(
        "keys", "set", "acme-web", "--budget", "80/month", "--require", "user", "--name", "web",
        "--model", "gpt-*", "--expires", "90d", "--json",
    )  # fmt: skip
    assert said.code == 0, said.err
    changed = said.json
    assert changed["name"] == "web"
    assert changed["budget"]["limit_nanousd"] == 80 * DOLLAR
    assert changed["budget"]["spent_nanousd"] == 3_720_000_000
    assert changed["policies"]["tenant"] == {"mode": "pin", "value": "acme"}
    assert changed["policies"]["user"]["mode"] == "require"
    back = filled(
        "keys", "set", "web", "--no-budget", "--any-model", "--no-expiry", "--default", "user=",
        "--json",
    ).json  # fmt: skip
    assert (back["budget"], back["models"], back["expires_at"]) == (None, [], None)
    assert back["policies"]["user"] == {"mode": "allow", "value": ""}


def test_set_without_anything_to_change_is_a_mistake(filled: Ferry) -> None:
    said = filled("keys", "set", "acme-web")
    assert said.code == 2
    assert said.err.startswith("error: nothing to change was named\n")


def test_a_database_that_another_holds_is_told(
    filled: Ferry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ferrycli.store.connect.open_writer.__kwdefaults__", {"busy_ms": 10})
    with closing(sqlite3.connect(filled.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        said = filled("keys", "revoke", "acme-web", "--yes")
    assert said.code == 6
    assert said.err == (
        f"error: `{filled.database}` is locked by another process\n\nhint: try again\n"
    )


@pytest.mark.parametrize(
    "both",
    [
        ["--budget", "1/day", "--no-budget"],
        ["--expires", "1d", "--no-expiry"],
        ["--model", "x", "--any-model"],
    ],
)
def test_set_refuses_two_that_contradict(filled: Ferry, both: list[str]) -> None:
    said = filled("keys", "set", "acme-web", *both)
    assert said.code == 2
    assert "not both" in said.err


def test_a_key_may_be_named_by_the_beginning_of_its_id(filled: Ferry) -> None:
    id = filled("keys", "show", "acme-web", "--json").json["id"]
    assert filled("keys", "show", id[:14], "--json").json["name"] == "acme-web"


def test_revoke_asks_and_no_changes_nothing(filled: Ferry) -> None:
    said = filled("keys", "revoke", "acme-web", typed="n\n")
    assert said.code == 1
    assert "Revoke key acme-web (fk_…" in said.err
    assert "nothing was changed" in said.err
    assert filled("keys", "show", "acme-web", "--json").json["state"] == "active"


def test_revoke_asks_and_yes_ends_the_key(filled: Ferry) -> None:
    assert filled("keys", "revoke", "acme-web", typed="y\n").code == 0
    shown = filled("keys", "show", "acme-web", "--json").json
    assert (shown["state"], shown["revoked_at"]) == ("revoked", "2026-11-23T09:00:00.000000Z")
    again = filled("keys", "revoke", "acme-web")
    assert (again.code, again.err) == (0, "key `acme-web` is revoked already\n")


def test_revoke_needs_yes_where_nobody_can_be_asked(filled: Ferry) -> None:
    said = filled("keys", "revoke", "acme-web")
    assert said.code == 2
    assert said.err.endswith("hint: say it with `--yes`\n")
    assert filled("keys", "revoke", "acme-web", "--yes").code == 0
