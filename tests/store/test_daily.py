"""Summaries of days: only of days that can change no more, whole or not at all, in short writes."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import date, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ferrycli.store import changes, daily, reads, sums
from ferrycli.store.audit import checks
from ferrycli.store.connect import open_writer
from ferrycli.store.daily import CLOSED_AFTER_US, ROWS_IN_TRANSACTION, DayKeeper
from ferrycli.store.sums import Question
from tests.store.crowd import (
    by_hand,
    correct,
    crowd,
    local,
    midnight,
    packed,
    seq_of,
    unpacked,
    write,
)
from tests.store.kit import (
    DEADLINE_S,
    PYTHON,
    ROOT,
    SECOND_US,
    Clock,
    Ids,
    admit,
    locking,
    looking,
    make_key,
    rows,
    running,
    settled,
    staged,
    until,
)

BERLIN = ZoneInfo("Europe/Berlin")
UTC = ZoneInfo("UTC")
HOUR_US = 3_600 * SECOND_US
DAY_US = 24 * HOUR_US
MONDAY = date(2026, 11, 16)
MIDNIGHT = midnight(MONDAY, BERLIN)
TUESDAY = MIDNIGHT + DAY_US
LATER = MIDNIGHT + 30 * DAY_US
MONDAYS = (MIDNIGHT, TUESDAY)
EVER = (0, 1 << 60)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "ferry.db"
    changes.prepare(found)
    return found


@pytest.fixture
def writer(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_writer(path)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        yield connection


def calls(path: Path, *moments: int, **columns: Any) -> list[dict[str, Any]]:
    """A finished call at each moment; one nano-dollar, two, four and so on."""
    given = {"state": "settled", "outcome": "ok", "cost_source": "reported", "repeats": 1}
    made = []
    for at, moment in enumerate(moments):
        seq, started = seq_of(moment, 0)
        row: dict[str, Any] = {"seq": seq, "id": f"c_{seq}", "started_at": started}
        made.append(row | given | {"cost_nanousd": 1 << at} | columns)
    write(path, made)
    return made


def unsummed(connection: sqlite3.Connection, now_us: int, zone: tzinfo = BERLIN) -> list[date]:
    """Days that could be summed now, as dates."""
    found = list(daily.unsummed(connection, zone, now_us))
    assert all(end - start <= 25 * HOUR_US for start, end in found)
    return [local(start, zone).date() for start, _ in found]


def summed(path: Path) -> set[tuple[int, int]]:
    return {(row["start_at"], row["end_at"]) for row in rows(path, "SELECT * FROM summed_days")}


def total(path: Path) -> int:
    with reads.opened(path) as connection:
        (found,) = sums.sums(connection, Question((), *EVER))
    return packed(found)


def from_summaries(path: Path) -> int:
    """What the summaries say, without a look at the rows."""
    figures = ", ".join(f"coalesce(sum(d.{name}), 0) AS {name}" for name in sums.FIGURES)
    with looking(path) as connection:
        query = f"SELECT {figures} FROM daily d JOIN summed_days USING (start_at, end_at)"
        row = dict(connection.execute(query).fetchone())
    return packed(_Figures(row))


class _Figures:
    def __init__(self, row: Mapping[str, int]) -> None:
        self.__dict__.update(row)


def sound(path: Path) -> bool:
    """What `ferry db check` says of the days."""
    with reads.opened(path) as connection:
        return not any(check.faults for check in checks.run(connection))


# When a day is summed -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after_us", "days"),
    [(-1, 0), (0, 0), (CLOSED_AFTER_US - 1, 0), (CLOSED_AFTER_US, 1), (DAY_US, 1),
     (DAY_US + CLOSED_AFTER_US, 2)],
)  # fmt: skip
def test_a_day_is_closed_some_minutes_after_its_end(
    path: Path, writer: sqlite3.Connection, after_us: int, days: int
) -> None:
    assert CLOSED_AFTER_US >= 60 * SECOND_US
    calls(path, MIDNIGHT, TUESDAY - 1, TUESDAY)
    found = unsummed(writer, TUESDAY + after_us)
    assert found == [MONDAY + timedelta(days=day) for day in range(days)][::-1]


def test_days_come_the_latest_first_and_only_until_they_are_summed(
    path: Path, writer: sqlite3.Connection
) -> None:
    calls(path, MIDNIGHT + 5, MIDNIGHT + 3 * DAY_US + 5)
    wednesday, thursday = MONDAY + timedelta(days=2), MONDAY + timedelta(days=3)
    assert unsummed(writer, LATER)[-4:] == [
        thursday, wednesday, MONDAY + timedelta(days=1), MONDAY,
    ]  # fmt: skip
    # Days long after the last call hold nothing, and are not written down one by one.
    assert len(unsummed(writer, LATER)) <= 6
    for day in list(daily.unsummed(writer, BERLIN, LATER)):
        assert daily.sum_day(writer, *day, LATER)
    assert unsummed(writer, LATER) == []
    # A new call of a new day opens just that.
    calls(path, MIDNIGHT + 8 * DAY_US)
    assert MONDAY not in unsummed(writer, LATER)
    assert MONDAY + timedelta(days=8) in unsummed(writer, LATER)


def test_a_database_without_calls_has_no_days(writer: sqlite3.Connection) -> None:
    assert unsummed(writer, LATER) == []


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        (date(2026, 3, 29), "Europe/Berlin", 23), (date(2026, 10, 25), "Europe/Berlin", 25),
        (date(2026, 3, 8), "America/New_York", 23), (date(2026, 11, 1), "America/New_York", 25),
        (date(2026, 10, 4), "Australia/Lord_Howe", 23.5),
        (date(2026, 4, 5), "Australia/Lord_Howe", 24.5), (date(2026, 3, 29), "UTC", 24),
    ],
)  # fmt: skip
def test_a_day_is_as_long_as_it_is(
    path: Path, writer: sqlite3.Connection, day: date, zone: str, hours: float
) -> None:
    place = ZoneInfo(zone)
    start, end = midnight(day, place), midnight(day + timedelta(days=1), place)
    assert end - start == int(hours * HOUR_US)
    calls(path, start - 1, start, end - 1, end)
    assert (start, end) in list(daily.unsummed(writer, place, LATER + 10**15))
    assert daily.sum_day(writer, start, end, LATER)
    (row,) = rows(path, "SELECT * FROM daily")
    assert (row["start_at"], row["end_at"], row["calls"]) == (start, end, 2)
    assert row["cost_nanousd"] == 2 + 4


def test_a_call_in_flight_delays_its_day_and_no_other(
    path: Path, writer: sqlite3.Connection
) -> None:
    calls(path, MIDNIGHT, TUESDAY)
    (held,) = calls(path, TUESDAY - 1, state="held", outcome="", cost_source="", cost_nanousd=None)
    assert not daily.sum_day(writer, *MONDAYS, LATER)
    assert rows(path, "SELECT * FROM daily") == []
    assert daily.sum_day(writer, TUESDAY, TUESDAY + DAY_US, LATER)
    assert summed(path) == {(TUESDAY, TUESDAY + DAY_US)}
    writer.execute(
        "UPDATE calls SET state = 'settled', outcome = 'ok', cost_nanousd = 64 WHERE seq = ?",
        (held["seq"],),
    )
    assert daily.sum_day(writer, *MONDAYS, LATER)
    assert MONDAYS in summed(path)
    assert sum(row["cost_nanousd"] for row in rows(path, "SELECT * FROM daily")) == 1 + 2 + 64


@staged
async def test_a_day_of_the_ledger_is_summed_when_its_last_call_has_settled(tmp_path: Path) -> None:
    """Rows as a server writes them; the summary is what they come to."""
    path, clock = tmp_path / "ferry.db", Clock(TUESDAY - SECOND_US)
    changes.prepare(path)
    key = make_key(path)
    ids = Ids(clock)
    async with running(path, clock) as ledger:
        one, other = ids.make(), ids.make()
        for new in (one, other):
            await ledger.admit(admit(new, key.id, ledger.books.epoch))
        ledger.settle_soon(settled(one, 7))
        await ledger.refresh()
        clock.move(3_600)
        with closing(open_writer(path)) as connection:
            assert not daily.sum_day(connection, *MONDAYS, clock.now_us)
            ledger.settle_soon(settled(other, 5))
            await ledger.refresh()
            assert daily.sum_day(connection, *MONDAYS, clock.now_us)
    (row,) = rows(path, "SELECT * FROM daily")
    assert (row["calls"], row["cost_nanousd"], row["open_calls"]) == (2, 12, 0)


# Corrections --------------------------------------------------------------------------------------


def test_a_correction_takes_its_day_back_and_it_is_summed_again(
    path: Path, writer: sqlite3.Connection
) -> None:
    made = calls(path, MIDNIGHT - 1, MIDNIGHT, TUESDAY - 1, TUESDAY)
    days = list(daily.unsummed(writer, BERLIN, LATER))
    for day in days:
        assert daily.sum_day(writer, *day, LATER)
    for row, day in zip(made[1:3], (MONDAYS, MONDAYS), strict=True):
        assert day in summed(path)
        correct(writer, [(f"x{row['seq']}", row["seq"], 1_000)])
        assert summed(path) == set(days) - {day}, "only that day"
        assert sound(path)
        assert list(daily.unsummed(writer, BERLIN, LATER)) == [day]
        assert daily.sum_day(writer, *day, LATER)
    (found,) = rows(path, f"SELECT * FROM daily WHERE start_at = {MIDNIGHT}")
    assert found["cost_nanousd"] == 2 + 4 + 2_000
    assert from_summaries(path) == total(path)


def test_a_correction_takes_the_days_of_every_zone_back(
    path: Path, writer: sqlite3.Connection
) -> None:
    (row,) = calls(path, MIDNIGHT + 12 * HOUR_US)
    zones = [BERLIN, UTC, ZoneInfo("Asia/Kolkata")]
    for zone in zones:
        for day in daily.unsummed(writer, zone, LATER):
            daily.sum_day(writer, *day, LATER)
    before = summed(path)
    correct(writer, [("x", row["seq"], 1)])
    taken = before - summed(path)
    assert taken == {
        (midnight(MONDAY, zone), midnight(MONDAY + timedelta(days=1), zone)) for zone in zones
    }


def test_a_correction_that_comes_while_a_day_is_summed_is_not_lost(path: Path) -> None:
    """Between any two statements: then the day does not count, or holds what was corrected."""
    (row,) = calls(path, MIDNIGHT)
    has_come, at = True, 0
    while has_come:
        copy = path.with_name(f"{at}.db")
        with looking(path) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        copy.write_bytes(path.read_bytes())
        with closing(open_writer(copy)) as connection, looking(copy) as other:
            other.execute("PRAGMA busy_timeout=0")
            meddler = _Corrector(other, row["seq"], at)
            connection.set_trace_callback(meddler)
            is_whole = daily.sum_day(connection, *MONDAYS, LATER)
            connection.set_trace_callback(None)
            has_come = meddler.has_come
            assert is_whole == (MONDAYS in summed(copy)) or meddler.has_corrected
            assert sound(copy)
            if MONDAYS in summed(copy):
                assert from_summaries(copy) == total(copy)
            assert daily.sum_day(connection, *MONDAYS, LATER)
            assert from_summaries(copy) == total(copy)
        at += 1
    assert at > 10


class _Corrector:
    """Corrects a call just before the statement of this number, unless the file is locked."""

    def __init__(self, other: sqlite3.Connection, seq: int, at: int) -> None:
        self._other = other
        self._seq = seq
        self._left = at
        self.has_come = False
        self.has_corrected = False

    def __call__(self, _statement: str) -> None:
        self._left -= 1
        if self._left == -1:
            self.has_come = True
            try:
                correct(self._other, [("x", self._seq, 1_000)])
                self.has_corrected = True
            except sqlite3.OperationalError:
                # The day's own transaction has the lock: a correction waits for it.
                pass


# Whole or not at all ------------------------------------------------------------------------------


@pytest.fixture
def busy(path: Path) -> Path:
    """A day of so many combinations that its summary takes several transactions."""
    chance = random.Random(5)
    moments = [chance.randrange(*MONDAYS) for _ in range(2_600)]
    made = crowd(path, moments, seed=5)
    with looking(path) as connection:
        count = len(connection.execute(daily.day_sums_sql(is_corrected=False),
                                       (0, 1, 0, 1 << 62)).fetchall())  # fmt: skip
    assert count > 2 * ROWS_IN_TRANSACTION
    assert total(path) == by_hand(made.calls, ())[()]
    return path


class Torn(sqlite3.Connection):
    """A connection whose process ends in the middle: after so many commits nothing works."""

    commits_left = 1 << 30

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql == "COMMIT":
            if self.commits_left == 0:
                raise sqlite3.OperationalError("the end")
            self.commits_left -= 1
        return super().execute(sql, *values)


def is_torn(path: Path, commits: int) -> bool:
    """Sum the day, and end after so many commits; False where it came to the end before."""
    end = sqlite3.connect(path, isolation_level=None, timeout=0, factory=Torn)
    with closing(end) as connection:
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("PRAGMA synchronous=OFF")
        connection.commits_left = commits
        try:
            return not daily.sum_day(connection, *MONDAYS, LATER)
        except sqlite3.OperationalError:
            return True


@pytest.mark.parametrize("was_summed", [False, True], ids=["first", "again"])
def test_half_a_summary_is_never_seen(
    busy: Path, writer: sqlite3.Connection, was_summed: bool
) -> None:
    """Ended after any of its transactions, the first time and when a day is summed again."""
    wanted = total(busy)
    commits, goes_on = 0, True
    while goes_on:
        for table in ("daily", "summed_days"):
            writer.execute(f"DELETE FROM {table}")
        if was_summed:
            assert daily.sum_day(writer, *MONDAYS, LATER)
        goes_on = is_torn(busy, commits)
        assert total(busy) == wanted, f"after {commits} commits"
        assert sound(busy)
        commits += 1
    assert commits > (7 if was_summed else 4)
    assert from_summaries(busy) == wanted


def test_no_transaction_writes_more_than_its_share(busy: Path, writer: sqlite3.Connection) -> None:
    """So that the ledger hardly ever waits; also where a summary is thrown out."""
    sizes: list[int] = []
    begun = [0]

    def watch(statement: str) -> None:
        if statement.startswith("BEGIN"):
            begun[0] = writer.total_changes
        elif statement == "COMMIT":
            sizes.append(writer.total_changes - begun[0])

    writer.set_trace_callback(watch)
    for _ in range(2):
        assert daily.sum_day(writer, *MONDAYS, LATER)
    # The row that makes the day count is taken and given in transactions of their own size.
    assert max(sizes) <= ROWS_IN_TRANSACTION + 1
    written = len(rows(busy, "SELECT 1 FROM daily"))
    assert sum(sizes) == 3 * written + 3, "written, taken away, written: all of it was watched"


def test_the_write_lock_is_free_between_transactions(
    busy: Path, writer: sqlite3.Connection
) -> None:
    """Another hand writes between any two of them, and is never refused."""
    with looking(busy) as other:
        other.execute("PRAGMA busy_timeout=0")
        written: list[bool] = []

        def meddle(statement: str) -> None:
            if statement.startswith("BEGIN"):
                other.execute("UPDATE meta SET value = value WHERE name = 'epoch'")
                written.append(True)

        writer.set_trace_callback(meddle)
        assert daily.sum_day(writer, *MONDAYS, LATER)
    assert len(written) > 4
    assert from_summaries(busy) == total(busy)


# Two at once --------------------------------------------------------------------------------------


@pytest.mark.parametrize("commits", [1_000, 1, 4], ids="{} commits".format)
def test_two_that_sum_one_day_step_by_step_leave_it_whole_or_not_summed(
    busy: Path, writer: sqlite3.Connection, commits: int
) -> None:
    """The second works just before a statement of the first, and may end in the middle of it."""
    wanted = total(busy)
    assert daily.sum_day(writer, *MONDAYS, LATER)
    has_met, at = True, 0
    while has_met:
        meeting = _Meeting(busy, at, commits)
        with closing(open_writer(busy, busy_ms=0)) as one:
            one.set_trace_callback(meeting)
            try:
                daily.sum_day(one, *MONDAYS, LATER)
            except sqlite3.IntegrityError:
                assert meeting.has_met, "only the other can be in the way"
        has_met = meeting.has_met
        assert total(busy) == wanted, at
        assert sound(busy)
        at += 1
    assert at > 15
    assert daily.sum_day(writer, *MONDAYS, LATER)
    assert from_summaries(busy) == wanted


class _Meeting:
    """Another keeper, which sums the same day before the statement of this number."""

    def __init__(self, path: Path, at: int, commits: int) -> None:
        self._path = path
        self._left = at
        self._commits = commits
        self.has_met = False

    def __call__(self, statement: str) -> None:
        # Within a transaction nobody comes between, so rows are not counted.
        self._left -= not statement.startswith("INSERT INTO daily")
        if self._left == -1 and not self.has_met:
            self.has_met = True
            is_torn(self._path, self._commits)


def test_two_keepers_of_two_processes_leave_every_day_once(path: Path) -> None:
    chance = random.Random(8)
    made = crowd(path, [MIDNIGHT + chance.randrange(6 * DAY_US) for _ in range(6_000)], seed=8)
    script = (
        "import sys\nfrom pathlib import Path\nfrom zoneinfo import ZoneInfo\n"
        "from contextlib import closing\nimport sqlite3\n"
        "from ferrycli.store import daily\nfrom ferrycli.store.connect import open_writer\n"
        f"zone, later = ZoneInfo('Europe/Berlin'), {LATER}\n"
        "print('ready', flush=True)\nsys.stdin.readline()\n"
        "with closing(open_writer(Path(sys.argv[1]))) as connection:\n"
        "    for _ in range(20):\n"
        "        for day in list(daily.unsummed(connection, zone, later)):\n"
        "            try:\n"
        "                daily.sum_day(connection, *day, later)\n"
        "            except sqlite3.IntegrityError:\n"
        "                pass\n"
    )
    both = [
        subprocess.Popen(
            [PYTHON, "-c", script, str(path)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    for one in both:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in both:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    for one in both:
        one.communicate(timeout=60)
        assert one.returncode == 0
    assert total(path) == by_hand(made.calls, ())[()]
    assert sound(path)
    # Nothing was left half done, either: together they came to the end.
    with closing(open_writer(path)) as connection:
        assert list(daily.unsummed(connection, BERLIN, LATER)) == []
    assert from_summaries(path) == by_hand(made.calls, ())[()]


# The keeper ---------------------------------------------------------------------------------------


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A keeper that does not wait."""
    monkeypatch.setattr(daily, "FIRST_WAIT_S", 0.0)
    monkeypatch.setattr(daily, "WAIT_S", 0.005)


