"""A database is made once, moved forward whole or not at all, and never taken from another."""

from __future__ import annotations

import ast
import os
import sqlite3
import stat
import subprocess
from pathlib import Path

import pytest

from ferrycli.rules.errors import DatabaseNewer, DatabaseUnusable
from ferrycli.store import changes, migrations, reads
from ferrycli.store.connect import open_writer
from ferrycli.store.migrations import Migration
from tests.store.kit import NOON, PYTHON, ROOT, Clock, looking, rows

EVERY = migrations.MIGRATIONS
FIRST = EVERY[0]
NAMES = [one.name for one in EVERY]


def _second(connection: sqlite3.Connection, dialect: str) -> None:
    connection.execute("CREATE TABLE later (a)")
    connection.execute("INSERT INTO later VALUES (?)", [dialect])


def _half(connection: sqlite3.Connection, dialect: str) -> None:
    connection.execute("CREATE TABLE half (a)")
    connection.execute("UPDATE meta SET value = '999' WHERE name = 'epoch'")
    raise KeyboardInterrupt


def schema(path: Path) -> list[str]:
    query = "SELECT name || coalesce(sql, '') FROM sqlite_master ORDER BY name"
    with looking(path) as connection:
        return [one[0] for one in connection.execute(query)]


def test_new_file_gets_every_migration_once(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "deep" / "er" / "ferry.db"
    assert changes.prepare(path) == [one.name for one in migrations.MIGRATIONS]
    before = schema(path)
    assert changes.prepare(path) == []
    assert schema(path) == before
    assert rows(path, "SELECT * FROM migrations") == [
        {"name": one.name, "applied_at": NOON} for one in migrations.MIGRATIONS
    ]


def test_names_of_migrations_are_in_their_order() -> None:
    names = [one.name for one in migrations.MIGRATIONS]
    assert names == sorted(set(names))


def test_new_file_has_an_epoch_and_a_salt_of_its_own(tmp_path: Path) -> None:
    salts = set()
    for number in range(3):
        path = tmp_path / f"{number}.db"
        changes.prepare(path)
        facts = {one["name"]: one["value"] for one in rows(path, "SELECT * FROM meta")}
        assert facts.keys() == {"epoch", "salt", "sequence"}
        assert int(facts["epoch"]) >= 1
        assert len(bytes.fromhex(facts["salt"])) == 16
        salts.add(facts["salt"])
    assert len(salts) == 3


def test_new_file_leaves_no_backup(path: Path) -> None:
    assert {one.name for one in path.parent.iterdir()} <= {
        "ferry.db",
        "ferry.db-wal",
        "ferry.db-shm",
    }


def test_database_of_a_newer_ferry_is_refused(path: Path) -> None:
    with looking(path) as connection:
        connection.execute("INSERT INTO migrations VALUES ('9999_later', 1)")
    before = schema(path)
    with pytest.raises(DatabaseNewer) as refused:
        changes.prepare(path)
    assert (refused.value.path, refused.value.migration) == (str(path), "9999_later")
    with pytest.raises(DatabaseNewer), reads.opened(path):
        pass
    assert schema(path) == before


def foreign(path: Path) -> bytes:
    with looking(path) as connection:
        connection.execute("CREATE TABLE moz_places (url)")
    return path.read_bytes()


def test_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    foreign(path)
    with pytest.raises(DatabaseUnusable) as refused:
        changes.prepare(path)
    assert "another program" in refused.value.why
    with pytest.raises(DatabaseUnusable), reads.opened(path):
        pass
    assert [one[:10] for one in schema(path)] == ["moz_places"]


def test_database_of_another_program_is_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    before = foreign(path)
    with pytest.raises(DatabaseUnusable):
        changes.prepare(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"not a database, and long enough to be read as a header" * 9])
def test_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ferry.db"
    path.write_bytes(content)
    with pytest.raises(DatabaseUnusable) as refused:
        changes.prepare(path)
    assert refused.value.path == str(path)
    with pytest.raises(DatabaseUnusable), reads.opened(path):
        pass
    assert path.read_bytes() == content


def test_directory_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnusable):
        changes.prepare(tmp_path)
    with pytest.raises(DatabaseUnusable), reads.opened(tmp_path):
        pass


def test_file_in_place_of_its_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseUnusable):
        changes.prepare(tmp_path / "file" / "ferry.db")


