"""What every test of the store starts from: a clock in hand, small questions, a running ledger."""

from __future__ import annotations

import asyncio
import functools
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ParamSpec

from ferrycli.rules.budget import Ask
from ferrycli.rules.ceilings import Ceiling
from ferrycli.rules.pricing import Cost
from ferrycli.rules.windows import Allowance
from ferrycli.store import changes
from ferrycli.store.changes import KeyPlan, NewKey
from ferrycli.store.ids import IdMaker, NewId
from ferrycli.store.ledger import Ledger, ServerFacts
from ferrycli.store.messages import Admit, Candidate
from ferrycli.store.rows import Closing, Opening

USD = 1_000_000_000
SECOND_US = 1_000_000
DAY_US = 24 * 3600 * SECOND_US
NOON = int(datetime(2026, 11, 18, 12, tzinfo=UTC).timestamp()) * SECOND_US
"""A Wednesday."""
DEADLINE_S = 20.0

P = ParamSpec("P")


class Clock:
    """UTC microseconds that move only when they are told to."""

    def __init__(self, now_us: int = NOON) -> None:
        self.now_us = now_us

    def __call__(self) -> int:
        return self.now_us

    def move(self, seconds: float) -> None:
        self.now_us += int(seconds * SECOND_US)


def staged(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A coroutine as a test, in an event loop of its own."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


def until(claim: Callable[[], bool]) -> None:
    """Wait until `claim` holds; it fails the test if it never does."""
    deadline = time.monotonic() + DEADLINE_S
    while not claim():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.002)


async def soon(claim: Callable[[], bool]) -> None:
    """As `until`, with the event loop running meanwhile."""
    deadline = time.monotonic() + DEADLINE_S
    while not claim():
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.002)


class Ids:
    """Ids on the clock in hand, with chance that is not one."""

    def __init__(self, clock: Clock) -> None:
        self._maker = IdMaker(clock, lambda bits: 0x2AAA_AAAA_AAAA_AAAA % (1 << bits))

    def make(self) -> NewId:
        return self._maker.make()


def opening(new: NewId, key_id: str = "key_0", **more: Any) -> Opening:
    given: dict[str, Any] = {
        "expected_nanousd": USD // 10,
        "provider": "up",
        "model": "m-1",
        "expected_output": 1_024,
    } | more
    return Opening(new.seq, new.text("c"), new.at_us, key_id, **given)


def ask(hold_nanousd: int, **more: Any) -> Ask:
    """A candidate whose smallest hold and whose ceiling is `hold_nanousd`."""
    given: dict[str, Any] = {
        "target": "up/m-1",
        "ceiling": Ceiling(hold_nanousd, 0),
        "is_priced": True,
        "is_free": False,
        "output_asked": 100,
        "output_max": 1_000,
        "expected_nanousd": USD // 10,
    } | more
    return Ask(**given)


def question(opened: Opening, asked: Ask, facts: dict[str, str], epoch: int) -> Admit:
    """A call that has one candidate, which its opening names."""
    return Admit(opened, (Candidate(asked, facts),), epoch)


def admit(new: NewId, key_id: str, epoch: int, hold_nanousd: int = USD, **facts: str) -> Admit:
    opened = opening(new, key_id, **facts)
    return question(opened, ask(hold_nanousd), {"key": key_id, **facts}, epoch)


def settled(new: NewId, cost_nanousd: int, now_us: int = NOON, **more: Any) -> Closing:
    given: dict[str, Any] = {
        "cost": Cost((("output", cost_nanousd),)),
        "cost_source": "reported",
    } | more
    return Closing(new.seq, "settled", "ok", now_us, **given)


def released(new: NewId, now_us: int = NOON) -> Closing:
    return Closing(new.seq, "released", "failed", now_us)


def make_key(path: Path, name: str = "acme", budget: str = "", zone: str = "UTC") -> NewKey:
    allowance = Allowance.parse(budget) if budget else None
    return changes.create_key(path, KeyPlan(name=name, allowance=allowance, zone=zone))


FACTS = ServerFacts("i_1", "host", 4711, "127.0.0.1:4777", "0.1.0")


@asynccontextmanager
async def running(path: Path, clock: Callable[[], int]) -> AsyncIterator[Ledger]:
    """A ledger on its own thread; stopped at the end."""
    ledger = Ledger(path, FACTS, clock)
    ledger.start(asyncio.get_running_loop())
    try:
        yield ledger
    finally:
        assert ledger.stop(), "the ledger thread did not end"


@contextmanager
def looking(path: Path) -> Iterator[sqlite3.Connection]:
    """A second connection of another hand: it knows nothing of the code under test."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=5)
    connection.row_factory = sqlite3.Row
    # Not the test's business to checkpoint: that is the ledger's.
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("PRAGMA synchronous=OFF")
    try:
        yield connection
    finally:
        connection.close()


def rows(path: Path, query: str = "SELECT * FROM calls ORDER BY seq") -> list[dict[str, Any]]:
    with looking(path) as connection:
        return [dict(row) for row in connection.execute(query)]


def row(path: Path, new: NewId) -> dict[str, Any]:
    """The one row of this call."""
    with looking(path) as connection:
        found = connection.execute("SELECT * FROM calls WHERE seq = ?", [new.seq]).fetchall()
    assert len(found) == 1, f"{len(found)} rows"
    return dict(found[0])


def windows(path: Path) -> dict[tuple[str, int], tuple[int, int, int]]:
    """Budget and start to spent, held, doubt."""
    return {
        (one["budget_id"], one["start"]): (
            one["spent_nanousd"],
            one["held_nanousd"],
            one["doubt_nanousd"],
        )
        for one in rows(path, "SELECT * FROM windows")
    }


def the_window(path: Path) -> tuple[int, int, int]:
    (amounts,) = windows(path).values()
    return amounts


@contextmanager
def locking(path: Path) -> Iterator[sqlite3.Connection]:
    """The write lock in somebody else's hands."""
    with looking(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        finally:
            connection.execute("ROLLBACK")


PYTHON = sys.executable
ROOT = Path(__file__).parents[2]
