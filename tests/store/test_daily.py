"""Summaries of days: made when nothing can change, whole or not at all, and gone with a correction.

What they hold is compared with the rows in test_sums.py.
"""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ferrycli.rules.windows import to_us
from ferrycli.store import changes, checks, daily
from ferrycli.store.connect import open_writer
from ferrycli.store.ids import seq_at
from ferrycli.store.sums import Question, sums

BERLIN = ZoneInfo("Europe/Berlin")
MINUTE = 60_000_000
LONG_AGO = 1 << 62


def at(text: str, zone: ZoneInfo = BERLIN) -> int:
    return to_us(datetime.fromisoformat(text).replace(tzinfo=zone))


MONDAY, TUESDAY, WEDNESDAY = at("2026-11-16"), at("2026-11-17"), at("2026-11-18")
NUMBERS = itertools.count(1)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "ferry.db"
    changes.prepare(path)
    with closing(open_writer(path)) as connection:
        yield connection


def call(
    connection: sqlite3.Connection, at_us: int, state: str = "settled", tenant: str = "acme"
) -> int:
    number = next(NUMBERS)
    seq = seq_at(at_us) + number % 512
    connection.execute(
        "INSERT INTO calls (seq, id, state, started_at, cost_nanousd, tenant) VALUES"
        " (?, ?, ?, ?, ?, ?)",
        (seq, f"c_{number}", state, at_us, None if state == "held" else 1_000, tenant),
    )
    return seq


def correct(connection: sqlite3.Connection, seq: int, delta: int = 500) -> None:
    connection.execute(
        "INSERT INTO corrections (id, call_seq, delta_nanousd) VALUES (?, ?, ?)",
        (f"x_{next(NUMBERS)}", seq, delta),
    )


def summed(connection: sqlite3.Connection) -> set[tuple[int, int]]:
    return set(map(tuple, connection.execute("SELECT start_at, end_at FROM summed_days")))


def cost(connection: sqlite3.Connection, tables: str = "daily") -> int:
    found = connection.execute(f"SELECT coalesce(sum(cost_nanousd), 0) FROM {tables}").fetchone()
    return int(found[0])


def is_sound(connection: sqlite3.Connection) -> bool:
    return not any(one.faults for one in checks.run(connection))


def waiting(connection: sqlite3.Connection, now: int) -> list[tuple[int, int]]:
    return list(daily.unsummed(connection, BERLIN, now))


def test_a_day_waits_until_some_minutes_after_its_end(writer: sqlite3.Connection) -> None:
    call(writer, MONDAY)
    closes = TUESDAY + daily.CLOSED_AFTER_US
    assert waiting(writer, closes - 1) == []
    assert waiting(writer, closes) == [(MONDAY, TUESDAY)]


def test_days_are_offered_latest_first_and_once(writer: sqlite3.Connection) -> None:
    for moment in (MONDAY, WEDNESDAY - 1):
        call(writer, moment)
    now = WEDNESDAY + 24 * 60 * MINUTE
    assert waiting(writer, now)[-2:] == [(TUESDAY, WEDNESDAY), (MONDAY, TUESDAY)]
    assert daily.sum_day(writer, MONDAY, TUESDAY, now)
    assert (MONDAY, TUESDAY) not in waiting(writer, now)
    assert summed(writer) == {(MONDAY, TUESDAY)}


def test_an_empty_database_has_no_days(writer: sqlite3.Connection) -> None:
    assert waiting(writer, WEDNESDAY) == []


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_the_day_of_a_clock_change_is_one_day(
    writer: sqlite3.Connection, day: str, hours: int
) -> None:
    start = at(day)
    call(writer, start)
    call(writer, start + hours * 60 * MINUTE - 1)
    [found] = waiting(writer, start + (hours * 60 + 5) * MINUTE)
    assert found == (start, start + hours * 60 * MINUTE)
    assert daily.sum_day(writer, *found, 0)
    assert writer.execute("SELECT sum(calls) FROM daily").fetchone()[0] == 2


