"""The ledger where its file fails: nothing goes unpaid, nothing is lost, and it mends itself."""

from __future__ import annotations

import asyncio
import functools
import sqlite3
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ferrycli.rules.budget import Admission
from ferrycli.rules.denials import TooBusy
from ferrycli.rules.errors import (
    DatabaseNewer,
    DatabaseUnusable,
    LedgerUnavailable,
    OutOfReach,
)
from ferrycli.rules.keys import KeyTerms
from ferrycli.rules.standings import Terms
from ferrycli.rules.usage import Usage
from ferrycli.store import books, changes, ledger, upkeep
from ferrycli.store.connect import open_writer
from ferrycli.store.ids import NewId
from ferrycli.store.ledger import Ledger
from ferrycli.store.messages import Admit, Deny, Note
from ferrycli.store.rows import Closing
from tests.store.kit import (
    FACTS,
    NOON,
    PYTHON,
    SECOND_US,
    USD,
    Clock,
    Ids,
    admit,
    ask,
    locking,
    looking,
    make_key,
    opening,
    question,
    released,
    row,
    rows,
    running,
    settled,
    soon,
    staged,
    the_window,
    until,
)

TOO_LARGE = 1 << 70


async def hold(running_ledger: Ledger, ids: Ids, key_id: str, hold_nanousd: int = USD) -> NewId:
    new = ids.make()
    verdict = await running_ledger.admit(
        admit(new, key_id, running_ledger.books.epoch, hold_nanousd)
    )
    assert isinstance(verdict, Admission), verdict
    return new


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another's lock is waited for briefly, so that the tests are quick."""
    monkeypatch.setattr(ledger, "ADMISSION_BUSY_MS", 20)


