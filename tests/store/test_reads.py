"""What people are shown: every call, every sum equal however it is cut, and nothing written."""

from __future__ import annotations

import itertools
import random
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ferrycli.rules.errors import (
    DatabaseOlder,
    DatabaseUnusable,
    IdAmbiguous,
    NoDatabase,
    NoSuchCall,
)
from ferrycli.store import changes, migrations, reads, sums
from ferrycli.store.connect import open_reader
from ferrycli.store.sums import Question
from tests.store.kit import (
    DAY_US,
    NOON,
    SECOND_US,
    USD,
    Clock,
    Ids,
    admit,
    looking,
    make_key,
    released,
    running,
    settled,
    staged,
)

COUNTS = (
    "n_input n_cache_read n_cache_write_5m n_cache_write_30m n_cache_write_1h n_cache_write_12h"
    " n_output n_audio_in n_audio_out n_image_in"
).split()
INPUT = [name for name in COUNTS if name not in ("n_output", "n_audio_out")]
EVER = (0, 1 << 60)


def write(path: Path, ids: Ids, **row: Any) -> dict[str, Any]:
    """One finished call by hand."""
    new = ids.make()
    given = {"seq": new.seq, "id": new.text("c"), "started_at": new.at_us, "state": "settled"} | row
    quoted = ", ".join(f'"{name}"' for name in given)
    with looking(path) as connection:
        connection.execute(
            f"INSERT INTO calls ({quoted}) VALUES ({', '.join('?' * len(given))})",
            list(given.values()),
        )
    return given


def correct(path: Path, seq: int, delta: int) -> None:
    with looking(path) as connection:
        count = connection.execute("SELECT count(*) FROM corrections").fetchone()[0]
        connection.execute(
            "INSERT INTO corrections (id, call_seq, delta_nanousd) VALUES (?, ?, ?)",
            [f"x{count}", seq, delta],
        )


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    with reads.opened(path) as connection:
        yield connection


def total(path: Path) -> sums.Sum:
    with reading(path) as connection:
        (found,) = sums.sums(connection, Question((), *EVER))
    return found


# Sums --------------------------------------------------------------------------------------------