def keepers() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "ferry-days"]


class Kept:
    """A keeper that is stopped at the end, whatever comes."""

    def __init__(self, path: Path, clock: Clock, zone: tzinfo = BERLIN) -> None:
        self._keeper = DayKeeper(path, zone, clock)

    def __enter__(self) -> DayKeeper:
        self._keeper.start()
        return self._keeper

    def __exit__(self, *_: object) -> None:
        self._keeper.stop(DEADLINE_S)
        assert keepers() == []


@pytest.mark.usefixtures("at_once")
def test_a_keeper_sums_days_as_they_end(path: Path) -> None:
    calls(path, MIDNIGHT, TUESDAY, TUESDAY + DAY_US)
    clock = Clock(TUESDAY + CLOSED_AFTER_US)
    with Kept(path, clock):
        until(lambda: summed(path) == {MONDAYS})
        clock.now_us += DAY_US
        until(lambda: summed(path) == {MONDAYS, (TUESDAY, TUESDAY + DAY_US)})
        clock.now_us += DAY_US
        until(lambda: len(summed(path)) == 3)
    assert from_summaries(path) == total(path)


@pytest.mark.usefixtures("at_once")
def test_a_correction_under_a_keeper_is_in_the_next_summary(path: Path) -> None:
    (row,) = calls(path, MIDNIGHT)
    with Kept(path, Clock(LATER)):
        until(lambda: MONDAYS in summed(path))
        with looking(path) as connection:
            correct(connection, [("x", row["seq"], 41)])
        until(lambda: MONDAYS in summed(path))
    (found,) = rows(path, f"SELECT cost_nanousd FROM daily WHERE start_at = {MIDNIGHT}")
    assert found["cost_nanousd"] == 42