@pytest.fixture
def never_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread is under load: no tick comes between two batches."""
    monkeypatch.setattr(ledger, "IDLE_TICK_S", 600.0)


@staged
async def test_foreign_lock_refuses_admissions_and_loses_no_settlement(
    path: Path, clock: Clock, ids: Ids, impatient: None
) -> None:
    key = make_key(path, budget="50/month")
    async with running(path, clock) as running_ledger:
        calls = [await hold(running_ledger, ids, key.id) for _ in range(20)]
        with locking(path):
            for new in calls:
                running_ledger.settle_soon(settled(new, 100))
            verdict = await running_ledger.admit(
                admit(ids.make(), key.id, running_ledger.books.epoch)
            )
            assert isinstance(verdict, LedgerUnavailable)
            assert (verdict.status, verdict.code) == (503, "ledger_unavailable")
            assert running_ledger.calls_unwritten == 20
            assert running_ledger.is_failing
            assert the_window(path) == (0, 20 * USD, 0)
        # By itself: nobody asks anything.
        await soon(lambda: running_ledger.calls_unwritten == 0)
        await soon(lambda: not running_ledger.is_failing)
        assert the_window(path) == (20 * 100, 0, 0)
        assert {row(path, new)["state"] for new in calls} == {"settled"}
        await hold(running_ledger, ids, key.id)


@staged
async def test_refused_calls_do_not_pile_up_while_the_file_is_locked(
    path: Path, clock: Clock, ids: Ids, impatient: None
) -> None:
    """Each refused call is closed by its conductor too: an outage is as long as it is."""
    key = make_key(path, budget="50/month")
    async with running(path, clock) as running_ledger:
        flying = await hold(running_ledger, ids, key.id)
        with locking(path):
            running_ledger.settle_soon(settled(flying, 5))
            for _ in range(30):
                new = ids.make()
                verdict = await running_ledger.admit(admit(new, key.id, running_ledger.books.epoch))
                assert isinstance(verdict, LedgerUnavailable)
                running_ledger.settle_soon(released(new))
            await soon(lambda: running_ledger.messages_waiting == 0)
            # The file can still be read: keys are known while nothing can be written.
            await running_ledger.refresh()
            assert running_ledger.calls_unwritten == 1
        await soon(lambda: running_ledger.calls_unwritten == 0)
        assert len(rows(path)) == 1


@staged
async def test_lock_shorter_than_the_patience_of_an_admission_is_waited_out(
    path: Path, clock: Clock, ids: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "ADMISSION_BUSY_MS", 20_000)
    key = make_key(path, budget="50/month")
    async with running(path, clock) as running_ledger:
        with locking(path):
            asking = asyncio.ensure_future(
                running_ledger.admit(admit(ids.make(), key.id, running_ledger.books.epoch))
            )
            await soon(lambda: running_ledger.messages_waiting == 0)
        assert isinstance(await asking, Admission)


@staged
async def test_ledger_is_failing_as_long_as_it_cannot_write(
    path: Path, clock: Clock, ids: Ids, impatient: None
) -> None:
    key = make_key(path, budget="50/month")
    async with running(path, clock) as running_ledger:
        with locking(path):
            verdict = await running_ledger.admit(
                admit(ids.make(), key.id, running_ledger.books.epoch)
            )
            assert isinstance(verdict, LedgerUnavailable)
            ticks = counted(running_ledger, "_tick")
            await soon(lambda: len(ticks) > 3)
            assert running_ledger.is_failing


def counted(thing: Any, name: str) -> list[int]:
    """One entry for each call of a method from now on."""
    plain, found = getattr(thing, name), []

    def counting(*arguments: Any) -> Any:
        found.append(1)
        return plain(*arguments)

    setattr(thing, name, counting)
    return found


@staged
async def test_full_disk_refuses_admissions_and_keeps_settlements_for_later(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path, budget="5000/month")
    async with running(path, clock) as running_ledger:
        connection = running_ledger._desk.connection
        calls = [await hold(running_ledger, ids, key.id) for _ in range(3)]
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()
        verdict: Any = None
        for _ in range(500):
            verdict = await running_ledger.admit(
                admit(ids.make(), key.id, running_ledger.books.epoch, 1, thread="x" * 4_000)
            )
            if not isinstance(verdict, Admission):
                break
        assert isinstance(verdict, LedgerUnavailable)
        assert "full" in verdict.why
        before = the_window(path)
        # The settlements of this moment need a page too: their rows grow.
        for new in calls:
            running_ledger.settle_soon(settled(new, 100, reason="y" * 4_000))
        await soon(lambda: running_ledger.calls_unwritten == len(calls))
        assert the_window(path) == before
        connection.execute("PRAGMA max_page_count = 1000000").fetchone()
        await soon(lambda: running_ledger.calls_unwritten == 0)
        assert {row(path, new)["state"] for new in calls} == {"settled"}
        spent, held, doubt = the_window(path)
        assert (spent, held, doubt) == (300, before[1] - 3 * USD, 0)
        await hold(running_ledger, ids, key.id)


POISONS: dict[str, Callable[[NewId, str, int], Admit]] = {
    "a number that no column holds": lambda new, key_id, epoch: question(
        opening(new, key_id, output_asked=TOO_LARGE), ask(1), {"key": key_id}, epoch
    ),
    "half a surrogate": lambda new, key_id, epoch: question(
        opening(new, key_id, tenant="\ud800"), ask(1), {"key": key_id}, epoch
    ),
    "a type that no column holds": lambda new, key_id, epoch: question(
        opening(new, key_id, tenant=object()), ask(1), {"key": key_id}, epoch
    ),
}


@pytest.mark.parametrize("poison", POISONS)
@staged
async def test_question_that_cannot_be_written_does_not_take_its_neighbours_along(
    path: Path, clock: Clock, ids: Ids, poison: str
) -> None:
    key = make_key(path, budget="50/month")
    async with running(path, clock) as running_ledger:
        flying = await hold(running_ledger, ids, key.id)
        epoch = running_ledger.books.epoch
        first, bad, last = ids.make(), ids.make(), ids.make()
        running_ledger.settle_soon(settled(flying, 70))
        verdicts = await asyncio.gather(
            running_ledger.admit(admit(first, key.id, epoch)),
            running_ledger.admit(POISONS[poison](bad, key.id, epoch)),
            running_ledger.admit(admit(last, key.id, epoch)),
        )
        assert [type(verdict) for verdict in verdicts] == [Admission, LedgerUnavailable, Admission]
        await running_ledger.refresh()
        assert {one["seq"] for one in rows(path)} == {flying.seq, first.seq, last.seq}
        assert the_window(path) == (70, 2 * USD, 0)
        assert running_ledger.calls_unwritten == 0


@staged
async def test_row_key_that_exists_refuses_the_second_call_alone(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path, budget="50/month")
    async with running(path, clock) as running_ledger:
        epoch, new, other = running_ledger.books.epoch, ids.make(), ids.make()
        verdicts = await asyncio.gather(
            *(running_ledger.admit(admit(one, key.id, epoch)) for one in (new, new, other))
        )
        kinds = [type(verdict) for verdict in verdicts]
        assert kinds == [Admission, LedgerUnavailable, Admission]
        assert the_window(path) == (0, 2 * USD, 0)


@pytest.mark.parametrize(
    "more",
    [
        {"provider_cost_nanousd": TOO_LARGE},
        {"usage": Usage(output=TOO_LARGE)},
        {"finish_reason": "\udfff"},
    ],
)
@staged
async def test_settlement_that_cannot_be_written_ends_its_call_as_unpriced(
    path: Path, clock: Clock, ids: Ids, more: dict[str, Any]
) -> None:
    """The true cost is not known, so the whole hold stays in doubt; no hold is left."""
    key = make_key(path, budget="50/month")
    async with running(path, clock) as running_ledger:
        good, bad = await hold(running_ledger, ids, key.id), await hold(running_ledger, ids, key.id)
        running_ledger.settle_soon(settled(bad, 10, **more))
        running_ledger.settle_soon(settled(good, 70))
        await soon(lambda: row(path, bad)["state"] == "settled")
        await soon(lambda: row(path, good)["state"] == "settled")
        assert the_window(path) == (70, 0, USD)
        found = row(path, bad)
        assert (found["cost_nanousd"], found["cost_source"]) == (None, "unpriced")
        assert found["doubt_nanousd"] == USD
        await soon(lambda: running_ledger.calls_unwritten == 0 and not running_ledger.is_failing)


@staged
async def test_cost_that_no_window_can_count_ends_its_call_as_unpriced(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path, budget="50/month")
    async with running(path, clock) as running_ledger:
        bad = await hold(running_ledger, ids, key.id)
        running_ledger.settle_soon(settled(bad, (1 << 63) + 1))
        await soon(lambda: row(path, bad)["state"] == "settled")
        assert the_window(path) == (0, 0, USD)


@staged
async def test_denial_that_cannot_be_written_is_left_out(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path)
    async with running(path, clock) as running_ledger:
        running_ledger.deny_soon(Deny(opening(ids.make(), key.id, tenant="\ud800"), TooBusy()))
        await running_ledger.refresh()
        assert rows(path) == []
        await hold(running_ledger, ids, key.id)


@staged
async def test_questions_over_the_bound_are_refused_and_settlements_never(
    path: Path, clock: Clock, ids: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "ADMISSION_BUSY_MS", 20_000)
    monkeypatch.setattr(ledger, "ASKS_WAITING_MAX", 8)
    key = make_key(path, budget="50/month")
    async with running(path, clock) as running_ledger:
        flying = await hold(running_ledger, ids, key.id)
        epoch = running_ledger.books.epoch
        with locking(path):
            asking = [
                asyncio.ensure_future(running_ledger.admit(admit(ids.make(), key.id, epoch)))
                for _ in range(8)
            ]
            await asyncio.sleep(0)
            verdict = await running_ledger.admit(admit(ids.make(), key.id, epoch))
            assert isinstance(verdict, TooBusy)
            assert verdict.status == 503
            running_ledger.settle_soon(settled(flying, 5))
            for _ in range(30):
                running_ledger.deny_soon(Deny(opening(ids.make(), key.id), TooBusy()))
            running_ledger.note_soon(Note("circuit", "up/m-1"))
            assert running_ledger.messages_waiting <= 8 + 1 + 8
        assert {type(one) for one in await asyncio.gather(*asking)} == {Admission}
        await running_ledger.refresh()
        assert rows(path, "SELECT * FROM alerts WHERE kind = 'circuit'") == []
        assert row(path, flying)["state"] == "settled"
        assert isinstance(await running_ledger.admit(admit(ids.make(), key.id, epoch)), Admission)


@staged
async def test_refresh_that_was_not_done_says_so(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(path, clock) as running_ledger:
        monkeypatch.setattr(ledger, "ASKS_WAITING_MAX", 0)
        with pytest.raises(TooBusy):
            await running_ledger.refresh()


@staged
async def test_refresh_that_failed_says_so(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, never_idle: None
) -> None:
    async with running(path, clock) as running_ledger:

        def broken() -> bool:
            raise sqlite3.OperationalError("disk I/O error")

        monkeypatch.setattr(running_ledger._desk, "refresh", broken)
        with pytest.raises(LedgerUnavailable):
            await running_ledger.refresh()


@staged
async def test_thread_survives_a_file_that_cannot_be_read_when_idle(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path)
    async with running(path, clock) as running_ledger:
        plain = running_ledger._desk.refresh

        def broken() -> bool:
            raise sqlite3.OperationalError("disk I/O error")

        running_ledger._desk.refresh = broken  # type: ignore[method-assign]
        await soon(lambda: running_ledger.is_failing)
        running_ledger._desk.refresh = plain  # type: ignore[method-assign]
        await soon(lambda: not running_ledger.is_failing)
        await hold(running_ledger, ids, key.id)


@staged
async def test_revocation_in_the_middle_of_a_reload_is_not_lost(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The books are of one moment, or at least no later reload is saved by their epoch."""
    key = make_key(path)
    async with running(path, clock) as running_ledger:
        plain, was_revoked = books._budgets, threading.Event()

        def interrupted(connection: sqlite3.Connection) -> Any:
            # The keys have been read, the epoch has not.
            if not was_revoked.is_set():
                was_revoked.set()
                changes.revoke_key(path, key.name)
            return plain(connection)

        monkeypatch.setattr(books, "_budgets", interrupted)
        make_key(path, "other")
        await soon(was_revoked.is_set)
        await soon(lambda: running_ledger.books.keys_by_id[key.id].revoked_at is not None)