def test_a_day_with_a_call_in_flight_is_not_summed(writer: sqlite3.Connection) -> None:
    seq = call(writer, MONDAY, "held")
    assert not daily.sum_day(writer, MONDAY, TUESDAY, 0)
    assert (summed(writer), cost(writer)) == (set(), 0)
    writer.execute("UPDATE calls SET state = 'settled', cost_nanousd = 7 WHERE seq = ?", (seq,))
    assert daily.sum_day(writer, MONDAY, TUESDAY, 0)
    assert cost(writer) == 7


def test_calls_of_the_moments_around_a_day_are_not_its_own(writer: sqlite3.Connection) -> None:
    for moment in (MONDAY - 1_000, MONDAY, TUESDAY - 1_000, TUESDAY):
        call(writer, moment)
    assert daily.sum_day(writer, MONDAY, TUESDAY, 0)
    assert writer.execute("SELECT sum(calls) FROM daily").fetchone()[0] == 2
    assert is_sound(writer)


def test_a_correction_takes_its_day_away_and_no_other(writer: sqlite3.Connection) -> None:
    first, _ = call(writer, MONDAY), call(writer, TUESDAY)
    for day in ((MONDAY, TUESDAY), (TUESDAY, WEDNESDAY)):
        assert daily.sum_day(writer, *day, 0)
    correct(writer, first)
    assert summed(writer) == {(TUESDAY, WEDNESDAY)}
    # Until it is summed again, the rows answer; and afterwards the same.
    whole = Question((), 0, LONG_AGO)
    assert sums(writer, whole)[0].cost_nanousd == 2_500
    assert daily.sum_day(writer, MONDAY, TUESDAY, 0)
    assert sums(writer, whole)[0].cost_nanousd == 2_500
    assert is_sound(writer)


class Interrupting:
    """A connection on which something happens before the nth write."""

    def __init__(self, connection: sqlite3.Connection, number: int, what: object) -> None:
        self._connection = connection
        self._left = number
        self._what = what
        self.rows_written_most = 0

    def execute(self, statement: str, values: object = ()) -> sqlite3.Cursor:
        if statement == "BEGIN IMMEDIATE":
            self._left -= 1
            if self._left == 0:
                assert callable(self._what)
                self._what()
        return self._connection.execute(statement, values)  # type: ignore[arg-type]

    def executemany(self, statement: str, rows: list[tuple[object, ...]]) -> sqlite3.Cursor:
        self.rows_written_most = max(self.rows_written_most, len(rows))
        return self._connection.executemany(statement, rows)


@pytest.fixture
def crowd(writer: sqlite3.Connection) -> sqlite3.Connection:
    """A day whose summary takes three transactions."""
    writer.execute("BEGIN")
    for number in range(2 * daily.ROWS_IN_TRANSACTION + 5):
        call(writer, MONDAY + number * 1_000, tenant=f"t{number}")
    writer.execute("COMMIT")
    return writer