@pytest.mark.usefixtures("at_once")
def test_a_clock_that_is_set_back_opens_days_again(path: Path) -> None:
    calls(path, MIDNIGHT + 1, TUESDAY + 1)
    clock = Clock(LATER)
    tuesdays = (TUESDAY, TUESDAY + DAY_US)
    with Kept(path, clock):
        until(lambda: {MONDAYS, tuesdays} <= summed(path))
        clock.now_us = TUESDAY + 2 * HOUR_US
        until(lambda: summed(path) == {MONDAYS})
        # The day goes on: what is called now is in its summary in the end.
        calls(path, clock.now_us)
        clock.now_us = LATER
        until(lambda: tuesdays in summed(path))
    assert from_summaries(path) == total(path)
    assert sound(path)


@pytest.mark.usefixtures("at_once")
def test_a_keeper_waits_for_a_file_that_is_not_there_and_makes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, looks = tmp_path / "ferry.db", []
    is_there = Path.exists

    def exists(self: Path) -> bool:
        if self == path and threading.current_thread() in keepers():
            looks.append(is_there(self))
        return is_there(self)

    monkeypatch.setattr(Path, "exists", exists)
    with Kept(path, Clock(LATER)):
        until(lambda: len(looks) > 3)
        assert not any(looks)
        changes.prepare(path)
        calls(path, MIDNIGHT)
        until(lambda: MONDAYS in summed(path))


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("content", [b"", b"no database at all" * 100], ids=["empty", "foreign"])
def test_a_keeper_survives_a_file_that_is_no_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    path = tmp_path / "ferry.db"
    path.write_bytes(content)
    opened = _Opened(open_writer)
    monkeypatch.setattr(daily, "open_writer", opened)
    with Kept(path, Clock(LATER)):
        until(lambda: opened.count > 3)
        assert len(keepers()) == 1
        if content:
            assert path.read_bytes() == content
        else:
            changes.prepare(path)
            calls(path, MIDNIGHT)
            until(lambda: MONDAYS in summed(path))