def bytes_of(path: Path) -> int:
    return path.stat().st_size


@staged
async def test_wal_is_bounded_where_the_thread_is_never_idle(
    path: Path, clock: Clock, ids: Ids, monkeypatch: pytest.MonkeyPatch, never_idle: None
) -> None:
    monkeypatch.setattr(upkeep, "WAL_BYTES_MAX", 256 * 1024)
    monkeypatch.setattr(upkeep, "WAL_LOOK_EVERY", 2)
    key = make_key(path, budget="5000/month")
    wal = path.with_name("ferry.db-wal")
    async with running(path, clock) as running_ledger:
        sizes = []
        for _ in range(300):
            new = ids.make()
            verdict = await running_ledger.admit(
                admit(new, key.id, running_ledger.books.epoch, 1, thread="x" * 2_000)
            )
            assert isinstance(verdict, Admission)
            running_ledger.settle_soon(released(new))
            sizes.append(bytes_of(wal))
        assert 256 * 1024 < max(sizes) < 2 * 256 * 1024
        assert bytes_of(path) > 300 * 2_000 / 2


@staged
async def test_idle_ledger_checkpoints_and_stopped_one_leaves_no_wal(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path)
    async with running(path, clock) as running_ledger:
        before = bytes_of(path)
        for _ in range(50):
            await running_ledger.admit(
                admit(ids.make(), key.id, running_ledger.books.epoch, 1, thread="x" * 4_000)
            )
        await soon(lambda: bytes_of(path) > before + 50 * 4_000)
    wal = path.with_name("ferry.db-wal")
    assert not wal.exists() or wal.stat().st_size == 0


