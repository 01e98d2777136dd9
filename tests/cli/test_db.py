"""`ferry db`: what is sound passes, and each kind of damage is named with its amount."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from zoneinfo import ZoneInfo

import pytest

from ferrycli.store import daily
from ferrycli.store.connect import open_writer
from tests.cli.driver import Ferry, moment

CORRECTION = (
    "INSERT INTO corrections (id, call_seq, delta_nanousd)"
    " SELECT 'x', seq, 250000000 FROM calls WHERE key_id <> '' LIMIT 1"
)


INVENTED = (
    "INSERT INTO daily (start_at, end_at, tenant, feature, assistant, provider, model, route,"
    " key_id, outcome, calls) SELECT start_at, end_at, 'x', '', '', '', '', '', '', 'ok', 1"
    " FROM summed_days LIMIT 1"
)


def run(ferry: Ferry, *statements: str) -> None:
    """Damage the database past its triggers."""
    with closing(sqlite3.connect(ferry.database)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_path_is_where_the_settings_say(ferry: Ferry) -> None:
    assert ferry("db", "path").out == f"{ferry.database}\n"


def test_status_counts_what_is_there(filled: Ferry) -> None:
    status = filled("db", "status", "--json").json
    assert (status["calls"], status["calls_open"], status["keys"]) == (12, 1, 1)
    assert status["first_call_at"] == "2026-11-16T09:00:00.000000Z"
    assert status["last_call_at"] == "2026-11-23T08:00:50.000000Z"
    assert status["migrations"][0] == "0001_first"


def test_a_sound_database_passes(filled: Ferry) -> None:
    said = filled("db", "check", "--json")
    assert said.code == 0
    assert said.json["is_sound"] is True
    assert [check["name"] for check in said.json["checks"]] == [
        "file",
        "references",
        "windows",
        "days",
    ]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (
            "UPDATE windows SET spent_nanousd = spent_nanousd - 1",
            "spent is $3.719999999 and should be $3.72, off by -$0.000000001",
        ),
        ("UPDATE windows SET held_nanousd = 0", "held is $0.00 and should be $0.08, off by -$0.08"),
        ("UPDATE windows SET doubt_nanousd = 1000000000", "doubt is $1.00 and should be $0.03"),
        ("DELETE FROM windows", "spent is $0.00 and should be $3.72, off by -$3.72"),
        (
            "INSERT INTO windows (budget_id, subject, start, spent_nanousd) SELECT 'b_x', '', 0, 5",
            "window b_x 0: spent is $0.000000005 and should be $0.00",
        ),
        (
            "INSERT INTO windows (budget_id, subject, start) VALUES ('b_x', '', 0)",
            "windows b_x: no such row in budgets",
        ),
        (
            "INSERT INTO corrections (id, call_seq, delta_nanousd) VALUES ('x', 5, 1)",
            "corrections 5: no such row in calls",
        ),
        ("DELETE FROM keys", "no such row in keys"),
        (
            CORRECTION,
            "spent is $3.72 and should be $3.97, off by -$0.25",
        ),
    ],
)
def test_what_does_not_hold_is_named_and_exits_5(filled: Ferry, damage: str, told: str) -> None:
    run(filled, damage)
    said = filled("db", "check")
    assert said.code == 5
    assert told in said.out
    assert "✗" in said.out
    assert filled("db", "check", "--json").json["is_sound"] is False


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE daily SET cost_nanousd = cost_nanousd + 1 WHERE tenant = 'globex'",
        "DELETE FROM daily WHERE tenant = 'globex'",
        INVENTED,
    ],
)
def test_a_day_whose_summary_is_not_its_calls_is_named(filled: Ferry, damage: str) -> None:
    zone = ZoneInfo("Europe/Berlin")
    with closing(open_writer(filled.database)) as connection:
        for day in list(daily.unsummed(connection, zone, moment("2026-11-23T09:00:00+00:00"))):
            assert daily.sum_day(connection, *day, 0)
    assert filled("db", "check").code == 0
    run(filled, damage)
    said = filled("db", "check")
    assert said.code == 5
    assert "UTC: its summary is not what its calls come to" in said.out


def test_a_correction_never_takes_a_call_below_nothing(filled: Ferry) -> None:
    run(
        filled,
        "INSERT INTO corrections (id, call_seq, delta_nanousd)"
        " SELECT 'x', seq, -9000000000 FROM calls WHERE cost_nanousd = 2000000000",
        "UPDATE windows SET spent_nanousd = spent_nanousd - 2000000000",
    )
    assert filled("db", "check").code == 0


def test_a_torn_page_is_found(filled: Ferry) -> None:
    run(filled, "PRAGMA wal_checkpoint(TRUNCATE)")
    with closing(sqlite3.connect(filled.database)) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'calls'")
        start = (page.fetchone()[0] - 1) * 4096
    content = bytearray(filled.database.read_bytes())
    content[start : start + 64] = b"\xff" * 64
    filled.database.write_bytes(bytes(content))
    said = filled("db", "check")
    assert said.code == 5
    assert said.out.startswith("✗ file")


def test_check_changes_nothing(filled: Ferry) -> None:
    run(filled, "PRAGMA wal_checkpoint(TRUNCATE)")
    before = filled.database.read_bytes()
    assert filled("db", "check").code == 0
    assert filled.database.read_bytes() == before


def test_check_without_a_database_is_an_error(ferry: Ferry) -> None:
    assert ferry("db", "check").code == 3