@pytest.mark.usefixtures("at_once")
def test_a_keeper_waits_for_a_lock_and_holds_nobody_up_meanwhile(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls(path, MIDNIGHT)
    opened = _Opened(open_writer)
    monkeypatch.setattr(daily, "open_writer", opened)
    with locking(path), Kept(path, Clock(LATER)):
        until(lambda: opened.count > 3)
        # Reports go on from the rows.
        assert unpacked(total(path))["calls"] == 1
        assert summed(path) == set()
    with Kept(path, Clock(LATER)):
        until(lambda: MONDAYS in summed(path))


class _Opened:
    """Connections that wait for nothing, counted."""

    def __init__(self, opens: Any) -> None:
        self._opens = opens
        self.count = 0

    def __call__(self, path: Path) -> sqlite3.Connection:
        self.count += 1
        connection: sqlite3.Connection = self._opens(path, busy_ms=0)
        return connection


def test_a_keeper_starts_and_stops_without_having_done_anything(path: Path) -> None:
    """Also at once, before its first round, and where it was stopped twice."""
    calls(path, MIDNIGHT)
    keeper = DayKeeper(path, BERLIN, Clock(LATER))
    keeper.start()
    assert len(keepers()) == 1
    assert keepers()[0].daemon, "a process that ends does not wait for it"
    keeper.stop(DEADLINE_S)
    keeper.stop(DEADLINE_S)
    assert keepers() == []
    assert summed(path) == set()


@pytest.mark.usefixtures("at_once")
def test_a_keeper_ends_after_the_day_at_hand(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that stops does not wait for a month of days."""
    calls(path, *(MIDNIGHT + day * DAY_US for day in range(20)))
    clock = Clock(LATER)
    keeper = DayKeeper(path, BERLIN, clock)
    whole = daily.sum_day
    stopped = threading.Event()

    def sum_one(*arguments: Any) -> bool:
        # Stopped by somebody else while the first day is summed.
        if not stopped.is_set():
            threading.Thread(target=keeper.stop, args=(DEADLINE_S,)).start()
            until(lambda: keeper._stopping.is_set())
            stopped.set()
        return whole(*arguments)

    monkeypatch.setattr(daily, "sum_day", sum_one)
    keeper.start()
    until(lambda: stopped.is_set() and keepers() == [])
    assert len(summed(path)) == 1


@pytest.mark.usefixtures("at_once")
def test_two_keepers_of_one_process_leave_every_day_once(path: Path) -> None:
    chance = random.Random(9)
    made = crowd(path, [MIDNIGHT + chance.randrange(4 * DAY_US) for _ in range(4_000)], seed=9)
    first, second = (DayKeeper(path, BERLIN, Clock(LATER)) for _ in range(2))
    first.start()
    second.start()
    try:
        until(lambda: len(summed(path)) >= 4)
    finally:
        first.stop(DEADLINE_S)
        second.stop(DEADLINE_S)
    assert keepers() == []
    assert total(path) == by_hand(made.calls, ())[()]
    assert sound(path)
