"""Sums of calls: from rows and from summaries, to the nano-dollar what plain Python adds up.

A hundred thousand calls of October 2026 hold the clock changes of three zones: an hour back in
Berlin and New York, half an hour ahead on Lord Howe Island.
"""

from __future__ import annotations

import random
import shutil
from bisect import bisect_right
from collections.abc import Callable
from contextlib import closing
from dataclasses import fields, replace
from datetime import date, timedelta, tzinfo
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ferrycli.rules.filters import parse_filter
from ferrycli.rules.spans import Span, slots
from ferrycli.store import changes, daily, reads, sums
from ferrycli.store.connect import open_writer
from ferrycli.store.sums import Question, Sum
from tests.store.crowd import (
    DIMENSIONS,
    FIGURES,
    Call,
    Crowd,
    by_hand,
    correct,
    crowd,
    figures_of,
    local,
    midnight,
    pack,
    packed,
    seq_of,
    shown,
    slots_by_hand,
    write,
)
from tests.store.kit import NOON, SECOND_US, USD, looking

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
ZONES: tuple[tzinfo, ...] = (BERLIN, NEW_YORK, LORD_HOWE)
FIRST, LAST = date(2026, 10, 2), date(2026, 11, 4)
BEGIN, END = midnight(FIRST, LORD_HOWE), midnight(LAST, NEW_YORK)
CHANGES: dict[tzinfo, date] = {
    BERLIN: date(2026, 10, 25),
    NEW_YORK: date(2026, 11, 1),
    LORD_HOWE: date(2026, 10, 4),
}
HOUR_US = 3_600 * SECOND_US
DAILY = tuple(name for name in DIMENSIONS if name not in ("user", "thread"))
LATER = END + 10 * 24 * HOUR_US


def moments(count: int) -> list[int]:
    """Moments of chance, and those that lie on an edge of a day, or a hair before it."""
    chance = random.Random(20261124)
    edges = [midnight(FIRST + timedelta(days=day), zone) for zone in ZONES for day in range(1, 33)]
    near = [edge + away for edge in edges for away in (-1_000, -1, 0, 1, 1_000)]
    return near + [chance.randrange(BEGIN, END) for _ in range(count - len(near))]


HELD = tuple(
    range(midnight(day, BERLIN), midnight(day, BERLIN) + 6 * HOUR_US)
    for day in (date(2026, 10, 14), date(2026, 10, 30))
)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Crowd:
    """The calls, and no day summed."""
    path = tmp_path_factory.mktemp("sums") / "ferry.db"
    changes.prepare(path)
    return crowd(path, moments(100_000), HELD)


def summed(rows: Crowd, path: Path, *zones: tzinfo) -> Crowd:
    """A copy whose days are summed, by these zones."""
    shutil.copy(rows.path, path)
    for zone in zones:
        sum_days(path, zone)
    return Crowd(path, rows.calls)