def test_torn_header_is_told_and_not_raised_raw(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[:16] = b"\0" * 16
    path.write_bytes(content)
    with pytest.raises(DatabaseUnusable):
        changes.prepare(path)


def test_first_migration_killed_half_way_has_not_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ferry.db"

    def torn(connection: sqlite3.Connection, dialect: str) -> None:
        FIRST.apply(connection, dialect)
        raise KeyboardInterrupt

    monkeypatch.setattr(migrations, "MIGRATIONS", (Migration(FIRST.name, torn),))
    with pytest.raises(KeyboardInterrupt):
        changes.prepare(path)
    assert schema(path) == []
    monkeypatch.setattr(migrations, "MIGRATIONS", (FIRST,))
    assert changes.prepare(path) == [FIRST.name]


def test_later_migration_killed_half_way_has_not_happened(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, facts = schema(path), rows(path, "SELECT * FROM meta")
    monkeypatch.setattr(migrations, "MIGRATIONS", (*EVERY, Migration("9001_half", _half)))
    with pytest.raises(KeyboardInterrupt):
        changes.prepare(path)
    assert schema(path) == before
    assert rows(path, "SELECT * FROM meta") == facts
    monkeypatch.setattr(migrations, "MIGRATIONS", (*EVERY, Migration("9001_half", _second)))
    assert changes.prepare(path) == ["9001_half"]


def test_one_failure_leaves_the_migrations_before_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = (*EVERY, Migration("9001_second", _second), Migration("9002_half", _half))
    monkeypatch.setattr(migrations, "MIGRATIONS", steps)
    with pytest.raises(KeyboardInterrupt):
        changes.prepare(path)
    assert [one["name"] for one in rows(path, "SELECT name FROM migrations ORDER BY name")] == [
        *NAMES,
        "9001_second",
    ]


def test_later_migration_leaves_a_backup_of_what_was_before(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes.create_key(path, changes.KeyPlan(name="kept"))
    monkeypatch.setattr(migrations, "MIGRATIONS", (*EVERY, Migration("9001_second", _second)))
    assert changes.prepare(path) == ["9001_second"]
    assert rows(path, "SELECT * FROM later") == [{"a": "sqlite"}]
    backup = path.with_name("ferry.db.before-9001_second")
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert [one["name"] for one in rows(backup, "SELECT name FROM keys")] == ["kept"]
    assert [one["name"] for one in rows(backup, "SELECT name FROM migrations")] == NAMES
    with looking(backup) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_backup_holds_what_only_the_wal_held(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with looking(path) as other:
        other.execute("INSERT INTO meta VALUES ('in_wal', '1')")
        monkeypatch.setattr(migrations, "MIGRATIONS", (*EVERY, Migration("9001_second", _second)))
        changes.prepare(path)
    backup = path.with_name("ferry.db.before-9001_second")
    assert "in_wal" in {one["name"] for one in rows(backup, "SELECT name FROM meta")}


class Interleaved:
    """A connection between whose first two statements another process makes the tables."""

    def __init__(self, path: Path) -> None:
        self.connection = open_writer(path)
        self._path = path
        self._is_first = True

    def execute(self, statement: str) -> sqlite3.Cursor:
        cursor = self.connection.execute(statement)
        if self._is_first:
            self._is_first = False
            found = cursor.fetchall()
            changes.prepare(self._path)
            # What the first statement saw, again.
            return self.connection.execute(
                " UNION ALL ".join("SELECT ?" for _ in found) or "SELECT 1 WHERE 0",
                [one[0] for one in found],
            )
        return cursor


def test_tables_made_meanwhile_by_another_ferry_are_not_anothers(tmp_path: Path) -> None:
    interleaved = Interleaved(tmp_path / "ferry.db")
    try:
        pending = migrations.check(interleaved, tmp_path / "ferry.db")  # type: ignore[arg-type]
    finally:
        interleaved.connection.close()
    assert pending == []


def test_processes_that_start_at_once_make_one_database(tmp_path: Path) -> None:
    path = tmp_path / "ferry.db"
    script = (
        "import sys, pathlib\n"
        "from ferrycli.store import changes\n"
        "sys.stdin.readline()\n"
        "print(changes.prepare(pathlib.Path(sys.argv[1])))\n"
    )
    started = [
        subprocess.Popen(
            [PYTHON, "-c", script, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for _ in range(4)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60) for process in started]
    assert [process.returncode for process in started] == [0] * 4, [said for _, said in answers]
    made = [name for answer, _ in answers for name in ast.literal_eval(answer)]
    assert sorted(made) == NAMES, "each by one of them"
    assert len(rows(path, "SELECT * FROM meta")) == 3


def test_file_that_holds_nothing_yet_is_filled(tmp_path: Path) -> None:
    path = tmp_path / "ferry.db"
    path.touch()
    assert changes.prepare(path) == NAMES


def test_migration_that_another_process_has_just_done_is_not_done_twice(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was pending when this process looked, and is not when this process has the lock."""
    before = rows(path, "SELECT * FROM meta")
    monkeypatch.setattr(migrations, "check", lambda *_: [FIRST])
    assert changes.prepare(path) == []
    assert rows(path, "SELECT * FROM meta") == before


def test_second_process_does_not_overwrite_the_backup_of_the_first(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = (*EVERY, Migration("9001_second", _second))
    monkeypatch.setattr(migrations, "MIGRATIONS", steps)
    plain = migrations.check
    pending = steps[1:]
    changes.prepare(path)
    # The second process had looked before the first was done.
    monkeypatch.setattr(migrations, "check", lambda *_: list(pending))
    assert changes.prepare(path) == []
    monkeypatch.setattr(migrations, "check", plain)
    backup = path.with_name("ferry.db.before-9001_second")
    assert [one["name"] for one in rows(backup, "SELECT name FROM migrations")] == NAMES


def test_file_that_breaks_while_it_is_looked_at_is_told(path: Path) -> None:
    connection = open_writer(path)
    connection.close()

    class Broken:
        def execute(self, _: str) -> sqlite3.Cursor:
            raise sqlite3.DatabaseError("database disk image is malformed")

    with pytest.raises(DatabaseUnusable) as refused:
        migrations.check(Broken(), path)  # type: ignore[arg-type]
    assert "malformed" in refused.value.why
