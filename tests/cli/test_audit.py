"""`ferry audit`: true books pass, and what does not hold is named with its amount and exits 5."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.cli.driver import Ferry, moment

NAMES = ["file", "references", *(f"I{number}" for number in range(1, 13))]


@pytest.fixture
def audited(filled: Ferry, monkeypatch: pytest.MonkeyPatch) -> Ferry:
    """The database of `filled.py` while its server lives, with the bounds of its holds."""
    now_us = moment("2026-11-23T08:01:00+00:00")
    monkeypatch.setattr("ferrycli.cli.audit.now_us", lambda: now_us)
    trigger = "SELECT sql FROM sqlite_master WHERE name = 'calls_terminal'"
    with closing(sqlite3.connect(filled.database)) as connection:
        (kept,) = connection.execute(trigger).fetchone()
        connection.execute("DROP TRIGGER calls_terminal")
        connection.execute("UPDATE calls SET expected_nanousd = hold_nanousd, instance_id = 'i_1'")
        connection.execute(kept)
        connection.execute("INSERT INTO instances (id, heartbeat_at) VALUES ('i_1', ?)", [now_us])
        connection.commit()
    return filled


def run(ferry: Ferry, statement: str) -> None:
    """Change the database behind everybody's back."""
    with closing(sqlite3.connect(ferry.database)) as connection:
        connection.execute(statement)
        connection.commit()


def test_true_books_pass_every_check(audited: Ferry) -> None:
    said = audited("audit", "--json")
    assert said.code == 0, said.out
    assert (said.json["schema"], said.json["is_sound"]) == ("ferry.audit/1", True)
    assert [check["name"].split()[0] for check in said.json["checks"]] == NAMES
    shown = audited("audit")
    assert shown.code == 0
    assert "✗" not in shown.out
    assert len(shown.out.splitlines()) == len(NAMES)


def test_what_does_not_hold_is_named_and_exits_5(audited: Ferry) -> None:
    run(audited, "UPDATE windows SET spent_nanousd = spent_nanousd - 1")
    said = audited("audit")
    assert said.code == 5
    assert said.out.count("✗") == 1
    assert "✗ I1 spent" in said.out
    assert "spent is $3.719999999 and should be $3.72, off by -$0.000000001" in said.out
    told = audited("audit", "--json").json
    assert told["is_sound"] is False
    (broken,) = [check for check in told["checks"] if check["faults"]]
    (fault,) = broken["faults"]
    assert (fault["what"], fault["is_now"], fault["should_be"]) == ("spent", 3719999999, 3720000000)


def test_call_may_take_as_long_as_the_settings_say(
    audited: Ferry, monkeypatch: pytest.MonkeyPatch
) -> None:
    later_us = moment("2026-11-23T08:20:00+00:00")
    monkeypatch.setattr("ferrycli.cli.audit.now_us", lambda: later_us)
    run(audited, f"UPDATE instances SET heartbeat_at = {later_us}")
    said = audited("audit")
    assert said.code == 5
    assert "is held for longer than any call may take" in said.out
    patient = audited.database.with_name("patient.toml")
    patient.write_text("[upstream]\ntotal_s = 3600\n", "utf-8")
    assert audited("--config", str(patient), "audit").code == 0


def test_audit_changes_nothing(audited: Ferry) -> None:
    run(audited, "PRAGMA wal_checkpoint(TRUNCATE)")
    before = audited.database.read_bytes()
    assert audited("audit").code == 0
    assert audited.database.read_bytes() == before


def test_audit_without_a_database_is_an_error(ferry: Ferry) -> None:
    assert ferry("audit").code == 3
