"""`ferry __complete`: what it offers, what it never does, and how little it loads."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType

import pytest

from ferrycli.cli.complete import VALUES_MAX, WORD, is_plain
from ferrycli.cli.completions import tree
from ferrycli.rules.attribution import Policy
from ferrycli.store import changes, reads_values
from tests.cli.filled import call, insert

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 60
NOTHING: Mapping[str, str] = MappingProxyType({})


def asked(*arguments: str, environment: Mapping[str, str] = NOTHING) -> list[str]:
    """The lines of `ferry __complete ARGUMENTS`, which never fails and never speaks."""
    done = subprocess.run(
        [sys.executable, "-m", "ferrycli", WORD, *arguments],
        capture_output=True,
        timeout=SECONDS_MAX,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode().splitlines()


@pytest.fixture
def database(filled_path: Path) -> Path:
    """The database of `filled.py`, with two more keys, one of them revoked, and with routes."""
    says = {"tenant": Policy.of("allow", "hooli"), "assistant": Policy.of("pin", "bot")}
    ends = {"tenant": Policy.of("pin", "gone")}
    made = [
        changes.create_key(filled_path, changes.KeyPlan(name, "", "call", policies, (), None, None))
        for name, policies in (("hooli-ci", says), ("ended", ends))
    ]
    changes.revoke_key(filled_path, made[1].id)
    with closing(sqlite3.connect(filled_path)) as connection:
        for number, (name, removed_at) in enumerate((("cheap", None), ("chat", None), ("old", 1))):
            insert(connection, "routes", id=f"r_{number}", name=name, removed_at=removed_at)
        connection.commit()
    return filled_path


@pytest.mark.parametrize(
    ("kind", "prefix", "values"),
    [
        ("keys", "", ["acme-web", "hooli-ci"]),
        ("keys", "ac", ["acme-web"]),
        ("keys", "zz", []),
        ("routes", "", ["chat", "cheap"]),
        ("routes", "chea", ["cheap"]),
        # What keys pin or fall back to comes first, then the latest calls.
        ("tenants", "", ["acme", "hooli", "globex"]),
        ("tenants", "g", ["globex"]),
        ("features", "", ["support-bot", "chat"]),
        ("users", "", ["8841"]),
        ("assistants", "", ["bot"]),
        ("threads", "", ["th_9f2c"]),
        (
            "models",
            "",
            [
                "sim/small",
                "sim/large",
                "sim/flaky",
                "openai/gpt-5-mini",
                "local/llama-in-the-cellar-70b-instruct",
            ],
        ),
        ("models", "openai/", ["openai/gpt-5-mini"]),
        ("calls", "c_01M83PPH", ["c_01M83PPH00E0082R0000000000"]),
        ("nonsense", "", []),
        ("", "", []),
    ],
)
def test_names_of_a_kind_are_offered(
    database: Path, kind: str, prefix: str, values: list[str]
) -> None:
    assert sorted(asked(kind, prefix, f"--db={database}")) == sorted(values)


def test_every_kind_that_a_script_asks_for_is_known() -> None:
    kinds = {values.kind for values in tree().places().values() if values and values.kind}
    assert kinds <= set(reads_values.KINDS)


def test_without_a_prefix_there_is_all(database: Path) -> None:
    assert asked("keys", f"--db={database}") == ["acme-web", "hooli-ci"]
    assert asked() == []


def test_a_price_that_was_set_makes_a_model_known(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        for number, (model, removed_at) in enumerate((("new", None), ("old", 1), ("glob-*", None))):
            columns = "id, provider, model, removed_at"
            row = (f"r_{number}", "cellar", model, removed_at)
            connection.execute(f"INSERT INTO rates ({columns}) VALUES (?, ?, ?, ?)", row)
        connection.commit()
    assert asked("models", "cellar", f"--db={database}") == ["cellar/new"]


def test_the_last_of_the_calls_and_no_more(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        for second in range(59):
            call(connection, f"2026-11-23T08:40:{second:02}+00:00", second)
        connection.commit()
        rows = connection.execute("SELECT id FROM calls ORDER BY seq DESC").fetchall()
    latest = [row[0] for row in rows]
    assert asked("calls", "", f"--db={database}") == latest[: reads_values.CALLS_OFFERED_MAX]


def test_so_many_names_and_no_more(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        for number in range(VALUES_MAX + 1):
            at = f"2026-11-23T08:{number // 60:02}:{number % 60:02}.5+00:00"
            call(connection, at, number, user=f"u{number}")
        connection.commit()
    assert len(asked("users", "u", f"--db={database}")) == VALUES_MAX


def test_calls_of_long_ago_are_not_looked_at(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "support-bot" in reads_values.values(database, "features")
    monkeypatch.setattr(reads_values, "CALLS_SCANNED_MAX", 1)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE keys SET policies = '{}'")
        call(connection, "2026-11-23T08:50:00+00:00", 1, feature="last")
        connection.commit()
    assert list(reads_values.values(database, "features")) == ["last"]


# Where there is nothing to read -------------------------------------------------------------


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE keys (name TEXT, revoked_at INTEGER, policies TEXT)")
        connection.execute("INSERT INTO keys VALUES ('acme-web', NULL, '{}')")
        connection.commit()


@pytest.mark.parametrize("kind", ["keys", "models"])
@pytest.mark.parametrize("what", ["missing", "empty", "text", "folder", "foreign", "url", "no"])
def test_without_a_database_there_is_nothing(tmp_path: Path, kind: str, what: str) -> None:
    path = tmp_path / "x.db"
    if what == "empty":
        path.touch()
    elif what == "text":
        path.write_text("no database")
    elif what == "folder":
        path.mkdir()
    elif what == "foreign":
        foreign(path)
    text = {"url": "postgresql://host/ferry", "no": ""}.get(what, str(path))
    found = asked(kind, "", f"--db={text}")
    assert [value for value in found if not value.startswith("sim/")] == []
    assert path.exists() == (what not in ("missing", "url", "no"))


def test_a_locked_database_is_not_waited_for(database: Path) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("BEGIN EXCLUSIVE")
        assert asked("keys", "", f"--db={database}") == []


def test_what_was_found_before_a_fault_is_offered(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("ALTER TABLE calls RENAME TO lost")
        connection.commit()
    assert sorted(asked("tenants", "", f"--db={database}")) == ["acme", "hooli"]


@pytest.mark.parametrize("text", ["[server", "[server]\nlisten = 1", "[nonsense]"])
def test_a_config_that_cannot_be_read_is_no_matter(
    database: Path, tmp_path: Path, text: str
) -> None:
    config = tmp_path / "ferry.toml"
    config.write_text(f"{text}\n")
    assert asked("keys", "", f"--config={config}", f"--db={database}") == []
    config.write_text(f"[server]\ndatabase = '{database}'\n")
    assert asked("keys", "", f"--config={config}") == ["acme-web", "hooli-ci"]
    assert asked("keys", "", environment={"FERRY_CONFIG": str(config)}) == ["acme-web", "hooli-ci"]


@pytest.mark.parametrize("stdout", ["closed", "left"])
def test_nobody_has_to_listen(database: Path, stdout: str) -> None:
    command = [sys.executable, "-m", "ferrycli", WORD, "keys", "", f"--db={database}"]
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *command] if stdout == "closed" else command,
        stdout=writes,
        stderr=subprocess.PIPE,
        timeout=SECONDS_MAX,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    os.close(writes)
    assert (done.returncode, done.stderr) == (0, b"")


def test_only_what_the_terminal_can_show_is_offered(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE calls SET tenant = '東京' WHERE 0")
        call(connection, "2026-11-23T08:50:00+00:00", 1, tenant="東京")
        call(connection, "2026-11-23T08:50:01+00:00", 2, tenant="plain")
        connection.commit()
    tenants = ["acme", "globex", "hooli", "plain"]
    assert sorted(asked("tenants", f"--db={database}")) == [*tenants, "東京"]
    narrow = {"PYTHONIOENCODING": "latin-1"}
    assert sorted(asked("tenants", f"--db={database}", environment=narrow)) == tenants


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ("acme", True),
        ("7d", True),
        ("_x", True),
        ("a.b-c/d:e@f+g%h=i_j", True),
        ("müller", True),
        ("東京", True),
        ("हिन्दी", True),
        ("", False),
        (" acme", False),
        ("acme ", False),
        ("a\u00a0b", False),
        ("e\u0301", False),  # Not as ingest writes it: it would not be found again.
        *(
            (f"a{sign}b", False)
            for sign in "\t\n\r\0\x1b\x7f \"'`$\\;|&<>(){}[]*?~!#^,\u202e\u200b"
        ),
        *((f"{sign}b", False) for sign in "-./:@+%="),
    ],
)
def test_a_value_is_one_plain_word_or_is_left_out(value: str, plain: bool) -> None:
    assert is_plain(value) is plain


# What it loads ------------------------------------------------------------------------------

PROBE = """
import json, os, sys
def leave(code):
    print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]))
    raise SystemExit
os._exit = leave
sys.argv = ["ferry", *sys.argv[1:]]
from ferrycli.__main__ import main
main()
"""

HEAVY = frozenset(
    "typer rich click sqlmodel sqlalchemy pydantic httpx anyio starlette uvicorn uvloop"
    " genai_prices asyncio logging".split()
)


@pytest.mark.parametrize("kind", reads_values.KINDS)
def test_values_are_had_without_what_commands_load(database: Path, kind: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, WORD, kind, "", f"--db={database}"],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    *values, said = done.stdout.splitlines()
    code, names = json.loads(said)
    assert code == 0
    assert values
    assert set(names) & HEAVY == set()
    assert {"ferrycli", "sqlite3"} <= set(names)
