"""An `Idempotency-Key` stands for one call of one caller, for 24 hours, if it was billed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ferrycli.rules.idempotency import Bound
from ferrycli.store import idempotency
from ferrycli.store.connect import open_writer
from ferrycli.store.idempotency import EXPIRED_ROWS_MAX, bind, expire, find, unbind
from ferrycli.store.ids import NewId, seq_us
from tests.store.kit import DAY_US, Clock, Ids, looking, rows


@contextmanager
def transaction(path: Path) -> Iterator[sqlite3.Connection]:
    connection = open_writer(path)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    finally:
        connection.close()


def write_call(connection: sqlite3.Connection, new: NewId, **more: Any) -> None:
    given = {"seq": new.seq, "id": new.text("c"), "state": "settled", "outcome": "ok"} | more
    given |= {"started_at": new.at_us, "admitted_at": new.at_us}
    names, marks = ", ".join(given), ", ".join("?" * len(given))
    connection.execute(f"INSERT INTO calls ({names}) VALUES ({marks})", list(given.values()))


def test_nothing_is_found_before_anything_was_bound(path: Path, clock: Clock) -> None:
    with transaction(path) as connection:
        assert find(connection, "key_1", "k", clock()) is None


def test_key_stands_for_the_call_and_its_receipt(path: Path, clock: Clock, ids: Ids) -> None:
    new = ids.make()
    with transaction(path) as connection:
        bind(connection, "key_1", "k", new.seq, -77)
        write_call(
            connection,
            new,
            provider="openai",
            model="gpt-5",
            n_input=100,
            n_cache_read=20,
            n_cache_write_30m=3,
            n_audio_in=4,
            n_output=50,
            n_audio_out=6,
            n_reasoning=9,
            cost_nanousd=1_000,
        )
    with transaction(path) as connection:
        assert find(connection, "key_1", "k", clock()) == Bound(
            "k", new.seq, new.text("c"), -77, "settled", "ok", "openai", "gpt-5", 127, 56, 1_000
        )


def test_keys_of_others_and_other_keys_are_free(path: Path, clock: Clock, ids: Ids) -> None:
    with transaction(path) as connection:
        bind(connection, "key_1", "k", ids.make().seq, 1)
        assert find(connection, "key_2", "k", clock()) is None
        assert find(connection, "key_1", "K", clock()) is None
        assert find(connection, "key_1", "k", clock()) is not None


def test_call_bound_in_this_transaction_counts_before_its_row_is_written(
    path: Path, clock: Clock, ids: Ids
) -> None:
    new = ids.make()
    with transaction(path) as connection:
        bind(connection, "key_1", "k", new.seq, 1)
        found = find(connection, "key_1", "k", clock())
    assert found is not None
    assert (found.state, found.call_seq, found.cost_nanousd) == ("held", new.seq, None)
    assert new.text("c").startswith(found.call)


@pytest.mark.parametrize("state", ["held", "settled", "recovered"])
def test_call_that_may_be_billed_keeps_its_key(
    path: Path, clock: Clock, ids: Ids, state: str
) -> None:
    new = ids.make()
    with transaction(path) as connection:
        write_call(connection, new, state=state)
        bind(connection, "key_1", "k", new.seq, 1)
        assert find(connection, "key_1", "k", clock()) is not None


@pytest.mark.parametrize("state", ["released", "denied"])
def test_call_that_was_not_billed_leaves_its_key_to_the_next(
    path: Path, clock: Clock, ids: Ids, state: str
) -> None:
    first, second = ids.make(), ids.make()
    with transaction(path) as connection:
        write_call(connection, first, state=state)
        bind(connection, "key_1", "k", first.seq, 1)
        assert find(connection, "key_1", "k", clock()) is None
        bind(connection, "key_1", "k", second.seq, 2)
        found = find(connection, "key_1", "k", clock())
    assert found is not None
    assert (found.call_seq, found.request_hash) == (second.seq, 2)


def test_release_unbinds_its_own_call_alone(path: Path, clock: Clock, ids: Ids) -> None:
    first, second = ids.make(), ids.make()
    with transaction(path) as connection:
        bind(connection, "key_1", "a", first.seq, 1)
        bind(connection, "key_1", "b", second.seq, 1)
        unbind(connection, first.seq)
        unbind(connection, ids.make().seq)
        assert find(connection, "key_1", "a", clock()) is None
        assert find(connection, "key_1", "b", clock()) is not None
    assert [one["idempotency_key"] for one in rows(path, "SELECT * FROM idempotency")] == ["b"]


def test_release_finds_its_row_without_reading_the_table(path: Path) -> None:
    with looking(path) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {idempotency._UNBIND}", (1, 1)).fetchall()
    assert [row["detail"] for row in plan] == [
        "SEARCH idempotency USING INDEX idempotency_age (created_at=?)"
    ]


def test_corrected_cost_is_what_is_told(path: Path, clock: Clock, ids: Ids) -> None:
    told: list[int | None] = []
    for cost, deltas in [(1_000, [-300, 100]), (1_000, [-5_000]), (None, [70]), (None, [])]:
        new = ids.make()
        with transaction(path) as connection:
            write_call(connection, new, cost_nanousd=cost)
            bind(connection, "key_1", f"k{new.seq}", new.seq, 1)
            for number, delta in enumerate(deltas):
                connection.execute(
                    "INSERT INTO corrections (id, call_seq, delta_nanousd) VALUES (?, ?, ?)",
                    (f"x{new.seq}{number}", new.seq, delta),
                )
            found = find(connection, "key_1", f"k{new.seq}", clock())
        assert found is not None
        told.append(found.cost_nanousd)
    assert told == [800, 0, 70, None]


def test_key_stands_for_a_call_for_24_hours_from_its_beginning(
    path: Path, clock: Clock, ids: Ids
) -> None:
    new = ids.make()
    began_us = seq_us(new.seq)
    with transaction(path) as connection:
        bind(connection, "key_1", "k", new.seq, 1)
        assert find(connection, "key_1", "k", began_us + DAY_US - 1) is not None
        assert find(connection, "key_1", "k", began_us + DAY_US) is None
        assert expire(connection, began_us + DAY_US - 1) == 0
        assert expire(connection, began_us + DAY_US) == 1
        assert find(connection, "key_1", "k", began_us) is None


def test_expiry_takes_a_bounded_part_the_oldest_first(path: Path, clock: Clock, ids: Ids) -> None:
    with transaction(path) as connection:
        for number in range(EXPIRED_ROWS_MAX + 7):
            clock.move(0.001)
            bind(connection, "key_1", f"k{number}", ids.make().seq, 1)
        clock.move(24 * 3600)
        assert expire(connection, clock()) == EXPIRED_ROWS_MAX
        left = connection.execute(
            "SELECT idempotency_key FROM idempotency ORDER BY created_at"
        ).fetchall()
        assert [row[0] for row in left] == [f"k{EXPIRED_ROWS_MAX + n}" for n in range(7)]
        assert expire(connection, clock()) == 7
        assert expire(connection, clock()) == 0
