"""The desk itself: what a batch reads, what it keeps in memory, and what it writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ferrycli.rules.budget import Admission
from ferrycli.rules.ceilings import Ceiling
from ferrycli.rules.denials import BadKey
from ferrycli.store import changes, till
from ferrycli.store.batch import Desk
from ferrycli.store.changes import KeyPlan
from ferrycli.store.connect import open_writer
from ferrycli.store.messages import Admit, Stale
from tests.store.kit import (
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
    settled,
    the_window,
    windows,
)


@pytest.fixture
def desk(path: Path, clock: Clock) -> Iterator[Desk]:
    connection = open_writer(path)
    found = Desk(connection, clock, "i_1")
    found.refresh()
    yield found
    connection.close()


def admitted(desk: Desk, asked: Admit) -> Admission:
    (verdict,) = desk.process([asked])
    assert isinstance(verdict, Admission)
    return verdict


def test_memory_of_windows_is_bounded_and_what_is_dropped_is_read_again(
    path: Path, desk: Desk, ids: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(till, "WINDOWS_KEPT_MAX", 3)
    keys = [make_key(path, f"k{number}", "5/month") for number in range(10)]
    desk.refresh()
    for turn in range(3):
        for key in keys:
            admitted(desk, admit(ids.make(), key.id, desk.books.epoch))
            assert len(desk.standings) <= 3 + 1
        assert set(windows(path).values()) == {(0, (turn + 1) * USD, 0)}


def test_key_that_is_not_in_the_file_has_no_budget_and_is_carried(
    path: Path, desk: Desk, ids: Ids
) -> None:
    """The key of a first run without providers."""
    new = ids.make()
    admitted(desk, admit(new, "key_demo", desk.books.epoch))
    assert row(path, new)["key_id"] == "key_demo"


@pytest.mark.parametrize("role", ["read", "admin"])
def test_key_of_another_role_is_refused(path: Path, desk: Desk, ids: Ids, role: str) -> None:
    key = changes.create_key(path, KeyPlan(name="r", role=role))
    desk.refresh()
    (verdict,) = desk.process([admit(ids.make(), key.id, desk.books.epoch)])
    assert isinstance(verdict, BadKey)
    assert verdict.why == "role"


def test_question_in_one_batch_sees_what_those_before_it_held_and_spent(
    path: Path, desk: Desk, ids: Ids
) -> None:
    key = make_key(path, budget="1/month")
    desk.refresh()
    epoch, first, second, third = desk.books.epoch, ids.make(), ids.make(), ids.make()
    verdicts = desk.process(
        [
            admit(first, key.id, epoch, USD),
            admit(second, key.id, epoch, 1),
            settled(first, USD - 1),
            admit(third, key.id, epoch, 1),
        ]
    )
    names = [type(verdict).__name__ for verdict in verdicts]
    assert names == ["Admission", "BudgetBusy", "NoneType", "Admission"]
    assert the_window(path) == (USD - 1, 1, 0)


def test_open_answer_is_bounded_and_its_hold_is_the_ceiling_of_the_bound(
    path: Path, desk: Desk, ids: Ids
) -> None:
    key = make_key(path, budget="1/month")
    desk.refresh()
    ceiling = Ceiling(1_000, 15_000 * 1_000_000)
    new = ids.make()
    asked = ask(0, ceiling=ceiling, output_asked=None, output_max=64_000)
    verdict = admitted(
        desk, question(opening(new, key.id), asked, {"key": key.id}, desk.books.epoch)
    )
    assert verdict.output_bound is not None
    # A 64th of a dollar pays for 1,041 tokens; twice the expected output is the least.
    assert verdict.output_bound == 2 * 1_024
    found = row(path, new)
    assert found["output_sent"] == verdict.output_bound
    assert found["hold_nanousd"] == 1_000 + 2 * 1_024 * 15_000
    assert the_window(path) == (0, found["hold_nanousd"], 0)


def test_batch_is_one_reading_of_the_clock(path: Path, desk: Desk, ids: Ids) -> None:
    key = make_key(path, budget="1000/month")
    moments = iter(range(10**15, 10**16, 10**9))
    desk._now_us = lambda: next(moments)
    desk.refresh()
    desk.process([admit(ids.make(), key.id, desk.books.epoch) for _ in range(5)])
    assert len(rows(path, "SELECT DISTINCT admitted_at FROM calls")) == 1


def test_failed_batch_leaves_no_transaction_open(path: Path, desk: Desk, ids: Ids) -> None:
    key = make_key(path, budget="5/month")
    desk.refresh()
    good = admit(ids.make(), key.id, desk.books.epoch)
    bad = admit(ids.make(), key.id, desk.books.epoch, tenant="\ud800")
    with pytest.raises(UnicodeEncodeError):
        desk.process([good, bad])
    assert rows(path) == []
    assert desk.standings == {}
    assert desk.calls_open == 0
    with looking(path) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
    admitted(desk, good)
    assert the_window(path) == (0, USD, 0)


def test_books_are_read_inside_the_transaction_that_judges(
    path: Path, clock: Clock, ids: Ids
) -> None:
    """A budget that is lowered between two batches binds the next, without an idle moment."""
    key = make_key(path, budget="5/month")
    with looking(path) as other:

        class Late(sqlite3.Connection):
            """Just before its transaction begins, another process lowers every limit."""

            is_armed = False

            def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
                if self.is_armed and sql.startswith("BEGIN"):
                    self.is_armed = False
                    other.execute("UPDATE budgets SET limit_nanousd = 0")
                return super().execute(sql, *arguments)

        connection = sqlite3.connect(path, isolation_level=None, factory=Late)
        try:
            late = Desk(connection, clock, "i_1")
            late.refresh()
            connection.is_armed = True
            (verdict,) = late.process([admit(ids.make(), key.id, late.books.epoch)])
            assert isinstance(verdict, Stale)
        finally:
            connection.close()


def test_cost_over_its_hold_is_spent_and_told(path: Path, desk: Desk, ids: Ids) -> None:
    """Under a strict budget nothing costs more than its hold, or the row says so."""
    key = make_key(path, budget="5/month")
    desk.refresh()
    new = ids.make()
    admitted(desk, admit(new, key.id, desk.books.epoch, USD))
    desk.process([settled(new, USD + 7)])
    assert the_window(path) == (USD + 7, 0, 0)
    (found,) = rows(path, "SELECT * FROM calls")
    assert (found["seq"], found["reason"], found["cost_nanousd"]) == (new.seq, "overrun", USD + 7)