def killed() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("number", range(1, 6))
def test_killed_at_any_write_no_half_day_counts(crowd: sqlite3.Connection, number: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        daily.sum_day(Interrupting(crowd, number, killed), MONDAY, TUESDAY, 0)  # type: ignore[arg-type]
    assert summed(crowd) == set()
    whole = Question(("tenant",), MONDAY, TUESDAY)
    assert sum(one.cost_nanousd for one in sums(crowd, whole)) == cost(crowd, "calls")
    assert daily.sum_day(crowd, MONDAY, TUESDAY, 0)
    assert cost(crowd) == cost(crowd, "calls")
    assert is_sound(crowd)


def test_no_transaction_is_long(crowd: sqlite3.Connection) -> None:
    watched = Interrupting(crowd, 0, None)
    assert daily.sum_day(watched, MONDAY, TUESDAY, 0)  # type: ignore[arg-type]
    assert watched.rows_written_most == daily.ROWS_IN_TRANSACTION


@pytest.mark.parametrize("number", range(1, 6))
def test_a_correction_meanwhile_is_never_lost(crowd: sqlite3.Connection, number: int) -> None:
    seq = crowd.execute("SELECT min(seq) FROM calls").fetchone()[0]
    meanwhile = Interrupting(crowd, number, lambda: correct(crowd, seq))
    assert not daily.sum_day(meanwhile, MONDAY, TUESDAY, 0)  # type: ignore[arg-type]
    assert summed(crowd) == set()
    assert daily.sum_day(crowd, MONDAY, TUESDAY, 0)
    assert cost(crowd) == cost(crowd, "calls") + 500


@pytest.mark.parametrize("number", range(1, 6))
def test_two_at_the_same_day_never_leave_half_of_it(crowd: sqlite3.Connection, number: int) -> None:
    path = Path(crowd.execute("PRAGMA database_list").fetchone()[2])
    with closing(open_writer(path)) as other:
        both = Interrupting(crowd, number, lambda: daily.sum_day(other, MONDAY, TUESDAY, 0))
        try:
            daily.sum_day(both, MONDAY, TUESDAY, 0)  # type: ignore[arg-type]
        except sqlite3.IntegrityError:
            # The rows were there already: the next round finds the day summed, or sums it.
            assert not crowd.in_transaction
    if summed(crowd):
        assert is_sound(crowd)
    whole = Question(("tenant",), MONDAY, TUESDAY)
    assert sum(one.cost_nanousd for one in sums(crowd, whole)) == cost(crowd, "calls")


# The thread -------------------------------------------------------------------------------------


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daily, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(daily, "WAIT_S", 0.001)


def rounds(keeper: daily.DayKeeper, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Run the thread for so many rounds."""
    done = threading.Semaphore(0)
    one_round = daily.DayKeeper._round

    def counted(self: daily.DayKeeper) -> None:
        try:
            one_round(self)
        finally:
            done.release()

    monkeypatch.setattr(daily.DayKeeper, "_round", counted)
    keeper.start()
    for _ in range(count):
        assert done.acquire(timeout=30)
    keeper.stop(30)


def test_the_thread_sums_what_has_ended_and_stops(
    tmp_path: Path, writer: sqlite3.Connection, hasty: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for moment in (MONDAY, TUESDAY, WEDNESDAY):
        call(writer, moment)
    now = WEDNESDAY + daily.CLOSED_AFTER_US
    rounds(daily.DayKeeper(tmp_path / "ferry.db", BERLIN, lambda: now), monkeypatch, 2)
    assert summed(writer) == {(MONDAY, TUESDAY), (TUESDAY, WEDNESDAY)}
    assert is_sound(writer)


def test_a_clock_set_back_opens_days_again(
    tmp_path: Path, writer: sqlite3.Connection, hasty: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(writer, MONDAY)
    call(writer, TUESDAY)
    for day in ((MONDAY, TUESDAY), (TUESDAY, WEDNESDAY)):
        assert daily.sum_day(writer, *day, 0)
    now = TUESDAY + daily.CLOSED_AFTER_US
    rounds(daily.DayKeeper(tmp_path / "ferry.db", BERLIN, lambda: now), monkeypatch, 1)
    assert summed(writer) == {(MONDAY, TUESDAY)}


def test_no_file_is_made_where_there_is_none(
    tmp_path: Path, hasty: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "gone.db"
    rounds(daily.DayKeeper(path, BERLIN, lambda: WEDNESDAY), monkeypatch, 2)
    assert not path.exists()


def test_a_file_that_cannot_be_used_ends_no_thread(
    tmp_path: Path, hasty: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "other.db"
    path.write_bytes(b"no database at all, and longer than a header of one would be" * 9)
    rounds(daily.DayKeeper(path, BERLIN, lambda: WEDNESDAY), monkeypatch, 3)
    assert path.read_bytes().startswith(b"no database")