def test_what_is_told_after_the_loop_is_written(path: Path, clock: Clock, ids: Ids) -> None:
    key, new = make_key(path, budget="50/month"), ids.make()

    async def begin() -> Ledger:
        ledger = Ledger(path, FACTS, clock)
        ledger.start(asyncio.get_running_loop())
        assert isinstance(await ledger.admit(admit(new, key.id, ledger.books.epoch)), Admission)
        return ledger

    ledger = asyncio.run(begin())
    ledger.settle_soon(settled(new, 5))
    assert ledger.stop()
    assert row(path, new)["state"] == "settled"
    assert the_window(path) == (5, 0, 0)


@staged
async def test_stop_writes_what_has_queued(path: Path, clock: Clock, ids: Ids) -> None:
    key = make_key(path, budget="5000/month")
    async with running(path, clock) as running_ledger:
        epoch = running_ledger.books.epoch
        calls = [ids.make() for _ in range(1_500)]
        await asyncio.gather(*(running_ledger.admit(admit(new, key.id, epoch)) for new in calls))
        for new in calls:
            running_ledger.settle_soon(settled(new, 3))
        assert running_ledger.stop()
    assert the_window(path) == (3 * 1_500, 0, 0)
    assert rows(path, "SELECT DISTINCT state FROM calls") == [{"state": "settled"}]