@pytest.fixture
def many(path: Path, clock: Clock, ids: Ids) -> list[dict[str, Any]]:
    """400 calls of every kind, some of them corrected, over four days."""
    chance = random.Random(20261118)
    keys = [make_key(path, f"k{number}").id for number in range(3)]
    kinds = [
        ("settled", "ok", "reported"),
        ("settled", "left", "estimated"),
        ("settled", "ok", "unpriced"),
        ("released", "failed", ""),
        ("recovered", "recovered", "estimated"),
        ("denied", "denied", ""),
        ("held", "", ""),
    ]
    made = []
    corrections: list[tuple[int, int]] = []
    for _ in range(400):
        clock.move(chance.randrange(1_800))
        state, outcome, source = chance.choice(kinds)
        cost: int | None = chance.choice([0, 1, 225, USD // 3, 7 * USD])
        if source == "unpriced" or state == "held":
            cost = None
        elif state in ("released", "denied"):
            cost = 0
        row: dict[str, Any] = {
            "state": state,
            "outcome": outcome,
            "cost_source": source,
            "cost_nanousd": cost,
            "key_id": chance.choice([*keys, "key_gone"]),
            "tenant": chance.choice(["", "acme", "bolt"]),
            "user": chance.choice(["", "ann"]),
            "assistant": chance.choice(["", "bot"]),
            "thread": chance.choice(["", "t1", "t2", "t3"]),
            "feature": chance.choice(["", "chat", "search"]),
            "provider": chance.choice(["up", "other"]),
            "model": chance.choice(["m-1", "m-2"]),
            "route": chance.choice(["", "fast"]),
        }
        row |= {name: chance.choice([0, 0, 7, 1_000]) for name in COUNTS}
        row["n_reasoning"] = row["n_output"]
        write_row(path, ids, row)
        row["effective"] = cost
        if cost is not None and chance.random() < 0.2:
            delta = chance.choice([-(10 * USD), -1, 5, USD])
            corrections += [(row["seq"], delta), (row["seq"], 1)]
            row["effective"] = max(0, cost + delta + 1)
        made.append(row)
    for seq, delta in corrections:
        correct(path, seq, delta)
    return made


def write_row(path: Path, ids: Ids, row: dict[str, Any]) -> None:
    row |= {name: value for name, value in write(path, ids, **row).items() if name not in row}


def by_hand(rows: list[dict[str, Any]]) -> tuple[int, ...]:
    """What a sum should be: plain Python over what was written."""
    return (
        len(rows),
        sum(row[name] for row in rows for name in INPUT),
        sum(row["n_cache_read"] for row in rows),
        sum(row["n_output"] + row["n_audio_out"] for row in rows),
        sum(row["effective"] or 0 for row in rows),
        sum(row["cost_source"] == "unpriced" for row in rows),
        sum(row["state"] == "denied" for row in rows),
        sum(row["cost_source"] == "estimated" for row in rows),
    )


def figures(one: sums.Sum) -> tuple[int, ...]:
    return (
        one.calls,
        one.input_tokens,
        one.cache_read_tokens,
        one.output_tokens,
        one.cost_nanousd,
        one.unpriced_calls,
        one.denied_calls,
        one.estimated_calls,
    )


def test_total_is_what_the_rows_say(path: Path, many: list[dict[str, Any]]) -> None:
    assert figures(total(path)) == by_hand(many)


def test_sums_by_every_dimension_and_pair_are_those_of_the_rows(
    path: Path, many: list[dict[str, Any]]
) -> None:
    """I7: to the nano-dollar."""
    with looking(path) as connection:
        names = dict(connection.execute("SELECT id, name FROM keys").fetchall())

    def value(row: dict[str, Any], dimension: str) -> str:
        if dimension == "key":
            return str(names.get(row["key_id"], row["key_id"]))
        return str(row[dimension])

    singles = [(name,) for name in sums.GROUPS]
    for by in [*singles, *itertools.permutations(sums.GROUPS, 2)]:
        wanted: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for row in many:
            wanted.setdefault(tuple(value(row, name) for name in by), []).append(row)
        with reading(path) as connection:
            found = sums.sums(connection, Question(tuple(by), *EVER))
        assert {one.by: figures(one) for one in found} == {
            group: by_hand(rows) for group, rows in wanted.items()
        }, by
        costs = [one.cost_nanousd for one in found]
        assert costs == sorted(costs, reverse=True), "the dearest first"


def test_spans_that_meet_count_every_call_once(path: Path, many: list[dict[str, Any]]) -> None:
    edges = sorted({0, many[0]["started_at"], many[57]["started_at"], NOON + DAY_US, 1 << 60})
    with reading(path) as connection:
        parts = [
            sums.sums(connection, Question((), since, until))[0]
            for since, until in itertools.pairwise(edges)
        ]
        for (since, until), part in zip(itertools.pairwise(edges), parts, strict=True):
            inside = [row for row in many if since <= row["started_at"] < until]
            assert figures(part) == by_hand(inside)
            assert len(list(reads.calls(connection, since, until))) == len(inside)
    assert sum(part.cost_nanousd for part in parts) == by_hand(many)[4]


def test_nothing_sums_to_zeros(path: Path) -> None:
    assert figures(total(path)) == (0,) * 8
    with reading(path) as connection:
        assert sums.sums(connection, Question(("tenant",), *EVER)) == []


@pytest.mark.parametrize(
    ("cost", "deltas", "effective"),
    [
        (100, [], 100),
        (100, [-40], 60),
        (100, [-40, 15, 1], 76),
        (100, [-100], 0),
        (100, [-101], 0),
        (0, [-5], 0),
        (0, [5], 5),
    ],
)
def test_effective_cost_is_cost_and_corrections_and_never_below_0(
    path: Path, ids: Ids, cost: int, deltas: list[int], effective: int
) -> None:
    row = write(path, ids, cost_nanousd=cost)
    for delta in deltas:
        correct(path, row["seq"], delta)
    assert total(path).cost_nanousd == effective
    assert total(path).calls == 1
    with reading(path) as connection:
        assert reads.call(connection, row["id"]).cost_nanousd == effective


def test_doubt_of_a_call_is_what_corrections_have_left_of_it(path: Path, ids: Ids) -> None:
    row = write(path, ids, cost_nanousd=100, doubt_nanousd=40)
    for freed in (-15, -25):
        with looking(path) as connection:
            connection.execute(
                "INSERT INTO corrections (id, call_seq, delta_nanousd, doubt_delta_nanousd)"
                " VALUES (?, ?, 0, ?)",
                [f"x{freed}", row["seq"], freed],
            )
        with reading(path) as connection:
            assert reads.call(connection, row["id"]).doubt_nanousd == (25 if freed == -15 else 0)


def test_call_corrected_below_0_takes_nothing_from_others(path: Path, ids: Ids) -> None:
    one, _ = write(path, ids, cost_nanousd=100), write(path, ids, cost_nanousd=50)
    correct(path, one["seq"], -500)
    assert total(path).cost_nanousd == 50


def test_correction_of_an_unpriced_call_is_its_cost(path: Path, ids: Ids) -> None:
    """docs/money.md, section 3: what a call costs is its cost and its corrections."""
    row = write(path, ids, cost_nanousd=None, cost_source="unpriced")
    correct(path, row["seq"], 70)
    assert total(path).cost_nanousd == 70


def test_unpriced_call_is_listed_and_is_not_0(path: Path, ids: Ids) -> None:
    row = write(path, ids, cost_nanousd=None, cost_source="unpriced", n_input=5)
    assert (total(path).unpriced_calls, total(path).input_tokens) == (1, 5)
    with reading(path) as connection:
        assert reads.call(connection, row["id"]).cost_nanousd is None


# Calls and keys ----------------------------------------------------------------------------------


def test_calls_come_the_latest_first_and_as_many_as_were_asked_for(
    path: Path, many: list[dict[str, Any]]
) -> None:
    newest = [row["seq"] for row in reversed(many)]
    with reading(path) as connection:
        assert [one.seq for one in reads.calls(connection, *EVER)] == newest
        assert [one.seq for one in reads.calls(connection, *EVER, 7)] == newest[:7]


def test_call_carries_its_row(path: Path, clock: Clock, ids: Ids) -> None:
    row = write(path, ids, user="ann", cost_nanousd=9, key_id="key_gone", n_input=1, n_audio_in=2)
    row |= {"n_cache_read": 0}
    with reading(path) as connection:
        (found,) = reads.calls(connection, *EVER)
    for name in ("seq", "id", "user", "started_at", "state", "cost_nanousd", "n_audio_in"):
        assert getattr(found, name) == row[name]
    assert found.key == "key_gone"
    assert found.input_tokens == 3


def test_tokens_of_a_call_are_whole(path: Path, ids: Ids) -> None:
    write(path, ids, **{name: 1 << place for place, name in enumerate(COUNTS)}, n_reasoning=64)
    with reading(path) as connection:
        (found,) = reads.calls(connection, *EVER)
        (summed,) = sums.sums(connection, Question((), *EVER))
    value = {name: 1 << place for place, name in enumerate(COUNTS)}
    assert found.input_tokens == summed.input_tokens == sum(value[name] for name in INPUT)
    assert found.output_tokens == summed.output_tokens == value["n_output"] + value["n_audio_out"]
    assert found.cache_write_tokens == sum(
        value[name] for name in COUNTS if name.startswith("n_cache_write")
    )


def test_call_is_found_by_any_unique_beginning_of_its_id(
    path: Path, clock: Clock, ids: Ids
) -> None:
    one = write(path, ids)
    clock.move(3600)
    two = write(path, ids)
    shared = next(n for n, (a, b) in enumerate(zip(one["id"], two["id"], strict=True)) if a != b)
    with reading(path) as connection:
        for row in (one, two):
            for written in (
                row["id"],
                row["id"][: shared + 1],
                row["id"].removeprefix("c_").lower(),
                f" {row['id']} ",
                row["id"].removeprefix("c_").replace("0", "O").replace("1", "l"),
            ):
                assert reads.call(connection, written).seq == row["seq"]
        with pytest.raises(IdAmbiguous) as ambiguous:
            reads.call(connection, one["id"][:shared])
        assert ambiguous.value.matches == 2


@pytest.mark.parametrize("prefix", ["", "c_", "nope!", "key_01", "c_7ZZZ", "c_00", "%", "_", "ß"])
def test_beginning_of_no_call_is_told(path: Path, ids: Ids, prefix: str) -> None:
    write(path, ids)
    with reading(path) as connection, pytest.raises(NoSuchCall):
        reads.call(connection, prefix)


def test_keys_are_listed_the_oldest_first(path: Path, clock: Clock) -> None:
    for name in ("one", "two"):
        make_key(path, name, "5/month")
        clock.move(1)
    changes.revoke_key(path, "one")
    with reading(path) as connection:
        listed = reads.keys(connection)
        assert [one.name for one in listed] == ["one", "two"]
        assert listed[0].revoked_at == clock.now_us
        assert reads.key(connection, "two") == listed[1]
        assert reads.key(connection, listed[1].id) == listed[1]
        assert reads.key(connection, listed[0].id[:-1]) == listed[0]
        with pytest.raises(IdAmbiguous):
            reads.key(connection, "key_0")


@staged
async def test_budgets_are_listed_with_what_their_window_holds(
    path: Path, clock: Clock, ids: Ids
) -> None:
    used, unused = make_key(path, "used", "5/day"), make_key(path, "unused", "7/month")
    async with running(path, clock) as ledger:
        epoch = ledger.books.epoch
        calls = [ids.make() for _ in range(3)]
        for new in calls:
            await ledger.admit(admit(new, used.id, epoch))
        ledger.settle_soon(settled(calls[0], 9))
        ledger.settle_soon(settled(calls[1], USD // 4, is_cost_known=False))
        await ledger.refresh()
        with reading(path) as connection:
            found = {one.key_id: one for one in reads.budgets(connection)}
    one = found[used.id]
    assert (one.selector, one.limit_nanousd, one.period) == ("key=used", 5 * USD, "day")
    assert one.window_start == NOON - NOON % DAY_US
    assert (one.spent_nanousd, one.held_nanousd, one.doubt_nanousd) == (
        USD // 4 + 9,
        USD,
        USD - USD // 4,
    )
    other = found[unused.id]
    assert (other.window_start, other.spent_nanousd, other.held_nanousd) == (0, 0, 0)


@staged
async def test_status_is_what_the_file_holds(path: Path, clock: Clock, ids: Ids) -> None:
    one, two = make_key(path, "one"), make_key(path, "two")
    changes.revoke_key(path, "two")
    assert two.id
    with reading(path) as connection:
        empty = reads.status(connection)
    assert (empty.calls, empty.first_call_at, empty.instance) == (0, None, "")
    assert empty.heartbeat_at is None
    async with running(path, clock) as ledger:
        first, last = ids.make(), ids.make()
        for new in (first, last):
            await ledger.admit(admit(new, one.id, ledger.books.epoch))
        ledger.settle_soon(released(first))
        await ledger.refresh()
        with reading(path) as connection:
            found = reads.status(connection)
    assert (found.calls, found.calls_open, found.keys) == (2, 1, 1)
    assert (found.first_call_at, found.last_call_at) == (first.at_us, last.at_us)
    assert (found.instance, found.heartbeat_at) == ("host 4711", NOON)
    assert found.migrations == tuple(one.name for one in migrations.MIGRATIONS)
    assert found.page_bytes > 0


# The connection ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO meta VALUES ('x', '1')",
        "UPDATE windows SET spent_nanousd = 0",
        "DELETE FROM calls",
        "CREATE TABLE x (a)",
        "DROP TABLE calls",
    ],
)
def test_reader_cannot_write(path: Path, statement: str) -> None:
    connection = open_reader(path)
    try:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute(statement)
        # Nor where it is asked to: the file itself is open for reading alone.
        connection.execute("PRAGMA query_only=0")
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute(statement)
    finally:
        connection.close()


def test_database_that_is_not_there_is_told_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "ferry.db"
    with pytest.raises(NoDatabase) as refused, reads.opened(path):
        pass
    assert refused.value.path == str(path)
    assert not path.exists()


def test_file_that_holds_nothing_yet_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ferry.db"
    path.touch()
    with pytest.raises(NoDatabase), reads.opened(path):
        pass


def test_failure_in_the_middle_of_a_read_is_told(path: Path) -> None:
    with pytest.raises(DatabaseUnusable) as told, reads.opened(path):
        raise sqlite3.DatabaseError("database disk image is malformed")
    assert "malformed" in told.value.why


@pytest.mark.parametrize(
    "name", ["with space.db", "per%cent.db", "ques?tion.db", "ha#sh.db", "é.db"]
)
def test_name_of_the_file_may_be_any(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    changes.prepare(path)
    with reads.opened(path) as connection:
        assert reads.status(connection).calls == 0
    assert path.exists()


@staged
async def test_reader_sees_calls_while_the_server_writes_them(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path)
    async with running(path, clock) as ledger:
        with reading(path) as connection:
            for number in range(1, 4):
                await ledger.admit(admit(ids.make(), key.id, ledger.books.epoch))
                assert reads.status(connection).calls == number
                clock.move(SECOND_US / 1_000_000)


def test_a_file_of_an_older_ferry_is_told_and_not_changed(path: Path) -> None:
    with looking(path) as connection:
        connection.execute("DELETE FROM migrations WHERE name <> '0001_first'")
    with pytest.raises(DatabaseOlder) as told, reads.opened(path):
        pass
    assert told.value.migration == "0002_daily"
