"""One server per database file, and no crash that locks anybody out."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ferrycli.rules.errors import DatabaseUnusable, ServerRunning
from ferrycli.store.lock import HOLDER_BYTES_MAX, ServerLock
from tests.store.kit import PYTHON, ROOT

HOLD = """
import pathlib, sys
from ferrycli.store.lock import ServerLock
lock = ServerLock.acquire(pathlib.Path(sys.argv[1]), "pid 4711 on 127.0.0.1:4777")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def holding(database: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the lock."""
    process = subprocess.Popen(
        [PYTHON, "-c", HOLD, str(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate(timeout=30)


def test_second_server_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    database = tmp_path / "ferry.db"
    with holding(database):
        for _ in range(2):
            with pytest.raises(ServerRunning) as refused:
                ServerLock.acquire(database, "me")
            assert refused.value.holder == "pid 4711 on 127.0.0.1:4777"
            assert refused.value.path == str(database)
            assert refused.value.exit_code == 6


def test_lock_ends_with_its_process_however_that_ends(tmp_path: Path) -> None:
    database = tmp_path / "ferry.db"
    with holding(database) as process:
        process.kill()
        process.wait(30)
        lock = ServerLock.acquire(database, "me")
    with pytest.raises(ServerRunning) as refused:
        ServerLock.acquire(database, "another")
    assert refused.value.holder == "me", "nothing is left of the longer name of the dead"
    lock.release()


def test_lock_is_given_back(tmp_path: Path) -> None:
    database = tmp_path / "ferry.db"
    for name in ("one", "two"):
        lock = ServerLock.acquire(database, name)
        assert (tmp_path / "ferry.db.server").read_text() == name
        lock.release()
        assert (tmp_path / "ferry.db.server").read_text() == ""


def test_lock_of_one_database_is_not_that_of_another(tmp_path: Path) -> None:
    one = ServerLock.acquire(tmp_path / "one.db", "me")
    two = ServerLock.acquire(tmp_path / "two.db", "me")
    one.release()
    two.release()


def test_lock_file_is_for_its_owner_and_makes_its_directory(tmp_path: Path) -> None:
    database = tmp_path / "deep" / "ferry.db"
    lock = ServerLock.acquire(database, "me")
    found = database.with_name("ferry.db.server")
    assert stat.S_IMODE(found.stat().st_mode) == 0o600
    assert not database.exists()
    lock.release()


def test_long_name_of_a_holder_is_cut_where_it_is_still_text(tmp_path: Path) -> None:
    lock = ServerLock.acquire(tmp_path / "ferry.db", "é" * HOLDER_BYTES_MAX)
    with pytest.raises(ServerRunning) as refused:
        ServerLock.acquire(tmp_path / "ferry.db", "me")
    assert refused.value.holder.startswith("ééé")
    assert len(refused.value.holder) <= HOLDER_BYTES_MAX
    lock.release()


def test_holder_without_a_name_is_another_process(tmp_path: Path) -> None:
    lock = ServerLock.acquire(tmp_path / "ferry.db", "")
    with pytest.raises(ServerRunning) as refused:
        ServerLock.acquire(tmp_path / "ferry.db", "me")
    assert refused.value.holder == "another process"
    lock.release()


def test_place_where_no_lock_can_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseUnusable):
        ServerLock.acquire(tmp_path / "file" / "ferry.db", "me")