@staged
async def test_stop_waits_for_the_file_before_it_gives_settlements_up(
    path: Path, clock: Clock, ids: Ids, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "RETRY_S", 0.005)
    key = make_key(path, budget="50/month")
    async with running(path, clock) as running_ledger:
        new = await hold(running_ledger, ids, key.id)
        with locking(path):
            running_ledger.settle_soon(settled(new, 5))
            assert not running_ledger.stop(0.05), "it has something to write yet"
            until(lambda: running_ledger.calls_unwritten == 1)
        assert running_ledger.stop()
    assert the_window(path) == (5, 0, 0)


@staged
async def test_stop_ends_where_the_file_stays_locked(
    path: Path, clock: Clock, ids: Ids, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "RETRY_S", 0.005)
    key = make_key(path, budget="50/month")
    async with running(path, clock) as running_ledger:
        new = await hold(running_ledger, ids, key.id)
        with locking(path):
            running_ledger.settle_soon(settled(new, 5))
            running_ledger.stop(0.0)
            until(lambda: running_ledger.calls_unwritten == 1)
            clock.move(60)
            assert running_ledger.stop()
    assert row(path, new)["state"] == "held", "the next server recovers it"


def test_answer_for_a_loop_that_is_closed_is_dropped(path: Path, clock: Clock, ids: Ids) -> None:
    key = make_key(path)
    served = Ledger(path, FACTS, clock)
    new = ids.make()

    async def leave() -> None:
        served.start(asyncio.get_running_loop())
        with locking(path):
            asking = asyncio.ensure_future(served.admit(admit(new, key.id, served.books.epoch)))
            await soon(lambda: served.messages_waiting == 0)
            asking.cancel()

    asyncio.run(leave())
    assert served.stop()


@staged
async def test_server_leaves_its_traces_in_the_file(path: Path, clock: Clock, ids: Ids) -> None:
    key = make_key(path)
    async with running(path, clock) as running_ledger:
        (found,) = rows(path, "SELECT * FROM instances")
        assert found == {
            "id": "i_1",
            "host": "host",
            "pid": 4711,
            "address": "127.0.0.1:4777",
            "version": "0.1.0",
            "started_at": NOON,
            "heartbeat_at": NOON,
            "stopped_at": None,
        }
        clock.move(1)
        await hold(running_ledger, ids, key.id)
        epoch = running_ledger.books.epoch
        clock.move(5)
        await soon(lambda: rows(path, "SELECT * FROM instances")[0]["heartbeat_at"] == clock.now_us)
        (used,) = rows(path, "SELECT last_used_at FROM keys")
        assert used["last_used_at"] == NOON + SECOND_US
        assert (await running_ledger.refresh()).epoch == epoch, "a heartbeat changes no books"
        clock.move(1)
    (found,) = rows(path, "SELECT * FROM instances")
    assert found["stopped_at"] == found["heartbeat_at"] == NOON + 7 * SECOND_US


@staged
async def test_heart_beats_where_the_thread_is_never_idle(
    path: Path, clock: Clock, ids: Ids, never_idle: None
) -> None:
    key = make_key(path)
    async with running(path, clock) as running_ledger:
        for _ in range(5):
            clock.move(60)
            await hold(running_ledger, ids, key.id)
        await running_ledger.refresh()
        (found,) = rows(path, "SELECT heartbeat_at FROM instances")
        assert found["heartbeat_at"] > NOON


@staged
async def test_heart_that_cannot_beat_beats_later(
    path: Path, clock: Clock, ids: Ids, impatient: None, never_idle: None
) -> None:
    key = make_key(path)
    async with running(path, clock) as running_ledger:
        epoch = running_ledger.books.epoch
        with locking(path):
            clock.move(60)
            verdict = await running_ledger.admit(admit(ids.make(), key.id, epoch))
            assert isinstance(verdict, LedgerUnavailable)
            # In order behind the beat that failed.
            await running_ledger.refresh()
        await hold(running_ledger, ids, key.id)
        await running_ledger.refresh()
        (found,) = rows(path, "SELECT heartbeat_at FROM instances")
        assert found["heartbeat_at"] == clock.now_us


