"""A thread that is released begins anew, and a running server sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ferrycli.rules.errors import NoSuchThread
from ferrycli.store import books, reads
from ferrycli.store.reads_threads import ThreadFacts, recent
from ferrycli.store.thread_changes import KEPT_US, release_thread
from tests.store.kit import DAY_US, NOON, Clock, Ids, looking, rows


def put(path: Path, ids: Ids, thread: str, state: str = "settled", repeats: int = 1) -> None:
    new = ids.make()
    with looking(path) as connection:
        connection.execute(
            "INSERT INTO calls (seq, id, state, started_at, admitted_at, thread, repeats)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (new.seq, new.text("c"), state, new.at_us, new.at_us, thread, repeats),
        )


def test_release_is_seen_by_a_running_server(path: Path, clock: Clock) -> None:
    with looking(path) as connection:
        before = books.read_epoch(connection)
        assert release_thread(path, "th_1") == NOON
        clock.move(1)
        release_thread(path, "th_2")
        after = books.load(connection)
    assert after.epoch > before
    assert after.thread_releases == (("th_2", NOON + 1_000_000), ("th_1", NOON))


def test_release_twice_counts_from_the_later_one(path: Path, clock: Clock) -> None:
    release_thread(path, "th_1")
    clock.move(60)
    release_thread(path, "th_1")
    times = [row["released_at"] for row in rows(path, "SELECT * FROM thread_releases")]
    assert sorted(times) == [NOON, NOON + 60_000_000]


def test_releases_do_not_pile_up(path: Path, clock: Clock) -> None:
    for _ in range(4):
        release_thread(path, "th_1")
        clock.move(KEPT_US / 1_000_000 - DAY_US / 1_000_000)
    assert len(rows(path, "SELECT * FROM thread_releases")) == 2


def test_calls_of_late_are_counted_with_the_refused_ones(
    path: Path, clock: Clock, ids: Ids
) -> None:
    put(path, ids, "th_1")
    clock.move(10)
    put(path, ids, "th_1")
    put(path, ids, "th_1", "held")
    put(path, ids, "th_1", "denied", repeats=40)
    put(path, ids, "th_2")
    with reads.opened(path) as connection:
        assert recent(connection, "th_1", NOON + 1) == ThreadFacts("th_1", 42, 40)
        assert recent(connection, "th_1", 0) == ThreadFacts("th_1", 43, 40)


@pytest.mark.parametrize("thread", ["th_2", "", "TH_1"])
def test_thread_that_did_not_call_is_not_there(path: Path, ids: Ids, thread: str) -> None:
    put(path, ids, "th_1")
    put(path, ids, "")
    with reads.opened(path) as connection, pytest.raises(NoSuchThread):
        recent(connection, thread, 0)