def sum_days(path: Path, zone: tzinfo) -> int:
    """How many days could be summed."""
    with closing(open_writer(path)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        days = list(daily.unsummed(connection, zone, LATER))
        return sum(daily.sum_day(connection, *day, LATER) for day in days)


@pytest.fixture(scope="module")
def days_of(rows: Crowd, tmp_path_factory: pytest.TempPathFactory) -> Callable[[tzinfo], Crowd]:
    """The same calls with the days of one zone summed, for each zone once."""
    made: dict[tzinfo, Crowd] = {}

    def of(zone: tzinfo) -> Crowd:
        if zone not in made:
            made[zone] = summed(rows, tmp_path_factory.mktemp("days") / "ferry.db", zone)
        return made[zone]

    return of


def ask(path: Path, question: Question) -> list[Sum]:
    with reads.opened(path) as connection:
        return sums.sums(connection, question)


def figures(found: list[Sum]) -> dict[tuple[str, ...], int]:
    assert len({one.by for one in found}) == len(found), "a group came twice"
    return {one.by: packed(one) for one in found}


def month(zone: tzinfo) -> tuple[int, int, list[date]]:
    """Four weeks of whole days, that hold the zone's clock change: bounds and days."""
    first = date(2026, 10, 3) if zone is LORD_HOWE else date(2026, 10, 6)
    days = [first + timedelta(days=day) for day in range(28)]
    return midnight(first, zone), midnight(first + timedelta(days=28), zone), days


def test_figures_are_those_that_are_added_up_by_hand() -> None:
    assert tuple(field.name for field in fields(Sum))[1:-1] == FIGURES
    assert tuple(sums.GROUPS) == DIMENSIONS


def inside(rows: Crowd, since: int, until: int) -> list[Call]:
    return [one for one in rows.calls if since <= one.at_us < until]


@pytest.mark.parametrize("is_summed", [False, True], ids=["rows", "days"])
@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_sums_by_each_dimension_and_day_are_those_of_the_calls(
    rows: Crowd, days_of: Callable[[tzinfo], Crowd], zone: tzinfo, is_summed: bool
) -> None:
    since, until, days = month(zone)
    calls = inside(rows, since, until)
    place = {day: at for at, day in enumerate(days)}
    day_of = {one.seq: place[local(one.at_us, zone).date()] for one in calls}
    path = days_of(zone).path if is_summed else rows.path
    edges = tuple(midnight(days[0] + timedelta(days=day), zone) for day in range(29))
    lengths = {(end - start) // HOUR_US * 2 + (end - start) % HOUR_US * 2 // HOUR_US
               for start, end in pairwise(edges)}  # fmt: skip
    assert lengths == {48, 47 if zone is LORD_HOWE else 50}, "half hours of a day"
    total = sum(one.figures for one in calls)
    for name in ("", *(DAILY if is_summed else DIMENSIONS)):
        by = (name,) if name else ()
        found = ask(path, Question(by, since, until, edges=edges))
        wanted = by_hand(calls, by)
        assert figures(found) == wanted, shown(figures(found), wanted)
        assert sum(map(packed, found)) == total
        parts = slots_by_hand(calls, by, day_of, len(days))
        assert {one.by: one.slots for one in found} == parts
        assert all(sum(one.slots) == one.cost_nanousd for one in found)
        order = [(-one.cost_nanousd, -one.calls, one.by) for one in found]
        assert order == sorted(order), "the dearest first"


@pytest.mark.parametrize("zone", [None, *ZONES], ids=["rows", *map(str, ZONES)])
def test_sums_by_each_pair_of_dimensions_are_those_of_the_calls(
    rows: Crowd, days_of: Callable[[tzinfo], Crowd], zone: tzinfo | None
) -> None:
    """From rows all pairs, from summaries those that they can answer for."""
    since, until, _ = month(zone or BERLIN)
    calls = inside(rows, since, until)
    path = days_of(zone).path if zone else rows.path
    total = sum(one.figures for one in calls)
    for by in combinations(DAILY if zone else DIMENSIONS, 2):
        found = figures(ask(path, Question(by, since, until)))
        wanted = by_hand(calls, by)
        assert found == wanted, shown(found, wanted)
        assert sum(found.values()) == total


def test_the_order_of_dimensions_is_the_order_of_names(rows: Crowd) -> None:
    by = ("model", "tenant", "outcome")
    since, until, _ = month(BERLIN)
    found = figures(ask(rows.path, Question(by, since, until)))
    assert found == by_hand(inside(rows, since, until), by)


def test_all_days_but_those_with_calls_in_flight_are_summed(
    rows: Crowd, days_of: Callable[[tzinfo], Crowd]
) -> None:
    """What the tests above claim of summaries would be idle if there were none."""
    for zone in ZONES:
        since, until, days = month(zone)
        flying = {local(one.at_us, zone).date() for one in rows.calls if one.row["state"] == "held"}
        with looking(days_of(zone).path) as connection:
            query = "SELECT start_at FROM summed_days WHERE start_at >= ? AND end_at <= ?"
            starts = {row[0] for row in connection.execute(query, (since, until))}
        assert flying
        assert starts == {midnight(day, zone) for day in days if day not in flying}


@pytest.mark.parametrize("is_summed", [False, True], ids=["rows", "days"])
@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_hours_and_weeks_are_those_of_the_clock_on_the_wall(
    rows: Crowd, days_of: Callable[[tzinfo], Crowd], zone: tzinfo, is_summed: bool
) -> None:
    path = days_of(zone).path if is_summed else rows.path
    change = CHANGES[zone]
    for day in (change, change + timedelta(days=2)):
        start, end = midnight(day, zone), midnight(day + timedelta(days=1), zone)
        parts = slots(Span(start, end, ""), zone)
        assert parts.unit == "hour"
        count = -(-(end - start) // HOUR_US)
        assert len(parts.edges) == count + 1
        calls = inside(rows, start, end)
        hour_of = {one.seq: (one.at_us - start) // HOUR_US for one in calls}
        hours = slots_by_hand(calls, ("model",), hour_of, count)
        found = ask(path, Question(("model",), start, end, edges=parts.edges))
        assert {one.by: one.slots for one in found} == hours
    start, end = midnight(FIRST, zone), midnight(LAST - timedelta(days=1), zone)
    parts = slots(Span(start, end, ""), zone)
    assert parts.unit == "week"
    calls = inside(rows, start, end)
    first = FIRST.isocalendar().week
    week_of = {one.seq: local(one.at_us, zone).date().isocalendar().week - first for one in calls}
    weeks = slots_by_hand(calls, ("tenant",), week_of, len(parts.edges) - 1)
    found = ask(path, Question(("tenant",), start, end, edges=parts.edges))
    assert {one.by: one.slots for one in found} == weeks


# Filters ------------------------------------------------------------------------------------------

FILTERS: tuple[tuple[str, Callable[[Call], bool]], ...] = (
    ("tenant=acme", lambda one: one.values["tenant"] == "acme"),
    ('tenant="" or tenant=日本語', lambda one: one.values["tenant"] in ("", "日本語")),
    ("key=k1", lambda one: one.values["key"] == "k1"),
    ("key!~k and model!=m-2",
     lambda one: "k" not in one.values["key"] and one.values["model"] != "m-2"),
    ("not (outcome=ok or route~FAS)",
     lambda one: not (one.values["outcome"] == "ok" or one.values["route"] == "fast")),
    ("outcome=''", lambda one: one.row["state"] == "held"),
    ("provider=nobody", lambda _: False),
    ("user=u7", lambda one: one.values["user"] == "u7"),
    ("thread~9 and feature=chat",
     lambda one: "9" in one.values["thread"] and one.values["feature"] == "chat"),
    ("cost>0.30", lambda one: (one.row["effective"] or 0) > 3 * USD // 10),
    ("not cost>=0", lambda one: one.row["effective"] is None),
    ("unpriced", lambda one: one.row["cost_source"] == "unpriced"
     and one.row["effective"] is None),
    ("estimated=no, denied=no",
     lambda one: one.row["cost_source"] != "estimated" and one.row["state"] != "denied"),
    ("denied and tenant!=acme",
     lambda one: one.row["state"] == "denied" and one.values["tenant"] != "acme"),
)  # fmt: skip


@pytest.mark.parametrize("is_summed", [False, True], ids=["rows", "days"])
@pytest.mark.parametrize(("text", "holds"), FILTERS, ids=[text for text, _ in FILTERS])
def test_a_filter_leaves_just_the_calls_that_it_means(
    rows: Crowd,
    days_of: Callable[[tzinfo], Crowd],
    text: str,
    holds: Callable[[Call], bool],
    is_summed: bool,
) -> None:
    path = days_of(BERLIN).path if is_summed else rows.path
    # A week, and a half of the days at both of its ends.
    since = midnight(date(2026, 10, 22), BERLIN) + 11 * HOUR_US + 1
    until = midnight(date(2026, 10, 31), BERLIN) + 3 * HOUR_US
    calls = [one for one in inside(rows, since, until) if holds(one)]
    for by in ((), ("outcome", "tenant"), *(() if is_summed else (("user",),))):
        found = figures(ask(path, Question(by, since, until, parse_filter(text))))
        assert found == (by_hand(calls, by) or ({} if by else {(): 0}))


# Spans --------------------------------------------------------------------------------------------


class Totals:
    """Figures of any span, from sums of everything before each call."""

    def __init__(self, calls: list[Call]) -> None:
        self._at = [one.at_us for one in calls]
        self._before = [0]
        for one in calls:
            self._before.append(self._before[-1] + one.figures)

    def between(self, since: int, until: int) -> int:
        first, last = (bisect_right(self._at, moment - 1) for moment in (since, until))
        return self._before[max(last, first)] - self._before[first]


@pytest.fixture(scope="module")
def totals(rows: Crowd) -> Totals:
    return Totals(rows.calls)


@pytest.fixture(scope="module")
def overlapping(rows: Crowd, tmp_path_factory: pytest.TempPathFactory) -> Crowd:
    """The operator has moved: the days of two zones are summed, and lie across each other."""
    return summed(rows, tmp_path_factory.mktemp("two") / "ferry.db", BERLIN, NEW_YORK)


@pytest.mark.parametrize("which", ["Berlin", "Lord Howe", "two zones"])
def test_spans_that_begin_and_end_anywhere_are_summed_whole(
    days_of: Callable[[tzinfo], Crowd], overlapping: Crowd, totals: Totals, which: str
) -> None:
    chance = random.Random(which)
    known = {"Berlin": BERLIN, "Lord Howe": LORD_HOWE}
    path = days_of(known[which]).path if which in known else overlapping.path
    midnights = [midnight(FIRST + timedelta(days=day), zone) for zone in ZONES for day in range(33)]

    def moment() -> int:
        if chance.random() < 0.4:
            return chance.choice(midnights) + chance.choice((-1, 0, 0, 1, 499, 500, 1_000))
        return chance.randrange(BEGIN, END)

    with reads.opened(path) as connection:
        for _ in range(60):
            since, until = sorted((moment(), moment()))
            (found,) = sums.sums(connection, Question((), since, until))
            assert packed(found) == totals.between(since, until), (since, until)


def test_days_of_two_zones_are_counted_once(
    overlapping: Crowd, totals: Totals, rows: Crowd
) -> None:
    with looking(overlapping.path) as connection:
        count = connection.execute("SELECT count(*) FROM summed_days").fetchone()[0]
    assert count > 60
    for zone in ZONES:
        since, until, days = month(zone)
        edges = tuple(midnight(days[0] + timedelta(days=day), zone) for day in range(29))
        (found,) = ask(overlapping.path, Question((), since, until, edges=edges))
        assert packed(found) == totals.between(since, until)
        calls = inside(rows, since, until)
        day_of = {one.seq: bisect_right(edges, one.at_us) - 1 for one in calls}
        costs = slots_by_hand(calls, (), day_of, len(days))
        assert found.slots == costs[()]


def test_a_span_of_nothing_is_zeros(rows: Crowd) -> None:
    for since, until in ((0, 1), (END + 1, LATER), (BEGIN + 5, BEGIN + 5), (BEGIN + 9, BEGIN)):
        assert ask(rows.path, Question(("tenant",), since, until)) == []
        edges = (since, until)
        (found,) = ask(rows.path, Question((), since, until, edges=edges))
        assert (packed(found), found.slots) == (0, (0,))


def test_spans_of_all_time_are_summed(rows: Crowd) -> None:
    for since, until in ((-(1 << 62), 1 << 62), (0, 1 << 60)):
        (found,) = ask(rows.path, Question((), since, until))
        assert packed(found) == sum(one.figures for one in rows.calls)


# Kinds of calls -----------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "ferry.db"
    changes.prepare(found)
    return found


def call(number: int, at_us: int = NOON, **row: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"state": "settled", "outcome": "ok", "cost_source": "reported",
                             "cost_nanousd": 0, "repeats": 1}  # fmt: skip
    seq, started = seq_of(at_us, number)
    return {"seq": seq, "id": f"c_{number}", "started_at": started} | given | row


DAY = (NOON - 12 * HOUR_US, NOON + 12 * HOUR_US)


def every_way(path: Path, question: Question) -> Sum:
    """The one sum from rows, and the same from the summary of its day."""
    (found,) = ask(path, question)
    with closing(open_writer(path)) as connection:
        assert daily.sum_day(connection, *DAY, LATER)
        assert connection.execute("SELECT count(*) FROM summed_days").fetchone()[0] == 1
        # From here on an answer can only come from the summary.
        connection.execute("DELETE FROM calls")
    assert ask(path, question) == [found]
    return found


@pytest.mark.parametrize(
    ("cost", "deltas", "effective"),
    [
        (100, [], 100), (100, [-40], 60), (100, [-40, 15, 1], 76), (100, [-100], 0),
        (100, [-101], 0), (100, [-101, 2], 1), (0, [-5], 0), (0, [5], 5), (None, [], 0),
        (None, [70], 70), (None, [-70], 0), (None, [0], 0), (10**18, [10**17, 1], 11 * 10**17 + 1),
    ],
)  # fmt: skip
def test_what_a_call_costs_is_with_its_corrections(
    path: Path, cost: int | None, deltas: list[int], effective: int
) -> None:
    source = "unpriced" if cost is None else "reported"
    row = call(1, cost_nanousd=cost, cost_source=source, cost_output_nanousd=cost or 0)
    other = call(2, cost_nanousd=50)
    write(path, [row, other], [(f"x{at}", row["seq"], one) for at, one in enumerate(deltas)])
    found = every_way(path, Question((), *DAY))
    assert found.cost_nanousd == effective + 50
    assert found.cost_output_nanousd == (cost or 0), "parts are as they were billed"
    assert found.unpriced_calls == (cost is None and not deltas)
    assert found.calls == 2


def test_a_denial_counts_as_often_as_it_was_repeated(path: Path) -> None:
    denied: dict[str, Any] = {"state": "denied", "outcome": "denied", "cost_source": ""}
    write(path, [call(1, repeats=7, **denied), call(2, **denied), call(3, cost_nanousd=9)])
    found = every_way(path, Question((), *DAY))
    assert (found.calls, found.denied_calls, found.cost_nanousd) == (7 + 1 + 1, 8, 9)


@pytest.mark.parametrize("outcome", ["failed", "cut", "timeout"])
def test_failures_are_counted(path: Path, outcome: str) -> None:
    write(path, [call(1, outcome=outcome, cost_nanousd=3), call(2, outcome="left")])
    found = every_way(path, Question((), *DAY))
    assert (found.failed_calls, found.calls, found.cost_nanousd) == (1, 2, 3)


def test_a_call_in_flight_counts_and_costs_nothing_yet(path: Path) -> None:
    held = call(1, state="held", outcome="", cost_source="", cost_nanousd=None)
    write(path, [held, call(2, cost_nanousd=4)])
    (found,) = ask(path, Question((), *DAY))
    assert (found.calls, found.open_calls, found.cost_nanousd) == (2, 1, 4)
    assert (found.unpriced_calls, found.denied_calls) == (0, 0)


def test_each_bucket_is_counted_where_it_belongs(path: Path) -> None:
    names = ("n_input n_cache_read n_cache_write_5m n_cache_write_30m n_cache_write_1h"
             " n_cache_write_12h n_audio_in n_image_in n_output n_audio_out").split()  # fmt: skip
    counts = {name: 1 << at for at, name in enumerate(names)}
    row = call(1, cost_nanousd=1, n_reasoning=1 << 40, n_web_search=1 << 41, **counts)
    write(path, [row])
    found = every_way(path, Question((), *DAY))
    assert (found.input_tokens, found.output_tokens) == ((1 << 8) - 1, 3 << 8)
    assert (found.cache_read_tokens, found.cache_write_tokens) == (1 << 1, 0b1111 << 2)
    assert packed(found) == pack(figures_of(row | {"effective": 1}))


def test_keys_are_called_by_their_names_and_gone_ones_by_their_ids(path: Path) -> None:
    made = changes.create_key(path, changes.KeyPlan(name="web")).id
    write(path, [call(1, key_id=made, cost_nanousd=3), call(2, key_id="key_gone"), call(3)])
    found = ask(path, Question(("key", "tenant"), *DAY))
    assert [one.by for one in found] == [("web", ""), ("", ""), ("key_gone", "")]
    (one,) = ask(path, Question(("tenant", "key"), *DAY, parse_filter("key~GONE")))
    assert one.by == ("", "key_gone")


def test_rows_of_one_cost_stand_by_calls_and_then_by_name(path: Path) -> None:
    write(path, [call(at, tenant=name) for at, name in enumerate(["b", "c", "a", "c"])])
    assert [one.by[0] for one in ask(path, Question(("tenant",), *DAY))] == ["c", "a", "b"]


def test_added_is_the_sum_of_each_figure_and_slot(rows: Crowd) -> None:
    since, until, _ = month(BERLIN)
    middle = (since + until) // 2 // 1_000 * 1_000
    found = ask(rows.path, Question(("model",), since, until, edges=(since, middle, until)))
    (total,) = ask(rows.path, Question((), since, until, edges=(since, middle, until)))
    assert sums.added((), found) == total
    assert sums.added(("x",), found[:1]) == replace(found[0], by=("x",))
    assert packed(sums.added((), [])) == 0


# One moment ---------------------------------------------------------------------------------------


class Meddler:
    """Does something else to the file just before the statement of this number of a connection."""

    def __init__(self, at: int, path: Path, act: Callable[[Path], None]) -> None:
        self.left = at
        self._path = path
        self._act = act
        self.failures: list[Exception] = []

    def __call__(self, _statement: str) -> None:
        self.left -= 1
        if self.left == -1:
            # What is raised in here is not seen by anybody.
            try:
                self._act(self._path)
            except Exception as error:  # noqa: BLE001
                self.failures.append(error)


@pytest.fixture
def three_days(path: Path) -> Path:
    """Calls of three days, of which two are summed."""
    starts = [DAY[0] + day * 24 * HOUR_US for day in range(3)]
    write(path, [
        call(at, starts[at % 3] + at * SECOND_US, cost_nanousd=1 << at, tenant="ab"[at % 2])
        for at in range(30)
    ])  # fmt: skip
    with closing(open_writer(path)) as connection:
        for start in starts[:2]:
            assert daily.sum_day(connection, start, start + 24 * HOUR_US, LATER)
    return path


def sum_the_third(path: Path) -> None:
    with closing(open_writer(path)) as connection:
        start = DAY[0] + 48 * HOUR_US
        assert daily.sum_day(connection, start, start + 24 * HOUR_US, LATER)


def sum_the_second_again(path: Path) -> None:
    with closing(open_writer(path)) as connection:
        start = DAY[0] + 24 * HOUR_US
        assert daily.sum_day(connection, start, start + 24 * HOUR_US, LATER)


def correct_the_first(path: Path) -> None:
    with looking(path) as connection:
        seq = connection.execute("SELECT min(seq) FROM calls").fetchone()[0]
        correct(connection, [("x", seq, 1 << 40)])


def forget_all(path: Path) -> None:
    with looking(path) as connection:
        for table in ("daily", "summed_days"):
            connection.execute(f"DELETE FROM {table}")


@pytest.mark.parametrize(
    "act", [sum_the_third, sum_the_second_again, correct_the_first, forget_all]
)
def test_an_answer_is_of_one_moment_whatever_is_done_meanwhile(
    three_days: Path, tmp_path: Path, act: Callable[[Path], None]
) -> None:
    """Summaries made, made again, thrown away: before any of the statements of an answer."""
    question = Question(("tenant",), DAY[0], DAY[0] + 72 * HOUR_US)
    before = ask(three_days, question)
    answers: list[list[Sum]] = []
    acted = True
    while acted:
        path = tmp_path / f"{len(answers)}.db"
        shutil.copy(three_days, path)
        meddler = Meddler(len(answers), path, act)
        with reads.opened(path) as connection:
            connection.set_trace_callback(meddler)
            answers.append(sums.sums(connection, question))
        acted = meddler.left < 0
        assert not meddler.failures
        assert answers[-1] in (before, ask(path, question))
    assert len(answers) > 5, "it has acted before each statement"
    assert answers[-2:] == [before, before]


def test_an_answer_ends_its_moment(three_days: Path) -> None:
    """Also where it fails: a connection that stays in one would hold back every checkpoint."""
    with reads.opened(three_days) as connection:
        question = Question(("tenant",), *DAY)
        sums.sums(connection, question)
        assert not connection.in_transaction
        with pytest.raises(KeyError):
            sums.sums(connection, replace(question, by=("nothing",)))
        assert not connection.in_transaction