@pytest.mark.parametrize("fault", ["newer", "foreign", "broken"])
def test_start_says_what_is_wrong_with_the_file(
    path: Path, tmp_path: Path, clock: Clock, fault: str
) -> None:
    wanted: type[Exception] = DatabaseUnusable
    if fault == "newer":
        wanted = DatabaseNewer
        with looking(path) as other:
            other.execute("INSERT INTO migrations VALUES ('9999_later', 1)")
    else:
        path = tmp_path / "other.db"
        path.write_bytes(b"broken" * 999)
    if fault == "foreign":
        path.unlink()
        with looking(path) as other:
            other.execute("CREATE TABLE theirs (a)")

    with pytest.raises(wanted):
        start(path, clock)


def start(path: Path, clock: Clock) -> None:
    async def started() -> None:
        Ledger(path, FACTS, clock).start(asyncio.get_running_loop())

    asyncio.run(started())


def test_start_says_that_the_file_is_locked(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "open_writer", functools.partial(open_writer, busy_ms=20))
    with locking(path), pytest.raises(OutOfReach):
        start(path, clock)


def test_start_says_that_the_file_is_damaged(path: Path, clock: Clock) -> None:
    with looking(path) as other:
        other.execute("PRAGMA journal_mode=DELETE").fetchone()
        pages = other.execute("SELECT rootpage FROM sqlite_master WHERE name = 'calls_open'")
        page = pages.fetchone()[0]
        size = other.execute("PRAGMA page_size").fetchone()[0]
    content = bytearray(path.read_bytes())
    content[(page - 1) * size : page * size] = b"\xee" * size
    path.write_bytes(content)
    with pytest.raises(OutOfReach):
        start(path, clock)


@pytest.mark.parametrize("lost", ["ferry.db", "ferry.db-wal"])
@staged
async def test_file_that_was_taken_away_admits_nothing(
    path: Path, clock: Clock, ids: Ids, lost: str
) -> None:
    key = make_key(path)
    async with running(path, clock) as running_ledger:
        take_away(path.with_name(lost))
        verdict = await running_ledger.admit(admit(ids.make(), key.id, running_ledger.books.epoch))
        assert isinstance(verdict, LedgerUnavailable)


def take_away(path: Path) -> None:
    path.unlink()


@staged
async def test_closing_is_bare_only_where_it_must_be(path: Path, clock: Clock, ids: Ids) -> None:
    """A lock is no fault of the message: what waited for it is written whole."""
    key = make_key(path, budget="50/month")
    async with running(path, clock) as running_ledger:
        new = await hold(running_ledger, ids, key.id)
        with locking(path):
            running_ledger.settle_soon(
                Closing(new.seq, "settled", "left", NOON, finish_reason="stop", status=200)
            )
            await soon(lambda: running_ledger.calls_unwritten == 1)
        await soon(lambda: row(path, new)["state"] == "settled")
    found = row(path, new)
    assert (found["outcome"], found["finish_reason"], found["status"]) == ("left", "stop", 200)


def test_another_part_of_this_process_may_open_the_file_without_ending_our_locks(
    path: Path, clock: Clock, ids: Ids
) -> None:
    """POSIX locks end when *any* descriptor of a file is closed: then others take the WAL away."""
    ours = open_writer(path)
    try:
        ours.execute("INSERT INTO meta VALUES ('one', '1')")
        open_writer(path).close()
        script = (
            "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
            "print(c.execute('SELECT count(*) FROM meta').fetchone()[0]); c.close()"
        )

        def others_count() -> str:
            done = subprocess.run(
                [PYTHON, "-c", script, str(path)], capture_output=True, text=True, check=True
            )
            return done.stdout.strip()

        assert others_count() == "4"
        assert path.with_name("ferry.db-wal").exists(), "another took the WAL of a live connection"
        ours.execute("INSERT INTO meta VALUES ('two', '2')")
        assert others_count() == "5"
    finally:
        ours.close()


def test_terms_and_keys_of_the_books_are_values() -> None:
    """Published to another thread as they are: nobody may change them under it."""
    for value in (KeyTerms("key_0", "a", "1234"), Terms("b", "s", "day", "UTC", 1)):
        with pytest.raises(AttributeError):
            value.id = "other"  # type: ignore[misc]
