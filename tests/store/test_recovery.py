"""What a dead server left behind is finished once, on the high side, before anything is asked."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from ferrycli.rules.budget import Admission
from ferrycli.rules.errors import DatabaseUnusable
from ferrycli.store import ledger, recovery
from ferrycli.store.batch import Desk
from ferrycli.store.connect import open_writer
from ferrycli.store.ids import NewId
from ferrycli.store.ledger import Ledger
from tests.store.kit import (
    FACTS,
    NOON,
    SECOND_US,
    USD,
    Clock,
    Ids,
    admit,
    ask,
    looking,
    make_key,
    opening,
    question,
    row,
    rows,
    running,
    settled,
    staged,
    the_window,
    windows,
)


def leave_open(
    path: Path, clock: Clock, ids: Ids, key_id: str, count: int = 1, **more: Any
) -> list[NewId]:
    """Calls admitted by a server that is gone: its connection is closed, and nothing else."""
    connection = open_writer(path)
    try:
        desk = Desk(connection, clock, "i_dead")
        desk.refresh()
        calls = [ids.make() for _ in range(count)]
        questions = [admit(new, key_id, desk.books.epoch, USD, **more) for new in calls]
        assert all(isinstance(one, Admission) for one in desk.process(questions))
    finally:
        connection.close()
    return calls


@staged
async def test_call_of_a_dead_server_costs_its_estimate_and_the_rest_is_doubt(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path, budget="50/month")
    (new,) = leave_open(path, clock, ids, key.id)
    clock.move(60)
    async with running(path, clock) as running_ledger:
        assert running_ledger.recovered == 1
        assert the_window(path) == (USD // 10, 0, USD - USD // 10)
        found = row(path, new)
        wanted = {
            "state": "recovered",
            "outcome": "recovered",
            "cost_nanousd": USD // 10,
            "cost_other_nanousd": USD // 10,
            "cost_source": "estimated",
            "hold_nanousd": USD,
            "doubt_nanousd": USD - USD // 10,
            "finished_at": NOON + 60 * SECOND_US,
            "admitted_at": NOON,
            "instance_id": "i_dead",
        }
        assert {name: found[name] for name in wanted} == wanted
        # Its settlement, should one come, changes nothing that is recorded.
        running_ledger.settle_soon(settled(new, 5))
        await running_ledger.refresh()
        assert row(path, new) == found


@pytest.mark.parametrize(
    ("expected", "cost", "doubt"),
    [
        (0, 0, USD),
        (USD - 1, USD - 1, 1),
        (USD, USD, 0),
        (USD + 1, USD, 0),
        (None, None, USD),
    ],
)
@staged
async def test_estimate_is_at_most_the_hold_and_unpriced_is_never_0(
    path: Path, clock: Clock, ids: Ids, expected: int | None, cost: int | None, doubt: int
) -> None:
    key = make_key(path, budget="50/month")
    with_estimate = leave_open_with(path, clock, ids, key.id, expected)
    async with running(path, clock):
        found = row(path, with_estimate)
        assert (found["cost_nanousd"], found["doubt_nanousd"]) == (cost, doubt)
        assert found["cost_source"] == ("unpriced" if cost is None else "estimated")
        assert the_window(path) == (cost or 0, 0, doubt)


def leave_open_with(path: Path, clock: Clock, ids: Ids, key_id: str, expected: int | None) -> NewId:
    connection = open_writer(path)
    try:
        desk = Desk(connection, clock, "i_dead")
        desk.refresh()
        new = ids.make()
        opened = opening(new, key_id, expected_nanousd=expected)
        held = question(opened, ask(USD), {"key": key_id}, desk.books.epoch)
        (verdict,) = desk.process([held])
        assert isinstance(verdict, Admission)
    finally:
        connection.close()
    return new


@pytest.mark.parametrize("expected", [None, 0, 5 * USD])
@staged
async def test_call_without_a_budget_costs_its_whole_estimate_and_leaves_no_doubt(
    path: Path, clock: Clock, ids: Ids, expected: int | None
) -> None:
    key = make_key(path)
    new = leave_open_with(path, clock, ids, key.id, expected)
    async with running(path, clock):
        found = row(path, new)
        assert (found["state"], found["cost_nanousd"]) == ("recovered", expected)
        assert found["doubt_nanousd"] == 0
        assert windows(path) == {}


@staged
async def test_thousand_open_calls_leave_no_hold_and_every_nano_dollar_counted(
    path: Path, clock: Clock, ids: Ids
) -> None:
    one, two = make_key(path, "one", "5000/month"), make_key(path, "two", "5000/day")
    leave_open(path, clock, ids, one.id, 500)
    leave_open(path, clock, ids, two.id, 500)
    async with running(path, clock) as running_ledger:
        assert running_ledger.recovered == 1_000
        each = USD // 10
        assert set(windows(path).values()) == {(500 * each, 0, 500 * (USD - each))}
        assert rows(path, "SELECT state, count(*) AS n FROM calls GROUP BY state") == [
            {"state": "recovered", "n": 1_000}
        ]


@staged
async def test_finished_calls_are_left_as_they_are(path: Path, clock: Clock, ids: Ids) -> None:
    key = make_key(path, budget="50/month")
    async with running(path, clock) as running_ledger:
        new = ids.make()
        await running_ledger.admit(admit(new, key.id, running_ledger.books.epoch))
        running_ledger.settle_soon(settled(new, 5))
    before = row(path, new)
    for _ in range(2):
        async with running_again(path, clock) as again:
            assert again.recovered == 0
    assert row(path, new) == before
    assert the_window(path) == (5, 0, 0)


def running_again(path: Path, clock: Clock) -> Any:
    """A later server of the same file: its row in `instances` is another."""
    with looking(path) as other:
        other.execute("UPDATE instances SET id = id || '_old'")
    return running(path, clock)


class Torn:
    """A connection that breaks at its n-th statement inside recovery."""

    def __init__(self, connection: sqlite3.Connection, breaks_at: int) -> None:
        self._connection = connection
        self._left = breaks_at

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def _step(self) -> None:
        self._left -= 1
        if self._left == -1:
            raise sqlite3.OperationalError("disk I/O error")

    def execute(self, *arguments: Any) -> Any:
        self._step()
        return self._connection.execute(*arguments)

    def executemany(self, *arguments: Any) -> Any:
        self._step()
        return self._connection.executemany(*arguments)


def test_crash_inside_recovery_changes_nothing_and_may_happen_again(
    path: Path, clock: Clock, ids: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make_key(path, budget="5000/month")
    leave_open(path, clock, ids, key.id, 20)
    before, amounts = rows(path), windows(path)
    plain = recovery.recover

    async def start() -> Ledger:
        served = Ledger(path, FACTS, clock)
        served.start(asyncio.get_running_loop())
        return served

    # The calls, their attempts, the transaction, its rows, its windows, its end.
    for breaks_at in (0, 7, 21, 22, 23, 24, 25):

        def crashing(desk: Desk, breaks_at: int = breaks_at) -> int:
            desk.connection = Torn(desk.connection, breaks_at)  # type: ignore[assignment]
            plain(desk)
            raise AssertionError("it was to break before its end")

        monkeypatch.setattr(ledger, "recover", crashing)
        with pytest.raises(DatabaseUnusable):
            asyncio.run(start())
        assert rows(path) == before
        assert windows(path) == amounts
        assert rows(path, "SELECT * FROM instances") == []
    monkeypatch.setattr(ledger, "recover", plain)

    async def whole() -> None:
        async with running(path, clock) as served:
            assert served.recovered == 20

    asyncio.run(whole())
    assert the_window(path) == (20 * (USD // 10), 0, 20 * (USD - USD // 10))


@staged
async def test_doubt_of_a_recovered_call_ends_with_its_window(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path, budget="1/day")
    leave_open(path, clock, ids, key.id)
    async with running(path, clock) as running_ledger:
        epoch = running_ledger.books.epoch
        verdict = await running_ledger.admit(admit(ids.make(), key.id, epoch, 1))
        assert not isinstance(verdict, Admission)
        clock.move(24 * 3600)
        verdict = await running_ledger.admit(admit(ids.make(), key.id, epoch, USD))
        assert isinstance(verdict, Admission)


@staged
async def test_window_of_a_removed_budget_is_settled_by_recovery(
    path: Path, clock: Clock, ids: Ids
) -> None:
    key = make_key(path, budget="50/month")
    leave_open(path, clock, ids, key.id)
    with looking(path) as other:
        other.execute("UPDATE budgets SET removed_at = 1")
    async with running(path, clock):
        assert the_window(path) == (USD // 10, 0, USD - USD // 10)
